//! What the `.pth` files of `site-packages`, and `include-system-site-packages` of a virtual
//! environment, add to the folders that Python imports from.
//!
//! Nothing is executed. Of their code lines those are understood that editable
//! installations write: they name a module that holds a table of packages and folders.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::prefix::is_all_of_python;
pub use super::prefix::{sites, users_own};
use super::pth_code::{Change, sys_path, without_mark};
use super::text::without_strings;
use super::{is_of_name, is_of_python};
use crate::limits::{MAX_PACKAGE_FILE, MAX_PYTHON_SOURCE};
use crate::source::beginning::{beginning, children, first_bytes};

/// The files of virtual environments and setuptools, which add no folder.
const HARMLESS: [&str; 2] = ["_virtualenv.pth", "distutils-precedence.pth"];

/// Packages that matter where they are found first.
const PARTS: [&str; 3] = ["tvm", "tvm_ffi", "mlc_llm"];

/// What the files add.
#[derive(Default)]
pub(crate) struct Added {
    /// Folders, with the file that adds each.
    pub(crate) folders: Vec<(String, PathBuf)>,
    /// Why there may be others: code, or a folder that is not here.
    pub(crate) open: Option<String>,
    /// What goes before the folder itself, or may, as far as it matters.
    pub(crate) before: Option<String>,
    /// Whether the Python behind the environment, which it sees, is among them.
    pub(crate) has_base: bool,
    /// Whether the environment has packages nowhere else.
    pub(crate) is_all: bool,
    /// Lines that fail, file by file.
    pub(crate) failing: Vec<Failing>,
}

/// A line of a `.pth` file that fails whenever Python starts: the rest of the file is not
/// read, or Python ends there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The file.
    pub file: String,
    /// The line.
    pub line: String,
    /// What Python says; none where it ends without a word.
    pub says: Option<String>,
}

/// The folders that the `.pth` files of an environment add to it, with the file.
pub fn added_by_pth(site: &Path) -> Vec<(String, PathBuf)> {
    added(site, None).folders
}

/// The same, and whether that is all. Of an archive that was unpacked nothing is looked at
/// that is not `within` its folder.
pub(crate) fn added(site: &Path, within: Option<&Path>) -> Added {
    let mut all = of_files(site, within);
    for folder in behind(site, within) {
        let more = of_files(&folder, within);
        all.open = all.open.take().or(more.open);
        all.before = all.before.take().or(more.before);
        all.has_base = true;
        all.folders.push(("pyvenv.cfg".to_owned(), folder));
        all.folders.extend(more.folders);
    }
    all.before = all.before.take().or_else(|| earlier_part(site));
    let is_alone = || sees_others(site).is_none() && is_all_of_python(site, within);
    let is_apart = sees_others(site) == Some(false) || all.has_base || is_alone();
    let starts = ["sitecustomize.py", "usercustomize.py"];
    let start = starts.iter().find(|file| site.join(file).exists());
    let start = start.map(|file| format!("{file} runs before any import"));
    all.open = all.open.take().or(start);
    all.is_all = is_apart && all.open.is_none();
    all
}

/// Whether some of the packages are taken from a folder, and others of them from the folder
/// that is looked in later.
fn divides(first: &Path, later: &Path) -> bool {
    let is_in = |folder: &Path, part: &str| folder.join(part).exists();
    let is_first = PARTS.iter().any(|part| is_in(first, part));
    let mut rest = PARTS.iter().filter(|part| !is_in(first, part));
    is_first && rest.any(|part| is_in(later, part))
}

/// A folder that the Python of a system looks in before this one of its folders, where it has
/// something that matters: those of its users, and of `/usr/local` before `/usr/lib`
/// (Python's `site`, as Debian and Fedora change it).
fn earlier_part(site: &Path) -> Option<String> {
    let name = |folder: &Path| {
        folder
            .file_name()
            .and_then(OsStr::to_str)
            .map(str::to_owned)
    };
    let usr = site
        .ancestors()
        .find(|one| name(one).as_deref() == Some("usr"))?;
    let below: Vec<&str> = site
        .strip_prefix(usr)
        .ok()?
        .iter()
        .filter_map(OsStr::to_str)
        .collect();
    let (python, is_local) = match below.as_slice() {
        ["lib" | "lib64", python, _] => (*python, false),
        ["local", "lib" | "lib64", python, _] => (*python, true),
        _ => return None,
    };
    if !python.starts_with("python3") {
        return None;
    }
    let is_meant = |own: &OsStr| {
        let own = own.to_str().unwrap_or_default();
        own == python || (python == "python3" && own.starts_with("python3"))
    };
    let root = usr.parent()?;
    let homes = children(&root.join("home"))
        .into_iter()
        .chain([root.join("root")]);
    let mut earlier: Vec<PathBuf> = homes
        .flat_map(|home| sites(&home.join(".local"), is_meant))
        .collect();
    if !is_local {
        let all = sites(&usr.join("local"), is_meant).into_iter();
        earlier.extend(all.filter(|one| one != site));
    }
    let folder = earlier.iter().find(|folder| divides(folder, site))?;
    let shown = Path::new("/").join(folder.strip_prefix(root).ok()?);
    Some(format!(
        "Python looks in {} before it, which has some of the same packages",
        shown.display()
    ))
}

