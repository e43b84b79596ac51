//! Payloads of modules, one file per kind (docs/formats.md#payloads).
//!
//! Nothing in a payload says which layout it has, so every layout of its kind
//! is tried and the one that ends exactly at the payload's end is taken.

mod const_loader;
mod cuda_like;
mod form;
mod function_info;
mod metal;
mod static_library;
mod vulkan;
mod webgpu;

use super::Payload;
use crate::bytes::{Bytes, Reader};
use crate::error::DecodeError;
use crate::vm::Executable;

pub(super) use form::Form;

/// Today's kind of a Relax program; up to 0.19 it was `relax.Executable`.
pub(super) const VM_EXECUTABLE: &str = "relax.VMExecutable";
/// All names it ever had.
pub(super) const VM_EXECUTABLE_KINDS: [&str; 2] = [VM_EXECUTABLE, "relax.Executable"];

pub(super) fn is_vm_executable(kind: &str) -> bool {
    VM_EXECUTABLE_KINDS.contains(&kind)
}

/// Decodes the payload that reaches from `start` to the end of `bytes`; `around` is
/// the cursor that came by it.
pub(super) fn decode_exact<'a>(
    kind: &str,
    bytes: Bytes<'a>,
    start: usize,
    around: &Reader<'a>,
) -> Payload {
    let attempt = if is_vm_executable(kind) {
        let own = bytes.behind(start).unwrap_or(Bytes::from(&[][..]));
        Executable::read(around.over(own, 0))
            .map(|executable| Some(Payload::VmExecutable(Box::new(executable))))
    } else {
        by_trial(kind, &around.over(bytes, start)).map_err(|mut error| {
            error.at = error.at.saturating_sub(start as u64);
            error
        })
    };
    match attempt {
        Ok(Some(payload)) => payload,
        Ok(None) => Payload::Unknown,
        Err(error) => Payload::Undecodable { error },
    }
}

/// The first form that ends where the bytes do; the error of the form that
/// came furthest otherwise.
fn by_trial(kind: &str, at: &Reader<'_>) -> Result<Option<Payload>, DecodeError> {
    let mut furthest: Option<DecodeError> = None;
    for form in Form::ALL {
        let mut reader = at.clone();
        let error = match decode_next(kind, &mut reader, form) {
            Ok(None) => return Ok(None),
            Ok(Some(payload)) if reader.is_at_end() => return Ok(Some(payload)),
            Ok(Some(_)) => reader.error(
                format!("the end of the {kind} payload"),
                format!("{} more bytes", reader.remaining()),
            ),
            Err(error) => error,
        };
        furthest = Some(match furthest {
            Some(best) => best.or(error),
            None => error,
        });
    }
    furthest.map_or(Ok(None), Err)
}

/// Decodes the payload at the reader, in the given form. `None` for a kind
/// without a known layout.
pub(super) fn decode_next(
    kind: &str,
    reader: &mut Reader<'_>,
    form: Form,
) -> Result<Option<Payload>, DecodeError> {
    let device = match kind {
        "cuda" | "opencl" | "rocm" | "hexagon" => cuda_like::decode(reader, form)?,
        "metal" => metal::decode(reader, form)?,
        "vulkan" => vulkan::decode(reader, form)?,
        "webgpu" => webgpu::decode(reader, form)?,
        "const_loader" => return const_loader::decode(reader).map(Some),
        "static_library" => return static_library::decode(reader).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(Payload::Device(device)))
}
