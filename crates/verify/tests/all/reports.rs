//! One run as data.

use artcheck_verify::{MatrixReport, Quiet, Summary, run_matrix};

use crate::common::Matrix;

/// A row that passes, one that gives wrong answers, one that cannot run.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_report_has_every_row_in_order_and_is_read_back() {
    let matrix = Matrix::new()
        .row("good", &[])
        .row("bad", &[("weights", "\"random:8\"".to_owned())])
        .row("absent", &[("library", "\"nowhere|/model.so\"".to_owned())]);
    let mut options = matrix.options();
    options.require_all = false;
    options.jobs = 3;
    let report = run_matrix(&options, &mut Quiet).unwrap();
    let summary = Summary {
        passed: 1,
        failed: 1,
        not_run: 1,
    };
    assert_eq!(report.summary(), summary);
    assert!(!report.succeeded());
    let names: Vec<&str> = report.rows.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["good", "bad", "absent"]);

    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["schema"], "artcheck-verify-1");
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
    let back: MatrixReport = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), value);
}
