//! What is loaded for a library on macOS and on Windows, and out of a zip archive: libraries
//! that its libraries name, to the end, and what each asks of the library that it names.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::make::{folder, library, put, renamed};
use crate::support::{run, scan, venv};

const INNER: &str = "int inner(void) { return 0; }\n";
const OTHER: &str = "int other(void) { return 0; }\n";
const OUTER: &str = "int inner(void); int outer(void) { return inner(); }\n";
const CLIENT: &str = "int outer(void); int TVMFFIFunctionCall(void);\n\
    int client(void) { return outer() + TVMFFIFunctionCall(); }\n";

/// Links a library with zig.
fn link(top: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let to = top.join(name);
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    put(top, "a.c", source);
    let mut zig = Command::new(venv("tools").join("bin/python"));
    zig.current_dir(top).args(["-m", "ziglang", "cc", "a.c"]);
    let done = zig.args(flags).args(["-o", name]).status();
    assert!(done.expect("zig starts").success(), "{name}");
    std::fs::remove_file(top.join("a.c")).expect("removed");
    to
}

fn dylib(top: &Path, name: &str, own: &str, source: &str, flags: &[&str]) -> PathBuf {
    let own = format!("-Wl,-install_name,{own}");
    let first = ["-target", "aarch64-macos", "-dynamiclib", &own];
    link(top, name, source, &[&first, flags].concat())
}

/// The errors of a rule, and the status, on the newest release.
fn errors(file: &Path, rule: &str) -> Vec<Value> {
    let (report, _) = scan([file, Path::new("--runtime"), Path::new("tvm-0.27")]);
    let findings = report["findings"].as_array().expect("findings").iter();
    let is_meant = |one: &&Value| one["rule"] == rule && one["severity"] == "error";
    findings.filter(is_meant).cloned().collect()
}

/// A client, what it loads in `lib`, and what that loads there by the client's run path.
fn macos() -> (tempfile::TempDir, PathBuf) {
    let top = folder();
    let at = top.path();
    dylib(
        at,
        "lib/libinner.dylib",
        "@rpath/libinner.dylib",
        INNER,
        &[],
    );
    let named = "lib/libinner.dylib";
    dylib(
        at,
        "lib/libouter.dylib",
        "@rpath/libouter.dylib",
        OUTER,
        &[named],
    );
    let run_path = "-Wl,-rpath,@loader_path/lib";
    let flags = [
        "lib/libouter.dylib",
        run_path,
        "-Wl,-undefined,dynamic_lookup",
    ];
    let client = dylib(
        at,
        "libclient.dylib",
        "@rpath/libclient.dylib",
        CLIENT,
        &flags,
    );
    (top, client)
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_dylib_asks_the_library_that_it_names() {
    let (top, client) = macos();
    assert_eq!(errors(&client, "AC203"), Vec::<Value>::new());
    let own = "@rpath/libinner.dylib";
    dylib(top.path(), "lib/libinner.dylib", own, OTHER, &[]);
    let found = errors(&client, "AC203");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["runtime_says"], "Symbol not found: _inner");
    assert!(
        found[0].to_string().contains("libouter.dylib"),
        "{found:#?}"
    );
}

