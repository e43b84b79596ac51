//! Every limit, under and over it, with input that is sound otherwise: under it the
//! file is read, over it the answer is "not decided" and no rule's error.

use std::io::Write;

use artcheck_inspect::limits::{
    MAX_BLOB_CANDIDATES, MAX_BLOB_HEAD, MAX_DATAFLOW_CALLS, MAX_DATAFLOW_DEPTH, MAX_DECODED,
    MAX_FACTS, MAX_ITEMS, MAX_KEPT_SYMBOLS, MAX_MEMBER_IN_MEMORY, MAX_MEMBERS, MAX_METADATA,
    MAX_NESTING, MAX_REGIONS, MAX_WASM_MEMORY, MAX_WASM_PADDING, RATIO_FREE_BYTES,
};
use artcheck_inspect::vm::Magic;
use artcheck_inspect::{ProblemKind, Role, ScanOptions, Severity, scan_bytes};

use crate::writer::{self, Bytes};

/// What a scan makes of the bytes: model libraries that decode. Fails where a limit
/// is not what `over` says, or where it is an answer.
fn libraries(name: &str, bytes: &[u8], over: bool) -> usize {
    let scan = scan_bytes(name, bytes, &ScanOptions::default());
    let problems = scan.artifacts.iter().flat_map(|one| &one.problems);
    let limits: Vec<_> = problems
        .filter(|problem| problem.kind == ProblemKind::Limit)
        .map(|problem| &problem.detail)
        .collect();
    let errors = scan.findings.iter();
    let errors: Vec<_> = errors
        .filter(|finding| finding.severity == Severity::Error && finding.rule.code < "AC106")
        .collect();
    assert_eq!(limits.is_empty(), !over, "{name}: {limits:?}");
    assert!(errors.is_empty(), "{name}: {errors:?}");
    assert!(!scan.concerns_nothing() || !over, "{name}");
    for artifact in scan.artifacts.iter().filter(|_| over) {
        let is_said = !artifact.problems.is_empty() || artifact.role == Role::ModelLibrary;
        assert!(artifact.size > 0, "{name}: {artifact:?}");
        assert!(is_said, "{name}: {artifact:?}");
    }
    let libraries = scan.artifacts.iter().flat_map(|one| &one.libraries);
    libraries
        .filter_map(|library| library.blob.as_ref().ok())
        .filter(|blob| blob.executables().next().is_some())
        .count()
}

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

fn section(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.push(id);
    leb(out, body.len() as u64);
    out.extend(body);
}

