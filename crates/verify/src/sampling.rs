//! Choosing the next token: greedy, or top-p with a seed.

use serde::{Deserialize, Serialize};

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopP {
    /// Share of the probability mass that is kept.
    pub top_p: f32,
    /// Divides the logits.
    #[serde(default = "one")]
    pub temperature: f32,
    /// Seed of the random numbers; the same seed gives the same tokens.
    pub seed: u64,
}

fn one() -> f32 {
    1.0
}

/// A sampler with its state.
#[derive(Clone, Debug)]
pub enum Sampler {
    /// The most likely token; the first of equals.
    Greedy,
    /// Seeded top-p.
    TopP(TopP, u64),
    /// Given tokens, whatever the logits say; greedy after the last.
    Follow(std::vec::IntoIter<i32>),
}

impl Sampler {
    /// Greedy without settings; otherwise top-p, with its own random numbers
    /// for each sequence.
    pub fn new(settings: Option<TopP>, sequence: u64) -> Sampler {
        match settings {
            None => Sampler::Greedy,
            Some(s) => Sampler::TopP(s, splitmix(s.seed ^ splitmix(sequence))),
        }
    }

    /// The next token, of logits whose likeliest is known.
    pub fn sample(&mut self, logits: &[f32], likeliest: i32) -> i32 {
        match self {
            Sampler::Greedy => likeliest,
            Sampler::Follow(tokens) => tokens.next().unwrap_or(likeliest),
            Sampler::TopP(settings, state) => {
                *state = state.wrapping_add(1);
                let uniform = (splitmix(*state) >> 40) as f32 / (1u64 << 24) as f32;
                i32::try_from(top_p(logits, settings, uniform)).unwrap_or(i32::MAX)
            }
        }
    }
}

/// Index of the largest value, the first of equals. None where one is NaN or the largest
/// is infinite: then no choice means anything. Minus infinity rules a token out.
pub fn greedy(logits: &[f32]) -> Option<usize> {
    // Vocabularies have 150,000 entries and this runs once per token. One pass
    // finds the block that holds the largest value; only that one is searched.
    const BLOCK: usize = 1024;
    let (mut best, mut begin, mut widest) = (f32::NEG_INFINITY, 0, 0);
    for (index, block) in logits.chunks(BLOCK).enumerate() {
        let (largest, size) = largest(block);
        widest = widest.max(size);
        if largest > best {
            (best, begin) = (largest, index * BLOCK);
        }
    }
    if widest > f32::INFINITY.to_bits() || best.is_infinite() {
        return None;
    }
    let block = logits.get(begin..).unwrap_or_default();
    Some(begin + block.iter().position(|&value| value == best)?)
}

/// The largest value, and the largest bits without a sign: those of NaN are above those
/// of infinity. Lanes without a dependency between them become vector instructions.
fn largest(values: &[f32]) -> (f32, u32) {
    let larger = |(a, size): (f32, u32), b: f32| {
        let largest = if b > a { b } else { a };
        (largest, size.max(b.abs().to_bits()))
    };
    const NONE: (f32, u32) = (f32::NEG_INFINITY, 0);
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [NONE; 16];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    let rest = rest.iter().copied().fold(NONE, larger);
    lanes.iter().fold(rest, |(a, size), (b, other)| {
        (if *b > a { *b } else { a }, size.max(*other))
    })
}

fn top_p(logits: &[f32], settings: &TopP, uniform: f32) -> usize {
    let temperature = settings.temperature.max(1e-5);
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut weighted: Vec<(usize, f32)> = logits
        .iter()
        .map(|l| ((l - largest) / temperature).exp())
        .enumerate()
        .collect();
    weighted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let total: f32 = weighted.iter().map(|w| w.1).sum();
    let mut kept = 0.0;
    let mut count = 0;
    for (_, weight) in &weighted {
        kept += weight;
        count += 1;
        if kept >= settings.top_p * total {
            break;
        }
    }
    let mut left = uniform * kept;
    for (index, weight) in weighted.iter().take(count) {
        left -= weight;
        if left <= 0.0 {
            return *index;
        }
    }
    weighted.first().map_or(0, |w| w.0)
}

/// The splitmix64 output function.
pub(crate) fn splitmix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_equals() {
        assert_eq!(greedy(&[0.0, 2.0, 2.0, 1.0]), Some(1));
        for length in [1, 15, 16, 17, 100, 1024, 1025, 3000] {
            for peak in [0, length / 2, length - 1] {
                let mut logits = vec![-1.0; length];
                logits[peak] = 3.0;
                logits[length - 1] = 3.0;
                assert_eq!(greedy(&logits), Some(peak), "{length} logits");
            }
        }
    }

    #[test]
    fn of_what_is_no_number_none_is_the_largest() {
        for length in [1, 17, 1025] {
            for bad in [f32::NAN, -f32::NAN, f32::INFINITY] {
                let mut logits = vec![1.0; length];
                logits[length / 2] = bad;
                assert_eq!(greedy(&logits), None, "{bad} in {length}");
            }
            let ruled_out = vec![f32::NEG_INFINITY; length];
            assert_eq!(greedy(&ruled_out), None);
        }
        assert_eq!(greedy(&[]), None);
        assert_eq!(greedy(&[f32::NEG_INFINITY, -3.0]), Some(1));
    }

    #[test]
    fn a_small_top_p_is_greedy_and_a_seed_repeats() {
        let logits = [0.1, 3.0, 0.2, 2.9];
        let narrow = TopP {
            top_p: 0.01,
            temperature: 1.0,
            seed: 1,
        };
        assert_eq!(Sampler::new(Some(narrow), 0).sample(&logits, 1), 1);
        let wide = TopP {
            top_p: 1.0,
            temperature: 1.0,
            seed: 1,
        };
        let run = |sequence| {
            let mut sampler = Sampler::new(Some(wide), sequence);
            (0..200)
                .map(|_| sampler.sample(&logits, 1))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(0), run(0));
        assert_ne!(run(0), run(1));
        let share = run(0).iter().filter(|t| **t == 1 || **t == 3).count();
        assert!((150..=198).contains(&share), "{share} of 200");
    }
}
