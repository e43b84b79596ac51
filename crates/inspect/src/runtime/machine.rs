//! The machine that a scan may claim to be whole: where its loader looks beside run
//! paths, and so whether a library that is not in a set is anywhere.
//!
//! Read from `etc/ld.so.conf` and the folders that every loader of GNU's knows
//! (ld.so(8)); nothing is executed, and no cache is read.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Folders that a loader looks in without being told.
const USUAL: [&str; 5] = ["lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib"];
/// Bytes of a configuration file.
const MAX_CONFIGURATION: u64 = 64 << 10;
/// Links that are followed from one name: as many as Linux follows.
const MAX_LINKS: usize = 40;

/// A machine, or as much of one as a scan claims to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Its root folders: `/`, or where a container's files lie.
    roots: Vec<PathBuf>,
    /// Folders that its loader looks in, as paths of this machine.
    folders: Vec<PathBuf>,
}

impl Machine {
    /// What some paths are when they are all there is: those that are a system's root
    /// folder bring its loader's folders.
    pub fn of_paths(paths: &[PathBuf]) -> Self {
        let roots = paths.iter().filter(|path| is_root(path));
        Self::of_roots(roots.cloned().collect())
    }

    /// This machine, with the folders that come first.
    pub fn this(first: Vec<PathBuf>) -> Self {
        let mut machine = Self::of_roots(vec![PathBuf::from("/")]);
        machine.folders.splice(0..0, first);
        machine
    }

    fn of_roots(roots: Vec<PathBuf>) -> Self {
        let mut folders = Vec::new();
        for root in &roots {
            folders.extend(USUAL.map(|folder| root.join(folder)));
            let mut configured = BTreeSet::new();
            configuration(root, Path::new("etc/ld.so.conf"), &mut configured, true);
            folders.extend(configured);
        }
        Self { roots, folders }
    }

    /// Whether the root of a system is in it, and so all that the system has.
    pub(crate) fn has_root(&self) -> bool {
        !self.roots.is_empty()
    }

    /// Where its loader finds a library, by its name or by paths that are recorded.
    pub(crate) fn find<'a>(
        &self,
        name: &str,
        recorded: impl Iterator<Item = &'a Path>,
    ) -> Option<PathBuf> {
        let named = self.folders.iter().map(|folder| folder.join(name));
        // A path in a container begins at its root.
        let roots = |path: &Path| {
            let mut roots = self.roots.iter();
            roots.find_map(|root| inside(root, path))
        };
        let mut places = recorded.filter_map(roots).chain(named);
        places.find_map(|file| self.file(file))
    }

    /// The file that a name leads to; links lead within the root.
    fn file(&self, mut file: PathBuf) -> Option<PathBuf> {
        for _ in 0..MAX_LINKS {
            let Ok(target) = std::fs::read_link(&file) else {
                return file.is_file().then_some(file);
            };
            let root = self.roots.iter().find(|root| file.starts_with(root));
            file = match (root.and_then(|root| inside(root, &target)), file.parent()) {
                (Some(moved), _) => moved,
                (None, Some(folder)) => folder.join(target),
                (None, None) => return None,
            };
        }
        None
    }
}

/// Where an absolute path leads in a root folder.
fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix("/").ok()?;
    let is_name = |part: Component<'_>| matches!(part, Component::Normal(_));
    rest.components().all(is_name).then(|| root.join(rest))
}

/// Whether a folder is the root of a Unix system.
fn is_root(path: &Path) -> bool {
    let is_folder = |name: &str| path.join(name).is_dir();
    is_folder("etc") && is_folder("usr") && (is_folder("usr/lib") || is_folder("lib"))
}

/// Folders that a loader's configuration names.
fn configuration(root: &Path, file: &Path, out: &mut BTreeSet<PathBuf>, follow: bool) {
    let file = root.join(file.strip_prefix("/").unwrap_or(file));
    let is_small = file
        .metadata()
        .is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_CONFIGURATION);
    let Some(text) = is_small
        .then(|| std::fs::read_to_string(&file).ok())
        .flatten()
    else {
        return;
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.strip_prefix("include ") {
            Some(pattern) if follow => {
                let pattern = Path::new(pattern.trim());
                let folder = pattern.parent().unwrap_or(Path::new(""));
                let folder = match folder.is_absolute() {
                    true => folder.to_owned(),
                    false => Path::new("etc").join(folder),
                };
                let place = root.join(folder.strip_prefix("/").unwrap_or(&folder));
                let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
                let names = entries.map(|entry| PathBuf::from(entry.file_name()));
                let names = names.filter(|name| name.extension().is_some_and(|end| end == "conf"));
                for name in names {
                    configuration(root, &folder.join(name), out, false);
                }
            }
            Some(_) => {}
            None => out.extend(inside(root, Path::new(line)).filter(|_| !line.is_empty())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_folder_brings_its_own_loaders_folders() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path();
        for folder in [
            "etc/ld.so.conf.d",
            "usr/lib",
            "usr/lib/x86_64-linux-gnu",
            "opt/cuda/lib",
        ] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(
            root.join("etc/ld.so.conf"),
            "include /etc/ld.so.conf.d/*.conf\n",
        )
        .unwrap();
        let multiarch = "# multiarch\n/usr/lib/x86_64-linux-gnu\n/../../etc\n";
        std::fs::write(root.join("etc/ld.so.conf.d/a.conf"), multiarch).unwrap();
        std::fs::write(root.join("usr/lib/x86_64-linux-gnu/libcuda.so.1"), "").unwrap();
        std::fs::write(root.join("opt/cuda/lib/libcudart.so.13"), "").unwrap();
        let machine = Machine::of_paths(&[root.to_owned()]);
        let holds = |machine: &Machine, name: &str| machine.find(name, [].into_iter()).is_some();
        assert!(holds(&machine, "libcuda.so.1"));
        assert!(!holds(&machine, "libcudart.so.13"));
        // A recorded path begins at the root, and so does a link.
        let recorded = Path::new("/opt/cuda/lib/libcudart.so.13");
        let found = machine.find("libcudart.so.13", [recorded].into_iter());
        assert_eq!(found, Some(root.join("opt/cuda/lib/libcudart.so.13")));
        #[cfg(unix)]
        {
            let link = root.join("usr/lib/libcudart.so.13");
            std::os::unix::fs::symlink("/opt/cuda/lib/libcudart.so.13", link).unwrap();
            assert!(holds(&machine, "libcudart.so.13"));
        }
        // A folder that is no root has none of it.
        let part = Machine::of_paths(&[root.join("usr/lib")]);
        assert!(!holds(&part, "libcuda.so.1"));
    }
}
