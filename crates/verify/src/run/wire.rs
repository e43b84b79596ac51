//! Between a child and its parent: descriptors of their own. What foreign code does with
//! standard input and output, or a process that it leaves behind, changes nothing of them.

use std::io::{self, Read, Write};
#[cfg(unix)]
use std::sync::{Mutex, OnceLock, PoisonError};

/// Where events go.
#[cfg(unix)]
static EVENTS: OnceLock<Mutex<std::fs::File>> = OnceLock::new();

/// Descriptors from here on are rarely those that foreign code opens, or closes in a loop.
#[cfg(unix)]
const HIGH: i32 = 200;

/// In the child, before foreign code is loaded: what the parent sends. From here on standard
/// input is empty, and what is printed goes where errors go.
#[cfg(unix)]
pub(super) fn take() -> io::Result<impl Read + Send + 'static> {
    use std::fs::File;
    use std::os::fd::{BorrowedFd, OwnedFd};

    // A system may allow fewer.
    let away = |fd: BorrowedFd<'_>| -> io::Result<OwnedFd> {
        let high = rustix::io::fcntl_dupfd_cloexec(fd, HIGH);
        Ok(high.or_else(|_| rustix::io::fcntl_dupfd_cloexec(fd, 3))?)
    };
    let input = away(rustix::stdio::stdin())?;
    let output = away(rustix::stdio::stdout())?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    let _ = EVENTS.set(Mutex::new(File::from(output)));
    Ok(File::from(input))
}

/// Standard input and output stay what they are.
#[cfg(not(unix))]
pub(super) fn take() -> io::Result<impl Read + Send + 'static> {
    Ok(io::stdin())
}

/// Writes an event.
pub(super) fn say(text: &str) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(events) = EVENTS.get() {
        let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
        return events.write_all(text.as_bytes());
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
