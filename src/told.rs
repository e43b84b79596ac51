//! An error as people read it: each cause once. Some errors print their source
//! themselves, and anyhow would print it after them again.

/// The error and its causes, joined by colons.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = plain(&cause.to_string());
        if text.contains(cause.trim()) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// Without the number that the system gives an error, which only it can read.
fn plain(cause: &str) -> String {
    match cause.split_once(" (os error ") {
        Some((words, rest)) => {
            let rest = rest.split_once(')').map_or(rest, |(_, rest)| rest);
            format!("{words}{}", plain(rest))
        }
        None => cause.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    /// Prints its source, as the errors of `patch` and `verify` do.
    #[derive(Debug)]
    struct Says {
        source: std::io::Error,
    }

    impl std::fmt::Display for Says {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "m.so: {}", self.source)
        }
    }

    impl std::error::Error for Says {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.source)
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        let source = std::io::Error::other("the disk is full");
        let error = anyhow::Error::new(Says { source }).context("not written");
        assert_eq!(told(&error), "not written: m.so: the disk is full");
        let plain: anyhow::Result<()> = Err(std::io::Error::other("b")).context("a");
        assert_eq!(told(&plain.expect_err("one")), "a: b");
        let numbered: anyhow::Result<()> = Err(std::io::Error::from_raw_os_error(2)).context("a");
        let told = told(&numbered.expect_err("one"));
        assert!(
            told.starts_with("a: ") && !told.contains("os error"),
            "{told}"
        );
    }
}
