//! `artcheck patch retag`: the attention tags of an artifact, one way or the
//! other. Nothing else of it changes.

use artcheck_inspect::runtime::RuntimeProfile;
use artcheck_inspect::vm::Magic;
use artcheck_inspect::vm::kv_cache::CREATE;

use super::PlanError;
use super::rewrite::Draft;
use super::room::Sources;
use super::site::Site;
use super::splice::Splice;
use super::tags::{self, Tag, Tags};
use crate::plan::{Change, EditPlan, Resign, Room};

/// What to change, and what may be used for it.
#[derive(Debug, Clone)]
pub struct RetagOptions<'a> {
    /// The tag afterwards.
    pub to: Tag,
    /// The runtime it is for, where known: it must accept the tag, and decides
    /// whether a V1 header may be written.
    pub runtime: Option<&'a RuntimeProfile>,
    /// What to do with a team's signature.
    pub resign: Resign,
    /// What the receipt beside the file says of unused bytes.
    pub rooms: Vec<Room>,
}

impl RetagOptions<'_> {
    /// To that tag, for whatever runtime.
    pub fn to(to: Tag) -> Self {
        Self {
            to,
            runtime: None,
            resign: Resign::Keep,
            rooms: Vec::new(),
        }
    }
}

/// Plans the change of every attention tag in `bytes`. The plan is empty when
/// they all are the wanted one already.
pub fn plan(bytes: &[u8], options: &RetagOptions<'_>) -> Result<EditPlan, PlanError> {
    if let Some(runtime) = options.runtime {
        check_runtime(runtime, options.to)?;
    }
    let (mut draft, sites) = Draft::open(bytes, &options.rooms)?;
    let mut tagged = false;
    let mut why_not = Vec::new();
    let mut unknown = Vec::new();
    for site in &sites {
        let (mut splices, mut changes) = (Vec::new(), Vec::new());
        let found = tags_of(site, options.to, &mut splices, &mut changes)?;
        tagged |= found.tagged;
        why_not.extend(found.why_not);
        unknown.extend(found.unknown);
        let sources = Sources {
            v1: reads_v1(options.runtime, options.to),
        };
        draft.change(site, splices, changes, sources)?;
    }
    if !tagged {
        why_not.dedup();
        return Err(PlanError::NoTag(why_not.join("; ")));
    }
    let mut plan = draft.finish(options.resign)?;
    tags::describe(&mut plan);
    if plan.is_empty() {
        let already = format!(
            "nothing to change: every attention tag is \"{}\" already",
            options.to.text()
        );
        plan.summary.push(already);
    }
    plan.notes.extend(notes(&plan));
    plan.notes.extend(unknown);
    Ok(plan)
}

/// Every runtime that knows `tirx` reads both headers; those that know `tir`
/// read V1 all along.
fn reads_v1(runtime: Option<&RuntimeProfile>, to: Tag) -> bool {
    match runtime.and_then(|runtime| runtime.vm_magics.value.as_ref()) {
        Some(magics) => magics.contains(&Magic::V1),
        None => matches!(to, Tag::Tir | Tag::Tirx),
    }
}

fn check_runtime(runtime: &RuntimeProfile, to: Tag) -> Result<(), PlanError> {
    let Some(accepted) = tags::accepted(runtime) else {
        return Ok(());
    };
    let spelled = || match accepted.as_slice() {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    if !accepted.iter().any(|tag| Tag::of(tag).is_some()) {
        return Err(PlanError::NeitherTag {
            runtime: runtime.name.clone(),
            accepted: spelled(),
        });
    }
    if !accepted.iter().any(|tag| tag == to.text()) {
        return Err(PlanError::TagNotAccepted {
            runtime: runtime.name.clone(),
            tag: to.text().to_owned(),
            accepted: spelled(),
        });
    }
    Ok(())
}

/// The tags of one library.
#[derive(Default)]
struct Found {
    /// It has some of the two that can be changed.
    tagged: bool,
    /// What keeps others from being seen, per executable.
    why_not: Vec<String>,
    /// Constructor arguments that are left alone, where some are.
    unknown: Vec<String>,
}

/// Adds the tag changes of one library.
fn tags_of(
    site: &Site,
    to: Tag,
    splices: &mut Vec<Splice>,
    changes: &mut Vec<Change>,
) -> Result<Found, PlanError> {
    let mut found = Found::default();
    for (module, executable) in site.library.programs(&site.blob) {
        let tags = Tags::of(executable);
        found.tagged |= tags
            .constants
            .values()
            .any(|(text, _)| Tag::of(text).is_some());
        let unknown = format!("what reaches arguments {:?} is not known", tags.unknown);
        if !tags.unknown.is_empty() {
            found.unknown.push(format!(
                "{CREATE}: {unknown}, so these are left as they are"
            ));
        }
        found.why_not.push(
            match (
                tags.calls,
                tags.constants.is_empty(),
                tags.unknown.is_empty(),
            ) {
                (0, _, _) => match site.library.unread() {
                    None => format!("the executable never calls {CREATE}"),
                    Some(why) => format!(
                        "{why}, so what reaches {CREATE} is not known; a shim translates tags at load"
                    ),
                },
                (_, false, _) => "its attention kernels are those of another backend".to_owned(),
                (_, true, false) => unknown,
                (_, true, true) => "its constructor takes functions, as up to 0.19".to_owned(),
            },
        );
        // A constant may mean something else to a function that could not be read.
        if site.library.unread().is_some() {
            continue;
        }
        let (more, meaning) = tags::change(executable, module, site.payload(module), to)?;
        splices.extend(more);
        changes.extend(meaning);
    }
    Ok(found)
}

fn notes(plan: &EditPlan) -> Vec<String> {
    let shortened = plan
        .libraries
        .iter()
        .flat_map(|library| &library.changes)
        .any(|change| matches!(change, Change::ContextString { .. }));
    let text = "an error message of a failed shape check will quote a shorter text";
    shortened.then(|| text.to_owned()).into_iter().collect()
}
