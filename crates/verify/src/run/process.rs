//! One child process: started, listened to, ended at its time limit.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use artcheck_metal_sim::Compiling;

use crate::matrix::row::{OtherSystem, Row};
use crate::report::{Class, Facts, Failure, Stage, tells_of_memory};

use super::clock::Clock;
use super::lifeline::{self, Lifeline};
use super::protocol::{self, ChildResult, Event};
use super::signal;

/// Lines of the child's output that are kept.
const LAST_WORDS: usize = 12;
/// What tvm-ffi says before the frames of a crash, the innermost first.
const SEGFAULT: &str = "Segfault encountered";
/// Lines before a crash that are kept beside its frames.
const BEFORE_CRASH: usize = 4;

/// Longest line of the child's output that is kept, in characters.
const LONGEST_LINE: usize = 600;

/// How often it is seen whether a child has ended.
const LOOK: Duration = Duration::from_millis(50);

/// After so long nothing more comes from a child that has ended.
const QUIET: Duration = Duration::from_millis(200);

/// No longer than this: what a child left behind may write for ever.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How to start a child: a program that calls [`super::child::main`].
#[derive(Clone, Debug)]
pub struct ChildCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl ChildCommand {
    /// The same for rows of another system: its program, by its emulator.
    fn on(&self, other: Option<&OtherSystem>) -> ChildCommand {
        let Some(other) = other else {
            return self.clone();
        };
        let (program, mut arguments) = other.command();
        arguments.extend(self.arguments.iter().cloned());
        ChildCommand { program, arguments }
    }
}

/// How a child ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its own result, or what became of the process.
    pub result: ChildResult,
    /// What it found out.
    pub facts: Facts,
    /// Time from start to end.
    pub wall: Duration,
}

enum Line {
    Out(String),
    Err(String),
}

impl Ended {
    /// No process was started.
    pub fn not_run(reason: String) -> Ended {
        Ended {
            result: ChildResult::NotRun { reason },
            facts: Facts::default(),
            wall: Duration::ZERO,
        }
    }
}

