//! What a dylib exports is what its export trie says: dyld's walk, written again here,
//! on whole, stripped and damaged libraries, and what a scan makes of them.

use std::path::PathBuf;
use std::process::Command;

use artcheck_inspect::Severity;
use artcheck_inspect::container::{self, Binary};
use artcheck_inspect::rules;
use artcheck_inspect::scan::{ScanOptions, scan_bytes};

use crate::dylib::Dylib;
use crate::{container_speed, parts};

const CORPUS: [&str; 3] = ["dense-metal", "embedding-metal", "extcall-cpu"];

fn corpus(name: &str) -> Dylib {
    let path = format!("../../corpus/artifacts/tvm-0.27/{name}-macos-arm64.dylib");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    Dylib(std::fs::read(path).expect("the corpus"))
}

/// dyld's `trieWalk` and what `hasExportedSymbol` reads behind it: flags and a number.
fn walk(trie: &[u8], name: &[u8]) -> Option<(u64, u64)> {
    fn number(trie: &[u8], at: &mut usize) -> Option<u64> {
        let mut sum = 0u128;
        for shift in (0..).step_by(7) {
            let byte = *trie.get(*at)?;
            *at += 1;
            if shift > 63 {
                return None;
            }
            sum |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        u64::try_from(sum).ok()
    }
    let (mut at, mut matched) = (0, 0);
    let mut visited = vec![0];
    loop {
        let size = number(trie, &mut at)?;
        if matched == name.len() && size > 0 {
            return Some((number(trie, &mut at)?, number(trie, &mut at)?));
        }
        at = at.checked_add(usize::try_from(size).ok()?)?;
        let children = *trie.get(at)?;
        at += 1;
        let mut next = None;
        for _ in 0..children {
            let length = trie.get(at..)?.iter().position(|byte| *byte == 0)?;
            let edge = &trie[at..at + length];
            at += length + 1;
            if name[matched..].starts_with(edge) {
                matched += length;
                next = Some(usize::try_from(number(trie, &mut at)?).ok()?);
                break;
            }
            while *trie.get(at)? >= 0x80 {
                at += 1;
            }
            at += 1;
        }
        at = next?;
        if at >= trie.len() || visited.contains(&at) || visited.len() > 126 {
            return None;
        }
        visited.push(at);
    }
}

/// The address that dyld finds, and whether it finds one at all.
fn found(dylib: &Dylib, needed: u64, name: &str) -> (bool, Option<u64>) {
    match walk(&dylib.0[dylib.trie()], name.as_bytes()) {
        None => (false, None),
        Some((flags, library)) if flags & 8 != 0 => ((1..=needed).contains(&library), None),
        Some((flags, address)) => (true, (flags & 0x13 == 0).then_some(address)),
    }
}

fn binary(dylib: &Dylib) -> Binary {
    let parsed = container::parse(&dylib.0).expect("a Mach-O file");
    parsed.into_iter().next().expect("one image").binary
}

/// Exported names and addresses.
fn exported(dylib: &Dylib) -> Vec<(String, u64)> {
    let binary = binary(dylib);
    assert!(binary.damage.is_empty(), "{:?}", binary.damage);
    let exported = binary.defined.into_iter().filter(|symbol| symbol.exported);
    let mut exported: Vec<(String, u64)> = exported
        .map(|symbol| (symbol.name, symbol.address))
        .collect();
    exported.sort();
    exported
}

#[test]
fn a_stripped_library_exports_what_it_did() {
    for name in CORPUS {
        let whole = corpus(name);
        let expected = exported(&whole);
        assert!(
            expected
                .iter()
                .any(|(name, _)| name == "__tvm_ffi__library_bin")
        );
        let own = whole.clone().chained();
        let none = own.clone().without_trie();
        for form in [whole.clone().stripped(), own.clone(), own.stripped(), none] {
            assert_eq!(exported(&form), expected, "{name}");
            let names: Vec<String> = whole.externals().into_iter().map(|one| one.0).collect();
            let mut plain: Vec<&str> = names.iter().map(|name| &name[1..]).collect();
            plain.sort_unstable();
            let defined = container::defines(&form.0, &plain).expect("a library");
            assert!(defined.iter().all(|defined| *defined), "{name}");
            let mut all = Vec::new();
            let read = container::each_export(&form.0, &mut |name| {
                all.push(String::from_utf8_lossy(name).into_owned());
                true
            });
            read.expect("a library");
            all.sort();
            assert_eq!(all, plain, "{name}");
        }
    }
}

/// Every byte of the tries, in four ways: what is found is what dyld finds, and what is
/// lost of what the symbol table has is damage.
#[test]
fn one_wrong_byte_loses_what_dyld_loses() {
    let mut lost = 0;
    for name in ["embedding-metal", "extcall-cpu"] {
        let whole = corpus(name);
        let symbols = whole.externals();
        let needed = binary(&whole).needed.len() as u64;
        for at in whole.trie() {
            for byte in [0, 0xff, whole.0[at] ^ 1, whole.0[at] ^ 0x80] {
                let mut changed = whole.clone();
                changed.0[at] = byte;
                let read = binary(&changed);
                let case = format!("{name}: byte {at:#x} is {byte:#x}");
                for (symbol, address) in &symbols {
                    let plain = &symbol[1..];
                    let (is_found, at) = found(&changed, needed, symbol);
                    let defined = container::defines(&changed.0, &[plain]).expect("a library");
                    assert_eq!(defined, [is_found], "{case}: {plain}");
                    let mut all = read.defined.iter().filter(|one| one.name == plain);
                    let Some(one) = all.next() else {
                        // Functions of the compiler's library are kept of a model library.
                        assert!(
                            !container::concerns_tvm(plain.as_bytes()),
                            "{case}: {plain}"
                        );
                        continue;
                    };
                    assert!(all.next().is_none(), "{case}: {plain} is there twice");
                    assert_eq!(one.exported, is_found, "{case}: {plain}");
                    let expected = if is_found { at.unwrap_or(0) } else { *address };
                    assert_eq!(one.address, expected, "{case}: {plain}");
                    if !is_found || at != Some(*address) {
                        assert!(!read.damage.is_empty(), "{case}: {plain}");
                    }
                    lost += usize::from(!is_found);
                }
            }
        }
    }
    assert!(lost > 1000, "{lost}");
}

/// What a scan says, by rule and severity; the signature is of the library before.
fn said(dylib: &Dylib) -> Vec<(&'static str, Severity, String)> {
    let scan = scan_bytes("model.dylib", &dylib.0, &ScanOptions::default());
    let findings = scan.findings.iter();
    let findings = findings
        .filter(|finding| finding.rule != rules::SIGNATURE && finding.severity != Severity::Info);
    let said = findings.map(|one| (one.rule.code, one.severity, one.message.clone()));
    said.collect()
}

#[test]
fn a_damaged_trie_is_an_error_and_a_stripped_library_is_none() {
    for name in CORPUS {
        let whole = corpus(name);
        for sound in [whole.clone(), whole.clone().stripped()] {
            assert_eq!(said(&sound), [], "{name}");
        }
        for byte in [0, 0xff] {
            let mut damaged = whole.clone();
            let trie = damaged.trie();
            damaged.0[trie].fill(byte);
            for form in [damaged.clone(), damaged.clone().chained()] {
                let said = said(&form);
                let (code, severity, message) = said.first().expect("findings");
                assert_eq!((*code, *severity), ("AC001", Severity::Error), "{name}");
                assert!(message.contains("does not lead to `"), "{message}");
            }
        }
        // Without a symbol table nothing says what was there.
        let mut damaged = whole.clone().stripped();
        let trie = damaged.trie();
        damaged.0[trie].fill(0xff);
        let said = said(&damaged);
        assert!(
            said.iter().any(|(code, severity, message)| *code == "AC001"
                && *severity == Severity::Error
                && message.contains("the export trie is damaged")),
            "{name}: {said:?}"
        );
    }
}

#[test]
fn a_trie_outside_the_file_or_of_no_bytes() {
    let whole = corpus("extcall-cpu");
    let mut outside = whole.clone();
    let at = whole.0.len() as u32;
    let fields = outside.clone();
    let place = fields.trie().start as u32;
    let fields = fields
        .0
        .windows(4)
        .position(|four| four == place.to_le_bytes());
    let fields = fields.expect("the fields");
    outside.0[fields..fields + 4].copy_from_slice(&at.to_le_bytes());
    let error = container::parse(&outside.0).expect_err("refused");
    assert!(
        error.to_string().contains("a Mach-O export trie"),
        "{error}"
    );
    let empty = binary(&whole.with_empty_trie());
    assert_eq!(empty.damage.len(), 1, "{:?}", empty.damage);
    assert!(empty.damage[0].what.contains("is empty"));
}

/// Each kind of export that is no plain place: exported, and the symbol table is not
/// believed.
#[test]
fn exports_of_every_kind() {
    let blob = "___tvm_ffi__library_bin";
    let kinds: [(&[u8], bool); 6] = [
        (&[0, 0x10], true),
        // Of the first library that is needed, by its name and by another.
        (&[8, 1, 0], true),
        (&[8, 1, b'_', b'x', 0], true),
        // Of a library that is not there.
        (&[8, 0x60, 0], false),
        (&[2, 0x10], true),
        (&[0x10, 0x10, 0x20], true),
    ];
    for (terminal, is_exported) in kinds {
        let dylib = corpus("extcall-cpu").with_exports(&[(blob, terminal)]);
        let read = binary(&dylib);
        let symbol = read.defined.iter().find(|symbol| symbol.name == blob[1..]);
        assert_eq!(symbol.expect("kept").exported, is_exported, "{terminal:?}");
        let defined = container::defines(&dylib.0, &[&blob[1..]]).expect("a library");
        assert_eq!(defined, [is_exported], "{terminal:?}");
        let others = read.damage.iter().find(|one| !one.lost.is_empty());
        assert!(others.expect("the others").lost.len() > 5);
    }
}

/// The wheels' dylibs are sound, and their tries and symbol tables say the same; so says
/// LLVM of the tries. `llvm-strip` leaves what this program's strip leaves.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn real_libraries_agree_with_llvm() {
    let mut files = Vec::new();
    container_speed::libraries(&parts::root().join("unpacked"), &mut files);
    files.retain(|path| {
        let path = path.to_string_lossy();
        path.contains("-macos-") && path.ends_with(".dylib") && !path.contains("dSYM")
    });
    assert!(files.len() >= 15, "{}", files.len());
    for path in files {
        let dylib = Dylib(std::fs::read(&path).expect("readable"));
        let file = path.display();
        let read = binary(&dylib);
        assert!(read.damage.is_empty(), "{file}: {:?}", read.damage);
        let listing = Command::new("llvm-objdump")
            .args(["--macho", "--exports-trie"])
            .arg(&path)
            .output()
            .expect("llvm-objdump is needed by this test");
        let listing = String::from_utf8(listing.stdout).expect("UTF-8");
        let of = |line: &str| {
            let (address, name) = line.strip_prefix("0x")?.split_once("  ")?;
            let name = name.split(" [").next()?.to_owned();
            Some((name, u64::from_str_radix(address, 16).expect("a number")))
        };
        let mut expected: Vec<(String, u64)> = listing.lines().filter_map(of).collect();
        let mut own = dylib.externals();
        expected.sort();
        own.sort();
        assert_eq!(own, expected, "{file}: the tables");
        let mut names = Vec::new();
        let all = container::each_export(&dylib.0, &mut |name| {
            names.push(format!("_{}", String::from_utf8_lossy(name)));
            true
        });
        all.expect("a library");
        names.sort();
        assert!(
            names.iter().eq(expected.iter().map(|(name, _)| name)),
            "{file}"
        );
    }
}
