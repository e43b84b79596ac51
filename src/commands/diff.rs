//! `artcheck diff A B`: what changed between two artifacts, section by section.
//! Exit status 0 when nothing did, 1 when something did.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use artcheck_inspect::container::Architecture;
use artcheck_inspect::module::{ModelLibrary, Module, Payload, locate, metadata};
use artcheck_inspect::shown::{shown, shown_json};
use artcheck_inspect::source::{self, Event, Place, Spelled as _};
use artcheck_inspect::vm::{ConstantValue, Executable, Function, FunctionKind, disassemble};
use artcheck_inspect::{Artifact, HostCode, host_code};
use artcheck_inspect::{container, scan, spell};
use serde::Serialize;

use super::terminal::Terminal;
use crate::args::{DiffArgs, PlainFormat};
use crate::exit::Status;
use crate::report::style::Style;
use crate::report::{contents, summary};
use crate::streams::stdout;

/// A text comparison stops being minimal after this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lines of context around a change.
const CONTEXT: usize = 2;

/// One artifact, taken apart into comparable pieces.
#[derive(Default)]
struct Pieces {
    /// Sets of lines: what is there.
    sets: BTreeMap<&'static str, BTreeSet<String>>,
    /// Texts by name: what is written there.
    texts: BTreeMap<(&'static str, String), String>,
    /// The functions of the host part, where they can be taken apart.
    code: BTreeMap<Architecture, Vec<HostCode>>,
}

/// Whether functions of the host part were compared.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
enum MachineCode {
    /// So many of each were, addresses left out.
    Compared { functions: usize },
    /// Not both are linked ELF libraries for one architecture that is read.
    NotCompared,
}

/// What changed in one section.
#[derive(Serialize)]
struct Section {
    section: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    added: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    diff: String,
}

#[derive(Serialize)]
struct Difference {
    schema: &'static str,
    before: Place,
    after: Place,
    equal: bool,
    machine_code: MachineCode,
    sections: Vec<Section>,
}

/// Compares and prints.
pub fn run(args: &DiffArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let (mut before, mut after) = (pieces(&args.before)?, pieces(&args.after)?);
    let machine_code = compare_code(&mut before, &mut after);
    let sections = compare(&before, &after);
    let equal = sections.is_empty();
    let mut out = stdout();
    match args.format {
        PlainFormat::Json => {
            let difference = Difference {
                schema: "artcheck/diff-v1",
                before: Place::file(&args.before),
                after: Place::file(&args.after),
                equal,
                machine_code,
                sections,
            };
            let text = serde_json::to_string_pretty(&difference)?;
            writeln!(out, "{}", shown_json(&text))?;
        }
        PlainFormat::Human if equal => {
            let text = format!("No difference in what a runtime sees. {machine_code}\n");
            out.write_all(terminal.style.page(&text).as_bytes())?;
        }
        PlainFormat::Human => {
            let style = terminal.style;
            for section in &sections {
                out.write_all(human(section, style).as_bytes())?;
            }
            out.write_all(style.page(&format!("{machine_code}\n")).as_bytes())?;
        }
    }
    Ok(if equal {
        Status::Clean
    } else {
        Status::Findings
    })
}

impl std::fmt::Display for MachineCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Compared { functions } => write!(
                f,
                "The machine code of {functions} functions was compared, addresses in it left out."
            ),
            Self::NotCompared => write!(f, "Machine code is not compared."),
        }
    }
}

/// The functions of one architecture that both have, as lines of a set.
fn compare_code(before: &mut Pieces, after: &mut Pieces) -> MachineCode {
    let (old, new) = (
        std::mem::take(&mut before.code),
        std::mem::take(&mut after.code),
    );
    let mut functions = 0;
    for (architecture, old) in &old {
        let Some(new) = new.get(architecture) else {
            continue;
        };
        functions += old.len().max(new.len());
        for (pieces, code) in [(&mut *before, old), (&mut *after, new)] {
            for function in code {
                let digest = hex::encode(&function.digest[..8]);
                let name = function
                    .name
                    .as_deref()
                    .unwrap_or("a function without a name");
                let line = format!("{name}: {} bytes, {digest}", function.length);
                pieces.add("machine code", line);
            }
        }
    }
    match functions {
        0 => MachineCode::NotCompared,
        functions => MachineCode::Compared { functions },
    }
}

fn human(section: &Section, style: Style) -> String {
    let mut text = format!("{}\n", style.bold(&shown(&section.section)));
    let marked = |mark: &str, lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| format!("{mark} {line}")).collect()
    };
    let lines = section.diff.lines().map(str::to_owned);
    let lines = marked("-", &section.removed)
        .into_iter()
        .chain(marked("+", &section.added))
        .chain(lines);
    for line in lines {
        let line = shown(&line);
        let mark = line.as_bytes().first().copied();
        for part in style.page(&format!("  {line}")).lines() {
            text.push_str(&match mark {
                Some(b'-') => style.bad(part),
                Some(b'+') => style.good(part),
                Some(b'@') => style.dim(part),
                _ => part.to_owned(),
            });
            text.push('\n');
        }
    }
    text
}

