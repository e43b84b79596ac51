//! Universal Mach-O files, with 32-bit and with 64-bit offsets, against
//! llvm-readobj.

use std::fs;
use std::path::Path;
use std::process::Command;

use artcheck_inspect::container::{self, Architecture};

/// One slice: processor type and subtype, and its bytes.
type Slice = (u32, u32, Vec<u8>);

fn universal() -> Vec<u8> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts");
    fs::read(corpus.join("synthetic/extcall-0.27-universal.dylib")).expect("in the corpus")
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn slices(bytes: &[u8]) -> Vec<Slice> {
    let count = word(bytes, 4) as usize;
    (0..count)
        .map(|index| {
            let at = 8 + index * 20;
            let start = word(bytes, at + 8) as usize;
            let size = word(bytes, at + 12) as usize;
            let slice = bytes[start..start + size].to_vec();
            (word(bytes, at), word(bytes, at + 4), slice)
        })
        .collect()
}

/// The same slices behind a header with 64-bit offsets.
fn fat64(slices: &[Slice]) -> Vec<u8> {
    let mut head = 0xcafe_babfu32.to_be_bytes().to_vec();
    head.extend((slices.len() as u32).to_be_bytes());
    let mut body: Vec<u8> = Vec::new();
    for (cpu, subtype, bytes) in slices {
        let start = (0x4000 + body.len()).next_multiple_of(0x4000);
        body.resize(start - 0x4000, 0);
        body.extend(bytes);
        head.extend(cpu.to_be_bytes());
        head.extend(subtype.to_be_bytes());
        head.extend((start as u64).to_be_bytes());
        head.extend((bytes.len() as u64).to_be_bytes());
        head.extend(14u32.to_be_bytes());
        head.extend(0u32.to_be_bytes());
    }
    head.resize(0x4000, 0);
    head.extend(body);
    head
}

/// Architectures in the order of the slices, as llvm-readobj names them.
fn readobj(bytes: &[u8], name: &str) -> Vec<Architecture> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, bytes).expect("a new file");
    let output = Command::new("llvm-readobj")
        .arg("--file-headers")
        .arg(&file)
        .output()
        .expect("llvm-readobj is needed by this test");
    assert!(output.status.success(), "llvm-readobj reads {name}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| match line.strip_prefix("Arch: ")? {
            "aarch64" => Some(Architecture::Aarch64),
            "x86_64" => Some(Architecture::X86_64),
            other => panic!("an unexpected architecture: {other}"),
        })
        .collect()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn slices_are_those_of_readobj_whatever_the_offsets() {
    let narrow = universal();
    let wide = fat64(&slices(&narrow));
    let parse = |bytes| container::parse(bytes).expect("a universal file");
    let architectures = |bytes| -> Vec<Architecture> {
        let parsed = parse(bytes).into_iter();
        parsed.map(|parsed| parsed.binary.architecture).collect()
    };
    let expected = readobj(&narrow, "narrow.dylib");
    assert!(expected.len() > 1, "{expected:?}");
    assert_eq!(architectures(&narrow), expected);
    assert_eq!(readobj(&wide, "wide.dylib"), expected);
    assert_eq!(architectures(&wide), expected);
    // Everything but the places is the same.
    for (narrow, wide) in parse(&narrow).into_iter().zip(parse(&wide)) {
        assert_eq!(narrow.binary, wide.binary);
        assert_ne!(wide.slice_offset, 0);
        for (a, b) in narrow.regions.iter().zip(&wide.regions) {
            assert_eq!(*a.data, *b.data);
            let place = |offset: u64, slice: u64| offset - slice;
            assert_eq!(
                place(a.file_ranges[0].file_offset, narrow.slice_offset),
                place(b.file_ranges[0].file_offset, wide.slice_offset)
            );
        }
    }
}

#[test]
fn slices_that_share_bytes_are_refused() {
    let mut bytes = universal();
    // The second slice begins where the first does.
    let first: [u8; 8] = bytes[16..24].try_into().expect("eight bytes");
    bytes[36..44].copy_from_slice(&first);
    let size = word(&bytes, 20) as usize;
    bytes.truncate(word(&bytes, 16) as usize + size);
    let error = container::parse(&bytes).expect_err("overlapping slices");
    assert!(error.to_string().contains("do not overlap"), "{error}");
}
