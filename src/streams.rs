//! Standard output and standard error, whose reader may go away (`artcheck ... | head`).
//!
//! That changes nothing of what was found: the command goes on and ends with the status
//! that it came to. What is no longer read is dropped.

use std::io::{self, ErrorKind, Write};

/// A writer that goes on when its reader has gone.
pub struct Piped<W>(pub W);

/// Standard output.
pub fn stdout() -> Piped<io::Stdout> {
    Piped(io::stdout())
}

impl<W: Write> Write for Piped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_gone(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_gone(self.0.flush(), ())
    }
}

fn unless_gone<T>(result: io::Result<T>, instead: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(instead),
        other => other,
    }
}

/// A line on standard error. There is no place left to say that it was not written.
macro_rules! tell {
    ($($words:tt)*) => {{
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("{}\n", format_args!($($words)*)),
        );
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails every call in one way.
    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn only_a_reader_that_went_away_is_no_error() {
        let mut gone = Piped(Fails(ErrorKind::BrokenPipe));
        assert!(gone.write_all(b"text").is_ok() && gone.flush().is_ok());
        let mut full = Piped(Fails(ErrorKind::StorageFull));
        assert!(full.write_all(b"text").is_err() && full.flush().is_err());
    }
}
