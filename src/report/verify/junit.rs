//! JUnit XML: one test case per row. A row that did not run is skipped, or an
//! error where every row is required.

use std::time::Duration;

use artcheck_inspect::source::Spelled as _;

use artcheck_verify::{MatrixReport, Outcome, RowReport};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// The report as JUnit XML.
pub fn render(report: &MatrixReport) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(report.matrix.spelled());
    for row in &report.rows {
        suite.add_test_case(case(row, report.require_all));
    }
    let mut document = Report::new("artcheck verify");
    document.add_test_suite(suite);
    document.to_string()
}

fn case(row: &RowReport, require_all: bool) -> TestCase {
    let status = match &row.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed { failure } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(&failure.message);
            let mut text = failure.last_words.join("\n");
            for check in row.checks.iter().filter(|c| !c.passed) {
                text.push_str(&format!("\n{}: {}", check.name, check.detail));
            }
            status.set_description(text);
            status
        }
        Outcome::NotRun { reason } if require_all => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(format!("not run: {reason}"));
            status
        }
        Outcome::NotRun { reason } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason);
            status
        }
    };
    let mut case = TestCase::new(&row.name, status);
    case.set_classname(format!("{}.{}", row.device, row.runtime));
    if row.simulated {
        case.add_property(("simulated", "true"));
    }
    if let Some(kernels) = &row.kernels {
        case.add_property(("kernels", kernels.coverage().as_str()));
    }
    if let Some(stage) = row.stage {
        case.add_property(("stage", stage.to_string().as_str()));
    }
    let figures = &row.figures;
    for (name, figure) in [
        ("tokens-per-second", figures.tokens_per_second),
        ("first-token-seconds", figures.first_token_seconds),
        ("peak-memory-bytes", figures.peak_memory.map(|b| b as f64)),
    ] {
        if let Some(figure) = figure {
            case.add_property((name, figure.to_string().as_str()));
        }
    }
    case.set_time(Duration::try_from_secs_f64(row.seconds).unwrap_or_default());
    case
}
