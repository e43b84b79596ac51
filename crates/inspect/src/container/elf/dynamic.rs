//! The dynamic section as the loader reads it: up to its end, and of most tags the last
//! entry counts.

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader};

use super::error::bad;
use super::image::Image;
use crate::container::Packing;
use crate::error::DecodeError;

/// Entries of one file; real ones have about thirty.
const MAX_ENTRIES: usize = 1 << 16;

/// Entries whose values are addresses that every loader follows.
const TABLES: [elf::DynamicTag; 11] = [
    elf::DT_STRTAB,
    elf::DT_SYMTAB,
    elf::DT_HASH,
    elf::DT_GNU_HASH,
    elf::DT_RELA,
    elf::DT_REL,
    elf::DT_JMPREL,
    elf::DT_INIT,
    elf::DT_FINI,
    elf::DT_INIT_ARRAY,
    elf::DT_VERNEED,
];

/// One entry.
pub(super) struct Entry {
    pub(super) tag: elf::DynamicTag,
    pub(super) value: u64,
    /// Where it is in the file.
    pub(super) offset: u64,
}

impl Entry {
    /// What the tag is called.
    pub(super) fn name(&self) -> String {
        name(self.tag)
    }
}

/// What a tag is called.
pub(super) fn name(tag: elf::DynamicTag) -> String {
    let known = elf::names().dt.name(tag);
    known.map_or_else(|| format!("entry {:#x}", tag.0), str::to_owned)
}

/// The entries of a dynamic section; none where there is none.
#[derive(Default)]
pub(super) struct Dynamic(pub(super) Vec<Entry>);

