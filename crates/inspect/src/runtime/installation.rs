//! What an installed Python package says of its own files (`RECORD`) and of the Python that
//! it is for (`WHEEL`): the forms that pip, uv and conda write.

use std::collections::BTreeSet;

use crate::container::{Architecture, Platform};
use crate::parts;
use crate::place::Place;
use crate::python::pth::Failing;

/// A package that is not as it was installed, or not for the Python it is installed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Its `dist-info` folder.
    pub place: Place,
    /// Name and version, `apache-tvm 0.27.0`.
    pub package: String,
    /// What of a runtime it brings, or is imported with it.
    pub brings: Brings,
    /// Whether it is a part of a frozen application, and no package of its own.
    pub is_frozen: bool,
    /// Its library, where it lies in a zip archive that Python runs as it is.
    pub zipped: Option<&'static str>,
    /// Files of it that are not there, below `site-packages`.
    pub missing: Vec<String>,
    /// That of them without which an import fails.
    pub vital: Option<String>,
    /// The first of them that something may ask for: no test, no part for a device, and
    /// nothing whose absence is foreseen.
    pub doubtful: Option<String>,
    /// Libraries of it that are of another size.
    pub replaced: Vec<Replaced>,
    /// Python files of it that are of another size.
    pub changed: Vec<Changed>,
    /// Where an import fails for what its Python files are now: the file, and what Python
    /// says.
    pub fails: Option<(String, String)>,
    /// Types that its Python registers and no library of the environment has, with the
    /// file that does.
    pub types: Vec<(String, String)>,
    /// A library of it for another machine, and what its wheel is for.
    pub other_machine: Option<(String, String)>,
    /// A file of it that is named as a library and is none, and the key of what loaders say.
    pub no_library: Option<(String, &'static str)>,
    /// A library of it that does not find another, and that one's name.
    pub unlinked: Option<(String, String)>,
    /// The Python of the environment's `bin/python`, and the one whose folder it is in.
    pub other_interpreter: Option<(String, String)>,
    /// The tag of its wheel and the Python, where that takes no such wheel.
    pub wrong_python: Option<(String, String)>,
    /// A module of it that is named for another Python, or another system, than its wheel.
    pub misnamed: Option<String>,
    /// The Pythons that it is for, and another one for which it is installed.
    pub refused_by: Option<(String, String)>,
    /// The Python that refuses a file of it, and what it says.
    pub refused: Option<(String, String)>,
    /// Packages that it requires and that are not installed, or in another version.
    pub unmet: Vec<Unmet>,
    /// A line that Python runs whenever it starts, and that fails: what is no package.
    pub start: Option<Failing>,
    /// What of it was not read, because there is more than is read.
    pub not_read: Option<String>,
}

/// What of a runtime a package brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Brings {
    /// Nothing: a package that uses TVM's.
    #[default]
    Nothing,
    /// The VM.
    Runtime,
    /// tvm-ffi, without which nothing loads.
    Ffi,
}

/// A requirement that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Package that is asked for.
    pub name: String,
    /// Versions that are asked for, `>=4.13`; empty for any.
    pub specification: String,
    /// The version that is installed; none where none is.
    pub installed: Option<String>,
    /// Whether the Python that imports the folder may bring it: pip put the folder where it
    /// was told to (`--target`).
    pub may_be_elsewhere: bool,
    /// Where an import fails for that: the file, and what Python says.
    pub fails: Option<(String, String)>,
}

/// A library that is not the one that the package brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The file, below `site-packages`.
    pub file: String,
    /// Bytes by `RECORD`.
    pub recorded: u64,
    /// Bytes that it has.
    pub found: u64,
}

/// A Python file that is not the one that the package brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What is where.
    pub file: Replaced,
    /// What Python says of it, where it takes no such file.
    pub says: Option<String>,
    /// Whether it is shorter than it was and ends in the middle of a line, or is empty.
    pub is_cut: bool,
    /// Whether an import reaches it.
    pub is_reached: bool,
    /// The module of the package that Python does not take where it finds this one.
    pub hides: Option<String>,
}

impl Changed {
    /// Whether an import fails for it.
    pub fn is_fatal(&self) -> bool {
        self.is_reached && (self.says.is_some() || (self.file.found == 0 && self.hides.is_none()))
    }
}

impl Installation {
    /// A package with which nothing is wrong so far.
    pub fn new(place: Place, package: String, brings: Brings) -> Self {
        Self {
            place,
            package,
            brings,
            is_frozen: false,
            zipped: None,
            missing: Vec::new(),
            vital: None,
            doubtful: None,
            replaced: Vec::new(),
            changed: Vec::new(),
            fails: None,
            types: Vec::new(),
            other_machine: None,
            no_library: None,
            unlinked: None,
            other_interpreter: None,
            wrong_python: None,
            misnamed: None,
            refused_by: None,
            refused: None,
            unmet: Vec::new(),
            start: None,
            not_read: None,
        }
    }

