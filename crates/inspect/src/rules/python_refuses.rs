//! The half of AC209 that is about what is there and a Python does not take: libraries that
//! it does not load, lines that fail when it starts.

use crate::container::Format;
use crate::finding::Severity;
use crate::python::pth::Failing;
use crate::runtime::installation::{self, Brings, Installation};
use crate::runtime::messages;

/// One finding.
pub(super) struct Said {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) evidence: Vec<String>,
    /// What Python says.
    pub(super) says: Option<String>,
    pub(super) help: String,
}

/// A line of a `.pth` file. One that raises an error costs Python the rest of its file.
pub(super) fn failing(line: &Failing) -> Said {
    let file = &line.file;
    let (severity, message) = match &line.says {
        None => (
            Severity::Error,
            format!("`{file}` ends Python whenever it starts in this environment"),
        ),
        Some(_) => (
            Severity::Warning,
            format!(
                "`{file}` fails whenever Python starts in this environment, and what follows in it is not read"
            ),
        ),
    };
    Said {
        severity,
        message,
        evidence: vec![format!("its line: {}", line.line)],
        says: line.says.clone(),
        help: format!("remove {file}, or install the package again that put it there"),
    }
}

/// Libraries that are there, and that this Python does not load.
pub(super) fn unloadable(installation: &Installation, again: &str, add: &mut impl FnMut(Said)) {
    let library = installation.zipped.map(zipped);
    let machine = other_machine(installation, again);
    let unlinked = unlinked(installation, again);
    let found = [
        library,
        machine,
        no_library(installation, again),
        unlinked,
        other_python(installation),
        wrong_tag(installation),
        misnamed(installation, again),
        for_others(installation),
        older(installation),
    ];
    found.into_iter().flatten().for_each(add);
}

fn zipped(library: &str) -> Said {
    let library = installation::file_name(library);
    Said {
        severity: Severity::Error,
        message: String::from(
            "Python loads no library out of a zip archive, and tvm_ffi is in one",
        ),
        evidence: Vec::new(),
        says: Some(format!("RuntimeError: Cannot find library {library}")),
        help: String::from(
            "ship a folder, or make the archive with shiv or pex, which unpack it when it starts",
        ),
    }
}

fn other_machine(installation: &Installation, again: &str) -> Option<Said> {
    let package = &installation.package;
    let (file, machine) = installation.other_machine.as_ref()?;
    Some(Said {
        severity: Severity::Error,
        message: format!("`{file}` is for another machine than {package}, which is for {machine}"),
        evidence: Vec::new(),
        says: None,
        help: again.to_owned(),
    })
}

fn no_library(installation: &Installation, again: &str) -> Option<Said> {
    let package = &installation.package;
    let (file, key) = installation.no_library.as_ref()?;
    let format = match file.rsplit('.').next() {
        Some("dll" | "pyd") => Format::Pe,
        Some("dylib") => Format::MachO,
        _ => Format::Elf,
    };
    Some(Said {
        severity: Severity::Error,
        message: format!("`{file}` of {package} is no library"),
        evidence: Vec::new(),
        says: messages::of_system(key, format, &[("file", file)])
            .map(|words| format!("OSError: {words}")),
        help: again.to_owned(),
    })
}

fn unlinked(installation: &Installation, again: &str) -> Option<Said> {
    let package = &installation.package;
    let (file, name) = installation.unlinked.as_ref()?;
    let words = messages::of_system("library-not-found", Format::Elf, &[("library", name)]);
    Some(Said {
        severity: Severity::Error,
        message: format!(
            "`{file}` of {package} does not find `{name}`: its run path does not lead there"
        ),
        evidence: Vec::new(),
        says: words.map(|words| format!("ImportError: {words}")),
        help: again.to_owned(),
    })
}

/// Where the environment's program is another Python than the one that its folder is for.
fn other_python(installation: &Installation) -> Option<Said> {
    let package = &installation.package;
    let (other, python) = installation.other_interpreter.as_ref()?;
    Some(Said {
        severity: Severity::Error,
        message: format!(
            "the environment's `bin/python` is Python {other}, and {package} is installed for {python}"
        ),
        evidence: vec![format!(
            "Python {other} imports from lib/python{other}/site-packages"
        )],
        says: Some(String::from(
            "ModuleNotFoundError: No module named 'tvm_ffi'",
        )),
        help: format!(
            "make the environment again with Python {python}, or install its packages with its own Python"
        ),
    })
}

/// A package that is older than the Python.
fn older(installation: &Installation) -> Option<Said> {
    let package = &installation.package;
    let (python, says) = installation.refused.as_ref()?;
    let name = package.split(' ').next().unwrap_or(package);
    Some(Said {
        severity: Severity::Error,
        message: format!("{package} is too old for Python {python}: importing it fails"),
        evidence: Vec::new(),
        says: Some(says.clone()),
        help: format!("pip install --upgrade {name}"),
    })
}

fn wrong_tag(installation: &Installation) -> Option<Said> {
    let package = &installation.package;
    let (tag, python) = installation.wrong_python.as_ref()?;
    Some(Said {
        severity: Severity::Error,
        message: format!("{package} is built for another Python than {python}"),
        evidence: vec![format!("the tag of its wheel is {tag}")],
        says: None,
        help: format!("install it with the pip of Python {python}, which takes the wheel for it"),
    })
}

/// A module that is there, and that Python does not look for under its name.
fn misnamed(installation: &Installation, again: &str) -> Option<Said> {
    let package = &installation.package;
    let file = installation.misnamed.as_ref()?;
    let says = "ImportError: cannot import name 'core' from partially initialized module 'tvm_ffi'";
    Some(Said {
        severity: match installation.brings {
            Brings::Nothing => Severity::Warning,
            Brings::Runtime | Brings::Ffi => Severity::Error,
        },
        message: format!(
            "`{file}` is named for another Python than the one that {package} is for: it is not imported"
        ),
        evidence: vec![String::from(
            "Python takes a module under the names for its own version, processor and C library alone",
        )],
        says: file.starts_with("tvm_ffi/core.").then(|| says.to_owned()),
        help: again.to_owned(),
    })
}

/// A package that says that it is for other Pythons: pip does not install it.
fn for_others(installation: &Installation) -> Option<Said> {
    let package = &installation.package;
    let (wanted, python) = installation.refused_by.as_ref()?;
    let name = package.split(' ').next().unwrap_or(package);
    Some(Said {
        severity: match installation.is_packed() {
            true => Severity::Error,
            false => Severity::Warning,
        },
        message: format!("{package} is for Python {wanted}, and not for {python}"),
        evidence: vec![String::from(
            "its METADATA says so in `Requires-Python`: pip does not install it",
        )],
        says: None,
        help: format!("take a version of {name} for Python {python}, or another Python"),
    })
}
