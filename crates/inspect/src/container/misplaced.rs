//! Exports that lead elsewhere than TVM takes them to lead: functions that are no code, and
//! cells that share the memory of another.

use super::binary::{Binary, BinaryKind, DefinedSymbol, Format};
use super::names::{SLOT, is_blob_symbol, is_context_symbol};
use super::{Damage, DamageKind, Region, Reply};

/// How functions begin that TVM calls.
const FUNCTION: &str = "__tvm_ffi_";
/// Bytes of a cell: a pointer.
const CELL: u64 = 8;

/// What is wrong with the exports of a linked file.
pub(super) fn find(binary: &Binary, regions: &[Region<'_>]) -> Vec<Damage> {
    if !matches!(binary.format, Format::Elf | Format::MachO | Format::Pe)
        || binary.kind != BinaryKind::SharedLibrary
    {
        return Vec::new();
    }
    let exported = || binary.defined.iter().filter(|one| one.exported);
    let functions = exported().filter(|one| is_function(&one.name));
    let functions = functions.filter(|one| region(one, regions).is_some_and(|at| !at.executable));
    let mut found: Vec<Damage> = functions
        .map(|one| {
            let what = format!("`{}` is called, and leads to what is not code", one.name);
            damage(one, regions, what)
        })
        .collect();
    let is_cell = |one: &&DefinedSymbol| one.name.starts_with(SLOT) || is_context_symbol(&one.name);
    let mut cells: Vec<&DefinedSymbol> = exported().filter(is_cell).collect();
    cells.sort_by_key(|one| one.address);
    for pair in cells.array_windows() {
        let [one, next] = pair;
        let apart = next.address.saturating_sub(one.address);
        if one.address != 0 && apart < CELL && one.name != next.name {
            let (one_name, name) = (&one.name, &next.name);
            let what = format!(
                "`{one_name}` and `{name}` are in the same memory: what the runtime writes for one is not in the other"
            );
            found.push(damage(next, regions, what));
        }
    }
    found
}

fn is_function(name: &str) -> bool {
    name.starts_with(FUNCTION) && !is_blob_symbol(name) && !is_context_symbol(name)
}

fn region<'a, 'data>(
    one: &DefinedSymbol,
    regions: &'a [Region<'data>],
) -> Option<&'a Region<'data>> {
    regions.get(one.region?)
}

fn damage(one: &DefinedSymbol, regions: &[Region<'_>], what: String) -> Damage {
    let at = region(one, regions).and_then(|region| region.file_offset(one.region_offset));
    Damage {
        kind: DamageKind::Table(Reply::Crash),
        what,
        offset: at.unwrap_or(0),
        lost: vec![one.name.clone()],
    }
}
