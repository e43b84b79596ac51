//! The constant pool: three code tables, one body layout per type.
//!
//! The tables share numbers with different meanings (docs/formats.md#constant-pool), so a
//! table is never told from a code; [`super::decode`] tries each to the end.

use std::ops::Range;

use super::{Constant, ConstantTable, ConstantValue, DataType};
use crate::bytes::{Reader, little_endian as words};
use crate::error::DecodeError;

/// First word of a serialised tensor.
const TENSOR_MAGIC: u64 = 0xDD5E_40F0_96B4_A13F;
/// `kDLCPU`, the one device that a runtime loads a tensor to.
const CPU: i32 = 1;
/// Code and the shortest body (a data type).
const SMALLEST_CONSTANT: usize = 4 + 4;

#[derive(Clone, Copy)]
enum Kind {
    Tensor,
    Dtype,
    Shape,
    String,
    Int,
    Float,
}

fn kind_of(table: ConstantTable, code: i32) -> Option<Kind> {
    let classic = table == ConstantTable::Classic;
    let (shape, tensor) = match table {
        ConstantTable::Classic => (2, 0),
        ConstantTable::Ffi21 => (71, 72),
        ConstantTable::Ffi22 | ConstantTable::AnyFfi | ConstantTable::Any => (69, 70),
    };
    Some(match code {
        _ if code == shape => Kind::Shape,
        _ if code == tensor => Kind::Tensor,
        1 if classic => Kind::Dtype,
        3 if classic => Kind::String,
        4 if classic => Kind::Int,
        5 if classic => Kind::Float,
        1 if !classic => Kind::Int,
        3 if !classic => Kind::Float,
        5 if !classic => Kind::Dtype,
        65 if !classic => Kind::String,
        _ => return None,
    })
}

/// A pool entry that still borrows the file.
struct Raw<'a> {
    body: Body<'a>,
    range: Range<u64>,
}

enum Body<'a> {
    Tensor {
        dtype: DataType,
        shape: &'a [u8],
        data: Range<u64>,
        number: Option<i64>,
    },
    Dtype(DataType),
    Shape(&'a [u8]),
    String(&'a [u8]),
    Int(i64),
    Float(f64),
}

/// Walks over the pool without keeping anything; the number of entries and
/// whether any is a shape or a tensor.
pub(super) fn skim(
    reader: &mut Reader<'_>,
    table: ConstantTable,
) -> Result<(usize, bool), DecodeError> {
    let count = reader.items(SMALLEST_CONSTANT, "the number of constants")?;
    let mut telling = false;
    for _ in 0..count {
        let raw = read_raw(reader, table)?;
        telling |= matches!(raw.body, Body::Tensor { .. } | Body::Shape(_));
    }
    Ok((count, telling))
}

/// Reads the pool.
pub(super) fn read(
    reader: &mut Reader<'_>,
    table: ConstantTable,
) -> Result<Vec<Constant>, DecodeError> {
    let count = reader.items(SMALLEST_CONSTANT, "the number of constants")?;
    (0..count)
        .map(|_| read_raw(reader, table).map(keep))
        .collect()
}

fn keep(raw: Raw<'_>) -> Constant {
    let value = match raw.body {
        Body::Tensor {
            dtype,
            shape,
            data,
            number,
        } => ConstantValue::Tensor {
            dtype,
            shape: words(shape).collect(),
            data,
            number,
        },
        Body::Dtype(dtype) => ConstantValue::Dtype(dtype),
        Body::Shape(shape) => ConstantValue::Shape(words(shape).collect()),
        Body::String(bytes) => ConstantValue::String(String::from_utf8_lossy(bytes).into_owned()),
        Body::Int(value) => ConstantValue::Int(value),
        Body::Float(value) => ConstantValue::Float(value),
    };
    Constant {
        value,
        range: raw.range,
    }
}

fn read_raw<'a>(reader: &mut Reader<'a>, table: ConstantTable) -> Result<Raw<'a>, DecodeError> {
    let before = reader.clone();
    let code = reader.i32("a constant's type code")?;
    let Some(kind) = kind_of(table, code) else {
        return Err(before.error(expected_codes(table), code));
    };
    let body = match kind {
        Kind::Tensor => read_tensor(reader)?,
        Kind::Dtype => Body::Dtype(read_dtype(reader)?),
        Kind::Shape => Body::Shape(read_words(reader, "a shape constant")?),
        Kind::String => Body::String(reader.bytes("a string constant")?),
        Kind::Int => Body::Int(reader.i64("an integer constant")?),
        Kind::Float => Body::Float(reader.f64("a float constant")?),
    };
    Ok(Raw {
        body,
        range: before.position() as u64..reader.position() as u64,
    })
}

