//! Every explain page has the fixed shape that `artcheck explain` and the
//! reports rely on: title from the file name, summary, headings in order, a
//! useful length, and no line that names one machine's folders.

use std::error::Error;
use std::fs;
use std::path::Path;

use artcheck_inspect::rules::ALL;

const HEADINGS: [&str; 4] = [
    "## What breaks",
    "## What the runtime says",
    "## How to see it by hand",
    "## How to fix it",
];
const LAST: &str = "## What this rule does not see";
const WORDS: std::ops::RangeInclusive<usize> = 120..=350;
const FOREIGN_FOLDERS: [&str; 4] = ["/root/", "/work/", "/tmp/", "/home/"];

/// `ac101_attention_tag` -> `# AC101 attention-tag`.
fn title(stem: &str) -> Option<String> {
    let (code, name) = stem.split_once('_')?;
    Some(format!(
        "# {} {}",
        code.to_uppercase(),
        name.replace('_', "-")
    ))
}

/// What is wrong with a page; empty when nothing is.
fn faults(stem: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut lines = text.lines();
    if lines.next().map(str::to_owned) != title(stem) {
        faults.push(format!("the first line is not {:?}", title(stem)));
    }
    let summary = lines.find(|line| !line.is_empty()).unwrap_or_default();
    if summary.starts_with('#') {
        faults.push("no summary before the first heading".to_owned());
    }
    let mut found: Vec<&str> = text.lines().filter(|l| l.starts_with("## ")).collect();
    if found.last() == Some(&LAST) {
        found.pop();
    }
    if found != HEADINGS {
        faults.push(format!("headings are {found:?}"));
    }
    let words = text.split_whitespace().count();
    if !WORDS.contains(&words) {
        faults.push(format!("{words} words, wanted {WORDS:?}"));
    }
    if !text.matches("\n```").count().is_multiple_of(2) {
        faults.push("a code block is not closed".to_owned());
    }
    for folder in FOREIGN_FOLDERS {
        if text.contains(folder) {
            faults.push(format!("names {folder}"));
        }
    }
    faults
}

#[test]
fn every_page_has_the_fixed_shape() -> Result<(), Box<dyn Error>> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
    let mut pages = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&rules)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .ok_or("a page's file name is not UTF-8")?;
        pages += 1;
        for fault in faults(stem, &fs::read_to_string(&path)?) {
            wrong.push(format!("{stem}.md: {fault}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(pages, ALL.len(), "one page per rule");
    Ok(())
}

#[test]
fn a_page_of_another_shape_is_noticed() {
    let text = "# AC101 wrong-name\n\n## What breaks\n\n```\n";
    assert_eq!(faults("ac101_attention_tag", text).len(), 5);
}
