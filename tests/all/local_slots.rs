//! Context slots, and the cell of the context itself, that a version script made local or
//! that have another name: no runtime finds them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::make::{corpus, folder, model, put};
use crate::support::{artcheck, rules, scan, text};

/// `host.c` and the objects of a model, linked by a version script.
fn linked(folder: &Path, script: &str) -> PathBuf {
    let mut link = Command::new("cc");
    link.current_dir(folder)
        .args(["-shared", "-fPIC", "-o", "m.so", "host.c"])
        .arg(corpus("synthetic/extcall-0.27-devc.o"))
        .arg(format!("-Wl,--version-script={script}"));
    let (words, status) = text(&mut link);
    assert_eq!(status, 0, "{words}");
    folder.join("m.so")
}

/// Look-ups begin with the library's context, whose cell a runtime asks for by its name.
#[test]
fn a_context_that_is_not_exported_stays_null() {
    let folder = folder();
    let host = |cell: &str| {
        format!(
            "void *__TVMFFIEnvModLookupFromImports __attribute__((weak)); void *{cell};\n\
             int __tvm_ffi_f(void) {{ return __TVMFFIEnvModLookupFromImports != {cell}; }}\n"
        )
    };
    let cell = "__tvm_ffi__library_ctx";
    put(
        &folder,
        "hidden",
        format!("{{ global: *; local: {cell}; }};\n"),
    );
    put(&folder, "all", "{ global: *; };\n");
    for (cell, script, is_error) in [
        (cell, "all", false),
        (cell, "hidden", true),
        ("__tvm_ffi__library_ctx2", "all", true),
    ] {
        put(&folder, "host.c", host(cell));
        let file = linked(folder.path(), script);
        let (report, _) = scan([file.as_os_str(), "-r".as_ref(), "tvm-0.27".as_ref()]);
        let errors = rules(&report, &["error"]);
        let has_error = errors.contains(&"AC202".into());
        assert_eq!(has_error, is_error, "{cell}, {script}: {report}");
        let (said, _) = text(artcheck().arg("fix").arg(&file).args(["-r", "tvm-0.27"]));
        assert_eq!(said.contains("cannot be fixed: AC202"), is_error, "{said}");
    }
}

#[test]
fn slots_that_are_not_exported_stay_null() {
    let folder = folder();
    put(
        &folder,
        "host.c",
        "void *__TVMFFIFunctionCall __attribute__((weak));\n\
         int __tvm_ffi_f(void) { return __TVMFFIFunctionCall != 0; }\n",
    );
    put(&folder, "few", "{ global: __tvm*; local: *; };\n");
    put(&folder, "all", "{ global: __tvm*; __TVM*; local: *; };\n");
    for (script, is_error) in [("few", true), ("all", false)] {
        let file = linked(folder.path(), script);
        for runtime in ["tvm-0.26", "tvm-0.27"] {
            let file = file.as_os_str();
            let (report, _) = scan([file, "--runtime".as_ref(), runtime.as_ref()]);
            // The functions of its kernels are in another object.
            let errors = rules(&report, &["error"]);
            assert_eq!(
                errors.contains(&"AC202".into()),
                is_error,
                "{script}: {report}"
            );
        }
    }
}

/// A cell that the loader protects, or that a linker put among constants, cannot be filled.
#[test]
fn slots_where_nothing_may_be_written_end_the_process() {
    let folder = folder();
    put(&folder, "all", "{ global: *; };\n");
    let host = |section: &str| {
        format!(
            "void *__TVMFFIEnvModLookupFromImports __attribute__((weak));\n\
             __attribute__((section(\"{section}\"))) void *__tvm_ffi__library_ctx = 0;\n\
             int __tvm_ffi_f(void) {{ return __TVMFFIEnvModLookupFromImports != __tvm_ffi__library_ctx; }}\n"
        )
    };
    for (section, is_error) in [(".data", false), (".data.rel.ro", true)] {
        put(&folder, "host.c", host(section));
        let file = linked(folder.path(), "all");
        let (report, _) = scan([file.as_os_str(), "-r".as_ref(), "tvm-0.27".as_ref()]);
        let errors = rules(&report, &["error"]);
        assert_eq!(
            errors.contains(&"AC202".into()),
            is_error,
            "{section}: {report}"
        );
    }
}

/// Compilers that do not optimise leave slots that no function uses: that a runtime does not
/// fill them has no effect.
#[test]
fn a_slot_that_nothing_refers_to_is_not_called_through() {
    let folder = folder();
    let slot = "void *__TVMFFIHandleInitOnce __attribute__((weak));\n";
    let unused = "int __tvm_ffi_f(void) { return 0; }\n";
    let used = "int __tvm_ffi_f(void) { return __TVMFFIHandleInitOnce != 0; }\n";
    let pointed = "void **__tvm_ffi_f = &__TVMFFIHandleInitOnce;\n";
    let own = "-Wl,-Bsymbolic";
    for (name, user, flags, is_error) in [
        ("unused", unused, &[][..], false),
        ("got", used, &[], true),
        ("relaxed", used, &["-O2", own], true),
        (
            "direct",
            used,
            &["-O0", own, "-fvisibility=protected"],
            true,
        ),
        ("data", pointed, &[], true),
        ("relative", pointed, &[own], true),
    ] {
        let file = model(folder.path(), name, &format!("{slot}{user}"), flags);
        let report = |runtime: &str| {
            let (report, _) = scan([file.as_os_str(), "-r".as_ref(), runtime.as_ref()]);
            rules(&report, &["error"])
        };
        let errors = report("tvm-0.25");
        assert_eq!(errors.contains(&"AC202".into()), is_error, "{name}");
        assert!(!report("tvm-0.27").contains(&"AC202".into()), "{name}");
    }
}
