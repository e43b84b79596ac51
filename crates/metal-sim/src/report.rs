//! What the plug-in says of a run.

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The report that the plug-in writes, and that the registered function
/// `artcheck.metal_sim.report` returns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Always `simulated`.
    pub device: String,
    /// Whether every access was checked.
    pub guard: bool,
    /// Kernels in the loaded libraries.
    pub kernels: u64,
    /// Kernels that ran at least once.
    pub ran: u64,
    /// Kernels that could not be compiled.
    pub not_compiled: u64,
    /// Time spent translating and compiling.
    pub compile_seconds: f64,
    /// The most device memory in use at once.
    pub peak_device_bytes: u64,
    /// Each kernel.
    pub list: Vec<KernelReport>,
}

/// One kernel of a [`Report`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelReport {
    /// The kernel's name.
    pub name: String,
    /// How often it was launched.
    pub calls: u64,
    /// How many threadgroups ran, all launches together.
    pub threadgroups: u64,
    /// Time spent in it.
    pub seconds: f64,
    /// Whether the compiled kernel was found in the cache.
    pub cached: bool,
    /// Whether the lanes of a simd-group ran at once, not one after the other.
    #[serde(default)]
    pub lanes: bool,
    /// Why it could not be compiled: line and reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Guard mode: its first read of memory that nothing had written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritten_read: Option<String>,
    /// Guard mode: its first division of an integer by zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_divisor: Option<String>,
}

impl Report {
    /// Reads the plug-in's JSON.
    pub fn parse(text: &str) -> Result<Report> {
        Ok(serde_json::from_str(text)?)
    }

    /// "138 of 142 kernels ran".
    pub fn coverage(&self) -> String {
        format!("{} of {} kernels ran", self.ran, self.kernels)
    }
}
