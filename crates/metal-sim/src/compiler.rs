//! The host's C++ compiler.

use std::ffi::OsString;
use std::process::Command;

use crate::error::{Error, Result};

/// A C++ compiler that answers.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The command, possibly of several words, as `CXX` often is.
    pub command: String,
    /// What it says of its version.
    pub version: String,
}

impl Compiler {
    /// The one asked for, or `CXX`, or the first of `clang++` and `g++` that runs.
    pub fn choose(asked: Option<&str>) -> Result<Compiler> {
        let from_environment = std::env::var("CXX").ok().filter(|value| !value.is_empty());
        let candidates: Vec<String> = match asked.map(str::to_owned).or(from_environment) {
            Some(one) => vec![one],
            None => vec!["clang++".to_owned(), "g++".to_owned()],
        };
        for command in &candidates {
            let answer = split(command).arg("--version").output();
            if let Ok(answer) = answer
                && answer.status.success()
            {
                let version = String::from_utf8_lossy(&answer.stdout).into_owned();
                return Ok(Compiler {
                    command: command.clone(),
                    version,
                });
            }
        }
        Err(Error::NoCompiler {
            tried: candidates.join(", "),
        })
    }

    /// Runs the compiler; `what` names the work in an error.
    pub fn run(&self, what: &str, arguments: &[OsString]) -> Result<()> {
        let failed = |output: String| Error::Compile {
            compiler: self.command.clone(),
            file: what.to_owned(),
            output,
        };
        let answer = split(&self.command)
            .args(arguments)
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if answer.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&answer.stderr);
        let lines: Vec<&str> = text
            .lines()
            .filter(|l| l.contains("error"))
            .take(8)
            .collect();
        Err(failed(if lines.is_empty() {
            text.into_owned()
        } else {
            lines.join("\n")
        }))
    }
}

fn split(command: &str) -> Command {
    let mut words = command.split_whitespace();
    let mut made = Command::new(words.next().unwrap_or("g++"));
    made.args(words);
    made
}
