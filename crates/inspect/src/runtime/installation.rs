//! What an installed Python package says of its own files (`RECORD`) and of the Python that
//! it is for (`WHEEL`): the forms that pip, uv and conda write.

use crate::place::Place;

/// A package that is not as it was installed, or not for the Python it is installed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Its `dist-info` folder.
    pub place: Place,
    /// Name and version, `apache-tvm 0.27.0`.
    pub package: String,
    /// Files of it that are not there, below `site-packages`.
    pub missing: Vec<String>,
    /// Libraries of it that are of another size.
    pub replaced: Vec<Replaced>,
    /// The tag of its wheel and the Python, where that takes no such wheel.
    pub wrong_python: Option<(String, String)>,
    /// Packages that it requires and that are not installed.
    pub lacking: Vec<String>,
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

impl Installation {
    /// How much is wrong with it.
    pub fn faults(&self) -> usize {
        let python = usize::from(self.wrong_python.is_some());
        let counts = [
            self.missing.len(),
            self.replaced.len(),
            self.lacking.len(),
            python,
        ];
        counts.iter().sum()
    }

    /// The missing file without which an import fails: the package's own first module, or a
    /// library that is not for one kind of device alone.
    pub fn vital(&self) -> Option<&str> {
        let mut missing = self.missing.iter().map(String::as_str);
        missing.find(|file| is_vital(file))
    }
}

/// Whether an import fails without a file.
pub fn is_vital(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let is_extra = name.starts_with("libtvm_runtime_") && !name.contains("extra");
    match is_library(file) {
        true => !is_extra && !name.contains("testing"),
        false => name == "__init__.py" && file.matches('/').count() == 1,
    }
}

/// The files that Python or its loader opens, with their size where it is recorded.
pub fn listed(record: &str) -> impl Iterator<Item = (&str, Option<u64>)> {
    let lines = record.lines().filter_map(|line| {
        // Names with commas are in quotes, and no package of these has any.
        let (file, rest) = line.split_once(',')?;
        let size = rest
            .rsplit_once(',')
            .and_then(|(_, size)| size.parse().ok());
        Some((file, size))
    });
    lines.filter(|(file, _)| {
        let is_outside = file.starts_with(['.', '/', '"']) || file.contains("/../");
        !is_outside && (file.ends_with(".py") || is_library(file))
    })
}

/// Whether a file is a native library, by its name.
pub fn is_library(file: &str) -> bool {
    let mut ends = [".so", ".pyd", ".dylib", ".dll"].iter();
    ends.any(|end| file.ends_with(end)) || file.contains(".so.")
}

/// The tags of a wheel that a Python, `3.11`, does not take: all of them, or none.
pub fn wrong_tag<'a>(wheel: &'a str, python: &str) -> Option<&'a str> {
    let minor = python.strip_prefix("3.")?.parse().ok()?;
    let tags = wheel.lines().filter_map(|line| line.strip_prefix("Tag:"));
    let mut tags = tags.map(str::trim).peekable();
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
