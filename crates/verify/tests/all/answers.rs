//! Answers that prove nothing: what comes of NaN, and tokens that were fed.

use std::fs;
use std::path::Path;

use artcheck_verify::{Class, Stage};
use md5::{Digest, Md5};

use crate::common::{Matrix, artifact, failure, passed, reference, root, row, text};

/// The trained weights with NaN for every number, whole by their checksums.
fn not_numbers(into: &Path) -> String {
    let from = root().join("corpus/trained/dense");
    let index = fs::read_to_string(from.join("tensor-cache.json")).unwrap();
    let mut index: serde_json::Value = serde_json::from_str(&index).unwrap();
    for shard in index["records"].as_array_mut().unwrap() {
        let name = shard["dataPath"].as_str().unwrap().to_owned();
        let size = fs::metadata(from.join(&name)).unwrap().len() as usize;
        let bytes = f32::NAN.to_le_bytes().repeat(size / 4);
        let sum = Md5::digest(&bytes);
        let sum: String = sum.iter().map(|b| format!("{b:02x}")).collect();
        shard["md5sum"] = sum.into();
        fs::write(into.join(name), bytes).unwrap();
    }
    fs::write(into.join("tensor-cache.json"), index.to_string()).unwrap();
    text(into)
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn no_token_is_the_likeliest_of_logits_that_are_not_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let weights = ("weights", not_numbers(folder.path()));
    let prompt = |expect: &str| {
        let prompt = format!("[{{ text = \"The capital\", expect = {{ {expect} }} }}]");
        ("prompt", prompt)
    };
    let report = Matrix::new()
        .row("first", &[weights.clone(), prompt("tokens = [0]")])
        .row(
            "sampled",
            &[
                weights,
                prompt("tokens = [0]"),
                ("sampling", "{ top_p = 1, seed = 1 }".to_owned()),
            ],
        )
        .run();
    for name in ["first", "sampled"] {
        let failure = failure(&report, name);
        assert_eq!(
            (failure.class, failure.stage),
            (Class::Mismatch, Stage::Prefill)
        );
        assert!(
            failure.message.starts_with(
                "prompt[0]: the logits for token 0 of the answer are not numbers: 264 of 264"
            ),
            "{failure:?}"
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_was_fed_is_not_taken_for_what_was_chosen() {
    let matrix = Matrix::new();
    let expected = root().join("corpus/reference/expected/dense.json");
    let all = fs::read_to_string(expected).unwrap();
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    let case = &all["cases"]["short"];
    let (prompt, tokens) = (&case["prompt"], &case["tokens"]);
    let mut other = tokens.clone();
    for token in other.as_array_mut().unwrap() {
        *token = ((token.as_i64().unwrap() + 1) % 250).into();
    }
    let cases = serde_json::json!({ "cases": {
        "right": { "prompt": prompt, "tokens": tokens },
        "wrong": { "prompt": prompt, "tokens": other },
        "logits": { "prompt": prompt, "first_logits": case["first_logits"] },
    } });
    fs::write(matrix.folder.path().join("own.json"), cases.to_string()).unwrap();
    let compared = |case: &str, more: &str| {
        let expect = format!("expect = {{ reference = \"own.json#{case}\"{more} }}");
        ("prompt", format!("[{{ {expect} }}]"))
    };
    let followed = ("follow_reference", "true".to_owned());
    let report = matrix
        .row("right", &[compared("right", ""), followed.clone()])
        .row("wrong", &[compared("wrong", ""), followed])
        .row("wide", &[compared("logits", ", logits_tolerance = 1e30")])
        .row("narrow", &[compared("logits", "")])
        .row("longer", &[("max_tokens", "80".to_owned())])
        .row("shorter", &[("max_tokens", "16".to_owned())])
        .run();
    assert!(passed(&report, "right"), "{report:#?}");
    assert!(passed(&report, "narrow"), "{report:#?}");
    // An answer may go on behind the reference, and is not compared with it there.
    assert!(passed(&report, "longer"), "{report:#?}");
    let shorter = &failure(&report, "shorter").message;
    assert!(
        shorter.contains("has 64 tokens, and `max_tokens` is 16"),
        "{shorter}"
    );
    assert_eq!(failure(&report, "wrong").class, Class::Mismatch);
    let wide = &failure(&report, "wide").message;
    assert!(
        wide.starts_with("`prompt[0].expect.logits_tolerance` is so large"),
        "{wide}"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_window_slides_where_the_library_says_so() {
    let matrix = Matrix::new();
    let bytes = fs::read(artifact("tvm-0.26/dense-cpu-x86_64.so")).unwrap();
    let with = |window: &str| {
        let (said, other) = (
            "\"sliding_window_size\": -1",
            format!("\"sliding_window_size\": {window}"),
        );
        let place = memchr::memmem::find(&bytes, said.as_bytes()).unwrap();
        let after = &bytes[place + said.len()..];
        let changed = [&bytes[..place], other.as_bytes(), after].concat();
        let library = matrix.folder.path().join(format!("{window}.so"));
        fs::write(&library, changed).unwrap();
        ("library", text(&library))
    };
    let (narrow, wide) = (with("16"), with("99"));
    let long = ("prompt", reference("dense", "long"));
    let chunks = ("prefill_chunk", "8".to_owned());
    let report = matrix
        .row("wide", &[wide])
        .row("narrow", &[narrow.clone(), long.clone()])
        .row("narrow-chunks", &[narrow, long, chunks])
        .run();
    assert!(passed(&report, "wide"), "{report:#?}");
    // The reference attends to everything.
    for name in ["narrow", "narrow-chunks"] {
        let checks = &row(&report, name).checks;
        let first = checks.iter().find(|check| check.name == "first logits");
        assert!(!first.unwrap().passed, "{checks:?}");
    }
}
