//! AC101 attention-tag: `"tir"`, `"tirx"`, `"flashinfer"` at the five places
//! where the runtime compares the tag of a kernel tuple.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Outcome, Pair, Program, Rule};
use crate::finding::{Finding, Location, Repair, Severity};
use crate::runtime::{SiteTags, TagSite};
use crate::vm::kv_cache::{KernelSite, KernelValue, KvCacheCreate};

pub(super) static RULE: Rule = Rule {
    code: "AC101",
    name: "attention-tag",
    severity: Severity::Error,
    summary: "attention kernels carry a tag, or come in a form, that the runtime does not accept",
    explain: include_str!("ac101_attention_tag.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Pair(check)];

/// The match site behind each constructor argument (docs/formats.md#attention-tags).
fn site_of(argument: usize) -> Option<TagSite> {
    Some(match argument {
        15 => TagSite::RaggedPrefill,
        16 | 18 | 22 => TagSite::PagedPrefill,
        17 | 19 => TagSite::PagedDecode,
        20 => TagSite::PagedTreeMask,
        21 => TagSite::RaggedTreeMask,
        _ => return None,
    })
}

fn name(site: TagSite) -> &'static str {
    match site {
        TagSite::PagedPrefill => "paged prefill",
        TagSite::RaggedPrefill => "ragged prefill",
        TagSite::PagedDecode => "paged decode",
        TagSite::PagedTreeMask => "paged prefill with tree mask",
        TagSite::RaggedTreeMask => "ragged prefill with tree mask",
    }
}

fn check(pair: &Pair<'_>, out: &mut Outcome) {
    for program in &pair.facts.programs {
        for cache in &program.kv_caches {
            check_cache(pair, program, cache, out);
        }
    }
    let accepted = pair.runtime.attention_tags.value.as_ref();
    if accepted.is_none_or(|tags| !tags.is_empty())
        && let Some(why) = pair.hidden_cache()
    {
        out.undecided(
            &RULE,
            format!("which attention tags are used is not known: {why}"),
        );
    }
}

/// A tuple the runtime rejects.
struct Rejected<'a> {
    site: TagSite,
    tag: &'a str,
    length: u64,
    location: Location,
}

fn check_cache(pair: &Pair<'_>, program: &Program<'_>, cache: &KvCacheCreate, out: &mut Outcome) {
    // Bare functions instead of tuples: AC104 reports the other constructor.
    if cache.sites.is_empty() || cache.takes_functions() {
        return;
    }
    let Some(accepted) = &pair.runtime.attention_tags.value else {
        return out.undecided(
            &RULE,
            "the attention tags that this runtime accepts are not known",
        );
    };
    if accepted.is_empty() {
        // Before 0.20 there are no tags: AC104 reports the other constructor.
        return;
    }
    let mut rejected: BTreeMap<(&str, bool), Vec<Rejected<'_>>> = BTreeMap::new();
    for site in &cache.sites {
        let Some(match_site) = site_of(site.argument) else {
            continue;
        };
        let Some(tags) = accepted.get(&match_site) else {
            continue;
        };
        for tuple in rejected_at(pair, program, cache, (site, match_site), tags, out) {
            let has_tag = tags.contains_key(tuple.tag);
            rejected
                .entry((tuple.tag, has_tag))
                .or_default()
                .push(tuple);
        }
    }
    for ((tag, known_tag), tuples) in rejected {
        let finding = report(pair, accepted, tag, known_tag, &tuples);
        pair.hold(&pair.runtime.attention_tags, finding, out);
    }
}

/// The tuples at one argument that the runtime rejects, whatever way the code takes.
fn rejected_at<'c>(
    pair: &Pair<'_>,
    program: &Program<'_>,
    cache: &KvCacheCreate,
    (site, match_site): (&'c KernelSite, TagSite),
    tags: &SiteTags,
    out: &mut Outcome,
) -> Vec<Rejected<'c>> {
    let (values, why) = site.value.parts();
    let mut unknown: Vec<String> = why.into_iter().map(str::to_owned).collect();
    let is_taken = |tag: &str, length: usize| {
        let lengths = tags.get(tag);
        lengths.is_some_and(|lengths| lengths.contains(&(length as u64)))
    };
    let is_some_taken = values.iter().any(
        |value| matches!(value, KernelValue::Tagged { tag, length, .. } if is_taken(tag, *length)),
    );
    let mut rejected = Vec::new();
    for value in values {
        match value {
            KernelValue::Tagged { tag, length, .. } if is_taken(tag, *length) => {}
            KernelValue::Tagged { tag, .. } if is_some_taken => unknown.push(format!(
                "by the way that the code takes it is a tuple tagged \"{tag}\", which this runtime rejects, or one that it accepts"
            )),
            KernelValue::Tagged {
                instruction,
                constant,
                tag,
                length,
            } => rejected.push(Rejected {
                site: match_site,
                tag,
                length: *length as u64,
                location: Location {
                    offset: pair.offset_of(program, *constant),
                    argument: Some(site.argument as u64),
                    constant: Some(*constant as u64),
                    ..program.place(cache.function, Some(*instruction))
                },
            }),
            KernelValue::Untagged { .. } | KernelValue::Function { .. } => {
                unknown.push(String::from("a tuple without a tag"));
            }
            KernelValue::Empty { .. } | KernelValue::Absent => {}
        }
    }
    for why in unknown {
        out.undecided(&RULE, program.not_followed(cache, site.argument, &why));
    }
    rejected
}

