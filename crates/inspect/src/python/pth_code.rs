//! Lines of `.pth` files: the mark of their encoding, and what their code does with the folders
//! that modules are looked for in.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::text::without_strings;

/// The text of a `.pth` file without a mark of its encoding, and what is not known of that.
/// Python reads the mark as a part of the first line up to 3.11, and passes over it from
/// 3.13 on (`site.addpackage`).
pub(super) fn without_mark<'a>(text: &'a str, site: &Path) -> (&'a str, Option<&'static str>) {
    let Some(rest) = text.strip_prefix('\u{feff}') else {
        return (text, None);
    };
    let folders = site.iter().filter_map(OsStr::to_str);
    let mut versions = folders.filter_map(|name| name.strip_prefix("python3.")?.parse().ok());
    let minor: Option<u32> = versions.next_back();
    match minor {
        Some(13..) => (rest, None),
        Some(..=11) => (rest.split_once('\n').map_or("", |(_, rest)| rest), None),
        _ => (rest, Some("begins with a byte order mark")),
    }
}

/// What a code line does with the folders that modules are looked for in.
pub(super) enum Change {
    Nothing,
    Behind(PathBuf),
    Before(PathBuf),
    Unknown,
}

/// Calls that are understood have one text for the folder.
pub(super) fn sys_path(line: &str) -> Change {
    type Make = fn(PathBuf) -> Change;
    const CALLS: [(&str, Make); 3] = [
        ("sys.path.insert(0,", Change::Before),
        ("sys.path.append(", Change::Behind),
        ("site.addsitedir(", Change::Behind),
    ];
    const OTHERS: [&str; 5] = [
        "sys.path.insert(",
        "sys.path.extend(",
        "sys.path[0:0]",
        "sys.path[:0]",
        "sys.path =",
    ];
    let plain = line.replace("sys.path.insert(0 ,", "sys.path.insert(0,");
    let folder = |call: &str| {
        let (_, rest) = plain.split_once(call)?;
        let rest = rest.trim_start().trim_start_matches('r');
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let (text, rest) = rest.get(1..)?.split_once(quote)?;
        let is_end = rest.trim_start().starts_with(')');
        is_end.then(|| PathBuf::from(text))
    };
    for (call, change) in CALLS {
        match folder(call).map(change) {
            // Where Python is started decides; what is there comes last.
            Some(Change::Behind(path)) if path.is_relative() => return Change::Nothing,
            Some(Change::Before(path)) if path.is_relative() => return Change::Unknown,
            Some(change) => return change,
            None => {}
        }
    }
    let code = without_strings(line);
    let mut all = OTHERS.iter().chain(CALLS.iter().map(|(call, _)| call));
    match all.any(|one| code.contains(one)) {
        true => Change::Unknown,
        false => Change::Nothing,
    }
}
