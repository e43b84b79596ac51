//! What came of `--prove`.

/// What was tried, in lines, and whether all of it worked.
#[derive(Default)]
pub struct Tried {
    /// Lines to print.
    pub lines: Vec<String>,
    /// A call failed, or the library did not load.
    pub failed: bool,
    /// Something was not tried.
    pub partial: bool,
    /// Calls that worked.
    pub called: usize,
}
