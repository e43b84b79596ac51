//! What is known of registers and stack at one place of a function: addresses of
//! constants, parameters, places in the frame. Everything else is unknown.

use std::collections::HashMap;

/// What a register or a word of the stack holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing was written here on this way, as far as it was followed, or a call has used it
    /// since: no code that goes on from here reads it.
    #[default]
    Unknown,
    /// Something was written here that is none of what follows: it was computed, read from
    /// memory, overwritten in part, or differs from way to way.
    Other,
    /// This address of the image.
    Address(u64),
    /// What the cell at this address holds.
    Loaded(u64),
    /// The parameter of this number.
    Parameter(u8),
    /// The place in the frame at this distance from its start.
    Frame(i64),
    /// This number.
    Number(u64),
    /// What whoever follows the code put there; it stays what it is when moved on.
    Marked(u64),
}

impl Value {
    /// The value so many bytes on.
    pub(crate) fn plus(self, distance: i64) -> Self {
        match self {
            Self::Address(at) => Self::Address(at.wrapping_add_signed(distance)),
            Self::Frame(at) => Self::Frame(at.wrapping_add(distance)),
            Self::Marked(mark) => Self::Marked(mark),
            other if distance == 0 => other,
            _ => Self::Other,
        }
    }

    /// The value as it is written: whatever it is, what was there before is gone.
    fn written(self) -> Self {
        match self {
            Self::Unknown => Self::Other,
            known => known,
        }
    }

    /// Whether it is told what it is.
    pub(crate) fn is_known(self) -> bool {
        !matches!(self, Self::Unknown | Self::Other)
    }

    /// What is in a place that one way leaves with this and another with `other`.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (own, Self::Unknown) => own,
            (Self::Unknown, other) => other,
            // A number of one way is often the lack of a pointer of the other.
            (Self::Number(_), other) => other,
            (own, Self::Number(_)) => own,
            // There is one frame, whatever its size.
            (own @ Self::Frame(_), Self::Frame(_)) => own,
            (own, other) if own == other => own,
            _ => Self::Other,
        }
    }

    /// The same where the second way may not be one: it comes out of a call, which may throw.
    fn or_after_call(self, other: Self) -> Self {
        match (self, other) {
            (own, Self::Unknown | Self::Other) => own,
            (Self::Unknown | Self::Number(_), other) => other,
            (Self::Address(one), Self::Address(another)) if one != another => Self::Other,
            (own, _) => own,
        }
    }

    /// The sum of two values, as far as it is a mark that is moved.
    pub(crate) fn moved(self, by: Self) -> Self {
        match (self, by) {
            (Self::Marked(_), Self::Marked(_)) => Self::Other,
            (mark @ Self::Marked(_), _) | (_, mark @ Self::Marked(_)) => mark,
            _ => Self::Other,
        }
    }
}

/// Registers of either instruction set; the stack pointer is one of them.
pub(crate) const REGISTERS: usize = 32;
/// Cells of the frame that are remembered.
const CELLS: usize = 512;
/// Bytes of half a word, in which the frame is kept.
const HALF: i64 = 4;
/// Bytes of a word.
const WORD: i64 = 8;

/// What begins at a place of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Half of a number, which may be written and read by halves.
    Half(u32),
    /// Half a word of anything else: it was written by itself, or the other half was.
    Lost,
    /// A whole word of any other kind.
    Word(Value),
}

/// Registers, vector registers of two words, and the frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    general: [Value; REGISTERS],
    vectors: [[Value; 2]; REGISTERS],
    frame: HashMap<i64, Cell, foldhash::fast::RandomState>,
}

impl State {
    /// At the start of a function whose parameters are in these registers.
    pub(crate) fn entry(parameters: &[usize], stack: usize) -> Self {
        let mut state = Self {
            general: [Value::Unknown; REGISTERS],
            vectors: [[Value::Unknown; 2]; REGISTERS],
            frame: HashMap::default(),
        };
        for (number, register) in parameters.iter().enumerate() {
            state.set(
                *register,
                Value::Parameter(u8::try_from(number).unwrap_or(u8::MAX)),
            );
        }
        state.set(stack, Value::Frame(0));
        state
    }

    pub(crate) fn get(&self, register: usize) -> Value {
        self.general.get(register).copied().unwrap_or_default()
    }

