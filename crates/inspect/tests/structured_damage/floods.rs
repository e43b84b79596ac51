//! Files of a hundred megabytes, each made of one small thing over and over:
//! what is kept of them must not grow with their number.

use super::containers;

/// Bytes of each file, roughly.
const SIZE: usize = 96 << 20;

/// Name, maker (so that one lies in memory at a time), and what is said of the
/// limit that it runs into.
pub type Flood = (&'static str, fn() -> Vec<u8>, &'static str);

pub const ALL: [Flood; 8] = [
    ("symbols.o", symbols, "names that concern TVM"),
    ("sections.o", sections, "sections with contents"),
    ("exports.wasm", exports, "as many exports"),
    (
        "constants.bin",
        || constants(SIZE / 16),
        "the number of constants of at most",
    ),
    ("parameters.bin", parameters, "parameter names of at most"),
    ("bound.dylib", bound, "more name bytes kept"),
    ("libraries.a", || containers::libraries(SIZE / 4096), CUT),
    ("climbing.tar", || containers::climbing(SIZE / 512), CUT),
];

const CUT: &str = "what follows is not looked at";

fn le(out: &mut Vec<u8>, words: &[u64]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

/// A section header of 64-bit ELF.
fn section(out: &mut Vec<u8>, [name, kind]: [u32; 2], words: [u64; 4], [link, info]: [u32; 2]) {
    out.extend(name.to_le_bytes());
    out.extend(kind.to_le_bytes());
    le(out, &words);
    out.extend(link.to_le_bytes());
    out.extend(info.to_le_bytes());
    le(out, &[1, if kind == 2 { 24 } else { 0 }]);
}

/// The header of an x86-64 object; section headers follow.
fn object(sections: u16, names: u16) -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [1u16, 62] {
        out.extend(half.to_le_bytes());
    }
    out.extend(1u32.to_le_bytes());
    le(&mut out, &[0, 0, 64]);
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 0, 0, 64, sections, names] {
        out.extend(half.to_le_bytes());
    }
    out
}

/// An object of functions that are all called `TVMa`, with a string table in
/// which they could have names of their own.
fn symbols() -> Vec<u8> {
    const STRINGS: usize = 2 << 20;
    let count = SIZE / 24;
    let mut out = object(4, 3);
    let data = 64 + 4 * 64;
    let length = count as u64 * 24;
    section(&mut out, [0, 0], [0; 4], [0, 0]);
    section(&mut out, [0, 1], [6, 0, data, 8], [0, 0]);
    let strings = STRINGS as u64;
    section(&mut out, [0, 2], [0, 0, data + 8 + strings, length], [3, 0]);
    section(&mut out, [0, 3], [0, 0, data + 8, strings], [0, 0]);
    out.extend(b"\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3\0TVMa\0\0\0");
    out.resize(out.len() - 8 + STRINGS, 0);
    for _ in 0..count {
        out.extend(1u32.to_le_bytes());
        out.extend([0x12, 0, 1, 0]);
        le(&mut out, &[0, 1]);
    }
    out
}

/// An object of sections that share their one byte.
fn sections() -> Vec<u8> {
    let count = SIZE / 64;
    let mut out = object(0, 1);
    section(&mut out, [0, 0], [0, 0, 0, count as u64], [0, 0]);
    for _ in 1..count {
        section(&mut out, [0, 1], [2, 0, 0, 64], [0, 0]);
    }
    out
}

fn leb(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A module of exports with names of one letter.
fn exports() -> Vec<u8> {
    let count = SIZE / 4;
    let mut body = Vec::new();
    leb(&mut body, count);
    body.extend(b"\x01a\x00\x00".repeat(count));
    let mut out = b"\0asm\x01\0\0\0\x07".to_vec();
    leb(&mut out, body.len());
    out.extend(body);
    out
}

/// The beginning of a bare executable, up to the number of functions.
fn executable() -> Vec<u8> {
    let mut out = 0xD225_DE2F_4214_151Eu64.to_le_bytes().to_vec();
    le(&mut out, &[4]);
    out.extend(b"0.14");
    out
}

/// An executable of data types, the shortest constant.
fn constants(count: usize) -> Vec<u8> {
    let mut out = executable();
    le(&mut out, &[0, 0, count as u64]);
    out.extend(b"\x05\0\0\0\0\x20\x01\0".repeat(count));
    le(&mut out, &[0, 0]);
    out
}

/// A function of parameters without a name.
fn parameters() -> Vec<u8> {
    let count = SIZE / 16;
    let mut out = executable();
    le(&mut out, &[1]);
    out.extend(1u32.to_le_bytes());
    le(&mut out, &[1]);
    out.extend(b"f");
    le(&mut out, &[0, 0, 0, 0, count as u64]);
    out.resize(out.len() + count * 8, 0);
    le(&mut out, &[0, 0, 0, 0]);
    out
}

/// An image whose symbols are all bound to one library with a long name.
fn bound() -> Vec<u8> {
    const NAME: usize = 1 << 20;
    let count = SIZE / 64;
    let mut out = Vec::new();
    let words = |out: &mut Vec<u8>, words: &[u32]| {
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    };
    let commands = 24 + 24 + NAME as u32;
    let symbols = 32 + commands;
    let strings = symbols + 16 * count as u32;
    words(
        &mut out,
        &[0xfeed_facf, 0x0100_000c, 0, 6, 2, commands, 0, 0],
    );
    words(&mut out, &[2, 24, symbols, count as u32, strings, 8]);
    words(&mut out, &[0xc, 24 + NAME as u32, 24, 0, 0, 0]);
    out.resize(out.len() + NAME - 1, b'n');
    out.push(0);
    for _ in 0..count {
        words(&mut out, &[1, 0x0100_0001, 0, 0]);
    }
    out.extend(b"\0_TVMa\0\0");
    out
}
