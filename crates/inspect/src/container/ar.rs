//! `ar` archives: System V and GNU long names, BSD names, thin archives, and
//! the MSVC form of `.lib` files.

use object::read::archive::ArchiveFile;

use super::archive::{Body, Member, Visit};
use crate::error::DecodeError;

/// Hands out the members in file order; the symbol index is not one.
pub fn members<'data>(data: &'data [u8], visit: Visit<'_, 'data>) -> Result<(), DecodeError> {
    let bad = |error: object::read::Error| DecodeError::new(0, "an ar archive", error);
    let archive = ArchiveFile::parse(data).map_err(bad)?;
    // Members may share one long name; real ones have one each.
    let mut names_left = data.len();
    for member in archive.members() {
        let member = member.map_err(bad)?;
        let body = if member.is_thin() {
            Body::Absent("a thin archive names files and does not hold them")
        } else {
            let (at, _) = member.file_range();
            let bytes = member
                .data(data)
                .map_err(|error| DecodeError::new(at, "an ar member inside the file", error))?;
            Body::Stored(bytes)
        };
        names_left = names_left
            .checked_sub(member.name().len())
            .ok_or_else(|| DecodeError::new(0, "ar member names", "more of them than bytes"))?;
        let more = visit(Member::plain(member.name().to_vec(), member.size(), body));
        if !more {
            break;
        }
    }
    Ok(())
}
