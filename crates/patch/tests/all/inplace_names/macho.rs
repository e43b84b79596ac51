//! Names and run paths of Mach-O libraries that zig linked.

use crate::common;
use artcheck_patch::inplace::relocate;

use super::*;
use crate::corpus::{self, carried_out};

/// Links a library with the given names; `None` for one without a dependency.
fn linked(folder: &Path, out: &str, id: &str, dep: Option<&str>, run_paths: &[&str]) -> Vec<u8> {
    write_sources(folder);
    let mut flags = vec!["-shared".to_owned(), format!("-Wl,-install_name,{id}")];
    flags.extend(run_paths.iter().map(|path| format!("-Wl,-rpath,{path}")));
    match dep {
        Some(dep) => flags.extend(["use.c".to_owned(), dep.to_owned()]),
        None => flags.push("dep.c".to_owned()),
    }
    flags.extend(["-o".to_owned(), out.to_owned()]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    zig_cc(folder, "aarch64-macos", &flags);
    std::fs::read(folder.join(out)).expect("the library")
}

/// Names as LIEF reads them, and whether all page hashes match.
fn read_by_lief(file: &Path) -> String {
    let mut python = Command::new(common::part("venv/tools/bin/python"));
    let script = common::fixture("python/macho_check.py");
    common::succeed(python.arg(script).arg(file))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn folders_of_the_build_machine_are_taken_out_and_the_pages_signed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    linked(
        folder,
        "libdep.dylib",
        "/Users/me/out/libdep.dylib",
        None,
        &[],
    );
    let paths = [
        "/Users/me/out",
        "@loader_path/../lib",
        "/opt/x/lib",
        "/Users/me/other",
    ];
    let old = linked(
        folder,
        "libuse.dylib",
        "/Users/me/out/libuse.dylib",
        Some("libdep.dylib"),
        &paths,
    );
    let plan = relocate::plan(&old, None, Resign::Keep).expect("a plan");
    assert_eq!(
        plan.names,
        [
            named(
                Named::Identity,
                "/Users/me/out/libuse.dylib",
                "@rpath/libuse.dylib"
            ),
            named(
                Named::Needed,
                "/Users/me/out/libdep.dylib",
                "@rpath/libdep.dylib"
            ),
            named(
                Named::RunPath,
                &paths.join(":"),
                "@loader_path:@loader_path/../lib:/opt/x/lib"
            ),
        ]
    );
    let file = folder.join("libuse.dylib");
    let new = there_and_back(&file, &plan);
    assert_eq!(new.len(), old.len());
    let seen = read_by_lief(&file);
    for wanted in [
        "\"install_name\": \"@rpath/libuse.dylib\"",
        "\"rpaths\": [\"@loader_path\", \"@loader_path/../lib\", \"/opt/x/lib\"]",
        "\"@rpath/libdep.dylib\"",
        "\"bad_pages\": 0",
        "\"ad_hoc\": true",
    ] {
        assert!(seen.contains(wanted), "no {wanted} in {seen}");
    }
    let listed = common::succeed(
        Command::new("llvm-objdump")
            .args(["--macho", "--dylibs-used"])
            .arg(&file),
    );
    assert!(!listed.contains("/Users/me"), "{listed}");
    assert!(listed.contains("/usr/lib/libSystem.B.dylib"), "{listed}");
    let again = relocate::plan(&new, None, Resign::Keep).expect("a plan");
    assert!(again.is_empty());
    assert!(again.summary[0].starts_with("nothing to change"));
    // The second reader sees each name that was not planned.
    for left_out in 0..plan.names.len() {
        let mut less = plan.clone();
        less.names.remove(left_out);
        let error = inplace::recheck::check(&old, &new, &less).expect_err("one more difference");
        assert!(error.contains("names: planned"), "{error}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_longer_name_and_a_new_run_path_take_room_behind_the_commands() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    linked(folder, "libdep.dylib", "/b/libd.dylib", None, &[]);
    let old = linked(
        folder,
        "libuse.dylib",
        "/b/libu.dylib",
        Some("libdep.dylib"),
        &[],
    );
    let plan = relocate::plan(&old, None, Resign::Keep).expect("a plan");
    let added = named(Named::RunPath, "", "@loader_path");
    assert_eq!(plan.names.last(), Some(&added));
    assert!(
        plan.summary
            .contains(&"run path @loader_path is added".to_owned())
    );
    let new = carried_out(&old, &plan);
    std::fs::write(folder.join("new.dylib"), &new).expect("a file");
    let seen = read_by_lief(&folder.join("new.dylib"));
    for wanted in [
        "\"install_name\": \"@rpath/libu.dylib\"",
        "\"rpaths\": [\"@loader_path\"]",
        "\"@rpath/libd.dylib\"",
        "\"bad_pages\": 0",
    ] {
        assert!(seen.contains(wanted), "no {wanted} in {seen}");
    }
    // Without room it is refused, and says how to link with more of it.
    let end = 32 + u32::from_le_bytes(old[20..24].try_into().expect("a size")) as usize;
    let tight = corpus::with(&old, end..end + 1, &[1]);
    let error = relocate::plan(&tight, None, Resign::Keep).expect_err("no room");
    assert!(matches!(error, PlanError::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("-headerpad_max_install_names"));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn files_that_record_no_folder_stay_as_they_are() {
    for name in corpus::tagged() {
        let plan = relocate::plan(&corpus::bytes(&name), None, Resign::Keep).expect("a plan");
        assert!(plan.is_empty(), "{name}");
    }
    for release in common::RELEASES.iter() {
        for (platform, library) in [
            ("macos-arm64", "lib/libtvm_runtime.dylib"),
            ("linux-x86_64", "lib/libtvm_runtime.so"),
        ] {
            let bytes = std::fs::read(release.tvm(platform).join(library)).expect("a library");
            let plan = relocate::plan(&bytes, None, Resign::Keep).expect("a plan");
            assert!(plan.is_empty(), "{library}: {:?}", plan.summary);
        }
    }
    for (name, words) in [
        (
            "tvm-0.27/extcall-cpu-windows-x64.dll",
            "a DLL is asked for by its bare name",
        ),
        ("tvm-0.27/extcall-cpu-ios.tar", "objects in an archive"),
        (
            "tvm-0.27/embedding-webgpu.wasm",
            "expected a linked ELF or Mach-O file",
        ),
        ("synthetic/extcall-0.27-devc.o", "no dynamic section"),
    ] {
        let error = relocate::plan(&corpus::bytes(name), None, Resign::Keep);
        let error = error.expect_err(name).to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
}
