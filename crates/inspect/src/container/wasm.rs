//! WebAssembly modules: imports, exports, and linear memory as it stands when
//! the module starts.
//!
//! Linkers cut data at runs of zero bytes, so a blob lies in hundreds of
//! segments and cannot be read from the file directly (docs/formats.md#the-blob-in-wasm).
//! Every active segment with a constant offset is laid out at its address; what is
//! between them reads as zeros and takes no memory.
//! The code section is skipped, not decoded. Objects that are not linked yet export
//! nothing: what they define is in the symbol table of their `linking` section.

use wasmparser::{
    BinaryReaderError, Chunk, ConstExpr, Data, DataKind, Encoding, ExportSectionReader,
    ImportSectionReader, KnownCustom, Linking, LinkingSectionReader, Name, Operator, Parser,
    Payload, SymbolFlags, SymbolInfo, TypeRef,
};

use super::names::concerns_tvm;
use super::{
    Architecture, Binary, BinaryKind, Contents, Damage, DamageKind, DefinedSymbol, FileRange,
    Format, Parsed, Platform, Region, UndefinedSymbol, WasmExport, WasmImport, WasmKind,
    wasm_valid,
};
use crate::error::DecodeError;
use crate::limits::{MAX_KEPT_SYMBOLS, MAX_WASM_MEMORY, MAX_WASM_PADDING};

/// Zeros between the segments of one file up to which they are simply written.
const DENSE_GAPS: u64 = 1 << 20;
/// Bytes that a data segment with something in it takes at least.
const SMALLEST_SEGMENT: usize = 6;
/// What a gap takes of the pages that it shares with the segments beside it.
const PAGES_AT_A_GAP: u64 = 2 * 4096;

/// What is collected while the sections pass by.
#[derive(Default)]
struct Module<'data> {
    imports: Vec<WasmImport>,
    exports: Vec<WasmExport>,
    segments: Vec<Segment<'data>>,
    /// Data segments that passed by, kept or not: symbols count them.
    data_segments: u32,
    /// Room in its largest table.
    table: u64,
    has_elements: bool,
    has_memory: bool,
    /// Bytes of its own first memory when the module starts.
    memory: Option<u64>,
    symbols: Vec<Symbol<'data>>,
    name: Option<String>,
    relocatable: bool,
    /// Whether constructors run, and whether without the host.
    constructs: bool,
    starts: bool,
    kept: u64,
}

/// What an object defines: a name, and for data where it is: segment, offset and size.
struct Symbol<'data> {
    name: &'data str,
    weak: bool,
    local: bool,
    data: Option<(u32, u32, u32)>,
}

/// One active data segment.
struct Segment<'data> {
    number: u32,
    address: u64,
    file_offset: u64,
    data: &'data [u8],
}

/// Reads one core module.
pub fn parse(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    let module = read_sections(data)?;
    let mut defined: Vec<DefinedSymbol> = module
        .exports
        .iter()
        .filter(|export| concerns_tvm(export.name.as_bytes()))
        .map(|export| symbol(&export.name))
        .collect();
    let start = module.segments.iter().map(|segment| segment.address).min();
    defined.extend(module.symbols.iter().map(|found| DefinedSymbol {
        weak: found.weak,
        exported: !found.local,
        ..located(found, &module.segments, start.unwrap_or(0))
    }));
    let undefined: Vec<UndefinedSymbol> = module
        .imports
        .iter()
        .filter(|import| concerns_tvm(import.name.as_bytes()))
        .map(|import| UndefinedSymbol {
            library: Some(import.module.clone()),
            ..UndefinedSymbol::new(import.name.clone())
        })
        .collect();
    let lacking = module.lacking();
    let past = module.memory.and_then(|memory| {
        let segments = module.segments.iter();
        let ends = segments.map(|one| {
            let length = one.data.len() as u64;
            (one.address.saturating_add(length), one.file_offset)
        });
        wasm_valid::past(memory, ends)
    });
    let regions = lay_out(module.segments)?;
    let mut damage: Vec<Damage> = match module.relocatable {
        true => Vec::new(),
        false => wasm_valid::invalid(data).into_iter().chain(past).collect(),
    };
    let has_names = !defined.is_empty() || !undefined.is_empty();
    if has_names && !module.relocatable {
        damage.extend(lacking);
    }
    let binary = Binary {
        identity: module.name,
        damage,
        defined,
        undefined,
        wasm_imports: module.imports,
        wasm_exports: module.exports,
        wasm_starts: module.starts,
        has_constructors: module.constructs || module.starts,
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
    Ok(Parsed::new(binary, regions, data))
}

/// A name that is defined at no known place.
fn symbol(name: &str) -> DefinedSymbol {
    DefinedSymbol::new(name.to_owned(), 0, None)
}

/// An object's symbol, with its place in the linear memory that begins at `start`.
fn located(found: &Symbol<'_>, segments: &[Segment<'_>], start: u64) -> DefinedSymbol {
    let mut symbol = symbol(found.name);
    let Some((number, offset, size)) = found.data else {
        return symbol;
    };
    // In the order of the file, so in that of their numbers.
    let segment = segments
        .binary_search_by_key(&number, |segment| segment.number)
        .ok()
        .and_then(|index| segments.get(index));
    if let Some(segment) = segment
        && u64::from(offset).saturating_add(u64::from(size)) <= segment.data.len() as u64
    {
        symbol.address = segment.address.saturating_add(offset.into());
        symbol.size = Some(size.into());
        symbol.region = Some(0);
        symbol.region_offset = symbol.address.saturating_sub(start);
    }
    symbol
}

