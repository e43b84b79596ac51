//! Encoders as mlc-llm makes them: one that does not read its mask, and one whose
//! weights count positions from 2.

use std::path::Path;
use std::process::Command;

use artcheck_verify::Class;

use crate::common::{self, Matrix, artifact, failure, part, passed, root, row, text};

/// Weights of the reference in mlc's shards, after a change of `named`, in Python.
fn weights(folder: &Path, change: &str) -> String {
    let program = format!(
        "import sys\n\
        sys.path[:0] = [sys.argv[1] + '/reference', sys.argv[1] + '/train']\n\
        import numpy, common, embedding, shards\n\
        config = common.load('encoder')\n\
        named = common.parameters(embedding.names(config), 7)\n\
        last = [name for name in named if 'norm' in name.lower()][-2:]\n\
        {change}\n\
        shards.write(sys.argv[2], named.items())\n"
    );
    let done = Command::new(part("venv/tools/bin/python"))
        .args(["-c", &program])
        .args([&root().join("corpus"), folder])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    text(folder)
}

/// The table of positions turned by two rows, as XLM-RoBERTa's checkpoints have it.
const SHIFTED: &str = "positions = 'embeddings.position_embeddings.weight'\n\
    named[positions] = numpy.roll(named[positions], 2, axis=0)";

fn shift(folder: &Path) -> String {
    let done = Command::new(part("venv/tools/bin/python"))
        .arg(root().join("matrix/shift_positions.py"))
        .arg(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn shifted_positions_are_named_and_can_be_fixed() {
    let folder = tempfile::tempdir().unwrap();
    let params = folder.path().join("params");
    let shifted = weights(&params, SHIFTED);
    let keys = |weights: String| {
        [
            ("library", text(&artifact("tvm-0.26/encoder-cpu-x86_64.so"))),
            ("prompt", common::reference("encoder", "greeting")),
            ("weights", weights),
        ]
    };
    let matrix = Matrix::new()
        .row("shifted", &keys(shifted))
        // Wrong in another way: nothing is said of positions.
        .row("other", &keys("\"random:8\"".to_owned()));
    let report = matrix.run();
    let message = &failure(&report, "shifted").message;
    assert!(message.contains("positions"), "{message}");
    let said = |name: &str| {
        let checks = row(&report, name).checks.iter();
        checks
            .filter(|check| check.detail.contains("positions are shifted by 2"))
            .count()
    };
    assert_eq!((said("shifted"), said("other")), (1, 0));

    assert!(shift(&params).contains("embeddings.position_embeddings.weight shifted by 2"));
    assert!(passed(&matrix.run(), "shifted"));
    // Once is enough, and said.
    assert!(shift(&params).contains("shifted by 2 before"));
    assert!(passed(&matrix.run(), "shifted"));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_vector_of_no_numbers_or_of_zeros_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let times = |factor: &str| {
        let change =
            format!("for name in last: named[name] = named[name] * numpy.float32({factor})");
        let place = folder.path().join(factor.trim_matches('\''));
        ("weights", weights(&place, &change))
    };
    let library = ("library", text(&artifact("tvm-0.26/encoder-cpu-x86_64.so")));
    let compared = ("prompt", common::reference("encoder", "short"));
    // Far from each other: true of anything that has no direction.
    let far = [
        (
            "prompt",
            "[{ text = \"abc\" }, { text = \"xyz\" }]".to_owned(),
        ),
        ("similarity", "[{ a = 0, b = 1, at_most = 0.5 }]".to_owned()),
    ];
    let (nan, zero) = (times("'nan'"), times("0"));
    let with = |more: &[(&'static str, String)]| [std::slice::from_ref(&library), more].concat();
    let report = Matrix::new()
        .row("nan", &with(&[nan.clone(), compared.clone()]))
        .row("zero", &with(&[zero.clone(), compared]))
        .row("nan-far", &with(&[&[nan][..], &far].concat()))
        .row("zero-far", &with(&[&[zero][..], &far].concat()))
        .run();
    for (name, words) in [
        ("nan", "the values of the embedding are not numbers"),
        (
            "nan-far",
            "prompt[0]: the values of the embedding are not numbers",
        ),
        ("zero", "prompt[0]: the embedding is zero"),
        ("zero-far", "the embedding is zero"),
    ] {
        let failure = failure(&report, name);
        assert_eq!(failure.class, Class::Mismatch, "{name}: {failure:?}");
        assert!(failure.message.contains(words), "{name}: {failure:?}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_vector_that_is_too_long_is_another_vector() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(artifact("tvm-0.26/encoder-cpu-x86_64.so")).unwrap();
    let (said, other) = (b"\"normalize\": true", b"\"normalize\":false");
    let place = memchr::memmem::find(&bytes, said).unwrap();
    let bytes = [&bytes[..place], other, &bytes[place + said.len()..]].concat();
    let library = folder.path().join("long.so");
    std::fs::write(&library, bytes).unwrap();
    let report = Matrix::new()
        .row(
            "long",
            &[
                ("library", text(&library)),
                ("prompt", common::reference("encoder", "short")),
            ],
        )
        .run();
    let check = &row(&report, "long").checks[0];
    assert!(!check.passed, "{check:?}");
    assert!(check.detail.contains("; its length is "), "{check:?}");
}
