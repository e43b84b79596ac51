//! The C functions of libtvm_ffi that are called, resolved by name.

use std::ffi::c_void;
use std::ptr;

use super::abi::{self, ByteArray, ErrorCell, Handle, RawAny, Version, body, text};
use crate::error::{Error, Result, RuntimeError};

/// The C symbols that a libtvm_ffi must export.
pub const C_SYMBOLS: [&str; 6] = [
    "TVMFFIGetVersion",
    "TVMFFIObjectIncRef",
    "TVMFFIObjectDecRef",
    "TVMFFIFunctionGetGlobal",
    "TVMFFIFunctionCall",
    "TVMFFIErrorMoveFromRaised",
];

/// Function pointers into a loaded libtvm_ffi.
pub struct Api {
    get_version: abi::GetVersion,
    increment: abi::CountReference,
    decrement: abi::CountReference,
    get_global: abi::GetGlobal,
    call: abi::Call,
    take_error: abi::TakeError,
}

impl Api {
    /// Resolves every function, or names the first that is missing. The result
    /// lives as long as the process.
    ///
    /// # Safety
    ///
    /// `find` gives the functions that the header declares for their names, and
    /// they can be called for the rest of the process (invariant 1).
    pub(super) unsafe fn resolve(
        find: impl Fn(&str) -> Result<*const c_void>,
    ) -> Result<&'static Api> {
        let [version, increment, decrement, get_global, call, take_error] = C_SYMBOLS;
        // SAFETY: the signatures are those of the header for these names.
        let api = unsafe {
            Api {
                get_version: typed(find(version)?),
                increment: typed(find(increment)?),
                decrement: typed(find(decrement)?),
                get_global: typed(find(get_global)?),
                call: typed(find(call)?),
                take_error: typed(find(take_error)?),
            }
        };
        Ok(Box::leak(Box::new(api)))
    }

    /// What `TVMFFIGetVersion` writes. After a `.post` release it is one patch
    /// ahead of the package version.
    pub fn version(&self) -> String {
        let mut version = Version::default();
        // SAFETY: the pointer is to a valid structure of the declared layout.
        unsafe { (self.get_version)(&mut version) };
        format!("{}.{}.{}", version.major, version.minor, version.patch)
    }

    /// The handle of a function of the global registry, with one reference that
    /// the caller owns; none if there is no function of that name.
    pub(super) fn global(&self, name: &str) -> Result<Option<Handle>> {
        let key = ByteArray {
            data: name.as_ptr().cast(),
            size: name.len(),
        };
        let mut handle: Handle = ptr::null_mut();
        // SAFETY: both pointers are valid for the call.
        let status = unsafe { (self.get_global)(&key, &mut handle) };
        if status != 0 {
            return Err(self.raised(name));
        }
        Ok((!handle.is_null()).then_some(handle))
    }

    /// Calls a function object. The caller owns the result (invariant 2).
    ///
    /// # Safety
    ///
    /// `function` is a live function object; `arguments` are valid raw values
    /// that outlive the call.
    pub(super) unsafe fn call(
        &self,
        function: Handle,
        arguments: &mut [RawAny],
        name: &str,
    ) -> Result<RawAny> {
        let count = i32::try_from(arguments.len()).map_err(|_| Error::TooManyArguments {
            function: name.to_owned(),
        })?;
        let mut result = RawAny::NONE;
        // SAFETY: by this function's contract; the result slot holds none.
        let status = unsafe { (self.call)(function, arguments.as_mut_ptr(), count, &mut result) };
        if status != 0 {
            return Err(self.raised(name));
        }
        Ok(result)
    }

    /// Takes the error that the runtime has raised on this thread.
    fn raised(&self, during: &str) -> Error {
        let mut handle: Handle = ptr::null_mut();
        // SAFETY: the pointer is valid; the handle received is owned by us.
        unsafe { (self.take_error)(&mut handle) };
        if handle.is_null() {
            return Error::Runtime(RuntimeError {
                function: during.to_owned(),
                kind: "unknown".to_owned(),
                message: "the call failed without raising an error".to_owned(),
                backtrace: String::new(),
            });
        }
        // SAFETY: a raised error is an error object; its cell follows the
        // header (invariant 3). The texts are copied before the reference goes.
        let error = unsafe {
            let cell = &*body::<ErrorCell>(handle);
            RuntimeError {
                function: during.to_owned(),
                kind: text(&cell.kind),
                message: text(&cell.message),
                backtrace: text(&cell.backtrace),
            }
        };
        self.release(handle);
        Error::Runtime(error)
    }

    pub(super) fn retain(&self, handle: Handle) {
        // SAFETY: the caller holds a live object (invariant 2).
        unsafe { (self.increment)(handle) };
    }

    pub(super) fn release(&self, handle: Handle) {
        // SAFETY: the caller gives back a reference it owns (invariant 2).
        unsafe { (self.decrement)(handle) };
    }
}

/// An address as a function pointer.
///
/// # Safety
///
/// `T` is the function pointer type of what is there.
unsafe fn typed<T: Copy>(address: *const c_void) -> T {
    const { assert!(size_of::<T>() == size_of::<*const c_void>()) };
    // SAFETY: by contract; the sizes are equal.
    unsafe { std::mem::transmute_copy(&address) }
}
