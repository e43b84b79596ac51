//! Input that is sound but for one limit, which it keeps or goes over.

use std::io::Cursor;

use artcheck_inspect::limits::{
    MAX_BLOB_CANDIDATES, MAX_BLOB_HEAD, MAX_DATAFLOW_CALLS, MAX_DATAFLOW_DEPTH, MAX_DATAFLOW_STEPS,
    MAX_DECODED, MAX_FACTS, MAX_ITEMS, MAX_JOINED_NAMES, MAX_KEPT_NAMES, MAX_KEPT_SYMBOLS,
    MAX_LISTING, MAX_MEMBER_NAME, MAX_MEMBERS, MAX_METADATA, MAX_NESTING, MAX_REGIONS,
    MAX_WASM_MEMORY, MAX_WASM_PADDING,
};
use artcheck_inspect::vm::Magic;

use super::packed::{tar, unpacked, unpacked_at_length};
use super::{Bytes, assemble, executable, function, string, tree_first};

/// One limit.
pub struct Limit {
    /// Name of a file that meets it.
    pub file: &'static str,
    /// The file: it keeps the limit, or goes over it.
    pub make: fn(bool) -> Vec<u8>,
    /// Words by which the limit is named.
    pub says: &'static str,
    /// Programs that are read where it is kept, and where it is not.
    pub programs: [usize; 2],
}

const fn limit(
    file: &'static str,
    make: fn(bool) -> Vec<u8>,
    says: &'static str,
    programs: [usize; 2],
) -> Limit {
    Limit {
        file,
        make,
        says,
        programs,
    }
}

/// Every limit that speaks of a file.
pub static LIMITS: [Limit; 21] = [
    limit(
        "decoded.wasm",
        decoded,
        "tensors and device code aside",
        [1, 0],
    ),
    limit("memory.wasm", memory, "data segments below address", [1, 0]),
    limit(
        "padding.wasm",
        padding,
        "bytes of memory around data segments",
        [1, 0],
    ),
    limit(
        "items.wasm",
        items,
        "the number of constants of at most",
        [1, 0],
    ),
    limit("head.wasm", head, "a blob that begins at most", [1, 0]),
    limit(
        "many.wasm",
        candidates,
        "places where a blob may begin",
        [FEW, MAX_BLOB_CANDIDATES - 1],
    ),
    limit(
        "exports.wasm",
        exports,
        "imports, and as many exports",
        [1, 0],
    ),
    limit("metadata.wasm", metadata, "more than are decoded", [1, 1]),
    limit("copies.wasm", copies, "was not followed to its end", [1, 1]),
    limit("calls.wasm", calls, "was not followed to its end", [1, 1]),
    limit("steps.wasm", steps, "was not followed to its end", [1, 1]),
    limit("sections.obj", sections, "sections with contents", [0, 0]),
    limit(
        "names.obj",
        names,
        "bytes of names that concern TVM",
        [0, 0],
    ),
    limit(
        "facts.tar",
        facts,
        "too much is found in it",
        [LIBRARIES, LIBRARIES * 2 + 2],
    ),
    limit(
        "joined.tar",
        joined,
        "they are not taken together",
        [TOGETHER, TOGETHER],
    ),
    limit("nested.tar", nested, "archives are opened", [1, 0]),
    limit("members.a", members, "members", [0, 0]),
    limit("name.a", long_name, "a member has a name of", [1, 0]),
    limit("members.zip", zip_members, "members", [0, 0]),
    limit("zeros.tar.gz", zeros, "it unpacks to more than", [1, 1]),
    limit("long.tar.gz", many_zeros, "8192 MiB", [1, 1]),
];

/// Blobs that are found one by one.
const FEW: usize = 10;
/// Libraries that one archive may hold.
const LIBRARIES: usize = MAX_FACTS / (136 << 10) / 2;
/// Libraries of one archive that are taken together.
const TOGETHER: usize = 50;
/// Digits of a symbol's name.
const LONG_NAME: usize = 60_000;