    /// Whether it is a wheel, and not installed yet.
    pub fn is_packed(&self) -> bool {
        let folder = self.place.folder();
        folder.is_some_and(|folder| folder.raw_name().ends_with(b".whl"))
    }

    /// How much is wrong with it.
    pub fn faults(&self) -> usize {
        let counts = [
            self.missing.len(),
            self.replaced.len(),
            self.changed.len(),
            self.unmet.len(),
            usize::from(self.other_interpreter.is_some()),
            usize::from(self.wrong_python.is_some()),
            usize::from(self.misnamed.is_some()),
            usize::from(self.refused_by.is_some()),
            usize::from(self.refused.is_some()),
            usize::from(self.other_machine.is_some()),
            usize::from(self.no_library.is_some()),
            usize::from(self.unlinked.is_some()),
            usize::from(self.not_read.is_some()),
            usize::from(self.zipped.is_some()),
        ];
        counts.iter().sum()
    }
}

/// Whether an import fails without a file: the package's own first module, or a library
/// that is not for one kind of device alone.
pub fn is_vital(file: &str) -> bool {
    let is_first = file.ends_with("/__init__.py") && file.matches('/').count() == 1;
    !is_aside(file) && (is_library(file) || is_first)
}

/// The files that Python or its loader opens, with their size where it is recorded.
pub fn listed(record: &str) -> impl Iterator<Item = (&str, Option<u64>)> {
    lines(record).filter_map(|line| {
        // Names with commas are in quotes, and no package of these has any.
        let (file, rest) = line.split_at_checked(memchr::memchr(b',', line.as_bytes())?)?;
        let is_outside = file.starts_with(['.', '/', '"']) || file.contains("/../");
        if is_outside || !(file.ends_with(".py") || is_library(file)) {
            return None;
        }
        let size = rest.strip_prefix(',')?.rsplit_once(',');
        Some((file, size.and_then(|(_, size)| size.parse().ok())))
    })
}

/// The lines of a text, as `str::lines` gives them: lists of files are long.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.strip_prefix('\n').unwrap_or(after);
        Some(line.strip_suffix('\r').unwrap_or(line))
    })
}

/// What is typed to have a package as it was.
pub(crate) fn install_again(name: &str, version: Option<&str>) -> String {
    // What an installer would not write could end the quotes in a shell.
    let is_plain = |text: &str| {
        let mut letters = text.chars();
        letters.all(|c| c.is_ascii_alphanumeric() || "-_.+!".contains(c))
    };
    match version {
        _ if !is_plain(name) || !version.is_none_or(is_plain) => {
            "install the package again: its name or version is not one that pip writes".to_owned()
        }
        Some(version) => format!("pip install --force-reinstall --no-deps '{name}=={version}'"),
        None => format!("pip install --force-reinstall {name}"),
    }
}

/// Whether a file is a native library, by its name.
pub fn is_library(file: &str) -> bool {
    let mut ends = [".so", ".pyd", ".dylib", ".dll"].iter();
    ends.any(|end| file.ends_with(end)) || memchr::memmem::find(file.as_bytes(), b".so.").is_some()
}

/// The modules that some files were.
pub fn lost(missing: &[String]) -> BTreeSet<String> {
    missing.iter().filter_map(|file| module_of(file)).collect()
}

/// Whether nothing but tests and builds, or a device, asks for a file.
pub fn is_aside(file: &str) -> bool {
    const ASIDE: [&str; 8] = [
        "test",
        "tests",
        "testing",
        "benchmarks",
        "examples",
        "conftest.py",
        "setup.py",
        "noxfile.py",
    ];
    let stem = parts::stem(file_name(file));
    let is_of_device = stem.starts_with("tvm_runtime_") && !stem.contains("extra");
    // What needs the library for tests says so itself.
    let is_for_tests =
        stem == "tvm_ffi_testing" || file.split('/').any(|part| ASIDE.contains(&part));
    is_of_device || is_for_tests
}

/// A file's own name.
pub fn file_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// The module that a file is: `tvm_ffi.registry` of `tvm_ffi/registry.py`, `tvm_ffi.core` of
/// `tvm_ffi/core.abi3.so`.
pub fn module_of(file: &str) -> Option<String> {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let is_compiled = !name.starts_with("lib") && (name.ends_with(".so") || name.ends_with(".pyd"));
    if is_compiled && !folder.ends_with(".libs") {
        let stem = name.split('.').next().unwrap_or(name);
        let whole = format!("{folder}/{stem}");
        return Some(whole.trim_start_matches('/').replace('/', "."));
    }
    let stem = file.strip_suffix(".py")?;
    let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
    Some(stem.replace('/', "."))
}

