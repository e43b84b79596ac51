//! The systems that a shim is built for.

use std::fmt;
use std::str::FromStr;

use artcheck_inspect::Target;
use artcheck_inspect::container::{Architecture, Platform};

use super::error::ShimError;

/// A system that a shim library can be built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShimTarget {
    /// ELF, x86-64, glibc.
    LinuxX86_64,
    /// ELF, AArch64, glibc.
    LinuxAarch64,
    /// Mach-O, arm64, macOS.
    MacosArm64,
}

impl ShimTarget {
    /// The system that this program runs on, if a shim can be built for it.
    pub fn host() -> Option<Self> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => Some(Self::LinuxX86_64),
            ("linux", "aarch64") => Some(Self::LinuxAarch64),
            ("macos", "aarch64") => Some(Self::MacosArm64),
            _ => None,
        }
    }

    /// Whether libraries for it are ELF files; else they are Mach-O files.
    pub fn is_elf(self) -> bool {
        !matches!(self, Self::MacosArm64)
    }

    /// Suffix of shared libraries.
    pub fn library_suffix(self) -> &'static str {
        if self.is_elf() { "so" } else { "dylib" }
    }

    /// The name that zig has for it. The glibc and macOS versions are those of
    /// TVM's own wheels, so the shim runs wherever they do.
    pub(crate) fn zig_triple(self) -> &'static str {
        match self {
            Self::LinuxX86_64 => "x86_64-linux-gnu.2.28",
            Self::LinuxAarch64 => "aarch64-linux-gnu.2.28",
            Self::MacosArm64 => "aarch64-macos.11.0",
        }
    }

    /// The name that clang has for it.
    pub(crate) fn clang_triple(self) -> &'static str {
        match self {
            Self::LinuxX86_64 => "x86_64-linux-gnu",
            Self::LinuxAarch64 => "aarch64-linux-gnu",
            Self::MacosArm64 => "arm64-apple-macos11.0",
        }
    }

    /// Whether a compiler whose `-dumpmachine` says this builds for it.
    pub(crate) fn is_machine(self, machine: &str) -> bool {
        match self {
            Self::LinuxX86_64 => machine.starts_with("x86_64") && machine.contains("linux"),
            Self::LinuxAarch64 => machine.starts_with("aarch64") && machine.contains("linux"),
            Self::MacosArm64 => {
                (machine.starts_with("arm64") || machine.starts_with("aarch64"))
                    && machine.contains("apple")
            }
        }
    }
}

impl fmt::Display for ShimTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinuxX86_64 => "x86_64-linux",
            Self::LinuxAarch64 => "aarch64-linux",
            Self::MacosArm64 => "aarch64-macos",
        })
    }
}

impl FromStr for ShimTarget {
    type Err = ShimError;

    fn from_str(name: &str) -> Result<Self, ShimError> {
        let unknown = || ShimError::UnknownTarget {
            name: name.to_owned(),
        };
        let target: Target = name.parse().map_err(|_| unknown())?;
        match (target.platform, target.architecture) {
            (Platform::Linux, Architecture::X86_64) => Ok(Self::LinuxX86_64),
            (Platform::Linux, Architecture::Aarch64) => Ok(Self::LinuxAarch64),
            (Platform::MacOs, Architecture::Aarch64) => Ok(Self::MacosArm64),
            _ => Err(unknown()),
        }
    }
}
