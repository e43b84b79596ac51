//! Which part of a runtime a binary is, by what it defines; its name is only
//! asked where the definitions say nothing.

use serde::{Deserialize, Serialize};

use crate::container::{self, Binary, BinaryKind, Format};
use crate::place::Place;

/// A part of a runtime, or a library that belongs to one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "device")]
pub enum PartKind {
    /// libtvm_ffi: the registry and the C ABI.
    Ffi,
    /// libtvm_runtime: the Relax VM and `TVMBackend*`; up to 0.21 with the
    /// registry in it.
    Runtime,
    /// libtvm_runtime_extra: disco, sort, random (from 0.25).
    RuntimeExtra,
    /// libtvm_runtime_cuda, _metal, ... (from 0.25), with the device's name.
    RuntimeDevice(String),
    /// libtvm_compiler (from 0.24): no runtime of its own.
    Compiler,
    /// libtvm up to 0.23: compiler and runtime in one.
    Monolith,
    /// libmlc_llm or libmlc_llm_module.
    MlcLlm,
    /// The runtime linked into a wasm model library.
    WasmRuntime,
    /// Objects of an application that are linked with a static runtime.
    Objects,
}

impl PartKind {
    /// Whether the part holds the VM: tags, slots and checks are read there.
    pub fn has_vm(&self) -> bool {
        matches!(self, Self::Runtime | Self::Monolith | Self::WasmRuntime)
    }

    /// Whether every load set of this kind has it: what it offers is not optional.
    pub fn is_core(&self) -> bool {
        self.has_vm() || *self == Self::Ffi
    }
}

impl std::fmt::Display for PartKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ffi => f.write_str("libtvm_ffi"),
            Self::Runtime => f.write_str("libtvm_runtime"),
            Self::RuntimeExtra => f.write_str("libtvm_runtime_extra"),
            Self::RuntimeDevice(device) => write!(f, "libtvm_runtime_{device}"),
            Self::Compiler => f.write_str("libtvm_compiler"),
            Self::Monolith => f.write_str("libtvm"),
            Self::MlcLlm => f.write_str("libmlc_llm"),
            Self::WasmRuntime => f.write_str("wasm runtime"),
            Self::Objects => f.write_str("objects"),
        }
    }
}

/// C functions that only the registry defines, new and old.
pub const REGISTRY_SYMBOLS: [&str; 3] = [
    "TVMFFITypeGetOrAllocIndex",
    "TVMFFIFunctionSetGlobal",
    "TVMFuncCall",
];

/// C functions that only the VM runtime defines, in every release.
pub(crate) const BACKEND_SYMBOLS: [&str; 2] =
    ["TVMBackendParallelLaunch", "TVMBackendAllocWorkspace"];

/// The part that a binary is, or `None` for clients, model libraries, objects
/// and everything else.
pub fn classify(binary: &Binary, file_name: &str) -> Option<PartKind> {
    if binary.format == Format::Wasm {
        let exports = ["TVMFFIFunctionCall", "TVMFuncCall"];
        return binary
            .wasm_exports
            .iter()
            .any(|export| exports.contains(&export.name.as_str()))
            .then_some(PartKind::WasmRuntime);
    }
    if binary.kind != BinaryKind::SharedLibrary {
        return None;
    }
    let stem = binary
        .identity
        .as_deref()
        .map(stem)
        .filter(|stem| stem.starts_with("tvm") || stem.starts_with("mlc_llm"))
        .unwrap_or_else(|| self::stem(file_name));
    let defines = |wanted: &[&str]| {
        binary
            .defined
            .iter()
            .any(|symbol| symbol.exported && wanted.contains(&symbol.name.as_str()))
    };
    if defines(&BACKEND_SYMBOLS) {
        return Some(if stem == "tvm" || stem == "tvm_allvisible" {
            PartKind::Monolith
        } else {
            PartKind::Runtime
        });
    }
    if defines(&REGISTRY_SYMBOLS) {
        return Some(PartKind::Ffi);
    }
    // The others define no C symbol; what they are shows in their name, and
    // that they use TVM at all in what they need. A model may be called as they are.
    let mut defined = binary.defined.iter();
    if !uses_tvm(binary) || defined.any(|symbol| container::is_blob_symbol(&symbol.name)) {
        return None;
    }
    match stem {
        "tvm_compiler" => Some(PartKind::Compiler),
        "tvm_runtime_extra" => Some(PartKind::RuntimeExtra),
        "mlc_llm" | "mlc_llm_module" => Some(PartKind::MlcLlm),
        _ => of_device(stem),
    }
}

