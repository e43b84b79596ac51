//! Tables of libraries and runtimes and the sums beneath them, in the reports that have one.

use crate::support::{artcheck, root, text};

/// What no runtime loads has no mark of a runtime that runs it, in any report.
#[test]
fn a_library_that_breaks_everywhere_fits_in_no_cell() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so";
    std::fs::copy(root().join(library), folder.path().join("model")).expect("copied");
    for format in ["matrix", "markdown", "html"] {
        let mut program = artcheck();
        match format {
            "matrix" => program.arg("matrix"),
            format => program.args(["scan", "--format", format]),
        };
        let of_two = ["-r", "tvm-0.27,tvm-0.26"];
        let (report, code) = text(program.arg(folder.path()).args(of_two));
        assert_eq!(code, 1, "{format}");
        let rows = match format {
            "html" => report.split("<tbody>").nth(1).unwrap_or_default(),
            _ => &report,
        };
        let rows = rows.split("</tbody>").next().unwrap_or_default();
        let rows: Vec<&str> = rows
            .lines()
            .filter(|line| line.contains("AC002") && !line.contains("explain"))
            .collect();
        assert!(!rows.is_empty(), "{format}: {report}");
        assert!(!rows.concat().contains(['✓', '✅']), "{format}: {rows:?}");
    }
}

/// Runtimes beyond the first few are not told one by one, and not all as bad.
#[test]
fn the_runtimes_that_are_not_told_have_their_state() {
    let library = "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so";
    let last = |runtimes: &str| {
        let (report, _) = text(artcheck().args(["scan", library, "-r", runtimes]));
        report.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let good = last("tvm-0.24,tvm-0.25,tvm-0.26,tvm-0.27");
    assert!(good.contains("Nothing breaks on 1 more runtime."), "{good}");
    let bad = last("tvm-0.27,tvm-0.26,tvm-0.25,tvm-0.24,tvm-0.23");
    let words = "Some break or are undecided on 2 more runtimes.";
    assert!(bad.contains(words), "{bad}");
}

/// An argument that is no text is refused with the status of wrong usage.
#[test]
#[cfg(unix)]
fn an_argument_that_is_no_text_is_wrong_usage() {
    use std::os::unix::ffi::OsStrExt as _;
    let name = std::ffi::OsStr::from_bytes(b"x\xff");
    for first in [&["scan", "--nope"][..], &["fix"], &["explain"]] {
        let run = artcheck().args(first).arg(name).output();
        assert_eq!(
            run.expect("artcheck starts").status.code(),
            Some(2),
            "{first:?}"
        );
    }
}
