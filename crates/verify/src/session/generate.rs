//! The loop over prompts: prefill in chunks, then decode token by token.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sampling::{Sampler, TopP, greedy};

use super::Schedule;
use super::decoder::{Decoder, Piece};

/// What to generate, beside the prompts.
#[derive(Clone, Debug)]
pub struct Request {
    /// Tokens to generate for each sequence.
    pub max_tokens: usize,
    /// Longest prefill of one call; the model's own limit if absent or larger.
    pub prefill_chunk: Option<usize>,
    /// Whether sequences share calls.
    pub schedule: Schedule,
    /// Top-p, or greedy.
    pub sampling: Option<TopP>,
    /// Tokens that end a sequence.
    pub stop: Vec<i32>,
    /// For each prompt the tokens to follow instead of choosing; none if empty.
    pub follow: Vec<Vec<i32>>,
}

/// What one sequence became.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    /// Generated (or followed) tokens, without the one that ended it.
    pub tokens: Vec<i32>,
    /// The most likely token at each step: `tokens`, unless sampled or followed.
    pub likeliest: Vec<i32>,
    /// Logits after the prompt.
    pub first_logits: Vec<f32>,
    /// Logits from which the last token was chosen.
    pub last_logits: Vec<f32>,
    /// True if a stop token ended it.
    pub stopped: bool,
}

/// The result of [`Generator::run`].
#[derive(Clone, Debug)]
pub struct Generation {
    /// One entry per prompt.
    pub sequences: Vec<Sequence>,
    /// From the first call to the first token of the first sequence.
    pub first_token: Duration,
    /// Time of all decode calls and sampling.
    pub decode_time: Duration,
    /// Tokens chosen in that time.
    pub decoded: usize,
}

/// One run over a set of prompts.
pub struct Generator<'d, 'm, 'r> {
    decoder: &'d Decoder<'m, 'r>,
    request: Request,
    sequences: Vec<Sequence>,
    samplers: Vec<Sampler>,
}

impl<'d, 'm, 'r> Generator<'d, 'm, 'r> {
    /// Empties the states and begins one sequence per prompt.
    pub fn new(decoder: &'d Decoder<'m, 'r>, request: Request, prompts: usize) -> Result<Self> {
        decoder.reset()?;
        for sequence in 0..prompts {
            decoder.add_sequence(identifier(sequence)?)?;
        }
        Ok(Generator {
            samplers: (0..prompts)
                .map(|index| match request.follow.get(index) {
                    Some(tokens) => Sampler::Follow(tokens.clone().into_iter()),
                    None => Sampler::new(request.sampling, index as u64),
                })
                .collect(),
            sequences: vec![Sequence::default(); prompts],
            decoder,
            request,
        })
    }

    /// Reads the prompts and chooses each one's first token. Returns the time
    /// until the first token of the first prompt was known.
    pub fn prefill(&mut self, prompts: &[Vec<i32>]) -> Result<Duration> {
        let start = Instant::now();
        let mut first = None;
        if self.request.schedule == Schedule::Batched && self.decoder.prefills_together() {
            let pieces = pieces(prompts)?;
            let rows = self.decoder.prefill(&pieces)?;
            for (index, logits) in rows.into_iter().enumerate() {
                self.begin(index, logits);
            }
        } else {
            self.prefill_in_turns(prompts, start, &mut first)?;
        }
        Ok(first.unwrap_or_else(|| start.elapsed()))
    }

    /// Chunk by chunk, one sequence after the other within each round, so that
    /// chunks of different sequences alternate.
    fn prefill_in_turns(
        &mut self,
        prompts: &[Vec<i32>],
        start: Instant,
        first: &mut Option<Duration>,
    ) -> Result<()> {
        let limit = self.decoder.chunk_limit().max(1);
        let size = self.request.prefill_chunk.unwrap_or(limit).clamp(1, limit);
        let mut chunks: Vec<_> = prompts.iter().map(|p| p.chunks(size).peekable()).collect();
        let mut active = true;
        while active {
            active = false;
            for (index, rest) in chunks.iter_mut().enumerate() {
                let Some(tokens) = rest.next() else { continue };
                active = true;
                let sequence = identifier(index)?;
                let rows = self.decoder.prefill(&[Piece { sequence, tokens }])?;
                if rest.peek().is_none() {
                    for logits in rows {
                        self.begin(index, logits);
                    }
                    first.get_or_insert_with(|| start.elapsed());
                }
            }
        }
        Ok(())
    }

    /// Generates until every sequence has enough tokens or has stopped.
    pub fn decode(mut self, first_token: Duration) -> Result<Generation> {
        let start = Instant::now();
        let mut decoded = 0usize;
        loop {
            let active: Vec<usize> = (0..self.sequences.len())
                .filter(|&index| self.is_active(index))
                .collect();
            if active.is_empty() {
                break;
            }
            let groups: Vec<Vec<usize>> = match self.request.schedule {
                Schedule::Interleaved => active.iter().map(|&index| vec![index]).collect(),
                Schedule::Batched => vec![active],
            };
            for group in groups {
                decoded = decoded.saturating_add(group.len());
                self.step(&group)?;
            }
        }
        Ok(Generation {
            sequences: self.sequences,
            first_token,
            decode_time: start.elapsed(),
            decoded,
        })
    }

    fn step(&mut self, group: &[usize]) -> Result<()> {
        let last: Vec<(i64, i32)> = group
            .iter()
            .map(|&index| {
                let token = self.sequences.get(index).and_then(|s| s.tokens.last());
                let token = token
                    .copied()
                    .ok_or_else(|| Error::Unsupported("decode before prefill".to_owned()))?;
                Ok((identifier(index)?, token))
            })
            .collect::<Result<_>>()?;
        let pieces: Vec<Piece<'_>> = last
            .iter()
            .map(|(sequence, token)| Piece {
                sequence: *sequence,
                tokens: std::slice::from_ref(token),
            })
            .collect();
        let rows = self.decoder.decode(&pieces)?;
        for (&index, logits) in group.iter().zip(rows) {
            self.choose(index, logits);
        }
        Ok(())
    }

    fn is_active(&self, index: usize) -> bool {
        self.sequences
            .get(index)
            .is_some_and(|s| !s.stopped && s.tokens.len() < self.request.max_tokens)
    }

    fn begin(&mut self, index: usize, logits: Vec<f32>) {
        if let Some(sequence) = self.sequences.get_mut(index) {
            sequence.first_logits.clone_from(&logits);
        }
        if self.is_active(index) {
            self.choose(index, logits);
        }
    }

    fn choose(&mut self, index: usize, logits: Vec<f32>) {
        let pair = (self.sequences.get_mut(index), self.samplers.get_mut(index));
        let (Some(sequence), Some(sampler)) = pair else {
            return;
        };
        let token = sampler.sample(&logits);
        let likeliest = match sampler {
            Sampler::Greedy => token,
            _ => i32::try_from(greedy(&logits)).unwrap_or(i32::MAX),
        };
        sequence.likeliest.push(likeliest);
        sequence.last_logits = logits;
        if self.request.stop.contains(&token) {
            sequence.stopped = true;
        } else {
            sequence.tokens.push(token);
        }
    }
}

fn pieces(prompts: &[Vec<i32>]) -> Result<Vec<Piece<'_>>> {
    prompts
        .iter()
        .enumerate()
        .map(|(index, tokens)| {
            Ok(Piece {
                sequence: identifier(index)?,
                tokens,
            })
        })
        .collect()
}

fn identifier(index: usize) -> Result<i64> {
    i64::try_from(index).map_err(|_| Error::Unsupported("too many sequences".to_owned()))
}
