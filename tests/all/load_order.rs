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

const CALLER: &str = "int through(void);\nint main(void) { return through(); }\n";
const NEEDS: &str = "int TVMFFIGetCustomAllocator(void *);\n\
    int (*at)(void *) = TVMFFIGetCustomAllocator;\n\
    int through(void) { return at == 0; }\n";

/// A program with a run path that loads a library which needs tvm-ffi.
struct Started {
    place: Place,
    app: PathBuf,
    library: PathBuf,
}

impl Started {
    fn new(tags: &str, run_path: &str, own: Option<&str>, names_ffi: bool) -> Self {
        let place = Place::new();
        let ffi = place.ffi("new");
        let own = own.map(|path| format!("-Wl,--enable-new-dtags,-rpath,{path}"));
        let mut flags = vec!["-Wl,--no-as-needed", "-Wl,-soname,libq.so"];
        flags.extend([ffi.to_str().expect("text"), "-Wl,--allow-shlib-undefined"]);
        flags.extend(own.as_deref());
        std::fs::create_dir(place.path("lib")).expect("a folder");
        let library = library(&place.path("lib"), "libq.so", NEEDS, &flags);
        let source = place.path("app.c");
        std::fs::write(&source, CALLER).expect("written");
        let app = place.path("app");
        let mut cc = Command::new("cc");
        cc.arg(&source)
            .arg("-o")
            .arg(&app)
            .arg("-Wl,--no-as-needed");
        cc.arg(format!("-Wl,{tags},-rpath,{run_path}"))
            .arg(&library);
        if names_ffi {
            cc.arg(&ffi);
        }
        let linked = cc.arg("-Wl,--allow-shlib-undefined").status();
        assert!(linked.expect("a C compiler").success());
        Self {
            place,
            app,
            library,
        }
    }

    /// What the loader does with the program, and what the scan says of all there is.
    fn agrees(&self, expected: bool) {
        let started = Command::new(&self.app).output().expect("it is there");
        let words = String::from_utf8_lossy(&started.stderr);
        assert_eq!(started.status.success(), expected, "the loader: {words}");
        let folder = self.place.0.path();
        let (report, status) = scan([folder, Path::new("--complete")]);
        assert_eq!(status, i32::from(!expected), "{report}");
        let (report, _) = scan([folder]);
        let own = self.library.to_str().expect("text");
        let verdicts = report["verdicts"].as_array().expect("verdicts").iter();
        let of_library: Vec<_> = verdicts.filter(|one| one["artifact"] == own).collect();
        // What is found is the runtime; where nothing is, every release is.
        let fits = of_library
            .iter()
            .filter(|one| one["status"] == "fits")
            .count();
        assert_eq!(fits, usize::from(expected), "{report}");
        let is_open = |one: &&serde_json::Value| one["status"] == "fits-if";
        assert_eq!(of_library.iter().any(is_open), !expected, "{report}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_run_path_is_passed_on_where_it_is_an_rpath() {
    const BOTH: &str = "$ORIGIN/lib:$ORIGIN/new";
    let (old, new) = ("--disable-new-dtags", "--enable-new-dtags");
    for (tags, path, own, names_ffi, expected) in [
        // DT_RUNPATH is the program's alone, DT_RPATH its libraries' too.
        (new, BOTH, None, false, false),
        (old, BOTH, None, false, true),
        // A library with a run path of its own gets no other's.
        (old, BOTH, Some("$ORIGIN/../none"), false, false),
        (new, BOTH, Some("$ORIGIN/../new"), false, true),
        // What the program has loaded is there, wherever the library looks.
        (new, BOTH, None, true, true),
        (new, BOTH, Some("$ORIGIN/../old"), true, true),
        (new, BOTH, Some("$ORIGIN/../old"), false, false),
    ] {
        let started = Started::new(tags, path, own, names_ffi);
        if own == Some("$ORIGIN/../old") && !names_ffi {
            // Found, and lacking the function: looked for at once, since its address is taken.
            let done = Command::new(&started.app).status().expect("it is there");
            assert!(!done.success());
            let (report, status) = scan([started.place.0.path()]);
            assert_eq!(status, 1, "{report}");
            continue;
        }
        started.agrees(expected);
    }
}
