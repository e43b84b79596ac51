//! What the checks of the loader's tables share: the memory that segments make, the
//! entries of the dynamic section, and the list of faults.

use std::ops::RangeInclusive;

use object::Endianness;
use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};

use crate::container::elf::image::Image;
use crate::container::{Damage, DamageKind, Reply};

/// Faults that are kept of one file.
const MAX_FAULTS: usize = 8;
/// Entries of a dynamic section that are looked at; real ones have about thirty.
const MAX_ENTRIES: usize = 4096;

/// What was found.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) found: Vec<Damage>,
}

impl Faults {
    pub(super) fn add(&mut self, reply: Reply, what: String, offset: u64) {
        if !self.is_full() {
            let kind = DamageKind::Table(reply);
            self.found.push(Damage { kind, what, offset });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MAX_FAULTS
    }
}

/// A loadable segment.
pub(super) struct Load<'data> {
    pub(super) address: u64,
    /// The first address behind it.
    pub(super) end: u64,
    /// Where its bytes begin in the file.
    pub(super) offset: u64,
    pub(super) bytes: &'data [u8],
    pub(super) writable: bool,
    pub(super) executable: bool,
}

impl<'data> Load<'data> {
    /// The bytes from an address on that the file has.
    pub(super) fn from(&self, address: u64) -> Option<&'data [u8]> {
        let skip = usize::try_from(address.checked_sub(self.address)?).ok()?;
        self.bytes.get(skip..).filter(|bytes| !bytes.is_empty())
    }
}

/// All loadable segments.
pub(super) struct Memory<'data> {
    pub(super) loads: Vec<Load<'data>>,
    first: u64,
    last: u64,
}

impl<'data> Memory<'data> {
    pub(super) fn of<Elf: FileHeader<Endian = Endianness>>(image: &Image<'data, Elf>) -> Self {
        let endian = image.endian;
        let headers = image.segments.iter();
        let headers = headers.filter(|header| header.p_type(endian) == elf::PT_LOAD);
        let loads: Vec<Load<'data>> = headers
            .map(|header| {
                let address: u64 = header.p_vaddr(endian).into();
                let flags = header.p_flags(endian);
                Load {
                    address,
                    end: address.saturating_add(header.p_memsz(endian).into()),
                    offset: header.p_offset(endian).into(),
                    bytes: header.data(endian, image.data).unwrap_or_default(),
                    writable: flags.contains(elf::PF_W),
                    executable: flags.contains(elf::PF_X),
                }
            })
            .collect();
        let first = loads.iter().map(|load| load.address).min();
        let last = loads.iter().map(|load| load.end).max();
        Self {
            loads,
            first: first.unwrap_or(0),
            last: last.unwrap_or(0),
        }
    }

    /// The bytes from an address to the end of its segment's part of the file, and
    /// where they are.
    pub(super) fn at(&self, address: u64) -> Option<(u64, &'data [u8])> {
        self.loads.iter().find_map(|load| {
            let bytes = load.from(address)?;
            let skip = address.checked_sub(load.address)?;
            Some((load.offset.checked_add(skip)?, bytes))
        })
    }

    /// `size` bytes at an address, where one segment has all of them.
    pub(super) fn range(&self, address: u64, size: u64) -> Option<(u64, &'data [u8])> {
        let (at, bytes) = self.at(address)?;
        Some((at, bytes.get(..usize::try_from(size).ok()?)?))
    }

    pub(super) fn may_execute(&self, address: u64) -> bool {
        let holds = |load: &Load<'_>| load.address <= address && address < load.end;
        self.loads.iter().any(|load| load.executable && holds(load))
    }

    pub(super) fn may_write(&self, address: u64) -> bool {
        let holds = |load: &Load<'_>| load.address <= address && address < load.end;
        self.loads.iter().any(|load| load.writable && holds(load))
    }

    /// The addresses of the library, and the one right behind it.
    pub(super) fn addresses(&self) -> RangeInclusive<u64> {
        self.first..=self.last
    }

    pub(super) fn holds(&self, address: u64) -> bool {
        self.addresses().contains(&address)
    }
}

/// One entry of the dynamic section.
pub(super) struct Entry {
    pub(super) tag: elf::DynamicTag,
    pub(super) value: u64,
    pub(super) offset: u64,
}

/// The dynamic section up to its end.
pub(super) struct Entries(pub(super) Vec<Entry>);

impl Entries {
    pub(super) fn of<Elf: FileHeader<Endian = Endianness>>(image: &Image<'_, Elf>) -> Self {
        let endian = image.endian;
        for segment in image.segments {
            let Ok(Some(all)) = segment.dynamic(endian, image.data) else {
                continue;
            };
            let size = size_of::<Elf::Dyn>() as u64;
            let start: u64 = segment.p_offset(endian).into();
            let entries = (0u64..).zip(all).take(MAX_ENTRIES);
            let entries = entries.map(|(number, entry)| Entry {
                tag: entry.d_tag(endian),
                value: entry.d_val(endian).into(),
                offset: start.saturating_add(number.saturating_mul(size)),
            });
            return Self(
                entries
                    .take_while(|entry| entry.tag != elf::DT_NULL)
                    .collect(),
            );
        }
        Self(Vec::new())
    }

    /// The entry of a tag that counts: the last.
    pub(super) fn entry(&self, tag: elf::DynamicTag) -> Option<&Entry> {
        self.0.iter().rfind(|entry| entry.tag == tag)
    }

    pub(super) fn get(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.entry(tag).map(|entry| entry.value)
    }

    /// The bytes of a table of which the section says address and size.
    pub(super) fn table<'data>(
        &self,
        memory: &Memory<'data>,
        address: elf::DynamicTag,
        size: elf::DynamicTag,
    ) -> Option<(u64, &'data [u8])> {
        memory.range(self.get(address)?, self.get(size)?)
    }

    /// Whether functions are bound when they are first called.
    pub(super) fn is_lazy(&self) -> bool {
        let flags = self.get(elf::DT_FLAGS).unwrap_or(0);
        let more = self.get(elf::DT_FLAGS_1).unwrap_or(0);
        self.get(elf::DT_BIND_NOW).is_none()
            && !elf::DynamicFlags(flags).contains(elf::DF_BIND_NOW)
            && !elf::DynamicFlags1(more).contains(elf::DF_1_NOW)
    }

    /// Whether addresses in code and constants may be relocated too.
    pub(super) fn has_text_relocations(&self) -> bool {
        let flags = self.get(elf::DT_FLAGS).unwrap_or(0);
        self.get(elf::DT_TEXTREL).is_some() || elf::DynamicFlags(flags).contains(elf::DF_TEXTREL)
    }
}
