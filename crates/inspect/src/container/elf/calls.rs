//! Which functions use what the loader fills in at an address: they read it
//! themselves, or call the stub of a few instructions that jumps there.
//!
//! Nothing is disassembled. On x86-64 every such reference ends with its distance
//! in four bytes; on AArch64 it is `adrp` and a load, and a call is one instruction.

use std::collections::{BTreeMap, BTreeSet};

use crate::container::names::is_blob_symbol;
use crate::container::{Architecture, DefinedSymbol, Region};

/// Code that is looked through, in a model library and in any other, and functions
/// that are named.
pub(super) const MAX_MODEL_CODE: usize = 8 << 20;
const MAX_CODE: usize = 1 << 20;
const MAX_USERS: usize = 4;

/// For each of `slots` the functions that use what is filled in there, by name.
pub(super) fn users(
    regions: &[Region<'_>],
    functions: &[DefinedSymbol],
    slots: &[u64],
    architecture: Architecture,
) -> Vec<Vec<String>> {
    let most = match functions.iter().any(|one| is_blob_symbol(&one.name)) {
        true => MAX_MODEL_CODE,
        false => MAX_CODE,
    };
    let Some(code) = code(regions, most) else {
        return vec![Vec::new(); slots.len()];
    };
    // Who leads to one of some addresses: (from, to).
    let references = |targets: &BTreeSet<u64>, calls: bool| -> Vec<(u64, u64)> {
        let of_region = |region: &&Region<'_>| match architecture {
            Architecture::X86_64 => x86_64(region, targets),
            Architecture::Aarch64 if calls => branches(region, targets),
            Architecture::Aarch64 => addresses(region, targets, LOAD),
            _ => Vec::new(),
        };
        code.iter().flat_map(of_region).collect()
    };
    let mut names: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    // A stub: sixteen bytes, whose first instruction is called.
    let mut stubs: BTreeMap<u64, u64> = BTreeMap::new();
    for (at, slot) in references(&slots.iter().copied().collect(), false) {
        match holder(functions, at) {
            Some(user) => drop(names.entry(slot).or_default().insert(&user.name)),
            None => drop(stubs.insert(at & !15, slot)),
        }
    }
    if !stubs.is_empty() {
        for (at, stub) in references(&stubs.keys().copied().collect(), true) {
            if let (Some(user), Some(slot)) = (holder(functions, at), stubs.get(&stub)) {
                names.entry(*slot).or_default().insert(&user.name);
            }
        }
    }
    let of_slot = |slot: &u64| {
        let names = names.get(slot).into_iter().flatten();
        names
            .take(MAX_USERS)
            .map(|name| (*name).to_owned())
            .collect()
    };
    slots.iter().map(of_slot).collect()
}

/// The regions of code, where they are not too large to be looked through.
pub(super) fn code<'a, 'data>(
    regions: &'a [Region<'data>],
    most: usize,
) -> Option<Vec<&'a Region<'data>>> {
    let code: Vec<&Region<'_>> = regions.iter().filter(|region| region.executable).collect();
    let sizes = code.iter().map(|region| region.data.len());
    (sizes.fold(0usize, usize::saturating_add) <= most).then_some(code)
}

/// Where code calls, jumps to or takes the address of some functions: (from, to). `None`
/// where that is not known.
pub(super) fn led_to(
    regions: &[Region<'_>],
    functions: &[u64],
    architecture: Architecture,
) -> Option<Vec<(u64, u64)>> {
    let code = code(regions, MAX_MODEL_CODE)?;
    let targets: BTreeSet<u64> = functions.iter().copied().collect();
    let of_region = |region: &&Region<'_>| match architecture {
        Architecture::X86_64 => Some(x86_64(region, &targets)),
        Architecture::Aarch64 => {
            let mut found = branches(region, &targets);
            found.extend(addresses(region, &targets, ADD));
            Some(found)
        }
        _ => None,
    };
    let found: Option<Vec<Vec<(u64, u64)>>> = code.iter().map(of_region).collect();
    Some(found?.into_iter().flatten().collect())
}

/// The function that holds an address.
pub(super) fn holder(functions: &[DefinedSymbol], address: u64) -> Option<&DefinedSymbol> {
    let holds = |function: &&DefinedSymbol| {
        let offset = address.checked_sub(function.address);
        offset.is_some_and(|offset| function.size.is_some_and(|size| offset < size))
    };
    functions.iter().find(holds)
}

/// Addresses of distances that lead to one of `targets` from the byte after them.
pub(super) fn x86_64(region: &Region<'_>, targets: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let (Some(first), Some(last)) = (targets.first(), targets.last()) else {
        return Vec::new();
    };
    let mut leads = Vec::new();
    let mut from = 0usize;
    while let Some(block) = region.data.get(from..).filter(|rest| rest.len() >= 4) {
        let window = block.first_chunk::<WINDOW>();
        let at = region.address.wrapping_add(from as u64);
        let (places, next) = match window {
            Some(window) if !may_lead(window, at, *first, *last) => (0, BLOCK),
            Some(_) => (BLOCK, BLOCK),
            None => (block.len(), block.len()),
        };
        let places = block.windows(4).take(places).zip(0u64..);
        leads.extend(places.filter_map(|(bytes, offset)| {
            let distance = i32::from_le_bytes(bytes.try_into().ok()?);
            let at = at.wrapping_add(offset);
            let target = at.wrapping_add(4).wrapping_add_signed(distance.into());
            let is_near = (*first..=*last).contains(&target);
            (is_near && targets.contains(&target)).then_some((at, target))
        }));
        from = from.saturating_add(next);
    }
    leads
}

