//! The process: loads libraries as dyld does, and calls their functions.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::calls;
use super::host;
use super::images::{Images, Loaded, file_name};
use super::parts::SYSTEM_NAMES;
use super::service::Service;
use super::turn::Turn;
use crate::macho::callouts::Answer;
use crate::macho::emulator::Arguments;
use crate::macho::error::{MachOError, Result};
use crate::macho::gates::Gates;
use crate::macho::image::Image;
use crate::macho::mapped::Mapped;
use crate::macho::runner::{Halt, Runner};
use crate::macho::segments::{Binding, Provider};

/// An emulated macOS process.
pub struct Stack {
    images: Images,
    gates: Gates<Service>,
    runner: Runner,
    turn: Turn,
    folders: Vec<PathBuf>,
    next: AtomicU64,
}

impl Stack {
    /// An empty process. Libraries that others name are looked for in `folders`;
    /// the first is the one that [`super::prepare`] made.
    pub fn new(folders: &[PathBuf]) -> Result<Stack> {
        let gates = Gates::new()?;
        Ok(Stack {
            images: Images::default(),
            runner: Runner::new(gates.back()),
            gates,
            turn: Turn::default(),
            folders: folders.to_vec(),
            next: AtomicU64::new(1),
        })
    }

    /// The same with a Metal device: the one that [`crate::prepare_metal`] built, which
    /// stays for the rest of the host's process.
    pub fn with_metal(folders: &[PathBuf], device: &Path) -> Result<Stack> {
        host::open_library(device).map_err(|why| MachOError::Build {
            what: "Metal device",
            why,
        })?;
        Stack::new(folders)
    }

    /// Loads a library, after those that it names, and runs what runs at load.
    /// Returns its handle.
    pub fn open(&self, path: &Path) -> Result<u64> {
        Ok(self.load(path, &mut BTreeSet::new())?.mapped.base())
    }

    /// The address of a symbol, by its name in C: of the library of this handle, or
    /// of any.
    pub fn find(&self, handle: Option<u64>, name: &str) -> Option<u64> {
        super::dyld::symbol(&self.images, handle.unwrap_or(0), name)
    }

    /// Calls a function with up to eight words or pointers.
    pub fn call(&self, function: u64, words: &[u64]) -> Result<u64> {
        let _turn = self.turn.take();
        let outside = |gate, arguments: &Arguments| self.outside(gate, arguments);
        let ended = self.runner.run(function, words, &outside);
        ended.map_err(|halt| match halt {
            Halt::Failed(error) => error,
            Halt::Stopped { at, what } => MachOError::Stopped {
                function: self.images.describe(function),
                at: self.images.describe(at),
                what,
            },
        })
    }

    /// The files of the loaded libraries, in their order.
    pub fn libraries(&self) -> Vec<PathBuf> {
        let all = self.images.all();
        all.iter().map(|image| image.path.clone()).collect()
    }

    /// Names that loaded libraries ask for and that nothing here has: a call of one
    /// stops the run.
    pub fn missing(&self) -> Vec<String> {
        let mut names = self.gates.names(|s| matches!(s, Service::Missing(_)));
        names.sort();
        names
    }

    fn outside(&self, gate: u64, arguments: &Arguments) -> std::result::Result<Answer, String> {
        let service = self.gates.meaning(gate);
        let service = service.ok_or_else(|| format!("a jump to {gate:#x}"))?;
        let process = calls::Process {
            id: self.runner.id(),
            images: &self.images,
            turn: &self.turn,
            open: &|path: &Path| self.open(path),
        };
        process.perform(&service, arguments)
    }

    fn load(&self, path: &Path, loading: &mut BTreeSet<PathBuf>) -> Result<Arc<Loaded>> {
        let io = |source| MachOError::Io {
            path: path.display().to_string(),
            source,
        };
        let path = path.canonicalize().map_err(io)?;
        if let Some(known) = self.images.by_path(&path) {
            return Ok(known);
        }
        if !loading.insert(path.clone()) {
            return Err(MachOError::Unsupported(format!(
                "{}: a library that needs itself by way of others",
                path.display()
            )));
        }
        let bytes = fs::read(&path).map_err(io)?;
        let image = Image::parse(&bytes)?;
        if let Some(what) = image.unsupported.first() {
            return Err(MachOError::Unsupported(what.clone()));
        }
        let mut dependencies = Vec::new();
        for (number, name) in (1..).zip(&image.dependencies) {
            let found = match self.dependency(name, &path, &image, loading) {
                Err(MachOError::LibraryNotLoaded { .. }) if image.optional.contains(&number) => {
                    None
                }
                found => found?,
            };
            dependencies.push(found);
        }
        let mut loaded = Loaded {
            name: CString::new(path.as_os_str().as_encoded_bytes()).unwrap_or_default(),
            path,
            id: self.next.fetch_add(1, Ordering::Relaxed),
            mapped: Mapped::new(&bytes, image)?,
            dependencies,
        };
        self.fix_up(&mut loaded)?;
        let loaded = Arc::new(loaded);
        self.images.push(Arc::clone(&loaded));
        for function in loaded.mapped.initialisers() {
            self.call(function, &[0, 0, 0, 0, 0])?;
        }
        Ok(loaded)
    }

