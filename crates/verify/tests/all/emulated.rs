//! Host code of real arm64 macOS libraries, called through the runtime: its errors,
//! its wild accesses, its calls back. Answers of whole models: `tests/metal_sim.rs`.
//!
//! In this process, since emulated code that runs wild is stopped, not fatal.

use artcheck_metal_sim::{Options, prepare};
use artcheck_verify::DeviceName;
use artcheck_verify::inside::{
    Arg, DataType, Device, Function, Loaded, Runtime, RuntimeFiles, Tensor,
};

use crate::common::{artifact, part};

/// The runtime 0.27 with the plug-in in this process.
fn runtime() -> Runtime {
    let paths = [part("venv/tvm-0.27")];
    let plugin = prepare(&paths, &Options::default()).unwrap();
    let files = RuntimeFiles::find(&paths).unwrap();
    let device: DeviceName = "metal-sim".parse().unwrap();
    Runtime::load(&files, device, &[], &[plugin.path]).unwrap()
}

/// What a host function says when it is called with two numbers.
fn complaint(library: &str, function: &str) -> String {
    let runtime = runtime();
    let loaded = Loaded::emulated(&runtime, &artifact(library)).unwrap();
    let function = loaded.function(function).unwrap().unwrap();
    let error = function.call(&[Arg::Int(1), Arg::Int(2)]).unwrap_err();
    error.to_string()
}

/// What the emulated host code checks and raises comes back as the runtime's error.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_host_codes_error_is_the_runtimes() {
    let text = complaint("tvm-0.27/embedding-metal-macos-arm64.dylib", "layer_norm");
    assert!(
        text.contains("TypeError") && text.contains("layer_norm"),
        "{text}"
    );
}

/// Code that runs wild is stopped with its place, and the process lives on.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wild_access_is_an_error() {
    let text = complaint("tvm-0.26/embedding-metal-macos-arm64.dylib", "softmax");
    assert!(
        text.contains("emulated host code of `___tvm_ffi_softmax+0x0`"),
        "{text}"
    );
    assert!(text.contains("READ_UNMAPPED"), "{text}");
}

/// Host code calls a function that is registered natively, and gets its answer.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn emulated_code_calls_native_code() {
    let runtime = runtime();
    let library = artifact("tvm-0.27/extcall-cpu-macos-arm64.dylib");
    let loaded = Loaded::emulated(&runtime, &library).unwrap();
    let create: Function = loaded.function("vm_load_executable").unwrap().unwrap();
    let vm = create.call(&[]).unwrap();
    let find = runtime.registered("ffi.ModuleGetFunction", "test").unwrap();
    let function = |name: &std::ffi::CStr| {
        let args = [Arg::Value(&vm), Arg::Text(name), Arg::Bool(false)];
        Function::from_value(find.call(&args).unwrap(), "test").unwrap()
    };
    let host = [Arg::Int(1), Arg::Int(0), Arg::Int(2)];
    function(c"vm_initialization").call(&host).unwrap();
    let four = runtime.empty(&[4], DataType::F32, Device::CPU).unwrap();
    let copy = runtime
        .registered("runtime.TVMTensorCopyFromBytes", "test")
        .unwrap();
    let bytes: Vec<u8> = [0f32, 1.0, 2.0, 3.0]
        .iter()
        .flat_map(|f| f.to_ne_bytes())
        .collect();
    four.copy_from(&copy, &bytes).unwrap();
    // The external function is `vm.builtin.copy(1)`.
    let answer = function(c"add_external")
        .call(&[Arg::Value(four.value())])
        .unwrap();
    let answer = Tensor::from_value(answer).unwrap();
    assert_eq!(runtime.floats(&answer).unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

/// A file that is no thin Mach-O library is refused with its path.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_is_no_macos_library_is_refused() {
    let runtime = runtime();
    let elf = artifact("tvm-0.26/dense-metal-linux-x86_64.so");
    let error = Loaded::emulated(&runtime, &elf).err().unwrap().to_string();
    assert!(error.contains("thin 64-bit Mach-O"), "{error}");
    assert!(error.contains("dense-metal-linux-x86_64.so"), "{error}");
}
