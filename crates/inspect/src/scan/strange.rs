//! Files that do not decode, and that nothing shows to be TVM's: neither their names nor
//! what is in them. Systems have parts of downloads, debug data and broken samples.

use memchr::memmem;

use super::unopened::PACKED;
use crate::artifact::{Problem, ProblemKind};
use crate::container::{self, Binary, BinaryKind, Format};
use crate::place::Place;
use crate::source::is_artifact_suffix;

/// Bytes of a file that are asked.
pub(super) const MOST: u64 = 16 << 20;
/// Texts that what TVM or its compiler makes has in it.
const SIGNS: [&str; 7] = [
    "TVMBackend",
    "TVMFFI",
    "TVMFunc",
    "__tvm_",
    "mlc_llm",
    "tvm_ffi",
    "tvm_runtime",
];
/// Words in the names of files that may hold a library, or are loaded.
const WORDS: [&str; 4] = ["tvm", "mlc", ".so.", "model"];
/// Endings of such names.
const ENDINGS: [&str; 14] = [
    "pyd", "node", "exe", "bin", "obj", "lib", "apk", "aab", "aar", "ipa", "jar", "egg", "nupkg",
    "pyz",
];

/// Whether something of TVM's is in some bytes.
pub(super) fn shows_tvm(bytes: &[u8]) -> bool {
    let mut signs = SIGNS.iter();
    signs.any(|sign| memmem::find(bytes, sign.as_bytes()).is_some())
}

/// Whether a name says that a file is neither a library nor an archive. Names without an
/// ending say nothing.
pub(super) fn is_strange_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let Some((_, ending)) = name.rsplit_once('.') else {
        return false;
    };
    let lists: [&[&str]; 2] = [&ENDINGS, &PACKED];
    let is_ours = is_artifact_suffix(ending) || lists.iter().any(|list| list.contains(&ending));
    !is_ours && !WORDS.iter().any(|word| name.contains(word))
}

/// Says so of a problem, where it is one.
pub(super) fn weigh(problem: &mut Problem, place: &Place, bytes: &[u8]) {
    if problem.kind == ProblemKind::Corrupt && is_strange_name(&place.name()) && !shows_tvm(bytes) {
        problem.kind = ProblemKind::Strange;
    }
}

/// Whether a DLL has none of the tables that every linker writes, and is one of TVM's. One
/// that hands names on to others needs no imports.
pub(super) fn has_lost_its_tables(binary: &Binary, data: &[u8]) -> bool {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic());
    let mut needed = binary.needed.iter();
    binary.format == Format::Pe
        && binary.kind == BinaryKind::SharedLibrary
        && needed.all(|needed| needed.name.is_empty() || !is_name(&needed.name))
        && shows_tvm(data)
        && !container::is_forwarder(data)
}

/// What is said of one.
pub(super) fn lost_tables() -> Problem {
    Problem {
        kind: ProblemKind::Corrupt,
        detail: "it imports from no library, but it has TVM's names in it".into(),
        offset: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_may_be_a_library() {
        for name in ["a.part", "pe.exe.debug", "x.zip.crdownload", "a.dat"] {
            assert!(is_strange_name(name), "{name}");
        }
        for name in [
            "a",
            "a.so",
            "liba.so.1",
            "a.EXE",
            "model.part",
            "tvm.part",
            "a.zip",
        ] {
            assert!(!is_strange_name(name), "{name}");
        }
        assert!(shows_tvm(b"a\0TVMFFIAny") && !shows_tvm(b"TVM"));
    }
}
