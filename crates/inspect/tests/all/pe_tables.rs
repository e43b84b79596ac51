//! What Windows' loader goes by in a DLL: damage that Wine's loader tripped over, each with
//! what is said of it, and changes that nothing reads. Places are those of one file.

use artcheck_inspect::container::{self, Binary};
use artcheck_inspect::{ScanOptions, scan_bytes};

const LIBRARY: &str = "tvm-0.27/extcall-cpu-windows-x64.dll";

fn corpus() -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/artifacts/");
    std::fs::read(format!("{root}{LIBRARY}")).expect("the corpus")
}

fn changed(at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = corpus();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

fn binary(bytes: &[u8]) -> Binary {
    let mut parsed = container::parse(bytes).expect("it is read");
    parsed.remove(0).binary
}

/// What is said as an error by one rule.
fn errors(bytes: &[u8], code: &str) -> Vec<String> {
    let scan = scan_bytes("m.dll", bytes, &ScanOptions::default());
    let findings = scan.findings.iter();
    let found = findings.filter(|one| one.rule.code == code && one.severity.to_string() == "error");
    found.map(|one| one.message.clone()).collect()
}

#[test]
fn what_the_loader_trips_over_is_found() {
    let word = |value: u32| value.to_le_bytes().to_vec();
    for (at, new, says) in [
        // Base relocations: types, places, blocks, the base itself.
        (82983, vec![0xe1], "type 14"),
        (82984, word(0x44e2_0d0d), "type 4"),
        (82958, vec![0xe1], "twice"),
        (82952, word(0xa0d0_b0c8), "type 11"),
        (82960, word(0), "leave out the address"),
        (82972, word(0xa120_a117), "twice"),
        (83004, word(1), "outside the image"),
        (83008, word(1), "a block of 1 bytes"),
        (83008, word(0x100c), "a block of 4108 bytes"),
        (172, word(0xf1), "no address of the image"),
        // Names of imported functions, and the cells for their addresses.
        (79128, word(0x7fff_ffff), "outside the image"),
        (79314, vec![2], "outside the image"),
        (79128, word(0x88), "no function is called"),
        (79656, vec![0xff], "no function is called"),
        // Thread-local memory and the entry point.
        (64300, word(0x99), "base relocations"),
        (64280, word(0x3906_c250), "thread-local data"),
        (64289, vec![0], "nothing may be written"),
        (328, word(0xffff_ffff), "TLS directory"),
        (160, vec![0xff], "in the middle of a function"),
        (162, vec![1], "may be executed"),
        // A section that begins in the headers.
        (644, word(0xbe), "inside the headers"),
        // Exports.
        (78848, word(0xffff_ffff), "no compiler gives"),
    ] {
        let bytes = changed(at, &new);
        let found = errors(&bytes, "AC001");
        assert!(
            found.iter().any(|message| message.contains(says)),
            "{at}, {new:x?}: {found:?}"
        );
    }
}

/// The image as a whole: its size, the rights of a section, what the loader asks first.
#[test]
fn what_does_not_hold_together_is_found() {
    let bytes = corpus();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    let optional = word(0x3c) as usize + 24;
    let size = optional + 56;
    let configuration = optional + 112 + 10 * 8;
    let exports = optional + 112;
    let header = bytes.windows(8).position(|name| name == b".rdata\0\0");
    let rights = header.expect("the section") + 39;
    let shorter = (word(size) - 0x1000).to_le_bytes().to_vec();
    for (at, new, says) in [
        (size, shorter, "its sections take"),
        (rights, vec![0], "may not be read"),
        (
            configuration,
            [0, 0, 0, 0x7f].repeat(2),
            "load configuration",
        ),
        // Functions that are in the directory's range are names of other libraries'.
        (exports + 4, vec![0, 0, 0, 0x7f], "which has no name there"),
    ] {
        let found = errors(&changed(at, &new), "AC001");
        let is_said = found.iter().any(|message| message.contains(says));
        assert!(is_said, "{at}: {found:?}");
    }
    // The kernel reads the relocations.
    let header = bytes.windows(8).position(|name| name == b".reloc\0\0");
    let unread = changed(header.expect("the section") + 39, &[0x02]);
    assert_eq!(errors(&unread, "AC001"), Vec::<String>::new());
}

#[test]
fn what_nothing_reads_is_not() {
    let sound = corpus();
    assert_eq!(errors(&sound, "AC001"), Vec::<String>::new());
    assert_eq!(binary(&sound).damage, []);
    assert_eq!(binary(&sound).frozen, Vec::<String>::new());
    for (at, new) in [
        // More than 16 directories; a directory of no size, one that only tools read.
        (252, vec![0x11]),
        (252, vec![0xff, 0xff, 0xff, 0x7f]),
        (360, vec![1]),
        (284, vec![0x21, 0xdd, 0x87, 0xe5]),
        // The upper half of an import.
        (79132, vec![1]),
        // What follows the last cell for an address, which is zero.
        (79527, vec![0x2]),
    ] {
        let bytes = changed(at, &new);
        assert_eq!(errors(&bytes, "AC001"), Vec::<String>::new(), "{at}");
        assert_eq!(binary(&bytes).defined, binary(&sound).defined, "{at}");
    }
}

/// Names are searched by halves: one that is out of order hides others, and itself.
#[test]
fn a_name_that_no_search_finds_is_not_exported() {
    let bytes = corpus();
    let blob = b"__tvm_ffi__library_bin\0";
    let mut places = bytes.windows(blob.len());
    let at = places.position(|bytes| bytes == blob).expect("its name");
    // It is in the middle: who looks for what comes behind it looks before it then.
    let damaged = binary(&changed(at, b"zz"));
    let mut lost: Vec<&str> = Vec::new();
    for symbol in damaged.defined.iter().filter(|one| !one.exported) {
        lost.push(&symbol.name);
    }
    let names =
        ["add", "add_external_kernel", "add_one_kernel"].map(|name| format!("__tvm_ffi_{name}"));
    assert_eq!(lost[0], "__tvm_ffi__library_ctx");
    assert_eq!(lost[1..], names);
    assert_eq!(damaged.damage.len(), lost.len());
}

/// Slots and the context are written to when the library is opened.
#[test]
fn cells_that_may_not_be_written_are_told() {
    let bytes = corpus();
    let header = bytes.windows(8).position(|name| name == b".data\0\0\0");
    let flags = header.expect("the section") + 36;
    let damaged = changed(flags + 3, &[bytes[flags + 3] & 0x7f]);
    let frozen = binary(&damaged).frozen;
    let is_context = |name: &String| name == "__tvm_ffi__library_ctx";
    assert!(frozen.iter().any(is_context), "{frozen:?}");
    assert!(
        frozen.iter().any(|name| name.starts_with("__TVM")),
        "{frozen:?}"
    );
}
