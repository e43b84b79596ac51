//! One run, four formats; several runs as one.

use artcheck_verify::{
    Check, Class, Facts, Failure, Figures, MatrixReport, Outcome, RowReport, SCHEMA, Stage,
};
use quick_junit::Report;

use super::{human, join, json, junit, markdown};

fn row(place: usize, name: &str, outcome: Outcome) -> RowReport {
    RowReport {
        name: name.to_owned(),
        place,
        model: "dense".to_owned(),
        device: "cpu".to_owned(),
        simulated: false,
        runtime: "tvm-0.26".to_owned(),
        library: "model.so".into(),
        outcome,
        stage: Some(Stage::Compare),
        facts: Facts::default(),
        precheck: Vec::new(),
        shim: None,
        checks: vec![Check::new("tokens", place == 0, "1 of 2 identical")],
        answers: Vec::new(),
        figures: Figures {
            tokens_per_second: Some(12.25),
            ..Figures::default()
        },
        kernels: None,
        runs: 1,
        seconds: 0.5,
    }
}

/// A row that passed, one that gave wrong answers, one that could not run.
fn report() -> MatrixReport {
    let failure = Failure::new(Class::Mismatch, Stage::Compare, "wrong answers: tokens");
    let reason = "no library nowhere|/model.so".to_owned();
    MatrixReport {
        schema: SCHEMA.to_owned(),
        matrix: "matrix.toml".into(),
        shard: None,
        require_all: false,
        rows: vec![
            row(0, "good", Outcome::Passed),
            row(1, "bad", Outcome::Failed { failure }),
            row(2, "absent", Outcome::NotRun { reason }),
        ],
    }
}

#[test]
fn every_format_tells_the_same() {
    let report = report();
    let value: serde_json::Value = serde_json::from_str(&json::render(&report).unwrap()).unwrap();
    assert_eq!(value["schema"], "artcheck-verify-1");
    assert_eq!(value["succeeded"], false);
    assert_eq!(value["summary"]["not_run"], 1);
    assert_eq!(value["rows"][1]["failure"]["class"], "mismatch");

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
        let report = MatrixReport {
            require_all,
            ..report()
        };
        let text = junit::render(&report).unwrap();
        let read = Report::deserialize_from_str(&text).unwrap();
        let suite = &read.test_suites[0];
        assert_eq!((suite.tests, suite.failures), (3, 1));
        assert_eq!((suite.skipped, suite.errors), (skipped, errors), "{text}");
    }
}

#[test]
fn json_is_read_back_and_reports_join_only_if_they_belong_together() {
    let whole = report();
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

    let error = |reports| join(reports).unwrap_err().to_string();
    assert_eq!(error(Vec::new()), "no report was named");
    assert_eq!(error(vec![part(Some("1/2"), &[0])]), "shard 2/2 is missing");
    for other in [Some("2/3"), None] {
        let found = error(vec![part(Some("1/2"), &[0]), part(other, &[1])]);
        assert!(found.contains("shards of one division"), "{found}");
    }
    let twice = error(vec![part(None, &[0, 1]), part(None, &[1])]);
    assert_eq!(twice, "row `bad` is in two reports");
    let mut elsewhere = part(None, &[1]);
    elsewhere.matrix = "other.toml".into();
    let found = error(vec![part(None, &[0]), elsewhere]);
    assert!(found.contains("different matrices"), "{found}");
}
