//! Where functions begin by `.eh_frame` itself, for images that were linked without its
//! search table. Linux Standard Base, "Exception Frames"; DWARF 4, 7.24.

use std::collections::HashMap;

use object::Endianness;
use object::read::elf::{FileHeader, SectionHeader};

use super::image::Image;
use crate::container::linkage::Linkage;

/// `DW_EH_PE_pcrel | DW_EH_PE_sdata4`, the only form that compilers write for such images.
const RELATIVE_WORD: u8 = 0x1b;

/// Notes where the described functions begin; nothing where a description has another form.
pub(super) fn starts<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    linkage: &mut Linkage,
) -> Option<()> {
    let endian = image.endian;
    let (_, section) = image.sections.section_by_name(endian, b".eh_frame")?;
    let data = section.data(endian, image.data).ok()?;
    let mut starts = of_records(data, section.sh_addr(endian).into())?;
    starts.sort_unstable();
    starts.dedup();
    starts.into_iter().for_each(|start| linkage.start(start));
    Some(())
}

/// The first addresses of what the records at an address describe.
fn of_records(data: &[u8], base: u64) -> Option<Vec<u64>> {
    let mut starts = Vec::new();
    // Whether what refers to the common record at a place is of the known form.
    let mut known: HashMap<usize, bool> = HashMap::new();
    let mut at = 0usize;
    while let Some(length) = word(data, at).filter(|length| *length > 0) {
        let id_at = at.checked_add(4)?;
        let end = id_at.checked_add(usize::try_from(length).ok()?)?;
        let record = data.get(id_at..end)?;
        let place = id_at.checked_add(4)?;
        match word(record, 0)? {
            0 => {
                known.insert(at, is_relative(record.get(4..)?) == Some(true));
            }
            back => {
                let common = id_at.checked_sub(usize::try_from(back).ok()?)?;
                known.get(&common).filter(|is_known| **is_known)?;
                let distance = word(record, 4)?.cast_signed();
                let field = base.wrapping_add(place as u64);
                starts.push(field.wrapping_add_signed(distance.into()));
            }
        }
        at = end;
    }
    Some(starts)
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Whether a common record, from its version on, says that addresses are relative words:
/// version, augmentation, two factors, a register, and the data of the augmentation, whose
/// last byte is the form where only letters without data follow the `R`.
fn is_relative(record: &[u8]) -> Option<bool> {
    let end = memchr::memchr(0, record.get(1..)?)?.checked_add(1)?;
    let augmentation = record.get(1..end)?;
    let (letters, _) = augmentation.split_at_checked(memchr::memchr(b'R', augmentation)?)?;
    let rest = augmentation.get(letters.len().checked_add(1)?..)?;
    let mut behind = record.get(end.checked_add(1)?..)?;
    for _ in 0..3 {
        let last = behind.iter().position(|byte| *byte < 0x80)?;
        behind = behind.get(last.checked_add(1)?..)?;
    }
    let (size, behind) = behind.split_first()?;
    let form = behind.get(usize::from(*size).checked_sub(1)?)?;
    let is_known =
        letters.first() == Some(&b'z') && rest.iter().all(|it| matches!(it, b'S' | b'B'));
    Some(is_known && *form == RELATIVE_WORD)
}
