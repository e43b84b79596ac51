//! Source files that an error names, and patterns of them.

/// Whether a source file is one of these: `dir/` names a folder, `dir/name` a file in it,
/// `name*` how a file's name begins, `name` all of it but its ending.
pub fn is_source(path: &str, patterns: &[String]) -> bool {
    let path = path.to_ascii_lowercase();
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", &path));
    let name = file.split_once('.').map_or(file, |(name, _)| name);
    let folders = format!("/{folders}/");
    let is = |pattern: &String| match pattern.rsplit_once('/') {
        Some((folder, "")) => folders.contains(&format!("/{folder}/")),
        Some((folder, whole)) => name == whole && folders.ends_with(&format!("/{folder}/")),
        None => match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == pattern,
        },
    };
    patterns.iter().any(is)
}

/// The source files that a line names.
pub fn sources(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| c.is_whitespace() || "\"'()[],<>`".contains(c));
    words.filter_map(|word| {
        let ends = [".cc", ".mm", ".h", ".cpp", ".cu"];
        ends.iter().find_map(|end| {
            let (path, rest) = word.rsplit_once(end)?;
            let is_end = rest.is_empty() || rest.starts_with(':');
            (is_end && !path.is_empty()).then_some(path)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_files_are_found_by_folder_and_name() {
        let patterns = ["metal_*", "src/relax/", "vm", "ffi/object"].map(str::to_owned);
        for (line, is_in) in [
            ("  File \"/w/src/relax/ir.cc\", line 3, in f()", true),
            ("[12:00:00] /w/metal_module.mm:102: InternalError", true),
            ("vm.cc:3: Check failed", true),
            ("kvm.cc:3: Check failed", false),
            ("/w/relax/ir.cc:3", false),
            ("metal_module.mmx", false),
            ("/w/src/ffi/object.cc:133", true),
            ("/w/src/ir/object.cc:133", false),
        ] {
            let found = sources(line).any(|path| is_source(path, &patterns));
            assert_eq!(found, is_in, "{line}");
        }
    }
}
