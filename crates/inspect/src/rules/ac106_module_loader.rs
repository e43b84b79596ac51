//! AC106 module-loader: a module of the tree that the runtime cannot load.

use std::collections::BTreeSet;

use super::{Check, Outcome, Pair, Rule};
use crate::container::Platform;
use crate::finding::{Location, Need, Severity};
use crate::module::BlobLayout;
use crate::runtime::history;
use crate::shown::article;

pub(super) static RULE: Rule = Rule {
    code: "AC106",
    name: "module-loader",
    severity: Severity::Error,
    summary: "the library holds a kind of module for which the runtime has no loader",
    explain: include_str!("ac106_module_loader.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    let Some(loaders) = &pair.runtime.module_loaders.value else {
        return out.undecided(&RULE, "the module loaders of this runtime are not known");
    };
    // A bare executable does not say its kind.
    if pair.blob.layout == BlobLayout::Bare {
        return;
    }
    let mut seen = BTreeSet::new();
    for module in &pair.blob.modules {
        let kind = module.kind.as_str();
        if kind == "_lib" || kind == "_import_tree" || !seen.insert(kind) {
            continue;
        }
        if loaders.contains(kind) {
            build_option(pair, kind, out);
            continue;
        }
        let finding = pair
            .finding(
                &RULE,
                format!(
                    "the library contains {} `{kind}` module, but the runtime has no loader for it",
                    article(kind)
                ),
            )
            .at(Location::at(pair.file_offset(module.payload_offset)))
            .evidence(format!(
                "loaders: {}",
                loaders
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ))
            .says_known(pair.words("missing-loader", &[("kind", kind)]))
            .help(remedy(kind));
        // A loader is registered like any function.
        let is_listed = pair.runtime.parts.is_empty() || pair.runtime.lists_every_function();
        let is_certain = is_listed && pair.runtime.module_loaders.is_certain();
        pair.hold_if(is_certain, finding, out);
    }
}

/// A release can be built with the loader; whether the one that is used was is not said.
fn build_option(pair: &Pair<'_>, kind: &str, out: &mut Outcome) {
    /// Loaders that releases are built without unless asked, except for these systems.
    const OPTIONS: [(&str, &[Platform]); 6] = [
        ("cuda", &[]),
        (
            "metal",
            &[Platform::MacOs, Platform::Ios, Platform::IosSimulator],
        ),
        ("opencl", &[Platform::Android]),
        ("vulkan", &[]),
        ("rocm", &[]),
        ("hexagon", &[Platform::Android]),
    ];
    let platform = pair.artifact.binary.as_ref().map(|binary| binary.platform);
    let of_kind = OPTIONS.iter().find(|(option, _)| *option == kind);
    let is_release = pair.runtime.parts.is_empty();
    let (Some(platform), Some((_, usual)), true) = (platform, of_kind, is_release) else {
        return;
    };
    if platform != Platform::Unknown && !usual.contains(&platform) {
        out.need(Need {
            library: format!("a runtime with the `{kind}` loader"),
            brought_by: match kind {
                // Its part in the releases' own wheels is not loaded without them.
                "cuda" => "a TVM that is built with USE_CUDA, where CUDA's runtime and NVIDIA's driver are".to_owned(),
                _ => format!("a TVM that is built with USE_{}", kind.to_uppercase()),
            },
        });
    }
}

/// The first release with a loader of this kind.
fn first_with(kind: &str) -> String {
    let having = history::when(|known| {
        let loaders = known.module_loaders.value.as_ref();
        loaders.is_some_and(|loaders| loaders.contains(kind))
    });
    let (first, _) = having.bounds().unwrap_or_default();
    format!("TVM {first}")
}

fn remedy(kind: &str) -> String {
    match kind {
        "relax.Executable" => {
            format!(
                "{} renamed this module kind to `relax.VMExecutable`: compile the library with the runtime's TVM",
                first_with("relax.VMExecutable")
            )
        }
        "relax.VMExecutable" => {
            format!(
                "the runtime is older than {} or was built without the Relax VM: use a newer one",
                first_with("relax.VMExecutable")
            )
        }
        "webgpu" => "webgpu modules run in a browser with the tvmjs runtime only".to_owned(),
        "metal" | "cuda" | "vulkan" | "opencl" | "rocm" | "hexagon" => format!(
            "load libtvm_runtime_{kind} beside libtvm_runtime where the runtime has a library per device, or use a runtime built with that device on"
        ),
        _ => "use a runtime that was built with this module kind".to_owned(),
    }
}
