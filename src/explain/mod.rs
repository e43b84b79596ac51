//! From an error that somebody pasted to the rules that explain it: the index of
//! messages (`messages.txt`) against each line, and the two that follow it. A text
//! that no message is in may still be of a kind that the index describes. What a line
//! says behind "because" goes before the rest of it.

mod folded;
mod grams;
mod index;
mod kinds;
mod outside;
pub mod page;
mod printed;
#[cfg(test)]
mod quoted;
mod sources;

use std::cmp::Ordering;

use artcheck_inspect::{Rule, rules};

pub use folded::without_controls;
use folded::{Folded, Window};
use index::{MESSAGES, Message, Weight};
use outside::Outside;
pub use outside::PYTHON;
use printed::{Printed, in_window};

/// Lines that one message may take.
const LINES: usize = 3;

/// A rule that explains a text.
pub struct Hit<'a> {
    /// The rule.
    pub rule: &'static Rule,
    /// The line that says so.
    pub line: &'a str,
    /// Its number, from 1.
    pub number: usize,
    is_kind: bool,
    rank: Rank,
}

/// What makes one hit better than another, most important first.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Rank {
    /// It is what the line gives as the cause.
    is_cause: bool,
    weight: Weight,
    /// The line speaks of a failure.
    is_failure: bool,
    /// What the words that match are worth. Of two that are worth the same, the first stays.
    worth: f64,
}

impl Hit<'_> {
    /// Whether the text is only of the kind that the rule explains, or says what many
    /// causes have in common.
    pub fn is_guess(&self) -> bool {
        !self.decides() && (self.is_kind || self.rank.weight == Weight::Hints)
    }

    fn decides(&self) -> bool {
        self.rank.weight == Weight::Decides
    }
}

const FAILURES: [&str; 16] = [
    "error",
    "fail",
    "can not",
    "could not",
    "undefined",
    "not found",
    "exception",
    "terminat",
    "incompatible",
    "expects",
    "abort",
    "invalid",
    "missing",
    "unable",
    "no such",
    "fatal",
];
/// Words of a failure that are too common for more than to let a hint count.
const TROUBLES: [&str; 10] = [
    " not ",
    "reject",
    "refuse",
    "bad ",
    "fault",
    "crash",
    "violation",
    "unexpected",
    "signal 11",
    "exc_bad",
];
/// Characters of a line in which its level is.
const HEAD: usize = 60;
/// Lines around one about something else that speak of it too.
const AROUND: usize = 2;
/// Levels of a log that tell of what did not stop the program.
const WARNINGS: [&str; 4] = ["WARN", "WARNING", "Warning", "UserWarning"];
/// Levels of a log whose records are no part of the error before them.
const LEVELS: [&str; 4] = ["INFO", "DEBUG", "WARN", "WARNING"];
/// What is between an effect and its cause.
const BECAUSE: [&str; 5] = [
    " because ",
    "Caused by: ",
    "ossible cause: ",
    "Original error",
    "Inner Exception",
];

/// What is known of a text.
#[derive(Default)]
pub struct Explained<'a> {
    /// The rules that explain it, best first, each with its best line.
    pub hits: Vec<Hit<'a>>,
    /// A line that is about something else: its number, and what it is about.
    pub outside: Option<(usize, &'static str)>,
}

