//! One run, four reports.

mod common;

use artcheck_verify::report::{MatrixReport, Summary, human, json, junit, markdown};
use artcheck_verify::{Quiet, run_matrix};
use quick_junit::Report;

use common::Matrix;

/// A row that passes, one that gives wrong answers, one that cannot run.
fn report(require_all: bool) -> MatrixReport {
    let matrix = Matrix::new()
        .row("good", &[])
        .row("bad", &[("weights", "\"random:8\"".to_owned())])
        .row("absent", &[("library", "\"nowhere|/model.so\"".to_owned())]);
    let mut options = matrix.options();
    options.require_all = require_all;
    options.jobs = 3;
    run_matrix(&options, &mut Quiet).unwrap()
}

#[test]
fn every_format_tells_the_same() {
    let report = report(false);
    let summary = Summary {
        passed: 1,
        failed: 1,
        not_run: 1,
    };
    assert_eq!(report.summary(), summary);
    let names: Vec<&str> = report.rows.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(
        names,
        ["good", "bad", "absent"],
        "rows keep the matrix's order"
    );

    let value: serde_json::Value = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
    assert_eq!(value["schema"], "artcheck-verify-1");
    assert_eq!(value["succeeded"], false);
    assert_eq!(value["summary"]["not_run"], 1);
    let row = &value["rows"][0];
    assert_eq!(
        (&row["outcome"], &row["stage"]),
        (&"passed".into(), &"compare".into())
    );
    assert_eq!(row["facts"]["kind"], "kv_cache");
    assert_eq!(row["answers"][0]["tokens"].as_array().unwrap().len(), 64);
    assert!(row["figures"]["tokens_per_second"].as_f64().unwrap() > 1.0);
    assert_eq!(value["rows"][1]["failure"]["class"], "mismatch");
    assert_eq!(value["rows"][2]["outcome"], "not-run");

    let text = human::render(&report);
    assert!(text.contains("1 passed, 1 failed, 1 not run"), "{text}");
    assert!(text.contains("bad failed at stage compare"), "{text}");

    let text = markdown::render(&report);
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let table: Vec<&str> = text.lines().filter(|l| l.starts_with('|')).collect();
    assert_eq!(table.len(), 5);
    assert!(table.iter().all(|line| cells(line) == 10), "{text}");
}

#[test]
fn junit_counts_rows_that_did_not_run_as_skipped_or_as_errors() {
    for (require_all, skipped, errors) in [(false, 1, 0), (true, 0, 1)] {
        let text = junit::render(&report(require_all)).unwrap();
        let read = Report::deserialize_from_str(&text).unwrap();
        let suite = &read.test_suites[0];
        assert_eq!((suite.tests, suite.failures), (3, 1));
        assert_eq!((suite.skipped, suite.errors), (skipped, errors), "{text}");
    }
}
