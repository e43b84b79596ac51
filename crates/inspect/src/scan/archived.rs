//! Python environments in archives (a layer of an image, conda-pack, a packed virtual
//! environment), as the folders that they become: what is asked of packages is asked of
//! these folders, which are made for it and are gone afterwards. So is a wheel, which pip
//! unpacks into the folder of the Python that it is for.
//!
//! Of an environment those files are written that such questions read. No link is: what it
//! leads to is there under its name, if that is a file of the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use super::wheel;
use crate::artifact::Artifact;
use crate::container::{Body, Member};
use crate::limits::{MAX_MEMBERS, MAX_UNPACKED_BYTES};
use crate::place::Place;
use crate::runtime::{grouping, installation};
use crate::source::{self, Members};

/// Libraries up to this size are written whole, larger ones where they are TVM's.
const MAX_LIBRARY: u64 = 16 << 20;
/// Bytes that tell the machine of a library that is not written whole.
const HEAD: u64 = 64 << 10;
/// Links that lead to links, one after the other.
const MOST_LINKS: usize = 8;
/// Folders of TVM's libraries.
const OWN: [&str; 2] = ["/tvm/", "/tvm_ffi/"];

/// An archive with environments in it.
pub(super) struct Archived {
    archive: Place,
    /// Is removed with it.
    _folder: TempDir,
    /// Where that is.
    root: PathBuf,
    /// The environments, below the folder.
    pub(super) sites: BTreeSet<PathBuf>,
    /// What stands before the names of its members.
    start: &'static str,
    /// Where pip unpacks them, of a wheel.
    below: PathBuf,
}

/// What is left to do of an archive.
struct Unpacking {
    /// Bytes that may still be written.
    left: u64,
    members: usize,
    /// The names of links, and of the members that they lead to.
    links: Vec<(PathBuf, Option<PathBuf>)>,
}

/// The archives that hold an environment of some artifacts, each with one of them, by the
/// file that they lie in.
pub(super) fn archives<'a>(
    artifacts: impl Iterator<Item = &'a Artifact>,
) -> BTreeMap<Place, BTreeMap<Place, Place>> {
    let members = artifacts.filter(|artifact| artifact.path.is_member());
    let sites = members.filter_map(|artifact| {
        let site = grouping::environment(&artifact.path);
        let site = site.filter(|site| source::is_site(Path::new(&*site.name())));
        match site {
            Some(site) => Some((site.archive()?, site)),
            None => {
                let archive = artifact.path.archive().filter(wheel::is_wheel)?;
                Some((archive.clone(), archive))
            }
        }
    });
    let mut found: BTreeMap<Place, BTreeMap<Place, Place>> = BTreeMap::new();
    for (archive, site) in sites {
        let of_file = found.entry(archive.whole_file()).or_default();
        of_file.insert(archive, site);
    }
    found
}

/// Hands out the archives of a file, unpacked, one after the other: each takes room on the
/// disk. Those that are not are named in what is returned.
pub(super) fn unpack(
    file: &Place,
    mut archives: BTreeMap<Place, Place>,
    each: &mut dyn FnMut(&Archived),
) -> impl Iterator<Item = Place> + use<> {
    let wanted: BTreeSet<Place> = archives.keys().cloned().collect();
    source::archives_in(file, &wanted, &mut |archive, members| {
        if let Some(unpacked) = Archived::of(archive, members) {
            archives.remove(archive);
            each(&unpacked);
        }
    });
    archives.into_values()
}

impl Archived {
    /// Unpacks the environments of an archive; `None` where that is not done whole: then
    /// nothing may be said of what lacks.
    fn of(archive: &Place, members: Members<'_>) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let mut all = Self {
            root: folder.path().canonicalize().ok()?,
            _folder: folder,
            archive: archive.clone(),
            sites: BTreeSet::new(),
            start: "",
            below: match wheel::is_wheel(archive) {
                true => wheel::unpacked_to(archive, wheel::is_as_listed(members)),
                false => PathBuf::new(),
            },
        };
        let size = source::size_of(archive.path())?;
        let mut unpacking = Unpacking {
            left: source::most_unpacked(size),
            members: 0,
            links: Vec::new(),
        };
        let mut is_whole = true;
        let is_read = members(&mut |mut member: Member<'_, '_>| {
            is_whole &= all.take(&mut member, &mut unpacking).is_some();
            is_whole
        });
        (is_read && is_whole && all.link(unpacking.links)).then_some(all)
    }

    /// Writes what is asked of a member; `None` where that fails, or is too much.
    fn take(&mut self, member: &mut Member<'_, '_>, unpacking: &mut Unpacking) -> Option<()> {
        unpacking.members = unpacking.members.saturating_add(1);
        if unpacking.members > MAX_MEMBERS {
            return None;
        }
        let Some(name) = safe_name(&member.name) else {
            return Some(());
        };
        let name = self.below.join(name);
        if !wheel::is_read(&name) {
            return Some(());
        }
        if member.name.starts_with(b"./") {
            self.start = "./";
        }
        self.sites
            .extend(site_of(&name).map(|site| self.root.join(site)));
        let file = self.root.join(&name);
        match &member.body {
            Body::Link(target, is_soft) => {
                let target = target_of(&name, target, *is_soft).map(|to| match is_soft {
                    true => to,
                    false => self.below.join(to),
                });
                unpacking.links.push((name, target));
            }
            Body::Folder if site_of(&name.join("x")).is_some() => {
                std::fs::create_dir_all(file).ok()?;
            }
            Body::Folder => {}
            _ => {
                let wrote = write(&file, &name, member, unpacking.left).ok()?;
                unpacking.left = unpacking.left.checked_sub(wrote).filter(|left| *left > 0)?;
            }
        }
        Some(())
    }

    /// Puts the files that links lead to under the links' names too; whether all that
    /// lie in an environment lead to a file of the archive.
    fn link(&self, mut links: Vec<(PathBuf, Option<PathBuf>)>) -> bool {
        // A link may lead to another.
        for _ in 0..MOST_LINKS {
            let before = links.len();
            links.retain(|(name, target)| {
                let target = target.as_ref().map(|target| self.root.join(target));
                let target = target.filter(|target| target.is_file());
                let name = self.root.join(name);
                let made = target.zip(name.parent()).map(|(target, folder)| {
                    std::fs::create_dir_all(folder)?;
                    std::fs::hard_link(target, &name)
                });
                made.is_none_or(|made| made.is_err())
            });
            if links.len() == before {
                break;
            }
        }
        links.iter().all(|(name, _)| site_of(name).is_none())
    }

    /// The folder that it is in.
    pub(super) fn folder(&self) -> &Path {
        &self.root
    }

    /// Whether it is a wheel, and no environment.
    pub(super) fn is_wheel(&self) -> bool {
        wheel::is_wheel(&self.archive)
    }

    /// Where in the archive a path of its folder is.
    pub(super) fn place(&self, path: &Path) -> Option<Place> {
        let below = path.strip_prefix(self.root.join(&self.below)).ok()?;
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
    let mut around = name.ancestors().skip(1);
    around
        .find(|folder| source::is_site(folder))
        .map(Path::to_owned)
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

/// Whether a file tells what the folder for packages around or beside it is.
fn tells_of_python(name: &str) -> bool {
    const FILES: [&str; 3] = ["pyvenv.cfg", "/os.py", "conda-meta/history"];
    FILES.iter().any(|file| name.ends_with(file))
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
        _ if tells_of_python(&shown) || (is_in_site && is_text) => u64::MAX,
        true if wheel::is_in_one(name) && !shown.contains("/core.") => HEAD,
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
