//! Every class of failure of `docs/coverage.md`: an artifact that breaks, with
//! exactly the codes it gets, and the nearest one that does not, with none.
//!
//! Files are the corpus's where it has them; the rest is made here or by
//! `support::make` and is synthetic. A class or a code of the table without a
//! case fails the last test.

mod cases;
mod devices;
mod makers;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::support::{self, root, rules, scan};
use cases::{CASES, OF_REAL_PARTS};

/// What `scan` is called with.
type Scan = Vec<OsString>;

struct Case {
    /// Class, as the first cell of the table begins.
    class: &'static str,
    /// The one code that it gets.
    code: &'static str,
    /// What is wrong with one and not with the other.
    what: &'static str,
    breaks: fn(&Path) -> Scan,
    near: fn(&Path) -> Scan,
}

/// Codes of errors and warnings.
fn codes(make: fn(&Path) -> Scan) -> Vec<String> {
    let folder = support::make::folder();
    let (report, _) = scan(make(folder.path()));
    rules(&report, &["error", "warning"])
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cc makes no ELF here")]
fn each_breaking_artifact_gets_its_code_and_no_other() {
    break_with_one_code(CASES);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn each_breaking_runtime_gets_its_code_and_no_other() {
    break_with_one_code(OF_REAL_PARTS);
}

fn break_with_one_code(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let found = codes(case.breaks);
        if found != [case.code] {
            wrong.push(format!(
                "{} {}: {found:?}, not {}",
                case.class, case.what, case.code
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cc makes no ELF here")]
fn each_near_miss_gets_none() {
    get_no_code(CASES);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn each_near_miss_of_a_runtime_gets_none() {
    get_no_code(OF_REAL_PARTS);
}

fn get_no_code(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let found = codes(case.near);
        if !found.is_empty() {
            wrong.push(format!("{} {}: {found:?}", case.class, case.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Device code that names no GPU, where one is declared: no error, and no "ok".
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn code_that_says_nothing_could_not_be_decided() {
    let folder = support::make::folder();
    let code = b"\x7fELF but no more".to_vec();
    let with_gpu = devices::device(folder.path(), "cuda", "cubin", code, "x86_64-linux+sm_90");
    let (report, status) = scan(with_gpu.clone());
    assert_eq!(rules(&report, &["error", "warning"]), Vec::<String>::new());
    assert_eq!(status, 4);
    let detail = report["artifacts"][0]["problems"][0]["detail"].as_str();
    assert!(
        detail
            .expect("a problem")
            .starts_with("AC401: the cuda module holds")
    );
    let plain = [
        with_gpu[0].clone(),
        "--target".into(),
        "x86_64-linux".into(),
    ];
    assert_eq!(scan(plain).1, 0, "nothing was declared");
}

#[test]
fn every_class_and_code_of_the_table_has_a_case() {
    let table = fs::read_to_string(root().join("docs/coverage.md")).expect("docs/coverage.md");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.split('|').map(str::trim).collect())
        .skip_while(|cells: &Vec<&str>| cells[1] != "class of failure")
        .skip(1)
        .take_while(|cells| cells[1] != "check")
        .collect();
    let letters: BTreeSet<&str> = rows.iter().map(|cells| &cells[1][..2]).collect();
    let expected: BTreeSet<String> = ('A'..='T').map(|letter| format!("{letter}.")).collect();
    assert_eq!(letters, expected.iter().map(String::as_str).collect());
    let all = || CASES.iter().chain(OF_REAL_PARTS);
    let mut missing = Vec::new();
    for cells in &rows {
        let of_class: Vec<&Case> = all()
            .filter(|case| cells[1].starts_with(case.class))
            .collect();
        if of_class.is_empty() {
            missing.push(format!("{}: no case", cells[1]));
        }
        for code in cells[2].split(|c: char| !c.is_ascii_alphanumeric()) {
            let is_code = code.len() == 5 && code.starts_with("AC");
            if is_code && !of_class.iter().any(|case| case.code == code) {
                missing.push(format!("{}: no case for {code}", cells[1]));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let unknown: Vec<&str> = all()
        .filter(|case| !rows.iter().any(|cells| cells[1].starts_with(case.class)))
        .map(|case| case.what)
        .collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
}
