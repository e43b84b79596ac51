//! Markdown for a job summary or a comment: headline, matrix, findings.
//!
//! Bounded: GitHub cuts a comment at 65,536 characters and refuses a larger
//! job summary, so findings that do not fit are counted, never cut in half.

use std::cmp::Reverse;
use std::fmt::Write as _;

use artcheck_inspect::Severity;
use artcheck_inspect::scan::VerdictStatus;

use super::grid::grid;
use super::groups::{Group, alike, groups, listed};
use super::model::{Report, Verdict};
use super::phrases::{counted, place};
use super::state::{State, judged};

/// Characters a report may have, with room for what a caller puts around it.
pub const MAX_CHARACTERS: usize = 60_000;
/// The matrix takes at most this much.
const MAX_MATRIX: usize = 30_000;
/// Kept for the closing lines.
const TAIL: usize = 400;

/// Renders a report.
pub fn render(report: &Report) -> String {
    let mut out = headline(report);
    matrix(&mut out, report);
    unreadable(&mut out, report);
    findings(&mut out, report);
    out
}

fn headline(report: &Report) -> String {
    let totals = &report.summary;
    let mark = match (totals.errors, totals.warnings, totals.undecided) {
        (1.., ..) => "❌",
        (0, 1.., _) | (0, _, true) => "⚠️",
        _ => "✅",
    };
    let mut line = format!(
        "## {mark} artcheck: {}, {}, {} in {}",
        counted(totals.errors, "error"),
        counted(totals.warnings, "warning"),
        counted(totals.infos, "note"),
        counted(totals.artifacts, "file"),
    );
    if totals.suppressed > 0 {
        let _ = write!(line, " ({} accepted)", totals.suppressed);
    }
    if totals.undecided {
        line.push_str("\n\n**Something is undecided**: see below.");
    }
    line.push_str("\n\n");
    line
}

fn matrix(out: &mut String, report: &Report) {
    let grid = grid(report);
    if grid.rows.is_empty() {
        return;
    }
    let start = out.len();
    let mut left = grid.rows.len() + grid.more;
    let mut head = String::from("| artifact |");
    for column in &grid.columns {
        let _ = write!(head, " {} |", code(column));
    }
    let _ = writeln!(head, "\n|---|{}", "---|".repeat(grid.columns.len()));
    if head.len() > MAX_MATRIX {
        let runtimes = grid.columns.len();
        let _ = writeln!(
            out,
            "{left} libraries on {runtimes} runtimes are not shown.\n"
        );
        return;
    }
    out.push_str(&head);
    for row in grid.rows {
        let mut line = format!("| {} |", code(&row.subject));
        for cell in &row.cells {
            let said = cell.map_or(String::from("–"), verdict);
            let _ = write!(line, " {said} |");
        }
        if out.len() - start + line.len() > MAX_MATRIX {
            break;
        }
        out.push_str(&line);
        out.push('\n');
        left -= 1;
    }
    if left > 0 {
        let _ = writeln!(out, "\n{left} more rows are not shown.");
    }
    out.push('\n');
}

