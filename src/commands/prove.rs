//! `--prove`: the smallest call of every function of a library, run in a child process.
//!
//! What a function takes is read off its checks; a function that takes something
//! else is named, not guessed at.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use artcheck_inspect::Artifact;
use artcheck_inspect::module::metadata::{self, Extent};
use artcheck_inspect::scan;
use artcheck_inspect::vm::entry::{Dim, Entry, Parameter, entries};
use artcheck_inspect::vm::kv_cache::kv_caches;
use artcheck_inspect::vm::states::{StateKind, States, states};
use artcheck_inspect::vm::value::Value;
use artcheck_inspect::vm::{DataType, Executable};
use artcheck_verify::{Call, ChildCommand, Given, Proof, State, Trial, prove};

use super::tried::Tried;

/// Most bytes of zeros that one call is given.
const MOST_BYTES: u64 = 1 << 30;

/// Sizes of a cache's config: sequences, tokens, chunk, page, window. Kernels for the CPU
/// take pages of 16 alone.
const CONFIG: [i64; 5] = [1, 16, 16, 16, 0];

/// Tries a file on the runtime, with the shims.
pub fn file(
    file: &Path,
    runtime: &[PathBuf],
    shims: &[PathBuf],
    provides: &[String],
) -> anyhow::Result<Tried> {
    let mut tried = Tried::default();
    let artifacts = scan::artifacts_of(file);
    let plan = match artifacts.iter().find_map(plan) {
        _ if runtime.is_empty() => Err("the runtime is known by name alone"),
        None if artifacts.iter().any(|one| !one.kernels.is_empty()) => {
            Err("it holds kernels and no model: nothing says how they are called")
        }
        None => Err("it holds no program that can be loaded by itself"),
        Some(plan) => Ok(plan),
    };
    let (calls, left) = match plan {
        Ok(plan) => plan,
        Err(why) => {
            tried.partial = true;
            tried.lines.push(format!("not tried: {why}"));
            return Ok(tried);
        }
    };
    tried.partial = !left.is_empty() || calls.is_empty();
    for (name, why) in left {
        tried.lines.push(format!("not called: {name}: {why}"));
    }
    if calls.is_empty() {
        return Ok(tried);
    }
    let child = ChildCommand {
        program: std::env::current_exe().context("the path of this program")?,
        arguments: vec![OsString::from("verify-row")],
    };
    let shims = shims.iter().map(std::path::absolute);
    let trial = Trial {
        library: std::path::absolute(file)?,
        runtime: runtime.to_vec(),
        shims: shims.collect::<Result<_, _>>()?,
        calls,
    };
    note(prove(&child, trial), provides, &mut tried);
    Ok(tried)
}

/// Notes what came of the calls.
fn note(proof: Proof, provides: &[String], tried: &mut Tried) {
    match proof {
        Proof::Ran(checks) => {
            for check in checks {
                tried.failed |= !check.passed;
                tried.called += usize::from(check.passed);
                let word = if check.passed { "called" } else { "failed" };
                let line = format!("{word}: {}: {}", check.name, check.detail);
                tried.lines.push(line);
            }
        }
        Proof::Failed(failure) if needs_application(&failure.message, provides).is_some() => {
            tried.partial = true;
            let name = needs_application(&failure.message, provides).unwrap_or_default();
            let line = format!("not tried: it needs `{name}`, which the application registers");
            tried.lines.push(line);
        }
        Proof::Failed(failure) => {
            tried.failed = true;
            let last = failure.last_words.last();
            let last = last.map(|line| format!("; {line}")).unwrap_or_default();
            let line = format!(
                "failed at stage {}: {}{last}",
                failure.stage, failure.message
            );
            tried.lines.push(line);
        }
        Proof::NotRun(why) => {
            tried.partial = true;
            tried.lines.push(format!("not tried: {why}"));
        }
    }
}

/// The function of the application that is missing where there is none.
fn needs_application<'a>(message: &str, provides: &'a [String]) -> Option<&'a str> {
    let name = provides.iter().find(|name| message.contains(name.as_str()));
    name.map(String::as_str)
}

