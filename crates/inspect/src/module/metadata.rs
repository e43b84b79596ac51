//! What a model says of itself: the JSON that its `_metadata` function returns
//! (docs/formats.md#metadata).
//!
//! The constant is found by following the function's result, not by guessing
//! at strings. Keys came and went; a key that is absent or of another shape is
//! listed, never an error.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::parameters;
pub use super::parameters::{Extent, Parameter};
use crate::limits::MAX_METADATA;
use crate::vm::dataflow::Flow;
use crate::vm::value::Value;
use crate::vm::{ConstantValue, Executable, FunctionKind, Instruction};

/// Name of the function.
pub const FUNCTION: &str = "_metadata";

/// Name that it had in 2023, with other keys in its JSON.
pub const OLD_FUNCTION: &str = "get_metadata";

/// Decoded metadata.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Metadata {
    /// Model architecture, e.g. `qwen3`.
    pub model_type: Option<String>,
    /// What the model is for: `chat`, `embedding` (from 2026-03).
    pub model_task: Option<String>,
    /// Quantization, e.g. `q4f16_1`.
    pub quantization: Option<String>,
    /// Tokens of context the library was planned for.
    pub context_window_size: Option<i64>,
    /// Tokens of the sliding window; -1 for none.
    pub sliding_window_size: Option<i64>,
    /// Tokens kept at the start of a sliding window.
    pub attention_sink_size: Option<i64>,
    /// Tokens per prefill call.
    pub prefill_chunk_size: Option<i64>,
    /// Sequences per batch.
    pub max_batch_size: Option<i64>,
    /// Devices the tensors are split over.
    pub tensor_parallel_shards: Option<i64>,
    /// Stages the layers are split over.
    pub pipeline_parallel_stages: Option<i64>,
    /// Rows of the vocabulary in use.
    pub active_vocab_size: Option<i64>,
    /// `kv_cache`, `rnn_state`, `hybrid` or `none`.
    pub kv_state_kind: Option<String>,
    /// Whether prefill and decode may run apart.
    pub disaggregation: Option<bool>,
    /// Shape of the KV cache.
    pub kv_cache: Option<KvCacheMetadata>,
    /// Parameters in order.
    pub params: Vec<Parameter>,
    /// Bytes of temporary memory by function.
    pub memory_usage: Vec<(String, i64)>,
    /// Facts of an embedding model, as written.
    pub embedding_metadata: Option<Json>,
    /// Every other key, as written.
    pub other: Map<String, Json>,
    /// Every key that is there, whatever its value.
    pub keys: BTreeSet<String>,
    /// Keys whose value has another shape than every known release wrote.
    pub unexpected: Vec<String>,
}

/// The `kv_cache` object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KvCacheMetadata {
    /// Layers with attention.
    pub num_hidden_layers: Option<i64>,
    /// Query heads.
    pub num_attention_heads: Option<i64>,
    /// Key and value heads.
    pub num_key_value_heads: Option<i64>,
    /// Width of a head.
    pub head_dim: Option<i64>,
}

/// Why there is no metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "why", content = "detail")]
pub enum MetadataError {
    /// The executable has no such function.
    #[error("the executable has no function `_metadata`")]
    NoFunction,
    /// The function is compiled to host code that could not be read.
    #[error("`_metadata` is compiled to host code that could not be read")]
    Compiled,
    /// The function does not return a string constant.
    #[error("`_metadata` does not return a string constant")]
    NotAConstant,
    /// The string is longer than any real one; it is not decoded.
    #[error("the string `_metadata` returns has {0} bytes, more than are decoded")]
    TooLong(usize),
    /// What it returns was not followed to its end.
    #[error("what `_metadata` returns was not followed to its end: the program is too nested")]
    TooDeep,
    /// The string is not a JSON object.
    #[error("the string `_metadata` returns is not a JSON object: {0}")]
    NotJson(String),
}

/// Metadata with the constant it stands in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundMetadata {
    /// Pool index of the JSON string.
    pub constant: usize,
    /// The decoded text.
    pub metadata: Metadata,
}

/// Reads the metadata of an executable.
pub fn read(executable: &Executable) -> Result<FoundMetadata, MetadataError> {
    let (constant, text) = locate(executable, FUNCTION)?;
    let metadata = parse(text)?;
    Ok(FoundMetadata { constant, metadata })
}

