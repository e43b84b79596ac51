//! Rows on a runtime for macOS where there is no Mac: what their child process gets.
//!
//! The parent builds the stand-ins for macOS's own libraries, once; the child loads
//! the runtime with them in the emulator (`ffi/emulated.rs`).

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use artcheck_metal_sim::Options;
use artcheck_metal_sim::macho::stack::{Zig, prepare};

use crate::ffi;
use crate::matrix::row::Row;
use crate::parts::RuntimeFiles;

/// What the child's environment says; nothing if the runtime is not for macOS. The
/// reason if the stand-ins cannot be had here.
pub(crate) fn environment(row: &Row) -> Result<Vec<(&'static str, OsString)>, String> {
    let other_wheel = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".whl") && !name.contains("macosx")
    };
    if row.runtime.paths.iter().any(other_wheel) {
        return Ok(Vec::new());
    }
    // What cannot be found is the child's to report.
    let files = RuntimeFiles::find(&row.runtime.paths);
    if !files.is_ok_and(|files| files.emulated()) {
        return Ok(Vec::new());
    }
    // One build at a time; the next row finds it done.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _guard = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let zig = Zig::choose().ok_or(
        "a runtime for macOS needs zig, which builds the stand-ins for macOS's own libraries: \
         `pip install ziglang`, or the command of one in ARTCHECK_ZIG",
    )?;
    let folder: PathBuf =
        prepare(&zig, &Options::default().cache_folder()).map_err(|error| error.to_string())?;
    Ok(vec![(ffi::SYSTEM_VARIABLE, folder.into())])
}
