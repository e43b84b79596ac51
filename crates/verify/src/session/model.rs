//! A loaded model library: VM, function table, metadata, kind.

use std::path::Path;

use crate::error::{Error, Result};
use crate::ffi::{Arg, Function};
use crate::runtime::{Module, Runtime};

use super::Kind;
use super::metadata::Metadata;

/// How the VM gets memory for tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// Fresh memory for each storage: what a kernel leaves unwritten shows.
    Naive = 1,
    /// Memory is used again, as the Python VM wrapper chooses by default.
    Pooled = 2,
}

/// KV cache constructors in the order in which the engine tries them.
const CACHE_CONSTRUCTORS: [&str; 3] = [
    "create_flashinfer_paged_kv_cache",
    "create_tir_paged_kv_cache",
    "create_paged_kv_cache",
];

/// The RNN state constructor.
const RNN_CONSTRUCTOR: &str = "create_rnn_state";

/// A library that is loaded but whose VM is not initialised.
pub struct Loaded<'r> {
    library: Module<'r>,
}

/// A model that is ready for weights.
pub struct Model<'r> {
    vm: Module<'r>,
    metadata: Metadata,
    kind: Kind,
    cache_constructor: Option<Function>,
    rnn_constructor: Option<Function>,
}

impl<'r> Loaded<'r> {
    /// Loads a library for macOS on the simulated device: the emulator takes its
    /// host code, the plug-in makes a module of it.
    #[cfg(feature = "macho-host")]
    pub fn emulated(runtime: &'r Runtime, path: &Path) -> Result<Loaded<'r>> {
        let open = runtime.registered("artcheck.metal_sim.open", "load a library for macOS")?;
        let host =
            artcheck_metal_sim::macho::HostLibrary::open(path).map_err(|error| Error::Open {
                path: path.to_owned(),
                detail: error.to_string(),
            })?;
        let value = crate::ffi::open_host_library(&open, &host)?;
        let library = Module::new(runtime, value, open.name())?;
        Ok(Loaded { library })
    }

    /// Loads the library and the modules inside it.
    pub fn load(runtime: &'r Runtime, path: &Path) -> Result<Loaded<'r>> {
        let library = runtime.load_module(path)?;
        Ok(Loaded { library })
    }

    /// A function of the library or of the modules inside it, before there is a VM.
    #[cfg(feature = "macho-host")]
    pub fn function(&self, name: &str) -> Result<Option<Function>> {
        self.library.function(name, true)
    }

    /// Makes the VM and reads `_metadata`.
    pub fn initialise(self, allocator: Allocator) -> Result<Model<'r>> {
        Model::new(self.machine(allocator)?)
    }

    /// Creates the VM and initialises it on the row's device and the host. Every
    /// function that the program names is resolved here.
    pub fn machine(self, allocator: Allocator) -> Result<Module<'r>> {
        let runtime = self.library.runtime();
        let create = self.library.function("vm_load_executable", true)?.ok_or(
            Error::MissingFunction {
                name: "vm_load_executable".to_owned(),
                purpose: "create a VM (the library carries no Relax program, or its blob symbol \
                          is of another generation)",
            },
        )?;
        let vm = Module::new(runtime, create.call(&[])?, create.name())?;
        let initialise = required(&vm, "vm_initialization", "initialise the VM")?;
        let device = runtime.device().device();
        let allocator = allocator as i64;
        let mut args = vec![
            Arg::Int(i64::from(device.kind)),
            Arg::Int(i64::from(device.index)),
            Arg::Int(allocator),
        ];
        if device != crate::ffi::Device::CPU {
            // Shape functions always run on the host.
            args.extend([Arg::Int(1), Arg::Int(0), Arg::Int(allocator)]);
        }
        initialise.call(&args)?;
        Ok(vm)
    }
}

impl<'r> Model<'r> {
    fn new(vm: Module<'r>) -> Result<Model<'r>> {
        let function = required(&vm, "_metadata", "learn the parameters")?;
        let value = function.call(&[])?;
        let text = value.as_text().ok_or_else(|| Error::Returned {
            function: "_metadata".to_owned(),
            expected: "a string",
            found: value.kind(),
        })?;
        let metadata = Metadata::parse(&text)?;
        let mut cache_constructor = None;
        for name in CACHE_CONSTRUCTORS {
            cache_constructor = vm.function(name, false)?;
            if cache_constructor.is_some() {
                break;
            }
        }
        let rnn_constructor = vm.function(RNN_CONSTRUCTOR, false)?;
        // Embedding models say `kv_state_kind: kv_cache` although they have no
        // cache: the task and the function table decide.
        let mut is_embedding = metadata.model_task.as_deref() == Some("embedding");
        if metadata.model_task.is_none() && cache_constructor.is_none() && rnn_constructor.is_none()
        {
            // Before there was a task: what reads and never writes on.
            is_embedding =
                vm.function("prefill", false)?.is_some() && vm.function("decode", false)?.is_none();
        }
        let kind = match (is_embedding, &cache_constructor, &rnn_constructor) {
            (true, ..) => Kind::Embedding,
            (false, Some(_), Some(_)) => Kind::Hybrid,
            (false, Some(_), None) => Kind::KvCache,
            (false, None, Some(_)) => Kind::RnnState,
            (false, None, None) => {
                return Err(Error::MissingFunction {
                    name: CACHE_CONSTRUCTORS[1].to_owned(),
                    purpose: "create the KV cache (there is no RNN state either, and \
                              `_metadata` names no embedding task)",
                });
            }
        };
        Ok(Model {
            vm,
            metadata,
            kind,
            cache_constructor,
            rnn_constructor,
        })
    }

    /// The runtime.
    pub fn runtime(&self) -> &'r Runtime {
        self.vm.runtime()
    }

    /// The metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What the model keeps between calls.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A VM function that must exist.
    pub fn function(&self, name: &str, purpose: &'static str) -> Result<Function> {
        required(&self.vm, name, purpose)
    }

    /// The constructor of the KV cache, for models that have one.
    pub fn cache_constructor(&self) -> Option<&Function> {
        self.cache_constructor.as_ref()
    }

    /// The constructor of the RNN state, for models that have one.
    pub fn rnn_constructor(&self) -> Option<&Function> {
        self.rnn_constructor.as_ref()
    }
}

fn required(module: &Module<'_>, name: &str, purpose: &'static str) -> Result<Function> {
    module
        .function(name, false)?
        .ok_or_else(|| Error::MissingFunction {
            name: name.to_owned(),
            purpose,
        })
}
