//! How text for people looks on a terminal: ANSI colours or none, and lines that
//! end between words.
//!
//! Colour is put on after a text was divided into lines, so it never counts.

use artcheck_inspect::Severity;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Text is never set in fewer columns than this.
const NARROWEST: usize = 24;

/// Values that begin further right than this go on under their label.
const WIDEST_LABEL: usize = 40;

/// Where lines begin that are too long for their column.
const OUTSIDE: usize = 4;

/// What ends a colour.
const RESET: &str = "\u{1b}[0m";

/// A blank that no line ends at.
const TIED: char = '\u{a0}';

/// Colours and width.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether to colour at all.
    pub color: bool,
    /// Columns of the terminal; `None` where lines may be as long as they are.
    pub width: Option<usize>,
}

impl Style {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{code}m{text}{RESET}")
        } else {
            text.to_owned()
        }
    }

    /// Headings and file names.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Side remarks.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What runs.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// What breaks.
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// What is undecided.
    pub fn undecided(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// By severity.
    pub fn severity(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Error => self.wrap("1;31", text),
            Severity::Warning => self.wrap("1;33", text),
            Severity::Info => self.wrap("1;36", text),
        }
    }

    /// `text` from column `at` on, as lines that end between words. What is in
    /// backticks stays on one line: it may be a command.
    pub fn lines(self, text: &str, at: usize) -> Vec<String> {
        let Some(width) = self.width else {
            return vec![text.to_owned()];
        };
        let options = Options::new(width.saturating_sub(at).max(NARROWEST))
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        let tied = tied(text, width);
        let lines = textwrap::wrap(&tied, options).into_iter();
        lines.map(|line| line.replace(TIED, " ")).collect()
    }

    /// A paragraph: `first`, which takes `at` columns, then `text`, whose further
    /// lines begin in the same column. What cannot be divided and does not fit there
    /// has a line of its own, further left: terminals cut a path or a command anywhere.
    pub fn paragraph(self, first: &str, at: usize, text: &str) -> String {
        let mut out = String::new();
        for (number, line) in self.lines(text, at).iter().enumerate() {
            let begins = self.begins(textwrap::core::display_width(line), at);
            if number == 0 && begins == at {
                out.push_str(first);
            } else {
                let label = trimmed(first);
                if number == 0 && !label.is_empty() {
                    out.push_str(&label);
                    out.push('\n');
                }
                out.push_str(&" ".repeat(begins));
            }
            out.push_str(line);
            out.push('\n');
        }
        out
    }

    /// Where something of this length begins that would begin at `at`.
    fn begins(self, length: usize, at: usize) -> usize {
        match self.width {
            Some(width) if at.saturating_add(length) > width => at.min(OUTSIDE),
            _ => at,
        }
    }

    /// A page of lines: those that are too long go on below the column where their
    /// value begins. Commands behind `$` go on as shells read it.
    pub fn page(self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            let body = line.trim_start();
            let indent = line.len() - body.len();
            let fits = self
                .width
                .is_none_or(|width| textwrap::core::display_width(line) <= width);
            if fits {
                out.push_str(line);
                out.push('\n');
                continue;
            }
            if let Some(command) = body.strip_prefix("$ ") {
                out.push_str(&format!("{}$ ", " ".repeat(indent)));
                out.push_str(&self.command(&shell_words(command), indent + 2));
                out.push('\n');
                continue;
            }
            let value = body.find("  ").map_or(0, |at| {
                let blanks = body.get(at..).unwrap_or_default();
                at + (blanks.len() - blanks.trim_start().len())
            });
            let at = match value {
                0 => indent + 2,
                value if indent + value <= self.widest_label() => indent + value,
                _ => indent + 4,
            };
            let (first, rest) = line.split_at(if at == indent + value { at } else { indent });
            out.push_str(&self.paragraph(first, at, rest));
        }
        out
    }

    /// Where a value may begin at most, so that there is room for it.
    fn widest_label(self) -> usize {
        let room = self.width.unwrap_or(usize::MAX).saturating_sub(NARROWEST);
        room.min(WIDEST_LABEL)
    }

    /// A command from column `at` on. Where it is too long it goes on in the next
    /// line the way shells read it, so that it can be pasted.
    pub fn command(self, words: &[String], at: usize) -> String {
        let width = self.width.filter(|_| !cfg!(windows)).unwrap_or(usize::MAX);
        let mut out = String::new();
        let mut column = at;
        for (number, word) in words.iter().enumerate() {
            let length = textwrap::core::display_width(word);
            // Room for the blank and the backslash that may follow.
            let end = column.saturating_add(length).saturating_add(3);
            if number > 0 && end > width {
                out.push_str(" \\\n");
                column = self.begins(length + 2, at + 2);
                out.push_str(&" ".repeat(column));
            } else if number > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            // Nothing follows a word that is further left than its line.
            column = if column < at {
                usize::MAX
            } else {
                column.saturating_add(length)
            };
        }
        out
    }
}

