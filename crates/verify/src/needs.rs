//! What a runtime must offer so that rows can run on it.
//!
//! One list for every device: Metal differs from CPU and CUDA by its part of
//! the runtime and nothing else. A test compares the lists with the libraries
//! of wheels for systems on which it cannot run them.

use crate::device::DeviceName;
use crate::ffi::C_SYMBOLS;
use crate::{runtime, session};

/// Loaders of module kinds that every compiled library has.
const LOADERS: [&str; 3] = [
    "ffi.Module.load_from_file.so",
    "ffi.Module.load_from_bytes.relax.VMExecutable",
    "runtime.GetDeviceAttr",
];

/// C symbols that libtvm_ffi must export.
pub fn c_symbols() -> &'static [&'static str] {
    &C_SYMBOLS
}

/// Functions that the loaded parts must have registered for a device.
pub fn registered(device: DeviceName) -> Vec<String> {
    let mut names: Vec<String> = runtime::REGISTERED
        .iter()
        .chain(&session::decoder::REGISTERED)
        .chain(&LOADERS)
        .map(|&name| name.to_owned())
        .collect();
    names.push(format!("device_api.{}", device.runtime_kind()));
    if device != DeviceName::CPU {
        names.push(format!(
            "ffi.Module.load_from_bytes.{}",
            device.runtime_kind()
        ));
    }
    names
}
