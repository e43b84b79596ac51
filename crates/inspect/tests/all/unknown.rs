//! What is not known of a program is never healthy: small executables, scanned as
//! files of their own against releases.

use std::collections::BTreeSet;

use artcheck_inspect::runtime::release;
use artcheck_inspect::vm::Magic;
use artcheck_inspect::vm::kv_cache::CREATE;
use artcheck_inspect::{GivenRuntime, Repair, Scan, ScanOptions, VerdictStatus, scan_bytes};

use crate::writer::{assemble, function, string};

const VM: i64 = 1;

fn imm(value: i64) -> i64 {
    (1 << 56) | value
}

fn call(dst: i64, callee: i64, args: &[i64]) -> Vec<i64> {
    let mut words = vec![1, dst, callee, args.len() as i64];
    words.extend(args);
    words
}

/// `main` creates a cache; its config is what `config` gives, a function of the
/// table: 1 `helper`, 3 one of the host part.
fn creates(config: i64) -> Vec<u8> {
    cache(config, &[0], &[1, 2, 3, 4, 0, 1024])
}

/// The same with an attention kind for each layer, and the config that `helper` gives.
pub fn cache(config: i64, kinds: &[i64], values: &[i64]) -> Vec<u8> {
    let shape_of = |values: &[i64]| {
        let mut args = vec![imm(0), imm(values.len() as i64)];
        args.extend(values.iter().flat_map(|value| [imm(0), imm(*value)]));
        args
    };
    let (kinds, shape) = (shape_of(kinds), shape_of(values));
    let mut args = vec![imm(0); 28];
    args[0] = 5;
    args[6] = 6;
    // Tuples of tag and kernel; nothing for the rest.
    args[15..=22].fill(7);
    let code = [
        call(5, config, &[]),
        call(6, 4, &kinds),
        call(7, 5, &[]),
        call(8, 2, &args),
        vec![2, 8],
        call(5, 4, &shape),
        vec![2, 5],
    ];
    let functions = [
        function(VM as i32, "main", 0..5, 0, 16),
        function(VM as i32, "helper", 5..7, 0, 16),
        function(0, CREATE, 0..0, -2, 0),
        function(0, "my.config", 0..0, -2, 0),
        function(0, "vm.builtin.make_shape", 0..0, -2, 0),
        function(0, "vm.builtin.make_tuple", 0..0, -2, 0),
    ];
    assemble(Magic::V2, &functions, &[string("tirx")], &code)
}

fn on(bytes: &[u8], runtime: &str, provides: &[&str]) -> Scan {
    let options = ScanOptions {
        runtimes: vec![GivenRuntime {
            profile: release::by_name(runtime).expect("a release").clone(),
            load_set: None,
        }],
        provides: provides
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>(),
        ..ScanOptions::default()
    };
    scan_bytes("program.ro", bytes, &options)
}

fn unknown(scan: &Scan) -> Vec<String> {
    let undecided = scan.verdicts[0]
        .iter()
        .flat_map(|verdict| &verdict.undecided);
    undecided
        .map(|undecided| format!("{}: {}", undecided.rule, undecided.why))
        .collect()
}

#[test]
fn a_config_out_of_another_function_is_read() {
    let bytes = creates(1);
    let scan = on(&bytes, "tvm-0.26", &["my.config"]);
    let rules: Vec<&str> = scan
        .findings
        .iter()
        .map(|finding| finding.rule.code)
        .collect();
    assert_eq!(rules, ["AC105"]);
    // Only what can be done is offered: `patch convert` cannot shorten it there.
    assert_eq!(scan.findings[0].repairs, [Repair::Shim]);
    let help = &scan.findings[0].help;
    assert!(!help.contains("convert"), "{help}");
    // The near miss: the runtime that takes six.
    let scan = on(&bytes, "tvm-0.27", &["my.config"]);
    assert_eq!(
        scan.verdicts[0][0].status,
        VerdictStatus::Fits,
        "{:?}",
        unknown(&scan)
    );
}

#[test]
fn a_config_that_is_not_followed_is_undecided() {
    let bytes = creates(3);
    for runtime in ["tvm-0.26", "tvm-0.27"] {
        let scan = on(&bytes, runtime, &["my.config"]);
        assert_eq!(scan.verdicts[0][0].status, VerdictStatus::Undecided);
        let told = unknown(&scan);
        assert!(
            told.iter()
                .any(|why| why.starts_with("AC105") && why.contains("`my.config`")),
            "{told:?}"
        );
    }
}

#[test]
fn a_host_part_that_is_elsewhere_is_said_or_provided() {
    let bytes = creates(1);
    let told = unknown(&on(&bytes, "tvm-0.27", &[]));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("AC103") && told[0].contains("`my.config`"),
        "{told:?}"
    );
    assert_eq!(unknown(&on(&bytes, "tvm-0.27", &["my.config"])), [""; 0]);
}

/// `main` creates a cache whose config has five elements one way and six the other.
fn creates_either() -> Vec<u8> {
    let shape = |count: i64| {
        let mut args = vec![imm(0), imm(count)];
        args.extend((0..count).flat_map(|value| [imm(0), imm(value + 1)]));
        call(5, 2, &args)
    };
    let mut args = vec![imm(0); 28];
    args[0] = 5;
    args[15..=22].fill(7);
    let code = [
        vec![4, 0, 3],
        shape(5),
        vec![3, 2],
        shape(6),
        call(6, 2, &[imm(0), imm(1), imm(0), imm(0)]),
        call(7, 3, &[]),
        {
            args[6] = 6;
            call(8, 1, &args)
        },
        vec![2, 8],
    ];
    let functions = [
        function(VM as i32, "main", 0..8, 1, 16),
        function(0, CREATE, 0..0, -2, 0),
        function(0, "vm.builtin.make_shape", 0..0, -2, 0),
        function(0, "vm.builtin.make_tuple", 0..0, -2, 0),
    ];
    assemble(Magic::V2, &functions, &[string("tirx")], &code)
}

#[test]
fn a_config_that_is_refused_on_one_way_only_is_undecided() {
    let bytes = creates_either();
    let scan = on(&bytes, "tvm-0.26", &[]);
    assert_eq!(scan.verdicts[0][0].status, VerdictStatus::Undecided);
    let told = unknown(&scan);
    let says = |why: &String| why.starts_with("AC105") && why.contains("6 elements");
    assert!(told.iter().any(says), "{told:?}");
    let scan = on(&bytes, "tvm-0.27", &[]);
    let status = scan.verdicts[0][0].status;
    assert_eq!(status, VerdictStatus::Fits, "{:?}", unknown(&scan));
}
