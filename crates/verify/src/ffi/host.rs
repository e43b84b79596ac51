//! Handing a library whose host code the emulator runs to the simulated device's
//! plug-in, which makes a module of it.

use std::ptr;

use artcheck_metal_sim::macho::{HostLibrary, RawLibrary};

use super::abi::{self, ByteArray, Payload, RawAny};
use super::function::{Function, opaque};
use super::value::Value;
use crate::error::{Error, Result};

/// Calls the plug-in's `artcheck.metal_sim.open`; the result is the root module.
pub fn open_host_library(open: &Function, library: &HostLibrary) -> Result<Value> {
    let blob = library
        .blob()
        .map_err(|error| Error::Unsupported(error.to_string()))?;
    let blob = ByteArray {
        data: blob.as_ptr().cast(),
        size: blob.len(),
    };
    // Copied by the plug-in, which also releases what the copy refers to.
    let raw: Box<RawLibrary> = library.raw();
    let mut arguments = [
        opaque(ptr::from_ref(&*raw).cast_mut().cast()),
        RawAny {
            type_index: abi::BYTE_ARRAY,
            small_length: 0,
            payload: Payload {
                pointer: ptr::from_ref(&blob).cast_mut().cast(),
            },
        },
    ];
    // SAFETY: structure and blob outlive the call; the structure is the one that
    // this function of the plug-in takes (`host_library.h`).
    unsafe { open.call_raw(&mut arguments) }
}
