//! Tensors: the DLPack header is read in place, the data through the runtime.

use super::abi::{self, DataType, Device, DlTensor, body};
use super::function::{Arg, Function, opaque};
use super::value::Value;
use crate::error::{Error, Result};

/// A tensor on some device.
#[derive(Clone, Debug)]
pub struct Tensor {
    value: Value,
}

impl Tensor {
    /// A value that is a tensor.
    pub fn from_value(value: Value) -> Option<Tensor> {
        value.object(abi::TENSOR)?;
        Some(Tensor { value })
    }

    fn header(&self) -> &DlTensor {
        // SAFETY: `from_value` checked the type; the body of a tensor object is
        // a `DLTensor` that lives as long as the object (invariant 3).
        unsafe { &*body::<DlTensor>(self.value.raw().payload.pointer) }
    }

    /// The value, as an argument of a call.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The dimensions.
    pub fn shape(&self) -> &[i64] {
        let header = self.header();
        match usize::try_from(header.ndim) {
            // SAFETY: `shape` points to `ndim` integers that live and stay as
            // long as the object, which `self` holds (invariant 2).
            Ok(count) if count > 0 => unsafe { std::slice::from_raw_parts(header.shape, count) },
            _ => &[],
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DataType {
        self.header().dtype
    }

    /// Where the data is.
    pub fn device(&self) -> Device {
        self.header().device
    }

    /// Size of the data; an error if the header makes no sense.
    pub fn byte_length(&self) -> Result<usize> {
        let size = self.dtype().bytes();
        self.shape()
            .iter()
            .try_fold(size, |total, &dim| {
                Some(total?.checked_mul(usize::try_from(dim).ok()?))
            })
            .flatten()
            .ok_or_else(|| Error::Tensor {
                detail: format!("shape {:?}, dtype {:?}", self.shape(), self.dtype()),
            })
    }

    /// Fills the tensor with bytes, through `runtime.TVMTensorCopyFromBytes`.
    pub fn copy_from(&self, copy: &Function, bytes: &[u8]) -> Result<()> {
        self.check_length(bytes.len())?;
        let length = length_argument(bytes.len())?;
        copy.call(&[Arg::Value(&self.value), Arg::Source(bytes), length])?;
        Ok(())
    }

    /// Copies the data out, through `runtime.TVMTensorCopyToBytes`.
    pub fn copy_to(&self, copy: &Function, bytes: &mut [u8]) -> Result<()> {
        self.check_length(bytes.len())?;
        let length = i64::try_from(bytes.len()).map_err(|_| oversize(bytes.len()))?;
        let mut raw = [
            self.value.raw(),
            opaque(bytes.as_mut_ptr().cast()),
            abi::RawAny {
                type_index: abi::INT,
                small_length: 0,
                payload: abi::Payload { int: length },
            },
        ];
        // SAFETY: the buffer is writable for `length` bytes, which is exactly
        // what the tensor holds, and is borrowed until the call returns.
        unsafe { copy.call_raw(&mut raw) }?;
        Ok(())
    }

    /// The runtime reads or writes as many bytes as it is told; so the buffer
    /// must be exactly as long as the tensor.
    fn check_length(&self, found: usize) -> Result<()> {
        let expected = self.byte_length()?;
        if expected == found {
            return Ok(());
        }
        Err(Error::Tensor {
            detail: format!("{expected} bytes expected, but the buffer has {found}"),
        })
    }
}

fn length_argument(length: usize) -> Result<Arg<'static>> {
    i64::try_from(length)
        .map(Arg::Int)
        .map_err(|_| oversize(length))
}

fn oversize(length: usize) -> Error {
    Error::Tensor {
        detail: format!("{length} bytes are too many"),
    }
}
