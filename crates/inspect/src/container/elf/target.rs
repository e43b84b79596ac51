//! What an ELF file was linked as, and for which processor and system.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};

use super::dynamic::Dynamic;
use super::image::Image;
use crate::container::{Architecture, BinaryKind, Needed, Platform};
use crate::error::DecodeError;

/// What the linker made, and what `dlopen` says of it where it opens none such.
pub(super) fn kind<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: Option<&Dynamic>,
) -> Result<(BinaryKind, Option<&'static str>), DecodeError> {
    let is = |mark: fn(&Dynamic) -> bool| dynamic.is_some_and(mark);
    let interpreter = image
        .segments
        .iter()
        .any(|segment| segment.p_type(image.endian) == elf::PT_INTERP);
    match image.header.e_type(image.endian) {
        elf::ET_REL => Ok((
            BinaryKind::Object,
            Some("only ET_DYN and ET_EXEC can be loaded"),
        )),
        elf::ET_EXEC => Ok((
            BinaryKind::Program,
            Some("cannot dynamically load executable"),
        )),
        elf::ET_DYN if is(|dynamic| dynamic.has_flag_1(elf::DF_1_PIE)) => Ok((
            BinaryKind::Program,
            Some("cannot dynamically load position-independent executable"),
        )),
        // Programs of linkers that did not mark them yet. Some libraries can be run as well:
        // they have an interpreter too, and a SONAME, or nothing for debuggers.
        elf::ET_DYN
            if interpreter
                && is(|dynamic| dynamic.has(elf::DT_DEBUG))
                && is(|dynamic| !dynamic.has(elf::DT_SONAME)) =>
        {
            Ok((BinaryKind::Program, None))
        }
        elf::ET_DYN => Ok((BinaryKind::SharedLibrary, None)),
        other => Err(DecodeError::new(
            16,
            "an ELF object, program or shared library",
            format!("type {}", other.0),
        )),
    }
}

pub(super) fn architecture(machine: elf::Machine) -> Architecture {
    match machine {
        elf::EM_X86_64 => Architecture::X86_64,
        elf::EM_386 => Architecture::X86,
        elf::EM_AARCH64 => Architecture::Aarch64,
        elf::EM_ARM => Architecture::Arm,
        elf::EM_RISCV => Architecture::Riscv64,
        other => Architecture::Other(other.0.into()),
    }
}

/// Android by its own note or its own libraries; otherwise Linux, except that
/// objects do not say. And the API level that the note states.
pub(super) fn platform<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    kind: BinaryKind,
    needed: &[Needed],
) -> (Platform, Option<String>) {
    // Other systems number these two, or have no such file.
    let android_library = |needed: &Needed| {
        ["liblog.so", "libandroid.so", "libm.so", "libdl.so"].contains(&needed.name.as_str())
    };
    let os_abi = image.header.e_ident().os_abi;
    if let Some(level) = android_note(image) {
        (Platform::Android, level.map(|level| level.to_string()))
    } else if needed.iter().any(android_library) {
        (Platform::Android, None)
    } else if kind != BinaryKind::Object && matches!(os_abi, elf::ELFOSABI_SYSV | elf::ELFOSABI_GNU)
    {
        (Platform::Linux, None)
    } else {
        (Platform::Unknown, None)
    }
}

/// The loader that the file names.
pub(super) fn interpreter<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
) -> Option<String> {
    let mut segments = image.segments.iter();
    let found = segments.find_map(|one| one.interpreter(image.endian, image.data).ok().flatten());
    let path = found?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(path).into_owned())
}

/// The level of x86-64 that the file's properties say it needs, from the second on.
pub(super) fn isa_level<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
) -> Option<u32> {
    if image.header.e_machine(image.endian) != elf::EM_X86_64 {
        return None;
    }
    let endian = image.endian;
    let mut needed = 0;
    for segment in image.segments {
        let Ok(Some(mut notes)) = segment.notes(endian, image.data) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            let Some(mut properties) = note.gnu_properties(endian) else {
                continue;
            };
            while let Ok(Some(property)) = properties.next() {
                if property.pr_type() == elf::GNU_PROPERTY_X86_ISA_1_NEEDED {
                    needed |= property.data_u32(endian).unwrap_or(0);
                }
            }
        }
    }
    // A bit for each level, and only four are known.
    let level = (needed & 0xf).checked_ilog2()?.saturating_add(1);
    (level > 1).then_some(level)
}

/// The API level of `.note.android.ident`, its first word; the inner option is
/// empty where there is only another note of Android's.
fn android_note<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
) -> Option<Option<u32>> {
    let mut found = None;
    for segment in image.segments {
        let Ok(Some(mut notes)) = segment.notes(image.endian, image.data) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() != b"Android" {
                continue;
            }
            let level = note.desc().get(..4).and_then(|word| word.try_into().ok());
            // Type 1 is the identification.
            match level.filter(|_| note.n_type(image.endian).0 == 1) {
                Some(level) => return Some(Some(u32::from_le_bytes(level))),
                None => found = Some(None),
            }
        }
    }
    found
}
