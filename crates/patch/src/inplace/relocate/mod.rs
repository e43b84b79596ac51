//! `artcheck patch relocate`: a library that works in whatever folder it lies.
//!
//! Names with a folder of the build machine in them lose the folder, run paths
//! of the build machine become the folder of the library itself. Nothing is
//! added that has no room, so this is no second patchelf: what does not fit is
//! refused. What a program here finds by such a folder alone stays.

mod dialect;
mod elf;
mod here;
mod macho;

use std::path::Path;

use artcheck_inspect::container::{FileType, identify};

use super::PlanError;
use crate::plan::{EditPlan, Resign};

/// Plans the change of every name and run path of the build machine. Empty when
/// the file has none. `file` is where it lies: a name or run path by which it finds a
/// library there today, and would not without, is kept, with a note. An error where
/// nothing else is to change.
pub fn plan(bytes: &[u8], file: Option<&Path>, resign: Resign) -> Result<EditPlan, PlanError> {
    let mut plan = match identify(bytes) {
        FileType::MachO | FileType::MachOFat => macho::plan(bytes, file, resign)?,
        FileType::Elf => elf::plan(bytes, file)?,
        FileType::Pe => {
            return Err(PlanError::container(
                "a DLL is asked for by its bare name, and its folder is not recorded",
            ));
        }
        FileType::Ar | FileType::ThinAr | FileType::Tar | FileType::Gzip => {
            return Err(PlanError::container(
                "objects in an archive name no libraries; relocate what is linked from them",
            ));
        }
        _ => {
            return Err(PlanError::container(
                "expected a linked ELF or Mach-O file, found another kind of file",
            ));
        }
    };
    if plan.is_empty() {
        let none = "nothing to change: no library name or run path points into a build machine";
        plan.summary.push(none.to_owned());
    }
    Ok(plan)
}
