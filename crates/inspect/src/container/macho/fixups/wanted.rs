//! A name that dyld looks for.

use object::macho::{self, BindDylib, SymbolDesc, SymbolLibrary};

/// Who exports a name, and whether it may be missing.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// Its library, or what dyld searches in place of one.
    pub(crate) dylib: BindDylib,
    /// Whether dyld goes on without it.
    pub(crate) weak: bool,
    /// Whether it is looked for when it is first called.
    pub(crate) lazy: bool,
}

impl Wanted {
    /// What the symbol table says of a name.
    pub(crate) fn of(library: SymbolLibrary, description: SymbolDesc) -> Self {
        let dylib = match library {
            macho::DYNAMIC_LOOKUP_ORDINAL => macho::BIND_SPECIAL_DYLIB_FLAT_LOOKUP,
            macho::EXECUTABLE_ORDINAL => macho::BIND_SPECIAL_DYLIB_MAIN_EXECUTABLE,
            number => BindDylib(number.0.into()),
        };
        Self {
            dylib,
            weak: description.contains(macho::N_WEAK_REF),
            lazy: false,
        }
    }

    /// This, or what the symbol table says where any definition will do.
    pub(crate) fn or(self, of_table: Self) -> Self {
        match self.is_of_any_definition() {
            true => of_table,
            false => self,
        }
    }

    /// Whether the first definition counts, of this image too.
    pub(crate) fn is_of_any_definition(self) -> bool {
        self.dylib == macho::BIND_SPECIAL_DYLIB_WEAK_LOOKUP
    }

    /// Whether any library may have it. What is not defined here and is said to be of this
    /// file: zig's linker means any.
    pub(crate) fn is_anywhere(self) -> bool {
        let any = [
            macho::BIND_SPECIAL_DYLIB_FLAT_LOOKUP,
            macho::BIND_SPECIAL_DYLIB_SELF,
        ];
        any.contains(&self.dylib)
    }

    /// Which of the libraries that the image needs has it.
    pub(crate) fn library(self) -> Option<usize> {
        usize::try_from(self.dylib.index()?).ok()?.checked_sub(1)
    }
}
