//! Names and run paths of ELF files, in the dynamic section and its strings.
//!
//! A name without its folder is the end of the string that is there already, so
//! only the number that points at it changes. A run path is overwritten where
//! it lies, if the new one is no longer and nobody else reads those bytes.

use std::ops::Range;
use std::path::Path;

use object::LittleEndian as LE;
use object::elf;
use object::read::elf::{Dyn as _, ElfFile64, ProgramHeader as _, SectionHeader as _};

use super::super::PlanError;
use super::super::splice::index;
use super::dialect::Dialect;
use super::here::Here;
use crate::plan::{Edit, EditPlan, NameChange, Named};

const DIALECT: Dialect = Dialect {
    own_folder: "$ORIGIN",
    identity: "soname",
    prefix: "",
};

/// Entries whose value is a place in the strings.
const STRINGS: [elf::DynamicTag; 9] = [
    elf::DT_NEEDED,
    elf::DT_SONAME,
    elf::DT_RPATH,
    elf::DT_RUNPATH,
    elf::DT_CONFIG,
    elf::DT_DEPAUDIT,
    elf::DT_AUDIT,
    elf::DT_AUXILIARY,
    elf::DT_FILTER,
];

pub(super) fn plan(bytes: &[u8], path: Option<&Path>) -> Result<EditPlan, PlanError> {
    let Some(file) = Dynamic::read(bytes)? else {
        return Err(PlanError::container(
            "no dynamic section: an object or a static program asks for no library",
        ));
    };
    let needed = file.entries.iter().filter(|it| it.tag == elf::DT_NEEDED);
    let needed: Result<Vec<_>, _> = needed.map(|entry| file.string(entry.value)).collect();
    let mut draft = Draft {
        edits: Vec::new(),
        names: Vec::new(),
        here: Here::of(path, needed?),
    };
    for entry in &file.entries {
        match entry.tag {
            elf::DT_SONAME => draft.name(&file, entry, Named::Identity)?,
            elf::DT_NEEDED => draft.name(&file, entry, Named::Needed)?,
            elf::DT_RPATH | elf::DT_RUNPATH => draft.run_path(&file, entry)?,
            _ => {}
        }
    }
    draft.edits.sort_by_key(|edit| edit.offset);
    let new = draft.applied(bytes);
    let mut plan = EditPlan::between(bytes, &new, draft.edits);
    plan.summary = draft
        .names
        .iter()
        .map(|name| DIALECT.sentence(name))
        .collect();
    plan.notes = notes(&file, &draft.names);
    draft.here.note(&mut plan)?;
    plan.names = draft.names;
    Ok(plan)
}

fn notes(file: &Dynamic<'_>, names: &[NameChange]) -> Vec<String> {
    let mut notes = Vec::new();
    let has = |what| names.iter().any(|name| name.what == what);
    let has_run_path = file
        .entries
        .iter()
        .any(|entry| matches!(entry.tag, elf::DT_RPATH | elf::DT_RUNPATH));
    if has(Named::Needed) && !has_run_path {
        notes.push(
            "the file has no run path, and there is no room for one: its libraries are looked for \
             in LD_LIBRARY_PATH, in the system's folders, and among what is loaded already \
             (`patchelf --set-rpath '$ORIGIN' FILE` adds one)"
                .to_owned(),
        );
    }
    if has(Named::Needed) || has(Named::Identity) {
        notes.push(
            "the folder is still in the table of strings, where the loader does not read it"
                .to_owned(),
        );
    }
    notes
}

/// Edits of equal length, and what they mean.
struct Draft<'a> {
    edits: Vec<Edit>,
    names: Vec<NameChange>,
    here: Here<'a>,
}

