//! The data of an ELF file as regions: its sections, or its segments where the
//! section headers were removed or do not fit what the loader maps.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, SectionHeader};

use super::damage::has_section_table;
use super::error::bad;
use super::image::Image;
use super::memory::Load;
use super::sections;
use crate::container::Region;
use crate::container::regions::push;
use crate::error::DecodeError;

/// Sections that hold neither a blob nor text of the program.
const UNWIND_SECTIONS: [&[u8]; 4] = [
    b".eh_frame",
    b".eh_frame_hdr",
    b".gcc_except_table",
    b".interp",
];

/// The regions, and for every section the region it became.
#[allow(clippy::type_complexity)]
pub(super) fn read<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
    object: bool,
) -> Result<(Vec<Region<'data>>, Vec<Option<usize>>), DecodeError> {
    let endian = image.endian;
    let is_sound = || {
        has_section_table(image) == Some(true)
            && sections::are_sound(&sections::all(image), &image.memory.loads)
    };
    if image.sections.is_empty() || (!image.memory.loads.is_empty() && !is_sound()) {
        return Ok((segment_regions(image), Vec::new()));
    }
    let mut regions = Vec::new();
    let mut by_section = Vec::with_capacity(image.sections.len());
    for section in image.sections.iter() {
        let flags = section.sh_flags(endian);
        let kind = section.sh_type(endian);
        let name = image
            .sections
            .section_name(endian, section)
            .unwrap_or_default();
        let wanted = kind == elf::SHT_PROGBITS
            && flags.contains(elf::SHF_ALLOC)
            && !UNWIND_SECTIONS.contains(&name);
        if !wanted {
            by_section.push(None);
            continue;
        }
        let at = section.sh_offset(endian).into();
        let bytes = match section.data(endian, image.data) {
            Ok(bytes) => bytes,
            Err(error) if object => return Err(bad(at, "an ELF section inside the file", error)),
            // No loader reads the section headers of a linked file.
            Err(_) => {
                by_section.push(None);
                continue;
            }
        };
        by_section.push(Some(regions.len()));
        let name = String::from_utf8_lossy(name).into_owned();
        let address = match object {
            true => 0,
            false => section.sh_addr(endian).into(),
        };
        let region = Region {
            executable: flags.contains(elf::SHF_EXECINSTR),
            writable: flags.contains(elf::SHF_WRITE),
            ..Region::of_file(name, address, at, bytes)
        };
        push(&mut regions, region)?;
    }
    Ok((regions, by_section))
}

/// Whole segments, for files whose section headers were removed.
fn segment_regions<'data, Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'data, Elf>,
) -> Vec<Region<'data>> {
    let loads = image.memory.loads.iter().enumerate();
    let region = |(number, load): (usize, &Load<'data>)| Region {
        executable: load.may(elf::PF_X),
        writable: load.may(elf::PF_W),
        ..Region::of_file(
            format!("PT_LOAD[{number}]"),
            load.address,
            load.offset,
            load.bytes,
        )
    };
    loads.map(region).collect()
}
