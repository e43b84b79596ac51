//! The attention tags of an executable, by what reaches the KV-cache
//! constructor, and the change of one into the other.

use std::collections::BTreeMap;

use artcheck_inspect::runtime::{RuntimeProfile, TagSite};
use artcheck_inspect::vm::calls::constant_uses;
use artcheck_inspect::vm::kv_cache::{KernelValue, kv_caches};
use artcheck_inspect::vm::{ConstantValue, Executable};

use super::PlanError;
use super::device_payload::era;
use super::splice::{Splice, index};
use crate::plan::{Change, EditPlan};

/// The two spellings of the same kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// `tir`: 0.20 to 0.23.
    Tir,
    /// `tirx`: from 0.24.
    Tirx,
}

impl Tag {
    /// As it stands in an artifact.
    pub fn text(self) -> &'static str {
        match self {
            Self::Tir => "tir",
            Self::Tirx => "tirx",
        }
    }

    /// The tag that `text` spells.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Tir, Self::Tirx]
            .into_iter()
            .find(|tag| tag.text() == text)
    }
}

impl std::str::FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::of(text).ok_or_else(|| format!("expected `tir` or `tirx`, found `{text}`"))
    }
}

/// The tags in use: pool index to text and the tuples that begin with it.
#[derive(Debug, Default)]
pub(super) struct Tags {
    pub(super) constants: BTreeMap<usize, (String, Vec<u64>)>,
    /// Constructor arguments whose tuple is not known.
    pub(super) unknown: Vec<usize>,
    /// Constructor calls seen.
    pub(super) calls: usize,
}

impl Tags {
    pub(super) fn of(executable: &Executable) -> Self {
        let mut tags = Self::default();
        for cache in kv_caches(executable) {
            tags.calls = tags.calls.saturating_add(1);
            for site in &cache.sites {
                let (values, why) = site.value.parts();
                if why.is_some() {
                    tags.unknown.push(site.argument);
                }
                for value in values {
                    match value {
                        KernelValue::Tagged {
                            instruction,
                            constant,
                            tag,
                            ..
                        } => tags
                            .constants
                            .entry(*constant)
                            .or_insert_with(|| (tag.clone(), Vec::new()))
                            .1
                            .push(*instruction),
                        KernelValue::Untagged { .. } => tags.unknown.push(site.argument),
                        KernelValue::Empty { .. }
                        | KernelValue::Function { .. }
                        | KernelValue::Absent => {}
                    }
                }
            }
        }
        tags
    }
}

/// Changes every `tir`/`tirx` that reaches the constructor into `to`.
pub(super) fn change(
    executable: &Executable,
    module: usize,
    payload: usize,
    to: Tag,
) -> Result<(Vec<Splice>, Vec<Change>), PlanError> {
    let mut splices = Vec::new();
    let mut changes = Vec::new();
    for (constant, (text, tuples)) in Tags::of(executable).constants {
        if Tag::of(&text).is_none_or(|tag| tag == to) {
            continue;
        }
        only_in(executable, constant, &text, &tuples)?;
        splices.extend(new_text(
            executable,
            constant,
            payload,
            to.text(),
            "attention tag",
        ));
        changes.push(Change::Tag {
            module,
            constant,
            from: text,
            to: to.text().to_owned(),
        });
    }
    Ok((splices, changes))
}

/// Refuses a constant that means anything but the tag of those tuples.
fn only_in(
    executable: &Executable,
    constant: usize,
    text: &str,
    tuples: &[u64],
) -> Result<(), PlanError> {
    for (function, instruction, position) in constant_uses(executable, constant) {
        if position != 0 || !tuples.contains(&instruction) {
            let function = executable.functions.get(function);
            return Err(PlanError::SharedConstant {
                constant,
                text: text.to_owned(),
                function: function
                    .map(|function| function.name.clone())
                    .unwrap_or_default(),
                instruction,
            });
        }
    }
    Ok(())
}

/// The splices that give a string constant another text. What both texts
/// begin with stays, so that as little as possible moves.
pub(super) fn new_text(
    executable: &Executable,
    constant: usize,
    payload: usize,
    text: &str,
    what: &str,
) -> Vec<Splice> {
    let Some(found) = executable.constants.get(constant) else {
        return Vec::new();
    };
    let ConstantValue::String(now) = &found.value else {
        return Vec::new();
    };
    let start = payload.saturating_add(index(found.range.start));
    let end = payload.saturating_add(index(found.range.end));
    // Type code (4 bytes), length (8 bytes), text.
    let length = start.saturating_add(4)..start.saturating_add(12);
    let kept = now
        .bytes()
        .zip(text.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let changed = length.end.saturating_add(kept)..end;
    vec![
        Splice::new(
            length,
            (text.len() as u64).to_le_bytes(),
            format!("length of the {what}"),
        ),
        Splice::new(
            changed,
            text.as_bytes().get(kept..).unwrap_or_default(),
            what,
        ),
    ]
}

/// What a runtime accepts: the tags of every match site, where that is known;
/// nothing for one that knows no tags.
pub(super) fn accepted(runtime: &RuntimeProfile) -> Option<Vec<String>> {
    let sites = runtime.attention_tags.value.as_ref()?;
    if sites.is_empty() {
        return Some(Vec::new());
    }
    let mut tags: Vec<String> = sites.get(&TagSite::PagedDecode)?.keys().cloned().collect();
    tags.retain(|tag| {
        // FlashInfer has no tree-mask kernels; the two other tags are everywhere.
        Tag::of(tag).is_none() || sites.values().all(|site| site.contains_key(tag))
    });
    Some(tags)
}

/// One line per change of a plan.
pub(super) fn describe(plan: &mut EditPlan) {
    for library in &plan.libraries {
        let place = if library.member.is_empty() {
            String::new()
        } else {
            format!("{}: ", library.member)
        };
        for change in &library.changes {
            plan.summary.push(format!("{place}{}", sentence(change)));
        }
    }
}

fn sentence(change: &Change) -> String {
    match change {
        Change::Tag {
            constant, from, to, ..
        } => {
            format!("attention tag, constant {constant}: \"{from}\" becomes \"{to}\"")
        }
        Change::HeaderV1 { .. } => {
            "executable header: V2 becomes V1, which drops 8 bytes that say \"no memory scopes\""
                .to_owned()
        }
        Change::ContextString { constant, cut, .. } => {
            format!(
                "constant {constant}, quoted only in error messages: {cut} bytes cut from its end"
            )
        }
        Change::CacheConfig { instruction, .. } => {
            format!("KV-cache config, instruction {instruction}: six elements become five")
        }
        Change::MetalOrder { module, since24 } => {
            let era = era(*since24);
            format!("metal payload, module {module}: fields in the order of {era}")
        }
        Change::FunctionInfo { module, extra_tags } => {
            let with = if *extra_tags { "with" } else { "without" };
            format!("kernels of module {module}: described {with} extra argument tags")
        }
    }
}
