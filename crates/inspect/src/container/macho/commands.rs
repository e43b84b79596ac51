//! Load commands that dyld refuses an image for, whatever the system and its age
//! (dyld-1378, `UnsafeHeader.cpp`: `validStructureLoadCommands`, `validSemanticsSegments`).

use object::Endianness;
use object::macho;
use object::read::macho::{LoadCommandData, MachHeader, Section, Segment};

use super::image::Image;
use crate::container::Reply;
use crate::container::faults::Faults;

/// Commands that dyld must know and does.
const KNOWN: [macho::LoadCommandType; 9] = [
    macho::LC_LOAD_WEAK_DYLIB,
    macho::LC_RPATH,
    macho::LC_REEXPORT_DYLIB,
    macho::LC_DYLD_INFO_ONLY,
    macho::LC_LOAD_UPWARD_DYLIB,
    macho::LC_MAIN,
    macho::LC_DYLD_EXPORTS_TRIE,
    macho::LC_DYLD_CHAINED_FIXUPS,
    macho::LC_FILESET_ENTRY,
];
/// What a segment may be used for: read, written, executed.
const RIGHTS: u32 = 7;

/// Adds what is wrong with the commands of a linked image.
pub(super) fn check<Mach: MachHeader<Endian = Endianness>>(
    image: &Image<'_, Mach>,
    faults: &mut Faults,
) {
    let endian = image.endian;
    let mut add = |at: u64, words, what: String| {
        faults.add(Reply::Words(words), what, image.base.saturating_add(at));
    };
    let (mut has_text, mut names) = (false, 0u32);
    let commands = image.header.load_commands(endian, image.data, 0);
    for command in commands.into_iter().flatten().flatten() {
        let (at, kind) = (command.offset(), command.cmd());
        names = names.saturating_add(u32::from(kind == macho::LC_ID_DYLIB));
        let is_required = kind.0 & macho::LC_REQ_DYLD != 0;
        if is_required && !KNOWN.contains(&kind) {
            let what = format!(
                "load command {:#x} must be known to dyld and is not",
                kind.0
            );
            add(at, "unknown required load command", what);
        } else if size(&command, endian).is_some_and(|size| size != command.cmdsize()) {
            let (found, kind) = (command.cmdsize(), kind.0);
            let what = format!("load command {kind:#x} has {found} bytes, which is not its size");
            add(at, "size wrong", what);
        }
        let segment = match kind {
            macho::LC_SEGMENT_64 => of_segment(command.segment_64(), endian),
            macho::LC_SEGMENT => of_segment(command.segment_32(), endian),
            _ => continue,
        };
        let Some(segment) = segment else { continue };
        has_text |= segment.is_text;
        if let Some((words, what)) = segment.wrong {
            add(at, words, what);
        }
    }
    if !has_text {
        let what = String::from("no segment is called `__TEXT`");
        add(0, "missing __TEXT segment", what);
    }
    let words = match (image.header.filetype(endian), names) {
        (macho::MH_DYLIB, 0) => "MH_DYLIB is missing LC_ID_DYLIB",
        (macho::MH_DYLIB, 1) | (macho::MH_DYLIB_STUB, _) | (_, 0) => return,
        (macho::MH_DYLIB, _) => "multiple LC_ID_DYLIB found",
        _ => "LC_ID_DYLIB found in non-MH_DYLIB",
    };
    add(
        0,
        words,
        format!("the file has {names} names of its own as a library"),
    );
}

/// How many bytes a command has, of those that dyld counts.
fn size(command: &LoadCommandData<'_, Endianness>, endian: Endianness) -> Option<u32> {
    Some(match command.cmd() {
        macho::LC_SYMTAB | macho::LC_UUID | macho::LC_MAIN => 24,
        macho::LC_DYSYMTAB => 80,
        macho::LC_SEGMENT_SPLIT_INFO
        | macho::LC_FUNCTION_STARTS
        | macho::LC_DYLD_EXPORTS_TRIE
        | macho::LC_DYLD_CHAINED_FIXUPS
        | macho::LC_VERSION_MIN_MACOSX
        | macho::LC_VERSION_MIN_IPHONEOS => 16,
        macho::LC_DYLD_INFO | macho::LC_DYLD_INFO_ONLY => 48,
        macho::LC_SEGMENT_64 => {
            let (segment, _) = command.segment_64().ok()??;
            segment
                .nsects
                .get(endian)
                .checked_mul(80)?
                .checked_add(72)?
        }
        macho::LC_SEGMENT => {
            let (segment, _) = command.segment_32().ok()??;
            segment
                .nsects
                .get(endian)
                .checked_mul(68)?
                .checked_add(56)?
        }
        _ => return None,
    })
}

struct Found {
    is_text: bool,
    wrong: Option<(&'static str, String)>,
}

fn of_segment<'data, S: Segment<Endian = Endianness> + 'data>(
    command: object::read::Result<Option<(&'data S, &'data [u8])>>,
    endian: Endianness,
) -> Option<Found>
where
    S::Section: 'data,
{
    let (segment, headers) = command.ok()??;
    let name = segment.name();
    let shown = name.escape_ascii();
    let is_text = name == b"__TEXT";
    let rights = segment.initprot(endian).0;
    let start: u64 = segment.vmaddr(endian).into();
    let mut sections = segment.sections(endian, headers).ok()?.iter();
    let before = sections.find(|section| Into::<u64>::into(section.addr(endian)) < start);
    let wrong = if rights & !RIGHTS != 0 {
        let what = format!("segment `{shown}` has rights that do not exist ({rights:#x})");
        Some(("segment permissions has invalid bits set", what))
    } else if is_text && segment.file_range(endian).0 != 0 {
        let what = String::from("segment `__TEXT` does not begin with the file");
        Some(("__TEXT segment fileoffset is not zero", what))
    } else {
        before.map(|section| {
            let name = section.name().escape_ascii();
            let what = format!("section `{name}` begins before its segment `{shown}`");
            ("is before containing segment's address", what)
        })
    };
    Some(Found { is_text, wrong })
}
