//! The words of runtimes and of loaders, per release and per system, from
//! `data/messages.toml`. Where no message is known nothing is said.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{RuntimeProfile, release};
use crate::container::Format;
use crate::words::spell;

const TABLE: &str = include_str!(concat!(env!("OUT_DIR"), "/messages.json"));

#[derive(Default, Deserialize)]
struct Table {
    message: Vec<Message>,
}

/// One message, and who prints it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// What it is about.
    pub key: String,
    /// First release that prints it.
    pub from: Option<String>,
    /// Last release that does.
    pub to: Option<String>,
    /// The format whose loader prints it, in place of releases.
    pub system: Option<String>,
    /// Where its text is: `library`, `cuda` (the CUDA part of a runtime), `python`,
    /// `system`, `driver`, `engine`, `browser`.
    #[serde(rename = "in")]
    pub place: String,
    /// Tag and file of the sources that print it.
    pub source: Option<String>,
    /// The text, with `<name>` for what is filled in.
    pub text: String,
}

static MESSAGES: LazyLock<Table> =
    // The build script wrote it; a test reads every row.
    LazyLock::new(|| serde_json::from_str(TABLE).unwrap_or_default());

/// Every message.
pub fn all() -> &'static [Message] {
    &MESSAGES.message
}

impl Message {
    /// Whether a release, by number, prints it.
    pub fn is_of(&self, number: &str) -> bool {
        let is_of_tvm = matches!(self.place.as_str(), "library" | "cuda" | "python");
        let place = |number: &str| {
            let known = release::releases().iter();
            let mut numbers = known.map(|known| known.release.as_deref());
            numbers.position(|known| known == Some(number))
        };
        let after = self
            .from
            .as_deref()
            .is_none_or(|from| place(from) <= place(number));
        let before = self
            .to
            .as_deref()
            .is_none_or(|to| place(number) <= place(to));
        is_of_tvm && place(number).is_some() && after && before
    }

    /// What of the text is always there.
    pub fn literals(&self) -> Vec<&str> {
        let parts = self.text.split('<');
        let literals = parts.enumerate().map(|(index, part)| match index {
            0 => part,
            _ => part.split_once('>').map_or(part, |(_, rest)| rest),
        });
        literals.filter(|literal| !literal.is_empty()).collect()
    }

    /// Whether a text can be this message, filled in.
    pub fn is_text(&self, text: &str) -> bool {
        let mut rest = text;
        self.literals().iter().all(|literal| {
            let found = rest.split_once(literal);
            rest = found.map_or(rest, |(_, after)| after);
            found.is_some()
        })
    }

    fn filled(&self, values: &[(&str, &str)]) -> String {
        let mut text = self.text.clone();
        for (name, value) in values {
            text = text.replace(&format!("<{name}>"), value);
        }
        text
    }
}

/// What a runtime prints; nothing where it is not known which release it is like, and
/// those that it can be like print different words.
pub(crate) fn of_runtime(
    key: &str,
    runtime: &RuntimeProfile,
    values: &[(&str, &str)],
) -> Option<String> {
    let known: Vec<&str> = match (runtime.release.as_deref(), around(&runtime.name)) {
        (Some(number), _) => vec![number],
        (None, Some(neighbours)) => neighbours,
        (None, None) => {
            let releases = release::releases().iter();
            let alike = releases.filter(|known| runtime.same_generation(known));
            alike.filter_map(|known| known.release.as_deref()).collect()
        }
    };
    let said = |number: &&str| {
        let mut messages = all().iter().filter(|message| message.key == key);
        messages.find(|message| message.is_of(number))
    };
    let words: BTreeSet<Option<String>> = known
        .iter()
        .map(|number| said(number).map(|message| message.filled(values)))
        .collect();
    let mut words = words.into_iter();
    words.next().flatten().filter(|_| words.next().is_none())
}

/// The releases before and after a snapshot of the table. The sources of the oldest
/// snapshots print what the first release does.
fn around(name: &str) -> Option<Vec<&'static str>> {
    let known = release::profiles();
    let place = known.iter().position(|known| known.name == name)?;
    let (before, after) = known.split_at_checked(place)?;
    let number = |known: &'static RuntimeProfile| known.release.as_deref();
    let last = before.iter().rev().find_map(number);
    let next = after.iter().find_map(number);
    Some(last.into_iter().chain(next).collect())
}

/// What the loader of a format prints.
pub(crate) fn of_system(key: &str, format: Format, values: &[(&str, &str)]) -> Option<String> {
    let system = spell(format);
    let mut messages = all().iter().filter(|message| message.key == key);
    let found = messages.find(|message| message.system.as_deref() == Some(system.as_str()))?;
    Some(found.filled(values))
}