/// Runs one row in a child process, with `environment` added to ours. `tell` hears
/// of stages and weights.
pub fn run(
    command: &ChildCommand,
    row: &Row,
    environment: &[(&'static str, OsString)],
    tell: &mut dyn FnMut(&Event),
) -> Ended {
    let runtime = match of_runtime(row) {
        Ok(environment) => environment,
        Err(reason) => return Ended::not_run(reason),
    };
    let environment = [environment, &runtime].concat();
    let start = Instant::now();
    let mut listener = Listener::new(row.time_limit);
    let command = command.on(row.runtime.other.as_ref());
    let could_not = |error: &std::io::Error| {
        let program = command.program.display();
        format!("{program}: could not be started: {error}")
    };
    let result = match spawn(&command, row, &environment) {
        Ok(running) => listener.listen(running, tell),
        // Another system's program, and nothing here that runs it.
        Err(error) if row.runtime.other.is_some() => ChildResult::NotRun {
            reason: could_not(&error),
        },
        Err(error) => {
            let message = could_not(&error);
            ChildResult::Failed(Failure::new(Class::Exit, Stage::LoadSet, message))
        }
    };
    Ended {
        result,
        facts: listener.facts,
        wall: start.elapsed(),
    }
}

/// What the row's runtime needs in the environment; the reason if it cannot run here.
#[cfg(all(feature = "macho-host", target_os = "linux"))]
fn of_runtime(row: &Row) -> Result<Vec<(&'static str, OsString)>, String> {
    crate::stack::environment(row)
}

/// No runtime that runs here needs anything.
#[cfg(not(all(feature = "macho-host", target_os = "linux")))]
fn of_runtime(_: &Row) -> Result<Vec<(&'static str, OsString)>, String> {
    Ok(Vec::new())
}

/// A child that was started. It ends when this is dropped.
struct Running {
    child: Child,
    lines: Receiver<Line>,
    _lifeline: Option<Lifeline>,
}

fn spawn(
    command: &ChildCommand,
    row: &Row,
    environment: &[(&'static str, OsString)],
) -> std::io::Result<Running> {
    let text = serde_json::to_string(row)?;
    let mut child = lifeline::in_own_group(&mut Command::new(&command.program))
        .args(&command.arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (sender, lines) = channel();
    if let Some(out) = child.stdout.take() {
        forward(out, sender.clone(), Line::Out);
    }
    if let Some(err) = child.stderr.take() {
        forward(err, sender, Line::Err);
    }
    let pipe = child.stdin.take();
    Ok(Running {
        child,
        lines,
        _lifeline: pipe.map(|pipe| lifeline::hold(pipe, text)),
    })
}

/// Sends the lines of a pipe, whatever bytes they hold.
fn forward(pipe: impl Read + Send + 'static, to: Sender<Line>, wrap: fn(String) -> Line) {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if to.send(wrap(line)).is_err() {
                break;
            }
        }
    });
}

struct Listener {
    clock: Clock,
    stage: Stage,
    facts: Facts,
    result: Option<ChildResult>,
    words: VecDeque<String>,
    /// The frames of a crash are coming, those that matter first.
    crashes: bool,
}

impl Listener {
    fn new(limit: Duration) -> Listener {
        Listener {
            clock: Clock::start(limit),
            stage: Stage::LoadSet,
            facts: Facts::default(),
            result: None,
            words: VecDeque::new(),
            crashes: false,
        }
    }

    /// Until the child ends: a process that it left behind may keep its pipes open.
    fn listen(&mut self, mut running: Running, tell: &mut dyn FnMut(&Event)) -> ChildResult {
        let mut looked = Instant::now();
        loop {
            let left = self.clock.left();
            if left.is_zero() {
                return self.stop(&mut running, tell);
            }
            match running.lines.recv_timeout(left.min(LOOK)) {
                Ok(line) => {
                    self.hear(line, tell);
                    if looked.elapsed() < LOOK {
                        continue;
                    }
                }
                // Both pipes are closed: the child has ended or is about to.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(2)),
                Err(RecvTimeoutError::Timeout) => {}
            }
            looked = Instant::now();
            match running.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => {
                    lifeline::kill(&mut running.child);
                    self.hear_rest(&running, tell);
                    return self.judge(status);
                }
                Err(error) => return self.failed(Class::Exit, format!("lost: {error}")),
            }
        }
    }

    /// What a child that has ended wrote before, which is all in its pipes.
    fn hear_rest(&mut self, running: &Running, tell: &mut dyn FnMut(&Event)) {
        let begin = Instant::now();
        while begin.elapsed() < LONGEST_REST
            && let Ok(line) = running.lines.recv_timeout(QUIET)
        {
            self.hear(line, tell);
        }
    }

    fn hear(&mut self, line: Line, tell: &mut dyn FnMut(&Event)) {
        let text = match line {
            Line::Out(text) => match protocol::parse(&text) {
                Some(event) => {
                    tell(&event);
                    return self.note(event);
                }
                // No words of the runtime's.
                None if text.starts_with(protocol::MARKER) => return,
                None => text,
            },
            Line::Err(text) => text,
        };
        if let Some(progress) = Compiling::parse(&text) {
            return self.clock.hear(progress);
        }
        if text.is_empty() {
            return;
        }
        if text.contains(SEGFAULT) {
            let old = self.words.len().saturating_sub(BEFORE_CRASH);
            self.words.drain(..old);
            self.crashes = true;
        }
        if self.words.len() >= LAST_WORDS {
            if self.crashes {
                return;
            }
            self.words.pop_front();
        }
        self.words
            .push_back(text.chars().take(LONGEST_LINE).collect());
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Stage { stage } => self.stage = stage,
            Event::Facts(facts) => self.facts = facts,
            Event::Weights { .. } | Event::Answer { .. } => {}
            Event::Result(result) => self.result = Some(*result),
        }
    }

    /// Ends a child whose time is up.
    fn stop(&mut self, running: &mut Running, tell: &mut dyn FnMut(&Event)) -> ChildResult {
        lifeline::kill(&mut running.child);
        self.hear_rest(running, tell);
        self.failed(Class::TimeOut, self.clock.passed(self.stage))
    }

    /// The result of a child that ended by itself.
    fn judge(&mut self, status: ExitStatus) -> ChildResult {
        match (status.success(), self.result.take()) {
            (true, Some(mut result)) => {
                if let ChildResult::Failed(failure) = &mut result {
                    failure.last_words = self.words.iter().cloned().collect();
                }
                result
            }
            // A crash while ending would also hit the user's program.
            _ => self.crashed(status),
        }
    }

    fn crashed(&self, status: ExitStatus) -> ChildResult {
        let stage = self.stage;
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let memory = tells_of_memory(&words.join("\n"));
        let Some(number) = signal_of(status) else {
            let message = format!("ended with {status} and no result at stage {stage}");
            return self.failed(Class::Exit, message);
        };
        let name = signal::name(number);
        let (class, prefix) = match (memory, number == signal::ABORT) {
            (true, _) => (Class::OutOfMemory, "out of memory: "),
            (false, true) => (Class::Abort, ""),
            (false, false) => (Class::Signal, ""),
        };
        self.failed(class, format!("{prefix}killed by {name} at stage {stage}"))
    }

    fn failed(&self, class: Class, message: String) -> ChildResult {
        let mut failure = Failure::new(class, self.stage, message);
        failure.last_words = self.words.iter().cloned().collect();
        ChildResult::Failed(failure)
    }
}

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal_of(_status: ExitStatus) -> Option<i32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lines: &[String]) -> Vec<String> {
        let mut listener = Listener::new(Duration::ZERO);
        for line in lines {
            listener.hear(Line::Err(line.clone()), &mut |_| {});
        }
        listener.words.into()
    }

    fn numbered(what: &str) -> Vec<String> {
        (0..100).map(|number| format!("{what} {number}")).collect()
    }

    #[test]
    fn the_last_lines_are_kept_and_of_a_crash_the_innermost_frames() {
        let said = numbered("line");
        assert_eq!(words(&said), said[100 - LAST_WORDS..]);
        let crash = [vec![format!("!!! {SEGFAULT} !!!")], numbered("frame")].concat();
        let kept = words(&[said.clone(), crash.clone()].concat());
        assert_eq!(kept.len(), LAST_WORDS);
        assert_eq!(kept[..BEFORE_CRASH], said[100 - BEFORE_CRASH..]);
        assert_eq!(kept[BEFORE_CRASH..], crash[..LAST_WORDS - BEFORE_CRASH]);
    }
}