fn leb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// `i32.const` takes a signed number; five bytes hold any address below 4 GiB.
fn signed(out: &mut Vec<u8>, address: u64) {
    let mut value = i64::from(address as u32 as i32);
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

pub fn section(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.push(id);
    leb(out, body.len() as u64);
    out.extend(body);
}

/// A module with these pieces of memory, and so many exports.
pub fn wasm(pieces: &[(u64, &[u8])], exports: u64) -> Vec<u8> {
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    let ends = pieces.iter().map(|(at, data)| at + data.len() as u64);
    let pages = ends.max().unwrap_or(0).div_ceil(1 << 16).max(1);
    let mut memory = vec![1, 0];
    leb(&mut memory, pages);
    section(&mut out, 5, &memory);
    if exports > 0 {
        let mut body = Vec::new();
        leb(&mut body, exports);
        for number in 0..exports {
            body.extend(format!("\x06{number:06x}\x02\0").as_bytes());
        }
        section(&mut out, 7, &body);
    }
    let mut body = Vec::new();
    leb(&mut body, pieces.len() as u64);
    for (address, data) in pieces {
        body.extend([0, 0x41]);
        signed(&mut body, *address);
        body.push(0x0b);
        leb(&mut body, data.len() as u64);
        body.extend(*data);
    }
    section(&mut out, 11, &body);
    out
}

fn blob_of(executable: Vec<u8>) -> Vec<u8> {
    let modules = [("relax.VMExecutable", Some(executable)), ("_lib", None)];
    tree_first(&[&[1], &[]], &modules)
}

pub fn blob() -> Vec<u8> {
    blob_of(executable(Magic::V1))
}

/// A module with nothing but a program.
fn library() -> Vec<u8> {
    wasm(&[(1024, &blob())], 0)
}

fn returning(constants: &[Vec<u8>]) -> Vec<u8> {
    assemble(
        Magic::V1,
        &[function(1, "_metadata", 0..1, 0, 1)],
        constants,
        &[vec![2, 0]],
    )
}

/// A wasm library whose executable has a constant of `length` zeros in a gap; what
/// stands before it says of what kind it is.
pub fn with_gap(constant: Vec<u8>, length: u64) -> Vec<u8> {
    const MARK: &[u8] = b"@@@@@@@@";
    let executable = assemble(
        Magic::V1,
        &[
            function(1, "main", 0..2, 0, 1),
            function(0, "vm.builtin.copy", 0..0, -2, 0),
        ],
        &[constant],
        &[vec![1, 0, 1, 1, 2 << 56], vec![2, 0]],
    );
    let inside = blob_of(executable.clone());
    let find = |what: &[u8]| {
        inside
            .windows(what.len())
            .position(|at| at == what)
            .unwrap()
    };
    let (start, mark) = (find(&executable), find(MARK));
    let mut head = inside[..mark].to_vec();
    for at in [0, start - 8] {
        let field: [u8; 8] = head[at..at + 8].try_into().unwrap();
        let longer = u64::from_le_bytes(field) + length - MARK.len() as u64;
        head[at..at + 8].copy_from_slice(&longer.to_le_bytes());
    }
    head[mark - 8..].copy_from_slice(&length.to_le_bytes());
    let tail = &inside[mark + MARK.len()..];
    wasm(&[(1024, &head), (1024 + mark as u64 + length, tail)], 0)
}

/// A tensor of bytes; its shape is the length of the gap as well.
pub fn tensor(length: i64) -> Vec<u8> {
    let mut out = Bytes::default();
    out.i32(70).u64(0xDD5E_40F0_96B4_A13F).u64(0).i32(1).i32(0);
    out.i32(1).raw(&[1, 8, 1, 0]).i64(length).str("@@@@@@@@");
    out.0
}

fn decoded(over: bool) -> Vec<u8> {
    let length = if over { MAX_DECODED + 1 } else { 16 << 20 };
    with_gap(string("@@@@@@@@"), length)
}

fn memory(over: bool) -> Vec<u8> {
    let blob = blob();
    let last = MAX_WASM_MEMORY - blob.len() as u64;
    wasm(&[(last + u64::from(over), &blob)], 0)
}

fn padding(over: bool) -> Vec<u8> {
    let blob = blob();
    let count = MAX_WASM_PADDING / 8192 + u64::from(over);
    let pieces = (1..=count).map(|at| (at * (16 << 10) + 1024, &b"x"[..]));
    let pieces: Vec<(u64, &[u8])> = [(1024, &blob[..])].into_iter().chain(pieces).collect();
    wasm(&pieces, 0)
}

fn items(over: bool) -> Vec<u8> {
    let mut int = Bytes::default();
    int.i32(1).i64(0);
    let constants = vec![int.0; MAX_ITEMS + usize::from(over)];
    wasm(&[(1024, &blob_of(returning(&constants)))], 0)
}

fn head(over: bool) -> Vec<u8> {
    let text = MAX_BLOB_HEAD - if over { 0 } else { 1024 };
    let mut shader = Bytes::default();
    shader
        .u64(0)
        .texts(&[(String::from("k"), vec![b' '; text])]);
    let modules = [
        ("webgpu", Some(shader.0)),
        ("relax.VMExecutable", Some(executable(Magic::V1))),
    ];
    wasm(&[(1024, &tree_first(&[&[1], &[]], &modules))], 0)
}

fn candidates(over: bool) -> Vec<u8> {
    let many = blob().repeat(if over { MAX_BLOB_CANDIDATES } else { FEW });
    wasm(&[(1024, &many)], 0)
}

fn exports(over: bool) -> Vec<u8> {
    wasm(&[(1024, &blob())], MAX_KEPT_SYMBOLS + u64::from(over))
}

/// A library whose `_metadata` is these instructions and functions behind it, which end
/// in the constant 0, a text.
fn metadata_through(functions: &[Vec<u8>], instructions: &[Vec<i64>], text: &str) -> Vec<u8> {
    let bytes = assemble(Magic::V1, functions, &[string(text)], instructions);
    wasm(&[(1024, &blob_of(bytes))], 0)
}

fn metadata(over: bool) -> Vec<u8> {
    let length = MAX_METADATA + usize::from(over);
    let text = format!("{{}}{}", " ".repeat(length - 2));
    let functions = [
        function(1, "_metadata", 0..2, 0, 1),
        function(0, "vm.builtin.copy", 0..0, -2, 0),
    ];
    metadata_through(&functions, &[vec![1, 0, 1, 1, 2 << 56], vec![2, 0]], &text)
}

fn copies(over: bool) -> Vec<u8> {
    let count = if over {
        MAX_DATAFLOW_DEPTH * 2
    } else {
        MAX_DATAFLOW_DEPTH / 2
    };
    let count = count as i64;
    let mut instructions = vec![vec![1, 0, 1, 1, 2 << 56]];
    instructions.extend((1..count).map(|at| vec![1, at, 1, 1, at - 1]));
    instructions.push(vec![2, count - 1]);
    let functions = [
        function(1, "_metadata", 0..count + 1, 0, count),
        function(0, "vm.builtin.copy", 0..0, -2, 0),
    ];
    metadata_through(&functions, &instructions, "{}")
}

/// Each `if` copies by both of its ways, so that each doubles the ways to the end.
fn steps(over: bool) -> Vec<u8> {
    let most = MAX_DATAFLOW_STEPS.ilog2();
    let count = i64::from(if over { most + 1 } else { most / 2 });
    let mut instructions = vec![vec![1, 0, 1, 1, 2 << 56]];
    for at in 1..=count {
        let copy = vec![1, at, 1, 1, at - 1];
        instructions.extend([vec![4, 0, 3], copy.clone(), vec![3, 2], copy]);
    }
    instructions.push(vec![2, count]);
    let functions = [
        function(1, "_metadata", 0..4 * count + 2, 0, count + 1),
        function(0, "vm.builtin.copy", 0..0, -2, 0),
    ];
    metadata_through(&functions, &instructions, "{}")
}

/// A library whose listing has so many bytes, of one long name at each call.
pub fn listed(over: bool) -> Vec<u8> {
    let name = "n".repeat(LONG_NAME);
    let calls = MAX_LISTING / LONG_NAME;
    let calls = if over { calls + 1 } else { calls / 8 } as i64;
    let mut instructions = vec![vec![1, 0, 1, 0]; calls as usize];
    instructions.push(vec![2, 0]);
    let functions = [
        function(1, "main", 0..calls + 1, 0, 1),
        function(0, &name, 0..0, -2, 0),
    ];
    metadata_through(&functions, &instructions, "{}")
}

fn calls(over: bool) -> Vec<u8> {
    let count = if over {
        MAX_DATAFLOW_CALLS * 2
    } else {
        MAX_DATAFLOW_CALLS / 2
    };
    let count = count as i64;
    let mut functions = vec![function(1, "_metadata", 0..2, 0, 1)];
    let mut instructions = Vec::new();
    for at in 1..=count {
        let name = format!("f{at}");
        functions.push(function(1, &name, 2 * at..2 * at + 2, 0, 1));
        instructions.extend([vec![1, 0, at, 0], vec![2, 0]]);
    }
    functions.push(function(0, "vm.builtin.copy", 0..0, -2, 0));
    instructions.extend([vec![1, 0, count + 1, 1, 2 << 56], vec![2, 0]]);
    metadata_through(&functions, &instructions, "{}")
}

/// A COFF object of the big form, with so many sections of one byte, and so many
/// symbols of TVM with names of so many digits.
fn object_of(sections: usize, symbols: usize, digits: usize) -> Vec<u8> {
    let mut out = Bytes::default();
    let class = [
        0xc7, 0xa1, 0xba, 0xd1, 0xee, 0xba, 0xa9, 0x4b, 0xaf, 0x20, 0xfa, 0xf6, 0x6a, 0xa4, 0xdc,
        0xb8,
    ];
    out.raw(&[0, 0, 0xff, 0xff, 2, 0, 0x64, 0x86, 0, 0, 0, 0]);
    out.raw(&class).raw(&[0; 16]);
    let first = 56 + 40 * sections;
    let table = (first + sections) * usize::from(symbols > 0);
    out.u32(sections as u32)
        .u32(table as u32)
        .u32(symbols as u32);
    for number in 0..sections {
        out.raw(b".data\0\0\0").u32(0).u32(0).u32(1);
        out.u32((first + number) as u32);
        out.raw(&[0; 12]).u32(0x40);
    }
    out.0.resize(first + sections, 1);
    if symbols == 0 {
        return out.0;
    }
    let mut names = Bytes::default();
    for number in 0..symbols {
        out.u32(0).u32(4 + names.0.len() as u32).u32(0).u32(1);
        out.raw(&[0, 0, 2, 0]);
        names.raw(format!("TVM{number:0digits$}\0").as_bytes());
    }
    out.u32(4 + names.0.len() as u32).raw(&names.0);
    out.0
}

fn sections(over: bool) -> Vec<u8> {
    object_of(MAX_REGIONS + usize::from(over), 0, 0)
}

fn names(over: bool) -> Vec<u8> {
    let most = MAX_KEPT_NAMES as usize / (LONG_NAME + 3);
    object_of(1, most + usize::from(over), LONG_NAME)
}

fn facts(over: bool) -> Vec<u8> {
    let library = library();
    let count = LIBRARIES * if over { 3 } else { 1 };
    let mut archive = tar::Builder::new(Vec::new());
    for number in 0..count {
        let mut header = tar::Header::new_ustar();
        header.set_size(library.len() as u64);
        let name = format!("{number}.wasm");
        archive
            .append_data(&mut header, name, &library[..])
            .unwrap();
    }
    archive.into_inner().unwrap()
}

/// An object of an archive gives its names to every library beside it.
fn joined(over: bool) -> Vec<u8> {
    let library = library();
    let names = MAX_JOINED_NAMES / TOGETHER;
    let object = object_of(1, if over { names + 1 } else { names / 64 }, 6);
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: String, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    add(String::from("names.obj"), &object);
    for number in 0..TOGETHER {
        add(format!("{number}.wasm"), &library);
    }
    archive.into_inner().unwrap()
}

/// A member whose name is before its bytes, as BSD's and macOS' archives have it.
fn long_name(over: bool) -> Vec<u8> {
    let name = "x".repeat(MAX_MEMBER_NAME - ".wasm".len() + usize::from(over)) + ".wasm";
    let library = library();
    let title = format!("#1/{}", name.len());
    let size = name.len() + library.len();
    let mut archive = format!(
        "!<arch>\n{title:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
        0, 0, 0, 644
    );
    archive.push_str(&name);
    let mut archive = archive.into_bytes();
    archive.extend(library);
    archive
}

fn nested(over: bool) -> Vec<u8> {
    let library = library();
    let depth = MAX_NESTING + usize::from(over);
    let nested = (0..depth).fold((String::from("lib.wasm"), library), |inner, _| {
        (String::from("inner.tar"), tar(&inner.0, &inner.1))
    });
    nested.1
}

fn members(over: bool) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    let mut member = format!(
        "{:<48}{:<10}`\n",
        "a.txt/          0           0     0     644", 0
    );
    member.truncate(60);
    for _ in 0..MAX_MEMBERS + usize::from(over) {
        archive.extend(member.as_bytes());
    }
    archive
}

fn zip_members(over: bool) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for number in 0..MAX_MEMBERS + usize::from(over) {
        archive.start_file(format!("{number}.txt"), stored).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn zeros(over: bool) -> Vec<u8> {
    unpacked(&library(), over)
}

fn many_zeros(over: bool) -> Vec<u8> {
    unpacked_at_length(&library(), over)
}
