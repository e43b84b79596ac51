//! Static link sets: objects and archives that become one program. Every set is
//! really linked by the system's compiler, whole archives as mlc-llm's applications
//! do, and what its linker says is compared with what a scan of the folder says.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use artcheck_inspect::vm::Magic;

use crate::support::make::{corpus, folder, put};
use crate::support::{rules, scan};
use crate::writer;

/// tvm-ffi of 2025-09 and later, as far as these models and runtimes ask for it.
const FFI: &str = "int TVMFFIEnvModRegisterSystemLibSymbol(const char *n, void *p) { return 0; }\n\
    int TVMFFIFunctionCall(void *f, void *a, int n, void *r) { return 0; }\n\
    int TVMFFIFunctionSetGlobal(void *n, void *f, int o) { return 0; }\n\
    int TVMFFITypeGetOrAllocIndex(void *n) { return 0; }\n";
const PARTS: &str =
    "void TVMFFIErrorSetRaisedFromCStrParts(const char *k, const char **m, int n) {}\n";
/// A runtime with what it registers.
const RUNTIME: &str = "int TVMFFIFunctionCall(void *f, void *a, int n, void *r);\n\
    const char load[] = \"ffi.Module.load_from_bytes.relax.VMExecutable\";\n\
    int TVMBackendParallelLaunch(void *f, void *c, int n) { return TVMFFIFunctionCall(f, c, n, 0); }\n\
    void *TVMBackendAllocWorkspace(int a, int b, unsigned long c, int d, int e) { return 0; }\n";
/// A runtime of before 2025-05.
const OLD: &str = "int TVMFuncCall(void *a, void *b) { return 0; }\n\
    int TVMBackendRegisterSystemLibSymbol(const char *n, void *p) { return 0; }\n\
    int TVMBackendParallelLaunch(void *f, void *c, int n) { return 0; }\n\
    void *TVMBackendAllocWorkspace(int a, int b, unsigned long c, int d, int e) { return 0; }\n";
const APP: &str = "int TVMOwn(void); int TVMFFIFunctionCall(void *f, void *a, int n, void *r);\n\
    int app(void) { return TVMOwn() + TVMFFIFunctionCall(0, 0, 0, 0); }\n";
const OWN: &str = "int TVMOwn(void) { return 1; }\n";

/// A system library of the newest generation, as its host code is.
fn model() -> String {
    let program = ("relax.VMExecutable", Some(writer::executable(Magic::V2)));
    let blob = writer::tree_first(&[&[1], &[]], &[program, ("_lib", None)]);
    let mut source = String::from("const unsigned char demo___tvm_ffi__library_bin[] = {");
    for byte in blob {
        let _ = write!(source, "{byte},");
    }
    source.push_str(
        "};\nint TVMFFIEnvModRegisterSystemLibSymbol(const char *n, void *p);\n\
         void TVMFFIErrorSetRaisedFromCStrParts(const char *k, const char **m, int n);\n\
         int __tvm_ffi_demo_add(void) { TVMFFIErrorSetRaisedFromCStrParts(0, 0, 0); return 0; }\n\
         __attribute__((constructor)) static void set(void) {\n\
         TVMFFIEnvModRegisterSystemLibSymbol(\"demo\", (void *)demo___tvm_ffi__library_bin); }\n",
    );
    source
}

/// An object in an archive of its own, or beside the archives.
fn compiled(at: &Path, name: &str, source: &str, compiler: &str) -> PathBuf {
    let stem = name.trim_end_matches(".a").trim_end_matches(".o");
    let input = put(at, &format!("{stem}.c"), source);
    let object = at.join(format!("{stem}.o"));
    let flags = ["-fPIC", "-w", "-c", "-o"];
    let status = Command::new(compiler)
        .args(flags)
        .args([&object, &input])
        .status();
    assert!(status.expect("a compiler").success());
    fs::remove_file(input).expect("removed");
    if name.ends_with(".a") {
        let status = Command::new("ar")
            .arg("rcs")
            .arg(at.join(name))
            .arg(&object)
            .status();
        assert!(status.expect("ar").success());
        fs::remove_file(object).expect("removed");
    }
    at.join(name)
}

/// The linker's first complaint, by kind.
fn linked(files: &[PathBuf]) -> &'static str {
    let output = Command::new("cc")
        .args(["-shared", "-Wl,--no-undefined", "-Wl,--whole-archive"])
        .args(files)
        .args(["-Wl,--no-whole-archive", "-o", "/dev/null"])
        .output()
        .expect("a linker");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let kinds = [
        "undefined reference",
        "multiple definition",
        "wrong format",
        "EM: 183",
    ];
    let kind = kinds.into_iter().find(|kind| words.contains(kind));
    match (output.status.success(), kind) {
        (true, _) => "linked",
        (false, Some(kind)) => kind,
        (false, None) => panic!("{words}"),
    }
}

