//! The byte programs of `LC_DYLD_INFO`: one for the words that hold addresses of the image
//! itself, and those for names: at once, weak, and when they are first used.

use object::macho::{self, DyldInfoCommand};
use object::read::macho::{BindIterator, MachHeader, RebaseOperation};
use object::{Endian, Endianness};

use super::places::Refused;
use super::reader::Reader;
use super::wanted::Wanted;
use crate::container::macho::image::bytes_at;

/// Bytes that dyld lets follow the end of a program.
const PADDING: usize = 15;

pub(super) fn read<Mach: MachHeader<Endian = Endianness>>(
    reader: &mut Reader<'_, '_, Mach>,
    command: &DyldInfoCommand<Endianness>,
) {
    let (data, endian) = (reader.image.data, reader.image.endian);
    let size = reader.places.size;
    let of_binds = [
        (
            command.bind_off,
            command.binds(endian, data, size),
            Some(false),
        ),
        // Those that are defined here are in it too.
        (
            command.weak_bind_off,
            command.weak_binds(endian, data, size),
            None,
        ),
        (
            command.lazy_bind_off,
            command.lazy_binds(endian, data, size),
            Some(true),
        ),
    ];
    for (at, program, is_lazy) in of_binds {
        let done = match program {
            Ok(program) => binds(reader, program, is_lazy),
            Err(error) => Err(("malformed", error.to_string())),
        };
        if let Err(refused) = done {
            reader.refused(at.get(endian).into(), refused);
        }
    }
    if let Err(refused) = rebases(reader, command) {
        reader.refused(command.rebase_off.get(endian).into(), refused);
    }
}

fn rebases<Mach: MachHeader<Endian = Endianness>>(
    reader: &mut Reader<'_, '_, Mach>,
    command: &DyldInfoCommand<Endianness>,
) -> Result<(), Refused> {
    let (data, endian) = (reader.image.data, reader.image.endian);
    let bad = |error: object::read::Error| ("unknown rebase opcode", error.to_string());
    let mut behind_end = None;
    for operation in command.rebase_operations(endian, data).map_err(bad)? {
        let is_end = matches!(operation, Ok((_, RebaseOperation::Done)));
        behind_end = match behind_end {
            None if is_end => Some(0),
            None => None,
            Some(count) => Some(usize::saturating_add(count, 1)),
        };
        if behind_end.is_some_and(|count| count > PADDING) {
            let what = String::from("the table of words to be moved ends before its last entry");
            return Err(("rebase opcodes terminated early", what));
        }
    }
    for rebase in command
        .rebases(endian, data, reader.places.size)
        .map_err(bad)?
    {
        let rebase = rebase.map_err(bad)?;
        if rebase.kind != macho::REBASE_TYPE_POINTER {
            let what = format!("a word is to be moved in way {}", rebase.kind.0);
            return Err(("unknown rebase type", what));
        }
        let place = reader
            .places
            .of_pointer(rebase.segment_index.into(), rebase.segment_offset)?;
        if let Some(target) = word(reader, rebase.segment_index.into(), rebase.segment_offset) {
            reader.leads(target, place);
        }
    }
    Ok(())
}

/// The word of a segment as the file has it.
fn word<Mach: MachHeader<Endian = Endianness>>(
    reader: &Reader<'_, '_, Mach>,
    segment: usize,
    offset: u64,
) -> Option<u64> {
    let segment = reader.places.segments.get(segment)?;
    let size = reader.places.size;
    let end = offset.checked_add(size.into())?;
    let at = segment.file_offset.checked_add(offset)?;
    let bytes = bytes_at(reader.image.data, at, size.into());
    let bytes = bytes.filter(|_| end <= segment.file_size)?;
    let endian = reader.image.endian;
    match bytes.first_chunk() {
        Some(word) => Some(endian.read_u64(*word)),
        None => Some(endian.read_u32(*bytes.first_chunk()?).into()),
    }
}

fn binds<'data, Mach: MachHeader<Endian = Endianness>>(
    reader: &mut Reader<'_, 'data, Mach>,
    program: BindIterator<'data>,
    is_lazy: Option<bool>,
) -> Result<(), Refused> {
    for bind in program {
        let bind = bind.map_err(|error| ("bad bind opcode", error.to_string()))?;
        if bind.kind != macho::BIND_TYPE_POINTER {
            let name = bind.symbol.escape_ascii();
            let what = format!("`{name}` is to be bound in way {}", bind.kind.0);
            return Err(("unknown bind type", what));
        }
        let place = reader
            .places
            .of_pointer(bind.segment_index.into(), bind.segment_offset)?;
        reader.bound.insert(place);
        if let Some(lazy) = is_lazy {
            let asked = Wanted {
                dylib: bind.dylib,
                weak: bind.flags.contains(macho::BIND_SYMBOL_FLAGS_WEAK_IMPORT),
                lazy,
            };
            reader.wants(bind.symbol, asked)?;
        }
    }
    Ok(())
}
