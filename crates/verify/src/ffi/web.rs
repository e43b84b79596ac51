//! A web library in the form of libtvm_ffi: the six C functions, carried out on the other
//! side of the bridge (`crate::web`).
//!
//! Objects of the other side are known by number. Here each has a counted object with the
//! header and body that the C ABI gives its type, so that what reads results need not know.
//! All calls come from one thread (invariant 5).

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::abi::{
    self, ByteArray, DataType, Device, DlTensor, ErrorCell, Handle, ObjectHeader, Payload, RawAny,
    Version,
};
use super::api::{Api, C_SYMBOLS};
use crate::error::{Error, Result};
use crate::web::{Bridge, Failed, Given, Reply, Request};

/// The one web library of this process, and the error that its last call raised.
static SIDE: Mutex<Option<Side>> = Mutex::new(None);

struct Side {
    bridge: Bridge,
    raised: Option<Failed>,
}

/// The functions that move bytes: their second and third arguments are a pointer and a length.
const COPY_FROM: &str = "runtime.TVMTensorCopyFromBytes";
const COPY_TO: &str = "runtime.TVMTensorCopyToBytes";

/// An object: what the C ABI says of its type, then what is ours.
#[repr(C)]
struct Object {
    header: ObjectHeader,
    body: Body,
    /// Its number on the other side; none for texts and errors.
    remote: Option<u64>,
    /// A function's name, a string's or an error's words: `body` points into them.
    words: [String; 2],
    shape: Vec<i64>,
}

#[repr(C)]
#[derive(Clone, Copy)]
union Body {
    tensor: DlTensor,
    bytes: ByteArray,
    error: ErrorCell,
}

/// The C functions over a bridge; there is one per process.
pub fn over(bridge: Bridge) -> Result<&'static Api> {
    *lock() = Some(Side {
        bridge,
        raised: None,
    });
    let [version, increment, decrement, get_global, call, take_error] = C_SYMBOLS;
    let functions: [(&str, *const c_void); 6] = [
        (version, get_version as abi::GetVersion as *const c_void),
        (increment, retain as abi::CountReference as *const c_void),
        (decrement, release as abi::CountReference as *const c_void),
        (get_global, find_global as abi::GetGlobal as *const c_void),
        (call, call_function as abi::Call as *const c_void),
        (take_error, take_raised as abi::TakeError as *const c_void),
    ];
    let find = |name: &str| {
        let found = functions.iter().find(|(symbol, _)| *symbol == name);
        found
            .map(|(_, function)| *function)
            .ok_or_else(|| Error::MissingSymbol {
                symbol: name.to_owned(),
                detail: "not an entry of the bridge".to_owned(),
            })
    };
    // SAFETY: each function has the signature that the header declares for its name.
    unsafe { Api::resolve(find) }
}

fn lock() -> MutexGuard<'static, Option<Side>> {
    SIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks the other side; what failed is kept for `take_raised`, and none comes back.
fn ask(request: &Request<'_>, bytes: &[u8]) -> Option<(Reply, Vec<u8>)> {
    let mut side = lock();
    let side = side.as_mut()?;
    match side.bridge.ask(request, bytes) {
        Ok(reply) => Some(reply),
        Err(failed) => {
            side.raised = Some(failed);
            None
        }
    }
}

/// A status as the C functions give it.
fn status(done: Option<()>) -> c_int {
    match done {
        Some(()) => 0,
        None => -1,
    }
}

unsafe extern "C" fn get_version(version: *mut Version) {
    // SAFETY: the caller gives a valid structure. A web library has no version to tell.
    unsafe { version.write(Version::default()) };
}

unsafe extern "C" fn retain(handle: Handle) -> c_int {
    // SAFETY: every handle that went out is a live `Object` (invariant 2).
    unsafe { (*handle.cast::<Object>()).header.reference_counts += 1 };
    0
}

unsafe extern "C" fn release(handle: Handle) -> c_int {
    let object = handle.cast::<Object>();
    // SAFETY: as above; with the last reference the box is taken back, once.
    let ended = unsafe {
        (*object).header.reference_counts -= 1;
        ((*object).header.reference_counts == 0).then(|| Box::from_raw(object))
    };
    if let (Some(id), Some(side)) = (ended.and_then(|o| o.remote), lock().as_mut()) {
        side.bridge.released.push(id);
    }
    0
}

