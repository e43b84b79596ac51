//! Running a matrix: rows in child processes.
//!
//! [`protocol`] is what child and parent say to each other, [`child`] the inside
//! of the child process, [`process`] the parent's view of one child, [`matrix`]
//! the whole run, [`row_run`] one row of it, [`telling`]
//! its answers while they grow, [`prove`] one library tried once, [`hooks`] what other crates plug in.
//! [`clock`] is a row's time limit, [`lifeline`] ends children with their parent,
//! [`scratch`] is their folder for temporary files, [`wire`] what they speak through.

pub mod child;
mod clock;
pub mod hooks;
mod inputs;
mod lifeline;
pub mod matrix;
pub mod process;
pub mod protocol;
pub mod prove;
mod row_run;
mod scratch;
mod signal;
mod telling;
mod wire;
