//! `metal`: the order of the fields changed in 0.24, without a mark.

use super::form::Form;
use super::function_info;
use crate::bytes::Reader;
use crate::error::DecodeError;
use crate::module::{DevicePayload, PayloadOrder};

pub(super) fn decode(reader: &mut Reader<'_>, form: Form) -> Result<DevicePayload, DecodeError> {
    let (code_format, kernels, code) = if form.order == PayloadOrder::Before24 {
        let before = reader.clone();
        let version = reader.string("the payload's version")?;
        // Only ever 0.1.0. Checked, because a format name may stand here too.
        if !version.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(before.error("a version", format!("{version:?}")));
        }
        let code = function_info::texts(reader)?;
        let kernels = function_info::kernels(reader, form.function_info)?;
        (reader.string("the code's format")?, kernels, code)
    } else {
        let code_format = reader.string("the code's format")?;
        let kernels = function_info::kernels(reader, form.function_info)?;
        (code_format, kernels, function_info::texts(reader)?)
    };
    Ok(form.payload(form.order, code_format.to_owned(), kernels, code))
}
