//! Which TVM a library was built with, as far as its own bytes tell.
//!
//! No artifact names its compiler and `VM_VERSION` never changed, so the span
//! is the intersection of what each property allows (docs/formats.md#generations;
//! each is detected on its own because snapshots between releases mix them).

use serde::Serialize;

use crate::module::{Blob, BlobLayout, ModelLibrary, Payload, PayloadOrder, SymbolGeneration};
use crate::vm::{ConstantTable, Magic};

/// Known releases with a Relax VM, oldest first.
pub const RELEASES: &[&str] = &[
    "0.16", "0.17", "0.18", "0.19", "0.20", "0.21", "0.22", "0.23", "0.24", "0.25", "0.26", "0.27",
];

/// A span of releases a library can have been built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// First release that writes all this library shows.
    pub from: &'static str,
    /// Last release that does.
    pub to: &'static str,
    /// The properties contradict each other: a snapshot between releases, or edited.
    pub mixed: bool,
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.mixed {
            return f.write_str("no one release (a snapshot between releases, or edited)");
        }
        if self.from == self.to {
            write!(f, "TVM {}", self.from)
        } else {
            write!(f, "TVM {} to {}", self.from, self.to)
        }
    }
}

/// The span of releases that write what this library shows.
pub fn epoch(
    library: &ModelLibrary,
    blob: &Blob,
    tags: &[&str],
    config_length: Option<u64>,
) -> Epoch {
    let mut span = Span {
        first: 0,
        last: RELEASES.len().saturating_sub(1),
    };
    match library.symbols {
        SymbolGeneration::DevMblob => span.keep("0.16", "0.20"),
        SymbolGeneration::FfiLibraryBin => span.keep("0.21", "0.21"),
        SymbolGeneration::FfiUnderscoreLibraryBin => span.keep("0.22", "0.27"),
        SymbolGeneration::Unknown => {}
    }
    match blob.layout {
        BlobLayout::CountFirst => span.keep("0.16", "0.21"),
        BlobLayout::TreeFirst => span.keep("0.22", "0.27"),
        BlobLayout::Bare => {}
    }
    for (slot, first, last) in [
        ("__TVMFuncCall", "0.16", "0.20"),
        ("__TVMFFIFunctionCall", "0.21", "0.27"),
        ("__TVMBackendGetFuncFromEnv", "0.16", "0.25"),
        ("__TVMFFIEnvModLookupFromImports", "0.26", "0.27"),
        ("__TVMFFIHandleInitOnce", "0.26", "0.27"),
    ] {
        if library.slots.iter().any(|defined| defined == slot) {
            span.keep(first, last);
        }
    }
    for module in &blob.modules {
        match (module.kind.as_str(), &module.payload) {
            ("relax.Executable", _) => span.keep("0.16", "0.19"),
            ("relax.VMExecutable", _) => span.keep("0.20", "0.27"),
            _ => {}
        }
        if let Payload::Device(device) = &module.payload {
            match device.order {
                PayloadOrder::Before24 => span.keep("0.16", "0.23"),
                PayloadOrder::Since24 => span.keep("0.24", "0.27"),
                PayloadOrder::Stable => {}
            }
        }
    }
    for (_, executable) in blob.executables() {
        match executable.magic {
            Magic::V1 => span.keep("0.16", "0.22"),
            Magic::V2 => span.keep("0.23", "0.27"),
        }
        match executable.constant_table {
            ConstantTable::Classic => span.keep("0.16", "0.20"),
            ConstantTable::Ffi21 => span.keep("0.21", "0.21"),
            ConstantTable::Ffi22 => span.keep("0.22", "0.27"),
            ConstantTable::AnyFfi => span.keep("0.21", "0.27"),
            ConstantTable::Any => {}
        }
    }
    for tag in tags {
        match *tag {
            "tir" => span.keep("0.20", "0.23"),
            "tirx" => span.keep("0.24", "0.27"),
            _ => {}
        }
    }
    if config_length == Some(6) {
        span.keep("0.27", "0.27");
    }
    span.into_epoch()
}

struct Span {
    first: usize,
    last: usize,
}

impl Span {
    fn keep(&mut self, from: &str, to: &str) {
        let place = |name: &str| RELEASES.iter().position(|release| *release == name);
        if let (Some(from), Some(to)) = (place(from), place(to)) {
            self.first = self.first.max(from);
            self.last = self.last.min(to);
        }
    }

    fn into_epoch(self) -> Epoch {
        match (RELEASES.get(self.first), RELEASES.get(self.last)) {
            (Some(from), Some(to)) if self.first <= self.last => Epoch {
                from,
                to,
                mixed: false,
            },
            _ => Epoch {
                from: "",
                to: "",
                mixed: true,
            },
        }
    }
}
