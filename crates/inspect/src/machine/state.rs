//! What is known of registers and stack at one place of a function: addresses of
//! constants, parameters, places in the frame. Everything else is unknown.

use std::collections::HashMap;

/// What a register or a word of the stack holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Value {
    /// Anything.
    #[default]
    Unknown,
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
            _ => Self::Unknown,
        }
    }
}

/// Registers of either instruction set; the stack pointer is one of them.
pub(crate) const REGISTERS: usize = 32;
/// Words of the frame that are remembered.
const WORDS: usize = 256;

/// Registers, vector registers of two words, and the frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    general: [Value; REGISTERS],
    vectors: [[Value; 2]; REGISTERS],
    frame: HashMap<i64, Value, foldhash::fast::RandomState>,
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

    pub(crate) fn set(&mut self, register: usize, value: Value) {
        if let Some(place) = self.general.get_mut(register) {
            *place = value;
        }
    }

    pub(crate) fn vector(&self, register: usize) -> [Value; 2] {
        self.vectors.get(register).copied().unwrap_or_default()
    }

    pub(crate) fn set_vector(&mut self, register: usize, value: [Value; 2]) {
        if let Some(place) = self.vectors.get_mut(register) {
            *place = value;
        }
    }

    /// The word at an address.
    pub(crate) fn load(&self, address: Value) -> Value {
        match address {
            Value::Frame(at) => self.frame.get(&at).copied().unwrap_or_default(),
            Value::Address(at) => Value::Loaded(at),
            _ => Value::Unknown,
        }
    }

    /// Puts a word at an address. Where that is not known it is taken to be
    /// outside the frame.
    pub(crate) fn store(&mut self, address: Value, value: Value) {
        if let Value::Frame(at) = address
            && (self.frame.len() < WORDS || self.frame.contains_key(&at))
        {
            match value {
                Value::Unknown => self.frame.remove(&at),
                known => self.frame.insert(at, known),
            };
        }
    }

    /// Forgets the words of the frame in this range.
    pub(crate) fn forget(&mut self, range: std::ops::Range<i64>) {
        self.frame.retain(|at, _| !range.contains(at));
    }

    /// What this one knows, and else the other.
    pub(crate) fn or(mut self, other: &Self) -> Self {
        let known = |own: &mut Value, other: &Value| {
            // A number of one way is often the lack of a pointer of the other.
            if matches!(own, Value::Unknown | Value::Number(_)) && *other != Value::Unknown {
                *own = *other;
            }
        };
        for (own, other) in self.general.iter_mut().zip(&other.general) {
            known(own, other);
        }
        for (own, other) in self.vectors.iter_mut().zip(&other.vectors) {
            own.iter_mut()
                .zip(other)
                .for_each(|(own, other)| known(own, other));
        }
        for (at, other) in &other.frame {
            known(self.frame.entry(*at).or_default(), other);
        }
        self
    }

    /// A function was called: these registers, and all vectors, hold anything.
    pub(crate) fn called(&mut self, lost: &[usize]) {
        for register in lost {
            self.set(*register, Value::Unknown);
        }
        self.vectors = [[Value::Unknown; 2]; REGISTERS];
    }
}
