//! A model library and what is in it, decoded: what the rest of this module
//! reads and fills in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::metadata::{FoundMetadata, MetadataError};
use super::need::DeviceNeed;
use super::recovered::{HostCall, Recovered};
use crate::container::{BLOB_SYMBOLS, CONTEXT_SYMBOLS};
use crate::error::DecodeError;
use crate::vm::kernel::Kernels;
use crate::vm::{DataType, Executable};

/// Which names the library uses for its blob and its functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SymbolGeneration {
    /// `__tvm_dev_mblob`, `__tvm_module_ctx`, bare function names: up to 0.20.
    DevMblob,
    /// `__tvm_ffi_library_bin`, `__tvm_ffi_library_ctx`: 0.21.
    FfiLibraryBin,
    /// `__tvm_ffi__library_bin`, `__tvm_ffi__library_ctx`, `__tvm_ffi_` prefix: from 0.22.
    FfiUnderscoreLibraryBin,
    /// No blob symbol, and no name it is registered under: found by the VM magic.
    Unknown,
}

impl SymbolGeneration {
    /// Those that have names, in the order of [`BLOB_SYMBOLS`] and [`CONTEXT_SYMBOLS`].
    const NAMED: [Self; 3] = [
        Self::DevMblob,
        Self::FfiLibraryBin,
        Self::FfiUnderscoreLibraryBin,
    ];

    /// Each blob symbol without a prefix, with its generation, newest first.
    pub(super) fn blobs() -> impl Iterator<Item = (&'static str, Self)> {
        BLOB_SYMBOLS.into_iter().zip(Self::NAMED).rev()
    }

    /// The blob symbol's name without a prefix.
    pub fn blob_symbol(self) -> Option<&'static str> {
        let (name, _) = Self::blobs().find(|(_, generation)| *generation == self)?;
        Some(name)
    }

    /// The generation of the name under which host code without a blob has its context.
    pub(crate) fn of_context(name: &str) -> Option<Self> {
        let mut known = CONTEXT_SYMBOLS.into_iter().zip(Self::NAMED);
        let (_, generation) = known.find(|(symbol, _)| *symbol == name)?;
        Some(generation)
    }

    /// The generation of a blob symbol's name without a prefix.
    pub(crate) fn of_blob(name: &str) -> Option<Self> {
        let (_, generation) = Self::blobs().find(|(symbol, _)| *symbol == name)?;
        Some(generation)
    }
}

/// Order of the blob's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobLayout {
    /// Count, then keyed entries with `_import_tree` among them: up to 0.21.
    CountFirst,
    /// Import tree first, every payload with its length: from 0.22.
    TreeFirst,
    /// No blob at all: a VM executable in a file of its own.
    #[serde(skip_deserializing)]
    Bare,
}

/// Order of the fields in a `metal` or `vulkan` payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayloadOrder {
    /// metal: version, smap, fmap, fmt; vulkan: words in place. Up to 0.23.
    Before24,
    /// metal: fmt, fmap, smap; vulkan: bytes with a length. From 0.24.
    Since24,
    /// The kind's layout never changed, or an empty payload fits both.
    #[serde(skip_deserializing)]
    Stable,
}

/// Whether `FunctionInfo` carries `arg_extra_tags` (from 0.21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionInfoForm {
    /// name, arg_types, launch_param_tags.
    Plain,
    /// ... and arg_extra_tags.
    ExtraTags,
    /// No function: fits both.
    #[serde(skip_deserializing)]
    Either,
}

/// Launch information of one device kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelInfo {
    /// Key in the payload's function map.
    pub key: String,
    /// Name field; empty in older payloads.
    pub name: String,
    /// Argument types.
    pub arg_types: Vec<DataType>,
    /// Launch parameter tags, e.g. `blockIdx.x`.
    pub launch_tags: Vec<String>,
    /// Extra tags (0 none, 1 tensor map).
    pub extra_tags: Vec<i32>,
}

