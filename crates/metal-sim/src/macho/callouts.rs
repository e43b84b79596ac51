//! What emulated code may call outside itself, by name.
//!
//! Names are those of C, without Mach-O's leading underscore.

use half::f16;

use super::native;

/// What a gate gives back to the code that called it.
pub enum Answer {
    /// x0 and d0 stay.
    Nothing,
    /// x0.
    Word(u64),
    /// The bits of d0.
    Double(u64),
}

/// The meaning of one gate.
#[derive(Clone, Debug)]
pub enum CallOut {
    /// A function of the runtime's C ABI: integers and pointers only.
    Native(String),
    /// `TVMFFIHandleInitOnce`: takes a function of the emulated library.
    HandleInitOnce,
    /// `TVMBackendParallelLaunch`: takes a function of the emulated library.
    ParallelLaunch,
    /// A function of one float.
    Float1(fn(f32) -> f32),
    /// A function of two floats.
    Float2(fn(f32, f32) -> f32),
    /// A function of one double.
    Double1(fn(f64) -> f64),
    /// A function of two doubles.
    Double2(fn(f64, f64) -> f64),
    /// compiler-rt's half to float.
    ExtendHalf,
    /// compiler-rt's float to half.
    TruncateToHalf,
    /// `memcpy` and `memmove`.
    CopyMemory,
    /// `memset`.
    FillMemory,
    /// `bzero`.
    ZeroMemory,
    /// Anything else: named when it is called.
    Unknown(String),
}

impl CallOut {
    /// What a name stands for.
    pub fn of(name: &str) -> CallOut {
        match name {
            "TVMFFIHandleInitOnce" => CallOut::HandleInitOnce,
            "TVMBackendParallelLaunch" => CallOut::ParallelLaunch,
            "__extendhfsf2" | "__gnu_h2f_ieee" => CallOut::ExtendHalf,
            "__truncsfhf2" | "__gnu_f2h_ieee" => CallOut::TruncateToHalf,
            "memcpy" | "memmove" => CallOut::CopyMemory,
            "memset" => CallOut::FillMemory,
            "bzero" | "__bzero" => CallOut::ZeroMemory,
            _ if name.starts_with("TVM") => CallOut::Native(name.to_owned()),
            _ => mathematics(name).unwrap_or_else(|| CallOut::Unknown(name.to_owned())),
        }
    }

    /// The answer of a function of numbers (d0, d1) or of memory (the words); none if
    /// it is of another kind.
    pub fn answer(&self, words: &[u64; 8], [d0, d1]: [u64; 2]) -> Option<Answer> {
        let float = |bits: u64| f32::from_bits((bits & 0xffff_ffff) as u32);
        let from_float = |value: f32| Answer::Double(value.to_bits().into());
        let from_double = |value: f64| Answer::Double(value.to_bits());
        Some(match self {
            CallOut::Float1(f) => from_float(f(float(d0))),
            CallOut::Float2(f) => from_float(f(float(d0), float(d1))),
            CallOut::Double1(f) => from_double(f(f64::from_bits(d0))),
            CallOut::Double2(f) => from_double(f(f64::from_bits(d0), f64::from_bits(d1))),
            CallOut::ExtendHalf => from_float(f16::from_bits((d0 & 0xffff) as u16).to_f32()),
            CallOut::TruncateToHalf => Answer::Double(f16::from_f32(float(d0)).to_bits().into()),
            // x0 stays, which is what the first two return.
            CallOut::CopyMemory => {
                native::copy_memory(words);
                Answer::Nothing
            }
            CallOut::FillMemory => {
                native::fill_memory(words);
                Answer::Nothing
            }
            CallOut::ZeroMemory => {
                native::zero_memory(words);
                Answer::Nothing
            }
            CallOut::Native(_)
            | CallOut::HandleInitOnce
            | CallOut::ParallelLaunch
            | CallOut::Unknown(_) => return None,
        })
    }
}

fn mathematics(name: &str) -> Option<CallOut> {
    if let Some(double) = double1(name) {
        return Some(CallOut::Double1(double));
    }
    let single = name.strip_suffix('f').and_then(float1);
    if let Some(float) = single {
        return Some(CallOut::Float1(float));
    }
    match name {
        "erf" => Some(CallOut::Double1(native::erf)),
        "erff" => Some(CallOut::Float1(native::erff)),
        "hypot" => Some(CallOut::Double2(f64::hypot)),
        "hypotf" => Some(CallOut::Float2(f32::hypot)),
        "fmin" => Some(CallOut::Double2(f64::min)),
        "fminf" => Some(CallOut::Float2(f32::min)),
        "fmax" => Some(CallOut::Double2(f64::max)),
        "fmaxf" => Some(CallOut::Float2(f32::max)),
        "pow" => Some(CallOut::Double2(f64::powf)),
        "atan2" => Some(CallOut::Double2(f64::atan2)),
        "fmod" => Some(CallOut::Double2(|a, b| a % b)),
        "powf" => Some(CallOut::Float2(f32::powf)),
        "atan2f" => Some(CallOut::Float2(f32::atan2)),
        "fmodf" => Some(CallOut::Float2(|a, b| a % b)),
        _ => None,
    }
}

macro_rules! one_argument {
    ($name:ident, $type:ident) => {
        fn $name(name: &str) -> Option<fn($type) -> $type> {
            Some(match name {
                "exp" => $type::exp,
                "exp2" => $type::exp2,
                "expm1" => $type::exp_m1,
                "log1p" => $type::ln_1p,
                "cbrt" => $type::cbrt,
                "asinh" => $type::asinh,
                "acosh" => $type::acosh,
                "atanh" => $type::atanh,
                "log" => $type::ln,
                "log2" => $type::log2,
                "log10" => $type::log10,
                "sin" => $type::sin,
                "cos" => $type::cos,
                "tan" => $type::tan,
                "sinh" => $type::sinh,
                "cosh" => $type::cosh,
                "tanh" => $type::tanh,
                "asin" => $type::asin,
                "acos" => $type::acos,
                "atan" => $type::atan,
                "sqrt" => $type::sqrt,
                "floor" => $type::floor,
                "ceil" => $type::ceil,
                "trunc" => $type::trunc,
                "round" => $type::round,
                "rint" | "nearbyint" => $type::round_ties_even,
                "fabs" => $type::abs,
                _ => return None,
            })
        }
    };
}
one_argument!(float1, f32);
one_argument!(double1, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_meaning() {
        assert!(matches!(
            CallOut::of("TVMFFIFunctionCall"),
            CallOut::Native(_)
        ));
        assert!(matches!(CallOut::of("exp2f"), CallOut::Float1(_)));
        assert!(matches!(CallOut::of("pow"), CallOut::Double2(_)));
        assert!(matches!(
            CallOut::of("dyld_stub_binder"),
            CallOut::Unknown(_)
        ));
    }
}
