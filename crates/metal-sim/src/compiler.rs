//! The host's C++ compiler.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// What kernels need of a compiler: C++20 and half precision.
const PROBE: &str =
    "template <class T> concept Any = true; _Float16 half(_Float16 a) { return a; }";

/// A C++ compiler that can compile kernels.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The command, possibly of several words, as `CXX` often is.
    pub command: String,
    /// What it says of its version.
    pub version: String,
}

impl Compiler {
    /// The one asked for, or the first of `CXX`, `clang++` and `g++` that can compile
    /// kernels: `CXX` may be a compiler for another system.
    pub fn choose(asked: Option<&str>) -> Result<Compiler> {
        let candidates: Vec<String> = match asked {
            Some(one) => vec![one.to_owned()],
            None => {
                let environment = std::env::var("CXX").ok().filter(|value| !value.is_empty());
                let usual = ["clang++", "g++"].map(str::to_owned);
                environment.into_iter().chain(usual).collect()
            }
        };
        for command in &candidates {
            let Ok(answer) = split(command).arg("--version").output() else {
                continue;
            };
            let version = String::from_utf8_lossy(&answer.stdout).into_owned();
            if answer.status.success() && can_compile(command, &version) {
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

/// Whether the probe compiles: clang before 15 has no halves on x86-64, and clang before
/// 16 cannot round them after each operation.
fn can_compile(command: &str, version: &str) -> bool {
    let rounding = match version.contains("clang") {
        true => "-ffloat16-excess-precision=none",
        false => "-fexcess-precision=16",
    };
    let child = split(command)
        .args(["-std=c++20", rounding, "-S", "-o", "-", "-x", "c++", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    // The pipe closes at the end of this statement, which ends the compiler's input.
    let written = child
        .stdin
        .take()
        .is_some_and(|mut pipe| pipe.write_all(PROBE.as_bytes()).is_ok());
    let answer = child.wait_with_output();
    answer.is_ok_and(|a| written && a.status.success() && !a.stdout.is_empty())
}

fn split(command: &str) -> Command {
    let mut words = command.split_whitespace();
    let mut made = Command::new(words.next().unwrap_or("g++"));
    made.args(words);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_compiler_is_found() {
        let compiler = Compiler::choose(None).expect("this machine has a C++ compiler");
        assert!(!compiler.version.is_empty());
    }

    #[test]
    fn what_is_no_compiler_is_refused() {
        for command in ["no-such-compiler", "cat", "true"] {
            let error = Compiler::choose(Some(command))
                .expect_err("not a compiler")
                .to_string();
            assert!(
                error.contains("no C++ compiler") && error.contains(command),
                "{error}"
            );
        }
    }
}
