//! Runs a matrix and says what became of each row. The tests take this program
//! as the child process of their rows.
//!
//! ```text
//! cargo run --release -p artcheck-verify --example verify -- MATRIX
//! ```

use artcheck_verify::{ChildCommand, MatrixOptions, Quiet, child_main, run_matrix};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(argument) = std::env::args().nth(1) else {
        eprintln!("usage: verify MATRIX");
        std::process::exit(2);
    };
    if argument == "verify-row" {
        std::process::exit(child_main().into());
    }
    let child = ChildCommand {
        program: std::env::current_exe()?,
        arguments: vec!["verify-row".into()],
    };
    let report = run_matrix(&MatrixOptions::new(argument, child), &mut Quiet)?;
    for row in &report.rows {
        println!("{}: {:?}", row.name, row.outcome);
    }
    std::process::exit((!report.succeeded()).into());
}
