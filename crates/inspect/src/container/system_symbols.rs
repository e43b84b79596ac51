//! Symbols that the base libraries of GNU/Linux define: glibc's, libgcc's and
//! libstdc++'s C names (`data/base_symbols.txt`, made by `tools/base_symbols`), and
//! C++ names of the standard library, told by their form.
//!
//! A library that is linked as usual asks for them by version. Those that it asks
//! for without one are looked up here.

use std::sync::LazyLock;

static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    include_str!("../../data/base_symbols.txt")
        .lines()
        .collect()
});

/// How mangled names of the standard library, its allocators and operators begin.
const STANDARD: [&str; 14] = [
    "_ZSt",
    "_ZNSt",
    "_ZNKSt",
    "_ZGVNSt",
    "_ZTISt",
    "_ZTSSt",
    "_ZTVSt",
    "_ZTINSt",
    "_ZNSa",
    "_ZNSs",
    "_ZNKSs",
    "_Zn",
    "_Zd",
    "_ZTVN10__cxxabiv1",
];

/// Whether every GNU/Linux system defines a symbol, or the Python that has loaded
/// the library does.
pub(super) fn defines(name: &str) -> bool {
    is_by_form(name) || NAMES.binary_search(&name).is_ok()
}

/// Whether a name is one of the C++ library's or of Python's, as its form tells.
pub(super) fn is_by_form(name: &str) -> bool {
    if name.starts_with("_Z") {
        return STANDARD.iter().any(|start| name.starts_with(start)) || name.contains("__gnu_cxx");
    }
    name.starts_with("Py") || name.starts_with("_Py")
}

/// How the names of libraries begin that ask for nothing of their own by version here: the
/// list has what they define.
const LISTED: [&str; 15] = [
    "libanl.so",
    "libatomic.so",
    "libc.so",
    "libdl.so",
    "libgcc_s.so",
    "libgomp.so",
    "libm.so",
    "libmvec.so",
    "libpthread.so",
    "libresolv.so",
    "librt.so",
    "libstdc++.so",
    "libthread_db.so",
    "libutil.so",
    "ld-linux",
];

/// Other libraries of the system by how their names begin, and how those of their symbols
/// do, which have no versions.
const OTHERS: [(&str, &[&str]); 7] = [
    (
        "libz.so",
        &[
            "adler32",
            "compress",
            "crc32",
            "deflate",
            "get_crc_table",
            "gz",
            "inflate",
            "uncompress",
            "zError",
            "zlib",
        ],
    ),
    ("libexpat.so", &["XML_"]),
    ("libGL.so", &["gl"]),
    ("libICE.so", &["Ice", "_Ice"]),
    ("libSM.so", &["Sm"]),
    ("libX", &["X", "_X"]),
    ("libg", &["g_", "_g_", "glib"]),
];

/// How the names of those begin of which the list has every symbol.
const WHOLE: [&str; 8] = [
    "ld-linux",
    "libc.so",
    "libdl.so",
    "libgcc_s.so",
    "libm.so",
    "libpthread.so",
    "librt.so",
    "libstdc++.so",
];

/// Whether every symbol that a library of the system defines is known.
pub(crate) fn is_known_whole(library: &str) -> bool {
    WHOLE.iter().any(|start| library.starts_with(start))
}

/// Whether a library is one of those whose versions say what they define.
pub(super) fn is_listed(library: &str) -> bool {
    LISTED.iter().any(|start| library.starts_with(start))
}

/// Whether a library of the system, beside those of the list, defines a symbol, as its name
/// tells.
pub(crate) fn is_defined_by(library: &str, symbol: &str) -> bool {
    let mut others = OTHERS.iter();
    others.any(|(start, names)| {
        library.starts_with(start) && names.iter().any(|name| symbol.starts_with(name))
    })
}

/// The GCC whose libgcc is the first to define a function that compilers call for
/// arithmetic; `None` of any other name and of one that no libgcc_s has.
///
/// From libgcc's list of versions for x86-64 (`libgcc-glibc.ver`).
pub(crate) fn first_gcc(name: &str) -> Option<u32> {
    const HALF: [&str; 16] = [
        "__divhc3",
        "__eqhf2",
        "__extendhfdf2",
        "__extendhfsf2",
        "__extendhftf2",
        "__extendhfxf2",
        "__fixhfti",
        "__fixunshfti",
        "__floattihf",
        "__floatuntihf",
        "__mulhc3",
        "__nehf2",
        "__truncdfhf2",
        "__truncsfhf2",
        "__trunctfhf2",
        "__truncxfhf2",
    ];
    const BFLOAT: [&str; 7] = [
        "__extendbfsf2",
        "__floattibf",
        "__floatuntibf",
        "__truncdfbf2",
        "__truncsfbf2",
        "__trunctfbf2",
        "__truncxfbf2",
    ];
    if HALF.contains(&name) {
        return Some(12);
    }
    (BFLOAT.contains(&name) || name == "__trunchfbf2").then_some(13)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_has_each_library() {
        assert!(NAMES.is_sorted());
        // glibc, its newest part, libm, libgcc_s, libstdc++, libpthread.
        for name in [
            "memcpy",
            "__isoc23_strtol",
            "expf",
            "__udivti3",
            "__cxa_throw",
            "pthread_create",
            "_ZNSt6vectorIiSaIiEE9push_backEOi",
            "_Znwm",
            "PyList_New",
        ] {
            assert!(defines(name), "{name}");
        }
        for name in [
            "__truncsfbf2",
            "__extendhftf2",
            "cblas_sgemm",
            "_ZN3foo3barEv",
            "GLIBC_2.34",
            "",
        ] {
            assert!(!defines(name), "{name}");
        }
    }
}
