//! What names a person in a report that is pasted elsewhere: the home folder, and the
//! user's name in other folders. Paths are replaced, never words: somebody may be called
//! `tvm`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Folders below which names are those of packages.
const PACKAGES: [&str; 4] = ["lib", "Lib", "site-packages", "dist-packages"];

/// Folders, and what is shown in their place.
pub struct Redaction {
    home: Vec<String>,
    user: String,
    folders: BTreeMap<PathBuf, PathBuf>,
}

impl Redaction {
    /// For the user of this machine.
    pub fn of_this_machine() -> Self {
        let home = std::env::home_dir().unwrap_or_default();
        let user = ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
            .or_else(|| Some(home.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_default();
        let real = std::fs::canonicalize(&home).unwrap_or_default();
        let mut homes: Vec<String> = [home, real]
            .iter()
            // Without a separator at the end.
            .map(|home| home.components().collect::<PathBuf>())
            .filter(|home| home.is_absolute() && home.parent().is_some())
            .map(|home| home.to_string_lossy().into_owned())
            .collect();
        homes.dedup();
        Self {
            home: homes,
            user,
            folders: BTreeMap::new(),
        }
    }

    /// Also for a path of its user elsewhere: `/mnt/NAME/x`.
    pub fn learn(&mut self, path: &Path) {
        let (mut real, mut shown) = (PathBuf::new(), PathBuf::new());
        for part in path {
            let name = part.to_string_lossy();
            if PACKAGES.contains(&name.as_ref()) {
                break;
            }
            let hidden = without_word(&name, &self.user);
            let is_hidden = hidden != name;
            real.push(part);
            shown.push(hidden);
            if is_hidden {
                self.folders.insert(real.clone(), shown.clone());
            }
        }
    }

    /// The same for all paths in a document.
    pub fn learn_all(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                let ends = |c: char| c.is_whitespace() || "\"'`()!,;".contains(c);
                let words = text.split(ends).chain([text.as_str()]).map(Path::new);
                words
                    .filter(|word| word.is_absolute())
                    .for_each(|path| self.learn(path));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_all(item)),
            Value::Object(map) => map.values().for_each(|item| self.learn_all(item)),
            _ => {}
        }
    }

    /// The text without them.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for home in &self.home {
            text = replaced(&text, home, "~");
        }
        for homes in ["/home/", "/Users/", "\\Users\\"] {
            text = without_name_after(&text, homes);
        }
        // What lies deeper is the longer name of what is above it.
        for (real, shown) in self.folders.iter().rev() {
            text = replaced(&text, &real.to_string_lossy(), &shown.to_string_lossy());
        }
        text
    }

    /// The document without them.
    pub fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(key, value)| (key, self.value(value)))
                .collect(),
            other => other,
        }
    }
}

/// One folder as another; one whose name only begins alike stays.
fn replaced(text: &str, folder: &str, by: &str) -> String {
    let mut parts = text.split(folder);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let goes_on = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        out += if part.starts_with(goes_on) {
            folder
        } else {
            by
        };
        out += part;
    }
    out
}

/// Other people's home folders too: `/home/NAME` becomes `/home/<user>`.
fn without_name_after(text: &str, homes: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(homes) {
        let (before, after) = rest.split_at(at + homes.len());
        out.push_str(before);
        out.push_str("<user>");
        let end = after
            .find(['/', '\\', ':', ' ', '\n', '"'])
            .unwrap_or(after.len());
        rest = &after[end..];
    }
    out + rest
}

/// The user's name where it is no part of a longer word, whatever characters
/// it has itself.
fn without_word(text: &str, user: &str) -> String {
    if user.is_empty() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(user) {
        let (before, from) = rest.split_at(at);
        let after = &from[user.len()..];
        out.push_str(before);
        let joins = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
        let is_part = joins(out.chars().next_back()) || joins(after.chars().next());
        out.push_str(if is_part { user } else { "<user>" });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(home: &str, user: &str) -> Redaction {
        Redaction {
            home: Some(home.to_owned()).into_iter().collect(),
            user: user.to_owned(),
            folders: BTreeMap::new(),
        }
    }

    #[test]
    fn names_and_homes_are_replaced() {
        for homes in ["/home", "/Users"] {
            let redact = of(&format!("{homes}/ada"), "ada");
            assert_eq!(redact.text(&format!("{homes}/ada/x.so")), "~/x.so");
            for other in ["bob", "adam"] {
                assert_eq!(
                    redact.text(&format!("{homes}/{other}/x.so")),
                    format!("{homes}/<user>/x.so")
                );
            }
        }
        let mut redact = of("/nowhere", "ada");
        redact.learn(Path::new("/mnt/ada/ada-venv/adapter"));
        assert_eq!(
            redact.text("ada: /mnt/ada/ada-venv/adapter, /mnt/adam"),
            "ada: /mnt/<user>/<user>-venv/adapter, /mnt/adam"
        );
        assert_eq!(
            redact.text("C:\\Users\\eve\\x.dll"),
            "C:\\Users\\<user>\\x.dll"
        );
        assert_eq!(without_word("a.d+a a.d+ab", "a.d+a"), "<user> a.d+ab");
        assert_eq!(without_word("adaada ada", "ada"), "adaada <user>");
    }

    #[test]
    fn a_user_who_is_called_as_a_package_is() {
        let mut redact = of("/nowhere", "tvm");
        let text = "fits tvm-0.27: /data/tvm/env/lib/python3.11/site-packages/tvm/libtvm.so";
        redact.learn_all(&Value::String(text.to_owned()));
        assert_eq!(
            redact.text(text),
            "fits tvm-0.27: /data/<user>/env/lib/python3.11/site-packages/tvm/libtvm.so"
        );
    }
}
