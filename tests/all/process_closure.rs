//! What a program loads, to the end: libraries that its libraries name, symbols that they ask
//! for, and which file the loader takes for a name. Each program is run: it says what is right.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::make::{folder, library};
use crate::support::{rules, scan};

const REGISTRY: &str = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
    int TVMFFIFunctionSetGlobal(void) { return 0; }\n\
    int TVMFFIFunctionCall(void) { return 0; }\n";
const OLDER: &str = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
    int TVMFFIFunctionSetGlobal(void) { return 0; }\n";

/// A program, `app`, that calls tvm-ffi in `lib/`.
pub(crate) struct App(pub(crate) tempfile::TempDir);

impl App {
    pub(crate) fn new() -> Self {
        let app = Self(folder());
        app.library("lib/libtvm_ffi.so", REGISTRY, &[]);
        app
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn library(&self, file: &str, source: &str, flags: &[&str]) -> PathBuf {
        let path = self.path(file);
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("a folder");
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("text");
        let soname = format!("-Wl,-soname,{name}");
        let flags = [&[soname.as_str(), "-Wl,--no-as-needed"], flags].concat();
        library(folder, name, source, &flags)
    }

    /// Links the program with libraries of its folder.
    pub(crate) fn link(&self, calls: &str, run_path: &str, with: &[&str]) {
        let source = format!(
            "int TVMFFIFunctionCall(void); {calls}; int main(void) {{ return TVMFFIFunctionCall(); }}\n"
        );
        std::fs::write(self.path("app.c"), source).expect("written");
        let run_path = format!("-Wl,-rpath,{run_path}");
        let mut linked = Command::new("cc");
        linked
            .current_dir(self.0.path())
            .args(["app.c", "-o", "app", &run_path]);
        linked.args([
            "-Wl,--no-as-needed",
            "-Wl,--allow-shlib-undefined",
            "-Wl,--enable-new-dtags",
        ]);
        let status = linked.args(["lib/libtvm_ffi.so"]).args(with).status();
        assert!(status.expect("a compiler").success());
        std::fs::remove_file(self.path("app.c")).expect("removed");
    }

    /// Whether it starts, whatever the machine's own folders have.
    pub(crate) fn starts(&self) -> bool {
        let mut run = Command::new(self.path("app"));
        let run = run.env_remove("LD_LIBRARY_PATH").output();
        run.is_ok_and(|run| run.status.success())
    }

    /// What the loader, or the shell, prints of it.
    pub(crate) fn said(&self) -> String {
        let mut run = Command::new("sh");
        let run = run.args(["-c", "./app"]).current_dir(self.0.path());
        let run = run.env_remove("LD_LIBRARY_PATH").output().expect("a shell");
        String::from_utf8_lossy(&run.stderr).into_owned()
    }

    #[track_caller]
    pub(crate) fn breaks(&self, code: &str) {
        assert!(!self.starts(), "it starts");
        let (report, status) = scan([self.0.path(), Path::new("--complete")]);
        assert_eq!(rules(&report, &["error"]), [code], "{report:#}");
        assert_eq!(status, 1);
    }

    #[track_caller]
    pub(crate) fn fits(&self) {
        assert!(self.starts(), "it does not start");
        let (report, status) = scan([self.0.path(), Path::new("--complete")]);
        assert_eq!(
            (rules(&report, &["error"]), status),
            (vec![], 0),
            "{report:#}"
        );
    }
}

#[test]
fn what_a_library_names_must_be_there() {
    let app = App::new();
    let inner = app.library("lib/libinner.so", "int inner(void) { return 0; }", &[]);
    let named = [inner.to_str().expect("text"), "-Wl,-rpath,$ORIGIN"];
    app.library(
        "lib/libouter.so",
        "int inner(void); int outer(void) { return inner(); }",
        &named,
    );
    let calls = "int outer(void); __attribute__((constructor)) void call(void) { outer(); }";
    app.link(calls, "$ORIGIN/lib", &["lib/libouter.so"]);
    app.fits();
    // Defined no more: looked for at the first call, as what the program itself asks for.
    app.library("lib/libinner.so", "int other;", &[]);
    app.breaks("AC203");
    let says = "undefined symbol: inner";
    assert!(app.said().contains(says), "{}", app.said());
    assert!(scan([app.0.path()]).0.to_string().contains(says));
    let now = [&named[..], &["-Wl,-z,now", "-Wl,--allow-shlib-undefined"]].concat();
    app.library(
        "lib/libouter.so",
        "int inner(void); int outer(void) { return inner(); }",
        &now,
    );
    app.breaks("AC203");
    std::fs::remove_file(inner).expect("removed");
    app.breaks("AC205");
    // Without the whole machine it may be elsewhere, and that is said.
    let (report, status) = scan([app.0.path()]);
    assert_eq!(status, 0);
    assert!(report.to_string().contains("libinner.so"), "{report:#}");
}

#[test]
fn a_run_path_is_passed_on_or_is_not() {
    let app = App::new();
    let inner = app.library("lib/libinner.so", "int inner(void) { return 0; }", &[]);
    let named = [inner.to_str().expect("text")];
    app.library(
        "lib/libouter.so",
        "int inner(void); int outer(void) { return inner(); }",
        &named,
    );
    app.link("int outer(void)", "$ORIGIN/lib", &["lib/libouter.so"]);
    app.breaks("AC205");
    app.link(
        "int outer(void)",
        "$ORIGIN/lib",
        &["lib/libouter.so", "-Wl,--disable-new-dtags"],
    );
    app.fits();
}

#[test]
fn a_version_is_asked_of_a_library_without_versions() {
    let app = App::new();
    std::fs::write(app.path("v.map"), "V8 { foo; };\n").expect("written");
    let script = format!("-Wl,--version-script={}", app.path("v.map").display());
    let foo = "int foo(void) { return 0; }";
    app.library("lib/libfoo.so", foo, &[&script]);
    app.link(
        "int foo(void); int (*keep)(void) = foo",
        "$ORIGIN/lib",
        &["lib/libfoo.so"],
    );
    app.fits();
    app.library("lib/libfoo.so", foo, &[]);
    app.fits();
    app.library("lib/libfoo.so", "int other;", &[]);
    app.breaks("AC203");
}

/// The loader passes over what is for other machines, and ends at anything else.
#[test]
fn a_file_that_is_no_library_ends_the_search() {
    let app = App::new();
    app.link("", "$ORIGIN/first:$ORIGIN/lib", &[]);
    app.fits();
    std::fs::create_dir(app.path("first")).expect("a folder");
    let first = app.path("first/libtvm_ffi.so");
    std::fs::write(&first, "INPUT(x)\n").expect("written");
    app.breaks("AC205");
    std::fs::remove_file(&first).expect("removed");
    std::fs::create_dir(&first).expect("a folder");
    app.breaks("AC205");
}

#[test]
fn a_link_is_a_name_of_its_own() {
    let app = App::new();
    app.link("", "$ORIGIN/lib", &[]);
    let link = app.path("lib/libtvm_ffi.so");
    app.library("lib/libtvm_ffi.so.0.1", OLDER, &[]);
    std::fs::remove_file(&link).expect("removed");
    std::os::unix::fs::symlink("libtvm_ffi.so.0.1", &link).expect("a link");
    // The function is looked for at its first call.
    assert!(!app.starts());
    let (report, status) = scan([app.0.path(), Path::new("--complete")]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC203".to_owned()], 1),
        "{report:#}"
    );
    app.library("lib/libtvm_ffi.so.0.1", REGISTRY, &[]);
    app.fits();
    // What a program's own link leads to is where its run path begins.
    std::fs::create_dir(app.path("bin")).expect("a folder");
    std::os::unix::fs::symlink("../app", app.path("bin/app")).expect("a link");
    let (_, status) = scan([&app.path("bin/app"), Path::new("--complete")]);
    assert_eq!(status, 0);
}

#[test]
fn libraries_of_the_system_define_what_their_names_begin_with() {
    let app = App::new();
    let found = Command::new("cc")
        .arg("-print-file-name=libz.so.1")
        .output();
    let found = String::from_utf8(found.expect("a compiler").stdout).expect("text");
    let zlib = found.trim();
    if !Path::new(zlib).is_absolute() {
        return;
    }
    app.link(
        "int zlibVersion(void); int (*keep)(void) = zlibVersion",
        "$ORIGIN/lib",
        &[zlib],
    );
    app.fits();
    // What the program names serves a library that names it not.
    let app = App::new();
    let source = "char *zlibVersion(void); int ask(void) { return *zlibVersion(); }\n";
    app.library("lib/libask.so", source, &["-Wl,-z,now"]);
    app.link(
        "int ask(void); int (*keep)(void) = ask",
        "$ORIGIN/lib",
        &["lib/libask.so", zlib],
    );
    app.fits();
    // Without it nothing has the symbol.
    app.link(
        "int ask(void); int (*keep)(void) = ask",
        "$ORIGIN/lib",
        &["lib/libask.so"],
    );
    app.breaks("AC203");
}

#[test]
fn glibc_looks_in_folders_for_a_processor_first() {
    let app = App::new();
    app.link("", "$ORIGIN/lib", &[]);
    app.library("lib/glibc-hwcaps/x86-64-v2/libtvm_ffi.so", OLDER, &[]);
    let (report, status) = scan([&app.path("app")]);
    assert_eq!(status, 4, "{report:#}");
    assert!(report.to_string().contains("x86-64-v2"), "{report:#}");
    // Copies are one library, as far as any processor takes one.
    let copy = |level: &str| {
        let to = app.path("lib/glibc-hwcaps").join(level);
        std::fs::create_dir_all(&to).expect("a folder");
        std::fs::copy(app.path("lib/libtvm_ffi.so"), to.join("libtvm_ffi.so")).expect("copied");
    };
    copy("x86-64-v2");
    copy("x86-64-v3");
    app.fits();
    app.library("lib/glibc-hwcaps/x86-64-v2/libtvm_ffi.so", OLDER, &[]);
    assert_eq!(scan([&app.path("app")]).1, 4);
}

/// The verdict on the program, with needs.
fn verdict(app: &App) -> (String, String) {
    let (report, _) = scan([app.0.path(), Path::new("--complete")]);
    let verdicts = report["verdicts"].as_array().expect("verdicts").iter();
    let is_app = |one: &&serde_json::Value| {
        let name = one["artifact"].as_str();
        name.is_some_and(|name| name.ends_with("/app"))
    };
    let own = verdicts.clone().find(is_app);
    let own = own.unwrap_or_else(|| panic!("{report:#}"));
    let status = own["status"].as_str().expect("a status").to_owned();
    (status, own["needs"].to_string())
}

/// Where the word for `$LIB` decides, the verdict says which.
#[test]
fn the_systems_word_for_lib_decides() {
    let app = App::new();
    app.link("", "$ORIGIN/$LIB", &[]);
    let (status, needs) = verdict(&app);
    assert_eq!(status, "fits-if");
    let says = |needs: &str, words: &str| {
        needs.contains(&format!("a system whose word for `$LIB` is {words}\""))
    };
    assert!(says(&needs, "lib"), "{needs}");
    let ffi = std::fs::read(app.path("lib/libtvm_ffi.so")).expect("read");
    let copy = |folder: &str| {
        let to = app.path(folder);
        std::fs::create_dir_all(&to).expect("a folder");
        std::fs::write(to.join("libtvm_ffi.so"), &ffi).expect("written");
    };
    copy("lib/x86_64-linux-gnu");
    let (_, needs) = verdict(&app);
    assert!(says(&needs, "lib/x86_64-linux-gnu or lib"), "{needs}");
    copy("lib64");
    assert_eq!(verdict(&app).0, "fits");
}

/// What is asked for in a version is not what the same name is in another.
#[test]
fn a_symbol_is_asked_for_in_a_version() {
    let app = App::new();
    let script = |text: &str| {
        std::fs::write(app.path("v.map"), text).expect("written");
        format!("-Wl,--version-script={}", app.path("v.map").display())
    };
    let foo = "int foo(void) { return 0; }";
    app.library("lib/libfoo.so", foo, &[&script("V8 { foo; };\n")]);
    app.link(
        "int foo(void); int (*keep)(void) = foo",
        "$ORIGIN/lib",
        &["lib/libfoo.so"],
    );
    app.fits();
    let other = "int foo(void) { return 0; }\nint bar(void) { return 0; }";
    let moved = script("V8 { bar; };\nV9 { foo; } V8;\n");
    app.library("lib/libfoo.so", other, &[&moved]);
    app.breaks("AC203");
    // In both.
    let both = "__asm__(\".symver old, foo@V8\");\nint old(void) { return 0; }\n\
        __asm__(\".symver new, foo@@V9\");\nint new(void) { return 0; }\n";
    app.library("lib/libfoo.so", both, &[&script("V8 { };\nV9 { } V8;\n")]);
    app.fits();
    // A library of which nothing was linked with another says nothing of versions.
    app.library("lib/libfoo.so", foo, &["-nostdlib"]);
    app.breaks("AC205");
    app.library("lib/libfoo.so", "int foo;", &["-nostdlib"]);
    app.breaks("AC205");
}

#[test]
fn a_program_is_no_library() {
    let app = App::new();
    let inner = app.library("lib/libinner.so", "int inner(void) { return 0; }", &[]);
    app.link("", "$ORIGIN/lib", &["lib/libinner.so"]);
    app.fits();
    let source = app.path("p.c");
    std::fs::write(&source, "int main(void) { return 0; }").expect("written");
    for (kind, places) in [("-pie", "-fPIE"), ("-no-pie", "-fno-pie")] {
        let mut linked = Command::new("cc");
        let linked = linked.args([kind, places, "-o"]).arg(&inner).arg(&source);
        assert!(linked.status().expect("a compiler").success());
        app.breaks("AC205");
    }
}

/// What makes links, `ldconfig` or a package, was not run.
#[test]
fn a_library_without_its_link_is_told_how_to_make_it() {
    let app = App::new();
    let foo = ["-Wl,-soname,libfoo.so.1"];
    let real = app.path("lib/libfoo.so.1.2");
    let made = library(
        real.parent().expect("a folder"),
        "libfoo.so.1.2",
        "int foo;",
        &foo,
    );
    let link = app.path("lib/libfoo.so.1");
    std::os::unix::fs::symlink("libfoo.so.1.2", &link).expect("a link");
    app.link("", "$ORIGIN/lib", &[made.to_str().expect("text")]);
    app.fits();
    std::fs::remove_file(link).expect("removed");
    app.breaks("AC205");
    let (report, _) = scan([app.0.path()]);
    let advice = "ln -s libfoo.so.1.2 libfoo.so.1";
    assert!(report.to_string().contains(advice), "{report:#}");
}

/// The loader passes over a library for another processor, and then has none.
#[test]
fn a_library_for_another_processor_is_none() {
    let app = App::new();
    let inner = app.library("lib/libinner.so", "int inner(void) { return 0; }", &[]);
    let named = [inner.to_str().expect("text"), "-Wl,-rpath,$ORIGIN"];
    let outer = "int inner(void); int outer(void) { return inner(); }";
    app.library("lib/libouter.so", outer, &named);
    app.link("int outer(void)", "$ORIGIN/lib", &["lib/libouter.so"]);
    app.fits();
    let mut bytes = std::fs::read(&inner).expect("read");
    // The machine: aarch64's number, or x86-64's.
    bytes[18] = if bytes[18] == 183 { 62 } else { 183 };
    std::fs::write(&inner, bytes).expect("written");
    assert!(!app.starts(), "it starts");
    let (report, _) = scan([app.0.path(), Path::new("--complete")]);
    // What else is wrong with such a file does not matter here.
    let errors = rules(&report, &["error"]);
    assert!(errors.contains(&"AC205".to_owned()), "{report:#}");
}
