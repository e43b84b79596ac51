//! The dynamic section: entries that belong together, values that the loader takes
//! for granted, and addresses that other places of the file say too.
//!
//! No loader reads section headers. They count here only where they agree with the
//! segments about themselves: then the linker wrote them with the entry.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use crate::container::Reply;
use crate::container::elf::dynamic::{Dynamic, Entry, name};
use crate::container::elf::image::Image;
use crate::container::elf::memory::Memory;
use crate::container::elf::relocations::LISTS;
use crate::container::faults::Faults;
use crate::container::symbols::Names;

/// An address and what says how much is there.
const PAIRS: [(elf::DynamicTag, elf::DynamicTag); 5] = [
    (elf::DT_RELA, elf::DT_RELASZ),
    (elf::DT_JMPREL, elf::DT_PLTRELSZ),
    (elf::DT_RELR, elf::DT_RELRSZ),
    (elf::DT_INIT_ARRAY, elf::DT_INIT_ARRAYSZ),
    (elf::DT_FINI_ARRAY, elf::DT_FINI_ARRAYSZ),
];
/// Sizes of entries and kinds, with the one value that loaders of 64 bits know.
const FIXED: [(elf::DynamicTag, u64); 3] = [
    (elf::DT_RELAENT, 24),
    (elf::DT_PLTREL, 7),
    (elf::DT_RELRENT, 8),
];
/// Bytes of a relocation.
const ENTRY: u64 = 24;
/// What entry and what section are about the same table.
const SECTIONS: [(elf::DynamicTag, elf::SectionType); 8] = [
    (elf::DT_SYMTAB, elf::SHT_DYNSYM),
    (elf::DT_HASH, elf::SHT_HASH),
    (elf::DT_GNU_HASH, elf::SHT_GNU_HASH),
    (elf::DT_VERSYM, elf::SHT_GNU_VERSYM),
    (elf::DT_VERNEED, elf::SHT_GNU_VERNEED),
    (elf::DT_VERDEF, elf::SHT_GNU_VERDEF),
    (elf::DT_INIT_ARRAY, elf::SHT_INIT_ARRAY),
    (elf::DT_FINI_ARRAY, elf::SHT_FINI_ARRAY),
];

pub(super) fn check<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    entries: &Dynamic,
    faults: &mut Faults,
) {
    let memory = &image.memory;
    together(memory, entries, faults);
    strings(image, entries, faults);
    fixed(entries, faults);
    functions(image, memory, entries, faults);
    thread_local(image, memory, faults);
    headers(image, memory, faults);
    let sections = Sections::of(image, memory);
    tables(&sections, entries, faults);
    relocations(&sections, entries, faults);
}

/// What belongs together is there, and the table is in the file.
fn together(memory: &Memory<'_>, entries: &Dynamic, faults: &mut Faults) {
    for (address, size) in PAIRS {
        let (one, other) = match (entries.entry(address), entries.entry(size)) {
            (Some(one), Some(other)) => (one, other),
            (None, None) => continue,
            // What is not closed is no worse than what was never opened.
            (None, Some(_)) if address == elf::DT_FINI_ARRAY => continue,
            (Some(entry), None) | (None, Some(entry)) => {
                let missing = if entry.tag == size { address } else { size };
                let what = format!(
                    "the dynamic section has {} and no {}",
                    entry.name(),
                    name(missing)
                );
                // Constructors that never run, and whether they are missed.
                let reply = match missing {
                    elf::DT_INIT_ARRAY => Reply::Unknown,
                    _ => Reply::Crash,
                };
                faults.add(reply, what, entry.offset);
                continue;
            }
        };
        if other.value == 0 {
            continue;
        }
        let what = if memory.range(one.value, other.value).is_none() {
            format!(
                "{} and {} say {:#x} to {:#x}, which is not in one segment's part of the file",
                name(address),
                name(size),
                one.value,
                one.value.saturating_add(other.value)
            )
        } else {
            continue;
        };
        faults.add(Reply::Crash, what, other.offset);
    }
    let lists = entries.entry(elf::DT_VERNEED);
    let lists = lists.or_else(|| entries.entry(elf::DT_VERDEF));
    let (at, what) = match (entries.entry(elf::DT_VERSYM), lists) {
        (Some(entry), None) => (entry.offset, "no list says which those are"),
        (None, Some(entry)) => (entry.offset, "no entry says which symbol has which"),
        _ => return,
    };
    let what = format!("the symbols have versions, and {what}");
    faults.add(Reply::Crash, what, at);
}

