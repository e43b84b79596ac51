//! Bytes to [`Blob`]: both layouts, told apart by their structure alone.

use super::payload::{self, Form};
use super::{Blob, BlobLayout, FunctionInfoForm, Module, Payload, tree};
use crate::bytes::{Bytes, Reader};
use crate::error::DecodeError;
use crate::vm::Executable;

/// The host library's own place in the list of modules.
const HOST_LIBRARY: &str = "_lib";
/// The entry of the count-first layout that holds the tree.
const IMPORT_TREE: &str = "_import_tree";
/// The length field.
const LENGTH_FIELD: usize = 8;

impl Blob {
    /// Decodes the blob that `bytes` begin with; what follows it is not read.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_in(bytes.into())
    }

    /// The same of bytes that may be in several pieces.
    pub(crate) fn decode_in(bytes: Bytes<'_>) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let length = reader.count(1, "the blob's length")?;
        let end = length.saturating_add(LENGTH_FIELD);
        let bytes = bytes.part(0..end).unwrap_or(bytes);
        let body = reader.over(bytes, LENGTH_FIELD);
        let modules = match tree_first(bytes, body.clone()) {
            Ok(modules) => return Ok(finish(BlobLayout::TreeFirst, end, modules, 0)),
            Err(TreeFirstError::NoTree(error)) => count_first(bytes, &body)
                .map_err(|other| if error.is_limit { error } else { other }),
            Err(TreeFirstError::Modules(error)) => {
                // A tree in front is a strong sign, but not a proof.
                count_first(bytes, &body)
                    .map_err(|other| if other.is_limit { other } else { error })
            }
        };
        modules.map(|(modules, root)| finish(BlobLayout::CountFirst, end, modules, root))
    }

    /// A VM executable that is a file of its own: its bytes alone, or, as TVM
    /// writes them to a file, after their length.
    pub fn decode_bare(bytes: &[u8]) -> Result<Self, DecodeError> {
        let start = bare_start(bytes);
        let executable = bytes.get(start..).unwrap_or_default();
        let decoded = Executable::decode(executable).map_err(|error| error.rebase(start as u64))?;
        let module = Module {
            kind: payload::VM_EXECUTABLE.to_owned(),
            children: Vec::new(),
            payload_offset: start as u64,
            payload_length: executable.len() as u64,
            payload: Payload::VmExecutable(Box::new(decoded)),
        };
        Ok(finish(BlobLayout::Bare, bytes.len(), vec![module], 0))
    }
}

/// Where the executable of a file without a container begins.
fn bare_start(bytes: &[u8]) -> usize {
    let mut reader = Reader::new(bytes);
    match reader.u64("a length") {
        Ok(length) if length == reader.remaining() as u64 => LENGTH_FIELD,
        _ => 0,
    }
}

fn finish(layout: BlobLayout, length: usize, modules: Vec<Module>, root: usize) -> Blob {
    Blob {
        layout,
        length: length as u64,
        modules,
        root,
    }
}

/// A blob that is no tree-first one, and how sure that is.
enum TreeFirstError {
    /// It does not begin with an import tree.
    NoTree(DecodeError),
    /// It does, but its modules do not follow.
    Modules(DecodeError),
}

fn tree_first<'a>(bytes: Bytes<'a>, mut reader: Reader<'a>) -> Result<Vec<Module>, TreeFirstError> {
    let tree = tree::read(&mut reader).map_err(TreeFirstError::NoTree)?;
    let mut modules = Vec::new();
    for children in tree {
        let module = tree_first_module(bytes, &mut reader, children);
        modules.push(module.map_err(TreeFirstError::Modules)?);
    }
    if modules.is_empty() || !reader.is_at_end() {
        return Err(TreeFirstError::Modules(reader.error(
            "the end of the blob after at least one module",
            format!("{} bytes", reader.remaining()),
        )));
    }
    Ok(modules)
}

