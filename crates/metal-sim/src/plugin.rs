//! Builds the plug-in, or finds the one built before.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};

use crate::compiler::Compiler;
use crate::error::{Error, Result};
use crate::leftovers;
use crate::options::{Options, Order};
use crate::runtime::RuntimeParts;
use crate::sources::{SOURCES, fingerprint};

/// The file name of what is built. Its folder also holds the kernel headers.
const LIBRARY: &str = "libartcheck_metal_sim.so";

/// The environment variable that names the file for the report.
pub const REPORT_VARIABLE: &str = "ARTCHECK_METAL_SIM_REPORT";

/// A simulated device that is ready to be opened.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The library. What is made for a runtime is opened after libtvm_runtime and
    /// before the model library.
    pub path: PathBuf,
    /// Environment variables that it reads when it is opened.
    pub environment: Vec<(&'static str, OsString)>,
    /// What it was built against; none if it stands for Metal itself.
    pub parts: Option<RuntimeParts>,
}

/// Builds the plug-in for the runtime below `roots`, or takes it from the cache.
pub fn prepare(roots: &[PathBuf], options: &Options) -> Result<Plugin> {
    ready(Some(RuntimeParts::find(roots)?), options)
}

/// The same device without a runtime: what Metal's stand-in in an emulated macOS
/// process asks (`cpp/metal/device.h`).
pub fn prepare_metal(options: &Options) -> Result<Plugin> {
    ready(None, options)
}

fn ready(parts: Option<RuntimeParts>, options: &Options) -> Result<Plugin> {
    let compiler = Compiler::choose(options.compiler.as_deref())?;
    let cache = options.cache_folder();
    leftovers::remove(&cache);
    let kind = if parts.is_some() { "plugin" } else { "metal" };
    let folder = cache.join(format!("{kind}-{}", key(parts.as_ref(), &compiler)?));
    if !folder.join(LIBRARY).is_file() {
        build(parts.as_ref(), &compiler, &folder)?;
    }
    let environment = environment(options, &compiler, &cache);
    Ok(Plugin {
        path: folder.join(LIBRARY),
        environment,
        parts,
    })
}

fn environment(
    options: &Options,
    compiler: &Compiler,
    cache: &Path,
) -> Vec<(&'static str, OsString)> {
    let flag = |on: bool| OsString::from(if on { "1" } else { "0" });
    let order = if options.order == Order::Reverse {
        "reverse"
    } else {
        "forward"
    };
    let threads = options.threads.unwrap_or(0).to_string();
    let mut all = vec![
        ("ARTCHECK_METAL_SIM_GUARD", flag(options.guard)),
        ("ARTCHECK_METAL_SIM_ORDER", order.into()),
        (
            "ARTCHECK_METAL_SIM_ARITHMETIC",
            options.arithmetic.name().into(),
        ),
        ("ARTCHECK_METAL_SIM_THREADS", threads.into()),
        ("ARTCHECK_METAL_SIM_CXX", compiler.command.clone().into()),
        ("ARTCHECK_METAL_SIM_CACHE", cache.join("kernels").into()),
    ];
    if let Some(report) = &options.report {
        all.push((REPORT_VARIABLE, report.into()));
    }
    all
}

/// What the built library depends on: our sources, the compiler, the runtime.
fn key(parts: Option<&RuntimeParts>, compiler: &Compiler) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(fingerprint());
    hash.update(&compiler.command);
    hash.update(&compiler.version);
    for library in parts.iter().flat_map(|parts| [&parts.runtime, &parts.ffi]) {
        hash.update(library.as_os_str().as_encoded_bytes());
        hash.update(fs::read(library).map_err(Error::io(library))?);
    }
    Ok(hex::encode(hash.finalize()))
}

