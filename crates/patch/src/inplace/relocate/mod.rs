//! `artcheck patch relocate`: a library that works in whatever folder it lies.
//!
//! Names with a folder of the build machine in them lose the folder, run paths
//! of the build machine become the folder of the library itself. Nothing is
//! added that has no room, so this is no second patchelf: what does not fit is
//! refused.

mod elf;
mod macho;

use artcheck_inspect::container::{FileType, identify, places};

use super::plan::{NameChange, Named, Resign};
use super::{EditPlan, PlanError};

/// What a plan may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dialect {
    /// Stands for the library's own folder.
    own_folder: &'static str,
    /// What a library calls itself, for people.
    identity: &'static str,
    /// In front of names that are looked for over run paths.
    prefix: &'static str,
}

/// Plans the change of every name and run path of the build machine. Empty when
/// the file has none.
pub fn plan(bytes: &[u8], resign: Resign) -> Result<EditPlan, PlanError> {
    let mut plan = match identify(bytes) {
        FileType::MachO | FileType::MachOFat => macho::plan(bytes, resign)?,
        FileType::Elf => elf::plan(bytes)?,
        FileType::Pe => {
            return Err(refused(
                "a DLL is asked for by its bare name, and its folder is not recorded",
            ));
        }
        FileType::Ar | FileType::ThinAr | FileType::Tar | FileType::Gzip => {
            return Err(refused(
                "objects in an archive name no libraries; relocate what is linked from them",
            ));
        }
        _ => {
            return Err(refused(
                "expected a linked ELF or Mach-O file, found another kind of file",
            ));
        }
    };
    if plan.is_empty() {
        let none = "nothing to change: no name and no run path of a build machine";
        plan.summary.push(none.to_owned());
    }
    Ok(plan)
}

fn refused(reason: &str) -> PlanError {
    PlanError::Container {
        member: String::new(),
        reason: reason.to_owned(),
    }
}

impl Dialect {
    /// The name without the folder; `None` for one that may stay.
    fn name(self, name: &str) -> Option<String> {
        let leaf = name.rsplit('/').next().filter(|leaf| !leaf.is_empty())?;
        places::is_foreign_name(name).then(|| format!("{}{leaf}", self.prefix))
    }

    /// Run paths without those of the build machine; the first of them becomes
    /// the library's own folder, unless that is among them.
    fn run_paths<'a>(self, paths: &[&'a str]) -> Vec<&'a str> {
        let is_own = |path: &str| path.trim_end_matches(['/', '.']) == self.own_folder;
        let mut has_own = paths.iter().any(|path| is_own(path));
        let mut kept = Vec::new();
        for path in paths {
            if !places::is_foreign_run_path(path) {
                kept.push(*path);
            } else if !has_own {
                kept.push(self.own_folder);
                has_own = true;
            }
        }
        kept
    }

    /// One sentence on a change.
    fn sentence(self, change: &NameChange) -> String {
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