fn tree_first_module<'a>(
    bytes: Bytes<'a>,
    reader: &mut Reader<'a>,
    children: Vec<usize>,
) -> Result<Module, DecodeError> {
    let kind = reader.string("a module kind")?;
    if kind == HOST_LIBRARY {
        return Ok(host_library(reader.position(), children));
    }
    let payload_length = reader.extent("a module's payload")?;
    let end = reader.position();
    let start = end.saturating_sub(payload_length);
    let within = bytes.part(0..end).unwrap_or(bytes);
    Ok(Module {
        kind: kind.to_owned(),
        children,
        payload_offset: start as u64,
        payload_length: payload_length as u64,
        payload: payload::decode_exact(kind, within, start, reader),
    })
}

fn host_library(position: usize, children: Vec<usize>) -> Module {
    Module {
        kind: HOST_LIBRARY.to_owned(),
        children,
        payload_offset: position as u64,
        payload_length: 0,
        payload: Payload::HostLibrary,
    }
}

/// Payloads carry no length here, so only the right form of `FunctionInfo`
/// reaches the blob's end. One blob has one writer and so one form.
fn count_first<'a>(
    bytes: Bytes<'a>,
    body: &Reader<'a>,
) -> Result<(Vec<Module>, usize), DecodeError> {
    let newer = count_first_as(bytes, body.clone(), FunctionInfoForm::ExtraTags);
    let older = count_first_as(bytes, body.clone(), FunctionInfoForm::Plain);
    match (newer, older) {
        (Ok(modules), _) | (Err(_), Ok(modules)) => Ok(modules),
        (Err(newer), Err(older)) => Err(older.or(newer)),
    }
}

fn count_first_as<'a>(
    bytes: Bytes<'a>,
    mut reader: Reader<'a>,
    form: FunctionInfoForm,
) -> Result<(Vec<Module>, usize), DecodeError> {
    let count = reader.items(8, "the number of modules")?;
    let mut modules = Vec::new();
    let mut tree = None;
    for _ in 0..count {
        let before = reader.clone();
        let kind = reader.string("a module kind")?;
        match kind {
            IMPORT_TREE => tree = Some((before, tree::read(&mut reader)?)),
            HOST_LIBRARY => modules.push(host_library(reader.position(), Vec::new())),
            _ => modules.push(count_first_module(bytes, &mut reader, kind, form)?),
        }
    }
    if !reader.is_at_end() {
        return Err(reader.error(
            "the end of the blob after its last module",
            format!("{} more bytes", reader.remaining()),
        ));
    }
    match tree {
        Some((before, tree)) if tree.len() != modules.len() => Err(before.error(
            format!("an import tree of {} modules", modules.len()),
            format!("one of {}", tree.len()),
        )),
        Some((_, tree)) => {
            for (module, children) in modules.iter_mut().zip(tree) {
                module.children = children;
            }
            Ok((modules, 0))
        }
        None => Ok(without_tree(modules, reader.position())),
    }
}

/// Very old blobs, and those of a library that imports nothing: the library
/// is the root, and imports every module listed.
fn without_tree(mut modules: Vec<Module>, end: usize) -> (Vec<Module>, usize) {
    let root = modules.len();
    modules.push(host_library(end, (0..root).collect()));
    (modules, root)
}

fn count_first_module<'a>(
    bytes: Bytes<'a>,
    reader: &mut Reader<'a>,
    kind: &str,
    form: FunctionInfoForm,
) -> Result<Module, DecodeError> {
    if payload::is_vm_executable(kind) {
        let length = reader.extent("a VM executable")?;
        let end = reader.position();
        let start = end.saturating_sub(length);
        return Ok(Module {
            kind: kind.to_owned(),
            children: Vec::new(),
            payload_offset: start as u64,
            payload_length: length as u64,
            payload: payload::decode_exact(
                kind,
                bytes.part(0..end).unwrap_or(bytes),
                start,
                reader,
            ),
        });
    }
    let before = reader.clone();
    let payload = payload::decode_next(kind, reader, Form::before_024(form))?.ok_or_else(|| {
        before.error(
            "a module kind this reader knows (this layout records no lengths, \
             so nothing after an unknown module can be read)",
            format!("{kind:?}"),
        )
    })?;
    let start = before.position();
    Ok(Module {
        kind: kind.to_owned(),
        children: Vec::new(),
        payload_offset: start as u64,
        payload_length: reader.position().saturating_sub(start) as u64,
        payload,
    })
}
