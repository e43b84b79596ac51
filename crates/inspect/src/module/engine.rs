//! Engines: who calls a model library, and what each of them asks of it besides
//! what a runtime asks (docs/engines.md, which names sources and versions).
//!
//! Nothing here is read from an engine; a library is told by its container, by
//! its metadata and by the functions that it has.

use std::fmt;

use super::metadata::Metadata;
use crate::container::Format;

/// Who calls the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// mlc-llm's C++ engine, v0.17.2 and later.
    Mlc,
    /// mlc-llm's engine for embedding models, in Python.
    MlcEmbedding,
    /// web-llm, 0.2.30 and later.
    WebLlm,
}

/// Host functions that mlc-llm adds to a model for engines; its own program calls none.
pub(super) const HOST_FUNCTIONS: [&str; 3] = [
    "apply_bitmask_inplace",
    "apply_logit_bias_inplace",
    "apply_penalty_inplace",
];

/// What the model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It answers: a chat model, also as the target or the small draft of another.
    Chat,
    /// Embedding without a cache, such as BERT.
    Encoder,
    /// Embedding with a cache, such as Qwen3-Embedding.
    Decoder,
    /// EAGLE's draft.
    EagleDraft,
    /// Medusa's draft.
    MedusaDraft,
}

/// A need is met by any of its alternatives, and an alternative is all of its names.
type Need = &'static [&'static [&'static str]];

/// What an engine asks of one model.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// Keys of the metadata.
    pub keys: &'static [&'static str],
    /// Whether the key `kv_cache` is asked for too.
    pub cache_key: bool,
    functions: &'static [Need],
}

impl Engine {
    /// The engine for a library in this container.
    pub fn of(format: Option<Format>, purpose: Purpose) -> Self {
        match purpose {
            _ if format == Some(Format::Wasm) => Self::WebLlm,
            Purpose::Encoder | Purpose::Decoder => Self::MlcEmbedding,
            _ => Self::Mlc,
        }
    }

    /// What it asks of a model; the reason if it takes no such model at all.
    pub fn needs(self, purpose: Purpose, state: &str) -> Result<Needs, String> {
        let (keys, functions): (_, &[Need]) = match (self, purpose) {
            (Self::WebLlm, Purpose::Decoder) => {
                return Err(
                    "web-llm calls `prefill` of an embedding model, which decoders do not have"
                        .to_owned(),
                );
            }
            (Self::WebLlm, Purpose::Encoder) => (WEB_EMBEDDING_KEYS, ENCODER),
            (Self::WebLlm, _) => (WEB_KEYS, web_chat(state)?),
            (_, Purpose::Encoder) => (&["params"], ENCODER),
            (_, Purpose::Decoder) => (&["params"], DECODER),
            (_, Purpose::EagleDraft) => (MLC_KEYS, EAGLE_DRAFT),
            (_, Purpose::MedusaDraft) => (MLC_KEYS, MEDUSA_DRAFT),
            (_, Purpose::Chat) => (MLC_KEYS, mlc_chat(state)?),
        };
        let cache_key = self == Self::Mlc && !matches!(state, "none" | "rnn_state");
        Ok(Needs {
            keys,
            cache_key,
            functions,
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mlc => "mlc-llm's engine",
            Self::MlcEmbedding => "mlc-llm's embedding engine",
            Self::WebLlm => "web-llm",
        })
    }
}

impl Purpose {
    /// Told by the metadata where they say it, and else by the functions.
    pub fn of(metadata: &Metadata, has: impl Fn(&str) -> bool) -> Self {
        let decodes = has("embed") && has("prefill_to_last_hidden_states");
        if metadata.model_task.as_deref() == Some("embedding") {
            let facts = metadata.embedding_metadata.as_ref();
            let kind = facts.and_then(|facts| facts.get("model_type")?.as_str());
            return match kind {
                Some("decoder") => Self::Decoder,
                Some(_) => Self::Encoder,
                None if decodes => Self::Decoder,
                None => Self::Encoder,
            };
        }
        let answers = ["decode", "batch_prefill", "batch_decode"];
        let answers = answers.iter().any(|name| has(name));
        if has("fuse_embed_hidden_states") {
            Self::EagleDraft
        } else if answers {
            Self::Chat
        } else if metadata.kv_state_kind.as_deref() == Some("none") && has("get_logits") {
            Self::MedusaDraft
        } else if decodes && !has("prefill") {
            Self::Decoder
        } else if has("prefill") && !has("embed") {
            Self::Encoder
        } else {
            Self::Chat
        }
    }
}