    /// Writes a register.
    pub(crate) fn set(&mut self, register: usize, value: Value) {
        if let Some(place) = self.general.get_mut(register) {
            *place = value.written();
        }
    }

    pub(crate) fn vector(&self, register: usize) -> [Value; 2] {
        self.vectors.get(register).copied().unwrap_or_default()
    }

    pub(crate) fn set_vector(&mut self, register: usize, value: [Value; 2]) {
        if let Some(place) = self.vectors.get_mut(register) {
            *place = value.map(Value::written);
        }
    }

    /// The word at an address.
    pub(crate) fn load(&self, address: Value) -> Value {
        let at = match address {
            Value::Frame(at) => at,
            Value::Address(at) => return Value::Loaded(at),
            _ => return Value::Other,
        };
        let high = self.frame.get(&at.wrapping_add(HALF));
        match (self.frame.get(&at), high) {
            (Some(Cell::Word(value)), _) => *value,
            (Some(Cell::Half(low)), Some(Cell::Half(high))) => {
                Value::Number(u64::from(*high) << 32 | u64::from(*low))
            }
            (None, None) => Value::Unknown,
            _ => Value::Other,
        }
    }

    /// Half a word at an address: of what is known, only a number has halves.
    pub(crate) fn load_half(&self, address: Value) -> Value {
        let Value::Frame(at) = address else {
            return Value::Other;
        };
        match self.frame.get(&at) {
            Some(Cell::Half(half)) => Value::Number(u64::from(*half)),
            Some(_) => Value::Other,
            None => Value::Unknown,
        }
    }

    /// Puts a word at an address. Where that is not known it is taken to be
    /// outside the frame; across halves of words nothing is remembered.
    pub(crate) fn store(&mut self, address: Value, value: Value) {
        let Value::Frame(at) = address else { return };
        if at != half_of(at) {
            return self.lose(address, WORD);
        }
        self.clear(at, WORD);
        match value.written() {
            Value::Number(number) => {
                let [low, high] = halves(number);
                self.remember(at, Cell::Half(low));
                self.remember(at.wrapping_add(HALF), Cell::Half(high));
            }
            word => self.remember(at, Cell::Word(word)),
        }
    }

    /// Puts the low half of a value at an address; only a number has one that is known.
    pub(crate) fn store_half(&mut self, address: Value, value: Value) {
        let Value::Frame(at) = address else { return };
        if at != half_of(at) {
            return self.lose(address, HALF);
        }
        self.clear(at, HALF);
        let cell = match value {
            Value::Number(number) => {
                let [low, _] = halves(number);
                Cell::Half(low)
            }
            _ => Cell::Lost,
        };
        self.remember(at, cell);
    }

    /// So many bytes at an address hold anything.
    pub(crate) fn lose(&mut self, address: Value, bytes: i64) {
        let Value::Frame(at) = address else { return };
        self.clear(at, bytes);
        let mut place = half_of(at);
        while place < at.saturating_add(bytes) {
            self.remember(place, Cell::Lost);
            place = place.saturating_add(HALF);
        }
    }

    fn remember(&mut self, at: i64, cell: Cell) {
        if self.frame.len() < CELLS || self.frame.contains_key(&at) {
            self.frame.insert(at, cell);
        }
    }

    /// Makes room for so many bytes. Of a word that reaches over their edge the other half
    /// is lost with them.
    fn clear(&mut self, at: i64, bytes: i64) {
        let end = at.saturating_add(bytes);
        let before = half_of(at).saturating_sub(HALF);
        let mut place = before;
        while place < end {
            let next = place.saturating_add(HALF);
            let is_word = matches!(self.frame.get(&place), Some(Cell::Word(_)));
            if is_word && next >= end {
                self.remember(next, Cell::Lost);
            }
            if place == before {
                if is_word {
                    self.remember(place, Cell::Lost);
                }
            } else {
                self.frame.remove(&place);
            }
            place = next;
        }
    }

    /// Forgets the words of the frame in this range.
    pub(crate) fn forget(&mut self, range: std::ops::Range<i64>) {
        self.frame.retain(|at, _| !range.contains(at));
    }

    /// What this one knows, and else the other. Of two things it is not known which.
    pub(crate) fn or(self, other: &Self) -> Self {
        self.join(other, Value::or)
    }

