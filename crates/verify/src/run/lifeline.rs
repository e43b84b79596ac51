//! A child process and what it starts end with their parent, however the parent ends: the
//! pipe that brings the row stays open until then.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Follows the row where the parent keeps the pipe. A row from a file has no such line.
const KEPT: &str = "ends with this pipe";

/// The parent's end; dropped, it lets the pipe go.
pub(super) struct Lifeline {
    _held: Sender<()>,
}

/// A process that is started in a group of its own can be ended with all that it starts.
pub(super) fn in_own_group(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command
}

/// Sends the row, which is one line, and keeps the pipe.
pub(super) fn hold(mut pipe: ChildStdin, row: String) -> Lifeline {
    let (sender, held) = channel();
    // In a thread: a child that does not read must not hold up its time limit. One that
    // ends before it has read is reported by its end.
    thread::spawn(move || {
        if pipe
            .write_all(format!("{row}\n{KEPT}\n").as_bytes())
            .is_ok()
        {
            // The sender never sends: this waits until it is dropped.
            let _ = held.recv();
        }
    });
    Lifeline { _held: sender }
}

/// Ends a child of [`in_own_group`] and its group. It may have ended; then this ends what
/// it started.
pub(super) fn kill(child: &mut Child) {
    #[cfg(unix)]
    let _ = rustix::process::kill_process_group(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::KILL,
    );
    let _ = child.kill();
    let _ = child.wait();
}

/// In the child: the row, from what the parent sends. From here on the process ends with
/// its parent.
pub(super) fn row(from: impl Read + Send + 'static) -> io::Result<String> {
    let mut from = BufReader::new(from);
    let mut text = String::new();
    from.read_line(&mut text)?;
    // A thread takes the loader's lock when it begins, and a constructor that never ends
    // never gives it back: foreign code is loaded when the thread only waits.
    let (sender, waits) = channel();
    thread::spawn(move || watch(from, &sender));
    let _ = waits.recv();
    Ok(text)
}

fn watch(mut from: impl BufRead, waits: &Sender<()>) {
    let mut line = String::new();
    let is_kept = from.read_line(&mut line).is_ok() && line.trim_end() == KEPT;
    let _ = waits.send(());
    if !is_kept {
        return;
    }
    // Nothing more is sent: this ends when the parent is gone. An error is not its end.
    loop {
        match from.read(&mut [0]) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
    #[cfg(unix)]
    let _ = rustix::process::kill_current_process_group(rustix::process::Signal::KILL);
    std::process::exit(1);
}
