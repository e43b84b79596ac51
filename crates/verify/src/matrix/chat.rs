//! `mlc-chat-config.json`: how a model is asked, and what ends its answer.
//!
//! As mlc-llm's `gen_config` writes it; its engine puts a conversation together in this
//! order (`Conversation.as_prompt`): system message, role and question, separator, the
//! role that is to answer. Before the tokens of that text, which come without those that
//! `tokenizer.json` would add, it puts `system_prefix_token_ids`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::tokenizer::TokenName;

/// The file's name in a model folder.
pub(super) const NAME: &str = "mlc-chat-config.json";

/// Where mlc-llm's tools, or people, put what `convert_weight` wrote.
const WEIGHTS: [&str; 2] = ["tensor-cache.json", "ndarray-cache.json"];

/// What a model folder says of conversations.
#[derive(Debug)]
pub(crate) struct ChatConfig {
    path: PathBuf,
    template: Option<Template>,
}

#[derive(Deserialize)]
struct File {
    conv_template: serde_json::Value,
}

/// The fields of a conversation template that one question needs.
#[derive(Debug, Deserialize)]
struct Template {
    #[serde(default)]
    system_template: String,
    #[serde(default)]
    system_message: String,
    /// Null in some templates.
    #[serde(default)]
    system_prefix_token_ids: Option<Vec<i32>>,
    #[serde(default = "yes")]
    add_role_after_system_message: bool,
    roles: BTreeMap<String, String>,
    #[serde(default)]
    role_templates: BTreeMap<String, String>,
    seps: Vec<String>,
    #[serde(default)]
    role_content_sep: String,
    #[serde(default)]
    role_empty_sep: String,
    #[serde(default)]
    stop_str: Vec<String>,
    #[serde(default)]
    stop_token_ids: Vec<i32>,
}

fn yes() -> bool {
    true
}

/// The folder that holds the weights: `params` inside a model's folder, or the folder.
pub(crate) fn weights_folder(folder: &Path) -> PathBuf {
    let inside = folder.join("params");
    let holds = |folder: &Path| WEIGHTS.iter().any(|name| folder.join(name).is_file());
    if holds(folder) || !inside.is_dir() {
        folder.to_owned()
    } else {
        inside
    }
}

impl ChatConfig {
    /// Reads the configuration in a folder of weights.
    pub(crate) fn read(folder: &Path) -> Result<ChatConfig> {
        let path = folder.join(NAME);
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        let malformed = |error: serde_json::Error| Error::Malformed {
            path: path.clone(),
            detail: error.to_string(),
        };
        let file: File = serde_json::from_slice(&bytes).map_err(malformed)?;
        // A name alone is a template that only mlc-llm knows.
        let template = match file.conv_template {
            serde_json::Value::String(_) => None,
            template => Some(serde_json::from_value(template).map_err(malformed)?),
        };
        Ok(ChatConfig { path, template })
    }

    fn malformed(&self, detail: String) -> Error {
        Error::Malformed {
            path: self.path.clone(),
            detail,
        }
    }

    fn template(&self) -> Result<&Template> {
        self.template.as_ref().ok_or_else(|| {
            self.malformed("`conv_template` is a name, not a template: `mlc_llm gen_config` writes the template of models it knows".to_owned())
        })
    }

    /// What ends an answer.
    pub(crate) fn stops(&self) -> Result<Vec<TokenName>> {
        let template = self.template()?;
        if template.stop_str.iter().any(String::is_empty) {
            return Err(self.malformed(
                "`stop_str` has an empty text, which mlc-llm refuses: remove it".to_owned(),
            ));
        }
        let texts = template.stop_str.iter().cloned().map(TokenName::Text);
        let numbers = template.stop_token_ids.iter().copied().map(TokenName::Id);
        Ok(numbers.chain(texts).collect())
    }

    /// The tokens before those of the text.
    pub(crate) fn prefix(&self) -> Result<Vec<i32>> {
        let prefix = &self.template()?.system_prefix_token_ids;
        Ok(prefix.clone().unwrap_or_default())
    }

