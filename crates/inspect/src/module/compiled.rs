//! What can be read of VM functions that are compiled to host code
//! (`__vmtir__<name>`): the names of the builtins that they call, which are
//! strings of the host part. What they pass is not read.

use memchr::memmem;

use super::ModelLibrary;
use crate::container::Parsed;
use crate::limits::MAX_REGISTERED_NAME;
use crate::vm::FunctionKind;

const START: &[u8] = b"vm.builtin.";

/// Fills in the builtins that compiled VM functions name, where there are some.
pub(super) fn read(library: &mut ModelLibrary, parsed: &Parsed<'_>) {
    let Ok(blob) = &library.blob else { return };
    let length = blob.length;
    let mut functions = blob.executables().flat_map(|(_, it)| &it.functions);
    if !functions.any(|function| function.kind == FunctionKind::VmTir) {
        return;
    }
    let mut names = Vec::new();
    for region in parsed.regions.iter().filter(|region| !region.executable) {
        let own = region.name == library.region;
        let blob = library.region_offset..library.region_offset.saturating_add(length);
        for at in memmem::find_iter(&region.data, START) {
            if own && blob.contains(&(at as u64)) {
                continue;
            }
            names.extend(name_at(&region.data, at));
        }
    }
    names.sort_unstable();
    names.dedup();
    library.compiled_calls = names;
}

/// The C string at `at`, if it begins there and is nothing but a name.
fn name_at(data: &[u8], at: usize) -> Option<String> {
    let begins = at
        .checked_sub(1)
        .is_none_or(|before| data.get(before) == Some(&0));
    let rest = data.get(at..)?;
    let rest = rest.get(..MAX_REGISTERED_NAME).unwrap_or(rest);
    let length = memchr::memchr(0, rest)?;
    let name = std::str::from_utf8(rest.get(..length)?).ok()?;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    (begins && name.bytes().all(letters)).then(|| name.to_owned())
}
