//! `artcheck explain`: a rule's page, or the rules behind an error that was pasted.

use std::io::{IsTerminal as _, Read as _, Write};
use std::path::Path;

use anyhow::{Context, bail};
use artcheck_inspect::runtime::pages;
use artcheck_inspect::shown::shown;
use artcheck_inspect::{Rule, rules};

use super::terminal::Terminal;
use crate::args::ExplainArgs;
use crate::exit::Status;
use crate::explain::{self, Explained, Hit};
use crate::report::style::Style;
use crate::streams::stdout;

/// Bytes of a text that are read; of a longer log, the end says what happened.
const LONGEST: u64 = 16 << 20;
/// Rules that are named beside the first.
const OTHERS: usize = 3;

/// Prints the page of a rule that was named, or what explains a text.
pub fn run(args: &ExplainArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let text = text_of(&args.text)?;
    let text = explain::without_controls(&text);
    if let Some(rule) = rules::find(text.trim()) {
        let page = explain::page::rendered(&pages::fill(rule.explain), terminal.style);
        stdout().write_all(page.as_bytes())?;
        return Ok(Status::Clean);
    }
    if text.trim().is_empty() {
        bail!("there is no text to explain: paste an error, or name a rule (`artcheck rules`)");
    }
    let explained = explain::explain(&text);
    if explained.hits.is_empty() {
        bail!(unknown(text.trim(), &explained));
    }
    stdout().write_all(page(&explained.hits, terminal.style).as_bytes())?;
    Ok(Status::Clean)
}

/// The words themselves, what a file named by them holds, or standard input.
fn text_of(words: &[String]) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    match words {
        [] if std::io::stdin().is_terminal() => {
            let rule = rules::ATTENTION_TAG;
            bail!(
                "name a rule, or paste an error: `artcheck explain {rule}`, `artcheck explain -`"
            );
        }
        [] => std::io::stdin().take(LONGEST).read_to_end(&mut bytes)?,
        [only] if only == "-" => std::io::stdin().take(LONGEST).read_to_end(&mut bytes)?,
        [only] if rules::find(only).is_none() && Path::new(only).is_file() => {
            let file = std::fs::File::open(only).with_context(|| only.clone())?;
            file.take(LONGEST).read_to_end(&mut bytes)?
        }
        [only] if is_path(only) && Path::new(only).is_dir() => {
            bail!(
                "{only} is a folder: name a file, or paste an error; for libraries, use `artcheck scan {only}`"
            )
        }
        [only] if is_path(only) && !Path::new(only).exists() => bail!("{only}: no such file"),
        words => {
            let is_option = |word: &&String| word.starts_with("--") && !word.contains(' ');
            if let Some(option) = words.first().filter(is_option) {
                bail!("unexpected option `{option}`; see `artcheck explain --help`");
            }
            return Ok(words.join(" "));
        }
    };
    decoded(bytes)
}

