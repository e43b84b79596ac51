//! What a row asks of its model: prompts as tokens with their references, what ends an
//! answer, what is followed, and how large the states must be.

use crate::error::{Error, Result};
use crate::matrix::chat::ChatConfig;
use crate::matrix::expect::Expect;
use crate::matrix::reference::{self, Case};
use crate::matrix::row::Row;
use crate::session::decoder::Capacity;
use crate::session::model::Model;
use crate::session::{Kind, Schedule};
use crate::tokenizer::{TokenName, Tokenizer};
use crate::weights;

/// A prompt with its tokens and reference.
pub(super) struct Input {
    pub(super) tokens: Vec<i32>,
    pub(super) case: Option<Case>,
}

impl Input {
    /// How many tokens the reference has, if any: an answer may go on behind them.
    pub(super) fn ends(&self) -> Option<usize> {
        let case = self.case.as_ref()?;
        Some(case.tokens.len()).filter(|count| *count > 0)
    }
}

/// The prompts of a row as tokens: given, read by the tokenizer, or the reference's.
/// Special tokens belong to what an embedding is made of; a text that is to be written on
/// goes without them, as in mlc-llm's engine.
pub(super) fn inputs(row: &Row, kind: Kind, tokenizer: Option<&Tokenizer>) -> Result<Vec<Input>> {
    let special = kind == Kind::Embedding;
    let asks = row.prompts.iter().any(|prompt| prompt.ask.is_some());
    let folder = row.folder.as_ref().filter(|_| asks);
    let chat = folder.map(|folder| ChatConfig::read(folder)).transpose()?;
    row.prompts
        .iter()
        .enumerate()
        .map(|(number, prompt)| {
            let (mut prefix, mut text) = (Vec::new(), prompt.text.clone());
            if let (Some(question), Some(chat)) = (&prompt.ask, &chat) {
                prefix = chat.prefix()?;
                text = Some(chat.prompt(question, row.think)?);
            }
            let case = prompt
                .expect
                .reference
                .as_ref()
                .map(reference::read)
                .transpose()?;
            if let Some(case) = case.as_ref().filter(|_| kind != Kind::Embedding) {
                comparable(row, number, &prompt.expect, case)?;
            }
            let tokens = match (&prompt.tokens, &text, tokenizer, &case) {
                (Some(tokens), ..) => tokens.clone(),
                (None, Some(text), Some(tokenizer), _) => {
                    prefix.extend(tokenizer.encode(text, special)?);
                    prefix
                }
                (None, _, _, Some(case)) => case.prompt.clone(),
                _ => Vec::new(),
            };
            if tokens.is_empty() {
                return Err(Error::Unsupported("a prompt has no tokens".to_owned()));
            }
            Ok(Input { tokens, case })
        })
        .collect()
}

/// Refuses a comparison with a reference that every answer would pass, or none.
fn comparable(row: &Row, number: usize, expect: &Expect, case: &Case) -> Result<()> {
    if !expect.could_fail(case) {
        return Err(Error::Unsupported(format!(
            "`prompt[{number}].expect.logits_tolerance` is so large that every answer agrees with the reference: give a smaller one"
        )));
    }
    let (count, most) = (case.tokens.len(), row.max_tokens);
    if count > most {
        return Err(Error::Unsupported(format!(
            "the reference of prompt[{number}] has {count} tokens, and `max_tokens` is {most}: give it {count}"
        )));
    }
    Ok(())
}

/// What ends an answer: the row's word, else that of the model's folder.
pub(super) fn stops(row: &Row) -> Result<Vec<TokenName>> {
    match (&row.stop, &row.folder) {
        (Some(stop), _) => Ok(stop.clone()),
        (None, Some(folder)) => ChatConfig::read(folder)?.stops(),
        (None, None) => Ok(Vec::new()),
    }
}

/// The tokens to follow, one list per prompt; none where tokens are chosen.
pub(super) fn followed(row: &Row, inputs: &[Input]) -> Result<Vec<Vec<i32>>> {
    if !row.follow_reference {
        return Ok(Vec::new());
    }
    inputs
        .iter()
        .map(|input| match &input.case {
            Some(case) if !case.tokens.is_empty() => Ok(case.tokens.clone()),
            _ => Err(Error::Unsupported(
                "follow_reference needs a reference with tokens for every prompt".to_owned(),
            )),
        })
        .collect()
}

