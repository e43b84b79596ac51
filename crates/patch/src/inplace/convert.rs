//! `artcheck patch convert`: everything in the executable and the device
//! payloads that a runtime needs and that can be made exact in place. What
//! cannot is refused, with the reason and what helps instead.

use std::collections::BTreeSet;
use std::sync::Arc;

use artcheck_inspect::container::Binary;
use artcheck_inspect::module::{FunctionInfoForm, ModelLibrary, Payload, PayloadOrder};
use artcheck_inspect::rules::{self, AtLoad, Facts, Pair, Subject};
use artcheck_inspect::runtime::RuntimeProfile;
use artcheck_inspect::scan::{GivenRuntime, ScanOptions, scan_bytes};
use artcheck_inspect::source::Place;
use artcheck_inspect::vm::{Executable, Magic};
use artcheck_inspect::{Artifact, Role, Rule};
use artcheck_inspect::{Outcome, Severity};

use super::device_payload::{self, Wanted};
use super::rewrite::Draft;
use super::room::{self, Sources};
use super::site::{self, Site};
use super::splice::{Splice, index};
use super::tags::{self, Tag, Tags};
use super::{PlanError, Refusal, archive, config_shape};
use crate::plan::{Change, EditPlan, Resign, Room};

/// What may be done.
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    /// Plan what can be made right although something else cannot; what cannot
    /// then stands in the plan's notes.
    pub partial: bool,
    /// What to do with a team's signature.
    pub resign: Resign,
    /// What the receipt beside the file says of unused bytes.
    pub rooms: Vec<Room>,
}

/// Plans the changes that `bytes` needs to run on `runtime`. The plan is empty
/// when it needs none.
pub fn plan(
    bytes: &[u8],
    runtime: &RuntimeProfile,
    options: &ConvertOptions,
) -> Result<EditPlan, PlanError> {
    let (mut plan, mut refused) = plan_with_refusals(bytes, runtime, options)?;
    let result = plan.apply_to(bytes).unwrap_or_default();
    refused.extend(unbound(&result, runtime));
    if !refused.is_empty() && !options.partial {
        return Err(PlanError::Refused(refused));
    }
    if plan.is_empty() && refused.is_empty() {
        plan.summary.push(format!(
            "nothing to change: no known mismatch with {}",
            runtime.name
        ));
    }
    plan.notes.extend(
        refused
            .iter()
            .map(|refusal| format!("not fixed: {refusal}")),
    );
    Ok(plan)
}

/// What can be made right, and what cannot.
pub(crate) fn plan_with_refusals(
    bytes: &[u8],
    runtime: &RuntimeProfile,
    options: &ConvertOptions,
) -> Result<(EditPlan, Vec<Refusal>), PlanError> {
    let (mut draft, sites) = Draft::open(bytes, &options.rooms)?;
    let reads_v1 = runtime
        .vm_magics
        .value
        .as_ref()
        .is_some_and(|magics| magics.contains(&Magic::V1));
    let mut refused = Vec::new();
    for site in &sites {
        let mut todo = Todo::default();
        for (module, executable) in site.library.programs(&site.blob) {
            todo.executable(site, module, executable, runtime)?;
        }
        todo.devices(site, runtime);
        refused.append(&mut todo.refused);
        match draft.change(site, todo.splices, todo.changes, Sources { v1: reads_v1 }) {
            Err(error @ PlanError::NoRoom { .. }) => refused.push(Refusal {
                rule: None,
                reason: error.to_string(),
                remedy: String::new(),
            }),
            other => other?,
        }
    }
    let mut plan = draft.finish(options.resign)?;
    let result = plan.apply_to(bytes).unwrap_or_default();
    refused.extend(remaining(&result, runtime, &refused)?);
    tags::describe(&mut plan);
    Ok((plan, refused))
}

/// Functions that the host code calls by name and the runtime does not have: objects of a
/// system library call where a shared library has a slot. No change of bytes gives them.
fn unbound(result: &[u8], runtime: &RuntimeProfile) -> Vec<Refusal> {
    let options = ScanOptions {
        runtimes: vec![GivenRuntime {
            profile: runtime.clone(),
            load_set: None,
        }],
        ..ScanOptions::default()
    };
    let findings = scan_bytes("library", result, &options).findings.into_iter();
    findings
        .filter(|finding| finding.severity == Severity::Error && *finding.rule == *rules::C_SYMBOL)
        .map(|finding| Refusal {
            rule: Some(finding.rule),
            reason: finding.message.clone(),
            remedy: finding.help.clone(),
        })
        .collect()
}

/// What has to change in one library.
#[derive(Default)]
struct Todo {
    splices: Vec<Splice>,
    changes: Vec<Change>,
    refused: Vec<Refusal>,
}

impl Todo {
    fn add(&mut self, (splices, changes): (Vec<Splice>, Vec<Change>)) {
        self.splices.extend(splices);
        self.changes.extend(changes);
    }

    fn add_or_refuse(&mut self, done: Result<(Vec<Splice>, Vec<Change>), Refusal>) {
        match done {
            Ok(done) => self.add(done),
            Err(refusal) => self.refused.push(refusal),
        }
    }

