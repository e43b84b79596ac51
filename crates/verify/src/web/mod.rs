//! Rows of web libraries: a wasm library holds its own runtime, and the JavaScript of an npm
//! package is what drives it, under Node (device `cpu`) or in a browser (device `webgpu`).
//!
//! The child process starts `bridge.mjs` with Node, which loads package and library as a page
//! does, and speaks with it over pipes (`wire`). To everything above, the library is a runtime
//! like any other: `ffi/web.rs` gives the bridge the form of libtvm_ffi's C functions.
//!
//! Facts: the classes of tvmjs (`Instance`, `Module`, `Tensor`), the same in name since web-llm
//! 0.2.8; `detectGPUDevice` asks for the limits that web-llm asks for.

mod wire;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use tempfile::TempDir;

pub(crate) use wire::{Bridge, Failed, Given, Opened, Reply, Request};

use crate::error::{Error, Result};

/// The two halves of the bridge.
const SCRIPTS: [(&str, &str); 2] = [
    ("bridge.mjs", include_str!("bridge.mjs")),
    ("glue.mjs", include_str!("glue.mjs")),
];

/// Names of browsers that have WebGPU, as systems install them.
const BROWSERS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

/// The npm package that is the row's runtime, if it is one.
pub(crate) fn package(paths: &[PathBuf]) -> Option<PathBuf> {
    let of = |path: &PathBuf| {
        let folders = [path.clone(), path.join("package")];
        folders
            .into_iter()
            .find(|folder| folder.join("package.json").is_file())
    };
    paths.iter().find_map(of)
}

/// Why a row on such a runtime cannot run on this machine; `gpu` where its device is WebGPU.
pub(crate) fn cannot_run(runtime: &[PathBuf], gpu: bool) -> Option<String> {
    if package(runtime).is_none() {
        return gpu.then(|| {
            "rows for webgpu need the folder of an npm package as their runtime \
             (@mlc-ai/web-llm or @mlc-ai/web-runtime)"
                .to_owned()
        });
    }
    if node().is_none() {
        return Some("no `node` on the PATH; it runs the JavaScript of web libraries".to_owned());
    }
    (gpu && browser().is_none())
        .then(|| "no Chromium on the PATH; ARTCHECK_BROWSER may name the program of one".to_owned())
}

/// Whether a library is one for the web.
pub(crate) fn is_library(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "wasm")
}

/// `name-version` of a package, as the table of packages has it.
pub(crate) fn package_name(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Manifest {
        name: String,
        version: String,
    }
    let text = fs::read_to_string(folder.join("package.json")).ok()?;
    let manifest: Manifest = serde_json::from_str(&text).ok()?;
    let name = manifest.name.rsplit('/').next().unwrap_or_default();
    Some(format!("{name}-{}", manifest.version))
}

/// Starts the other side and lets it load package and library.
pub(crate) fn start(library: &Path, package: &Path, gpu: bool) -> Result<(Bridge, Opened)> {
    let missing = |what: &str| Error::Unsupported(format!("no {what} on the PATH"));
    let mut command = Command::new(node().ok_or_else(|| missing("node"))?);
    // It goes with the process that was started, which may outlive this one for a moment.
    let folder = TempDir::new().map_err(Error::io(library))?.keep();
    for (name, text) in SCRIPTS {
        let file = folder.join(name);
        fs::write(&file, text).map_err(Error::io(&file))?;
    }
    command
        .arg(folder.join("bridge.mjs"))
        .args([package, library]);
    let mut with = None;
    if gpu {
        let browser = browser().ok_or_else(|| missing("Chromium"))?;
        with = version(&browser);
        command.arg(browser);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut bridge = Bridge::new(command).map_err(Error::io(package))?;
    let request = Request::Open { gpu };
    let failed = |failed: Failed| Error::Open {
        path: library.to_owned(),
        detail: format!("{}: {}", failed.kind, failed.message),
    };
    let (reply, _) = bridge.ask(&request, &[]).map_err(failed)?;
    let opened = Opened {
        with,
        ..reply.opened
    };
    Ok((bridge, opened))
}

fn node() -> Option<PathBuf> {
    on_path("ARTCHECK_NODE", &["node"])
}

fn browser() -> Option<PathBuf> {
    on_path("ARTCHECK_BROWSER", &BROWSERS)
}

/// What the variable names, or the first of the names on the PATH.
fn on_path(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let suffix = env::consts::EXE_SUFFIX;
    let files = names.iter().flat_map(|name| {
        folders
            .iter()
            .map(move |f| f.join(format!("{name}{suffix}")))
    });
    files.into_iter().find(|file| file.is_file())
}

/// What a browser says of its version.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    (words.len() == 2).then(|| words.join(" "))
}
