//! Python environments in archives (a layer of an image, conda-pack, a packed virtual
//! environment), as the folders that they become: what is asked of packages is asked of
//! these folders, which are made for it and are gone afterwards.
//!
//! Of an environment those files are written that such questions read. No link is: what it
//! leads to is there under its name, if that is a file of the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use crate::artifact::Artifact;
use crate::container::{Body, Member};
use crate::limits::MAX_UNPACKED_BYTES;
use crate::place::Place;
use crate::runtime::{grouping, installation};
use crate::source;

/// Libraries up to this size are written whole, larger ones where they are TVM's.
const MAX_LIBRARY: u64 = 16 << 20;
/// Bytes that tell the machine of a library that is not written whole.
const HEAD: u64 = 64 << 10;
/// Folders of TVM's libraries.
const OWN: [&str; 2] = ["/tvm/", "/tvm_ffi/"];

/// An archive with environments in it.
pub(super) struct Archived {
    archive: Place,
    folder: TempDir,
    /// The environments, below the folder.
    pub(super) sites: BTreeSet<PathBuf>,
    /// What stands before the names of its members.
    start: &'static str,
}

impl Archived {
    /// The archives that hold an environment of some artifacts; or the environment, where
    /// there is no room for it.
    pub(super) fn all<'a>(
        artifacts: impl Iterator<Item = &'a Artifact>,
    ) -> Vec<Result<Self, Place>> {
        let members = artifacts.filter(|artifact| artifact.path.is_member());
        let sites = members.filter_map(|artifact| grouping::environment(&artifact.path));
        let archives = sites.filter_map(|site| Some((site.archive()?, site)));
        let archives: BTreeMap<Place, Place> = archives.collect();
        let archives = archives.into_iter();
        archives
            .map(|(archive, site)| Self::of(archive).ok_or(site))
            .collect()
    }

    fn of(archive: Place) -> Option<Self> {
        let mut all = Self {
            folder: tempfile::tempdir().ok()?,
            archive: archive.clone(),
            sites: BTreeSet::new(),
            start: "",
        };
        let mut links = Vec::new();
        let size = std::fs::metadata(archive.path()).ok()?.len();
        let mut left = source::most_unpacked(size);
        source::all_members(&archive, &mut |mut member: Member<'_, '_>| {
            let Some(name) = safe_name(&member.name) else {
                return true;
            };
            if member.name.starts_with(b"./") {
                all.start = "./";
            }
            all.sites.extend(site_of(&name));
            if let Body::Link(target, is_soft) = &member.body {
                links.extend(target_of(&name, target, *is_soft).map(|target| (name, target)));
                return true;
            }
            if matches!(member.body, Body::Folder) {
                let made = std::fs::create_dir_all(all.folder.path().join(&name));
                return made.is_ok();
            }
            // A disk that is full leaves files out: nothing may be said then.
            let wrote = write(&all.folder.path().join(&name), &name, &mut member, left);
            left = left.saturating_sub(wrote.as_ref().copied().unwrap_or(u64::MAX));
            left > 0
        });
        for (name, target) in links {
            let (name, target) = (all.folder.path().join(name), all.folder.path().join(target));
            if let Some(folder) = name.parent()
                && target.is_file()
            {
                let made = std::fs::create_dir_all(folder);
                let _ = made.and_then(|()| std::fs::hard_link(&target, &name));
            }
        }
        let folder = all.folder.path();
        all.sites = all.sites.iter().map(|site| folder.join(site)).collect();
        (left > 0).then_some(all)
    }

    /// Where in the archive a path of its folder is.
    pub(super) fn place(&self, path: &Path) -> Option<Place> {
        let below = path.strip_prefix(self.folder.path()).ok()?;
        let name = format!("{}{}", self.start, below.to_str()?.replace('\\', "/"));
        Some(self.archive.member(name.as_bytes(), 1))
    }
}

/// Where a member is written: a name that leads nowhere else.
fn safe_name(name: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(name).ok()?;
    let path = Path::new(text);
    let is_plain = |part: &Component<'_>| matches!(part, Component::Normal(_));
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let is_safe = source::leads_out(name).is_none() && parts.clone().all(|part| is_plain(&part));
    is_safe.then(|| parts.collect())
}

/// The environment that a file of this name lies in.
fn site_of(name: &Path) -> Option<PathBuf> {
    let place = grouping::environment(&Place::file(name))?;
    Some(place.path().to_owned())
}

/// The name of the member that a link leads to.
fn target_of(name: &Path, target: &[u8], is_soft: bool) -> Option<PathBuf> {
    let from = match is_soft {
        true => name.parent()?.join(std::str::from_utf8(target).ok()?),
        false => PathBuf::from(std::str::from_utf8(target).ok()?),
    };
    let place = Place::file(from).without_dots();
    safe_name(place.path().to_str()?.as_bytes())
}

/// Writes what is asked of a member; how many bytes that is.
fn write(file: &Path, name: &Path, member: &mut Member<'_, '_>, left: u64) -> io::Result<u64> {
    let shown = name.to_string_lossy().replace('\\', "/");
    let is_library = installation::is_library(&shown);
    let is_in_site = site_of(name).is_some();
    let is_text =
        shown.ends_with(".py") || shown.ends_with(".pth") || shown.contains(".dist-info/");
    let is_own = OWN.iter().any(|own| shown.contains(own));
    let most = match is_library {
        _ if shown.ends_with("pyvenv.cfg") || (is_in_site && is_text) => u64::MAX,
        true if is_own || member.size <= MAX_LIBRARY => u64::MAX,
        true => HEAD,
        false => 0,
    };
    let most: u64 = left.min(most);
    if !is_in_site && most == 0 {
        return Ok(0);
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut out = File::create(file)?;
    let written = match &mut member.body {
        Body::Stored(bytes) => io::copy(&mut bytes.take(most), &mut out)?,
        Body::Packed(stream) | Body::Holed(stream) => io::copy(&mut stream.take(most), &mut out)?,
        Body::Absent(_) | Body::Link(..) | Body::Folder => 0,
    };
    // What is not written has its size all the same.
    if written < member.size {
        out.set_len(member.size.min(MAX_UNPACKED_BYTES))?;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_member_is_written_elsewhere() {
        for name in ["../a", "/a", "a/../../b", "..\\a", "C:\\a"] {
            assert_eq!(safe_name(name.as_bytes()), None, "{name}");
        }
        assert_eq!(safe_name(b"./a/b"), Some(PathBuf::from("a/b")));
        let of = |target: &str, is_soft| target_of(Path::new("a/b/c"), target.as_bytes(), is_soft);
        assert_eq!(of("../d", true), Some(PathBuf::from("a/d")));
        assert_eq!(of("a/d", false), Some(PathBuf::from("a/d")));
        assert_eq!(of("../../../d", true), None);
        assert_eq!(of("/etc/passwd", true), None);
    }
}
