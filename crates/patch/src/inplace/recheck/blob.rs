//! A blob as a list of modules, and how two of them differ.

use super::fields::Fields;
use super::{executable, kernels};
use crate::plan::Change;

struct Module<'a> {
    kind: &'a [u8],
    payload: &'a [u8],
}

/// What the second blob says differently, sorted; an error for a difference
/// that has no name.
pub(super) fn differences(old: &[u8], new: &[u8]) -> Result<Vec<Change>, String> {
    let (old_tree, old_modules) = modules(old)?;
    let (new_tree, new_modules) = modules(new)?;
    if old_tree != new_tree || old_modules.len() != new_modules.len() {
        return Err("the module trees differ".to_owned());
    }
    let mut changes = Vec::new();
    for (index, (old, new)) in old_modules.iter().zip(&new_modules).enumerate() {
        if old.kind != new.kind {
            return Err(format!("the kinds of module {index} differ"));
        }
        if old.payload == new.payload {
            continue;
        }
        let found = if old.kind.starts_with(b"relax.") {
            executable::differences(index, old.payload, new.payload)
        } else {
            kernels::differences(index, old.kind, old.payload, new.payload)
        };
        changes.extend(found.map_err(|error| format!("module {index}: {error}"))?);
    }
    changes.sort();
    Ok(changes)
}

/// The import tree as words, and the modules in file order.
fn modules(blob: &[u8]) -> Result<(Vec<i64>, Vec<Module<'_>>), String> {
    let mut fields = Fields(blob);
    let content = fields.text()?;
    tree_first(content)
        .or_else(|first| count_first(content).map_err(|second| format!("{first}; {second}")))
}

fn tree_first(content: &[u8]) -> Result<(Vec<i64>, Vec<Module<'_>>), String> {
    let mut fields = Fields(content);
    let mut tree = fields.words()?;
    let count = tree.len().checked_sub(1).ok_or("no modules")?;
    tree.extend(fields.words()?);
    let mut modules = Vec::new();
    for _ in 0..count {
        let kind = fields.text()?;
        let payload: &[u8] = if kind == b"_lib" { &[] } else { fields.text()? };
        modules.push(Module { kind, payload });
    }
    match fields.0.is_empty()
        && modules
            .iter()
            .any(|module| module.kind.starts_with(b"relax."))
    {
        true => Ok((tree, modules)),
        false => Err("bytes after the last module".to_owned()),
    }
}

/// The layout of 0.21 and before: only executables say how long they are, so
/// all that follows another payload is kept as one.
fn count_first(content: &[u8]) -> Result<(Vec<i64>, Vec<Module<'_>>), String> {
    let mut fields = Fields(content);
    let count = fields.size()?;
    let mut tree = Vec::new();
    let mut modules = Vec::new();
    for _ in 0..count {
        let kind = fields.text()?;
        let payload: &[u8] = match kind {
            b"_lib" => &[],
            b"_import_tree" => {
                tree.extend(fields.words()?);
                tree.extend(fields.words()?);
                continue;
            }
            _ if kind.starts_with(b"relax.") => fields.text()?,
            _ => {
                modules.push(Module {
                    kind: b"",
                    payload: fields.0,
                });
                return Ok((tree, modules));
            }
        };
        modules.push(Module { kind, payload });
    }
    Ok((tree, modules))
}
