//! Every limit, under and over it, with input that is sound otherwise: under it the
//! file is read, over it the answer is "not decided" and no rule's error.

use artcheck_inspect::limits::MAX_MEMBER_IN_MEMORY;
use artcheck_inspect::{ProblemKind, Role, ScanOptions, Severity, scan_bytes};

use crate::writer::limits::{LIMITS, blob, section, tensor, wasm, with_gap};
use crate::writer::packed::{gzip, tar};

/// What a scan makes of the bytes: model libraries that decode. Fails where a limit
/// is not what `over` says, or where it is an answer.
fn libraries(name: &str, bytes: &[u8], over: Option<&str>) -> usize {
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
    assert_eq!(limits.is_empty(), over.is_none(), "{name}: {limits:?}");
    if let Some(says) = over {
        assert!(
            limits.iter().any(|limit| limit.contains(says)),
            "{name}: {limits:?}"
        );
        let mut findings = scan.findings.iter();
        let is_said = findings.any(|finding| finding.message.contains(says));
        assert!(is_said, "{name}: {:?}", scan.findings);
    }
    assert!(errors.is_empty(), "{name}: {errors:?}");
    assert!(!scan.concerns_nothing() || over.is_none(), "{name}");
    for artifact in scan.artifacts.iter().filter(|_| over.is_some()) {
        // Objects that are joined are told of by the library that they make.
        let is_part = matches!(artifact.role, Role::ModelLibrary | Role::LibraryObject);
        let is_said = !artifact.problems.is_empty() || is_part;
        assert!(artifact.size > 0, "{name}: {artifact:?}");
        assert!(is_said, "{name}: {artifact:?}");
    }
    let libraries = scan.artifacts.iter().flat_map(|one| &one.libraries);
    libraries
        .filter_map(|library| library.blob.as_ref().ok())
        .filter(|blob| blob.executables().next().is_some())
        .count()
}

#[test]
fn every_limit_is_kept_and_gone_over() {
    for limit in &LIMITS {
        for (over, programs) in [(false, limit.programs[0]), (true, limit.programs[1])] {
            let bytes = (limit.make)(over);
            let found = libraries(limit.file, &bytes, over.then_some(limit.says));
            // What follows a limit is left out; how much comes before it may change.
            let as_expected = if over {
                found <= programs
            } else {
                found == programs
            };
            assert!(as_expected, "{}: {found} of {programs}", limit.file);
        }
    }
}

#[test]
fn a_tensor_of_zeros_is_no_matter_of_size() {
    for length in [31 << 20, 34 << 20, 900 << 20] {
        let bytes = with_gap(tensor(length), length as u64);
        assert_eq!(libraries("zeros.wasm", &bytes, None), 1, "{length}");
    }
}

/// A packed member is unpacked whatever it is called, unless a walk passes over such a name.
#[test]
fn members_of_any_name() {
    let library = wasm(&[(1024, &blob())], 0);
    for name in ["model", "model-1.5", "lib.so.bak", "dir.d/model.v2"] {
        let packed = gzip(&tar(name, &library));
        assert_eq!(libraries("a.tar.gz", &packed, None), 1, "{name}");
    }
    let packed = gzip(&tar("model.txt", &library));
    assert_eq!(libraries("a.tar.gz", &packed, None), 0);
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
    assert_eq!(libraries("large.tar.gz", &packed, None), 1);
}
