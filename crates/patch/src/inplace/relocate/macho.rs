//! Names and run paths of Mach-O images, in their load commands.

use super::super::macho::commands::{self, Commands, RUN_PATH, name_of, renamed};
use super::super::macho::{self, Slice};
use super::super::plan::{Edit, NameChange, Named, Resign};
use super::super::rewrite::edit;
use super::super::{EditPlan, PlanError, sign};
use super::Dialect;

const DIALECT: Dialect = Dialect {
    own_folder: "@loader_path",
    identity: "install name",
    prefix: "@rpath/",
};

const ID_DYLIB: u32 = 0xd;
/// `LC_LOAD_DYLIB`, weak, re-exported, lazy, upward.
const LOAD_DYLIB: [u32; 5] = [0xc, 0x8000_0018, 0x8000_001f, 0x20, 0x8000_0023];

pub(super) fn plan(bytes: &[u8], resign: Resign) -> Result<EditPlan, PlanError> {
    let mut new = bytes.to_vec();
    let mut edits = Vec::new();
    let mut names = Vec::new();
    for (number, Slice { at, .. }) in macho::slices(bytes)?.into_iter().enumerate() {
        let image = new.get_mut(at.clone()).unwrap_or_default();
        let mut commands = Commands::read(image)?;
        let area = commands.area();
        let changed = relocate(&mut commands, number);
        if changed.is_empty() {
            continue;
        }
        if !commands.is_64() {
            return Err(super::refused("a 32-bit image is not changed"));
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
    Ok(plan)
}

fn of_slice(old: &[u8], new: &[u8], area: &std::ops::Range<usize>, base: usize) -> Vec<Edit> {
    let at = |start: usize, end: usize| base.saturating_add(start)..base.saturating_add(end);
    let head = edit(
        old,
        new,
        at(16, 24),
        0,
        "count and size of the load commands".to_owned(),
    );
    let body = edit(
        old,
        new,
        at(area.start, area.end),
        0,
        "load commands: names and run paths".to_owned(),
    );
    head.into_iter().chain(body).collect()
}

/// Changes the commands; what reads differently then.
fn relocate(commands: &mut Commands, number: usize) -> Vec<NameChange> {
    let mut changes = Vec::new();
    commands.map(|command| {
        let kind = command
            .first_chunk()
            .map_or(0, |kind| u32::from_le_bytes(*kind));
        let what = match kind {
            ID_DYLIB => Named::Identity,
            kind if LOAD_DYLIB.contains(&kind) => Named::Needed,
            _ => return Some(command),
        };
        let from = name_of(&command).unwrap_or_default();
        let Some(to) = DIALECT.name(&from) else {
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
    changes.extend(run_paths(commands, number, over_run_paths));
    changes
}

fn run_paths(commands: &mut Commands, number: usize, wanted: bool) -> Option<NameChange> {
    let paths = commands.iter().filter(|(kind, _)| *kind == RUN_PATH);
    let old: Vec<String> = paths.filter_map(|(_, command)| name_of(command)).collect();
    let texts: Vec<&str> = old.iter().map(String::as_str).collect();
    let mut new = DIALECT.run_paths(&texts);
    let own = DIALECT.own_folder;
    // What is asked for without a folder must be looked for somewhere.
    if wanted && new.is_empty() {
        new.push(own);
    }
    if new == texts {
        return None;
    }
    let mut left = new.iter();
    commands.map(|command| {
        if command.first_chunk().map(|kind| u32::from_le_bytes(*kind)) != Some(RUN_PATH) {
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
