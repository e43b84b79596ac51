//! `vulkan`: format, kernels, one SPIR-V module per kernel. Up to 0.23 flag
//! and words stand in place; from 0.24 they are wrapped in a string.

use super::form::Form;
use super::function_info;
use crate::bytes::Reader;
use crate::error::DecodeError;
use crate::module::{DeviceCode, DevicePayload, PayloadOrder};

/// Name, flag, no words.
const SMALLEST_SHADER: usize = 8 + 4 + 8;

pub(super) fn decode(reader: &mut Reader<'_>, form: Form) -> Result<DevicePayload, DecodeError> {
    let code_format = reader.string("the code's format")?.to_owned();
    let kernels = function_info::kernels(reader, form.function_info)?;
    let count = reader.items(SMALLEST_SHADER, "the number of shaders")?;
    let code: Vec<DeviceCode> = (0..count)
        .map(|_| shader(reader, form.order))
        .collect::<Result<_, _>>()?;
    let order = match code.is_empty() {
        true => PayloadOrder::Stable,
        false => form.order,
    };
    Ok(form.payload(order, code_format, kernels, code))
}

fn shader(reader: &mut Reader<'_>, order: PayloadOrder) -> Result<DeviceCode, DecodeError> {
    let name = reader.string("a shader's name")?.to_owned();
    if order == PayloadOrder::Before24 {
        return words(reader, name);
    }
    let before = reader.clone();
    let length = reader.extent("a shader's bytes")?;
    let end = reader.position();
    let mut inner = before;
    inner.u64("a shader's length")?;
    let code = words(&mut inner, name)?;
    if inner.position() != end {
        return Err(inner.error(
            format!("the end of a shader of {length} bytes"),
            format!("words up to byte {:#x}", inner.position()),
        ));
    }
    Ok(code)
}

/// Flag and SPIR-V words.
fn words(reader: &mut Reader<'_>, name: String) -> Result<DeviceCode, DecodeError> {
    reader.u32("a shader's flag")?;
    let count = reader.count(4, "a shader's number of words")?;
    let offset = reader.position() as u64;
    let length = count.saturating_mul(4);
    reader.skip(length, "a shader's words")?;
    Ok(DeviceCode {
        name,
        offset,
        length: length as u64,
    })
}
