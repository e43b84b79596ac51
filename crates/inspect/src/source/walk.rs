//! The files below some paths.
//!
//! No ignore file is honoured: model libraries usually lie in a git-ignored
//! `dist/`. Every file is listed once, however many symbolic links lead to it; a
//! hard link is another file of the same bytes, as package managers make them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{Place, Problem, ProblemKind, image_folder, map};
use crate::documents::DocumentKind;

/// Suffixes of files that are never an artifact and are met by the thousand in
/// environments and source trees. Files given by name are looked at anyway.
const PASSED_OVER: [&str; 47] = [
    "py",
    "pyc",
    "pyi",
    "pyx",
    "pxd",
    "h",
    "hpp",
    "hh",
    "inc",
    "td",
    "c",
    "cc",
    "cpp",
    "cu",
    "cuh",
    "m",
    "mm",
    "rs",
    "go",
    "java",
    "class",
    "dex",
    "xml",
    "kt",
    "swift",
    "js",
    "ts",
    "mjs",
    "map",
    "css",
    "html",
    "md",
    "rst",
    "txt",
    "json",
    "jsonl",
    "yaml",
    "yml",
    "toml",
    "cfg",
    "cmake",
    "csv",
    "svg",
    "png",
    "jpg",
    "safetensors",
    "ipynb",
];

/// Suffixes whose files must be a binary or an archive: anything else under
/// such a name is worth a word.
const ARTIFACT_SUFFIXES: [&str; 9] = ["so", "dylib", "dll", "wasm", "o", "a", "tar", "whl", "tgz"];

/// Whether files with such a suffix, in small letters, should be binaries or archives.
pub(crate) fn is_artifact_suffix(suffix: &str) -> bool {
    ARTIFACT_SUFFIXES.contains(&suffix)
}

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Hard links to it that were met too.
    pub links: Vec<PathBuf>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Walk {
    /// Files, largest first: the longest job starts first.
    pub files: Vec<FoundFile>,
    /// What could not be listed.
    pub problems: Vec<Problem>,
    /// Documents that stand beside model libraries, in walking order.
    pub documents: Vec<PathBuf>,
    /// Folders of npm packages that may load wasm libraries.
    pub packages: Vec<PathBuf>,
    /// Folders in which Python packages are installed.
    pub sites: Vec<PathBuf>,
    /// Files passed over by their suffix.
    pub passed_over: usize,
}

impl Walk {
    /// Makes one file of what was met in an image of a container.
    fn take_image(&mut self, image: PathBuf) {
        let is_out = |path: &PathBuf| !path.starts_with(&image);
        let mut size: u64 = 0;
        self.files.retain_mut(|file| {
            file.links.retain(&is_out);
            if is_out(&file.path) {
                return true;
            }
            size = size.saturating_add(file.size);
            let other = file.links.pop();
            let is_elsewhere = other.is_some();
            file.path = other.unwrap_or_default();
            is_elsewhere
        });
        for paths in [&mut self.documents, &mut self.packages, &mut self.sites] {
            paths.retain(&is_out);
        }
        self.problems
            .retain(|problem| !problem.place.path().starts_with(&image));
        self.files.push(FoundFile {
            path: image,
            size,
            links: Vec::new(),
        });
    }
}

/// The folder of a `package.json`, if its name is one that a package with tvmjs has,
/// installed (`@mlc-ai/web-llm`) or unpacked by hand (`package`).
fn npm_package(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|_| path.ends_with("package.json"))?;
    let name = folder.file_name()?.to_str()?;
    matches!(name, "web-llm" | "web-runtime" | "package").then(|| folder.to_owned())
}

/// Whether a folder is one in which Python packages are installed.
pub(crate) fn is_site(folder: &Path) -> bool {
    let sites = ["site-packages", "dist-packages"];
    folder
        .file_name()
        .is_some_and(|name| sites.iter().any(|site| name == *site))
}

