//! Symbol versions a file asks of its libraries (`.gnu.version_r`), and those that a
//! library defines (`.gnu.version_d`).

use object::Endianness;
use object::elf;
use object::pod;
use object::read::elf::FileHeader;

use super::dynamic::Dynamic;
use super::image::Image;
use crate::container::VersionNeed;
use crate::container::symbols::Names;
use crate::error::DecodeError;

/// The version needs in file order.
pub(super) fn needs<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Result<Vec<VersionNeed>, DecodeError> {
    let numbered = numbered(image, dynamic)?.into_iter();
    Ok(numbered.map(|(_, need)| need).collect())
}

/// The same, with the number that symbols name each by.
pub(super) fn numbered<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
) -> Result<Vec<(u16, VersionNeed)>, DecodeError> {
    let endian = image.endian;
    let (strings_at, strings) = dynamic.strings(image);
    let mut names = Names::new(strings, strings_at, image.data.len());
    let mut needs = Vec::new();
    let mut library_at = dynamic
        .get(elf::DT_VERNEED)
        .and_then(|address| image.memory.at(address))
        .map(|(_, bytes)| bytes);
    // `vn_next` and `vna_next` only lead forward, but entries may overlap in a
    // hostile file: no more of them than 16-byte entries fit.
    let mut left = library_at.map_or(0, |bytes| bytes.len() / 16);
    while let Some(bytes) = library_at {
        let Ok((need, _)) = pod::from_bytes::<elf::Verneed<Endianness>>(bytes) else {
            break;
        };
        let library = names.get(need.vn_file.get(endian).into())?;
        let mut version_at = skip(bytes, need.vn_aux.get(endian));
        for _ in 0..need.vn_cnt.get(endian) {
            left = left.saturating_sub(1);
            if left == 0 {
                return Ok(needs);
            }
            let Some(Ok((version, _))) =
                version_at.map(pod::from_bytes::<elf::Vernaux<Endianness>>)
            else {
                break;
            };
            let name = names.get(version.vna_name.get(endian).into())?;
            if let (Some(library), Some(name)) = (library, name) {
                let need = VersionNeed {
                    library: names.keep(library)?,
                    version: names.keep(name)?,
                };
                needs.push((version.vna_other.get(endian).0 & 0x7fff, need));
            }
            version_at = version_at.and_then(|bytes| skip(bytes, version.vna_next.get(endian)));
        }
        library_at = skip(bytes, need.vn_next.get(endian));
    }
    Ok(needs)
}

/// The versions that a library defines, in file order.
pub(super) fn definitions<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
) -> Result<Vec<String>, DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    let Some(dynamic) = Dynamic::of(&image)? else {
        return Ok(Vec::new());
    };
    let endian = image.endian;
    let (strings_at, strings) = dynamic.strings(&image);
    let mut names = Names::new(strings, strings_at, data.len());
    let mut found = Vec::new();
    let mut at = dynamic
        .get(elf::DT_VERDEF)
        .and_then(|address| image.memory.at(address))
        .map(|(_, bytes)| bytes);
    // As above: no more entries than fit, which take 20 bytes each.
    let mut left = at.map_or(0, |bytes| bytes.len() / 20);
    while let Some(bytes) = at.filter(|_| left > 0) {
        left = left.saturating_sub(1);
        let Ok((definition, _)) = pod::from_bytes::<elf::Verdef<Endianness>>(bytes) else {
            break;
        };
        // The first name is the version, what follows are those that it includes.
        let first = skip(bytes, definition.vd_aux.get(endian));
        if let Some(Ok((name, _))) = first.map(pod::from_bytes::<elf::Verdaux<Endianness>>)
            && let Some(name) = names.get(name.vda_name.get(endian).into())?
        {
            found.push(names.keep(name)?);
        }
        at = skip(bytes, definition.vd_next.get(endian));
    }
    Ok(found)
}

/// The bytes `offset` further on; `None` for zero, which ends a list.
fn skip(bytes: &[u8], offset: u32) -> Option<&[u8]> {
    let offset = usize::try_from(offset).ok().filter(|offset| *offset > 0)?;
    bytes.get(offset..)
}