/// Names of libraries and folders are in the table of strings.
fn strings<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    entries: &Dynamic,
    faults: &mut Faults,
) {
    let named = [
        elf::DT_NEEDED,
        elf::DT_SONAME,
        elf::DT_RPATH,
        elf::DT_RUNPATH,
    ];
    let size = entries.strings(image).1.len() as u64;
    // The loader does not know how large the table is. No name at all is the program's own.
    let table = entries.get(elf::DT_STRTAB).unwrap_or(0);
    let is_empty = |entry: &Entry| {
        let first = image.memory.at(table.wrapping_add(entry.value));
        first.is_some_and(|(_, bytes)| bytes.first() == Some(&0))
    };
    let mut outside = entries.all(&named).filter(|entry| entry.value >= size);
    if let Some(entry) = outside.find(|entry| !is_empty(entry)) {
        let what = format!(
            "a name of the dynamic section is at {:#x} of a table of {size:#x} bytes",
            entry.value
        );
        faults.add(Reply::Crash, what, entry.offset);
    }
    let (at, strings) = entries.strings(image);
    let mut names = Names::new(strings, at, image.data.len());
    for entry in entries.all(&[elf::DT_NEEDED]) {
        let name = names.get(entry.value).ok().flatten().unwrap_or_default();
        if name.iter().any(u8::is_ascii_control) || std::str::from_utf8(name).is_err() {
            let what = format!("no library is called `{}`", name.escape_ascii());
            faults.add(Reply::Library, what, entry.offset);
        } else if !name.is_empty()
            && memchr::memmem::find(name, b".so").is_none()
            && !name.contains(&b'/')
        {
            let what = format!(
                "it needs `{}`, and hardly a library is called so",
                name.escape_ascii()
            );
            faults.add(Reply::Unknown, what, entry.offset);
        }
    }
}

/// Values that the loader insists on.
fn fixed(entries: &Dynamic, faults: &mut Faults) {
    for (tag, only) in FIXED {
        let wanted = match tag {
            elf::DT_RELAENT => elf::DT_RELA,
            elf::DT_PLTREL => elf::DT_JMPREL,
            _ => elf::DT_RELR,
        };
        match entries.entry(tag) {
            Some(entry) if entry.value != only => {
                let what = format!("{} is {:#x} and must be {only}", name(tag), entry.value);
                faults.add(Reply::Assertion, what, entry.offset);
            }
            None if entries.get(wanted).is_some() => {
                let at = entries.entry(wanted).map_or(0, |entry| entry.offset);
                let what = format!(
                    "the dynamic section has {} and no {}",
                    name(wanted),
                    name(tag)
                );
                faults.add(Reply::Crash, what, at);
            }
            _ => {}
        }
    }
}

