//! Names of registered global functions, as strings of a runtime part.
//!
//! A registered name is a NUL-framed string of its own in every library looked
//! at (docs/formats.md#name-resolution). The reverse does not hold: type keys and names
//! that a runtime only looks up have the same form. For `vm.builtin.` the two
//! sets are equal; elsewhere the result may hold a few names too many, never
//! one too few.

use std::collections::BTreeSet;

use crate::parts::PartKind;

/// Longest registered name that is kept; real ones stay below 80.
pub const LONGEST: usize = 160;

/// Registered names without a dot.
pub const UNDOTTED: [&str; 2] = ["__tvm_set_device", "cache_flush_cpu_non_first_arg"];

/// Beginnings of names that libtvm_runtime itself looks up in other parts.
const LOOKED_UP: [&str; 8] = [
    "codegen.",
    "nvshmem.",
    "runtime.disco.nvshmem.",
    "device_api.cuda",
    "device_api.metal",
    "device_api.opencl",
    "device_api.rocm",
    "device_api.vulkan",
];

/// Endings of file names, which look like dotted names.
const FILE_SUFFIXES: [&str; 11] = [
    ".cc", ".h", ".cpp", ".hpp", ".c", ".cu", ".mm", ".py", ".json", ".dylib", ".dll",
];

/// The registered name that a string of a part can be.
pub fn name<'a>(bytes: &'a [u8], kind: &PartKind) -> Option<&'a str> {
    if bytes.len() > LONGEST {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    if memchr::memchr(b'.', bytes).is_none() {
        return UNDOTTED.contains(&text).then_some(text);
    }
    if !is_dotted_identifier(text) || is_file_name(text) {
        return None;
    }
    if matches!(kind, PartKind::Runtime) && LOOKED_UP.iter().any(|start| text.starts_with(start)) {
        return None;
    }
    Some(text)
}

/// Bytes of a text that compilers copy at once.
const PIECE: usize = 16;

/// Whether a string is a known name behind pieces of other texts: code that copies a text
/// has it in pieces without an end, which run on into the next string.
pub(crate) fn is_behind_pieces(text: &str, known: &BTreeSet<String>) -> bool {
    let mut starts = (PIECE..text.len()).step_by(PIECE);
    starts.any(|at| text.get(at..).is_some_and(|tail| known.contains(tail)))
}

/// `a.b.c`, each an identifier; the first does not begin with a digit.
fn is_dotted_identifier(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && text.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

fn is_file_name(text: &str) -> bool {
    FILE_SUFFIXES.iter().any(|suffix| text.ends_with(suffix))
        || (text.ends_with(".so") && !text.starts_with("ffi."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_texts_are_no_beginning_of_a_name() {
        let known = BTreeSet::from(["relax.transform.LowerDistIR".to_owned(), "ir.Op".to_owned()]);
        let pieces = "LegalizeRedistritransform.PassCorelax.transform.LowerDistIR";
        assert!(is_behind_pieces(pieces, &known));
        assert!(!is_behind_pieces("tir.Op", &known));
        assert!(!is_behind_pieces("relax.transform.LowerDistIR", &known));
    }

    #[test]
    fn names_are_told_from_texts_and_files() {
        let kind = PartKind::Runtime;
        for registered in [
            "vm.builtin.copy",
            "ffi.Module.load_from_bytes.relax.VMExecutable",
            "ffi.Module.load_from_file.so",
            "__tvm_set_device",
            "device_api.cpu",
        ] {
            assert_eq!(name(registered.as_bytes(), &kind), Some(registered));
        }
        for other in [
            "vm.builtin.",
            "vm.builtin.copy expects one argument",
            "libtvm_ffi.so",
            "memory_manager.cc",
            "0.14",
            "device_api.cuda",
            "copy",
        ] {
            assert_eq!(name(other.as_bytes(), &kind), None, "{other}");
        }
        let cuda = PartKind::RuntimeDevice("cuda".into());
        assert_eq!(name(b"device_api.cuda", &cuda), Some("device_api.cuda"));
    }
}
