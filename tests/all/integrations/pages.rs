//! Completions by bash, manual pages by groff.

use std::fs;
use std::process::Command;

use super::{run_lines, words};

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn completions_and_manual_pages_are_read_by_their_readers() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "set -u\nsource <(artcheck completions bash)\ncomplete -p artcheck\n\
        COMP_WORDS=(artcheck scan --f) COMP_CWORD=2\n_artcheck artcheck --f scan\n\
        printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let output = run_lines(folder.path(), [script]);
    let text = words(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("--format") && text.contains("--fail-on"),
        "{text}"
    );
    fs::remove_dir_all(folder.path().join("tools")).expect("removed");
    assert!(
        run_lines(folder.path(), ["artcheck man --out pages"])
            .status
            .success()
    );
    let mut pages = 0;
    for page in fs::read_dir(folder.path().join("pages")).expect("pages") {
        let page = page.expect("an entry").path();
        let output = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&page)
            .output()
            .expect("groff starts");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}: {}",
            page.display(),
            words(&output)
        );
        pages += 1;
    }
    assert!(pages >= 18, "{pages}");
}
