//! Calls of emulated functions: enters, runs, does what gates ask for, returns.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};

use super::callouts::Answer;
use super::emulator::{Arguments, Event, Processor};
use super::error::{MachOError, Result};

thread_local! {
    /// Each thread's processor for each runner.
    static PROCESSORS: RefCell<HashMap<u64, Processor>> = RefCell::new(HashMap::new());
}

/// Why a call did not come back.
pub enum Halt {
    /// The code stopped.
    Stopped { at: u64, what: String },
    /// The emulator failed.
    Failed(MachOError),
}

/// The processors of one emulated process, one for each thread that calls.
pub struct Runner {
    id: u64,
    back: u64,
}

impl Runner {
    /// Calls return to the gate `back`.
    pub fn new(back: u64) -> Runner {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Runner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            back,
        }
    }

    /// A number of this process's own.
    pub fn id(&self) -> u64 {
        self.id
    }

    fn with<T>(&self, work: impl FnOnce(&mut Processor) -> Result<T>) -> Result<T> {
        PROCESSORS.with_borrow_mut(|all| {
            let processor = match all.entry(self.id) {
                Entry::Occupied(found) => found.into_mut(),
                Entry::Vacant(empty) => empty.insert(Processor::new()?),
            };
            work(processor)
        })
    }

    /// Runs a function to its end; `outside` does what the gate at an address
    /// stands for. May be entered again from there: the processor is free meanwhile.
    pub fn run(
        &self,
        function: u64,
        words: &[u64],
        outside: &dyn Fn(u64, &Arguments) -> std::result::Result<Answer, String>,
    ) -> std::result::Result<u64, Halt> {
        let stack = self
            .with(|p| p.enter(words, self.back))
            .map_err(Halt::Failed)?;
        let ended = self.until_back(function, outside);
        let word = self.with(|p| p.leave(stack)).map_err(Halt::Failed)?;
        ended.map(|()| word)
    }

    fn until_back(
        &self,
        mut pc: u64,
        outside: &dyn Fn(u64, &Arguments) -> std::result::Result<Answer, String>,
    ) -> std::result::Result<(), Halt> {
        loop {
            let at = match self.with(|p| p.run(pc)).map_err(Halt::Failed)? {
                Event::Exit(at) if at == self.back => return Ok(()),
                Event::Exit(at) => at,
                Event::Fault { at, what } => return Err(Halt::Stopped { at, what }),
            };
            let arguments = self.with(|p| p.arguments()).map_err(Halt::Failed)?;
            let stopped = |what| Halt::Stopped {
                // The gate says nothing; its caller does.
                at: arguments.link,
                what,
            };
            let answer = outside(at, &arguments).map_err(stopped)?;
            self.with(|p| match answer {
                Answer::Nothing => Ok(()),
                Answer::Word(word) => p.return_word(word),
                Answer::Double(bits) => p.return_double(bits),
            })
            .map_err(Halt::Failed)?;
            pc = arguments.link;
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Other threads' processors stay until those threads end.
        let _ = PROCESSORS.try_with(|all| all.try_borrow_mut().map(|mut all| all.remove(&self.id)));
    }
}
