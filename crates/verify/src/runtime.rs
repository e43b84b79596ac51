//! A loaded runtime: registered functions, tensors, modules.
//!
//! Order and flags are those of the Python packages: libtvm_ffi and
//! libtvm_runtime globally, since model libraries and parts resolve symbols
//! against them; extra and device parts locally, since they only register.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use crate::device::DeviceName;
use crate::error::{Error, Result};
use crate::ffi::{self, Api, Arg, DataType, Device, Function, Linkage, Tensor, Value};
use crate::parts::RuntimeFiles;
use crate::web::{self, Opened};

/// Registered functions that every row needs, whatever its model.
pub const REGISTERED: [&str; 8] = [
    "ffi.Shape",
    "ffi.Array",
    "ffi.ArrayGetItem",
    "ffi.ModuleLoadFromFile",
    "ffi.ModuleGetFunction",
    "runtime.TVMTensorAllocWithScope",
    "runtime.TVMTensorCopyFromBytes",
    "runtime.TVMTensorCopyToBytes",
];

/// A runtime in this process. There can be one per process: libraries are
/// never closed, and two registries would mix.
pub struct Runtime {
    api: &'static Api,
    device: DeviceName,
    shape: Function,
    array: Function,
    array_item: Function,
    load_module: Function,
    get_function: Function,
    allocate: Function,
    copy_from: Function,
    copy_to: Function,
}

impl Runtime {
    /// Loads the parts that `device` needs; `before` are libraries to open
    /// before them (such as the CUDA runtime), `shims` after them.
    pub fn load(
        files: &RuntimeFiles,
        device: DeviceName,
        before: &[PathBuf],
        shims: &[PathBuf],
    ) -> Result<Runtime> {
        let part = files.device_part(device)?;
        let mut others: Vec<(&Path, Linkage)> = Vec::new();
        others.extend(before.iter().map(|p| (p.as_path(), Linkage::Global)));
        others.push((&files.runtime, Linkage::Global));
        others.extend(files.extra.iter().map(|p| (p.as_path(), Linkage::Local)));
        others.extend(part.iter().map(|p| (p.as_path(), Linkage::Local)));
        others.extend(shims.iter().map(|p| (p.as_path(), Linkage::Global)));
        Runtime::of(ffi::load(&files.ffi, &others)?, device)
    }

    /// The runtime inside a web library.
    pub(crate) fn web(
        library: &Path,
        package: &Path,
        device: DeviceName,
    ) -> Result<(Runtime, Opened)> {
        let (bridge, opened) = web::start(library, package, device.is_webgpu())?;
        Ok((Runtime::of(ffi::over(bridge)?, device)?, opened))
    }

    fn of(api: &'static Api, device: DeviceName) -> Result<Runtime> {
        let [shape, array, item, load, get, allocate, copy_from, copy_to] = REGISTERED;
        let needed = |name: &str| registered(api, name, "drive any model");
        Ok(Runtime {
            api,
            device,
            shape: needed(shape)?,
            array: needed(array)?,
            array_item: needed(item)?,
            load_module: needed(load)?,
            get_function: needed(get)?,
            allocate: needed(allocate)?,
            copy_from: needed(copy_from)?,
            copy_to: needed(copy_to)?,
        })
    }

    /// The device that rows run on.
    pub fn device(&self) -> DeviceName {
        self.device
    }

    /// What the loaded libtvm_ffi says of itself.
    pub fn ffi_version(&self) -> String {
        self.api.version()
    }

    /// A registered function that must exist.
    pub fn registered(&self, name: &str, purpose: &'static str) -> Result<Function> {
        registered(self.api, name, purpose)
    }

