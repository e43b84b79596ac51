//! What loaders refuse, or load wrongly, of the segments that a file states.
//! Facts only; AC001 reports them.
//!
//! ELF: the gABI on program headers, and what glibc 2.36 did with damaged
//! libraries (`tests/all/unloadable.rs` does it again); glibc up to 2.34 asks more
//! of `p_align`. Mach-O: dyld's published checks. PE: the rules of the format that
//! Windows enforces when it maps an image, and its loader's tables.

use super::gnu_versions::RELR_MARK;
use crate::container::{
    Architecture, Binary, BinaryKind, Damage, DamageKind, Format, Packing, Platform, Reply, Segment,
};
use crate::finding::Severity;

/// One thing that is wrong with a segment.
#[derive(Clone)]
pub(super) struct Fault {
    /// How sure it is that the file does not load.
    pub(super) severity: Severity,
    /// One sentence.
    pub(super) message: String,
    /// The fields that show it.
    pub(super) evidence: String,
    /// The loader's words.
    pub(super) says: &'static str,
    /// Where the segment's bytes begin in the file.
    pub(super) offset: u64,
    /// Whether it is so of any file, and not only of one that a running process opens.
    pub(super) is_of_any: bool,
    /// What to do.
    pub(super) help: &'static str,
}

/// What to do about bytes that no linker writes.
const DAMAGED: &str = "link it again, or take the file that the tool was given which wrote this one: patchers and packers do such damage";

/// The smallest page of any system that loads such files.
const PAGE: u64 = 4 << 10;
/// Zeros behind a segment's bytes that no machine has memory for, and that many have not.
const TOO_MANY_ZEROS: u64 = 1 << 39;
const MANY_ZEROS: u64 = 1 << 34;
/// The addresses that a process has: 47 bits on x86-64, no fewer than 39 anywhere.
const ADDRESSES: u64 = 1 << 47;

const NOT_PAGE_ALIGNED: &str = "ELF load command address/offset not page-aligned";
const OLD_ALIGNMENT: &str = "ELF load command alignment not page-aligned (glibc up to 2.34)";
const OLD_CONGRUENCE: &str =
    "ELF load command address/offset not properly aligned (glibc up to 2.34)";
const NO_ROOM: &str = "failed to map segment from shared object";
const NO_ZEROS: &str = "cannot map zero-fill pages";
const NO_PROTECTION: &str = "cannot apply additional memory protection after relocation";
const CRASHES: &str = "no message: the process ends with a memory fault";
const NOTHING: &str = "nothing: section headers are for linkers and debuggers";
const OVERWRITTEN: &str = "no message: the later segment is mapped over the earlier one";
const OTHER_ABI: &str = "ELF file OS ABI invalid";
const NOT_OPENED: &str = "shared object cannot be dlopen()ed";
const NOT_FOUND: &str = "cannot open shared object file: No such file or directory";
const NO_MARK: &str = "DT_RELR without GLIBC_ABI_DT_RELR dependency";
const NO_TLS: &str = "cannot allocate memory in static TLS block";
const NOT_COMPILED: &str = "CompileError: WebAssembly.instantiate()";
/// Later versions number the segment.
const NO_MEMORY: &str = "RuntimeError: WebAssembly.instantiate(): data segment";
/// Of `dlsym`.
const NO_SYMBOL: &str = "symbol not found";
const NO_PROCEDURE: &str = "[WinError 127] The specified procedure could not be found";
pub(super) const NOT_WIN32: &str = "[WinError 193] %1 is not a valid Win32 application";

/// Everything that is wrong with a binary's segments. `is_old` says that it must
/// load under a glibc up to 2.34.
pub(super) fn faults(binary: &Binary, is_old: bool, is_asked: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    // Code for GPUs and firmware come in these containers too, for other loaders.
    if matches!(binary.architecture, Architecture::Other(_)) {
        return Vec::new();
    }
    match binary.format {
        Format::Elf => elf(binary, is_old, is_asked),
        Format::MachO => macho(binary, is_asked),
        Format::Pe => [pe(binary), all_damage(binary, is_asked)].concat(),
        Format::Wasm => all_damage(binary, is_asked),
        _ => Vec::new(),
    }
}

