//! The machine around a set: what it must have, what a set lacks that claims to be the
//! whole of one, symbol versions, and Java's native methods. The system's loader and a
//! Java virtual machine are asked the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::make::{folder, library, put};
use crate::support::{artcheck, root, rules, scan, unpacked};

const CUDA: &str = "corpus/artifacts/tvm-0.27/embedding-cuda-x86_64.so";

/// The libraries of the 0.27 wheel in an environment below a folder.
fn environment(top: &Path) -> PathBuf {
    let site = top.join("v/lib/python3.11/site-packages");
    for (wheel, folder) in [
        ("tvm-0.27-linux-x86_64", "tvm/lib"),
        ("tvm-ffi-0.1.15.post2-linux-x86_64", "tvm_ffi/lib"),
    ] {
        std::fs::create_dir_all(site.join(folder)).expect("a folder");
        for entry in std::fs::read_dir(unpacked(wheel).join(folder)).expect("a wheel") {
            let file = entry.expect("an entry").path();
            let name = file
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if name.starts_with("libtvm_runtime") || name == "libtvm_ffi.so" {
                std::os::unix::fs::symlink(&file, site.join(folder).join(name)).expect("a link");
            }
        }
    }
    top.join("v")
}

fn verdict(report: &Value) -> (String, Vec<String>) {
    let verdict = &report["verdicts"][0];
    let needs = verdict["needs"].as_array().into_iter().flatten();
    let needs = needs.map(|need| need["library"].as_str().expect("a name").to_owned());
    let status = verdict["status"].as_str().expect("a status").to_owned();
    (status, needs.collect())
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_for_a_device_fits_if_the_machine_has_what_its_part_needs() {
    let top = folder();
    let environment = environment(top.path());
    let model = root().join(CUDA);
    let args = |more: &[&str]| {
        let mut args = vec![model.clone(), "--runtime".into(), environment.clone()];
        args.extend(more.iter().map(PathBuf::from));
        args
    };
    let needs = ["libcudart.so.13", "libcuda.so.1"];
    let (report, status) = scan(args(&[]));
    assert_eq!(verdict(&report).0, "fits-if", "{report:#}");
    for need in needs {
        assert!(verdict(&report).1.contains(&need.to_owned()), "{report:#}");
    }
    assert_eq!((rules(&report, &["error", "warning"]), status), (vec![], 0));
    let text = artcheck()
        .arg("scan")
        .args(args(&[]))
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("fits if"), "{text}");
    assert!(
        text.contains("the machine has libcuda.so.1, libcudart.so.13"),
        "{text}"
    );
    let matrix = artcheck()
        .arg("matrix")
        .args(args(&[]))
        .output()
        .expect("it starts");
    let matrix = String::from_utf8_lossy(&matrix.stdout).into_owned();
    assert!(matrix.contains("(✓)"), "{matrix}");
    // As the whole of a machine it lacks them.
    let (report, status) = scan(args(&["--complete"]));
    assert_eq!(verdict(&report).0, "breaks");
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC205".into()], 1)
    );
    let said = report["findings"].to_string();
    assert!(
        said.contains("a loader of that name is not registered"),
        "{said}"
    );
    assert!(
        said.contains("nvidia-cuda-runtime") && said.contains("NVIDIA's driver"),
        "{said}"
    );
    // A container that has them: its root folder says where its loader looks.
    let container = top.path().join("root");
    for folder in ["etc/ld.so.conf.d", "usr/lib", "opt/cuda/lib"] {
        std::fs::create_dir_all(container.join(folder)).expect("a folder");
    }
    put(
        &container,
        "etc/ld.so.conf",
        "include ld.so.conf.d/*.conf\n",
    );
    put(&container, "etc/ld.so.conf.d/cuda.conf", "/opt/cuda/lib\n");
    let soname = |name: &str| format!("-Wl,-soname,{name}");
    library(
        &container.join("usr/lib"),
        needs[1],
        "int a;\n",
        &[&soname(needs[1])],
    );
    std::fs::rename(top.path().join("v"), container.join("v")).expect("moved");
    std::fs::copy(&model, container.join("v/model.so")).expect("copied");
    let (report, status) = scan([container.as_path(), Path::new("--complete")]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC205".into()], 1)
    );
    library(
        &container.join("opt/cuda/lib"),
        needs[0],
        "int a;\n",
        &[&soname(needs[0])],
    );
    let (report, status) = scan([container.as_path(), Path::new("--complete")]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec![], 0),
        "{report:#}"
    );
}

