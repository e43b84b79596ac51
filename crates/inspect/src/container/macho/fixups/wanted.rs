//! A name that dyld looks for.

use object::macho::{self, BindDylib, SymbolDesc, SymbolLibrary};

/// Who exports a name, and whether it may be missing.
#[derive(Clone, Copy)]
pub(in super::super) struct Wanted {
    /// Its library, or what dyld searches in place of one.
    pub(in super::super) dylib: BindDylib,
    /// Whether dyld goes on without it.
    pub(in super::super) weak: bool,
}

impl Wanted {
    /// What the symbol table says of a name.
    pub(in super::super) fn of(library: SymbolLibrary, description: SymbolDesc) -> Self {
        let dylib = match library {
            macho::DYNAMIC_LOOKUP_ORDINAL => macho::BIND_SPECIAL_DYLIB_FLAT_LOOKUP,
            macho::EXECUTABLE_ORDINAL => macho::BIND_SPECIAL_DYLIB_MAIN_EXECUTABLE,
            number => BindDylib(number.0.into()),
        };
        Self {
            dylib,
            weak: description.contains(macho::N_WEAK_REF),
        }
    }

    /// This, or what the symbol table says where any definition will do.
    pub(in super::super) fn or(self, of_table: Self) -> Self {
        match self.is_of_any_definition() {
            true => of_table,
            false => self,
        }
    }

    /// Whether the first definition counts, of this image too.
    pub(in super::super) fn is_of_any_definition(self) -> bool {
        self.dylib == macho::BIND_SPECIAL_DYLIB_WEAK_LOOKUP
    }

    /// Whether any library may have it. What is not defined here and is said to be of this
    /// file: zig's linker means any.
    pub(in super::super) fn is_anywhere(self) -> bool {
        let any = [
            macho::BIND_SPECIAL_DYLIB_FLAT_LOOKUP,
            macho::BIND_SPECIAL_DYLIB_SELF,
        ];
        any.contains(&self.dylib)
    }

    /// Which of the libraries that the image needs has it.
    pub(in super::super) fn library(self) -> Option<usize> {
        usize::try_from(self.dylib.index()?).ok()?.checked_sub(1)
    }
}
