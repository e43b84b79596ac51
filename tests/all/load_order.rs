//! Which of several libraries of one name a client gets: the loader's own answer, for a
//! folder and for the client named alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::make::{folder, library};
use crate::support::{scan, unpacked, venv, wheels};

/// A function of the newest tvm-ffi that the oldest lacks.
const CLIENT: &str = "int TVMFFIGetCustomAllocator(void *);\n\
    int call(void) { return TVMFFIGetCustomAllocator(0); }\n";
const OWN: &str = "int TVMFFIGetCustomAllocator(void *a) { (void)a; return 0; }\n";
const BETWEEN: &str = "int between(void) { return 0; }\n";

/// A folder with tvm-ffi in `old/` and `new/`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(folder());
        let wheels = wheels();
        let (first, last) = (wheels.first(), wheels.last());
        for (name, wheel) in [("old", first), ("new", last)] {
            let (_, ffi) = wheel.expect("a wheel");
            let part = format!("tvm-ffi-{ffi}-linux-x86_64/tvm_ffi/lib/libtvm_ffi.so");
            std::fs::create_dir(place.path(name)).expect("a folder");
            std::fs::copy(unpacked(&part), place.ffi(name)).expect("a copy");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ffi(&self, folder: &str) -> PathBuf {
        self.path(folder).join("libtvm_ffi.so")
    }

    fn library(&self, name: &str, source: &str, with: &[&Path], run_path: &str) -> PathBuf {
        let run_path = format!("-Wl,-rpath,{run_path}");
        let soname = format!("-Wl,-soname,{name}");
        let mut flags = vec!["-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined"];
        flags.extend([run_path.as_str(), &soname]);
        flags.extend(with.iter().map(|file| file.to_str().expect("text")));
        library(self.0.path(), name, source, &flags)
    }
}

/// What the system's loader says of a library.
fn loads(client: &Path) -> bool {
    let python = venv("tools").join("bin/python");
    let script = "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], os.RTLD_NOW)";
    let mut command = Command::new(python);
    let output = command.args(["-c", script]).arg(client).output();
    output.expect("python").status.success()
}

#[track_caller]
fn is_as_the_loader_says(place: &Place, client: &Path, expected: bool) {
    assert_eq!(loads(client), expected, "the loader");
    for named in [place.0.path(), client] {
        let (report, status) = scan([named]);
        let verdicts = report["verdicts"].as_array().expect("verdicts");
        let own = client.to_str().expect("text");
        let own: Vec<_> = verdicts
            .iter()
            .filter(|one| one["artifact"] == own)
            .collect();
        let says = if expected { "fits" } else { "breaks" };
        assert_eq!(own.len(), 1, "{named:?}: {verdicts:#?}");
        assert_eq!(own[0]["status"], says, "{named:?}: {verdicts:#?}");
        assert_eq!(status, i32::from(!expected), "{named:?}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_first_folder_of_the_run_path_decides() {
    for (run_path, expected) in [
        ("$ORIGIN/old:$ORIGIN/new", false),
        ("$ORIGIN/new:$ORIGIN/old", true),
        ("$ORIGIN/none:$ORIGIN/new", true),
    ] {
        let place = Place::new();
        let client = place.library("libclient.so", CLIENT, &[&place.ffi("new")], run_path);
        is_as_the_loader_says(&place, &client, expected);
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_that_the_client_names_may_define_it() {
    let place = Place::new();
    let own = place.library("libown.so", OWN, &[], "$ORIGIN");
    let ffi = place.ffi("old");
    let direct = place.library("libdirect.so", CLIENT, &[&ffi, &own], "$ORIGIN/old:$ORIGIN");
    is_as_the_loader_says(&place, &direct, true);
    let between = place.library("libbetween.so", BETWEEN, &[&own], "$ORIGIN");
    let far = place.library(
        "libfar.so",
        CLIENT,
        &[&ffi, &between],
        "$ORIGIN/old:$ORIGIN",
    );
    is_as_the_loader_says(&place, &far, true);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_that_lies_beside_it_defines_nothing() {
    let place = Place::new();
    place.library("libown.so", OWN, &[], "$ORIGIN");
    let client = place.library("libclient.so", CLIENT, &[&place.ffi("old")], "$ORIGIN/old");
    is_as_the_loader_says(&place, &client, false);
}
