//! The loop over prompts: prefill in chunks, then decode token by token.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sampling::{Sampler, TopP, greedy};
use crate::stops::{Spoken, Stops};

use super::Schedule;
use super::decoder::{Decoder, Logits, Piece};

/// What to generate, beside the prompts.
#[derive(Clone)]
pub struct Request<'t> {
    /// Tokens to generate for each sequence.
    pub max_tokens: usize,
    /// Longest prefill of one call; the model's own limit if absent or larger.
    pub prefill_chunk: Option<usize>,
    /// Whether sequences share calls.
    pub schedule: Schedule,
    /// Top-p, or greedy.
    pub sampling: Option<TopP>,
    /// What ends a sequence.
    pub stops: Stops<'t>,
    /// For each prompt the tokens to follow instead of choosing; none if empty.
    pub follow: Vec<Vec<i32>>,
    /// For each prompt the token whose logits are kept, counted from 1; the last otherwise.
    pub kept: Vec<Option<usize>>,
}

/// What one sequence became.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    /// Generated (or followed) tokens, without what ended it.
    pub tokens: Vec<i32>,
    /// The most likely token at each step: `tokens`, unless sampled or followed.
    pub likeliest: Vec<i32>,
    /// Logits after the prompt.
    pub first_logits: Vec<f32>,
    /// Logits from which the last token was chosen, or the one that was asked for.
    pub last_logits: Vec<f32>,
    /// True if a stop token or text ended it.
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
    /// The part of it that was not spent in forward calls and in copies of
    /// logits: what the host adds.
    pub host_time: Duration,
    /// Decode calls.
    pub steps: u32,
    /// Tokens chosen in that time.
    pub decoded: usize,
}

/// One run over a set of prompts.
pub struct Generator<'d, 'm, 'r, 't> {
    decoder: &'d mut Decoder<'m, 'r>,
    request: Request<'t>,
    tracks: Vec<Track>,
    logits: Logits,
}

/// A sequence and what chooses its tokens.
struct Track {
    /// The prompt's place in the row.
    number: usize,
    /// The token whose logits are kept, where it is not the last.
    kept: Option<usize>,
    sequence: Sequence,
    sampler: Sampler,
    spoken: Spoken,
}