unsafe extern "C" fn find_global(name: *const ByteArray, handle: *mut Handle) -> c_int {
    // SAFETY: the caller's name is a valid byte array.
    let name = unsafe { abi::text(&*name) };
    let found = ask(&Request::Global { name: &name }, &[]).map(|(reply, _)| {
        let function = reply.object.map_or(ptr::null_mut(), |id| {
            object(abi::FUNCTION, Some(id), [name, String::new()], Vec::new())
        });
        // SAFETY: the caller gives a place for the handle.
        unsafe { handle.write(function) };
    });
    status(found)
}

unsafe extern "C" fn take_raised(handle: *mut Handle) {
    let raised = lock().as_mut().and_then(|side| side.raised.take());
    let error = raised.map_or(ptr::null_mut(), |failed| {
        object(abi::ERROR, None, [failed.kind, failed.message], Vec::new())
    });
    // SAFETY: the caller gives a place for the handle.
    unsafe { handle.write(error) };
}

unsafe extern "C" fn call_function(
    function: Handle,
    arguments: *mut RawAny,
    count: i32,
    result: *mut RawAny,
) -> c_int {
    // SAFETY: the function is a live object of ours, the arguments are `count` valid values
    // that outlive the call (invariants 2 and 4), the result slot is the caller's.
    let (function, arguments) = unsafe {
        let count = usize::try_from(count).unwrap_or(0);
        let arguments = match count {
            0 => &[],
            _ => std::slice::from_raw_parts(arguments, count),
        };
        (&*function.cast::<Object>(), arguments)
    };
    // SAFETY: as above.
    let made = unsafe { called(function, arguments) };
    // SAFETY: as above.
    status(made.map(|made| unsafe { result.write(made) }))
}

/// # Safety
///
/// The arguments are valid values; those of the functions that move bytes are a tensor, a
/// pointer and the number of bytes there.
unsafe fn called(function: &Object, arguments: &[RawAny]) -> Option<RawAny> {
    let name = function.words[0].as_str();
    let moves = [COPY_FROM, COPY_TO].contains(&name);
    let plain = if moves { 1 } else { arguments.len() };
    // SAFETY: by contract.
    let mut args: Vec<Given<'_>> =
        unsafe { arguments.iter().take(plain).map(|a| given(a)).collect() };
    let buffer = match arguments {
        [_, pointer, length] if moves => {
            // SAFETY: by contract these are a pointer and an integer.
            let (pointer, length) = unsafe { (pointer.payload.pointer, length.payload.int) };
            Some((pointer.cast::<u8>(), usize::try_from(length).ok()?))
        }
        _ => None,
    };
    let request = |args| Request::Call {
        function: function.remote.unwrap_or(0),
        args,
    };
    match buffer {
        Some((pointer, length)) if name == COPY_FROM => {
            args.push(Given::Bytes {});
            // SAFETY: by contract; nothing writes there during the call.
            let bytes = unsafe { std::slice::from_raw_parts(pointer, length) };
            ask(&request(args), bytes).map(|_| RawAny::NONE)
        }
        Some((pointer, length)) => {
            let (_, bytes) = ask(&request(args), &[])?;
            if bytes.len() != length {
                let message = format!("{length} bytes expected, {} came", bytes.len());
                if let Some(side) = lock().as_mut() {
                    side.raised = Some(Failed {
                        kind: "Error".to_owned(),
                        message,
                    });
                }
                return None;
            }
            // SAFETY: by contract the buffer has room for `length` bytes.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, length) };
            Some(RawAny::NONE)
        }
        None => ask(&request(args), &[]).map(|(reply, _)| value(reply)),
    }
}

/// An argument as it goes over.
///
/// # Safety
///
/// The value is valid and outlives what is returned.
unsafe fn given<'a>(raw: &RawAny) -> Given<'a> {
    // SAFETY: the type index says what the payload is (invariant 3).
    unsafe {
        match raw.type_index {
            abi::INT => Given::Int(raw.payload.int),
            abi::BOOL => Given::Bool(raw.payload.int != 0),
            abi::FLOAT => Given::Float(raw.payload.float),
            abi::DEVICE => Given::Device((raw.payload.device.kind, raw.payload.device.index)),
            abi::DATA_TYPE => Given::Dtype(type_name(raw.payload.data_type)),
            abi::RAW_STRING => {
                let text = CStr::from_ptr(raw.payload.pointer.cast_const().cast());
                Given::Text(text.to_str().unwrap_or_default())
            }
            index if index >= abi::STATIC_OBJECT_BEGIN => {
                let object = &*raw.payload.pointer.cast_const().cast::<Object>();
                match object.remote {
                    Some(id) => Given::Object(id),
                    None => Given::Text(&object.words[0]),
                }
            }
            _ => Given::None {},
        }
    }
}

