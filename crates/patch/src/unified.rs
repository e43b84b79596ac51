//! The difference of two texts, as `diff -u` prints it.
//!
//! Lines are compared by number. The finder of differences is generic, and large: so it is
//! compiled once, and without the ways to search that are not used here.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Instant;

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{ChangeTag, DiffOp, DiffTag, group_diff_ops};

/// The hunks, with so many lines around each change; none where the texts are equal. After
/// `until` the finder takes what is found quickly. `says_unended`: a last line without an
/// end is told apart, as `patch` wants it.
pub fn unified(
    old: &str,
    new: &str,
    around: usize,
    until: Option<Instant>,
    says_unended: bool,
) -> String {
    let (old, new) = (lines(old), lines(new));
    let mut text = String::new();
    let groups = group_diff_ops(operations(&old, &new, until), around);
    for operations in groups.iter().filter(|operations| !operations.is_empty()) {
        let _ = writeln!(text, "{}", UnifiedHunkHeader::new(operations));
        for operation in operations {
            let (tag, before, after) = operation.as_tag_tuple();
            let gone = old.get(before).unwrap_or_default();
            let come = new.get(after).unwrap_or_default();
            match tag {
                DiffTag::Equal => add(&mut text, ChangeTag::Equal, gone, says_unended),
                _ => {
                    add(&mut text, ChangeTag::Delete, gone, says_unended);
                    add(&mut text, ChangeTag::Insert, come, says_unended);
                }
            }
        }
    }
    text
}

fn add(text: &mut String, tag: ChangeTag, lines: &[&str], says_unended: bool) {
    for line in lines {
        let _ = write!(text, "{tag}{line}");
        if !line.ends_with(['\r', '\n']) {
            text.push('\n');
            if says_unended {
                text.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

/// The lines of a text, each with its end: of Unix, of Windows, or of old Macs.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        let (line, after) = rest.split_at(at + length);
        lines.push(line);
        rest = after;
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

fn operations(old: &[&str], new: &[&str], until: Option<Instant>) -> Vec<DiffOp> {
    let mut known = HashMap::new();
    let (old, new) = (numbers(&mut known, old), numbers(&mut known, new));
    let mut found = Compact::new(Replace::new(Capture::new()), &old, &new);
    let (before, after) = (0..old.len(), 0..new.len());
    // Nothing that only collects can fail.
    let _ = myers::diff_deadline(&mut found, &old, before, &new, after, until);
    found.into_inner().into_inner().into_ops()
}

/// Equal lines have equal numbers.
fn numbers<'a>(known: &mut HashMap<&'a str, usize>, lines: &[&'a str]) -> Vec<usize> {
    let number = |line: &&'a str| {
        let next = known.len();
        *known.entry(*line).or_insert(next)
    };
    lines.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use similar::TextDiff;

    use super::unified;

    #[test]
    fn it_is_what_the_library_prints() {
        let many = |step: usize| -> String {
            let lines = (0..900).filter(|n| n % step != 0);
            lines.map(|n| format!("line {}\n", n * n % 37)).collect()
        };
        let texts = [
            String::new(),
            "a\nb\nc\n".to_owned(),
            "a\r\nb\rc".to_owned(),
            "a\nc\nd".to_owned(),
            "x".to_owned(),
            many(2),
            many(3),
            many(7),
            many(901),
        ];
        for (old, new) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
            for hint in [true, false] {
                let wanted = TextDiff::from_lines(old.as_str(), new)
                    .unified_diff()
                    .context_radius(2)
                    .missing_newline_hint(hint)
                    .to_string();
                assert_eq!(unified(old, new, 2, None, hint), wanted, "{old:?} {new:?}");
            }
        }
    }
}
