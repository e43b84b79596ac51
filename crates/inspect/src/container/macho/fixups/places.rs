//! Where fixups may be, and where the words that they set may lead.

use std::ops::RangeInclusive;

use object::macho::{self, BindDylib};

use crate::container::Segment;
use crate::container::macho::image::Rights;

/// dyld's words, and what is wrong.
pub(super) type Refused = (&'static str, String);

/// Where a fixup may be.
pub(super) struct Places<'a> {
    pub(super) segments: &'a [Segment],
    pub(super) rights: &'a [Rights],
    /// Segments before the linker's own.
    pub(super) count: usize,
    pub(super) dylibs: usize,
    /// How many more there may be: more than bytes of the file is no table of a linker.
    pub(super) left: usize,
    pub(super) size: u8,
    /// Addresses of the image, the one behind an end too.
    pub(super) spans: Vec<RangeInclusive<u64>>,
}

/// The addresses of segments, as few ranges.
pub(super) fn spans(segments: &[Segment]) -> Vec<RangeInclusive<u64>> {
    let end = |one: &Segment| one.address.saturating_add(one.memory_size);
    let mut all: Vec<_> = segments.iter().map(|one| (one.address, end(one))).collect();
    all.sort_unstable();
    let mut spans: Vec<RangeInclusive<u64>> = Vec::new();
    for (start, end) in all {
        match spans.last_mut() {
            Some(last) if start <= *last.end() => *last = *last.start()..=end.max(*last.end()),
            _ => spans.push(start..=end),
        }
    }
    spans
}

impl Places<'_> {
    /// The address of a pointer that dyld writes.
    pub(super) fn of_pointer(&mut self, segment: usize, offset: u64) -> Result<u64, Refused> {
        self.take(1)?;
        self.pointer(segment, offset)
    }

    /// Counts fixups.
    pub(super) fn take(&mut self, count: u64) -> Result<(), Refused> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.left = self.left.checked_sub(count).ok_or_else(|| {
            let what = String::from("there are more fixups than bytes in the file");
            ("", what)
        })?;
        Ok(())
    }

    /// The address of a pointer, where one may be.
    pub(super) fn pointer(&self, segment: usize, offset: u64) -> Result<u64, Refused> {
        let count = self.count;
        let found = self.segments.get(segment).filter(|_| segment < count);
        let (Some(found), Some(rights)) = (found, self.rights.get(segment)) else {
            let what = format!("a fixup is in segment {segment}, of {count}");
            return Err(("segment index too large", what));
        };
        let name = &found.name;
        if offset > found.memory_size.saturating_sub(self.size.into()) {
            let size = found.memory_size;
            let what =
                format!("a fixup is at {offset:#x} of segment `{name}`, which has {size:#x} bytes");
            return Err(("segment offset beyond segment size", what));
        }
        if !rights.write {
            let what = format!("a fixup is in segment `{name}`, which may not be written");
            return Err(("pointer bind is in non-writable segment", what));
        }
        if rights.execute {
            let what = format!("a fixup is in segment `{name}`, which may be executed");
            return Err(("pointer bind is in executable segment", what));
        }
        Ok(found.address.saturating_add(offset))
    }

    /// Whether the library of a name is among those that the image needs.
    pub(super) fn exists(&self, dylib: BindDylib, name: &[u8]) -> Result<(), Refused> {
        let name = name.escape_ascii();
        let is_known = usize::try_from(dylib.0).is_ok_and(|number| number <= self.dylibs);
        if is_known || (macho::BIND_SPECIAL_DYLIB_WEAK_LOOKUP.0..0).contains(&dylib.0) {
            return Ok(());
        }
        let (count, number) = (self.dylibs, dylib.0);
        let what = format!("`{name}` is to come from library {number}, of {count}");
        match number > 0 {
            true => Err(("library ordinal too large", what)),
            false => Err(("unknown library special ordinal", what)),
        }
    }

    /// Whether an address is of the image; one behind its end is an end.
    pub(super) fn holds(&self, address: u64) -> bool {
        self.spans.iter().any(|span| span.contains(&address))
    }
}
