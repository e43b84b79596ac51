//! The import and delay-import directories.

use std::borrow::Cow;

use object::pe;

use super::image::Image;
use crate::container::faults::Faults;
use crate::container::names::undefined_concerns_tvm;
use crate::container::symbols::Names;
use crate::container::{ForeignSymbol, Needed, Reply, UndefinedSymbol, system_exports};
use crate::error::DecodeError;

/// What an image imports.
#[derive(Default)]
pub(super) struct Imports {
    pub(super) needed: Vec<Needed>,
    pub(super) undefined: Vec<UndefinedSymbol>,
    /// The first that a library of Windows is not known to have.
    pub(super) unlisted: Option<ForeignSymbol>,
    /// Libraries whose functions it asks for by number.
    pub(super) by_number: Vec<String>,
    /// Where the loader puts the address of each of them.
    pub(super) cells: Vec<(u32, String)>,
    /// What the loader trips over.
    pub(super) faults: Faults,
}

/// The tables of one library.
#[derive(Clone, Copy)]
struct Tables {
    name: u32,
    names: u32,
    cells: u32,
    /// Whether the loader fills the cells, and not code at the first call.
    at_load: bool,
    /// Whether the cells have addresses in the file.
    bound: bool,
}

/// Cells of the address tables, with the names of whom `wanted` holds.
pub(super) fn cells(
    image: &Image<'_>,
    wanted: fn(&[u8]) -> bool,
) -> Result<Vec<(u32, String)>, DecodeError> {
    Ok(read_where(image, wanted)?.cells)
}

/// Reads both directories.
pub(super) fn read(image: &Image<'_>) -> Result<Imports, DecodeError> {
    read_where(image, undefined_concerns_tvm)
}

/// What the loader looks for in the libraries that `is_meant` says, by name or by number, `#4`.
pub(super) fn asked(
    image: &Image<'_>,
    is_meant: fn(&str) -> bool,
) -> Result<Vec<ForeignSymbol>, DecodeError> {
    let imports = read_where(image, |_| true)?;
    let is_asked = |symbol: &UndefinedSymbol| symbol.library.as_deref().is_some_and(is_meant);
    let asked = imports.undefined.into_iter().filter(is_asked);
    Ok(asked.map(foreign).collect())
}

fn foreign(symbol: UndefinedSymbol) -> ForeignSymbol {
    ForeignSymbol {
        name: symbol.name,
        version: None,
        library: symbol.library,
        lazy: symbol.lazy,
        users: Vec::new(),
        idle: false,
    }
}

fn read_where(image: &Image<'_>, wanted: fn(&[u8]) -> bool) -> Result<Imports, DecodeError> {
    let mut reader = Reader {
        image,
        texts: Names::new(image.data, 0, image.data.len()),
        imports: Imports::default(),
        wanted,
        // No more entries than words in the file, however they overlap.
        left: image.data.len() / 4,
    };
    if let Some((rva, _)) = image.imports {
        reader.imports(rva)?;
    }
    // The loader itself never reads it.
    if let Some((rva, _)) = image.delayed
        && let Err(error) = reader.delayed(rva)
        && error.is_limit
    {
        return Err(error);
    }
    Ok(reader.imports)
}

struct Reader<'a, 'data> {
    image: &'a Image<'data>,
    texts: Names<'data>,
    imports: Imports,
    wanted: fn(&[u8]) -> bool,
    left: usize,
}