    /// The whole text of one question. `think` false closes the block in which some
    /// models think before they answer.
    pub(crate) fn prompt(&self, question: &str, think: Option<bool>) -> Result<String> {
        let template = self.template()?;
        let role = |name: &str| {
            let role = template.roles.get(name);
            role.ok_or_else(|| {
                self.malformed(format!("the conversation template has no role `{name}`"))
            })
        };
        let system = template
            .system_template
            .replace("{system_message}", &template.system_message);
        let mut text = system.clone();
        if template.add_role_after_system_message || system.is_empty() {
            text.push_str(role("user")?);
            text.push_str(&template.role_content_sep);
        }
        let asked = template.role_templates.get("user");
        let asked = asked.map_or("{user_message}", String::as_str);
        text.push_str(&asked.replace("{user_message}", question));
        text.push_str(template.seps.first().map_or("", String::as_str));
        let mut answer = format!("{}{}", role("assistant")?, template.role_empty_sep);
        if think == Some(false) && !answer.contains("</think>") {
            let opened = answer.trim_end().ends_with("<think>");
            answer.push_str(if opened {
                "\n</think>\n\n"
            } else {
                "<think>\n\n</think>\n\n"
            });
        }
        Ok(text.replace("{function_string}", "") + &answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(template: &str) -> (tempfile::TempDir, Result<ChatConfig>) {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(r#"{{"model_type":"qwen3","conv_template":{template}}}"#);
        std::fs::write(folder.path().join(NAME), text).expect("written");
        let config = ChatConfig::read(folder.path());
        (folder, config)
    }

    const CHATML: &str = r#"{"name":"chatml","system_template":"<|im_start|>system\n{system_message}<|im_end|>\n",
        "system_message":"Be brief.","roles":{"user":"<|im_start|>user","assistant":"<|im_start|>assistant"},
        "role_templates":{"user":"{user_message}","assistant":"{assistant_message}"},
        "seps":["<|im_end|>\n"],"role_content_sep":"\n","role_empty_sep":"\n",
        "stop_str":["<|im_end|>"],"stop_token_ids":[151643,151645]}"#;

    #[test]
    fn a_question_is_put_as_the_engine_puts_it() {
        let (_folder, config) = written(CHATML);
        let config = config.expect("read");
        let asked = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(config.prompt("Who?", None).expect("a text"), asked);
        assert_eq!(
            config.prompt("Who?", Some(false)).expect("a text"),
            format!("{asked}<think>\n\n</think>\n\n")
        );
        let stops = config.stops().expect("stops");
        assert_eq!(stops[0], TokenName::Id(151_643));
        assert_eq!(stops[2], TokenName::Text("<|im_end|>".to_owned()));
    }

    #[test]
    fn tokens_come_first_where_the_template_has_them_and_no_stop_is_empty() {
        let with = |more: &str| {
            let template = format!(r#"{{"roles":{{}},"seps":[""],{more}}}"#);
            written(&template).1.expect("read")
        };
        let prefix = |more: &str| with(more).prefix().expect("tokens");
        assert_eq!(prefix(r#""system_prefix_token_ids":[1,5]"#), [1, 5]);
        assert!(prefix(r#""system_prefix_token_ids":null"#).is_empty());
        let error = with(r#""stop_str":["a",""]"#).stops().expect_err("empty");
        assert!(error.to_string().contains("an empty text"), "{error}");
    }

    #[test]
    fn a_template_that_opens_the_block_has_it_closed_once() {
        let (_folder, config) =
            written(r#"{"roles":{"user":"U:","assistant":"A:<think>\n"},"seps":["|"]}"#);
        let text = config.expect("read").prompt("Who?", Some(false));
        assert_eq!(text.expect("a text"), "U:Who?|A:<think>\n\n</think>\n\n");
    }

    #[test]
    fn a_first_question_follows_the_system_message_where_the_template_says_so() {
        let (_folder, config) = written(
            r#"{"system_template":"[S {system_message}] ","system_message":"x","add_role_after_system_message":false,
                "roles":{"user":"[U] ","assistant":"[A]"},"seps":[" "]}"#,
        );
        let text = config.expect("read").prompt("Who?", None);
        assert_eq!(text.expect("a text"), "[S x] Who? [A]");
    }

    #[test]
    fn the_name_of_a_template_is_none() {
        let (_folder, config) = written(r#""qwen3""#);
        let error = config
            .expect("read")
            .prompt("Who?", None)
            .expect_err("no template");
        assert!(
            error.to_string().contains("`conv_template` is a name"),
            "{error}"
        );
    }
}
