//! Models with states: create them, prefill, decode, reset.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::ffi::{Arg, Function, Tensor, Value};
use crate::runtime::{self, HostFloats, Runtime};

use super::Entry;
use super::model::Model;

/// Registered functions that models with states need.
pub const REGISTERED: [&str; 5] = [
    "vm.builtin.kv_state_clear",
    "vm.builtin.kv_state_add_sequence",
    "vm.builtin.kv_state_begin_forward",
    "vm.builtin.kv_state_end_forward",
    "vm.builtin.reshape",
];

/// What models with a sliding window need besides: without it the cache keeps everything.
const SLIDE: &str = "vm.builtin.attention_kv_cache_enable_sliding_window_for_seq";

/// Tokens per page of the KV cache, as the engine chooses.
const PAGE_SIZE: i64 = 16;

/// Sizes of the states.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Sequences at once.
    pub sequences: i64,
    /// Tokens of all sequences together.
    pub tokens: i64,
}

/// Tokens of one sequence for one call.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'t> {
    /// The sequence.
    pub sequence: i64,
    /// Its next tokens; not empty.
    pub tokens: &'t [i32],
}

/// A model with weights and states.
pub struct Decoder<'m, 'r> {
    model: &'m Model<'r>,
    parameters: Value,
    states: Vec<Value>,
    embed: Function,
    prefill: Function,
    decode: Function,
    entry: Entry,
    builtins: Builtins,
    /// Where the cache has a sliding window.
    slide: Option<Function>,
    steps: Vec<Step>,
    forward_time: Duration,
}

struct Builtins {
    clear: Function,
    add: Function,
    begin: Function,
    end: Function,
    reshape: Function,
}

/// What a call appends to which sequences, as `begin_forward` takes it.
struct Appended {
    sequences: Value,
    lengths: Value,
}

/// What all decode calls for one group of sequences share, made by the first.
struct Step {
    group: Vec<i64>,
    /// Token ids on the device, overwritten by each call.
    ids: Tensor,
    /// `[sequences, 1, hidden]`.
    embedded: Value,
    appended: Appended,
}

/// Logits on the host, one row per sequence; the memory is used again.
#[derive(Debug, Default)]
pub struct Logits {
    floats: HostFloats,
    width: usize,
}

impl Logits {
    /// One row per sequence of the last call.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.floats.values().chunks_exact(self.width.max(1))
    }
}

/// Which of the two forward functions.
#[derive(Clone, Copy)]
enum Phase {
    Prefill,
    Decode,
}

impl<'m, 'r> Decoder<'m, 'r> {
    /// Creates the states; this is where a wrong attention tag shows.
    pub fn new(
        model: &'m Model<'r>,
        parameters: Value,
        capacity: Capacity,
        entry: Entry,
    ) -> Result<Decoder<'m, 'r>> {
        let runtime = model.runtime();
        let (prefill, decode) = match entry {
            Entry::Batch => ("batch_prefill", "batch_decode"),
            Entry::Single => ("prefill", "decode"),
        };
        let builtins = Builtins::new(runtime)?;
        let (mut states, mut slide) = (Vec::new(), None);
        if let Some(create) = model.cache_constructor() {
            states.push(create_cache(model, create, capacity)?);
            if model.metadata().sliding_window_size > 0 {
                slide = Some(runtime.registered(SLIDE, "let the cache's window slide")?);
            }
        }
        if let Some(create) = model.rnn_constructor() {
            let sizes = [capacity.sequences, 1];
            states.push(call_with_shapes(runtime, create, &sizes)?);
        }
        Ok(Decoder {
            embed: model.function("embed", "turn tokens into vectors")?,
            prefill: model.function(prefill, "read the prompt")?,
            decode: model.function(decode, "generate tokens")?,
            model,
            parameters,
            states,
            entry,
            builtins,
            slide,
            steps: Vec::new(),
            forward_time: Duration::ZERO,
        })
    }

    /// Empties every state.
    pub fn reset(&self) -> Result<()> {
        self.for_states(&self.builtins.clear, &[])
    }

    /// Begins a sequence.
    pub fn add_sequence(&self, sequence: i64) -> Result<()> {
        self.for_states(&self.builtins.add, &[Arg::Int(sequence)])?;
        // The cache is the first of the states.
        let (Some(slide), Some(cache)) = (&self.slide, self.states.first()) else {
            return Ok(());
        };
        let metadata = self.model.metadata();
        let arguments = [
            Arg::Value(cache),
            Arg::Int(sequence),
            Arg::Int(metadata.sliding_window_size),
            Arg::Int(metadata.attention_sink_size.max(0)),
        ];
        slide.call(&arguments).map(drop)
    }