fn report(
    pair: &Pair<'_>,
    accepted: &BTreeMap<TagSite, SiteTags>,
    tag: &str,
    known_tag: bool,
    tuples: &[Rejected<'_>],
) -> Finding {
    let mut sites: Vec<TagSite> = tuples.iter().map(|tuple| tuple.site).collect();
    sites.sort_unstable();
    sites.dedup();
    let message = if known_tag {
        let [tuples, have] = match sites.len() {
            1 => ["tuple", "has"],
            _ => ["tuples", "have"],
        };
        format!(
            "{} \"{tag}\" {tuples} of attention kernels {have} a length that this runtime does not accept",
            sites.len()
        )
    } else {
        let names: BTreeSet<&str> = sites
            .iter()
            .filter_map(|site| accepted.get(site))
            .flat_map(|tags| tags.keys().map(String::as_str))
            .collect();
        let of_trees = [TagSite::PagedTreeMask, TagSite::RaggedTreeMask];
        let (kernels, there) = match sites.iter().all(|site| of_trees.contains(site)) {
            true => ("tree-mask kernels", " for tree masks"),
            false => ("attention kernels", ""),
        };
        format!(
            "{kernels} are tagged \"{tag}\"; this runtime accepts {}{there}",
            quoted(&names)
        )
    };
    let mut finding = pair.finding(&RULE, message);
    for site in sites {
        let arguments: Vec<String> = tuples
            .iter()
            .filter(|tuple| tuple.site == site)
            .filter_map(|tuple| tuple.location.argument)
            .map(|argument| argument.to_string())
            .collect();
        let given = tuples
            .iter()
            .find(|tuple| tuple.site == site)
            .map_or(0, |tuple| tuple.length);
        let takes = accepted.get(&site).map(spell).unwrap_or_default();
        finding = finding.evidence(format!(
            "{}: {} (\"{tag}\", ...) of length {given}; accepted: {takes}",
            name(site),
            match &arguments[..] {
                [one] => format!("argument {one} is a tuple"),
                several => format!("arguments {} are tuples", several.join(", ")),
            }
        ));
    }
    for tuple in tuples {
        finding = finding.at(tuple.location.clone());
    }
    if known_tag {
        return finding
            .says_known(length_words(pair, accepted, tuples))
            .help("compile the library with the runtime's TVM: the kernels take other arguments");
    }
    let finding = finding.says_known(pair.words("attention-tag", &[]));
    match pair_of(tag).filter(|other| accepted.values().any(|tags| tags.contains_key(*other))) {
        Some(other) => finding
            .help(format!("`artcheck patch retag FILE --to {other} --in-place` changes the artifact; or load a shim (`artcheck patch shim`), or patch the runtime's source (`artcheck patch source`)"))
            .repair(&[Repair::InPlace, Repair::Shim, Repair::Source]),
        None => finding.help("compile the library with an attention backend this runtime has"),
    }
}

fn quoted(names: &BTreeSet<&str>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match names.as_slice() {
        [] => String::from("none"),
        [only] => format!("only {only}"),
        names => names.join(" or "),
    }
}

/// `tir` and `tirx` name the same kernels in two generations.
fn pair_of(tag: &str) -> Option<&'static str> {
    match tag {
        "tir" => Some("tirx"),
        "tirx" => Some("tir"),
        _ => None,
    }
}

fn spell(tags: &SiteTags) -> String {
    let words: Vec<String> = tags
        .iter()
        .map(|(tag, lengths)| {
            format!(
                "(\"{tag}\", ...) of length {}",
                lengths
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(" or ")
            )
        })
        .collect();
    words.join(", ")
}

/// The check that fails first: the runtime takes the arguments in order.
fn length_words(
    pair: &Pair<'_>,
    accepted: &BTreeMap<TagSite, SiteTags>,
    tuples: &[Rejected<'_>],
) -> Option<String> {
    let tuple = tuples.iter().min_by_key(|tuple| tuple.location.argument)?;
    let lengths = accepted
        .get(&tuple.site)
        .and_then(|tags| tags.get(tuple.tag));
    let lengths: Vec<u64> = lengths.into_iter().flatten().copied().collect();
    if let [one] = lengths[..] {
        let (one, given) = (one.to_string(), tuple.length.to_string());
        return pair.words("tag-length", &[("length", &one), ("given", &given)]);
    }
    let any: Vec<String> = lengths
        .iter()
        .map(|length| format!("args.size() == {length}"))
        .collect();
    pair.words("tag-lengths", &[("any", &any.join(" || "))])
}