/// Calls to make, and functions that are not called with the reason.
type Plan = (Vec<Call>, Vec<(String, &'static str)>);

fn plan(artifact: &Artifact) -> Option<Plan> {
    let library = artifact.libraries.iter().find(|it| it.prefix.is_none())?;
    let (_, executable) = library.blob.as_ref().ok()?.executables().next()?;
    let sizes = config_sizes(executable);
    let states = states(executable);
    let weights = weights(executable);
    let (mut calls, mut left) = (Vec::new(), Vec::new());
    for mut entry in entries(executable) {
        for parameter in &mut entry.parameters {
            describe(parameter, &weights);
        }
        match call(&entry, &states, &sizes) {
            Ok(call) => calls.push(call),
            Err(why) => left.push((entry.name.to_owned(), why)),
        }
    }
    // States first, for those that take them.
    calls.sort_by_key(|call| call.makes.is_none());
    for function in &library.vm_tir_functions {
        left.push((
            function.clone(),
            "it is compiled to host code, whose checks are not read",
        ));
    }
    Some((calls, left))
}

/// The parameters of the model, as its metadata describes them; none where it does not.
fn weights(executable: &Executable) -> Vec<Parameter> {
    let Ok(found) = metadata::read(executable) else {
        return Vec::new();
    };
    let weight = |parameter: &metadata::Parameter| {
        let dims = parameter.shape.iter().map(|extent| match extent {
            Extent::Fixed(number) => Some(Dim::Exactly(*number)),
            Extent::Named(_) => None,
        });
        Some(Parameter::Tensor {
            dtype: Some(data_type(&parameter.dtype)?),
            dims: Some(dims.collect::<Option<_>>()?),
        })
    };
    let weights = found.metadata.params.iter().map(weight);
    weights.collect::<Option<_>>().unwrap_or_default()
}

/// A data type by its usual name.
fn data_type(name: &str) -> Option<DataType> {
    let (code, bits) = [("int", 0), ("uint", 1), ("float", 2), ("bfloat", 4)]
        .into_iter()
        .find_map(|(word, code)| Some((code, name.strip_prefix(word)?.parse().ok()?)))?;
    Some(DataType {
        code,
        bits,
        lanes: 1,
    })
}

/// A tuple of as many values as the model has parameters holds those.
fn describe(parameter: &mut Parameter, weights: &[Parameter]) {
    if let Parameter::Tuple(fields) = parameter
        && fields.len() == weights.len()
        && fields.iter().all(|field| *field == Parameter::Unchecked)
    {
        fields.clone_from_slice(weights);
    }
}

/// Numbers for slots of the shape heap that a cache's config is made of, by function
/// and slot.
fn config_sizes(executable: &Executable) -> HashMap<(&str, i64), i64> {
    let mut sizes = HashMap::new();
    for cache in kv_caches(executable) {
        let function = executable.functions.get(cache.function);
        let Some(Value::Shape { items, .. }) = cache.values.first() else {
            continue;
        };
        for (item, size) in items.iter().zip(CONFIG) {
            if let (Value::HeapSlot(slot), Some(function)) = (item, function) {
                sizes.insert((function.name.as_str(), *slot), size);
            }
        }
    }
    sizes
}

fn state(kind: StateKind) -> State {
    match kind {
        StateKind::Cache => State::Cache,
        StateKind::Recurrent => State::Recurrent,
    }
}

fn call(
    entry: &Entry<'_>,
    states: &States,
    sizes: &HashMap<(&str, i64), i64>,
) -> Result<Call, &'static str> {
    let size = |dim: &Dim| match dim {
        Dim::Any => 1,
        Dim::Exactly(number) => *number,
        Dim::Slot(slot) => sizes.get(&(entry.name, *slot)).copied().unwrap_or(1),
    };
    let mut room = MOST_BYTES;
    let mut arguments = Vec::new();
    for (position, parameter) in entry.parameters.iter().enumerate() {
        let taken = states.takers.get(&(entry.function, position));
        arguments.push(match (parameter, taken) {
            (Parameter::Unchecked, Some(kind)) => match states.makers.values().any(|it| it == kind)
            {
                true => Given::State(state(*kind)),
                false => return Err("it takes a state that no function of the library makes"),
            },
            (other, _) => given(other, &size, &mut room)?,
        });
    }
    Ok(Call {
        function: entry.name.to_owned(),
        arguments,
        makes: states.makers.get(&entry.function).map(|kind| state(*kind)),
    })
}

fn given(
    parameter: &Parameter,
    size: &impl Fn(&Dim) -> i64,
    room: &mut u64,
) -> Result<Given, &'static str> {
    Ok(match parameter {
        Parameter::Unchecked => return Err("it takes a value that no check describes"),
        Parameter::Function => return Err("it takes a function"),
        Parameter::Tensor { dtype, dims } => {
            let dims: Vec<i64> = dims.iter().flatten().map(size).collect();
            let (code, bits, lanes) = dtype.map_or((2, 32, 1), |it| (it.code, it.bits, it.lanes));
            let bytes = dims
                .iter()
                .try_fold(u64::from(bits.max(8) / 8), |bytes, dim| {
                    bytes.checked_mul(u64::try_from(*dim).ok()?)
                });
            *room = bytes
                .and_then(|bytes| room.checked_sub(bytes))
                .ok_or("its tensors are too large")?;
            Given::Zeros(dims, (code, bits, lanes))
        }
        Parameter::Shape(dims) => Given::Shape(dims.iter().flatten().map(size).collect()),
        Parameter::Number(dtype) if dtype.code == 2 => return Err("it takes a float"),
        Parameter::Number(_) => Given::Int(1),
        Parameter::Tuple(fields) => {
            let fields = fields.iter().map(|field| given(field, size, room));
            Given::Tuple(fields.collect::<Result<_, _>>()?)
        }
    })
}