fn compare(before: &Pieces, after: &Pieces) -> Vec<Section> {
    let mut sections = Vec::new();
    let empty = BTreeSet::new();
    let names: BTreeSet<_> = before.sets.keys().chain(after.sets.keys()).collect();
    for name in names {
        let old = before.sets.get(name).unwrap_or(&empty);
        let new = after.sets.get(name).unwrap_or(&empty);
        if old != new {
            sections.push(Section {
                section: (*name).to_owned(),
                removed: old.difference(new).cloned().collect(),
                added: new.difference(old).cloned().collect(),
                diff: String::new(),
            });
        }
    }
    let names: BTreeSet<_> = before.texts.keys().chain(after.texts.keys()).collect();
    for name in names {
        // One that is new or gone is a line of its set; its whole text helps nobody.
        if let (Some(old), Some(new)) = (before.texts.get(name), after.texts.get(name))
            && old != new
        {
            sections.push(Section {
                section: format!("{} {}", name.0, name.1).trim_end().to_owned(),
                removed: Vec::new(),
                added: Vec::new(),
                diff: unified(old, new),
            });
        }
    }
    sections
}

fn unified(old: &str, new: &str) -> String {
    let until = Instant::now().checked_add(PATIENCE);
    artcheck_patch::unified::unified(old, new, CONTEXT, until, false)
}

fn pieces(file: &Path) -> anyhow::Result<Pieces> {
    file.metadata().with_context(|| file.spelled())?;
    let artifacts = scan::artifacts_of(file);
    if artifacts.is_empty() {
        bail!("{}: no binary in it", file.spelled());
    }
    let mut pieces = Pieces::default();
    for artifact in &artifacts {
        if let Some(problem) = artifact.problems.first() {
            bail!("{}: {}", artifact.path, problem.detail);
        }
        add_artifact(&mut pieces, artifact)?;
    }
    add_code(&mut pieces, file);
    Ok(pieces)
}

impl Pieces {
    fn add(&mut self, set: &'static str, line: impl Into<String>) {
        self.sets.entry(set).or_default().insert(line.into());
    }
}

fn add_artifact(pieces: &mut Pieces, artifact: &Artifact) -> anyhow::Result<()> {
    if let Some(binary) = &artifact.binary {
        pieces.add("container", binary.to_string());
        for need in &binary.needed {
            pieces.add("symbols", format!("needs {}", need.name));
        }
        for symbol in &binary.defined {
            let verb = if symbol.exported {
                "exports"
            } else {
                "defines"
            };
            pieces.add("symbols", format!("{verb} {}", symbol.name));
        }
        for symbol in &binary.undefined {
            pieces.add("symbols", format!("wants {}", symbol.name));
        }
    }
    for library in &artifact.libraries {
        let Ok(blob) = &library.blob else {
            bail!("{}: the module blob does not decode", artifact.path);
        };
        pieces.add(
            "container",
            format!("built by {}", summary::library(library, blob).epoch),
        );
        for module in contents::modules(blob) {
            let indent = "  ".repeat(module.depth);
            pieces.add(
                "modules",
                format!("{indent}{} {}", module.kind, module.code_format),
            );
        }
        for name in &library.host_functions {
            pieces.add("kernels", format!("host: {name}"));
        }
        for name in &library.host_callees {
            pieces.add("kernels", format!("host code looks up {name}"));
        }
        for module in &blob.modules {
            if let Payload::Device(device) = &module.payload {
                for kernel in &device.kernels {
                    let types: Vec<String> =
                        kernel.arg_types.iter().map(ToString::to_string).collect();
                    let tags = kernel.launch_tags.join(" ");
                    pieces.add(
                        "kernels",
                        format!(
                            "{}: {}({}) [{tags}]",
                            module.kind,
                            kernel.key,
                            types.join(", ")
                        ),
                    );
                }
            }
        }
        if let Some(error) = contents::undecodable(blob) {
            bail!("{}: the executable does not decode: {error}", artifact.path);
        }
        for (_, executable) in library.programs(blob) {
            add_executable(pieces, library, executable, &within(&artifact.path))?;
        }
    }
    Ok(())
}

/// What names of a file's texts begin with: an archive holds several libraries.
fn within(place: &Place) -> String {
    match place.is_member() {
        true => format!("{}: ", place.name()),
        false => String::new(),
    }
}

