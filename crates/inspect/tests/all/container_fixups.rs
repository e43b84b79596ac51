//! What dyld sets and which names it looks for, as programs and as chains: sound libraries,
//! and damage for which dyld refuses one, in its words.

use std::collections::BTreeSet;
use std::path::PathBuf;

use artcheck_inspect::Severity;
use artcheck_inspect::container::{self, Binary};
use artcheck_inspect::scan::{ScanOptions, scan_bytes};

use crate::dylib::Dylib;

fn corpus(name: &str) -> Dylib {
    let path = format!("../../corpus/artifacts/tvm-0.27/{name}-macos-arm64.dylib");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    Dylib(std::fs::read(path).expect("the corpus"))
}

fn binary(dylib: &Dylib) -> Binary {
    let parsed = container::parse(&dylib.0).expect("a Mach-O file");
    parsed.into_iter().next().expect("one image").binary
}

fn undefined(dylib: &Dylib) -> BTreeSet<String> {
    let undefined = binary(dylib).undefined.into_iter();
    undefined.map(|symbol| symbol.name).collect()
}

/// What a scan says of the file itself, and the loader's words.
fn said(dylib: &Dylib) -> Vec<(Severity, String)> {
    let report = scan_bytes("model.dylib", &dylib.0, &ScanOptions::default());
    let findings = report.findings.into_iter();
    let findings = findings.filter(|finding| finding.rule.code == "AC001");
    findings
        .map(|finding| {
            let says = finding.runtime_says.as_deref().unwrap_or_default();
            (finding.severity, format!("{} | {says}", finding.message))
        })
        .collect()
}

fn with(dylib: &Dylib, edit: impl FnOnce(&mut Vec<u8>)) -> Dylib {
    let mut dylib = dylib.clone();
    edit(&mut dylib.0);
    dylib
}

fn refused(dylib: &Dylib, words: &str) {
    let said = said(dylib);
    let is_told = |(severity, text): &(Severity, String)| {
        *severity == Severity::Error && text.contains(words)
    };
    assert!(said.iter().any(is_told), "{words}: {said:?}");
}

/// Every form of a library asks for the same names, and nothing is wrong with it.
#[test]
fn programs_and_chains_ask_for_the_same() {
    for name in ["dense-metal", "embedding-metal", "extcall-cpu"] {
        let whole = corpus(name);
        let expected = undefined(&whole);
        let chained = whole.clone().chained();
        assert_eq!(undefined(&chained), expected, "{name}");
        for form in [&whole, &chained] {
            assert_eq!(binary(form).damage, [], "{name}");
        }
    }
}

/// dyld goes by the fixups: the symbol table's names of other libraries do not count.
#[test]
fn the_symbol_table_is_not_asked_for_names() {
    let whole = corpus("extcall-cpu");
    let name = b"_TVMFFIErrorSetRaisedFromCStrParts\0";
    let all: Vec<usize> = (0..whole.0.len() - name.len())
        .filter(|at| whole.0[*at..].starts_with(name))
        .collect();
    let programs = whole.programs();
    let of_dyld = |at: &&usize| programs.iter().any(|program| program.contains(at));
    let bound = *all.iter().find(of_dyld).expect("bound");
    let listed = *all
        .iter()
        .find(|at| !of_dyld(at))
        .expect("in the symbol table");
    let without = with(&whole, |bytes| bytes[listed + 6] = b'X');
    assert_eq!(undefined(&without), undefined(&whole));
    let without = with(&whole, |bytes| bytes[bound + 6] = b'X');
    let asked = undefined(&without);
    assert!(
        asked.contains("TVMFFXErrorSetRaisedFromCStrParts"),
        "{asked:?}"
    );
    assert!(
        !asked.contains("TVMFFIErrorSetRaisedFromCStrParts"),
        "{asked:?}"
    );
}

