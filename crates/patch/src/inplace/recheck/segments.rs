//! Loadable segments of an ELF file afterwards: where a loader accepts them.
//! Facts: the gABI's chapter on program headers; glibc refuses what breaks it.

use goblin::elf::Elf;
use goblin::elf::program_header::{PT_LOAD, ProgramHeader};

/// Checks a file that is ELF; any other passes.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    if !file.starts_with(b"\x7fELF") {
        return Ok(());
    }
    let parsed = Elf::parse(file).map_err(|error| format!("ELF: {error}"))?;
    let mut end = 0;
    for segment in &parsed.program_headers {
        if segment.p_type != PT_LOAD {
            continue;
        }
        if let Some(wrong) = wrong(segment, file.len() as u64, end) {
            let at = segment.p_vaddr;
            return Err(format!("ELF: the loadable segment at {at:#x} {wrong}"));
        }
        end = segment.p_vaddr.saturating_add(segment.p_memsz);
    }
    Ok(())
}

/// What is wrong with a segment of a file so long, behind one that ends there.
fn wrong(segment: &ProgramHeader, length: u64, end: u64) -> Option<&'static str> {
    let in_file = segment.p_offset.checked_add(segment.p_filesz);
    let align = segment.p_align;
    if in_file.is_none_or(|end| end > length) {
        Some("ends outside the file")
    } else if segment.p_filesz > segment.p_memsz {
        Some("has more bytes in the file than in memory")
    } else if segment.p_vaddr.checked_add(segment.p_memsz).is_none() {
        Some("ends outside the address space")
    } else if align > 1 && !align.is_power_of_two() {
        Some("has an alignment that is not a power of two")
    } else if align > 1 && segment.p_vaddr.checked_rem(align) != segment.p_offset.checked_rem(align)
    {
        Some("is not placed in memory as in the file, by its alignment")
    } else if segment.p_vaddr < end {
        Some("begins before the one in front of it ends")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library of the corpus and the places of its loadable segments' headers.
    fn library() -> (Vec<u8>, Vec<usize>) {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/artifacts");
        let file = std::fs::read(format!("{corpus}/tvm-0.27/dense-cpu-x86_64.so")).unwrap();
        let parsed = Elf::parse(&file).unwrap();
        let headers = parsed.program_headers.iter().enumerate();
        let loadable = headers.filter(|(_, segment)| segment.p_type == PT_LOAD);
        let places = loadable
            .map(|(number, _)| parsed.header.e_phoff as usize + number * 56)
            .collect();
        (file, places)
    }

    #[test]
    fn a_sound_library_passes_and_each_damage_is_named() {
        let (sound, places) = library();
        assert_eq!(check(&sound), Ok(()));
        assert!(places.len() > 2);
        // Offset, address, sizes in file and memory, alignment of a header.
        for (field, value, words) in [
            (8, 1 << 40, "outside the file"),
            (40, 0_u64, "more bytes in the file"),
            (48, 24, "not a power of two"),
            (16, 0x7001, "not placed in memory as in the file"),
            (16, !0xfff, "outside the address space"),
        ] {
            let mut file = sound.clone();
            let at = places[1] + field;
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
            let error = check(&file).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        // Two segments that change places, and one that reaches into the next.
        let mut file = sound.clone();
        let (first, second) = (places[1], places[2]);
        file.copy_within(second..second + 56, first);
        file[second..second + 56].copy_from_slice(&sound[first..first + 56]);
        assert!(check(&file).unwrap_err().contains("begins before"));
        let mut file = sound.clone();
        let at = places[1] + 40;
        file[at..at + 8].copy_from_slice(&0x10_0000_u64.to_le_bytes());
        assert!(check(&file).unwrap_err().contains("begins before"));
    }
}
