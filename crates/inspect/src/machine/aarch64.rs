//! AArch64: the few instructions that move addresses about, and the branches.

use super::instructions::{Flow, Machine, Outline, Piece, Target};
use super::state::{REGISTERS, State, Value};

/// Most bytes that one instruction stores: four vectors.
const MOST_BYTES: i64 = 64;
/// `sp`, which has the number of the zero register.
const STACK: usize = 31;

/// AArch64 as Linux and macOS call it.
pub(super) struct Aarch64;

impl<'a> Machine<'a> for Aarch64 {
    fn parameters(&self) -> &'static [usize] {
        &[0, 1, 2, 3, 4, 5, 6, 7]
    }

    fn result(&self) -> usize {
        0
    }

    fn stack(&self) -> usize {
        STACK
    }

    fn lost(&self) -> &'static [usize] {
        &[
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 30,
        ]
    }

    fn step(&mut self, code: Piece<'a>, at: usize, state: &mut State) -> Option<(usize, Flow)> {
        let word = code.data.get(at..)?.first_chunk()?;
        let word = u32::from_le_bytes(*word);
        let place = code.address.wrapping_add(at as u64);
        let flow = flow(word, place, state);
        if flow == Flow::On {
            step(word, place, state);
        }
        Some((4, flow))
    }

    fn branches(&self, code: Piece<'a>, visit: &mut dyn FnMut(u64, u64)) -> Outline {
        let state = State::entry(&[], self.stack());
        let places = (code.address..).step_by(4);
        let (words, _) = code.data.as_chunks::<4>();
        let mut calls = false;
        for (place, word) in places.zip(words) {
            let flow = flow(u32::from_le_bytes(*word), place, &state);
            if let Flow::Branch(to) | Flow::Jump(Target::Code(to)) = flow {
                visit(place, to);
            }
            calls |= match flow {
                Flow::Call(_) => true,
                Flow::Jump(Target::Code(to)) => !code.holds(to),
                Flow::Jump(_) => true,
                Flow::On | Flow::Branch(_) | Flow::End => false,
            };
        }
        Outline {
            instructions: words.len(),
            calls,
        }
    }

    fn calls(&self, code: Piece<'_>, visit: &mut dyn FnMut(u64, u64)) {
        let mut at = code.address;
        for word in code.data.as_chunks::<4>().0 {
            let word = u32::from_le_bytes(*word);
            if word & 0x7c00_0000 == 0x1400_0000 {
                visit(at, branch(word, at));
            }
            at = at.wrapping_add(4);
        }
    }

    /// `adrp x16; ldr x17, [x16, #n]`, and `br x17` within two more.
    fn through_cells(&self, code: Piece<'_>, visit: &mut dyn FnMut(u64, u64, bool)) {
        for (place, words) in code.data.as_chunks::<4>().0.windows(4).enumerate() {
            let [first, second, third, fourth] = words else {
                continue;
            };
            let [first, second, third, fourth] =
                [first, second, third, fourth].map(|word| u32::from_le_bytes(*word));
            let load_from_x16 = second & 0xffc0_03e0 == 0xf940_0200;
            if first & 0x9f00_001f != 0x9000_0010 || !load_from_x16 {
                continue;
            }
            let jump = 0xd61f_0000 | (second & 0x1f) << 5;
            if third != jump && fourth != jump {
                continue;
            }
            let at = code.address.wrapping_add((place as u64).wrapping_mul(4));
            let cell = page(first, at).wrapping_add(u64::from((second >> 10) & 0xfff) << 3);
            visit(at, cell, true);
        }
    }
}

/// Bits of a word as an index.
fn field(word: u32, from: u32) -> usize {
    usize::try_from((word >> from) & 0x1f).unwrap_or(STACK)
}

/// A signed number of `bits` bits.
fn signed(number: u32, bits: u32) -> i64 {
    let shift = 64u32.saturating_sub(bits);
    (u64::from(number) << shift).cast_signed() >> shift
}

/// Target of `b` and `bl`.
fn branch(word: u32, at: u64) -> u64 {
    at.wrapping_add_signed(signed(word & 0x03ff_ffff, 26) << 2)
}

/// What `adrp` gives.
fn page(word: u32, at: u64) -> u64 {
    let low = (word >> 29) & 3;
    let high = (word >> 5) & 0x7_ffff;
    (at & !0xfff).wrapping_add_signed(signed(high << 2 | low, 21) << 12)
}