fn expected_codes(table: ConstantTable) -> &'static str {
    match table {
        ConstantTable::Classic => "a constant code of the `classic` table (0 to 5)",
        ConstantTable::Ffi21 => "a constant code of the `ffi21` table (1, 3, 5, 65, 71 or 72)",
        _ => "a constant code of the `ffi22` table (1, 3, 5, 65, 69 or 70)",
    }
}

/// `vec<i64>` as bytes.
fn read_words<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], DecodeError> {
    let count = reader.count(8, what)?;
    reader.take(count.saturating_mul(8), what)
}

/// The same, stepped over.
pub(super) fn pass_words(reader: &mut Reader<'_>, what: &'static str) -> Result<(), DecodeError> {
    let count = reader.count(8, what)?;
    reader.pass(count.saturating_mul(8), what)
}

/// `u8 code, u8 bits, u16 lanes`.
pub(crate) fn read_dtype(reader: &mut Reader<'_>) -> Result<DataType, DecodeError> {
    Ok(DataType {
        code: reader.u8("a data type code")?,
        bits: reader.u8("a data type width")?,
        lanes: reader.u16("a data type's lanes")?,
    })
}

/// A DLTensor stream; its elements are stepped over, not touched, but for a single number.
fn read_tensor<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, DecodeError> {
    let mut again = reader.clone();
    let (dtype, shape, data) = tensor_stream(reader)?;
    let number = shape.is_empty().then(|| number(&mut again, dtype, &data));
    Ok(Body::Tensor {
        dtype,
        shape,
        data,
        number: number.flatten(),
    })
}

/// The integer or boolean at such a place, by DLPack's codes.
fn number(reader: &mut Reader<'_>, dtype: DataType, data: &Range<u64>) -> Option<i64> {
    const SIGNED: u8 = 0;
    let length = usize::try_from(data.end.checked_sub(data.start)?).ok()?;
    let is_number = matches!(dtype.code, SIGNED | 1 | 6) && dtype.lanes == 1;
    if !is_number || !matches!(length, 1 | 2 | 4 | 8) {
        return None;
    }
    let start = usize::try_from(data.start).ok()?;
    let before = start.checked_sub(reader.position())?;
    reader.skip(before, "a tensor's head").ok()?;
    let bytes = reader.take(length, "a number").ok()?;
    let (mut word, top) = ([0; 8], bytes.last()?);
    if dtype.code == SIGNED && *top > i8::MAX as u8 {
        word = [u8::MAX; 8];
    }
    word.get_mut(..length)?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(word))
}

/// Element type, dimensions as words, byte range of the elements.
pub(crate) fn tensor_stream<'a>(
    reader: &mut Reader<'a>,
) -> Result<(DataType, &'a [u8], Range<u64>), DecodeError> {
    let start = reader.clone();
    let magic = reader.u64("a tensor's magic")?;
    if magic != TENSOR_MAGIC {
        return Err(start.error(format!("{TENSOR_MAGIC:#x}"), format!("{magic:#x}")));
    }
    reader.u64("a tensor's reserved word")?;
    let before_device = reader.clone();
    let device = reader.i32("a tensor's device type")?;
    if device != CPU {
        let expected =
            "device type 1: a tensor elsewhere does not load (`can only save as CPU tensor`)";
        return Err(before_device.error(expected, device));
    }
    reader.i32("a tensor's device number")?;
    let before_rank = reader.clone();
    let rank = reader.i32("a tensor's rank")?;
    let dtype = read_dtype(reader)?;
    let room = reader.remaining() / 8;
    let rank = usize::try_from(rank)
        .ok()
        .filter(|rank| *rank <= room)
        .ok_or_else(|| before_rank.error(format!("a rank from 0 to {room}"), rank))?;
    let shape = reader.take(rank.saturating_mul(8), "a tensor's shape")?;
    let before_size = reader.clone();
    let size = reader.i64("a tensor's size in bytes")?;
    let wanted = tensor_bytes(dtype, shape);
    let length = usize::try_from(size)
        .ok()
        .filter(|length| wanted == u64::try_from(*length).ok())
        .ok_or_else(|| {
            let wanted = wanted.map_or("a size that fits 64 bits".into(), |wanted| {
                format!("{wanted} bytes, as shape and data type say")
            });
            before_size.error(wanted, size)
        })?;
    let from = reader.position() as u64;
    reader.skip(length, "a tensor's elements")?;
    Ok((dtype, shape, from..reader.position() as u64))
}

/// What the runtime's reader demands: lanes do not count.
fn tensor_bytes(dtype: DataType, shape: &[u8]) -> Option<u64> {
    let width = u64::from(dtype.bits).div_ceil(8);
    words(shape).try_fold(width, |bytes, extent| {
        bytes.checked_mul(u64::try_from(extent).ok()?)
    })
}
