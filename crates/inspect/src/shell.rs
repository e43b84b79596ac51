//! Commands for people to paste: words quoted so that a shell takes each as it is,
//! whatever a file is called.

use std::fmt::Write as _;
use std::path::Path;

use crate::shown::shown;
use crate::spelling::unspell;

/// One word of a command line.
pub fn quote(word: &str) -> String {
    if shown(word) == word {
        plain(word)
    } else {
        escaped(word.as_bytes())
    }
}

/// A path as one word that is never taken for an option.
pub fn path(path: &Path) -> String {
    bytes(path.as_os_str().as_encoded_bytes())
}

/// The same of a path as reports spell it, see [`crate::source::spell`].
pub fn file(spelled: &str) -> String {
    bytes(&unspell(spelled))
}

fn bytes(name: &[u8]) -> String {
    let mut bytes = name.to_vec();
    if bytes.starts_with(b"-") {
        bytes.splice(0..0, *b"./");
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => quote(text),
        Err(_) => escaped(&bytes),
    }
}

fn plain(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+=:,@%".contains(c);
    if !word.is_empty()
        && word
            .chars()
            .all(|c| plain(c) || (cfg!(windows) && c == '\\'))
    {
        return word.to_owned();
    }
    if cfg!(windows) {
        return format!("\"{word}\"");
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What is no text, or what a terminal acts on.
fn escaped(bytes: &[u8]) -> String {
    let mut word = String::from("$'");
    for byte in bytes {
        let _ = match byte {
            b'\'' | b'\\' => write!(word, "\\{}", char::from(*byte)),
            b' '..=b'~' => write!(word, "{}", char::from(*byte)),
            _ => write!(word, "\\x{byte:02x}"),
        };
    }
    word.push('\'');
    word
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What a shell takes a word for.
    fn read_by_bash(word: &str) -> Vec<u8> {
        let script = format!("printf %s {word}");
        let output = std::process::Command::new("bash")
            .args(["-c", &script])
            .output();
        output.expect("bash starts").stdout
    }

    #[test]
    fn a_shell_reads_every_name_as_it_is() {
        let names = [
            "x.so",
            "x.so;touch PWNED",
            "it's $HOME `id`.so",
            "a b\"c",
            "~",
            "#",
            "é.so",
        ];
        for name in names {
            assert_eq!(read_by_bash(&file(name)), name.as_bytes());
        }
        assert_eq!(read_by_bash(&file("-rf")), b"./-rf");
        assert_eq!(read_by_bash(&file("a\nb\u{1b}[31m'")), b"a\nb\x1b[31m'");
        assert_eq!(read_by_bash(&file("m\\x{ff}0.so")), b"m\xff0.so");
        assert_eq!(file("dist/qwen3.so"), "dist/qwen3.so");
    }
}
