//! Colours of the human report: ANSI, or nothing.

use artcheck_inspect::Severity;

/// Wraps words in ANSI colours when they are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Whether to colour at all.
    pub color: bool,
}

impl Style {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
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

    /// What could not be told.
    pub fn unsure(self, text: &str) -> String {
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
}
