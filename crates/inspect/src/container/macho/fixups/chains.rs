//! The chains of `LC_DYLD_CHAINED_FIXUPS`: each word says how far away the next one is, and
//! the table of imports has the names.

use object::Endianness;
use object::macho::LinkeditDataCommand;
use object::read::macho::{DyldChainedFixups, DyldChainedSegment, Fixup, MachHeader};

use super::places::Refused;
use super::reader::Reader;
use super::wanted::Wanted;
use crate::container::macho::image::bytes_at;

/// The sizes of pages that dyld knows.
const PAGES: [u16; 2] = [0x1000, 0x4000];

pub(super) fn read<Mach: MachHeader<Endian = Endianness>>(
    reader: &mut Reader<'_, '_, Mach>,
    command: &LinkeditDataCommand<Endianness>,
) {
    let endian = reader.image.endian;
    let at = u64::from(command.dataoff.get(endian));
    let table = command.chained_fixups(endian, reader.image.data);
    let done = match table {
        Ok(table) => all(reader, &table),
        Err(error) => Err(("chained fixups, unknown header version", error.to_string())),
    };
    if let Err(refused) = done {
        reader.refused(at, refused);
    }
}

fn all<'data, Mach: MachHeader<Endian = Endianness>>(
    reader: &mut Reader<'_, 'data, Mach>,
    table: &DyldChainedFixups<'data, Endianness>,
) -> Result<(), Refused> {
    let endian = reader.image.endian;
    let bad = |error: object::read::Error| ("malformed import table", error.to_string());
    let mut count = 0u32;
    for import in table.imports(endian).map_err(bad)? {
        let import = import.map_err(bad)?;
        count = count.saturating_add(1);
        let asked = Wanted {
            dylib: import.dylib,
            weak: import.weak_import,
            lazy: false,
        };
        reader.wants(import.name, asked)?;
    }
    let bad = |error: object::read::Error| ("chained fixups", error.to_string());
    let mut format = None;
    for segment in table.segments(endian).map_err(bad)? {
        let segment = segment.map_err(bad)?;
        let found = segment.header().pointer_format.get(endian);
        if format.is_some_and(|format| format != found) {
            let what = String::from("the chains of two segments have words of different forms");
            return Err((
                "chained fixups, pointer_format not same for all segments",
                what,
            ));
        }
        format = Some(found);
        chain(reader, &segment, count)?;
    }
    Ok(())
}

fn chain<'data, Mach: MachHeader<Endian = Endianness>>(
    reader: &mut Reader<'_, 'data, Mach>,
    chained: &DyldChainedSegment<'data, Endianness>,
    imports: u32,
) -> Result<(), Refused> {
    let (endian, base) = (reader.image.endian, reader.image.text_address);
    let header = chained.header();
    let index = usize::try_from(chained.index()).unwrap_or(usize::MAX);
    let segments = reader.places.segments;
    let Some(segment) = segments.get(index) else {
        let what = format!("chains are for segment {index}, which is not there");
        return Err(("chained fixups, seg_count exceeds number of segments", what));
    };
    let name = &segment.name;
    let page = header.page_size.get(endian);
    if !PAGES.contains(&page) {
        let what = format!("the chains of segment `{name}` have pages of {page} bytes");
        return Err(("chained fixups, page_size not 4KB or 16KB", what));
    }
    if base.wrapping_add(header.segment_offset.get(endian)) != segment.address {
        let what = format!("the chains of segment `{name}` begin at another address than it");
        return Err(("chained fixups, segment_offset does not match vmaddr", what));
    }
    let bytes = bytes_at(reader.image.data, segment.file_offset, segment.file_size);
    let fixups = chained.fixups(endian, base, bytes.unwrap_or_default());
    for fixup in fixups {
        let (offset, fixup) =
            fixup.map_err(|error| ("chained fixups", format!("in segment `{name}`: {error}")))?;
        let place = reader.places.of_pointer(index, offset)?;
        match fixup {
            Fixup::Rebase(rebase) => {
                let target = base.wrapping_add(rebase.target_offset);
                reader.leads(target, place);
            }
            Fixup::Bind(bind) if bind.ordinal >= imports => {
                let what = format!(
                    "the word at address {place:#x} wants name {}, of {imports}",
                    bind.ordinal
                );
                return Err(("out of range bind ordinal", what));
            }
            Fixup::Bind(_) => {}
            Fixup::KernelCacheRebase(_) | Fixup::SegmentedRebase(_) => {
                let what = format!("the chains of segment `{name}` are for a kernel");
                return Err(("chained fixups, unknown pointer_format", what));
            }
        }
    }
    Ok(())
}
