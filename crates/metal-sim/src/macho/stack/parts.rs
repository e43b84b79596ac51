//! Builds what stands for a Mac's `/usr/lib`: the stand-in for libSystem, with
//! LLVM's unwinder and the stand-ins for Objective-C and Metal, and LLVM's libc++. Zig carries the sources of both, and Apple's
//! headers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::macho::error::{MachOError, Result};

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../darwin/", $name)))),*]
    };
}

/// The stand-in's own files.
const SOURCES: &[(&str, &str)] = sources![
    "ctype.c",
    "division.c",
    "foundation.c",
    "host.h",
    "locale.c",
    "memory.c",
    "metal.h",
    "metal_buffers.c",
    "metal_commands.c",
    "metal_device.c",
    "metal_encoders.c",
    "objc.c",
    "objc.h",
    "stdio.c",
    "system.c",
    "threads.c",
];

/// What Metal's stand-in asks of the simulated device: the device's own header.
const DEVICE: (&str, &str) = (
    "metal_device.h",
    include_str!("../../../cpp/metal/device.h"),
);

const TARGET: [&str; 2] = ["-target", "aarch64-macos.11.0"];
/// The names that a Mac's libSystem exports, as zig carries them.
pub(super) const SYSTEM_NAMES: &str = "libSystem.tbd";
const COMMON: [&str; 4] = ["-O2", "-fno-sanitize=all", "-DNDEBUG", "-w"];
const SYSTEM: [&str; 11] = [
    "-dynamiclib",
    "-nostdlib",
    "-fno-builtin",
    "-fno-stack-protector",
    "-D_FORTIFY_SOURCE=0",
    "-fno-exceptions",
    "-fno-rtti",
    "-D_LIBUNWIND_IS_NATIVE_ONLY",
    "-install_name",
    "/usr/lib/libSystem.B.dylib",
    // The host answers for what the stand-in asks of it.
    "-Wl,-undefined,dynamic_lookup",
];
const UNWINDER: [&str; 5] = [
    "UnwindLevel1.c",
    "UnwindLevel1-gcc-ext.c",
    "UnwindRegistersRestore.S",
    "UnwindRegistersSave.S",
    "libunwind.cpp",
];
const CPLUSPLUS: [&str; 5] = [
    "-std=c++23",
    "-D_LIBCPP_BUILDING_LIBRARY",
    "-D_LIBCXXABI_BUILDING_LIBRARY",
    "-DLIBCXX_BUILDING_LIBCXXABI",
    "-c",
];
const LINK: [&str; 4] = [
    "-dynamiclib",
    "-nostdlib++",
    "-install_name",
    "/usr/lib/libc++.1.dylib",
];

/// A zig that can be run.
#[derive(Clone, Debug)]
pub struct Zig {
    /// Program and first arguments, such as `python -m ziglang`.
    pub command: Vec<String>,
}

impl Zig {
    /// The one that `ARTCHECK_ZIG` names, or the first of `zig` and Python's package.
    pub fn choose() -> Option<Zig> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        if let Ok(asked) = std::env::var("ARTCHECK_ZIG") {
            return Some(Zig {
                command: words(&asked),
            });
        }
        let usual = ["zig", "python3 -m ziglang"].map(|text| Zig {
            command: words(text),
        });
        usual.into_iter().find(|zig| {
            let parts = zig.command.split_first();
            parts.is_some_and(|(program, first)| {
                let done = Command::new(program).args(first).arg("version").output();
                done.is_ok_and(|done| done.status.success())
            })
        })
    }

    fn run(&self, arguments: &[String], cache: &Path) -> std::result::Result<String, String> {
        let (program, first) = self.command.split_first().ok_or("no command of zig")?;
        let done = Command::new(program)
            .args(first)
            .args(arguments)
            .env("ZIG_GLOBAL_CACHE_DIR", cache.join("zig"))
            .env("ZIG_LOCAL_CACHE_DIR", cache.join("zig"))
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        let errors = String::from_utf8_lossy(&done.stderr);
        let lines: Vec<&str> = errors
            .lines()
            .filter(|l| l.contains("error"))
            .take(8)
            .collect();
        Err(if lines.is_empty() {
            errors.into_owned()
        } else {
            lines.join("\n")
        })
    }

    /// Compiles libc++ with libc++abi, a file at a time on every processor, and links it.
    fn build_standard_library(
        &self,
        library: &Path,
        work: &Path,
        to: &Path,
        cache: &Path,
    ) -> std::result::Result<(), String> {
        let sources = standard_sources(library);
        let object = |index: usize| work.join(format!("{index}.o"));
        let jobs = Mutex::new(sources.iter().enumerate());
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work_off = || -> std::result::Result<(), String> {
            while let Some((index, source)) = next() {
                self.run(&compile(library, source, &object(index)), cache)?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let all: Vec<_> = (0..workers).map(|_| scope.spawn(work_off)).collect();
            all.into_iter().try_for_each(|worker| {
                let died = |_| Err("a compiling thread died".to_owned());
                worker.join().unwrap_or_else(died)
            })
        })?;
        let mut link = command("c++", &LINK, &to.join("libc++.1.dylib"));
        link.extend((0..sources.len()).map(|index| text(&object(index))));
        self.run(&link, cache).map(drop)
    }

    /// What `zig env` says of a key.
    fn environment(&self, key: &str, cache: &Path) -> std::result::Result<String, String> {
        let text = self.run(&["env".to_owned()], cache)?;
        let line = text.lines().find(|l| l.contains(&format!(".{key} =")));
        let value = line.and_then(|l| l.split('"').nth(1));
        value
            .map(str::to_owned)
            .ok_or(format!("`zig env` names no {key}"))
    }
}

