//! Texts in the form that the index is compared in, whoever printed them.

use std::borrow::Cow;

use super::grams::Grams;

/// Characters of a line that are looked at.
const LONGEST: usize = 2_000;

/// Words that say "not", and what they become.
const NOT: [(&str, &str); 3] = [("cannot", "can not"), ("can't", "can not"), ("n't", " not")];
/// Words that change nothing: some versions of a message have them, some do not.
const ARTICLES: [(&str, &str); 3] = [(" a ", " "), (" an ", " "), (" the ", " ")];
/// What every message of a build without traces ends with.
const NOISE: &str = "stack trace not available";

/// Small letters, plain quotes, single blanks, one way to say "not", no articles, no
/// colours.
pub fn folded(text: &str) -> String {
    let text = plain(text);
    let text = if text.contains(NOISE) {
        text.replace(NOISE, "")
    } else {
        text
    };
    NOT.iter().chain(&ARTICLES).fold(text, |text, (from, to)| {
        if text.contains(from) {
            text.replace(from, to)
        } else {
            text
        }
    })
}

/// The text without what colours it and moves the cursor: logs of builds are full of it.
pub fn without_controls(text: &str) -> Cow<'_, str> {
    const STRINGS: [char; 5] = [']', 'P', 'X', '^', '_'];
    if !text.contains('\u{1b}') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            out.push(character);
            continue;
        }
        match characters.next() {
            // A control sequence ends with a letter or one of a few signs.
            Some('[') => {
                characters.find(|c| ('@'..='~').contains(c) || *c == '\n');
            }
            // A title or a link ends with a bell, or with another escape and a backslash.
            Some(begin) if STRINGS.contains(&begin) => {
                let end = characters.find(|c| matches!(c, '\u{7}' | '\u{1b}' | '\n'));
                if end == Some('\u{1b}') {
                    characters.next();
                }
            }
            _ => {}
        }
    }
    Cow::Owned(out)
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars().take(LONGEST);
    while let Some(character) = characters.next() {
        match character {
            // A control sequence ends with a letter.
            '\u{1b}' => {
                characters.find(char::is_ascii_alphabetic);
            }
            '\u{2018}' | '\u{2019}' | '`' => out.push('\''),
            '\u{201c}' | '\u{201d}' => out.push('"'),
            blank if blank.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            other => out.extend(other.to_lowercase()),
        }
    }
    out
}

/// The same with the words that names are made of apart: `ImportNotFound` and
/// `import_not_found` are "import not found".
pub fn within(text: &str) -> String {
    let mut apart = String::new();
    let mut characters = text.chars().take(LONGEST).peekable();
    let mut before = ' ';
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        let begins = character.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_uppercase() && next.is_ascii_lowercase());
        if begins {
            apart.push(' ');
        }
        apart.push(if character == '_' { ' ' } else { character });
        before = character;
    }
    folded(&apart)
}

