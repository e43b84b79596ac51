//! `artcheck patch align`: the libraries of an APK stored uncompressed, at
//! multiples of 16 KiB, as Android maps them.
//!
//! Every entry keeps its name, its content and its place in the order; what moves
//! is padded by an extra field, as Android's own tools do. The signature blocks of
//! an APK cover every byte: it has to be signed again.
//! Facts: the zip format's application note; the Android tools' field 0xd935.

use std::io::Read as _;

use artcheck_inspect::container::{self, Architecture};

use super::error::{PlanError, Refusal};
use crate::plan::{Edit, EditPlan};

/// What a library is mapped by.
const PAGE: usize = 16 << 10;
/// What Android wants of everything else that is stored.
const WORD: usize = 4;
/// Content that is unpacked at most: one library of an application.
const MAX_CONTENT: u64 = 4 << 30;

const LOCAL: usize = 30;
const CENTRAL: usize = 46;
const END: usize = 22;
/// Extra field that Android's tools pad with.
const PADDING: u16 = 0xd935;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Sizes stand behind the content.
const DESCRIPTOR: u16 = 8;

/// One entry of the central directory, and where its parts are in the file.
struct Entry {
    /// Its header in the central directory.
    central: usize,
    /// Its local header.
    local: usize,
    /// Its content, packed as it is.
    start: usize,
    packed: usize,
    size: u64,
    checksum: u32,
    method: u16,
    flags: u16,
    name: Vec<u8>,
}

/// Plans an APK whose libraries Android can map. Empty when they are so already.
pub fn plan(bytes: &[u8]) -> Result<EditPlan, PlanError> {
    let end = end_of(bytes).ok_or_else(|| {
        let found = container::identify(bytes).spoken();
        PlanError::container(format!("this is {found}, not an APK"))
    })?;
    let (mut entries, directory) = entries(bytes, end)?;
    let mut edits = Vec::new();
    let mut directory_edits = Vec::new();
    let mut refused = Vec::new();
    let mut summary = Vec::new();
    let mut moved = 0_usize;
    let by_place = |entry: &Entry| entry.local;
    entries.sort_by_key(by_place);
    for entry in &entries {
        let at = entry.local.saturating_add(moved);
        let is_library = entry.name.starts_with(b"lib/") && entry.name.ends_with(b".so");
        let (new, stored) = if is_library {
            refused.extend(unfit_library(bytes, entry)?);
            library(bytes, entry, at)?
        } else {
            (padded(bytes, entry, at, WORD)?, false)
        };
        let old_end = match stored {
            true => packed_end(bytes, entry)?,
            false => entry.start,
        };
        let old = slice(bytes, entry.local, old_end)?;
        if old != new {
            let name = String::from_utf8_lossy(&entry.name);
            let why = match (is_library, stored) {
                (true, true) => format!("{name}: stored, at a multiple of {PAGE}"),
                (true, false) => format!("{name}: at a multiple of {PAGE}"),
                _ => format!("{name}: at a multiple of {WORD} still"),
            };
            if is_library {
                summary.push(why.clone());
            }
            edits.push(Edit::new(entry.local, old, &new, why));
        }
        directory_edits.extend(in_directory(bytes, entry, at, stored)?);
        moved = moved.saturating_add(new.len()).saturating_sub(old.len());
    }
    if !refused.is_empty() {
        return Err(PlanError::Refused(refused));
    }
    if edits.is_empty() {
        let mut plan = EditPlan::between(bytes, bytes, Vec::new());
        let none = "nothing to change: every library is stored at a multiple of 16 KiB";
        plan.summary.push(none.to_owned());
        return Ok(plan);
    }
    directory_edits.sort_by_key(|edit: &Edit| edit.offset);
    edits.extend(directory_edits);
    let place = u32_of(directory.saturating_add(moved))?;
    let field = slice(bytes, end.saturating_add(16), end.saturating_add(20))?;
    let why = "where the directory is";
    edits.push(Edit::new(
        end.saturating_add(16),
        field,
        &place.to_le_bytes(),
        why,
    ));
    let mut plan = EditPlan::between(bytes, bytes, edits);
    let new = plan.apply_to(bytes);
    let new = new.ok_or_else(|| unfit("entries that overlap"))?;
    plan.after = crate::plan::sha256(&new);
    plan.summary = summary;
    plan.notes.push(
        "the APK's signature is no longer valid: sign it again (`apksigner sign`), and do not align it afterwards"
            .to_owned(),
    );
    Ok(plan)
}

fn unfit(found: &str) -> PlanError {
    PlanError::container(format!("this APK cannot be aligned: {found}"))
}

