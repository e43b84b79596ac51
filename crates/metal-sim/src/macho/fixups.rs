//! Which pointers of a Mach-O image wait for an address: dyld's byte programs, or chains.

use object::LittleEndian as LE;
use object::macho;
use object::read::macho::{BindIterator, Fixup};

use super::error::{MachOError, Result, malformed};
use super::segments::{Binding, Fixups, Provider, Rebase, Segments, plus};

/// The size of a pointer.
const POINTER: u8 = 8;

/// The byte programs of `LC_DYLD_INFO`.
pub fn programs(
    command: &macho::DyldInfoCommand<LE>,
    bytes: &[u8],
    segments: &Segments,
    fixups: &mut Fixups,
) -> Result<()> {
    for (index, rebase) in command.rebases(LE, bytes, POINTER)?.enumerate() {
        segments.have_room(index)?;
        let rebase = rebase?;
        if rebase.kind != macho::REBASE_TYPE_POINTER {
            return malformed(format!("rebase type {} is not known", rebase.kind.0));
        }
        let address = segments.place(rebase.segment_index, rebase.segment_offset)?;
        let target = segments.word(bytes, address)?;
        fixups.rebases.push(Rebase { address, target });
    }
    bindings(command.binds(LE, bytes, POINTER)?, segments, fixups)?;
    bindings(command.weak_binds(LE, bytes, POINTER)?, segments, fixups)?;
    bindings(command.lazy_binds(LE, bytes, POINTER)?, segments, fixups)
}

fn bindings(program: BindIterator<'_>, segments: &Segments, fixups: &mut Fixups) -> Result<()> {
    for (index, bind) in program.enumerate() {
        segments.have_room(index)?;
        let bind = bind?;
        if bind.kind != macho::BIND_TYPE_POINTER {
            return malformed(format!("bind type {} is not known", bind.kind.0));
        }
        fixups.bindings.push(Binding {
            address: segments.place(bind.segment_index, bind.segment_offset)?,
            symbol: String::from_utf8_lossy(bind.symbol).into_owned(),
            addend: bind.addend,
            weak: bind.flags.contains(macho::BIND_SYMBOL_FLAGS_WEAK_IMPORT),
            from: Provider::of(bind.dylib),
        });
    }
    Ok(())
}

/// The chains of `LC_DYLD_CHAINED_FIXUPS`: each place says where the next one is.
pub fn chains(
    command: &macho::LinkeditDataCommand<LE>,
    bytes: &[u8],
    segments: &Segments,
    fixups: &mut Fixups,
) -> Result<()> {
    let table = command.chained_fixups(LE, bytes)?;
    let imports = table.imports(LE)?.collect::<object::Result<Vec<_>>>()?;
    let base = segments.base();
    for chained in table.segments(LE)? {
        let chained = chained?;
        let format = chained.header().pointer_format.get(LE);
        if format != macho::DYLD_CHAINED_PTR_64 && format != macho::DYLD_CHAINED_PTR_64_OFFSET {
            return Err(MachOError::Unsupported(format!(
                "chained pointer format {}",
                format.0
            )));
        }
        let first = plus(base, chained.header().segment_offset.get(LE))?;
        let contents = segments.from(bytes, first)?;
        for (index, fixup) in chained.fixups(LE, base, contents).enumerate() {
            segments.have_room(index)?;
            let (offset, fixup) = fixup?;
            let address = plus(first, offset)?;
            match fixup {
                Fixup::Rebase(rebase) => fixups.rebases.push(Rebase {
                    address,
                    target: plus(base, rebase.target_offset)?,
                }),
                Fixup::Bind(bind) => {
                    let import = usize::try_from(bind.ordinal).ok();
                    let Some(import) = import.and_then(|index| imports.get(index)) else {
                        return malformed(format!(
                            "the fixup at {address:#x} wants import {} of {}",
                            bind.ordinal,
                            imports.len()
                        ));
                    };
                    fixups.bindings.push(Binding {
                        address,
                        symbol: String::from_utf8_lossy(import.name).into_owned(),
                        addend: import.addend.wrapping_add(bind.addend.into()),
                        weak: import.weak_import,
                        from: Provider::of(import.dylib),
                    });
                }
                Fixup::KernelCacheRebase(_) | Fixup::SegmentedRebase(_) => {
                    return Err(MachOError::Unsupported("a kernel's fixup".into()));
                }
            }
        }
    }
    Ok(())
}
