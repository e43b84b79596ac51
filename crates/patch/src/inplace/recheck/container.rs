//! Finds blobs with `goblin` and `tar`.

use std::io::Read;

use goblin::mach::{Mach, MachO};
use goblin::{Object, elf, pe};

use super::trie;

/// A blob: where it is, and from there to the end of what may hold it.
pub(super) struct Found {
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
}

/// Names of blobs. They are written down again: a check shares nothing with what it checks.
const NAMES: [&str; 3] = [
    "__tvm_ffi__library_bin",
    "__tvm_ffi_library_bin",
    "__tvm_dev_mblob",
];

fn is_blob(name: &str) -> bool {
    NAMES.iter().any(|known| name.ends_with(known))
}

/// A gzip stream unpacked, any other file as it is.
pub(super) fn unpacked(file: &[u8]) -> Result<Vec<u8>, String> {
    if !file.starts_with(&[0x1f, 0x8b]) {
        return Ok(file.to_vec());
    }
    let mut out = Vec::new();
    let mut decoder = flate2::bufread::MultiGzDecoder::new(file);
    decoder
        .read_to_end(&mut out)
        .map_err(|error| format!("gzip: {error}"))?;
    Ok(out)
}

/// The blobs of a file, by place. `known` are addresses of those in wasm memory.
pub(super) fn blobs(file: &[u8], known: &[u64]) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    if is_tar(file) {
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries().map_err(|error| format!("tar: {error}"))? {
            let mut entry = entry.map_err(|error| format!("tar: {error}"))?;
            let at = entry.raw_file_position();
            let mut content = Vec::new();
            entry
                .read_to_end(&mut content)
                .map_err(|error| format!("tar: {error}"))?;
            of_image(&content, at, known, &mut found)?;
        }
    } else if file.starts_with(b"!<arch>\n") {
        let archive = goblin::archive::Archive::parse(file).map_err(text)?;
        // By number: several members may have one name.
        for index in 0..archive.len() {
            let Some(member) = archive.get_at(index) else {
                continue;
            };
            let start = usize::try_from(member.offset).map_err(|_| "ar: an offset")?;
            let content = file
                .get(start..start.saturating_add(member.size()))
                .ok_or("ar: a cut member")?;
            of_image(content, member.offset, known, &mut found)?;
        }
    } else {
        of_image(file, 0, known, &mut found)?;
    }
    found.sort_by_key(|found| found.at);
    found.dedup_by_key(|found| found.at);
    Ok(found)
}

/// Whether a file begins with a tar header: its words add up to its checksum. The oldest form
/// has no other sign.
fn is_tar(file: &[u8]) -> bool {
    let Some(header) = file.first_chunk::<512>() else {
        return false;
    };
    tar::Header::from_byte_slice(header)
        .cksum()
        .is_ok_and(|stated| {
            let sum = header.iter().enumerate().map(|(at, byte)| match at {
                148..156 => u32::from(b' '),
                _ => u32::from(*byte),
            });
            stated == sum.sum::<u32>()
        })
}

fn text(error: goblin::error::Error) -> String {
    error.to_string()
}

fn of_image(image: &[u8], base: u64, known: &[u64], found: &mut Vec<Found>) -> Result<(), String> {
    let before = found.len();
    if image.starts_with(b"\0asm") {
        let memory = wasm_memory(image).ok_or("wasm: a data section that does not parse")?;
        for address in known {
            let start = usize::try_from(*address).map_err(|_| "wasm: an address")?;
            let bytes = memory
                .get(start..)
                .ok_or("wasm: a blob outside the memory")?
                .to_vec();
            found.push(Found {
                at: *address,
                bytes,
            });
        }
        return Ok(());
    }
    if is_fat(image) {
        for (offset, slice) in images(image)? {
            let file = MachO::parse(slice, 0).map_err(text)?;
            of_macho(slice, offset, &file, found)?;
        }
    }
    match Object::parse(image) {
        Ok(Object::Elf(file)) => of_elf(image, &file, found),
        Ok(Object::Mach(Mach::Binary(file))) => of_macho(image, 0, &file, found)?,
        Ok(Object::PE(file)) => of_pe(image, &file, found),
        Ok(Object::COFF(file)) => of_coff(image, &file, found)?,
        _ => {}
    }
    for blob in found.iter_mut().skip(before) {
        blob.at = blob.at.saturating_add(base);
    }
    Ok(())
}

fn is_fat(file: &[u8]) -> bool {
    matches!(file, [0xca, 0xfe, 0xba, 0xbe | 0xbf, ..])
}

/// The Mach-O images of a file with their offsets; goblin knows no table of
/// slices with 64-bit offsets, so both kinds are read here. None for any other
/// kind of file.
pub(super) fn images(file: &[u8]) -> Result<Vec<(u64, &[u8])>, String> {
    if matches!(file, [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..]) {
        return Ok(vec![(0, file)]);
    }
    if !is_fat(file) {
        return Ok(Vec::new());
    }
    let field = |at: usize, size: usize| -> Option<u64> {
        let bytes = file.get(at..at.checked_add(size)?)?;
        let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(bytes.iter().fold(0, add))
    };
    // Processor and kind, then offset and size, then alignment.
    let (entry, width) = match file.get(3) {
        Some(0xbf) => (32, 8),
        _ => (20, 4),
    };
    let slice = |number: u64| -> Option<(u64, &[u8])> {
        let at = usize::try_from(number.checked_mul(entry)?.checked_add(16)?).ok()?;
        let (offset, size) = (field(at, width)?, field(at.checked_add(width)?, width)?);
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        file.get(start..end).map(|bytes| (offset, bytes))
    };
    let count = field(4, 4).unwrap_or(0).min(64);
    (0..count)
        .map(|number| slice(number).ok_or_else(|| "a slice outside the file".to_owned()))
        .collect()
}

