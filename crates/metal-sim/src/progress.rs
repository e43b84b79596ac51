//! How far the plug-in is with compiling kernels, from a line of its standard error.

/// What `Told` in `cpp/plugin/compile.cc` writes before the numbers.
const COMPILING: &str = "metal-sim: compiling kernels, ";

/// Kernels of a library that the cache did not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiling {
    /// So many are compiled, and kept.
    pub done: u64,
    /// Of so many.
    pub all: u64,
}

impl Compiling {
    /// The progress that a line tells; other text may come before it.
    pub fn parse(line: &str) -> Option<Compiling> {
        let (_, numbers) = line.split_once(COMPILING)?;
        let (done, all) = numbers.strip_suffix(" done")?.split_once(" of ")?;
        let (done, all) = (done.parse().ok()?, all.parse().ok()?);
        Some(Compiling { done, all })
    }

    /// Whether nothing is left to compile.
    pub fn ended(self) -> bool {
        self.done >= self.all
    }
}
