//! What following the code of a library needs of its image: code by address, what calls
//! lead to, texts and words of its data.

use std::collections::HashMap;

use super::vm_tir_functions;
use crate::container::{Callee, Linkage, Parsed, Region, linkage};
use crate::limits::MAX_REGISTERED_NAME;
use crate::machine::{self, Flow, Machine, Piece, State, Target};
use crate::module::ModelLibrary;

/// Functions of the runtime that compiled code passes values with.
const LISTS: &[u8] = b"TVMBackendAnyList";
/// Functions of C's library that compilers call for kernels: those that write to memory, and
/// those of numbers, of which there is one for each size.
pub(super) const COPIES: [&str; 3] = ["memcpy", "memmove", "memset"];
const NUMBERS: [&str; 33] = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "fma",
    "fmod",
    "hypot",
    "log",
    "log10",
    "log1p",
    "log2",
    "nearbyint",
    "pow",
    "round",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
];

fn is_of_c(name: &[u8]) -> bool {
    let name = std::str::from_utf8(name).unwrap_or_default();
    let number = name.strip_suffix('f').unwrap_or(name);
    COPIES.contains(&name) || NUMBERS.contains(&name) || NUMBERS.contains(&number)
}

/// Instructions of a stub.
const STUB: usize = 6;

/// What a call leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Called {
    /// A function of the runtime or of C's library, by name.
    Named(String),
    /// Code of the image.
    Here(u64),
    /// Somewhere else.
    Elsewhere,
}

/// The image of a library.
pub(super) struct Image<'a> {
    pub(super) machine: Box<dyn Machine<'a> + 'a>,
    code: Vec<Piece<'a>>,
    data: Vec<Piece<'a>>,
    /// What of the data is never written.
    constant: Vec<Piece<'a>>,
    linkage: Linkage,
    /// Host functions of the library by address, as its VM calls them.
    hosts: HashMap<u64, String>,
    /// Compiled VM functions: name and address.
    compiled: HashMap<String, u64>,
    /// Code that was called, and the cell that it jumps through if it is a stub.
    stubs: HashMap<u64, Option<u64>>,
}

impl<'a> Image<'a> {
    /// `None` where code of the architecture is not read.
    pub(super) fn of(parsed: &'a Parsed<'_>, library: &ModelLibrary) -> Option<Self> {
        let machine = machine::of(parsed)?;
        let prefix = library.prefix.as_deref().unwrap_or_default();
        let (hosts, compiled) = vm_tir_functions(&parsed.binary, prefix, library.symbols);
        let data = parsed.regions.iter().filter(|region| !region.executable);
        let piece = |region: &'a Region<'_>| Piece {
            data: &region.data,
            address: region.address,
        };
        let constant = data.clone().filter(|region| !region.writable).map(piece);
        let constant = constant.collect();
        let data = data.map(piece);
        Some(Self {
            machine,
            code: machine::code(parsed),
            data: data.collect(),
            constant,
            linkage: linkage(parsed, |name| {
                memchr::memmem::find(name, LISTS).is_some() || is_of_c(name)
            }),
            hosts,
            compiled,
            stubs: HashMap::new(),
        })
    }

    /// Where a compiled VM function begins.
    pub(super) fn start(&self, name: &str) -> Option<u64> {
        self.compiled.get(name).copied()
    }

    /// The host function at an address.
    pub(super) fn host(&self, address: u64) -> Option<&str> {
        self.hosts.get(&address).map(String::as_str)
    }

    /// Where functions begin.
    pub(super) fn functions(&self) -> Vec<u64> {
        self.linkage.starts.clone()
    }

    /// The function that begins at an address, to its end where that is known.
    pub(super) fn function(&self, start: u64) -> Option<Piece<'a>> {
        let end = self.linkage.function(start);
        let end = end.and_then(|(first, end)| end.filter(|_| first == start));
        let rest = within(&self.code, start)?;
        let length = end.and_then(|end| usize::try_from(end.checked_sub(start)?).ok());
        let data = length.and_then(|length| rest.get(..length)).unwrap_or(rest);
        Some(Piece {
            data,
            address: start,
        })
    }

    /// The name at an address of the data.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        let rest = within(&self.data, address)?;
        let rest = rest.get(..MAX_REGISTERED_NAME).unwrap_or(rest);
        let name = rest.get(..memchr::memchr(0, rest)?)?;
        let name = std::str::from_utf8(name).ok()?;
        let is_name = |byte: u8| byte.is_ascii_graphic();
        (!name.is_empty() && name.bytes().all(is_name)).then(|| name.to_owned())
    }

    /// The word at an address of the data.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let rest = within(&self.data, address)?;
        Some(u64::from_le_bytes(*rest.first_chunk()?))
    }

    /// Whether an address may be written to: it is neither code nor constant.
    pub(super) fn is_written(&self, address: u64) -> bool {
        !self.is_code(address) && within(&self.constant, address).is_none()
    }

    /// Whether code begins at an address.
    pub(super) fn is_code(&self, address: u64) -> bool {
        within(&self.code, address).is_some()
    }

    /// What a call leads to, stubs passed over.
    pub(super) fn called(&mut self, target: Target) -> Called {
        let named = |callee: Option<&Callee>| match callee {
            Some(Callee::Named(name)) => Some(Called::Named(name.clone())),
            Some(Callee::Here(address)) => Some(Called::Here(*address)),
            None => None,
        };
        match target {
            Target::Cell(cell) => named(self.linkage.cells.get(&cell)),
            Target::Code(address) => match named(self.linkage.named.get(&address)) {
                None if self.host(address).is_none() => match self.stub(address) {
                    Some(cell) => named(self.linkage.cells.get(&cell)),
                    None => Some(Called::Here(address)),
                },
                None => Some(Called::Here(address)),
                named => named,
            },
            Target::Unknown => None,
        }
        .unwrap_or(Called::Elsewhere)
    }

    /// The cell that a stub jumps through; the same few are called again and again.
    fn stub(&mut self, address: u64) -> Option<u64> {
        if let Some(known) = self.stubs.get(&address) {
            return *known;
        }
        let cell = self.cell_of(address);
        self.stubs.insert(address, cell);
        cell
    }

    fn cell_of(&mut self, address: u64) -> Option<u64> {
        let code = Piece {
            data: within(&self.code, address)?,
            address,
        };
        let mut state = State::entry(&[], self.machine.stack());
        let mut at = 0usize;
        for _ in 0..STUB {
            let (length, flow) = self.machine.step(code, at, &mut state)?;
            match flow {
                Flow::On => at = at.saturating_add(length),
                Flow::Jump(Target::Cell(cell)) => return Some(cell),
                _ => return None,
            }
        }
        None
    }
}

/// The bytes from an address on.
fn within<'a>(pieces: &[Piece<'a>], address: u64) -> Option<&'a [u8]> {
    pieces.iter().find_map(|piece| {
        let from = usize::try_from(address.checked_sub(piece.address)?).ok()?;
        piece.data.get(from..).filter(|rest| !rest.is_empty())
    })
}