impl Draft<'_> {
    /// Points an entry, and the version needs that say the same, at the name
    /// behind the last slash.
    fn name(&mut self, file: &Dynamic<'_>, entry: &Entry, what: Named) -> Result<(), PlanError> {
        let from = file.string(entry.value)?;
        let to = match what {
            Named::Needed => DIALECT.needed(&from, &mut self.here),
            _ => DIALECT.name(&from),
        };
        let Some(to) = to else {
            return Ok(());
        };
        let skipped = from.len().saturating_sub(to.len());
        let start = entry.value.saturating_add(skipped as u64);
        let why = match what {
            Named::Identity => "soname: place of its last part in the strings",
            _ => "needed library: place of its last part in the strings",
        };
        self.replace(file.bytes, entry.field.clone(), &start.to_le_bytes(), why);
        for version in file.references.iter().filter(|at| at.is_file) {
            if what == Named::Needed && file.string(version.value)? == from {
                let start = version.value.saturating_add(skipped as u64);
                let start = u32::try_from(start).unwrap_or(u32::MAX).to_le_bytes();
                let why = "version needs: the same library";
                self.replace(file.bytes, version.field.clone(), &start, why);
            }
        }
        self.names.push(NameChange {
            number: 0,
            what,
            from,
            to,
        });
        Ok(())
    }

    fn run_path(&mut self, file: &Dynamic<'_>, entry: &Entry) -> Result<(), PlanError> {
        let from = file.string(entry.value)?;
        let old: Vec<&str> = from.split(':').collect();
        let kept = DIALECT.run_paths(&old, &mut self.here);
        if kept == old {
            return Ok(());
        }
        let to = kept.join(":");
        let refuse = |found, tried: &str| PlanError::NoRoom {
            what: format!("the run path \"{to}\" instead of \"{from}\""),
            needed: to.len().saturating_sub(from.len()),
            found,
            tried: format!("{tried} (`patchelf --set-rpath '{to}' FILE` makes room)"),
        };
        if to.len() > from.len() {
            return Err(refuse(0, "a string in the table cannot grow"));
        }
        let end = entry.value.saturating_add(from.len() as u64);
        let shared =
            |at: &&Reference| at.field != entry.field && (entry.value..=end).contains(&at.value);
        if let Some(other) = file.references.iter().find(shared) {
            let tried = format!(
                "{} reads the same bytes of the table of strings",
                other.what
            );
            return Err(refuse(0, &tried));
        }
        let mut text = to.clone().into_bytes();
        text.resize(from.len(), 0);
        let start = file.strings.start.saturating_add(index(entry.value));
        let at = start..start.saturating_add(text.len());
        self.replace(file.bytes, at, &text, "run path");
        self.names.push(NameChange {
            number: 0,
            what: Named::RunPath,
            from,
            to,
        });
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8], at: Range<usize>, new: &[u8], why: &str) {
        let old = bytes.get(at.clone()).unwrap_or_default();
        self.edits.push(Edit::new(at.start, old, new, why));
    }

    fn applied(&self, bytes: &[u8]) -> Vec<u8> {
        let plan = EditPlan::between(bytes, bytes, self.edits.clone());
        plan.apply_to(bytes).unwrap_or_else(|| bytes.to_vec())
    }
}

/// An entry of the dynamic section.
struct Entry {
    tag: elf::DynamicTag,
    value: u64,
    /// Where the value stands in the file.
    field: Range<usize>,
}

/// Something that reads the strings.
struct Reference {
    value: u64,
    field: Range<usize>,
    what: &'static str,
    /// Whether it names the file of a version need.
    is_file: bool,
}

/// The dynamic section of a file with its strings.
struct Dynamic<'a> {
    bytes: &'a [u8],
    entries: Vec<Entry>,
    strings: Range<usize>,
    references: Vec<Reference>,
}

impl<'a> Dynamic<'a> {
    /// `None` for a file without one.
    fn read(bytes: &'a [u8]) -> Result<Option<Self>, PlanError> {
        let file = ElfFile64::<LE>::parse(bytes).map_err(|_| {
            PlanError::container(
                "expected a 64-bit little-endian ELF file, found one that is not, or is damaged",
            )
        })?;
        let mut segments = file.elf_program_headers().iter();
        let Some(segment) = segments.find(|segment| segment.p_type(LE) == elf::PT_DYNAMIC) else {
            return Ok(None);
        };
        let cut = || {
            PlanError::container(
                "expected a dynamic section with its strings, found the end of the file",
            )
        };
        let mut dynamic = Self {
            bytes,
            entries: entries(segment, bytes).ok_or_else(cut)?,
            strings: 0..0,
            references: Vec::new(),
        };
        let start = dynamic.place(&file, elf::DT_STRTAB).ok_or_else(cut)?;
        let size = dynamic.value(elf::DT_STRSZ).map(index).ok_or_else(cut)?;
        dynamic.strings = start..start.saturating_add(size);
        bytes.get(dynamic.strings.clone()).ok_or_else(cut)?;
        dynamic.references = dynamic.references(&file).ok_or_else(cut)?;
        Ok(Some(dynamic))
    }