/// A label without the blanks behind it, which its colour may hold.
fn trimmed(label: &str) -> String {
    match label.strip_suffix(RESET).map(str::trim_end) {
        // Nothing is behind the code of the colour.
        Some(text) if text.find('m') == text.len().checked_sub(1) => String::new(),
        Some(text) => format!("{text}{RESET}"),
        None => label.trim_end().to_owned(),
    }
}

/// The words of a command that was quoted for a shell; one with quotes stays whole, as
/// no line may end inside them.
fn shell_words(command: &str) -> Vec<String> {
    if command.contains(['\'', '"', '\\']) {
        return vec![command.to_owned()];
    }
    command.split(' ').map(str::to_owned).collect()
}

/// Blanks between backticks, and that behind the dash of a list, become tied ones. A
/// message that no line of `widest` columns has room for is divided between its words;
/// a command never is.
fn tied(text: &str, widest: usize) -> String {
    let (mut out, text) = match text.strip_prefix("- ") {
        Some(rest) => (format!("-{TIED}"), rest),
        None => (String::new(), text),
    };
    for (number, part) in text.split('`').enumerate() {
        if number > 0 {
            out.push('`');
        }
        let is_code = number % 2 == 1;
        let fits = textwrap::core::display_width(part).saturating_add(2) <= widest;
        match is_code && (fits || part.starts_with("artcheck ")) {
            true => out.extend(part.chars().map(|c| if c == ' ' { TIED } else { c })),
            false => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "the library at dist/some-long-name.so wants `artcheck fix x.so --apply` now";

    #[test]
    fn no_line_ends_inside_a_word_or_a_command() {
        for width in [60, 80, 120, 200] {
            let style = Style {
                color: false,
                width: Some(width),
            };
            let text = TEXT.repeat(4);
            let lines = style.lines(&text, 17);
            assert_eq!(lines.join(" "), text);
            assert!(lines.iter().all(|line| line.chars().count() <= width - 17));
            assert!(lines.iter().all(|line| line.matches('`').count() % 2 == 0));
        }
    }

    #[test]
    fn what_cannot_be_divided_goes_further_left() {
        let style = Style {
            color: false,
            width: Some(40),
        };
        let path = "a/folder/with-a-long-name/library.so";
        let text = style.paragraph("  in             ", 17, path);
        assert_eq!(text, format!("  in\n    {path}\n"));
        let color = Style {
            color: true,
            ..style
        };
        let label = color.dim("                 ");
        let text = color.paragraph(&label, 17, path);
        assert_eq!(text, format!("    {path}\n"), "no line of blanks");
        let text = style.paragraph("  on             ", 17, "short");
        assert_eq!(text, "  on             short\n");
        let words = ["artcheck", "fix", path, "--apply"].map(str::to_owned);
        let text = style.command(&words, 17);
        assert!(text.lines().skip(1).all(|line| line.len() <= 42), "{text}");
    }

    #[test]
    fn a_command_goes_on_as_shells_read_it() {
        let words: Vec<String> = "artcheck fix some/long/name.so --runtime tvm-0.27 --apply"
            .split(' ')
            .map(str::to_owned)
            .collect();
        let style = Style {
            color: false,
            width: Some(40),
        };
        let text = style.command(&words, 4);
        assert!(text.lines().all(|line| line.len() <= 40 - 4 + 6), "{text}");
        assert_eq!(
            text.replace("\\\n", "")
                .split_whitespace()
                .collect::<Vec<_>>(),
            words
        );
    }
}
