//! Real parts and child processes for the tests of this crate.

pub mod blob;
#[path = "../../../../../tests/all/support/parts.rs"]
pub mod parts;
pub mod shims;
#[path = "../../../../../tests/all/support/wheels.rs"]
mod wheels;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

pub use parts::{part, site_packages};

/// The releases whose wheels are fetched, each with its tvm-ffi.
pub static RELEASES: LazyLock<Vec<Release>> = LazyLock::new(|| {
    let wheels = wheels::wheels().into_iter();
    wheels.map(|(tvm, ffi)| Release { tvm, ffi }).collect()
});

/// A TVM release and the tvm-ffi that belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    pub tvm: &'static str,
    pub ffi: &'static str,
}

impl Release {
    /// The unpacked `tvm` package for a platform such as `linux-x86_64`.
    pub fn tvm(&self, platform: &str) -> PathBuf {
        part(&format!("unpacked/tvm-{}-{platform}/tvm", self.tvm))
    }

    /// The unpacked `tvm_ffi` package for a platform.
    pub fn ffi(&self, platform: &str) -> PathBuf {
        part(&format!("unpacked/tvm-ffi-{}-{platform}/tvm_ffi", self.ffi))
    }

    /// The Python that has this release installed.
    pub fn python(&self) -> PathBuf {
        part(&format!("venv/tvm-{}/bin/python", self.tvm))
    }

    /// `site-packages` of that Python.
    pub fn site_packages(&self) -> PathBuf {
        site_packages(&format!("tvm-{}", self.tvm))
    }
}

/// The pinned zig, as a C++ compiler command.
pub fn zig() -> Vec<String> {
    let python = part("venv/tools/bin/python").display().to_string();
    [python.as_str(), "-m", "ziglang", "c++"]
        .map(str::to_owned)
        .to_vec()
}

/// A file in this crate's `tests` folder.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}

/// Runs a command to its end, whatever the end is.
pub fn output(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

/// Runs a command that must succeed; gives its standard output.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text on standard output")
}

/// `git` in a folder, with nothing taken from the user's own configuration.
pub fn git<I: AsRef<OsStr>>(dir: &Path, args: &[I]) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
        .args(["-c", "core.autocrlf=false"])
        .args(args);
    command
}