/// The folder with `libSystem.B.dylib` and `libc++.1.dylib`, built below `cache`
/// once for each zig and state of the sources.
pub fn prepare(zig: &Zig, cache: &Path) -> Result<PathBuf> {
    let failed = |what: &'static str| move |why: String| MachOError::Build { what, why };
    let version = zig
        .environment("version", cache)
        .map_err(failed("libSystem"))?;
    let folder = cache.join(format!("macos-{}", fingerprint(&version)));
    if folder.is_dir() {
        return Ok(folder);
    }
    let io = |path: &Path| {
        let path = path.display().to_string();
        move |source| MachOError::Io { path, source }
    };
    fs::create_dir_all(cache).map_err(io(cache))?;
    let work = tempfile::tempdir_in(cache).map_err(io(cache))?;
    let sources = work.path().join("sources");
    fs::create_dir(&sources).map_err(io(&sources))?;
    for (name, text) in SOURCES.iter().chain([&DEVICE]) {
        let path = sources.join(name);
        fs::write(&path, text).map_err(io(&path))?;
    }
    let library = PathBuf::from(
        zig.environment("lib_dir", cache)
            .map_err(failed("libSystem"))?,
    );
    let done = work.path().join("done");
    fs::create_dir(&done).map_err(io(&done))?;
    zig.run(&system(&library, &sources, &done), cache)
        .map_err(failed("libSystem"))?;
    let names = library.join("libc/darwin").join(SYSTEM_NAMES);
    fs::copy(&names, done.join(SYSTEM_NAMES)).map_err(io(&names))?;
    zig.build_standard_library(&library, work.path(), &done, cache)
        .map_err(failed("libc++"))?;
    match fs::rename(&done, &folder) {
        // Another process was quicker.
        Err(_) if folder.is_dir() => Ok(folder),
        Err(error) => Err(io(&folder)(error)),
        Ok(()) => Ok(folder),
    }
}

fn fingerprint(version: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(version);
    hash.update(include_str!("parts.rs"));
    for (name, text) in SOURCES.iter().chain([&DEVICE]) {
        hash.update(name);
        hash.update(text);
    }
    let mut name = hex::encode(hash.finalize());
    name.truncate(16);
    name
}

fn system(library: &Path, sources: &Path, to: &Path) -> Vec<String> {
    let unwinder = library.join("libunwind");
    let mut all = command("cc", &SYSTEM, &to.join("libSystem.B.dylib"));
    all.push(include(&unwinder.join("include")));
    all.push(include(&unwinder.join("src")));
    let own = SOURCES.iter().filter(|(name, _)| name.ends_with(".c"));
    all.extend(own.map(|(name, _)| text(&sources.join(name))));
    all.extend(
        UNWINDER
            .iter()
            .map(|name| text(&unwinder.join("src").join(name))),
    );
    all
}

/// The sources of libc++ and libc++abi.
fn standard_sources(library: &Path) -> Vec<PathBuf> {
    let folders = [
        "libcxx/src",
        "libcxx/src/filesystem",
        "libcxx/src/ryu",
        "libcxxabi/src",
    ];
    let walks = folders.map(|folder| {
        let walk = WalkDir::new(library.join(folder)).max_depth(1);
        walk.sort_by_file_name().into_iter().flatten()
    });
    let files = walks
        .into_iter()
        .flatten()
        .map(walkdir::DirEntry::into_path);
    let sources = files.filter(|path| {
        let unused = path.ends_with("cxa_noexception.cpp");
        path.extension().is_some_and(|e| e == "cpp") && !unused
    });
    sources.collect()
}

/// The command that compiles one of them.
fn compile(library: &Path, source: &Path, to: &Path) -> Vec<String> {
    let mut all = command("c++", &CPLUSPLUS, to);
    for folder in [
        "libcxx/src",
        "libcxx/libc",
        "libcxxabi/include",
        "libcxxabi/src",
    ] {
        all.push(include(&library.join(folder)));
    }
    all.push(text(source));
    all
}

fn command(driver: &str, flags: &[&str], to: &Path) -> Vec<String> {
    let mut all = vec![driver.to_owned()];
    let fixed = TARGET.iter().chain(&COMMON).chain(flags);
    all.extend(fixed.map(|flag| (*flag).to_owned()));
    all.extend(["-o".to_owned(), text(to)]);
    all
}

fn include(folder: &Path) -> String {
    format!("-I{}", folder.display())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
