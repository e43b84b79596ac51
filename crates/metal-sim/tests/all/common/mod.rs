//! What the tests share: the pinned runtimes, the plug-in, one run of one library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use artcheck_metal_sim::{Options, Plugin, Report, prepare};
use serde::Deserialize;

#[path = "../../../../../tests/all/support/parts.rs"]
pub mod parts;

/// The repository's root.
pub fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .expect("crates/metal-sim lies in the repository")
        .to_path_buf()
}

/// A library of the corpus.
pub fn artifact(path: &str) -> PathBuf {
    let file = root().join("corpus/artifacts").join(path);
    assert!(
        file.is_file(),
        "{} is part of the repository",
        file.display()
    );
    file
}

/// The virtual environment of a TVM version.
pub fn environment(version: &str) -> PathBuf {
    parts::venv(version)
}

/// Where these tests keep plug-ins, kernels and libraries that they build.
pub fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("metal-sim")
}

/// The plug-in for a TVM version.
pub fn plugin(version: &str, guard: bool) -> Plugin {
    // One build at a time; the next finds it done.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _guard = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let options = Options {
        guard,
        cache: Some(scratch()),
        ..Options::default()
    };
    prepare(&[environment(version)], &options).expect("the plug-in builds")
}

/// What `drive.py` prints.
#[derive(Debug, Deserialize)]
pub struct Answer {
    #[serde(default)]
    pub tokens: Vec<u32>,
    #[serde(default)]
    pub reference_tokens: Vec<u32>,
    pub worst: Option<f64>,
    pub cosine: Option<f64>,
    pub error: Option<String>,
    pub report: Report,
}

/// One run: a library, the reference it is held against, and where.
pub struct Run<'a> {
    pub runtime: &'a str,
    pub library: &'a Path,
    pub model: &'a str,
    pub dtype: &'a str,
    pub guard: bool,
    pub more: Vec<String>,
    /// How far a logit may lie from the reference's.
    pub tolerance: f64,
}

impl<'a> Run<'a> {
    pub fn new(runtime: &'a str, library: &'a Path, model: &'a str, dtype: &'a str) -> Run<'a> {
        // Halves carry 11 bits; logits here are of size 3.
        let tolerance = if dtype == "float32" { 1e-3 } else { 0.15 };
        Run {
            runtime,
            library,
            model,
            dtype,
            guard: false,
            more: Vec::new(),
            tolerance,
        }
    }

    pub fn answer(&self) -> Answer {
        let plugin = plugin(self.runtime, self.guard);
        let done = Command::new(environment(self.runtime).join("bin/python"))
            .arg(root().join("crates/metal-sim/tests/drive.py"))
            .arg(root().join("corpus"))
            .args([&plugin.path, self.library])
            .args([self.model, self.dtype])
            .args(&self.more)
            .envs(plugin.environment.iter().map(|(name, value)| (name, value)))
            .env("OPENBLAS_NUM_THREADS", "2")
            .output()
            .expect("python runs");
        let text = String::from_utf8_lossy(&done.stdout);
        let line = text
            .lines()
            .find(|l| l.starts_with('{'))
            .unwrap_or_else(|| {
                panic!(
                    "{} gave no answer ({}): {}",
                    self.library.display(),
                    done.status,
                    String::from_utf8_lossy(&done.stderr)
                )
            });
        serde_json::from_str(line).expect("drive.py prints its answer as JSON")
    }

    /// Runs and holds the answer against the reference.
    pub fn agrees(&self) -> Answer {
        let answer = self.answer();
        let name = format!("{} on {}", self.library.display(), self.runtime);
        assert_eq!(answer.error, None, "{name}");
        assert_eq!(answer.report.not_compiled, 0, "{name}: {:?}", answer.report);
        assert!(answer.report.ran > 0, "{name}: no kernel ran");
        let worst = answer.worst.expect("a difference");
        assert!(worst <= self.tolerance, "{name}: differs by {worst}");
        match answer.cosine {
            Some(cosine) => assert!(cosine >= 0.999, "{name}: cosine {cosine}"),
            None => {
                assert!(!answer.tokens.is_empty(), "{name}: no tokens");
                assert_eq!(answer.tokens, answer.reference_tokens, "{name}");
            }
        }
        answer
    }
}

/// Runs a corpus library and holds it against the reference.
pub fn agrees(runtime: &str, library: &str, model: &str, dtype: &str, guard: bool) -> Answer {
    let library = artifact(library);
    Run {
        guard,
        ..Run::new(runtime, &library, model, dtype)
    }
    .agrees()
}
