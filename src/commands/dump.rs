//! `artcheck dump FILE`: what one file holds.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::{Context, bail};
use artcheck_inspect::Artifact;
use artcheck_inspect::module::{Blob, ModelLibrary, Module, Payload, metadata};
use artcheck_inspect::scan;
use artcheck_inspect::shown::{shown, shown_json};
use artcheck_inspect::source::{Place, Spelled as _};
use artcheck_inspect::vm::{ConstantValue, Executable, FunctionKind, disassemble, stats};
use serde_json::json;

use super::terminal::{self, Terminal};
use crate::args::{DumpArgs, PlainFormat};
use crate::exit::Status;
use crate::report::phrases::counted;
use crate::report::shown::Show as _;
use crate::report::{contents, summary};
use crate::streams::stdout;

/// Prints what was asked for.
pub fn run(args: &DumpArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let file = Place::file(&args.file);
    let metadata = args.file.metadata().with_context(|| file.to_string())?;
    if metadata.is_dir() {
        bail!("{file} is a directory: name one file, or use `artcheck scan`");
    }
    let artifacts = scan::artifacts_of(&args.file);
    if artifacts.is_empty() {
        tell!("artcheck: {file} holds no binary and no archive of binaries");
        return Ok(Status::Nothing);
    }
    let text = if args.asm {
        per_executable(&artifacts, args, |executable| {
            Ok(disassemble::disassemble(executable)?)
        })?
    } else if args.stats {
        per_executable(&artifacts, args, |executable| Ok(stats::stats(executable)))?
    } else if args.metadata {
        per_executable(&artifacts, args, metadata_text)?
    } else if args.symbols {
        symbols(&artifacts, args.format)?
    } else {
        match args.format {
            PlainFormat::Human => {
                let pages: String = artifacts.iter().map(page).collect();
                terminal.style.page(&pages)
            }
            PlainFormat::Json => {
                json_text(&json!({ "schema": "artcheck/dump-v1", "artifacts": artifacts }))?
            }
        }
    };
    stdout().write_all(text.as_bytes())?;
    let unreadable = artifacts
        .iter()
        .any(|artifact| !artifact.problems.is_empty());
    Ok(if unreadable {
        Status::Unknown
    } else {
        Status::Clean
    })
}

fn json_text(value: &serde_json::Value) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(shown_json(&text).into_owned())
}

/// The executable with its names fit to be shown.
fn with_shown_names(executable: &Executable) -> Executable {
    let mut copy = executable.clone();
    for function in &mut copy.functions {
        function.name.show();
    }
    for constant in &mut copy.constants {
        if let ConstantValue::String(text) = &mut constant.value {
            text.show();
        }
    }
    copy
}

/// The text of every executable in the file; a heading only where there are several.
fn per_executable(
    artifacts: &[Artifact],
    args: &DumpArgs,
    show: impl Fn(&Executable) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    let mut found = Vec::new();
    for artifact in artifacts {
        for library in &artifact.libraries {
            let blob = library.blob.as_ref().map_err(|error| {
                let what = format!("{}: the module blob does not decode", artifact.path);
                anyhow::Error::new(error.clone()).context(what)
            })?;
            // The listing is the program as it was written; metadata may be in host code.
            let programs: Vec<_> = match args.metadata {
                true => library.programs(blob).collect(),
                false => blob.executables().collect(),
            };
            for (index, executable) in programs {
                found.push((format!("{} module {index}", artifact.path), executable));
            }
            if let Some(error) = contents::undecodable(blob) {
                let what = format!("{}: the executable does not decode", artifact.path);
                return Err(anyhow::Error::new(error.clone()).context(what));
            }
        }
    }
    if found.is_empty() {
        bail!("{}: no Relax executable in it", args.file.spelled());
    }
    let is_exact = args.raw || terminal::stdout_is_file();
    let show_fit = |executable: &Executable| match is_exact {
        true => show(executable),
        false => show(&with_shown_names(executable)),
    };
    match args.format {
        PlainFormat::Json => {
            let list = found
                .iter()
                .map(|(name, executable)| {
                    Ok(json!({ "executable": name, "text": show(executable)? }))
                })
                .collect::<anyhow::Result<Vec<_>>>()?;
            json_text(&json!({ "schema": "artcheck/dump-v1", "executables": list }))
        }
        PlainFormat::Human if found.len() == 1 => show_fit(found[0].1),
        PlainFormat::Human => {
            let mut out = String::new();
            for (name, executable) in &found {
                let _ = writeln!(out, "== {}", shown(name));
                out.push_str(&show_fit(executable)?);
            }
            Ok(out)
        }
    }
}

fn metadata_text(executable: &Executable) -> anyhow::Result<String> {
    let document: serde_json::Value = serde_json::from_str(metadata::text(executable)?)?;
    json_text(&document)
}