fn of_files(site: &Path, within: Option<&Path>) -> Added {
    let mut all = Added::default();
    // Another Python behind it may have a module.
    let is_apart = sees_others(site) == Some(false);
    for file in children(site) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_pth = file.extension().is_some_and(|end| end == "pth");
        if !is_pth || !file.is_file() || HARMLESS.contains(&&*name) {
            continue;
        }
        let text = beginning(&file, MAX_PACKAGE_FILE).unwrap_or_default();
        let (text, doubt) = without_mark(&text, site);
        all.open = all.open.take().or(doubt.map(|why| format!("{name} {why}")));
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let code = line
                .strip_prefix("import ")
                .or_else(|| line.strip_prefix("import\t"));
            let fails = code.filter(|_| is_apart);
            if let Some(says) = fails.and_then(|_| fails_with(line, site, &all.folders)) {
                let (file, line) = (name.clone().into_owned(), line.to_owned());
                all.failing.push(Failing { file, line, says });
                break;
            }
            let path = code.map(|_| sys_path(line));
            let folders = match (code, path) {
                (Some(_), Some(Change::Behind(folder))) => vec![folder],
                (Some(_), Some(Change::Before(folder))) => {
                    let what = || format!("{name} puts {} before it", folder.display());
                    let why = PARTS
                        .iter()
                        .any(|part| folder.join(part).exists())
                        .then(what);
                    all.before = all.before.take().or(why);
                    vec![folder]
                }
                (Some(_), Some(Change::Unknown)) => {
                    let why = format!("{name} changes where modules are looked for (`{line}`)");
                    all.before.get_or_insert(why);
                    Vec::new()
                }
                (Some(code), _) => editable(site, code),
                (None, _) => vec![site.join(line)],
            };
            let is_here = |folder: &PathBuf| {
                let real = folder.canonicalize().ok().filter(|real| real.is_dir());
                real.is_some_and(|real| within.is_none_or(|root| real.starts_with(root)))
            };
            // One that is not here may be where the environment is from.
            let is_open = !folders.iter().any(is_here) && all.open.is_none();
            all.open = all
                .open
                .take()
                .or(is_open.then(|| format!("{name} has the line `{line}`")));
            for folder in folders.into_iter().filter(is_here) {
                all.folders.push((name.clone().into_owned(), folder));
            }
        }
    }
    all
}

/// Whether a virtual environment sees the packages of the Python that it was made with;
/// `None` where the folder is in none. As Python's library reads it (`site.venv`): the last
/// line counts, in any case of letters, and one that is not there says yes.
pub fn sees_others(site: &Path) -> Option<bool> {
    let text = settings(site)?;
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let is_meant = |key: &str| {
        key.trim()
            .eq_ignore_ascii_case("include-system-site-packages")
    };
    let last = lines.rfind(|(key, _)| is_meant(key));
    Some(last.is_none_or(|(_, value)| value.trim().eq_ignore_ascii_case("true")))
}