/// What the system's loader says when a file is opened.
fn loader_says(file: &Path) -> String {
    let folder = folder();
    let source = "#include <dlfcn.h>\n#include <stdio.h>\nint main(int n, char **a) {\n\
        if (!dlopen(a[1], RTLD_NOW)) puts(dlerror()); return 0; }\n";
    let (source, program) = (put(&folder, "o.c", source), folder.path().join("o"));
    let compiled = Command::new("cc")
        .arg(source)
        .arg("-o")
        .arg(&program)
        .arg("-ldl")
        .status();
    assert!(compiled.expect("a C compiler").success());
    let said = Command::new(program).arg(file).output().expect("it starts");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_library_without_the_version_asked_for_is_refused() {
    const REGISTRY: &str = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
        int TVMFFIFunctionSetGlobal(void) { return 0; }\n\
        void TVMFFIErrorSetRaisedFromCStr(const char *a, const char *b) { (void)a; (void)b; }\n";
    const CLIENT: &str = "void TVMFFIErrorSetRaisedFromCStr(const char *, const char *); int helper(void);\n\
        int client(void) { TVMFFIErrorSetRaisedFromCStr(0, 0); return helper(); }\n";
    let top = folder();
    let script = |version: &str| {
        let text = format!("{version} {{ global: helper; local: *; }};\n");
        let file = put(&top, &format!("{version}.map"), text);
        format!("-Wl,--version-script={}", file.display())
    };
    let (old, new) = (script("HELPER_1"), script("HELPER_2"));
    let helper = |version: &str| {
        let flags = ["-Wl,-soname,libhelper.so.1", version];
        library(
            top.path(),
            "libhelper.so.1",
            "int helper(void) { return 1; }\n",
            &flags,
        )
    };
    let ffi = library(
        top.path(),
        "libtvm_ffi.so",
        REGISTRY,
        &["-Wl,-soname,libtvm_ffi.so"],
    );
    let with = helper(&new);
    let flags = [
        with.to_str().expect("text"),
        ffi.to_str().expect("text"),
        "-Wl,-rpath,$ORIGIN",
    ];
    let client = library(top.path(), "libclient.so", CLIENT, &flags);
    let (report, status) = scan([top.path()]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec![], 0),
        "{report:#}"
    );
    assert_eq!(loader_says(&client), "");
    helper(&old);
    let (report, status) = scan([top.path()]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC205".into()], 1)
    );
    let said = loader_says(&client);
    assert!(said.contains("version `HELPER_2' not found"), "{said}");
    assert_eq!(report["findings"][0]["runtime_says"], said.as_str());
    // One that knows no versions at all ends the loader by an assertion of its own.
    helper("-Wl,-O1");
    let (report, status) = scan([top.path()]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC205".into()], 1),
        "{report:#}"
    );
    let said = crate::support::make::loader(&client).expect("it ends");
    assert!(said.contains("check_match: Assertion"), "{said}");
}

const JAVA: &str = "package org.apache.tvm;\npublic class LibInfo {\n\
    native int nativeLibInit(String file);\n  native void shut_down(long[] all);\n\
    public static void main(String[] a) { System.load(a[0]);\n\
      new LibInfo().nativeLibInit(\"\"); new LibInfo().shut_down(null); } }\n";
const NATIVE: &str = "int Java_org_apache_tvm_LibInfo_nativeLibInit(void *e, void *o, void *s) { return 0; }\n\
    int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n";

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn native_methods_of_tvms_classes_are_looked_for() {
    let top = folder();
    let classes = top.path().join("classes");
    std::fs::create_dir_all(&classes).expect("a folder");
    let source = put(&top, "LibInfo.java", JAVA);
    let compiled = Command::new("javac")
        .arg("-d")
        .arg(&classes)
        .arg(source)
        .status();
    assert!(compiled.expect("a Java compiler").success());
    let app = top.path().join("app");
    std::fs::create_dir_all(&app).expect("a folder");
    let packed = Command::new("jar")
        .arg("cf")
        .arg(app.join("tvm4j.jar"))
        .arg("-C")
        .arg(&classes)
        .arg(".")
        .status();
    assert!(packed.expect("jar").success());
    let run = |library: &Path| {
        let output = Command::new("java")
            .arg("-cp")
            .arg(&classes)
            .arg("org.apache.tvm.LibInfo")
            .arg(library)
            .output();
        let output = output.expect("a Java virtual machine");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let half = library(&app, "libtvm4j.so", NATIVE, &[]);
    let (report, status) = scan([&app]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC203".into()], 1),
        "{report:#}"
    );
    let finding = &report["findings"][0];
    assert_eq!(
        finding["locations"][0]["symbol"],
        "Java_org_apache_tvm_LibInfo_shut_1down"
    );
    let said = finding["runtime_says"].as_str().expect("words");
    assert!(run(&half).contains(said), "{said}: {}", run(&half));
    // Its long name does as well.
    let whole = format!(
        "{NATIVE}void Java_org_apache_tvm_LibInfo_shut_1down___3J(void *e, void *o, void *a) {{}}\n"
    );
    let whole = library(&app, "libtvm4j.so", &whole, &[]);
    let (report, _) = scan([&app]);
    assert_eq!(rules(&report, &["error"]), [""; 0], "{report:#}");
    assert_eq!(run(&whole), "");
}
