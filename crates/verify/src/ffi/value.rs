//! Owned values: what a call returns.

use std::fmt;

use super::abi::{self, ByteArray, RawAny, body, text};
use super::api::Api;

/// A value of the runtime: none, a number, a string or a counted object.
pub struct Value {
    raw: RawAny,
    api: &'static Api,
}

impl Value {
    /// # Safety
    ///
    /// `raw` is a valid raw value, and if it is an object the caller hands over
    /// one strong reference.
    pub(super) unsafe fn from_owned(api: &'static Api, raw: RawAny) -> Value {
        Value { raw, api }
    }

    pub(super) fn raw(&self) -> RawAny {
        self.raw
    }

    pub(super) fn api(&self) -> &'static Api {
        self.api
    }

    /// The object pointer if the value is an object of that type.
    pub(super) fn object(&self, type_index: i32) -> Option<abi::Handle> {
        if self.raw.type_index != type_index {
            return None;
        }
        // SAFETY: objects keep their handle in `pointer` (invariant 3).
        Some(unsafe { self.raw.payload.pointer })
    }

    /// True for none.
    pub fn is_none(&self) -> bool {
        self.raw.type_index == abi::NONE
    }

    /// An integer or boolean.
    pub fn as_int(&self) -> Option<i64> {
        matches!(self.raw.type_index, abi::INT | abi::BOOL)
            // SAFETY: the type index says that an integer is stored.
            .then(|| unsafe { self.raw.payload.int })
    }

    /// A string, small or on the heap.
    pub fn as_text(&self) -> Option<String> {
        if self.raw.type_index == abi::SMALL_STRING {
            // SAFETY: the type index says that the bytes are stored in place.
            let bytes = unsafe { self.raw.payload.bytes };
            let length = usize::try_from(self.raw.small_length).ok()?;
            return Some(String::from_utf8_lossy(bytes.get(..length)?).into_owned());
        }
        let object = self.object(abi::STRING)?;
        // SAFETY: the body of a string object is a byte array (invariant 3).
        Some(unsafe { text(&*body::<ByteArray>(object)) })
    }

    /// True if the value is an array object.
    pub fn is_array(&self) -> bool {
        self.raw.type_index == abi::ARRAY
    }

    /// True if the value is a module object.
    pub fn is_module(&self) -> bool {
        self.raw.type_index == abi::MODULE
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> String {
        match self.raw.type_index {
            abi::NONE => "none".to_owned(),
            abi::INT => "int".to_owned(),
            abi::BOOL => "bool".to_owned(),
            abi::FLOAT => "float".to_owned(),
            abi::DATA_TYPE => "dtype".to_owned(),
            abi::DEVICE => "device".to_owned(),
            abi::SMALL_STRING | abi::STRING => "string".to_owned(),
            abi::FUNCTION => "function".to_owned(),
            abi::SHAPE => "shape".to_owned(),
            abi::TENSOR => "tensor".to_owned(),
            abi::ARRAY => "array".to_owned(),
            abi::MODULE => "module".to_owned(),
            other => format!("value of type index {other}"),
        }
    }
}

impl Clone for Value {
    fn clone(&self) -> Value {
        if self.raw.type_index >= abi::STATIC_OBJECT_BEGIN {
            // SAFETY: objects keep their handle in `pointer` (invariant 3).
            self.api.retain(unsafe { self.raw.payload.pointer });
        }
        Value {
            raw: self.raw,
            api: self.api,
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if self.raw.type_index >= abi::STATIC_OBJECT_BEGIN {
            // SAFETY: objects keep their handle in `pointer` (invariant 3).
            self.api.release(unsafe { self.raw.payload.pointer });
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.kind())
    }
}
