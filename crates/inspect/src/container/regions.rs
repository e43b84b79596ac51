//! The regions of a binary: how many there may be, and which one holds an address.

use super::Region;
use crate::error::DecodeError;
use crate::limits::MAX_REGIONS;

/// Adds a region, as long as there are no more than [`MAX_REGIONS`].
pub(super) fn push<'data>(
    regions: &mut Vec<Region<'data>>,
    region: Region<'data>,
) -> Result<(), DecodeError> {
    if regions.len() >= MAX_REGIONS {
        let at = region
            .file_ranges
            .first()
            .map_or(0, |range| range.file_offset);
        return Err(DecodeError::limit(
            at,
            format!("at most {MAX_REGIONS} sections with contents"),
            "more",
        ));
    }
    regions.push(region);
    Ok(())
}

/// The address ranges of a binary's regions, sorted for lookup.
pub(super) struct RegionIndex {
    ranges: Vec<Range>,
}

struct Range {
    start: u64,
    length: u64,
    region: usize,
}

impl RegionIndex {
    /// Indexes `regions` by address; empty regions are left out.
    pub(super) fn new(regions: &[Region<'_>]) -> Self {
        let mut ranges: Vec<Range> = regions
            .iter()
            .enumerate()
            .filter(|(_, region)| !region.data.is_empty())
            .map(|(index, region)| Range {
                start: region.address,
                length: region.data.len() as u64,
                region: index,
            })
            .collect();
        ranges.sort_by_key(|range| range.start);
        Self { ranges }
    }

    /// The region that holds `address`, and the offset in it.
    pub(super) fn find(&self, address: u64) -> Option<(usize, u64)> {
        let after = self.ranges.partition_point(|range| range.start <= address);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        let offset = address.checked_sub(range.start)?;
        (offset < range.length).then_some((range.region, offset))
    }
}