impl Needs {
    /// The functions that are asked for and not there, in words.
    pub(crate) fn missing_functions(&self, has: impl Fn(&str) -> bool) -> Vec<String> {
        let lacking = |names: &[&'static str]| -> Vec<&'static str> {
            names.iter().copied().filter(|name| !has(name)).collect()
        };
        let mut missing = Vec::new();
        for need in self.functions {
            let left: Vec<_> = need.iter().map(|names| lacking(names)).collect();
            if left.iter().any(Vec::is_empty) {
                continue;
            }
            // One that is begun is the one that was meant.
            let begun = left
                .iter()
                .zip(*need)
                .find(|(left, all)| left.len() < all.len());
            match begun {
                Some((left, _)) => missing.extend(left.iter().map(|name| format!("`{name}`"))),
                None => missing.push(in_words(need)),
            }
        }
        missing
    }
}

/// `` `a` with `b`, or `c` ``.
fn in_words(need: Need) -> String {
    let alternatives = need.iter().map(|names| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(" with ")
    });
    alternatives.collect::<Vec<_>>().join(" or ")
}

const MLC_KEYS: &[&str] = &[
    "model_type",
    "quantization",
    "context_window_size",
    "prefill_chunk_size",
    "max_batch_size",
    "tensor_parallel_shards",
    "params",
    "memory_usage",
];
const WEB_KEYS: &[&str] = &["params", "prefill_chunk_size"];
const WEB_EMBEDDING_KEYS: &[&str] = &["params", "prefill_chunk_size", "max_batch_size"];

const EMBED: Need = &[&["embed"]];
const PREFILL: Need = &[&["prefill"]];
const DECODE: Need = &[&["decode"]];
const BATCH_PREFILL: Need = &[&["batch_prefill"]];
const BATCH_DECODE: Need = &[&["batch_decode"]];
const CACHE: Need = &[
    &["create_flashinfer_paged_kv_cache"],
    &["create_tir_paged_kv_cache"],
];
const WEB_CACHE: Need = &[&["create_tir_paged_kv_cache"]];
const RNN_STATE: Need = &[&["create_rnn_state"]];
/// Either pair: the second is tried from 0.2.83.
const WEB_STEPS: Need = &[&["prefill", "decode"], &["batch_prefill", "batch_decode"]];

const ENCODER: &[Need] = &[PREFILL];
const DECODER: &[Need] = &[
    EMBED,
    &[&["prefill_to_last_hidden_states"]],
    &[&["batch_prefill_to_last_hidden_states"]],
    CACHE,
];
const EAGLE_DRAFT: &[Need] = &[
    EMBED,
    &[&["fuse_embed_hidden_states"]],
    &[&["prefill_to_last_hidden_states"]],
    &[&["batch_prefill_to_last_hidden_states"]],
    &[&["decode_to_last_hidden_states"]],
    &[&["batch_decode_to_last_hidden_states"]],
    &[&["gather_hidden_states"]],
    &[&["gather_probs"]],
    &[&["scatter_probs"]],
    CACHE,
];
const MEDUSA_DRAFT: &[Need] = &[&[&["get_logits"]], &[&["gather_probs"]]];

fn mlc_chat(state: &str) -> Result<&'static [Need], String> {
    Ok(match state {
        "kv_cache" => &[EMBED, PREFILL, DECODE, BATCH_PREFILL, BATCH_DECODE, CACHE],
        "hybrid" => &[EMBED, BATCH_PREFILL, BATCH_DECODE, CACHE, RNN_STATE],
        "rnn_state" => &[
            EMBED,
            PREFILL,
            DECODE,
            BATCH_PREFILL,
            BATCH_DECODE,
            RNN_STATE,
        ],
        "none" => &[EMBED, PREFILL, DECODE, BATCH_PREFILL, BATCH_DECODE],
        other => return Err(unknown_state(other)),
    })
}

fn web_chat(state: &str) -> Result<&'static [Need], String> {
    Ok(match state {
        // What each version calls of such a model is read from its JavaScript.
        "kv_cache" => &[],
        "rnn_state" => &[EMBED, WEB_STEPS, RNN_STATE],
        "hybrid" => &[EMBED, BATCH_PREFILL, BATCH_DECODE, WEB_CACHE, RNN_STATE],
        "none" => return Err("web-llm refuses a model that keeps no state".to_owned()),
        other => return Err(unknown_state(other)),
    })
}

