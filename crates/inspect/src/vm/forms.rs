//! Builtins whose arguments depend on each other, which no list of kinds says: checks with
//! and without a data type, sizes in pairs of code and number, closures. The VM of every
//! release reads them so.

use super::DataType;
use super::argument_kind::ArgumentKind as Kind;
use super::calls::RawCall;
use super::held::{Dims, Held};
use super::instruction::Argument;
use super::misfit::Misfit;
use super::register_kinds::Registers;

/// Codes of data types (DLPack's).
const INT: u8 = 0;
const UINT: u8 = 1;
const BOOL: u8 = 6;

/// Whether a call of a builtin, named without its beginning, has another form.
pub fn misfit<'a>(
    name: &'a str,
    call: &RawCall<'_>,
    registers: &Registers<'_>,
) -> Option<Misfit<'a>> {
    let form = Form {
        name,
        call,
        registers,
    };
    match name.strip_prefix("vm.builtin.")? {
        "shape_of" => form.value(),
        "reshape" => form.value().or_else(|| form.negative(1)),
        "read_if_cond" => form.value().or_else(|| {
            let is_condition = |dtype: DataType| matches!(dtype.code, INT | UINT | BOOL);
            form.of_type("a tensor of integers or booleans", &is_condition)
        }),
        "tensor_to_shape" => form.value().or_else(|| form.of_rank(Some(1))).or_else(|| {
            let is_size = |it: DataType| it.code == INT && matches!(it.bits, 16 | 32 | 64);
            form.of_type("a tensor of int16, int32 or int64", &is_size)
        }),
        "check_tensor_info" => form
            .value()
            .or_else(|| form.check_of_tensor())
            .or_else(|| form.of_rank(form.number(1)))
            .or_else(|| {
                let wanted = registers
                    .dtype(call.args.get(2))
                    .filter(|it| it.is_plain())?;
                let is_wanted = |given: DataType| !given.is_plain() || given == wanted;
                form.of_type(&format!("a tensor of {wanted}"), &is_wanted)
            }),
        "check_shape_info" => form.value().or_else(|| form.of_rank(form.number(1))),
        "check_tuple_info" => form.value().or_else(|| {
            let (has, wanted) = (form.held(0)?.items?, form.number(1)?);
            let fits = u64::try_from(wanted).is_ok_and(|wanted| wanted == has);
            (!fits)
                .then(|| form.other(0, &format!("a tuple of {wanted}"), &format!("one of {has}")))
        }),
        "match_shape" => form
            .value()
            .or_else(|| form.pairs(3, 2, 4))
            .or_else(|| form.text_behind_sizes())
            .or_else(|| form.of_rank(form.number(2)))
            .or_else(|| form.of_sizes()),
        "make_shape" => form.pairs(2, 1, 2),
        "make_closure" => {
            let takes = "a function of the program";
            form.no_function(0, takes).or_else(|| {
                let is_closure = registers.is_vm_function(call.args.get(0)?)?;
                (!is_closure).then(|| form.other(0, takes, "another"))
            })
        }
        "invoke_closure" => form
            .machine()
            .or_else(|| form.no_function(1, "a closure"))
            .or_else(|| form.of_closure()),
        "alloc_shape_heap" => form.machine(),
        "alloc_storage" => form
            .machine()
            .or_else(|| form.below_zero(2, "a device's index"))
            .or_else(|| form.scope(4)),
        "alloc_tensor" => form
            .below_zero(1, "a place in its storage")
            .or_else(|| form.scope(4)),
        "apply_repetition_penalty" => form
            .of_number(0, "float32")
            .or_else(|| form.of_number(1, "int32")),
        "apply_softmax_with_temperature" => form.of_number(0, "float32"),
        "sample_top_p_from_logits" => form.of_number(0, "float32").or_else(|| form.of_one_row()),
        _ => None,
    }
}

struct Form<'a, 'c> {
    name: &'a str,
    call: &'c RawCall<'c>,
    registers: &'c Registers<'c>,
}