/// What is called when the library is opened and closed is code, and the beginning of
/// the section that is made for it where it is in that.
fn functions<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    memory: &Memory<'_>,
    entries: &Dynamic,
    faults: &mut Faults,
) {
    let endian = image.endian;
    for (tag, section_name) in [(elf::DT_INIT, b".init" as &[u8]), (elf::DT_FINI, b".fini")] {
        let Some(entry) = entries.entry(tag) else {
            continue;
        };
        let inside = |section: &&Elf::SectionHeader| {
            let start: u64 = section.sh_addr(endian).into();
            let skip = entry.value.checked_sub(start);
            skip.is_some_and(|skip| skip > 0 && skip < section.sh_size(endian).into())
                && image.sections.section_name(endian, section) == Ok(section_name)
        };
        // The first segment begins with the headers, also where it has code.
        let is_header = entry.value < size_of::<Elf>() as u64;
        let what = if is_header || !memory.may(elf::PF_X, entry.value) {
            format!("{} is {:#x}, where no code is", name(tag), entry.value)
        } else if image.sections.iter().find(inside).is_some() {
            format!(
                "{} is {:#x}, in the middle of a function",
                name(tag),
                entry.value
            )
        } else {
            continue;
        };
        faults.add(Reply::Crash, what, entry.offset);
    }
}

/// Where the program headers are in memory, for those who unwind through the library.
fn headers<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    memory: &Memory<'_>,
    faults: &mut Faults,
) {
    let endian = image.endian;
    // It comes before what is loaded.
    let headers = image.segments.iter();
    let mut headers = headers.take_while(|header| header.p_type(endian) != elf::PT_LOAD);
    let own = headers.find(|header| header.p_type(endian) == elf::PT_PHDR);
    let address = own.map_or(0, |header| header.p_vaddr(endian).into());
    let at: u64 = image.header.e_phoff(endian).into();
    // Without an address the loader keeps a copy.
    if address != 0 && memory.at(address).map(|(at, _)| at) != Some(at) {
        let what =
            format!("the program headers are said to be at address {address:#x}, and are not");
        faults.add(Reply::Crash, what, at);
    }
}

/// What every thread gets a copy of is in the file, and no larger than the copy.
fn thread_local<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    memory: &Memory<'_>,
    faults: &mut Faults,
) {
    let endian = image.endian;
    let headers = image.segments.iter();
    for header in headers.filter(|header| header.p_type(endian) == elf::PT_TLS) {
        let (offset, address) = (
            header.p_offset(endian).into(),
            header.p_vaddr(endian).into(),
        );
        let (in_file, in_memory): (u64, u64) = (
            header.p_filesz(endian).into(),
            header.p_memsz(endian).into(),
        );
        let alignment: u64 = header.p_align(endian).into();
        let found = memory.range(address, in_file).map(|(at, _)| at);
        let is_there = in_file == 0 || found == Some(offset);
        if !is_there || in_file > in_memory || !(alignment == 0 || alignment.is_power_of_two()) {
            let what = format!(
                "the thread-local variables at {address:#x} are {in_file:#x} bytes of {in_memory:#x}, aligned to {alignment:#x}, and not in the file like that"
            );
            faults.add(Reply::Crash, what, offset);
        }
    }
}

/// A section of the loader's, by its own header.
struct Section {
    kind: elf::SectionType,
    address: u64,
    size: u64,
    /// Bytes of an entry.
    entry: u64,
    /// Whether its address and place in the file agree with the segments.
    is_sound: bool,
    /// The address of the section that it names, where that is sound too.
    link: Option<u64>,
}

/// Sections that are loaded.
struct Sections(Vec<Section>);

impl Sections {
    fn of<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'_, Elf>,
        memory: &Memory<'_>,
    ) -> Self {
        let endian = image.endian;
        let is_sound = |section: &Elf::SectionHeader| {
            let address: u64 = section.sh_addr(endian).into();
            let found = memory.range(address, section.sh_size(endian).into());
            section.sh_flags(endian).contains(elf::SHF_ALLOC)
                && found.is_some_and(|(at, _)| at == section.sh_offset(endian).into())
        };
        let is_loaded =
            |section: &&Elf::SectionHeader| section.sh_flags(endian).contains(elf::SHF_ALLOC);
        let sections = image.sections.iter().filter(is_loaded);
        let sections = sections.map(|section| {
            let link = image.sections.section(section.link(endian)).ok();
            Section {
                kind: section.sh_type(endian),
                address: section.sh_addr(endian).into(),
                is_sound: is_sound(section),
                size: section.sh_size(endian).into(),
                entry: section.sh_entsize(endian).into(),
                link: link
                    .filter(|link| is_sound(link))
                    .map(|link| link.sh_addr(endian).into()),
            }
        });
        Self(sections.collect())
    }

    fn of_kind(&self, kind: elf::SectionType) -> impl Iterator<Item = &Section> {
        let all = self.0.iter();
        all.filter(move |section| section.kind == kind && section.is_sound)
    }
}