/// A name that libSystem is not known to have, of a client and of what it loads.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_dylib_asks_macos_for_what_it_may_not_have() {
    let verdict = |file: &Path| {
        let (report, _) = scan([file, Path::new("--runtime"), Path::new("tvm-0.27")]);
        report["verdicts"][0].clone()
    };
    let (top, client) = macos();
    assert_eq!(verdict(&client)["status"], "fits");
    // zig takes its own list for libSystem: the other name has the same length.
    let (system, other) = ("/usr/lib/libSystem.B.dylib", "/usr/lib/libSystex.B.dylib");
    let newer = "int nosuch(void) { return 0; } int memrchr(void) { return 0; }\n\
        int issetugid(void) { return 0; }\n";
    dylib(top.path(), "newer.dylib", other, newer, &[]);
    let any = [
        "newer.dylib",
        "-fno-builtin",
        "-Wl,-undefined,dynamic_lookup",
    ];
    let asking = |name: &str, source: &str| {
        let file = dylib(top.path(), name, &format!("@rpath/{name}"), source, &any);
        let bytes = std::fs::read(&file).expect("read");
        put(
            &top,
            name,
            renamed(bytes, other.as_bytes(), system.as_bytes()),
        );
        let file = file.to_str().expect("UTF-8");
        assert!(run(["patch", "sign", "--in-place", file]).status.success());
    };
    for (asked, status) in [
        ("bcopy", "fits"),
        ("memrchr", "undecided"),
        ("nosuch", "undecided"),
    ] {
        let source = format!("int {asked}(void); int inner(void) {{ return {asked}(); }}\n");
        asking("lib/libinner.dylib", &source);
        let found = verdict(&client);
        assert_eq!(found["status"], status, "{found:#}");
        let own = source
            + "int TVMFFIFunctionCall(void);\n\
            int c(void) { return TVMFFIFunctionCall(); }\n";
        asking("alone.dylib", &own);
        let found = verdict(&top.path().join("alone.dylib"));
        assert_eq!(found["status"], status, "{found:#}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_dll_asks_the_library_that_it_names() {
    let top = folder();
    let dll = |name: &str, source: &str, with: &[&str]| {
        let flags = ["-target", "x86_64-windows-gnu", "-shared"];
        link(top.path(), name, source, &[&flags, with].concat())
    };
    dll("inner.dll", INNER, &["-Wl,--out-implib,inner.lib"]);
    dll(
        "outer.dll",
        OUTER,
        &["inner.lib", "-Wl,--out-implib,outer.lib"],
    );
    put(
        &top,
        "tvm_ffi.def",
        "LIBRARY tvm_ffi.dll\nEXPORTS\nTVMFFIFunctionCall\n",
    );
    let mut zig = Command::new(venv("tools").join("bin/python"));
    zig.current_dir(top.path())
        .args(["-m", "ziglang", "dlltool"]);
    let made = zig.args([
        "-m",
        "i386:x86-64",
        "-d",
        "tvm_ffi.def",
        "-l",
        "tvm_ffi.lib",
    ]);
    assert!(made.status().expect("zig starts").success());
    let client = dll("client.dll", CLIENT, &["outer.lib", "tvm_ffi.lib"]);
    assert_eq!(errors(&client, "AC203"), Vec::<Value>::new());
    // Windows does not tell letter cases apart.
    std::fs::rename(top.path().join("inner.dll"), top.path().join("INNER.DLL")).expect("renamed");
    dll("INNER.DLL", OTHER, &[]);
    let found = errors(&client, "AC203");
    assert_eq!(found.len(), 1, "{found:#?}");
    let says = "[WinError 127] The specified procedure could not be found";
    assert_eq!(found[0]["runtime_says"], says);
    assert!(found[0].to_string().contains("outer.dll"), "{found:#?}");
}

/// Packs a folder, as wheels and applications are.
fn zip(top: &Path, name: &str, files: &[(&str, &Path)]) -> PathBuf {
    let to = top.join(name);
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&to).expect("a file"));
    for (name, file) in files {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(*name, options).expect("a member");
        let bytes = std::fs::read(file).expect("read");
        std::io::Write::write_all(&mut archive, &bytes).expect("written");
    }
    archive.finish().expect("an archive");
    to
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn members_of_an_archive_load_each_other() {
    let (top, client) = macos();
    let (inner, outer) = (
        top.path().join("lib/libinner.dylib"),
        top.path().join("lib/libouter.dylib"),
    );
    let pack = |name: &str| {
        let files: [(&str, &Path); 3] = [
            ("p/libclient.dylib", &client),
            ("p/lib/libinner.dylib", &inner),
            ("p/lib/libouter.dylib", &outer),
        ];
        zip(top.path(), name, &files)
    };
    assert_eq!(errors(&pack("sound.zip"), "AC203"), Vec::<Value>::new());
    dylib(
        top.path(),
        "lib/libinner.dylib",
        "@rpath/libinner.dylib",
        OTHER,
        &[],
    );
    assert_eq!(errors(&pack("broken.zip"), "AC203").len(), 1);
}

/// The same for Linux, where the symbol is of any library.
#[test]
fn a_packed_library_must_have_what_another_needs() {
    let top = folder();
    let lib = top.path().join("lib");
    std::fs::create_dir(&lib).expect("a folder");
    let make = |name: &str, source: &str, flags: &[&str]| {
        let soname = format!("-Wl,-soname,{name}");
        let flags = [&[soname.as_str(), "-Wl,--no-as-needed"], flags].concat();
        library(&lib, name, source, &flags)
    };
    let inner = make("libinner.so", INNER, &[]);
    let here = "-Wl,-rpath,$ORIGIN";
    let named = [inner.to_str().expect("text"), here, "-Wl,-z,now"];
    let outer = make("libouter.so", OUTER, &named);
    let pack = |model: &Path, name: &str| {
        let files: [(&str, &Path); 3] = [
            ("lib/model.so", model),
            ("lib/libouter.so", &outer),
            ("lib/libinner.so", &inner),
        ];
        zip(top.path(), name, &files)
    };
    let flags = [outer.to_str().expect("text"), here, "-Wl,--no-as-needed"];
    let source = "int outer(void); int __tvm_ffi_f(void) { return outer(); }\n";
    let model = crate::support::make::model(&lib, "model.so", source, &flags);
    assert_eq!(
        errors(&pack(&model, "sound.zip"), "AC203"),
        Vec::<Value>::new()
    );
    make("libinner.so", OTHER, &[]);
    assert_eq!(errors(&pack(&model, "broken.zip"), "AC203").len(), 1);
}