/// What a reply brought, as a result that the caller owns.
fn value(reply: Reply) -> RawAny {
    let (type_index, payload) = if let Some(int) = reply.int {
        (abi::INT, Payload { int })
    } else if let Some(float) = reply.float {
        (abi::FLOAT, Payload { float })
    } else if let Some(flag) = reply.bool {
        (
            abi::BOOL,
            Payload {
                int: i64::from(flag),
            },
        )
    } else if let Some(text) = reply.text {
        let pointer = object(abi::STRING, None, [text, String::new()], Vec::new());
        (abi::STRING, Payload { pointer })
    } else if let Some(id) = reply.object {
        let pointer = remote(id, &reply);
        (type_index(&reply.kind), Payload { pointer })
    } else {
        return RawAny::NONE;
    };
    RawAny {
        type_index,
        small_length: 0,
        payload,
    }
}

fn type_index(kind: &str) -> i32 {
    match kind {
        "function" => abi::FUNCTION,
        "tensor" => abi::TENSOR,
        "shape" => abi::SHAPE,
        "array" => abi::ARRAY,
        "module" => abi::MODULE,
        _ => abi::STATIC_OBJECT_BEGIN,
    }
}

fn remote(id: u64, reply: &Reply) -> Handle {
    let index = type_index(&reply.kind);
    let handle = object(index, Some(id), Default::default(), reply.shape.clone());
    if index == abi::TENSOR {
        let (kind, device_index) = reply.device;
        // SAFETY: the object was just made, and nobody else has it.
        unsafe {
            let object = &mut *handle.cast::<Object>();
            object.body.tensor.device = Device {
                kind,
                index: device_index,
            };
            object.body.tensor.dtype = type_of(&reply.dtype);
        }
    }
    handle
}

/// A new object with one reference.
fn object(type_index: i32, remote: Option<u64>, words: [String; 2], shape: Vec<i64>) -> Handle {
    let mut object = Box::new(Object {
        header: ObjectHeader {
            reference_counts: 1,
            type_index,
            padding: 0,
            deleter: ptr::null_mut(),
        },
        body: Body {
            tensor: DlTensor {
                data: ptr::null_mut(),
                device: Device::CPU,
                ndim: i32::try_from(shape.len()).unwrap_or(0),
                dtype: DataType::F32,
                shape: ptr::null_mut(),
                strides: ptr::null_mut(),
                byte_offset: 0,
            },
        },
        remote,
        words,
        shape,
    });
    let [first, second] = [0, 1].map(|at: usize| ByteArray {
        data: object.words[at].as_ptr().cast(),
        size: object.words[at].len(),
    });
    match type_index {
        abi::STRING => object.body.bytes = first,
        abi::ERROR => {
            object.body.error = ErrorCell {
                kind: first,
                message: second,
                backtrace: ByteArray {
                    data: ptr::null(),
                    size: 0,
                },
            };
        }
        _ => object.body.tensor.shape = object.shape.as_mut_ptr(),
    }
    Box::into_raw(object).cast()
}

/// Names of type codes, as tvmjs writes them.
const CODES: [(&str, u8); 4] = [("int", 0), ("uint", 1), ("float", 2), ("bfloat", 4)];

fn type_name(dtype: DataType) -> String {
    let code = CODES.iter().find(|code| code.1 == dtype.code);
    let name = format!("{}{}", code.map_or("handle", |code| code.0), dtype.bits);
    match dtype.lanes {
        1 => name,
        lanes => format!("{name}x{lanes}"),
    }
}

fn type_of(name: &str) -> DataType {
    let (name, lanes) = name.split_once('x').unwrap_or((name, "1"));
    let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let code = CODES
        .iter()
        .find(|code| name.strip_suffix(digits) == Some(code.0));
    DataType {
        code: code.map_or(6, |code| code.1),
        bits: digits.parse().unwrap_or(8),
        lanes: lanes.parse().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_over_by_name() {
        for name in ["float32", "float16", "int32", "uint32", "int8", "float32x4"] {
            assert_eq!(type_name(type_of(name)), name);
        }
    }

    #[test]
    fn bodies_are_where_the_abi_has_them() {
        assert_eq!(std::mem::offset_of!(Object, body), 24);
    }
}
