//! The loadable segments of an ELF file: what is mapped where, and with what rights.

use std::ops::RangeInclusive;

use object::Endianness;
use object::elf;
use object::read::elf::ProgramHeader;

use super::error::within;
use crate::error::DecodeError;

/// The smallest page.
pub(super) const PAGE: u64 = 4 << 10;

/// A size in whole pages of the smallest kind.
pub(super) fn pages(size: u64) -> u64 {
    size.checked_next_multiple_of(PAGE).unwrap_or(size)
}

/// A loadable segment.
pub(super) struct Load<'data> {
    pub(super) address: u64,
    pub(super) in_memory: u64,
    /// Where its bytes begin in the file.
    pub(super) offset: u64,
    /// What the file has of it.
    pub(super) bytes: &'data [u8],
    pub(super) alignment: u64,
    pub(super) flags: elf::ProgramFlags,
}

impl<'data> Load<'data> {
    /// The first address behind it.
    pub(super) fn end(&self) -> u64 {
        let size = self.in_memory.max(self.bytes.len() as u64);
        self.address.saturating_add(size)
    }

    pub(super) fn holds(&self, address: u64) -> bool {
        self.address <= address && address < self.end()
    }

    pub(super) fn may(&self, flag: elf::ProgramFlags) -> bool {
        self.flags.contains(flag)
    }

    /// The bytes from an address on that the file has.
    pub(super) fn from(&self, address: u64) -> Option<&'data [u8]> {
        let skip = usize::try_from(address.checked_sub(self.address)?).ok()?;
        self.bytes.get(skip..).filter(|bytes| !bytes.is_empty())
    }
}

/// All loadable segments.
pub(super) struct Memory<'data> {
    pub(super) loads: Vec<Load<'data>>,
    /// The addresses of the library, and the one right behind it.
    pub(super) addresses: RangeInclusive<u64>,
}

impl<'data> Memory<'data> {
    /// Fails where a segment's bytes are not in the file.
    pub(super) fn of<Header: ProgramHeader<Endian = Endianness>>(
        data: &'data [u8],
        endian: Endianness,
        headers: &[Header],
    ) -> Result<Self, DecodeError> {
        let headers = headers.iter();
        let loads = headers.filter(|header| header.p_type(endian) == elf::PT_LOAD);
        let loads = loads.map(|header| {
            let (offset, size) = header.file_range(endian);
            if size > 0 {
                within(data, offset, size, "an ELF segment")?;
            }
            Ok(Load {
                address: header.p_vaddr(endian).into(),
                in_memory: header.p_memsz(endian).into(),
                offset,
                bytes: header.data(endian, data).unwrap_or_default(),
                alignment: header.p_align(endian).into(),
                flags: header.p_flags(endian),
            })
        });
        let loads: Vec<Load<'data>> = loads.collect::<Result<_, DecodeError>>()?;
        let first = loads.iter().map(|load| load.address).min();
        let last = loads.iter().map(Load::end).max();
        Ok(Self {
            loads,
            addresses: first.unwrap_or(0)..=last.unwrap_or(0),
        })
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

    /// Whether a segment with these rights holds an address.
    pub(super) fn may(&self, flag: elf::ProgramFlags, address: u64) -> bool {
        let mut loads = self.loads.iter();
        loads.any(|load| load.may(flag) && load.holds(address))
    }
}