/// What `text` is about.
pub fn explain(text: &str) -> Explained<'_> {
    let folded: Vec<Folded> = text.lines().map(Folded::of).collect();
    let others: Vec<_> = folded.iter().map(other).collect();
    let begins: Vec<bool> = text.lines().map(|line| has_level(line, &LEVELS)).collect();
    let mut out = Explained::default();
    for (at, text) in text.lines().enumerate() {
        if text.trim().is_empty() {
            continue;
        }
        let mut line = Line::of(text, at, together(&folded, &begins, at));
        line.outside = others.get(at).copied().flatten();
        line.is_near_outside = is_near(&others, at);
        if let Some(other) = others.get(at).copied().flatten() {
            out.outside = Some((line.number, other.what));
        }
        let printed: Vec<_> = in_window(&line.window)
            .filter_map(|text| match text {
                Printed::Rule(message) => Some(message),
                Printed::Other(_) => None,
            })
            .collect();
        let messages = MESSAGES.iter().chain(printed);
        for message in messages.filter(|message| line.asks(message)) {
            if let Some(rank) = line.rank(message) {
                keep(&mut out.hits, hit(message, text.trim(), line.number, rank));
            }
        }
        // A stale ignore names the rule that it is for.
        let is_ignore = text.contains("the ignore of AC");
        for rule in named(text).filter(|_| !is_ignore) {
            keep(&mut out.hits, line.names(rule, text.trim()));
        }
    }
    let hits = &mut out.hits;
    hits.sort_by(|one, other| other.rank.partial_cmp(&one.rank).unwrap_or(Ordering::Equal));
    first_cause(hits);
    // A guess says nothing beside a message that speaks.
    if hits.first().is_some_and(|hit| !hit.is_guess()) {
        hits.retain(|hit| !hit.is_guess());
    }
    out
}

/// The lines that one message may take: the next record of a log is another.
fn together<'a>(folded: &'a [Folded], begins: &[bool], at: usize) -> &'a [Folded] {
    let after = at.saturating_add(1);
    let rest = begins.get(after..).unwrap_or_default().iter();
    let rest = rest
        .take(LINES.saturating_sub(1))
        .take_while(|begins| !**begins);
    let end = after.saturating_add(rest.count());
    folded.get(at..end).unwrap_or_default()
}

/// The rules whose codes a line has, as a report of ours does.
fn named(text: &str) -> impl Iterator<Item = &'static Rule> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| rules::ALL.iter().copied().find(|rule| rule.code == word))
}

/// What a line is about that no rule explains.
fn other(line: &Folded) -> Option<&'static Outside> {
    let window = Window::of(std::slice::from_ref(line));
    let printed = in_window(&window).find_map(|text| match text {
        Printed::Other(other) => Some(*other),
        Printed::Rule(_) => None,
    });
    outside::about(&window).or(printed)
}

/// Of messages that decide, on lines apart, the first is what made the others.
fn first_cause(hits: &mut [Hit<'_>]) {
    let Some(best) = hits.first().filter(|hit| hit.decides()) else {
        return;
    };
    let (rank, number) = (best.rank, best.number);
    let is_before = |hit: &Hit<'_>| {
        hit.decides()
            && (hit.rank.is_cause, hit.rank.is_failure) == (rank.is_cause, rank.is_failure)
            && hit.number.saturating_add(LINES) <= number
    };
    let before = hits.iter().enumerate().filter(|(_, hit)| is_before(hit));
    if let Some((at, _)) = before.min_by_key(|(_, hit)| hit.number) {
        hits.get_mut(..=at).unwrap_or_default().rotate_right(1);
    }
}

/// Whether a line of a log has one of these levels.
fn has_level(text: &str, levels: &[&str]) -> bool {
    let head: String = text.chars().take(HEAD).collect();
    let mut words = head.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| levels.contains(&word))
}