/// Why aligning alone does not help: the library is laid out for smaller pages.
fn unfit_library(bytes: &[u8], entry: &Entry) -> Result<Option<Refusal>, PlanError> {
    let content = content(bytes, entry)?;
    let Ok(parsed) = container::parse(&content) else {
        return Ok(None);
    };
    let is_unfit = parsed.iter().any(|parsed| {
        let is_64 = matches!(
            parsed.binary.architecture,
            Architecture::Aarch64 | Architecture::X86_64
        );
        let mut segments = parsed.binary.segments.iter();
        is_64 && segments.any(|segment| segment.alignment < PAGE as u64)
    });
    Ok(is_unfit.then(|| Refusal {
        rule: Some(artcheck_inspect::rules::PAGE_SIZE),
        reason: format!(
            "{} itself is linked for smaller pages",
            String::from_utf8_lossy(&entry.name)
        ),
        remedy: "link it again with -Wl,-z,max-page-size=16384".to_owned(),
    }))
}

/// The entry's new bytes up to what is kept, and whether its content is among
/// them because it was packed.
fn library(bytes: &[u8], entry: &Entry, at: usize) -> Result<(Vec<u8>, bool), PlanError> {
    if entry.method == STORED {
        return Ok((padded(bytes, entry, at, PAGE)?, false));
    }
    let content = content(bytes, entry)?;
    let mut new = padded(bytes, entry, at, PAGE)?;
    let size = u32_of(content.len())?;
    let flags = entry.flags & !DESCRIPTOR;
    put(&mut new, 6, &flags.to_le_bytes())?;
    put(&mut new, 8, &STORED.to_le_bytes())?;
    put(&mut new, 14, &entry.checksum.to_le_bytes())?;
    put(&mut new, 18, &size.to_le_bytes())?;
    put(&mut new, 22, &size.to_le_bytes())?;
    new.extend_from_slice(&content);
    Ok((new, true))
}

/// The local header with so much padding that the content comes to a multiple of
/// `align`. A packed entry, or one that was not aligned before, stays as it is.
fn padded(bytes: &[u8], entry: &Entry, at: usize, align: usize) -> Result<Vec<u8>, PlanError> {
    let header = slice(bytes, entry.local, entry.start)?;
    let mut new = header.to_vec();
    let is_at = |place: usize, align: usize| place.checked_rem(align) == Some(0);
    let old_start_fits = is_at(entry.start, align);
    let wanted = align == PAGE || (entry.method == STORED && old_start_fits);
    if !wanted || is_at(at.saturating_add(new.len()), align) {
        return Ok(new);
    }
    let name_end = LOCAL.saturating_add(entry.name.len());
    let mut extra = without_padding(header.get(name_end..).unwrap_or_default());
    let before = at.saturating_add(name_end).saturating_add(extra.len());
    // The field's head takes four bytes, the alignment in it two.
    let least = before.saturating_add(6);
    let room = least.next_multiple_of(align).saturating_sub(least);
    let length = u16::try_from(room.saturating_add(2)).map_err(|_| unfit("too much padding"))?;
    let alignment = u16::try_from(align).map_err(|_| unfit("too much padding"))?;
    for word in [PADDING, length, alignment] {
        extra.extend_from_slice(&word.to_le_bytes());
    }
    extra.resize(extra.len().saturating_add(room), 0);
    let length = u16::try_from(extra.len()).map_err(|_| unfit("extra fields that are full"))?;
    new.truncate(name_end);
    put(&mut new, 28, &length.to_le_bytes())?;
    new.extend_from_slice(&extra);
    Ok(new)
}

/// Extra fields without what was padded before.
fn without_padding(extra: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut rest = extra;
    while let [i0, i1, l0, l1, tail @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*l0, *l1]));
        let (Some(field), Some(next)) = (rest.get(..length.saturating_add(4)), tail.get(length..))
        else {
            break;
        };
        if u16::from_le_bytes([*i0, *i1]) != PADDING {
            kept.extend_from_slice(field);
        }
        rest = next;
    }
    // Zeros that an older zipalign left are no field.
    if rest.iter().any(|byte| *byte != 0) {
        kept.extend_from_slice(rest);
    }
    kept
}

/// What the central directory says of an entry that is elsewhere, or stored now.
fn in_directory(
    bytes: &[u8],
    entry: &Entry,
    at: usize,
    stored: bool,
) -> Result<Option<Edit>, PlanError> {
    let old = slice(bytes, entry.central, entry.central.saturating_add(CENTRAL))?;
    let mut new = old.to_vec();
    put(&mut new, 42, &u32_of(at)?.to_le_bytes())?;
    if stored {
        let flags = entry.flags & !DESCRIPTOR;
        put(&mut new, 8, &flags.to_le_bytes())?;
        put(&mut new, 10, &STORED.to_le_bytes())?;
        let size = u32::try_from(entry.size).map_err(|_| unfit("a zip64 archive"))?;
        put(&mut new, 20, &size.to_le_bytes())?;
    }
    let why = format!("{} in the directory", String::from_utf8_lossy(&entry.name));
    Ok((old != new).then(|| Edit::new(entry.central, old, &new, why)))
}

