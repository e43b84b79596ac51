//! The functions in which a registration ends, and what comes of following them.

use std::collections::BTreeSet;

/// What a part registers.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Registrations {
    /// The names that were read.
    pub(in crate::runtime) names: BTreeSet<String>,
    /// Whether there is a call that registers, and of each the name was read.
    pub(in crate::runtime) is_complete: bool,
}

/// How a function that registers takes the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// This parameter is the text.
    Text(u8),
    /// This parameter points to the address of the text.
    Pointer(u8),
    /// As an object that holds a copy of the text.
    Object,
}

/// How the function of this name takes the name, if it registers.
pub(super) fn registrar(name: &[u8]) -> Option<Takes> {
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
