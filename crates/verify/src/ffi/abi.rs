//! C structures and type indices of the tvm-ffi ABI and of DLPack.
//!
//! Facts: `tvm/ffi/c_api.h` (`TVMFFIAny`, `TVMFFIObject`, `TVMFFIByteArray`,
//! `TVMFFIErrorCell`) and `dlpack/dlpack.h` (`DLTensor`).
//! The layout tests at the end pin sizes and offsets.

use std::ffi::{c_char, c_int, c_void};

pub const NONE: i32 = 0;
pub const INT: i32 = 1;
pub const BOOL: i32 = 2;
pub const FLOAT: i32 = 3;
pub const OPAQUE_POINTER: i32 = 4;
pub const DATA_TYPE: i32 = 5;
pub const DEVICE: i32 = 6;
pub const RAW_STRING: i32 = 8;
/// A `TVMFFIByteArray` that the caller keeps.
#[cfg(feature = "macho-host")]
pub const BYTE_ARRAY: i32 = 9;
pub const SMALL_STRING: i32 = 11;
/// From this index on a value is a counted reference to an object.
pub const STATIC_OBJECT_BEGIN: i32 = 64;
pub const STRING: i32 = 65;
pub const ERROR: i32 = 67;
pub const FUNCTION: i32 = 68;
pub const SHAPE: i32 = 69;
pub const TENSOR: i32 = 70;
pub const ARRAY: i32 = 71;
pub const MODULE: i32 = 73;

/// A handle to a counted object.
pub type Handle = *mut c_void;

/// `DLDevice`: a device type code and an index.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// DLPack device type: 1 CPU, 2 CUDA, 8 Metal, and so on.
    pub kind: i32,
    /// Which of the devices of that type.
    pub index: i32,
}

impl Device {
    /// The host.
    pub const CPU: Device = Device { kind: 1, index: 0 };
}

/// `DLDataType`: type code, bits per element, lanes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataType {
    /// 0 int, 1 uint, 2 float, 4 bfloat, 6 bool, larger for the 8-bit floats.
    pub code: u8,
    /// Bits of one lane.
    pub bits: u8,
    /// Lanes per element.
    pub lanes: u16,
}

impl DataType {
    /// `int32`.
    pub const I32: DataType = DataType::scalar(0, 32);
    /// `float32`.
    pub const F32: DataType = DataType::scalar(2, 32);
    /// `float16`.
    pub const F16: DataType = DataType::scalar(2, 16);
    /// `bfloat16`.
    pub const BF16: DataType = DataType::scalar(4, 16);

    /// A type of one lane.
    pub const fn scalar(code: u8, bits: u8) -> DataType {
        DataType {
            code,
            bits,
            lanes: 1,
        }
    }

    /// Bytes of one element; `None` for types that do not fill whole bytes.
    pub fn bytes(self) -> Option<usize> {
        let bits = usize::from(self.bits).checked_mul(usize::from(self.lanes))?;
        (bits % 8 == 0).then_some(bits / 8)
    }
}

/// What a raw value holds beside its type index.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Payload {
    pub int: i64,
    pub float: f64,
    pub pointer: *mut c_void,
    pub data_type: DataType,
    pub device: Device,
    pub bytes: [u8; 8],
}

/// `TVMFFIAny`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawAny {
    pub type_index: i32,
    /// Length of a small string; zero for everything else.
    pub small_length: u32,
    pub payload: Payload,
}

impl RawAny {
    /// The value that a result slot must hold before a call.
    pub const NONE: RawAny = RawAny {
        type_index: NONE,
        small_length: 0,
        payload: Payload { int: 0 },
    };
}

/// `TVMFFIObject`: the header before every object body.
#[repr(C)]
pub struct ObjectHeader {
    pub reference_counts: u64,
    pub type_index: i32,
    pub padding: u32,
    pub deleter: *mut c_void,
}

/// `TVMFFIByteArray`, also the body of a string object.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ByteArray {
    pub data: *const c_char,
    pub size: usize,
}

/// The first fields of an error object's body; the rest is not read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ErrorCell {
    pub kind: ByteArray,
    pub message: ByteArray,
    pub backtrace: ByteArray,
}

/// `DLTensor`, the body of a tensor object.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DlTensor {
    pub data: *mut c_void,
    pub device: Device,
    pub ndim: i32,
    pub dtype: DataType,
    pub shape: *mut i64,
    pub strides: *mut i64,
    pub byte_offset: u64,
}

/// `TVMFFIVersion`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

pub type GetVersion = unsafe extern "C" fn(*mut Version);
pub type CountReference = unsafe extern "C" fn(Handle) -> c_int;
pub type GetGlobal = unsafe extern "C" fn(*const ByteArray, *mut Handle) -> c_int;
pub type Call = unsafe extern "C" fn(Handle, *mut RawAny, i32, *mut RawAny) -> c_int;
pub type TakeError = unsafe extern "C" fn(*mut Handle);

/// The body of an object, after its header.
///
/// # Safety
///
/// `object` is a live object whose body is a `T`.
pub(super) unsafe fn body<T>(object: *mut c_void) -> *const T {
    // SAFETY: by contract the object is longer than its header.
    unsafe { object.cast::<ObjectHeader>().add(1).cast::<T>() }
}

/// Copies a byte array as text; invalid UTF-8 is replaced.
///
/// # Safety
///
/// The array's pointer and size describe readable memory, or the size is 0.
pub(super) unsafe fn text(bytes: &ByteArray) -> String {
    if bytes.data.is_null() || bytes.size == 0 {
        return String::new();
    }
    // SAFETY: by contract.
    let slice = unsafe { std::slice::from_raw_parts(bytes.data.cast::<u8>(), bytes.size) };
    String::from_utf8_lossy(slice).into_owned()
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn layouts_are_those_of_the_header() {
        assert_eq!(size_of::<RawAny>(), 16);
        assert_eq!(offset_of!(RawAny, payload), 8);
        assert_eq!(size_of::<ObjectHeader>(), 24);
        assert_eq!(size_of::<ByteArray>(), 16);
        assert_eq!(size_of::<ErrorCell>(), 48);
        assert_eq!(size_of::<DlTensor>(), 48);
        assert_eq!(offset_of!(DlTensor, ndim), 16);
        assert_eq!(offset_of!(DlTensor, dtype), 20);
        assert_eq!(offset_of!(DlTensor, byte_offset), 40);
    }
}