impl<'d, 'm, 'r, 't> Generator<'d, 'm, 'r, 't> {
    /// Empties the states and begins one sequence per prompt.
    pub fn new(
        decoder: &'d mut Decoder<'m, 'r>,
        request: Request<'t>,
        prompts: usize,
    ) -> Result<Self> {
        decoder.reset()?;
        for sequence in 0..prompts {
            decoder.add_sequence(identifier(sequence)?)?;
        }
        let sampler = |index: usize| match request.follow.get(index) {
            Some(tokens) => Sampler::Follow(tokens.clone().into_iter()),
            None => Sampler::new(request.sampling, index as u64),
        };
        Ok(Generator {
            tracks: (0..prompts)
                .map(|index| Track {
                    number: index,
                    kept: request.kept.get(index).copied().flatten(),
                    sequence: Sequence::default(),
                    sampler: sampler(index),
                    spoken: Spoken::default(),
                })
                .collect(),
            logits: Logits::default(),
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
            self.decoder.prefill(&pieces, &mut self.logits)?;
            for (track, logits) in self.tracks.iter_mut().zip(self.logits.rows()) {
                track.begin(&self.request, logits)?;
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
                let pieces = [Piece { sequence, tokens }];
                self.decoder.prefill(&pieces, &mut self.logits)?;
                if rest.peek().is_none() {
                    let track = self.tracks.get_mut(index);
                    if let Some((track, logits)) = track.zip(self.logits.rows().next()) {
                        track.begin(&self.request, logits)?;
                    }
                    first.get_or_insert_with(|| start.elapsed());
                }
            }
        }
        Ok(())
    }

    /// Generates until every sequence has enough tokens or has stopped.
    /// `told` sees a sequence's number and its tokens whenever there is one more.
    pub fn decode(
        mut self,
        first_token: Duration,
        told: &mut dyn FnMut(usize, &[i32]),
    ) -> Result<Generation> {
        let start = Instant::now();
        let before = self.decoder.forward_time();
        let (mut steps, mut decoded) = (0u32, 0usize);
        loop {
            let active: Vec<usize> = (0..self.tracks.len())
                .filter(|&index| self.is_active(index))
                .collect();
            if active.is_empty() {
                break;
            }
            let together = match self.request.schedule {
                Schedule::Interleaved => 1,
                Schedule::Batched => active.len(),
            };
            for group in active.chunks(together) {
                self.step(group)?;
                for &index in group {
                    if let Some(track) = self.tracks.get(index) {
                        told(index, &track.sequence.tokens);
                    }
                }
                steps = steps.saturating_add(1);
                decoded = decoded.saturating_add(group.len());
            }
        }
        let decode_time = start.elapsed();
        let forward_time = self.decoder.forward_time().saturating_sub(before);
        Ok(Generation {
            sequences: self.tracks.into_iter().map(|t| t.sequence).collect(),
            first_token,
            decode_time,
            host_time: decode_time.saturating_sub(forward_time),
            steps,
            decoded,
        })
    }

    /// One token more for each sequence of the group.
    fn step(&mut self, group: &[usize]) -> Result<()> {
        let mut sequences = Vec::with_capacity(group.len());
        let mut tokens = Vec::with_capacity(group.len());
        for &index in group {
            let last = self
                .tracks
                .get(index)
                .and_then(|t| t.sequence.tokens.last());
            let last =
                last.ok_or_else(|| Error::Unsupported("decode before prefill".to_owned()))?;
            sequences.push(identifier(index)?);
            tokens.push(*last);
        }
        self.decoder.decode(&sequences, &tokens, &mut self.logits)?;
        for (&index, logits) in group.iter().zip(self.logits.rows()) {
            if let Some(track) = self.tracks.get_mut(index) {
                track.choose(&self.request, logits)?;
            }
        }
        Ok(())
    }

    fn is_active(&self, index: usize) -> bool {
        let track = self.tracks.get(index);
        track.is_some_and(|track| track.is_active(&self.request))
    }
}

impl Track {
    fn is_active(&self, request: &Request<'_>) -> bool {
        !self.sequence.stopped && self.sequence.tokens.len() < request.max_tokens
    }

    fn begin(&mut self, request: &Request<'_>, logits: &[f32]) -> Result<()> {
        self.sequence.first_logits = logits.to_vec();
        match self.is_active(request) {
            true => self.choose(request, logits),
            false => self.likeliest(logits).map(drop),
        }
    }

    fn choose(&mut self, request: &Request<'_>, logits: &[f32]) -> Result<()> {
        let likeliest = self.likeliest(logits)?;
        let token = self.sampler.sample(logits, likeliest);
        self.sequence.likeliest.push(likeliest);
        self.sequence.tokens.push(token);
        if let Some(kept) = request.stops.after(&mut self.spoken, token) {
            self.sequence.stopped = true;
            self.sequence.tokens.truncate(kept);
        }
        // Only those of one are kept: a copy per token would cost as much as the choice.
        let count = self.sequence.likeliest.len();
        let is_last = !self.is_active(request) && self.kept.is_none_or(|kept| count < kept);
        if is_last || self.kept == Some(count) {
            self.sequence.last_logits = logits.to_vec();
        }
        Ok(())
    }

    fn likeliest(&self, logits: &[f32]) -> Result<i32> {
        let Some(likeliest) = greedy(logits) else {
            let (number, token) = (self.number, self.sequence.tokens.len());
            let what = format!("prompt[{number}]: the logits for token {token} of the answer");
            return Err(Error::not_numbers(&what, logits));
        };
        Ok(i32::try_from(likeliest).unwrap_or(i32::MAX))
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