    /// The library of this name; none where it is the one that asks, or the host
    /// answers for it.
    fn dependency(
        &self,
        name: &str,
        from: &Path,
        image: &Image,
        loading: &mut BTreeSet<PathBuf>,
    ) -> Result<Option<Arc<Loaded>>> {
        let file = file_name(name);
        if file == file_name(&image.install_name) {
            return Ok(None);
        }
        if let Some(known) = self.images.by_name(name) {
            return Ok(Some(known));
        }
        let beside = from.parent().map(Path::to_owned);
        let places: Vec<PathBuf> = self
            .folders
            .iter()
            .chain(&beside)
            .map(|folder| folder.join(file))
            .collect();
        if let Some(found) = places.iter().find(|p| p.is_file()) {
            return self.load(found, loading).map(Some);
        }
        if name.starts_with("/usr/lib/") || name.starts_with("/System/") {
            return Ok(None);
        }
        let tried: Vec<String> = places
            .iter()
            .map(|place| format!("'{}' (no such file)", place.display()))
            .collect();
        Err(MachOError::LibraryNotLoaded {
            name: name.to_owned(),
            from: from.display().to_string(),
            tried: tried.join(", "),
        })
    }

    /// Writes the addresses that the image waits for.
    fn fix_up(&self, image: &mut Loaded) -> Result<()> {
        image.mapped.rebase();
        for binding in image.mapped.image.fixups.bindings.clone() {
            if let Some(target) = self.target(image, &binding)? {
                let value = target.wrapping_add_signed(binding.addend);
                image.mapped.store(binding.address, value);
            }
        }
        // The middle word of each descriptor says whose variable it is.
        for (start, size) in image.mapped.image.thread_locals.descriptors.clone() {
            for index in 0..size / 24 {
                let word = start.saturating_add(index * 24 + 8);
                image.mapped.store(word, image.id);
            }
        }
        Ok(())
    }

    /// What a place is bound to; none if it keeps what it has.
    fn target(&self, image: &Loaded, binding: &Binding) -> Result<Option<u64>> {
        let symbol = binding.symbol.as_str();
        let own = || image.find(symbol);
        let found = match binding.from {
            Provider::Coalesced => return Ok(self.images.symbol(symbol).or_else(own)),
            Provider::Own => own(),
            Provider::Any => own().or_else(|| self.images.symbol(symbol)),
            Provider::Dependency(ordinal) => {
                match image.dependency(ordinal.into()) {
                    Some(library) => {
                        let found = library.find(symbol);
                        let may_have = system(&library.mapped.image) || library.may_pass_on(symbol);
                        if found.is_none() && !binding.weak && !may_have {
                            return Err(MachOError::SymbolNotFound {
                                symbol: symbol.to_owned(),
                                from: image.path.display().to_string(),
                                expected: library.path.display().to_string(),
                            });
                        }
                        // What a Mac has in one of them is in another one here.
                        found.or_else(|| self.images.symbol(symbol))
                    }
                    None => own().or_else(|| self.images.symbol(symbol)),
                }
            }
        };
        match found {
            Some(address) => Ok(Some(address)),
            None if binding.weak => Ok(Some(0)),
            None => self.outside_of_images(image, binding).map(Some),
        }
    }

    /// The gate of a name that no image has. A Mac refuses one that is asked of its libSystem,
    /// or of any library, and that its libSystem does not have, whatever this machine has.
    fn outside_of_images(&self, image: &Loaded, binding: &Binding) -> Result<u64> {
        let symbol = binding.symbol.as_str();
        let mut libraries = image.mapped.image.dependencies.iter();
        let asked = match binding.from {
            Provider::Any => Some(None),
            Provider::Dependency(number) => {
                let place = usize::try_from(number).unwrap_or(0).checked_sub(1);
                let name = place.and_then(|place| libraries.nth(place));
                name.filter(|name| file_name(name).starts_with("libSystem."))
                    .map(Some)
            }
            _ => None,
        };
        let asked = asked.filter(|_| !system(&image.mapped.image) && !self.is_of_macos(symbol));
        let symbol = symbol.to_owned();
        match asked {
            Some(None) => Err(MachOError::NotInFlatNamespace { symbol }),
            Some(Some(library)) => Err(MachOError::SymbolNotFound {
                symbol,
                from: image.path.display().to_string(),
                expected: library.clone(),
            }),
            None => {
                let name = symbol.strip_prefix('_').unwrap_or(&symbol);
                self.gates.of(name, Service::of)
            }
        }
    }

    /// Whether a Mac's libSystem exports a symbol; true where that is not known.
    fn is_of_macos(&self, symbol: &str) -> bool {
        let read = |folder: &PathBuf| fs::read_to_string(folder.join(SYSTEM_NAMES)).ok();
        let Some(names) = self.folders.iter().find_map(read) else {
            return true;
        };
        let is_end = |c: char| c.is_whitespace() || "[],'\"".contains(c);
        let mut found = names.match_indices(symbol);
        found.any(|(at, _)| {
            let (before, rest) = names.split_at(at);
            before.ends_with(is_end) && rest[symbol.len()..].starts_with(is_end)
        })
    }
}

/// Whether it stands for a library of macOS.
fn system(image: &Image) -> bool {
    image.install_name.starts_with("/usr/lib/")
}