fn flow(word: u32, at: u64, state: &State) -> Flow {
    let through = |register| match state.get(register) {
        Value::Loaded(cell) => Target::Cell(cell),
        Value::Address(code) => Target::Code(code),
        _ => Target::Unknown,
    };
    let to = |number, bits| at.wrapping_add_signed(signed(number, bits) << 2);
    if word & 0xfc00_0000 == 0x9400_0000 {
        Flow::Call(Target::Code(branch(word, at)))
    } else if word & 0xfc00_0000 == 0x1400_0000 {
        Flow::Jump(Target::Code(branch(word, at)))
    } else if word & 0xffff_fc1f == 0xd63f_0000 {
        Flow::Call(through(field(word, 5)))
    } else if word & 0xffff_fc1f == 0xd61f_0000 {
        Flow::Jump(through(field(word, 5)))
    } else if word & 0xffff_fc1f == 0xd65f_0000 || word & 0xffe0_001f == 0xd420_0000 {
        // `ret`, `brk`.
        Flow::End
    } else if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        // `b.cond`, `cbz`, `cbnz`.
        Flow::Branch(to((word >> 5) & 0x7_ffff, 19))
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        // `tbz`, `tbnz`.
        Flow::Branch(to((word >> 5) & 0x3fff, 14))
    } else {
        Flow::On
    }
}

fn step(word: u32, at: u64, state: &mut State) {
    let (to, from) = (field(word, 0), field(word, 5));
    if word & 0x9f00_0000 == 0x9000_0000 {
        set(state, to, Value::Address(page(word, at)));
    } else if word & 0x9f00_0000 == 0x1000_0000 {
        let distance = signed(((word >> 5) & 0x7_ffff) << 2 | (word >> 29) & 3, 21);
        set(state, to, Value::Address(at.wrapping_add_signed(distance)));
    } else if word & 0xbf80_0000 == 0x9100_0000 {
        // `add`, `sub` of a number; either may write the stack pointer.
        let number = i64::from((word >> 10) & 0xfff);
        let number = if word & 0x0040_0000 == 0 {
            number
        } else {
            number << 12
        };
        let is_sub = word & 0x4000_0000 != 0;
        let number = if is_sub {
            number.wrapping_neg()
        } else {
            number
        };
        state.set(to, state.get(from).plus(number));
    } else if word & 0xffe0_fc00 == 0x8b00_0000 {
        // `add` of registers: a mark stays on what is moved, whatever by.
        let sum = read(state, from).moved(read(state, field(word, 16)));
        set(state, to, sum);
    } else if word & 0xffe0_0c00 == 0x9a80_0000 {
        // `csel`: where both are the same it is, whatever the condition.
        let (one, other) = (read(state, from), read(state, field(word, 16)));
        set(state, to, if one == other { one } else { Value::Other });
    } else if word & 0x7fe0_ffe0 == 0x2a00_03e0 {
        // `mov` of a register, whole or half: half of what is known is only a number.
        let value = match (read(state, field(word, 16)), word >> 31) {
            (Value::Number(number), 0) => Value::Number(number & u64::from(u32::MAX)),
            (_, 0) => Value::Other,
            (value, _) => value,
        };
        set(state, to, value);
    } else if word & 0x1f80_0000 == 0x1280_0000 {
        set(state, to, wide(word, state.get(to)));
    } else if word & 0x0a00_0000 == 0x0800_0000 {
        memory(word, state);
    } else if word & 0x0e00_0000 == 0x0e00_0000 {
        between_kinds(word, state);
    } else {
        set(state, to, Value::Other);
    }
}

/// `movz`, `movn`, `movk`.
fn wide(word: u32, before: Value) -> Value {
    let shift = ((word >> 21) & 3) << 4;
    let piece = u64::from((word >> 5) & 0xffff) << shift;
    let whole = match ((word >> 29) & 3, before) {
        (0, _) => !piece,
        (2, _) => piece,
        (3, Value::Number(number)) => number & !(0xffff << shift) | piece,
        _ => return Value::Other,
    };
    match word >> 31 {
        0 => Value::Number(whole & u64::from(u32::MAX)),
        _ => Value::Number(whole),
    }
}

/// Reads a register; the zero register is zero.
fn read(state: &State, register: usize) -> Value {
    match register {
        STACK => Value::Number(0),
        register => state.get(register),
    }
}

