//! AC108 sliding-layers: from 0.27 on the runtime masks layers that have a sliding
//! window of their own in another way, and kernels compiled before it answer wrongly.
//!
//! The release that changed the mask also made the sixth element of the cache config,
//! in one commit. So a runtime that takes six has the new mask, and a library that
//! gives five was compiled for the old one.

use super::{Check, Outcome, Pair, Program, Rule};
use crate::finding::{Location, Severity};
use crate::runtime::ConstructorStyle;
use crate::vm::kv_cache::{CREATE, ConfigShape, KvCacheCreate, Sliding};

pub(super) static RULE: Rule = Rule {
    code: "AC108",
    name: "sliding-layers",
    severity: Severity::Error,
    summary: "some layers have a sliding window of their own, which TVM 0.27 masks differently from older releases: wrong numbers, no error",
    explain: include_str!("ac108_sliding_layers.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

/// Elements of the config that came with the new mask.
const WITH_WINDOW: u64 = 6;

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    let lengths = pair.runtime.cache_config_lengths.value.as_ref();
    if lengths.is_none_or(|accepted| accepted.contains(&WITH_WINDOW))
        && let Some(why) = pair.hidden_cache()
    {
        out.undecided(
            &RULE,
            format!("whether a layer has a sliding window of its own is not known: {why}"),
        );
    }
    for program in &pair.facts.programs {
        for cache in &program.kv_caches {
            if cache.only_slides(program.executable) {
                only_slides(pair, program, cache, out);
                continue;
            }
            let sliding = cache.sliding(program.executable);
            // Whoever gives six elements was compiled for the new mask; AC105 says the rest.
            if sliding == Sliding::None || gives(cache, WITH_WINDOW) {
                continue;
            }
            let Some(accepted) = &pair.runtime.cache_config_lengths.value else {
                out.undecided(
                    &RULE,
                    "how this runtime masks layers with a sliding window of their own is not known",
                );
                continue;
            };
            if !accepted.contains(&WITH_WINDOW) {
                continue;
            }
            match sliding {
                Sliding::Layer(layer) if gives(cache, 5) => {
                    let finding = pair.finding(&RULE, format!("layer {layer} has a sliding window of its own and was compiled for the mask of before 0.27; this runtime masks it otherwise"))
                        .at(Location {
                            argument: Some(6),
                            ..program.place(cache.function, Some(cache.instruction))
                        })
                        .evidence(format!("argument 6 of `{CREATE}`: attention kind 3 (mha_sliding) for layer {layer}; argument 0 has five elements"))
                        .evidence("there is no message: answers are wrong from the second prefill of a sequence on, the next part of a long prompt or the next turn; the first prefill and the decoding after it are right")
                        .help("compile the library with the runtime's TVM; no change of the file fixes it");
                    pair.hold(&pair.runtime.cache_config_lengths, finding, out);
                }
                Sliding::Layer(layer) => out.undecided(
                    &RULE,
                    format!("layer {layer} has a sliding window of its own, and whether it was compiled for this runtime's mask is not known: the length of its cache config is not"),
                ),
                Sliding::Unknown(why) => out.undecided(
                    &RULE,
                    format!("{}; so a layer may have a sliding window that this runtime masks otherwise", program.not_followed(cache, 6, &why)),
                ),
                Sliding::None => {}
            }
        }
    }
}

/// A cache without one layer that attends over everything: runtimes make room for the
/// queries of such layers alone, so attention of the others meets a missing tensor.
fn only_slides(pair: &Pair<'_>, program: &Program<'_>, cache: &KvCacheCreate, out: &mut Outcome) {
    if pair.runtime.constructor_style.value != Some(ConstructorStyle::Tuple) {
        return;
    }
    let finding = pair
        .finding(&RULE, "every layer has a sliding window of its own, which no runtime computes: each forward fails")
        .at(Location {
            argument: Some(6),
            ..program.place(cache.function, Some(cache.instruction))
        })
        .says_known(pair.words("only-sliding-layers", &[]))
        .help("give the whole sequence a window instead (`support_sliding_window`), or let one layer attend over everything");
    pair.hold(&pair.runtime.constructor_style, finding, out);
}

/// Whether the config is known to have that many elements, whatever way the code took.
fn gives(cache: &KvCacheCreate, length: u64) -> bool {
    let (configs, why) = cache.config.parts();
    let is_it = |config: &ConfigShape| u64::try_from(config.declared) == Ok(length);
    why.is_none() && configs.iter().all(is_it)
}