fn symbols(artifacts: &[Artifact], format: PlainFormat) -> anyhow::Result<String> {
    if format == PlainFormat::Json {
        let list: Vec<_> = artifacts
            .iter()
            .map(|artifact| json!({ "path": artifact.path, "binary": artifact.binary.as_deref() }))
            .collect();
        return json_text(&json!({ "schema": "artcheck/dump-v1", "artifacts": list }));
    }
    let mut out = String::new();
    for artifact in artifacts {
        let Some(binary) = &artifact.binary else {
            continue;
        };
        let _ = writeln!(out, "{}", shown(&artifact.path.to_string()));
        for needed in &binary.needed {
            let _ = writeln!(
                out,
                "  needs      {}{}",
                shown(&needed.name),
                if needed.optional { " (optional)" } else { "" }
            );
        }
        for path in &binary.search_paths {
            let _ = writeln!(out, "  searches   {}", shown(path));
        }
        for symbol in &binary.undefined {
            let from = symbol
                .library
                .as_deref()
                .map(|library| format!(" from {library}"))
                .unwrap_or_default();
            let _ = writeln!(out, "  undefined  {}{}", shown(&symbol.name), shown(&from));
        }
        for symbol in &binary.defined {
            let _ = writeln!(
                out,
                "  defined    {:#010x} {}",
                symbol.address,
                shown(&symbol.name)
            );
        }
    }
    Ok(out)
}

/// Module tree and sections of one artifact.
fn page(artifact: &Artifact) -> String {
    let mut out = String::new();
    let path = artifact.path.to_string();
    let _ = writeln!(out, "{}\n  {}", shown(&path), summary::describe(artifact));
    for problem in &artifact.problems {
        let _ = writeln!(out, "  problem: {}", shown(&problem.detail));
    }
    for library in &artifact.libraries {
        match &library.blob {
            Ok(blob) => library_page(&mut out, library, blob),
            Err(error) => {
                let _ = writeln!(
                    out,
                    "  blob at file offset {:#x} does not decode: {}",
                    library.file_offset,
                    shown(&error.to_string())
                );
            }
        }
    }
    out
}

fn library_page(out: &mut String, library: &ModelLibrary, blob: &Blob) {
    let facts = summary::library(library, blob).fit();
    let symbol = library
        .blob_symbol
        .as_deref()
        .unwrap_or("found by the VM magic");
    let _ = writeln!(out, "  {facts}");
    let _ = writeln!(
        out,
        "  blob       {} in {} at file offset {:#x}, {} bytes",
        shown(symbol),
        shown(&library.region),
        library.file_offset,
        blob.length
    );
    if let Some(prefix) = &library.prefix {
        let _ = writeln!(out, "  prefix     {}", shown(prefix));
    }
    if !library.slots.is_empty() {
        let _ = writeln!(out, "  slots      {}", shown(&library.slots.join(" ")));
    }
    let _ = writeln!(
        out,
        "  host       {}",
        counted(library.host_functions.len(), "function")
    );
    for need in &facts.gpu {
        let _ = writeln!(out, "  needs      {need}");
    }
    let _ = writeln!(out, "  modules");
    for (module, depth) in contents::tree(blob) {
        write_module(out, module, depth.saturating_add(2));
    }
    for (_, executable) in blob.executables() {
        let _ = writeln!(out, "  functions");
        for function in &executable.functions {
            let name = shown(&function.name);
            let parameters = function.parameters.join(", ");
            let parameters = shown(&parameters);
            let _ = match function.kind {
                FunctionKind::Packed => Ok(()),
                FunctionKind::VmTir => {
                    let unread = library.unread_function(&function.name);
                    let why = unread.map(|why| format!(", not read: {}", shown(why)));
                    let why = why.unwrap_or_default();
                    writeln!(out, "    {name}({parameters})  compiled to host code{why}")
                }
                FunctionKind::Vm => writeln!(
                    out,
                    "    {name}({parameters})  instructions {}..{}, {}",
                    function.instructions.start,
                    function.instructions.end,
                    counted(
                        usize::try_from(function.registers).unwrap_or(usize::MAX),
                        "register"
                    )
                ),
            };
        }
    }
}

fn write_module(out: &mut String, module: &Module, depth: usize) {
    let detail = match &module.payload {
        Payload::HostLibrary => String::from("the host library"),
        Payload::VmExecutable(executable) => {
            format!(
                "{:?}, {}, {}",
                executable.magic,
                counted(executable.functions.len(), "function"),
                counted(executable.constants.len(), "constant")
            )
        }
        Payload::Device(device) => {
            let kernels = counted(device.kernels.len(), "kernel");
            format!("{}, {kernels}", device.code_format)
        }
        Payload::ConstLoader { variables, .. } => counted(variables.len(), "variable"),
        Payload::StaticLibrary { functions, .. } => counted(functions.len(), "function"),
        Payload::Unknown => String::from("unknown kind"),
        Payload::Undecodable { error } => format!("does not decode: {error}"),
    };
    let _ = writeln!(
        out,
        "{:indent$}{} {} bytes, {}",
        "",
        shown(&module.kind),
        module.payload_length,
        shown(&detail),
        indent = depth * 2
    );
}
