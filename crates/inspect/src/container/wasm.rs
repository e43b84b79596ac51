//! WebAssembly modules: imports, exports, and linear memory as it stands when
//! the module starts.
//!
//! Linkers cut data at runs of zero bytes, so a blob lies in hundreds of
//! segments and cannot be read from the file directly (docs/formats.md#the-blob-in-wasm).
//! Every active segment with a constant offset is applied to zeroed memory.
//! The code section is skipped, not decoded.

use std::borrow::Cow;

use wasmparser::{
    BinaryReaderError, Chunk, ConstExpr, Data, DataKind, Encoding, ExportSectionReader,
    ImportSectionReader, KnownCustom, Name, Operator, Parser, Payload,
};

use super::names::concerns_tvm;
use super::{
    Architecture, Binary, BinaryKind, DefinedSymbol, FileRange, Format, Parsed, Platform, Region,
    UndefinedSymbol, WasmImport,
};
use crate::error::DecodeError;
use crate::limits::{MAX_KEPT_SYMBOLS, MAX_WASM_GAPS, MAX_WASM_MEMORY};

/// What is collected while the sections pass by.
#[derive(Default)]
struct Module<'data> {
    imports: Vec<WasmImport>,
    exports: Vec<String>,
    segments: Vec<Segment<'data>>,
    name: Option<String>,
    relocatable: bool,
    starts: bool,
    kept: u64,
}

/// One active data segment.
struct Segment<'data> {
    address: u64,
    file_offset: u64,
    data: &'data [u8],
}

/// Reads one core module.
pub fn parse(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    let module = read_sections(data)?;
    let concerning = |name: &&String| concerns_tvm(name.as_bytes());
    let defined = module.exports.iter().filter(concerning).map(|name| {
        let name = name.clone();
        DefinedSymbol {
            name,
            address: 0,
            size: None,
            region: None,
            region_offset: 0,
            weak: false,
            exported: true,
        }
    });
    let defined = defined.collect();
    let undefined = module
        .imports
        .iter()
        .filter(|import| concerns_tvm(import.name.as_bytes()))
        .map(|import| UndefinedSymbol {
            name: import.name.clone(),
            weak: false,
            library: Some(import.module.clone()),
        })
        .collect();
    let regions = rebuild_memory(module.segments)?;
    let binary = Binary {
        identity: module.name,
        defined,
        undefined,
        wasm_imports: module.imports,
        wasm_exports: module.exports,
        has_constructors: module.starts,
        ..Binary::new(
            Format::Wasm,
            if module.relocatable {
                BinaryKind::Object
            } else {
                BinaryKind::SharedLibrary
            },
            Architecture::Wasm32,
            Platform::Web,
        )
    };
    Ok(Parsed {
        binary,
        regions,
        slice_offset: 0,
    })
}

fn read_sections(data: &[u8]) -> Result<Module<'_>, DecodeError> {
    let mut module = Module::default();
    let mut parser = Parser::new(0);
    let mut rest = data;
    loop {
        let (payload, consumed) = match parser.parse(rest, true).map_err(bad)? {
            Chunk::Parsed { consumed, payload } => (payload, consumed),
            Chunk::NeedMoreData(_) => {
                let at = data.len() as u64;
                return Err(DecodeError::new(
                    at,
                    "a whole section",
                    "the end: truncated",
                ));
            }
        };
        rest = advance(data, rest, consumed)?;
        match payload {
            Payload::Version { encoding, .. } if encoding != Encoding::Module => {
                return Err(DecodeError::new(
                    4,
                    "a core WebAssembly module",
                    "a component",
                ));
            }
            Payload::ImportSection(imports) => module.imports(imports, data.len())?,
            Payload::ExportSection(exports) => module.exports(exports)?,
            Payload::StartSection { .. } => module.starts = true,
            Payload::CodeSectionStart { size, .. } => {
                parser.skip_section();
                rest = advance(data, rest, usize::try_from(size).unwrap_or(usize::MAX))?;
            }
            Payload::DataSection(segments) => {
                for segment in segments {
                    module.segment(segment.map_err(bad)?)?;
                }
            }
            Payload::CustomSection(section) => {
                module.relocatable |= section.name() == "linking";
                if let KnownCustom::Name(names) = section.as_known() {
                    // The module's own name is the first entry where present;
                    // function names are left alone. A damaged name section
                    // harms nothing.
                    if let Some(Ok(Name::Module { name, .. })) = names.into_iter().next() {
                        module.name = Some(name.to_owned());
                    }
                }
            }
            Payload::End(_) => return Ok(module),
            _ => {}
        }
    }
}

fn advance<'data>(
    data: &[u8],
    rest: &'data [u8],
    count: usize,
) -> Result<&'data [u8], DecodeError> {
    rest.get(count..).ok_or_else(|| {
        let at = data.len().saturating_sub(rest.len()) as u64;
        let found = format!("{} bytes left: truncated", rest.len());
        DecodeError::new(at, format!("a section of {count} bytes"), found)
    })
}

/// Fails once so many imports or exports are kept.
fn bounded(kept: usize, at: u64) -> Result<(), DecodeError> {
    if kept as u64 >= MAX_KEPT_SYMBOLS {
        let expected = format!("at most {MAX_KEPT_SYMBOLS} imports, and as many exports");
        return Err(DecodeError::new(at, expected, "more"));
    }
    Ok(())
}

