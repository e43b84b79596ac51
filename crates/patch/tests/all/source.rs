//! `patch source` on the sources of real wheels, judged by git and a compiler.

use std::fs;
use std::path::Path;

use crate::common::{self, RELEASES, Release, git, succeed};
use artcheck_patch::source::{SourceError, SourceOptions, plan, run};

const ATTN: &str = "src/runtime/vm/attn_backend.cc";
const HEADER: &str = "include/tvm/runtime/device_api.h";
const DEVICE: &str = "src/runtime/device_c_api.cc";
const MERGE: &str = "relax/frontend/nn/llm/_decode_kernels.py";

/// The files of a wheel that the patches read, in a git repository of their own.
fn tree_of(release: Release, platform: &str) -> tempfile::TempDir {
    let wheel = release.tvm(platform);
    let dir = tempfile::tempdir().expect("a temporary folder");
    for path in [ATTN, HEADER, MERGE] {
        put(
            dir.path(),
            path,
            &fs::read_to_string(wheel.join(path)).expect("the wheel's file"),
        );
    }
    commit(dir.path());
    dir
}

fn put(root: &Path, path: &str, text: &str) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().expect("a parent")).expect("a folder");
    fs::write(full, text).expect("a file");
}

fn commit(root: &Path) {
    succeed(&mut git(root, &["init", "-q"]));
    succeed(&mut git(root, &["add", "-A"]));
    succeed(&mut git(root, &["commit", "-q", "-m", "the tree"]));
}

