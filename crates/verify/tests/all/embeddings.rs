//! Encoders as mlc-llm makes them: one that does not read its mask, and one whose
//! weights count positions from 2.

use std::path::Path;
use std::process::Command;

use crate::common::{self, Matrix, artifact, failure, part, passed, root, row, text};

/// Weights of the reference in mlc's shards, the table of positions turned by two rows
/// as XLM-RoBERTa's checkpoints have it.
fn shifted_weights(folder: &Path) {
    let program = "import sys\n\
        sys.path[:0] = [sys.argv[1] + '/reference', sys.argv[1] + '/train']\n\
        import numpy, common, embedding, shards\n\
        config = common.load('encoder')\n\
        named = common.parameters(embedding.names(config), 7)\n\
        positions = 'embeddings.position_embeddings.weight'\n\
        named[positions] = numpy.roll(named[positions], 2, axis=0)\n\
        shards.write(sys.argv[2], named.items())\n";
    let done = Command::new(part("venv/tools/bin/python"))
        .args(["-c", program])
        .args([&root().join("corpus"), folder])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

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
fn shifted_positions_are_named_and_can_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("params");
    shifted_weights(&weights);
    let keys = |weights: String| {
        [
            ("library", text(&artifact("tvm-0.26/encoder-cpu-x86_64.so"))),
            ("prompt", common::reference("encoder", "greeting")),
            ("weights", weights),
        ]
    };
    let matrix = Matrix::new()
        .row("shifted", &keys(text(&weights)))
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

    assert!(shift(&weights).contains("embeddings.position_embeddings.weight shifted by 2"));
    assert!(passed(&matrix.run(), "shifted"));
    // Once is enough, and said.
    assert!(shift(&weights).contains("shifted by 2 before"));
    assert!(passed(&matrix.run(), "shifted"));
}
