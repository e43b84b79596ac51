//! Tables of libraries and runtimes, in the reports that have one.

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
