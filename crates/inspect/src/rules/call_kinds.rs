//! The kinds of arguments half of AC104: what stands in the code of a call, against
//! what the runtime's builtin takes there.

use super::{Outcome, Pair, Program, Rule};
use crate::finding::Finding;
use crate::runtime::UnknownDtype;
use crate::vm::DataType;
use crate::vm::argument_kind::ArgumentKind;
use crate::words::spell;

const CHECK_TENSOR: &str = "vm.builtin.check_tensor_info";
const ALLOC_TENSOR: &str = "vm.builtin.alloc_tensor";
/// The argument of `alloc_tensor` that is its data type.
const DTYPE_OF_ALLOC: usize = 3;

pub(super) fn check(
    rule: &'static Rule,
    pair: &Pair<'_>,
    program: &Program<'_>,
    out: &mut Outcome,
) {
    check_kinds(rule, pair, program, out);
    check_dtypes(rule, pair, program, out);
    check_unknown_dtype(rule, pair, program, out);
    check_bytes(rule, pair, program, out);
}

/// No release allocates a tensor whose elements fill no whole bytes, as `int4`.
fn check_bytes(rule: &'static Rule, pair: &Pair<'_>, program: &Program<'_>, out: &mut Outcome) {
    let form = (ALLOC_TENSOR, DTYPE_OF_ALLOC, ArgumentKind::NoBytes);
    let Some(uses) = program.kinds.get(&form) else {
        return;
    };
    let finding = pair
        .finding(rule, format!("argument {DTYPE_OF_ALLOC} of `{ALLOC_TENSOR}` is a data type whose elements fill no whole bytes, which no runtime allocates"))
        .says_known(pair.words("no-whole-bytes", &[]))
        .help("pack such numbers into words of 8, 16 or 32 bits in the model, as quantized models do");
    let position = Some(DTYPE_OF_ALLOC as u64);
    pair.hold_calls((program, uses), true, finding, position, out);
}

fn check_kinds(rule: &'static Rule, pair: &Pair<'_>, program: &Program<'_>, out: &mut Outcome) {
    let Some(known) = &pair.runtime.argument_kinds.value else {
        return;
    };
    for ((name, position, kind), uses) in &program.kinds {
        let wanted = known.get(*name).and_then(|kinds| kinds.get(*position));
        let Some(wanted) = wanted.filter(|wanted| !wanted.takes(*kind)) else {
            continue;
        };
        let (wanted_word, given) = (wanted.word(), kind.word());
        let message = format!(
            "argument {position} of `{name}` is `{given}`, but this runtime takes `{wanted_word}`"
        );
        let place = position.to_string();
        let key = match *name {
            "vm.builtin.reshape" | "vm.builtin.shape_of" if *position == 0 => "argument-tensor",
            name if pair.runtime.signature(name).is_none() => "argument-conversion",
            _ => "argument-type",
        };
        let values = [
            ("position", place.as_str()),
            ("name", *name),
            ("wanted", wanted_word),
            ("given", given),
        ];
        let finding = pair
            .finding(rule, message)
            .says_known(pair.words(key, &values))
            .help("compile the library with the runtime's TVM");
        let position = Some(*position as u64);
        let is_certain = pair.runtime.argument_kinds.is_certain();
        pair.hold_calls((program, uses), is_certain, finding, position, out);
    }
}

/// Tensors of a data type that a function of the runtime does not take.
fn check_dtypes(rule: &'static Rule, pair: &Pair<'_>, program: &Program<'_>, out: &mut Outcome) {
    for ((name, position, dtype), uses) in &program.dtypes {
        if let Some(finding) = of_dtype(rule, pair, name, *position, *dtype) {
            let position = Some(*position as u64);
            let is_certain = pair.runtime.argument_kinds.is_certain();
            pair.hold_calls((program, uses), is_certain, finding, position, out);
        }
    }
}

/// What is said of a tensor of a data type that a function does not take there.
pub(super) fn of_dtype(
    rule: &'static Rule,
    pair: &Pair<'_>,
    name: &str,
    position: usize,
    dtype: DataType,
) -> Option<Finding> {
    let known = pair.runtime.argument_kinds.value.as_ref()?;
    let wanted = known.get(name)?.get(position)?.refuses(dtype)?;
    let given = dtype.to_string();
    let key = match position {
        0 => "input-dtype",
        _ => "output-dtype",
    };
    Some(
        pair.finding(rule, format!("argument {position} of `{name}` is a tensor of {given}, this runtime takes {wanted}"))
            .says_known(pair.words(key, &[("given", &given)]))
            .help("cast the tensor to one of these data types in the model, before it is given to the function"),
    )
}

/// A tensor of unknown type: each generation refuses what the other's compiler gives.
fn check_unknown_dtype(
    rule: &'static Rule,
    pair: &Pair<'_>,
    program: &Program<'_>,
    out: &mut Outcome,
) {
    for (kind, style) in [
        (ArgumentKind::Void, UnknownDtype::Void),
        (ArgumentKind::Null, UnknownDtype::Null),
    ] {
        // With three arguments the third is the text of the error.
        let Some(uses) = program.kinds.get(&(CHECK_TENSOR, 2, kind)) else {
            continue;
        };
        let Some(wanted) = pair.runtime.unknown_dtype.value else {
            out.undecided(
                rule,
                "how this runtime is told that a tensor's type is not known was not read of it",
            );
            continue;
        };
        if style == wanted {
            continue;
        }
        let says = match wanted {
            UnknownDtype::Void => {
                let values = [("given", "None"), ("wanted", "DataType")];
                pair.words("argument-conversion", &values)
            }
            UnknownDtype::Null => pair.words("tensor-dtype", &[("wanted", "")]),
        };
        let finding = pair
            .finding(rule, format!("a tensor of unknown type is checked with {}, but this runtime takes {}: each call of the function fails", spell(style), spell(wanted)))
            .says_known(says)
            .help("compile the library with the runtime's TVM, or give the parameter a data type in the model");
        let is_certain = pair.runtime.unknown_dtype.is_certain();
        pair.hold_calls((program, uses), is_certain, finding, Some(2), out);
    }
}
