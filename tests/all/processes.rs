//! What one process of an environment loads: registries that are there twice,
//! packages that work alone only, tvm-ffi without a runtime, and what Python files
//! import. The libraries are small ones of the system's compiler, with the symbols
//! that tell a registry or a runtime.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::make::{folder, library, put};
use crate::support::{rules, scan};

const REGISTRY: &str = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
    int TVMFFIFunctionSetGlobal(void) { return 0; }\n\
    void TVMFFIErrorSetRaisedFromCStr(const char *a, const char *b) { (void)a; (void)b; }\n";
const RUNTIME: &str = "void TVMFFIErrorSetRaisedFromCStr(const char *, const char *);\n\
    int TVMBackendParallelLaunch(void) { TVMFFIErrorSetRaisedFromCStr(\"a\", \"b\"); return 0; }\n\
    const char *name(void) { return \"device_api.cpu\"; }\n";
const CLIENT: &str = "void TVMFFIErrorSetRaisedFromCStr(const char *, const char *);\n\
    void call(void) { TVMFFIErrorSetRaisedFromCStr(\"a\", \"b\"); }\n";
const NEWER: &str =
    "void *TVMFFIHandleInitOnce(void *); void call(void) { TVMFFIHandleInitOnce(0); }\n";

/// An environment that sees itself alone.
fn environment(root: &Path) -> PathBuf {
    put(root, "pyvenv.cfg", "include-system-site-packages = false\n");
    let site = root.join("lib/python3.11/site-packages");
    std::fs::create_dir_all(&site).expect("a folder");
    site
}

/// A library of a package, which names itself `soname` and what it is linked with.
fn part(site: &Path, folder: &str, soname: &str, source: &str, with: &[&Path]) -> PathBuf {
    let folder = site.join(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let soname_flag = format!("-Wl,-soname,{soname}");
    let mut flags = vec!["-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed", &soname_flag];
    flags.extend(with.iter().map(|file| file.to_str().expect("text")));
    library(&folder, soname, source, &flags)
}

fn package(site: &Path, name: &str, version: &str, lines: &str) -> PathBuf {
    let folder = site.join(format!("{}-{version}.dist-info", name.replace('-', "_")));
    let text = format!("Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{lines}\n");
    put(&folder, "METADATA", text);
    folder
}

fn found(path: &Path) -> Vec<(String, String, String)> {
    let (report, _) = scan([path]);
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("").to_owned();
    let findings = report["findings"].as_array().expect("findings").iter();
    findings
        .map(|one| {
            (
                text(one, "rule"),
                text(one, "severity"),
                text(one, "message"),
            )
        })
        .collect()
}

#[test]
fn a_registry_that_a_client_brings_is_the_second() {
    let root = folder();
    let site = environment(root.path());
    let own = part(&site, "tvm_ffi/lib", "libtvm_ffi.so", REGISTRY, &[]);
    part(&site, "tvm_ffi", "core.so", CLIENT, &[&own]);
    let kernel = part(&site, "kernel", "_kernel.so", CLIENT, &[&own]);
    assert_eq!(found(root.path()), []);
    let copy = part(
        &site,
        "kernel.libs",
        "libtvm_ffi-c33ef534.so",
        REGISTRY,
        &[],
    );
    std::fs::remove_file(kernel).expect("removed");
    part(&site, "kernel", "_kernel.so", CLIENT, &[&copy]);
    let all = found(root.path());
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].0.as_str(), all[0].1.as_str()), ("AC206", "error"));
    // The copy alone, in a package that also requires the other.
    std::fs::remove_file(own).expect("removed");
    package(&site, "kernel", "1.0", "Requires-Dist: apache-tvm-ffi");
    let all = found(root.path());
    let codes: Vec<&str> = all.iter().map(|one| one.0.as_str()).collect();
    assert!(codes.contains(&"AC206"), "{all:?}");
}

