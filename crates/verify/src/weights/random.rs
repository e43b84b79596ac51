//! `random:SEED`: made-up weights, the same numbers on every machine.
//!
//! The rule, also implemented (independently) in `corpus/reference/weights.py`:
//!
//! ```text
//! mix(z)          the splitmix64 output function
//! stream          mix(seed ^ mix(p))                p = index in `_metadata.params`
//! bits(i)         mix(stream + i)                   i = row-major element index
//! t(i)            (bits(i) >> 40) * 2^-23 - 1       in [-1, 1), exact in float32
//!
//! uint32                            bits(i) >> 32, with 7 in place of each 4-bit value that is 15
//! name ends in "q_scale"            (1.5 + 0.5 t) * sqrt(3 / K) / 7, K = last dimension * 32
//! one dimension, ends in "weight"   1 + 0.25 t
//! one dimension, otherwise          0.25 t
//! more dimensions                   t * sqrt(3 / K), K = last dimension
//! ```
//!
//! Computed in float32 and rounded once to the parameter's type. The scales
//! keep activations near length one, so that logits are neither flat nor huge. No
//! weight has a mean (the zero of 4-bit values is 7), so that a sum grows with the root
//! of its length, and float16 holds what a wide or a deep model computes.

use rayon::prelude::*;

use crate::sampling::splitmix;
use crate::session::metadata::Parameter;

use crate::error::WeightsError;

/// The bytes of the parameter at `position`, row-major.
pub fn parameter(
    seed: u64,
    position: u64,
    parameter: &Parameter,
    shape: &[i64],
) -> Result<Vec<u8>, WeightsError> {
    let unsupported = || WeightsError::UnknownType {
        name: parameter.name.clone(),
        dtype: parameter.dtype.clone(),
    };
    let count = shape
        .iter()
        .try_fold(1u64, |n, &d| n.checked_mul(u64::try_from(d).ok()?))
        .ok_or_else(unsupported)?;
    let stream = splitmix(seed ^ splitmix(position));
    let rule = Rule::of(&parameter.name, shape);
    let floats = |bits: u64| rule.apply(unit(bits));
    let made = match parameter.dtype.as_str() {
        "uint32" => fill(count, stream, |b| balanced(upper(b)).to_ne_bytes()),
        "float32" => fill(count, stream, |b| floats(b).to_ne_bytes()),
        "float16" => fill(count, stream, |b| {
            half::f16::from_f32(floats(b)).to_ne_bytes()
        }),
        "bfloat16" => fill(count, stream, |b| {
            half::bf16::from_f32(floats(b)).to_ne_bytes()
        }),
        _ => return Err(unsupported()),
    };
    made.ok_or_else(unsupported)
}

/// Elements made at a time by one thread.
const STEP: usize = 1 << 16;

/// `count` elements of `N` bytes, made from the bits of their index.
fn fill<const N: usize>(
    count: u64,
    stream: u64,
    make: impl Fn(u64) -> [u8; N] + Sync,
) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(count).ok()?.checked_mul(N)?];
    let chunks = bytes.as_chunks_mut::<N>().0;
    chunks
        .par_chunks_mut(STEP)
        .enumerate()
        .for_each(|(step, chunk)| {
            let begin = stream.wrapping_add((step as u64).wrapping_mul(STEP as u64));
            for (index, element) in (0u64..).zip(chunk) {
                *element = make(splitmix(begin.wrapping_add(index)));
            }
        });
    Some(bytes)
}

/// What becomes of a number in [-1, 1).
#[derive(Clone, Copy)]
enum Rule {
    Scale(f32),
    Around(f32),
    Spread(f32),
}

impl Rule {
    fn of(name: &str, shape: &[i64]) -> Rule {
        let last = shape.last().copied().unwrap_or(1);
        if name.ends_with("q_scale") {
            Rule::Scale((3.0 / (last.saturating_mul(32)) as f32).sqrt())
        } else if shape.len() == 1 {
            Rule::Around(if name.ends_with("weight") { 1.0 } else { 0.0 })
        } else {
            Rule::Spread((3.0 / last as f32).sqrt())
        }
    }

    fn apply(self, t: f32) -> f32 {
        match self {
            Rule::Scale(root) => (1.5 + 0.5 * t) * root / 7.0,
            Rule::Around(centre) => centre + 0.25 * t,
            Rule::Spread(root) => t * root,
        }
    }
}

/// 24 bits as a number in [-1, 1); every step is exact.
fn unit(bits: u64) -> f32 {
    (bits >> 40) as f32 * (0.5f32).powi(23) - 1.0
}

/// Eight 4-bit values with 7 in place of each 15.
fn balanced(word: u32) -> u32 {
    let full = word & word >> 1 & word >> 2 & word >> 3 & 0x1111_1111;
    word ^ full << 3
}

fn upper(bits: u64) -> u32 {
    u32::try_from(bits >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::balanced;

    #[test]
    fn four_bit_values_have_no_mean() {
        assert_eq!(balanced(0xffff_ffff), 0x7777_7777);
        assert_eq!(balanced(0xf0e1_d2f7), 0x70e1_d277);
        let sum: i32 = (0..16u32)
            .map(|v| i32::try_from(balanced(v)).expect("small") - 7)
            .sum();
        assert_eq!(sum, 0);
    }
}