/// Entries and sections say the same of a table.
fn tables(sections: &Sections, entries: &Dynamic, faults: &mut Faults) {
    let strings = sections.of_kind(elf::SHT_DYNSYM).find_map(|one| one.link);
    let strings = (elf::DT_STRTAB, strings);
    let others = SECTIONS.map(|(tag, kind)| {
        let all: Vec<_> = sections.of_kind(kind).map(|one| one.address).collect();
        let is_same = entries.get(tag).is_some_and(|value| all.contains(&value));
        (tag, all.first().copied().filter(|_| !is_same))
    });
    // Of two hash tables, GNU's is used.
    let is_unused = |tag| tag == elf::DT_HASH && entries.has(elf::DT_GNU_HASH);
    for (tag, section) in [strings].into_iter().chain(others) {
        let Some(section) = section.filter(|_| !is_unused(tag)) else {
            continue;
        };
        match entries.entry(tag) {
            Some(entry) if entry.value != section => {
                let what = format!(
                    "{} is {:#x}, and the table is at {section:#x}",
                    name(tag),
                    entry.value
                );
                faults.add(Reply::Crash, what, entry.offset);
            }
            // Constructors that never run. Of others that are missing, only what comes of
            // it counts.
            None if tag == elf::DT_INIT_ARRAY && !entries.has(elf::DT_INIT_ARRAYSZ) => {
                let what = format!("a table at {section:#x} has no entry {}", name(tag));
                faults.add(Reply::Unknown, what, 0);
            }
            _ => {}
        }
    }
}

/// The loader's lists begin and end where sections of relocations do, and leave none out.
fn relocations(sections: &Sections, entries: &Dynamic, faults: &mut Faults) {
    let all: Vec<&Section> = sections.of_kind(elf::SHT_RELA).collect();
    if all.is_empty() {
        return;
    }
    let ends = LISTS.iter().filter_map(|(address, size)| {
        let start = entries.get(*address)?;
        // The loader takes the beginning of an entry for the whole.
        let size = entries.get(*size)?.checked_next_multiple_of(ENTRY)?;
        let end = start.saturating_add(size);
        // Both lists may share entries.
        let next = entries.get(elf::DT_JMPREL).unwrap_or(0);
        Some((start, if start < next { end.min(next) } else { end }))
    });
    let lists: Vec<(u64, u64)> = ends.collect();
    for section in all {
        let end = section.address.saturating_add(section.size);
        let is_in = |(start, last): &(u64, u64)| *start <= section.address && end <= *last;
        if section.size > 0 && section.entry == ENTRY && !lists.iter().any(is_in) {
            let what = format!(
                "the relocations at {:#x} to {end:#x} are in no list of the dynamic section",
                section.address
            );
            faults.add(Reply::Crash, what, 0);
        }
    }
    let starts = |address: u64| sections.0.iter().any(|one| one.address == address);
    let ends = |address: u64| {
        let mut all = sections.0.iter();
        all.any(|one| one.kind == elf::SHT_RELA && one.address.saturating_add(one.size) == address)
    };
    for (start, end) in lists {
        if start != end && !(starts(start) && ends(end)) {
            let what = format!(
                "a list of relocations is said to be {start:#x} to {end:#x}, which is not a section"
            );
            faults.add(Reply::Crash, what, 0);
        }
    }
}