impl Dynamic {
    /// The dynamic section; `None` in objects and static programs.
    pub(super) fn of<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'_, Elf>,
    ) -> Result<Option<Self>, DecodeError> {
        let endian = image.endian;
        for segment in image.segments {
            if segment.p_type(endian) != elf::PT_DYNAMIC {
                continue;
            }
            let (start, entries) = entries_of(image, segment)?;
            if entries.is_empty() {
                if !holds_code(image) {
                    return Ok(None);
                }
                let expected = "a dynamic section with entries";
                let found = "none: nothing would be linked";
                return Err(DecodeError::new(start, expected, found));
            }
            let size = size_of::<Elf::Dyn>() as u64;
            let entries = (0u64..).zip(entries).map(|(number, entry)| Entry {
                tag: entry.d_tag(endian),
                value: entry.d_val(endian).into(),
                offset: start.saturating_add(number.saturating_mul(size)),
            });
            let entries = entries.take_while(|entry| entry.tag != elf::DT_NULL);
            let entries: Vec<Entry> = entries.take(MAX_ENTRIES).collect();
            if entries.len() == MAX_ENTRIES {
                let expected = format!("fewer than {MAX_ENTRIES} entries of a dynamic section");
                return Err(DecodeError::limit(start, expected, "more"));
            }
            return Ok(Some(Self(entries)));
        }
        Ok(None)
    }

    /// All entries of some tags.
    pub(super) fn all(&self, tags: &[elf::DynamicTag]) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| tags.contains(&entry.tag))
    }

    /// The entry of a tag that counts: the last.
    pub(super) fn entry(&self, tag: elf::DynamicTag) -> Option<&Entry> {
        self.0.iter().rfind(|entry| entry.tag == tag)
    }

    pub(super) fn get(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.entry(tag).map(|entry| entry.value)
    }

    pub(super) fn has(&self, tag: elf::DynamicTag) -> bool {
        self.entry(tag).is_some()
    }

    /// Addresses of what the loader reads or calls.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Entry> {
        self.all(&TABLES).filter(|entry| entry.value != 0)
    }

    /// `DT_FLAGS`.
    pub(super) fn has_flag(&self, flag: elf::DynamicFlags) -> bool {
        elf::DynamicFlags(self.get(elf::DT_FLAGS).unwrap_or(0)).contains(flag)
    }

    /// `DT_FLAGS_1`.
    pub(super) fn has_flag_1(&self, flag: elf::DynamicFlags1) -> bool {
        elf::DynamicFlags1(self.get(elf::DT_FLAGS_1).unwrap_or(0)).contains(flag)
    }

    /// Whether functions are bound when they are first called.
    pub(super) fn is_lazy(&self) -> bool {
        !self.has(elf::DT_BIND_NOW)
            && !self.has_flag(elf::DF_BIND_NOW)
            && !self.has_flag_1(elf::DF_1_NOW)
    }

    /// Whether addresses in code and constants may be relocated too.
    pub(super) fn has_text_relocations(&self) -> bool {
        self.has(elf::DT_TEXTREL) || self.has_flag(elf::DF_TEXTREL)
    }

    /// Every linked library has `DT_INIT`; only the array says that somebody wrote a
    /// constructor.
    pub(super) fn has_constructors(&self) -> bool {
        self.get(elf::DT_INIT_ARRAYSZ).is_some_and(|size| size > 0)
    }

    /// The table of strings with its place in the file.
    pub(super) fn strings<'data, Elf: FileHeader<Endian = Endianness>>(
        &self,
        image: &Image<'data, Elf>,
    ) -> (u64, &'data [u8]) {
        let address = self.get(elf::DT_STRTAB);
        let Some((at, rest)) = address.and_then(|address| image.memory.at(address)) else {
            return (0, &[]);
        };
        // No loader of Linux asks for the size, and it may be missing or too small: then the
        // section says it, and the last name ends where it ends.
        let endian = image.endian;
        let mut tables = image.sections.iter();
        let section = tables.find(|section| {
            section.sh_type(endian) == elf::SHT_STRTAB
                && address == Some(section.sh_addr(endian).into())
        });
        let by_section: u64 = section.map_or(0, |section| section.sh_size(endian).into());
        let size = self.get(elf::DT_STRSZ).filter(|size| *size > 0);
        let size = size.map_or(u64::MAX, |size| size.max(by_section));
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let behind = rest.get(size.saturating_sub(1)..).unwrap_or_default();
        let end = size.saturating_add(memchr::memchr(0, behind).unwrap_or(0));
        (at, rest.get(..end).unwrap_or(rest))
    }

    /// Packed lists of relocations, each form once.
    pub(super) fn packed(&self) -> Vec<Packing> {
        let mut found = Vec::new();
        for entry in &self.0 {
            let packing = match entry.tag {
                elf::DT_RELR => Packing::Relr,
                elf::DT_ANDROID_RELR => Packing::AndroidRelr,
                elf::DT_ANDROID_REL | elf::DT_ANDROID_RELA => Packing::Android,
                _ => continue,
            };
            if !found.contains(&packing) {
                found.push(packing);
            }
        }
        found
    }
}

/// The bytes of a dynamic section as entries, and where they are: by its address, as the
/// loader finds it, or by its place in files that nothing loads.
fn entries_of<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    segment: &Elf::ProgramHeader,
) -> Result<(u64, &'data [Elf::Dyn]), DecodeError> {
    // glibc passes over one without bytes: files of debug information have such.
    let is_there = segment.p_filesz(image.endian).into() > 0;
    let found = image.memory.at(segment.p_vaddr(image.endian).into());
    if let Some((at, bytes)) = found.filter(|_| is_there) {
        let count = bytes.len().checked_div(size_of::<Elf::Dyn>()).unwrap_or(0);
        let entries = pod::slice_from_bytes::<Elf::Dyn>(bytes, count);
        return Ok((at, entries.map_or(&[], |(entries, _)| entries)));
    }
    let start: u64 = segment.p_offset(image.endian).into();
    let entries = segment
        .dynamic(image.endian, image.data)
        .map_err(|error| bad(start, "an ELF dynamic segment", error))?;
    Ok((start, entries.unwrap_or_default()))
}

/// Whether there is code in the file. Files of debug information keep the headers of
/// what they were cut from, and nothing in it.
fn holds_code<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> bool {
    let mut loads = image.memory.loads.iter();
    loads.any(|load| load.may(elf::PF_X) && !load.bytes.is_empty())
}
