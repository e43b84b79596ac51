//! Context slots that a runtime fills: data symbols of a model library, named
//! `__` + the C function, which the runtime looks for by these very strings
//! (format notes, d.1).

/// Whether bytes can end in a slot's name. Cheap, and never wrong where it says
/// no: every slot begins with `__TVM`, and of that the `V` is the rarest letter.
pub fn may_end(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'V', bytes).any(|at| {
        at.checked_sub(3)
            .and_then(|start| bytes.get(start..))
            .is_some_and(|name| name.starts_with(b"__TVM"))
    })
}

/// The slot that a string of a runtime names.
pub fn name(bytes: &[u8]) -> Option<&str> {
    /// Longest known: `__TVMFFIEnvModLookupFromImports`.
    const LONGEST: usize = 64;
    if bytes.len() > LONGEST || !bytes.starts_with(b"__TVM") {
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
