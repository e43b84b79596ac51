//! What the application around the runtime brings: shared by the commands that judge.

use std::collections::BTreeSet;

/// What the application brings.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ApplicationArgs {
    /// The application registers NAME itself; repeatable.
    #[arg(long, value_name = "NAME")]
    pub provides: Vec<String>,
}

impl ApplicationArgs {
    /// The names, for a scan.
    pub fn names(&self) -> BTreeSet<String> {
        self.provides.iter().cloned().collect()
    }
}
