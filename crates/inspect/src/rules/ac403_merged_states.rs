//! AC403 merged-states: TVM's kernel that merges two attention states for a GPU lets a
//! thread store what others have yet to read, where a head takes more threads than go in
//! step.

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::finding::{Finding, Location, Severity};
use crate::module::{Blob, DevicePayload, ModelLibrary, Module, Payload, StateMerge};
use crate::vm::Executable;
use crate::vm::kv_cache::{CREATE, KvCacheCreate, kv_caches};

pub(super) static RULE: Rule = Rule {
    code: "AC403",
    name: "merged-states",
    severity: Severity::Warning,
    summary: "the GPU kernel that merges attention states stores without waiting for the threads that read: with heads of 256 or 96, say, answers may be wrong",
    explain: include_str!("ac403_merged_states.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check)];

/// Threads that go in step on Apple's and NVIDIA's GPUs, and most others.
const IN_STEP: i64 = 32;
/// What TVM puts behind the name of a function for that of its kernel.
const KERNEL: &str = "_kernel";

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    for library in &context.artifact.libraries {
        let Ok(blob) = &library.blob else { continue };
        if devices(blob).all(|(_, device)| device.merges.is_empty()) {
            continue;
        }
        for (_, executable) in library.programs(blob) {
            for cache in kv_caches(executable) {
                of_cache(context, library, blob, (executable, &cache), out);
            }
        }
    }
}

fn devices(blob: &Blob) -> impl Iterator<Item = (&Module, &DevicePayload)> {
    blob.modules
        .iter()
        .filter_map(|module| match &module.payload {
            Payload::Device(device) => Some((module, device)),
            _ => None,
        })
}

fn of_cache(
    context: &ArtifactContext<'_>,
    library: &ModelLibrary,
    blob: &Blob,
    (executable, cache): (&Executable, &KvCacheCreate),
    out: &mut Outcome,
) {
    let Some(merging) = cache.merging(executable) else {
        return;
    };
    let named = |function: usize| executable.functions.get(function);
    let Some(function) = named(merging.function) else {
        return;
    };
    let prefix = library.prefix.as_deref().unwrap_or_default();
    let name = function.name.strip_prefix(prefix).unwrap_or(&function.name);
    let is_its = |merge: &&StateMerge| merge.kernel.strip_suffix(KERNEL) == Some(name);
    for (module, device) in devices(blob) {
        let Some(merge) = device
            .merges
            .iter()
            .find(is_its)
            .filter(|merge| !merge.waits)
        else {
            continue;
        };
        let threads = merging.width.checked_div(merge.elements).unwrap_or(0);
        if is_in_step(threads, merging.heads) {
            continue;
        }
        out.push(
            Finding::new(&RULE, &context.artifact.path, format!("the {} kernel `{}` stores each head's merged number while other threads may still read the old one: heads of {} take {threads} threads, which are not all among {IN_STEP} that go in step", module.kind, merge.kernel, merging.width))
                .at(Location {
                    function: named(cache.function).map(|function| function.name.clone()),
                    instruction: Some(cache.instruction),
                    argument: Some(5),
                    ..Location::default()
                })
                .evidence(format!("`{CREATE}` is given {} heads of {}; each thread of the kernel takes {} elements, and its source has no barrier", merging.heads, merging.width, merge.elements))
                .evidence("there is no message: where a sequence is read on (the next piece of a long prompt, the next turn, a fork), part of each head may be scaled by wrong numbers")
                .help("compile the library with a TVM that has the barrier (`artcheck patch source` makes the patch); until then let `prefill_chunk_size` be as large as the longest prompt, and read each conversation from its start"),
        );
    }
}

/// Whether the threads of every head are within one group that goes in step: threads are
/// counted on from one head to the next.
fn is_in_step(threads: i64, heads: i64) -> bool {
    threads <= 0 || threads <= IN_STEP && (heads == 1 || IN_STEP.checked_rem(threads) == Some(0))
}

#[cfg(test)]
mod tests {
    use super::is_in_step;

    #[test]
    fn heads_of_a_power_of_two_up_to_128_are_in_step() {
        for width in [32, 64, 128] {
            assert!(is_in_step(width / 4, 8), "{width}");
        }
        for width in [80, 96, 112, 192, 256, 512] {
            assert!(!is_in_step(width / 4, 8), "{width}");
        }
        assert!(is_in_step(96 / 4, 1));
    }
}
