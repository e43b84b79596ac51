//! What the shim does inside a runtime: wraps once, asks, translates, refuses.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::shims::{artifact, options, shim};
use crate::common::{RELEASES, Release, fixture, succeed};
use artcheck_patch::shim::{ShimPart, build};

/// One case of `constructor.py`, as text.
fn constructor(release: Release, case: &str, shims: &[&Path]) -> String {
    let script = fixture("python/constructor.py");
    succeed(
        Command::new(release.python())
            .arg(script)
            .arg(case)
            .args(shims),
    )
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn two_shims_wrap_the_constructor_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for release in RELEASES.iter().copied() {
        let first = shim(release);
        let second = dir.path().join(format!("libcopy-{}.so", release.tvm));
        fs::copy(&first, &second).expect("a copy");
        let seen = constructor(release, "twice", &[&first, &second]);
        assert!(
            seen.contains("\"wrapped\": true, \"again\": false"),
            "{seen}"
        );
        assert!(
            seen.contains("\"tir\": \"PagedAttentionKVCache\""),
            "{seen}"
        );
        assert!(
            seen.contains("\"tirx\": \"PagedAttentionKVCache\""),
            "{seen}"
        );
        assert!(
            seen.contains("\"other\": \"error: Cannot reach here\""),
            "{seen}"
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_old_lookup_has_its_c_name_and_finds_the_same() {
    for release in RELEASES.iter().copied() {
        let seen = constructor(
            release,
            "c-name",
            &[&shim(release), &artifact(release, "extcall-cpu-x86_64.so")],
        );
        assert!(
            seen.contains("\"status\": [0, 0], \"same\": true"),
            "{release:?}: {seen}"
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn it_may_be_loaded_before_the_runtime() {
    for release in RELEASES.iter().copied() {
        let seen = constructor(release, "before", &[&shim(release)]);
        assert!(
            seen.contains("\"tir\": \"PagedAttentionKVCache\""),
            "{seen}"
        );
        assert!(
            seen.contains("\"attention-tag\": \"translates tir to tirx\""),
            "{seen}"
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn layers_with_a_window_of_their_own_are_refused_below_0_27() {
    for release in RELEASES.iter().copied() {
        let seen = constructor(release, "sliding", &[&shim(release)]);
        assert!(
            seen.contains("\"plain\": \"PagedAttentionKVCache\""),
            "{seen}"
        );
        if release.tvm == "0.27" {
            assert!(
                seen.contains("\"sliding\": \"PagedAttentionKVCache\""),
                "{seen}"
            );
            assert!(seen.contains("\"cache-config\": \"nothing to do"), "{seen}");
        } else {
            assert!(
                seen.contains("layer 0 has a sliding window of its own (size 512"),
                "{seen}"
            );
            assert!(
                seen.contains("\"cache-config\": \"shortens 6 config elements to 5\""),
                "{seen}"
            );
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_runtime_is_asked_and_left_alone_if_it_takes_both_tags() {
    // No stock Linux runtime takes `tir`, so functions of the test stand in.
    let dir = tempfile::tempdir().expect("a temporary folder");
    let release = RELEASES[1];
    let out = dir.path().join("libtag.so");
    let tag = build(&options(release, &[ShimPart::AttentionTag], out))
        .expect("a shim")
        .library;
    let seen = constructor(release, "both-tags", &[&tag]);
    assert!(seen.contains("\"wrapped\": false"), "{seen}");
    assert!(
        seen.contains("nothing to do: this runtime accepts both tags"),
        "{seen}"
    );
    let seen = constructor(release, "only-tir", &[&tag]);
    assert!(seen.contains("\"wrapped\": true"), "{seen}");
    assert!(
        seen.contains("\"tirx\": \"error: Cannot reach here\"}"),
        "{seen}"
    );
    assert!(
        seen.contains("\"attention-tag\": \"translates tirx to tir\""),
        "{seen}"
    );
    assert_eq!(
        seen.matches("\"tirx\": \"PagedAttentionKVCache\"").count(),
        1,
        "{seen}"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn metal_payloads_reach_the_loader_in_its_own_order() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for release in RELEASES.iter().copied() {
        let out = dir.path().join(format!("libmetal-{}.so", release.tvm));
        let shim = build(&options(release, &[ShimPart::MetalPayload], out)).expect("a shim");
        let library = artifact(RELEASES[1], "dense-metal-linux-x86_64.so");
        for (order, when) in [("since", "early"), ("before", "early"), ("before", "late")] {
            let mut command = Command::new(release.python());
            command.arg(fixture("python/metal_payload.py"));
            let seen = succeed(command.arg(&shim.library).arg(&library).args([order, when]));
            assert!(seen.starts_with("ok "), "{seen}");
        }
    }
}