    fn value(&self, tag: elf::DynamicTag) -> Option<u64> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        Some(entry.value)
    }

    /// Where in the file the address of an entry lies.
    fn place(&self, file: &ElfFile64<'_, LE>, tag: elf::DynamicTag) -> Option<usize> {
        let address = self.value(tag)?;
        file.elf_program_headers().iter().find_map(|header| {
            let inside = address.checked_sub(header.p_vaddr(LE))?;
            (header.p_type(LE) == elf::PT_LOAD && inside < header.p_filesz(LE))
                .then(|| index(header.p_offset(LE).saturating_add(inside)))
        })
    }

    fn string(&self, at: u64) -> Result<String, PlanError> {
        let strings = self.bytes.get(self.strings.clone()).unwrap_or_default();
        let text = strings.get(index(at)..).and_then(|rest| {
            let end = rest.iter().position(|byte| *byte == 0)?;
            std::str::from_utf8(rest.get(..end)?).ok()
        });
        text.map(str::to_owned).ok_or_else(|| {
            PlanError::container(
                "expected a name in the table of strings, found its end or other bytes",
            )
        })
    }

    /// Everything that reads the strings: entries, versions, symbols.
    fn references(&self, file: &ElfFile64<'_, LE>) -> Option<Vec<Reference>> {
        let mut all: Vec<Reference> = self
            .entries
            .iter()
            .filter(|entry| STRINGS.contains(&entry.tag))
            .map(|entry| Reference {
                value: entry.value,
                field: entry.field.clone(),
                what: "another entry of the dynamic section",
                is_file: false,
            })
            .collect();
        if let Some(at) = self.place(file, elf::DT_VERNEED) {
            self.versions(at, NEEDS, &mut all)?;
        }
        if let Some(at) = self.place(file, elf::DT_VERDEF) {
            self.versions(at, DEFINITIONS, &mut all)?;
        }
        let symbols = file
            .elf_section_table()
            .iter()
            .find(|section| section.sh_type(LE) == elf::SHT_DYNSYM)?;
        let start = index(symbols.sh_offset(LE));
        for symbol in 0..index(symbols.sh_size(LE)) / 24 {
            let at = start.checked_add(symbol.checked_mul(24)?)?;
            all.push(self.reference(at, "the name of a symbol", false)?);
        }
        Some(all)
    }

    fn reference(&self, at: usize, what: &'static str, is_file: bool) -> Option<Reference> {
        let field = at..at.checked_add(4)?;
        let value = u32::from_le_bytes(self.bytes.get(field.clone())?.try_into().ok()?);
        Some(Reference {
            value: value.into(),
            field,
            what,
            is_file,
        })
    }

    /// A list of version needs or definitions, each with a list of names.
    fn versions(&self, mut at: usize, form: Versions, all: &mut Vec<Reference>) -> Option<()> {
        let word = |at: usize| self.reference(at, "", false).map(|word| index(word.value));
        /// Far more than any file has. It bounds what is kept, and so both loops:
        /// lists of a hostile file may share their names.
        const MANY: usize = 1 << 14;
        while all.len() < MANY {
            if form.names_file {
                let file = at.checked_add(4)?;
                all.push(self.reference(file, "the file of a version need", true)?);
            }
            let mut name = at.checked_add(word(at.checked_add(form.first)?)?)?;
            while all.len() < MANY {
                let field = name.checked_add(form.name)?;
                all.push(self.reference(field, "the name of a version", false)?);
                match word(name.checked_add(form.next_name)?)? {
                    0 => break,
                    step => name = name.checked_add(step)?,
                }
            }
            match word(at.checked_add(form.next)?)? {
                0 => return Some(()),
                step => at = at.checked_add(step)?,
            }
        }
        None
    }
}

/// Where the fields of version needs and definitions stand.
#[derive(Clone, Copy)]
struct Versions {
    names_file: bool,
    /// Distance to the first name, and to the next of the list.
    first: usize,
    next: usize,
    /// In a name: its text, and the distance to the next one.
    name: usize,
    next_name: usize,
}

const NEEDS: Versions = Versions {
    names_file: true,
    first: 8,
    next: 12,
    name: 8,
    next_name: 12,
};

const DEFINITIONS: Versions = Versions {
    names_file: false,
    first: 12,
    next: 16,
    name: 0,
    next_name: 4,
};

/// The entries up to the one that ends the section.
fn entries(segment: &elf::ProgramHeader64<LE>, bytes: &[u8]) -> Option<Vec<Entry>> {
    let start = index(segment.p_offset(LE));
    let table = segment.dynamic(LE, bytes).ok()??;
    let used = table
        .iter()
        .take_while(|entry| entry.tag(LE) != elf::DT_NULL);
    used.enumerate()
        .map(|(number, entry)| {
            // Tag and value, eight bytes each.
            let at = start.checked_add(number.checked_mul(16)?)?.checked_add(8)?;
            Some(Entry {
                tag: entry.tag(LE),
                value: entry.val(LE),
                field: at..at.checked_add(8)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every list of names runs through all later records: as many entries as
    /// the square of their number.
    #[test]
    fn lists_that_share_their_names_are_given_up() {
        let record = [[0_u8; 8], [16, 0, 0, 0, 16, 0, 0, 0]].concat();
        let mut bytes = record.repeat(1 << 11);
        bytes.extend([0; 16]);
        let dynamic = Dynamic {
            bytes: &bytes,
            entries: Vec::new(),
            strings: 0..0,
            references: Vec::new(),
        };
        let mut all = Vec::new();
        assert!(dynamic.versions(0, NEEDS, &mut all).is_none());
        assert!(all.len() < bytes.len(), "{} entries", all.len());
    }
}
