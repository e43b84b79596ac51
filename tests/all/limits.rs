//! Every limit in every report: what a file goes over is named, and the status is 4.

use artcheck_inspect::limits::{MAX_LISTING, MAX_NESTING};

use crate::support::make::{folder, put};
use crate::support::run;
use crate::writer::limits::{LIMITS, listed};

const FORMATS: [&str; 8] = [
    "human", "json", "markdown", "github", "sarif", "junit", "gitlab", "html",
];
/// What a report says before the limit.
const BECAUSE: &str = "undecided, because a limit was reached: ";

#[test]
fn a_limit_is_named_in_every_report() {
    let folder = folder();
    for limit in &LIMITS {
        let kept = put(&folder, limit.file, (limit.make)(false));
        let file = kept.to_str().expect("text");
        let output = run(["scan", file, "--format", "json"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains(BECAUSE), "{}: {text}", limit.file);

        put(&folder, limit.file, (limit.make)(true));
        let report = folder.path().join("report.json");
        let report = report.to_str().expect("text");
        let output = run(["scan", file, "--format", "human", "--output", report]);
        assert_eq!(output.status.code(), Some(4), "{}", limit.file);
        names("human", &output.stdout, limit.says);
        for format in FORMATS {
            let output = run(["merge", report, "--format", format]);
            assert_eq!(output.status.code(), Some(4), "{} {format}", limit.file);
            names(format, &output.stdout, limit.says);
        }
        std::fs::remove_file(kept).expect("removed");
    }
}

#[test]
fn scans_say_the_same() {
    let folder = folder();
    let limit = LIMITS.iter().find(|limit| limit.file == "nested.tar");
    let limit = limit.expect("in the list");
    let file = put(&folder, limit.file, (limit.make)(true));
    let says = format!("archives are opened {MAX_NESTING} deep");
    for format in FORMATS {
        let output = run(["scan", file.to_str().expect("text"), "--format", format]);
        assert_eq!(output.status.code(), Some(4), "{format}");
        names(format, &output.stdout, &says);
    }
}

/// A listing is no report: the limit is all that is said.
#[test]
fn a_listing_has_a_limit() {
    let folder = folder();
    for (over, status) in [(false, 0), (true, 4)] {
        let file = put(&folder, "listed.wasm", listed(over));
        let file = file.to_str().expect("text");
        for format in ["human", "json"] {
            let output = run(["dump", "--asm", "--format", format, file]);
            assert_eq!(output.status.code(), Some(status), "{format} {over}");
            assert_eq!(output.stdout.is_empty(), over, "{format}");
            if over {
                let says = format!("a listing of at most {MAX_LISTING} bytes");
                names(format, &output.stderr, &says);
            }
        }
    }
}

/// What is shown of a program is no error where it holds more than is read.
#[test]
fn a_dump_names_a_limit() {
    let folder = folder();
    let limit = LIMITS.iter().find(|limit| limit.file == "items.wasm");
    let limit = limit.expect("in the list");
    let file = put(&folder, limit.file, (limit.make)(true));
    for shows in ["--asm", "--stats", "--metadata"] {
        let output = run(["dump", shows, file.to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(4), "{shows}");
        names(shows, &output.stderr, limit.says);
    }
}

/// Fails where a report does not name the limit. Lines are broken anywhere, and some
/// formats begin sentences with a capital letter.
fn names(format: &str, report: &[u8], says: &str) {
    let text = String::from_utf8_lossy(report);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.to_lowercase();
    for expected in [BECAUSE.trim_end(), &says.to_lowercase()] {
        assert!(words.contains(expected), "{format}: no `{expected}`");
    }
}
