//! What the kernels of a library take. Their host code checks it before it does anything,
//! and keeps the words of the error: from TVM 0.25 on, the signature of each in a string of
//! its own, `add(x: Tensor([n, T.int64(3)], float32), y: ..., out: ...)`.

use std::collections::BTreeSet;

use super::ModelLibrary;
use crate::container::Parsed;
use crate::vm::kernel::{KernelParameter, Kernels};

/// The longest signature that is looked at.
const LONGEST: usize = 64 << 10;

/// Reads the signatures of the library's own host functions.
pub(super) fn read(library: &ModelLibrary, parsed: &Parsed<'_>) -> Kernels {
    let names: BTreeSet<&str> = library.host_functions.iter().map(String::as_str).collect();
    let starting = starting(library, parsed);
    let mut found = Kernels::new();
    let mut twice = Vec::new();
    for region in parsed.regions.iter().filter(|region| !region.executable) {
        for data in without_blob(library, &region.name, &region.data) {
            for end in memchr::memmem::find_iter(data, b")\0") {
                let text = data.get(end.saturating_sub(LONGEST)..=end);
                let Some((name, parameters)) =
                    text.and_then(|text| signature(text, &names, &starting))
                else {
                    continue;
                };
                let known = found.insert(name.to_owned(), parameters);
                if known.is_some_and(|known| found.get(name) != Some(&known)) {
                    twice.push(name.to_owned());
                }
            }
        }
    }
    for name in twice {
        found.remove(&name);
    }
    found
}

/// Parameters that must begin where their storage does: host code keeps the words of that
/// error too, `x.byte_offset`. A name that kernels share counts for all of them.
fn starting(library: &ModelLibrary, parsed: &Parsed<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for region in parsed.regions.iter().filter(|region| !region.executable) {
        for data in without_blob(library, &region.name, &region.data) {
            for end in memchr::memmem::find_iter(data, b".byte_offset\0") {
                let text = data.get(..end).unwrap_or_default();
                let start = memchr::memrchr(0, text).map_or(0, |zero| zero.saturating_add(1));
                let name = std::str::from_utf8(text.get(start..).unwrap_or_default());
                names.extend(name.ok().map(str::to_owned));
            }
        }
    }
    names
}

/// A region before and after the library's blob, which may be very large.
fn without_blob<'d>(library: &ModelLibrary, region: &str, data: &'d [u8]) -> [&'d [u8]; 2] {
    let Ok(blob) = &library.blob else {
        return [data, &[]];
    };
    if region != library.region {
        return [data, &[]];
    }
    let start = usize::try_from(library.region_offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(blob.length).unwrap_or(usize::MAX));
    [
        data.get(..start).unwrap_or(data),
        data.get(end..).unwrap_or_default(),
    ]
}

/// The signature that a text ends with, which a zero precedes.
fn signature<'t>(
    text: &'t [u8],
    names: &BTreeSet<&str>,
    starting: &BTreeSet<String>,
) -> Option<(&'t str, Vec<KernelParameter>)> {
    let start = memchr::memrchr(0, text).map_or(0, |zero| zero.saturating_add(1));
    let text = std::str::from_utf8(text.get(start..)?).ok()?;
    let (name, rest) = text.split_once('(')?;
    let mut rest = rest.strip_suffix(')').filter(|_| names.contains(name))?;
    let mut parameters = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once(": ")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return None;
        }
        let end = end_of_type(behind)?;
        parameters.push(parameter(behind.get(..end)?, starting.contains(name)));
        rest = behind.get(end..)?;
        rest = rest.strip_prefix(", ").unwrap_or(rest);
    }
    Some((name, parameters))
}

/// Where the type ends that a text begins with: at a comma outside brackets, or its end.
fn end_of_type(text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth = depth.saturating_add(1),
            b')' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    (depth == 0).then_some(text.len())
}

fn parameter(words: &str, at_start: bool) -> KernelParameter {
    let tensor = || {
        let inner = words.strip_prefix("Tensor([")?.strip_suffix(')')?;
        let (dims, dtype) = inner.rsplit_once("], ")?;
        let number = |dim: &str| {
            let inner = dim
                .strip_prefix("T.int64(")
                .and_then(|it| it.strip_suffix(')'));
            inner.unwrap_or(dim).parse().ok()
        };
        // A comma inside brackets belongs to a formula, which is no number either way, but
        // would count twice.
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_plain =
            !dims.contains("max(") && !dims.contains("min(") && dtype.chars().all(is_word);
        let dims = dims.split(", ").filter(|dim| !dim.is_empty());
        is_plain.then(|| KernelParameter::Tensor {
            dims: dims.map(number).collect(),
            dtype: dtype.to_owned(),
            at_start,
        })
    };
    let number = || {
        let beginnings = ["int", "uint", "float", "bool"];
        let is_number = beginnings.iter().any(|start| words.starts_with(start));
        is_number.then(|| KernelParameter::Number(words.to_owned()))
    };
    tensor().or_else(number).unwrap_or(KernelParameter::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures() {
        let names = BTreeSet::from(["add", "scalar"]);
        let starting = BTreeSet::from([String::from("x")]);
        let read =
            |text: &str| signature(text.as_bytes(), &names, &starting).map(|(_, words)| words);
        let tensor = |dims: &[Option<i64>], dtype: &str, at_start| KernelParameter::Tensor {
            dims: dims.to_vec(),
            dtype: dtype.to_owned(),
            at_start,
        };
        assert_eq!(
            read(
                "x\0add(x: Tensor([n + 1, T.int64(3), 4], float32), y_1: Tensor([], bool), n: int64)"
            ),
            Some(vec![
                tensor(&[None, Some(3), Some(4)], "float32", true),
                tensor(&[], "bool", false),
                KernelParameter::Number(String::from("int64"))
            ])
        );
        assert_eq!(
            read("scalar(x: Tensor([max(n, 2)], int8))"),
            Some(vec![KernelParameter::Other])
        );
        assert_eq!(read("scalar()"), Some(Vec::new()));
        assert_eq!(read("other(x: int64)"), None);
        assert_eq!(read("add(a sentence: with words)"), None);
        assert_eq!(read("add(x: Tensor([3, int8)"), None);
    }
}