    /// Loads a module library.
    pub fn load_module(&self, path: &Path) -> Result<Module<'_>> {
        let text = path.to_str().and_then(|p| CString::new(p).ok());
        let text = text.ok_or_else(|| {
            Error::Unsupported(format!("{}: not a path the runtime takes", path.display()))
        })?;
        let value = self.load_module.call(&[Arg::Text(&text)])?;
        Module::new(self, value, self.load_module.name())
    }

    /// A shape.
    pub fn shape(&self, dims: &[i64]) -> Result<Value> {
        let args: Vec<Arg<'_>> = dims.iter().map(|&d| Arg::Int(d)).collect();
        self.shape.call(&args)
    }

    /// An array of values.
    pub fn array(&self, values: &[Value]) -> Result<Value> {
        self.array.call_values(values)
    }

    /// An element of an array; the value itself if it is no array and the
    /// index is 0, since functions with one result return it bare.
    pub fn item(&self, value: &Value, index: i64) -> Result<Value> {
        if !value.is_array() && index == 0 {
            return Ok(value.clone());
        }
        self.array_item.call(&[Arg::Value(value), Arg::Int(index)])
    }

    /// A tensor with undefined contents.
    pub fn empty(&self, dims: &[i64], dtype: DataType, device: Device) -> Result<Tensor> {
        let shape = self.shape(dims)?;
        let value = self.allocate.call(&[
            Arg::Value(&shape),
            Arg::DataType(dtype),
            Arg::Device(device),
            Arg::None,
        ])?;
        tensor(value, self.allocate.name())
    }

    /// A tensor on the row's device, filled with bytes.
    pub fn tensor(&self, dims: &[i64], dtype: DataType, bytes: &[u8]) -> Result<Tensor> {
        let tensor = self.empty(dims, dtype, self.device.device())?;
        tensor.copy_from(&self.copy_from, bytes)?;
        Ok(tensor)
    }

    /// A tensor of zeros on the row's device; types that share bytes take whole ones.
    pub fn zeros(&self, dims: &[i64], dtype: DataType) -> Result<Tensor> {
        let tensor = self.empty(dims, dtype, self.device.device())?;
        let bytes = vec![0; tensor.byte_length()?];
        tensor.copy_from(&self.copy_from, &bytes)?;
        Ok(tensor)
    }

    /// An `int32` tensor on the row's device.
    pub fn int32(&self, dims: &[i64], values: &[i32]) -> Result<Tensor> {
        self.tensor(dims, DataType::I32, bytemuck::cast_slice(values))
    }

    /// Overwrites an `int32` tensor of this runtime.
    pub fn write_int32(&self, tensor: &Tensor, values: &[i32]) -> Result<()> {
        tensor.copy_from(&self.copy_from, bytemuck::cast_slice(values))
    }

    /// Copies a floating-point tensor to the host as `f32`, waiting for the device.
    pub fn floats(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        let mut floats = HostFloats::default();
        self.read_floats(tensor, &mut floats)?;
        Ok(floats.values)
    }

    /// The same into a buffer that is used again: logits come this way once
    /// per token, and fresh memory costs more than the copy.
    pub fn read_floats(&self, tensor: &Tensor, into: &mut HostFloats) -> Result<()> {
        let dtype = tensor.dtype();
        let known = [DataType::F32, DataType::F16, DataType::BF16];
        let size = dtype.bytes().filter(|_| known.contains(&dtype));
        let size = size.ok_or_else(|| Error::Tensor {
            detail: format!("floating-point expected, found {dtype:?}"),
        })?;
        let count = tensor.byte_length()? / size;
        into.values.resize(count, 0.0);
        if dtype == DataType::F32 {
            return tensor.copy_to(&self.copy_to, bytemuck::cast_slice_mut(&mut into.values));
        }
        into.words.resize(count, 0);
        tensor.copy_to(&self.copy_to, bytemuck::cast_slice_mut(&mut into.words))?;
        if dtype == DataType::F16 {
            let halves = into.words.reinterpret_cast::<half::f16>();
            halves.convert_to_f32_slice(&mut into.values);
        } else {
            let halves = into.words.reinterpret_cast::<half::bf16>();
            halves.convert_to_f32_slice(&mut into.values);
        }
        Ok(())
    }
}

/// Floats on the host, in memory that is used again.
#[derive(Debug, Default)]
pub struct HostFloats {
    values: Vec<f32>,
    /// The 16-bit floats that `values` are made from, where they are.
    words: Vec<u16>,
}

impl HostFloats {
    /// What was read last.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// The value as a tensor, or an error that names the function.
pub(crate) fn tensor(value: Value, function: &str) -> Result<Tensor> {
    let found = value.kind();
    Tensor::from_value(value).ok_or_else(|| Error::Returned {
        function: function.to_owned(),
        expected: "a tensor",
        found,
    })
}

fn registered(api: &'static Api, name: &str, purpose: &'static str) -> Result<Function> {
    Function::global(api, name)?.ok_or_else(|| Error::MissingGlobal {
        name: name.to_owned(),
        purpose,
    })
}

/// A loaded module.
pub struct Module<'r> {
    runtime: &'r Runtime,
    value: Value,
}

impl<'r> Module<'r> {
    /// Wraps what `function` returned.
    pub(crate) fn new(runtime: &'r Runtime, value: Value, function: &str) -> Result<Module<'r>> {
        if value.is_module() {
            return Ok(Module { runtime, value });
        }
        Err(Error::Returned {
            function: function.to_owned(),
            expected: "a module",
            found: value.kind(),
        })
    }

    /// The runtime it was loaded into.
    pub fn runtime(&self) -> &'r Runtime {
        self.runtime
    }

    /// A function of the module, or also of its imports.
    pub fn function(&self, name: &str, with_imports: bool) -> Result<Option<Function>> {
        let text = CString::new(name).map_err(|e| Error::Unsupported(e.to_string()))?;
        let found = self.runtime.get_function.call(&[
            Arg::Value(&self.value),
            Arg::Text(&text),
            Arg::Bool(with_imports),
        ])?;
        Ok(Function::from_value(found, name))
    }
}
