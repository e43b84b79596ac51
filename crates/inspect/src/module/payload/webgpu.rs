//! `webgpu`: kernels and one WGSL source per kernel. Only a browser loads it.

use super::form::Form;
use super::function_info;
use crate::bytes::Reader;
use crate::error::DecodeError;
use crate::module::{DevicePayload, PayloadOrder};

pub(super) fn decode(reader: &mut Reader<'_>, form: Form) -> Result<DevicePayload, DecodeError> {
    let kernels = function_info::kernels(reader, form.function_info)?;
    let code = function_info::texts(reader)?;
    Ok(form.payload(PayloadOrder::Stable, String::new(), kernels, code))
}
