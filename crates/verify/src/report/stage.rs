//! The stages of a row, in order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a row has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The files that will be loaded are checked without running them.
    LoadSet,
    /// The runtime's libraries and the model library are opened.
    Dlopen,
    /// The runtime reads the modules inside the model library.
    Module,
    /// The VM is created and resolves every function it names.
    Vm,
    /// Weights are read or made.
    Weights,
    /// KV cache and RNN state are created.
    Cache,
    /// Functions are called one by one.
    Call,
    /// Prompts are read.
    Prefill,
    /// Tokens are generated.
    Decode,
    /// Answers are compared.
    Compare,
    /// The process ends.
    Exit,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::LoadSet => "load set",
            Stage::Dlopen => "dlopen",
            Stage::Module => "module",
            Stage::Vm => "vm",
            Stage::Weights => "weights",
            Stage::Cache => "cache",
            Stage::Call => "call",
            Stage::Prefill => "prefill",
            Stage::Decode => "decode",
            Stage::Compare => "compare",
            Stage::Exit => "exit",
        })
    }
}
