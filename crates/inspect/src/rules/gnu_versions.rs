//! What a symbol version of GNU's libraries asks of a system: a glibc, or the
//! libraries of a GCC. Facts only; AC003 reports them.
//!
//! Sources: libstdc++'s manual, "ABI Policy and Guidelines", for the GCC release
//! that each version came with; libgcc's versions are named after theirs. Which
//! libraries come with a glibc is that of the distributions which have it.

use crate::container::VersionNeed;
use crate::version::Version;

/// A library of a system in a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// glibc.
    Glibc(Version),
    /// libstdc++ or libgcc of a GCC.
    Gcc(Version),
}

/// `GLIBCXX_3.4.N` with the GCC that brought it, ascending.
const GLIBCXX: [(u32, [u32; 2]); 18] = [
    (14, [4, 5]),
    (15, [4, 6]),
    (17, [4, 7]),
    (18, [4, 8]),
    (20, [4, 9]),
    (21, [5, 1]),
    (22, [6, 1]),
    (23, [7, 1]),
    (24, [7, 2]),
    (25, [8, 1]),
    (26, [9, 1]),
    (28, [9, 3]),
    (29, [11, 1]),
    (30, [12, 1]),
    (31, [13, 1]),
    (32, [13, 2]),
    (33, [14, 1]),
    (34, [15, 1]),
];

/// The same of `CXXABI_1.3.N`.
const CXXABI: [(u32, [u32; 2]); 13] = [
    (4, [4, 5]),
    (5, [4, 6]),
    (6, [4, 7]),
    (7, [4, 8]),
    (8, [4, 9]),
    (9, [5, 1]),
    (10, [6, 1]),
    (11, [7, 1]),
    (12, [9, 1]),
    (13, [11, 1]),
    (14, [13, 1]),
    (15, [14, 1]),
    (16, [15, 1]),
];

/// The oldest GCC whose libraries a distribution with this glibc, or a later one,
/// brings: CentOS 7, Debian 9, Amazon Linux 2, RHEL 8, Debian 11, RHEL 9, Ubuntu
/// 22.04, Ubuntu 24.04.
const SYSTEMS: [([u32; 2], [u32; 2]); 8] = [
    ([2, 17], [4, 8]),
    ([2, 24], [6, 3]),
    ([2, 26], [7, 3]),
    ([2, 28], [8, 3]),
    ([2, 31], [9, 3]),
    ([2, 34], [11, 2]),
    ([2, 35], [12, 1]),
    ([2, 39], [14, 1]),
];

/// What linkers ask glibc for with packed relative relocations.
pub(super) const RELR_MARK: &str = "GLIBC_ABI_DT_RELR";

/// What a need asks for; `None` for a version of other libraries.
pub(super) fn wanted(need: &VersionNeed) -> Option<Wanted> {
    let text = need.version.as_str();
    // Relative relocations, packed: a loader that does not know them must not try.
    if text == RELR_MARK {
        return Some(Wanted::Glibc(Version(vec![2, 36])));
    }
    let (family, version) = text.split_once('_')?;
    let version: Version = version.parse().ok()?;
    let of_table = |table: &[(u32, [u32; 2])], line: &[u32]| {
        let Version(fields) = &version;
        let last = fields.strip_prefix(line)?.first().copied().unwrap_or(0);
        let known = table.iter().find(|(number, _)| *number >= last);
        let gcc = known.map_or([16, 0], |(_, gcc)| *gcc);
        Some(Wanted::Gcc(Version(gcc.to_vec()).trimmed()))
    };
    match family {
        "GLIBC" => Some(Wanted::Glibc(version)),
        "GLIBCXX" => of_table(&GLIBCXX, &[3, 4]),
        "CXXABI" => of_table(&CXXABI, &[1, 3]),
        "GCC" => Some(Wanted::Gcc(version)),
        _ => None,
    }
}

/// The GCC whose libraries every system has that has this glibc; `None` for one
/// older than all that are known.
pub(super) fn gcc_of(glibc: &Version) -> Option<Version> {
    let mut systems = SYSTEMS.iter().rev();
    let (_, gcc) = systems.find(|(known, _)| Version(known.to_vec()) <= *glibc)?;
    Some(Version(gcc.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str) -> Option<Wanted> {
        wanted(&VersionNeed {
            library: String::new(),
            version: version.to_owned(),
        })
    }

    #[test]
    fn versions_lead_to_the_release_that_brought_them() {
        let gcc = |fields: &[u32]| Some(Wanted::Gcc(Version(fields.to_vec())));
        assert_eq!(of("GLIBCXX_3.4.30"), gcc(&[12, 1]));
        assert_eq!(of("GLIBCXX_3.4.27"), gcc(&[9, 3]), "between two");
        assert_eq!(of("GLIBCXX_3.4"), gcc(&[4, 5]), "older than the table");
        assert_eq!(of("GLIBCXX_3.4.99"), gcc(&[16]), "newer than the table");
        assert_eq!(of("CXXABI_1.3.13"), gcc(&[11, 1]));
        assert_eq!(of("GCC_12.0.0"), gcc(&[12]));
        assert_eq!(
            of("GLIBC_ABI_DT_RELR"),
            Some(Wanted::Glibc(Version(vec![2, 36])))
        );
        assert_eq!(of("CXXABI_FLOAT128"), None);
        assert_eq!(of("libz_1.2"), None);
        assert_eq!(gcc_of(&Version(vec![2, 28])), Some(Version(vec![8, 3])));
        assert_eq!(gcc_of(&Version(vec![2, 30])), Some(Version(vec![8, 3])));
        assert_eq!(gcc_of(&Version(vec![2, 12])), None);
    }
}
