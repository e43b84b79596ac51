//! The load commands of an image, as a list that can be changed within the room
//! that the linker left between the last command and the first section.

use std::ops::Range;

use object::macho::{
    LC_CODE_SIGNATURE, LC_RPATH, LC_SEGMENT_64, MH_MAGIC, MH_MAGIC_64, S_GB_ZEROFILL,
    S_THREAD_LOCAL_ZEROFILL, S_ZEROFILL, SectionFlags, SectionType,
};

use super::super::PlanError;
use super::little;

/// Bytes of the two headers.
const HEADER_32: usize = 28;
const HEADER_64: usize = 32;
const COUNT: usize = 16;
/// `cmd`, `cmdsize`, then for names the offset of the text.
const NAME_OFFSET: usize = 8;

/// Load commands of a little-endian image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::inplace) struct Commands {
    list: Vec<Vec<u8>>,
    header: usize,
    /// Where the area ended when it was read, and where it must end.
    end: usize,
    limit: usize,
}

impl Commands {
    /// Reads the commands of an image.
    pub(in crate::inplace) fn read(image: &[u8]) -> Result<Self, PlanError> {
        let header = match little(image, 0) {
            Some(MH_MAGIC_64) => HEADER_64,
            Some(MH_MAGIC) => HEADER_32,
            _ => {
                return Err(PlanError::container(
                    "expected a little-endian Mach-O image, found another byte order or format",
                ));
            }
        };
        let cut =
            || PlanError::container("expected Mach-O load commands, found the end of the image");
        let count = little(image, COUNT).ok_or_else(cut)?;
        let mut commands = Self {
            list: Vec::new(),
            header,
            end: header,
            limit: image.len(),
        };
        for _ in 0..count {
            let size = number(image, commands.end.saturating_add(4))
                .filter(|size| *size >= 8)
                .ok_or_else(cut)?;
            let next = commands.end.saturating_add(size);
            let bytes = image.get(commands.end..next).ok_or_else(cut)?;
            commands.list.push(bytes.to_vec());
            commands.end = next;
        }
        commands.limit = commands.first_content(image.len());
        Ok(commands)
    }

    /// Whether this is a 64-bit image, the only kind whose commands are changed.
    pub(in crate::inplace) fn is_64(&self) -> bool {
        self.header == HEADER_64
    }

    /// The bytes from the first command to where the first section begins.
    pub(in crate::inplace) fn area(&self) -> Range<usize> {
        self.header..self.limit
    }

    /// The kind and the bytes of each command.
    pub(in crate::inplace) fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let kind = |bytes: &[u8]| little(bytes, 0).unwrap_or(0);
        self.list
            .iter()
            .map(move |bytes| (kind(bytes), bytes.as_slice()))
    }

    /// Changes the commands one by one: `None` leaves one out.
    pub(in crate::inplace) fn map(&mut self, change: impl FnMut(Vec<u8>) -> Option<Vec<u8>>) {
        self.list = std::mem::take(&mut self.list)
            .into_iter()
            .filter_map(change)
            .collect();
    }

    /// Adds a command behind the others.
    pub(in crate::inplace) fn push(&mut self, command: Vec<u8>) {
        self.list.push(command);
    }

    /// Segments with their command's number.
    pub(in crate::inplace) fn segments(&self) -> impl Iterator<Item = (usize, Segment)> {
        self.iter()
            .enumerate()
            .filter_map(|(number, (kind, bytes))| {
                (kind == LC_SEGMENT_64.0)
                    .then(|| Segment::read(bytes).map(|segment| (number, segment)))?
            })
    }

    /// Writes the size of a segment in the file and in memory.
    pub(in crate::inplace) fn resize(&mut self, number: usize, in_file: usize, in_memory: u64) {
        if let Some(command) = self.list.get_mut(number) {
            put(command, 32, &in_memory.to_le_bytes());
            put(command, 48, &(in_file as u64).to_le_bytes());
        }
    }

    /// The bytes `LC_CODE_SIGNATURE` points at.
    pub(in crate::inplace) fn signature(
        &self,
        image: &[u8],
    ) -> Result<Option<Range<usize>>, PlanError> {
        let command = self.iter().find(|(kind, _)| *kind == LC_CODE_SIGNATURE.0);
        let Some((_, bytes)) = command else {
            return Ok(None);
        };
        let range = || {
            let start = number(bytes, 8)?;
            let end = start.checked_add(number(bytes, 12)?)?;
            image.get(start..end).map(|_| start..end)
        };
        range().map(Some).ok_or_else(|| {
            PlanError::container("expected a code signature inside the image, found its end")
        })
    }

    /// Adds the command that names the signature's place.
    pub(in crate::inplace) fn add_signature(&mut self, at: &Range<usize>) {
        let words = [LC_CODE_SIGNATURE.0, 16, word(at.start), word(at.len())];
        self.push(words.iter().flat_map(|word| word.to_le_bytes()).collect());
    }

    /// Writes the commands, and zeros where the old ones reached further.
    pub(in crate::inplace) fn write(&self, image: &mut [u8]) -> Result<(), PlanError> {
        let bytes = self.list.concat();
        let end = self.header.saturating_add(bytes.len());
        let room = self.limit.saturating_sub(self.end);
        let is_free = image
            .get(self.end..end.max(self.end))
            .is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
        if end > self.limit || !is_free {
            return Err(PlanError::NoRoom {
                what: "the list of load commands".to_owned(),
                needed: end.saturating_sub(self.end),
                found: if is_free { room } else { 0 },
                tried: "only the linker's padding in front of the first section is free \
                        (`-headerpad_max_install_names` leaves more)"
                    .to_owned(),
            });
        }
        put(image, COUNT, &word(self.list.len()).to_le_bytes());
        put(
            image,
            COUNT.saturating_add(4),
            &word(bytes.len()).to_le_bytes(),
        );
        if let Some(old) = image.get_mut(self.header..self.end.max(end)) {
            old.fill(0);
        }
        put(image, self.header, &bytes);
        Ok(())
    }

    /// Where the first section or segment content behind the commands begins.
    fn first_content(&self, image: usize) -> usize {
        let sections = self.segments().flat_map(|(_, segment)| {
            segment
                .sections
                .into_iter()
                .chain((segment.in_file.start > 0).then_some(segment.in_file.start))
        });
        sections.filter(|at| *at > 0).min().unwrap_or(image)
    }
}

