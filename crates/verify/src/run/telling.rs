//! Answers while they grow, for who watches.

use std::time::{Duration, Instant};

use super::protocol::{Event, send};
use crate::tokenizer::Tokenizer;

/// Sends answers while they grow, not so often that it would show in the figures.
pub(super) struct Telling<'t> {
    tokenizer: Option<&'t Tokenizer>,
    last: Instant,
}

impl<'t> Telling<'t> {
    /// Time between two events.
    const PAUSE: Duration = Duration::from_millis(150);

    pub(super) fn new(tokenizer: Option<&'t Tokenizer>) -> Self {
        Self {
            tokenizer,
            last: Instant::now(),
        }
    }

    pub(super) fn tell(&mut self, prompt: usize, tokens: &[i32]) {
        if self.last.elapsed() < Self::PAUSE {
            return;
        }
        self.last = Instant::now();
        let text = match self.tokenizer.map(|tokenizer| tokenizer.decode(tokens)) {
            Some(Ok(text)) => text,
            _ => format!("{tokens:?}"),
        };
        let _ = send(&Event::Answer { prompt, text });
    }
}