/// A wheel of what lies in some folders of an environment.
fn wheel(site: &Path, to: &Path, folders: &[&str]) -> PathBuf {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(to).expect("a file"));
    let files = folders
        .iter()
        .flat_map(|name| walkdir::WalkDir::new(site.join(name)));
    let files = files.map(|entry| entry.expect("an entry").into_path());
    for file in files.filter(|path| path.is_file()) {
        let name = file.strip_prefix(site).expect("below it");
        let options = zip::write::SimpleFileOptions::default();
        let name = name.to_str().expect("text");
        archive.start_file(name, options).expect("a member");
        let bytes = std::fs::read(file).expect("read");
        archive.write_all(&bytes).expect("written");
    }
    archive.finish().expect("written");
    to.to_owned()
}

#[test]
fn a_copy_that_was_repaired_into_a_wheel_is_the_second_registry() {
    let root = folder();
    let site = environment(root.path());
    let own = part(&site, "tvm_ffi/lib", "libtvm_ffi.so", REGISTRY, &[]);
    part(&site, "tvm_ffi", "core.so", CLIENT, &[&own]);
    package(&site, "apache-tvm-ffi", "0.1.15.post2", "");
    let copy = "libtvm_ffi-c33ef534.so";
    let copy = part(&site, "kernel.libs", copy, REGISTRY, &[]);
    part(&site, "kernel", "_kernel.so", CLIENT, &[&copy]);
    package(&site, "kernel", "1.0", "Requires-Dist: apache-tvm-ffi");
    let wheels = folder();
    let kernel = wheels
        .path()
        .join("kernel-1.0-cp311-cp311-linux_x86_64.whl");
    let kernel_folders = ["kernel", "kernel.libs", "kernel-1.0.dist-info"];
    let kernel = wheel(&site, &kernel, &kernel_folders);
    let wrong = |scanned: &Value, status: i32| {
        assert_eq!(rules(scanned, &["error"]), ["AC206"], "{scanned:#}");
        assert_eq!(status, 1);
        let verdicts = scanned["verdicts"].as_array().expect("verdicts").iter();
        let mut of_kernel = verdicts.filter(|one| one["artifact"].to_string().contains("_kernel"));
        let is_broken = of_kernel.all(|one| one["status"] == "breaks");
        assert!(is_broken, "{scanned:#}");
    };
    // Alone, it requires the other.
    let (report, status) = scan([&kernel]);
    wrong(&report, status);
    // The environment that it becomes, and with it the wheels in one folder.
    let (report, status) = scan([root.path()]);
    wrong(&report, status);
    let ffi = wheels
        .path()
        .join("apache_tvm_ffi-0.1.15.post2-cp311-cp311-linux_x86_64.whl");
    wheel(
        &site,
        &ffi,
        &["tvm_ffi", "apache_tvm_ffi-0.1.15.post2.dist-info"],
    );
    let (report, status) = scan([wheels.path()]);
    wrong(&report, status);
    // On an environment that has the other.
    for folder in kernel_folders {
        std::fs::remove_dir_all(site.join(folder)).expect("removed");
    }
    let runtime = [
        kernel.as_os_str(),
        "--runtime".as_ref(),
        root.path().as_os_str(),
    ];
    let (report, status) = scan(runtime);
    wrong(&report, status);
    // Linked with the installed one the wheel is right in each of these places.
    let linked = part(&site, "kernel", "_kernel.so", CLIENT, &[&own]);
    package(&site, "kernel", "1.0", "Requires-Dist: apache-tvm-ffi");
    wheel(&site, &kernel, &["kernel", "kernel-1.0.dist-info"]);
    assert!(linked.is_file());
    for scanned in [
        vec![root.path().as_os_str()],
        vec![wheels.path().as_os_str()],
        runtime.to_vec(),
    ] {
        let (report, status) = scan(&scanned);
        let found = rules(&report, &["error", "warning"]);
        assert_eq!((found, status), (vec![], 0), "{scanned:?}: {report:#}");
    }
}