/// What a code line says that fails: one that imports a module which is nowhere, or ends
/// Python, with nothing but imports before.
fn fails_with(line: &str, site: &Path, added: &[(String, PathBuf)]) -> Option<Option<String>> {
    /// Calls that end Python.
    const ENDS: [&str; 3] = ["sys.exit(", "os._exit(", "os.abort("];
    let modules = Folder::new(site, None);
    let modules = modules.and(added.iter().map(|(_, folder)| folder.clone()).collect());
    let plain = without_strings(line);
    for statement in plain.split(';').map(str::trim) {
        let Some(names) = statement.strip_prefix("import ") else {
            let ends = ENDS.iter().any(|call| statement.starts_with(call));
            return ends.then_some(None);
        };
        let mut names = names.split(',').map(|name| {
            let end = name.trim().find(|c| !is_of_name(c) && c != '.');
            name.trim().get(..end.unwrap_or(name.trim().len()))
        });
        let top = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
        let is_lost = |name: &String| {
            !name.is_empty() && !is_of_python(name) && modules.module(name).is_none()
        };
        let lost = names.find_map(|name| name.map(top).filter(is_lost));
        if let Some(name) = lost {
            return Some(Some(format!(
                "ModuleNotFoundError: No module named '{name}'"
            )));
        }
    }
    None
}

/// What the virtual environment around a `site-packages` folder says of itself.
pub fn setting(site: &Path, key: &str) -> Option<String> {
    let text = settings(site)?;
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(known, _)| known.trim().eq_ignore_ascii_case(key))?;
    Some(value.trim().to_owned())
}

/// The file that says it.
fn settings(site: &Path) -> Option<String> {
    // `lib/python3.11/site-packages`, and on Windows `Lib\site-packages`.
    let mut roots = [3, 2].into_iter().filter_map(|up| site.ancestors().nth(up));
    roots.find_map(|root| beginning(&root.join("pyvenv.cfg"), MAX_PACKAGE_FILE))
}

/// The folders of the Python that a virtual environment was made with, where it sees them:
/// `home` is the folder of that Python's program (`site.venv` of Python's library). The
/// user's own folder is one more, where that is the Python of this machine.
fn behind(site: &Path, within: Option<&Path>) -> Vec<PathBuf> {
    let is_seen = sees_others(site) == Some(true);
    let named = setting(site, "home").filter(|_| is_seen);
    let own = site.parent().and_then(Path::file_name);
    let (Some(named), Some(own)) = (named, own) else {
        return Vec::new();
    };
    // Where a whole system lies in a folder, its Python does too.
    let around = site.ancestors();
    let mut around = around.take_while(|folder| within.is_none_or(|root| folder.starts_with(root)));
    let home = around.find_map(|folder| {
        let home = folder.join(named.trim_start_matches('/'));
        home.is_dir().then_some(home)
    });
    let is_of_machine = home.as_deref().is_none_or(|home| home == Path::new(&named));
    let Some(home) = home.or_else(|| within.is_none().then(|| PathBuf::from(named))) else {
        return Vec::new();
    };
    let is_meant = |python: &OsStr| python == own || python == "python3";
    // On Windows the program lies in the installation's own folder.
    let prefix = home.parent().unwrap_or(&home);
    let mut found = sites(prefix, is_meant);
    found.extend(sites(&home, is_meant));
    if is_of_machine && !found.is_empty() {
        found.extend(users_own(is_meant));
    }
    found.retain(|one| one != site);
    found
}

/// The folders in a table that the module of a code line holds: `'tvm': '/src/python/tvm'`,
/// or `'tvm': '/src/python/tvm/__init__.py'`.
fn editable(site: &Path, code: &str) -> Vec<PathBuf> {
    let end = code.find(|c: char| c != '_' && !c.is_alphanumeric());
    let module = code.get(..end.unwrap_or(code.len())).unwrap_or_default();
    if !module.contains("editable") {
        return Vec::new();
    }
    let file = site.join(format!("{module}.py"));
    let source = first_bytes(&file, MAX_PYTHON_SOURCE).unwrap_or_default();
    let source = String::from_utf8_lossy(&source).replace('"', "'");
    let texts: Vec<&str> = source.split('\'').collect();
    let mut folders = Vec::new();
    // Texts and what stands between them take turns.
    for part in texts.windows(3) {
        let &[name, colon, path] = part else { continue };
        let path = Path::new(path);
        let package = match path.file_name() {
            Some(file) if file == "__init__.py" => path.parent(),
            _ => Some(path),
        };
        let is_named = package
            .and_then(Path::file_name)
            .is_some_and(|own| own == name);
        let Some(folder) = package.and_then(Path::parent).filter(|_| is_named) else {
            continue;
        };
        let is_new = !folders.iter().any(|known| known == folder);
        if colon.trim() == ":" && path.is_absolute() && is_new {
            folders.push(folder.to_owned());
        }
    }
    folders
}

#[cfg(test)]
#[path = "pth_tests.rs"]
mod tests;