/// Refuses tokens that the model has no vector for, and embeddings of more tokens than
/// the library reads at once: both would be read from beside a table.
pub(super) fn check(row: &Row, model: &Model<'_>, inputs: &[Input]) -> Result<()> {
    let size = vocabulary(row, model);
    let is_outside =
        |token: &&i32| **token < 0 || size.is_some_and(|size| i64::from(**token) >= size);
    for (number, (prompt, input)) in row.prompts.iter().zip(inputs).enumerate() {
        let fed = input.case.as_ref().filter(|_| row.follow_reference);
        let fed = fed.map_or(&[][..], |case| &case.tokens);
        if let Some(token) = input.tokens.iter().chain(fed).find(is_outside) {
            let of = size.map_or(String::new(), |size| format!(" of {size} tokens"));
            let hint = match &prompt.tokens {
                None if row.tokenizer.is_some() => "; is the tokenizer that of another model?",
                _ => "",
            };
            return Err(Error::Unsupported(format!(
                "prompt[{number}]: token {token} is outside the library's vocabulary{of}{hint}"
            )));
        }
    }
    if model.kind() == Kind::Embedding {
        let longest = inputs.iter().map(|i| i.tokens.len()).max().unwrap_or(0);
        let longest = i64::try_from(longest).unwrap_or(i64::MAX);
        in_window(longest, model)?;
        let chunk = model.metadata().prefill_chunk_size;
        if chunk > 0 && longest > chunk {
            return Err(Error::Unsupported(format!(
                "{longest} tokens, but the library reads {chunk} at once, and an embedding is made at once"
            )));
        }
    }
    Ok(())
}

/// How many tokens the model knows: the rows of its table, or what it says.
fn vocabulary(row: &Row, model: &Model<'_>) -> Option<i64> {
    let metadata = model.metadata();
    let table = metadata.params.iter().find(|p| p.is_vocabulary());
    let rows = table.and_then(|table| weights::rows(&row.weights, table, &row.dims));
    // The table may have more rows than the tokenizer has tokens.
    rows.max(metadata.active_vocab_size)
        .filter(|size| *size > 0)
}

fn in_window(tokens: i64, model: &Model<'_>) -> Result<()> {
    let window = model.metadata().context_window_size;
    if window > 0 && tokens > window {
        return Err(Error::Unsupported(format!(
            "{tokens} tokens, but the library's context window is {window}"
        )));
    }
    Ok(())
}

/// States large enough for this row, within what the library was planned for.
pub(super) fn capacity(row: &Row, model: &Model<'_>, inputs: &[Input]) -> Result<Capacity> {
    let metadata = model.metadata();
    let sequences = i64::try_from(inputs.len()).unwrap_or(i64::MAX);
    if sequences > metadata.max_batch_size {
        return Err(Error::Unsupported(format!(
            "{sequences} prompts, but the library was planned for {}",
            metadata.max_batch_size
        )));
    }
    let longest = inputs.iter().map(|i| i.tokens.len()).max().unwrap_or(0);
    let needed = i64::try_from(longest.saturating_add(row.max_tokens)).unwrap_or(i64::MAX);
    in_window(needed, model)?;
    let total: usize = inputs.iter().map(|i| i.tokens.len()).sum();
    let chunk = metadata.prefill_chunk_size;
    if row.schedule == Schedule::Batched
        && model.kind() == Kind::KvCache
        && i64::try_from(total).unwrap_or(i64::MAX) > chunk
    {
        return Err(Error::Unsupported(format!(
            "{total} prompt tokens in one batch, but the library's prefill chunk is {chunk}"
        )));
    }
    // Whole pages for every sequence, and one page more for each.
    let pages = needed.saturating_add(31) / 16;
    Ok(Capacity {
        sequences,
        tokens: pages
            .saturating_mul(16)
            .saturating_mul(sequences)
            .max(chunk),
    })
}
