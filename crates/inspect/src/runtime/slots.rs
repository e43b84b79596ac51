//! Context slots that a runtime fills: data symbols of a model library, named
//! `__` + the C function, which the runtime looks for by these very strings
//! (docs/formats.md#context-slots).

/// How every slot begins.
pub(crate) use crate::container::SLOT as BEGIN;

/// The slot that a string of a runtime names.
pub fn name(bytes: &[u8]) -> Option<&str> {
    /// Longest known: `__TVMFFIEnvModLookupFromImports`.
    const LONGEST: usize = 64;
    if bytes.len() > LONGEST || !bytes.starts_with(BEGIN.as_bytes()) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let known_family = ["__TVMFFI", "__TVMBackend", "__TVMFunc", "__TVMAPI"]
        .iter()
        .any(|family| text.starts_with(family));
    // Initialisers made by registration macros are no slots.
    let generated = text.contains("StaticInit");
    let identifier = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (known_family && identifier && !generated).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn slots_are_told_from_initialisers() {
        assert_eq!(name(b"__TVMFuncCall"), Some("__TVMFuncCall"));
        assert_eq!(
            name(b"__TVMFFIEnvModLookupFromImports"),
            Some("__TVMFFIEnvModLookupFromImports")
        );
        assert_eq!(name(b"__TVMFFIStaticInitFunc0"), None);
        assert_eq!(name(b"__TVMFFIStaticInitFunc0()::<lambda()>"), None);
        assert_eq!(name(b"TVMFuncCall"), None);
    }
}