impl<'a> Form<'a, '_> {
    fn other(&self, position: usize, takes: &str, given: &str) -> Misfit<'a> {
        Misfit::Argument(self.name, position, takes.to_owned(), given.to_owned())
    }

    fn number(&self, position: usize) -> Option<i64> {
        match self.call.args.get(position) {
            Some(Argument::Immediate(number)) => Some(number),
            _ => None,
        }
    }

    fn held(&self, position: usize) -> Option<Held<'_>> {
        let argument = self.call.args.get(position)?;
        Some(self.registers.held(self.call.instruction, argument))
    }

    /// A value that is looked at.
    fn value(&self) -> Option<Misfit<'a>> {
        match self.held(0)?.kind? {
            Kind::Null => Some(Misfit::Nothing(self.name)),
            kind @ Kind::Vm => Some(self.other(0, "a value", kind.word())),
            _ => None,
        }
    }

    /// The machine itself, without which every release ends with a signal.
    fn machine(&self) -> Option<Misfit<'a>> {
        let kind = self.held(0)?.kind.filter(|kind| *kind == Kind::Null)?;
        Some(self.other(0, "the virtual machine", kind.word()))
    }

    fn below_zero(&self, position: usize, takes: &str) -> Option<Misfit<'a>> {
        let number = self.number(position).filter(|number| *number < 0)?;
        Some(self.other(position, takes, &number.to_string()))
    }

    fn no_function(&self, position: usize, takes: &str) -> Option<Misfit<'a>> {
        let kind = self.held(position)?.kind?;
        (kind != Kind::Function).then(|| self.other(position, takes, kind.word()))
    }

    /// `(vm, closure, arguments...)`: those that it has captured come behind.
    fn of_closure(&self) -> Option<Misfit<'a>> {
        let argument = self.call.args.get(1)?;
        let closure = self.registers.closure(self.call.instruction, argument);
        let (function, captured) = closure?;
        let given = self.call.args.len().checked_sub(2)?.checked_add(captured)?;
        (i64::try_from(given) != Ok(function.num_args)).then(|| {
            let (takes, name) = (function.num_args, &function.name);
            let of_it = format!("`{name}`, which takes {takes}");
            self.other(1, &format!("a function of {given} arguments"), &of_it)
        })
    }

    /// A memory scope: no device's has a space, but texts of errors do.
    fn scope(&self, position: usize) -> Option<Misfit<'a>> {
        let text = self.registers.text(self.call.args.get(position)?)?;
        let is_other = text.contains(' ');
        is_other.then(|| self.other(position, "a memory scope", &format!("the text `{text}`")))
    }

    /// The text for the error, behind as many sizes as are said.
    fn text_behind_sizes(&self) -> Option<Misfit<'a>> {
        let sizes = usize::try_from(self.number(2)?).ok()?;
        let position = sizes.checked_mul(2)?.checked_add(3)?;
        let Some(held) = self.held(position) else {
            return Some(self.other(position, "a text", "missing"));
        };
        let is_other = |kind: &Kind| !matches!(kind, Kind::String | Kind::RawString);
        let kind = held.kind.filter(is_other)?;
        Some(self.other(position, "a text", kind.word()))
    }

    /// A tensor or a shape of this many dimensions; a negative number is any.
    fn of_rank(&self, wanted: Option<i64>) -> Option<Misfit<'a>> {
        let wanted = wanted.filter(|wanted| *wanted >= 0)?;
        let held = self.held(0)?;
        let by_sizes = || i64::try_from(held.dims?.sizes().len()).ok();
        let rank = held.rank.or_else(by_sizes)?;
        (rank != wanted).then(|| {
            let takes = format!("a value of {wanted} dimensions");
            self.other(0, &takes, &format!("one of {rank}"))
        })
    }

    /// A tensor of such a data type.
    fn of_type(&self, takes: &str, is: &dyn Fn(DataType) -> bool) -> Option<Misfit<'a>> {
        let dtype = self.held(0)?.dtype?;
        (!is(dtype)).then(|| self.other(0, takes, &format!("one of {dtype}")))
    }

    /// A tensor of this data type.
    fn of_number(&self, position: usize, wanted: &str) -> Option<Misfit<'a>> {
        let given = self.held(position)?.dtype?.to_string();
        let takes = format!("a tensor of {wanted}");
        (given != wanted).then(|| self.other(position, &takes, &format!("one of {given}")))
    }

    /// A tensor whose sizes but the last are 1.
    fn of_one_row(&self) -> Option<Misfit<'a>> {
        let sizes: Vec<Option<i64>> = self.held(0)?.dims?.sizes().collect();
        let (_, leading) = sizes.split_last()?;
        let size = leading.iter().flatten().find(|size| **size != 1)?;
        let takes = "a tensor whose sizes before the last are 1";
        Some(self.other(0, takes, &format!("one with the size {size}")))
    }

    /// Sizes that are known and demanded, and not the same.
    fn of_sizes(&self) -> Option<Misfit<'a>> {
        let demanded = Dims::matched(self.call.args)?.sizes();
        let mut pairs = self.held(0)?.dims?.sizes().zip(demanded).enumerate();
        pairs.find_map(|(place, (has, wanted))| {
            let (has, wanted) = (has?, wanted?);
            (has != wanted).then(|| {
                let takes = format!("a value whose size {place} is {wanted}");
                self.other(0, &takes, &format!("one whose size is {has}"))
            })
        })
    }

    /// A shape without sizes below zero.
    fn negative(&self, position: usize) -> Option<Misfit<'a>> {
        let size = self
            .held(position)?
            .dims?
            .sizes()
            .flatten()
            .find(|size| *size < 0)?;
        Some(self.other(position, "a shape", &format!("one with the size {size}")))
    }

    /// `(value, rank, text)` or `(value, rank, data type, text)`.
    fn check_of_tensor(&self) -> Option<Misfit<'a>> {
        let is_text = |kind| matches!(kind, Kind::String | Kind::Null | Kind::RawString);
        let is_dtype = |kind| matches!(kind, Kind::Dtype | Kind::NoBytes | Kind::Void | Kind::Null);
        let at = |position, takes: &str, is: &dyn Fn(Kind) -> bool| {
            let kind = self.held(position)?.kind?;
            (!is(kind)).then(|| self.other(position, takes, kind.word()))
        };
        match self.call.args.len() {
            3 => at(2, "a text", &is_text),
            4 => {
                let is_named = |kind| is_dtype(kind) || kind == Kind::String && self.names_dtype();
                at(2, "a data type", &is_named).or_else(|| at(3, "a text", &is_text))
            }
            _ => None,
        }
    }

    /// Whether a text may be the name of a data type: those of errors have spaces.
    fn names_dtype(&self) -> bool {
        let text = self.call.args.get(2);
        let text = text.and_then(|argument| self.registers.text(argument));
        text.is_none_or(|text| !text.contains(' '))
    }

    /// A place that a heap of sizes does not have.
    fn of_heap(&self, position: usize, heap: &Held<'_>) -> Option<Misfit<'a>> {
        let (places, place) = (heap.items?, self.number(position)?);
        let is_there = u64::try_from(place).is_ok_and(|place| place < places);
        let takes = format!("a place of a heap of {places}");
        (!is_there).then(|| self.other(position, &takes, &format!("place {place}")))
    }

    /// Codes below `codes` with their numbers, from `first` on, as many as argument `count`
    /// says; code 1, and 3, stand for a place of the shape heap before the count.
    fn pairs(&self, first: usize, count: usize, codes: i64) -> Option<Misfit<'a>> {
        let pairs = usize::try_from(self.number(count)?).ok()?;
        let heap = self.held(count.checked_sub(1)?)?;
        let has_heap = heap
            .kind
            .is_none_or(|kind| matches!(kind, Kind::Tensor | Kind::RawTensor));
        for pair in 0..pairs {
            let code = pair.checked_mul(2)?.checked_add(first)?;
            for position in [code, code.checked_add(1)?] {
                let Some(held) = self.held(position) else {
                    let given = self.call.args.len().saturating_sub(first) / 2;
                    return Some(self.other(
                        count,
                        &format!("the number of sizes, {given}"),
                        &pairs.to_string(),
                    ));
                };
                if let Some(kind) = held.kind.filter(|kind| *kind != Kind::Int) {
                    return Some(self.other(position, "a number", kind.word()));
                }
            }
            match self.number(code) {
                Some(code) if !(0..codes).contains(&code) => {
                    return Some(self.other(
                        count,
                        &format!("sizes with codes below {codes}"),
                        &format!("one with code {code}"),
                    ));
                }
                Some(1 | 3) if !has_heap => {
                    return Some(self.other(code, "a size without a heap", "a place in it"));
                }
                Some(1 | 3) => {
                    let misfit = self.of_heap(code.checked_add(1)?, &heap);
                    if misfit.is_some() {
                        return misfit;
                    }
                }
                _ => {}
            }
        }
        None
    }
}
