//! One shard: mapped, checked, cut into tensors.

use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use md5::{Digest, Md5};

use crate::ffi::DataType;
use crate::ffi::{FileMap, map_file};

use super::index::{ShardRecord, TensorRecord};
use crate::error::WeightsError;

/// Bytes hashed at a time.
const HASH_STEP: usize = 1 << 20;

/// An open shard whose size and checksum are right.
pub struct Shard {
    path: PathBuf,
    map: FileMap,
}

impl Shard {
    /// Maps the file and compares it with its index entry.
    pub fn open(record: &ShardRecord) -> Result<Shard, WeightsError> {
        let path = record.path.clone();
        let read = |source| WeightsError::ShardRead {
            path: path.clone(),
            source,
        };
        let mut file = File::open(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => WeightsError::MissingShard { path: path.clone() },
            _ => read(source),
        })?;
        let found = file.metadata().map_err(read)?.len();
        if found != record.bytes {
            return Err(WeightsError::ShardSize {
                path,
                expected: record.bytes,
                found,
            });
        }
        if let Some(expected) = &record.md5 {
            // Read, not mapped: a file that shrinks meanwhile is an error here
            // and a bus error in a map.
            let found = checksum(&mut file).map_err(read)?;
            if *expected != found {
                return Err(WeightsError::ShardChecksum {
                    path,
                    expected: expected.clone(),
                    found,
                });
            }
        }
        let map = map_file(&file).map_err(read)?;
        Ok(Shard { path, map })
    }

    /// The bytes of one tensor as the device wants them.
    pub fn tensor(
        &self,
        record: &TensorRecord,
        dtype: DataType,
    ) -> Result<Cow<'_, [u8]>, WeightsError> {
        let bad = |detail: String| WeightsError::BadRecord {
            name: record.name.clone(),
            path: self.path.clone(),
            detail,
        };
        let stored = self.stored(record).ok_or_else(|| {
            bad(format!(
                "{} bytes at {} are outside the {} bytes of the shard",
                record.nbytes,
                record.offset,
                self.map.len()
            ))
        })?;
        let loaded = match record.format.as_str() {
            "raw" | "raw-shard" => Cow::Borrowed(stored),
            "f32-to-bf16" if dtype == DataType::F32 => Cow::Owned(widen(stored)),
            // The converter marks every tensor so, whatever its type.
            "f32-to-bf16" => Cow::Borrowed(stored),
            other => return Err(bad(format!("format `{other}` is not known"))),
        };
        let expected = byte_length(&record.shape, dtype);
        if expected != Some(loaded.len()) {
            return Err(bad(format!(
                "shape {:?} of {} needs {}, found {}",
                record.shape,
                record.dtype,
                expected.map_or_else(
                    || "more bytes than there can be".to_owned(),
                    |bytes| format!("{bytes} bytes")
                ),
                loaded.len()
            )));
        }
        Ok(loaded)
    }

    fn stored(&self, record: &TensorRecord) -> Option<&[u8]> {
        let start = usize::try_from(record.offset).ok()?;
        let length = usize::try_from(record.nbytes).ok()?;
        self.map.get(start..start.checked_add(length)?)
    }
}

fn checksum(file: &mut File) -> std::io::Result<String> {
    let mut hash = Md5::new();
    let mut buffer = vec![0; HASH_STEP];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(bytes) if count > 0 => hash.update(bytes),
            _ => break,
        }
    }
    Ok(hex::encode(hash.finalize()))
}

/// bfloat16 to float32: the stored half is the upper half.
fn widen(stored: &[u8]) -> Vec<u8> {
    stored
        .as_chunks::<2>()
        .0
        .iter()
        .flat_map(|pair| half::bf16::from_le_bytes(*pair).to_f32().to_ne_bytes())
        .collect()
}

fn byte_length(shape: &[i64], dtype: DataType) -> Option<usize> {
    shape.iter().try_fold(dtype.bytes()?, |total, &dim| {
        total.checked_mul(usize::try_from(dim).ok()?)
    })
}
