//! Text to tokens and back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokenizers::DecoderWrapper;

use crate::error::{Error, Result};

/// Which tokenizer a row names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerSource {
    /// One token per byte; a text begins with token 256.
    Bytes,
    /// A `tokenizer.json` of the `tokenizers` library.
    File(PathBuf),
}

impl TokenizerSource {
    /// `bytes`, or a path.
    pub fn parse(text: &str) -> TokenizerSource {
        match text {
            "bytes" => TokenizerSource::Bytes,
            path => TokenizerSource::File(PathBuf::from(path)),
        }
    }
}

/// A token by number or, for tokenizers with a vocabulary, by its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TokenName {
    /// The number.
    Id(i32),
    /// The text, such as `<|im_end|>`.
    Text(String),
}

/// The token that begins a text of the byte-level corpus models.
const BYTES_BEGIN: i32 = 256;

/// A loaded tokenizer.
pub enum Tokenizer {
    /// One token per byte.
    Bytes,
    /// The `tokenizers` library.
    File(Box<tokenizers::Tokenizer>, Spelling),
}

/// How the vocabulary of a file spells bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Each byte as one character, as GPT-2 does.
    ByteLevel,
    /// A space as `\u{2581}`, other bytes as they are or as `<0x0A>`.
    Fallback,
}

impl Tokenizer {
    /// Reads the file, if there is one.
    pub fn load(source: &TokenizerSource) -> Result<Tokenizer> {
        match source {
            TokenizerSource::Bytes => Ok(Tokenizer::Bytes),
            TokenizerSource::File(path) => read(path),
        }
    }

    /// The tokens of a text. `special`: with the tokens that the file's post-processor
    /// adds, which mlc-llm's engine leaves out where text is to be written on.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<i32>> {
        match self {
            Tokenizer::Bytes => {
                let bytes = text.bytes().map(i32::from);
                Ok(std::iter::once(BYTES_BEGIN).chain(bytes).collect())
            }
            Tokenizer::File(tokenizer, _) => {
                let encoding = tokenizer
                    .encode(text, special)
                    .map_err(|e| Error::Tokenizer(e.to_string()))?;
                encoding
                    .get_ids()
                    .iter()
                    .map(|&id| {
                        i32::try_from(id)
                            .map_err(|_| Error::Tokenizer(format!("token {id} is too large")))
                    })
                    .collect()
            }
        }
    }

    /// The bytes that a token stands for, those of special tokens too; none if there is
    /// no such token.
    pub fn bytes(&self, token: i32) -> Vec<u8> {
        match self {
            Tokenizer::Bytes => u8::try_from(token).into_iter().collect(),
            Tokenizer::File(tokenizer, spelling) => {
                let token = u32::try_from(token).ok();
                let spelled = token.and_then(|token| tokenizer.id_to_token(token));
                spelled.map_or_else(Vec::new, |spelled| spelling.bytes(&spelled))
            }
        }
    }

    /// The text of generated tokens, special ones included, as mlc-llm's engine shows it.
    pub fn decode(&self, tokens: &[i32]) -> Result<String> {
        match self {
            Tokenizer::Bytes => {
                let bytes: Vec<u8> = tokens.iter().filter_map(|&t| t.try_into().ok()).collect();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Tokenizer::File(tokenizer, _) => {
                let ids: Vec<u32> = tokens.iter().filter_map(|&t| t.try_into().ok()).collect();
                tokenizer
                    .decode(&ids, false)
                    .map_err(|e| Error::Tokenizer(e.to_string()))
            }
        }
    }
}

impl Spelling {
    /// What the file's decoder says, as mlc-llm reads it: the last that says something.
    fn of(tokenizer: &tokenizers::Tokenizer) -> Spelling {
        let mut found = Spelling::Fallback;
        let all = match tokenizer.get_decoder() {
            Some(DecoderWrapper::Sequence(several)) => several.get_decoders(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        for decoder in all {
            match decoder {
                DecoderWrapper::ByteLevel(_) => found = Spelling::ByteLevel,
                DecoderWrapper::ByteFallback(_) => found = Spelling::Fallback,
                _ => {}
            }
        }
        found
    }

    fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Spelling::ByteLevel => {
                let bytes: Option<Vec<u8>> = token.chars().map(spelled_byte).collect();
                // A token that was added is spelled as it is.
                bytes.unwrap_or_else(|| token.as_bytes().to_vec())
            }
            Spelling::Fallback => {
                let number = token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>'));
                let number = number.filter(|number| number.len() == 2);
                match number.and_then(|number| u8::from_str_radix(number, 16).ok()) {
                    Some(byte) => vec![byte],
                    None => token.replace('\u{2581}', " ").into_bytes(),
                }
            }
        }
    }
}

/// The byte that a character of a byte-level vocabulary stands for: itself where it
/// shows, the others in their order from U+0100 on.
fn spelled_byte(c: char) -> Option<u8> {
    let shows = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u8::try_from(c) {
        Ok(byte) => Some(byte).filter(shows),
        Err(_) => {
            let place = usize::try_from(u32::from(c).checked_sub(0x100)?).ok()?;
            (0..=u8::MAX).filter(|byte| !shows(byte)).nth(place)
        }
    }
}