fn write_only(tvm_dir: &Path, out: &Path) -> SourceOptions {
    SourceOptions {
        tvm_dir: tvm_dir.to_owned(),
        out: Some(out.to_owned()),
        apply: false,
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn git_am_takes_the_series_on_every_wheel() {
    for release in RELEASES.iter().copied() {
        for platform in [
            "linux-x86_64",
            "linux-aarch64",
            "macos-arm64",
            "windows-x64",
        ] {
            let tree = tree_of(release, platform);
            let out = tempfile::tempdir().expect("a temporary folder");
            let outcome = run(&write_only(tree.path(), out.path())).expect("a plan");
            assert_eq!(
                outcome.written.len(),
                3,
                "{release:?} {platform}: {}",
                outcome.summary
            );
            assert!(outcome.edited.is_empty());

            let clean = succeed(&mut git(tree.path(), &["status", "--porcelain"]));
            assert_eq!(clean, "", "writing the series must not touch the tree");
            for file in &outcome.written {
                succeed(git(tree.path(), &["apply", "--check"]).arg(file));
            }
            let keep_cr: &[&str] = if outcome.plan.tree.crlf {
                &["--keep-cr"]
            } else {
                &[]
            };
            succeed(
                git(tree.path(), &["am", "-q"])
                    .args(keep_cr)
                    .args(&outcome.written),
            );
            for edit in outcome.plan.patches.iter().flat_map(|patch| &patch.edits) {
                let now = fs::read_to_string(tree.path().join(&edit.path)).expect("the file");
                assert_eq!(now, edit.new, "{release:?} {platform} {}", edit.path);
            }
            let names = succeed(&mut git(tree.path(), &["log", "--format=%s|%an|%ad", "-3"]));
            assert_eq!(
                names,
                "relax: wait before the merged attention state is stored|artcheck patch source|\
                 Thu Jan 1 00:00:00 1970 +0000\n\
                 runtime: add flat C functions over DeviceAPI|artcheck patch source|\
                 Thu Jan 1 00:00:00 1970 +0000\n\
                 runtime: accept both attention backend tags|artcheck patch source|\
                 Thu Jan 1 00:00:00 1970 +0000\n"
            );
            assert!(plan(tree.path()).expect("a second plan").is_empty());
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn only_the_five_conditions_change() {
    for release in RELEASES.iter().copied() {
        let tree = tree_of(release, "linux-x86_64");
        let planned = plan(tree.path()).expect("a plan");
        let edit = &planned.patches[0].edits[0];
        let old: Vec<&str> = edit.old.as_deref().expect("an edit").lines().collect();
        let new: Vec<&str> = edit.new.lines().collect();
        assert_eq!(old.len(), new.len());
        let changed: Vec<(&str, &str)> = old
            .into_iter()
            .zip(new)
            .filter(|(old, new)| old != new)
            .collect();
        assert_eq!(changed.len(), 5);
        for (old, new) in changed {
            assert_eq!(old, "  if (backend_name == \"tirx\") {");
            assert_eq!(
                new,
                "  if (backend_name == \"tirx\" || backend_name == \"tir\") {"
            );
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_merging_kernel_of_gpus_gets_two_lines() {
    for release in RELEASES.iter().copied() {
        let tree = tree_of(release, "linux-x86_64");
        let planned = plan(tree.path()).expect("a plan");
        let edit = &planned.patches[2].edits[0];
        assert_eq!(edit.path, MERGE);
        let old = edit.old.as_deref().expect("an edit");
        let store = old.rfind("# store s\n").expect("the store");
        let (before, behind) = old.split_at(store);
        let more = edit
            .new
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(behind));
        let lines: Vec<&str> = more.expect("one place").lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "# every thread of this row has read s",
                "T.tvm_storage_sync(\"shared\")",
                ""
            ]
        );
        let kernel = old.get(..store).and_then(|text| text.rfind("\ndef "));
        let kernel = kernel.and_then(|at| old.get(at..)).expect("a function");
        assert!(kernel.starts_with("\ndef _merge_state_inplace("));
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_series_is_the_same_at_every_run() {
    let tree = tree_of(RELEASES[1], "linux-x86_64");
    let first = plan(tree.path()).expect("a plan").series();
    let second = plan(tree.path()).expect("a plan").series();
    assert_eq!(first, second);
    let names: Vec<&str> = first.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "0001-runtime-accept-both-attention-backend-tags.patch",
            "0002-runtime-add-flat-c-functions-over-deviceapi.patch",
            "0003-relax-wait-before-the-merged-attention-state-is-stored.patch"
        ]
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn apply_edits_the_tree_once() {
    let tree = tree_of(RELEASES[2], "linux-x86_64");
    let options = SourceOptions {
        tvm_dir: tree.path().to_owned(),
        out: None,
        apply: true,
    };
    let first = run(&options).expect("applied");
    assert_eq!(first.edited.len(), 3);
    let after: Vec<String> = [ATTN, DEVICE, MERGE]
        .map(|p| fs::read_to_string(tree.path().join(p)).expect("a file"))
        .to_vec();
    let second = run(&options).expect("nothing to do");
    assert!(second.edited.is_empty() && second.plan.is_empty());
    assert!(
        second.summary.contains("nothing to do"),
        "{}",
        second.summary
    );
    let again: Vec<String> = [ATTN, DEVICE, MERGE]
        .map(|p| fs::read_to_string(tree.path().join(p)).expect("a file"))
        .to_vec();
    assert_eq!(after, again);
}

/// The shape of 0.20 to 0.23, derived from a wheel: the tag `tir`, and for 0.20
/// the folder `relax_vm` with the older types. Made here, not taken from TVM.
fn older(release: Release, folder: &str) -> tempfile::TempDir {
    let wheel = release.tvm("linux-x86_64");
    let text = fs::read_to_string(wheel.join(ATTN)).expect("the wheel's file");
    let header = fs::read_to_string(wheel.join(HEADER)).expect("the wheel's file");
    let mut text = text.replace("\"tirx\"", "\"tir\"");
    let mut header = header.replace("TVM_RUNTIME_DLL", "TVM_DLL");
    if folder == "relax_vm" {
        text = text
            .replace("ffi::Array<ffi::Any>", "Array<ObjectRef>")
            .replace("ffi::Function", "PackedFunc")
            .replace("namespace vm", "namespace relax_vm");
        header = header
            .replace("ffi::Any* rv", "TVMRetValue* rv")
            .replace("ffi::Optional<ffi::String>", "Optional<String>");
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    put(
        dir.path(),
        &format!("src/runtime/{folder}/attn_backend.cc"),
        &text,
    );
    put(dir.path(), HEADER, &header);
    dir
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn older_shapes_are_widened_the_other_way() {
    for (release, folder) in [
        (RELEASES[0], "vm"),
        (RELEASES[0], "relax_vm"),
        (RELEASES[1], "vm"),
    ] {
        let tree = older(release, folder);
        put(
            tree.path(),
            "CMakeLists.txt",
            "file(GLOB RUNTIME_SRCS\n  src/runtime/*.cc\n)\n",
        );
        commit(tree.path());
        let out = tempfile::tempdir().expect("a temporary folder");
        let outcome = run(&write_only(tree.path(), out.path())).expect("a plan");
        succeed(git(tree.path(), &["am", "-q"]).args(&outcome.written));
        let text = fs::read_to_string(
            tree.path()
                .join(format!("src/runtime/{folder}/attn_backend.cc")),
        )
        .expect("the file");
        let widened = "if (backend_name == \"tir\" || backend_name == \"tirx\") {";
        assert_eq!(text.matches(widened).count(), 5);

        let device = fs::read_to_string(tree.path().join(DEVICE)).expect("the new file");
        assert!(device.contains("TVM_DLL void* TVMDeviceAPIGet(DLDevice dev, int allow_missing)"));
        let classic = folder == "relax_vm";
        assert_eq!(device.contains("TVMRetValue value;"), classic);
        assert_eq!(
            device.contains("TVMAPISetLastError(error.what());"),
            classic
        );
        assert_eq!(device.contains("TVM_FFI_SAFE_CALL_BEGIN();"), !classic);
        assert!(!device.contains('@'), "a mark was left: {device}");
        assert_eq!(device.contains("ffi::Any value;"), !classic);
        assert!(plan(tree.path()).expect("a second plan").is_empty());
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_build_that_lists_its_files_gets_a_line() {
    let tree = tree_of(RELEASES[1], "linux-x86_64");
    let listed = "set(RUNTIME_SRCS\n  src/runtime/cpu_device_api.cc\n  src/runtime/device_api.cc\n  \
                  src/runtime/module.cc\n)\n# src/runtime/*.cc is not globbed\n";
    put(tree.path(), "CMakeLists.txt", listed);
    commit(tree.path());
    let out = tempfile::tempdir().expect("a temporary folder");
    let outcome = run(&write_only(tree.path(), out.path())).expect("a plan");
    succeed(git(tree.path(), &["am", "-q"]).args(&outcome.written));
    let now = fs::read_to_string(tree.path().join("CMakeLists.txt")).expect("the build file");
    assert_eq!(
        now,
        listed.replace(
            "  src/runtime/device_api.cc\n",
            "  src/runtime/device_api.cc\n  src/runtime/device_c_api.cc\n"
        )
    );

    put(
        tree.path(),
        "CMakeLists.txt",
        "add_library(tvm_runtime ${SRCS})\n",
    );
    fs::remove_file(tree.path().join(DEVICE)).expect("the new file");
    let error = plan(tree.path()).expect_err("an unknown build");
    assert!(matches!(error, SourceError::UnknownBuild { .. }), "{error}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn another_shape_is_refused_with_the_function_named() {
    let tree = tree_of(RELEASES[1], "linux-x86_64");
    let text = fs::read_to_string(tree.path().join(ATTN)).expect("the file");

    put(
        tree.path(),
        ATTN,
        &text.replace("ConvertPagedDecodeFunc(", "MakePagedDecodeFunc("),
    );
    let error = plan(tree.path())
        .expect_err("a function is gone")
        .to_string();
    assert!(
        error.contains("could not find a definition of ConvertPagedDecodeFunc"),
        "{error}"
    );

    // The last site of five in another form: none of the five may be changed.
    let at = text.rfind("backend_name == \"tirx\"").expect("five sites");
    let torn = format!("{}IsTirx(backend_name{}", &text[..at], &text[at + 22..]);
    put(tree.path(), ATTN, &torn);
    let options = SourceOptions {
        tvm_dir: tree.path().to_owned(),
        out: None,
        apply: true,
    };
    let error = run(&options).expect_err("an unknown condition").to_string();
    assert!(
        error.contains("ConvertRaggedPrefillTreeMaskFunc"),
        "{error}"
    );
    assert!(error.contains("attn_backend.cc:119"), "{error}");
    assert_eq!(
        fs::read_to_string(tree.path().join(ATTN)).expect("the file"),
        torn
    );
    assert!(!tree.path().join(DEVICE).exists());
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_tree_is_found_below_a_folder_and_must_be_the_only_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = plan(folder.path()).expect_err("no tree").to_string();
    assert!(error.contains("no TVM sources here"), "{error}");

    let planned = plan(&RELEASES[1].site_packages()).expect("the installed wheel");
    assert!(planned.tree.root.ends_with("site-packages/tvm"));

    let unpacked = common::part("unpacked");
    let error = plan(&unpacked).expect_err("twelve trees").to_string();
    assert!(error.contains("several TVM trees"), "{error}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_tree_that_cannot_be_written_stays_whole() {
    // The new file's name is taken by a folder, which no rename can replace: the
    // edit before it must not stay behind.
    let tree = tree_of(RELEASES[1], "linux-x86_64");
    let before = fs::read_to_string(tree.path().join(ATTN)).expect("the file");
    fs::create_dir_all(tree.path().join(DEVICE).join("inside")).expect("a folder");
    let options = SourceOptions {
        tvm_dir: tree.path().to_owned(),
        out: None,
        apply: true,
    };
    let error = run(&options)
        .expect_err("a folder is in the way")
        .to_string();
    assert!(error.contains("device_c_api.cc"), "{error}");
    assert_eq!(
        fs::read_to_string(tree.path().join(ATTN)).expect("the file"),
        before
    );
    let left: Vec<_> = fs::read_dir(tree.path().join("src/runtime"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_file_of_our_name_with_other_content_is_not_overwritten() {
    let tree = tree_of(RELEASES[1], "linux-x86_64");
    put(
        tree.path(),
        DEVICE,
        "extern \"C\" void* TVMDeviceAPIGet(DLDevice dev, bool missing);\n",
    );
    let error = plan(tree.path()).expect_err("another file").to_string();
    assert!(error.contains("lacks Destroy"), "{error}");
}
