//! Facts that a binary does not show, taken from the release table where every
//! known runtime with the same readable facts agrees on them.
//!
//! Two rounds: runtimes equal in everything that was read name a release; if
//! none is equal, runtimes of the same generation (slots, tags, executable
//! loader, C ABI) may still agree on a fact, and no release is named.

use std::collections::BTreeSet;

use super::release;
use super::{Confidence, Fact, RuntimeProfile};

/// Completes a profile read from a binary.
pub fn complete(profile: &mut RuntimeProfile) {
    let equal: Vec<&RuntimeProfile> = release::profiles()
        .iter()
        .filter(|known| same_generation(profile, known) && equal_facts(profile, known))
        .collect();
    if let Some(newest) = equal.iter().rev().find(|known| known.release.is_some()) {
        profile.release.clone_from(&newest.release);
    }
    let candidates = if equal.is_empty() {
        release::profiles()
            .iter()
            .filter(|known| same_generation(profile, known))
            .collect()
    } else {
        equal
    };
    profile.note = Some(describe(profile, &candidates));
    fill_all(profile, &candidates);
}

fn describe(profile: &RuntimeProfile, candidates: &[&RuntimeProfile]) -> String {
    let names: Vec<&str> = candidates.iter().map(|known| known.name.as_str()).collect();
    match (&profile.release, names.as_slice()) {
        (_, []) => "like no known release".to_owned(),
        (Some(release), _) => format!("like {release} in every fact that can be read"),
        (None, names) => format!("of the generation of {}", names.join(", ")),
    }
}

/// Agreement on what decides how a library is loaded and called.
fn same_generation(read: &RuntimeProfile, known: &RuntimeProfile) -> bool {
    let classic_api = |profile: &RuntimeProfile| {
        profile
            .c_symbols
            .value
            .as_ref()
            .map(|symbols| symbols.contains("TVMFuncCall"))
    };
    let executable = |profile: &RuntimeProfile| {
        profile
            .module_loaders
            .value
            .as_ref()
            .map(|kinds| kinds.contains("relax.VMExecutable"))
    };
    let tag_names = |profile: &RuntimeProfile| {
        profile.attention_tags.value.as_ref().map(|sites| {
            sites
                .values()
                .flat_map(|tags| tags.keys().cloned())
                .collect::<BTreeSet<String>>()
        })
    };
    agree(&classic_api(read), &classic_api(known))
        && agree(&executable(read), &executable(known))
        && agree(&tag_names(read), &tag_names(known))
        && agree(&read.context_slots.value, &known.context_slots.value)
}

/// Agreement on everything else that both sides know.
fn equal_facts(read: &RuntimeProfile, known: &RuntimeProfile) -> bool {
    let backend = |profile: &RuntimeProfile| {
        profile.c_symbols.value.as_ref().map(|symbols| {
            symbols
                .iter()
                .filter(|name| name.starts_with("TVMBackend"))
                .cloned()
                .collect::<BTreeSet<String>>()
        })
    };
    let constructors = |profile: &RuntimeProfile| {
        profile.builtin_arity.value.as_ref().map(|arity| {
            arity
                .iter()
                .filter(|(name, _)| name.starts_with("vm.builtin.paged_attention_kv_cache_create"))
                .map(|(name, counts)| (name.clone(), counts.clone()))
                .collect::<Vec<_>>()
        })
    };
    agree(&builtins(read, known), &builtins(known, known))
        && agree(&backend(read), &backend(known))
        && agree(&constructors(read), &constructors(known))
        && agree(&read.attention_tags.value, &known.attention_tags.value)
        && agree(&read.vm_magics.value, &known.vm_magics.value)
        && agree(&read.constant_table.value, &known.constant_table.value)
        && agree(
            &read.cache_config_lengths.value,
            &known.cache_config_lengths.value,
        )
}

/// Builtins without those that `known` says come from an extra part.
fn builtins(profile: &RuntimeProfile, known: &RuntimeProfile) -> Option<BTreeSet<String>> {
    profile.functions.value.as_ref().map(|functions| {
        functions
            .iter()
            .filter(|name| name.starts_with("vm.builtin."))
            .filter(|name| !known.provided_by.contains_key(*name))
            .cloned()
            .collect()
    })
}

/// Equal, or not known on one side.
fn agree<T: PartialEq>(read: &Option<T>, known: &Option<T>) -> bool {
    match (read, known) {
        (Some(read), Some(known)) => read == known,
        _ => true,
    }
}

fn fill_all(profile: &mut RuntimeProfile, candidates: &[&RuntimeProfile]) {
    fill(&mut profile.blob_symbols, candidates, |known| {
        &known.blob_symbols
    });
    fill(&mut profile.blob_layouts, candidates, |known| {
        &known.blob_layouts
    });
    fill(&mut profile.vm_magics, candidates, |known| &known.vm_magics);
    fill(&mut profile.vm_version, candidates, |known| {
        &known.vm_version
    });
    fill(&mut profile.constant_table, candidates, |known| {
        &known.constant_table
    });
    fill(&mut profile.constructor_style, candidates, |known| {
        &known.constructor_style
    });
    fill(&mut profile.cache_config_lengths, candidates, |known| {
        &known.cache_config_lengths
    });
    fill(&mut profile.payload_order, candidates, |known| {
        &known.payload_order
    });
    fill(&mut profile.function_info, candidates, |known| {
        &known.function_info
    });
    fill(&mut profile.calling_convention, candidates, |known| {
        &known.calling_convention
    });
    fill_arity(profile, candidates);
}

/// Takes a missing fact over if every candidate says the same.
fn fill<T: Clone + PartialEq>(
    fact: &mut Fact<T>,
    candidates: &[&RuntimeProfile],
    of: impl Fn(&RuntimeProfile) -> &Fact<T>,
) {
    let Some((first, others)) = candidates.split_first() else {
        return;
    };
    let value = &of(first).value;
    if fact.value.is_none()
        && value.is_some()
        && others.iter().all(|known| &of(known).value == value)
    {
        fact.value.clone_from(value);
        fact.source = Some(Confidence::Release);
        fact.note = Some(format!("release table: {}", names(candidates)));
    }
}

/// Adds the counts of builtins whose checks leave no text.
fn fill_arity(profile: &mut RuntimeProfile, candidates: &[&RuntimeProfile]) {
    let Some((first, others)) = candidates.split_first() else {
        return;
    };
    let known_by_all = first
        .builtin_arity
        .value
        .iter()
        .flatten()
        .filter(|(name, counts)| {
            others.iter().all(|known| {
                let arity = known.builtin_arity.value.as_ref();
                arity.and_then(|arity| arity.get(*name)) == Some(*counts)
            })
        });
    let was_read = profile.builtin_arity.value.is_some();
    let arity = profile.builtin_arity.value.get_or_insert_default();
    for (name, counts) in known_by_all {
        arity.entry(name.clone()).or_insert_with(|| counts.clone());
    }
    if arity.is_empty() {
        profile.builtin_arity = Fact::default();
        return;
    }
    let table = format!("release table: {}", names(candidates));
    if was_read {
        profile.builtin_arity.note = Some(format!(
            "constructors by the text of their check; others by the {table}"
        ));
    } else {
        profile.builtin_arity.source = Some(Confidence::Release);
        profile.builtin_arity.note = Some(table);
    }
}

fn names(candidates: &[&RuntimeProfile]) -> String {
    candidates
        .iter()
        .map(|known| known.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