/// What a driver, an engine or a browser prints, which have no release of TVM.
pub(crate) fn of_others(key: &str, values: &[(&str, &str)]) -> Option<String> {
    let others =
        |message: &&Message| matches!(message.place.as_str(), "driver" | "engine" | "browser");
    let mut messages = all().iter().filter(others);
    let found = messages.find(|message| message.key == key)?;
    Some(found.filled(values))
}

/// What every release prints, where a runtime has not been named.
pub(crate) fn of_every_release(key: &str, values: &[(&str, &str)]) -> Option<String> {
    let said = release::releases().iter().map(|known| {
        let number = known.release.as_deref().unwrap_or_default();
        let mut messages = all().iter().filter(|message| message.key == key);
        let found = messages.find(|message| message.is_of(number))?;
        Some(found.filled(values))
    });
    let said: BTreeSet<Option<String>> = said.collect();
    let mut said = said.into_iter();
    said.next().flatten().filter(|_| said.next().is_none())
}

/// Whether somebody prints such a text.
pub fn is_known(text: &str) -> bool {
    all().iter().any(|message| message.is_text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: &str) -> RuntimeProfile {
        release::by_name(number).cloned().expect("in the table")
    }

    #[test]
    fn the_table_parses_whole_and_every_message_has_a_source() {
        let table: Table = serde_json::from_str(TABLE).expect("the table parses");
        assert_eq!(table.message.len(), all().len());
        for message in all() {
            let is_sourced = message.source.is_some()
                || message.place == "system"
                || message.place == "browser"
                || message.from.as_deref() >= Some("0.25");
            assert!(is_sourced, "{}: {}", message.key, message.text);
        }
    }

    #[test]
    fn a_release_has_one_message_of_a_key() {
        for known in release::releases() {
            let number = known.release.as_deref().unwrap_or_default();
            for message in all().iter().filter(|message| message.is_of(number)) {
                let mut same = all().iter().filter(|other| other.key == message.key);
                assert_eq!(
                    same.by_ref().filter(|other| other.is_of(number)).count(),
                    1,
                    "{number} {}",
                    message.key
                );
            }
        }
    }

    #[test]
    fn words_change_where_the_releases_changed_them() {
        let constructor = |number| of_runtime("constructor-arity", &at(number), &[("count", "24")]);
        assert_eq!(
            constructor("0.19").as_deref(),
            Some("Invalid number of KV cache constructor args.")
        );
        assert_eq!(
            constructor("0.20").as_deref(),
            Some("Invalid number of KV cache constructor args: 24")
        );
        let config = |number| {
            of_runtime(
                "cache-config",
                &at(number),
                &[("length", "4"), ("accepted", "5")],
            )
        };
        assert_eq!(
            config("0.26").as_deref(),
            Some("Check failed: cache_config.size() == 5 (4 vs. 5)")
        );
        assert!(config("0.27").is_some_and(|said| said.starts_with("KV cache config must")));
        assert_eq!(of_runtime("constant-pool", &at("0.19"), &[]), None);
        let unknown = RuntimeProfile::default();
        assert!(of_runtime("vm-header", &unknown, &[]).is_some());
        assert_eq!(
            of_runtime("missing-function", &unknown, &[("name", "x")]),
            None
        );
    }

    #[test]
    fn a_snapshot_prints_what_the_releases_around_it_print() {
        let constructor = |name| {
            let values = [("name", "f"), ("accepted", "18"), ("count", "17")];
            of_runtime("constructor-arity", &at(name), &values)
        };
        assert_eq!(
            constructor("snapshot-2024-03-16").as_deref(),
            Some("Function f(...) expects 18 arguments, but 17 were provided.")
        );
        // Typed in 0.16 and not in 0.17: which it was in between is not in the table.
        assert_eq!(constructor("snapshot-2024-06-01"), None);
        assert_eq!(
            constructor("snapshot-2024-09-03").as_deref(),
            Some("Invalid number of KV cache constructor args.")
        );
    }

    #[test]
    fn a_text_is_known_by_what_is_always_in_it() {
        assert!(is_known("undefined symbol: TVMFuncCall"));
        assert!(is_known(
            "key `max_batch_size` not found in the JSON object"
        ));
        assert!(!is_known("kernels are silently misread"));
        assert_eq!(of_others("undefined-symbol", &[]), None);
    }

    #[test]
    fn each_loader_has_its_own_words() {
        let said = |format| of_system("undefined-symbol", format, &[("symbol", "TVMFuncCall")]);
        assert_eq!(
            said(Format::Elf).as_deref(),
            Some("undefined symbol: TVMFuncCall")
        );
        assert_eq!(
            said(Format::MachO).as_deref(),
            Some("Symbol not found: _TVMFuncCall")
        );
        assert!(said(Format::Pe).is_some_and(|said| said.contains("WinError 127")));
        assert_eq!(said(Format::Wasm), None);
    }
}
