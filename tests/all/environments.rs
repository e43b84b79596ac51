//! Several environments, and several runtimes in one: what lies in an environment
//! runs there, and each runtime is held against a model by itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::make::library;
use crate::support::{artcheck, root, rules, scan, text, unpacked, venv};
use serde_json::Value;

const MODEL: &str = "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so";
const RUNTIME: &str = "tvm/lib/libtvm_runtime.so";
const FFI: &str = "tvm_ffi/lib/libtvm_ffi.so";

/// Puts a file of a wheel, or of the repository, below an environment's packages.
fn put(environment: &Path, from: PathBuf, to: &str) -> PathBuf {
    let file = environment.join("lib/python3.11/site-packages").join(to);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::copy(from, &file).expect("copied");
    file
}

fn of_wheel(wheel: &str, file: &str) -> PathBuf {
    unpacked(&format!("{wheel}-linux-x86_64")).join(file)
}

/// Statuses by the end of the runtime's name.
fn verdicts(report: &Value) -> Vec<(String, String)> {
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let end = |name: String| {
        name.split("site-packages/")
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    let of = |verdict: &Value| (end(text(&verdict["runtime"])), text(&verdict["status"]));
    verdicts.iter().map(of).collect()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_model_in_an_environment_runs_in_that_one() {
    let top = tempfile::tempdir().expect("a folder");
    let (old, new) = (top.path().join("old"), top.path().join("new"));
    put(&old, of_wheel("tvm-0.26", RUNTIME), RUNTIME);
    put(&old, of_wheel("tvm-ffi-0.1.13.post2", FFI), FFI);
    put(&new, of_wheel("tvm-0.27", RUNTIME), RUNTIME);
    put(&new, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    let model = put(&new, root().join(MODEL), "app/model.so");
    for order in [[&old, &new], [&new, &old]] {
        let (report, status) = scan(order);
        assert_eq!(rules(&report, &["error", "warning"]), [""; 0]);
        assert_eq!(status, 0);
        let verdicts = verdicts(&report);
        assert_eq!(verdicts.len(), 1, "{verdicts:?}");
        assert_eq!(verdicts[0].1, "fits");
    }
    // The same model in the other one is wrong there.
    put(&old, model, "app/model.so");
    let (report, status) = scan([&old, &new]);
    assert_eq!(status, 1);
    let findings = report["findings"].as_array().expect("findings");
    let elsewhere = |finding: &Value| {
        let file = finding["artifact"].as_str().expect("a file");
        !file.contains("/old/")
    };
    assert!(!findings.iter().any(elsewhere), "{findings:#?}");
    // A file outside is held against both.
    let outside = top.path().join("model.so");
    std::fs::copy(root().join(MODEL), &outside).expect("copied");
    let (report, _) = scan([&outside, &old, &new]);
    assert_eq!(verdicts(&report).len(), 4);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn two_runtimes_of_one_environment_are_no_chimera() {
    let top = tempfile::tempdir().expect("a folder");
    let environment = top.path().join("v");
    put(&environment, of_wheel("tvm-0.27", RUNTIME), RUNTIME);
    put(
        &environment,
        of_wheel("tvm-0.26", RUNTIME),
        "fork/lib/libtvm_runtime.so",
    );
    put(&environment, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    let given = [root().join(MODEL), "--runtime".into(), environment.clone()];
    let (report, _) = scan(given);
    assert_eq!(rules(&report, &["error", "warning"]), [""; 0]);
    assert_eq!(verdicts(&report), [("tvm".to_owned(), "fits".to_owned())]);
    // Where neither runs it, both say why.
    let other =
        root().join("corpus/artifacts/synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so");
    let (report, status) = scan([other, "--runtime".into(), environment.clone()]);
    assert_eq!(status, 1);
    assert_eq!(verdicts(&report).len(), 2);
    // What lies in a package runs on that package's runtime.
    put(&environment, root().join(MODEL), "fork/model.so");
    let (report, status) = scan([&environment]);
    assert_eq!(status, 1);
    assert_eq!(
        verdicts(&report),
        [("fork".to_owned(), "breaks".to_owned())]
    );
}

/// Compiles a library with the system's C compiler.
fn compile(out: &Path, source: &str, flags: &[&str]) {
    let folder = out.parent().expect("a folder");
    std::fs::create_dir_all(folder).expect("a folder");
    let file = folder.join("source.c");
    std::fs::write(&file, source).expect("written");
    let compiler = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(out)
        .arg(&file)
        .args(flags)
        .status();
    assert!(compiler.expect("a C compiler").success());
    std::fs::remove_file(file).expect("removed");
}

/// A client below `site-packages` that needs one library, and the folder of its
/// environment.
fn client_that_needs(top: &Path, name: &str) -> PathBuf {
    let environment = top.join("v");
    put(&environment, of_wheel("tvm-0.27", RUNTIME), RUNTIME);
    put(&environment, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    let stub = top.join("stub/libstub.so");
    compile(
        &stub,
        "int stub(void) { return 1; }\n",
        &[&format!("-Wl,-soname,{name}")],
    );
    let client = environment.join("lib/python3.11/site-packages/pkg/lib/libpkg.so");
    let client_source = "int TVMFFIObjectIncRef(void *); int stub(void);\n\
        int client(void) { return stub() + TVMFFIObjectIncRef(0); }\n";
    let flags = [
        stub.to_str().expect("text"),
        "-Wl,-rpath,$ORIGIN/../../z3/lib",
    ];
    compile(&client, client_source, &flags);
    environment
}

/// Severity and message of each finding.
fn said(environment: &Path) -> Vec<(String, String)> {
    let (report, _) = scan([environment]);
    let findings = report["findings"].as_array().expect("findings");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let of = |finding: &Value| {
        assert_eq!(finding["rule"], "AC205", "{finding:#}");
        (text(&finding["severity"]), text(&finding["help"]))
    };
    findings.iter().map(of).collect()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_of_another_package_is_looked_for() {
    let top = tempfile::tempdir().expect("a folder");
    let environment = client_that_needs(top.path(), "libz3.so.4.15");
    let absent = said(&environment);
    assert_eq!(absent.len(), 1, "{absent:?}");
    assert_eq!(absent[0].0, "error");
    assert!(absent[0].1.contains("z3-solver"), "{absent:?}");
    // An older one calls itself otherwise.
    let z3 = environment.join("lib/python3.11/site-packages/z3/lib");
    let source = "int stub(void) { return 1; }\n";
    compile(&z3.join("libz3.so"), source, &["-Wl,-soname,libz3.so.4.13"]);
    assert_eq!(said(&environment).len(), 1);
    // Loaded first under its plain name, it answers.
    compile(&z3.join("libz3.so"), source, &["-Wl,-soname,libz3.so.4.15"]);
    assert_eq!(said(&environment), []);
    std::fs::rename(z3.join("libz3.so"), z3.join("libz3.so.4.15")).expect("renamed");
    assert_eq!(said(&environment), []);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_the_machine_must_have_is_said_and_breaks_nothing() {
    for (name, brought_by) in [
        ("libcuda.so.1", "NVIDIA's driver"),
        ("libnvrtc.so.13", "nvidia-cuda-nvrtc"),
        ("libother.so.1", "ship it beside this file"),
    ] {
        let top = tempfile::tempdir().expect("a folder");
        let said = said(&client_that_needs(top.path(), name));
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].0, "info");
        assert!(said[0].1.contains(brought_by), "{said:?}");
    }
    let top = tempfile::tempdir().expect("a folder");
    assert_eq!(said(&client_that_needs(top.path(), "libc.so.6")), []);
}

/// "It fits" alone would hide what is wrong with the environment itself.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn errors_of_a_runtime_that_fits_are_told_with_it() {
    let top = tempfile::tempdir().expect("a folder");
    put(top.path(), of_wheel("tvm-0.27", RUNTIME), RUNTIME);
    put(top.path(), of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    let site = top.path().join("lib/python3.11/site-packages");
    let metadata = [
        (
            "apache_tvm-0.27.0",
            "Name: apache-tvm\nVersion: 0.27.0\nRequires-Dist: apache-tvm-ffi>=0.1.14.post0\n",
        ),
        (
            "apache_tvm_ffi-0.1.13",
            "Name: apache-tvm-ffi\nVersion: 0.1.13\n",
        ),
    ];
    for (name, text) in metadata {
        let info = site.join(format!("{name}.dist-info"));
        std::fs::create_dir(&info).expect("made");
        std::fs::write(info.join("METADATA"), text).expect("written");
    }
    let model = root().join(MODEL);
    let mut scan = artcheck();
    scan.arg("scan")
        .arg(&model)
        .arg("--runtime")
        .arg(top.path());
    let (told, status) = text(&mut scan);
    assert_eq!(status, 1, "{told}");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("has errors of its own. Without them, it would fit."),
        "{told}"
    );
    // The release's own, not the newest that the bound takes.
    assert!(
        told.contains("pip install 'apache-tvm-ffi==0.1.15.post2'"),
        "{told}"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn tvm_ffi_alone_is_told_as_one_thing() {
    let top = tempfile::tempdir().expect("a folder");
    put(top.path(), of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    let model = root().join(MODEL).into_os_string();
    let (report, status) = scan([model, "--runtime".into(), top.path().into()]);
    assert_eq!(status, 1, "{report}");
    assert_eq!(rules(&report, &["error"]), ["AC103"], "{report}");
    let findings = report["findings"].as_array().expect("findings");
    let missing = findings.iter().filter(|one| one["rule"] == "AC103");
    assert_eq!(missing.count(), 1, "{report}");
}

/// A library without which nothing is imported, and whose bytes were never written: no cell
/// and no last line says that anything runs there, and what is to be typed mends it.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_dead_library_of_the_core_stops_everything() {
    let top = tempfile::tempdir().expect("a folder");
    let info = "apache_tvm_ffi-0.1.15.post2.dist-info/RECORD";
    for (name, dead, advice) in [
        ("ffi", FFI, "'apache-tvm-ffi==0.1.15.post2'"),
        ("runtime", RUNTIME, "copy it again"),
    ] {
        let environment = top.path().join(name);
        put(&environment, of_wheel("tvm-0.27", RUNTIME), RUNTIME);
        put(&environment, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
        put(&environment, of_wheel("tvm-ffi-0.1.15.post2", info), info);
        let file = environment.join("lib/python3.11/site-packages").join(dead);
        let size = file.metadata().expect("it is there").len();
        let zeros = vec![0; usize::try_from(size).expect("small")];
        std::fs::write(&file, zeros).expect("written");
        let model = root().join(MODEL);
        for command in ["scan", "matrix"] {
            let mut asked = artcheck();
            asked.arg(command).arg(&model).arg("--runtime");
            let (said, status) = text(asked.arg(&environment));
            assert!(said.contains("AC001"), "{name}: {said}");
            assert!(
                !said.contains("so ✓") && !said.contains("It fits"),
                "{name}: {said}"
            );
            assert_eq!(status, 1, "{name}: {said}");
        }
        let (said, status) = text(artcheck().arg("scan").arg(&environment));
        assert!(said.contains(advice), "{name}: {said}");
        assert_eq!(status, 1, "{name}: {said}");
    }
}

/// A program that needs a library of TVM's family which is nowhere: another runtime, named
/// from elsewhere, does not have it either.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_that_no_runtime_has_is_a_condition() {
    let top = tempfile::tempdir().expect("a folder");
    let source = "int TVMDeviceAPIGet(void) { return 1; }\n";
    let needed = library(top.path(), "libtvm_device_api.so", source, &[]);
    let main = "int TVMDeviceAPIGet(void);\nint main(void) { return TVMDeviceAPIGet() - 1; }\n";
    std::fs::write(top.path().join("client.c"), main).expect("written");
    let client = top.path().join("client");
    let mut link = Command::new("cc");
    link.current_dir(top.path());
    let link = link.args(["client.c", "libtvm_device_api.so", "-o", "client"]);
    assert!(link.status().expect("a linker").success());
    let runtime = venv("tvm-0.27");
    let judged = |more: &[&OsStr]| {
        let mut args = vec![
            client.as_os_str(),
            "--runtime".as_ref(),
            runtime.as_os_str(),
        ];
        args.extend(more);
        let (report, status) = scan(args);
        let verdict = &report["verdicts"][0]["status"];
        (verdict.as_str().expect("a status").to_owned(), status)
    };
    let with: [&OsStr; 2] = ["--with".as_ref(), needed.as_os_str()];
    assert_eq!(judged(&with), (String::from("fits"), 0));
    std::fs::rename(&needed, top.path().join("kept")).expect("renamed");
    assert_eq!(judged(&[]), (String::from("fits-if"), 0));
    assert_eq!(
        judged(&["--complete".as_ref()]),
        (String::from("breaks"), 1)
    );
}

/// Packages side by side in a folder that is no environment.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_of_the_package_beside_is_not_absent_but_cut_off() {
    let top = tempfile::tempdir().expect("a folder");
    for (wheel, file) in [("tvm-0.27", RUNTIME), ("tvm-ffi-0.1.15.post2", FFI)] {
        let to = top.path().join(file);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(of_wheel(wheel, file), to).expect("copied");
    }
    let model = root().join(MODEL);
    let judged = || {
        let (report, status) = scan([&model, Path::new("--runtime"), top.path()]);
        (rules(&report, &["error"]), status)
    };
    assert_eq!(judged(), (Vec::new(), 0));
    let ffi = top.path().join(FFI);
    let bytes = std::fs::read(&ffi).expect("read");
    std::fs::write(&ffi, bytes.get(..60_000).expect("longer")).expect("written");
    assert_eq!(judged(), (vec![String::from("AC001")], 1));
}

/// Two environments that share files, as uv makes them, in one archive: each is judged.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn hard_links_in_an_archive_are_files_of_their_own() {
    let top = tempfile::tempdir().expect("a folder");
    let (one, other) = (top.path().join("one"), top.path().join("other"));
    put(&one, of_wheel("tvm-0.27", RUNTIME), RUNTIME);
    put(&one, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    put(&other, of_wheel("tvm-0.26", RUNTIME), RUNTIME);
    let linked = put(&other, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    std::fs::remove_file(&linked).expect("removed");
    let file = one.join("lib/python3.11/site-packages").join(FFI);
    std::fs::hard_link(file, &linked).expect("a link");
    for flags in ["-cf", "-czf"] {
        let archive = top.path().join(flags.replace("-c", "a.tar."));
        let mut tar = std::process::Command::new("tar");
        tar.arg(flags).arg(&archive).arg("-C").arg(top.path());
        assert!(tar.args(["one", "other"]).status().expect("tar").success());
        let (packed, _) = scan([&archive]);
        let (folders, _) = scan([&one, &other]);
        let of = |report: &Value| rules(report, &["error", "warning"]);
        assert_eq!(of(&packed), of(&folders), "{flags}");
        let sets = |report: &Value| report["runtimes"].as_array().map(Vec::len);
        assert_eq!(sets(&packed), sets(&folders), "{flags}");
    }
}

/// What a hard link leads to may be something else under the link's name: where that was not
/// read as such, it is said, and nothing is missing.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn hard_links_under_other_names_are_not_passed_over() {
    let top = tempfile::tempdir().expect("a folder");
    let v = top.path().join("v");
    put(&v, of_wheel("tvm-0.27", RUNTIME), RUNTIME);
    let ffi = put(&v, of_wheel("tvm-ffi-0.1.15.post2", FFI), FFI);
    // As tools write it that keep each file once.
    let kept = top.path().join("kept");
    std::fs::create_dir(&kept).expect("a folder");
    let archive = top.path().join("a.tar");
    let statuses = ["c33ef534", "libtvm_ffi.so"].map(|name| {
        let kept = kept.join(name);
        std::fs::rename(&ffi, &kept).expect("moved");
        std::fs::hard_link(&kept, &ffi).expect("a link");
        let mut tar = std::process::Command::new("tar");
        tar.arg("-cf").arg(&archive).arg("-C").arg(top.path());
        assert!(tar.args(["kept", "v"]).status().expect("tar").success());
        let (report, status) = scan([&archive]);
        let told = report.to_string().contains("it is a hard link to");
        assert_eq!(told, name == "c33ef534", "{report}");
        std::fs::remove_file(&ffi).expect("removed");
        std::fs::rename(&kept, &ffi).expect("moved");
        status
    });
    assert_eq!(statuses[0], 4);
}

/// As `PYTHONPATH` lists them: the one folder has TVM, the other tvm-ffi.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn folders_that_python_looks_in_one_after_the_other_are_one_runtime() {
    let model = root().join(MODEL);
    let parts = ["tvm-0.27", "tvm-ffi-0.1.15.post2"].map(|wheel| of_wheel(wheel, ""));
    let found = |runtime: &OsStr| {
        let args = [model.as_os_str(), "--runtime".as_ref(), runtime];
        let (report, status) = scan(args);
        (rules(&report, &["error", "warning"]), status)
    };
    let both = std::env::join_paths(&parts).expect("names");
    assert_eq!(found(&both), (vec![], 0));
    let alone = (vec!["AC205".to_owned()], 0);
    assert_eq!(found(parts[0].as_os_str()), alone);
}