/// The modules that a package is imported by, as its `RECORD` lists them: its folders, and
/// its files where there are none. A file beside folders is theirs, or what built them.
pub fn modules(record: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    // What finds an editable package is no module of it.
    let is_module = |top: &&str| top.chars().all(is_name) && !top.starts_with("__editable__");
    let files = record.lines().filter_map(|line| line.split(',').next());
    let files: Vec<&str> = files.filter(|file| !is_aside(file)).collect();
    let ending = |end: &str| -> BTreeSet<String> {
        let tops = files.iter().filter_map(|file| file.strip_suffix(end));
        tops.filter(is_module).map(str::to_owned).collect()
    };
    let folders = ending("/__init__.py");
    let modules = if folders.is_empty() {
        ending(".py")
    } else {
        folders
    };
    modules.into_iter().collect()
}

/// The machine that a wheel's tags name: the system and the processor.
pub fn machine_of(wheel: &str) -> Option<(Platform, Architecture)> {
    tags(wheel).find_map(|tag| machine_of_tag(tag.rsplit('-').next()?))
}

/// The tags that a `WHEEL` file lists.
fn tags(wheel: &str) -> impl Iterator<Item = &str> {
    let tags = wheel.lines().filter_map(|line| line.strip_prefix("Tag:"));
    tags.map(str::trim)
}

/// `manylinux_2_28_x86_64`
pub fn machine_of_tag(tag: &str) -> Option<(Platform, Architecture)> {
    let system = match tag {
        _ if tag.contains("linux") => Platform::Linux,
        _ if tag.starts_with("macosx") => Platform::MacOs,
        _ if tag.starts_with("win") => Platform::Windows,
        _ => return None,
    };
    let ends = |end: &[&str]| end.iter().any(|end| tag.ends_with(end));
    let processor = match tag {
        _ if ends(&["x86_64", "amd64"]) => Architecture::X86_64,
        _ if ends(&["aarch64", "arm64"]) => Architecture::Aarch64,
        _ => return None,
    };
    Some((system, processor))
}

/// Whether the Python that a wheel is installed for takes a file for a module by its name:
/// `core.cpython-312-x86_64-linux-gnu.so`. Names that say nothing of it are every Python's.
pub fn is_named_for(file: &str, wheel: &str, python: Option<&str>) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let Some((_, tag)) = name.split_once(".cpython-") else {
        return true;
    };
    let Some((own, system)) = tag.trim_end_matches(".so").split_once('-') else {
        return true;
    };
    let own = own
        .strip_prefix('3')
        .and_then(|own| own.parse::<u32>().ok());
    let minor = python.and_then(|python| python.strip_prefix("3.")?.parse::<u32>().ok());
    let is_other_python = own.zip(minor).is_some_and(|(own, minor)| own != minor);
    let is_for = |system: &str| tags(wheel).any(|tag| tag.contains(system));
    let is_of_musl = system.ends_with("-linux-musl");
    let is_other_library = is_of_musl && is_for("-manylinux") && !is_for("-musllinux");
    let processor = match system {
        _ if system.starts_with("x86_64-") => Some(Architecture::X86_64),
        _ if system.starts_with("aarch64-") => Some(Architecture::Aarch64),
        _ => None,
    };
    let machine = machine_of(wheel).filter(|(system, _)| *system == Platform::Linux);
    let is_other_machine = processor
        .zip(machine)
        .is_some_and(|(named, (_, machine))| named != machine);
    !(is_other_python || is_other_library || is_other_machine)
}

/// The tags of a wheel that a Python, `3.11`, does not take: all of them, or none.
pub fn wrong_tag<'a>(wheel: &'a str, python: &str) -> Option<&'a str> {
    let minor = python.strip_prefix("3.")?.parse().ok()?;
    let mut tags = tags(wheel).peekable();
    let first = *tags.peek()?;
    (!tags.any(|tag| takes(minor, tag))).then_some(first)
}

