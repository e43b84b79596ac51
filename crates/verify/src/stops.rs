//! What ends an answer: tokens by number, and texts wherever they occur in it.
//!
//! As mlc-llm's engine does it: a text is looked for in the bytes of the tokens, special
//! ones too; where it is found the answer ends with the last token that ends before it.

use crate::tokenizer::{TokenName, Tokenizer};

/// What ends the answers of a row.
#[derive(Clone, Default)]
pub struct Stops<'t> {
    tokens: Vec<i32>,
    texts: Vec<&'t str>,
    tokenizer: Option<&'t Tokenizer>,
}

/// An answer while it grows, as bytes.
#[derive(Clone, Debug, Default)]
pub struct Spoken {
    bytes: Vec<u8>,
    /// Where each token ends.
    ends: Vec<usize>,
}

impl<'t> Stops<'t> {
    /// What the names say. Texts need a tokenizer.
    pub fn new(names: &'t [TokenName], tokenizer: Option<&'t Tokenizer>) -> Stops<'t> {
        let mut stops = Stops {
            tokenizer,
            ..Stops::default()
        };
        for name in names {
            match name {
                TokenName::Id(token) => stops.tokens.push(*token),
                TokenName::Text(text) => stops.texts.push(text),
            }
        }
        stops
    }

    /// Adds a token to an answer. Where that ends it: how many of its tokens are kept.
    pub fn after(&self, spoken: &mut Spoken, token: i32) -> Option<usize> {
        let before = spoken.ends.len();
        if let Some(tokenizer) = self.tokenizer.filter(|_| !self.texts.is_empty()) {
            let old = spoken.bytes.len();
            spoken.bytes.extend(tokenizer.bytes(token));
            spoken.ends.push(spoken.bytes.len());
            if let Some(begin) = self.first_text(&spoken.bytes, old) {
                let whole = spoken.ends.iter().take_while(|end| **end <= begin);
                return Some(whole.count());
            }
        } else {
            spoken.ends.push(0);
        }
        self.tokens.contains(&token).then_some(before)
    }

    /// Where the text begins that is complete first, if one ends behind `old`.
    fn first_text(&self, bytes: &[u8], old: usize) -> Option<usize> {
        (old.saturating_add(1)..=bytes.len()).find_map(|end| {
            let read = bytes.get(..end)?;
            let is_complete = |text: &&&str| read.ends_with(text.as_bytes());
            let complete = self.texts.iter().filter(is_complete);
            complete.map(|text| end.saturating_sub(text.len())).min()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens that are kept of an answer, a token per byte.
    fn kept(names: &[TokenName], answer: &[i32]) -> Option<usize> {
        let stops = Stops::new(names, Some(&Tokenizer::Bytes));
        let mut spoken = Spoken::default();
        answer
            .iter()
            .find_map(|token| stops.after(&mut spoken, *token))
    }

    fn text(text: &str) -> TokenName {
        TokenName::Text(text.to_owned())
    }

    #[test]
    fn a_text_of_several_tokens_ends_an_answer_before_it() {
        let answer: Vec<i32> = " Paris".bytes().map(i32::from).collect();
        assert_eq!(kept(&[text("ar")], &answer), Some(2));
        assert_eq!(
            kept(&[text("x"), text("is"), text("aris")], &answer),
            Some(2)
        );
        assert_eq!(kept(&[text("ris"), text("P")], &answer), Some(1));
        assert_eq!(kept(&[text("are")], &answer), None);
    }

    #[test]
    fn a_number_ends_an_answer_and_the_token_is_no_part_of_it() {
        assert_eq!(kept(&[TokenName::Id(257)], &[65, 66, 257]), Some(2));
        let stops = [TokenName::Id(9)];
        let stops = Stops::new(&stops, None);
        let mut spoken = Spoken::default();
        assert_eq!(stops.after(&mut spoken, 8), None);
        assert_eq!(stops.after(&mut spoken, 9), Some(1));
    }

    #[test]
    fn a_token_that_only_begins_before_the_text_is_left_out() {
        let json = r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
            "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "truncation": null, "padding": null,
            "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "\u2581so": 1, "me": 2}}}"#;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokenizer.json");
        std::fs::write(&file, json).unwrap();
        let tokenizer = Tokenizer::load(&crate::tokenizer::TokenizerSource::File(file)).unwrap();
        let names = [text("om")];
        let stops = Stops::new(&names, Some(&tokenizer));
        let mut spoken = Spoken::default();
        assert_eq!(stops.after(&mut spoken, 1), None);
        assert_eq!(stops.after(&mut spoken, 1), None);
        assert_eq!(stops.after(&mut spoken, 2), Some(1));
    }
}
