//! Text to tokens and back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
    File(Box<tokenizers::Tokenizer>),
}

impl Tokenizer {
    /// Reads the file, if there is one.
    pub fn load(source: &TokenizerSource) -> Result<Tokenizer> {
        match source {
            TokenizerSource::Bytes => Ok(Tokenizer::Bytes),
            TokenizerSource::File(path) => read(path),
        }
    }

    /// The tokens of a text, with the special tokens that the tokenizer adds.
    pub fn encode(&self, text: &str) -> Result<Vec<i32>> {
        match self {
            Tokenizer::Bytes => {
                let bytes = text.bytes().map(i32::from);
                Ok(std::iter::once(BYTES_BEGIN).chain(bytes).collect())
            }
            Tokenizer::File(tokenizer) => {
                let encoding = tokenizer
                    .encode(text, true)
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

    /// The numbers of named tokens. A text that the vocabulary lacks is left
    /// out: one list serves several families of models.
    pub fn resolve(tokenizer: Option<&Tokenizer>, names: &[TokenName]) -> Vec<i32> {
        names
            .iter()
            .filter_map(|name| match (name, tokenizer) {
                (TokenName::Id(id), _) => Some(*id),
                (TokenName::Text(text), Some(Tokenizer::File(file))) => {
                    file.token_to_id(text)?.try_into().ok()
                }
                (TokenName::Text(_), _) => None,
            })
            .collect()
    }

    /// The text of generated tokens; special tokens give none.
    pub fn decode(&self, tokens: &[i32]) -> Result<String> {
        match self {
            Tokenizer::Bytes => {
                let bytes: Vec<u8> = tokens.iter().filter_map(|&t| t.try_into().ok()).collect();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Tokenizer::File(tokenizer) => {
                let ids: Vec<u32> = tokens.iter().filter_map(|&t| t.try_into().ok()).collect();
                tokenizer
                    .decode(&ids, true)
                    .map_err(|e| Error::Tokenizer(e.to_string()))
            }
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
    Ok(Tokenizer::File(Box::new(tokenizer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_without_the_begin_token() {
        let tokens = Tokenizer::Bytes.encode("Zürich").unwrap();
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
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokenizer.json");
        std::fs::write(&path, json).unwrap();
        let tokenizer = Tokenizer::load(&TokenizerSource::File(path)).unwrap();
        let tokens = tokenizer.encode("the capital of Rome").unwrap();
        assert_eq!(tokens, [1, 2, 3, 0]);
        let names = [
            TokenName::Text("of".into()),
            TokenName::Text("no".into()),
            TokenName::Id(9),
        ];
        assert_eq!(Tokenizer::resolve(Some(&tokenizer), &names), [3, 9]);
        assert_eq!(tokenizer.decode(&tokens[..3]).unwrap(), "the capital of");
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
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokenizer.json");
        std::fs::write(&path, json).unwrap();
        let tokenizer = Tokenizer::load(&TokenizerSource::File(path)).unwrap();
        assert_eq!(tokenizer.encode("a").unwrap(), [1]);
        assert_eq!(tokenizer.encode("a a a a").unwrap(), [1, 1, 1, 1]);
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
