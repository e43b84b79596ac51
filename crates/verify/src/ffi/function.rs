//! Functions of the runtime and the arguments they are called with.

use std::ffi::{CStr, c_void};

use super::abi::{self, DataType, Device, Payload, RawAny};
use super::api::Api;
use super::value::Value;
use crate::error::Result;

/// One argument, borrowed for the time of a call.
#[derive(Clone, Copy)]
pub enum Arg<'a> {
    /// None.
    None,
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// Text.
    Text(&'a CStr),
    /// A device.
    Device(Device),
    /// An element type.
    DataType(DataType),
    /// Anything that a call returned.
    Value(&'a Value),
    /// Bytes for the callee to read.
    Source(&'a [u8]),
}

impl Arg<'_> {
    fn raw(&self) -> RawAny {
        let (type_index, payload) = match *self {
            Arg::None => (abi::NONE, Payload { int: 0 }),
            Arg::Int(int) => (abi::INT, Payload { int }),
            Arg::Float(float) => (abi::FLOAT, Payload { float }),
            Arg::Bool(flag) => (
                abi::BOOL,
                Payload {
                    int: i64::from(flag),
                },
            ),
            Arg::Text(text) => (
                abi::RAW_STRING,
                Payload {
                    pointer: text.as_ptr().cast_mut().cast(),
                },
            ),
            Arg::Device(device) => (abi::DEVICE, Payload { device }),
            Arg::DataType(data_type) => {
                // A data type fills half of the payload; the other half is zero.
                let mut payload = Payload { int: 0 };
                payload.data_type = data_type;
                (abi::DATA_TYPE, payload)
            }
            Arg::Value(value) => return value.raw(),
            Arg::Source(bytes) => return opaque(bytes.as_ptr().cast_mut().cast()),
        };
        RawAny {
            type_index,
            small_length: 0,
            payload,
        }
    }
}

/// An opaque pointer.
pub(super) fn opaque(pointer: *mut c_void) -> RawAny {
    RawAny {
        type_index: abi::OPAQUE_POINTER,
        small_length: 0,
        payload: Payload { pointer },
    }
}

/// A function of the runtime or of a model library.
#[derive(Clone, Debug)]
pub struct Function {
    value: Value,
    name: String,
}

impl Function {
    /// A function of the global registry, if there is one of that name.
    pub fn global(api: &'static Api, name: &str) -> Result<Option<Function>> {
        Ok(api.global(name)?.map(|handle| {
            let raw = RawAny {
                type_index: abi::FUNCTION,
                small_length: 0,
                payload: Payload { pointer: handle },
            };
            Function {
                // SAFETY: a found function comes with one reference (invariant 2).
                value: unsafe { Value::from_owned(api, raw) },
                name: name.to_owned(),
            }
        }))
    }

    /// A value that is a function, named for error messages.
    pub fn from_value(value: Value, name: &str) -> Option<Function> {
        value.object(abi::FUNCTION)?;
        Some(Function {
            value,
            name: name.to_owned(),
        })
    }

    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls it.
    pub fn call(&self, arguments: &[Arg<'_>]) -> Result<Value> {
        let mut raw: Vec<RawAny> = arguments.iter().map(Arg::raw).collect();
        // SAFETY: every argument borrows what it points to (invariant 4).
        unsafe { self.call_raw(&mut raw) }
    }

    /// Calls it with values alone: the common case of long lists.
    pub fn call_values(&self, arguments: &[Value]) -> Result<Value> {
        let mut raw: Vec<RawAny> = arguments.iter().map(Value::raw).collect();
        // SAFETY: the values are borrowed for the time of the call.
        unsafe { self.call_raw(&mut raw) }
    }

    /// # Safety
    ///
    /// Every raw value is valid and outlives the call.
    pub(super) unsafe fn call_raw(&self, arguments: &mut [RawAny]) -> Result<Value> {
        let api = self.value.api();
        // SAFETY: a `Function` holds a function object; the arguments are valid by
        // contract, and the result of a call is owned by the caller (invariant 2).
        unsafe {
            let handle = self.value.raw().payload.pointer;
            let result = api.call(handle, arguments, &self.name)?;
            Ok(Value::from_owned(api, result))
        }
    }
}
