//! Classic fixups: the byte programs of LC_DYLD_INFO.

use super::error::{Result, malformed};
use super::reader::{Reader, plus};
use super::segments::{Binding, Fixups, Provider, Rebase, Segments};

/// A pointer each; more fixups than an image has room for is a fault.
const POINTER: u64 = 8;

/// Rebase, bind, weak-bind and lazy-bind programs of the command at `at`.
pub fn read(reader: &Reader<'_>, at: u64, segments: &Segments, fixups: &mut Fixups) -> Result<()> {
    let part = |index: u64| -> Result<Program<'_>> {
        let field = plus(at, 8 + index * 8)?;
        let (offset, size) = (reader.u32(field)?, reader.u32(plus(field, 4)?)?);
        let bytes = reader.slice(offset.into(), size.into())?;
        Ok(Program {
            bytes,
            at: 0,
            base: offset.into(),
        })
    };
    let mut places = Vec::new();
    rebase(part(0)?, segments, &mut places)?;
    for address in places {
        let target = segments.word(reader, address)?;
        fixups.rebases.push(Rebase { address, target });
    }
    let programs = [(1, Kind::Ordinary), (2, Kind::Coalesced), (3, Kind::Lazy)];
    for (program, kind) in programs {
        bind(part(program)?, segments, kind, &mut fixups.bindings)?;
    }
    Ok(())
}

struct Program<'a> {
    bytes: &'a [u8],
    at: usize,
    base: u64,
}

impl<'a> Program<'a> {
    fn offset(&self) -> u64 {
        self.base
            .saturating_add(u64::try_from(self.at).unwrap_or(u64::MAX))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let Some(byte) = self.byte() else {
                return malformed(self.offset(), "the fixup program ends within a number");
            };
            let part = u64::from(byte & 0x7f);
            if shift >= 64 || (part << shift) >> shift != part {
                return malformed(self.offset(), "a number of more than 64 bits");
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        malformed(self.offset(), "a number of more than 64 bits")
    }

    fn signed(&mut self) -> Result<i64> {
        let (mut value, mut shift) = (0i64, 0u32);
        loop {
            let Some(byte) = self.byte() else {
                return malformed(self.offset(), "the fixup program ends within a number");
            };
            if shift >= 64 {
                return malformed(self.offset(), "a number of more than 64 bits");
            }
            value |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                if byte & 0x40 != 0 && shift < 64 {
                    value |= -1i64 << shift;
                }
                return Ok(value);
            }
        }
    }

    fn text(&mut self) -> Result<String> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let Some(end) = rest.iter().position(|b| *b == 0) else {
            return malformed(self.offset(), "the fixup program ends within a name");
        };
        let name = String::from_utf8_lossy(rest.get(..end).unwrap_or(&[])).into_owned();
        self.at += end + 1;
        Ok(name)
    }
}

/// Where the next fixup goes. Offsets wrap, as the format's "add" relies on.
#[derive(Default)]
struct Cursor {
    segment: usize,
    offset: u64,
}

impl Cursor {
    fn take(&mut self, segments: &Segments) -> Result<u64> {
        let place = segments.place(self.segment, self.offset, POINTER)?;
        self.advance(POINTER);
        Ok(place)
    }

    fn advance(&mut self, by: u64) {
        self.offset = self.offset.wrapping_add(by);
    }
}

/// Each repetition is a place of its own, so a count is bounded by the image.
fn bounded(count: u64, segments: &Segments, at: u64) -> Result<u64> {
    if count > segments.end / POINTER {
        return malformed(
            at,
            format!("{count} fixups in one go, more than the image has room for"),
        );
    }
    Ok(count)
}

fn rebase(mut program: Program<'_>, segments: &Segments, out: &mut Vec<u64>) -> Result<()> {
    let mut cursor = Cursor::default();
    while let Some(byte) = program.byte() {
        let low = byte & 0x0f;
        let (count, skip) = match byte & 0xf0 {
            0x00 => return Ok(()),
            0x10 if low == 1 => continue,
            0x20 => {
                cursor = Cursor {
                    segment: low.into(),
                    offset: program.unsigned()?,
                };
                continue;
            }
            0x30 => {
                cursor.advance(program.unsigned()?);
                continue;
            }
            0x40 => {
                cursor.advance(u64::from(low) * POINTER);
                continue;
            }
            0x50 => (low.into(), 0),
            0x60 => (program.unsigned()?, 0),
            0x70 => (1, program.unsigned()?),
            0x80 => (program.unsigned()?, program.unsigned()?),
            _ => {
                return malformed(
                    program.offset(),
                    format!("rebase opcode {byte:#x} is not known"),
                );
            }
        };
        for _ in 0..bounded(count, segments, program.offset())? {
            out.push(cursor.take(segments)?);
            cursor.advance(skip);
        }
    }
    Ok(())
}

/// What a program of bindings is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ordinary,
    Coalesced,
    Lazy,
}

fn bind(
    mut program: Program<'_>,
    segments: &Segments,
    kind: Kind,
    out: &mut Vec<Binding>,
) -> Result<()> {
    let mut cursor = Cursor::default();
    let (mut symbol, mut addend, mut weak) = (String::new(), 0, false);
    let mut from = Provider::of(if kind == Kind::Coalesced { -3 } else { 0 });
    while let Some(byte) = program.byte() {
        let low = byte & 0x0f;
        let (count, skip) = match byte & 0xf0 {
            // A lazy program has one "done" after each symbol.
            0x00 if kind == Kind::Lazy => continue,
            0x00 => return Ok(()),
            0x10 => {
                from = Provider::of(low.into());
                continue;
            }
            0x20 => {
                from = Provider::of(i64::try_from(program.unsigned()?).unwrap_or(-1));
                continue;
            }
            0x30 => {
                // Four bits of a small negative number.
                from = Provider::of(if low == 0 { 0 } else { i64::from(low) - 16 });
                continue;
            }
            0x40 => {
                (symbol, weak) = (program.text()?, low & 1 != 0);
                continue;
            }
            0x50 if low == 1 => continue,
            0x60 => {
                addend = program.signed()?;
                continue;
            }
            0x70 => {
                cursor = Cursor {
                    segment: low.into(),
                    offset: program.unsigned()?,
                };
                continue;
            }
            0x80 => {
                cursor.advance(program.unsigned()?);
                continue;
            }
            0x90 => (1, 0),
            0xa0 => (1, program.unsigned()?),
            0xb0 => (1, u64::from(low) * POINTER),
            0xc0 => (program.unsigned()?, program.unsigned()?),
            _ => {
                return malformed(
                    program.offset(),
                    format!("bind opcode {byte:#x} is not known"),
                );
            }
        };
        for _ in 0..bounded(count, segments, program.offset())? {
            let address = cursor.take(segments)?;
            out.push(Binding {
                address,
                symbol: symbol.clone(),
                addend,
                weak,
                from,
            });
            cursor.advance(skip);
        }
    }
    Ok(())
}
