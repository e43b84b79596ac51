//! Functions of a program called once each, with the smallest arguments that they
//! take: whether a library runs at all, whatever model it is.
//!
//! Which arguments, is for the caller to say, who has read the program.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ffi::{Arg, DataType, Value};
use crate::runtime::{Module, Runtime};

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The VM function, or one that the runtime registers.
    pub function: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Vec<Given>,
    /// What its result is to later calls, where it is a state.
    #[serde(default)]
    pub makes: Option<State>,
}

/// A state that calls share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A paged cache of keys and values.
    Cache,
    /// A recurrent state.
    Recurrent,
}

/// The states that calls made so far.
pub(crate) type States = BTreeMap<State, Value>;

/// One argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// A tensor of zeros: dimensions; code, bits and lanes of its type.
    Zeros(Vec<i64>, (u8, u8, u16)),
    /// A shape.
    Shape(Vec<i64>),
    /// An integer.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A tuple.
    Tuple(Vec<Given>),
    /// The state that an earlier call made, with one sequence that grows by one.
    State(State),
}

/// Makes the call: what it gives, in a word. `states` is what earlier ones made.
pub(crate) fn make(vm: &Module<'_>, call: &Call, states: &mut States) -> Result<String> {
    let runtime = vm.runtime();
    let function = match vm.function(&call.function, false)? {
        Some(function) => function,
        None => {
            (runtime.registered(&call.function, "call it")).map_err(|_| Error::MissingFunction {
                name: call.function.clone(),
                purpose: "call it",
            })?
        }
    };
    let mut values = Vec::new();
    for given in &call.arguments {
        values.push(match given {
            Given::Int(_) | Given::Float(_) => None,
            other => Some(value(runtime, other, states)?),
        });
    }
    let arguments: Vec<Arg<'_>> = call
        .arguments
        .iter()
        .zip(&values)
        .map(|(given, value)| match (given, value) {
            (Given::Int(number), _) => Arg::Int(*number),
            (Given::Float(number), _) => Arg::Float(*number),
            (_, Some(value)) => Arg::Value(value),
            (_, None) => Arg::None,
        })
        .collect();
    let grows = |kind: &State| call.arguments.contains(&Given::State(*kind));
    let growing = || states.iter().filter(|(kind, _)| grows(kind));
    for (_, state) in growing() {
        begin(runtime, state)?;
    }
    let result = function.call(&arguments)?;
    for (_, state) in growing() {
        end(runtime, state)?;
    }
    Ok(match call.makes {
        Some(made) => {
            states.insert(made, result);
            String::from("state")
        }
        None => result.kind(),
    })
}

fn value(runtime: &Runtime, given: &Given, states: &States) -> Result<Value> {
    match given {
        Given::Zeros(dims, (code, bits, lanes)) => {
            let dtype = DataType {
                code: *code,
                bits: *bits,
                lanes: *lanes,
            };
            let tensor = runtime.zeros(dims, dtype)?;
            Ok(tensor.value().clone())
        }
        Given::Shape(dims) => runtime.shape(dims),
        Given::Tuple(fields) => {
            let fields = fields.iter().map(|field| value(runtime, field, states));
            runtime.array(&fields.collect::<Result<Vec<_>>>()?)
        }
        Given::State(kind) => states.get(kind).cloned().ok_or_else(|| {
            Error::Unsupported("no earlier call made the state that it takes".to_owned())
        }),
        Given::Int(_) | Given::Float(_) => {
            Err(Error::Unsupported("a number inside a tuple".to_owned()))
        }
    }
}

fn state_function(
    runtime: &Runtime,
    name: &str,
    state: &Value,
    arguments: &[Arg<'_>],
) -> Result<()> {
    let name = format!("vm.builtin.kv_state_{name}");
    let function = runtime.registered(&name, "call a function with a state")?;
    let mut all = vec![Arg::Value(state)];
    all.extend_from_slice(arguments);
    function.call(&all).map(drop)
}

fn begin(runtime: &Runtime, state: &Value) -> Result<()> {
    state_function(runtime, "clear", state, &[])?;
    state_function(runtime, "add_sequence", state, &[Arg::Int(0)])?;
    let (sequence, length) = (runtime.shape(&[0])?, runtime.shape(&[1])?);
    let arguments = [Arg::Value(&sequence), Arg::Value(&length)];
    state_function(runtime, "begin_forward", state, &arguments)
}

fn end(runtime: &Runtime, state: &Value) -> Result<()> {
    state_function(runtime, "end_forward", state, &[])
}