/// What makes two paths the same file.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Identity {
    #[cfg(unix)]
    Inode(u64, u64),
    #[cfg(not(unix))]
    Path(PathBuf),
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps)]
fn identity(_path: &Path, metadata: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some(Identity::Inode(metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path, _metadata: &Metadata) -> Option<Identity> {
    path.canonicalize().ok().map(Identity::Path)
}

/// Whether two paths are one file, which a process loads once.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let of = |path: &Path| identity(path, &std::fs::metadata(path).ok()?);
    of(one)
        .zip(of(other))
        .is_some_and(|(one, other)| one == other)
}

/// Whether two files have the same bytes.
pub(crate) fn is_copy(one: &Path, other: &Path) -> bool {
    let open = |path: &Path| map::open(path).ok();
    let both = open(one).zip(open(other));
    both.is_some_and(|(one, other)| *one == *other)
}

/// Whether the system knows the file under several names.
#[cfg(unix)]
fn has_hard_links(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.nlink() > 1
}

#[cfg(not(unix))]
fn has_hard_links(_metadata: &Metadata) -> bool {
    false
}

/// What makes two paths the same name of a file: the folder and the name in it.
fn name_in_folder(path: &Path) -> Option<(Identity, OsString)> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let identity = identity(folder, &std::fs::metadata(folder).ok()?)?;
    Some((identity, path.file_name()?.to_owned()))
}

/// Lists the files below `paths`.
pub fn walk(paths: &[PathBuf]) -> Walk {
    let mut walker = Walker::default();
    for path in paths {
        walker.root(path);
    }
    while let Some(link) = walker.links.pop() {
        walker.link(&link);
    }
    let images: BTreeSet<PathBuf> = walker.images.into_iter().collect();
    let mut walk = walker.walk;
    // Those inside others first.
    let images = images.into_iter().rev();
    images.for_each(|image| walk.take_image(image));
    walk.documents.sort();
    walk.documents.dedup();
    walk.files
        .sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
    walk
}

/// Whether files with such a suffix are passed over.
pub(crate) fn is_passed_over(suffix: &str) -> bool {
    PASSED_OVER.contains(&suffix)
}

/// Whether a file is one that artcheck was writing when it was killed: half of a
/// library that has another name.
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".artcheck-") && name.ends_with(b".tmp")
}

/// Whether a link that leads to no file was to lead to one that is looked at, by its name:
/// systems are full of others.
fn is_missed(link: &Path) -> bool {
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let suffix = name.rsplit('.').next().unwrap_or_default();
    let words = ["tvm", "mlc", ".so."];
    suffix == "pyd" || is_artifact_suffix(suffix) || words.iter().any(|word| name.contains(word))
}

fn leads_up(link: &Path) -> bool {
    let target = link.canonicalize().ok();
    let parent = link.parent().and_then(|parent| parent.canonicalize().ok());
    target
        .zip(parent)
        .is_some_and(|(target, parent)| parent.starts_with(target))
}

#[derive(Default)]
struct Walker {
    walk: Walk,
    /// Directories.
    entered: HashSet<Identity>,
    /// Files, by their place in the list.
    seen: HashMap<Identity, usize>,
    /// Names of files that have several.
    names: HashSet<(Identity, OsString)>,
    links: Vec<PathBuf>,
    /// Folders that are images of containers.
    images: Vec<PathBuf>,
}