/// A piece of device code, left in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceCode {
    /// Kernel the code belongs to; empty when one piece holds all.
    pub name: String,
    /// Offset inside the blob.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A decoded `metal`, `cuda`, `opencl`, `rocm`, `hexagon`, `vulkan` or `webgpu` payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DevicePayload {
    /// Layout generation.
    pub order: PayloadOrder,
    /// FunctionInfo generation.
    pub function_info: FunctionInfoForm,
    /// Code format: `cubin`, `cuda`, `ptx`, `metal`, `metallib`, `cl`, `vulkan`, ...; empty for webgpu.
    pub code_format: String,
    /// Kernels in file order.
    pub kernels: Vec<KernelInfo>,
    /// Device code in file order.
    pub code: Vec<DeviceCode>,
    /// What the code asks of the device, where it says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<DeviceNeed>,
    /// Its kernels that merge attention states, as far as they are source text.
    #[serde(skip)]
    pub merges: Vec<StateMerge>,
}

/// How a kernel merges two attention states, row by row, in the place of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMerge {
    /// The kernel.
    pub kernel: String,
    /// Elements of a row that each thread takes.
    pub elements: i64,
    /// Whether threads wait for each other before they store.
    pub waits: bool,
}

/// A module's payload.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Payload {
    /// `_lib`: the host library itself.
    HostLibrary,
    /// `relax.Executable` / `relax.VMExecutable`.
    VmExecutable(Box<Executable>),
    /// A device module.
    Device(DevicePayload),
    /// `const_loader`: late-bound tensors.
    ConstLoader {
        /// Variable names.
        variables: Vec<String>,
        /// Symbols that need initialisation.
        symbols: Vec<String>,
    },
    /// `static_library`: an object that was not linked.
    StaticLibrary {
        /// Functions the object provides.
        functions: Vec<String>,
        /// Bytes of the object.
        size: u64,
    },
    /// A kind this tool does not know; kept by name and size.
    Unknown,
    /// A known kind whose bytes do not decode.
    Undecodable {
        /// Why; counted from the payload's first byte.
        #[serde(serialize_with = "serialize_error")]
        error: DecodeError,
    },
}

fn serialize_error<S: serde::Serializer>(error: &DecodeError, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(error)
}

/// One module of the tree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Module {
    /// Kind, e.g. `relax.VMExecutable`, `_lib`, `metal`.
    pub kind: String,
    /// Children, as indices into [`Blob::modules`].
    pub children: Vec<usize>,
    /// Offset of the payload inside the blob (from its length field).
    pub payload_offset: u64,
    /// Length of the payload in bytes; for a VM executable the VM bytes alone.
    pub payload_length: u64,
    /// Decoded payload.
    pub payload: Payload,
}

/// A decoded blob. Offsets count from its 8-byte length field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blob {
    /// Field order.
    pub layout: BlobLayout,
    /// Whole length: 8 + the length field.
    pub length: u64,
    /// Modules in file order (count-first entries too); the root is `root`.
    pub modules: Vec<Module>,
    /// Index of the root module.
    pub root: usize,
}

impl Module {
    /// Its Relax executable, if it is one.
    pub fn executable(&self) -> Option<&Executable> {
        match &self.payload {
            Payload::VmExecutable(executable) => Some(executable),
            _ => None,
        }
    }
}

impl Blob {
    /// The Relax executables of the blob with their module index.
    pub fn executables(&self) -> impl Iterator<Item = (usize, &Executable)> {
        self.modules
            .iter()
            .enumerate()
            .filter_map(|(index, module)| match &module.payload {
                Payload::VmExecutable(executable) => Some((index, &**executable)),
                _ => None,
            })
    }
}

