//! A Rust client of the 19 `TVMDeviceAPI*` functions: moves data through a device.
//!
//! usage: device_client DEVICE_TYPE
//!
//! Ends with "round trip equal" and status 0, or says what went wrong.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::process::ExitCode;
use std::ptr::{null, null_mut};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Device {
    pub kind: i32,
    pub id: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Tensor {
    data: *mut c_void,
    device: Device,
    ndim: i32,
    dtype: DataType,
    shape: *const i64,
    strides: *const i64,
    byte_offset: u64,
}

#[repr(C)]
#[derive(Default)]
struct Any {
    kind: i32,
    small: u32,
    value: i64,
}

type Handle = *mut c_void;
type Stream = *mut c_void;

unsafe extern "C" {
    fn TVMDeviceAPIGet(device: Device, allow_missing: c_int) -> Handle;
    fn TVMDeviceAPIDestroy(api: Handle);
    fn TVMDeviceAPISetDevice(api: Handle, device: Device);
    fn TVMDeviceAPIGetAttr(api: Handle, device: Device, kind: c_int, out: *mut Any);
    fn TVMDeviceAPIGetDataSize(api: Handle, tensor: *const Tensor, scope: *const c_char) -> usize;
    fn TVMDeviceAPIGetTargetProperty(
        api: Handle,
        device: Device,
        property: *const c_char,
        out: *mut Any,
    );
    fn TVMDeviceAPIAllocDataSpace(
        api: Handle,
        device: Device,
        nbytes: usize,
        alignment: usize,
        hint: DataType,
    ) -> *mut c_void;
    fn TVMDeviceAPIAllocDataSpaceND(
        api: Handle,
        device: Device,
        ndim: c_int,
        shape: *const i64,
        dtype: DataType,
        scope: *const c_char,
    ) -> *mut c_void;
    fn TVMDeviceAPIFreeDataSpace(api: Handle, device: Device, data: *mut c_void);
    fn TVMDeviceAPICopyDataFromTo(
        api: Handle,
        from: *const Tensor,
        to: *mut Tensor,
        stream: Stream,
    );
    fn TVMDeviceAPICreateStream(api: Handle, device: Device) -> Stream;
    fn TVMDeviceAPIFreeStream(api: Handle, device: Device, stream: Stream);
    fn TVMDeviceAPIStreamSync(api: Handle, device: Device, stream: Stream);
    fn TVMDeviceAPISetStream(api: Handle, device: Device, stream: Stream);
    fn TVMDeviceAPIGetCurrentStream(api: Handle, device: Device) -> Stream;
    fn TVMDeviceAPISyncStreamFromTo(api: Handle, device: Device, from: Stream, to: Stream);
    fn TVMDeviceAPIAllocWorkspace(
        api: Handle,
        device: Device,
        nbytes: usize,
        hint: DataType,
    ) -> *mut c_void;
    fn TVMDeviceAPIFreeWorkspace(api: Handle, device: Device, data: *mut c_void);
    fn TVMDeviceAPISupportsDevicePointerArithmeticsOnHost(api: Handle) -> c_int;
    fn TVMFFIErrorMoveFromRaised(error: *mut *mut c_void);
}

const COUNT: usize = 1000;

fn raised() -> bool {
    let mut error = null_mut();
    unsafe { TVMFFIErrorMoveFromRaised(&mut error) };
    !error.is_null()
}

fn check(good: bool, step: &str) -> Result<(), String> {
    if good { Ok(()) } else { Err(step.to_owned()) }
}

pub fn round_trip(device: Device) -> Result<(), String> {
    let host = Device { kind: 1, id: 0 };
    let float32 = DataType { code: 2, bits: 32, lanes: 1 };
    let shape = [10_i64, 100];
    let mut sent: Vec<f32> = (0..COUNT).map(|i| 0.5 * i as f32 - 3.0).collect();
    let mut received = vec![0.0_f32; COUNT];
    let on = |device, data: *mut c_void| Tensor {
        data,
        device,
        ndim: 2,
        dtype: float32,
        shape: shape.as_ptr(),
        strides: null(),
        byte_offset: 0,
    };
    // SAFETY: every pointer handed over is live for the call, and the handle and
    // the data spaces come from the functions that give them.
    unsafe {
        let api = TVMDeviceAPIGet(device, 0);
        check(!api.is_null(), "Get")?;
        TVMDeviceAPISetDevice(api, device);
        let mut exists = Any::default();
        TVMDeviceAPIGetAttr(api, device, 0, &mut exists);
        check(exists.value == 1, "GetAttr(exist)")?;
        let mut property = Any::default();
        TVMDeviceAPIGetTargetProperty(api, device, c"max_num_threads".as_ptr(), &mut property);
        let arithmetic = TVMDeviceAPISupportsDevicePointerArithmeticsOnHost(api);
        println!("pointer arithmetic on host: {arithmetic}");

        let from = on(host, sent.as_mut_ptr().cast());
        let mut back = on(host, received.as_mut_ptr().cast());
        let bytes = TVMDeviceAPIGetDataSize(api, &from, null());
        check(bytes == COUNT * 4, "GetDataSize")?;
        let data = TVMDeviceAPIAllocDataSpace(api, device, bytes, 64, float32);
        let mut first = on(device, data);
        let data = TVMDeviceAPIAllocDataSpaceND(api, device, 2, shape.as_ptr(), float32, null());
        let mut second = on(device, data);
        check(!first.data.is_null() && !second.data.is_null(), "AllocDataSpace")?;

        let stream = TVMDeviceAPICreateStream(api, device);
        let usual = TVMDeviceAPIGetCurrentStream(api, device);
        TVMDeviceAPISetStream(api, device, stream);
        check(TVMDeviceAPIGetCurrentStream(api, device) == stream, "SetStream")?;
        TVMDeviceAPICopyDataFromTo(api, &from, &mut first, stream);
        TVMDeviceAPICopyDataFromTo(api, &first, &mut second, stream);
        TVMDeviceAPISyncStreamFromTo(api, device, stream, usual);
        TVMDeviceAPICopyDataFromTo(api, &second, &mut back, stream);
        TVMDeviceAPIStreamSync(api, device, stream);
        TVMDeviceAPISetStream(api, device, usual);
        TVMDeviceAPIFreeStream(api, device, stream);

        let workspace = TVMDeviceAPIAllocWorkspace(api, device, 4096, float32);
        check(!workspace.is_null(), "AllocWorkspace")?;
        TVMDeviceAPIFreeWorkspace(api, device, workspace);
        TVMDeviceAPIFreeDataSpace(api, device, first.data);
        TVMDeviceAPIFreeDataSpace(api, device, second.data);
        check(!raised(), "an error was raised on the way")?;

        // What a failure looks like from Rust: no unwinding, no abort. No stock wheel has a
        // Vulkan device.
        let nowhere = Device { kind: 7, id: 0 };
        check(TVMDeviceAPIGet(nowhere, 0).is_null() && raised(), "no error for no device")?;
        TVMDeviceAPICopyDataFromTo(null_mut(), &from, &mut back, null_mut());
        check(raised(), "no error for a null handle")?;
        TVMDeviceAPIDestroy(api);
    }
    check(sent == received, "the data came back changed")
}

fn main() -> ExitCode {
    let kind = std::env::args().nth(1).and_then(|kind| kind.parse().ok()).unwrap_or(1);
    match round_trip(Device { kind, id: 0 }) {
        Ok(()) => {
            println!("round trip equal");
            ExitCode::SUCCESS
        }
        Err(step) => {
            println!("failed: {step}");
            ExitCode::FAILURE
        }
    }
}
