//! AC105 kv-cache-config: 5 or 6 elements in the constructor's config shape.

use super::{Check, Outcome, Pair, Program, Rule};
use crate::finding::{Finding, Location, Repair, Severity};
use crate::runtime::any_of;
use crate::vm::kv_cache::{CREATE, ConfigShape, KvCacheCreate, Sliding};

pub(super) static RULE: Rule = Rule {
    code: "AC105",
    name: "kv-cache-config",
    severity: Severity::Error,
    summary: "the KV-cache configuration has a length that the runtime rejects",
    explain: include_str!("ac105_kv_cache_config.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    if let Some(why) = pair.hidden_cache() {
        out.undecided(
            &RULE,
            format!("the length of the KV-cache config is not known: {why}"),
        );
    }
    for program in &pair.facts.programs {
        for cache in &program.kv_caches {
            let (configs, why) = cache.config.parts();
            let Some(accepted) = &pair.runtime.cache_config_lengths.value else {
                return out.undecided(
                    &RULE,
                    "the config lengths that this runtime accepts are not known",
                );
            };
            if let Some(why) = why {
                out.undecided(&RULE, program.not_followed(cache, 0, why));
            }
            let is_taken = |config: &&ConfigShape| {
                u64::try_from(config.declared).is_ok_and(|length| accepted.contains(&length))
            };
            let is_some_taken = configs.iter().any(|config| is_taken(&config));
            for config in configs.iter().filter(|config| !is_taken(config)) {
                let length = config.declared;
                let accepted = any_of(accepted);
                if is_some_taken {
                    let why = format!(
                        "by the way that the code takes it has {length} elements, which this runtime rejects, or {accepted}"
                    );
                    out.undecided(&RULE, program.not_followed(cache, 0, &why));
                    continue;
                }
                let finding = pair
                    .finding(&RULE, format!("the KV-cache config has {length} elements, but this runtime takes {accepted}"))
                    .at(Location {
                        argument: Some(0),
                        constant: config.constant.map(|constant| constant as u64),
                        ..program.place(cache.function, config.instruction.or(Some(cache.instruction)))
                    })
                    .evidence(match config.constant {
                        Some(constant) => format!("argument 0 of `{CREATE}`, constant {constant} of {length} elements"),
                        None => format!("argument 0 of `{CREATE}`, built by vm.builtin.make_shape with {length} elements"),
                    });
                let sliding = cache.sliding(program.executable);
                if let (6, Sliding::Unknown(why)) = (length, &sliding) {
                    out.undecided(&RULE, program.not_followed(cache, 6, why));
                }
                let given = length.to_string();
                let words = pair.words(
                    "cache-config",
                    &[("length", &given), ("accepted", &accepted)],
                );
                let finding = finding.says_known(words);
                let finding = match length {
                    6 => repaired(finding, sliding, in_place(program, cache, config)),
                    _ => finding.help("compile the library with the runtime's TVM"),
                };
                pair.hold(&pair.runtime.cache_config_lengths, finding, out);
            }
        }
    }
}

/// Why a config cannot be shortened in the file, where that is so.
fn in_place(
    program: &Program<'_>,
    cache: &KvCacheCreate,
    config: &ConfigShape,
) -> Result<(), &'static str> {
    let function = program.executable.functions.get(cache.function);
    let function = function.ok_or("the function that creates the cache is not in the table")?;
    config.built_in(function).map(drop)
}

/// The sixth element is the window of layers that slide on their own: only where none
/// does can it go.
fn repaired(finding: Finding, sliding: Sliding, in_place: Result<(), &'static str>) -> Finding {
    match (sliding, in_place) {
        (Sliding::None, Err(why)) => finding
            .evidence(why)
            .help("a shim drops the sixth element at load: `artcheck patch shim --runtime RUNTIME --for FILE --out libshim.so`; or compile the library with the runtime's TVM")
            .repair(&[Repair::Shim]),
        (Sliding::None, Ok(())) => finding
            .help("`artcheck fix FILE --runtime RUNTIME` drops the sixth element where no layer slides; a shim does it at load")
            .repair(&[Repair::Shim, Repair::InPlace]),
        (Sliding::Layer(layer), _) => finding
            .evidence(format!("layer {layer} has a sliding window of its own, which this runtime cannot compute as it was compiled"))
            .help("compile the library with the runtime's TVM"),
        (Sliding::Unknown(_), _) => finding
            .help("whether a layer slides on its own is not known: compile the library with the runtime's TVM, or use a shim, which raises an error where one does")
            .repair(&[Repair::Shim]),
    }
}