/// A model library found in a binary: its blob, where it lies, and what its
/// host part offers and needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelLibrary {
    /// System-library prefix; `None` for a plain shared library.
    pub prefix: Option<String>,
    /// Naming generation.
    pub symbols: SymbolGeneration,
    /// Blob symbol as found; when found by magic, the name it is registered
    /// under, if one is.
    pub blob_symbol: Option<String>,
    /// Region name that holds the blob, e.g. `.rodata`.
    pub region: String,
    /// Offset of the blob in that region.
    pub region_offset: u64,
    /// Offset of the blob's first byte in the file (or member).
    pub file_offset: u64,
    /// The decoded blob, or why it does not decode.
    #[serde(serialize_with = "serialize_blob")]
    pub blob: Result<Blob, DecodeError>,
    /// Context slots defined (`__TVM...` data symbols).
    pub slots: Vec<String>,
    /// Those that nothing in the file refers to, where that is read.
    #[serde(skip)]
    pub idle_slots: Vec<String>,
    /// Host functions, without prefix.
    pub host_functions: Vec<String>,
    /// VM functions compiled to host code (`__vmtir__<name>`), by name.
    pub vm_tir_functions: Vec<String>,
    /// What its host functions take, as far as their own error messages say it.
    #[serde(skip)]
    pub kernels: Kernels,
    /// Names that host code looks up at run time: of `.tvm_func.<name>` locals, where
    /// kept, and of its code, where that is read.
    pub host_callees: Vec<String>,
    /// Calls of those, as far as their arguments were read.
    #[serde(skip)]
    pub host_calls: Vec<HostCall>,
    /// Extensions of x86-64 that its host code needs of the processor.
    #[serde(skip)]
    pub(crate) extensions: Vec<&'static str>,
    /// Whether the host code may look up more than was read: it is too long, or nothing
    /// tells where its functions begin.
    #[serde(skip)]
    pub(crate) has_unread_callees: bool,
    /// Executables whose VM functions are compiled to host code, as read from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recovered: Vec<Recovered>,
    /// What each of its executables says of itself, parameters left out.
    #[serde(skip)]
    pub outlines: Vec<Result<FoundMetadata, MetadataError>>,
}

/// Slots of the functions that look up others by name; a library has one where it does.
const LOOKUPS: [&str; 2] = [
    "__TVMBackendGetFuncFromEnv",
    "__TVMFFIEnvModLookupFromImports",
];

impl ModelLibrary {
    /// The executables of the blob with their module index, compiled VM functions read.
    pub fn programs<'a>(&'a self, blob: &'a Blob) -> impl Iterator<Item = (usize, &'a Executable)> {
        blob.executables().map(|(index, executable)| {
            let recovered = self.recovered(index).map(|one| &one.executable);
            (index, recovered.unwrap_or(executable))
        })
    }

    /// Why not all that the VM functions of the library do is known, where a compiled one
    /// could not be read.
    pub fn unread(&self) -> Option<String> {
        let mut unread = self.recovered.iter().flat_map(|one| &one.unread);
        let first = unread.next()?;
        let more = match unread.count() {
            0 => String::new(),
            more => format!("; and {more} more like it"),
        };
        Some(format!(
            "VM function `{}` is compiled to host code, which could not be read ({}){more}",
            first.name, first.why
        ))
    }

    /// Why a VM function that is compiled to host code could not be read, if it could not.
    pub fn unread_function(&self, name: &str) -> Option<&str> {
        let mut unread = self.recovered.iter().flat_map(|one| &one.unread);
        let found = unread.find(|unread| unread.name == name)?;
        Some(&found.why)
    }

    /// Whether its host code looks up functions by name.
    pub(crate) fn looks_up(&self) -> bool {
        let mut slots = self.used_slots();
        slots.any(|slot| LOOKUPS.contains(&slot.as_str()))
    }

    /// Slots that something in the file may call through.
    pub(crate) fn used_slots(&self) -> impl Iterator<Item = &String> {
        let slots = self.slots.iter();
        slots.filter(|slot| !self.idle_slots.contains(slot))
    }

    /// Whether a compiled VM function that could not be read may create a KV cache.
    pub(crate) fn may_hide_cache(&self) -> bool {
        self.recovered.iter().any(|one| one.may_create_cache)
    }

    /// What was read of a module's compiled VM functions, where it has some.
    pub fn recovered(&self, module: usize) -> Option<&Recovered> {
        self.recovered.iter().find(|one| one.module == module)
    }

    /// Host functions and device kernels that ship inside the library.
    pub fn own_functions<'a>(&'a self, blob: &'a Blob) -> BTreeSet<&'a str> {
        let mut names = blob.module_functions();
        names.extend(self.host_functions.iter().map(String::as_str));
        names
    }
}

impl Blob {
    /// Functions of its modules: what host code finds by name without the registry.
    pub(crate) fn module_functions(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for module in &self.modules {
            match &module.payload {
                Payload::Device(device) => {
                    names.extend(device.kernels.iter().map(|kernel| kernel.key.as_str()));
                }
                Payload::StaticLibrary { functions, .. } => {
                    names.extend(functions.iter().map(String::as_str));
                }
                _ => {}
            }
        }
        names
    }
}

fn serialize_blob<S: serde::Serializer>(
    blob: &Result<Blob, DecodeError>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match blob {
        Ok(blob) => blob.serialize(to),
        Err(error) => to.collect_str(error),
    }
}
