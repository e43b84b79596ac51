//! `mlc-chat-config.json`: how a model is asked, and what ends its answer.
//!
//! As mlc-llm's `gen_config` writes it; its engine puts a conversation together in this
//! order (`Conversation.as_prompt`): system message, then for each of the template's own
//! messages and for the question the role, the text and a separator, then the role that is
//! to answer. Before the tokens of that text, which come without those that
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
    #[serde(default = "system_alone")]
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
    #[serde(default)]
    messages: Vec<(String, Option<Content>)>,
    seps: Separators,
    #[serde(default)]
    role_content_sep: String,
    #[serde(default)]
    role_empty_sep: String,
    #[serde(default)]
    stop_str: Vec<String>,
    #[serde(default)]
    stop_token_ids: Vec<i32>,
    #[serde(default)]
    function_string: String,
    #[serde(default)]
    strip_reasoning_in_history: bool,
}

/// What a message says: a text, or parts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

/// What follows a message: one text for all, or one for those of the assistant.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
struct Separators {
    others: String,
    assistant: String,
}

impl TryFrom<Vec<String>> for Separators {
    type Error = String;

    fn try_from(all: Vec<String>) -> Result<Separators, String> {
        let (others, assistant) = match all.as_slice() {
            [one] => (one, one),
            [others, assistant] => (others, assistant),
            several => {
                let count = several.len();
                return Err(format!(
                    "`seps` has {count} texts: mlc-llm takes one or two"
                ));
            }
        };
        Ok(Separators {
            others: others.clone(),
            assistant: assistant.clone(),
        })
    }
}

/// The role that answers.
const ASSISTANT: &str = "assistant";

/// The place of a template's function calls.
const FUNCTIONS: &str = "{function_string}";

fn yes() -> bool {
    true
}

fn system_alone() -> String {
    "{system_message}".to_owned()
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
        let written = template.written(question);
        let mut text = written.map_err(|detail| self.malformed(detail))?;
        let answer = template.answer().map_err(|detail| self.malformed(detail))?;
        if think == Some(false) && !answer.contains("</think>") {
            let opened = answer.trim_end().ends_with("<think>");
            text.push_str(if opened {
                "\n</think>\n\n"
            } else {
                "<think>\n\n</think>\n\n"
            });
        }
        Ok(text)
    }
}

impl Template {
    fn role(&self, name: &str) -> Result<&str, String> {
        let role = self.roles.get(name);
        role.map(String::as_str)
            .ok_or_else(|| format!("the conversation template has no role `{name}`"))
    }

    /// What is there of an answer before it begins.
    fn answer(&self) -> Result<String, String> {
        Ok([self.role(ASSISTANT)?, &self.role_empty_sep].concat())
    }

    /// A text as the role's own template has it. Those of three roles go without saying.
    fn said(&self, role: &str, text: &str) -> Result<String, String> {
        let place = format!("{{{role}_message}}");
        match (self.role_templates.get(role), role) {
            (Some(template), "user" | ASSISTANT | "tool" | "system") => {
                Ok(template.replace(&place, text))
            }
            (None, "user" | ASSISTANT | "tool") => Ok(text.to_owned()),
            (None, "system") => Err("`role_templates` has none for `system`".to_owned()),
            (_, other) => Err(format!("mlc-llm has no messages of the role `{other}`")),
        }
    }