    /// True if one prefill can serve several sequences: an RNN state takes one.
    pub fn prefills_together(&self) -> bool {
        self.entry == Entry::Batch && self.model.rnn_constructor().is_none()
    }

    /// Longest prefill of one call.
    pub fn chunk_limit(&self) -> usize {
        usize::try_from(self.model.metadata().prefill_chunk_size).unwrap_or(1)
    }

    /// Time spent in forward calls and in copies of logits, which wait for the
    /// device. The rest of a step is what the host adds to it.
    pub fn forward_time(&self) -> Duration {
        self.forward_time
    }

    /// Reads tokens of one or more sequences; logits after each one's last.
    pub fn prefill(&mut self, pieces: &[Piece<'_>], logits: &mut Logits) -> Result<()> {
        let runtime = self.model.runtime();
        let ids: Vec<i32> = pieces.iter().flat_map(|p| p.tokens).copied().collect();
        let count = length(&ids)?;
        let embedded = self.embedded(&runtime.int32(&[count], &ids)?)?;
        let shape = runtime.shape(&[1, count, hidden(&embedded)])?;
        let embedded = self.reshaped(&embedded, &shape)?;
        let appended = Appended {
            sequences: runtime.shape(&pieces.iter().map(|p| p.sequence).collect::<Vec<_>>())?,
            lengths: {
                let lengths: Result<Vec<i64>> = pieces.iter().map(|p| length(p.tokens)).collect();
                runtime.shape(&lengths?)?
            },
        };
        let result = match self.entry {
            Entry::Batch => {
                let positions = last_positions(pieces)?;
                let positions = runtime.int32(&[length(pieces)?], &positions)?;
                self.forward(Phase::Prefill, &appended, &[&embedded, &positions])?
            }
            Entry::Single => {
                single(pieces.len())?;
                self.forward(Phase::Prefill, &appended, &[&embedded])?
            }
        };
        self.read_rows(&result, pieces.len(), logits)
    }

    /// One token for each of one or more sequences; the next logits of each.
    pub fn decode(&mut self, group: &[i64], tokens: &[i32], logits: &mut Logits) -> Result<()> {
        if group.len() != tokens.len() || group.is_empty() {
            return Err(Error::Unsupported(
                "decode takes exactly one token per sequence".to_owned(),
            ));
        }
        if self.entry == Entry::Single {
            single(group.len())?;
        }
        // Taken out for the call; a call that fails ends the row.
        let known = self.steps.iter().position(|step| step.group == group);
        let known = known.map(|index| self.steps.swap_remove(index));
        let (step, embedded) = match known {
            Some(step) => {
                self.model.runtime().write_int32(&step.ids, tokens)?;
                let embedded = self.embedded(&step.ids)?;
                (step, embedded)
            }
            None => self.first_step(group, tokens)?,
        };
        let embedded = self.reshaped(&embedded, &step.embedded)?;
        let result = self.forward(Phase::Decode, &step.appended, &[&embedded])?;
        self.steps.push(step);
        self.read_rows(&result, group.len(), logits)
    }

    /// The first decode call of a group also shows how wide embeddings are.
    fn first_step(&self, group: &[i64], tokens: &[i32]) -> Result<(Step, Tensor)> {
        let runtime = self.model.runtime();
        let count = length(tokens)?;
        let ids = runtime.int32(&[count], tokens)?;
        let embedded = self.embedded(&ids)?;
        let step = Step {
            group: group.to_vec(),
            ids,
            embedded: runtime.shape(&[count, 1, hidden(&embedded)])?,
            appended: Appended {
                sequences: runtime.shape(group)?,
                lengths: runtime.shape(&vec![1; group.len()])?,
            },
        };
        Ok((step, embedded))
    }

    /// `embed`: `[n, hidden]`.
    fn embedded(&self, ids: &Tensor) -> Result<Tensor> {
        let arguments = [Arg::Value(ids.value()), Arg::Value(&self.parameters)];
        runtime::tensor(self.embed.call(&arguments)?, self.embed.name())
    }

    fn reshaped(&self, tensor: &Tensor, shape: &Value) -> Result<Tensor> {
        let reshape = &self.builtins.reshape;
        let value = reshape.call(&[Arg::Value(tensor.value()), Arg::Value(shape)])?;
        runtime::tensor(value, reshape.name())
    }

    /// One forward call between `begin_forward` and `end_forward`.
    fn forward(&mut self, phase: Phase, appended: &Appended, inputs: &[&Tensor]) -> Result<Tensor> {
        let begin = [
            Arg::Value(&appended.sequences),
            Arg::Value(&appended.lengths),
        ];
        self.for_states(&self.builtins.begin, &begin)?;
        let function = match phase {
            Phase::Prefill => &self.prefill,
            Phase::Decode => &self.decode,
        };
        let mut args: Vec<Arg<'_>> = inputs.iter().map(|t| Arg::Value(t.value())).collect();
        args.extend(self.states.iter().map(Arg::Value));
        args.push(Arg::Value(&self.parameters));
        let start = Instant::now();
        let result = function.call(&args)?;
        self.forward_time += start.elapsed();
        self.for_states(&self.builtins.end, &[])?;
        let runtime = self.model.runtime();
        runtime::tensor(runtime.item(&result, 0)?, function.name())
    }

    /// The logits as one row of floats per sequence.
    fn read_rows(&mut self, tensor: &Tensor, sequences: usize, logits: &mut Logits) -> Result<()> {
        let start = Instant::now();
        let runtime = self.model.runtime();
        runtime.read_floats(tensor, &mut logits.floats)?;
        self.forward_time += start.elapsed();
        let vocabulary = tensor.shape().last().copied().unwrap_or(0);
        logits.width = usize::try_from(vocabulary).unwrap_or(0);
        let expected = logits.width.saturating_mul(sequences);
        if logits.width == 0 || logits.floats.values().len() != expected {
            return Err(Error::Tensor {
                detail: format!(
                    "logits of shape {:?} for {sequences} sequences",
                    tensor.shape()
                ),
            });
        }
        Ok(())
    }

    fn for_states(&self, function: &Function, arguments: &[Arg<'_>]) -> Result<()> {
        for state in &self.states {
            let mut args = vec![Arg::Value(state)];
            args.extend_from_slice(arguments);
            function.call(&args)?;
        }
        Ok(())
    }
}

impl Builtins {
    fn new(runtime: &Runtime) -> Result<Builtins> {
        let [clear, add, begin, end, reshape] = REGISTERED;
        let get = |name| runtime.registered(name, "drive the model's states");
        Ok(Builtins {
            clear: get(clear)?,
            add: get(add)?,
            begin: get(begin)?,
            end: get(end)?,
            reshape: get(reshape)?,
        })
    }
}

fn create_cache(model: &Model<'_>, create: &Function, capacity: Capacity) -> Result<Value> {
    let metadata = model.metadata();
    let sizes = [
        capacity.sequences,
        capacity.tokens,
        metadata.prefill_chunk_size,
        PAGE_SIZE,
        i64::from(metadata.sliding_window_size > 0),
    ];
    call_with_shapes(model.runtime(), create, &sizes)
}

/// State constructors take every number as a shape of one element.
fn call_with_shapes(runtime: &Runtime, create: &Function, sizes: &[i64]) -> Result<Value> {
    let shapes = sizes
        .iter()
        .map(|&size| runtime.shape(&[size]))
        .collect::<Result<Vec<Value>>>()?;
    create.call_values(&shapes)
}

/// Index of each piece's last token in the joined tokens.
fn last_positions(pieces: &[Piece<'_>]) -> Result<Vec<i32>> {
    let mut end = 0i32;
    pieces
        .iter()
        .map(|piece| {
            let count = i32::try_from(piece.tokens.len()).ok().filter(|c| *c > 0);
            end = count
                .and_then(|c| end.checked_add(c))
                .ok_or_else(|| Error::Unsupported("a prompt has no tokens".to_owned()))?;
            Ok(end.saturating_sub(1))
        })
        .collect()
}

/// The last dimension.
fn hidden(embedded: &Tensor) -> i64 {
    embedded.shape().last().copied().unwrap_or(0)
}

fn single(sequences: usize) -> Result<()> {
    match sequences {
        1 => Ok(()),
        _ => Err(Error::Unsupported(
            "`prefill` and `decode` serve one sequence; use entry = \"batch\"".to_owned(),
        )),
    }
}

fn length<T>(slice: &[T]) -> Result<i64> {
    i64::try_from(slice.len()).map_err(|_| Error::Unsupported("too many tokens".to_owned()))
}