/// The part that a library of TVM's own is by its name alone.
pub(crate) fn named(file_name: &str) -> Option<PartKind> {
    match stem(file_name) {
        "tvm_ffi" => Some(PartKind::Ffi),
        "tvm_runtime" => Some(PartKind::Runtime),
        "tvm" => Some(PartKind::Monolith),
        "tvm_compiler" => Some(PartKind::Compiler),
        "tvm_runtime_extra" => Some(PartKind::RuntimeExtra),
        other => of_device(other),
    }
}

/// Whether a library of this name is TVM's or mlc-llm's own.
pub(crate) fn is_own(file_name: &str) -> bool {
    let more = [
        "mlc_llm",
        "mlc_llm_module",
        "tvm_allvisible",
        "tvm_ffi_testing",
    ];
    named(file_name).is_some() || more.contains(&stem(file_name))
}

fn of_device(stem: &str) -> Option<PartKind> {
    let device = stem.strip_prefix("tvm_runtime_")?;
    (!device.is_empty()).then(|| PartKind::RuntimeDevice(device.to_owned()))
}

/// The part that the objects of an archive are together, by what they define.
pub(crate) fn classify_objects(defines: impl Fn(&str) -> bool, file_name: &str) -> PartKind {
    if BACKEND_SYMBOLS.iter().any(|name| defines(name)) {
        PartKind::Runtime
    } else if REGISTRY_SYMBOLS.iter().any(|name| defines(name)) {
        PartKind::Ffi
    } else if stem(file_name) == "mlc_llm" {
        PartKind::MlcLlm
    } else {
        PartKind::Objects
    }
}

/// Whether a library that is no part lies where only a runtime's own wheel puts
/// one: its Python binding (in `tvm_ffi`, once in `_cy3`) and its test library.
pub(crate) fn comes_with_a_runtime(place: &Place) -> bool {
    match stem(&place.name()) {
        "tvm_ffi_testing" => true,
        "core" => place
            .folder()
            .is_some_and(|folder| matches!(folder.raw_name(), b"tvm_ffi" | b"_cy3")),
        _ => false,
    }
}

fn uses_tvm(binary: &Binary) -> bool {
    !binary.undefined.is_empty()
        || binary
            .needed
            .iter()
            .any(|library| stem(&library.name).starts_with("tvm"))
}

/// `libtvm_runtime.so.1` and `@rpath/libtvm_runtime.dylib` become `tvm_runtime`:
/// the plain name of a file, or of a library as a binary asks for it.
pub fn stem(library: &str) -> &str {
    let file = library.rsplit(['/', '\\']).next().unwrap_or(library);
    let file = file.strip_prefix("lib").unwrap_or(file);
    file.split_once('.').map_or(file, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::{Place, comes_with_a_runtime, stem};

    #[test]
    fn what_comes_with_a_runtime_is_told_by_its_place() {
        for own in [
            "lib/python3.11/site-packages/tvm_ffi/core.cpython-311-darwin.so",
            "tvm/_ffi/_cy3/core.cpython-310-darwin.so",
            "tvm_ffi/lib/libtvm_ffi_testing.dylib",
        ] {
            assert!(comes_with_a_runtime(&Place::file(own)), "{own}");
        }
        let member = Place::file("a.whl").member(b"tvm_ffi/core.abi3.so", 1);
        assert!(comes_with_a_runtime(&member));
        for other in ["core.so", "app/core.dylib", "tvm_ffi/libmodel.dylib", ""] {
            assert!(!comes_with_a_runtime(&Place::file(other)), "{other}");
        }
    }

    #[test]
    fn stems_lose_prefix_suffix_and_folder() {
        assert_eq!(stem("@rpath/libtvm_runtime.dylib"), "tvm_runtime");
        assert_eq!(stem("C:\\x\\tvm_ffi.dll"), "tvm_ffi");
        assert_eq!(stem("libtvm.so"), "tvm");
    }
}
