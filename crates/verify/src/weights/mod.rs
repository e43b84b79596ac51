//! Weights: from mlc's shards, or made up from a seed.
//!
//! [`index`] reads `tensor-cache.json` / `ndarray-cache.json`, [`shards`] maps
//! and checks the files, [`random`] makes numbers. Here they become tensors in
//! the order of `_metadata.params`.

pub mod index;
pub mod random;
pub mod shards;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Result, WeightsError};
use crate::ffi::{DataType, Value};
use crate::runtime::Runtime;
use crate::session::metadata::{Dim, Parameter};

use self::index::Index;
use self::shards::Shard;

/// Where weights come from. Written as `random:SEED` or as a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The numbers of [`random`] for this seed.
    Random(u64),
    /// A directory with a tensor index and its shards.
    Directory(PathBuf),
}

impl Source {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Source, String> {
        match text.strip_prefix("random:") {
            Some(seed) => seed
                .parse()
                .map(Source::Random)
                .map_err(|_| format!("weights = \"{text}\": `{seed}` is not a seed")),
            None => Ok(Source::Directory(PathBuf::from(text))),
        }
    }
}

/// Told after each parameter: how many are done, of how many.
pub type OnParameter<'a> = &'a mut dyn FnMut(usize, usize);

/// Makes all parameters of a model, on the row's device, as one array. Of tables of
/// positions in a folder, the first `skipped` rows come last.
pub fn load(
    runtime: &Runtime,
    source: &Source,
    parameters: &[Parameter],
    dims: &BTreeMap<String, i64>,
    skipped: usize,
    progress: OnParameter<'_>,
) -> Result<Value> {
    let values = match source {
        Source::Random(seed) => make_random(runtime, *seed, parameters, dims, progress)?,
        Source::Directory(path) => {
            let index = Index::read(path)?;
            read_shards(runtime, &index, parameters, skipped, progress)?
        }
    };
    runtime.array(&values)
}

fn make_random(
    runtime: &Runtime,
    seed: u64,
    parameters: &[Parameter],
    dims: &BTreeMap<String, i64>,
    progress: OnParameter<'_>,
) -> Result<Vec<Value>> {
    let mut values = Vec::with_capacity(parameters.len());
    for (position, parameter) in (0u64..).zip(parameters) {
        let shape = parameter
            .resolve(dims)
            .map_err(|dim| WeightsError::UnknownDimension {
                name: parameter.name.clone(),
                dim,
            })?;
        let bytes = random::parameter(seed, position, parameter, &shape)?;
        let dtype = data_type(parameter)?;
        values.push(runtime.tensor(&shape, dtype, &bytes)?.value().clone());
        progress(values.len(), parameters.len());
    }
    Ok(values)
}

fn read_shards(
    runtime: &Runtime,
    index: &Index,
    parameters: &[Parameter],
    skipped: usize,
    progress: OnParameter<'_>,
) -> Result<Vec<Value>> {
    // Everything is checked before the first byte goes to the device.
    for parameter in parameters {
        check_record(index, parameter)?;
    }
    let mut values = vec![None; parameters.len()];
    let mut done = 0;
    for shard in &index.shards {
        let wanted: Vec<_> = parameters
            .iter()
            .enumerate()
            .filter_map(|(i, p)| Some((i, p, shard.record(&p.name)?)))
            .collect();
        let shard = Shard::open(shard)?;
        for (position, parameter, record) in wanted {
            let mut bytes = shard.tensor(record, data_type(parameter)?)?;
            if skipped > 0 && is_positions(parameter) {
                bytes = Cow::Owned(without_first(&bytes, &record.shape, skipped));
            }
            let tensor = runtime.tensor(&record.shape, data_type(parameter)?, &bytes)?;
            if let Some(slot) = values.get_mut(position) {
                *slot = Some(tensor.value().clone());
            }
            done += 1;
            progress(done, parameters.len());
        }
    }
    parameters
        .iter()
        .zip(values)
        .map(|(parameter, value)| value.ok_or_else(|| missing(parameter).into()))
        .collect()
}

/// The rows that a parameter will have, where that is known before it is loaded.
pub fn rows(source: &Source, of: &Parameter, dims: &BTreeMap<String, i64>) -> Option<i64> {
    match (of.shape.first()?, source) {
        (Dim::Fixed(rows), _) => Some(*rows),
        (Dim::Named(name), Source::Random(_)) => dims.get(name).copied(),
        (Dim::Named(_), Source::Directory(folder)) => {
            let index = Index::read(folder).ok()?;
            let record = index.shards.iter().find_map(|s| s.record(&of.name))?;
            record.shape.first().copied()
        }
    }
}

/// Whether a parameter has one row per position.
pub fn is_positions(parameter: &Parameter) -> bool {
    let name = parameter.name.rsplit_once('.');
    name.is_some_and(|(of, _)| of.ends_with("position_embeddings"))
}

/// A table whose first rows come last.
fn without_first(table: &[u8], shape: &[i64], skipped: usize) -> Vec<u8> {
    let rows = shape.first().and_then(|rows| usize::try_from(*rows).ok());
    let row = rows.and_then(|rows| table.len().checked_div(rows));
    let at = row.unwrap_or(0).saturating_mul(skipped).min(table.len());
    let (first, rest) = table.split_at(at);
    [rest, first].concat()
}

fn check_record(index: &Index, parameter: &Parameter) -> Result<(), WeightsError> {
    let record = index
        .shards
        .iter()
        .find_map(|s| s.record(&parameter.name))
        .ok_or_else(|| missing(parameter))?;
    if parameter.admits(&record.shape) && parameter.dtype == record.dtype {
        return Ok(());
    }
    Err(WeightsError::WrongShape {
        name: parameter.name.clone(),
        expected: format!("{} {}", parameter.shape_text(), parameter.dtype),
        found: format!("{:?} {}", record.shape, record.dtype),
    })
}

fn missing(parameter: &Parameter) -> WeightsError {
    WeightsError::MissingParameter {
        name: parameter.name.clone(),
    }
}

/// The element type of a parameter.
fn data_type(parameter: &Parameter) -> Result<DataType, WeightsError> {
    match parameter.dtype.as_str() {
        "float32" => Ok(DataType::F32),
        "float16" => Ok(DataType::F16),
        "bfloat16" => Ok(DataType::BF16),
        "uint32" => Ok(DataType::scalar(1, 32)),
        "uint16" => Ok(DataType::scalar(1, 16)),
        "uint8" => Ok(DataType::scalar(1, 8)),
        "int32" => Ok(DataType::I32),
        "int8" => Ok(DataType::scalar(0, 8)),
        "float8_e4m3fn" | "e4m3_float8" => Ok(DataType::scalar(10, 8)),
        "float8_e5m2" | "e5m2_float8" => Ok(DataType::scalar(12, 8)),
        other => Err(WeightsError::UnknownType {
            name: parameter.name.clone(),
            dtype: other.to_owned(),
        }),
    }
}
