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

    /// The next token.
    pub fn sample(&mut self, logits: &[f32]) -> i32 {
        let chosen = match self {
            Sampler::Greedy => greedy(logits),
            Sampler::Follow(tokens) => match tokens.next() {
                Some(token) => return token,
                None => greedy(logits),
            },
            Sampler::TopP(settings, state) => {
                *state = state.wrapping_add(1);
                let uniform = (splitmix(*state) >> 40) as f32 / (1u64 << 24) as f32;
                top_p(logits, settings, uniform)
            }
        };
        i32::try_from(chosen).unwrap_or(i32::MAX)
    }
}

/// Index of the largest value, the first of equals.
pub fn greedy(logits: &[f32]) -> usize {
    // Vocabularies have 150,000 entries and this runs once per token. One pass
    // finds the block that holds the largest value; only that one is searched.
    const BLOCK: usize = 1024;
    let (mut best, mut begin) = (f32::NEG_INFINITY, 0);
    for (index, block) in logits.chunks(BLOCK).enumerate() {
        let largest = largest(block);
        if largest > best {
            (best, begin) = (largest, index * BLOCK);
        }
    }
    let block = logits.get(begin..).unwrap_or_default();
    begin + block.iter().position(|&value| value == best).unwrap_or(0)
}

/// The largest value; lanes without a dependency between them become vector
/// instructions.
fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, larger)
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
        assert_eq!(greedy(&[0.0, 2.0, 2.0, 1.0]), 1);
        for length in [1, 15, 16, 17, 100, 1024, 1025, 3000] {
            for peak in [0, length / 2, length - 1] {
                let mut logits = vec![-1.0; length];
                logits[peak] = 3.0;
                logits[length - 1] = 3.0;
                assert_eq!(greedy(&logits), peak, "{length} logits");
            }
        }
    }

    #[test]
    fn a_small_top_p_is_greedy_and_a_seed_repeats() {
        let logits = [0.1, 3.0, 0.2, 2.9];
        let narrow = TopP {
            top_p: 0.01,
            temperature: 1.0,
            seed: 1,
        };
        assert_eq!(Sampler::new(Some(narrow), 0).sample(&logits), 1);
        let wide = TopP {
            top_p: 1.0,
            temperature: 1.0,
            seed: 1,
        };
        let run = |sequence| {
            let mut sampler = Sampler::new(Some(wide), sequence);
            (0..200)
                .map(|_| sampler.sample(&logits))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(0), run(0));
        assert_ne!(run(0), run(1));
        let share = run(0).iter().filter(|t| **t == 1 || **t == 3).count();
        assert!((150..=198).contains(&share), "{share} of 200");
    }
}
