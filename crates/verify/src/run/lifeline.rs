//! A child process and what it starts end with their parent, however the parent ends: the
//! pipe that brings the row stays open until then.

use std::io::{self, BufRead, Read, Write};
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

/// Ends a child of [`in_own_group`] and its group. It may have ended in this moment; then
/// there is nothing to kill.
pub(super) fn kill(child: &mut Child) {
    #[cfg(unix)]
    let _ = rustix::process::kill_process_group(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::KILL,
    );
    let _ = child.kill();
    let _ = child.wait();
}

/// In the child: the row. From here on the process ends with its parent.
pub(super) fn row() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text)?;
    thread::spawn(watch);
    Ok(text)
}

fn watch() {
    let mut input = io::stdin().lock();
    let mut line = String::new();
    if input.read_line(&mut line).is_err() || line.trim_end() != KEPT {
        return;
    }
    // Nothing more is sent: this returns when the parent is gone.
    let _ = input.read_to_end(&mut Vec::new());
    #[cfg(unix)]
    let _ = rustix::process::kill_current_process_group(rustix::process::Signal::KILL);
    std::process::exit(1);
}
