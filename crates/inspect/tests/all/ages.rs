//! How old a library is, and what it needs: small executables of builtins that TVM had
//! for some months.

use artcheck_inspect::scan::{needs, newest};
use artcheck_inspect::vm::Magic;
use artcheck_inspect::{Scan, ScanOptions, epoch, scan_bytes};

use crate::writer::{assemble, function, named_function};

const COPY: &str = "vm.builtin.copy";
/// From 2024-01-24 to 2024-03-16.
const PAGED: &str = "vm.builtin.paged_attention_kv_cache_attention_with_fused_qkv";
/// From 2023-06-10 to 2023-10-31, and version 0.14 from 2023-07-06.
const MULTIPLE: &str = "vm.builtin.attention_kv_cache_create_multiple";
/// From 2025-02-27.
const CROSS: &str = "vm.builtin.attention_kv_cache_cross_attention";

/// A program that names these and calls none.
fn naming(names: &[&str]) -> Scan {
    let mut functions = vec![named_function(1, "main", 0..1, &["x"], 1)];
    functions.extend(names.iter().map(|name| function(0, name, 0..0, -2, 0)));
    let bytes = assemble(Magic::V1, &functions, &[], &[vec![2, 0]]);
    scan_bytes("model.ro", &bytes, &ScanOptions::default())
}

fn age(names: &[&str]) -> String {
    let found = naming(names);
    let library = &found.artifacts[0].libraries[0];
    let blob = library.blob.as_ref().expect("it decodes");
    epoch(library, blob, &[], None).to_string()
}

#[test]
fn a_library_is_as_old_as_the_builtins_that_it_names() {
    assert_eq!(
        age(&[COPY, PAGED]),
        "a TVM Unity snapshot of about January to March 2024 (2024-01-24 to 2024-03-16)"
    );
    assert_eq!(
        age(&[MULTIPLE]),
        "a TVM Unity snapshot of about July to October 2023 (2023-07-06 to 2023-10-31)"
    );
    // What came with a release was in the snapshots before it.
    assert!(age(&[CROSS]).starts_with("TVM 0.20"), "{}", age(&[CROSS]));
    assert!(
        age(&[CROSS]).ends_with(", or a snapshot since February 2025"),
        "{}",
        age(&[CROSS])
    );
}

#[test]
fn what_no_known_tvm_has_says_nothing_and_what_contradicts_is_a_fork() {
    assert_eq!(
        age(&[COPY, PAGED, "vm.builtin.of_a_fork"]),
        age(&[COPY, PAGED])
    );
    // Builtins that were never there together: the form of the file decides alone.
    assert_eq!(age(&[PAGED, CROSS]), age(&[COPY]));
    assert!(!age(&[COPY]).contains("unknown"), "{}", age(&[COPY]));
}

#[test]
fn what_runs_an_old_library_is_the_snapshots_of_its_time() {
    let found = naming(&[COPY, PAGED]);
    assert_eq!(newest(&found.verdicts[0]), None);
    let needed = needs(&found.artifacts[0], &found.verdicts[0]).expect("it is known");
    assert!(
        needed.starts_with("a TVM snapshot of 2024-01-24 to 2024-03-16, as mlc-llm 1e11b7dd"),
        "{needed}"
    );
    assert!(needed.contains("it has no wheel"), "{needed}");
    let never = naming(&[PAGED, CROSS]);
    let needed = needs(&never.artifacts[0], &never.verdicts[0]).expect("it is known");
    assert!(
        needed.starts_with("a TVM that artcheck does not know"),
        "{needed}"
    );
    let today = naming(&[COPY]);
    let needed = needs(&today.artifacts[0], &today.verdicts[0]).expect("it is known");
    let newest = newest(&today.verdicts[0]).expect("a release runs it");
    assert!(
        needed.starts_with(&format!("{newest}, the newest")),
        "{needed}"
    );
}
