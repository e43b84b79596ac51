//! Every message that a rule's page quotes under "What the runtime says" leads to that
//! page: somebody who found it there may paste it.

use artcheck_inspect::rules;
use artcheck_inspect::runtime::pages;

use super::explain;

/// What several causes print: the page quotes it, and it leads to the rule of most of them.
/// The rule that quotes it, how it begins, and where it leads.
const SHARED: [(&str, &str, &str); 14] = [
    ("AC001", "Failed to load dynamic shared library", "AC205"),
    ("AC001", "undefined symbol", "AC203"),
    ("AC002", "cannot open shared object file", "AC205"),
    ("AC002", "libc.musl-x86_64.so.1: cannot open", "AC205"),
    ("AC002", "invalid ELF header", "AC001"),
    ("AC003", "Failed to load dynamic shared library", "AC205"),
    ("AC004", "Failed to load dynamic shared library", "AC205"),
    ("AC205", "libstdc++.so.6: version", "AC003"),
    ("AC206", "Cannot find global function X", "AC103"),
    (
        "AC208",
        "TVM runtime cannot find vm_load_executable",
        "AC102",
    ),
    ("AC208", "Cannot find function vm_load_executable", "AC102"),
    ("AC209", "OSError: libtvm_ffi.so: cannot open", "AC205"),
    ("AC209", "NameError: name 'os' is not defined", "none"),
    ("AC303", "match_cast error", "AC302"),
];
/// Characters that a quoted message has at least; shorter ones are names.
const SHORTEST: usize = 12;

/// What stands between backticks in a section of a page.
fn quoted(section: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = section;
    while let Some(at) = rest.find('`') {
        let text = &rest[at..];
        let fence = text.len() - text.trim_start_matches('`').len();
        let (fence, text) = text.split_at(fence);
        let Some(end) = text.find(fence) else { break };
        found.push(text[..end].trim().to_owned());
        rest = &text[end + fence.len()..];
    }
    found.retain(|text| text.len() >= SHORTEST && text.contains(' '));
    found
}

#[test]
fn what_a_page_quotes_leads_to_it() {
    let (mut all, mut wrong) = (0, Vec::new());
    for rule in rules::ALL {
        let page = pages::fill(rule.explain);
        let said = page.split_once("## What the runtime says");
        let said = said.map_or("", |(_, said)| said);
        let said = said.split_once("\n## ").map_or(said, |(said, _)| said);
        for text in quoted(said) {
            all += 1;
            let found = explain(&text).hits;
            let found = found.first().map_or("none", |hit| hit.rule.code);
            let is_shared = |(code, begins, other): &(&str, &str, &str)| {
                *code == rule.code && text.starts_with(begins) && *other == found
            };
            if found != rule.code && !SHARED.iter().any(is_shared) {
                wrong.push(format!("{}, found {found}: {text}", rule.code));
            }
        }
    }
    assert!(all >= 90, "{all}");
    assert!(wrong.is_empty(), "{all}: {wrong:#?}");
}
