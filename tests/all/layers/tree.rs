//! The modules of a crate, and which file names what of which other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::tokens::{self, Token};

/// `container::macho`, as its parts.
pub type Module = Vec<String>;

/// A crate.
pub struct Tree {
    files: BTreeMap<Module, File>,
}

struct File {
    tokens: Vec<Token>,
    /// What its `use` lines name: the name here, and the path.
    uses: Vec<Use>,
}

struct Use {
    name: String,
    path: Module,
    /// Handed on to others, as `pub use` does.
    handed_on: bool,
}

impl Tree {
    /// The crate whose root is this file.
    pub fn read(root: &Path) -> Self {
        let mut tree = Self {
            files: BTreeMap::new(),
        };
        let folder = root.parent().expect("a folder").to_owned();
        tree.add(Vec::new(), root, &folder);
        tree
    }

    fn add(&mut self, module: Module, path: &Path, folder: &Path) {
        let source =
            fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let tokens = tokens::product(&source);
        for pair in tokens.windows(3) {
            if let [keyword, name, end] = pair
                && keyword == "mod"
                && end == ";"
            {
                let (path, below) = file_of(folder, name);
                self.add(child(&module, name), &path, &below);
            }
        }
        let (uses, tokens) = split_uses(&tokens);
        self.files.insert(module, File { tokens, uses });
    }

    /// Every module that others are in, and its own files beside them.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.files.keys()
    }

    /// For each file the files that define what it names. A name that a module
    /// only hands on counts for the file that defines it, and handing it on is
    /// no use of it.
    pub fn dependencies(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        let of = |(module, file)| (module, self.named_in(module, file));
        self.files.iter().map(of).collect()
    }

    fn named_in(&self, module: &Module, file: &File) -> BTreeSet<&Module> {
        let mut named = BTreeSet::new();
        let words: BTreeSet<&str> = file.tokens.iter().map(String::as_str).collect();
        for found in &file.uses {
            if !found.handed_on || words.contains(found.name.as_str()) {
                named.extend(self.definer(module, &found.path));
            }
        }
        for path in paths(&file.tokens) {
            named.extend(self.definer(module, &path));
        }
        named.remove(module);
        named
    }

    /// The file that defines what `path` means in `module`; none for other crates.
    fn definer(&self, module: &Module, path: &[String]) -> Option<&Module> {
        self.follow(module, path, 0)
    }

    fn follow(&self, module: &Module, path: &[String], depth: usize) -> Option<&Module> {
        let (mut at, mut rest) = match path {
            [first, rest @ ..] if first == "crate" => (Vec::new(), rest),
            [first, rest @ ..] if first == "self" => (module.clone(), rest),
            [first, ..] if first == "super" => (module.clone(), path),
            [first, ..] if self.files.contains_key(&child(module, first)) => (module.clone(), path),
            _ => return None,
        };
        while let [first, below @ ..] = rest {
            let next = child(&at, first);
            if first == "super" {
                at.pop()?;
            } else if self.files.contains_key(&next) {
                at = next;
            } else {
                break;
            }
            rest = below;
        }
        let (own, file) = self.files.get_key_value(&at)?;
        let [name, below @ ..] = rest else {
            return Some(own);
        };
        let imported = file.uses.iter().find(|found| found.name == *name);
        match imported {
            // Circles of names do not compile; longer chains than this nobody writes.
            Some(found) if depth < 16 => {
                let path: Module = found.path.iter().chain(below).cloned().collect();
                self.follow(own, &path, depth + 1)
            }
            _ => Some(own),
        }
    }
}

/// `name.rs` or `name/mod.rs`, and the folder of what is declared in it.
fn file_of(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let below = folder.join(name);
    let plain = folder.join(format!("{name}.rs"));
    let path = if plain.exists() {
        plain
    } else {
        below.join("mod.rs")
    };
    (path, below)
}

fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// The `use` lines, and the tokens without them.
fn split_uses(tokens: &[Token]) -> (Vec<Use>, Vec<Token>) {
    let (mut uses, mut rest) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        // `impl Trait + use<'a>` is no import.
        if tokens[at] != "use" || tokens.get(at + 1).is_some_and(|next| next == "<") {
            rest.push(tokens[at].clone());
            at += 1;
            continue;
        }
        // `pub use`, `pub(crate) use`.
        let handed_on = rest.last().is_some_and(|last| last == "pub" || last == ")");
        let length = tokens[at..]
            .iter()
            .position(|token| token == ";")
            .unwrap_or(tokens.len() - at);
        let mut reader = UseTree {
            tokens: &tokens[at + 1..at + length],
            at: 0,
        };
        reader.read(&[], handed_on, &mut uses);
        at += length;
    }
    (uses, rest)
}

struct UseTree<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl UseTree<'_> {
    fn next(&mut self) -> Option<&str> {
        self.at += 1;
        self.tokens.get(self.at - 1).map(String::as_str)
    }

    fn is_next(&self, wanted: &str) -> bool {
        self.tokens
            .get(self.at)
            .is_some_and(|token| token == wanted)
    }

    /// One path or `{...}` below `prefix`.
    fn read(&mut self, prefix: &[String], handed_on: bool, uses: &mut Vec<Use>) {
        let mut path = prefix.to_vec();
        loop {
            if self.is_next("{") {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is_next("}") {
                    self.read(&path, handed_on, uses);
                    if self.is_next(",") {
                        self.at += 1;
                    }
                }
                self.at += 1;
                return;
            }
            let Some(word) = self.next() else { return };
            let word = word.to_owned();
            // `a::{self}` is `a`; the `::` of `::std` begins a path.
            if word != "::" && (word != "self" || path.is_empty()) {
                path.push(word);
            }
            if self.is_next("::") {
                self.at += 1;
            } else {
                break;
            }
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.is_next("as") {
            self.at += 1;
            name = self.next().unwrap_or_default().to_owned();
        }
        uses.push(Use {
            name,
            path,
            handed_on,
        });
    }
}

/// The paths in code: words with `::` between.
fn paths(tokens: &[Token]) -> Vec<Module> {
    let mut found = Vec::new();
    let mut path: Module = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_word = token.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let joined = at > 0 && tokens[at - 1] == "::";
        if is_word && joined && !path.is_empty() {
            path.push(token.clone());
        } else if token != "::" {
            found.extend((path.len() > 1).then(|| std::mem::take(&mut path)));
            path.clear();
            // The tail of `<T>::name` is no path of ours.
            if is_word && !joined {
                path.push(token.clone());
            }
        }
    }
    found
}
