//! What a program needs to start beside its libraries' functions: data of them, a loader, the
//! permission to run, and run paths that lead somewhere. Each program is run.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process_closure::App;
use crate::support::{rules, scan};

const DATA: &str = "int value = 4; int get(void) { return value; }";
const ASKS: &str = "extern int value; int *where(void) { return &value; }";

/// The verdict on the program, and what it needs.
fn verdict(app: &App, more: &[&str]) -> (String, String) {
    let folder = app.0.path().to_str().expect("text");
    let (report, _) = scan([&[folder], more].concat());
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    let program = |one: &&Value| {
        one["artifact"]
            .as_str()
            .is_some_and(|one| one.ends_with("/app"))
    };
    // Of several releases the newest is the last.
    let own = verdicts.iter().rfind(program).expect("the program");
    let status = own["status"].as_str().expect("a status");
    (status.to_owned(), own["needs"].to_string())
}

#[test]
fn data_that_a_program_copies_must_be_in_a_library() {
    for places in [["-no-pie", "-fno-pie"], ["-pie", "-fPIE"]] {
        let app = App::new();
        app.library("lib/libdata.so", DATA, &[]);
        let named = [&["lib/libdata.so"][..], &places].concat();
        app.link(ASKS, "$ORIGIN/lib", &named);
        app.fits();
        app.library("lib/libdata.so", "int other;", &[]);
        app.breaks("AC203");
        let says = "undefined symbol: value";
        assert!(app.said().contains(says), "{}", app.said());
        assert!(scan([app.0.path()]).0.to_string().contains(says));
    }
}

#[test]
fn data_that_a_library_asks_for_must_be_in_another() {
    let app = App::new();
    let data = app.library("lib/libdata.so", DATA, &[]);
    let named = [data.to_str().expect("text"), "-Wl,-rpath,$ORIGIN"];
    app.library("lib/libasks.so", ASKS, &named);
    app.link(
        "int *where(void); int *(*keep)(void) = where",
        "$ORIGIN/lib",
        &["lib/libasks.so"],
    );
    app.fits();
    app.library("lib/libdata.so", "int other;", &[]);
    app.breaks("AC203");
    assert!(
        app.said().contains("undefined symbol: value"),
        "{}",
        app.said()
    );
}

#[test]
fn the_loader_that_a_program_names_must_be_there() {
    let app = App::new();
    let own = "-Wl,-dynamic-linker,/lib/ld-none.so.1";
    app.link("", "$ORIGIN/lib", &[own]);
    app.breaks("AC205");
    assert!(app.said().contains("not found"), "{}", app.said());
    let (status, needs) = verdict(&app, &[]);
    assert_eq!(status, "fits-if");
    assert!(needs.contains("/lib/ld-none.so.1"), "{needs}");
}

#[test]
fn a_program_without_the_systems_folders_needs_a_way_to_its_libraries() {
    let app = App::new();
    app.link("", "$ORIGIN/lib", &["-Wl,-z,nodefaultlib"]);
    app.breaks("AC205");
    let says = "libc.so.6: cannot open shared object file";
    assert!(app.said().contains(says), "{}", app.said());
    let (status, needs) = verdict(&app, &[]);
    assert_eq!(status, "fits-if");
    assert!(needs.contains("libc.so.6"), "{needs}");
}

#[test]
fn a_program_needs_the_permission_to_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let app = App::new();
    app.link("", "$ORIGIN/lib", &[]);
    assert_eq!(verdict(&app, &[]).0, "fits");
    let plain = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(app.path("app"), plain).expect("changed");
    assert!(app.said().contains("Permission denied"), "{}", app.said());
    let (status, needs) = verdict(&app, &["--complete"]);
    assert_eq!(status, "fits-if");
    assert!(needs.contains("permission to execute"), "{needs}");
}

#[test]
fn a_run_path_from_the_folder_of_the_start_is_said() {
    let app = App::new();
    app.library("lib/libinner.so", "int inner;", &[]);
    app.link("", "lib", &["lib/libinner.so"]);
    // From its own folder it starts, from another not.
    assert!(!app.starts());
    assert_eq!(app.said(), "");
    for more in [&[][..], &["--complete"]] {
        let (status, needs) = verdict(&app, more);
        assert_eq!(status, "fits-if", "{needs}");
        for name in ["libinner.so", "libtvm_ffi.so"] {
            let told = format!("{name} in `lib` of the folder that it is started in");
            assert!(needs.contains(&told), "{needs}");
        }
    }
}