/// Places tried together, and the bytes they look at.
const BLOCK: usize = 32;
const WINDOW: usize = BLOCK + 3;

/// Whether a distance from one of the places at `at` may lead between `first` and
/// `last`, by its upper two bytes. Without a branch and over arrays of one length, so
/// that the compiler tries all at once.
fn may_lead(window: &[u8; WINDOW], at: u64, first: u64, last: u64) -> bool {
    let least = first.wrapping_sub(at.wrapping_add(4).wrapping_add(BLOCK as u64)) >> 16;
    let most = last.wrapping_sub(at.wrapping_add(4)) >> 16;
    let span = u16::try_from(most.wrapping_sub(least)).unwrap_or(u16::MAX);
    let [low, high, ..] = least.to_le_bytes();
    let least = u16::from_le_bytes([low, high]);
    let from = |at: usize| window.get(at..)?.first_chunk::<BLOCK>();
    let (Some(third), Some(fourth)) = (from(2), from(3)) else {
        return true;
    };
    let any = third.iter().zip(fourth).fold(0u8, |any, (third, fourth)| {
        let upper = u16::from_le_bytes([*third, *fourth]);
        any | u8::from(upper.wrapping_sub(least) <= span)
    });
    any != 0
}

pub(super) fn instructions<'a>(region: &'a Region<'_>) -> impl Iterator<Item = (u64, u32)> + 'a {
    let words = region.data.chunks_exact(4).zip(0u64..);
    words.filter_map(|(bytes, index)| {
        let at = region.address.wrapping_add(index.wrapping_mul(4));
        Some((at, u32::from_le_bytes(bytes.try_into().ok()?)))
    })
}

/// `bl` and `b` to one of `targets`.
fn branches(region: &Region<'_>, targets: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let leads = instructions(region).filter_map(|(at, word)| {
        let distance = i64::from((word << 6).cast_signed() >> 4);
        let target = at.wrapping_add_signed(distance);
        let is_branch = word & 0x7c00_0000 == 0x1400_0000;
        (is_branch && targets.contains(&target)).then_some((at, target))
    });
    leads.collect()
}

/// `ldr x, [x, #n]`, counted in words of eight bytes, and `add x, x, #n`.
const LOAD: (u32, u32) = (0xf940_0000, 3);
const ADD: (u32, u32) = (0x9100_0000, 0);

/// `adrp` of the page of one of `targets`, and another instruction with its place there
/// soon after.
fn addresses(
    region: &Region<'_>,
    targets: &BTreeSet<u64>,
    (second, shift): (u32, u32),
) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    // Where a page was put into a register last: at, page, register.
    let mut last: Option<(u64, u64, u32)> = None;
    for (at, word) in instructions(region) {
        if word & 0x9f00_0000 == 0x9000_0000 {
            last = Some((at, page(at, word), word & 31));
        } else if word & 0xffc0_0000 == second
            && let Some((began, page, register)) = last
            && word >> 5 & 31 == register
        {
            let target = page.wrapping_add(u64::from(word >> 10 & 0xfff).wrapping_shl(shift));
            if targets.contains(&target) {
                found.push((began, target));
            }
        }
    }
    found
}

/// The page that an `adrp` at an address leads to.
pub(super) fn page(at: u64, word: u32) -> u64 {
    (at & !0xfff).wrapping_add_signed(i64::from(distance(word)) << 12)
}

/// The number of an `adr` or `adrp`.
pub(super) fn distance(word: u32) -> i32 {
    (((word << 8).cast_signed() >> 13) << 2) | (word >> 29 & 3).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(address: u64, bytes: &'static [u8]) -> Region<'static> {
        Region {
            executable: true,
            ..Region::of_file(".text".into(), address, 0, bytes)
        }
    }

    #[test]
    fn references_of_both_machines() {
        // jmp *0x2fea(%rip) at 0x1010.
        let stub = code(0x1010, &[0xff, 0x25, 0xea, 0x2f, 0, 0]);
        assert_eq!(x86_64(&stub, &[0x4000].into()), [(0x1012, 0x4000)]);
        assert_eq!(x86_64(&stub, &[0x3fff, 0x4001].into()), []);
        // adrp x16, 0x20000; ldr x17, [x16, #24]
        let stub = code(0x1_0ff0, &[0x90, 0x00, 0x00, 0x90, 0x11, 0x0e, 0x40, 0xf9]);
        assert_eq!(
            addresses(&stub, &[0x2_0018].into(), LOAD),
            [(0x1_0ff0, 0x2_0018)]
        );
        assert_eq!(addresses(&stub, &[0x2_0020].into(), LOAD), []);
        // bl backwards by four instructions
        let call = code(0x1010, &[0xfc, 0xff, 0xff, 0x97]);
        assert_eq!(branches(&call, &[0x1000].into()), [(0x1010, 0x1000)]);
    }
}