fn read(path: &Path) -> Result<Tokenizer> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let malformed = |e: tokenizers::Error| Error::Malformed {
        path: path.to_owned(),
        detail: format!("not a tokenizer of the `tokenizers` library: {e}"),
    };
    let mut tokenizer = tokenizers::Tokenizer::from_bytes(&bytes).map_err(malformed)?;
    // Files of embedding models may ask for a fixed length: padding would be taken for
    // text, and a text that is cut for the whole.
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(malformed)?;
    let spelling = Spelling::of(&tokenizer);
    Ok(Tokenizer::File(Box::new(tokenizer), spelling))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(json: &str) -> Tokenizer {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokenizer.json");
        std::fs::write(&path, json).unwrap();
        Tokenizer::load(&TokenizerSource::File(path)).unwrap()
    }

    #[test]
    fn bytes_round_trip_without_the_begin_token() {
        let tokens = Tokenizer::Bytes.encode("Zürich", false).unwrap();
        assert_eq!(tokens.first(), Some(&BYTES_BEGIN));
        assert_eq!(tokens.len(), 8);
        assert_eq!(Tokenizer::Bytes.decode(&tokens).unwrap(), "Zürich");
    }

    #[test]
    fn a_tokenizer_file_encodes_and_decodes() {
        let json = r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
            "decoder": null, "truncation": null, "padding": null,
            "model": {"type": "WordLevel", "unk_token": "?",
                      "vocab": {"?": 0, "the": 1, "capital": 2, "of": 3}}}"#;
        let tokenizer = loaded(json);
        let tokens = tokenizer.encode("the capital of Rome", true).unwrap();
        assert_eq!(tokens, [1, 2, 3, 0]);
        assert_eq!(tokenizer.decode(&tokens[..3]).unwrap(), "the capital of");
    }

    #[test]
    fn texts_are_cut_as_oniguruma_cuts_them() {
        // The numbers of pieces are those of the Python package `tokenizers` 0.23.
        for (pattern, text, pieces) in [
            (r"\\p{N}{1,3}+", "1234", 1),
            (r"\\p{N}{1,3}", "1234", 2),
            (r"\\h+", "ab \t-", 2),
            (r"(?i:ss|k|s)", "Straße", 4),
        ] {
            let json = format!(
                r#"{{"version": "1.0", "added_tokens": [], "normalizer": null,
                "pre_tokenizer": {{"type": "Split", "pattern": {{"Regex": "{pattern}"}},
                                   "behavior": "Isolated", "invert": false}},
                "post_processor": null, "decoder": null, "truncation": null, "padding": null,
                "model": {{"type": "WordLevel", "unk_token": "?", "vocab": {{"?": 0}}}}}}"#
            );
            let tokens = loaded(&json).encode(text, false).unwrap();
            assert_eq!(tokens.len(), pieces, "{pattern} in {text}");
        }
    }

    #[test]
    fn a_special_token_shows_in_the_text() {
        let json = r#"{"version": "1.0", "normalizer": null, "pre_tokenizer": null,
            "added_tokens": [{"id": 2, "content": "<end>", "single_word": false, "lstrip": false,
                              "rstrip": false, "normalized": false, "special": true}],
            "post_processor": null, "truncation": null, "padding": null,
            "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "a": 1, "<end>": 2}}}"#;
        assert_eq!(loaded(json).decode(&[1, 2, 1]).unwrap(), "a<end>a");
    }

    #[test]
    fn a_text_is_neither_padded_nor_cut() {
        let json = r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
            "truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0,
                           "direction": "Right"},
            "padding": {"strategy": {"Fixed": 3}, "direction": "Right", "pad_id": 0,
                        "pad_to_multiple_of": null, "pad_type_id": 0, "pad_token": "?"},
            "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "a": 1}}}"#;
        let tokenizer = loaded(json);
        assert_eq!(tokenizer.encode("a", true).unwrap(), [1]);
        assert_eq!(tokenizer.encode("a a a a", true).unwrap(), [1, 1, 1, 1]);
    }

    #[test]
    fn tokens_are_spelled_as_the_file_spells_them() {
        let said = |spelling: Spelling, token: &str| spelling.bytes(token);
        assert_eq!(
            said(Spelling::ByteLevel, "Ġd\u{c3}\u{bc}Ċ"),
            " dü\n".as_bytes()
        );
        assert_eq!(
            said(Spelling::ByteLevel, "<\u{ff5c}end>"),
            "<\u{ff5c}end>".as_bytes()
        );
        assert_eq!(said(Spelling::Fallback, "\u{2581}dü"), " dü".as_bytes());
        assert_eq!(said(Spelling::Fallback, "<0x0A>"), b"\n");
        assert_eq!(said(Spelling::Fallback, "<0xü>"), "<0xü>".as_bytes());
        let every: Vec<u8> = (0..=0x143u32)
            .filter_map(|c| spelled_byte(char::from_u32(c)?))
            .collect();
        let mut sorted = every.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..=u8::MAX).collect::<Vec<_>>(), "each byte once");
    }

    #[test]
    fn a_broken_tokenizer_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokenizer.json");
        std::fs::write(&path, "<html>").unwrap();
        let error = Tokenizer::load(&TokenizerSource::File(path)).err().unwrap();
        assert!(error.to_string().contains("tokenizer.json"), "{error}");
    }
}
