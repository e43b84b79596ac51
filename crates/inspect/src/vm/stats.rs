//! The statistics TVM's own `stats()` prints, byte for byte.
//!
//! TVM throws on a float constant; here it prints as the shortest decimal that
//! reads back to the same value, with a point or an exponent (`1.0`, `1e-6`),
//! so that it is never taken for an integer. The same holds for data types of
//! a code TVM has no name for (`unknown<code>_<bits>`).

use std::fmt::Write;

use super::{ConstantValue, Executable};

/// The statistics text.
pub fn stats(executable: &Executable) -> String {
    let mut out = String::from("Relax VM executable statistics:\n");
    let constants = &executable.constants;
    append(
        &mut out,
        format_args!("  Constant pool (# {}): [", constants.len()),
    );
    for (index, constant) in constants.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        constant_text(&mut out, &constant.value);
    }
    let functions = &executable.functions;
    append(
        &mut out,
        format_args!("]\n  Globals (#{}): [", functions.len()),
    );
    for (index, function) in functions.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&function.name);
    }
    out.push_str("]\n");
    out
}

/// A constant as it stands in the statistics.
pub(crate) fn constant_text(out: &mut String, value: &ConstantValue) {
    match value {
        ConstantValue::Tensor { shape, .. } if shape.is_empty() => out.push_str("scalar"),
        ConstantValue::Tensor { shape, .. } => {
            out.push('[');
            extents(out, shape);
            out.push(']');
        }
        // TVM steps back over the separator of a shape that has none.
        ConstantValue::Shape(shape) if shape.is_empty() => out.push_str("shapetupl]"),
        ConstantValue::Shape(shape) => {
            out.push_str("shapetuple[");
            extents(out, shape);
            out.push(']');
        }
        ConstantValue::String(text) => append(out, format_args!("\"{text}\"")),
        ConstantValue::Int(value) => append(out, format_args!("{value}")),
        ConstantValue::Float(value) => append(out, format_args!("{value:?}")),
        ConstantValue::Dtype(dtype) => append(out, format_args!("{dtype}")),
    }
}

fn extents(out: &mut String, shape: &[i64]) {
    for (index, extent) in shape.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        append(out, format_args!("{extent}"));
    }
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _infallible = out.write_fmt(text);
}
