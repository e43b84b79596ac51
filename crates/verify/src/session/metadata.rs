//! `_metadata`: the JSON text that a model library returns about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};

/// The keys that a session needs; others are ignored.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// Model family, such as `qwen3`.
    #[serde(default)]
    pub model_type: String,
    /// Quantization name, such as `q0f16`.
    #[serde(default)]
    pub quantization: String,
    /// Longest sequence; not positive means unlimited.
    #[serde(default = "unlimited")]
    pub context_window_size: i64,
    /// Sliding window; not positive means off.
    #[serde(default = "unlimited")]
    pub sliding_window_size: i64,
    /// How many of the first tokens the window always has; not positive means none.
    #[serde(default)]
    pub attention_sink_size: i64,
    /// Longest prefill of one call.
    #[serde(default = "default_chunk")]
    pub prefill_chunk_size: i64,
    /// Most sequences at once.
    #[serde(default = "one")]
    pub max_batch_size: i64,
    /// How many of its tokens the tokenizer knows, where that was known.
    #[serde(default)]
    pub active_vocab_size: Option<i64>,
    /// `chat` or `embedding`.
    #[serde(default)]
    pub model_task: Option<String>,
    /// How an embedding model's output becomes one vector.
    #[serde(default)]
    pub embedding_metadata: Option<EmbeddingMetadata>,
    /// The parameters in the order in which functions take them.
    pub params: Vec<Parameter>,
}

/// `embedding_metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct EmbeddingMetadata {
    /// `cls`, `mean` or `last`.
    #[serde(default)]
    pub pooling_strategy: Option<String>,
    /// Whether vectors are scaled to length 1.
    #[serde(default)]
    pub normalize: Option<bool>,
}

/// One entry of `params`.
#[derive(Clone, Debug, Deserialize)]
pub struct Parameter {
    /// Name, as in the weight index.
    pub name: String,
    /// Dimensions; a name stands for a size known only to the weights.
    #[serde(deserialize_with = "dimensions")]
    pub shape: Vec<Dim>,
    /// Element type, as in the weight index.
    pub dtype: String,
}

/// One dimension of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A fixed size.
    Fixed(i64),
    /// A symbol, such as `vocab_size`.
    Named(String),
}

impl Parameter {
    /// The shape with its symbols replaced; `None` names the missing symbol.
    pub fn resolve(&self, dims: &BTreeMap<String, i64>) -> Result<Vec<i64>, String> {
        self.shape
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(size) => Ok(*size),
                Dim::Named(name) => dims.get(name).copied().ok_or_else(|| name.clone()),
            })
            .collect()
    }

    /// True if it has one row per token, by the names that models give such a table.
    pub fn is_vocabulary(&self) -> bool {
        const TABLES: [&str; 6] = [
            "embed_tokens",
            "word_embeddings",
            "wte",
            "tok_embeddings",
            "embed_in",
            "embeddings",
        ];
        let table = self.name.rsplit_once('.').filter(|(_, last)| {
            // Scales are of another shape.
            ["weight", "q_weight"].contains(last)
        });
        let table = table.map(|(path, _)| path.rsplit('.').next().unwrap_or(path));
        table.is_some_and(|table| TABLES.contains(&table)) && self.shape.len() == 2
    }

    /// True if `shape` is possible for this parameter.
    pub fn admits(&self, shape: &[i64]) -> bool {
        self.shape.len() == shape.len()
            && self.shape.iter().zip(shape).all(|(dim, size)| match dim {
                Dim::Fixed(expected) => expected == size,
                Dim::Named(_) => *size > 0,
            })
    }

    /// The shape as text.
    pub fn shape_text(&self) -> String {
        let dims: Vec<String> = self
            .shape
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(size) => size.to_string(),
                Dim::Named(name) => name.clone(),
            })
            .collect();
        format!("[{}]", dims.join(", "))
    }
}

impl Metadata {
    /// Parses the text that `_metadata` returned.
    pub fn parse(text: &str) -> Result<Metadata> {
        serde_json::from_str(text).map_err(|e| Error::Metadata {
            detail: e.to_string(),
        })
    }
}

/// mlc-llm writes a dimension as a number or as text, which may again be a number.
fn dimensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Dim>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Text(String),
    }
    let written = Vec::<Written>::deserialize(deserializer)?;
    Ok(written
        .into_iter()
        .map(|dim| match dim {
            Written::Number(size) => Dim::Fixed(size),
            Written::Text(text) => match text.parse() {
                Ok(size) => Dim::Fixed(size),
                Err(_) => Dim::Named(text),
            },
        })
        .collect())
}

fn unlimited() -> i64 {
    -1
}

fn default_chunk() -> i64 {
    2048
}

fn one() -> i64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbolic_dimensions_are_resolved_or_named() {
        let text =
            r#"{"params": [{"name": "e", "shape": ["vocab_size", "64"], "dtype": "float16"}]}"#;
        let metadata = Metadata::parse(text).unwrap();
        let parameter = &metadata.params[0];
        assert_eq!(parameter.shape_text(), "[vocab_size, 64]");
        assert_eq!(
            parameter.resolve(&BTreeMap::new()),
            Err("vocab_size".into())
        );
        let dims = BTreeMap::from([("vocab_size".to_owned(), 10)]);
        assert_eq!(parameter.resolve(&dims), Ok(vec![10, 64]));
        assert!(parameter.admits(&[7, 64]) && !parameter.admits(&[7, 65]));
    }

    #[test]
    fn a_missing_parameter_list_is_an_error() {
        let error = Metadata::parse("{}").unwrap_err().to_string();
        assert!(error.contains("params"), "{error}");
    }
}