/// Builds beside the final folder and renames: readers never see half a build.
fn build(parts: Option<&RuntimeParts>, compiler: &Compiler, folder: &Path) -> Result<()> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    let work = tempfile::Builder::new()
        .prefix(leftovers::BUILDING)
        .tempdir_in(parent)
        .map_err(Error::io(parent))?;
    let cpp = work.path().join("cpp");
    for source in SOURCES {
        let path = cpp.join(source.path);
        let inside = path.parent().unwrap_or(&cpp);
        fs::create_dir_all(inside).map_err(Error::io(inside))?;
        fs::write(&path, source.text).map_err(Error::io(&path))?;
    }
    let objects = compile_all(parts, compiler, work.path())?;
    link(parts, compiler, work.path(), &objects)?;
    for object in &objects {
        fs::remove_file(object).map_err(Error::io(object))?;
    }
    let made = work.keep();
    if let Err(source) = fs::rename(&made, folder) {
        // Another process may have finished first; its build is as good.
        fs::remove_dir_all(&made).map_err(Error::io(&made))?;
        if !folder.join(LIBRARY).is_file() {
            return Err(Error::Io {
                path: folder.to_path_buf(),
                source,
            });
        }
    }
    Ok(())
}

fn compile_all(
    parts: Option<&RuntimeParts>,
    compiler: &Compiler,
    work: &Path,
) -> Result<Vec<PathBuf>> {
    // One of these folders is the front; the rest is the device.
    let other = if parts.is_some() { "metal/" } else { "tvm/" };
    let files: Vec<&'static str> = SOURCES
        .iter()
        .map(|s| s.path)
        .filter(|p| p.ends_with(".cc") && !p.starts_with(other))
        .collect();
    let lanes = thread::available_parallelism().map_or(1, |n| n.get());
    let compile_lane = |lane: usize| -> Result<Vec<PathBuf>> {
        let mine = files.iter().skip(lane).step_by(lanes);
        mine.map(|file| compile_one(parts, compiler, work, file))
            .collect()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..lanes)
            .map(|lane| scope.spawn(move || compile_lane(lane)))
            .collect();
        let mut objects = Vec::new();
        for handle in running {
            let made = handle
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            objects.extend(made?);
        }
        objects.sort();
        Ok(objects)
    })
}

fn compile_one(
    parts: Option<&RuntimeParts>,
    compiler: &Compiler,
    work: &Path,
    file: &'static str,
) -> Result<PathBuf> {
    let object = work.join(format!("{}.o", file.replace('/', "-")));
    let mut arguments: Vec<OsString> = [
        "-std=c++20",
        "-O2",
        "-Wall",
        "-Wextra",
        "-fPIC",
        "-fvisibility=hidden",
        "-c",
    ]
    .map(OsString::from)
    .to_vec();
    arguments.push(format!("-DMSIM_BUILD=\"{}\"", fingerprint()).into());
    // A process without our variables compiles its kernels with what was probed here.
    arguments.push(format!("-DMSIM_CXX={:?}", compiler.command).into());
    arguments.extend(["-I".into(), work.join("cpp/plugin").into()]);
    for include in parts.iter().flat_map(|p| [&p.tvm_include, &p.ffi_include]) {
        arguments.extend(["-isystem".into(), include.into()]);
    }
    arguments.extend([
        work.join("cpp").join(file).into(),
        "-o".into(),
        object.clone().into(),
    ]);
    compiler.run(file, &arguments)?;
    Ok(object)
}

fn link(
    parts: Option<&RuntimeParts>,
    compiler: &Compiler,
    work: &Path,
    objects: &[PathBuf],
) -> Result<()> {
    let mut arguments: Vec<OsString> = vec!["-shared".into(), "-o".into()];
    arguments.push(work.join(LIBRARY).into());
    arguments.extend(objects.iter().map(OsString::from));
    // By path: the library records their names, which are already loaded then.
    arguments.push("-Wl,--no-as-needed".into());
    let runtime = parts.iter().flat_map(|p| [&p.runtime, &p.ffi]);
    arguments.extend(runtime.map(OsString::from));
    arguments.extend(["-ldl".into(), "-lpthread".into()]);
    compiler.run("the simulated device", &arguments)
}