/// What a segment command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::inplace) struct Segment {
    /// Its name.
    pub(in crate::inplace) name: String,
    /// Its bytes in the image.
    pub(in crate::inplace) in_file: Range<usize>,
    /// Bytes in memory.
    pub(in crate::inplace) in_memory: u64,
    /// Where its sections begin in the image.
    sections: Vec<usize>,
}

impl Segment {
    fn read(command: &[u8]) -> Option<Self> {
        let start = long(command, 40)?;
        let sections = number(command, 64)?;
        Some(Self {
            name: text(command.get(8..24)?),
            in_file: start..start.checked_add(long(command, 48)?)?,
            in_memory: long(command, 32)? as u64,
            sections: (0..sections.min(command.len() / 80))
                .filter_map(|section| section_start(command, section))
                .collect(),
        })
    }
}

/// Where a section's bytes begin; `None` for one that has none in the file.
fn section_start(command: &[u8], section: usize) -> Option<usize> {
    /// Types without bytes in the file: plain, thread-local, and huge zeros.
    const ZEROS: [SectionType; 3] = [S_ZEROFILL, S_THREAD_LOCAL_ZEROFILL, S_GB_ZEROFILL];
    let at = section.checked_mul(80)?.checked_add(72)?;
    let kind = SectionFlags(little(command, at.checked_add(64)?)?).typ();
    let size = long(command, at.checked_add(40)?)?;
    let start = number(command, at.checked_add(48)?)?;
    (size > 0 && !ZEROS.contains(&kind)).then_some(start)
}

/// The name that a command for a library or a run path holds.
pub(in crate::inplace) fn name_of(command: &[u8]) -> Option<String> {
    let start = number(command, NAME_OFFSET)?;
    command.get(start..).map(text)
}

/// The command with another name. It keeps its size where the name fits.
pub(in crate::inplace) fn renamed(command: &[u8], name: &str) -> Option<Vec<u8>> {
    let start = number(command, NAME_OFFSET)?;
    let mut new = command.get(..start)?.to_vec();
    new.extend_from_slice(name.as_bytes());
    let needed = new.len().checked_add(1)?.next_multiple_of(8);
    new.resize(needed.max(command.len()), 0);
    let size = word(new.len());
    put(&mut new, 4, &size.to_le_bytes());
    Some(new)
}

/// A run path as a command.
pub(in crate::inplace) fn run_path(path: &str) -> Vec<u8> {
    let head: Vec<u8> = [LC_RPATH.0, 12, 12]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    renamed(&head, path).unwrap_or(head)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes)).into_owned()
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(little(bytes, at)?).ok()
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
    usize::try_from(u64::from_le_bytes(field)).ok()
}

fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let end = at.saturating_add(value.len());
    if let Some(field) = bytes.get_mut(at..end) {
        field.copy_from_slice(value);
    }
}
