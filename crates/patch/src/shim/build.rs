//! Writes the sources and runs the compiler.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use artcheck_inspect::container;
use artcheck_inspect::rules::SHIM_MARK;

use super::compiler::{Compiler, Family};
use super::emit;
use super::error::ShimError;
use super::options::ShimOptions;
use super::part::{ShimPart, ShimPlan};
use super::runtime::Runtime;
use super::system_stub;
use super::target::ShimTarget;
use crate::io_error::io;
use crate::source::device_c_api;
use crate::staged::{Staged, folder_of, sync_folder};

const DEVICE_HEADER: &str = "tvm/runtime/device_api.h";
/// Headers that the wheels keep in two packages; each must be found.
const NEEDED_HEADERS: [&str; 3] = [DEVICE_HEADER, "tvm/ffi/c_api.h", "dlpack/dlpack.h"];

/// What was made.
pub struct Built {
    /// The sources beside the library.
    pub sources: Vec<PathBuf>,
    /// SONAME or install name.
    pub install_name: String,
    /// Where the library looks for the runtime.
    pub rpaths: Vec<String>,
}

/// A source file, and whether it is compiled against the runtime's headers.
struct Source {
    path: PathBuf,
    uses_headers: bool,
}

/// Writes the sources, compiles, and puts the library into place in one step.
pub fn run(
    options: &ShimOptions,
    runtime: &Runtime,
    compiler: &Compiler,
) -> Result<Built, ShimError> {
    let target = compiler.target;
    let taken = is_taken(&options.out).then(|| options.out.clone());
    let mut places = [portable_place(&options.out), device_place(&options.out)].into_iter();
    if let Some(path) = taken.or_else(|| places.find(|place| is_of_another(place))) {
        return Err(ShimError::Taken { path });
    }
    let sources = write_sources(options, runtime, target)?;
    let folder = folder_of(&options.out);
    let leaf = options
        .out
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let install_name = if target.is_elf() {
        leaf
    } else {
        format!("@rpath/{leaf}")
    };
    let rpaths = rpaths(runtime, target);

    let scratch = tempfile::tempdir_in(folder).map_err(io(folder, "cannot make a folder"))?;
    let objects = compile(&sources, runtime, compiler, scratch.path())?;
    let made = scratch
        .path()
        .join(options.out.file_name().unwrap_or_default());
    let mut command = compiler.command();
    command.args(link_flags(
        &options.plan,
        &install_name,
        &rpaths,
        target,
        scratch.path(),
    )?);
    command.arg("-o").arg(&made).args(&objects);
    command.args(libraries(&options.plan, runtime, target));
    if compiler.family == Family::Zig {
        command.args(instead_of_zigs_own(&options.plan, runtime, scratch.path())?);
    }
    let sources: Vec<PathBuf> = sources.into_iter().map(|source| source.path).collect();
    let first = sources.first().map(PathBuf::as_path);
    finish(command, compiler, first.unwrap_or(Path::new("")))?;
    fs::File::open(&made)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&made, &options.out))
        .and_then(|()| sync_folder(&options.out))
        .map_err(io(&options.out, "cannot put the library into place"))?;
    Ok(Built {
        sources,
        install_name,
        rpaths,
    })
}

/// Compiles each source into a folder.
fn compile(
    sources: &[Source],
    runtime: &Runtime,
    compiler: &Compiler,
    folder: &Path,
) -> Result<Vec<PathBuf>, ShimError> {
    let mut objects = Vec::new();
    for source in sources {
        let object = folder.join(format!("{}.o", objects.len()));
        let mut command = compiler.command();
        command.args(compile_flags(source, runtime, compiler));
        command.args(["-c", "-o"]).arg(&object).arg(&source.path);
        finish(command, compiler, &source.path)?;
        objects.push(object);
    }
    Ok(objects)
}