/// Writes a register; what is written to the zero register is lost.
fn set(state: &mut State, register: usize, value: Value) {
    if register != STACK {
        state.set(register, value);
    }
}

/// Vector instructions that move a word from or to a general register.
fn between_kinds(word: u32, state: &mut State) {
    let (to, from) = (field(word, 0), field(word, 5));
    match word & 0xffff_fc00 {
        // `fmov d, x`, `mov v.d[0], x`.
        0x9e67_0000 => state.set_vector(to, [state.get(from), Value::Other]),
        0x4e08_1c00 => {
            let [_, high] = state.vector(to);
            state.set_vector(to, [state.get(from), high]);
        }
        // `mov v.d[1], x`.
        0x4e18_1c00 => {
            let [low, _] = state.vector(to);
            state.set_vector(to, [low, state.get(from)]);
        }
        // `dup v.2d, x`.
        0x4e08_0c00 => state.set_vector(to, [state.get(from); 2]),
        // `fmov x, d`, `mov x, v.d[n]`.
        0x9e66_0000 => {
            let [low, _] = state.vector(from);
            set(state, to, low);
        }
        0x4e08_3c00 | 0x4e18_3c00 => {
            let [low, high] = state.vector(from);
            set(state, to, if word & 0x0010_0000 == 0 { low } else { high });
        }
        // `movi v.2d, #0`.
        0x6f00_e400 => state.set_vector(to, [Value::Number(0); 2]),
        _ => {
            state.set_vector(to, [Value::Other; 2]);
            // Conversions and comparisons may write a general register.
            if word & 0x5f20_fc00 == 0x1e20_0000 {
                set(state, to, Value::Other);
            }
        }
    }
}

/// Loads and stores, single and in pairs.
fn memory(word: u32, state: &mut State) {
    if word & 0xfec0_0000 == 0xf880_0000 {
        // `prfm` only says what will be read.
        return;
    }
    let Some(access) = Access::of(word) else {
        return lost(word, state);
    };
    let base = state.get(field(word, 5));
    let at = match access.mode {
        Mode::Behind => base,
        Mode::Offset | Mode::Before => base.plus(access.offset),
    };
    let registers = [field(word, 0), field(word, 10)];
    let count = if access.is_pair { 2 } else { 1 };
    let mut place = at;
    for register in registers.iter().take(count) {
        access.one(*register, place, state);
        place = place.plus(access.size);
    }
    if access.mode != Mode::Offset {
        state.set(field(word, 5), base.plus(access.offset));
    }
}

