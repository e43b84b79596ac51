//! Rows on `metal-sim`: what their child process gets, and what it reports.
//!
//! The parent builds the plug-in (or takes it from the cache), once per runtime.
//! The child opens it like a shim; libraries of macOS are taken by the emulator of
//! the feature `macho-host`. On a Mac's runtime, which has a part for Metal of its
//! own, the device is built without a runtime and stands behind Metal. Nothing here decides about right or wrong answers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use artcheck_metal_sim::{Options, Plugin, REPORT_VARIABLE, Report, prepare, prepare_metal};

use crate::error::{Error, Result};
use crate::ffi;
use crate::matrix::row::{Row, Simulation};
use crate::parts::RuntimeFiles;

/// Begins a 64-bit Mach-O file for a little-endian processor.
const MACHO: [u8; 4] = [0xcf, 0xfa, 0xed, 0xfe];

/// Begins a Mach-O file for several processors.
const UNIVERSAL: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];

/// True if the file is a library for macOS, whatever its name.
pub(crate) fn is_macos_library(path: &Path) -> Result<bool> {
    let mut magic = [0; 4];
    let mut file = File::open(path).map_err(Error::io(path))?;
    // A file of fewer than four bytes is none, and is refused where it is opened.
    Ok(file.read_exact(&mut magic).is_ok() && [MACHO, UNIVERSAL].contains(&magic))
}

/// Why a row cannot run on the simulated device in this build, on this machine.
pub(crate) fn cannot_run(row: &Row) -> Option<String> {
    if !row.device.is_simulated() {
        return None;
    }
    if !cfg!(target_os = "linux") {
        return Some("the simulated Metal device runs on Linux only".to_owned());
    }
    (!cfg!(feature = "macho-host") && is_macos_library(&row.library).is_ok_and(|is| is)).then(
        || {
            "a library for macOS needs the emulator for arm64 host code: build artcheck with \
         `cargo build --release --features macho-host` (CMake and libclang), or compile the \
         model with an x86-64 Linux host"
                .to_owned()
        },
    )
}

/// A runtime, by its paths, and how it simulates.
type Wanted = (Vec<PathBuf>, Simulation);

/// The plug-ins of one run, one for each runtime and way to simulate.
#[derive(Default)]
pub(crate) struct Simulator {
    plugins: Mutex<BTreeMap<Wanted, Result<Plugin, String>>>,
}

/// What a child process of a simulated row gets.
pub(crate) struct Prepared {
    /// The row, with the plug-in among its shims.
    pub row: Row,
    /// What the plug-in reads when it is opened.
    pub environment: Vec<(&'static str, OsString)>,
    report: PathBuf,
}

impl Simulator {
    /// Gets a simulated row ready, with its report in `folder`; the reason if the device
    /// cannot be had here.
    pub fn prepare(&self, row: &Row, folder: &Path) -> Result<Prepared, String> {
        let plugin = self.plugin(row)?;
        let report = folder.join("metal-sim.json");
        let mut environment = plugin.environment;
        environment.push((REPORT_VARIABLE, report.as_os_str().into()));
        let mut row = row.clone();
        match plugin.parts {
            Some(_) => row.shims.insert(0, plugin.path),
            None => environment.push((ffi::METAL_VARIABLE, plugin.path.into())),
        }
        Ok(Prepared {
            row,
            environment,
            report,
        })
    }

    fn plugin(&self, row: &Row) -> Result<Plugin, String> {
        // Held while it is built: other rows of the same runtime wait for it.
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (row.runtime.paths.clone(), row.simulation);
        plugins
            .entry(key)
            .or_insert_with(|| {
                let options = Options {
                    guard: row.simulation.guard,
                    order: row.simulation.order,
                    arithmetic: row.simulation.arithmetic,
                    ..Options::default()
                };
                // What a runtime lacks of its own is said before what a plug-in is built with.
                let files = RuntimeFiles::find(&row.runtime.paths);
                let files = files.map_err(|error| error.to_string())?;
                let prepared = match files.emulated() {
                    true => prepare_metal(&options),
                    false => prepare(&row.runtime.paths, &options),
                };
                prepared.map_err(|error| error.to_string())
            })
            .clone()
    }
}

impl Prepared {
    /// What the plug-in wrote; none if the process died before it could.
    pub fn report(&self) -> Option<Report> {
        let text = std::fs::read_to_string(&self.report).ok()?;
        Report::parse(&text).ok()
    }
}
