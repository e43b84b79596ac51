//! `model_lib` in configurations of mlc-llm.

use artcheck_patch::inplace::model_lib;

use super::*;
use crate::corpus::carried_out;

const APP: &str = "\u{20}{\r\n\t\"model_list\": [ {\"model_lib\":\"llama-q4\", \"x\": 1.0e9},\n\
    {\"model_lib\" : \"phi\"},{ \"model_lib\": \"llama\\u002dq4\" } ],\n\
    \"model_lib\": \"llama-q4\",\n\
    \"model_lib_path_for_prepare_libs\": {\"a\": \"llama-q4\", \"llama-q4\": \"lib/m.tar\"} }\n\n";

#[test]
fn every_place_of_the_name_changes_and_no_other_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mlc-app-config.json");
    std::fs::write(&file, APP).expect("a file");
    let plan = model_lib::plan(APP.as_bytes(), "llama-q4", "llama_\"q4\"").expect("a plan");
    let places: Vec<_> = plan
        .names
        .iter()
        .map(|name| (name.what, name.number))
        .collect();
    assert_eq!(
        places,
        [
            (Named::ModelLib, 0),
            (Named::ModelLib, 2),
            (Named::PreparedLib, 1)
        ]
    );
    let new = there_and_back(&file, &plan);
    let to = "\"llama_\\\"q4\\\"\"";
    let wanted = APP
        .replace(
            "{\"model_lib\":\"llama-q4\"",
            &format!("{{\"model_lib\":{to}"),
        )
        .replace("\"llama\\u002dq4\"", to)
        .replace("\"llama-q4\": \"lib", &format!("{to}: \"lib"));
    assert_eq!(String::from_utf8(new.clone()).expect("text"), wanted);

    let again = model_lib::plan(&new, "llama-q4", "llama_\"q4\"").expect("a plan");
    assert!(again.is_empty() && again.summary[0].starts_with("nothing to change"));
    // The second reader sees what was not planned.
    let mut less = plan.clone();
    less.names.pop();
    assert!(inplace::recheck::check(APP.as_bytes(), &new, &less).is_err());
    let whole = |text: &str| EditPlan {
        edits: vec![inplace::Edit {
            offset: 0,
            old: APP.into(),
            new: text.into(),
            left_out: None,
            why: String::new(),
        }],
        ..plan.clone()
    };
    let other = wanted.replace("1.0e9", "2.0e9");
    let error = inplace::recheck::check(APP.as_bytes(), other.as_bytes(), &whole(&other));
    assert_eq!(
        error.expect_err("a number"),
        "JSON: something else reads differently"
    );
}

#[test]
fn names_that_are_not_there_or_would_collide_are_refused() {
    let refused = |text: &str, from: &str, to: &str| {
        model_lib::plan(text.as_bytes(), from, to)
            .expect_err("refused")
            .to_string()
    };
    let error = refused(APP, "gemma", "x");
    assert!(
        error.contains("expected the model library name \"gemma\", found llama-q4, phi"),
        "{error}"
    );
    let error = refused("{}", "gemma", "x");
    assert!(error.ends_with("found no model_lib at all"), "{error}");
    let error = refused(APP, "llama-q4", "a");
    assert!(error.contains("has a key \"a\" already"), "{error}");
    for text in ["", "model", "{\"model_list\": [", "\u{feff}{}"] {
        assert!(refused(text, "a", "b").contains("not JSON"), "{text:?}");
    }
    let plan = model_lib::plan(APP.as_bytes(), "phi", "phi-2").expect("a plan");
    carried_out(APP.as_bytes(), &plan);
}