    fn executable(
        &mut self,
        site: &Site,
        module: usize,
        executable: &Executable,
        runtime: &RuntimeProfile,
    ) -> Result<(), PlanError> {
        let payload = site.payload(module);
        let unread = site.library.unread();
        if unread.is_none()
            && let Some(to) = wanted_tag(executable, runtime)?
        {
            self.add(tags::change(executable, module, payload, to)?);
        }
        let lengths = runtime.cache_config_lengths.value.as_ref();
        if let Some(why) = unread {
            self.refused.push(Refusal {
                rule: Some(rules::KV_CACHE_CONFIG),
                reason: format!("{why}; it may create a KV cache"),
                remedy: "load a shim, or compile the library with the runtime's TVM".to_owned(),
            });
        } else if lengths.is_some_and(|lengths| lengths.contains(&5) && !lengths.contains(&6)) {
            self.add_or_refuse(config_shape::shorten(executable, module, payload));
        }
        let magics = runtime.vm_magics.value.as_ref();
        if executable.magic == Magic::V2
            && magics
                .is_some_and(|magics| magics.contains(&Magic::V1) && !magics.contains(&Magic::V2))
        {
            match room::header_v1(&site.blob, module, executable) {
                Some(splices) => self.add((splices.to_vec(), vec![Change::HeaderV1 { module }])),
                None => self.refused.push(Refusal {
                    rule: Some(rules::VM_FORMAT),
                    reason: "the executable has memory scopes, which a V1 header cannot say"
                        .to_owned(),
                    remedy: "compile the library with the runtime's TVM".to_owned(),
                }),
            }
        }
        Ok(())
    }

    fn devices(&mut self, site: &Site, runtime: &RuntimeProfile) {
        let wanted = Wanted {
            since24: runtime
                .payload_order
                .value
                .map(|order| order == PayloadOrder::Since24),
            extra_tags: runtime
                .function_info
                .value
                .map(|form| form == FunctionInfoForm::ExtraTags),
        };
        for (number, module) in site.blob.modules.iter().enumerate() {
            let Payload::Device(device) = &module.payload else {
                continue;
            };
            let start = index(module.payload_offset);
            let at = start..start.saturating_add(index(module.payload_length));
            self.add_or_refuse(device_payload::change(
                &module.kind,
                device,
                number,
                &site.bytes,
                at,
                wanted,
            ));
        }
    }
}

/// The tag to change to, where the runtime rejects the one in use.
fn wanted_tag(executable: &Executable, runtime: &RuntimeProfile) -> Result<Option<Tag>, PlanError> {
    let used: Vec<Tag> = Tags::of(executable)
        .constants
        .values()
        .filter_map(|(text, _)| Tag::of(text))
        .collect();
    // A runtime from before the tags wants other arguments, which AC104 tells.
    let accepted = tags::accepted(runtime).filter(|tags| !used.is_empty() && !tags.is_empty());
    let Some(accepted) = accepted else {
        return Ok(None);
    };
    if used
        .iter()
        .all(|tag| accepted.iter().any(|text| text == tag.text()))
    {
        return Ok(None);
    }
    let to = [Tag::Tirx, Tag::Tir]
        .into_iter()
        .find(|tag| accepted.iter().any(|text| text == tag.text()));
    match to {
        Some(to) => Ok(Some(to)),
        None => Err(PlanError::NeitherTag {
            runtime: runtime.name.clone(),
            accepted: accepted.join(", "),
        }),
    }
}

/// Rules on what a KV cache is created with.
static OF_THE_CACHE: [&Rule; 3] = [
    rules::ATTENTION_TAG,
    rules::KV_CACHE_CONFIG,
    rules::SLIDING_LAYERS,
];

/// What the rules still find in the changed file.
fn remaining(
    bytes: &[u8],
    runtime: &RuntimeProfile,
    known: &[Refusal],
) -> Result<Vec<Refusal>, PlanError> {
    let unpacked = archive::gunzip(bytes)?;
    let mut refused: Vec<Refusal> = Vec::new();
    let sites = site::find(unpacked.as_deref().unwrap_or(bytes), &[])?;
    for site in &sites {
        for refusal in findings(site, runtime) {
            let told = known.iter().chain(&refused);
            // A refusal of ours says more than the finding behind it.
            if !told.clone().any(|other| *other == refusal)
                && !known.iter().any(|other| other.rule == refusal.rule)
            {
                refused.push(refusal);
            }
        }
    }
    Ok(refused)
}

fn findings(site: &Site, runtime: &RuntimeProfile) -> Vec<Refusal> {
    let artifact = artifact(&site.member, &site.binary, &site.library);
    let provides = BTreeSet::new();
    let facts = Facts::of(&site.library, &site.blob, &provides);
    let at_load = AtLoad::alone(&artifact);
    let subject = Subject::Pair(Pair {
        artifact: &artifact,
        library: &site.library,
        blob: &site.blob,
        facts: &facts,
        runtime,
        at_load: &at_load,
    });
    let mut outcome = Outcome::default();
    rules::ask(&subject, &mut outcome);
    let broken = outcome
        .findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| Refusal {
            rule: Some(finding.rule),
            reason: finding.message.clone(),
            remedy: finding.help.clone(),
        });
    // What is not known of the cache may be what breaks.
    let unknown = outcome
        .undecided
        .into_iter()
        .filter(|undecided| OF_THE_CACHE.contains(&undecided.rule))
        .map(|undecided| Refusal {
            rule: Some(undecided.rule),
            reason: undecided.why,
            remedy: "try it (`artcheck verify`), load a shim (`artcheck patch shim`), or compile the library with the runtime's TVM".to_owned(),
        });
    broken.chain(unknown).collect()
}

fn artifact(member: &str, binary: &Binary, library: &ModelLibrary) -> Artifact {
    Artifact {
        path: Place::file(member),
        size: 0,
        role: Role::ModelLibrary,
        part: None,
        in_zip: None,
        binary: Some(Arc::new(binary.clone())),
        libraries: vec![library.clone()].into(),
        kernels: Default::default(),
        problems: Vec::new(),
    }
}
