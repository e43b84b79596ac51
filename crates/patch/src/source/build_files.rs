//! Whether the tree's CMakeLists.txt takes up a new file of `src/runtime` itself.
//!
//! Every TVM release globs `src/runtime/*.cc`; trees that list their files one
//! by one get a line next to the device API's own file.

use super::error::SourceError;
use super::patch::FileEdit;
use super::tree::SourceTree;

/// Files beside which a listed file is added: 0.21 and later, and before.
const NEIGHBOURS: [&str; 2] = ["src/runtime/device_api.cc", "src/runtime/c_runtime_api.cc"];

/// What the build needs.
pub enum Build {
    /// There is no build file: an installed wheel.
    None,
    /// It globs the folder.
    Globs,
    /// It lists files, and gets one more line.
    Lists(FileEdit),
}

/// Looks at the tree's build file.
pub fn look(tree: &SourceTree, new_file: &str) -> Result<Build, SourceError> {
    let path = "CMakeLists.txt";
    let Some(text) = tree.read_if_present(path)? else {
        return Ok(Build::None);
    };
    let code = || {
        text.lines()
            .map(|line| line.split('#').next().unwrap_or_default())
    };
    let globs = code()
        .flat_map(|line| line.split([' ', '\t', '(', ')', '"', ';']))
        .any(|word| word == "src/runtime/*.cc" || word.ends_with("}/src/runtime/*.cc"));
    if globs {
        return Ok(Build::Globs);
    }
    for neighbour in NEIGHBOURS {
        if let Some(new) = add_line_after(&text, neighbour, new_file) {
            let edit = FileEdit {
                path: path.to_owned(),
                old: Some(text.clone()),
                new,
            };
            return Ok(Build::Lists(edit));
        }
    }
    Err(SourceError::UnknownBuild {
        path: path.to_owned(),
    })
}

/// Doubles the line that names `neighbour` and nothing else, with the new name.
fn add_line_after(text: &str, neighbour: &str, new_file: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len().saturating_add(new_file.len()));
    let mut added = false;
    for line in text.split_inclusive('\n') {
        out.push_str(line);
        let name = line.trim();
        let bare = name == neighbour || name.strip_suffix(neighbour).is_some_and(is_prefix);
        if bare && !added {
            out.push_str(&line.replace(neighbour, new_file));
            added = true;
        }
    }
    added.then_some(out)
}

fn is_prefix(prefix: &str) -> bool {
    prefix.starts_with("${") && prefix.ends_with("}/")
}
