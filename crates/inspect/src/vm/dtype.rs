//! Data types as TVM prints them.

use std::fmt;

use super::DataType;

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self
            == (Self {
                code: 3,
                bits: 0,
                lanes: 0,
            })
        {
            return Ok(()); // `void` prints as nothing
        }
        match (self.code, self.bits) {
            (3, _) => return f.write_str("handle"),
            (0, bits) => write!(f, "int{bits}")?,
            (1, bits) => write!(f, "uint{bits}")?,
            (2, bits) => write!(f, "float{bits}")?,
            (4, bits) => write!(f, "bfloat{bits}")?,
            (6, 8) => f.write_str("bool")?,
            (6, bits) => write!(f, "bool{bits}")?,
            (7..=17, _) => f.write_str(self.small_float())?,
            // TVM throws on these.
            (code, bits) => write!(f, "unknown{code}_{bits}")?,
        }
        // Negative lanes, as i16, are multiples of the vector length.
        match self.lanes.cast_signed() {
            lanes if lanes > 1 => write!(f, "x{lanes}"),
            lanes if lanes < -1 => write!(f, "xvscalex{}", lanes.unsigned_abs()),
            _ => Ok(()),
        }
    }
}

impl DataType {
    /// Whether it is a number of whole bytes, whose name no release has changed.
    pub(super) fn is_plain(self) -> bool {
        let is_number = matches!(self.code, 0 | 1 | 2 | 4);
        is_number && self.lanes == 1 && matches!(self.bits, 8 | 16 | 32 | 64)
    }

    fn small_float(self) -> &'static str {
        match self.code {
            7 => "float8_e3m4",
            8 => "float8_e4m3",
            9 => "float8_e4m3b11fnuz",
            10 => "float8_e4m3fn",
            11 => "float8_e4m3fnuz",
            12 => "float8_e5m2",
            13 => "float8_e5m2fnuz",
            14 => "float8_e8m0fnu",
            15 => "float6_e2m3fn",
            16 => "float6_e3m2fn",
            _ => "float4_e2m1fn",
        }
    }
}
