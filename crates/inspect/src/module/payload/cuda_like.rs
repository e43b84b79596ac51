//! `cuda`, `opencl`, `rocm`, `hexagon`: format, kernels, one piece of code.

use super::form::Form;
use super::function_info;
use crate::bytes::Reader;
use crate::error::DecodeError;
use crate::module::{DevicePayload, PayloadOrder};

pub(super) fn decode(reader: &mut Reader<'_>, form: Form) -> Result<DevicePayload, DecodeError> {
    let code_format = reader.string("the code's format")?.to_owned();
    let kernels = function_info::kernels(reader, form.function_info)?;
    let code = vec![function_info::piece(reader, String::new())?];
    Ok(form.payload(PayloadOrder::Stable, code_format, kernels, code))
}
