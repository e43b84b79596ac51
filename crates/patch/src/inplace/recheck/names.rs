//! Names outside of model libraries, before and after: what the loader reads in
//! ELF and Mach-O files, what mlc-llm reads in its configurations. Everything
//! beside them must be equal.

use goblin::elf::Elf;
use goblin::mach::MachO;
use goblin::mach::load_command::{CommandVariant, LoadCommand};
use serde_json::Value as Json;

use super::container::images;
use crate::plan::{NameChange, Named};

/// The differences, in order.
pub(super) fn differences(old: &[u8], new: &[u8]) -> Result<Vec<NameChange>, String> {
    let mut changes = Vec::new();
    if old.trim_ascii_start().starts_with(b"{") {
        json(old, new, &mut changes)?;
    } else if old.starts_with(b"\x7fELF") {
        let read = |file| Elf::parse(file).map_err(|error| format!("ELF: {error}"));
        elf(&read(old)?, &read(new)?, &mut changes)?;
    } else {
        let (before, after) = (images(old)?, images(new)?);
        if before.len() != after.len() {
            return Err("Mach-O: another number of slices".to_owned());
        }
        for (number, (before, after)) in before.iter().zip(&after).enumerate() {
            let read = |image| MachO::parse(image, 0).map_err(|error| format!("Mach-O: {error}"));
            let (first, second) = (read(before.1)?, read(after.1)?);
            macho(number, (before.1, &first), (after.1, &second), &mut changes)?;
        }
    }
    changes.sort();
    Ok(changes)
}

/// Adds a change where two names differ.
fn push(changes: &mut Vec<NameChange>, number: usize, what: Named, from: &str, to: &str) {
    if from != to {
        changes.push(NameChange {
            number,
            what,
            from: from.to_owned(),
            to: to.to_owned(),
        });
    }
}

fn elf(old: &Elf<'_>, new: &Elf<'_>, changes: &mut Vec<NameChange>) -> Result<(), String> {
    let mut push = |what, from: &str, to: &str| push(changes, 0, what, from, to);
    push(
        Named::Identity,
        old.soname.unwrap_or_default(),
        new.soname.unwrap_or_default(),
    );
    if old.libraries.len() != new.libraries.len() {
        return Err("ELF: another number of needed libraries".to_owned());
    }
    for (from, to) in old.libraries.iter().zip(&new.libraries) {
        push(Named::Needed, from, to);
    }
    for (from, to) in [(&old.rpaths, &new.rpaths), (&old.runpaths, &new.runpaths)] {
        push(Named::RunPath, &from.join(":"), &to.join(":"));
    }
    let symbols = |file: &Elf<'_>| -> Vec<(Option<String>, u64)> {
        file.dynsyms
            .iter()
            .map(|symbol| {
                let name = file.dynstrtab.get_at(symbol.st_name);
                (name.map(str::to_owned), symbol.st_value)
            })
            .collect()
    };
    if symbols(old) != symbols(new) {
        return Err("ELF: a dynamic symbol reads differently".to_owned());
    }
    // A version need names its library as the list of needed ones does.
    let renamed = |name: String| {
        let pairs = old.libraries.iter().zip(&new.libraries);
        let mut renamed = pairs.filter(|(from, _)| **from == name);
        renamed
            .next()
            .map_or(name.clone(), |(_, to)| (*to).to_owned())
    };
    let expected: Vec<_> = versions(old)
        .into_iter()
        .map(|(file, names)| (renamed(file), names))
        .collect();
    match expected == versions(new) {
        true => Ok(()),
        false => Err("ELF: the version needs read differently".to_owned()),
    }
}

/// Files and names of the version needs.
fn versions(file: &Elf<'_>) -> Vec<(String, Vec<String>)> {
    let text = |at: usize| file.dynstrtab.get_at(at).unwrap_or_default().to_owned();
    let needs = file.verneed.iter().flat_map(|section| section.iter());
    needs
        .map(|need| {
            let names = need.iter().map(|name| text(name.vna_name)).collect();
            (text(need.vn_file), names)
        })
        .collect()
}