/// Any other load or store: what it may write to is no longer what it was.
fn lost(word: u32, state: &mut State) {
    let is_vector = word & 0x0400_0000 != 0;
    let mut lose = |register: usize| match is_vector {
        true => state.set_vector(register, [Value::Other; 2]),
        false => set(state, register, Value::Other),
    };
    let (to, base) = (field(word, 0), field(word, 5));
    let is_literal = word & 0x3b00_0000 == 0x1800_0000;
    let is_at_register = word & 0x3b20_0c00 == 0x3820_0800;
    if is_literal || is_at_register {
        // What is stored at a place that is computed is outside the frame.
        if is_literal || word & 0x00c0_0000 != 0 {
            lose(to);
        }
        return;
    }
    // Exclusive and atomic ones have a second register, those of structures four.
    match is_vector {
        true => (to..to.saturating_add(4)).for_each(|register| lose(register % REGISTERS)),
        false => [to, field(word, 16)].into_iter().for_each(lose),
    }
    if word & 0x0040_0000 == 0 {
        state.lose(state.get(base), MOST_BYTES);
    }
    if is_vector && word & 0x0080_0000 != 0 {
        state.set(base, Value::Other);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Offset,
    Before,
    Behind,
}

/// A load or store of whole words or vectors.
struct Access {
    is_load: bool,
    is_vector: bool,
    is_pair: bool,
    /// Whether what is loaded becomes wider, and with that another value.
    is_widened: bool,
    /// Bytes of one register.
    size: i64,
    mode: Mode,
    offset: i64,
}

impl Access {
    fn of(word: u32) -> Option<Self> {
        let is_vector = word & 0x0400_0000 != 0;
        let is_load = word & 0x0040_0000 != 0;
        if word & 0x3a00_0000 == 0x2800_0000 {
            let size = match (word >> 30, is_vector) {
                (0, _) | (1, false) => 4,
                (2, false) | (1, true) => 8,
                (2, true) => 16,
                _ => return None,
            };
            return Some(Self {
                is_load,
                is_vector,
                is_pair: true,
                is_widened: !is_vector && word >> 30 == 1,
                size,
                mode: match (word >> 23) & 3 {
                    1 => Mode::Behind,
                    3 => Mode::Before,
                    _ => Mode::Offset,
                },
                offset: signed((word >> 15) & 0x7f, 7).wrapping_mul(size),
            });
        }
        if word & 0x3a00_0000 != 0x3800_0000 {
            return None;
        }
        // Opcode 2 and 3 of a vector are 16 bytes wide, of another load extend a sign.
        let is_other = word & 0x0080_0000 != 0;
        let size = match (word >> 30, is_other, is_vector) {
            (0, true, true) => 16,
            (_, true, true) => return None,
            (bits, ..) => 1i64 << bits,
        };
        let (mode, offset) = if word & 0x0100_0000 != 0 {
            (
                Mode::Offset,
                i64::from((word >> 10) & 0xfff).wrapping_mul(size),
            )
        } else {
            let offset = signed((word >> 12) & 0x1ff, 9);
            match (word & 0x0020_0000, (word >> 10) & 3) {
                (0, 0) => (Mode::Offset, offset),
                (0, 1) => (Mode::Behind, offset),
                (0, 3) => (Mode::Before, offset),
                _ => return None,
            }
        };
        let is_widened = is_other && !is_vector;
        Some(Self {
            is_load: is_load || is_widened,
            is_vector,
            is_pair: false,
            is_widened,
            size,
            mode,
            offset,
        })
    }

    fn one(&self, register: usize, at: Value, state: &mut State) {
        let next = at.plus(8);
        if self.is_load {
            let low = match self.size {
                _ if self.is_widened => Value::Other,
                8 | 16 => state.load(at),
                4 => state.load_half(at),
                _ => Value::Other,
            };
            match self.is_vector {
                false => set(state, register, low),
                true if self.size == 16 => state.set_vector(register, [low, state.load(next)]),
                true => state.set_vector(register, [low, Value::Other]),
            }
            return;
        }
        let [low, high] = match self.is_vector {
            true => state.vector(register),
            false => [read(state, register), Value::Other],
        };
        match self.size {
            16 => {
                state.store(at, low);
                state.store(next, high);
            }
            8 => state.store(at, low),
            4 => state.store_half(at, low),
            bytes => state.lose(at, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries out one instruction where registers 0 to 2 and the start of the frame hold
    /// something, and says what of that is still there.
    fn kept(word: u32) -> ([bool; 3], bool, bool) {
        let address = Value::Address(8);
        let mut state = State::entry(&[], STACK);
        (0..3).for_each(|register| state.set(register, address));
        (0..3).for_each(|register| state.set_vector(register, [address; 2]));
        state.store(Value::Frame(0), address);
        step(word, 0, &mut state);
        let registers = [0, 1, 2].map(|register| state.get(register) == address);
        let vectors = (0..3).all(|register| state.vector(register) == [address; 2]);
        (registers, vectors, state.load(Value::Frame(0)) == address)
    }

    #[test]
    fn what_loads_and_stores_write_to_is_not_what_it_was() {
        let all = [true; 3];
        for (word, says, expected) in [
            (
                0x6940_0440,
                "ldpsw x0, x1, [x2]",
                ([false, false, true], true, true),
            ),
            (
                0xb880_4420,
                "ldrsw x0, [x1], #4",
                ([false, false, true], true, true),
            ),
            (
                0x3940_0020,
                "ldrb w0, [x1]",
                ([false, true, true], true, true),
            ),
            (
                0xf820_0041,
                "ldadd x0, x1, [x2]",
                ([false, false, true], true, true),
            ),
            (0x1800_0000, "ldr w0, #0", ([false, true, true], true, true)),
            (0x2d00_07e0, "stp s0, s1, [sp]", (all, true, false)),
            (0x4c00_73e0, "st1 {v0.16b}, [sp]", (all, false, false)),
            (0x2d40_0440, "ldp s0, s1, [x2]", (all, false, true)),
            (0x3900_13e0, "strb w0, [sp, #4]", (all, true, false)),
            (0xf980_0000, "prfm pldl1keep, [x0]", (all, true, true)),
            (0xf822_6820, "str x0, [x1, x2]", (all, true, true)),
        ] {
            assert_eq!(kept(word), expected, "{says}");
        }
    }
}