/// The unpacked content, checked against the size that the directory states.
fn content(bytes: &[u8], entry: &Entry) -> Result<Vec<u8>, PlanError> {
    let packed = slice(bytes, entry.start, entry.start.saturating_add(entry.packed))?;
    if entry.method == STORED {
        return Ok(packed.to_vec());
    }
    if entry.method != DEFLATED || entry.size > MAX_CONTENT {
        return Err(unfit(
            "a library that is packed in a way that artcheck does not read",
        ));
    }
    let mut content = Vec::new();
    flate2::bufread::DeflateDecoder::new(packed)
        .take(entry.size.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|error| unfit(&format!("a library that does not unpack: {error}")))?;
    if content.len() as u64 != entry.size {
        return Err(unfit("a library of another size than is stated"));
    }
    Ok(content)
}

/// Where a packed entry ends, with the sizes that may stand behind it.
fn packed_end(bytes: &[u8], entry: &Entry) -> Result<usize, PlanError> {
    let end = entry.start.saturating_add(entry.packed);
    if entry.flags & DESCRIPTOR == 0 {
        return Ok(end);
    }
    let is_marked = slice(bytes, end, end.saturating_add(4))? == b"PK\x07\x08";
    Ok(end.saturating_add(if is_marked { 16 } else { 12 }))
}

/// The record at the end of a zip archive.
fn end_of(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|at| {
        let comment = half(bytes, at.saturating_add(20)).map(usize::from);
        let end = comment.and_then(|comment| at.checked_add(END)?.checked_add(comment));
        bytes.get(*at..at.saturating_add(4)) == Some(b"PK\x05\x06") && end == Some(bytes.len())
    })
}

/// The entries of the central directory, and where it is.
fn entries(bytes: &[u8], end: usize) -> Result<(Vec<Entry>, usize), PlanError> {
    let cut = || unfit("a directory that is cut");
    let count = half(bytes, end.saturating_add(10)).ok_or_else(cut)?;
    let directory = word(bytes, end.saturating_add(16)).ok_or_else(cut)?;
    if count == u16::MAX || directory == u32::MAX {
        return Err(unfit("a zip64 archive"));
    }
    let directory = usize::try_from(directory).map_err(|_| cut())?;
    let mut at = directory;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, next) = entry(bytes, at).ok_or_else(cut)?;
        let is_encrypted = entry.flags & 1 != 0;
        if is_encrypted || entry.size == u64::from(u32::MAX) {
            return Err(unfit("an encrypted or zip64 entry"));
        }
        entries.push(entry);
        at = next;
    }
    Ok((entries, directory))
}

fn entry(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    let field = |offset: usize| half(bytes, at.checked_add(offset)?);
    let number = |offset: usize| word(bytes, at.checked_add(offset)?);
    if number(0)? != 0x0201_4b50 {
        return None;
    }
    let name_at = at.checked_add(CENTRAL)?;
    let name_end = name_at.checked_add(field(28)?.into())?;
    let next = name_end
        .checked_add(field(30)?.into())?
        .checked_add(field(32)?.into())?;
    let local = usize::try_from(number(42)?).ok()?;
    if word(bytes, local)? != 0x0403_4b50 {
        return None;
    }
    let local_name = half(bytes, local.checked_add(26)?)?;
    let local_extra = half(bytes, local.checked_add(28)?)?;
    let start = local
        .checked_add(LOCAL)?
        .checked_add(local_name.into())?
        .checked_add(local_extra.into())?;
    let entry = Entry {
        central: at,
        local,
        start,
        packed: usize::try_from(number(20)?).ok()?,
        size: number(24)?.into(),
        checksum: number(16)?,
        method: field(10)?,
        flags: field(8)?,
        name: bytes.get(name_at..name_end)?.to_vec(),
    };
    (usize::from(local_name) == entry.name.len()).then_some((entry, next))
}

fn slice(bytes: &[u8], start: usize, end: usize) -> Result<&[u8], PlanError> {
    let slice = bytes.get(start..end);
    slice.ok_or_else(|| unfit("an entry that is cut"))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<(), PlanError> {
    let place = bytes.get_mut(at..at.saturating_add(value.len()));
    let place = place.ok_or_else(|| unfit("a header that is cut"))?;
    place.copy_from_slice(value);
    Ok(())
}

fn u32_of(number: usize) -> Result<u32, PlanError> {
    u32::try_from(number).map_err(|_| unfit("an archive above 4 GiB"))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(u16::from_le_bytes(half))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_le_bytes(word))
}
