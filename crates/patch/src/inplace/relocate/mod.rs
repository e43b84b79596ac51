//! `artcheck patch relocate`: a library that works in whatever folder it lies.
//!
//! Names with a folder of the build machine in them lose the folder, run paths
//! of the build machine become the folder of the library itself. Nothing is
//! added that has no room, so this is no second patchelf: what does not fit is
//! refused.

mod dialect;
mod elf;
mod macho;

use artcheck_inspect::container::{FileType, identify};

use super::PlanError;
use crate::plan::{EditPlan, Resign};

/// Plans the change of every name and run path of the build machine. Empty when
/// the file has none.
pub fn plan(bytes: &[u8], resign: Resign) -> Result<EditPlan, PlanError> {
    let mut plan = match identify(bytes) {
        FileType::MachO | FileType::MachOFat => macho::plan(bytes, resign)?,
        FileType::Elf => elf::plan(bytes)?,
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
        let none = "nothing to change: no name and no run path of a build machine";
        plan.summary.push(none.to_owned());
    }
    Ok(plan)
}