/// Whatever contradicts itself of which it is known what it does.
fn all_damage(binary: &Binary, is_asked: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let known = binary.damage.iter();
    let known = known.filter(|one| one.kind != DamageKind::Table(Reply::Unknown));
    let faults = known.map(|one| damage(one, binary.format, is_asked));
    faults.collect()
}

fn fault(severity: Severity, segment: &Segment, what: &str, says: &'static str) -> Fault {
    let name = match segment.name.as_str() {
        "" => "the loadable segment".to_owned(),
        name => format!("`{name}`"),
    };
    Fault {
        severity,
        message: format!("{name} at address {:#x} {what}", segment.address),
        evidence: format!(
            "file {:#x} to {:#x}, memory {:#x} to {:#x}, alignment {:#x}",
            segment.file_offset,
            segment.file_offset.saturating_add(segment.file_size),
            segment.address,
            segment.address.saturating_add(segment.memory_size),
            segment.alignment
        ),
        says,
        offset: segment.file_offset,
        is_of_any: true,
        help: DAMAGED,
    }
}

/// Bytes between the address and the place in the file.
fn shift(segment: &Segment) -> u64 {
    segment.address.wrapping_sub(segment.file_offset)
}

fn elf(binary: &Binary, is_old: bool, is_asked: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let by_old = match is_old {
        true => Severity::Error,
        false => Severity::Warning,
    };
    for segment in &binary.segments {
        let align = segment.alignment;
        let one = if shift(segment) & (PAGE - 1) != 0 {
            let what = "is not placed in memory as in the file, counted in pages";
            fault(Severity::Error, segment, what, NOT_PAGE_ALIGNED)
        } else if segment.end().is_none_or(|end| end > ADDRESSES) {
            let what = "ends outside the address space";
            fault(Severity::Error, segment, what, NO_ROOM)
        } else if zeros(segment) >= MANY_ZEROS {
            let (severity, what) = match zeros(segment) >= TOO_MANY_ZEROS {
                true => (Severity::Error, "asks for more memory than any machine has"),
                false => (
                    Severity::Warning,
                    "asks for more memory than most machines have",
                ),
            };
            fault(severity, segment, what, NO_ZEROS)
        } else if align > 1 && !align.is_power_of_two() {
            let what = "has an alignment that is not a power of two";
            fault(by_old, segment, what, OLD_CONGRUENCE)
        } else if align & (PAGE - 1) != 0 {
            let what = "has an alignment that is less than a page";
            fault(by_old, segment, what, OLD_ALIGNMENT)
        } else if shift(segment) & align.wrapping_sub(1) != 0 {
            let what = "is not placed in memory as in the file, by its own alignment";
            fault(by_old, segment, what, OLD_CONGRUENCE)
        } else if segment.file_size > segment.memory_size {
            // The kernel checks programs, glibc nothing.
            let (severity, says) = match binary.kind {
                BinaryKind::Program => (Severity::Error, "Exec format error"),
                _ => (Severity::Warning, OVERWRITTEN),
            };
            let what = "has more bytes in the file than in memory";
            fault(severity, segment, what, says)
        } else {
            continue;
        };
        faults.push(one);
    }
    faults.extend(elf_order(&binary.segments));
    faults.extend(all_damage(binary, is_asked));
    faults.extend(unmarked_relr(binary));
    faults
}

/// Damage of which it is not known what it does.
pub(super) fn undecided(binary: &Binary) -> impl Iterator<Item = &str> {
    let unknown = DamageKind::Table(Reply::Unknown);
    let found = binary.damage.iter();
    found
        .filter(move |one| one.kind == unknown)
        .map(|one| one.what.as_str())
}