impl<'data> Reader<'_, 'data> {
    /// 20-byte descriptors: name table, two unused words, library, addresses.
    fn imports(&mut self, rva: u32) -> Result<(), DecodeError> {
        let mut first = 0u32;
        loop {
            let field = |index: u32| self.image.u32_at(rva, first.checked_add(index)?);
            let (Some(lookup), Some(time), Some(name), Some(cells)) =
                (field(0), field(1), field(3), field(4))
            else {
                return Err(self.outside(rva, "a PE import directory"));
            };
            if name == 0 {
                return Ok(());
            }
            // Old linkers leave the lookup table out; the address table then
            // holds the names.
            self.library(Tables {
                name,
                names: if lookup == 0 { cells } else { lookup },
                cells,
                at_load: true,
                bound: time != 0,
            })?;
            first = first.saturating_add(5);
        }
    }

    /// 32-byte descriptors: attributes, library, handle, addresses, names, ...
    fn delayed(&mut self, rva: u32) -> Result<(), DecodeError> {
        let mut first = 0u32;
        loop {
            let field = |index: u32| self.image.u32_at(rva, first.checked_add(index)?);
            let (Some(attributes), Some(name), Some(cells), Some(names)) =
                (field(0), field(1), field(3), field(4))
            else {
                return Err(self.outside(rva, "a PE delay-import directory"));
            };
            if name == 0 {
                return Ok(());
            }
            let relative = |address: u32| {
                // Every linker since 2003 sets this.
                if attributes & pe::IMAGE_DELAYLOAD_RVA_BASED != 0 {
                    return address;
                }
                let base = u32::try_from(self.image.image_base).unwrap_or(0);
                address.saturating_sub(base)
            };
            self.library(Tables {
                name: relative(name),
                names: relative(names),
                cells: relative(cells),
                at_load: false,
                bound: false,
            })?;
            first = first.saturating_add(8);
        }
    }

    fn library(&mut self, tables: Tables) -> Result<(), DecodeError> {
        let names = tables.names;
        self.spend(tables.name)?;
        let Some(library) = self.text(tables.name, 0)? else {
            return Err(self.outside(tables.name, "the name of an imported library"));
        };
        let library = self.texts.keep(&as_tvm_writes(&in_utf8(library)))?;
        let mut index = 0u32;
        let mut same = 0u32;
        let mut by_number = false;
        loop {
            let Some(thunk) = self.image.word_at(names, index) else {
                return Err(self.outside(names, "a PE import name table"));
            };
            let in_cell = self.image.word_at(tables.cells, index);
            same = same.saturating_add(u32::from(in_cell == Some(thunk)));
            if thunk == 0 {
                break;
            }
            self.spend(names)?;
            let width = if self.image.is_64 { 8 } else { 4 };
            let cell = tables.cells.saturating_add(index.saturating_mul(width));
            index = index.saturating_add(1);
            by_number |= !self.is_by_name(thunk);
            let Some(symbol) = self.symbol(thunk, in_cell, &tables, &library)? else {
                continue;
            };
            let is_wanted = (self.wanted)(&symbol) || (self.wanted)(self.image.bare(&symbol));
            let text = std::str::from_utf8(&symbol);
            let is_unlisted = self.imports.unlisted.is_none()
                && text.is_ok_and(|name| system_exports::is_unlisted(&library, name));
            if !(is_wanted || is_unlisted) {
                continue;
            }
            let symbol = UndefinedSymbol {
                lazy: !tables.at_load,
                library: Some(self.texts.keep(library.as_bytes())?),
                ..UndefinedSymbol::new(self.texts.keep(&symbol)?)
            };
            if is_unlisted {
                self.imports.unlisted = Some(foreign(symbol.clone()));
            }
            if is_wanted {
                self.imports.cells.push((cell, symbol.name.clone()));
                self.imports.undefined.push(symbol);
            }
        }
        if tables.at_load {
            self.check_cells(&tables, index, same, &library)?;
        }
        if by_number {
            self.imports.by_number.push(library.clone());
        }
        self.imports.needed.push(Needed {
            name: library,
            optional: !tables.at_load,
        });
        Ok(())
    }

    /// What an entry asks for: a name, or `#4` for a number.
    fn symbol(
        &mut self,
        thunk: u64,
        in_cell: Option<u64>,
        tables: &Tables,
        library: &str,
    ) -> Result<Option<Cow<'data, [u8]>>, DecodeError> {
        if !self.is_by_name(thunk) {
            let number = thunk & u64::from(u16::MAX);
            return Ok(Some(Cow::Owned(format!("#{number}").into_bytes())));
        }
        let address = low(thunk);
        // A two-byte hint stands before the name.
        let symbol = self.text(address, 2)?;
        if tables.at_load {
            let is_moved = !tables.bound && self.is_moved(address, symbol, in_cell)?;
            self.check_name(address, symbol, is_moved, library);
        }
        Ok(symbol.map(Cow::Borrowed))
    }

    /// Whether a name may begin there: at an even place, behind the end of another.
    fn begins(&self, address: u32) -> bool {
        let before = address
            .checked_sub(1)
            .and_then(|at| self.image.bytes(at, 1));
        address & 1 == 0 && before == Some(b"\0")
    }

    /// Whether an entry leads beside the beginning of a name, and its cell to another name.
    fn is_moved(
        &mut self,
        address: u32,
        symbol: Option<&[u8]>,
        in_cell: Option<u64>,
    ) -> Result<bool, DecodeError> {
        let in_cell = in_cell.map(low).filter(|cell| self.begins(*cell));
        match in_cell {
            Some(cell) if !self.begins(address) => Ok(self.text(cell, 2)? != symbol),
            _ => Ok(false),
        }
    }

    fn is_by_name(&self, thunk: u64) -> bool {
        thunk & if self.image.is_64 { 1 << 63 } else { 1 << 31 } == 0
    }

    /// Windows reads the name wherever the entry leads.
    fn check_name(&mut self, address: u32, symbol: Option<&[u8]>, is_moved: bool, library: &str) {
        let (reply, what) = match symbol {
            _ if address >= self.image.size => (
                Reply::Crash,
                format!("an imported function's name is at {address:#x}, outside the image"),
            ),
            Some(name) if is_moved || !is_printable(name) => (
                Reply::NotFound,
                format!("no function is called `{}`", name.escape_ascii()),
            ),
            None if is_moved => (
                Reply::NotFound,
                format!("an imported function has no name at {address:#x}"),
            ),
            _ => return,
        };
        self.fault(reply, what, address, library);
    }

    /// The cells that the loader fills. Before that they hold what the table of names holds
    /// (PE/COFF specification, "Import Address Table"), unless the image is bound.
    fn check_cells(
        &mut self,
        tables: &Tables,
        count: u32,
        same: u32,
        library: &str,
    ) -> Result<(), DecodeError> {
        if tables.cells == 0 {
            // Windows takes it for the end of the list: what follows is not filled.
            let what = String::from("the list of imported libraries ends early");
            self.fault(Reply::Unknown, what, tables.name, library);
            return Ok(());
        }
        if tables.cells >= self.image.size {
            let what = String::from("the table of imported addresses is outside the image");
            self.fault(Reply::Crash, what, tables.cells, library);
        }
        if tables.bound || tables.names == tables.cells {
            return Ok(());
        }
        let next = self.image.word_at(tables.cells, count);
        let next = next.filter(|next| *next != 0 && self.is_by_name(*next));
        let next = next.map(low).filter(|next| self.begins(*next));
        if count > 1 && same == 0 {
            let what = String::from("the table of imported addresses is not that of the names");
            self.fault(Reply::Unknown, what, tables.cells, library);
        } else if let Some(next) = next
            && let Some(name) = self.text(next, 2)?
            && is_printable(name)
        {
            let what = format!(
                "the table of imported names ends before `{}`",
                name.escape_ascii()
            );
            // Whether a function behind it is called is not known.
            self.fault(Reply::Unknown, what, tables.names, library);
        }
        Ok(())
    }

    fn fault(&mut self, reply: Reply, what: String, rva: u32, library: &str) {
        let at = self.image.file_offset(rva).unwrap_or(0);
        let what = format!("{what} (imports of `{}`)", library.escape_debug());
        self.imports.faults.add(reply, what, at);
    }

    fn text(&mut self, rva: u32, skip: u32) -> Result<Option<&'data [u8]>, DecodeError> {
        let offset = rva
            .checked_add(skip)
            .and_then(|rva| self.image.text_offset(rva));
        match offset {
            Some(offset) => self.texts.get(offset),
            None => Ok(None),
        }
    }

    fn spend(&mut self, rva: u32) -> Result<(), DecodeError> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.outside(rva, "import tables that do not overlap")),
        }
    }

    fn outside(&self, rva: u32, expected: &'static str) -> DecodeError {
        let at = self.image.file_offset(rva).unwrap_or(0);
        DecodeError::new(at, expected, format!("RVA {rva:#x}"))
    }
}