impl<'data> Module<'data> {
    fn imports(
        &mut self,
        imports: ImportSectionReader<'data>,
        size: usize,
    ) -> Result<(), DecodeError> {
        let at = imports.range().start;
        for import in imports.into_imports() {
            let import = import.map_err(bad)?;
            // Compact imports share one module name: bound the copies.
            let cost = import.module.len().saturating_add(import.name.len());
            self.kept = self.kept.saturating_add(cost as u64);
            bounded(self.imports.len(), at)?;
            if self.kept > (size as u64).saturating_mul(4) {
                return Err(DecodeError::new(
                    at,
                    "import names within the file's size",
                    "more",
                ));
            }
            self.imports.push(WasmImport {
                module: import.module.to_owned(),
                name: import.name.to_owned(),
            });
        }
        Ok(())
    }

    fn exports(&mut self, exports: ExportSectionReader<'data>) -> Result<(), DecodeError> {
        let at = exports.range().start;
        for export in exports {
            bounded(self.exports.len(), at)?;
            let export = export.map_err(bad)?;
            // Both are how a module runs constructors when the host asks.
            self.starts |= matches!(export.name, "_initialize" | "__wasm_call_ctors");
            self.exports.push(export.name.to_owned());
        }
        Ok(())
    }

    fn segment(&mut self, segment: Data<'data>) -> Result<(), DecodeError> {
        // Passive segments are copied by code; their address is not known.
        let DataKind::Active {
            memory_index: 0,
            offset_expr,
        } = segment.kind
        else {
            return Ok(());
        };
        let Some(address) = constant_offset(&offset_expr)? else {
            return Ok(());
        };
        if segment.data.is_empty() {
            return Ok(());
        }
        let file_offset = segment.range.end.saturating_sub(segment.data.len() as u64);
        self.segments.push(Segment {
            address,
            file_offset,
            data: segment.data,
        });
        Ok(())
    }
}

/// The value of `i32.const` or `i64.const`; `None` for anything computed, as
/// in position-independent modules.
fn constant_offset(expression: &ConstExpr<'_>) -> Result<Option<u64>, DecodeError> {
    let mut operators = expression.get_operators_reader();
    Ok(match operators.read().map_err(bad)? {
        // Addresses are unsigned; the encoding is signed.
        Operator::I32Const { value } => Some(u64::from(value.cast_unsigned())),
        Operator::I64Const { value } => Some(value.cast_unsigned()),
        _ => None,
    })
}

/// Lays the segments out at their addresses. Neighbours share a region with
/// the zero bytes between them, until [`MAX_WASM_GAPS`] bytes are spent.
fn rebuild_memory(mut segments: Vec<Segment<'_>>) -> Result<Vec<Region<'static>>, DecodeError> {
    segments.sort_by_key(|segment| segment.address);
    let mut gaps_left = MAX_WASM_GAPS;
    let mut regions: Vec<Region<'static>> = Vec::new();
    let mut memory: Vec<u8> = Vec::new();
    let mut ranges: Vec<FileRange> = Vec::new();
    let mut start = 0u64;
    for segment in &segments {
        let length = segment.data.len() as u64;
        let end = segment.address.saturating_add(length);
        if end > MAX_WASM_MEMORY {
            return Err(DecodeError::new(
                segment.file_offset,
                format!("a data segment below address {MAX_WASM_MEMORY:#x}"),
                format!("address {:#x}", segment.address),
            ));
        }
        let reached = start.saturating_add(memory.len() as u64);
        if ranges.is_empty() {
            start = segment.address;
        } else {
            let gap = segment.address.checked_sub(reached).ok_or_else(|| {
                DecodeError::new(
                    segment.file_offset,
                    "data segments that do not overlap",
                    format!("address {:#x} below {reached:#x}", segment.address),
                )
            })?;
            match gaps_left.checked_sub(gap) {
                Some(left) => {
                    gaps_left = left;
                    let filled = (memory.len() as u64).saturating_add(gap);
                    memory.resize(usize::try_from(filled).unwrap_or(usize::MAX), 0);
                }
                None => {
                    regions.push(memory_region(start, &mut memory, &mut ranges));
                    start = segment.address;
                }
            }
        }
        ranges.push(FileRange {
            region_offset: memory.len() as u64,
            file_offset: segment.file_offset,
            length,
        });
        memory.extend_from_slice(segment.data);
    }
    if !ranges.is_empty() {
        regions.push(memory_region(start, &mut memory, &mut ranges));
    }
    Ok(regions)
}

fn memory_region(
    address: u64,
    memory: &mut Vec<u8>,
    ranges: &mut Vec<FileRange>,
) -> Region<'static> {
    Region {
        name: "linear memory".to_owned(),
        address,
        data: Cow::Owned(std::mem::take(memory)),
        file_ranges: std::mem::take(ranges),
        executable: false,
        writable: true,
    }
}

fn bad(error: BinaryReaderError) -> DecodeError {
    DecodeError::new(
        error.offset(),
        "a valid WebAssembly module",
        error.message(),
    )
}
