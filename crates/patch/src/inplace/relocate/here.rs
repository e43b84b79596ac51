//! What a file's names and run paths lead to on this machine. A folder of the build
//! machine is often the very folder that a program is run from: without it the program
//! would not start here any more.

use std::path::Path;

use artcheck_inspect::container::places;

use super::super::PlanError;
use crate::plan::EditPlan;

/// The surroundings of a file, and what is kept because of them.
pub(super) struct Here<'a> {
    /// The folder that the file is in, where it is known.
    folder: Option<&'a Path>,
    /// Names of the libraries that it needs, without folders.
    needed: Vec<String>,
    /// One sentence on each name or run path that stays.
    kept: Vec<String>,
}

impl<'a> Here<'a> {
    pub(super) fn of(file: Option<&'a Path>, needed: impl IntoIterator<Item = String>) -> Self {
        let mut here = Self {
            folder: file.map(|file| file.parent().unwrap_or(Path::new(""))),
            needed: Vec::new(),
            kept: Vec::new(),
        };
        here.needs(needed.into_iter());
        here
    }

    /// Takes the names of another image of the file.
    pub(super) fn needs(&mut self, names: impl Iterator<Item = String>) {
        let names = names.filter_map(|name| Some(leaf(&name)?.to_owned()));
        self.needed = names.collect();
    }

    /// Whether the library of an absolute name is there, and not beside the file.
    pub(super) fn keeps_name(&mut self, own_folder: &str, name: &str) -> bool {
        let Some(leaf) = leaf(name).filter(|_| self.folder.is_some()) else {
            return false;
        };
        let keeps = Path::new(name).is_file() && !self.has(own_folder, own_folder, leaf);
        if keeps {
            self.keep(&format!("needed library {name}"), leaf, "is there");
        }
        keeps
    }

    /// Whether a needed library is in the folder, and in none of the others that stay.
    pub(super) fn keeps_run_path(&mut self, own_folder: &str, path: &str, all: &[&str]) -> bool {
        let stay = all.iter().filter(|path| !places::is_foreign_run_path(path));
        let stay: Vec<&str> = stay.copied().chain([own_folder]).collect();
        let only_there = |leaf: &&String| {
            self.has(path, own_folder, leaf)
                && !stay.iter().any(|path| self.has(path, own_folder, leaf))
        };
        let Some(leaf) = self.needed.iter().find(only_there).cloned() else {
            return false;
        };
        self.keep(&format!("run path {path}"), &leaf, "is in it");
        true
    }

    /// Whether something stays.
    pub(super) fn keeps_some(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Says in the plan what stays, or refuses where that is all there is.
    pub(super) fn note(self, plan: &mut EditPlan) -> Result<(), PlanError> {
        if plan.is_empty() && !self.kept.is_empty() {
            return Err(PlanError::container(self.kept.join("\n")));
        }
        plan.notes.extend(self.kept);
        Ok(())
    }

    fn keep(&mut self, what: &str, leaf: &str, how: &str) {
        let told = format!(
            "{what} stays: on this machine {leaf} {how}, and not beside the file; \
             copy it beside the file and relocate again"
        );
        if !self.kept.contains(&told) {
            self.kept.push(told);
        }
    }

    /// Whether a folder of the file's holds a library.
    fn has(&self, path: &str, own_folder: &str, leaf: &str) -> bool {
        let Some(own) = self.folder else { return false };
        let below = path.strip_prefix(own_folder);
        let folder = match below.map(|below| below.trim_start_matches('/')) {
            Some(below) => own.join(below),
            None if path.starts_with('/') => Path::new(path).to_owned(),
            // Of the folder that a process is started in, or `@executable_path`.
            None => return false,
        };
        folder.join(leaf).is_file()
    }
}

/// What follows the last slash.
pub(super) fn leaf(name: &str) -> Option<&str> {
    name.rsplit('/').next().filter(|leaf| !leaf.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::dialect::Dialect;
    use super::*;

    const ELF: Dialect = Dialect {
        own_folder: "$ORIGIN",
        identity: "soname",
        prefix: "",
    };

    #[test]
    fn what_is_found_here_and_nowhere_else_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str| {
            let folder = folder.path().join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            folder
        };
        let (built, beside) = (make("built"), make("app"));
        std::fs::write(built.join("liba.so"), "").expect("a file");
        let file = beside.join("main");
        let path = built.to_str().expect("a name");
        let name = format!("{path}/liba.so");
        let needed = || [String::from("liba.so")];
        let mut here = Here::of(Some(&file), needed());
        assert_eq!(
            ELF.run_paths(&[path, "/gone"], &mut here),
            [path, "$ORIGIN"]
        );
        assert_eq!(ELF.needed(&name, &mut here), None);
        assert_eq!(here.kept.len(), 2, "{:?}", here.kept);
        // Another library, or none: the folder serves nothing.
        let mut other = Here::of(Some(&file), [String::from("libb.so")]);
        assert_eq!(ELF.run_paths(&[path], &mut other), ["$ORIGIN"]);
        let mut nowhere = Here::of(None, needed());
        assert_eq!(ELF.run_paths(&[path], &mut nowhere), ["$ORIGIN"]);
        assert!(other.kept.is_empty() && nowhere.kept.is_empty());
        // Beside the file, or in a folder that stays.
        make("app/lib");
        let copy = beside.join("lib/liba.so");
        std::fs::write(&copy, "").expect("a file");
        let mut here = Here::of(Some(&file), needed());
        let paths = [path, "$ORIGIN/lib"];
        assert_eq!(ELF.run_paths(&paths, &mut here), ["$ORIGIN", "$ORIGIN/lib"]);
        std::fs::rename(copy, beside.join("liba.so")).expect("moved");
        assert_eq!(ELF.needed(&name, &mut here), Some("liba.so".to_owned()));
    }
}
