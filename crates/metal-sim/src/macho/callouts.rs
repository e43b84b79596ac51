//! What emulated code may call outside itself, by name.
//!
//! Names are those of C, without Mach-O's leading underscore.

/// One trampoline's meaning.
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

/// IEEE half to float.
pub fn half_to_float(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let (exponent, fraction) = (u32::from(half >> 10 & 0x1f), u32::from(half & 0x3ff));
    let magnitude = match exponent {
        0 => return f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        31 => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// Float to IEEE half, to nearest, ties to even.
pub fn float_to_half(float: f32) -> u16 {
    let bits = float.to_bits();
    let sign = u16::try_from(bits >> 16 & 0x8000).unwrap_or(0);
    let magnitude = float.abs();
    if magnitude.is_nan() {
        return sign | 0x7e00;
    }
    if magnitude >= 65520.0 {
        return sign | 0x7c00;
    }
    // Scaled so that one unit in the last place of the half is 1.
    let exponent = (bits >> 23 & 0xff).max(113);
    let unit = f32::from_bits((exponent - 10) << 23);
    let steps = (magnitude / unit).round_ties_even() as u32;
    // A full significand carries into the exponent by itself.
    let base = (exponent - 113) << 10;
    sign | u16::try_from(base + steps).unwrap_or(0x7c00)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_there_and_back() {
        for half in 0..=u16::MAX {
            let float = half_to_float(half);
            if float.is_nan() {
                assert!(half & 0x7c00 == 0x7c00 && half & 0x3ff != 0, "{half:#x}");
            } else {
                assert_eq!(float_to_half(float), half, "{half:#x} = {float}");
            }
        }
    }

    #[test]
    fn rounding_goes_to_the_nearest_even() {
        let known = [
            (1.0 + 0.000_488_281_25, 0x3c00),
            (1.0 + 0.001_464_843_8, 0x3c02),
            (65504.0, 0x7bff),
            (65519.0, 0x7bff),
            (65520.0, 0x7c00),
            (5.960_464_5e-8, 1),
            (2.9e-8, 0),
            (6.097_555e-5, 0x3ff),
            (6.102e-5, 0x400),
        ];
        for (float, half) in known {
            assert_eq!(float_to_half(float), half, "{float}");
            assert_eq!(float_to_half(-float), half | 0x8000, "-{float}");
        }
    }

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
