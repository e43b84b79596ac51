//! How a format speaks of libraries and folders, and what becomes of those of
//! the build machine.

use artcheck_inspect::container::places;

use super::here::{Here, leaf};
use crate::plan::{NameChange, Named};

/// The words of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Stands for the library's own folder.
    pub(super) own_folder: &'static str,
    /// What a library calls itself, for people.
    pub(super) identity: &'static str,
    /// In front of names that are looked for over run paths.
    pub(super) prefix: &'static str,
}

impl Dialect {
    /// The name without the folder; `None` for one that may stay.
    pub(super) fn name(self, name: &str) -> Option<String> {
        let leaf = leaf(name).filter(|_| places::is_foreign_name(name))?;
        Some(format!("{}{leaf}", self.prefix))
    }

    /// The name of a needed library without the folder, unless it is in use here.
    pub(super) fn needed(self, name: &str, here: &mut Here<'_>) -> Option<String> {
        self.name(name)
            .filter(|_| !here.keeps_name(self.own_folder, name))
    }

    /// Run paths without those of the build machine that nothing here needs; the first
    /// of them becomes the library's own folder, unless that is among them.
    pub(super) fn run_paths<'a>(self, paths: &[&'a str], here: &mut Here<'_>) -> Vec<&'a str> {
        let is_own = |path: &str| path.trim_end_matches(['/', '.']) == self.own_folder;
        let mut has_own = paths.iter().any(|path| is_own(path));
        let mut kept = Vec::new();
        for path in paths {
            if !places::is_foreign_run_path(path)
                || here.keeps_run_path(self.own_folder, path, paths)
            {
                kept.push(*path);
            } else if !has_own {
                kept.push(self.own_folder);
                has_own = true;
            }
        }
        kept
    }

    /// One sentence on a change.
    pub(super) fn sentence(self, change: &NameChange) -> String {
        let what = match change.what {
            Named::Identity => self.identity,
            Named::Needed => "needed library",
            _ => "run path",
        };
        match (change.from.is_empty(), change.to.is_empty()) {
            (true, _) => format!("{what} {} is added", change.to),
            (_, true) => format!("{what} {} is dropped", change.from),
            _ => format!("{what} {} becomes {}", change.from, change.to),
        }
    }
}
