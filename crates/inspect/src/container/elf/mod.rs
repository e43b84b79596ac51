//! ELF: shared libraries, programs and relocatable objects, 32 and 64 bits.
//!
//! Linked files are read the way the loader reads them, through the program
//! headers and the dynamic section; section headers name the data regions.
//! Objects are read through their sections. Only headers, the dynamic section,
//! symbol tables and version needs are touched.

mod calls;
mod cells;
mod damage;
mod dynamic;
mod error;
mod foreign;
mod hash;
mod image;
mod linkage;
mod memory;
mod regions;
mod relocations;
mod sections;
mod segments;
mod symbols;
mod table;
mod tables;
mod target;
mod unwind;
mod users;
mod versions;

use std::collections::{BTreeSet, HashSet};

use object::Endianness;
use object::elf;
use object::read::elf::FileHeader;

use super::linkage::Linkage;
use super::symbols::Names;
use super::{
    Binary, BinaryKind, Damage, ForeignSymbol, Format, Needed, Parsed, Platform, Region, frozen,
};
use crate::error::DecodeError;
use crate::limits::MAX_HASH_STEPS;
use dynamic::Dynamic;
use image::Image;
use symbols::Placement;

/// Calls a function for the class of a file.
macro_rules! by_class {
    ($($function:ident)::+, $data:expr $(, $more:expr)*) => {
        match is_64($data)? {
            true => $($function)::+::<elf::FileHeader64<Endianness>>($data $(, $more)*),
            false => $($function)::+::<elf::FileHeader32<Endianness>>($data $(, $more)*),
        }
    };
}

/// Reads one ELF file.
pub fn parse(data: &[u8]) -> Result<Parsed<'_>, DecodeError> {
    by_class!(parse_class, data)
}

/// Which of `names` the dynamic symbol table defines for others.
pub fn defines(data: &[u8], wanted: &[&str]) -> Result<Vec<bool>, DecodeError> {
    by_class!(defines_class, data, wanted)
}

/// Whether an object has code for GCC's linker alone.
pub(super) fn is_bytecode(data: &[u8]) -> bool {
    let is_object = matches!(data.get(16..18), Some([1, 0] | [0, 1]));
    let is_one = || Ok::<bool, DecodeError>(by_class!(sections::is_bytecode, data));
    is_object && is_one().unwrap_or(false)
}

/// The symbols of others that the loader looks for in the libraries of a file.
pub(super) fn asked(data: &[u8]) -> Result<Vec<ForeignSymbol>, DecodeError> {
    by_class!(foreign::asked, data)
}

/// Calls `visit` with every defined dynamic symbol until it returns `false`.
pub fn each_export(data: &[u8], visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), DecodeError> {
    by_class!(each_export_class, data, visit)
}

/// The symbol versions that a library defines; none where it has no versions.
pub(super) fn defined_versions(data: &[u8]) -> Result<Vec<String>, DecodeError> {
    by_class!(versions::definitions, data)
}

/// Whether a library says nothing of versions.
pub(super) fn is_without_versions(data: &[u8]) -> Result<bool, DecodeError> {
    by_class!(versions::are_absent, data)
}

/// Calls by name, and functions; `None` where there is no dynamic section.
pub(super) fn linkage(data: &[u8], wanted: fn(&[u8]) -> bool) -> Option<Linkage> {
    if is_64(data).ok()? {
        linkage::read::<elf::FileHeader64<Endianness>>(data, wanted)
    } else {
        None
    }
}

/// Those of some cells that anything in the file refers to; `None` where that is not read.
pub(super) fn referred(parsed: &Parsed<'_>, wanted: &BTreeSet<u64>) -> Option<BTreeSet<u64>> {
    let (regions, architecture) = (&parsed.regions, parsed.binary.architecture);
    if is_64(parsed.data).ok()? {
        cells::referred::<elf::FileHeader64<Endianness>>(parsed.data, regions, architecture, wanted)
    } else {
        None
    }
}

fn is_64(data: &[u8]) -> Result<bool, DecodeError> {
    match data.get(4) {
        Some(1) => Ok(false),
        Some(2) => Ok(true),
        Some(other) => Err(DecodeError::new(4, "ELF class 1 or 2", other)),
        None => Err(DecodeError::new(4, "an ELF class", "the end of the file")),
    }
}