type Part = (&'static str, fn() -> String);

const MODEL: Part = ("libmodel_demo.a", model);
const RT: Part = ("libtvm_runtime.a", || RUNTIME.to_owned());
const WHOLE_FFI: Part = ("libtvm_ffi_static.a", || FFI.to_owned() + PARTS);

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_scan_of_a_link_set_says_what_its_linker_says() {
    let half: Part = ("libtvm_ffi_static.a", || FFI.to_owned());
    let old: Part = ("libtvm_runtime.a", || OLD.to_owned());
    let again: Part = ("libmodel_other.a", model);
    let second: Part = ("libtvm_ffi_old.a", || FFI.to_owned());
    let app: Part = ("app.o", || APP.to_owned());
    let own: Part = ("libown.a", || OWN.to_owned());
    // Files, the linker's complaint, codes of errors and warnings.
    let sets: [(&str, &[Part], &str, &[&str]); 9] = [
        ("healthy", &[MODEL, RT, WHOLE_FFI], "linked", &[]),
        (
            "with an application",
            &[MODEL, RT, WHOLE_FFI, app, own],
            "linked",
            &[],
        ),
        (
            "a symbol too few",
            &[MODEL, RT, half],
            "undefined reference",
            &["AC203"],
        ),
        (
            "an old runtime",
            &[MODEL, old],
            "undefined reference",
            &["AC203"],
        ),
        (
            "no tvm-ffi",
            &[MODEL, RT],
            "undefined reference",
            &["AC203"],
        ),
        (
            "the application's too few",
            &[MODEL, RT, WHOLE_FFI, app],
            "undefined reference",
            &["AC203"],
        ),
        (
            "one model twice",
            &[MODEL, RT, WHOLE_FFI, again],
            "multiple definition",
            &["AC208"],
        ),
        (
            "two registries",
            &[MODEL, RT, WHOLE_FFI, second],
            "multiple definition",
            &["AC206"],
        ),
        ("a runtime alone", &[RT, WHOLE_FFI], "linked", &[]),
    ];
    let mut wrong = Vec::new();
    for (name, parts, complaint, codes) in sets {
        let folder = folder();
        let files: Vec<PathBuf> = parts
            .iter()
            .map(|(name, source)| compiled(folder.path(), name, &source(), "cc"))
            .collect();
        let said = linked(&files);
        let (report, _) = scan([folder.path()]);
        let found = rules(&report, &["error", "warning"]);
        if said != complaint || found != codes {
            wrong.push(format!(
                "{name}: the linker says {said}, the scan {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Objects that were unpacked of an archive are linked as those in it.
#[test]
#[cfg(target_os = "linux")]
fn loose_objects_are_one_library() {
    let tar = corpus("tvm-0.25/embedding-metal-ios.tar");
    let folder = folder();
    let mut unpack = Command::new("tar");
    let unpack = unpack.arg("-xf").arg(&tar).arg("-C").arg(folder.path());
    assert!(unpack.status().expect("tar").success());
    let on = |path: &Path| scan([path.as_os_str(), "--runtime".as_ref(), "tvm-0.25".as_ref()]);
    let (packed, status) = on(&tar);
    assert_eq!((rules(&packed, &["error"]), status), (vec![], 0));
    let (loose, status) = on(folder.path());
    assert_eq!((rules(&loose, &["error"]), status), (vec![], 0), "{loose}");
    // Of one alone it is not known what it is linked with.
    let alone = on(&folder.path().join("artcheck_embedding_devc.o"));
    assert_eq!(rules(&alone.0, &["error"]), [""; 0], "{}", alone.0);
    assert_eq!(alone.1, 4);
}

/// No program is linked with two models of one name; a folder may hold them for several.
#[test]
#[cfg(target_os = "linux")]
fn two_models_of_one_name_beside_no_runtime() {
    let folder = folder();
    let files: Vec<PathBuf> = ["libmodel_demo.a", "libmodel_other.a"]
        .map(|name| compiled(folder.path(), name, &model(), "cc"))
        .into();
    let output = Command::new("cc")
        .args(["-shared", "-Wl,--whole-archive"])
        .args(&files)
        .args(["-Wl,--no-whole-archive", "-o", "/dev/null"])
        .output()
        .expect("a linker");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("multiple definition"), "{words}");
    let (report, status) = scan([folder.path()]);
    assert_eq!(rules(&report, &["warning"]), ["AC208"]);
    assert_eq!((rules(&report, &["error"]), status), (vec![], 0));
}

/// A folder with static archives is a runtime by its name too.
#[test]
#[cfg(target_os = "linux")]
fn a_folder_of_archives_is_a_runtime() {
    let (runtime, model) = (folder(), folder());
    for (name, source) in [RT, ("libtvm_ffi_static.a", || FFI.to_owned())] {
        compiled(runtime.path(), name, &source(), "cc");
    }
    let model = compiled(model.path(), MODEL.0, &(MODEL.1)(), "cc");
    let (report, status) = scan([model.as_path(), "--runtime".as_ref(), runtime.path()]);
    assert_eq!(rules(&report, &["error"]), ["AC203"]);
    assert_eq!(status, 1);
    let symbol = &report["findings"][0]["locations"][0]["symbol"];
    assert_eq!(symbol, "TVMFFIErrorSetRaisedFromCStrParts");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn another_processor_is_named() {
    let folder = folder();
    let mut files = vec![compiled(folder.path(), MODEL.0, &(MODEL.1)(), "cc")];
    for (name, source) in [RT, WHOLE_FFI] {
        files.push(compiled(
            folder.path(),
            name,
            &source(),
            "aarch64-linux-gnu-gcc",
        ));
    }
    assert!(["wrong format", "EM: 183"].contains(&linked(&files)));
    let (report, _) = scan([folder.path()]);
    assert_eq!(rules(&report, &["error"]), ["AC002"]);
}
