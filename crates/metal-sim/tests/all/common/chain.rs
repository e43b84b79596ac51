//! Turns classic fixups into chained ones, the form that newer linkers write. No
//! pinned part has them, so the tests convert a real library.

use std::collections::BTreeMap;

use artcheck_metal_sim::macho::{Image, Provider};

const DYLD_INFO_ONLY: u32 = 0x8000_0022;
const SEGMENT_64: u32 = 0x19;
const CHAINED_FIXUPS: u32 = 0x8000_0034;
const PAGE: u64 = 0x4000;

/// The eight bits that say which library has a symbol.
fn ordinal_of(provider: Provider) -> u32 {
    match provider {
        Provider::Own => 0,
        Provider::Dependency(ordinal) => ordinal,
        Provider::Any => 0xfe,
        Provider::Coalesced => 0xfd,
    }
}

/// The same library with chained fixups (pointer format 6, imports format 1).
pub fn chained(bytes: &[u8]) -> Vec<u8> {
    let image = Image::parse(bytes).expect("the library parses");
    let mut out = bytes.to_vec();
    let (mut imports, mut names) = (Vec::new(), vec![0u8]);
    let mut places = BTreeMap::new();
    for rebase in &image.fixups.rebases {
        places.insert(rebase.address, rebase.target);
    }
    for (ordinal, binding) in image.fixups.bindings.iter().enumerate() {
        // Classic weak symbols have both: the library's own address, which a
        // binding may replace. A chain has one of them; half of each is tried.
        if ordinal % 2 == 0 || !places.contains_key(&binding.address) {
            places.insert(binding.address, 1 << 63 | ordinal as u64);
        }
        imports.extend((ordinal_of(binding.from) | (names.len() as u32) << 9).to_le_bytes());
        names.extend(binding.symbol.as_bytes());
        names.push(0);
    }

    let count = image.segments.list.len() as u32;
    let mut starts = Vec::from(count.to_le_bytes());
    starts.resize(4 + 4 * image.segments.list.len(), 0);
    for (index, segment) in image.segments.list.iter().enumerate() {
        let end = segment.address + segment.size;
        let inside: Vec<u64> = places
            .range(segment.address..end)
            .map(|(a, _)| *a)
            .collect();
        if inside.is_empty() {
            continue;
        }
        starts.resize(starts.len().next_multiple_of(8), 0);
        let at = starts.len() as u32;
        starts[4 + 4 * index..8 + 4 * index].copy_from_slice(&at.to_le_bytes());
        let pages = segment.size.div_ceil(PAGE) as u16;
        starts.extend((22 + 2 * u32::from(pages)).to_le_bytes());
        starts.extend((PAGE as u16).to_le_bytes());
        starts.extend(6u16.to_le_bytes());
        starts.extend(segment.address.to_le_bytes());
        starts.extend(0u32.to_le_bytes());
        starts.extend(pages.to_le_bytes());
        for page in 0..u64::from(pages) {
            let from = segment.address + page * PAGE;
            let here: Vec<u64> = inside
                .iter()
                .copied()
                .filter(|a| (from..from + PAGE).contains(a))
                .collect();
            let first = here.first().map_or(0xffff, |a| (a - from) as u16);
            starts.extend(first.to_le_bytes());
            for (i, address) in here.iter().enumerate() {
                let next = here.get(i + 1).map_or(0, |n| (n - address) / 4);
                let word = places[address] | next << 51;
                let file = (segment.file_offset + address - segment.address) as usize;
                out[file..file + 8].copy_from_slice(&word.to_le_bytes());
            }
        }
    }
    append(
        &mut out,
        image.fixups.bindings.len() as u32,
        &starts,
        &imports,
        &names,
    );
    out
}

fn append(out: &mut Vec<u8>, count: u32, starts: &[u8], imports: &[u8], names: &[u8]) {
    out.resize(out.len().next_multiple_of(16), 0);
    let data_at = out.len() as u32;
    let imports_at = (32 + starts.len()).next_multiple_of(8);
    let names_at = imports_at + imports.len();
    let header = [0, 32, imports_at as u32, names_at as u32, count, 1, 0, 0];
    let mut data: Vec<u8> = header.iter().flat_map(|w| w.to_le_bytes()).collect();
    data.extend(starts);
    data.resize(imports_at, 0);
    data.extend(imports);
    data.extend(names);
    let word =
        |out: &[u8], at: usize| u32::from_le_bytes(out[at..at + 4].try_into().expect("four bytes"));
    let (mut at, commands) = (32, word(out, 16));
    for _ in 0..commands {
        let (command, size) = (word(out, at), word(out, at + 4) as usize);
        let linkedit = out[at + 8..].starts_with(b"__LINKEDIT");
        let start = u64::from(word(out, at + 40));
        let mut put = |offset: usize, value: u64, width: usize| {
            let bytes = value.to_le_bytes();
            out[at + offset..at + offset + width].copy_from_slice(&bytes[..width]);
        };
        if command == DYLD_INFO_ONLY {
            for offset in (8..size).step_by(4) {
                put(offset, 0, 4);
            }
            put(0, CHAINED_FIXUPS.into(), 4);
            put(8, data_at.into(), 4);
            put(12, data.len() as u64, 4);
        } else if command == SEGMENT_64 && linkedit {
            // The segment grows over the new data.
            let bytes = u64::from(data_at) + data.len() as u64 - start;
            put(32, bytes.next_multiple_of(PAGE), 8);
            put(48, bytes, 8);
        }
        at += size;
    }
    out.extend(data);
}