impl Walker {
    fn root(&mut self, path: &Path) {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.tree(path),
            // What was asked about is not passed over.
            Ok(metadata) if !metadata.is_file() => {
                let detail = "it is a pipe, a socket or a device, which is not opened: write what it holds to a file, and scan that";
                self.problem(path, ProblemKind::Unreadable, detail);
            }
            Ok(metadata) => {
                let by_link = path.is_symlink();
                self.file(path, &metadata, by_link);
                self.parameters_beside(path);
            }
            Err(error) => self.problem(path, ProblemKind::Unreadable, error),
        }
    }

    /// The weights of a library that is named by itself lie in `params/` beside it.
    fn parameters_beside(&mut self, library: &Path) {
        let folder = library.with_file_name("params");
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if DocumentKind::of(&path).is_some() {
                self.walk.documents.push(path);
            }
        }
    }

    fn tree(&mut self, root: &Path) {
        // Siblings differ in their names alone: whole paths compare as the names do,
        // which are not cut out for it.
        let by_name = |a: &DirEntry, b: &DirEntry| a.path().as_os_str().cmp(b.path().as_os_str());
        let mut entries = WalkDir::new(root).sort_by(by_name).into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                // The root is a directory even where it is reached by a link.
                Ok(entry) if entry.depth() == 0 || entry.file_type().is_dir() => {
                    // A directory reached before, through a link, ends here:
                    // loops and diamonds are walked once.
                    if !self.enter(&entry) {
                        entries.skip_current_dir();
                    } else if is_site(entry.path()) {
                        self.walk.sites.push(entry.into_path());
                    }
                }
                Ok(entry) => self.entry(&entry),
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    self.problem(&path, ProblemKind::Unreadable, error);
                }
            }
        }
    }

    fn enter(&mut self, entry: &DirEntry) -> bool {
        // The root of a walk may itself be a link.
        let metadata = if entry.depth() == 0 {
            std::fs::metadata(entry.path())
        } else {
            entry.metadata().map_err(std::io::Error::from)
        };
        match metadata {
            Ok(metadata) => identity(entry.path(), &metadata)
                .is_none_or(|identity| self.entered.insert(identity)),
            Err(error) => {
                self.problem(entry.path(), ProblemKind::Unreadable, error);
                false
            }
        }
    }

    fn entry(&mut self, entry: &DirEntry) {
        let path = entry.path();
        let name = entry.file_name();
        if is_temporary(name) {
            self.walk.passed_over = self.walk.passed_over.saturating_add(1);
            return;
        }
        let around = path.parent().filter(|_| image_folder::is_mark(name));
        let image = around.filter(|folder| image_folder::is_image(folder));
        self.images.extend(image.map(Path::to_owned));
        let suffix = Path::new(name).extension();
        let suffix = suffix.and_then(|suffix| suffix.to_str());
        if let Some(suffix) = suffix.filter(|suffix| is_passed_over(suffix)) {
            if suffix == "json" {
                if DocumentKind::of(path).is_some() {
                    self.walk.documents.push(path.to_owned());
                    return;
                }
                self.walk.packages.extend(npm_package(path));
            }
            self.walk.passed_over = self.walk.passed_over.saturating_add(1);
            return;
        }
        if entry.path_is_symlink() {
            // What it points at counts, and under its real path if that is
            // met too: links are followed last.
            self.links.push(path.to_owned());
            return;
        }
        match entry.metadata() {
            Ok(metadata) => self.file(path, &metadata, false),
            Err(error) => self.problem(path, ProblemKind::Unreadable, error),
        }
    }

    fn link(&mut self, path: &Path) {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() && leads_up(path) => {
                let detail = "it links to a directory above it";
                self.problem(path, ProblemKind::DirectoryLoop, detail);
            }
            // A tree seen before ends at once, see `enter`.
            Ok(metadata) if metadata.is_dir() => self.tree(path),
            Ok(metadata) if metadata.is_file() || is_missed(path) => {
                self.file(path, &metadata, true);
            }
            Err(error) if is_missed(path) || error.kind() != ErrorKind::NotFound => {
                let gone = std::fs::read_link(path).ok();
                let gone = gone.filter(|_| error.kind() == ErrorKind::NotFound);
                let detail =
                    gone.map(|to| format!("it links to {}, which is not there", to.display()));
                self.problem(
                    path,
                    ProblemKind::Unreadable,
                    detail.unwrap_or_else(|| error.to_string()),
                );
            }
            _ => self.walk.passed_over = self.walk.passed_over.saturating_add(1),
        }
    }

    fn file(&mut self, path: &Path, metadata: &Metadata, by_link: bool) {
        if !metadata.is_file() {
            self.problem(
                path,
                ProblemKind::NotAFile,
                "a FIFO, socket or device is not opened",
            );
            return;
        }
        let new_name = has_hard_links(metadata)
            && !by_link
            && name_in_folder(path).is_none_or(|name| self.names.insert(name));
        let files = &mut self.walk.files;
        if let Some(identity) = identity(path, metadata) {
            match self.seen.entry(identity) {
                Entry::Vacant(free) => {
                    free.insert(files.len());
                }
                Entry::Occupied(known) => {
                    let file = files.get_mut(*known.get()).filter(|_| new_name);
                    if let Some(file) = file {
                        file.links.push(path.to_owned());
                    }
                    return;
                }
            }
        }
        files.push(FoundFile {
            path: path.to_owned(),
            size: metadata.len(),
            links: Vec::new(),
        });
    }

    fn problem(&mut self, path: &Path, kind: ProblemKind, detail: impl std::fmt::Display) {
        self.walk.problems.push(Problem {
            place: Place::file(path),
            kind,
            detail: detail.to_string(),
            size: 0,
        });
    }
}
