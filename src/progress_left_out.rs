//! The progress bar where it is left out: a page has no terminal.

use std::path::Path;

use artcheck_inspect::scan::Progress;

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
