//! The byte program of `LC_DYLD_INFO` for the words that hold addresses of the image itself.

use object::macho::{self, DyldInfoCommand, RebaseType};
use object::read::macho::{MachHeader, RebaseOperation, RebaseOperationIterator};
use object::{Endian, Endianness};

use super::places::Refused;
use super::reader::Reader;
use crate::container::macho::image::bytes_at;

/// Bytes that dyld lets follow the end of a program.
const PADDING: usize = 15;

/// Words of one segment at equal distances.
struct Run {
    segment: usize,
    kind: RebaseType,
    offset: u64,
    count: u64,
    step: u64,
}

/// The program as runs, up to its end.
struct Runs<'data> {
    operations: RebaseOperationIterator<'data>,
    segment: Option<usize>,
    kind: Option<RebaseType>,
    offset: u64,
    /// Bytes of a pointer.
    size: u64,
}

pub(super) fn read<Mach: MachHeader<Endian = Endianness>>(
    reader: &mut Reader<'_, '_, Mach>,
    command: &DyldInfoCommand<Endianness>,
) -> Result<(), Refused> {
    let operations = command.rebase_operations(reader.image.endian, reader.image.data);
    let mut runs = Runs::of(operations.map_err(bad)?, reader.places.size);
    for run in runs.by_ref() {
        let run = run?;
        if run.kind != macho::REBASE_TYPE_POINTER {
            let what = format!("a word is to be moved in way {}", run.kind.0);
            return Err(("unknown rebase type", what));
        }
        reader.moves(&run)?;
    }
    // Past its end the rest counts, whatever it says.
    if runs.operations.count() > PADDING {
        let what = String::from("the table of words to be moved ends before its last entry");
        return Err(("rebase opcodes terminated early", what));
    }
    Ok(())
}

fn bad(error: object::read::Error) -> Refused {
    ("unknown rebase opcode", error.to_string())
}

impl<'data> Runs<'data> {
    fn of(operations: RebaseOperationIterator<'data>, size: u8) -> Self {
        Self {
            operations,
            segment: None,
            kind: None,
            offset: 0,
            size: size.into(),
        }
    }

    /// So many words from here on.
    fn run(&mut self, count: u64, step: u64) -> Result<Run, Refused> {
        let (Some(segment), Some(kind)) = (self.segment, self.kind) else {
            let what = String::from("a word is to be moved before its segment and type are set");
            return Err(("unknown rebase opcode", what));
        };
        let offset = self.offset;
        self.move_by(count.wrapping_mul(step));
        Ok(Run {
            segment,
            kind,
            offset,
            count,
            step,
        })
    }

    fn move_by(&mut self, distance: u64) {
        self.offset = self.offset.wrapping_add(distance);
    }
}

impl Iterator for Runs<'_> {
    type Item = Result<Run, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        let size = self.size;
        loop {
            let operation = match self.operations.next() {
                Ok(Some((_, operation))) => operation,
                Ok(None) => return None,
                Err(error) => return Some(Err(bad(error))),
            };
            let (count, step) = match operation {
                RebaseOperation::Done => return None,
                RebaseOperation::DoRebaseTimes { count } => (count, size),
                RebaseOperation::DoRebaseAddAddr { offset } => (1, size.wrapping_add(offset)),
                RebaseOperation::DoRebaseTimesSkipping { count, skip } => {
                    (count, size.wrapping_add(skip))
                }
                RebaseOperation::SetType { kind } => {
                    self.kind = Some(kind);
                    continue;
                }
                RebaseOperation::SetSegmentAndOffset { index, offset } => {
                    (self.segment, self.offset) = (Some(index.into()), offset);
                    continue;
                }
                RebaseOperation::AddAddr { offset } => {
                    self.move_by(offset);
                    continue;
                }
                RebaseOperation::AddAddrScaled { count } => {
                    self.move_by(size.wrapping_mul(count.into()));
                    continue;
                }
            };
            if count > 0 {
                return Some(self.run(count, step));
            }
        }
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

#[cfg(test)]
mod tests {
    use object::pod;
    use object::read::macho::Rebase;

    use super::*;

    /// Programs of all operations, with and without what must come first: each word is
    /// what `object` makes of them.
    #[test]
    fn runs_are_the_words_that_object_finds() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut byte = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_le_bytes()[6]
        };
        let mut moved = 0;
        for _ in 0..4000 {
            let mut program = vec![0x11, 0x20 | (byte() & 3), byte() & 0x7f];
            for _ in 0..8 {
                // Any operation, and what follows it: numbers of one byte, or operations.
                program.extend([byte() % 0x90, byte() & 0x7f, byte() & 0x7f]);
            }
            let (command, _) = pod::from_bytes::<DyldInfoCommand<_>>(&[0; 48]).unwrap();
            let mut command = *command;
            command
                .rebase_size
                .set(Endianness::Little, program.len() as u32);
            let data = &program[..];
            let theirs = command.rebases(Endianness::Little, data, 8).unwrap();
            let theirs = theirs.map_while(Result::ok);
            let theirs: Vec<_> = theirs
                .map(|one: Rebase| (usize::from(one.segment_index), one.segment_offset, one.kind))
                .collect();
            let operations = command.rebase_operations(Endianness::Little, data).unwrap();
            let ours = Runs::of(operations, 8).map_while(Result::ok);
            let ours: Vec<_> = ours
                .flat_map(|run| {
                    let offsets: Vec<u64> = run.offsets().collect();
                    offsets
                        .into_iter()
                        .map(move |offset| (run.segment, offset, run.kind))
                })
                .collect();
            assert_eq!(ours, theirs, "{program:02x?}");
            moved += ours.len();
        }
        assert!(moved > 10_000, "{moved}");
    }
}
