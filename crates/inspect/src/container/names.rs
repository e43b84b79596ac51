//! Which symbol names concern TVM (docs/formats.md#symbol-names).
//!
//! Names come here as a C programmer would write them: Mach-O's leading
//! underscore is already gone. Nothing is demangled.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Symbols of the module blob, oldest first.
pub const BLOB_SYMBOLS: [&str; 3] = [
    "__tvm_dev_mblob",
    "__tvm_ffi_library_bin",
    "__tvm_ffi__library_bin",
];

/// Symbols of the slot that receives the module's own address, oldest first.
pub const CONTEXT_SYMBOLS: [&str; 3] = [
    "__tvm_module_ctx",
    "__tvm_ffi_library_ctx",
    "__tvm_ffi__library_ctx",
];

/// How the names of a library's slots for functions of the runtime begin.
pub(crate) const SLOT: &str = "__TVM";

/// Whether tvm-ffi defines a symbol of this name, C or mangled C++.
pub(crate) fn is_of_registry(name: &str) -> bool {
    name.starts_with("TVMFFI") || name.contains("3tvm3ffi") || name.contains("@ffi@tvm@@")
}

/// Whether `name` is a blob symbol, with or without a system-library prefix.
pub(crate) fn is_blob_symbol(name: &str) -> bool {
    ends_with_any(name.as_bytes(), &BLOB_SYMBOLS)
}

/// Whether `name` is a context symbol, with or without a system-library prefix.
pub(crate) fn is_context_symbol(name: &str) -> bool {
    ends_with_any(name.as_bytes(), &CONTEXT_SYMBOLS)
}

fn ends_with_any(name: &[u8], suffixes: &[&str]) -> bool {
    // How all six end: asked first, since names come by the hundred thousand.
    matches!(name.last_chunk::<4>(), Some(b"blob" | b"_bin" | b"_ctx"))
        && suffixes
            .iter()
            .any(|suffix| name.ends_with(suffix.as_bytes()))
}

/// Whether a symbol of this name is kept wherever it is found:
///
/// * C functions and context slots: `TVM*`, `__TVM*`; what TVM's Java classes call:
///   `Java_org_apache_tvm_*`;
/// * names reserved for generated code: `__tvm*` (blob, context slot,
///   `__tvm_ffi_*` functions, handle initialisers), `.tvm_func.*` locals;
/// * the same blob and context names behind a system-library prefix, and the
///   `<blob>_reg_` variable beside them.
pub fn concerns_tvm(name: &[u8]) -> bool {
    if begins_like_tvm(name) {
        return true;
    }
    let name = name.strip_suffix(b"_reg_").unwrap_or(name);
    ends_with_any(name, &BLOB_SYMBOLS) || ends_with_any(name, &CONTEXT_SYMBOLS)
}

/// Whether a name that begins like this [concerns TVM](concerns_tvm) however it
/// goes on.
pub(crate) fn begins_like_tvm(start: &[u8]) -> bool {
    match start.first() {
        Some(b'T') => start.starts_with(b"TVM"),
        Some(b'_') => start.starts_with(b"__TVM") || start.starts_with(b"__tvm"),
        Some(b'.') => start.starts_with(b".tvm_func."),
        Some(b'J') => start.starts_with(b"Java_org_apache_tvm_"),
        _ => false,
    }
}

/// Whether names of a string table can concern TVM without beginning like it:
/// blob and context names all begin with `__tvm`, and before those words then
/// stands a system-library prefix.
pub(crate) fn may_hold_prefixed(table: &[u8]) -> bool {
    memchr::memmem::find_iter(table, b"__tvm").any(|at| {
        at.checked_sub(1)
            .and_then(|before| table.get(before))
            .is_some_and(|before| *before != 0)
    })
}

/// Whether a function belongs to LLVM: its C++ namespace, or its C interface.
pub(crate) fn is_llvm(name: &[u8]) -> bool {
    let cxx = name.starts_with(b"_ZN4llvm") || name.starts_with(b"_ZNK4llvm");
    cxx || (name.starts_with(b"LLVM") && name.get(4).is_some_and(u8::is_ascii_uppercase))
}

/// Whether an undefined symbol is kept: [`concerns_tvm`], or a mangled C++
/// name that mentions namespace `tvm`.
pub fn undefined_concerns_tvm(name: &[u8]) -> bool {
    concerns_tvm(name) || mentions_tvm_namespace(name)
}

/// Whether a function opens libraries, or finds functions by name, while a process runs.
pub(crate) fn opens(name: &[u8]) -> bool {
    matches!(name, b"dlopen" | b"dlmopen" | b"dlsym" | b"dlvsym")
}

/// Whether a mangled C++ name mentions namespace `tvm` at top level.
///
/// Itanium writes a nested name as `N`, optional qualifiers, then `3tvm`;
/// Microsoft closes it with `@tvm@@`.
pub(crate) fn mentions_tvm_namespace(name: &[u8]) -> bool {
    // Built once: names come by the hundred thousand.
    static ITANIUM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"3tvm"));
    static MICROSOFT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"@tvm@@"));
    match name.first() {
        Some(b'?' | b'.') => MICROSOFT.find(name).is_some(),
        Some(b'_') if name.starts_with(b"_Z") => ITANIUM.find_iter(name).any(|at| {
            at.checked_sub(1)
                .and_then(|before| name.get(before))
                .is_some_and(|byte| matches!(byte, b'N' | b'K' | b'V' | b'r' | b'R' | b'O'))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_generation_are_kept() {
        for name in [
            "TVMFuncCall",
            "TVMFFIFunctionCall",
            "__TVMBackendGetFuncFromEnv",
            "__tvm_dev_mblob",
            "__tvm_ffi__library_bin",
            "__tvm_ffi__library_bin_reg_",
            "gemma_q4f16_1___tvm_dev_mblob",
            "demo___tvm_ffi__library_ctx",
            ".tvm_func.vm.builtin.copy",
            "__tvm_func_handle_init.testing.f",
        ] {
            assert!(concerns_tvm(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            "_",
            "tvm",
            "memcpy",
            "_ZN3tvm3ffi5ErrorE",
            "library_bin",
        ] {
            assert!(!concerns_tvm(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn mangled_names_are_told_by_their_namespace() {
        for name in [
            "_ZN3tvm3ffi4json9StringifyERKNS0_3AnyERKNS0_8OptionalIivEE",
            "_ZNK3tvm7runtime9DeviceAPI3GetE8DLDeviceb",
            "_ZTVN3tvm3ffi6ObjectE",
            "_ZNSt6vectorIN3tvm3ffi3AnyESaIS2_EE17_M_default_appendEm",
            "?Get@DeviceAPI@runtime@tvm@@SAPEAV123@UDLDevice@@_N@Z",
        ] {
            assert!(mentions_tvm_namespace(name.as_bytes()), "{name}");
        }
        for name in [
            "_ZN13tvm3ffi",
            "_ZN4llvm3fooEv",
            "?f@tvm_like@@YAXXZ",
            "3tvm",
            "",
        ] {
            assert!(!mentions_tvm_namespace(name.as_bytes()), "{name}");
        }
    }
}
