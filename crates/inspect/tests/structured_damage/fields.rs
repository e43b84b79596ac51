//! Where the fields of each format lie, and lies to put there.

use crate::damage::Random;

/// A number in a file.
#[derive(Debug, Clone, Copy)]
struct Field {
    at: usize,
    width: usize,
    big: bool,
}

/// What was put where.
pub type Lie = (usize, usize, u64);

/// Sets one to four fields to lies and returns them.
pub fn damage(bytes: &mut [u8], random: &mut Random) -> Vec<Lie> {
    let fields = fields(bytes, random);
    let mut done = Vec::new();
    for _ in 0..1 + random.below(4) {
        let Some(field) = pick(&fields, random) else {
            break;
        };
        let value = lie(bytes, field, &fields, random);
        write(bytes, field, value);
        done.push((field.at, field.width, value));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        tar_checksums(bytes);
    }
    done
}

fn pick(fields: &[Field], random: &mut Random) -> Option<Field> {
    fields.get(random.below(fields.len())).copied()
}

fn read(bytes: &[u8], field: Field) -> u64 {
    let mut word = [0u8; 8];
    let range = bytes.get(field.at..field.at + field.width).unwrap_or(&[]);
    word[..range.len()].copy_from_slice(range);
    if field.big {
        word[..range.len()].reverse();
    }
    u64::from_le_bytes(word)
}

fn write(bytes: &mut [u8], field: Field, value: u64) {
    let mut word = value.to_le_bytes();
    if field.big {
        word[..field.width].reverse();
    }
    if let Some(place) = bytes.get_mut(field.at..field.at + field.width) {
        place.copy_from_slice(&word[..field.width]);
    }
}

/// Values that a reader must not believe: giants, neighbours of the truth, the
/// file's own size, and what another field holds.
fn lie(bytes: &[u8], field: Field, fields: &[Field], random: &mut Random) -> u64 {
    let truth = read(bytes, field);
    let size = bytes.len() as u64;
    match random.below(14) {
        0 => 0,
        1 => u64::MAX,
        2 => i64::MAX as u64,
        3 => 1 << 31,
        4 => 1 << 32,
        5 => size,
        6 => size - 1,
        7 => truth.wrapping_add(1),
        8 => truth.wrapping_sub(1),
        9 => truth.wrapping_mul(2),
        10 => size.wrapping_sub(truth),
        11 => random.below(bytes.len()) as u64,
        12 => (random.below(usize::MAX) as u64) >> random.below(64),
        _ => pick(fields, random).map_or(1, |other| read(bytes, other)),
    }
}

/// Every `width` bytes from `at`, `count` times.
fn row(at: usize, width: usize, count: usize, big: bool) -> impl Iterator<Item = Field> {
    (0..count).map(move |index| Field {
        at: at + index * width,
        width,
        big,
    })
}

fn little(bytes: &[u8], at: usize, width: usize) -> usize {
    let field = Field {
        at,
        width,
        big: false,
    };
    usize::try_from(read(bytes, field))
        .unwrap_or(usize::MAX)
        .min(bytes.len())
}

fn fields(bytes: &[u8], random: &mut Random) -> Vec<Field> {
    let mut found = Vec::new();
    match bytes {
        [0x7f, b'E', b'L', b'F', ..] => elf(bytes, &mut found),
        [0xcf, 0xfa, 0xed, 0xfe, ..] => mach_o(bytes, 0, &mut found),
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, ..] => {
            found.extend(row(4, 4, 16, true));
            mach_o(bytes, little(bytes, 0, 0) + 0x4000, &mut found);
        }
        [b'M', b'Z', ..] => pe(bytes, &mut found),
        [b'P', b'K', ..] => zip(bytes, &mut found),
        [0, b'a', b's', b'm', ..] => found.extend(row(8, 1, 4096, false)),
        [b'!', b'<', ..] => ar(bytes, &mut found),
        _ if bytes.get(257..262) == Some(b"ustar") => tar(bytes, &mut found),
        _ => found.extend(row(0, 1, 512, false)),
    }
    let structural = found.len();
    executable(bytes, random, &mut found);
    // The container's fields and the executable's weigh the same.
    if structural > 0 && random.below(2) == 0 {
        found.truncate(structural);
    }
    found.retain(|field| field.at + field.width <= bytes.len());
    found
}

fn elf(bytes: &[u8], found: &mut Vec<Field>) {
    found.extend(row(24, 8, 3, false));
    found.extend(row(52, 2, 6, false));
    let segments = little(bytes, 32, 8);
    let count = little(bytes, 56, 2).min(32);
    found.extend(row(segments, 4, count * 2, false));
    for segment in 0..count {
        let at = segments + segment * 56;
        found.extend(row(at, 4, 2, false));
        found.extend(row(at + 8, 8, 6, false));
        if little(bytes, at, 4) == 2 {
            found.extend(row(little(bytes, at + 8, 8), 8, 64, false));
        }
    }
    let sections = little(bytes, 40, 8);
    for section in 0..little(bytes, 60, 2).min(64) {
        let at = sections + section * 64;
        found.extend(row(at, 4, 2, false));
        found.extend(row(at + 8, 8, 4, false));
        found.extend(row(at + 40, 4, 2, false));
        found.extend(row(at + 48, 8, 2, false));
        // Symbol tables, hash tables, version needs: their first entries.
        if [2, 5, 11, 0x6fff_fff6, 0x6fff_fffe].contains(&little_raw(bytes, at + 4)) {
            found.extend(row(little(bytes, at + 24, 8), 4, 64, false));
        }
    }
}