/// What keeps a library from being opened by a process that runs, and from nothing else.
pub(super) fn refused_later(binary: &Binary) -> impl Iterator<Item = String> {
    let kinds = [DamageKind::StaticTls, DamageKind::NotOpened];
    let found = binary.damage.iter();
    let found = found.filter(move |one| kinds.contains(&one.kind));
    found.map(|one| sentence(one.kind, &one.what))
}

/// Bytes of memory that are in no file.
fn zeros(segment: &Segment) -> u64 {
    segment.memory_size.saturating_sub(segment.file_size)
}

/// Headers that contradict each other.
fn damage(damage: &Damage, format: Format, is_asked: &dyn Fn(&str) -> bool) -> Fault {
    let (mut severity, mut says) = weight(damage.kind);
    match (format, damage.kind) {
        (Format::Pe, DamageKind::Table(reply)) => says = replied_by_windows(reply),
        (Format::MachO, DamageKind::Table(Reply::NotFound)) => says = NO_SYMBOL,
        _ => {}
    }
    let mut message = sentence(damage.kind, &damage.what);
    if !damage.lost.is_empty() && !damage.lost.iter().any(|name| is_asked(name)) {
        (severity, says) = (Severity::Warning, "");
        message.push_str("; the model does not ask for it");
    }
    Fault {
        severity,
        message,
        evidence: format!("at byte {:#x} of the file", damage.offset),
        says,
        offset: damage.offset,
        is_of_any: !matches!(
            damage.kind,
            DamageKind::OtherSystem
                | DamageKind::NotOpened
                | DamageKind::StaticTls
                | DamageKind::PackedForAndroid
        ),
        help: advice(damage.kind),
    }
}

/// What linkers and compilers are told to do is not damage.
fn advice(kind: DamageKind) -> &'static str {
    match kind {
        DamageKind::StaticTls => {
            "compile it with `-ftls-model=global-dynamic`, or keep less in thread-local variables"
        }
        DamageKind::NotOpened => "link it again without `-z nodlopen`",
        DamageKind::PackedForAndroid => {
            "link it again with `-Wl,--pack-dyn-relocs=none`, or scan it for Android"
        }
        _ => DAMAGED,
    }
}

/// Packed relocations without the mark by which a linker asks for a glibc that reads them.
/// glibc (`_dl_check_map_versions`) looks for it where a file asks libraries for versions and
/// needs its C library; musl and Android know no such mark.
fn unmarked_relr(binary: &Binary) -> Option<Fault> {
    let needs_glibc = binary.needed.iter();
    let needs_glibc = needs_glibc
        .map(|needed| needed.name.as_str())
        .any(|name| name.starts_with("libc.so."));
    let mut versions = binary.version_needs.iter();
    let is_unmarked = versions.len() > 0 && versions.all(|need| need.version != RELR_MARK);
    let is_refused = binary.platform == Platform::Linux
        && binary.packed.contains(&Packing::Relr)
        && needs_glibc
        && is_unmarked;
    is_refused.then(|| Fault {
        severity: Severity::Error,
        message: String::from(
            "its relative relocations are packed without the mark that glibc asks for: since 2.36 it refuses the file, and earlier ones do not read them",
        ),
        evidence: format!("DT_RELR, and no need of the version {RELR_MARK} of libc.so.6"),
        says: NO_MARK,
        offset: 0,
        is_of_any: true,
        help: "link it again with `-Wl,-z,pack-relative-relocs`, with which GNU ld sets the mark, or with `-Wl,--pack-dyn-relocs=none`",
    })
}

