//! The progress bar where it is left out: a page has no terminal.

use std::path::Path;

use artcheck_inspect::scan::Progress;

/// Does it, and says nothing meanwhile.
pub fn patiently<T>(_what: &str, _quiet: bool, work: impl FnOnce() -> T) -> T {
    work()
}

/// Draws nothing.
pub struct Bar;

impl Bar {
    /// A bar that never draws.
    pub fn new(_wanted: bool) -> Self {
        Self
    }

    /// Does nothing.
    pub fn finish(&self) {}
}

impl Progress for Bar {
    fn found(&self, _files: usize) {}
    fn read(&self, _file: &Path) {}
}
