//! What a row says must mean something: an expectation that no answer could fail, or that
//! none could meet, is refused when the matrix is read, with its key.

use crate::sampling::TopP;
use crate::session::calls::Given;

use super::expect::{ExpectFile, Similarity};

/// Checks what is expected of a prompt; `key` is where it is written.
pub(super) fn expect(key: &str, expect: &ExpectFile) -> Result<(), String> {
    if expect.text.as_ref().is_some_and(String::is_empty) {
        return Err(format!("`{key}.text` is empty: every answer begins so"));
    }
    if expect.tokens.as_ref().is_some_and(Vec::is_empty) {
        return Err(format!("`{key}.tokens` is empty: every answer begins so"));
    }
    for (name, texts) in [
        ("contains", &expect.contains),
        ("contains_any", &expect.contains_any),
    ] {
        let Some(texts) = texts else { continue };
        if texts.is_empty() {
            return Err(format!("`{key}.{name}` is empty: it compares nothing"));
        }
        if texts.iter().any(String::is_empty) {
            return Err(format!(
                "`{key}.{name}` has an empty text, which is in every answer"
            ));
        }
    }
    for (name, value) in [
        ("cosine", expect.cosine),
        ("logits_tolerance", expect.logits_tolerance),
    ] {
        if value.is_some() && expect.reference.is_none() {
            return Err(format!(
                "`{key}.{name}` compares with a `reference`, and there is none"
            ));
        }
    }
    if let Some(cosine) = expect.cosine {
        at_least(&format!("{key}.cosine"), cosine)?;
    }
    match expect.logits_tolerance {
        Some(limit) if !limit.is_finite() || limit < 0.0 => Err(format!(
            "`{key}.logits_tolerance` is {limit}: it must be a number from 0 on"
        )),
        _ => Ok(()),
    }
}

/// Checks what is expected where the reference's tokens are fed: they would be the answer.
pub(super) fn followed(key: &str, expect: &ExpectFile) -> Result<(), String> {
    let said = [
        ("text", expect.text.is_some()),
        ("contains", expect.contains.is_some()),
        ("contains_any", expect.contains_any.is_some()),
        ("tokens", expect.tokens.is_some()),
    ];
    match said.iter().find(|(_, said)| *said) {
        Some((name, _)) => Err(format!(
            "`{key}.{name}` would be compared with the reference's own tokens, which `follow_reference` feeds to the model: remove one of the two"
        )),
        None => Ok(()),
    }
}

/// Checks what is expected of two of so many prompts.
pub(super) fn similarity(key: &str, of: &Similarity, prompts: usize) -> Result<(), String> {
    for (name, prompt) in [("a", of.a), ("b", of.b)] {
        if prompt >= prompts {
            return Err(format!(
                "`{key}.{name}` is {prompt}, but the row has {prompts} prompts, counted from 0"
            ));
        }
    }
    if of.a == of.b {
        return Err(format!(
            "`{key}` compares prompt {} with itself: the cosine is always 1",
            of.a
        ));
    }
    if of.at_least.is_none() && of.at_most.is_none() {
        return Err(format!(
            "`{key}` has no bound: give `at_least`, `at_most` or both"
        ));
    }
    if let Some(limit) = of.at_least {
        at_least(&format!("{key}.at_least"), limit)?;
    }
    if let Some(limit) = of.at_most
        && !(-1.0..1.0).contains(&limit)
    {
        return Err(format!(
            "`{key}.at_most` is {limit}: it must be from -1 on and below 1, which no cosine exceeds"
        ));
    }
    match (of.at_least, of.at_most) {
        (Some(least), Some(most)) if least > most => Err(format!(
            "`{key}` wants at least {least} and at most {most}: no cosine is both"
        )),
        _ => Ok(()),
    }
}

/// A bound that some cosines reach and some do not.
fn at_least(key: &str, limit: f32) -> Result<(), String> {
    if limit > -1.0 && limit <= 1.0 {
        return Ok(());
    }
    Err(format!(
        "`{key}` is {limit}: it must be above -1, which every cosine reaches, and at most 1"
    ))
}

/// Checks what a function is called with: a row travels as JSON, which has no such numbers.
pub(super) fn arguments(key: &str, all: &[Given]) -> Result<(), String> {
    all.iter().try_for_each(|one| match one {
        Given::Float(number) if !number.is_finite() => {
            Err(format!("`{key}` has {number}: it must be a finite number"))
        }
        Given::Tuple(parts) => arguments(key, parts),
        _ => Ok(()),
    })
}

/// Checks how tokens are chosen.
pub(super) fn sampling(of: &TopP) -> Result<(), String> {
    if !of.temperature.is_finite() || of.temperature < 0.0 {
        return Err(format!(
            "`sampling.temperature` is {}: it must be a number from 0 on",
            of.temperature
        ));
    }
    if !(of.top_p > 0.0 && of.top_p <= 1.0) {
        return Err(format!(
            "`sampling.top_p` is {}: it must be above 0 and at most 1",
            of.top_p
        ));
    }
    Ok(())
}
