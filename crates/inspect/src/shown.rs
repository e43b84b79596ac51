//! Text of strangers, made fit to be shown. Names in a file are whatever their
//! maker wrote: line ends forge lines of a report, escape sequences drive a
//! terminal, direction marks turn text around, and a build service obeys
//! commands that it finds in the output of a step.
//!
//! GitHub's runner takes `::` at the start of a line, behind white space, and
//! `##[` anywhere (actions/runner, `ActionCommand.cs`); Azure Pipelines `##vso[`
//! anywhere, TeamCity `##teamcity[`.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that end lines, move the cursor, turn the direction of text, or
/// are no characters at all, which XML refuses.
pub(crate) fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(character) & 0xfffe == 0xfffe
}

/// The text with everything that acts written out as `\u{1b}`. What is fit to
/// be shown stays as it is, and so does what this function returned.
pub fn shown(text: &str) -> Cow<'_, str> {
    replaced(text, |character, out| {
        let _ = write!(out, "{}", character.escape_unicode());
    })
}

/// The same of each line of a text that is meant to have several.
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return shown(text);
    }
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(shown).collect();
    Cow::Owned(lines.join("\n"))
}

/// A JSON document, its lines kept, with everything that acts as JSON's own
/// escapes: it says the same. Such characters are in strings alone.
pub fn shown_json(document: &str) -> Cow<'_, str> {
    replaced(document, |character, out| {
        if character == '\n' {
            out.push(character);
            return;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// The article of a name: `an` before `opencl`, `a` before `cuda`.
pub fn article(name: &str) -> &'static str {
    match name.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) {
        true => "an",
        false => "a",
    }
}

fn replaced(text: &str, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    for (at, character) in text.char_indices() {
        if !is_unfit(text, at, character) {
            continue;
        }
        out.push_str(text.get(kept..at).unwrap_or_default());
        write(character, &mut out);
        kept = at.saturating_add(character.len_utf8());
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

fn is_unfit(text: &str, at: usize, character: char) -> bool {
    let (before, from) = text.split_at_checked(at).unwrap_or_default();
    match character {
        ' '..='"' | '$'..='9' | ';'..='~' => false,
        ':' => from.starts_with("::") && before.trim_start().is_empty(),
        '#' => from.strip_prefix("##").is_some_and(|rest| {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            rest.starts_with('[')
        }),
        other => acts(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not shown as it is.
    const ACTING: [&str; 14] = [
        "\0",
        "\n",
        "\r",
        "\t",
        "\u{1b}",
        "\u{7f}",
        "\u{85}",
        "\u{9b}",
        "\u{61c}",
        "\u{202e}",
        "\u{2028}",
        "\u{2066}",
        "\u{fffe}",
        "\u{1ffff}",
    ];

    #[test]
    fn what_acts_is_written_out() {
        for acting in ACTING {
            let text = format!("a{acting}b");
            let out = shown(&text);
            let code = u32::from(acting.chars().next().unwrap());
            assert_eq!(out, format!("a\\u{{{code:x}}}b"));
            assert_eq!(shown(&out), out, "twice is once");
        }
        assert_eq!(shown("\u{1b}[31m"), "\\u{1b}[31m");
        assert_eq!(shown("a\nb\n"), "a\\u{a}b\\u{a}");
        assert_eq!(shown("\n"), "\\u{a}");
    }

    #[test]
    fn what_is_fit_is_kept() {
        for text in [
            "",
            "vm.builtin.paged_attention_kv_cache_create",
            "größe/模型 (2)!lib0.o",
            "tvm::runtime::Module",
            "a :: b",
            ": one",
            "## heading [x]",
            "#[attribute]",
            "\\u{a} and \\n",
            "e\u{301} \u{fffd} 👩\u{200d}💻",
        ] {
            assert!(matches!(shown(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn commands_of_build_services_are_broken() {
        for (text, wanted) in [
            ("::error title=x::y", "\\u{3a}:error title=x::y"),
            ("  ::add-mask::a", "  \\u{3a}:add-mask::a"),
            ("\n::error::x", "\\u{a}\\u{3a}:error::x"),
            (":::error::x", "\\u{3a}::error::x"),
            ("a ##[error]b", "a \\u{23}#[error]b"),
            ("###[x]", "#\\u{23}#[x]"),
            (
                "x##vso[task.setvariable]y",
                "x\\u{23}#vso[task.setvariable]y",
            ),
            ("##teamcity[x]", "\\u{23}#teamcity[x]"),
        ] {
            let out = shown(text);
            assert_eq!(out, wanted);
            assert_eq!(shown(&out), out, "twice is once");
        }
        assert_eq!(shown_lines("a\n::error::b\n"), "a\n\\u{3a}:error::b\n");
    }

    #[test]
    fn json_says_the_same_in_other_signs() {
        let value: Vec<String> = ACTING.iter().map(ToString::to_string).collect();
        let value = serde_json::json!({ "a": value, "##vso[x]": "::error::" });
        let document = serde_json::to_string_pretty(&value).unwrap();
        let out = shown_json(&document);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&out).unwrap(),
            value
        );
        assert!(out.lines().all(|line| shown(line) == line), "{out}");
    }
}
