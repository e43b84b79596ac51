//! Chained fixups: each place says where the next one is.

use super::error::{MachOError, Result, malformed};
use super::reader::{Reader, plus, times};
use super::segments::{Binding, Fixups, Provider, Rebase, Segments};

/// Ordinary 64-bit pointers; targets are addresses, or offsets from the image.
const POINTER_64: u16 = 2;
const POINTER_64_OFFSET: u16 = 6;
/// Both chain in steps of four bytes.
const STRIDE: u64 = 4;
const NO_FIXUPS: u16 = 0xffff;
const SEVERAL_STARTS: u16 = 0x8000;

/// An entry of the imports table.
struct Import {
    symbol: String,
    addend: i64,
    weak: bool,
    from: Provider,
}

/// The fixups of the command at `at`.
pub fn read(reader: &Reader<'_>, at: u64, segments: &Segments, fixups: &mut Fixups) -> Result<()> {
    let data = u64::from(reader.u32(plus(at, 8)?)?);
    let mut chains = Chains {
        reader,
        imports: imports(reader, data)?,
        segments,
        fixups,
    };
    let starts = plus(data, reader.u32(plus(data, 4)?)?.into())?;
    for index in 0..u64::from(reader.u32(starts)?) {
        let offset = reader.u32(plus(starts, 4 + index * 4)?)?;
        if offset != 0 {
            chains.segment(plus(starts, offset.into())?)?;
        }
    }
    Ok(())
}

fn imports(reader: &Reader<'_>, data: u64) -> Result<Vec<Import>> {
    let table = plus(data, reader.u32(plus(data, 8)?)?.into())?;
    let names = plus(data, reader.u32(plus(data, 12)?)?.into())?;
    let count = u64::from(reader.u32(plus(data, 16)?)?);
    let format = reader.u32(plus(data, 20)?)?;
    if reader.u32(plus(data, 24)?)? != 0 {
        return Err(MachOError::Unsupported(
            "a compressed name table of chained fixups".into(),
        ));
    }
    let size = match format {
        1 => 4,
        2 => 8,
        3 => 16,
        _ => return malformed(data, format!("imports format {format} is not known")),
    };
    reader.slice(table, times(count, size)?)?;
    (0..count)
        .map(|i| {
            let entry = plus(table, times(i, size)?)?;
            let (name, weak, addend, ordinal) = if format == 3 {
                let word = reader.u64(entry)?;
                (
                    word >> 32,
                    word >> 16 & 1 != 0,
                    reader.u64(plus(entry, 8)?)?.cast_signed(),
                    i64::from((word & 0xffff) as u16 as i16),
                )
            } else {
                let word = reader.u32(entry)?;
                let addend = if format == 2 {
                    reader.u32(plus(entry, 4)?)?.cast_signed()
                } else {
                    0
                };
                let ordinal = i64::from((word & 0xff) as u8 as i8);
                (
                    u64::from(word >> 9),
                    word >> 8 & 1 != 0,
                    addend.into(),
                    ordinal,
                )
            };
            Ok(Import {
                symbol: reader.text(plus(names, name)?)?.to_owned(),
                addend,
                weak,
                from: Provider::of(ordinal),
            })
        })
        .collect()
}

/// The chains of an image, while they are followed.
struct Chains<'a> {
    reader: &'a Reader<'a>,
    imports: Vec<Import>,
    segments: &'a Segments,
    fixups: &'a mut Fixups,
}

impl Chains<'_> {
    fn segment(&mut self, at: u64) -> Result<()> {
        let reader = self.reader;
        let page_size = u64::from(reader.u16(plus(at, 4)?)?);
        let format = reader.u16(plus(at, 6)?)?;
        let first = reader.u64(plus(at, 8)?)?;
        if format != POINTER_64 && format != POINTER_64_OFFSET {
            return Err(MachOError::Unsupported(format!(
                "chained pointer format {format}"
            )));
        }
        // The field is an offset from the image's start, which is __TEXT's address.
        let base = self.segments.base();
        for page in 0..u64::from(reader.u16(plus(at, 20)?)?) {
            let start = reader.u16(plus(at, 22 + page * 2)?)?;
            if start == NO_FIXUPS {
                continue;
            }
            if start & SEVERAL_STARTS != 0 {
                return Err(MachOError::Unsupported(
                    "a page with several fixup chains".into(),
                ));
            }
            let page_at = plus(plus(base, first)?, times(page, page_size)?)?;
            let target_base = if format == POINTER_64_OFFSET { base } else { 0 };
            self.chain(plus(page_at, start.into())?, target_base)?;
        }
        Ok(())
    }

    fn chain(&mut self, mut at: u64, target_base: u64) -> Result<()> {
        loop {
            let word = self.segments.word(self.reader, at)?;
            if word >> 63 != 0 {
                let index = usize::try_from(word & 0xff_ffff).unwrap_or(usize::MAX);
                let Some(import) = self.imports.get(index) else {
                    return malformed(
                        0,
                        format!(
                            "the fixup at {at:#x} wants import {index} of {}",
                            self.imports.len()
                        ),
                    );
                };
                let own = i64::try_from(word >> 24 & 0xff).unwrap_or(0);
                self.fixups.bindings.push(Binding {
                    address: at,
                    symbol: import.symbol.clone(),
                    addend: import.addend.wrapping_add(own),
                    weak: import.weak,
                    from: import.from,
                });
            } else {
                let high = (word >> 36 & 0xff) << 56;
                let target = plus(target_base, word & 0xf_ffff_ffff)? | high;
                self.fixups.rebases.push(Rebase {
                    address: at,
                    target,
                });
            }
            let next = word >> 51 & 0xfff;
            if next == 0 {
                return Ok(());
            }
            at = plus(at, next * STRIDE)?;
        }
    }
}
