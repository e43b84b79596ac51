//! Where the loader would find the libraries that a member of a load set asks
//! for, over run paths and within the set.
//!
//! Only libraries of the TVM family are judged; what the system or another
//! package provides is not ours to know.

use serde::Serialize;

use crate::container::{Binary, Format};
use crate::parts::stem;

/// How a needed library is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "found")]
pub enum Resolution {
    /// On the search path, in the set.
    OnPath {
        /// Index of the member.
        member: usize,
    },
    /// In the set, but not where this member looks: found only if something
    /// loads it first, as the Python packages do.
    ElsewhereInSet {
        /// Index of the member.
        member: usize,
        /// Places that were looked at.
        searched: Vec<String>,
    },
    /// Not in the set.
    Absent {
        /// Places that were looked at.
        searched: Vec<String>,
    },
    /// Not of the TVM family.
    External,
}

/// Whether a library name belongs to the family that load sets are made of.
pub fn is_family(name: &str) -> bool {
    let stem = stem(name);
    stem == "tvm" || stem.starts_with("tvm_") || stem == "mlc_llm" || stem.starts_with("mlc_llm_")
}

/// Resolves `needed` of the binary at `path` against the paths of the set and
/// the names their members give themselves.
pub fn resolve(
    path: &str,
    binary: &Binary,
    needed: &str,
    set: &[(&str, Option<&str>)],
) -> Resolution {
    if !is_family(needed) {
        return Resolution::External;
    }
    let searched = candidates(path, binary, needed);
    for place in &searched {
        let found = set
            .iter()
            .position(|(member, _)| same_path(binary.format, &normalize(member), place));
        if let Some(member) = found {
            return Resolution::OnPath { member };
        }
    }
    let wanted = file_name(needed);
    let by_name = set.iter().position(|(member, identity)| {
        file_name(member) == wanted || identity.is_some_and(|name| file_name(name) == wanted)
    });
    match by_name {
        Some(member) => Resolution::ElsewhereInSet { member, searched },
        None => Resolution::Absent { searched },
    }
}

/// Paths at which the loader would look, in order.
fn candidates(path: &str, binary: &Binary, needed: &str) -> Vec<String> {
    let own = folder(path);
    let mut places = Vec::new();
    match binary.format {
        Format::MachO => {
            if let Some(rest) = needed.strip_prefix("@rpath/") {
                for rpath in &binary.search_paths {
                    places.push(format!("{}/{rest}", expand(rpath, own)));
                }
            } else {
                places.push(expand(needed, own));
            }
        }
        // Windows looks beside the library that asks.
        Format::Pe => places.push(format!("{own}/{needed}")),
        _ if needed.contains('/') => places.push(expand(needed, own)),
        _ => {
            for rpath in &binary.search_paths {
                for one in rpath.split(':').filter(|one| !one.is_empty()) {
                    places.push(format!("{}/{needed}", expand(one, own)));
                }
            }
        }
    }
    places.iter().map(|place| normalize(place)).collect()
}

/// Replaces the loader's words for the asking library's own folder.
fn expand(path: &str, own: &str) -> String {
    let mut text = path.to_owned();
    for word in ["$ORIGIN", "${ORIGIN}", "@loader_path", "@executable_path"] {
        if text.contains(word) {
            text = text.replace(word, own);
        }
    }
    text
}

fn same_path(format: Format, a: &str, b: &str) -> bool {
    if format == Format::Pe {
        a.eq_ignore_ascii_case(b)
    } else {
        a == b
    }
}

/// `a/./b/../c` without dots; separators all forward.
fn normalize(path: &str) -> String {
    let absolute = path.starts_with(['/', '\\']);
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    if absolute {
        format!("/{joined}")
    } else {
        joined
    }
}

fn folder(path: &str) -> &str {
    match path.rfind(['/', '\\', '!']) {
        Some(end) => path.get(..end).unwrap_or("."),
        None => ".",
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\', '!']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_dots() {
        assert_eq!(normalize("/a/./b/../c//d"), "/a/c/d");
        assert_eq!(normalize("./x"), "x");
        assert_eq!(normalize("../x"), "../x");
        assert_eq!(expand("$ORIGIN/../lib", "/a/b"), "/a/b/../lib");
    }

    #[test]
    fn the_family_ends_at_its_names() {
        assert!(is_family("libtvm_runtime.so"));
        assert!(is_family("@rpath/libtvm_ffi.dylib"));
        assert!(is_family("tvm.dll"));
        assert!(!is_family("libc.so.6"));
        assert!(!is_family("libtvmlike.so"));
    }
}