/// A module with these pieces of memory, and so many exports.
pub fn wasm(pieces: &[(u64, &[u8])], exports: u64) -> Vec<u8> {
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    section(&mut out, 5, &[1, 0, 1]);
    if exports > 0 {
        let mut body = Vec::new();
        leb(&mut body, exports);
        for _ in 0..exports {
            body.extend(b"\x03abc\x02\0");
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
    writer::tree_first(&[&[1], &[]], &modules)
}

fn blob() -> Vec<u8> {
    blob_of(writer::executable(Magic::V1))
}

fn returning(constants: &[Vec<u8>]) -> Vec<u8> {
    writer::assemble(
        Magic::V1,
        &[writer::function(1, "_metadata", 0..1, 0, 1)],
        constants,
        &[vec![2, 0]],
    )
}

/// A wasm library whose executable has a constant of `length` zeros in a gap; what
/// stands before it says of what kind it is.
fn with_gap(constant: Vec<u8>, length: u64) -> Vec<u8> {
    const MARK: &[u8] = b"@@@@@@@@";
    let executable = writer::assemble(
        Magic::V1,
        &[
            writer::function(1, "main", 0..2, 0, 1),
            writer::function(0, "vm.builtin.copy", 0..0, -2, 0),
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
fn tensor(length: i64) -> Vec<u8> {
    let mut out = Bytes::default();
    out.i32(70).u64(0xDD5E_40F0_96B4_A13F).u64(0).i32(1).i32(0);
    out.i32(1).raw(&[1, 8, 1, 0]).i64(length).str("@@@@@@@@");
    out.0
}

#[test]
fn a_tensor_of_zeros_is_no_matter_of_size() {
    for length in [31 << 20, 34 << 20, 900 << 20] {
        let bytes = with_gap(tensor(length), length as u64);
        assert_eq!(libraries("zeros.wasm", &bytes, false), 1, "{length}");
    }
}

#[test]
fn decoded_bytes() {
    let string = writer::string("@@@@@@@@");
    let under = with_gap(string.clone(), 16 << 20);
    assert_eq!(libraries("under.wasm", &under, false), 1);
    let over = with_gap(string, MAX_DECODED + 1);
    assert_eq!(libraries("over.wasm", &over, true), 0);
}

#[test]
fn wasm_memory() {
    let blob = blob();
    let last = MAX_WASM_MEMORY - blob.len() as u64;
    assert_eq!(
        libraries("under.wasm", &wasm(&[(last, &blob)], 0), false),
        1
    );
    let over = wasm(&[(last + 1, &blob)], 0);
    assert_eq!(libraries("over.wasm", &over, true), 0);
}

#[test]
fn wasm_padding() {
    let blob = blob();
    let step = 16 << 10;
    let gaps = MAX_WASM_PADDING / 8192;
    for (count, over) in [(gaps, false), (gaps + 1, true)] {
        let pieces = (1..=count).map(|at| (at * step + 1024, &b"x"[..]));
        let pieces: Vec<(u64, &[u8])> = [(1024, &blob[..])].into_iter().chain(pieces).collect();
        let found = libraries("pieces.wasm", &wasm(&pieces, 0), over);
        assert_eq!(found, usize::from(!over));
    }
}

#[test]
fn items() {
    for (count, over) in [(MAX_ITEMS, false), (MAX_ITEMS + 1, true)] {
        let mut int = Bytes::default();
        int.i32(1).i64(0);
        let bytes = blob_of(returning(&vec![int.0; count]));
        let found = libraries("items.wasm", &wasm(&[(1024, &bytes)], 0), over);
        assert_eq!(found, usize::from(!over));
    }
}

#[test]
fn blob_head() {
    for (text, over) in [(MAX_BLOB_HEAD - 1024, false), (MAX_BLOB_HEAD, true)] {
        let mut shader = Bytes::default();
        shader
            .u64(0)
            .texts(&[(String::from("k"), vec![b' '; text])]);
        let modules = [
            ("webgpu", Some(shader.0)),
            ("relax.VMExecutable", Some(writer::executable(Magic::V1))),
        ];
        let bytes = writer::tree_first(&[&[1], &[]], &modules);
        let found = libraries("head.wasm", &wasm(&[(1024, &bytes)], 0), over);
        assert_eq!(found, usize::from(!over));
    }
}

#[test]
fn blob_candidates() {
    let blob = blob();
    for (count, over) in [(10, false), (MAX_BLOB_CANDIDATES, true)] {
        let many = blob.repeat(count);
        let found = libraries("many.wasm", &wasm(&[(1024, &many)], 0), over);
        assert!(found > 0 && (found == count) != over, "{found} of {count}");
    }
}

#[test]
fn kept_symbols() {
    let blob = blob();
    for (count, over) in [(MAX_KEPT_SYMBOLS, false), (MAX_KEPT_SYMBOLS + 1, true)] {
        let found = libraries("exports.wasm", &wasm(&[(1024, &blob)], count), over);
        assert_eq!(found, usize::from(!over));
    }
}

#[test]
fn metadata() {
    for (length, over) in [(MAX_METADATA, false), (MAX_METADATA + 1, true)] {
        let text = format!("{{}}{}", " ".repeat(length - 2));
        let bytes = writer::assemble(
            Magic::V1,
            &[
                writer::function(1, "_metadata", 0..2, 0, 1),
                writer::function(0, "vm.builtin.copy", 0..0, -2, 0),
            ],
            &[writer::string(&text)],
            &[vec![1, 0, 1, 1, 2 << 56], vec![2, 0]],
        );
        let scan = scan_bytes(
            "text.wasm",
            &wasm(&[(1024, &blob_of(bytes))], 0),
            &ScanOptions::default(),
        );
        let artifact = &scan.artifacts[0];
        let is_limit = artifact
            .problems
            .iter()
            .any(|one| one.kind == ProblemKind::Limit);
        assert_eq!(is_limit, over, "{:?}", artifact.problems);
        let mut findings = scan.findings.iter();
        assert!(!over || !findings.any(|one| one.rule.code == "AC301"));
    }
}

/// A COFF object of the big form, with so many sections of one byte.
fn object_of(sections: usize) -> Vec<u8> {
    let mut out = Bytes::default();
    let class = [
        0xc7, 0xa1, 0xba, 0xd1, 0xee, 0xba, 0xa9, 0x4b, 0xaf, 0x20, 0xfa, 0xf6, 0x6a, 0xa4, 0xdc,
        0xb8,
    ];
    out.raw(&[0, 0, 0xff, 0xff, 2, 0, 0x64, 0x86, 0, 0, 0, 0]);
    out.raw(&class).raw(&[0; 16]);
    out.u32(sections as u32).u32(0).u32(0);
    let first = 56 + 40 * sections;
    for number in 0..sections {
        out.raw(b".data\0\0\0").u32(0).u32(0).u32(1);
        out.u32((first + number) as u32);
        out.raw(&[0; 12]).u32(0x40);
    }
    out.0.resize(first + sections, 1);
    out.0
}

#[test]
fn regions() {
    for (count, over) in [(MAX_REGIONS, false), (MAX_REGIONS + 1, true)] {
        assert_eq!(libraries("many.obj", &object_of(count), over), 0);
    }
}

/// A library whose `_metadata` is these instructions and functions behind it, which end
/// in the constant 0.
fn metadata_through(functions: &[Vec<u8>], instructions: &[Vec<i64>]) -> Vec<u8> {
    let bytes = writer::assemble(Magic::V1, functions, &[writer::string("{}")], instructions);
    wasm(&[(1024, &blob_of(bytes))], 0)
}

#[test]
fn copies_of_copies() {
    for (count, over) in [
        (MAX_DATAFLOW_DEPTH / 2, false),
        (MAX_DATAFLOW_DEPTH * 2, true),
    ] {
        let count = count as i64;
        let mut instructions = vec![vec![1, 0, 1, 1, 2 << 56]];
        instructions.extend((1..count).map(|at| vec![1, at, 1, 1, at - 1]));
        instructions.push(vec![2, count - 1]);
        let functions = [
            writer::function(1, "_metadata", 0..count + 1, 0, count),
            writer::function(0, "vm.builtin.copy", 0..0, -2, 0),
        ];
        let bytes = metadata_through(&functions, &instructions);
        assert_eq!(libraries("copies.wasm", &bytes, over), 1);
    }
}

#[test]
fn functions_in_functions() {
    for (count, over) in [
        (MAX_DATAFLOW_CALLS / 2, false),
        (MAX_DATAFLOW_CALLS * 2, true),
    ] {
        let count = count as i64;
        let mut functions = vec![writer::function(1, "_metadata", 0..2, 0, 1)];
        let mut instructions = Vec::new();
        for at in 1..=count {
            functions.push(writer::function(
                1,
                &format!("f{at}"),
                2 * at..2 * at + 2,
                0,
                1,
            ));
            instructions.extend([vec![1, 0, at, 0], vec![2, 0]]);
        }
        functions.push(writer::function(0, "vm.builtin.copy", 0..0, -2, 0));
        instructions.extend([vec![1, 0, count + 1, 1, 2 << 56], vec![2, 0]]);
        let bytes = metadata_through(&functions, &instructions);
        assert_eq!(libraries("calls.wasm", &bytes, over), 1);
    }
}

#[test]
fn facts_of_one_archive() {
    let library = wasm(&[(1024, &blob())], 0);
    // What a library takes at least, as is counted.
    let each = 136 << 10;
    for (count, over) in [
        (MAX_FACTS / each / 2, false),
        (MAX_FACTS / each + 100, true),
    ] {
        let mut archive = tar::Builder::new(Vec::new());
        for number in 0..count {
            let mut header = tar::Header::new_ustar();
            header.set_size(library.len() as u64);
            let name = format!("{number}.wasm");
            archive
                .append_data(&mut header, name, &library[..])
                .unwrap();
        }
        let found = libraries("many.tar", &archive.into_inner().unwrap(), over);
        assert_eq!(found == count, !over, "{found} of {count}");
    }
}

fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes).unwrap();
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn nesting() {
    let library = wasm(&[(1024, &blob())], 0);
    for (depth, over) in [(MAX_NESTING, false), (MAX_NESTING + 1, true)] {
        let nested = (0..depth).fold((String::from("lib.wasm"), library.clone()), |inner, _| {
            (String::from("inner.tar"), tar(&inner.0, &inner.1))
        });
        let found = libraries("nested.tar", &nested.1, over);
        assert_eq!(found, usize::from(!over));
    }
}

#[test]
fn members() {
    for (count, over) in [(MAX_MEMBERS, false), (MAX_MEMBERS + 1, true)] {
        let mut archive = b"!<arch>\n".to_vec();
        let mut member = format!(
            "{:<48}{:<10}`\n",
            "a.txt/          0           0     0     644", 0
        );
        member.truncate(60);
        for _ in 0..count {
            archive.extend(member.as_bytes());
        }
        assert_eq!(libraries("many.a", &archive, over), 0);
    }
}

/// A large member is read from a temporary file.
#[test]
fn members_beyond_memory() {
    let mut library = wasm(&[(1024, &blob())], 0);
    section(&mut library, 0, &{
        let mut custom = b"\x04rest".to_vec();
        custom.resize(usize::try_from(MAX_MEMBER_IN_MEMORY).unwrap() + 100, 0);
        custom
    });
    let packed = gzip(&tar("lib.wasm", &library));
    assert_eq!(libraries("large.tar.gz", &packed, false), 1);
}

/// Zeros pack a thousandfold, and are counted where they are unpacked.
#[test]
fn unpacked_bytes() {
    let library = wasm(&[(1024, &blob())], 0);
    let piece = gzip(&vec![0; 16 << 20]);
    for (pieces, over) in [(31, false), (32, true)] {
        let size = pieces * (16u64 << 20);
        assert_eq!(size >= RATIO_FREE_BYTES, over);
        let mut header = tar::Header::new_ustar();
        header.set_path("notes.txt").unwrap();
        header.set_size(size);
        header.set_cksum();
        let first = tar("lib.wasm", &library);
        // Up to the zero blocks that end an archive.
        let mut bytes = gzip(&first[..first.len() - 1024]);
        bytes.extend(gzip(header.as_bytes()));
        for _ in 0..pieces {
            bytes.extend(&piece);
        }
        assert_eq!(libraries("zeros.tar.gz", &bytes, over), 1);
    }
}