/// How bad it is, and what the loader says.
fn weight(kind: DamageKind) -> (Severity, &'static str) {
    match kind {
        // No loader reads them.
        DamageKind::SectionHeader | DamageKind::SectionTable | DamageKind::Cut => {
            (Severity::Warning, NOTHING)
        }
        DamageKind::Table(Reply::Unasked | Reply::Unknown) => (Severity::Warning, ""),
        DamageKind::Moved
        | DamageKind::NotMapped
        | DamageKind::NoPermission
        | DamageKind::NotExecutable
        | DamageKind::NotWritable
        | DamageKind::PackedForAndroid => (Severity::Error, CRASHES),
        DamageKind::Relro => (Severity::Error, NO_PROTECTION),
        DamageKind::OtherSystem => (Severity::Error, OTHER_ABI),
        DamageKind::OtherClass => (Severity::Error, NOT_FOUND),
        DamageKind::NotOpened => (Severity::Error, NOT_OPENED),
        DamageKind::StaticTls => (Severity::Error, NO_TLS),
        DamageKind::Table(reply) => (Severity::Error, replied(reply)),
        DamageKind::Missing => (Severity::Error, ""),
        DamageKind::Invalid => (Severity::Error, NOT_COMPILED),
        DamageKind::PastMemory => (Severity::Error, NO_MEMORY),
    }
}

fn sentence(kind: DamageKind, what: &str) -> String {
    match kind {
        DamageKind::Moved => format!(
            "section `{what}` is not what the segments map at its address: bytes were inserted, cut or moved"
        ),
        DamageKind::NotMapped => {
            format!("section `{what}` is in no loadable segment, or not in its part of the file")
        }
        DamageKind::NoPermission => format!(
            "the loadable segment at address {what} may be neither read nor written nor executed"
        ),
        DamageKind::NotExecutable => {
            format!("the code in section `{what}` is in a segment that may not be executed")
        }
        DamageKind::NotWritable => {
            format!("section `{what}` is written to and in a segment that may not be")
        }
        DamageKind::Relro => {
            format!("the memory {what}, which is protected after loading, is not mapped")
        }
        DamageKind::SectionHeader => format!(
            "section `{what}` is not where its header says, or nothing of a library runs by it. Loaders do not read it"
        ),
        DamageKind::SectionTable => String::from(
            "the section table is not where the header says: the header is damaged, or bytes were inserted or cut before the table. Loaders do not read it",
        ),
        // A download that stopped may still end here.
        DamageKind::Cut => format!(
            "the file is shorter than its header says: it ends at byte {what}, before the end of its section table. Loaders do not read what is missing, and the library loads"
        ),
        DamageKind::OtherSystem => {
            format!("the header asks for {what}, which the loaders of Linux and Android refuse")
        }
        DamageKind::OtherClass => format!(
            "the header names a processor of 32 bits ({what}), but the file is one of 64 bits: no loader takes both"
        ),
        DamageKind::NotOpened => {
            format!("the library was linked with {what}: it cannot be opened by a running process")
        }
        DamageKind::PackedForAndroid => format!(
            "its relocations are packed for Android ({what}): loaders of Linux ignore them, so nothing is where the code looks for it"
        ),
        DamageKind::StaticTls => format!(
            "its thread-local variables take {what} that must be reserved before the process starts"
        ),
        DamageKind::Table(_) | DamageKind::Missing | DamageKind::PastMemory => what.to_owned(),
        DamageKind::Invalid => format!("no engine compiles this WebAssembly module: {what}"),
    }
}

/// What glibc's loader says of a damaged table.
fn replied(reply: Reply) -> &'static str {
    match reply {
        Reply::Unasked | Reply::Unknown => "",
        Reply::Words(words) => words,
        Reply::Library => "cannot open shared object file",
        Reply::Crash => CRASHES,
        Reply::Type => "unexpected reloc type",
        Reply::Version => "version … not found",
        Reply::NotFound => "undefined symbol",
        Reply::Assertion => "Inconsistency detected by ld.so",
    }
}

/// What Windows says of one.
fn replied_by_windows(reply: Reply) -> &'static str {
    match reply {
        Reply::Crash => CRASHES,
        Reply::Type => NOT_WIN32,
        Reply::NotFound => NO_PROCEDURE,
        _ => "",
    }
}

