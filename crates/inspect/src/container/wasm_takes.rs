//! What the instructions and functions of WebAssembly code take from the operand stack
//! and give to it: numbers of four types, two bits for each.

use wasmparser::{CompositeInnerType, FuncType, SubType, ValType};

pub(super) const I32: u8 = 0;
pub(super) const I64: u8 = 1;
pub(super) const F32: u8 = 2;
pub(super) const F64: u8 = 3;
/// In place of a type: none.
pub(super) const NONE: u8 = 4;
/// Operands that the stack has room for.
pub(super) const DEEPEST: u32 = 63;

/// What an instruction on numbers or memory takes and gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Simple {
    /// The bits of the stack that it looks at, and what they have to be.
    pub mask: u8,
    pub want: u8,
    pub takes: u8,
    /// A type, or [`NONE`].
    pub gives: u8,
    /// The largest alignment, as a power of two, for what reads or writes memory.
    pub align: u8,
}

/// An instruction that does neither.
pub(super) const EMPTY: Simple = Simple {
    mask: 0,
    want: 0,
    takes: 0,
    gives: NONE,
    align: 0,
};

fn simple(takes: &[u8], gives: u8, align: u8) -> Simple {
    let mut found = Simple {
        mask: 0,
        want: 0,
        takes: 0,
        gives,
        align,
    };
    for kind in takes {
        found.mask = found.mask << 2 | 3;
        found.want = found.want << 2 | *kind;
        found.takes = found.takes.saturating_add(1);
    }
    found
}

/// The instructions from `i32.load` to `i64.extend32_s`, of those that do not fit the
/// scheme nothing.
pub(super) fn instruction(code: u8) -> Simple {
    match code {
        // Loads.
        0x28 => simple(&[I32], I32, 2),
        0x29 => simple(&[I32], I64, 3),
        0x2a => simple(&[I32], F32, 2),
        0x2b => simple(&[I32], F64, 3),
        0x2c | 0x2d => simple(&[I32], I32, 0),
        0x2e | 0x2f => simple(&[I32], I32, 1),
        0x30 | 0x31 => simple(&[I32], I64, 0),
        0x32 | 0x33 => simple(&[I32], I64, 1),
        0x34 | 0x35 => simple(&[I32], I64, 2),
        // Stores.
        0x36 => simple(&[I32, I32], NONE, 2),
        0x37 => simple(&[I32, I64], NONE, 3),
        0x38 => simple(&[I32, F32], NONE, 2),
        0x39 => simple(&[I32, F64], NONE, 3),
        0x3a => simple(&[I32, I32], NONE, 0),
        0x3b => simple(&[I32, I32], NONE, 1),
        0x3c => simple(&[I32, I64], NONE, 0),
        0x3d => simple(&[I32, I64], NONE, 1),
        0x3e => simple(&[I32, I64], NONE, 2),
        // Comparisons and arithmetic.
        0x45 | 0x67..=0x69 | 0xc0 | 0xc1 => simple(&[I32], I32, 0),
        0x46..=0x4f | 0x6a..=0x78 => simple(&[I32, I32], I32, 0),
        0x50 => simple(&[I64], I32, 0),
        0x51..=0x5a => simple(&[I64, I64], I32, 0),
        0x5b..=0x60 => simple(&[F32, F32], I32, 0),
        0x61..=0x66 => simple(&[F64, F64], I32, 0),
        0x79..=0x7b | 0xc2..=0xc4 => simple(&[I64], I64, 0),
        0x7c..=0x8a => simple(&[I64, I64], I64, 0),
        0x8b..=0x91 => simple(&[F32], F32, 0),
        0x92..=0x98 => simple(&[F32, F32], F32, 0),
        0x99..=0x9f => simple(&[F64], F64, 0),
        0xa0..=0xa6 => simple(&[F64, F64], F64, 0),
        // Conversions.
        0xa7 => simple(&[I64], I32, 0),
        0xa8 | 0xa9 | 0xbc => simple(&[F32], I32, 0),
        0xaa | 0xab => simple(&[F64], I32, 0),
        0xac | 0xad => simple(&[I32], I64, 0),
        0xae | 0xaf => simple(&[F32], I64, 0),
        0xb0 | 0xb1 | 0xbd => simple(&[F64], I64, 0),
        0xb2 | 0xb3 | 0xbe => simple(&[I32], F32, 0),
        0xb4 | 0xb5 => simple(&[I64], F32, 0),
        0xb6 => simple(&[F64], F32, 0),
        0xb7 | 0xb8 => simple(&[I32], F64, 0),
        0xb9 | 0xba | 0xbf => simple(&[I64], F64, 0),
        0xbb => simple(&[F32], F64, 0),
        _ => EMPTY,
    }
}

/// What a function takes and gives.
#[derive(Debug)]
pub(super) struct Signature {
    pub mask: u128,
    pub want: u128,
    pub takes: u32,
    pub gives: u8,
}

impl Signature {
    /// `None` for what is no function on at most [`DEEPEST`] numbers with one result.
    pub fn of(found: &SubType) -> Option<Self> {
        let CompositeInnerType::Func(function) = &found.composite_type.inner else {
            return None;
        };
        let mut signature = Self {
            mask: 0,
            want: 0,
            takes: 0,
            gives: result(function)?,
        };
        for parameter in function.params() {
            signature.mask = signature.mask << 2 | 3;
            signature.want = signature.want << 2 | u128::from(number(*parameter)?);
            signature.takes = signature.takes.saturating_add(1);
        }
        let is_held = signature.takes <= DEEPEST && !found.composite_type.shared;
        is_held.then_some(signature)
    }

    /// The types of what it takes, in order.
    pub fn parameters(&self) -> impl Iterator<Item = u8> {
        let places = (0..self.takes).rev();
        places.map(|place| low(self.want.wrapping_shr(place.saturating_mul(2))))
    }
}

fn result(function: &FuncType) -> Option<u8> {
    match function.results() {
        [] => Some(NONE),
        [one] => number(*one),
        _ => None,
    }
}

pub(super) fn number(kind: ValType) -> Option<u8> {
    Some(match kind {
        ValType::I32 => I32,
        ValType::I64 => I64,
        ValType::F32 => F32,
        ValType::F64 => F64,
        _ => return None,
    })
}

/// The type on top.
pub(super) fn low(stack: u128) -> u8 {
    stack.to_le_bytes()[0] & 3
}
