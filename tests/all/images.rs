//! Images of containers: what a scan says of the layers is what it says of the folder that
//! they become.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::make::{folder, library, put};
use crate::support::{rules, scan};

const SITE: &str = "opt/venv/lib/python3.11/site-packages";
const NEW: &str = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
    int TVMFFIFunctionSetGlobal(void) { return 0; }\n\
    void *TVMFFIHandleInitOnce(void *a) { return a; }\n";
const OLD: &str = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
    int TVMFFIFunctionSetGlobal(void) { return 0; }\n";
const CLIENT: &str =
    "void *TVMFFIHandleInitOnce(void *); void call(void) { TVMFFIHandleInitOnce(0); }\n";

/// A layer, by what is put into its folder.
type Layer<'a> = &'a dyn Fn(&Path);

/// The kinds of images that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Saved,
    SavedPacked,
    Oci,
}

fn tar(archive: &Path, flags: &str, from: &Path) {
    let mut tar = Command::new("tar");
    let done = tar
        .arg(flags)
        .arg(archive)
        .arg("-C")
        .arg(from)
        .arg(".")
        .status();
    assert!(done.expect("tar").success());
}

/// An image with some layers, and the folder of which each is one.
fn image(top: &Path, layers: &[Layer<'_>], form: Form) -> PathBuf {
    let image = top.join("image");
    let mut names = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let from = top.join(format!("layer{number}"));
        std::fs::create_dir_all(&from).expect("a folder");
        layer(&from);
        let name = match form {
            Form::Oci => format!("blobs/sha256/{number}"),
            _ => format!("{number}/layer.tar"),
        };
        let file = image.join(&name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        let flags = if form == Form::Saved { "-cf" } else { "-czf" };
        tar(&file, flags, &from);
        names.push(name);
    }
    match form {
        Form::Oci => {
            let digest = |number: usize| json!({ "digest": format!("sha256:{number}") });
            let layers: Vec<Value> = (0..layers.len()).map(digest).collect();
            put(&image, "oci-layout", "{}");
            put(
                &image,
                "blobs/sha256/m",
                json!({ "layers": layers }).to_string(),
            );
            put(
                &image,
                "index.json",
                json!({ "manifests": [{ "digest": "sha256:m" }] }).to_string(),
            );
        }
        _ => {
            let list = json!([{ "Config": "c.json", "RepoTags": null, "Layers": names }]);
            put(&image, "manifest.json", list.to_string());
        }
    }
    let file = top.join("image.tar");
    tar(&file, "-cf", &image);
    file
}

/// What docker makes of the layers.
fn merged(top: &Path, layers: &[Layer<'_>]) -> PathBuf {
    let root = top.join("merged");
    for layer in layers {
        layer(&root);
        let mut left = vec![root.clone()];
        while let Some(folder) = left.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                if let Some(gone) = name.strip_prefix(".wh.") {
                    std::fs::remove_file(&path).expect("removed");
                    let gone = path.with_file_name(gone);
                    let _ = std::fs::remove_file(&gone).or_else(|_| std::fs::remove_dir_all(gone));
                } else if path.is_dir() {
                    left.push(path);
                }
            }
        }
    }
    root
}

fn part(root: &Path, name: &str, source: &str, needs: bool) {
    let file = root.join(SITE).join(name);
    let lib = file.parent().expect("a folder");
    std::fs::create_dir_all(lib).expect("a folder");
    let name = file.file_name().expect("a name").to_str().expect("text");
    let soname = format!("-Wl,-soname,{name}");
    let mut flags = vec![
        "-Wl,--no-as-needed",
        "-Wl,-rpath,$ORIGIN/../tvm_ffi/lib",
        &soname,
    ];
    let stub = lib.join("stub.so");
    if needs {
        library(lib, "stub.so", OLD, &["-Wl,-soname,libtvm_ffi.so"]);
        flags.push(stub.to_str().expect("text"));
    }
    library(lib, name, source, &flags);
    let _ = std::fs::remove_file(stub);
}

fn ffi(source: &'static str) -> impl Fn(&Path) {
    move |root| {
        put(
            root,
            "opt/venv/pyvenv.cfg",
            "include-system-site-packages = false\n",
        );
        part(root, "tvm_ffi/lib/libtvm_ffi.so", source, false);
        let info = root
            .join(SITE)
            .join("apache_tvm_ffi-0.1.15.post2.dist-info");
        put(
            &info,
            "METADATA",
            "Name: apache-tvm-ffi\nVersion: 0.1.15.post2\n",
        );
        put(
            &info,
            "RECORD",
            "tvm_ffi/__init__.py,sha256=x,0\ntvm_ffi/lib/libtvm_ffi.so,sha256=x,\n",
        );
        put(root.join(SITE), "tvm_ffi/__init__.py", "");
    }
}

