//! The module blob of a model library: layout, module tree, one file per
//! module kind (docs/formats.md#blob).
//!
//! [`Blob::decode`] reads a blob, [`locate`] finds blobs in a parsed binary,
//! [`metadata`] reads what the model says of itself.

mod blob;
mod compiled;
mod device_need;
pub mod engine;
mod idle;
mod kernels;
mod library;
pub mod locate;
pub mod metadata;
mod need;
mod parameters;
mod payload;
mod recovered;
mod registration;
mod symbols;
mod tree;

pub use device_need::read as read_device_needs;
pub use library::{
    Blob, BlobLayout, DeviceCode, DevicePayload, FunctionInfoForm, KernelInfo, ModelLibrary,
    Module, Payload, PayloadOrder, StateMerge, SymbolGeneration,
};
pub use need::{CudaImage, DeviceNeed, MetallibTarget, ShaderFeature};
pub use recovered::{HostCall, Recovered, Unread};
pub(crate) use symbols::is_asked_by_name;
pub use symbols::is_ffi_function;
