//! The signatures of functions that register one: such a function prints it when it is
//! given more arguments than any takes, and does nothing else.
//!
//! The calls run in a child process. A function without a signature may end it or never
//! return; the next child goes on behind that one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;

use super::ask::Registry;

/// How long one call may take.
const SECONDS: u64 = 10;

/// The words of each parameter, by name, for those of `names` that have a signature.
pub fn ask(
    libraries: &[PathBuf],
    names: &BTreeSet<String>,
) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut left: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut found = BTreeMap::new();
    while !left.is_empty() {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["ask", "--signatures"])
            .args(libraries)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut input = child.stdin.take().context("no pipe")?;
        input.write_all(left.join("\n").as_bytes())?;
        drop(input);
        let mut answered = 0;
        for line in BufReader::new(child.stdout.take().context("no pipe")?).lines() {
            // A function may print something of its own.
            let Ok((name, message)) = serde_json::from_str::<(String, String)>(&line?) else {
                continue;
            };
            answered += 1;
            if let Some(words) = parameters(&name, &message) {
                found.insert(name, words);
            }
        }
        let is_done = child.wait()?.success();
        let skipped = if is_done { left.len() } else { answered + 1 };
        left.drain(..skipped.min(left.len()));
    }
    Ok(found)
}

/// The child: names on standard input; for each its name and what its call says.
pub fn child(libraries: &[PathBuf]) -> anyhow::Result<()> {
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);
    let mut names = String::new();
    std::io::stdin().read_to_string(&mut names)?;
    let registry = Registry::load(libraries)?;
    std::thread::spawn(|| {
        loop {
            let before = ANSWERED.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(SECONDS));
            if ANSWERED.load(Ordering::Relaxed) == before {
                std::process::exit(1);
            }
        }
    });
    for name in names.lines() {
        let line = serde_json::to_string(&(name, registry.refusal(name)))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()?;
        ANSWERED.fetch_add(1, Ordering::Relaxed);
    }
    std::process::exit(0)
}

/// The words of each parameter, from the message of a call with too many arguments.
fn parameters(name: &str, message: &str) -> Option<Vec<String>> {
    let (_, rest) = message.split_once(&format!(
        "Mismatched number of arguments when calling: `{name}("
    ))?;
    let (rest, expected) = rest.rsplit_once("`. Expected ")?;
    let count: usize = expected.split(' ').next()?.parse().ok()?;
    let (mut rest, _) = rest.rsplit_once(") -> ")?;
    let mut words = Vec::new();
    for index in 0..count {
        rest = rest.strip_prefix(&format!("{index}: "))?;
        let next = format!(", {}: ", index + 1);
        let end = rest.find(&next).filter(|_| index + 1 < count);
        words.push(rest.get(..end.unwrap_or(rest.len()))?.to_owned());
        rest = end.map_or("", |end| rest.get(end + 2..).unwrap_or_default());
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn words_of_a_message() {
        let message = "Mismatched number of arguments when calling: `ffi.Map(0: Any, 1: \
                       Array<Tuple<int, ffi.Function>>, 2: int) -> Any`. Expected 3 but got 70 arguments";
        let words = ["Any", "Array<Tuple<int, ffi.Function>>", "int"].map(String::from);
        assert_eq!(parameters("ffi.Map", message), Some(words.into()));
        let none = "Mismatched number of arguments when calling: `a() -> void`. Expected 0 but got 70 arguments";
        assert_eq!(parameters("a", none), Some(Vec::new()));
        assert_eq!(parameters("b", none), None);
    }
}