fn push(image: &[u8], at: u64, base: u64, found: &mut Vec<Found>) {
    let bytes = usize::try_from(at).ok().and_then(|at| image.get(at..));
    if let Some(bytes) = bytes {
        found.push(Found {
            at: base.saturating_add(at),
            bytes: bytes.to_vec(),
        });
    }
}

fn of_elf(image: &[u8], file: &elf::Elf<'_>, found: &mut Vec<Found>) {
    let dynamic = file
        .dynsyms
        .iter()
        .map(|symbol| (file.dynstrtab.get_at(symbol.st_name), symbol));
    let all = file
        .syms
        .iter()
        .map(|symbol| (file.strtab.get_at(symbol.st_name), symbol));
    for (name, symbol) in dynamic.chain(all) {
        let section = file
            .section_headers
            .get(symbol.st_shndx)
            .filter(|_| symbol.st_shndx != 0);
        if let (Some(name), Some(section)) = (name, section)
            && is_blob(name)
        {
            push(
                image,
                symbol
                    .st_value
                    .wrapping_add(section.sh_offset)
                    .wrapping_sub(section.sh_addr),
                0,
                found,
            );
        }
    }
}

fn of_macho(
    image: &[u8],
    base: u64,
    file: &MachO<'_>,
    found: &mut Vec<Found>,
) -> Result<(), String> {
    let mut addresses = Vec::new();
    for symbol in file.symbols() {
        let (name, entry) = symbol.map_err(text)?;
        if is_blob(name) && !entry.is_undefined() && !entry.is_stab() {
            addresses.push(entry.n_value);
        }
    }
    let start = file
        .segments
        .iter()
        .find(|segment| segment.fileoff == 0 && segment.filesize > 0);
    let start = start.map_or(0, |segment| segment.vmaddr);
    if !trie::is_followed(image, file) {
        return Err("Mach-O: an export trie that dyld does not follow to its end".to_owned());
    }
    for export in file.exports().unwrap_or_default() {
        if is_blob(&export.name) {
            addresses.push(start.saturating_add(export.offset));
        }
    }
    for segment in &file.segments {
        for (section, _) in segment.sections().map_err(text)? {
            for address in &addresses {
                if let Some(inside) = address
                    .checked_sub(section.addr)
                    .filter(|inside| *inside < section.size)
                {
                    push(
                        image,
                        u64::from(section.offset).saturating_add(inside),
                        base,
                        found,
                    );
                }
            }
        }
    }
    Ok(())
}

fn of_pe(image: &[u8], file: &pe::PE<'_>, found: &mut Vec<Found>) {
    for export in &file.exports {
        if export.name.is_some_and(is_blob)
            && let Some(offset) = export.offset
        {
            push(image, offset as u64, 0, found);
        }
    }
}

fn of_coff(image: &[u8], file: &pe::Coff<'_>, found: &mut Vec<Found>) -> Result<(), String> {
    let (Some(symbols), Some(strings)) = (&file.symbols, &file.strings) else {
        return Ok(());
    };
    for (_, inline, symbol) in symbols.iter() {
        let name = match inline {
            Some(name) => name,
            None => symbol.name(strings).map_err(text)?,
        };
        let section = usize::try_from(symbol.section_number)
            .ok()
            .and_then(|number| number.checked_sub(1));
        if is_blob(name)
            && let Some(section) = section.and_then(|section| file.sections.get(section))
        {
            push(
                image,
                u64::from(section.pointer_to_raw_data).saturating_add(symbol.value.into()),
                0,
                found,
            );
        }
    }
    Ok(())
}

/// Linear memory as active data segments fill it.
fn wasm_memory(image: &[u8]) -> Option<Vec<u8>> {
    let mut memory = Vec::new();
    let mut rest = image.get(8..)?;
    while let Some((id, after)) = rest.split_first() {
        rest = after;
        let size = usize::try_from(number(&mut rest)?).ok()?;
        let (mut section, after) = rest.split_at_checked(size)?;
        rest = after;
        if *id != 11 {
            continue;
        }
        for _ in 0..number(&mut section)? {
            let flags = number(&mut section)?;
            if flags == 2 {
                number(&mut section)?;
            }
            let mut start = 0;
            if flags != 1 {
                section = section.strip_prefix(&[0x41])?;
                start = usize::try_from(number(&mut section)? & 0xffff_ffff).ok()?;
                section = section.strip_prefix(&[0x0b])?;
            }
            let length = usize::try_from(number(&mut section)?).ok()?;
            let (data, after) = section.split_at_checked(length)?;
            section = after;
            if flags != 1 {
                let end = start.checked_add(length).filter(|end| *end <= 1 << 30)?;
                memory.resize(memory.len().max(end), 0);
                memory.get_mut(start..end)?.copy_from_slice(data);
            }
        }
    }
    Some(memory)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
