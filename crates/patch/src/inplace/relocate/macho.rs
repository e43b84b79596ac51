//! Names and run paths of Mach-O images, in their load commands.

use std::path::Path;

use object::macho::{
    LC_ID_DYLIB, LC_LAZY_LOAD_DYLIB, LC_LOAD_DYLIB, LC_LOAD_UPWARD_DYLIB, LC_LOAD_WEAK_DYLIB,
    LC_REEXPORT_DYLIB, LC_RPATH, LoadCommandType,
};

use super::super::macho::commands::{self, Commands, name_of, renamed};
use super::super::macho::{self, Slice};
use super::super::{PlanError, sign};
use super::dialect::Dialect;
use super::here::Here;
use crate::plan::{Edit, EditPlan, NameChange, Named, Resign};

const DIALECT: Dialect = Dialect {
    own_folder: "@loader_path",
    identity: "install name",
    prefix: "@rpath/",
};

const LOAD_DYLIB: [LoadCommandType; 5] = [
    LC_LOAD_DYLIB,
    LC_LOAD_WEAK_DYLIB,
    LC_REEXPORT_DYLIB,
    LC_LAZY_LOAD_DYLIB,
    LC_LOAD_UPWARD_DYLIB,
];

pub(super) fn plan(
    bytes: &[u8],
    file: Option<&Path>,
    resign: Resign,
) -> Result<EditPlan, PlanError> {
    let mut new = bytes.to_vec();
    let mut here = Here::of(file, []);
    let mut edits = Vec::new();
    let mut names = Vec::new();
    for (number, Slice { at, .. }) in macho::slices(bytes)?.into_iter().enumerate() {
        let image = new.get_mut(at.clone()).unwrap_or_default();
        let mut commands = Commands::read(image)?;
        let area = commands.area();
        let needed = commands.iter().filter(|(kind, _)| is_load(*kind));
        here.needs(needed.filter_map(|(_, command)| name_of(command)));
        let changed = relocate(&mut commands, number, &mut here);
        if changed.is_empty() {
            continue;
        }
        if !commands.is_64() {
            return Err(PlanError::container("a 32-bit image is not changed"));
        }
        commands.write(image)?;
        names.extend(changed);
        edits.extend(of_slice(bytes, &new, &area, at.start));
    }
    let mut notes = Vec::new();
    if !edits.is_empty() {
        let done = sign::renew("", bytes, &mut new, 0, resign)?;
        edits.extend(done.edits);
        notes.extend(done.notes);
    }
    edits.sort_by_key(|edit| edit.offset);
    let mut plan = EditPlan::between(bytes, &new, edits);
    plan.summary = names.iter().map(|name| DIALECT.sentence(name)).collect();
    plan.names = names;
    plan.notes = notes;
    here.note(&mut plan)?;
    Ok(plan)
}

fn of_slice(old: &[u8], new: &[u8], area: &std::ops::Range<usize>, base: usize) -> Vec<Edit> {
    let at = |start: usize, end: usize| base.saturating_add(start)..base.saturating_add(end);
    let edit = |at, why| Edit::within(old, new, at, 0, why);
    let head = edit(at(16, 24), "count and size of the load commands");
    let names = "load commands: names and run paths";
    let body = edit(at(area.start, area.end), names);
    head.into_iter().chain(body).collect()
}

/// Changes the commands; what reads differently then.
fn relocate(commands: &mut Commands, number: usize, here: &mut Here<'_>) -> Vec<NameChange> {
    let mut changes = Vec::new();
    commands.map(|command| {
        let what = match kind_of(&command) {
            LC_ID_DYLIB => Named::Identity,
            kind if is_load(kind.0) => Named::Needed,
            _ => return Some(command),
        };
        let from = name_of(&command).unwrap_or_default();
        let to = match what {
            Named::Needed => DIALECT.needed(&from, here),
            _ => DIALECT.name(&from),
        };
        let Some(to) = to else {
            return Some(command);
        };
        let new = renamed(&command, &to);
        changes.push(NameChange {
            number,
            what,
            from,
            to,
        });
        Some(new.unwrap_or(command))
    });
    let over_run_paths = changes.iter().any(|change| change.what == Named::Needed);
    changes.extend(run_paths(commands, number, over_run_paths, here));
    changes
}

fn is_load(kind: u32) -> bool {
    LOAD_DYLIB.contains(&LoadCommandType(kind))
}

fn run_paths(
    commands: &mut Commands,
    number: usize,
    wanted: bool,
    here: &mut Here<'_>,
) -> Option<NameChange> {
    let paths = commands.iter().filter(|(kind, _)| *kind == LC_RPATH.0);
    let old: Vec<String> = paths.filter_map(|(_, command)| name_of(command)).collect();
    let texts: Vec<&str> = old.iter().map(String::as_str).collect();
    let mut new = DIALECT.run_paths(&texts, here);
    let own = DIALECT.own_folder;
    // What is asked for without a folder must be looked for somewhere.
    if wanted && (new.is_empty() || here.keeps_some()) && !new.contains(&own) {
        new.push(own);
    }
    if new == texts {
        return None;
    }
    let mut left = new.iter();
    commands.map(|command| {
        if kind_of(&command) != LC_RPATH {
            return Some(command);
        }
        // The same number or fewer, in the same order.
        left.next().and_then(|path| renamed(&command, path))
    });
    for path in left {
        commands.push(commands::run_path(path));
    }
    Some(NameChange {
        number,
        what: Named::RunPath,
        from: old.join(":"),
        to: new.join(":"),
    })
}

fn kind_of(command: &[u8]) -> LoadCommandType {
    let kind = command.first_chunk();
    LoadCommandType(kind.map_or(0, |kind| u32::from_le_bytes(*kind)))
}
