//! Whose turn it is: emulated threads run one at a time.
//!
//! The emulator of each thread thinks that it is the only processor, so atomic
//! instructions are atomic only among code that takes turns.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// The right to run emulated code. A thread that has it may take it again.
#[derive(Default)]
pub(super) struct Turn {
    holder: Mutex<(Option<ThreadId>, usize)>,
    free: Condvar,
}

/// A taken turn; given back when dropped.
pub(super) struct Taken<'a>(&'a Turn);

impl Turn {
    pub(super) fn take(&self) -> Taken<'_> {
        self.enter(1);
        Taken(self)
    }

    /// Lets another thread run, if one waits.
    pub(super) fn pass(&self) {
        let depth = {
            let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *holder).1
        };
        self.free.notify_one();
        thread::sleep(Duration::from_micros(20));
        self.enter(depth);
    }

    fn enter(&self, depth: usize) {
        let own = thread::current().id();
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        while holder.0.is_some_and(|other| other != own) {
            let waited = self.free.wait(holder);
            holder = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *holder = (Some(own), holder.1.saturating_add(depth));
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let turn = self.0;
        let mut holder = turn.holder.lock().unwrap_or_else(PoisonError::into_inner);
        holder.1 = holder.1.saturating_sub(1);
        if holder.1 == 0 {
            holder.0 = None;
            turn.free.notify_one();
        }
    }
}