fn add_executable(
    pieces: &mut Pieces,
    library: &ModelLibrary,
    executable: &Executable,
    within: &str,
) -> anyhow::Result<()> {
    for (index, function) in executable.functions.iter().enumerate() {
        let kind = spell(function.kind);
        let parameters = function.parameters.join(", ");
        let unread = match library.unread_function(&function.name) {
            Some(_) => ", compiled to host code that could not be read",
            None => "",
        };
        pieces.add(
            "functions",
            format!("{kind} {}({parameters}){unread}", function.name),
        );
        if !function.instructions.is_empty() {
            let text = match function.kind {
                FunctionKind::VmTir => calls_in_host_code(executable, function),
                _ => disassemble::disassemble_function(executable, index)?,
            };
            pieces.texts.insert(
                ("instructions of", format!("{within}{}", function.name)),
                text,
            );
        }
    }
    // The metadata has a section of its own.
    let own = metadata::read(executable).map(|found| found.constant).ok();
    let constants = executable.constants.iter().enumerate();
    let constants = constants
        .filter(|(index, _)| own != Some(*index))
        .map(|(index, constant)| {
            let text = serde_json::to_string(&constant.value).unwrap_or_default();
            format!("{index}: {}\n", shortened(&text))
        });
    let section = ("constants", within.to_owned());
    pieces.texts.insert(section, constants.collect());
    if let Ok(text) = metadata::text(executable) {
        let document: serde_json::Value = serde_json::from_str(text)?;
        let text = serde_json::to_string_pretty(&document)? + "\n";
        pieces.texts.insert(("metadata", within.to_owned()), text);
    }
    Ok(())
}

/// What a VM function that is compiled to host code does, as its bytecode would say it.
fn calls_in_host_code(executable: &Executable, function: &Function) -> String {
    let instructions = executable.instructions(function.instructions.clone());
    let line = |instruction| disassemble::disassemble_instruction(executable, instruction) + "\n";
    instructions
        .map(|(_, instruction)| line(instruction))
        .collect()
}

/// A text on one line; of a long one the beginning, and a hash of all.
fn shortened(text: &str) -> String {
    let beginning: String = text.chars().take(200).collect();
    match beginning.len() < text.len() {
        true => format!("{beginning}… {}", binary(text.as_bytes())),
        false => beginning,
    }
}

/// Functions of the host part, elements of constants, and device code: text kernel by kernel, binary code by
/// its size.
fn add_code(pieces: &mut Pieces, file: &Path) {
    source::visit(&Place::file(file), &mut |event| {
        let Event::File(file) = event else { return };
        for parsed in container::parse(file.bytes).unwrap_or_default() {
            if let Some(code) = host_code(&parsed) {
                let all = pieces.code.entry(parsed.binary.architecture);
                all.or_default().extend(code);
            }
            for library in locate::find(&parsed) {
                let region = parsed
                    .regions
                    .iter()
                    .find(|region| region.name == library.region);
                let (Some(region), Ok(blob)) = (region, &library.blob) else {
                    continue;
                };
                let start = usize::try_from(library.region_offset).unwrap_or(usize::MAX);
                let bytes = region.data.get(start..).unwrap_or_default();
                let within = within(file.place);
                for module in &blob.modules {
                    add_bytes(pieces, module, bytes, &within);
                }
            }
        }
    });
}

/// What a module keeps as bytes of its blob.
fn add_bytes(pieces: &mut Pieces, module: &Module, blob: &[u8], within: &str) {
    match &module.payload {
        Payload::Device(device) => {
            for code in &device.code {
                let name = format!("{within}{} {}", module.kind, code.name);
                let code = bytes_at(blob, code.offset, code.length);
                let text =
                    std::str::from_utf8(code).map_or_else(|_| binary(code) + "\n", str::to_owned);
                pieces.texts.insert(("kernel source", name), text);
            }
        }
        Payload::VmExecutable(executable) => {
            for (index, constant) in executable.constants.iter().enumerate() {
                if let ConstantValue::Tensor { data, .. } = &constant.value {
                    let start = module.payload_offset.saturating_add(data.start);
                    let length = data.end.saturating_sub(data.start);
                    let name = format!("{within}constant {index}");
                    let text = binary(bytes_at(blob, start, length)) + "\n";
                    pieces.texts.insert(("elements of", name), text);
                }
            }
        }
        _ => {}
    }
}

fn bytes_at(bytes: &[u8], offset: u64, length: u64) -> &[u8] {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = usize::try_from(offset.saturating_add(length)).unwrap_or(usize::MAX);
    bytes.get(start..end).unwrap_or_default()
}

fn binary(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = hex::encode(sha2::Sha256::digest(bytes));
    format!("binary, {} bytes, SHA-256 {hash}", bytes.len())
}