    /// The whole conversation, up to where the answer begins.
    fn written(&self, question: &str) -> Result<String, String> {
        let system = self
            .system_template
            .replace("{system_message}", &self.system_message);
        let has_system = !system.is_empty();
        let mut text = system;
        let question = ("user".to_owned(), Some(Content::Text(question.to_owned())));
        for (number, (role, content)) in self.messages.iter().chain([&question]).enumerate() {
            let name = self.role(role)?;
            let Some(content) = content else {
                text.push_str(name);
                text.push_str(&self.role_empty_sep);
                continue;
            };
            if self.add_role_after_system_message || !has_system || number > 0 {
                text.push_str(name);
                text.push_str(&self.role_content_sep);
            }
            let thought = self.strip_reasoning_in_history && role == ASSISTANT;
            text.push_str(&self.content(role, content, thought)?);
            text.push_str(match role.as_str() {
                ASSISTANT => &self.seps.assistant,
                _ => &self.seps.others,
            });
        }
        text.push_str(&self.answer()?);
        // Only the last place of functions gets them.
        if let Some((before, after)) = text.rsplit_once(FUNCTIONS) {
            text = [before, &self.function_string, after].concat();
        }
        Ok(text.replace(FUNCTIONS, ""))
    }

    /// What one message says; `thought`: what came before it is left out. All messages are
    /// before the question.
    fn content(&self, role: &str, content: &Content, thought: bool) -> Result<String, String> {
        match content {
            Content::Text(text) => {
                let answer = text.rsplit_once("</think>").filter(|_| thought);
                let answer = answer.map(|(_, answer)| answer.trim_start_matches('\n'));
                self.said(role, answer.unwrap_or(text))
            }
            Content::Parts(parts) => {
                let said = parts.iter().map(|part| match part.kind.as_str() {
                    "text" => self.said(role, &part.text),
                    kind => Err(format!(
                        "a message of the conversation template has a part of type `{kind}`, and only `text` is read here"
                    )),
                });
                said.collect()
            }
        }
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
    fn the_templates_own_messages_come_before_the_question() {
        let asked = |more: &str| {
            let template =
                format!(r#"{{"roles":{{"user":"U:","assistant":"A:"}},"seps":["|","!"],{more}}}"#);
            written(&template).1.and_then(|c| c.prompt("Who?", None))
        };
        let text = |more: &str| asked(more).expect("a text");
        // The system message has a template that goes without saying.
        assert_eq!(text(r#""system_message":"S ""#), "S U:Who?|A:");
        let messages = r#""messages":[["user","hi"],["assistant","<think>x</think>\n\nho"],["assistant",null],
            ["user",[{"type":"text","text":"a"},{"type":"text","text":"b"}]]]"#;
        let said = |answer: &str| format!("U:hi|A:{answer}!A:U:ab|U:Who?|A:");
        assert_eq!(text(messages), said("<think>x</think>\n\nho"));
        assert_eq!(
            text(&format!(r#"{messages},"strip_reasoning_in_history":true"#)),
            said("ho")
        );
        // The first message is the one behind the system message.
        assert_eq!(
            text(
                r#""system_message":"S ","add_role_after_system_message":false,"messages":[["user","hi"]]"#
            ),
            "S hi|U:Who?|A:"
        );
        for (more, words) in [
            (r#""messages":[["judge","hi"]]"#, "no role `judge`"),
            (
                r#""messages":[["user",[{"type":"image_url"}]]]"#,
                "a part of type `image_url`",
            ),
        ] {
            let error = asked(more).expect_err("refused").to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn functions_are_named_where_the_template_has_them_last() {
        let (_folder, config) = written(
            r#"{"system_template":"[{function_string}]","function_string":"F","roles":{"user":"","assistant":"A{function_string}:"},"seps":["|"]}"#,
        );
        let text = config.expect("read").prompt("{function_string}?", None);
        assert_eq!(text.expect("a text"), "[]?|AF:");
    }

    #[test]
    fn a_template_has_one_separator_or_two() {
        for (seps, count) in [("[]", 0), (r#"["a","b","c"]"#, 3)] {
            let template = format!(r#"{{"roles":{{"user":"","assistant":""}},"seps":{seps}}}"#);
            let error = written(&template).1.expect_err("refused").to_string();
            let words = format!("`seps` has {count} texts: mlc-llm takes one or two");
            assert!(error.contains(&words), "{error}");
        }
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
