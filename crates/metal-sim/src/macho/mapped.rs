//! An image in memory, where emulated code finds it.

use memmap2::MmapMut;

use super::error::{MachOError, Result};
use super::image::Image;
use super::native;

const PAGE: usize = 16384;

/// An image and the memory that holds it.
pub(super) struct Mapped {
    /// What its file says.
    pub(super) image: Image,
    memory: MmapMut,
}

/// Fresh memory of zeros.
pub(super) fn anonymous(bytes: usize) -> Result<MmapMut> {
    MmapMut::map_anon(bytes).map_err(|source| MachOError::Io {
        path: "memory for the image".into(),
        source,
    })
}

impl Mapped {
    /// Copies the segments to their places; nothing is fixed up yet.
    pub(super) fn new(bytes: &[u8], image: Image) -> Result<Mapped> {
        let size = usize::try_from(image.segments.end)
            .unwrap_or(usize::MAX)
            .next_multiple_of(PAGE);
        let mut memory = anonymous(size)?;
        for segment in &image.segments.list {
            let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let from = place(segment.file_offset)..place(segment.file_offset + segment.file_size);
            let to = place(segment.address)..place(segment.address + segment.file_size);
            if let (Some(from), Some(to)) = (bytes.get(from), memory.get_mut(to)) {
                to.copy_from_slice(from);
            }
        }
        Ok(Mapped { image, memory })
    }

    /// Where address 0 of the file is.
    pub(super) fn base(&self) -> u64 {
        native::address_of(&self.memory)
    }

    /// Whether an address of the process is in it.
    pub(super) fn contains(&self, address: u64) -> bool {
        address
            .checked_sub(self.base())
            .is_some_and(|offset| offset < self.image.segments.end)
    }

    /// Writes a word at an address of the file.
    pub(super) fn store(&mut self, address: u64, value: u64) {
        let start = usize::try_from(address).unwrap_or(usize::MAX);
        if let Some(place) = start
            .checked_add(8)
            .and_then(|end| self.memory.get_mut(start..end))
        {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// The memory from an address of the file on.
    pub(super) fn from(&self, address: u64) -> Option<&[u8]> {
        self.memory.get(usize::try_from(address).ok()?..)
    }

    /// The word at an address of the file.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let bytes = self.from(address)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    }

    /// The address in the process of a symbol, by its Mach-O name.
    pub(super) fn find(&self, symbol: &str) -> Option<u64> {
        let place = self.image.symbols.get(symbol);
        let place = place.map(|address| self.base().wrapping_add(*address));
        place.or_else(|| self.image.absolute.get(symbol).copied())
    }

    /// Writes the addresses of what it points to inside itself.
    pub(super) fn rebase(&mut self) {
        let base = self.base();
        for index in 0..self.image.fixups.rebases.len() {
            if let Some(rebase) = self.image.fixups.rebases.get(index).copied() {
                self.store(rebase.address, base.wrapping_add(rebase.target));
            }
        }
    }

    /// The functions that run at load.
    pub(super) fn initialisers(&self) -> impl Iterator<Item = u64> {
        let arrays = self.image.initialisers.iter();
        arrays.flat_map(move |(start, count)| {
            let place = |index: u64| start.checked_add(index.checked_mul(8)?);
            (0..*count).map_while(move |index| self.word(place(index)?))
        })
    }

    /// An address of the process in words.
    pub(super) fn describe(&self, address: u64) -> String {
        self.image.describe(address.wrapping_sub(self.base()))
    }
}
