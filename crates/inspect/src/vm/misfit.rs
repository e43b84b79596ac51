//! Calls that fail by their values on every runtime, where one function shows it: an item
//! that a tuple does not have, a view or a tensor that is larger than what it lies in,
//! arguments that a function or a kernel of the library itself does not take.

use super::argument_kind::ArgumentKind;
use super::calls::RawCall;
use super::entry::Parameter;
use super::held::Held;
use super::instruction::Argument;
use super::kernel::KernelParameter;
use super::register_kinds::Registers;

/// What the allocator that runtimes use unless they are told otherwise rounds storages up
/// to (`PooledAllocator`, of every release).
const PAGE: u64 = 4096;

/// A call that fails on every run, with what does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit<'a> {
    /// The item, and how many there are.
    Item(i64, u64),
    /// The bytes that a tensor is to have, and those it has.
    View(u64, u64),
    /// The byte that a tensor ends before, and the bytes of its storage.
    Room(u64, u64),
    /// A function of the library, the arguments that it takes, and those it is given.
    Count(&'a str, u64, u64),
    /// A function, the position, what it takes there, and what it is given.
    Argument(&'a str, usize, String, String),
    /// A builtin that looks at a value, and is given none.
    Nothing(&'a str),
}

impl<'a> Misfit<'a> {
    /// Whether a call of a builtin is one.
    pub fn of(name: &'a str, call: &RawCall<'_>, registers: &Registers<'_>) -> Option<Self> {
        let held = |position| Some(registers.held(call.instruction, call.args.get(position)?));
        let number = |position| match call.args.get(position) {
            Some(Argument::Immediate(number)) => Some(number),
            _ => None,
        };
        match name.strip_prefix("vm.builtin.")? {
            "tuple_getitem" => {
                let items = held(0)?.items?;
                let item = number(1)?;
                let fits = u64::try_from(item).is_ok_and(|item| item < items);
                (!fits).then_some(Self::Item(item, items))
            }
            "reshape" => {
                let (tensor, shape) = (held(0)?, held(1)?);
                let bytes = |elements: u64| elements.checked_mul(tensor.element()?);
                let (has, wanted) = (bytes(tensor.elements()?)?, bytes(shape.elements()?)?);
                (wanted > has).then_some(Self::View(wanted, has))
            }
            "alloc_tensor" => {
                let has = held(0)?.room?;
                let of_one = Held {
                    dtype: registers.dtype(call.args.get(3)),
                    ..Held::default()
                };
                let bytes = held(2)?.elements()?.checked_mul(of_one.element()?)?;
                let end = u64::try_from(number(1)?).ok()?.checked_add(bytes)?;
                (end > has.checked_next_multiple_of(PAGE)?).then_some(Self::Room(end, has))
            }
            _ => None,
        }
    }

    /// Whether a call of a function of the program is one, which checks these.
    pub fn of_function(
        name: &'a str,
        takes: u64,
        checked: &[Parameter],
        call: &RawCall<'_>,
        registers: &Registers<'_>,
    ) -> Option<Self> {
        let given = call.args.len() as u64;
        if takes != given {
            return Some(Self::Count(name, takes, given));
        }
        Self::of_arguments(name, checked, call, registers, unlike)
    }

    /// Whether a call of a kernel that takes these is one.
    pub fn of_kernel(
        name: &'a str,
        takes: &[KernelParameter],
        call: &RawCall<'_>,
        registers: &Registers<'_>,
    ) -> Option<Self> {
        let (count, given) = (takes.len() as u64, call.args.len() as u64);
        if count != given {
            return Some(Self::Count(name, count, given));
        }
        Self::of_arguments(name, takes, call, registers, mismatch)
    }

    /// The first argument that differs from what is taken.
    fn of_arguments<T>(
        name: &'a str,
        takes: &[T],
        call: &RawCall<'_>,
        registers: &Registers<'_>,
        differs: impl Fn(&T, &Held<'_>) -> Option<(String, String)>,
    ) -> Option<Self> {
        let arguments = takes.iter().zip(call.args.iter()).enumerate();
        let mut misfits = arguments.filter_map(|(position, (takes, argument))| {
            let held = registers.held(call.instruction, argument);
            let (takes, given) = differs(takes, &held)?;
            Some(Self::Argument(name, position, takes, given))
        });
        misfits.next()
    }
}

/// What a function checks, and what it is given, where that is of another kind.
fn unlike(checked: &Parameter, held: &Held<'_>) -> Option<(String, String)> {
    let kind = held.kind?;
    let (takes, word) = match checked {
        Parameter::Unchecked | Parameter::Number(_) => return None,
        Parameter::Tensor { .. } => (ArgumentKind::Tensor, "a tensor"),
        Parameter::Shape(_) => (ArgumentKind::Shape, "a shape"),
        Parameter::Tuple(_) => (ArgumentKind::Array, "a tuple"),
        Parameter::Function => (ArgumentKind::Function, "a function"),
    };
    // A tuple of numbers is taken for a shape.
    let is_taken = kind == takes || (takes, kind) == (ArgumentKind::Shape, ArgumentKind::Array);
    (!is_taken).then(|| (word.to_owned(), kind.word().to_owned()))
}

/// What is taken and what is given, where that is not the same.
fn mismatch(takes: &KernelParameter, held: &Held<'_>) -> Option<(String, String)> {
    let kind = held.kind?;
    let other = |takes: &str| Some((takes.to_owned(), kind.word().to_owned()));
    match takes {
        KernelParameter::Other => None,
        KernelParameter::Number(word) => {
            let is_number = matches!(kind, ArgumentKind::Int | ArgumentKind::Float);
            (!is_number).then(|| other(word))?
        }
        KernelParameter::Tensor { .. } if kind != ArgumentKind::Tensor => other("a tensor"),
        KernelParameter::Tensor {
            dims,
            dtype,
            at_start,
        } => {
            if let Some(offset) = held.offset.filter(|offset| *at_start && *offset > 0) {
                let takes = String::from("a tensor at the beginning of its storage");
                return Some((takes, format!("one at byte {offset}")));
            }
            let given = held.dtype.filter(|dtype| dtype.is_plain());
            let given = given.map(|dtype| dtype.to_string());
            if let Some(given) = given.filter(|given| given != dtype && !dtype.starts_with("bool"))
            {
                return Some((format!("a tensor of {dtype}"), format!("one of {given}")));
            }
            if let Some(rank) = held
                .rank
                .filter(|rank| usize::try_from(*rank) != Ok(dims.len()))
            {
                return Some((of_shape(dims), format!("one of {rank} dimensions")));
            }
            let sizes = held.dims?.sizes();
            let is_of_rank = sizes.len() == dims.len();
            let mut pairs = dims.iter().zip(sizes);
            let fits = pairs.all(|(wanted, size)| match (wanted, size) {
                (Some(wanted), Some(size)) => *wanted == size,
                _ => true,
            });
            let given = held.dims?.sizes().collect::<Vec<_>>();
            (!is_of_rank || !fits).then(|| (of_shape(dims), of_shape(&given)))
        }
    }
}

fn of_shape(dims: &[Option<i64>]) -> String {
    let word = |dim: &Option<i64>| dim.map_or_else(|| String::from("?"), |dim| dim.to_string());
    let words: Vec<String> = dims.iter().map(word).collect();
    format!("the shape ({})", words.join(", "))
}