/// Zig would link a C++ library of its own in. No part but device-api needs one, and that
/// needs the runtime's.
fn instead_of_zigs_own(
    plan: &ShimPlan,
    runtime: &Runtime,
    folder: &Path,
) -> Result<Vec<OsString>, ShimError> {
    let mut flags = vec![OsString::from("-nostdlib++")];
    if plan.has(ShimPart::DeviceApi) {
        let stub = folder.join("libc++.tbd");
        fs::write(&stub, system_stub::cxx_library(runtime)?)
            .map_err(io(&stub, "cannot write the stub"))?;
        flags.push(stub.into());
    }
    Ok(flags)
}

/// Runs the compiler to its end.
fn finish(mut command: Command, compiler: &Compiler, source: &Path) -> Result<(), ShimError> {
    let output = command
        .output()
        .map_err(io(compiler.name(), "cannot run the compiler"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ShimError::CompileFailed {
        compiler: compiler.name(),
        status: output.status.to_string(),
        source_file: source.to_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Whether something else than an earlier shim is in the library's place.
fn is_taken(out: &Path) -> bool {
    const OURS: [&str; 3] = ["artcheck_shim_install", SHIM_MARK, "TVMDeviceAPI"];
    let Ok(bytes) = fs::read(out) else {
        return false;
    };
    if bytes.is_empty() {
        return false;
    }
    let mut is_shim = false;
    let read = container::each_export(&bytes, &mut |name| {
        is_shim |= OURS.iter().any(|ours| name.starts_with(ours.as_bytes()));
        !is_shim
    });
    read.is_err() || !is_shim
}

/// Where the source of the parts that need no headers is kept.
fn portable_place(out: &Path) -> PathBuf {
    out.with_extension("cc")
}

/// Where the source of the device functions is kept.
fn device_place(out: &Path) -> PathBuf {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!("{stem}.device_c_api.cc"))
}

/// Whether a file is no source of an earlier shim.
fn is_of_another(source: &Path) -> bool {
    const OURS: [&str; 2] = ["artcheck patch shim", "\\file src/runtime/device_c_api.cc"];
    let bytes = fs::read(source).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    !text.is_empty() && !OURS.iter().any(|ours| text.contains(ours))
}

fn write_sources(
    options: &ShimOptions,
    runtime: &Runtime,
    target: ShimTarget,
) -> Result<Vec<Source>, ShimError> {
    let mut sources = Vec::new();
    if let Some(text) = emit::portable_source(&options.plan, runtime, target) {
        let path = write(&portable_place(&options.out), &text)?;
        sources.push(Source {
            path,
            uses_headers: false,
        });
    }
    if options.plan.has(ShimPart::DeviceApi) {
        for header in NEEDED_HEADERS {
            if runtime.header(header).is_none() {
                let dirs = runtime
                    .include_dirs
                    .iter()
                    .map(|dir| dir.display().to_string());
                let searched = if runtime.include_dirs.is_empty() {
                    "the runtime paths".to_owned()
                } else {
                    dirs.collect::<Vec<_>>().join(", ")
                };
                return Err(ShimError::MissingHeader { header, searched });
            }
        }
        let path = runtime.header(DEVICE_HEADER).unwrap_or_default();
        let header = fs::read_to_string(&path).map_err(io(&path, "cannot read the header"))?;
        let text = device_c_api::render(&path.display().to_string(), &header)?;
        let path = write(&device_place(&options.out), &text)?;
        sources.push(Source {
            path,
            uses_headers: true,
        });
    }
    Ok(sources)
}

fn write(path: &Path, text: &str) -> Result<PathBuf, ShimError> {
    Staged::beside(path, text.as_bytes(), None)
        .and_then(|staged| staged.replace(path))
        .map_err(io(path, "cannot write the source"))?;
    Ok(path.to_owned())
}

fn compile_flags(source: &Source, runtime: &Runtime, compiler: &Compiler) -> Vec<OsString> {
    let mut flags: Vec<OsString> = ["-std=c++20", "-O2", "-fPIC", "-Wall", "-fvisibility=hidden"]
        .map(Into::into)
        .into();
    if source.uses_headers {
        // Apple's C++ library of the oldest supported macOS has no sized delete.
        flags.push("-fno-sized-deallocation".into());
        for dir in &runtime.include_dirs {
            // As system folders: their warnings are not ours.
            flags.push("-isystem".into());
            flags.push(dir.into());
        }
    } else {
        flags.extend(["-fno-exceptions", "-fno-rtti"].map(Into::into));
    }
    if compiler.family == Family::Zig {
        // Zig guards against undefined behaviour with traps unless told not to.
        flags.push("-fno-sanitize=undefined".into());
    }
    flags
}

fn link_flags(
    plan: &ShimPlan,
    install_name: &str,
    rpaths: &[String],
    target: ShimTarget,
    scratch: &Path,
) -> Result<Vec<OsString>, ShimError> {
    let mut flags: Vec<OsString> = vec!["-shared".into()];
    for rpath in rpaths {
        flags.push(format!("-Wl,-rpath,{rpath}").into());
    }
    if target.is_elf() {
        flags.push(format!("-Wl,-soname,{install_name}").into());
        // RUNPATH, so that LD_LIBRARY_PATH can name another runtime; nodelete,
        // because the runtime keeps pointers into the shim; defs, so that a
        // symbol that nobody has is found now and not at load.
        flags.extend(["-Wl,--enable-new-dtags", "-Wl,-z,nodelete", "-Wl,-z,defs"].map(Into::into));
        let script = scratch.join("exports.map");
        fs::write(&script, exports(plan)).map_err(io(&script, "cannot write the export list"))?;
        let mut flag = OsString::from("-Wl,--version-script=");
        flag.push(&script);
        flags.push(flag);
    } else {
        flags.push(format!("-Wl,-install_name,{install_name}").into());
    }
    Ok(flags)
}

fn exports(plan: &ShimPlan) -> String {
    let mut names = vec!["artcheck_shim_install;", "TVMArtcheckShim_*;"];
    if plan.has(ShimPart::ContextSlots) {
        names.push("TVMBackendGetFuncFromEnv;");
    }
    if plan.has(ShimPart::DeviceApi) {
        names.push("TVMDeviceAPI*;");
    }
    format!("{{ global: {} local: *; }};\n", names.join(" "))
}

/// The runtime's libraries. They are needed even where no symbol of theirs is
/// used: the loader then has them ready before the shim's own start.
fn libraries(plan: &ShimPlan, runtime: &Runtime, target: ShimTarget) -> Vec<OsString> {
    let metal = runtime
        .metal
        .as_ref()
        .filter(|_| plan.has(ShimPart::MetalPayload));
    let paths = [Some(&runtime.runtime), Some(&runtime.ffi), metal];
    let paths = paths
        .into_iter()
        .flatten()
        .map(|library| library.path.clone().into_os_string());
    let mut out: Vec<OsString> = Vec::new();
    if target.is_elf() {
        out.push("-Wl,--no-as-needed".into());
        out.extend(paths);
        // The compiler's own libraries come after these, and only if used.
        out.extend(["-Wl,--as-needed", "-ldl"].map(Into::into));
    } else {
        out.extend(paths);
    }
    out
}

/// Beside the runtime in site-packages, and, when built where it will run, the
/// folders that the runtime was found in.
fn rpaths(runtime: &Runtime, target: ShimTarget) -> Vec<String> {
    let here = if target.is_elf() {
        "$ORIGIN"
    } else {
        "@loader_path"
    };
    let mut rpaths = vec![
        here.to_owned(),
        format!("{here}/../../tvm/lib"),
        format!("{here}/../../tvm_ffi/lib"),
    ];
    if Some(target) == ShimTarget::host() {
        let dirs = runtime.library_dirs().into_iter();
        let full = dirs.filter_map(|dir| fs::canonicalize(dir).ok());
        rpaths.extend(full.map(|dir| dir.display().to_string()));
    }
    rpaths
}
