//! One run, four reports.

use artcheck_verify::report::join::{JoinError, join};
use artcheck_verify::report::{MatrixReport, Summary, human, json, junit, markdown};
use artcheck_verify::{Quiet, run_matrix};
use quick_junit::Report;

use crate::common::Matrix;

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
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
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
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn junit_counts_rows_that_did_not_run_as_skipped_or_as_errors() {
    for (require_all, skipped, errors) in [(false, 1, 0), (true, 0, 1)] {
        let text = junit::render(&report(require_all)).unwrap();
        let read = Report::deserialize_from_str(&text).unwrap();
        let suite = &read.test_suites[0];
        assert_eq!((suite.tests, suite.failures), (3, 1));
        assert_eq!((suite.skipped, suite.errors), (skipped, errors), "{text}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn json_is_read_back_and_reports_join_only_if_they_belong_together() {
    let whole = report(false);
    let text = json::render(&whole).unwrap();
    let read = json::read(&text).unwrap().unwrap();
    assert_eq!(json::render(&read).unwrap(), text);
    assert!(json::read("{\"schema\": \"another\"}").unwrap().is_none());
    assert!(json::read("no JSON").unwrap().is_none());

    let part = |label: Option<&str>, rows: &[usize]| MatrixReport {
        shard: label.map(str::to_owned),
        rows: rows.iter().map(|&row| whole.rows[row].clone()).collect(),
        ..whole.clone()
    };
    let joined = join(vec![part(Some("2/2"), &[2, 1]), part(Some("1/2"), &[0])]).unwrap();
    assert_eq!(json::render(&joined).unwrap(), text);
    // Without shards: rows of one device, rows of another.
    assert!(join(vec![part(None, &[1]), part(None, &[0])]).is_ok());

    let error = |reports| join(reports).unwrap_err();
    assert_eq!(error(Vec::new()), JoinError::Empty);
    let missing = error(vec![part(Some("1/2"), &[0])]);
    assert_eq!(missing, JoinError::MissingShard("2/2".to_owned()));
    for other in [Some("2/3"), None] {
        let found = error(vec![part(Some("1/2"), &[0]), part(other, &[1])]);
        assert!(matches!(found, JoinError::Divisions(..)), "{found}");
    }
    let twice = error(vec![part(None, &[0, 1]), part(None, &[1])]);
    assert_eq!(twice, JoinError::Twice("bad".to_owned()));
    let mut elsewhere = part(None, &[1]);
    elsewhere.matrix = "other.toml".into();
    let found = error(vec![part(None, &[0]), elsewhere]);
    assert!(matches!(found, JoinError::Matrices(..)), "{found}");
}
