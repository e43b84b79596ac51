//! What an engine asks of a library before it runs a model, word for word and in order, and
//! what comes of it: names of global functions; those of the model behind a dot; `try`,
//! `catch`, `if FLAG`, `else`, `end`, and what becomes of a flag.

use std::collections::BTreeMap;

/// What is before the name of a function of the model.
pub const FUNCTION: &str = ".";
/// Words of [`super::glue::Glue::chat`] that are no name.
pub(super) const TRY: &str = "try";
pub(super) const CATCH: &str = "catch";
pub(super) const IF: &str = "if ";
pub(super) const ELSE: &str = "else";
pub(super) const END: &str = "end";
pub(super) const IS_TRUE: &str = " = true";
pub(super) const IS_FALSE: &str = " = false";
pub(super) const IS_UNKNOWN: &str = " = ?";

/// What comes of the questions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The first name without which the engine ends.
    pub missing: Option<&'a str>,
    /// Those of which it is not known whether they are there.
    pub unknown: Vec<&'a str>,
}

/// The names alone.
pub fn names(words: &[String]) -> impl Iterator<Item = &str> {
    let words = words.iter().map(String::as_str);
    words.filter(|word| {
        let is_end = [TRY, CATCH, ELSE, END].contains(word);
        !is_end && !word.starts_with(IF) && !word.contains(" = ")
    })
}

/// Asks in the engine's order; `has` tells whether a name is there.
pub fn ask<'a>(words: &'a [String], has: &dyn Fn(&str) -> Option<bool>) -> Answer<'a> {
    let mut asking = Asking {
        words: words.iter(),
        has,
        flags: BTreeMap::new(),
        unknown: Vec::new(),
        is_doubtful: false,
    };
    let (mut missing, _) = asking.block(true);
    if asking.is_doubtful {
        asking.unknown.extend(missing.take());
    }
    Answer {
        missing,
        unknown: asking.unknown,
    }
}

struct Asking<'a, 'h> {
    words: std::slice::Iter<'a, String>,
    has: &'h dyn Fn(&str) -> Option<bool>,
    flags: BTreeMap<&'a str, bool>,
    unknown: Vec<&'a str>,
    /// Whether what came after depends on a name of which nothing is known.
    is_doubtful: bool,
}

impl<'a> Asking<'a, '_> {
    /// Up to the end of a block: what it fails for, and the word that ends it.
    fn block(&mut self, is_reached: bool) -> (Option<&'a str>, &'a str) {
        let mut missing = None;
        while let Some(word) = self.words.next() {
            let word = word.as_str();
            let is_on = is_reached && missing.is_none();
            if [CATCH, ELSE, END].contains(&word) {
                return (missing, word);
            }
            missing = missing.or(self.word(word, is_on));
        }
        (missing, END)
    }

    fn word(&mut self, word: &'a str, is_on: bool) -> Option<&'a str> {
        if word == TRY {
            let known = self.unknown.len();
            let (failed, end) = self.block(is_on);
            self.is_doubtful |= end == CATCH && self.unknown.len() > known;
            return match end {
                CATCH => self.block(is_on && failed.is_some()).0,
                _ => failed,
            };
        }
        if let Some(flag) = word.strip_prefix(IF) {
            let is_set = self.flags.get(flag).copied();
            let (failed, end) = self.block(is_on && is_set == Some(true));
            let other = match end {
                ELSE => self.block(is_on && is_set == Some(false)).0,
                _ => None,
            };
            return failed.or(other);
        }
        let sets = [
            (IS_TRUE, Some(true)),
            (IS_FALSE, Some(false)),
            (IS_UNKNOWN, None),
        ];
        let set = sets
            .iter()
            .find_map(|(end, value)| Some((word.strip_suffix(end)?, *value)));
        match set {
            _ if !is_on => None,
            Some((flag, Some(value))) => {
                self.flags.insert(flag, value);
                None
            }
            Some((flag, None)) => {
                self.flags.remove(flag);
                None
            }
            None => self.name(word),
        }
    }

    fn name(&mut self, name: &'a str) -> Option<&'a str> {
        match (self.has)(name) {
            Some(true) => None,
            Some(false) => Some(name),
            None => {
                self.unknown.push(name);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The questions of web-llm 0.2.19, in the words of the table.
    const WORDS: [&str; 20] = [
        ".prefill",
        "slim = false",
        "try",
        ".get_metadata",
        "catch",
        "._metadata",
        "slim = true",
        "end",
        "try",
        "if slim",
        "._initialize_effect",
        "else",
        ".create_kv_cache",
        "end",
        "catch",
        "paged = true",
        ".create_tir_paged_kv_cache",
        "end",
        "if paged",
        "clear",
    ];

    fn missing(there: &[&str]) -> Option<String> {
        let words: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
        let words = [&words[..], &["end".to_owned()]].concat();
        let answer = ask(&words, &|name| Some(there.contains(&name)));
        answer.missing.map(str::to_owned)
    }

    #[test]
    fn what_depends_on_an_unknown_name_is_unknown() {
        let words = ["try", "perhaps", "catch", ".other", "end", ".nothing"].map(str::to_owned);
        let has = |name: &str| (name != "perhaps").then_some(false);
        let answer = ask(&words, &has);
        assert_eq!(
            (answer.missing, &answer.unknown[..]),
            (None, &["perhaps", ".nothing"][..])
        );
        let plain = ["perhaps", ".nothing"].map(str::to_owned);
        assert_eq!(ask(&plain, &has).missing, Some(".nothing"));
    }

    #[test]
    fn what_is_asked_for_depends_on_what_was_there() {
        let fits = [
            &[".prefill", ".get_metadata", ".create_kv_cache"][..],
            &[".prefill", "._metadata", "._initialize_effect"],
            &[
                ".prefill",
                "._metadata",
                ".create_tir_paged_kv_cache",
                "clear",
            ],
        ];
        for there in fits {
            assert_eq!(missing(there), None, "{there:?}");
        }
        let fails = [
            (&[][..], ".prefill"),
            (&[".prefill"], "._metadata"),
            (
                &[".prefill", ".get_metadata", "._initialize_effect"],
                ".create_tir_paged_kv_cache",
            ),
            (
                &[".prefill", "._metadata", ".create_tir_paged_kv_cache"],
                "clear",
            ),
        ];
        for (there, name) in fails {
            assert_eq!(missing(there).as_deref(), Some(name), "{there:?}");
        }
    }
}
