//! What a loader makes of a file that its search comes to.
//!
//! glibc's (`open_verify` in its `elf/dl-load.c`) passes over what is not there and what is
//! for another class or processor, and ends with an error at anything else that is no library.
//! dyld passes over all that it cannot load. Windows takes the first of the name, or ends.

use std::io::Read as _;
use std::path::Path;

use crate::container::{self, Architecture, Binary, Format};

/// Bytes of the header of a file of 64 bits, and its class.
const LONG: (usize, u8) = (64, 2);
/// The same of one of 32 bits.
const SHORT: (usize, u8) = (52, 1);

/// Bytes of a file that say what it is for.
const HEADER: u64 = 4096;

/// What the loader does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFound {
    /// It looks on.
    Nothing,
    /// It takes the file.
    Library,
    /// It ends with the message of this key, or with these words about the file.
    Refused(&'static str),
}

/// What the loader makes of a file that it has mapped.
pub(crate) fn mapped(found: &Binary) -> FileFound {
    found.refusal.map_or(FileFound::Library, FileFound::Refused)
}

/// What the loader makes of a file for a binary that asks for it.
pub(crate) fn look(file: &Path, asking: &Binary) -> FileFound {
    let Ok(what) = file.metadata() else {
        return FileFound::Nothing;
    };
    if what.is_dir() {
        return match asking.format {
            Format::Elf => FileFound::Refused("no-file-data"),
            _ => FileFound::Nothing,
        };
    }
    if !what.is_file() {
        return FileFound::Nothing;
    }
    let mut header = Vec::new();
    let opened = std::fs::File::open(file).map(|file| file.take(HEADER));
    // Who may not open it here is not who runs the program.
    if opened
        .and_then(|mut file| file.read_to_end(&mut header))
        .is_err()
    {
        return FileFound::Library;
    }
    of_header(&header, asking)
}

/// The same, by the first bytes of the file.
pub(crate) fn of_header(header: &[u8], asking: &Binary) -> FileFound {
    if asking.format == Format::Elf {
        return of_elf(header, asking.architecture);
    }
    let is_dll = asking.format == Format::Pe;
    match container::machines(header) {
        Some(machines) if machines.contains(&asking.architecture) => FileFound::Library,
        // What it is for is not where it should be: reading it says more.
        Some(machines) if machines.is_empty() => FileFound::Library,
        Some(_) if is_dll => FileFound::Refused("other-machine"),
        None if is_dll => FileFound::Refused("other-format"),
        _ => FileFound::Nothing,
    }
}

fn of_elf(header: &[u8], architecture: Architecture) -> FileFound {
    let (least, own_class) = match architecture {
        Architecture::X86 | Architecture::Arm => SHORT,
        _ => LONG,
    };
    let [_, _, _, _, class, order, .., machine, _, _, _] = header.get(..22).unwrap_or_default()
    else {
        return FileFound::Refused("file-too-short");
    };
    let own_machine: u8 = match architecture {
        Architecture::X86_64 => 62,
        Architecture::Aarch64 => 183,
        Architecture::X86 => 3,
        Architecture::Arm => 40,
        Architecture::Riscv64 => 243,
        _ => return FileFound::Library,
    };
    let is_elf = header.starts_with(b"\x7fELF");
    match () {
        () if header.len() < least => FileFound::Refused("file-too-short"),
        () if !is_elf => FileFound::Refused("other-format"),
        () if *class != own_class => FileFound::Nothing,
        () if *order != 1 => FileFound::Refused("other-byte-order"),
        () if *machine != own_machine => FileFound::Nothing,
        () => FileFound::Library,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As glibc 2.36 did with each.
    #[test]
    fn the_loader_passes_over_other_machines_and_refuses_what_is_no_library() {
        let mut good = [0u8; 64];
        good[..6].copy_from_slice(b"\x7fELF\x02\x01");
        good[18] = 62;
        let with = |at: usize, byte: u8| {
            let mut header = good;
            header[at] = byte;
            of_elf(&header, Architecture::X86_64)
        };
        assert_eq!(with(0, 0x7f), FileFound::Library);
        assert_eq!(with(18, 183), FileFound::Nothing);
        assert_eq!(with(4, 1), FileFound::Nothing);
        assert_eq!(with(5, 2), FileFound::Refused("other-byte-order"));
        assert_eq!(with(1, b'X'), FileFound::Refused("other-format"));
        for short in [&b"INPUT(x)\n"[..], b"", &good[..40]] {
            let found = of_elf(short, Architecture::X86_64);
            assert_eq!(found, FileFound::Refused("file-too-short"));
        }
    }

    #[test]
    fn a_folder_of_that_name_ends_the_search() {
        let top = tempfile::tempdir().unwrap();
        let (elf, linux) = (
            crate::container::Format::Elf,
            crate::container::Platform::Linux,
        );
        let kind = crate::container::BinaryKind::Program;
        let binary = Binary::new(elf, kind, Architecture::X86_64, linux);
        assert!(matches!(look(top.path(), &binary), FileFound::Refused(_)));
        assert_eq!(look(&top.path().join("no"), &binary), FileFound::Nothing);
    }
}