/// Whether a line is about something else, or one around it.
fn is_near(others: &[Option<&'static Outside>], at: usize) -> bool {
    let end = at
        .saturating_add(AROUND)
        .saturating_add(1)
        .min(others.len());
    let around = others.get(at.saturating_sub(AROUND)..end);
    let mut around = around.unwrap_or_default().iter().flatten();
    around.any(|other| !other.is_of_sources())
}

/// A line that a message may begin in.
struct Line {
    number: usize,
    window: Window,
    /// What it gives as the cause.
    cause: Option<Window>,
    /// What it is about that no rule explains.
    outside: Option<&'static Outside>,
    is_near_outside: bool,
    is_failure: bool,
    is_trouble: bool,
    /// It or the lines that belong to it speak of a failure.
    fails_below: bool,
    /// Its level in a log tells of nothing wrong. `DEBUG` is also who prints a crash of
    /// Android.
    is_quiet: bool,
}

impl Line {
    fn of(text: &str, at: usize, folded: &[Folded]) -> Self {
        let window = Window::of(folded);
        let first = window.text.get(..window.first).unwrap_or_default();
        let speaks_of = |words: &[&str]| words.iter().any(|word| first.contains(word));
        let fails_below = FAILURES.iter().any(|word| window.text.contains(word));
        let is_failure = speaks_of(&FAILURES);
        let is_warning = has_level(text, &WARNINGS);
        let cause = BECAUSE.iter().find_map(|word| text.rfind(word));
        let cause = cause.and_then(|at| text.get(at..));
        Self {
            number: at.saturating_add(1),
            cause: cause.map(|cause| Window::of(&[Folded::of(cause)])),
            outside: None,
            is_near_outside: false,
            is_failure: is_failure && !is_warning,
            fails_below: fails_below && !is_warning,
            // A name by itself is asked about.
            is_trouble: speaks_of(&TROUBLES) && !is_warning || !text.contains(char::is_whitespace),
            is_quiet: has_level(text, &["INFO"]) || !is_failure && has_level(text, &["DEBUG"]),
            window,
        }
    }

    /// Whether a message counts in this line, which may be about something else, or about
    /// nothing wrong.
    fn asks(&self, message: &Message) -> bool {
        let decides = message.weight == Weight::Decides;
        let is_guess = !decides && (message.is_kind() || message.weight == Weight::Hints);
        let is_ours = self
            .outside
            .is_none_or(|other| !is_guess && other.is_of_sources() || decides && !other.is_all);
        is_ours && !(is_guess && (self.is_quiet || self.is_near_outside))
    }

    /// The hit of a rule whose code the line has.
    fn names<'a>(&self, rule: &'static Rule, line: &'a str) -> Hit<'a> {
        Hit {
            rule,
            line,
            number: self.number,
            is_kind: false,
            rank: Rank {
                is_cause: false,
                weight: Weight::Decides,
                is_failure: self.is_failure,
                worth: f64::MAX,
            },
        }
    }

    fn rank(&self, message: &Message) -> Option<Rank> {
        let worth = message.worth_in(&self.window)?;
        // What only hints needs a complaint beside it; a source file, below it.
        let is_told = message.sources().is_some() && self.fails_below;
        let is_complaint = self.is_failure || self.is_trouble || is_told;
        if message.weight == Weight::Hints && !is_complaint {
            return None;
        }
        let cause = self.cause.as_ref();
        Some(Rank {
            is_cause: cause.is_some_and(|cause| message.worth_in(cause).is_some()),
            weight: message.weight,
            is_failure: self.is_failure,
            worth,
        })
    }
}

fn hit<'a>(message: &Message, line: &'a str, number: usize, rank: Rank) -> Hit<'a> {
    Hit {
        rule: message.rule,
        line,
        number,
        is_kind: message.is_kind(),
        rank,
    }
}