fn parse_class<'data, Elf: FileHeader<Endian = Endianness>>(
    data: &'data [u8],
) -> Result<Parsed<'data>, DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    let dynamic = Dynamic::of(&image)?;
    let object = image.header.e_type(image.endian) == elf::ET_REL;
    let (regions, by_section) = regions::read(&image, object)?;
    let placement = if object {
        Placement::Section(&by_section)
    } else {
        symbols::by_address(&regions)
    };
    let kept = kept_symbols(&image, dynamic.as_ref(), &regions, &placement)?;

    let (kind, refusal) = target::kind(&image, dynamic.as_ref())?;
    let segments = segments::read(&image, dynamic.as_ref(), kind)?;
    let dynamic = dynamic.unwrap_or_default();
    let asked = Asked::read(&image, &dynamic)?;
    let (platform, min_os) = target::platform(&image, kind, &asked.needed);
    let binary = Binary {
        min_os,
        isa_level: target::isa_level(&image),
        interpreter: target::interpreter(&image),
        without_system: dynamic.has_flag_1(elf::DF_1_NODEFLIB),
        refusal,
        identity: asked.identity,
        needed: asked.needed,
        search_paths: asked.search_paths,
        code_on_stack: damage::asks_for_code_on_stack(&image),
        has_runpath: dynamic.has(elf::DT_RUNPATH),
        damage: match segments.is_empty() {
            true => Vec::new(),
            false => all_damage(&image, &dynamic, kind, platform),
        },
        frozen: frozen::cells(&kept.defined, &segments, damage::protected(&image)),
        segments,
        packed: dynamic.packed(),
        version_needs: versions::needs(&image, &dynamic)?,
        defined: kept.defined,
        undefined: kept.undefined,
        foreign: kept.foreign,
        opens: kept.opens,
        // Objects and static programs say it by the section alone.
        has_constructors: dynamic.has_constructors()
            || image.section_of_type(elf::SHT_INIT_ARRAY).is_some(),
        visible_llvm: kept
            .visible_llvm
            .filter(|_| !object && !dynamic.has(elf::DT_VERDEF)),
        ..Binary::new(
            Format::Elf,
            kind,
            target::architecture(image.header.e_machine(image.endian)),
            platform,
        )
    };
    Ok(Parsed::new(binary, regions, data))
}

/// What the loader is told by name.
struct Asked {
    identity: Option<String>,
    needed: Vec<Needed>,
    search_paths: Vec<String>,
}

impl Asked {
    fn read<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'_, Elf>,
        dynamic: &Dynamic,
    ) -> Result<Self, DecodeError> {
        let mut texts = Texts::new(image, dynamic);
        let identity = texts.get(dynamic.get(elf::DT_SONAME))?;
        let mut needed = Vec::new();
        // What a filter stands for is loaded with it, or nothing is.
        for entry in dynamic.all(&[elf::DT_NEEDED, elf::DT_FILTER]) {
            if let Some(name) = texts.get(Some(entry.value))? {
                let optional = false;
                needed.push(Needed { name, optional });
            }
        }
        // The loader ignores DT_RPATH where DT_RUNPATH exists.
        let runpath = dynamic.get(elf::DT_RUNPATH);
        let paths = texts.get(runpath.or(dynamic.get(elf::DT_RPATH)))?;
        let search_paths = paths.map_or_else(Vec::new, |paths| {
            paths.split(':').map(str::to_owned).collect()
        });
        Ok(Self {
            identity,
            needed,
            search_paths,
        })
    }
}

fn all_damage<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    kind: BinaryKind,
    platform: Platform,
) -> Vec<Damage> {
    let tables = match kind {
        BinaryKind::SharedLibrary => tables::read(image, dynamic),
        _ => Vec::new(),
    };
    let refused = damage::refused(image, dynamic, platform);
    [damage::read(image), refused, tables].concat()
}

fn kept_symbols<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: Option<&Dynamic>,
    regions: &[Region<'_>],
    placement: &Placement<'_>,
) -> Result<symbols::Kept, DecodeError> {
    let exported = match dynamic {
        Some(dynamic) => symbols::dynamic_table(image, dynamic)?,
        None => None,
    };
    let Some(exported) = exported else {
        return match symbols::full_table(image)? {
            Some(table) => symbols::keep(image, &table, placement, &HashSet::new()),
            None => Ok(symbols::Kept::default()),
        };
    };
    let copied = dynamic.map(|dynamic| relocations::copied(image, dynamic));
    let copied = copied.unwrap_or_default();
    let mut kept = symbols::keep(image, &exported, placement, &copied)?;
    let carries_blob = kept
        .defined
        .iter()
        .any(|symbol| super::names::is_blob_symbol(&symbol.name));
    // Model libraries are small; their full table names the callees that host
    // code looks up at run time.
    if carries_blob && let Some(full) = symbols::full_table(image)? {
        symbols::keep_locals(image, &full, placement, &mut kept)?;
    }
    if let Some(dynamic) =
        dynamic.filter(|_| !(kept.defined.is_empty() && kept.undefined.is_empty()))
    {
        order_undefined(image, dynamic, &exported, regions, &mut kept)?;
    }
    Ok(kept)
}