/// Where an entry leads: loaders look at its lower half alone.
fn low(thunk: u64) -> u32 {
    u32::try_from(thunk & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// Whether this may be the name of a function: Python's and C++'s are ASCII too.
fn is_printable(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

/// The name of a library as its file has it: in the table it is in the system's code page,
/// which is UTF-8, or else most often Windows-1252.
fn in_utf8(name: &[u8]) -> Cow<'_, [u8]> {
    /// From 0x80 to 0x9f; the others are those of Unicode.
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    if std::str::from_utf8(name).is_ok() {
        return Cow::Borrowed(name);
    }
    let decoded = name.iter().map(|byte| match byte.checked_sub(0x80) {
        Some(above) => UPPER
            .get(usize::from(above))
            .copied()
            .unwrap_or(char::from(*byte)),
        None => char::from(*byte),
    });
    Cow::Owned(decoded.collect::<String>().into_bytes())
}

/// The name of a library: Windows compares without case, and TVM's own, which are looked up
/// by their names, are written in lower case.
fn as_tvm_writes(library: &[u8]) -> Cow<'_, [u8]> {
    let lower = library.to_ascii_lowercase();
    let mut starts = [b"tvm".as_slice(), b"libtvm", b"mlc_llm"].into_iter();
    match starts.any(|start| lower.starts_with(start)) {
        true => Cow::Owned(lower),
        false => Cow::Borrowed(library),
    }
}