/// Each rule is kept once, with its best line.
fn keep<'a>(hits: &mut Vec<Hit<'a>>, hit: Hit<'a>) {
    match hits.iter_mut().find(|known| known.rule == hit.rule) {
        Some(known) if known.rank < hit.rank => *known = hit,
        Some(_) => {}
        None => hits.push(hit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RULE text`, `RULE/RULE text` or `none text`; blank lines and comments between.
    /// `\n` ends a line of the text.
    fn table(text: &str) -> Vec<(&str, String)> {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| line.split_once(' ').expect("a rule and a text"))
            .map(|(rule, text)| (rule, text.replace("\\n", "\n")))
            .collect()
    }

    /// How many texts get their rule first, and which do not.
    fn first_hits(text: &str) -> (usize, usize, Vec<String>) {
        let table = table(text);
        let mut wrong = Vec::new();
        for (rule, text) in &table {
            let found = explain(text).hits;
            let found = found.first().map_or("none", |hit| hit.rule.code);
            if rule.split('/').all(|one| one != found) {
                wrong.push(format!("{rule}, found {found}: {text}"));
            }
        }
        (table.len() - wrong.len(), table.len(), wrong)
    }

    #[test]
    fn known_messages_lead_to_their_rule() {
        let (good, all, wrong) = first_hits(include_str!("known.txt"));
        assert!(all >= 120, "{all}");
        assert_eq!(good, all, "{wrong:#?}");
    }

    /// Texts of public reports; `held_out.txt` says which of them the index was mended after.
    #[test]
    fn other_wordings_lead_to_their_rule_too() {
        let (good, all, wrong) = first_hits(include_str!("held_out.txt"));
        assert!(all >= 1400, "{all}");
        assert!(good * 100 >= all * 97, "{good} of {all}: {wrong:#?}");
    }

    /// The rule that a log leads to, and the line that says so.
    fn first(log: &str) -> Option<(&'static str, usize)> {
        let explained = explain(log);
        explained
            .hits
            .first()
            .map(|hit| (hit.rule.code, hit.number))
    }

    #[test]
    fn of_several_errors_the_first_cause_is_named() {
        for (log, code, line) in [
            // What the first error left out is what the second misses.
            (
                "ld: warning: ignoring file libmodel.a, missing required architecture arm64 in \
                 file libmodel.a (1 slices)\nUndefined symbols for architecture arm64:\n  \
                 \"_TVMFuncCall\", referenced from:\n      _main in main.o",
                "AC002",
                1,
            ),
            (
                "OSError: libtvm_ffi.so: cannot open shared object file: No such file or \
                 directory\n\nDuring handling of the above exception, another exception \
                 occurred:\n\nTraceback (most recent call last):\nValueError: Cannot find \
                 global function vm.builtin.kv_state_clear",
                "AC205",
                1,
            ),
            // A warning stopped nothing.
            (
                "2026-01-02 10:00:00 WARNING: libnvrtc.so.13: cannot open shared object \
                 file\nloading\nloading\nInternalError: Cannot reach here",
                "AC101",
                4,
            ),
            // What is given as the cause, wherever it stands.
            (
                "E AndroidRuntime: FATAL EXCEPTION: main\njava.lang.RuntimeException: Unable to \
                 start activity: library not found\n\tat a.b(C.java:1)\n\tat d.e(F.java:2)\n\
                 Caused by: java.lang.UnsatisfiedLinkError: dlopen failed: \"libmodel.so\" has \
                 unexpected e_machine: 62",
                "AC002",
                5,
            ),
        ] {
            assert_eq!(first(log), Some((code, line)), "{log}");
        }
    }

    #[test]
    fn a_report_of_ours_leads_to_the_rule_that_it_names() {
        let report = "dist/qwen3.so  breaks  on tvm-0.27 (AC106)\n\nerror[AC106] the library \
                      contains a `cuda` module, but the runtime has no loader for it\n  fix  install it";
        assert_eq!(first(report).map(|(code, _)| code), Some("AC106"));
        let failed = "failed  qwen3  cpu  at load set: AC101: attention kernels are tagged \"tir\"";
        assert_eq!(first(failed), Some(("AC101", 1)));
        assert!(!explain(failed).hits[0].is_guess());
    }

    #[test]
    fn the_same_message_is_found_however_it_is_printed() {
        let say = |arch: &str| format!("ld: {arch} required architecture x86_64 in file a.a");
        assert_eq!(first(&say("missing")), first(&say("missing a")));
        // The words of a frame's path are no part of a message.
        let frame = "    at Module.load (node:internal/modules/cjs/loader:1302:18)";
        let error = "Error: x.node: undefined symbol: napi_create";
        assert_eq!(first(&format!("{error}\n{frame}")), first(error));
        // A compiler's complaint about sources is none about a library.
        assert_eq!(
            first("x.h:12:3: error: 'kDLOther' was not declared in this scope"),
            None
        );
    }

    #[test]
    fn what_no_rule_knows_is_not_guessed() {
        for text in [
            "",
            "hello world",
            "SyntaxError: invalid syntax",
            "HTTP 404",
            "ok 12 tests",
            r#"File "packed_func.pxi", line 332, in core.PackedFuncBase.__call__"#,
        ] {
            assert!(explain(text).hits.is_empty(), "{text}");
        }
    }
}