    /// The same where the other comes out of a call, which may never return.
    pub(crate) fn or_after_call(self, other: &Self) -> Self {
        self.join(other, Value::or_after_call)
    }

    fn join(mut self, other: &Self, or: fn(Value, Value) -> Value) -> Self {
        for (own, other) in self.general.iter_mut().zip(&other.general) {
            *own = or(*own, *other);
        }
        for (own, other) in self.vectors.iter_mut().zip(&other.vectors) {
            own.iter_mut()
                .zip(other)
                .for_each(|(own, other)| *own = or(*own, *other));
        }
        for (at, cell) in &other.frame {
            self.join_cell(*at, *cell, or);
        }
        self
    }

    /// Takes in what the frame of another way holds at a place.
    fn join_cell(&mut self, at: i64, cell: Cell, or: fn(Value, Value) -> Value) {
        let before = at.wrapping_sub(HALF);
        let start = match self.frame.get(&before) {
            Some(Cell::Word(_)) => before,
            _ => at,
        };
        let own = match self.frame.get(&start) {
            Some(Cell::Word(value)) => *value,
            Some(Cell::Half(half)) => Value::Number(u64::from(*half)),
            Some(Cell::Lost) => Value::Other,
            None => Value::Unknown,
        };
        match cell {
            Cell::Word(word) => {
                let own = self.load(Value::Frame(at));
                let joined = or(own, word);
                if joined != own {
                    self.store(Value::Frame(at), joined);
                }
            }
            Cell::Half(_) if own == Value::Unknown => self.remember(at, cell),
            Cell::Lost if own != Value::Other && or(own, Value::Other) == Value::Other => {
                match self.frame.get(&start) {
                    Some(Cell::Word(_)) => self.store(Value::Frame(start), Value::Other),
                    _ => self.remember(at, cell),
                }
            }
            Cell::Half(_) | Cell::Lost => {}
        }
    }

    /// Gives up what a way that leads back here leaves with something else: it changes from
    /// round to round. The answer is whether there was any.
    pub(crate) fn give_up(&mut self, back: &Self) -> bool {
        let mut is_new = false;
        let mut meet = |own: &mut Value, back: Value| {
            if own.is_known() && own.or(back) == Value::Other {
                *own = Value::Other;
                is_new = true;
            }
        };
        for (own, back) in self.general.iter_mut().zip(&back.general) {
            meet(own, *back);
        }
        for (own, back) in self.vectors.iter_mut().zip(&back.vectors) {
            own.iter_mut()
                .zip(back)
                .for_each(|(own, back)| meet(own, *back));
        }
        for (at, cell) in &mut self.frame {
            if let Cell::Word(own) = cell {
                meet(own, back.load(Value::Frame(*at)));
            }
        }
        is_new
    }

    /// What both know: where two ways meet. What was found for a cell that one way saw to
    /// be filled already is what the cell holds.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        let both = |own: &mut Value, other: &Value| {
            *own = match (*own, *other) {
                (own, other) if own == other => own,
                (Value::Loaded(_), mark @ Value::Marked(_))
                | (mark @ Value::Marked(_), Value::Loaded(_)) => mark,
                _ => Value::Unknown,
            };
        };
        for (own, other) in self.general.iter_mut().zip(&other.general) {
            both(own, other);
        }
        for (own, other) in self.vectors.iter_mut().zip(&other.vectors) {
            own.iter_mut()
                .zip(other)
                .for_each(|(own, other)| both(own, other));
        }
        self.frame
            .retain(|at, cell| other.frame.get(at) == Some(cell));
        self
    }

    /// A function was called: it has used these registers, and all vectors, and left
    /// something in the one of its result.
    pub(crate) fn called(&mut self, lost: &[usize], result: usize) {
        for register in lost {
            if let Some(place) = self.general.get_mut(*register) {
                *place = Value::Unknown;
            }
        }
        self.vectors = [[Value::Unknown; 2]; REGISTERS];
        self.set(result, Value::Other);
    }
}

/// The half word of the frame in which a byte lies.
fn half_of(at: i64) -> i64 {
    at & !HALF.wrapping_sub(1)
}

/// The low and the high half of a number.
fn halves(number: u64) -> [u32; 2] {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    [half(number), half(number >> 32)]
}

#[cfg(test)]
mod tests;
