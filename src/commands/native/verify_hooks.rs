//! What `verify` takes from the rest of artcheck: the rules as a look at the
//! files before they run, and repairs for rows that cannot.

use std::path::{Path, PathBuf};

use artcheck_inspect::rules;
use artcheck_inspect::scan::{Scan, ScanOptions, scan};
use artcheck_inspect::{Finding, Repair, Severity};
use artcheck_patch::inplace::convert::{self, ConvertOptions};
use artcheck_patch::inplace::{self, Output, Resign};
use artcheck_patch::shim::{self, Environment, ShimOptions, ShimPart, ShimPlan};
use artcheck_verify::{Failure, Precheck, PrecheckFinding, Row, Shim, ShimProvider};

use crate::runtimes;
use crate::told::told;

/// The rules of `scan`, on a row's library and runtime.
pub struct Rules;

impl Precheck for Rules {
    fn check(&self, row: &Row) -> Result<Vec<PrecheckFinding>, String> {
        let scan = scanned(row)?;
        let shimmed =
            |finding: &Finding| !row.shims.is_empty() && finding.repairs.contains(&Repair::Shim);
        // What the simulated device brings along: a loader for metal modules, and a
        // home for the host code of macOS libraries.
        let simulated = |finding: &Finding| {
            row.device.is_simulated()
                && [rules::WRONG_PLATFORM, rules::MODULE_LOADER].contains(&finding.rule)
        };
        let found = scan.findings.iter().map(|finding| PrecheckFinding {
            code: finding.rule.to_string(),
            message: finding.message.clone(),
            blocking: finding.severity == Severity::Error
                && !shimmed(finding)
                && !simulated(finding),
        });
        Ok(found.chain(other_device(row, &scan)).collect())
    }
}

/// Modules of kernels, by the kinds that a runtime's device parts load.
const KERNELS: [&str; 6] = ["cuda", "hip", "metal", "opencl", "vulkan", "webgpu"];

/// A library without kernels for the row's device: the runtime would say so of the first
/// tensor only, in words about types.
fn other_device(row: &Row, scan: &Scan) -> Option<PrecheckFinding> {
    let kind = match row.device.runtime_kind() {
        // A page has its kernels in its own module.
        "cpu" | "webgpu" => return None,
        "rocm" => "hip",
        kind => kind,
    };
    let libraries = scan.artifacts.iter().flat_map(|found| &found.libraries);
    let blobs: Vec<_> = libraries.filter_map(|one| one.blob.as_ref().ok()).collect();
    let modules = blobs.iter().flat_map(|blob| &blob.modules);
    let mut kinds: Vec<&str> = modules
        .filter_map(|module| KERNELS.into_iter().find(|known| *known == module.kind))
        .collect();
    kinds.dedup();
    let is_model = blobs.iter().any(|blob| blob.executables().next().is_some());
    if !is_model || kinds.contains(&kind) {
        return None;
    }
    let built = match kinds.as_slice() {
        [] => "it was compiled for the CPU".to_owned(),
        kinds => format!("it was compiled for {}", kinds.join(", ")),
    };
    let device = &row.device;
    Some(PrecheckFinding {
        code: "device".to_owned(),
        message: format!(
            "the library has no kernels for {device}: {built}; run it on that device, or compile the model for {}",
            row.device.runtime_kind()
        ),
        blocking: true,
    })
}

fn scanned(row: &Row) -> Result<Scan, String> {
    let runtimes = runtimes::of_files(&row.runtime.paths).map_err(|error| told(&error))?;
    let options = ScanOptions {
        paths: vec![row.library.clone()],
        runtimes,
        ..ScanOptions::default()
    };
    scan(&options, &()).map_err(|error| error.to_string())
}

/// Shim libraries and converted copies, kept until the run ends.
pub struct Shims {
    folder: tempfile::TempDir,
}

impl Shims {
    /// A folder for what will be made.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    fn build(&self, row: &Row, plan: ShimPlan) -> Result<Shim, String> {
        let description: Vec<&str> = plan.parts().map(ShimPart::name).collect();
        let description = format!("shim library with {}", description.join(", "));
        let outcome = shim::build(&ShimOptions {
            runtime_paths: row.runtime.paths.clone(),
            plan,
            out: self
                .folder
                .path()
                .join(format!("{}-shim.so", file_name(&row.name))),
            target: None,
            environment: Environment::of_process(),
        })
        .map_err(|error| error.to_string())?;
        Ok(Shim {
            libraries: vec![outcome.library],
            replaces_library: None,
            description,
        })
    }

    /// A copy of the library in which everything that was found is made right.
    fn convert(&self, row: &Row) -> Result<Option<Shim>, String> {
        let runtimes = runtimes::of_files(&row.runtime.paths).map_err(|error| told(&error))?;
        let Some(runtime) = runtimes.first() else {
            return Ok(None);
        };
        let bytes = std::fs::read(&row.library).map_err(|error| error.to_string())?;
        let options = ConvertOptions {
            partial: false,
            resign: Resign::Keep,
            rooms: Vec::new(),
        };
        let Ok(plan) = convert::plan(&bytes, &runtime.profile, &options) else {
            return Ok(None);
        };
        if plan.is_empty() {
            return Ok(None);
        }
        let copy = self.copy_of(&row.name, &row.library);
        let applied = inplace::apply(&row.library, &plan, &Output::File(copy))
            .map_err(|error| error.to_string())?;
        Ok(Some(Shim {
            libraries: Vec::new(),
            replaces_library: Some(applied.file),
            description: format!("converted copy: {}", plan.summary.join("; ")),
        }))
    }

    fn copy_of(&self, row: &str, library: &Path) -> PathBuf {
        let name = library
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        self.folder
            .path()
            .join(format!("{}-{name}", file_name(row)))
    }
}

impl ShimProvider for Shims {
    fn shim(
        &self,
        row: &Row,
        _failure: &Failure,
        findings: &[PrecheckFinding],
    ) -> Result<Option<Shim>, String> {
        let mut plan = ShimPlan::of([]);
        // A rule may offer a shim for one finding and none for another.
        let found = scanned(row)?.findings;
        let offers = |blocking: &PrecheckFinding| {
            let mut same = found.iter().filter(|finding| {
                finding.rule.code == blocking.code && finding.message == blocking.message
            });
            let finding = same.find(|finding| finding.repairs.contains(&Repair::Shim))?;
            ShimPart::for_rule(finding.rule)
        };
        let mut whole = true;
        for finding in findings.iter().filter(|finding| finding.blocking) {
            match offers(finding) {
                Some(part) => plan.add(part, finding.message.clone()),
                None => whole = false,
            }
        }
        if whole && !plan.is_empty() {
            return self.build(row, plan).map(Some);
        }
        self.convert(row)
    }
}

/// A row's name as a file name.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect()
}