/// Two builds of one runtime in one folder: the package's code says which it loads. A file
/// that gets both shows that they clash.
#[test]
fn two_builds_of_a_runtime_clash_where_one_file_gets_both() {
    let root = folder();
    let site = environment(root.path());
    let whole = format!("{REGISTRY}int TVMBackendParallelLaunch(void) {{ return 0; }}\n");
    let one = part(&site, "kernel/lib", "libtvm.so", &whole, &[]);
    let other = part(&site, "kernel/lib", "libtvm_runtime.so", &whole, &[]);
    part(&site, "kernel/lib", "libkernel_module.so", CLIENT, &[&one]);
    part(&site, "kernel/lib", "libkernel.so", CLIENT, &[&other]);
    let severities = |report: &Value| -> Vec<String> {
        let findings = report["findings"].as_array().expect("findings").iter();
        let twice = findings.filter(|one| one["rule"] == "AC206");
        twice.map(|one| one["severity"].to_string()).collect()
    };
    let (report, status) = scan([root.path()]);
    assert_eq!(severities(&report), ["\"warning\""], "{report:#}");
    assert_eq!(status, 0, "{report:#}");
    part(&site, "kernel/lib", "libboth.so", CLIENT, &[&one, &other]);
    let (report, status) = scan([root.path()]);
    assert_eq!(severities(&report), ["\"error\""], "{report:#}");
    assert_eq!(status, 1, "{report:#}");
}

#[test]
fn packages_that_clash_only_together_get_a_warning() {
    let root = folder();
    let site = environment(root.path());
    let ffi = part(&site, "tvm_ffi/lib", "libtvm_ffi.so", REGISTRY, &[]);
    let runtime = part(&site, "tvm/lib", "libtvm_runtime.so", RUNTIME, &[&ffi]);
    std::fs::copy(&ffi, runtime.with_file_name("libtvm_ffi.so")).expect("copied");
    std::fs::remove_file(runtime.with_file_name("libtvm_ffi.so")).expect("removed");
    let alone = found(root.path());
    assert!(alone.iter().all(|one| one.0 != "AC206"), "{alone:?}");
    part(&site, "fork/lib", "libtvm_runtime.so", RUNTIME, &[&ffi]);
    let all = found(root.path());
    let both: Vec<_> = all.iter().filter(|one| one.0 == "AC206").collect();
    assert_eq!(both.len(), 1, "{all:?}");
    assert_eq!(both[0].1, "warning");
    assert!(both[0].2.contains("`fork` and `tvm`"), "{}", both[0].2);
}

#[test]
fn a_client_is_judged_beside_tvm_ffi_alone() {
    let root = folder();
    let ffi = part(root.path(), "app", "libtvm_ffi.so", REGISTRY, &[]);
    let client = part(root.path(), "app", "libclient.so", CLIENT, &[&ffi]);
    let (report, status) = scan([root.path()]);
    assert_eq!((rules(&report, &["error", "warning"]), status), (vec![], 0));
    std::fs::remove_file(client).expect("removed");
    let newer = part(root.path(), "app", "libclient.so", NEWER, &[&ffi]);
    let (report, status) = scan([root.path()]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC203".into()], 1)
    );
    // Named alone it loads the same; where that is not there it is held against the releases.
    let (report, _) = scan([newer.as_path()]);
    assert_eq!(rules(&report, &["error"]), ["AC203"]);
    std::fs::remove_file(ffi).expect("removed");
    let (report, status) = scan([newer.as_path()]);
    let verdicts = report["verdicts"].as_array().map_or(0, Vec::len);
    assert!(verdicts > 5, "{report}");
    assert_ne!(status, 2);
}