/// The same without the parameters, of which there are hundreds.
pub(crate) fn outline(executable: &Executable) -> Result<FoundMetadata, MetadataError> {
    let (constant, text) = locate(executable, FUNCTION)?;
    let metadata = parse_with(text, false)?;
    Ok(FoundMetadata { constant, metadata })
}

/// The JSON text as it stands in the constant pool; that of the older function
/// where there is no other.
pub fn text(executable: &Executable) -> Result<&str, MetadataError> {
    let found = match locate(executable, FUNCTION) {
        Err(MetadataError::NoFunction) => locate(executable, OLD_FUNCTION),
        found => found,
    };
    found.map(|(_, text)| text)
}

fn locate<'a>(
    executable: &'a Executable,
    function: &str,
) -> Result<(usize, &'a str), MetadataError> {
    let constant = constant_index(executable, function)?;
    match executable.constants.get(constant).map(|found| &found.value) {
        Some(ConstantValue::String(text)) => Ok((constant, text)),
        _ => Err(MetadataError::NotAConstant),
    }
}

/// The constant that every return of the function gives.
fn constant_index(executable: &Executable, wanted: &str) -> Result<usize, MetadataError> {
    let (index, function) = executable
        .functions
        .iter()
        .enumerate()
        .find(|(_, function)| function.kind != FunctionKind::Packed && function.name == wanted)
        .ok_or(MetadataError::NoFunction)?;
    if function.kind == FunctionKind::VmTir && function.instructions.is_empty() {
        return Err(MetadataError::Compiled);
    }
    let flow = Flow::new(executable, index);
    executable
        .instructions(function.instructions.clone())
        .find_map(|(number, instruction)| match instruction {
            Instruction::Ret { result } => Some(flow.register(number, result)),
            _ => None,
        })
        .map_or(Err(MetadataError::NotAConstant), |value| match value {
            Value::Constant(index) => Ok(index),
            value if value.is_cut() => Err(MetadataError::TooDeep),
            _ => Err(MetadataError::NotAConstant),
        })
}

/// Decodes the JSON text.
pub fn parse(text: &str) -> Result<Metadata, MetadataError> {
    parse_with(text, true)
}

fn parse_with(text: &str, parameters_too: bool) -> Result<Metadata, MetadataError> {
    if text.len() > MAX_METADATA {
        return Err(MetadataError::TooLong(text.len()));
    }
    let (object, quick) = match parameters::with_others(text, parameters_too) {
        Some(quick) => (quick.others, quick.params),
        None => (object(text)?, None),
    };
    let mut keys = Keys {
        object,
        unexpected: Vec::new(),
    };
    let mut names: BTreeSet<String> = keys.object.keys().cloned().collect();
    if quick.is_some() {
        names.insert(parameters::PARAMS.to_owned());
    }
    let params = match quick {
        Some(params) => params,
        None => {
            let read = keys.take(parameters::PARAMS, parameters::read);
            read.filter(|_| parameters_too).unwrap_or_default()
        }
    };
    let mut metadata = Metadata {
        model_type: keys.text("model_type"),
        model_task: keys.text("model_task"),
        quantization: keys.text("quantization"),
        context_window_size: keys.number("context_window_size"),
        sliding_window_size: keys.number("sliding_window_size"),
        attention_sink_size: keys.number("attention_sink_size"),
        prefill_chunk_size: keys.number("prefill_chunk_size"),
        max_batch_size: keys.number("max_batch_size"),
        tensor_parallel_shards: keys.number("tensor_parallel_shards"),
        pipeline_parallel_stages: keys.number("pipeline_parallel_stages"),
        active_vocab_size: keys.number("active_vocab_size"),
        kv_state_kind: keys.text("kv_state_kind"),
        disaggregation: keys.take("disaggregation", Json::as_bool),
        kv_cache: keys.take("kv_cache", kv_cache),
        params,
        memory_usage: keys.take("memory_usage", memory_usage).unwrap_or_default(),
        embedding_metadata: keys.take("embedding_metadata", |json| Some(json.clone())),
        keys: names,
        ..Metadata::default()
    };
    metadata.other = keys.object;
    metadata.unexpected = keys.unexpected;
    Ok(metadata)
}

