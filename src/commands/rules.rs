//! `artcheck rules`: the catalogue.

use std::io::Write;

use artcheck_inspect::rules;
use artcheck_inspect::runtime::pages;
use serde_json::json;

use super::terminal::Terminal;
use crate::args::{PlainFormat, RulesArgs};
use crate::exit::Status;
use crate::streams::stdout;

/// Prints the catalogue.
pub fn run(args: &RulesArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let mut out = stdout();
    match args.format {
        PlainFormat::Human => {
            for rule in rules::ALL {
                let line = format!("{}  {:<18} {}", rule.code, rule.name, rule.summary);
                let first = line.len() - rule.summary.len();
                let (label, summary) = line.split_at(first);
                write!(out, "{}", terminal.style.paragraph(label, first, summary))?;
            }
        }
        PlainFormat::Json => {
            let list: Vec<_> = rules::ALL
                .iter()
                .map(|rule| {
                    json!({
                        "code": rule.code,
                        "name": rule.name,
                        "severity": rule.severity,
                        "summary": rule.summary,
                        "explain": pages::fill(rule.explain),
                    })
                })
                .collect();
            serde_json::to_writer_pretty(
                &mut out,
                &json!({ "schema": "artcheck/rules-v1", "rules": list }),
            )?;
            writeln!(out)?;
        }
    }
    Ok(Status::Clean)
}