fn client(root: &Path) {
    part(root, "client/_client.so", CLIENT, true);
    let info = root.join(SITE).join("client-1.0.dist-info");
    let metadata = "Name: client\nVersion: 1.0\nRequires-Dist: apache-tvm-ffi>=0.1.15\n";
    put(&info, "METADATA", metadata);
    put(
        &info,
        "RECORD",
        "client/__init__.py,sha256=x,15\nclient/_client.so,sha256=x,\n",
    );
    put(root.join(SITE), "client/__init__.py", "import tvm_ffi\n");
}

fn without(name: &'static str) -> impl Fn(&Path) {
    move |root| drop(put(root.join(SITE), name, ""))
}

/// Rules, with what each finding is about, without where the image is.
fn said(path: &Path) -> Vec<String> {
    let (report, _) = scan([path]);
    let place = path.to_str().expect("text");
    let findings = report["findings"].as_array().expect("findings").iter();
    let mut said: Vec<String> = findings
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or("").to_owned();
            let file = text("artifact").replace(place, "");
            let file = file.trim_start_matches(['/', '!']);
            format!("{} {} {file}", text("rule"), text("severity"))
        })
        .collect();
    said.sort();
    said
}

#[test]
fn the_layers_of_an_image_are_one_environment() {
    let (new, old) = (ffi(NEW), ffi(OLD));
    let (no_library, no_package) = (
        without("tvm_ffi/lib/.wh.libtvm_ffi.so"),
        without(".wh.tvm_ffi"),
    );
    let cases: [(&str, &[Layer<'_>], &[&str]); 6] = [
        ("split", &[&new, &client], &[]),
        ("the other way", &[&client, &new], &[]),
        ("replaced", &[&new, &client, &old], &["AC203"]),
        ("mended", &[&old, &client, &new], &[]),
        ("taken away", &[&new, &client, &no_library], &["AC209"]),
        (
            "taken away whole",
            &[&new, &client, &no_package],
            &["AC209"],
        ),
    ];
    for (name, layers, expected) in cases {
        let top = folder();
        let folder = merged(top.path(), layers);
        let whole = said(&folder);
        for rule in expected {
            assert!(
                whole.iter().any(|one| one.starts_with(rule)),
                "{name}: {whole:?}"
            );
        }
        if expected.is_empty() {
            assert_eq!(whole, [""; 0], "{name}");
        }
        for form in [Form::Saved, Form::SavedPacked, Form::Oci] {
            let top = crate::support::make::folder();
            assert_eq!(
                said(&image(top.path(), layers, form)),
                whole,
                "{name} {form:?}"
            );
            // The folder that the tar is made of is the same image.
            let unpacked = said(&top.path().join("image"));
            assert_eq!(unpacked, whole, "{name} {form:?}");
        }
    }
}

/// Folders with some files of an image are folders.
#[test]
fn a_folder_is_an_image_where_its_layers_are_there() {
    let top = folder();
    let new = ffi(NEW);
    image(top.path(), &[&new, &client], Form::Saved);
    let image = top.path().join("image");
    let members = |report: &Value| report.to_string().contains("image!opt/venv");
    assert!(members(&scan([top.path()]).0));
    std::fs::remove_dir_all(image.join("0")).expect("removed");
    assert!(!members(&scan([&image]).0));
}

/// What a conda environment has not, its Python finds nowhere.
#[test]
fn a_conda_environment_has_its_packages_in_itself() {
    let top = folder();
    let root = top.path().join("root");
    let runtime = "int TVMBackendParallelLaunch(void) { return 0; }\n\
        void *TVMBackendAllocWorkspace(void) { return 0; }\n";
    part(&root, "tvm/lib/libtvm_runtime.so", runtime, true);
    let info = root.join(SITE).join("apache_tvm-0.27.0.dist-info");
    let metadata = "Name: apache-tvm\nVersion: 0.27.0\nRequires-Dist: apache-tvm-ffi>=0.1.14\n";
    put(&info, "METADATA", metadata);
    put(
        &info,
        "RECORD",
        "tvm/__init__.py,sha256=x,15\ntvm/lib/libtvm_runtime.so,sha256=x,\n",
    );
    put(root.join(SITE), "tvm/__init__.py", "import tvm_ffi\n");
    let errors = |path: &Path| rules(&scan([path]).0, &["error"]);
    assert_eq!(errors(&root), [""; 0]);
    put(root.join("opt/venv"), "conda-meta/history", "");
    assert_eq!(errors(&root), ["AC207"]);
    let archive = top.path().join("root.tar");
    tar(&archive, "-cf", &root);
    assert_eq!(errors(&archive), ["AC209"]);
}

/// Where the layers are not all there, or are not told, nothing is said to lack.
#[test]
fn images_that_are_not_read_whole_are_not_decided() {
    let new = ffi(NEW);
    let layers: [Layer<'_>; 2] = [&client, &new];
    let undecided = |change: &dyn Fn(&Path)| {
        let top = folder();
        let file = image(top.path(), &layers, Form::Saved);
        let image = top.path().join("image");
        change(&image);
        tar(&file, "-cf", &image);
        let (report, status) = scan([&file]);
        assert_eq!(rules(&report, &["error"]), [""; 0], "{report}");
        assert_eq!(status, 4, "{report}");
    };
    undecided(&|image| std::fs::remove_file(image.join("1/layer.tar")).expect("removed"));
    undecided(&|image| {
        let two = json!([{ "Layers": ["0/layer.tar"] }, { "Layers": ["1/layer.tar"] }]);
        put(image, "manifest.json", two.to_string());
    });
    undecided(&|image| drop(put(image, "1/layer.tar", b"\x28\xb5\x2f\xfd packed")));
    // Of two, one runs; which is not a matter of limits.
    let top = folder();
    image(top.path(), &layers, Form::Oci);
    let of = |system: &str| json!({ "digest": "sha256:m", "platform": { "os": "linux", "architecture": system } });
    let both = json!({ "manifests": [of("amd64"), of("arm64")] });
    put(top.path().join("image"), "index.json", both.to_string());
    let (report, status) = scan([top.path().join("image")]);
    assert_eq!(status, 4, "{report}");
    let text = report.to_string();
    assert!(
        text.contains("2 images, for linux/amd64 and linux/arm64"),
        "{text}"
    );
    assert!(
        text.contains("--platform") && !text.contains("limit"),
        "{text}"
    );
    // The list of layers may be the last in a packed tar.
    let top = folder();
    let file = image(top.path(), &layers, Form::Saved);
    let packed = top.path().join("image.tar.gz");
    tar(&packed, "-czf", &top.path().join("image"));
    std::fs::remove_file(file).expect("removed");
    let (report, status) = scan([&packed]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec![], 4),
        "{report}"
    );
    // A tar with such a list that is none of an image is a tar.
    let top = folder();
    client(&top.path().join("plain"));
    new(&top.path().join("plain"));
    put(top.path().join("plain"), "manifest.json", "{}");
    let plain = top.path().join("plain.tar");
    tar(&plain, "-cf", &top.path().join("plain"));
    let (report, status) = scan([&plain]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec![], 0),
        "{report}"
    );
}

/// However many archives lie in one, each is judged.
#[test]
fn environments_in_archives_in_one_archive() {
    let top = folder();
    let inner = top.path().join("inner");
    let site = top.path().join("site");
    ffi(NEW)(&site);
    client(&site);
    std::fs::create_dir_all(&inner).expect("a folder");
    let count = 5;
    for number in 0..count {
        tar(&inner.join(format!("{number}.tar")), "-cf", &site);
    }
    for flags in ["-cf", "-czf"] {
        let archive = top.path().join("all.tar.gz");
        tar(&archive, flags, &inner);
        let (report, status) = scan([&archive]);
        assert_eq!(status, 0, "{report}");
        assert_eq!(report["runtimes"].as_array().map(Vec::len), Some(count));
    }
    // One of them is damaged in a way that only its environment shows.
    let first = site.join(SITE).join("client/__init__.py");
    std::fs::write(first, "import tvm_ffi\nimport numpyy\n").expect("written");
    tar(&inner.join("0.tar"), "-cf", &site);
    let archive = top.path().join("all.tar.gz");
    tar(&archive, "-czf", &inner);
    let (report, _) = scan([&archive]);
    assert_eq!(rules(&report, &["error"]), ["AC209"], "{report}");
}
