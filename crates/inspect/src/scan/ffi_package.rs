//! The files of tvm-ffi's package without which it cannot be imported, under the names that
//! they have on each system.

use std::path::Path;

use crate::container::Platform;
use crate::parts::stem;
use crate::place::Place;
use crate::source::beginning::children;

/// The folder of the package.
pub(super) const PACKAGE: &str = "tvm_ffi";
/// That of its libraries, in it.
const LIBRARIES: &str = "lib";

/// What there is of them.
#[derive(Default)]
pub(super) struct Files {
    has_binding: bool,
    has_library: bool,
    /// Whether anything lies where its libraries do.
    has_libraries: bool,
    /// The system that they are for, if a name says it.
    system: Option<Platform>,
}

impl Files {
    /// Those of a package's folder on the disk.
    pub(super) fn in_folder(package: &Path) -> Self {
        let mut found = Self::default();
        let libraries = children(&package.join(LIBRARIES));
        for file in children(package).iter().chain(&libraries) {
            if file.is_file() {
                found.add(&Place::file(file), &Place::file(package));
            }
        }
        found
    }

    /// Takes a file in, if it is one of the package in this folder.
    pub(super) fn add(&mut self, file: &Place, package: &Place) {
        let Some(folder) = file.folder() else { return };
        let is_library = folder.name() == LIBRARIES && folder.folder().as_ref() == Some(package);
        if !is_library && folder != *package {
            return;
        }
        let name = file.name();
        let end = name.rsplit('.').next().unwrap_or_default();
        self.system = match end {
            "pyd" | "dll" => Some(Platform::Windows),
            "dylib" => Some(Platform::MacOs),
            "so" if name.contains("-darwin.") => Some(Platform::MacOs),
            _ => self.system,
        };
        self.has_libraries |= is_library;
        let is = |wanted: &str, ends: &[&str]| stem(&name) == wanted && ends.contains(&end);
        match is_library {
            true => self.has_library |= is(PACKAGE, &["so", "dylib", "dll"]),
            false => self.has_binding |= is("core", &["so", "pyd"]),
        }
    }

    /// Whether nothing of its code is there.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_binding && !self.has_libraries
    }

    /// Its library, below the package's folder.
    pub(super) fn library(&self) -> &'static str {
        match self.system {
            Some(Platform::Windows) => "lib/tvm_ffi.dll",
            Some(Platform::MacOs) => "lib/libtvm_ffi.dylib",
            _ => "lib/libtvm_ffi.so",
        }
    }

    /// The library, where it is not there.
    pub(super) fn lost_library(&self) -> Option<String> {
        (!self.has_library).then(|| format!("{PACKAGE}/{}", self.library()))
    }

    /// What is not there.
    pub(super) fn missing(&self) -> Vec<String> {
        let binding = match self.system {
            Some(Platform::Windows) => "core.*.pyd",
            _ => "core.*.so",
        };
        let binding = (!self.has_binding).then(|| format!("{PACKAGE}/{binding}"));
        binding.into_iter().chain(self.lost_library()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_own_names() {
        let program = Place::file("app.exe");
        let missing = |names: &[&str]| {
            let mut files = Files::default();
            for name in names {
                let package = program.member(PACKAGE.as_bytes(), 1);
                files.add(&program.member(name.as_bytes(), 1), &package);
            }
            files.missing()
        };
        for whole in [
            ["tvm_ffi/core.abi3.so", "tvm_ffi/lib/libtvm_ffi.so"],
            [
                "tvm_ffi/core.cpython-311-darwin.so",
                "tvm_ffi/lib/libtvm_ffi.dylib",
            ],
            [
                "tvm_ffi\\core.cp311-win_amd64.pyd",
                "tvm_ffi\\lib\\tvm_ffi.dll",
            ],
        ] {
            assert_eq!(missing(&whole), [""; 0]);
        }
        let windows = missing(&["tvm_ffi\\lib\\tvm_ffi_testing.dll"]);
        assert_eq!(windows, ["tvm_ffi/core.*.pyd", "tvm_ffi/lib/tvm_ffi.dll"]);
        let mac = missing(&["tvm_ffi/core.cpython-311-darwin.so"]);
        assert_eq!(mac, ["tvm_ffi/lib/libtvm_ffi.dylib"]);
        let linux = missing(&["other/tvm_ffi/lib/libtvm_ffi.so", "tvm_ffi/core.pyi"]);
        assert_eq!(linux, ["tvm_ffi/core.*.so", "tvm_ffi/lib/libtvm_ffi.so"]);
    }
}
