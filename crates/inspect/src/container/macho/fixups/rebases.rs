//! The byte program of `LC_DYLD_INFO` for the words that hold addresses of the image itself.

use object::macho::{self, DyldInfoCommand, RebaseType};
use object::read::macho::{MachHeader, RebaseOperation};
use object::{Endian, Endianness};

use super::places::Refused;
use super::reader::Reader;
use crate::container::macho::image::bytes_at;

/// Bytes that dyld lets follow the end of a program.
const PADDING: usize = 15;

/// The word that the program is at.
#[derive(Default)]
struct Cursor {
    segment: Option<usize>,
    kind: Option<RebaseType>,
    offset: u64,
}

/// Words of one segment at equal distances.
struct Run {
    segment: usize,
    offset: u64,
    count: u64,
    step: u64,
}

pub(super) fn read<Mach: MachHeader<Endian = Endianness>>(
    reader: &mut Reader<'_, '_, Mach>,
    command: &DyldInfoCommand<Endianness>,
) -> Result<(), Refused> {
    let (data, endian) = (reader.image.data, reader.image.endian);
    let bad = |error: object::read::Error| ("unknown rebase opcode", error.to_string());
    let size = u64::from(reader.places.size);
    let mut cursor = Cursor::default();
    let mut operations = command.rebase_operations(endian, data).map_err(bad)?;
    for operation in operations.by_ref() {
        let (_, operation) = operation.map_err(bad)?;
        let (count, step) = match operation {
            RebaseOperation::Done => break,
            RebaseOperation::DoRebaseTimes { count } => (count, size),
            RebaseOperation::DoRebaseAddAddr { offset } => (1, size.wrapping_add(offset)),
            RebaseOperation::DoRebaseTimesSkipping { count, skip } => {
                (count, size.wrapping_add(skip))
            }
            RebaseOperation::SetType { kind } => {
                cursor.kind = Some(kind);
                continue;
            }
            RebaseOperation::SetSegmentAndOffset { index, offset } => {
                (cursor.segment, cursor.offset) = (Some(index.into()), offset);
                continue;
            }
            RebaseOperation::AddAddr { offset } => {
                cursor.offset = cursor.offset.wrapping_add(offset);
                continue;
            }
            RebaseOperation::AddAddrScaled { count } => {
                let distance = size.wrapping_mul(count.into());
                cursor.offset = cursor.offset.wrapping_add(distance);
                continue;
            }
        };
        if count > 0 {
            reader.moves(&cursor.run(count, step)?)?;
        }
        cursor.offset = cursor.offset.wrapping_add(count.wrapping_mul(step));
    }
    if operations.count() > PADDING {
        let what = String::from("the table of words to be moved ends before its last entry");
        return Err(("rebase opcodes terminated early", what));
    }
    Ok(())
}

impl Cursor {
    /// So many words from here on.
    fn run(&self, count: u64, step: u64) -> Result<Run, Refused> {
        let (Some(segment), Some(kind)) = (self.segment, self.kind) else {
            let what = String::from("a word is to be moved before its segment and type are set");
            return Err(("unknown rebase opcode", what));
        };
        if kind != macho::REBASE_TYPE_POINTER {
            let what = format!("a word is to be moved in way {}", kind.0);
            return Err(("unknown rebase type", what));
        }
        Ok(Run {
            segment,
            offset: self.offset,
            count,
            step,
        })
    }
}

impl Run {
    fn offsets(&self) -> impl Iterator<Item = u64> {
        let (offset, step) = (self.offset, self.step);
        (0..self.count).map(move |number| offset.wrapping_add(number.wrapping_mul(step)))
    }

    /// The offset of the last word, where none is at a lower one than that before it.
    fn last(&self) -> Option<u64> {
        let more = self.count.checked_sub(1)?.checked_mul(self.step)?;
        self.offset.checked_add(more)
    }
}

impl<Mach: MachHeader<Endian = Endianness>> Reader<'_, '_, Mach> {
    fn moves(&mut self, run: &Run) -> Result<(), Refused> {
        // Where the first and the last may be, those between them may.
        let is_inside = run.last().is_some_and(|last| {
            let ends = [run.offset, last];
            ends.iter()
                .all(|end| self.places.pointer(run.segment, *end).is_ok())
        }) && self.places.take(run.count).is_ok();
        let segment = self.places.segments.get(run.segment);
        let address = segment.map_or(0, |segment| segment.address);
        let (data, endian) = (self.image.data, self.image.endian);
        let bytes = segment.and_then(|one| bytes_at(data, one.file_offset, one.file_size));
        for offset in run.offsets() {
            let place = match is_inside {
                true => address.wrapping_add(offset),
                false => self.places.of_pointer(run.segment, offset)?,
            };
            let bytes = usize::try_from(offset).ok().and_then(|at| bytes?.get(at..));
            let word = match self.places.size {
                8 => bytes.and_then(|bytes| Some(endian.read_u64(*bytes.first_chunk()?))),
                _ => bytes.and_then(|bytes| Some(endian.read_u32(*bytes.first_chunk()?).into())),
            };
            if let Some(word) = word {
                self.leads(word, place);
            }
        }
        Ok(())
    }
}
