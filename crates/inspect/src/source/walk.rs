//! The files below some paths.
//!
//! No ignore file is honoured: model libraries usually lie in a git-ignored
//! `dist/`. Every file is listed once, however many links lead to it.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::collections::HashSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

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
    /// Files passed over by their suffix.
    pub passed_over: usize,
}

/// What makes two paths the same file.
#[derive(PartialEq, Eq, Hash)]
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

/// Lists the files below `paths`.
pub fn walk(paths: &[PathBuf]) -> Walk {
    let mut walker = Walker::default();
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
    seen: HashSet<Identity>,
    links: Vec<PathBuf>,
}

impl Walker {
    fn root(&mut self, path: &Path) {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.tree(path),
            Ok(metadata) => self.file(path, &metadata),
            Err(error) => self.problem(path, ProblemKind::Unreadable, error),
        }
    }

    fn tree(&mut self, root: &Path) {
        let mut entries = WalkDir::new(root).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                // The root is a directory even where it is reached by a link.
                Ok(entry) if entry.depth() == 0 || entry.file_type().is_dir() => {
                    // A directory reached before, through a link, ends here:
                    // loops and diamonds are walked once.
                    if !self.enter(&entry) {
                        entries.skip_current_dir();
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
            Ok(metadata) => {
                identity(entry.path(), &metadata).is_none_or(|identity| self.seen.insert(identity))
            }
            Err(error) => {
                self.problem(entry.path(), ProblemKind::Unreadable, error);
                false
            }
        }
    }

    fn entry(&mut self, entry: &DirEntry) {
        let path = entry.path();
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        if suffix.is_some_and(|suffix| PASSED_OVER.contains(&suffix)) {
            if DocumentKind::of(path).is_some() {
                self.walk.documents.push(path.to_owned());
                return;
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
            Ok(metadata) => self.file(path, &metadata),
            Err(error) => self.problem(path, ProblemKind::Unreadable, error),
        }
    }

    fn link(&mut self, path: &Path) {
        match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => self.file(path, &metadata),
            Ok(_) if leads_up(path) => {
                let detail = "it links to a directory above it";
                self.problem(path, ProblemKind::DirectoryLoop, detail);
            }
            // A tree seen before ends at once, see `enter`.
            Ok(_) => self.tree(path),
            Err(error) => self.problem(path, ProblemKind::Unreadable, error),
        }
    }

    fn file(&mut self, path: &Path, metadata: &Metadata) {
        if !metadata.is_file() {
            self.problem(
                path,
                ProblemKind::NotAFile,
                "a FIFO, socket or device is not opened",
            );
            return;
        }
        if identity(path, metadata).is_none_or(|identity| self.seen.insert(identity)) {
            self.walk.files.push(FoundFile {
                path: path.to_owned(),
                size: metadata.len(),
            });
        }
    }

    fn problem(&mut self, path: &Path, kind: ProblemKind, detail: impl std::fmt::Display) {
        self.walk.problems.push(Problem {
            place: Place::file(path),
            kind,
            detail: detail.to_string(),
        });
    }
}