#[test]
fn a_program_whose_run_path_does_not_lead_to_tvm_ffi_fits_if_another_way_does() {
    let app = App::new();
    app.link("", "$ORIGIN/lib", &[]);
    std::fs::create_dir(app.path("moved")).expect("a folder");
    let moved = app.path("moved/libtvm_ffi.so");
    std::fs::rename(app.path("lib/libtvm_ffi.so"), moved).expect("moved");
    app.breaks("AC205");
    let (status, needs) = verdict(&app, &[]);
    assert_eq!(status, "fits-if");
    assert!(
        needs.contains("libtvm_ffi.so where the loader looks"),
        "{needs}"
    );
}

#[test]
fn a_library_for_new_processors_alone_needs_one() {
    let app = App::new();
    let inner = app.library("lib/libinner.so", "int inner;", &[]);
    app.link("", "$ORIGIN/lib", &["lib/libinner.so"]);
    let levels = app.path("lib/glibc-hwcaps/x86-64-v3");
    std::fs::create_dir_all(&levels).expect("a folder");
    std::fs::rename(inner, levels.join("libinner.so")).expect("moved");
    for more in [&[][..], &["--complete"]] {
        let (status, needs) = verdict(&app, more);
        assert_eq!(status, "fits-if", "{needs}");
        assert!(
            needs.contains("a processor of the level x86-64-v3"),
            "{needs}"
        );
    }
}

#[test]
fn a_link_to_a_shorter_name_is_told_too() {
    let app = App::new();
    app.library(
        "lib/libinner.so",
        "int inner;",
        &["-Wl,-soname,libinner.so.7"],
    );
    app.link("", "$ORIGIN/lib", &["lib/libinner.so"]);
    app.breaks("AC205");
    let (report, _) = scan([app.0.path()]);
    let advice = "ln -s libinner.so libinner.so.7";
    assert!(report.to_string().contains(advice), "{report:#}");
}

/// A runtime whose tvm-ffi is none for it: that is the cause, and no symbol.
#[test]
fn a_tvm_ffi_that_does_not_load_is_named() {
    let folder = App::new();
    let lib = |name: &str| folder.path("lib").join(name);
    let ffi = lib("libtvm_ffi.so");
    let runtime = "int TVMFFIFunctionSetGlobal(void); int TVMBackendParallelLaunch(void) { return TVMFFIFunctionSetGlobal(); }\n\
        void *TVMBackendAllocWorkspace(void) { return 0; }\n";
    let named = [ffi.to_str().expect("text"), "-Wl,-rpath,$ORIGIN"];
    let runtime = folder.library("lib/libtvm_runtime.so", runtime, &named);
    let good = std::fs::read(&ffi).expect("read");
    let opened = || {
        let code = format!("import ctypes; ctypes.CDLL({runtime:?})");
        let run = Command::new("python3").args(["-c", &code]).output();
        String::from_utf8_lossy(&run.expect("python").stderr).into_owned()
    };
    assert_eq!(opened(), "");
    let codes = || {
        let (report, _) = scan([folder.0.path()]);
        let findings = report["findings"].as_array().expect("findings").clone();
        let errors: Vec<Value> = findings
            .into_iter()
            .filter(|one| one["severity"] == "error" && one["rule"] != "AC001")
            .collect();
        let messages = errors.iter().map(|one| one["message"].to_string());
        (rules(&report, &["error"]), messages.collect::<String>())
    };
    assert_eq!(codes().0, [""; 0]);
    let mut other = good.clone();
    other[18] = if other[18] == 183 { 62 } else { 183 };
    for (bytes, what) in [
        (other, "is for another processor"),
        (b"INPUT(x)\n".to_vec(), "is no library"),
    ] {
        std::fs::write(&ffi, bytes).expect("written");
        assert!(opened().contains("libtvm_ffi.so"), "{}", opened());
        let (codes, messages) = codes();
        assert!(!codes.contains(&"AC203".to_owned()), "{codes:?}");
        assert!(messages.contains(what), "{codes:?} {messages}");
    }
    assert!(Path::new(&ffi).exists());
}