/// The same with `#` for each number: `x.cc:12:3: error` is "x.cc:#:#: error".
fn numbered(folded: &str) -> String {
    let mut out = String::with_capacity(folded.len());
    for character in folded.chars() {
        if !character.is_ascii_digit() {
            out.push(character);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

/// The line with what its names are behind them (`libx.so <library>`), without the places
/// of its frames, whose words are names of files: `(node:internal/modules/cjs/loader:1302:18)`,
/// and without mangled names, whose words are those of some program.
fn with_names_told(line: &str) -> Cow<'_, str> {
    if !line
        .split(' ')
        .any(|word| is_place(word) || name(word).is_some())
    {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    for word in line.split(' ').filter(|word| !is_place(word)) {
        let name = name(word);
        if !matches!(name, Some(MANGLED | MANGLED_TVM)) {
            out.push_str(word);
            out.push(' ');
        }
        if let Some(name) = name {
            out.push_str(name);
            out.push(' ');
        }
    }
    Cow::Owned(out)
}

/// What lines of the index call names: of C++, of TVM's C++, of TVM's C, of libraries.
const MANGLED: &str = "<c++>";
const MANGLED_TVM: &str = "<tvm-c++>";
const C_OF_TVM: &str = "<tvm-c>";
const LIBRARY: &str = "<library>";

/// How the names of TVM's C functions go on.
const FAMILIES: [&str; 17] = [
    "FFI",
    "Func",
    "API",
    "Backend",
    "Mod",
    "Get",
    "Set",
    "Cb",
    "Array",
    "Object",
    "Stream",
    "Device",
    "Wasm",
    "CFunc",
    "String",
    "Add",
    "ByteArray",
];

/// What a word names, quoted or not.
fn name(word: &str) -> Option<&'static str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '?';
    let word = word.trim_matches(|c| !is_part(c));
    if is_mangled(word) || word.starts_with('?') && word.contains("@@") {
        let of_tvm = ["N3tvm", "N3mlc", "N4dmlc", "@tvm@", "@mlc@"];
        let is_tvm = of_tvm.iter().any(|part| word.contains(part));
        return Some(if is_tvm { MANGLED_TVM } else { MANGLED });
    }
    let bare = word.trim_start_matches('_');
    let bare = bare.strip_prefix("imp_").unwrap_or(bare);
    let is_family = |name: &str| FAMILIES.iter().any(|family| name.starts_with(family));
    if bare.strip_prefix("TVM").is_some_and(is_family) {
        return Some(C_OF_TVM);
    }
    let ends = [".so", ".dylib", ".dll", ".node", ".a", ".lib", ".framework"];
    let is_library = |part: &str| ends.iter().any(|end| part.ends_with(end));
    let versioned = word.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit());
    (is_library(word) || versioned.ends_with(".so")).then_some(LIBRARY)
}

/// A path, a line and a column.
fn is_place(word: &str) -> bool {
    let mut parts = word.trim_matches(['(', ')']).rsplit(':');
    let mut is_number = || {
        let part = parts.next().unwrap_or_default();
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_number() && is_number() && word.contains(['/', '\\'])
}

/// A symbol of C++: `_ZN7android16CameraParametersE`.
fn is_mangled(word: &str) -> bool {
    let symbol = word.trim_start_matches('_');
    symbol.starts_with('Z') && word.contains("_Z")
}

/// Some lines of a text as the index compares them.
pub struct Window {
    /// The lines, folded.
    pub text: String,
    /// The same with the words inside names apart.
    pub within: String,
    /// The lines with their numbers alike.
    pub numbered: String,
    /// Bytes of the first line; a match begins there.
    pub first: usize,
    /// What may be in one of these forms.
    pub grams: Grams,
}

/// A line of a text in both forms.
pub struct Folded {
    text: String,
    within: String,
}

impl Folded {
    /// The line as the index compares it.
    pub fn of(line: &str) -> Self {
        Self {
            text: folded(line),
            within: within(&with_names_told(line)),
        }
    }
}

impl Window {
    /// Lines that one message may take; the first is where it begins.
    pub fn of(lines: &[Folded]) -> Self {
        let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let within: Vec<&str> = lines.iter().map(|line| line.within.as_str()).collect();
        let first = text.first().map_or(0, |line| line.len());
        let (text, within) = (text.join(" "), within.join(" "));
        let numbered = numbered(&text);
        Self {
            first,
            grams: Grams::of(&[&text, &within, &numbered]),
            text,
            within,
            numbered,
        }
    }

    /// Whether all of the text is this word, or `<library>` and any library's name.
    pub fn is_word(&self, word: &str) -> bool {
        let text = self.text.trim();
        let is_named = || name(text).is_some_and(|name| name == word);
        !text.contains(' ') && (text == word || is_named())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_quotes_and_names_are_folded() {
        assert_eq!(folded("\u{1b}[31mError\u{1b}[0m:  `X`"), "error: 'x'");
        assert_eq!(
            without_controls(
                "\u{1b}[1;31mone\u{1b}[0m \u{1b}]8;;u\u{1b}\\two\u{1b}]0;t\u{7}\nthree\u{1b}[K"
            ),
            "one two\nthree"
        );
        assert_eq!(
            within("ImportNotFound CL_BUILD_FAILURE LLVMError"),
            "import not found cl build failure llvm error"
        );
        for (word, is) in [
            ("`__imp_TVMFuncFree'", Some(C_OF_TVM)),
            ("(TVMError)", None),
            ("\"__ZN3tvm4NodeE\",", Some(MANGLED_TVM)),
            ("?f@tvm@@QEAAXXZ", Some(MANGLED_TVM)),
            ("_ZTIN4llvm3AnyE", Some(MANGLED)),
            ("'libtvm.so.0:", Some(LIBRARY)),
            ("socket", None),
        ] {
            assert_eq!(name(word), is, "{word}");
        }
    }
}
