//! The tvm-ffi C ABI: the only place in this crate with unsafe code.
//!
//! What it is: C structures declared by hand (`abi`), the dozen C functions
//! that are called (`api`), owned values (`value`), calls (`function`), tensors
//! (`tensor`), loading of shared libraries (`library`) and a few facts about
//! our own process (`process`). Everything above this module is safe Rust.
//!
//! What it is not: a binding generator or a link-time dependency. No symbol is
//! resolved before [`library::load`] has opened a file that the caller named.
//!
//! Where the facts come from: `tvm/ffi/c_api.h` and `dlpack/dlpack.h` of the
//! tvm-ffi wheels 0.1.12, 0.1.13.post2 and 0.1.15.post2, in which every
//! structure and function used here is the same.
//!
//! # Invariants
//!
//! 1. **Libraries stay.** A library that was opened is never closed: its handle
//!    is leaked. So a resolved function pointer is valid for the rest of the
//!    process, and `Api` is handed out as `&'static`.
//! 2. **A `Value` owns what it holds.** A raw value whose type index is at
//!    least `STATIC_OBJECT_BEGIN` carries one strong reference; `Value` is made
//!    only from such results, adds one reference per clone and gives one back
//!    per drop. Below that index the raw value owns nothing.
//! 3. **Casts follow the type index.** A pointer inside a raw value is read as
//!    a string, shape, error or tensor cell only after its type index said so.
//!    Object bodies begin right after the 24-byte object header.
//! 4. **Arguments are borrowed.** The array passed to a call lives until the
//!    call returns, and every `Arg` borrows what it points to.
//! 5. **Values do not cross threads.** They hold raw pointers and so are
//!    neither `Send` nor `Sync`.
//!
//! Foreign code may still do anything: a broken runtime or model can crash the
//! process. That is why rows run in child processes.
#![allow(unsafe_code)]

mod abi;
mod api;
#[cfg(all(feature = "macho-host", target_os = "linux"))]
mod emulated;
mod function;
#[cfg(feature = "macho-host")]
mod host;
mod library;
mod map;
mod process;
mod tensor;
mod value;
mod web;

pub use abi::{DataType, Device};
pub use api::{Api, C_SYMBOLS};
#[cfg(all(feature = "macho-host", target_os = "linux"))]
pub use emulated::{SYSTEM_VARIABLE, libraries as emulated_libraries};
pub use function::{Arg, Function};
#[cfg(feature = "macho-host")]
pub use host::open_host_library;
pub use library::{Linkage, load, open};
pub use map::{FileMap, map_file};
pub use process::{METAL_VARIABLE, peak_resident_bytes, set_memory_limit};
pub use tensor::Tensor;
pub use value::Value;
pub use web::over;