/// Whether CPython 3.`minor` takes a wheel of this tag, the platform left out. What is not
/// CPython's is taken for good.
fn takes(minor: u32, tag: &str) -> bool {
    let mut parts = tag.split('-');
    let (pythons, abi) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    pythons.split('.').any(|python| {
        let Some(own) = python
            .strip_prefix("cp3")
            .and_then(|own| own.parse::<u32>().ok())
        else {
            return true;
        };
        match abi {
            "abi3" | "none" => own <= minor,
            _ => own == minor,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_for_the_python_of_its_wheel() {
        let is = |module: &str, tag: &str| {
            let file = format!("tvm_ffi/core.{module}");
            is_named_for(&file, &format!("Tag: cp311-cp311-{tag}\n"), Some("3.11"))
        };
        for own in [
            "so",
            "abi3.so",
            "cpython-311.so",
            "cpython-311-x86_64-linux-gnu.so",
        ] {
            assert!(is(own, "manylinux_2_28_x86_64"), "{own}");
        }
        assert!(is("cpython-311-darwin.so", "macosx_11_0_arm64"));
        assert!(is(
            "cpython-311-x86_64-linux-musl.so",
            "musllinux_1_2_x86_64"
        ));
        for other in [
            "cpython-312-x86_64-linux-gnu.so",
            "cpython-311-x86_64-linux-musl.so",
            "cpython-311-aarch64-linux-gnu.so",
        ] {
            assert!(!is(other, "manylinux_2_28_x86_64"), "{other}");
        }
    }

    #[test]
    fn a_wheel_is_for_the_pythons_of_its_tags() {
        let wheel = "Wheel-Version: 1.0\nTag: cp312-abi3-manylinux_2_28_x86_64\n";
        assert_eq!(
            wrong_tag(wheel, "3.11"),
            Some("cp312-abi3-manylinux_2_28_x86_64")
        );
        assert_eq!(wrong_tag(wheel, "3.12"), None);
        assert_eq!(wrong_tag(wheel, "3.14"), None);
        let own = "Tag: cp311-cp311-win_amd64\n";
        assert_eq!(wrong_tag(own, "3.11"), None);
        assert_eq!(wrong_tag(own, "3.12"), Some("cp311-cp311-win_amd64"));
        assert_eq!(wrong_tag("Tag: py3-none-any\n", "3.9"), None);
        assert_eq!(wrong_tag("Tag: pp310-pypy310_pp73-any\n", "3.9"), None);
        assert_eq!(wrong_tag("", "3.9"), None);
    }

    #[test]
    fn modules_and_machines_are_told() {
        let record = "tvm/__init__.py,a,1\ntvm/x/__init__.py,,\nsix.py,a,1\na-b.py,,\ntvm/a.py,,\n";
        assert_eq!(modules(record), ["tvm"]);
        assert_eq!(modules("six.py,a,1\na-b.py,,\n"), ["six"]);
        let of = |file| module_of(file);
        assert_eq!(
            of("tvm_ffi/registry.py").as_deref(),
            Some("tvm_ffi.registry")
        );
        assert_eq!(of("tvm/__init__.py").as_deref(), Some("tvm"));
        assert_eq!(of("tvm/lib/liba.so"), None);
        assert_eq!(of("tvm_ffi/core.abi3.so").as_deref(), Some("tvm_ffi.core"));
        assert!(is_aside("tvm/lib/libtvm_runtime_cuda.so") && is_aside("tvm/testing/a.py"));
        assert!(!is_aside("tvm/lib/libtvm_runtime_extra.so") && !is_aside("tvm/base.py"));
        let machine = |tag: &str| machine_of(&format!("Tag: cp311-cp311-{tag}\n"));
        let linux = Some((Platform::Linux, Architecture::Aarch64));
        assert_eq!(machine("manylinux_2_28_aarch64"), linux);
        let mac = Some((Platform::MacOs, Architecture::Aarch64));
        assert_eq!(machine("macosx_11_0_arm64"), mac);
        let windows = Some((Platform::Windows, Architecture::X86_64));
        assert_eq!(machine("win_amd64"), windows);
        assert_eq!(machine("any"), None);
        assert_eq!(machine("macosx_11_0_universal2"), None);
    }

    #[test]
    fn what_is_typed_ends_no_quotes() {
        for (name, version) in [("a", Some("1'; rm x; '")), ("a;b", None)] {
            assert!(!install_again(name, version).contains("pip install"));
        }
        let plain = "pip install --force-reinstall --no-deps 'a==1.0+x'";
        assert_eq!(install_again("a", Some("1.0+x")), plain);
    }

    #[test]
    fn only_what_is_opened_is_listed() {
        let record = "../../../bin/tool,sha256=a,3\ntvm/lib/libtvm.so,sha256=b,70\n\
            tvm/__init__.py,sha256=c,5\ntvm/__pycache__/x.pyc,,\ntvm/data.json,sha256=d,9\n";
        let listed: Vec<_> = listed(record).collect();
        assert_eq!(
            listed,
            [
                ("tvm/lib/libtvm.so", Some(70)),
                ("tvm/__init__.py", Some(5))
            ]
        );
    }
}
