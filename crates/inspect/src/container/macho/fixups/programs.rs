//! The byte programs of `LC_DYLD_INFO`: one for the words that hold addresses of the image
//! itself ([`rebases`]), and those for names: at once, weak, and when they are first used.

use object::Endianness;
use object::macho::{self, DyldInfoCommand};
use object::read::macho::{BindIterator, MachHeader};

use super::places::Refused;
use super::reader::Reader;
use super::rebases;
use super::wanted::Wanted;

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
    if let Err(refused) = rebases::read(reader, command) {
        reader.refused(command.rebase_off.get(endian).into(), refused);
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
