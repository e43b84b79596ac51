//! The archive behind a program that PyInstaller made of one file (`--onefile`), which it
//! unpacks at each start.
//!
//! A cookie near the end of the program says how long the archive before it is and where
//! in that its table lies; the table lists members, stored or compressed with zlib.
//! Numbers are big-endian. The form is PyInstaller's "CArchive", as its manual describes it
//! and as programs of versions 5 and 6 have it.

use flate2::bufread::ZlibDecoder;

use super::archive::{Body, Member, Visit};
use crate::error::DecodeError;
use crate::limits::MAX_NAME;

const MAGIC: &[u8] = b"MEI\x0c\x0b\x0a\x0b\x0e";
/// Bytes of the cookie: the magic, four numbers, and the name of Python's library.
const COOKIE: usize = 88;
/// Bytes of an entry before its name.
const HEAD: usize = 18;
/// Section tables and signatures may follow the archive.
const MAX_BEHIND: usize = 64 << 10;

/// An archive behind a program.
pub struct Archive<'data> {
    data: &'data [u8],
    table: &'data [u8],
    /// Where the table begins.
    at: u64,
}

/// The archive behind a program, if it has one.
pub fn archive(program: &[u8]) -> Option<Archive<'_>> {
    let behind = program.len().saturating_sub(MAX_BEHIND);
    // The last; forwards it is looked for many bytes at a time.
    let found = memchr::memmem::find_iter(program.get(behind..)?, MAGIC).last()?;
    let cookie = behind.checked_add(found)?;
    let end = cookie.checked_add(COOKIE)?;
    let fields = program.get(cookie..end)?;
    let start = end.checked_sub(size(fields, 8)?)?;
    let data = program.get(start..cookie)?;
    let (from, length) = (size(fields, 12)?, size(fields, 16)?);
    Some(Archive {
        data,
        table: data.get(from..from.checked_add(length)?)?,
        at: start.checked_add(from)? as u64,
    })
}

impl<'data> Archive<'data> {
    /// Hands out its libraries and data.
    pub fn members(&self, visit: Visit<'_, 'data>) -> Result<(), DecodeError> {
        let mut at = 0usize;
        while at < self.table.len() {
            let here = self.at.saturating_add(at as u64);
            let damaged = || DecodeError::new(here, "an entry of PyInstaller's table", "none");
            let rest = self.table.get(at..).unwrap_or_default();
            let length = size(rest, 0).filter(|length| *length > HEAD);
            let entry = length
                .and_then(|length| rest.get(..length))
                .ok_or_else(damaged)?;
            at = at.saturating_add(entry.len());
            let numbers = (size(entry, 4), size(entry, 8), size(entry, 12));
            let ((Some(from), Some(packed), Some(whole)), &[flag, kind, ref name @ ..]) =
                (numbers, entry.get(16..).unwrap_or_default())
            else {
                return Err(damaged());
            };
            // Libraries and data; the rest is Python's own code, links and options.
            if !matches!(kind, b'b' | b'x' | b'Z') {
                continue;
            }
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = name.get(..MAX_NAME).unwrap_or(name).to_vec();
            let end = from.checked_add(packed);
            let bytes = end.and_then(|end| self.data.get(from..end));
            let bytes = bytes.ok_or_else(damaged)?;
            let whole = whole as u64;
            let goes_on = match flag {
                0 => visit(Member::plain(name, whole, Body::Stored(bytes))),
                _ => {
                    let mut stream = ZlibDecoder::new(bytes);
                    visit(Member::plain(name, whole, Body::Packed(&mut stream)))
                }
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }
}

fn size(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*number)).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A program with an archive of these members: flag, kind, name and bytes.
    fn program(members: &[(u8, u8, &str, &[u8])]) -> Vec<u8> {
        let number = |value: usize| u32::try_from(value).expect("small").to_be_bytes();
        let (mut data, mut table) = (Vec::new(), Vec::new());
        for (flag, kind, name, bytes) in members {
            let mut stored = bytes.to_vec();
            if *flag == 1 {
                let mut packer =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(bytes).expect("written");
                stored = packer.finish().expect("packed");
            }
            table.extend(number(HEAD + name.len() + 1));
            for value in [data.len(), stored.len(), bytes.len()] {
                table.extend(number(value));
            }
            table.extend([*flag, *kind]);
            table.extend(name.as_bytes());
            table.push(0);
            data.extend(stored);
        }
        let mut file = b"\x7fELF and a program".to_vec();
        let whole = data.len() + table.len() + COOKIE;
        let cookie: Vec<u8> = [whole, data.len(), table.len(), 311]
            .into_iter()
            .flat_map(number)
            .collect();
        file.extend(data);
        file.extend(table);
        file.extend(MAGIC);
        file.extend(cookie);
        file.extend([0; 64]);
        file.extend(b"sections behind it");
        file
    }

    fn read(file: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        let read = archive(file)?.members(&mut |member| {
            let name = String::from_utf8_lossy(&member.name).into_owned();
            let mut bytes = Vec::new();
            match member.body {
                Body::Stored(stored) => bytes.extend(stored),
                Body::Packed(stream) | Body::Holed(stream) => drop(stream.read_to_end(&mut bytes)),
                Body::Absent(_) | Body::Link(..) | Body::Folder => {}
            }
            found.push((name, bytes));
            true
        });
        read.ok().map(|()| found)
    }

    #[test]
    fn members_are_read_and_damage_is_none() {
        let file = program(&[
            (0, b'b', "tvm_ffi/a.so", b"stored"),
            (1, b'x', "b.so", b"packed packed packed"),
            (0, b'n', "link.so", b"tvm_ffi/a.so"),
        ]);
        let expected = [
            ("tvm_ffi/a.so".to_owned(), b"stored".to_vec()),
            ("b.so".to_owned(), b"packed packed packed".to_vec()),
        ];
        assert_eq!(read(&file).as_deref(), Some(&expected[..]));
        assert!(archive(b"\x7fELF and nothing behind it").is_none());
        for cut in 0..file.len() {
            let _ = read(file.get(cut..).unwrap_or_default());
            let _ = read(file.get(..cut).unwrap_or_default());
        }
        for at in 0..file.len() {
            let mut other = file.clone();
            if let Some(byte) = other.get_mut(at) {
                *byte ^= 0xff;
            }
            let _ = read(&other);
        }
    }
}
