//! The names under which a runtime part registers functions, read from the code:
//! what reaches the name's place at each call that registers.
//!
//! A registration ends in one of few functions ([`registrar`]), by ways that the
//! compiler made: a stub, a template that takes the name as a parameter, a tail
//! call. From those functions backwards each function that calls one is followed
//! instruction by instruction. Where the name is a constant, it is registered;
//! where it is a parameter, the function registers what its callers hand it.
//! Anything else is a call whose name is not read, and the list is not complete
//! (docs/formats.md#registered-functions).

mod aarch64;
mod follow;
mod machine;
mod sites;
mod state;
mod x86_64;

use std::collections::BTreeSet;

use super::strings::Piece;
use crate::container::{Architecture, Format, Parsed};
use crate::parts::PartKind;
use follow::follow;

/// What a part registers.
#[derive(Debug, Default)]
pub(super) struct Registrations {
    /// The names that were read.
    pub(super) names: BTreeSet<String>,
    /// Whether there is a call that registers, and of each the name was read.
    pub(super) is_complete: bool,
}

/// How a function that registers takes the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// This parameter is the text.
    Text(u8),
    /// This parameter points to the address of the text.
    Pointer(u8),
    /// As an object that holds a copy of the text.
    Object,
}

/// How the function of this name takes the name, if it registers.
fn registrar(name: &[u8]) -> Option<Takes> {
    match name {
        b"TVMFFIFunctionSetGlobal" | b"TVMFFIFunctionSetGlobalFromMethodInfo" => {
            Some(Takes::Pointer(0))
        }
        b"TVMFuncRegisterGlobal" => Some(Takes::Text(0)),
        _ => name
            .starts_with(b"_ZN3tvm7runtime8Registry8RegisterERK")
            .then_some(Takes::Object),
    }
}

/// Reads the registrations of a part; nothing where its instruction set or its
/// format is not known.
pub(super) fn read(parsed: &Parsed<'_>, texts: &[Piece<'_>], kind: &PartKind) -> Registrations {
    let holds_registry = kind.is_core();
    let windows = parsed.binary.format == Format::Pe;
    match parsed.binary.architecture {
        Architecture::X86_64 => follow(
            &mut x86_64::X86_64::new(windows),
            parsed,
            texts,
            holds_registry,
        ),
        Architecture::Aarch64 if !windows => {
            follow(&mut aarch64::Aarch64, parsed, texts, holds_registry)
        }
        _ => Registrations::default(),
    }
}