/// What dyld refuses a library for that has programs.
#[test]
fn what_dyld_refuses_in_programs() {
    let whole = corpus("extcall-cpu");
    let [rebases, binds, ..] = whole.programs();
    let (rebases, binds) = (rebases.start, binds.start);
    // The corpus' linker: the kind, then the segment; the segment, the name, the library.
    assert_eq!(whole.0[rebases..rebases + 2], [0x11, 0x21]);
    let name = b"\x71\0@dyld_stub_binder\0Q\x11";
    assert!(whole.0[binds..].starts_with(name));
    for (at, byte, words) in [
        (rebases, 0xf0, "unknown rebase opcode"),
        (rebases, 0x13, "unknown rebase type"),
        (rebases + 1, 0x29, "segment index too large"),
        (rebases + 1, 0x20, "in non-writable segment"),
        (binds, 0xf0, "bad bind opcode"),
        (binds, 0x79, "segment index too large"),
        (binds, 0x70, "in non-writable segment"),
        (binds + name.len() - 2, 0x5f, "unknown bind type"),
        (binds + name.len() - 1, 0x1e, "library ordinal too large"),
    ] {
        refused(&with(&whole, |bytes| bytes[at] = byte), words);
    }
    // dyld lets fifteen bytes follow the end.
    let size = whole.programs()[0].len() as u32;
    let fields = [(rebases as u32).to_le_bytes(), size.to_le_bytes()].concat();
    let fields = whole.0.windows(8).position(|eight| eight == fields);
    let early = with(&whole, |bytes| {
        bytes[fields.expect("the command") + 4] = 0x30;
        bytes[rebases..rebases + 0x30].fill(0);
    });
    refused(&early, "rebase opcodes terminated early");
}

/// What dyld refuses a library for that has chains.
#[test]
fn what_dyld_refuses_in_chains() {
    let whole = corpus("extcall-cpu");
    let whole = whole.chained();
    let at = whole.chains();
    let number = |at: usize| u32::from_le_bytes(whole.0[at..at + 4].try_into().expect("four"));
    let imports = at + number(at + 8) as usize;
    let starts = at + number(at + 4) as usize;
    let count = number(starts) as usize;
    let of_segment = (0..count)
        .map(|index| number(starts + 4 + 4 * index))
        .find(|at| *at != 0);
    let segment = starts + of_segment.expect("a segment with chains") as usize;
    for (at, byte, words) in [
        (at, 1, "chained fixups, unknown header version"),
        (at + 20, 9, "malformed import table"),
        (imports, 0x60, "library ordinal too large"),
        (segment + 5, 0x50, "page_size not 4KB or 16KB"),
        (segment + 6, 99, "chained fixups"),
        (segment + 9, 0x77, "segment_offset does not match vmaddr"),
    ] {
        refused(&with(&whole, |bytes| bytes[at] = byte), words);
    }
    // A word that wants a name behind the last one.
    let data = &binary(&whole).segments[1];
    let words = (0..data.file_size)
        .step_by(8)
        .map(|at| (data.file_offset + at) as usize);
    let mut bound = words.filter(|at| whole.0[at + 7] & 0x80 != 0);
    let bound = bound.next().expect("a name's word");
    let damaged = with(&whole, |bytes| bytes[bound + 1] = 0x70);
    refused(&damaged, "out of range bind ordinal");
}

/// What dyld refuses a library for whatever its fixups are.
#[test]
fn load_commands_that_dyld_refuses() {
    let whole = corpus("extcall-cpu");
    let find = |name: &[u8]| {
        let found = whole.0.windows(name.len()).position(|bytes| bytes == name);
        found.expect("a name in the load commands")
    };
    let (text, identity) = (find(b"__TEXT\0\0"), find(&[0x0d, 0, 0, 0]));
    assert_eq!(identity % 8, 0);
    for (at, byte, words) in [
        // A segment's name, its rights, and the address of its first section.
        (text + 2, b'X', "missing __TEXT segment"),
        (text + 53, 0x40, "segment permissions has invalid bits set"),
        (identity, 0x0c, "MH_DYLIB is missing LC_ID_DYLIB"),
        (identity + 3, 0x80, "unknown required load command"),
    ] {
        refused(&with(&whole, |bytes| bytes[at] = byte), words);
    }
    let uuid = find(&[0x1b, 0, 0, 0, 24, 0, 0, 0]);
    let longer = with(&whole, |bytes| bytes[uuid] = 0x26);
    refused(&longer, "size wrong");
}
