//! What was not read of a runtime is no error: every rule, on runtimes that are only
//! like a release.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use artcheck_inspect::runtime::{RuntimeProfile, release};
use artcheck_inspect::{GivenRuntime, Scan, ScanOptions, scan, scan_bytes};

use crate::unknown::cache;

/// Rules that hold a library or a client against facts of a runtime.
/// AC108 has a test of its own: no artifact of the corpus has layers that slide.
const RULES: [&str; 9] = [
    "AC101", "AC102", "AC103", "AC104", "AC105", "AC106", "AC107", "AC202", "AC203",
];

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts")
}

/// A release as a runtime that is only like it: in all facts, or in one.
fn resembling(number: &str, fact: Option<&str>) -> RuntimeProfile {
    let known = release::by_name(number).expect("in the table");
    let mut json: serde_json::Value =
        serde_json::from_str(&known.to_json().expect("JSON")).expect("JSON");
    let facts = json["profile"].as_object_mut().expect("an object");
    for (name, value) in facts.iter_mut() {
        if fact.is_none_or(|fact| fact == name) && value["source"] == "release" {
            value["source"] = "resembles".into();
        }
    }
    facts["name"] = format!("like {number} {}", fact.unwrap_or("in all")).into();
    facts["parts"] = vec!["libtvm_runtime.so"].into();
    RuntimeProfile::from_json(&json.to_string()).expect("a profile")
}

/// Of each artifact the rules that report an error, and those that decide nothing.
type Said = BTreeMap<(String, String), (BTreeSet<&'static str>, BTreeSet<&'static str>)>;

fn said(profiles: Vec<RuntimeProfile>) -> Said {
    let options = ScanOptions {
        paths: vec![corpus()],
        runtimes: profiles
            .into_iter()
            .map(|profile| GivenRuntime {
                profile,
                load_set: None,
            })
            .collect(),
        ..ScanOptions::default()
    };
    let found: Scan = scan(&options, &()).expect("threads");
    let mut said = Said::new();
    for (artifact, verdicts) in found.artifacts.iter().zip(&found.verdicts) {
        for verdict in verdicts.iter() {
            let key = (artifact.path.to_string(), verdict.runtime.clone());
            let (errors, open) = said.entry(key).or_default();
            errors.extend(verdict.rules.iter().map(|rule| rule.code));
            open.extend(verdict.undecided.iter().map(|one| one.rule.code));
        }
    }
    said
}

fn of<'a>(
    said: &'a Said,
    runtime: &str,
) -> Vec<(
    &'a str,
    &'a BTreeSet<&'static str>,
    &'a BTreeSet<&'static str>,
)> {
    let own = said.iter().filter(|((_, name), _)| name == runtime);
    own.map(|((path, _), (errors, open))| (path.as_str(), errors, open))
        .collect()
}

#[test]
fn no_rule_errs_on_likeness_alone() {
    let known = release::releases().iter();
    let numbers: Vec<&str> = known.filter_map(|known| known.release.as_deref()).collect();
    let mut profiles = vec![RuntimeProfile {
        name: "nothing known".to_owned(),
        ..RuntimeProfile::default()
    }];
    for number in &numbers {
        profiles.push(release::by_name(number).expect("in the table").clone());
        profiles.push(resembling(number, None));
    }
    let said = said(profiles);
    let unknown = of(&said, "nothing known");
    assert!(
        unknown.len() > 80,
        "{} libraries and clients",
        unknown.len()
    );
    let mut settled = BTreeSet::new();
    for number in numbers {
        let known = of(&said, &format!("tvm-{number}"));
        let like = of(&said, &format!("like {number} in all"));
        for (((path, errors, _), (_, like_errors, open)), (_, own, _)) in
            known.iter().zip(&like).zip(&unknown)
        {
            let what = format!("{path} on a runtime like {number}");
            // What is wrong whatever the runtime stays wrong.
            assert_eq!(like_errors, own, "{what}");
            for rule in errors.difference(own) {
                assert!(open.contains(rule), "{what}: {rule} says nothing");
                settled.insert(*rule);
            }
        }
    }
    assert_eq!(settled, BTreeSet::from(RULES));
}

#[test]
fn layers_that_slide_are_no_error_on_likeness() {
    let one_slides = cache(1, &[3, 0], &[1, 2, 3, 4, 0]);
    let all_slide = cache(1, &[3, 3], &[1, 2, 3, 4, 0, 1024]);
    for bytes in [one_slides, all_slide] {
        let on = |profile: RuntimeProfile| {
            let options = ScanOptions {
                runtimes: vec![GivenRuntime {
                    profile,
                    load_set: None,
                }],
                ..ScanOptions::default()
            };
            let found = scan_bytes("model.ro", &bytes, &options);
            let verdict = &found.verdicts[0][0];
            let is_it = |code: &str| code == "AC108";
            let errs = verdict.rules.iter().any(|rule| is_it(rule.code));
            let open = verdict.undecided.iter().any(|one| is_it(one.rule.code));
            (errs, open)
        };
        let known = release::by_name("0.27").expect("in the table").clone();
        assert_eq!(on(known), (true, false));
        assert_eq!(on(resembling("0.27", None)), (false, true));
    }
}

#[test]
fn an_error_stands_on_facts_that_are_certain_each() {
    for number in ["0.20", "0.27"] {
        let known = release::by_name(number).expect("in the table");
        let facts: Vec<&str> = known.facts().iter().map(|fact| fact.name).collect();
        let mut profiles = vec![known.clone()];
        profiles.extend(facts.iter().map(|fact| resembling(number, Some(fact))));
        let said = said(profiles);
        let certain = of(&said, &known.name);
        let mut weighed = BTreeSet::new();
        for fact in facts {
            let like = of(&said, &format!("like {number} {fact}"));
            for ((path, errors, _), (_, left, open)) in certain.iter().zip(&like) {
                for rule in errors.difference(left) {
                    assert!(
                        open.contains(rule),
                        "{path}: without {fact}, {rule} says nothing"
                    );
                    weighed.insert(fact);
                }
            }
        }
        assert!(weighed.len() >= 8, "{number}: {weighed:?}");
    }
}
