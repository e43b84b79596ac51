//! Models with states: create them, prefill, decode, reset.

use crate::error::{Error, Result};
use crate::ffi::{Arg, Function, Tensor, Value};
use crate::runtime::{self, Runtime};

use super::Entry;
use super::model::Model;

/// Registered functions that models with states need.
pub const REGISTERED: [&str; 6] = [
    "vm.builtin.kv_state_clear",
    "vm.builtin.kv_state_add_sequence",
    "vm.builtin.kv_state_remove_sequence",
    "vm.builtin.kv_state_begin_forward",
    "vm.builtin.kv_state_end_forward",
    "vm.builtin.reshape",
];

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
}

struct Builtins {
    clear: Function,
    add: Function,
    remove: Function,
    begin: Function,
    end: Function,
    reshape: Function,
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
        let mut states = Vec::new();
        if let Some(create) = model.cache_constructor() {
            states.push(create_cache(model, create, capacity)?);
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
        })
    }

    /// Empties every state.
    pub fn reset(&self) -> Result<()> {
        self.for_states(&self.builtins.clear, &[])
    }

    /// Begins a sequence.
    pub fn add_sequence(&self, sequence: i64) -> Result<()> {
        self.for_states(&self.builtins.add, &[Arg::Int(sequence)])
    }

    /// Ends a sequence.
    pub fn remove_sequence(&self, sequence: i64) -> Result<()> {
        self.for_states(&self.builtins.remove, &[Arg::Int(sequence)])
    }

    /// True if one prefill can serve several sequences: an RNN state takes one.
    pub fn prefills_together(&self) -> bool {
        self.entry == Entry::Batch && self.model.rnn_constructor().is_none()
    }

    /// Longest prefill of one call.
    pub fn chunk_limit(&self) -> usize {
        usize::try_from(self.model.metadata().prefill_chunk_size).unwrap_or(1)
    }

    /// Reads tokens of one or more sequences; logits after each one's last.
    pub fn prefill(&self, pieces: &[Piece<'_>]) -> Result<Vec<Vec<f32>>> {
        let ids: Vec<i32> = pieces.iter().flat_map(|p| p.tokens).copied().collect();
        let count = length(&ids)?;
        let embeddings = self.embeddings(&ids, &[1, count])?;
        let logits = match self.entry {
            Entry::Batch => {
                let positions = last_positions(pieces)?;
                let dims = [length(pieces)?];
                let positions = self.model.runtime().int32(&dims, &positions)?;
                self.forward(&self.prefill, pieces, &[&embeddings, &positions])?
            }
            Entry::Single => {
                single(pieces)?;
                self.forward(&self.prefill, pieces, &[&embeddings])?
            }
        };
        self.rows(&logits, pieces.len())
    }

    /// One token for each of one or more sequences; the next logits of each.
    pub fn decode(&self, pieces: &[Piece<'_>]) -> Result<Vec<Vec<f32>>> {
        let ids: Vec<i32> = pieces.iter().flat_map(|p| p.tokens).copied().collect();
        if ids.len() != pieces.len() {
            return Err(Error::Unsupported(
                "decode takes exactly one token per sequence".to_owned(),
            ));
        }
        if self.entry == Entry::Single {
            single(pieces)?;
        }
        let embeddings = self.embeddings(&ids, &[length(&ids)?, 1])?;
        let logits = self.forward(&self.decode, pieces, &[&embeddings])?;
        self.rows(&logits, pieces.len())
    }

    /// `embed`, reshaped to the given leading dimensions.
    fn embeddings(&self, ids: &[i32], leading: &[i64]) -> Result<Tensor> {
        let runtime = self.model.runtime();
        let ids = runtime.int32(&[length(ids)?], ids)?;
        let value = self
            .embed
            .call(&[Arg::Value(ids.value()), Arg::Value(&self.parameters)])?;
        let embedded = runtime::tensor(value, self.embed.name())?;
        let hidden = embedded.shape().last().copied().unwrap_or(0);
        let mut dims = leading.to_vec();
        dims.push(hidden);
        let shape = runtime.shape(&dims)?;
        let reshape = &self.builtins.reshape;
        let value = reshape.call(&[Arg::Value(embedded.value()), Arg::Value(&shape)])?;
        runtime::tensor(value, reshape.name())
    }

    /// One forward call between `begin_forward` and `end_forward`.
    fn forward(
        &self,
        function: &Function,
        pieces: &[Piece<'_>],
        inputs: &[&Tensor],
    ) -> Result<Tensor> {
        let runtime = self.model.runtime();
        let sequences: Vec<i64> = pieces.iter().map(|p| p.sequence).collect();
        let lengths = pieces
            .iter()
            .map(|p| length(p.tokens))
            .collect::<Result<Vec<i64>>>()?;
        let (sequences, lengths) = (runtime.shape(&sequences)?, runtime.shape(&lengths)?);
        let appended = [Arg::Value(&sequences), Arg::Value(&lengths)];
        self.for_states(&self.builtins.begin, &appended)?;
        let mut args: Vec<Arg<'_>> = inputs.iter().map(|t| Arg::Value(t.value())).collect();
        args.extend(self.states.iter().map(Arg::Value));
        args.push(Arg::Value(&self.parameters));
        let result = function.call(&args)?;
        self.for_states(&self.builtins.end, &[])?;
        runtime::tensor(runtime.item(&result, 0)?, function.name())
    }

    /// The logits as one row of floats per sequence.
    fn rows(&self, logits: &Tensor, sequences: usize) -> Result<Vec<Vec<f32>>> {
        let floats = self.model.runtime().floats(logits)?;
        let vocabulary = logits.shape().last().copied().unwrap_or(0);
        let width = usize::try_from(vocabulary).unwrap_or(0);
        if width == 0 || floats.len() != width.saturating_mul(sequences) {
            return Err(Error::Tensor {
                detail: format!(
                    "logits of shape {:?} for {sequences} sequences",
                    logits.shape()
                ),
            });
        }
        if sequences == 1 {
            return Ok(vec![floats]);
        }
        Ok(floats.chunks(width).map(<[f32]>::to_vec).collect())
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
        let [clear, add, remove, begin, end, reshape] = REGISTERED;
        let get = |name| runtime.registered(name, "drive the model's states");
        Ok(Builtins {
            clear: get(clear)?,
            add: get(add)?,
            remove: get(remove)?,
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

fn single(pieces: &[Piece<'_>]) -> Result<()> {
    match pieces {
        [_] => Ok(()),
        _ => Err(Error::Unsupported(
            "`prefill` and `decode` serve one sequence; use entry = \"batch\"".to_owned(),
        )),
    }
}

fn length<T>(slice: &[T]) -> Result<i64> {
    i64::try_from(slice.len()).map_err(|_| Error::Unsupported("too many tokens".to_owned()))
}
