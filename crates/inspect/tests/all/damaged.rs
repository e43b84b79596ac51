//! Damage that leaves a file readable: it is a finding, and never makes a library
//! disappear or something else.

use artcheck_inspect::vm::Magic;
use artcheck_inspect::{ProblemKind, Role, Scan, ScanOptions, scan_bytes};

use crate::writer;

fn corpus(name: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/artifacts/");
    std::fs::read(format!("{root}{name}")).unwrap()
}

fn scan(name: &str, bytes: &[u8]) -> Scan {
    scan_bytes(name, bytes, &ScanOptions::default())
}

/// What is said of the first artifact as damage.
fn damage(scan: &Scan) -> Option<&str> {
    let mut problems = scan.artifacts[0].problems.iter();
    let found = problems.find(|problem| problem.kind == ProblemKind::Corrupt)?;
    let is_told = scan.findings.iter().any(|one| one.rule.code == "AC001");
    assert!(is_told, "{:?}", scan.findings);
    Some(&found.detail)
}

fn word(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// Where the program header of this type is in a 64-bit ELF file.
fn program_header(bytes: &[u8], wanted: u8) -> usize {
    let first = word(bytes, 32);
    let mut headers = (0..usize::from(bytes[56])).map(|number| first + number * 56);
    headers
        .find(|at| bytes[*at..][..4] == [wanted, 0, 0, 0])
        .unwrap()
}

#[test]
fn a_library_without_a_dynamic_section_does_not_disappear() {
    let sound = corpus("tvm-0.27/dense-cpu-x86_64.so");
    assert_eq!(damage(&scan("lib.so", &sound)), None);
    let mut bytes = sound;
    let header = program_header(&bytes, 2);
    bytes[header + 32..header + 40].fill(0);
    let found = scan("lib.so", &bytes);
    assert!(damage(&found).unwrap().contains("dynamic section"));
}

#[test]
fn a_blob_whose_symbol_is_damaged_is_no_client() {
    let mut bytes = corpus("tvm-0.27/dense-cpu-x86_64.so");
    let symbol = b"__tvm_ffi__library_bin";
    let places: Vec<usize> = bytes
        .windows(symbol.len())
        .enumerate()
        .filter(|(_, window)| window == symbol)
        .map(|(at, _)| at)
        .collect();
    for at in places {
        bytes[at + symbol.len() - 2] = b'j';
    }
    let found = scan("lib.so", &bytes);
    assert_eq!(found.artifacts[0].role, Role::ModelLibrary);
    // No runtime finds it.
    let hidden = found.findings.iter().filter(|one| one.rule.code == "AC102");
    let mut hidden = hidden.filter(|one| one.message.contains("no symbol"));
    assert!(hidden.next().is_some(), "{:?}", found.findings);
}

/// A program of one function with one register, outside any container.
fn program(instructions: &[Vec<i64>]) -> Vec<u8> {
    let end = instructions.len() as i64;
    writer::assemble(
        Magic::V2,
        &[
            writer::function(1, "main", 0..end, 0, 1),
            writer::function(0, "vm.builtin.copy", 0..0, -2, 0),
        ],
        &[writer::string("text")],
        instructions,
    )
}

#[test]
fn code_that_names_what_is_not_there_is_told() {
    let copy = vec![1, 0, 1, 1, 2 << 56];
    let sound = program(&[copy.clone(), vec![2, 0]]);
    let is_told = |scan: &Scan, what: &str| {
        let mut findings = scan.findings.iter();
        findings.any(|one| one.rule.code == "AC102" && one.message.contains(what))
    };
    assert!(!is_told(&scan("sound.ro", &sound), "the code"));
    for (instructions, what) in [
        (vec![copy.clone(), vec![2, 1]], "names register 1"),
        (vec![copy.clone(), vec![2, -5]], "names register -5"),
        (
            vec![vec![1, 9, 1, 1, 2 << 56], vec![2, 0]],
            "names register 9",
        ),
        (vec![vec![1, 0, 1, 1, 7], vec![2, 0]], "names register 7"),
        (vec![vec![1, 0, 2, 0], vec![2, 0]], "names function 2"),
        (
            vec![vec![1, 0, 1, 1, (3 << 56) | 4], vec![2, 0]],
            "names function 4",
        ),
        (vec![copy.clone(), vec![3, 7], vec![2, 0]], "jumps by 7"),
        (
            vec![copy.clone(), vec![4, 0, -2], vec![2, 0]],
            "jumps by -2",
        ),
    ] {
        let found = scan("damaged.ro", &program(&instructions));
        assert!(is_told(&found, what), "{what}: {:?}", found.findings);
    }
    // What is behind the constants may be taken for nothing, and a result be lost.
    for (instructions, what) in [
        (
            vec![vec![1, 0, 1, 1, (2 << 56) | 1], vec![2, 0]],
            "names constant 1",
        ),
        (
            vec![vec![1, (1 << 54) + 2, 1, 1, 2 << 56], vec![2, 0]],
            "puts a result into register",
        ),
        // So may a value that was never made, and a loop may end.
        (vec![vec![2, 0]], "reads register 0"),
        (
            vec![copy.clone(), vec![4, 0, 2], vec![3, 0], vec![2, 0]],
            "jumps back by 0",
        ),
        (
            vec![vec![3, 2], copy, vec![1, 0, 1, 1, 0], vec![2, 0]],
            "reads register 0",
        ),
    ] {
        let found = scan("damaged.ro", &program(&instructions));
        let mut verdicts = found.verdicts.iter().flat_map(|of_one| of_one.iter());
        let is_open = verdicts.any(|one| one.undecided.iter().any(|one| one.why.contains(what)));
        assert!(
            is_open && !is_told(&found, what),
            "{what}: {:?}",
            found.findings
        );
    }
}

#[test]
fn a_function_that_takes_other_arguments_than_it_names_is_told() {
    let named = |names: &[&str]| {
        let mut main = writer::function(1, "main", 0..1, 1, 1);
        let length = main.len();
        main.truncate(length - 8);
        let mut words = writer::Bytes::default();
        words.strs(names);
        main.extend(words.0);
        writer::assemble(Magic::V2, &[main], &[], &[vec![2, 0]])
    };
    let is_told = |names: &[&str]| {
        let found = scan("main.ro", &named(names));
        let mut findings = found.findings.iter();
        findings.any(|one| {
            one.rule.code == "AC102" && one.message.contains("gives `main` 1 parameters")
        })
    };
    assert!(!is_told(&["x"]) && !is_told(&[]));
    assert!(is_told(&["x", "y"]));
}
