//! The names under which a runtime part registers functions, read from the code:
//! what reaches the name's place at each call that registers.
//!
//! A registration ends in one of few functions (`registrar.rs`), by ways that the
//! compiler made: a stub, a template that takes the name as a parameter, a tail
//! call. From those functions backwards each function that calls one is followed
//! instruction by instruction. Where the name is a constant, it is registered;
//! where it is a parameter, the function registers what its callers hand it.
//! Anything else is a call whose name is not read, and the list is not complete
//! (docs/formats.md#registered-functions).

mod follow;
mod registrar;
mod sites;
mod wasm;

use crate::container::{Architecture, Parsed};
use crate::machine::{self, Piece};
use crate::parts::PartKind;
use crate::runtime::strings;
use follow::follow;
pub(super) use registrar::{Registrations, is_registrar};

/// Reads the registrations of a library that is no part of a runtime.
pub(super) fn of_library(parsed: &Parsed<'_>) -> Registrations {
    let texts = strings::read_only(parsed, &[]);
    read(parsed, &texts, &PartKind::RuntimeExtra)
}

/// Reads the registrations of a part; nothing where its instruction set or its
/// format is not known.
pub(super) fn read<'a>(
    parsed: &'a Parsed<'_>,
    texts: &[Piece<'a>],
    kind: &PartKind,
) -> Registrations {
    let holds_registry = kind.is_core();
    if parsed.binary.architecture == Architecture::Wasm32 {
        return wasm::follow(parsed.data, texts);
    }
    match machine::of(parsed) {
        Some(mut machine) => follow(&mut *machine, parsed, texts, holds_registry),
        None => Registrations::default(),
    }
}
