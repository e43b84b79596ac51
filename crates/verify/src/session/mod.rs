//! Model sessions: a model library driven the way mlc-llm's engine drives it.
//!
//! [`model`] loads the library, initialises its VM and reads `_metadata`;
//! [`decoder`] runs models with states (KV cache, RNN state or both);
//! [`embedder`] runs embedding models; [`calls`] calls functions one by one; [`generate`] is the loop over prompts.
//!
//! Facts: function names, parameter order and call sequence of mlc-llm's
//! engine, as written down in the project's notes on engine calls.

pub mod calls;
pub mod decoder;
pub mod embedder;
pub mod generate;
pub mod metadata;
pub mod model;

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a model keeps between calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A paged KV cache (Qwen3, Llama).
    KvCache,
    /// A KV cache and an RNN state (Qwen3.5).
    Hybrid,
    /// An RNN state alone (RWKV).
    RnnState,
    /// Nothing: text in, vectors out (bge-m3).
    Embedding,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::KvCache => "kv_cache",
            Kind::Hybrid => "hybrid",
            Kind::RnnState => "rnn_state",
            Kind::Embedding => "embedding",
        })
    }
}

/// Which of the library's entry points are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// `batch_prefill` and `batch_decode`.
    #[default]
    Batch,
    /// `prefill` and `decode`.
    Single,
}

/// How several prompts of one row share the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// One call serves one sequence; the sequences take turns.
    #[default]
    Interleaved,
    /// One call serves all sequences (but models with an RNN state prefill one
    /// at a time, as in the engine).
    Batched,
}
