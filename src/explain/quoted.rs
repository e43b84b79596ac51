//! Every message that a rule's page quotes under "What the runtime says" leads to that
//! page: somebody who found it there may paste it.

use artcheck_inspect::rules;
use artcheck_inspect::runtime::pages;

use super::explain;

/// What several causes print: the page quotes it, and it leads to the rule of most of them.
/// The rule that quotes it, how it begins, and where it leads.
const SHARED: [(&str, &str, &str); 14] = [
    (
        "unreadable",
        "Failed to load dynamic shared library",
        "library-not-found",
    ),
    ("unreadable", "undefined symbol", "c-symbol"),
    (
        "wrong-platform",
        "cannot open shared object file",
        "library-not-found",
    ),
    (
        "wrong-platform",
        "libc.musl-x86_64.so.1: cannot open",
        "library-not-found",
    ),
    ("wrong-platform", "invalid ELF header", "unreadable"),
    (
        "os-floor",
        "Failed to load dynamic shared library",
        "library-not-found",
    ),
    (
        "signature",
        "Failed to load dynamic shared library",
        "library-not-found",
    ),
    ("library-not-found", "libstdc++.so.6: version", "os-floor"),
    (
        "duplicate-runtime",
        "Cannot find global function X",
        "missing-function",
    ),
    (
        "system-lib-name",
        "TVM runtime cannot find vm_load_executable",
        "vm-format",
    ),
    (
        "system-lib-name",
        "Cannot find function vm_load_executable",
        "vm-format",
    ),
    (
        "installation",
        "OSError: libtvm_ffi.so: cannot open",
        "library-not-found",
    ),
    (
        "installation",
        "NameError: name 'os' is not defined",
        "none",
    ),
    ("limits", "match_cast error", "weights"),
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
            let found = found.first().map_or("none", |hit| hit.rule.name);
            let is_shared = |(name, begins, other): &(&str, &str, &str)| {
                *name == rule.name && text.starts_with(begins) && *other == found
            };
            if found != rule.name && !SHARED.iter().any(is_shared) {
                wrong.push(format!("{}, found {found}: {text}", rule.name));
            }
        }
    }
    assert!(all >= 90, "{all}");
    assert!(wrong.is_empty(), "{all}: {wrong:#?}");
}
