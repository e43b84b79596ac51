//! What section headers say of the memory that segments map.
//!
//! The linker wrote both, and the loader reads segments alone. Where they differ, the
//! sections around tell which is wrong: a damaged segment takes all of its sections with
//! it, a damaged section header overlaps its neighbours or stands alone.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, SectionHeader};

use super::image::Image;
use super::memory::{Load, pages};
use crate::container::DamageKind;

/// Bytes of a section's name that are kept.
const MAX_NAME: usize = 64;
/// Read by unwinders and debuggers, by nothing that loads or calls.
const UNWINDING: [&[u8]; 4] = [
    b".eh_frame",
    b".eh_frame_hdr",
    b".gcc_except_table",
    b".interp",
];

/// Whether linkers write sections of this type.
pub(super) fn is_section(kind: u32) -> bool {
    (1..32).contains(&kind) || kind >= elf::SHT_LOOS
}

/// A section header.
pub(super) struct Section<'data> {
    name: &'data [u8],
    kind: elf::SectionType,
    flags: elf::SectionFlags,
    address: u64,
    offset: u64,
    size: u64,
}

/// What is wrong with one.
pub(super) struct Fault {
    pub(super) kind: DamageKind,
    pub(super) name: String,
    pub(super) offset: u64,
}

impl Section<'_> {
    fn is_in_file(&self) -> bool {
        self.kind != elf::SHT_NOBITS && self.kind != elf::SHT_NULL && self.size > 0
    }

    /// Whether it takes memory. Thread-local zeros take none of the image.
    fn is_in_memory(&self) -> bool {
        self.flags.contains(elf::SHF_ALLOC) && !self.flags.contains(elf::SHF_TLS) && self.size > 0
    }

    fn is_mapped(&self) -> bool {
        self.is_in_memory() && self.is_in_file()
    }

    /// Whether a segment has room for it.
    fn is_in(&self, segment: &Load<'_>) -> bool {
        let size = pages(segment.in_memory.max(segment.bytes.len() as u64));
        let ends = self.address.checked_add(self.size);
        let ends = ends.zip(segment.address.checked_add(size));
        segment.address <= self.address && ends.is_some_and(|(end, last)| end <= last)
    }

    fn is_same(&self, segment: &Load<'_>) -> bool {
        self.address.wrapping_sub(self.offset) == segment.address.wrapping_sub(segment.offset)
    }

    fn fault_in(&self, segment: &Load<'_>) -> Option<DamageKind> {
        // Whole pages are mapped; what is behind the file's part is cleared where memory
        // goes on.
        let in_file = match segment.bytes.len() as u64 {
            size if segment.in_memory > size => size,
            size => pages(size),
        };
        let end = self.address.wrapping_add(self.size);
        if !self.is_same(segment) {
            Some(DamageKind::Moved)
        } else if end.wrapping_sub(segment.address) > in_file {
            Some(DamageKind::NotMapped)
        } else if self.flags.contains(elf::SHF_EXECINSTR) && !segment.may(elf::PF_X) {
            Some(DamageKind::NotExecutable)
        } else if self.flags.contains(elf::SHF_WRITE) && !segment.may(elf::PF_W) {
            Some(DamageKind::NotWritable)
        } else {
            None
        }
    }

    /// What is wrong with it, where it is to be mapped.
    fn fault(&self, loads: &[Load<'_>]) -> Option<DamageKind> {
        if !self.is_mapped() {
            return None;
        }
        // Whole pages overlap where segments meet: one that is right is enough, and of
        // others the one that maps the section's own bytes tells what is wrong.
        let around = loads.iter().filter(|load| self.is_in(load));
        if around.clone().any(|load| self.fault_in(load).is_none()) {
            return None;
        }
        let mut same = around.clone().filter(|load| self.is_same(load));
        let meant = same.next().or_else(|| around.clone().next());
        let kind = meant.and_then(|load| self.fault_in(load));
        Some(kind.unwrap_or(DamageKind::NotMapped))
    }

    /// Whether this one, by its place in the table, ends before the other begins.
    fn is_before(&self, next: &Section<'_>) -> bool {
        let (in_memory, in_file) = (
            self.is_in_memory() && next.is_in_memory(),
            self.is_in_file() && next.is_in_file(),
        );
        let ends = |start: u64| start.checked_add(self.size);
        (!in_memory || ends(self.address).is_some_and(|end| end <= next.address))
            && (!in_file || ends(self.offset).is_some_and(|end| end <= next.offset))
    }
}

/// Whether an object has sections of GCC's `-flto`, and no machine code.
pub(super) fn is_bytecode<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> bool {
    let Ok(image) = Image::<Elf>::parse(data) else {
        return false;
    };
    let sections = all(&image);
    let is_code = |one: &Section<'_>| one.size > 0 && one.flags.contains(elf::SHF_EXECINSTR);
    let mut names = sections.iter().map(|one| one.name);
    names.any(|name| name.starts_with(b".gnu.lto_")) && !sections.iter().any(is_code)
}

/// All section headers.
pub(super) fn all<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
) -> Vec<Section<'data>> {
    let endian = image.endian;
    let sections = image.sections.iter().map(|section| Section {
        name: image
            .sections
            .section_name(endian, section)
            .unwrap_or_default(),
        kind: section.sh_type(endian),
        flags: section.sh_flags(endian),
        address: section.sh_addr(endian).into(),
        offset: section.sh_offset(endian).into(),
        size: section.sh_size(endian).into(),
    });
    sections.collect()
}

/// Sections that are not what the segments map, in the order of the table.
pub(super) fn faults(sections: &[Section<'_>], loads: &[Load<'_>], most: usize) -> Vec<Fault> {
    let kinds: Vec<Option<DamageKind>> = sections.iter().map(|one| one.fault(loads)).collect();
    let sound = |number: &usize| kinds.get(*number) == Some(&None);
    let of = |(number, kind): (usize, DamageKind)| {
        let section = sections.get(number)?;
        let next = (number.saturating_add(1)..sections.len()).filter(sound);
        let before = (0..number).rev().filter(sound);
        let has_room = next
            .filter_map(|at| sections.get(at))
            .all(|one| section.is_before(one))
            && before
                .filter_map(|at| sections.get(at))
                .all(|one| one.is_before(section));
        // Others that are as they should be in the segment that it is said to be in.
        let shares = |(other, kind): (&Section<'_>, &Option<DamageKind>)| {
            let mut around = loads.iter().filter(|load| section.is_in(load));
            kind.is_none() && other.is_mapped() && around.any(|load| other.is_in(load))
        };
        let stands_alone = matches!(kind, DamageKind::Moved | DamageKind::NotWritable)
            && sections.iter().zip(&kinds).any(shares);
        let is_header = !has_room || stands_alone || UNWINDING.contains(&section.name);
        let name = section.name.get(..MAX_NAME).unwrap_or(section.name);
        Some(Fault {
            kind: match is_header {
                true => DamageKind::SectionHeader,
                false => kind,
            },
            name: String::from_utf8_lossy(name).into_owned(),
            offset: section.offset,
        })
    };
    let wrong = kinds.iter().enumerate();
    let wrong = wrong.filter_map(|(number, kind)| Some((number, (*kind)?)));
    wrong.take(most).filter_map(of).collect()
}

/// Whether section headers are to be trusted about what is where.
pub(super) fn are_sound(sections: &[Section<'_>], loads: &[Load<'_>]) -> bool {
    let mut used = sections.iter().skip(1);
    used.all(|one| is_section(one.kind.0) && one.fault(loads).is_none())
}
