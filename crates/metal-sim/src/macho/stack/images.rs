//! The images of a process: which are there, who has a symbol or an address.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::macho::mapped::Mapped;

/// A loaded library.
pub(super) struct Loaded {
    /// Its file.
    pub path: PathBuf,
    /// The same for emulated code.
    pub name: CString,
    /// A number that no other image of the process has.
    pub id: u64,
    pub mapped: Mapped,
    /// Those that it names, in its order; none where the host answers.
    pub dependencies: Vec<Option<Arc<Loaded>>>,
}

impl Loaded {
    /// A symbol of it or of a library that it re-exports.
    pub(super) fn find(&self, symbol: &str) -> Option<u64> {
        let image = &self.mapped.image;
        if let Some((number, there)) = image.reexports.get(symbol) {
            return self.dependency(*number)?.find(there);
        }
        self.mapped.find(symbol).or_else(|| {
            let mut whole = image.reexported.iter();
            whole.find_map(|number| self.dependency(*number)?.find(symbol))
        })
    }

    /// Whether it may re-export a symbol of a library that the host answers for.
    pub(super) fn may_pass_on(&self, symbol: &str) -> bool {
        let image = &self.mapped.image;
        let one = image.reexports.get(symbol).map(|(number, _)| number);
        let mut numbers = one.into_iter().chain(&image.reexported);
        numbers.any(|number| self.dependency(*number).is_none())
    }

    /// The library of this number, counted from 1.
    pub(super) fn dependency(&self, number: u64) -> Option<&Arc<Loaded>> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.dependencies.get(index)?.as_ref()
    }

    /// A symbol of it or of a library that it names.
    pub(super) fn find_deep(&self, symbol: &str) -> Option<u64> {
        self.find(symbol).or_else(|| {
            let named = self.dependencies.iter().flatten();
            named.into_iter().find_map(|d| d.find_deep(symbol))
        })
    }
}

/// All of them, in the order in which they were loaded.
#[derive(Default)]
pub(super) struct Images(RwLock<Vec<Arc<Loaded>>>);

/// The last part of a library's name, by which it is known.
pub(super) fn file_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl Images {
    pub(super) fn all(&self) -> Vec<Arc<Loaded>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn push(&self, image: Arc<Loaded>) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        list.push(image);
    }

    pub(super) fn find(&self, is: impl Fn(&Loaded) -> bool) -> Option<Arc<Loaded>> {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().find(|image| is(image)).cloned()
    }

    /// The image whose file this is.
    pub(super) fn by_path(&self, path: &Path) -> Option<Arc<Loaded>> {
        self.find(|image| image.path == path)
    }

    /// The image that calls itself so.
    pub(super) fn by_name(&self, name: &str) -> Option<Arc<Loaded>> {
        let wanted = file_name(name);
        self.find(|image| file_name(&image.mapped.image.install_name) == wanted)
    }

    /// The image that an address is in.
    pub(super) fn at(&self, address: u64) -> Option<Arc<Loaded>> {
        self.find(|image| image.mapped.contains(address))
    }

    /// The first definition of a symbol.
    pub(super) fn symbol(&self, name: &str) -> Option<u64> {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().find_map(|image| image.find(name))
    }

    /// An address in words: image, symbol, distance.
    pub(super) fn describe(&self, address: u64) -> String {
        match self.at(address) {
            Some(image) => format!(
                "{} of {}",
                image.mapped.describe(address),
                file_name(&image.path.to_string_lossy())
            ),
            None => format!("{address:#x}"),
        }
    }
}
