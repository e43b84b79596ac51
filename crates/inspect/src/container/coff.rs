//! COFF objects, plain and big-object form: what the compiler writes for
//! Windows before linking.

use object::LittleEndian as LE;
use object::pe;
use object::read::SymbolIndex;
use object::read::coff::{CoffHeader, Symbol, SymbolTable};

use super::names::{concerns_tvm, undefined_concerns_tvm};
use super::regions::push;
use super::symbols::Names;
use super::{Binary, BinaryKind, DefinedSymbol, Format, Parsed, Platform, Region, UndefinedSymbol};
use crate::error::DecodeError;

/// Sections that hold neither a blob nor text of the program.
const SKIPPED_PREFIXES: [&[u8]; 5] = [b".debug", b".pdata", b".xdata", b".drectve", b".llvm"];

/// Reads one COFF object.
pub fn parse(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    if data.starts_with(&[0, 0, 0xff, 0xff]) {
        parse_form::<pe::AnonObjectHeaderBigobj>(data)
    } else {
        parse_form::<pe::ImageFileHeader>(data)
    }
}

fn parse_form<Coff: CoffHeader>(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    let mut offset = 0;
    let header = Coff::parse(data, &mut offset).map_err(bad("a COFF header"))?;
    let symbols = header
        .symbols(data)
        .map_err(bad("a COFF symbol table inside the file"))?;
    let (strings_at, strings) = strings::<Coff>(data, header);
    let mut names = Names::new(strings, strings_at, data.len());
    let (regions, by_section, has_constructors) =
        regions::<Coff>(data, header, offset, &mut names)?;
    let (defined, undefined) = keep(&symbols, &regions, &by_section, &mut names)?;
    let binary = Binary {
        defined,
        undefined,
        has_constructors,
        ..Binary::new(
            Format::Coff,
            BinaryKind::Object,
            super::pe::architecture(header.machine()),
            Platform::Windows,
        )
    };
    Ok(Parsed::new(binary, regions, data))
}

/// The string table follows the symbols; its first word is its own length.
fn strings<'data, Coff: CoffHeader>(data: &'data [u8], header: &Coff) -> (u64, &'data [u8]) {
    let entry: u64 = if Coff::is_type_bigobj() { 20 } else { 18 };
    let at = u64::from(header.number_of_symbols())
        .saturating_mul(entry)
        .saturating_add(header.pointer_to_symbol_table().into());
    let table = usize::try_from(at)
        .ok()
        .filter(|_| header.pointer_to_symbol_table() != 0)
        .and_then(|at| data.get(at..))
        .unwrap_or_default();
    (at, table)
}

#[allow(clippy::type_complexity)]
fn regions<'data, Coff: CoffHeader>(
    data: &'data [u8],
    header: &Coff,
    offset: u64,
    names: &mut Names<'_>,
) -> Result<(Vec<Region<'data>>, Vec<Option<usize>>, bool), DecodeError> {
    let sections = header
        .sections(data, offset)
        .map_err(bad("COFF section headers inside the file"))?;
    let mut regions = Vec::new();
    let mut by_section = Vec::with_capacity(sections.len());
    let mut has_constructors = false;
    for section in sections.iter() {
        let name = match section.name_offset().map_err(bad("a section name"))? {
            Some(offset) => names.get(offset.into())?.unwrap_or_default(),
            None => section.raw_name(),
        };
        has_constructors |= name.starts_with(b".CRT$XC") || name.starts_with(b".ctors");
        let range = section.coff_file_range();
        let Some((file_offset, length)) = range.filter(|_| {
            !SKIPPED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
        }) else {
            by_section.push(None);
            continue;
        };
        let bytes = section.coff_data(data).map_err(|()| {
            DecodeError::cut(file_offset.into(), "a COFF section", length.into(), data)
        })?;
        let flags = section.characteristics.get(LE);
        by_section.push(Some(regions.len()));
        let region = Region {
            executable: flags.contains(pe::IMAGE_SCN_MEM_EXECUTE),
            writable: flags.contains(pe::IMAGE_SCN_MEM_WRITE),
            ..Region::of_file(names.keep(name)?, 0, file_offset.into(), bytes)
        };
        push(&mut regions, region)?;
    }
    Ok((regions, by_section, has_constructors))
}

/// Keeps every external definition if anything concerns TVM: an object is
/// part of a model library or of nothing.
fn keep<'data, Coff: CoffHeader>(
    symbols: &SymbolTable<'data, &'data [u8], Coff>,
    regions: &[Region<'_>],
    by_section: &[Option<usize>],
    names: &mut Names<'data>,
) -> Result<(Vec<DefinedSymbol>, Vec<UndefinedSymbol>), DecodeError> {
    let (mut defined, mut undefined, mut functions) = (Vec::new(), Vec::new(), Vec::new());
    for (index, symbol) in symbols.iter() {
        let class = symbol.storage_class();
        let external = matches!(
            class,
            pe::IMAGE_SYM_CLASS_EXTERNAL | pe::IMAGE_SYM_CLASS_WEAK_EXTERNAL
        );
        let Some(name) = name_of(symbols, index, symbol, names)? else {
            continue;
        };
        let weak = class == pe::IMAGE_SYM_CLASS_WEAK_EXTERNAL;
        if symbol.section_number().0 == 0 {
            if external && undefined_concerns_tvm(name) {
                undefined.push(UndefinedSymbol {
                    weak,
                    ..UndefinedSymbol::new(names.keep(name)?)
                });
            }
            continue;
        }
        let region = usize::try_from(symbol.section_number().0)
            .ok()
            .and_then(|number| number.checked_sub(1))
            .and_then(|section| by_section.get(section).copied().flatten());
        let function = region
            .and_then(|region| regions.get(region))
            .is_some_and(|region| region.executable);
        let wanted = concerns_tvm(name);
        if !(wanted || external && function) {
            continue;
        }
        let address = symbol.value().into();
        let kept = DefinedSymbol {
            region_offset: address,
            weak,
            exported: external,
            ..DefinedSymbol::new(names.keep(name)?, address, region.map(|at| (at, address)))
        };
        if wanted {
            defined.push(kept);
        } else {
            functions.push(kept);
        }
    }
    if !(defined.is_empty() && undefined.is_empty()) {
        defined.append(&mut functions);
    }
    Ok((defined, undefined))
}

/// Eight bytes in place, or an offset into the string table.
fn name_of<'data, Coff: CoffHeader>(
    symbols: &SymbolTable<'data, &'data [u8], Coff>,
    index: SymbolIndex,
    symbol: &Coff::Symbol,
    names: &mut Names<'data>,
) -> Result<Option<&'data [u8]>, DecodeError> {
    if let [0, 0, 0, 0, a, b, c, d] = *symbol.raw_name() {
        return names.get(u32::from_le_bytes([a, b, c, d]).into());
    }
    // Read again through the table: the bytes then live as long as the input.
    let Ok(symbol) = symbols.symbol(index) else {
        return Ok(None);
    };
    let raw = symbol.raw_name();
    let end = memchr::memchr(0, raw).unwrap_or(raw.len());
    Ok(raw.get(..end))
}

fn bad(expected: &'static str) -> impl Fn(object::read::Error) -> DecodeError {
    move |error| DecodeError::new(0, expected, error)
}