/// A log as text. Windows' shells write UTF-16, with its mark at the front.
fn decoded(bytes: Vec<u8>) -> anyhow::Result<String> {
    let units = |read: fn([u8; 2]) -> u16| -> Vec<u16> {
        let (pairs, _) = bytes.as_chunks::<2>();
        pairs.iter().skip(1).copied().map(read).collect()
    };
    match bytes.get(..2) {
        Some([0xff, 0xfe]) => Ok(String::from_utf16_lossy(&units(u16::from_le_bytes))),
        Some([0xfe, 0xff]) => Ok(String::from_utf16_lossy(&units(u16::from_be_bytes))),
        _ if bytes.contains(&0) => {
            bail!("this is not text; for a library, use `artcheck scan`")
        }
        _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Whether a word can only mean a file: it names folders, or ends as a log does.
fn is_path(word: &str) -> bool {
    let ends = [".log", ".txt", ".out", ".err"];
    let named = word.contains(['/', '\\']) || ends.iter().any(|end| word.ends_with(end));
    named && !word.contains(char::is_whitespace)
}

/// Why nothing is printed, and what to do about it.
fn unknown(text: &str, explained: &Explained<'_>) -> String {
    let is_code = |text: &str| {
        let digits = text.get(2..).unwrap_or_default();
        let rest = digits.chars().all(|c| c.is_ascii_digit());
        text.get(..2)
            .is_some_and(|head| head.eq_ignore_ascii_case("AC"))
            && rest
    };
    let close = |rule: &&&Rule| strsim::jaro_winkler(rule.name, &text.to_lowercase()) > 0.85;
    if is_code(text) || !text.contains(char::is_whitespace) {
        return match rules::ALL.iter().find(close) {
            Some(rule) => format!("no rule `{}`; did you mean {}?", shown(text), rule.name),
            None => format!("no rule `{}`; `artcheck rules` lists them", shown(text)),
        };
    }
    let about = match explained.outside {
        Some((number, explain::PYTHON)) => {
            return format!(
                "no rule explains this error: line {number} is a Python error. `artcheck doctor` \
                 looks at the Python packages of this machine"
            );
        }
        Some((number, what)) => format!(": line {number} is about {what}"),
        None => String::new(),
    };
    format!(
        "no rule explains this error{about}. `artcheck scan` looks at the library itself, \
         and `artcheck doctor` at this machine"
    )
}

fn page(hits: &[Hit<'_>], style: Style) -> String {
    let mut out = String::new();
    let Some((best, others)) = hits.split_first() else {
        return out;
    };
    let label = format!("{} {}", best.rule.code, best.rule.name);
    out.push_str(&format!("{}\n", style.bold(&label)));
    out.push_str(&style.paragraph("  ", 2, best.rule.summary));
    out.push_str(&matched(best, style));
    if best.is_guess() {
        let doubt = "This is a guess: the message fits the rule, but can have other causes. \
                     `artcheck scan` looks at the library itself.";
        out.push_str(&style.paragraph("  ", 2, doubt));
    }
    out.push_str("\nHow to fix it\n");
    let fix = section(best.rule, "## How to fix it");
    let narrower = Style {
        width: style.width.map(|width| width.saturating_sub(2)),
        ..style
    };
    for line in explain::page::laid_out(&fix, narrower).lines() {
        out.push_str(if line.is_empty() { "" } else { "  " });
        out.push_str(line);
        out.push('\n');
    }
    let next = "\nWhat to run next\n  artcheck scan YOUR-LIBRARY --runtime YOUR-RUNTIME\n  artcheck explain ";
    out.push_str(next);
    out.push_str(best.rule.code);
    out.push('\n');
    if !others.is_empty() {
        out.push_str("\nLess likely\n");
    }
    for hit in others.iter().take(OTHERS) {
        let first = format!("  {}  ", hit.rule.code);
        out.push_str(&style.paragraph(&first, 9, hit.rule.summary));
        out.push_str(&matched(hit, style));
    }
    out
}

fn matched(hit: &Hit<'_>, style: Style) -> String {
    let mut line: String = hit.line.chars().take(200).collect();
    if line.len() < hit.line.len() {
        line.push_str(" ...");
    }
    let first = format!("  {} ", style.dim("matched"));
    style.paragraph(
        &first,
        10,
        &format!("line {}: {}", hit.number, shown(&line)),
    )
}

/// A part of the rule's page.
fn section(rule: &Rule, head: &str) -> String {
    let page = pages::fill(rule.explain);
    let after = page.split_once(head).map_or("", |(_, after)| after);
    let part = after.split_once("\n## ").map_or(after, |(part, _)| part);
    part.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_windows_is_text() {
        let text = "\u{feff}Zürich: Cannot reach here";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            let log = decoded(bytes).expect("text");
            assert_eq!(log, text.trim_start_matches('\u{feff}'));
        }
        assert!(decoded(vec![b'a', 0, b'b']).is_err());
    }
}
