//! Widens the five match sites of `attn_backend.cc`.
//!
//! Each converter compares the backend name with one tag: `"tir"` up to 0.23,
//! `"tirx"` since. The patch inserts ` || name == "<the other>"` after that
//! comparison and changes not one byte elsewhere.

use super::cpp_scan::{Kind, Token, body_of, line_of, tokens};
use super::error::SourceError;
use super::patch::{FileEdit, Patch};

/// The functions that match the tag, the same in 0.20 to 0.27.
pub const CONVERTERS: [&str; 5] = [
    "ConvertPagedPrefillFunc",
    "ConvertRaggedPrefillFunc",
    "ConvertPagedDecodeFunc",
    "ConvertPagedPrefillTreeMaskFunc",
    "ConvertRaggedPrefillTreeMaskFunc",
];

/// An insertion: at this byte, this text.
type Insertion = (usize, String);

/// The widened file, or nothing if all five sites accept both tags already.
pub fn widen(path: &str, text: &str) -> Result<Option<FileEdit>, SourceError> {
    let tokens = tokens(text);
    let mut insertions = Vec::new();
    for function in CONVERTERS {
        let (body, at) =
            body_of(&tokens, function).ok_or_else(|| SourceError::FunctionNotFound {
                path: path.to_owned(),
                function,
            })?;
        let insertion = site(body).map_err(|found| SourceError::UnknownShape {
            path: path.to_owned(),
            line: line_of(text, at),
            function,
            found,
        })?;
        insertions.extend(insertion);
    }
    if insertions.is_empty() {
        return Ok(None);
    }
    insertions.sort();
    let mut new = String::with_capacity(text.len().saturating_add(256));
    let mut done = 0;
    for (at, added) in &insertions {
        new.push_str(text.get(done..*at).unwrap_or_default());
        new.push_str(added);
        done = *at;
    }
    new.push_str(text.get(done..).unwrap_or_default());
    Ok(Some(FileEdit {
        path: path.to_owned(),
        old: Some(text.to_owned()),
        new,
    }))
}

/// The commit around the edit.
pub fn patch(edit: FileEdit) -> Patch {
    let text = edit.old.as_deref().unwrap_or_default();
    let (own, other) = if text.contains("== \"tirx\"") {
        ("tirx", "tir")
    } else {
        ("tir", "tirx")
    };
    Patch {
        subject: "runtime: accept both attention backend tags".to_owned(),
        body: format!(
            "The paged KV cache knows its attention kernels by a tag that the compiler\n\
             puts in front of each kernel: \"tir\" up to 0.23, \"tirx\" since. The name\n\
             alone changed; the kernels are called the same way. A model library that\n\
             carries the other name ends in \"Cannot reach here\" when its cache is made.\n\
             \n\
             Accept \"{other}\" besides \"{own}\" at all five places that match the tag.\n\
             Every other path, and every message, stays as it is."
        ),
        edits: vec![edit],
    }
}

/// Where to insert what in one function body; nothing if it has both tags.
fn site(body: &[Token<'_>]) -> Result<Option<Insertion>, String> {
    let sites: Vec<Comparison<'_>> = comparisons(body);
    match sites.as_slice() {
        [one] => {
            if !one.alone {
                return Err(format!(
                    "a comparison with \"{}\" inside a longer condition",
                    one.tag
                ));
            }
            let other = if one.tag == "tir" { "tirx" } else { "tir" };
            Ok(Some((one.end, format!(" || {} == \"{other}\"", one.name))))
        }
        [a, b] if a.name == b.name && a.tag != b.tag => Ok(None),
        [] => Err("no comparison with either tag".to_owned()),
        several => Err(format!("{} comparisons with a tag", several.len())),
    }
}

struct Comparison<'a> {
    name: &'a str,
    tag: &'a str,
    /// The byte after the literal.
    end: usize,
    /// Whether it is the whole condition: `if (name == "tag")`.
    alone: bool,
}

fn comparisons<'a>(body: &[Token<'a>]) -> Vec<Comparison<'a>> {
    let mut found = Vec::new();
    for (index, window) in body.windows(4).enumerate() {
        let [name, eq, eq_again, literal] = window else {
            continue;
        };
        let (Kind::Word(name), Kind::Mark('='), Kind::Mark('='), Kind::Text(tag)) =
            (name.kind, eq.kind, eq_again.kind, literal.kind)
        else {
            continue;
        };
        if tag != "tir" && tag != "tirx" {
            continue;
        }
        let kind_at = |at: Option<usize>| at.and_then(|at| body.get(at)).map(|t| t.kind);
        let alone = kind_at(index.checked_sub(2)) == Some(Kind::Word("if"))
            && kind_at(index.checked_sub(1)) == Some(Kind::Mark('('))
            && kind_at(index.checked_add(4)) == Some(Kind::Mark(')'));
        found.push(Comparison {
            name,
            tag,
            end: literal.range.end,
            alone,
        });
    }
    found
}