fn object(text: &str) -> Result<Map<String, Json>, MetadataError> {
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(MetadataError::NotJson("another kind of value".into())),
        Err(error) => Err(MetadataError::NotJson(error.to_string())),
    }
}

/// The keys not yet taken, and those that did not fit.
struct Keys {
    object: Map<String, Json>,
    unexpected: Vec<String>,
}

impl Keys {
    /// Takes a key out; one that does not fit stays among the others.
    fn take<T>(&mut self, key: &str, read: impl Fn(&Json) -> Option<T>) -> Option<T> {
        let json = self.object.get(key)?;
        if json.is_null() {
            self.object.shift_remove(key);
            return None;
        }
        let value = read(json);
        if value.is_some() {
            self.object.shift_remove(key);
        } else {
            self.unexpected.push(key.to_owned());
        }
        value
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, |json| json.as_str().map(str::to_owned))
    }

    fn number(&mut self, key: &str) -> Option<i64> {
        self.take(key, Json::as_i64)
    }
}

fn kv_cache(json: &Json) -> Option<KvCacheMetadata> {
    let object = json.as_object()?;
    let number = |key: &str| object.get(key).and_then(Json::as_i64);
    Some(KvCacheMetadata {
        num_hidden_layers: number("num_hidden_layers"),
        num_attention_heads: number("num_attention_heads"),
        num_key_value_heads: number("num_key_value_heads"),
        head_dim: number("head_dim"),
    })
}

fn memory_usage(json: &Json) -> Option<Vec<(String, i64)>> {
    json.as_object()?
        .iter()
        .map(|(function, bytes)| Some((function.clone(), bytes.as_i64()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_unreal_length_is_not_decoded() {
        let longest = format!("{{}}{}", " ".repeat(MAX_METADATA - 2));
        assert!(parse(&longest).is_ok());
        let longer = format!("{longest} ");
        let error = MetadataError::TooLong(MAX_METADATA + 1);
        assert_eq!(parse(&longer).map(|_| ()), Err(error));
    }

    /// As the general way reads it, which the quick one must agree with.
    fn slowly(text: &str) -> Option<Vec<Parameter>> {
        parameters::read(object(text).ok()?.get("params")?)
    }

    #[test]
    fn parameters_are_read_alike_both_ways() {
        let one = r#"{"name": "a\u0062", "shape": [1, "n", -3], "dtype": "float16", "preprocs": [{}, 1], "x": {"y": [2]}}"#;
        let texts = [
            format!(r#"{{"model_type": "m", "params": [{one}, {one}], "z": 1}}"#),
            r#"{"params": []}"#.into(),
            r#"{"params": [{"name": "a", "shape": [], "dtype": "x"}]}"#.into(),
            r#"{"params": [{"name": "a", "name": "b", "shape": [], "dtype": "x", "preprocs": [3]}]}"#.into(),
            format!(r#"{{"params": [], "params": [{one}]}}"#),
        ];
        for text in &texts {
            let read = parse(text).unwrap();
            assert!(parameters::with_others(text, true).is_some(), "{text}");
            assert_eq!(Some(read.params), slowly(text), "{text}");
            assert_eq!(read.unexpected, [""; 0]);
            assert!(read.keys.contains("params") && !read.other.contains_key("params"));
        }
        for value in [
            r#"[["a", [], "x"]]"#,
            r#"[{"shape": [], "dtype": "x"}]"#,
            r#"[{"name": "a", "shape": [1.5], "dtype": "x"}]"#,
            r#"[{"name": "a", "shape": [18446744073709551615], "dtype": "x"}]"#,
            r#"{"a": 1}"#,
            r#"[{"name": "a", "shape": [], "dtype": 1, "preprocs": 3}]"#,
            "7",
        ] {
            let read = parse(&format!(r#"{{"params": {value}}}"#)).unwrap();
            assert_eq!(read.unexpected, ["params"], "{value}");
            assert!(read.params.is_empty() && read.other.contains_key("params"));
        }
        let none = parse(r#"{"params": null}"#).unwrap();
        assert!(none.unexpected.is_empty() && none.keys.contains("params"));
        assert!(matches!(parse("[]"), Err(MetadataError::NotJson(_))));
        assert!(matches!(parse("{} x"), Err(MetadataError::NotJson(_))));
    }
}