/// Files that have no row because they could not be read.
fn unreadable(out: &mut String, report: &Report) {
    let unread = judged(report).into_iter();
    let unread = unread.filter(|judged| judged.state == State::Unreadable);
    let names: Vec<String> = unread.map(|judged| code(&judged.entry.path)).collect();
    if !names.is_empty() {
        let _ = writeln!(out, "Unreadable: {}.\n", listed(&names).join(", "));
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict.status {
        VerdictStatus::Fits => String::from("✅ fits"),
        VerdictStatus::FitsIf => {
            let needs = verdict.needs.iter().map(|need| code(&need.library));
            let needs: Vec<String> = needs.collect();
            format!("✅ fits if the machine has {}", needs.join(", "))
        }
        VerdictStatus::Undecided => String::from("❔ undecided"),
        VerdictStatus::Breaks => {
            let with = verdict.runs_with.iter();
            let with = with.map(|with| format!("; runs with {}", code(with)));
            let with: String = with.collect();
            format!("❌ {}{with}", verdict.rules.join(" "))
        }
    }
}

fn findings(out: &mut String, report: &Report) {
    let mut everywhere = alike(groups(&report.findings), |group| {
        let finding = group.finding;
        (
            finding.said.clone(),
            finding.severity,
            group.runtimes.clone(),
        )
    });
    everywhere.sort_by_key(|groups| groups.first().map(|g| Reverse(g.finding.severity)));
    let total: usize = everywhere.iter().map(Vec::len).sum();
    let mut shown = 0;
    let mut characters = out.chars().count();
    for groups in &everywhere {
        let Some(section) = section(groups) else {
            continue;
        };
        characters += section.chars().count();
        if characters > MAX_CHARACTERS - TAIL {
            let _ = writeln!(
                out,
                "**{} more findings are not shown**: see the JSON or HTML report.",
                total - shown
            );
            return;
        }
        out.push_str(&section);
        shown += groups.len();
    }
}

/// One problem, with every artifact that has it.
fn section(groups: &[Group<'_>]) -> Option<String> {
    let (group, others) = groups.split_first()?;
    let finding = group.finding;
    let mark = match finding.severity {
        Severity::Error => "❌",
        Severity::Warning => "⚠️",
        Severity::Info => "ℹ️",
    };
    let mut out = format!(
        "<details><summary>{mark} <b>{} {}</b> <code>{}</code>: {}</summary>\n\n",
        finding.rule,
        finding.name,
        html(&finding.artifact),
        prose(&group.message())
    );
    let others: Vec<&str> = others
        .iter()
        .map(|other| other.finding.artifact.as_str())
        .collect();
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(out, "- **{name}**: {text}");
    };
    for other in listed(&others) {
        line("also", &code(&other));
    }
    if !group.runtimes.is_empty() {
        line("on", &code(&group.runtimes.join(", ")));
    }
    for location in &finding.locations {
        let place = place(location);
        if !place.is_empty() {
            line("where", &code(&place));
        }
    }
    for evidence in &finding.evidence {
        line("evidence", &code(evidence));
    }
    if let Some(words) = &finding.runtime_says {
        line("runtime error", &code(words));
    }
    if !finding.help.is_empty() {
        line("fix", &text(&finding.fix()));
    }
    out.push_str("\n</details>\n\n");
    Some(out)
}

/// Inline code, whatever the text holds: a fence longer than any run in it.
fn code(text: &str) -> String {
    let text = cell_text(text);
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    if longest > 0 {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// Text that ends neither its line nor its table cell.
fn cell_text(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('|', "\\|")
}

/// Prose with names in backticks: code as Markdown, and else nothing that
/// Markdown acts on. A name with a backtick in it shifts the pieces, but each
/// of them is safe as either.
fn text(text: &str) -> String {
    pieces(text, code, |piece| {
        let mut out = String::new();
        for character in html(piece).chars() {
            if matches!(character, '\\' | '[' | ']' | '*' | '_' | '~' | '!') {
                out.push('\\');
            }
            out.push(character);
        }
        out
    })
}

/// The same for a line of HTML, where Markdown is not read.
fn prose(text: &str) -> String {
    pieces(text, |piece| format!("<code>{}</code>", html(piece)), html)
}

fn pieces(text: &str, code: impl Fn(&str) -> String, plain: impl Fn(&str) -> String) -> String {
    let pieces = text.split('`').enumerate();
    let pieces = pieces.map(|(number, piece)| match (number % 2, piece) {
        (1, "") => String::new(),
        (1, piece) => code(piece),
        (_, piece) => plain(piece),
    });
    pieces.collect()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_any_text() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b"), "`` a`b ``");
        assert_eq!(code("a|b\nc"), "`a\\|b c`");
    }

    #[test]
    fn prose_holds_code_and_no_markup() {
        let out = text("use `a_b` <b> or [x](y)");
        assert_eq!(out, "use `a_b` &lt;b&gt; or \\[x\\](y)");
        // A name that ends the code it stands in.
        assert_eq!(text("call `x` ![](u)`"), "call `x` \\!\\[\\](u)");
        assert_eq!(
            prose("call `<i>` & `"),
            "call <code>&lt;i&gt;</code> &amp; "
        );
    }
}