fn macho(
    number: usize,
    (old, before): (&[u8], &MachO<'_>),
    (new, after): (&[u8], &MachO<'_>),
    changes: &mut Vec<NameChange>,
) -> Result<(), String> {
    let (first, second) = (Names::of(old, before), Names::of(new, after));
    push(
        changes,
        number,
        Named::Identity,
        &first.identity,
        &second.identity,
    );
    if first.needed.len() != second.needed.len() {
        return Err("Mach-O: another number of needed libraries".to_owned());
    }
    for (from, to) in first.needed.iter().zip(&second.needed) {
        push(changes, number, Named::Needed, from, to);
    }
    push(
        changes,
        number,
        Named::RunPath,
        &first.run_paths.join(":"),
        &second.run_paths.join(":"),
    );
    let signed = !first.signed && second.signed;
    if signed {
        push(changes, number, Named::Signature, "unsigned", "ad-hoc");
        ends_with_linkedit(new, after)?;
    } else if first.signed != second.signed {
        return Err("Mach-O: the signature is gone".to_owned());
    }
    let others = |image, file| others(image, file, signed);
    if others(old, before) != others(new, after) {
        return Err("Mach-O: another load command differs".to_owned());
    }
    no_command_in_a_section(after)
}

/// What a loader reads in the load commands of an image.
struct Names {
    identity: String,
    needed: Vec<String>,
    run_paths: Vec<String>,
    signed: bool,
}

impl Names {
    fn of(image: &[u8], file: &MachO<'_>) -> Self {
        let mut names = Self {
            identity: String::new(),
            needed: Vec::new(),
            run_paths: Vec::new(),
            signed: false,
        };
        for command in &file.load_commands {
            let text = |at: u32| text_at(image, command, at);
            match &command.command {
                CommandVariant::IdDylib(dylib) => names.identity = text(dylib.dylib.name),
                CommandVariant::Rpath(path) => names.run_paths.push(text(path.path)),
                CommandVariant::CodeSignature(_) => names.signed = true,
                other => names
                    .needed
                    .extend(dylib_of(other).map(|dylib| text(dylib.dylib.name))),
            }
        }
        names
    }
}

fn dylib_of(command: &CommandVariant) -> Option<&goblin::mach::load_command::DylibCommand> {
    match command {
        CommandVariant::LoadDylib(dylib)
        | CommandVariant::LoadWeakDylib(dylib)
        | CommandVariant::ReexportDylib(dylib)
        | CommandVariant::LazyLoadDylib(dylib)
        | CommandVariant::LoadUpwardDylib(dylib) => Some(dylib),
        _ => None,
    }
}

fn text_at(image: &[u8], command: &LoadCommand, at: u32) -> String {
    let start = command.offset.saturating_add(at as usize);
    let end = command.offset.saturating_add(command.command.cmdsize());
    let bytes = image.get(start..end).unwrap_or_default();
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// What is not a name: of commands for libraries their versions, of others all
/// bytes. Where a signature was added, not its command and not the two sizes of
/// the segment that holds it.
fn others(image: &[u8], file: &MachO<'_>, signed: bool) -> Vec<Vec<u8>> {
    let bytes = |command: &LoadCommand| {
        let end = command.offset.saturating_add(command.command.cmdsize());
        image.get(command.offset..end).unwrap_or_default().to_vec()
    };
    let mut others = Vec::new();
    for command in &file.load_commands {
        let mut bytes = bytes(command);
        match &command.command {
            CommandVariant::Rpath(_) => continue,
            CommandVariant::CodeSignature(_) if signed => continue,
            CommandVariant::Segment64(segment)
                if signed && segment.segname.starts_with(b"__LINKEDIT\0") =>
            {
                for field in [32..40, 48..56] {
                    bytes.get_mut(field).unwrap_or_default().fill(0);
                }
            }
            // Kind, offset of the name, versions.
            CommandVariant::IdDylib(_) => bytes = library(&bytes),
            other if dylib_of(other).is_some() => bytes = library(&bytes),
            _ => {}
        }
        others.push(bytes);
    }
    others
}

fn library(command: &[u8]) -> Vec<u8> {
    let mut kept = command.get(..4).unwrap_or_default().to_vec();
    kept.extend_from_slice(command.get(8..24).unwrap_or_default());
    kept
}

/// The signature is the end of the image, and the last segment holds it.
fn ends_with_linkedit(image: &[u8], file: &MachO<'_>) -> Result<(), String> {
    let segments = file.segments.iter();
    let end = segments.map(|segment| segment.fileoff.saturating_add(segment.filesize));
    let memory = |segment: &goblin::mach::segment::Segment<'_>| segment.filesize > segment.vmsize;
    if end.max() != Some(image.len() as u64) || file.segments.iter().any(memory) {
        return Err("Mach-O: the segments do not hold the signature".to_owned());
    }
    Ok(())
}

fn no_command_in_a_section(file: &MachO<'_>) -> Result<(), String> {
    let last = file.load_commands.last();
    let end = last.map_or(0, |last| last.offset.saturating_add(last.command.cmdsize()));
    for segment in &file.segments {
        for (section, data) in segment.sections().map_err(|error| error.to_string())? {
            if !data.is_empty() && section.offset > 0 && (section.offset as usize) < end {
                return Err("Mach-O: the load commands reach into a section".to_owned());
            }
        }
    }
    Ok(())
}

fn json(old: &[u8], new: &[u8], changes: &mut Vec<NameChange>) -> Result<(), String> {
    let read =
        |text| serde_json::from_slice::<Json>(text).map_err(|error| format!("JSON: {error}"));
    let (mut before, after) = (read(old)?, read(new)?);
    let entries = |document: &Json| -> Vec<Option<String>> {
        let list = document.get("model_list").and_then(Json::as_array);
        list.into_iter()
            .flatten()
            .map(|entry| Some(entry.get("model_lib")?.as_str()?.to_owned()))
            .collect()
    };
    let (first, second) = (entries(&before), entries(&after));
    for (number, (from, to)) in first.iter().zip(&second).enumerate() {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            push(changes, number, Named::ModelLib, from, to);
            let place = format!("/model_list/{number}/model_lib");
            if let Some(name) = before.pointer_mut(&place) {
                *name = Json::from(to.as_str());
            }
        }
    }
    let table = "model_lib_path_for_prepare_libs";
    if let (Some(first), Some(second)) = (
        before.get(table).and_then(Json::as_object).cloned(),
        after.get(table).and_then(Json::as_object),
    ) {
        for (number, (from, to)) in first.keys().zip(second.keys()).enumerate() {
            push(changes, number, Named::PreparedLib, from, to);
        }
        let values = second.keys().cloned().zip(first.values().cloned());
        if let Some(table) = before.get_mut(table) {
            *table = Json::Object(values.collect());
        }
    }
    match before == after {
        true => Ok(()),
        false => Err("JSON: something else reads differently".to_owned()),
    }
}
