//! The functions in which a registration ends, and what comes of following them.

use std::collections::BTreeSet;

use crate::runtime::strings::Piece;

/// Longest name; real ones stay below 80.
const LONGEST: usize = 160;

/// What a part registers.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Registrations {
    /// The names that were read.
    pub(in crate::runtime) names: BTreeSet<String>,
    /// Whether there is a call that registers, and of each the name was read.
    pub(in crate::runtime) is_complete: bool,
    /// How many such calls there are of which the name was not read; `None` where not all
    /// were looked at.
    pub(in crate::runtime) unread: Option<usize>,
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

/// Whether a symbol is a function that registers, of any compiler and release.
pub(in crate::runtime) fn is_registrar(name: &str) -> bool {
    registrar(name.as_bytes()).is_some()
        || name.contains("8Registry8Register")
        || name.starts_with("?Register@Registry@runtime@tvm@@")
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

/// The text at an address, if it can be a name. Pieces are sorted by address; in wasm
/// zeros follow each, which the linker does not write.
pub(super) fn name_at(texts: &[Piece<'_>], address: u64, zeros_follow: bool) -> Option<String> {
    let after = texts.partition_point(|piece| piece.address <= address);
    let piece = texts.get(after.checked_sub(1)?)?;
    let from = usize::try_from(address.checked_sub(piece.address)?).ok()?;
    let rest = piece.data.get(from..)?;
    let window = rest.get(..=LONGEST).unwrap_or(rest);
    let text = match memchr::memchr(0, window) {
        Some(end) => window.get(..end)?,
        None if zeros_follow && rest.len() <= LONGEST => rest,
        None => return None,
    };
    let is_name = text.len() > 1
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    is_name.then(|| String::from_utf8_lossy(text).into_owned())
}
