//! Finds a C++ compiler that can build a shim for a target.
//!
//! Order: `$CXX`, `$ARTCHECK_ZIG`, clang++, g++, zig. Each is tried on a small library for the
//! target first; the error lists what was tried and why it would not do.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::error::ShimError;
use super::target::ShimTarget;
use crate::io_error::io;

/// What of the environment the search for a compiler looks at.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `$CXX`, which may carry arguments.
    pub cxx: Option<String>,
    /// `$ARTCHECK_ZIG`, a command, which may carry arguments.
    pub zig: Option<String>,
    /// `$PATH`.
    pub path: Option<OsString>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        Self {
            cxx: std::env::var("CXX").ok(),
            zig: std::env::var("ARTCHECK_ZIG").ok(),
            path: std::env::var_os("PATH"),
        }
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        let path = self.path.as_ref()?;
        std::env::split_paths(path)
            .map(|dir| dir.join(program))
            .find(|file| file.is_file())
    }
}

/// The families, which want different flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// GCC: one target per compiler.
    Gcc,
    /// Clang, Apple's included.
    Clang,
    /// `zig c++`: brings every target's system libraries along.
    Zig,
}

/// A compiler that has shown that it can build for the target.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The command and its first arguments.
    pub command: Vec<String>,
    /// What kind it is.
    pub family: Family,
    /// What it builds for.
    pub target: ShimTarget,
}

impl Compiler {
    /// The command with the flags that choose the target.
    pub fn command(&self) -> Command {
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().map_or("c++", String::as_str));
        command.args(words);
        match (self.family, self.target) {
            (Family::Zig, target) => command.args(["-target", target.zig_triple()]),
            (Family::Clang, target) if Some(target) != ShimTarget::host() => {
                command.arg(format!("--target={}", target.clang_triple()))
            }
            (Family::Clang, ShimTarget::MacosArm64) => command.args(["-arch", "arm64"]),
            _ => &mut command,
        };
        command
    }

    /// The command in words.
    pub fn name(&self) -> String {
        self.command.join(" ")
    }
}

/// Finds the first compiler that will do.
///
/// `needs_cxx_library`: the source uses the C++ standard library together with
/// the runtime, so both must have the same one.
pub fn find(
    environment: &Environment,
    target: ShimTarget,
    needs_cxx_library: bool,
) -> Result<Compiler, ShimError> {
    let scratch = tempfile::tempdir().map_err(io(std::env::temp_dir(), "cannot make a folder"))?;
    let mut tried = String::new();
    for command in candidates(environment) {
        match try_one(&command, target, needs_cxx_library, scratch.path()) {
            Ok(compiler) => return Ok(compiler),
            Err(reason) => tried.push_str(&format!("\n  {}: {reason}", command.join(" "))),
        }
    }
    if tried.is_empty() {
        tried = ": none of $CXX, clang++, g++, zig was found".to_owned();
    } else {
        tried.insert(0, ':');
    }
    Err(ShimError::NoCompiler {
        what: if needs_cxx_library {
            "the part device-api"
        } else {
            "these parts"
        }
        .to_owned(),
        target: target.to_string(),
        tried,
        install: install_hint(target, needs_cxx_library),
    })
}

fn install_hint(target: ShimTarget, needs_cxx_library: bool) -> &'static str {
    match (target, needs_cxx_library) {
        (_, false) => {
            "install g++ or clang, or zig, which builds for every target (`pip install ziglang`)"
        }
        (ShimTarget::LinuxX86_64, true) => "install g++ (package g++ on Debian and Ubuntu)",
        (ShimTarget::LinuxAarch64, true) => {
            "install g++ for AArch64 (package g++-aarch64-linux-gnu on Debian and Ubuntu) and set \
             CXX=aarch64-linux-gnu-g++"
        }
        (ShimTarget::MacosArm64, true) => {
            "install the Xcode command line tools, or zig (`pip install ziglang`)"
        }
    }
}

fn candidates(environment: &Environment) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (command, arguments) in [(&environment.cxx, None), (&environment.zig, Some("c++"))] {
        let words = command
            .iter()
            .flat_map(|command| command.split_whitespace());
        let words: Vec<&str> = words.collect();
        if !words.is_empty() {
            let words = words.into_iter().chain(arguments);
            found.push(words.map(str::to_owned).collect());
        }
    }
    for (program, arguments) in [
        ("clang++", &[][..]),
        ("g++", &[]),
        ("zig", &["c++"]),
        ("python3", &["-m", "ziglang", "c++"]),
    ] {
        if let Some(file) = environment.find(program) {
            let mut words = vec![file.display().to_string()];
            words.extend(
                arguments
                    .iter()
                    .map(|argument: &&str| (*argument).to_owned()),
            );
            found.push(words);
        }
    }
    found
}

fn try_one(
    words: &[String],
    target: ShimTarget,
    needs_cxx_library: bool,
    scratch: &Path,
) -> Result<Compiler, String> {
    let family = family(words)?;
    if family == Family::Zig && needs_cxx_library && target.is_elf() {
        return Err("its C++ library is libc++, and the runtime uses libstdc++".to_owned());
    }
    if family == Family::Gcc {
        let machine = text(run(words, &["-dumpmachine"])?);
        if !target.is_machine(machine.trim()) {
            return Err(format!("builds for {} only", machine.trim()));
        }
    }
    let compiler = Compiler {
        command: words.to_vec(),
        family,
        target,
    };
    let source = scratch.join("probe.cc");
    let header = if needs_cxx_library {
        "string"
    } else {
        "string.h"
    };
    fs::write(
        &source,
        format!("#include <{header}>\nextern \"C\" int probe() {{ return 0; }}\n"),
    )
    .map_err(|error| error.to_string())?;
    let output = compiler
        .command()
        .args(["-fPIC", "-shared", "-o"])
        .arg(scratch.join("probe.out"))
        .arg(&source)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(compiler)
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        let line = why
            .lines()
            .find(|line| line.contains("error"))
            .or_else(|| why.lines().next());
        Err(line.unwrap_or("failed without a message").trim().to_owned())
    }
}

fn family(words: &[String]) -> Result<Family, String> {
    let is_zig = |word: &String| {
        let leaf = Path::new(word)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        leaf.is_some_and(|leaf| leaf == "zig" || leaf == "ziglang")
    };
    let version = text(run(words, &["--version"])?);
    if words.iter().any(is_zig) {
        Ok(Family::Zig)
    } else if version.contains("clang") {
        Ok(Family::Clang)
    } else if version.contains("Free Software Foundation") {
        Ok(Family::Gcc)
    } else {
        let first = version.lines().next().unwrap_or_default();
        Err(format!("is neither GCC, clang nor zig: {first:?}"))
    }
}

fn run(words: &[String], arguments: &[&str]) -> Result<Output, String> {
    let (program, first) = words.split_first().ok_or("no command")?;
    let output = Command::new(program)
        .args(first)
        .args(arguments)
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        Ok(output)
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        Err(why
            .lines()
            .last()
            .unwrap_or("failed without a message")
            .to_owned())
    }
}

fn text(output: Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
