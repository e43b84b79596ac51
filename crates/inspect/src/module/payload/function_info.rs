//! The maps that device payloads share: kernel launch information, and names
//! to texts.

use crate::bytes::Reader;
use crate::error::DecodeError;
use crate::module::{DeviceCode, FunctionInfoForm, KernelInfo};
use crate::vm::read_dtype;

/// Key, name and two empty lists.
const SMALLEST_KERNEL: usize = 4 * 8;
/// Key and text.
const SMALLEST_TEXT: usize = 2 * 8;

/// `fmap`: kernels by key.
pub(super) fn kernels(
    reader: &mut Reader<'_>,
    form: FunctionInfoForm,
) -> Result<Vec<KernelInfo>, DecodeError> {
    let count = reader.items(SMALLEST_KERNEL, "the number of kernels")?;
    (0..count).map(|_| kernel(reader, form)).collect()
}

fn kernel(reader: &mut Reader<'_>, form: FunctionInfoForm) -> Result<KernelInfo, DecodeError> {
    let key = reader.string("a kernel's key")?.to_owned();
    let name = reader.string("a kernel's name")?.to_owned();
    let count = reader.items(4, "a kernel's number of arguments")?;
    let arg_types = (0..count)
        .map(|_| read_dtype(reader))
        .collect::<Result<_, _>>()?;
    let count = reader.items(8, "a kernel's number of launch tags")?;
    let launch_tags = (0..count)
        .map(|_| reader.string("a launch tag").map(str::to_owned))
        .collect::<Result<_, _>>()?;
    let extra_tags = match form {
        FunctionInfoForm::Plain | FunctionInfoForm::Either => Vec::new(),
        FunctionInfoForm::ExtraTags => {
            let count = reader.items(4, "a kernel's number of extra tags")?;
            (0..count)
                .map(|_| reader.i32("an extra tag"))
                .collect::<Result<_, _>>()?
        }
    };
    Ok(KernelInfo {
        key,
        name,
        arg_types,
        launch_tags,
        extra_tags,
    })
}

/// `smap`: texts by name, left in place.
pub(super) fn texts(reader: &mut Reader<'_>) -> Result<Vec<DeviceCode>, DecodeError> {
    let count = reader.items(SMALLEST_TEXT, "the number of sources")?;
    (0..count)
        .map(|_| {
            let name = reader.string("a source's name")?.to_owned();
            piece(reader, name)
        })
        .collect()
}

/// `str` that holds code, left in place.
pub(super) fn piece(reader: &mut Reader<'_>, name: String) -> Result<DeviceCode, DecodeError> {
    let length = reader.extent("device code")? as u64;
    Ok(DeviceCode {
        name,
        offset: (reader.position() as u64).saturating_sub(length),
        length,
    })
}
