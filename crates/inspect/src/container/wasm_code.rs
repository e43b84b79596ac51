//! The instructions of WebAssembly function bodies, as far as compilers of C++ write
//! them: read several times faster than by a reader that knows all of them. Who meets
//! another one turns to that reader.

use wasmparser::FunctionBody;

/// The instruction that gives a constant of 32 bits.
const I32_CONST: u8 = 0x41;
/// The instruction that calls a function.
pub(crate) const CALL: u8 = 0x10;

/// Something that an instruction holds and that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A constant of 32 bits.
    Constant(i32),
    /// A call of a function.
    Call(u32),
}

/// The constants and calls of a body, each with the number of its instruction. `None`
/// where an instruction is not known here.
pub(crate) fn steps(body: &FunctionBody<'_>) -> Option<Vec<(usize, Step)>> {
    let mut code = Code::of(body);
    for _ in 0..code.index()? {
        code.index()?;
        code.byte()?;
    }
    let mut found = Vec::new();
    let mut number = 0usize;
    while let Some(instruction) = code.byte() {
        match instruction {
            I32_CONST => found.push((number, Step::Constant(code.constant()?))),
            CALL => found.push((number, Step::Call(code.index()?))),
            other => code.pass_over(other)?,
        }
        number = number.wrapping_add(1);
    }
    Some(found)
}

/// The bytes that are left of a body.
struct Code<'a>(&'a [u8]);

impl<'a> Code<'a> {
    /// A body, its locals included.
    fn of(body: &FunctionBody<'a>) -> Self {
        Self(body.as_bytes())
    }

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }

    /// An unsigned number of 32 bits.
    #[inline(always)]
    fn index(&mut self) -> Option<u32> {
        let first = self.byte()?;
        match first < 0x80 {
            true => Some(first.into()),
            false => self.long_index(first),
        }
    }

    fn long_index(&mut self, first: u8) -> Option<u32> {
        let mut value = u32::from(first & 0x7f);
        for shift in [7u32, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f).wrapping_shl(shift);
            if byte < 0x80 {
                return (shift < 28 || byte < 0x10).then_some(value);
            }
        }
        None
    }

    /// A signed number of 32 bits.
    #[inline(always)]
    fn constant(&mut self) -> Option<i32> {
        let mut value = 0u32;
        for shift in [0u32, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f).wrapping_shl(shift);
            if byte < 0x80 {
                let unused = 25u32.saturating_sub(shift);
                let is_whole = shift < 28 || matches!(byte, 0..=7 | 0x78..=0x7f);
                let value = value.wrapping_shl(unused).cast_signed();
                return is_whole.then_some(value.wrapping_shr(unused));
            }
        }
        None
    }

    /// Steps over a signed number of 32 bits.
    #[inline(always)]
    fn skip_constant(&mut self) -> Option<()> {
        if self.byte()? < 0x80 {
            return Some(());
        }
        self.skip_signed(4, 0x78)
    }

    /// Steps over a signed number of 64 bits.
    fn skip_long_constant(&mut self) -> Option<()> {
        self.skip_signed(10, 0x7f)
    }

    /// Steps over a signed number of at most so many bytes; the last of so many has
    /// nothing but the sign in these bits.
    fn skip_signed(&mut self, most: usize, signs: u8) -> Option<()> {
        for count in 1..=most {
            let byte = self.byte()?;
            if byte < 0x80 {
                let is_whole = count < most || byte & signs == 0 || byte & signs == signs;
                return is_whole.then_some(());
            }
        }
        None
    }

    /// Steps over what belongs to an instruction.
    fn pass_over(&mut self, instruction: u8) -> Option<()> {
        match instruction {
            // Without anything: unreachable, nop, else, end, return, drop, select, numbers.
            0x00 | 0x01 | 0x05 | 0x0b | 0x0f | 0x1a | 0x1b | 0x45..=0xc4 => {}
            // block, loop, if
            0x02..=0x04 => {
                matches!(self.byte()?, 0x40 | 0x7c..=0x7f).then_some(())?;
            }
            // br, br_if, call, locals and globals
            0x0c | 0x0d | CALL | 0x20..=0x24 => {
                self.index()?;
            }
            // br_table
            0x0e => {
                for _ in 0..=self.index()? {
                    self.index()?;
                }
            }
            // call_indirect
            0x11 => {
                self.index()?;
                self.index()?;
            }
            // Memory: the alignment, which names another memory where it is large.
            0x28..=0x3e => {
                (self.byte()? < 0x40).then_some(())?;
                self.index()?;
            }
            0x3f | 0x40 => self.skip(1)?,
            I32_CONST => self.skip_constant()?,
            0x42 => self.skip_long_constant()?,
            0x43 => self.skip(4)?,
            0x44 => self.skip(8)?,
            // Conversions that saturate, memory.copy, memory.fill
            0xfc => match self.byte()? {
                0..=7 => {}
                10 => self.skip(2)?,
                11 => self.skip(1)?,
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }
}