#[test]
fn an_environment_of_several_folders_is_one() {
    const NEEDS_NEWER: &str = "void *TVMFFIHandleInitOnce(void *);\n\
        int TVMBackendParallelLaunch(void) { return TVMFFIHandleInitOnce(0) != 0; }\n\
        const char *name(void) { return \"device_api.cpu\"; }\n";
    let root = folder();
    let site = environment(root.path());
    let ffi = part(&site, "tvm_ffi/lib", "libtvm_ffi.so", REGISTRY, &[]);
    part(&site, "tvm_ffi", "core.so", CLIENT, &[&ffi]);
    let elsewhere = folder();
    part(
        elsewhere.path(),
        "tvm/lib",
        "libtvm_runtime.so",
        NEEDS_NEWER,
        &[&ffi],
    );
    let unrelated = part(
        elsewhere.path(),
        "other/lib",
        "libother.so",
        CLIENT,
        &[&ffi],
    );
    // Each by itself is nothing to speak of.
    assert_eq!(found(root.path()), []);
    put(
        &site,
        "more.pth",
        format!("import os\n# a comment\n{}\n", elsewhere.path().display()),
    );
    let (report, status) = scan([root.path()]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC203".into()], 1),
        "{report:#}"
    );
    let symbol = &report["findings"][0]["locations"][0]["symbol"];
    assert_eq!(symbol, "TVMFFIHandleInitOnce");
    // Of the other folder only packages that have to do with TVM are read.
    let text = report["artifacts"].to_string();
    assert!(!text.contains(unrelated.to_str().expect("text")), "{text}");
    // A package of its own folder goes before the other's.
    part(&site, "tvm/lib", "libtvm_runtime.so", RUNTIME, &[&ffi]);
    assert_eq!(rules(&scan([root.path()]).0, &["error"]), [""; 0]);
}

#[test]
fn a_package_that_is_asked_for_must_be_there() {
    let root = folder();
    let site = environment(root.path());
    let elsewhere = folder();
    let ffi = part(elsewhere.path(), "lib", "libtvm_ffi.so", REGISTRY, &[]);
    part(&site, "tvm/lib", "libtvm_runtime.so", RUNTIME, &[&ffi]);
    package(
        &site,
        "apache-tvm",
        "0.27.0.post1",
        "Requires-Dist: apache-tvm-ffi>=0.1.14",
    );
    let asks = "apache-tvm asks for apache-tvm-ffi>=0.1.14, which is not installed";
    assert!(found(root.path()).iter().any(|one| one.2 == asks));
    // Another folder may have it.
    put(&site, "other.pth", "/opt/packages\n");
    assert!(found(root.path()).iter().all(|one| one.2 != asks));
}

#[test]
fn names_that_python_imports_must_be_there() {
    let root = folder();
    let site = environment(root.path());
    part(&site, "tvm_ffi/lib", "libtvm_ffi.so", REGISTRY, &[]);
    package(&site, "apache-tvm-ffi", "0.1.10", "");
    put(&site, "tvm_ffi/__init__.py", "from . import dataclasses\n");
    put(
        &site,
        "tvm_ffi/dataclasses/__init__.py",
        "def py_class(cls): return cls\n",
    );
    let info = package(
        &site,
        "lang",
        "1.0",
        "Requires-Dist: apache-tvm-ffi>=0.1.10",
    );
    put(&info, "RECORD", "lang/a.py,,\nlang/b.py,,\n");
    put(
        &site,
        "lang/a.py",
        "from tvm_ffi.dataclasses import py_class\nfrom tvm_ffi import dataclasses\n",
    );
    put(
        &site,
        "lang/b.py",
        "def later():\n    from tvm_ffi.dataclasses import Enum\n",
    );
    assert_eq!(found(root.path()), []);
    put(
        &site,
        "lang/b.py",
        "from tvm_ffi.dataclasses import (\n    Enum,\n    py_class,\n)\n",
    );
    let (report, status) = scan([root.path()]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC207".into()], 1)
    );
    let finding = &report["findings"][0];
    assert_eq!(
        finding["runtime_says"],
        "cannot import name 'Enum' from 'tvm_ffi.dataclasses'"
    );
}