fn unknown_state(state: &str) -> String {
    format!("no known engine has a `kv_state_kind` of `{state}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(task: Option<&str>, state: Option<&str>, names: &[&str]) -> Purpose {
        let metadata = Metadata {
            model_task: task.map(str::to_owned),
            kv_state_kind: state.map(str::to_owned),
            ..Metadata::default()
        };
        Purpose::of(&metadata, |name| names.contains(&name))
    }

    #[test]
    fn a_purpose_is_told_by_metadata_or_functions() {
        let chat = [
            "embed",
            "prefill",
            "decode",
            "batch_prefill",
            "batch_decode",
        ];
        assert_eq!(purpose(None, None, &chat), Purpose::Chat);
        // A target of EAGLE has the other forms too.
        let target = [&chat[..], &["prefill_to_last_hidden_states", "get_logits"]].concat();
        assert_eq!(purpose(Some("chat"), None, &target), Purpose::Chat);
        // Before there was an `embed`.
        assert_eq!(purpose(None, None, &["prefill", "decode"]), Purpose::Chat);
        // The published encoders of 2024 name no task.
        assert_eq!(
            purpose(None, Some("kv_cache"), &["prefill"]),
            Purpose::Encoder
        );
        assert_eq!(purpose(Some("embedding"), None, &[]), Purpose::Encoder);
        let decoder = ["embed", "prefill_to_last_hidden_states"];
        assert_eq!(purpose(None, None, &decoder), Purpose::Decoder);
        let both = ["embed", "prefill_to_last_hidden_states", "prefill"];
        assert_eq!(purpose(Some("embedding"), None, &both), Purpose::Decoder);
        let eagle = [&decoder[..], &["fuse_embed_hidden_states"]].concat();
        assert_eq!(purpose(None, None, &eagle), Purpose::EagleDraft);
        assert_eq!(
            purpose(None, Some("none"), &["get_logits"]),
            Purpose::MedusaDraft
        );
    }

    #[test]
    fn metadata_say_which_embedding_model_it_is() {
        let metadata = |kind: &str| Metadata {
            model_task: Some("embedding".to_owned()),
            embedding_metadata: Some(serde_json::json!({ "model_type": kind })),
            ..Metadata::default()
        };
        assert_eq!(
            Purpose::of(&metadata("decoder"), |_| false),
            Purpose::Decoder
        );
        assert_eq!(
            Purpose::of(&metadata("encoder"), |_| true),
            Purpose::Encoder
        );
    }

    fn missing(engine: Engine, purpose: Purpose, state: &str, names: &[&str]) -> Vec<String> {
        let needs = engine.needs(purpose, state).unwrap();
        needs.missing_functions(|name| names.contains(&name))
    }

    #[test]
    fn each_engine_asks_for_its_own_functions() {
        let web = ["embed", "prefill", "decode", "create_tir_paged_kv_cache"];
        let none: [&str; 0] = [];
        assert_eq!(
            missing(Engine::WebLlm, Purpose::Chat, "kv_cache", &web),
            none
        );
        let batches = ["`batch_prefill`", "`batch_decode`"];
        assert_eq!(
            missing(Engine::Mlc, Purpose::Chat, "kv_cache", &web),
            batches
        );
        assert_eq!(
            missing(
                Engine::WebLlm,
                Purpose::Chat,
                "kv_cache",
                &["embed", "prefill"]
            ),
            ["`decode`", "`create_tir_paged_kv_cache`"]
        );
        assert_eq!(
            missing(
                Engine::WebLlm,
                Purpose::Chat,
                "rnn_state",
                &["embed", "create_rnn_state"]
            ),
            ["`prefill` with `decode` or `batch_prefill` with `batch_decode`"]
        );
        let hybrid = [
            "embed",
            "batch_prefill",
            "batch_decode",
            "create_tir_paged_kv_cache",
        ];
        assert_eq!(
            missing(Engine::Mlc, Purpose::Chat, "hybrid", &hybrid),
            ["`create_rnn_state`"]
        );
        assert_eq!(
            missing(Engine::Mlc, Purpose::MedusaDraft, "none", &["get_logits"]),
            ["`gather_probs`"]
        );
        assert_eq!(
            missing(
                Engine::MlcEmbedding,
                Purpose::Encoder,
                "kv_cache",
                &["prefill"]
            ),
            none
        );
    }

    #[test]
    fn some_models_no_engine_takes() {
        assert!(Engine::WebLlm.needs(Purpose::Decoder, "kv_cache").is_err());
        assert!(
            Engine::MlcEmbedding
                .needs(Purpose::Decoder, "kv_cache")
                .is_ok()
        );
        assert!(Engine::WebLlm.needs(Purpose::Chat, "none").is_err());
        assert!(Engine::Mlc.needs(Purpose::Chat, "paged").is_err());
    }

    #[test]
    fn only_the_cxx_engine_asks_for_the_cache_key() {
        let asks = |engine: Engine, purpose, state| engine.needs(purpose, state).unwrap().cache_key;
        assert!(asks(Engine::Mlc, Purpose::Chat, "kv_cache"));
        assert!(asks(Engine::Mlc, Purpose::Chat, "hybrid"));
        assert!(!asks(Engine::Mlc, Purpose::Chat, "rnn_state"));
        assert!(!asks(Engine::WebLlm, Purpose::Chat, "kv_cache"));
        assert!(!asks(Engine::MlcEmbedding, Purpose::Encoder, "kv_cache"));
    }
}
