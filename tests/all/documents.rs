//! The documents against the tree: every link leads to a file and a heading,
//! every section that code cites exists, and every table of bytes holds what
//! the file it names holds. Whether the sentences are true is for other tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// Head of a table of bytes.
const BYTES: &str = "| offset | bytes | meaning |";
/// Tables of bytes in the reference: one that is no longer recognised counts
/// as lost.
const TABLES: usize = 13;
/// Endings of texts that may cite a document.
const TEXTS: [&str; 10] = [
    "rs", "md", "toml", "py", "cc", "h", "in", "yml", "html", "sh",
];

/// Folders of what is built, fetched or given.
const OTHERS: [&str; 5] = ["target", "node_modules", "dist", ".git", "artifacts"];

/// A fault and where it is.
type Faults = Vec<String>;

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let documents = texts(|path| ending(path) == Some("md"));
    assert!(documents.len() > 30, "the documents were not found");
    let mut faults = Faults::new();
    for (path, text) in &documents {
        for target in links(text) {
            faults.extend(broken(path, &target));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The book has every document, and no page twice.
#[test]
fn the_summary_lists_every_document() {
    let folder = root().join("docs");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).expect("docs/SUMMARY.md");
    let mut listed = links(&summary);
    listed.sort();
    let mut found: Vec<String> = fs::read_dir(&folder)
        .expect("docs")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .collect();
    found.push("../README.md".to_owned());
    found.sort();
    assert_eq!(listed, found);
}

#[test]
fn every_section_that_code_cites_exists() {
    let sources = texts(|path| ending(path).is_some_and(|it| TEXTS.contains(&it)));
    let mut cited = 0;
    let mut faults = Faults::new();
    for (path, text) in &sources {
        for target in citations(text) {
            cited += 1;
            faults.extend(
                broken(&root().join("a file of the root"), &target).map(|fault| {
                    let fault = fault.split_once(": ").map_or("", |(_, what)| what);
                    format!("{}: {fault}", path.display())
                }),
            );
        }
        faults.extend(uncitable(text).map(|line| format!("{}: {line}", path.display())));
    }
    assert!(cited > 30, "only {cited} citations were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_table_of_bytes_is_what_the_file_holds() {
    let path = root().join("docs/formats.md");
    let text = fs::read_to_string(&path).expect("the reference is there");
    let tables = tables(&text);
    assert_eq!(tables.len(), TABLES);
    let mut faults = Faults::new();
    for table in &tables {
        let file = path.parent().expect("a folder").join(&table.file);
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(!table.rows.is_empty(), "{}: an empty table", table.file);
        for (offset, wanted) in &table.rows {
            let start = table.base + offset;
            let found = bytes.get(start..start + wanted.len());
            if found != Some(wanted) {
                faults.push(format!(
                    "{} at {start:#x}: {found:x?}, the table says {wanted:x?}",
                    table.file
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The three readers above find a fault where there is one.
#[test]
fn faults_are_found() {
    let here = root().join("docs/formats.md");
    for good in [
        "#blob",
        "engines.md#metadata-keys",
        "../README.md",
        "https://example.org/x#y",
    ] {
        assert_eq!(broken(&here, good), None, "{good}");
    }
    for bad in [
        "#no-such-heading",
        "no-such-file.md",
        "../README.md#no-such-heading",
        "",
    ] {
        assert!(broken(&here, bad).is_some(), "{bad}");
    }
    assert_eq!(slug("The blob in wasm"), "the-blob-in-wasm");
    assert_eq!(
        slug("C++ interface of `tvm-ffi`, a_b"),
        "c-interface-of-tvm-ffi-a_b"
    );
    let text = "[a](b.md) `[c](d)` \n```\n[e](f)\n```\n[g]( h )\n[i]: j.md\n";
    assert_eq!(links(text), ["b.md", "h", "j.md"]);
    let text = "see docs/formats.md#blob, and (docs/ci.md).";
    assert_eq!(citations(text), ["docs/formats.md#blob", "docs/ci.md"]);
    let old = concat!(
        "// see the format",
        " notes, part a\n// formats.md\n// docs/formats.md#blob\n"
    );
    assert_eq!(uncitable(old).count(), 2);
    let text = format!(
        "From file offset `0x10` of [`f`](a/f):\n\n{BYTES}\n|---|---|---|\n| `0x2` | `01 ff` ... | x |\n| `0x4` | `\"ab\"` | y |\n"
    );
    let tables = tables(&text);
    assert_eq!((tables[0].base, tables[0].file.as_str()), (16, "a/f"));
    assert_eq!(tables[0].rows, [(2, vec![1, 255]), (4, b"ab".to_vec())]);
}

fn ending(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// The texts of the tree that are wanted, by path.
fn texts(wanted: impl Fn(&Path) -> bool) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .expect("a folder of the tree")
            .flatten()
        {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if !OTHERS.iter().any(|other| name == *other) {
                    folders.push(path);
                }
            } else if wanted(&path)
                && let Ok(text) = fs::read_to_string(&path)
            {
                found.insert(path, text);
            }
        }
    }
    found
}

/// What is wrong with a link from `document`; `None` if nothing is, or if it
/// leads out of the tree.
fn broken(document: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let to = match file {
        "" => document.to_owned(),
        file => document.parent()?.join(file),
    };
    let fault = |what: &str| Some(format!("{}: {target:?}: {what}", document.display()));
    if target.is_empty() || !to.exists() {
        return fault("no such file");
    }
    if anchor.is_empty() {
        return None;
    }
    match fs::read_to_string(&to) {
        Ok(text) if anchors(&text).contains(anchor) => None,
        _ => fault("no such heading"),
    }
}

/// Lines outside blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The names that headings can be linked by.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in prose(text).filter(|line| line.starts_with('#')) {
        let name = slug(line.trim_start_matches('#').trim());
        let again = (1..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(again);
        let name = free.into_iter().find(|name| !found.contains(name));
        found.extend(name);
    }
    found
}

/// A heading's name as code hosts make it: small letters, no punctuation,
/// hyphens for spaces.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter_map(|sign| match sign {
        ' ' | '-' => Some('-'),
        '_' => Some('_'),
        sign if sign.is_alphanumeric() => Some(sign.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// Targets of the links of a document.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // What is between backticks is code.
        let line: String = line.split('`').step_by(2).collect();
        let inline = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        found.extend(inline.map(|(target, _)| target.trim().to_owned()));
        if let Some((_, target)) = line.split_once("]: ")
            && line.starts_with('[')
        {
            found.push(target.trim().to_owned());
        }
    }
    found
}

/// The documents, with their sections, that a source text names.
fn citations(text: &str) -> Vec<String> {
    let rests = text.split("docs/").skip(1);
    let named = rests.filter_map(|rest| {
        let end = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || "-_.#/".contains(sign)));
        let name = rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', '#', '/']);
        let file = name.split('#').next()?;
        file.ends_with(".md").then(|| format!("docs/{name}"))
    });
    named.collect()
}

/// Lines that cite the reference without saying which section.
fn uncitable(text: &str) -> impl Iterator<Item = &str> {
    let old = concat!("format", " notes");
    let file = concat!("formats", ".md");
    let section = concat!("docs/formats", ".md#");
    text.lines().filter(move |line| {
        let bare = line.matches(file).count() > line.matches(section).count();
        // A path that this file or another test opens is no citation.
        line.contains(old) || (bare && line.trim_start().starts_with("//"))
    })
}

/// A table of bytes.
struct Table {
    file: String,
    base: usize,
    rows: Vec<(usize, Vec<u8>)>,
}

/// The tables of bytes, each behind a line `From file offset `0x..` of [..](..):`.
fn tables(text: &str) -> Vec<Table> {
    let mut found: Vec<Table> = Vec::new();
    let mut open = false;
    let mut place = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("From file offset `0x") {
            place = Some(rest);
        } else if line == BYTES {
            let (base, rest) = place
                .take()
                .and_then(|it| it.split_once('`'))
                .expect("a place");
            let (_, file) = rest.split_once("](").expect("a link");
            found.push(Table {
                file: file.trim_end_matches("):").to_owned(),
                base: number(base),
                rows: Vec::new(),
            });
            open = true;
        } else if !line.starts_with('|') {
            open = false;
        } else if let Some(table) = found.last_mut()
            && open
            && !line.starts_with("|-")
        {
            table.rows.push(row(line));
        }
    }
    found
}

/// `| `0x10` | `01 02` ... | what |`, or with a text in quotation marks.
fn row(line: &str) -> (usize, Vec<u8>) {
    let mut codes = line.split('`').skip(1).step_by(2);
    let offset = codes
        .next()
        .and_then(|it| it.strip_prefix("0x"))
        .expect("an offset");
    let bytes = codes.next().expect("bytes");
    let text = bytes.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let bytes = match text {
        Some(text) => text.as_bytes().to_vec(),
        None => {
            let each = bytes.split(' ').map(|it| u8::from_str_radix(it, 16));
            each.collect::<Result<_, _>>()
                .expect("bytes in hexadecimal")
        }
    };
    (number(offset), bytes)
}

fn number(hexadecimal: &str) -> usize {
    usize::from_str_radix(hexadecimal, 16).expect("a number in hexadecimal")
}