fn read_sections(data: &[u8]) -> Result<Module<'_>, DecodeError> {
    let mut module = Module::default();
    each_section(data, |payload| {
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
            Payload::TableSection(tables) => {
                for table in tables {
                    module.table = module.table.max(table.map_err(bad)?.ty.initial);
                }
            }
            Payload::ElementSection(_) => module.has_elements = true,
            Payload::MemorySection(memories) => {
                let first = memories.into_iter().next().transpose().map_err(bad)?;
                // Memories that are imported come before.
                if !module.has_memory
                    && let Some(first) = first
                {
                    let page = 1u64.checked_shl(first.page_size_log2());
                    module.memory = page.and_then(|page| first.initial.checked_mul(page));
                }
                module.has_memory = true;
            }
            Payload::DataSection(segments) => {
                let count = usize::try_from(segments.count()).unwrap_or(usize::MAX);
                module
                    .segments
                    .reserve(count.min(data.len() / SMALLEST_SEGMENT));
                for segment in segments {
                    module.segment(segment.map_err(bad)?)?;
                }
            }
            Payload::CustomSection(section) => {
                // Linked modules can still have one, which no engine looks at.
                let is_object = section.name() == "linking" && module.exports.is_empty();
                module.relocatable |= is_object;
                match section.as_known() {
                    KnownCustom::Linking(linking) if is_object => module.symbols(linking)?,
                    // The module's own name is the first entry where present;
                    // function names are left alone. A damaged name section
                    // harms nothing.
                    KnownCustom::Name(names) => {
                        if let Some(Ok(Name::Module { name, .. })) = names.into_iter().next() {
                            module.name = Some(name.to_owned());
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(true)
    })?;
    Ok(module)
}

/// Hands out the sections of a file in order, as long as more are wanted. Of the code
/// only the start is: functions are stepped over.
pub(crate) fn each_section<'data>(
    data: &'data [u8],
    mut visit: impl FnMut(Payload<'data>) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
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
        let is_last = matches!(payload, Payload::End(_));
        if let Payload::CodeSectionStart { size, .. } = &payload {
            parser.skip_section();
            rest = advance(data, rest, usize::try_from(*size).unwrap_or(usize::MAX))?;
        }
        if !visit(payload)? || is_last {
            return Ok(());
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
        return Err(DecodeError::limit(at, expected, "more"));
    }
    Ok(())
}

impl<'data> Module<'data> {
    /// Sections that were taken out of what a linker wrote. It makes a table as long as
    /// what is put into it, and one more; and TVM's functions are called by names, which
    /// are data.
    fn lacking(&self) -> Option<Damage> {
        let what = if self.table > 1 && !self.has_elements {
            format!(
                "its table has room for {} functions, and nothing is put into it: the element section is missing",
                self.table
            )
        } else if self.data_segments == 0 && self.has_memory {
            String::from("it has no data: names and constants are missing with the data section")
        } else {
            return None;
        };
        Some(Damage {
            kind: DamageKind::Missing,
            what,
            offset: 0,
            lost: Vec::new(),
        })
    }

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
            self.has_memory |= matches!(import.ty, TypeRef::Memory(_));
            self.imports.push(WasmImport {
                module: import.module.to_owned(),
                name: import.name.to_owned(),
                kind: WasmKind::of_import(import.ty),
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
            self.constructs |= matches!(export.name, "_initialize" | "__wasm_call_ctors");
            self.exports.push(WasmExport {
                name: export.name.to_owned(),
                kind: WasmKind::of_export(export.kind),
            });
        }
        Ok(())
    }

    /// Keeps the names that an object defines, as far as they concern TVM.
    fn symbols(&mut self, linking: LinkingSectionReader<'data>) -> Result<(), DecodeError> {
        for part in linking {
            let Linking::SymbolTable(table) = part.map_err(bad)? else {
                continue;
            };
            let at = table.range().start;
            for info in table {
                let (flags, name, data) = match info.map_err(bad)? {
                    SymbolInfo::Func { flags, name, .. } => (flags, name, None),
                    SymbolInfo::Data {
                        flags,
                        name,
                        symbol,
                    } => (
                        flags,
                        Some(name),
                        symbol.map(|s| (s.index, s.offset, s.size)),
                    ),
                    _ => continue,
                };
                let Some(name) = name.filter(|name| concerns_tvm(name.as_bytes())) else {
                    continue;
                };
                if flags.contains(SymbolFlags::UNDEFINED) {
                    continue;
                }
                bounded(self.symbols.len(), at)?;
                self.symbols.push(Symbol {
                    name,
                    weak: flags.contains(SymbolFlags::BINDING_WEAK),
                    local: flags.contains(SymbolFlags::BINDING_LOCAL),
                    data,
                });
            }
        }
        Ok(())
    }

    fn segment(&mut self, segment: Data<'data>) -> Result<(), DecodeError> {
        let number = self.data_segments;
        self.data_segments = number.saturating_add(1);
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
            number,
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

/// Lays the segments out at their addresses, as one region with gaps.
fn lay_out<'data>(mut segments: Vec<Segment<'data>>) -> Result<Vec<Region<'data>>, DecodeError> {
    segments.sort_by_key(|segment| segment.address);
    let Some(start) = segments.first().map(|segment| segment.address) else {
        return Ok(Vec::new());
    };
    let mut ranges = Vec::with_capacity(segments.len());
    let mut end = start;
    let (mut gaps, mut taken) = (0u64, 0u64);
    for segment in &segments {
        let at = segment.file_offset;
        let address = segment.address;
        let gap = address.checked_sub(end).ok_or_else(|| {
            let found = format!("address {address:#x} below {end:#x}");
            DecodeError::new(at, "data segments that do not overlap", found)
        })?;
        gaps = gaps.saturating_add(gap);
        taken = taken.saturating_add(gap.min(PAGES_AT_A_GAP));
        let length = segment.data.len() as u64;
        end = address.saturating_add(length);
        if end > MAX_WASM_MEMORY {
            let expected = format!("data segments below address {MAX_WASM_MEMORY:#x}");
            return Err(DecodeError::limit(
                at,
                expected,
                format!("address {end:#x}"),
            ));
        }
        if taken > MAX_WASM_PADDING {
            let expected =
                format!("at most {MAX_WASM_PADDING} bytes of memory around data segments");
            return Err(DecodeError::limit(at, expected, "more"));
        }
        ranges.push(FileRange {
            region_offset: address.saturating_sub(start),
            file_offset: at,
            length,
        });
    }
    let span = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    let pieces = segments.iter().map(|segment| {
        let at = segment.address.saturating_sub(start);
        (usize::try_from(at).unwrap_or(usize::MAX), segment.data)
    });
    let data = Contents::of_pieces(span, gaps > DENSE_GAPS, pieces.collect());
    let data = data.map_err(|error| {
        DecodeError::limit(0, format!("room for {span} bytes of linear memory"), error)
    })?;
    Ok(vec![Region {
        name: "linear memory".to_owned(),
        address: start,
        data,
        file_ranges: ranges,
        executable: false,
        writable: true,
    }])
}

/// The same error in our words.
pub(crate) fn bad(error: BinaryReaderError) -> DecodeError {
    DecodeError::new(
        error.offset(),
        "a valid WebAssembly module",
        error.message(),
    )
}