fn little_raw(bytes: &[u8], at: usize) -> u64 {
    read(
        bytes,
        Field {
            at,
            width: 4,
            big: false,
        },
    )
}

fn mach_o(bytes: &[u8], start: usize, found: &mut Vec<Field>) {
    found.extend(row(start, 4, 8, false));
    let mut at = start + 32;
    for _ in 0..little(bytes, start + 16, 4).min(64) {
        let size = little(bytes, at + 4, 4).max(8);
        found.extend(row(at, 4, (size / 4).min(64), false));
        match little_raw(bytes, at) {
            // Code signature: its big-endian head.
            0x1d => found.extend(row(start + little(bytes, at + 8, 4), 4, 48, true)),
            // Export trie, chained fixups, symbol table: their first bytes.
            0x8000_0033 | 0x8000_0034 | 0x8000_0022 => {
                found.extend(row(start + little(bytes, at + 8, 4), 1, 256, false));
            }
            2 => found.extend(row(start + little(bytes, at + 8, 4), 4, 64, false)),
            _ => {}
        }
        at += size;
    }
}

fn pe(bytes: &[u8], found: &mut Vec<Field>) {
    let header = little(bytes, 0x3c, 4);
    found.extend(row(0x3c, 4, 1, false));
    found.extend(row(header + 4, 2, 10, false));
    found.extend(row(header + 24, 4, 60, false));
    let sections = header + 24 + little(bytes, header + 20, 2);
    found.extend(row(
        sections,
        4,
        little(bytes, header + 6, 2).min(24) * 10,
        false,
    ));
    // Import and export tables lie at the start of sections.
    for section in 0..little(bytes, header + 6, 2).min(24) {
        let data = little(bytes, sections + section * 40 + 20, 4);
        found.extend(row(data, 4, 32, false));
    }
}

fn zip(bytes: &[u8], found: &mut Vec<Field>) {
    for at in 0..bytes.len().saturating_sub(4) {
        match &bytes[at..at + 4] {
            b"PK\x03\x04" => found.extend(row(at + 4, 2, 13, false)),
            b"PK\x01\x02" => found.extend(row(at + 4, 2, 21, false)),
            b"PK\x05\x06" => found.extend(row(at + 4, 2, 9, false)),
            b"PK\x06\x06" => found.extend(row(at + 4, 4, 13, false)),
            _ => {}
        }
    }
}

/// Text fields: each byte is a field.
fn ar(bytes: &[u8], found: &mut Vec<Field>) {
    let mut at = 8;
    while at + 60 <= bytes.len() && found.len() < 2048 {
        found.extend(row(at, 1, 60, false));
        let size: String = bytes[at + 48..at + 58]
            .iter()
            .map(|byte| char::from(*byte))
            .collect();
        at += 60
            + size
                .trim()
                .parse::<usize>()
                .unwrap_or(0)
                .next_multiple_of(2);
    }
}

fn tar(bytes: &[u8], found: &mut Vec<Field>) {
    let mut at = 0;
    while at + 512 <= bytes.len() && found.len() < 4096 {
        found.extend(row(at, 1, 8, false));
        found.extend(row(at + 124, 1, 12, false));
        // The kind of entry: sparse, long names, extended headers.
        found.extend((0..8).flat_map(|_| row(at + 156, 1, 1, false)));
        found.extend(row(at + 345, 1, 140, false));
        let digits: String = bytes[at + 124..at + 135]
            .iter()
            .map(|byte| char::from(*byte))
            .collect();
        let size = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8).unwrap_or(0);
        at += 512 + size.min(bytes.len()).next_multiple_of(512);
    }
}

/// Makes the header checksums true, or no lie would be read.
fn tar_checksums(bytes: &mut [u8]) {
    for at in (0..bytes.len().saturating_sub(511)).step_by(512) {
        if bytes[at + 257..at + 262] != *b"ustar" {
            continue;
        }
        bytes[at + 148..at + 156].fill(b' ');
        let sum: u64 = bytes[at..at + 512]
            .iter()
            .map(|byte| u64::from(*byte))
            .sum();
        bytes[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// The blob around an executable, and the executable's counts and words.
fn executable(bytes: &[u8], random: &mut Random, found: &mut Vec<Field>) {
    const MAGIC_TAIL: [u8; 7] = [0x15, 0x14, 0x42, 0x2f, 0xde, 0x25, 0xd2];
    let Some(tail) = bytes.windows(7).position(|window| window == MAGIC_TAIL) else {
        return;
    };
    let magic = tail.saturating_sub(1);
    found.extend(row(magic.saturating_sub(0x62), 8, 12, false));
    found.extend(row(magic, 8, 3, false));
    // Counts stand at any byte of what follows: small numbers in eight bytes.
    let window = bytes.get(magic..).unwrap_or(&[]);
    let reach = window.len().min(64 << 10);
    for (at, word) in window[..reach].windows(8).enumerate() {
        if word[0] != 0 && word[2..].iter().all(|byte| *byte == 0) && random.below(8) == 0 {
            found.extend(row(magic + at, 8, 1, false));
        }
    }
}
