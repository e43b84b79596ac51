//! What is printed as the words of a runtime, a loader or a browser is in the table of
//! messages, whoever says it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::runtime::{glue, messages, release};
use artcheck_inspect::{GivenRuntime, RuntimeProfile, ScanOptions, scan};

/// Rules whose words are not in the table: each of AC001 is got by opening a damaged
/// file (tests/all/unloadable.rs), those of AC005 are of Android's linker.
const ELSEWHERE: [&str; 2] = ["AC001", "AC005"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_word_that_is_said_is_in_the_table() {
    let given = |profile: RuntimeProfile| GivenRuntime {
        profile,
        load_set: None,
    };
    let mut runtimes: Vec<GivenRuntime> = release::releases().iter().cloned().map(given).collect();
    for os in ["linux", "macos", "windows"] {
        let mut known = release::releases().last().expect("a release").clone();
        known.name = format!("{} for {os}", known.name);
        known.os = Some(os.to_owned());
        known.architecture = Some(String::from("x86-64"));
        runtimes.push(given(known));
    }
    for row in glue::packages() {
        let page = RuntimeProfile {
            name: row.packages.first().cloned().unwrap_or_default(),
            glue: Some(Box::new(row.glue.clone())),
            ..RuntimeProfile::default()
        };
        runtimes.push(given(page));
    }
    let options = ScanOptions {
        paths: vec![root().join("corpus/artifacts")],
        runtimes,
        ..ScanOptions::default()
    };
    let found = scan(&options, &()).expect("threads");
    let mut who = BTreeSet::new();
    for finding in &found.findings {
        let Some(said) = &finding.runtime_says else {
            continue;
        };
        if ELSEWHERE.contains(&finding.rule.code) {
            continue;
        }
        assert!(messages::is_known(said), "{}: {said}", finding.rule);
        who.insert(finding.rule.code);
    }
    assert!(who.len() >= 9, "{who:?}");
}

#[test]
fn no_rule_has_words_of_its_own() {
    let folder = root().join("crates/inspect/src/rules");
    let mut rules = 0;
    for entry in fs::read_dir(folder).expect("the rules") {
        let path = entry.expect("a file").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let is_elsewhere = ELSEWHERE
            .iter()
            .any(|code| name.starts_with(&code.to_lowercase()));
        if !name.ends_with(".rs") || is_elsewhere {
            continue;
        }
        let text = fs::read_to_string(&path).expect("the rule");
        let text: String = text.split_whitespace().collect();
        assert!(
            !text.contains(".says(\"") && !text.contains(".says(format!"),
            "{name}"
        );
        rules += 1;
    }
    assert!(rules > 20, "{rules}");
}