/// Segments come in ascending order, apart. glibc takes room from the first to
/// the last, and maps each where it says, over what is there.
fn elf_order(segments: &[Segment]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lowest = segments.iter().map(|segment| segment.address).min();
    let highest = segments.iter().filter_map(Segment::end).max();
    for (before, segment) in segments.iter().zip(segments.iter().skip(1)) {
        let content = before.address.saturating_add(before.file_size);
        if segment.address < before.address {
            let in_room = segments.first().map(|first| first.address) == lowest
                && segments.last().and_then(Segment::end) == highest;
            let (severity, what) = match in_room {
                true => (Severity::Warning, "comes behind one of a higher address"),
                false => (
                    Severity::Error,
                    "comes behind one of a higher address: it is mapped outside the room that is taken from the first to the last",
                ),
            };
            faults.push(fault(severity, segment, what, OVERWRITTEN));
        } else if segment.address < content {
            let what = "begins before the bytes of the one in front of it end";
            faults.push(fault(Severity::Error, segment, what, OVERWRITTEN));
        } else if before.end() > segments.last().and_then(Segment::end) {
            let what = "reaches behind the last one: its zeros are mapped over whatever follows the library in memory";
            faults.push(fault(Severity::Error, before, what, OVERWRITTEN));
        } else if before.end().is_some_and(|end| segment.address < end) {
            let what = "begins before the one in front of it ends";
            faults.push(fault(Severity::Warning, segment, what, OVERWRITTEN));
        }
    }
    faults
}

fn macho(binary: &Binary, is_asked: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let mut faults = all_damage(binary, is_asked);
    let mut error = |segment: &Segment, what: &str, says| {
        faults.push(fault(Severity::Error, segment, what, says));
    };
    for segment in &binary.segments {
        let pages = segment.alignment.wrapping_sub(1);
        let is_mapped = segment.memory_size > 0;
        if segment.end().is_none() {
            error(
                segment,
                "ends outside the address space",
                "segment vm range wraps",
            );
        } else if is_mapped && segment.file_size > segment.memory_size {
            let what = "has more bytes in the file than in memory";
            error(segment, what, "segment filesize exceeds vmsize");
        } else if is_mapped && segment.address & pages != 0 {
            let what = "does not begin at a page of its processor";
            error(segment, what, "mmap(…) failed with errno=22");
        } else if is_mapped && segment.file_size > 0 && segment.file_offset & pages != 0 {
            let what = "does not begin at a page of its processor in the file";
            error(segment, what, "mmap(…) failed with errno=22");
        }
    }
    if let Some(segment) = first_overlap(&binary.segments, |one| (one.address, one.memory_size)) {
        let what = "reaches into another in memory";
        error(segment, what, "segment vm range overlaps segment");
    }
    if let Some(segment) = first_overlap(&binary.segments, |one| (one.file_offset, one.file_size)) {
        let what = "reaches into another in the file";
        error(segment, what, "segment file content overlaps segment");
    }
    faults
}

/// The first of the segments, by their place, that begins before one in front of
/// it ends.
fn first_overlap(segments: &[Segment], range: impl Fn(&Segment) -> (u64, u64)) -> Option<&Segment> {
    let mut taken: Vec<&Segment> = segments.iter().filter(|one| range(one).1 > 0).collect();
    taken.sort_by_key(|segment| range(segment).0);
    let mut end = 0;
    taken.into_iter().find(|segment| {
        let (start, size) = range(segment);
        let overlaps = start < end;
        end = start.saturating_add(size).max(end);
        overlaps
    })
}

fn pe(binary: &Binary) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut end = 0;
    for segment in &binary.segments {
        let align = segment.alignment;
        let what = if !align.is_power_of_two() {
            "is aligned to no power of two"
        } else if segment.address & align.wrapping_sub(1) != 0 {
            "is not at a multiple of the image's section alignment"
        } else if segment.address < end {
            "begins before the one in front of it ends"
        } else {
            end = segment.address.saturating_add(segment.memory_size);
            continue;
        };
        faults.push(fault(Severity::Error, segment, what, NOT_WIN32));
    }
    faults
}