/// Puts undefined symbols in the loader's order, and finds those of other libraries.
fn order_undefined<Elf: FileHeader<Endian = Endianness>>(
    image: &Image<'_, Elf>,
    dynamic: &Dynamic,
    table: &table::Table<'_, Elf>,
    regions: &[Region<'_>],
    kept: &mut symbols::Kept,
) -> Result<(), DecodeError> {
    let foreign = foreign::find(image, dynamic, table)?;
    let numbers = foreign.iter().map(|(number, _)| *number);
    let wanted = kept.undefined_at.iter().copied().chain(numbers).collect();
    let met = relocations::met(image, dynamic, &wanted);
    let mut undefined: Vec<_> = kept
        .undefined_at
        .drain(..)
        .zip(kept.undefined.drain(..))
        .collect();
    let order = |number: &u32| met.get(number).map_or(usize::MAX, |met| met.order);
    undefined.sort_by_key(|(number, _)| order(number));
    let mut foreign = foreign;
    foreign.sort_by_key(|(number, _)| order(number));
    let users = users::Users {
        image,
        dynamic,
        regions,
        functions: &kept.defined,
        architecture: target::architecture(image.header.e_machine(image.endian)),
        met: &met,
    };
    let of_foreign = users.of(foreign.iter().map(|(number, _)| *number));
    // Only of what TVM opens lazily it matters who calls TVM's own functions.
    let of_undefined = match users.are_of_a_model() {
        true => users.of(undefined.iter().map(|(number, _)| *number)),
        false => Vec::new(),
    };
    let is_lazy = |number: &u32| met.get(number).is_some_and(|met| met.lazy);
    let mut of_undefined = of_undefined.into_iter();
    for (number, mut symbol) in undefined {
        (symbol.users, symbol.idle) = of_undefined.next().unwrap_or_default();
        symbol.lazy = is_lazy(&number);
        kept.undefined.push(symbol);
    }
    let mut of_foreign = of_foreign.into_iter();
    for (number, mut symbol) in foreign {
        (symbol.users, symbol.idle) = of_foreign.next().unwrap_or_default();
        symbol.lazy = is_lazy(&number);
        kept.foreign.push(symbol);
    }
    Ok(())
}

/// Strings of the dynamic section.
struct Texts<'data> {
    names: Names<'data>,
}

impl<'data> Texts<'data> {
    fn new<Elf: FileHeader<Endian = Endianness>>(
        image: &Image<'data, Elf>,
        dynamic: &Dynamic,
    ) -> Self {
        let (at, table) = dynamic.strings(image);
        let names = Names::new(table, at, image.data.len());
        Self { names }
    }

    fn get(&mut self, offset: Option<u64>) -> Result<Option<String>, DecodeError> {
        let Some(offset) = offset else {
            return Ok(None);
        };
        match self.names.get(offset)? {
            Some(text) => self.names.keep(text).map(Some),
            None => Ok(None),
        }
    }
}

fn defines_class<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
    wanted: &[&str],
) -> Result<Vec<bool>, DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    let Some(dynamic) = Dynamic::of(&image)? else {
        return Ok(vec![false; wanted.len()]);
    };
    let Some(table) = symbols::dynamic_table(&image, &dynamic)? else {
        return Ok(vec![false; wanted.len()]);
    };
    let mut steps = table
        .symbols
        .len()
        .saturating_add(wanted.len())
        .saturating_mul(MAX_HASH_STEPS);
    let versions = wanted.iter().any(|name| name.contains('@'));
    let versions = match versions {
        true => versions::OfSymbols::read(&image, &dynamic, table.symbols.len())?,
        false => versions::OfSymbols::default(),
    };
    wanted
        .iter()
        .map(|name| {
            let (name, version) = name.split_once('@').unwrap_or((name, ""));
            let is_meant = |number: usize| version.is_empty() || versions.answers(number, version);
            let found = hash::defines(
                &image,
                &dynamic,
                &table,
                name.as_bytes(),
                &is_meant,
                &mut steps,
            );
            found.ok_or_else(|| {
                DecodeError::new(
                    0,
                    "a hash table of symbols",
                    "chains longer than any real one",
                )
            })
        })
        .collect()
}

fn each_export_class<Elf: FileHeader<Endian = Endianness>>(
    data: &[u8],
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), DecodeError> {
    let image = Image::<Elf>::parse(data)?;
    // The static linker takes every global name of an object.
    let is_object = image.header.e_type(image.endian) == elf::ET_REL;
    let table = match Dynamic::of(&image)? {
        Some(dynamic) => symbols::dynamic_table(&image, &dynamic)?,
        None if is_object => symbols::full_table(&image)?,
        None => None,
    };
    match table {
        Some(table) => symbols::each_export(&image, &table, visit),
        None => Ok(()),
    }
}
