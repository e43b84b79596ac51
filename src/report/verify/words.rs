//! The words and figures that reports of `verify` share.

use artcheck_verify::{MatrixReport, Outcome, RowReport};

/// What happened to a row, in a word.
pub fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed { .. } => "failed",
        Outcome::NotRun { .. } => "not run",
    }
}

/// What a table says beside the outcome: why it failed or did not run, or
/// what it was compared with.
pub fn remark(row: &RowReport) -> String {
    match &row.outcome {
        Outcome::Failed { failure } => failure.message.clone(),
        Outcome::NotRun { reason } => reason.clone(),
        Outcome::Passed => {
            let mut names: Vec<&str> = Vec::new();
            for check in &row.checks {
                if !names.contains(&check.name.as_str()) {
                    names.push(&check.name);
                }
            }
            let mut text = names.join(", ");
            if let Some(shim) = &row.shim {
                text.push_str(&format!("; with {}", shim.description));
            }
            let emulated = row.facts.emulated_libraries.iter();
            let names = emulated.filter_map(|path| path.file_name());
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            if !names.is_empty() {
                text.push_str(&format!("; emulated: {}", names.join(", ")));
            }
            if row.simulated {
                text.push_str("; simulated");
            }
            if let Some(kernels) = &row.kernels {
                text.push_str(&format!(", {}", kernels.coverage()));
                if kernels.not_compiled > 0 {
                    text.push_str(&format!(", {} not compiled", kernels.not_compiled));
                }
            }
            text
        }
    }
}

/// `12.3 ms`, `1.2 s`.
pub fn duration(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(s) if s < 1.0 => format!("{:.1} ms", s * 1e3),
        Some(s) => format!("{s:.2} s"),
    }
}

/// `123`, `12.3`.
pub fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(r) if r >= 100.0 => format!("{r:.0}"),
        Some(r) => format!("{r:.1}"),
    }
}

/// Mebibytes.
pub fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |b| format!("{} MiB", b >> 20))
}

/// What every report with Metal rows says until somebody has run them on a Mac.
const METAL_REMARK: &str = "Metal rows: not yet run on Apple hardware by the project";

/// What every report with simulated rows says.
const SIMULATED_REMARK: &str = "metal-sim rows: Metal simulated on a CPU; their times are not a GPU's, and they replace no run on a Mac";

/// What every report with rows on an emulated runtime says.
const EMULATED_REMARK: &str = "rows on a runtime for macOS: its own arm64 libraries ran in an emulator, with stand-ins for the libraries of macOS; they replace no run on a Mac";

/// Remarks that belong to the whole report.
pub fn remarks(report: &MatrixReport) -> Vec<&'static str> {
    let is_metal = |row: &RowReport| row.device == "metal" || row.device.starts_with("metal:");
    let metal = |row: &RowReport| is_metal(row) && !matches!(row.outcome, Outcome::NotRun { .. });
    let mut remarks = Vec::new();
    if report.rows.iter().any(metal) {
        remarks.push(METAL_REMARK);
    }
    if report.rows.iter().any(|row| row.simulated) {
        remarks.push(SIMULATED_REMARK);
    }
    if report.rows.iter().any(|row| row.facts.emulated) {
        remarks.push(EMULATED_REMARK);
    }
    remarks
}
