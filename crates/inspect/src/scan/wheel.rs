//! Wheels as the folders that pip makes of them: where that is, and what of them is asked for.
//! One whose files are those of its list has little to be asked.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::container::Body;
use crate::limits::{MAX_MEMBERS, MAX_RECORD};
use crate::place::Place;
use crate::runtime::installation;
use crate::source::Members;

/// The folder in which a wheel is unpacked.
const WHEEL: &str = ".wheel";
/// The same where its files are those of its list: what only Python reads is left out.
const AS_LISTED: &str = ".wheel-as-listed";

pub(super) fn is_wheel(archive: &Place) -> bool {
    archive.raw_name().ends_with(b".whl")
}

/// Whether a path in the folder of an archive is one of a wheel's.
pub(super) fn is_in_one(path: &Path) -> bool {
    path.starts_with(WHEEL) || is_in_listed(path)
}

/// Whether it is one of a wheel whose files are those of its list.
pub(super) fn is_in_listed(path: &Path) -> bool {
    path.starts_with(AS_LISTED)
}

/// Whether anything is asked of a file.
pub(super) fn is_read(path: &Path) -> bool {
    let name = path.to_string_lossy();
    !is_in_listed(path) || name.contains(".dist-info") || installation::is_library(&name)
}

/// Where a wheel is unpacked: below the folder of the Python that its name is for, of one for
/// many below that of none.
pub(super) fn unpacked_to(wheel: &Place, is_as_listed: bool) -> PathBuf {
    let name = wheel.name();
    let mut parts = name.rsplit('-').skip(1);
    let (abi, python) = (parts.next(), parts.next());
    let minor = python.zip(abi).filter(|(python, abi)| python == abi);
    let minor = minor.and_then(|(python, _)| python.strip_prefix("cp3"));
    let python = minor.map_or_else(|| "python".to_owned(), |minor| format!("python3.{minor}"));
    let top = if is_as_listed { AS_LISTED } else { WHEEL };
    [top, "lib", &python, "site-packages"].iter().collect()
}

/// Whether the files of a wheel that Python or its loader opens are those of its list, by
/// their names and sizes.
pub(super) fn is_as_listed(members: Members<'_>) -> bool {
    let mut found: HashMap<String, u64> = HashMap::new();
    let mut record = Vec::new();
    let is_whole = members(&mut |mut member| {
        let name = String::from_utf8_lossy(&member.name).into_owned();
        if name.ends_with(".dist-info/RECORD") {
            let read = match &mut member.body {
                Body::Stored(bytes) => bytes.take(MAX_RECORD).read_to_end(&mut record),
                Body::Packed(stream) | Body::Holed(stream) => {
                    stream.take(MAX_RECORD).read_to_end(&mut record)
                }
                Body::Absent(_) | Body::Link(..) | Body::Folder => Ok(0),
            };
            return read.is_ok();
        }
        if name.ends_with(".py") || installation::is_library(&name) {
            found.insert(name, member.size);
        }
        found.len() < MAX_MEMBERS
    });
    let record = String::from_utf8_lossy(&record);
    let listed: Vec<_> = installation::listed(&record).collect();
    let is_there = |(file, size): &(&str, Option<u64>)| {
        let there = found.get(*file);
        there.is_some_and(|there| size.is_none_or(|size| size == *there))
    };
    is_whole && listed.len() == found.len() && listed.iter().all(is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_becomes_packages_of_the_python_that_it_is_for() {
        let of = |tags: &str| unpacked_to(&Place::file(format!("a-1-{tags}.whl")), false);
        let own = of("cp312-cp312-win_amd64");
        assert!(own.ends_with("lib/python3.12/site-packages"), "{own:?}");
        for many in ["py3-none-any", "cp39-abi3-linux_x86_64"] {
            let found = of(many);
            assert!(found.ends_with("lib/python/site-packages"), "{found:?}");
        }
    }
}
