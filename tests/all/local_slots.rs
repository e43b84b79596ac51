//! Context slots that a version script made local: no runtime finds them.

use std::process::Command;

use crate::support::make::{corpus, folder, put};
use crate::support::{rules, scan, text};

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
        let mut link = Command::new("cc");
        link.current_dir(folder.path())
            .args(["-shared", "-fPIC", "-o", "m.so", "host.c"])
            .arg(corpus("synthetic/extcall-0.27-devc.o"))
            .arg(format!("-Wl,--version-script={script}"));
        let (words, status) = text(&mut link);
        assert_eq!(status, 0, "{words}");
        let file = folder.path().join("m.so");
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
