//! What a run of the simulated device may be told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// In which order the threads of a simd-group run between two waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// First to last.
    #[default]
    Forward,
    /// Last to first: a kernel that lacks a barrier tends to give another answer.
    Reverse,
}

/// How kernels compute with floating-point numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// Each operation rounds, in the order that is written.
    #[default]
    Strict,
    /// Products and sums may become fused multiply-adds.
    Contracted,
    /// As fast mathematics allow: also another order, and denormals are zero.
    Fast,
}

impl Arithmetic {
    /// Its name in matrices and for the plug-in.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Contracted => "contracted",
            Self::Fast => "fast",
        }
    }
}

/// Options of [`crate::prepare`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Check every access: bounds, alignment, races between barriers, NaN
    /// stores, divergent barriers. Several times slower.
    pub guard: bool,
    /// The order of threads.
    pub order: Order,
    /// How kernels round.
    pub arithmetic: Arithmetic,
    /// Worker threads; `None` is one per core.
    pub threads: Option<u32>,
    /// The C++ compiler; `None` takes `CXX`, then `clang++`, then `g++`.
    pub compiler: Option<String>,
    /// Where the plug-in and compiled kernels are kept; `None` is the user's
    /// cache folder.
    pub cache: Option<PathBuf>,
    /// Where the plug-in writes its report when the process ends.
    pub report: Option<PathBuf>,
}

impl Options {
    /// Where built parts are kept.
    pub fn cache_folder(&self) -> PathBuf {
        if let Some(folder) = &self.cache {
            return folder.clone();
        }
        let base = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .unwrap_or_else(std::env::temp_dir);
        base.join("artcheck").join("metal-sim")
    }
}
