//! The files below some paths.
//!
//! No ignore file is honoured: model libraries usually lie in a git-ignored
//! `dist/`. Every file is listed once, however many symbolic links lead to it; a
//! hard link is another file of the same bytes, as package managers make them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, Metadata};
use std::path::{Path, PathBuf};

use super::{Place, Problem, ProblemKind};
use crate::documents::DocumentKind;

/// Suffixes of files that are never an artifact and are met by the thousand in
/// environments and source trees. Files given by name are looked at anyway.
const PASSED_OVER: [&str; 44] = [
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
    /// Files passed over by their suffix.
    pub passed_over: usize,
}

/// The folder of a `package.json`, if its name is one that a package with tvmjs has,
/// installed (`@mlc-ai/web-llm`) or unpacked by hand (`package`).
fn npm_package(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|_| path.ends_with("package.json"))?;
    let name = folder.file_name()?.to_str()?;
    matches!(name, "web-llm" | "web-runtime" | "package").then(|| folder.to_owned())
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
    let mut walker = Walker {
        // One tree has no folder twice, as long as no link is followed.
        is_tree: paths.len() == 1,
        ..Walker::default()
    };
    for path in paths {
        walker.root(path);
    }
    while let Some(link) = walker.links.pop() {
        walker.link(&link);
    }
    let mut walk = walker.walk;
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

fn leads_up(link: &Path, target: &Path) -> bool {
    let parent = link.parent().and_then(|parent| parent.canonicalize().ok());
    parent.is_some_and(|parent| parent.starts_with(target))
}

/// What follows the last dot of a name, if something is before it.
fn suffix(name: &OsStr) -> Option<&str> {
    let name = name.as_encoded_bytes();
    let dot = memchr::memrchr(b'.', name).filter(|dot| *dot > 0)?;
    std::str::from_utf8(name.get(dot..)?.get(1..)?).ok()
}

/// A folder or a file of a folder that is walked.
struct Child {
    name: OsString,
    is_folder: bool,
    is_link: bool,
}

#[derive(Default)]
struct Walker {
    walk: Walk,
    /// Whether all folders so far are below the one path that was given.
    is_tree: bool,
    /// Those folders: what they are is asked when another way may lead to one of them.
    unidentified: Vec<PathBuf>,
    /// Folders that were walked with all below them, by their real paths.
    trees: Vec<PathBuf>,
    /// Directories.
    entered: HashSet<Identity>,
    /// Files, by their place in the list.
    seen: HashMap<Identity, usize>,
    /// Names of files that have several.
    names: HashSet<(Identity, OsString)>,
    links: Vec<PathBuf>,
}

impl Walker {
    fn root(&mut self, path: &Path) {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.tree(path),
            Ok(metadata) => {
                let by_link = path.is_symlink();
                self.file(path, &metadata, by_link);
            }
            Err(error) => self.problem(path, ProblemKind::Unreadable, error),
        }
    }

    fn tree(&mut self, root: &Path) {
        if !self.enter(root) {
            return;
        }
        let mut open = vec![(root.to_owned(), self.children(root, root))];
        while let Some((folder, left)) = open.last_mut() {
            let Some(child) = left.next() else {
                open.pop();
                continue;
            };
            let path = folder.join(&child.name);
            if !child.is_folder {
                self.entry(&path, &child);
            // A directory reached before, through a link, ends here: loops and diamonds
            // are walked once.
            } else if self.enter(&path) {
                let children = self.children(&path, root);
                open.push((path, children));
            }
        }
        self.trees.extend(root.canonicalize());
    }

    /// What a folder holds, in the order of names: paths are made for what counts alone.
    fn children(&mut self, folder: &Path, root: &Path) -> std::vec::IntoIter<Child> {
        let mut children = Vec::new();
        match std::fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    match entry.and_then(|entry| self.child(&entry)) {
                        Ok(child) => children.extend(child),
                        Err(error) => self.problem(root, ProblemKind::Unreadable, error),
                    }
                }
            }
            Err(error) => self.unlisted(folder, &error),
        }
        children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        children.into_iter()
    }

    /// One entry of a folder, if it is looked at.
    fn child(&mut self, entry: &DirEntry) -> std::io::Result<Option<Child>> {
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let suffix = suffix(&name);
        let is_needless = is_temporary(&name)
            || suffix.is_some_and(|suffix| suffix != "json" && is_passed_over(suffix));
        if is_needless && !kind.is_dir() {
            self.pass_over();
            return Ok(None);
        }
        Ok(Some(Child {
            name,
            is_folder: kind.is_dir(),
            is_link: kind.is_symlink(),
        }))
    }

    fn pass_over(&mut self) {
        self.walk.passed_over = self.walk.passed_over.saturating_add(1);
    }

    fn unlisted(&mut self, folder: &Path, error: &std::io::Error) {
        let detail = format!("IO error for operation on {}: {error}", folder.display());
        self.problem(folder, ProblemKind::Unreadable, detail);
    }

    /// Whether a folder was not entered before.
    fn enter(&mut self, folder: &Path) -> bool {
        if self.is_tree {
            self.unidentified.push(folder.to_owned());
            return true;
        }
        match std::fs::metadata(folder) {
            Ok(metadata) => {
                identity(folder, &metadata).is_none_or(|identity| self.entered.insert(identity))
            }
            Err(error) => {
                self.problem(folder, ProblemKind::Unreadable, error);
                false
            }
        }
    }

    /// From here on folders may be met that were entered before.
    fn identify(&mut self) {
        self.is_tree = false;
        for folder in std::mem::take(&mut self.unidentified) {
            let metadata = std::fs::metadata(&folder);
            let identity = metadata.ok().and_then(|found| identity(&folder, &found));
            self.entered.extend(identity);
        }
    }

    /// Whether everything below a folder was met: nothing then was left out.
    fn has_walked(&self, folder: &Path) -> bool {
        let mut trees = self.trees.iter();
        self.walk.problems.is_empty() && trees.any(|tree| folder.starts_with(tree))
    }

    fn entry(&mut self, path: &Path, child: &Child) {
        // The others were passed over when they were met.
        if suffix(&child.name) == Some("json") {
            if DocumentKind::of(path).is_some() {
                self.walk.documents.push(path.to_owned());
                return;
            }
            self.walk.packages.extend(npm_package(path));
            self.pass_over();
            return;
        }
        if child.is_link {
            // What it points at counts, and under its real path if that is
            // met too: links are followed last.
            self.links.push(path.to_owned());
            return;
        }
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => self.file(path, &metadata, false),
            Err(error) => self.unlisted(path, &error),
        }
    }

    fn link(&mut self, path: &Path) {
        match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => self.file(path, &metadata, true),
            Ok(_) => self.linked_folder(path),
            Err(error) => self.problem(path, ProblemKind::Unreadable, error),
        }
    }

    fn linked_folder(&mut self, path: &Path) {
        let real = path.canonicalize().ok();
        if real.as_ref().is_some_and(|real| leads_up(path, real)) {
            let detail = "it links to a directory above it";
            self.problem(path, ProblemKind::DirectoryLoop, detail);
        } else if !real.is_some_and(|real| self.has_walked(&real)) {
            self.identify();
            // A tree seen before ends at once, see `enter`.
            self.tree(path);
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
