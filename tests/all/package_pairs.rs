//! Every pair of the cached wheels of apache-tvm and apache-tvm-ffi, put together as an
//! installer puts them, imported for real, and scanned: the sample of the truth table
//! of `tests/environments` that every run of the tests makes again.

use std::path::Path;
use std::process::Command;

use crate::support::make::folder;
use crate::support::{root, scan, unpacked, venv};

const TVM: [&str; 3] = ["tvm-0.25", "tvm-0.26", "tvm-0.27"];
const FFI: [&str; 3] = [
    "tvm-ffi-0.1.12",
    "tvm-ffi-0.1.13.post2",
    "tvm-ffi-0.1.15.post2",
];

/// Puts what a wheel holds into an environment, as hard links where that can be.
fn install(wheel: &str, site: &Path) {
    let from = unpacked(&format!("{wheel}-linux-x86_64"));
    for entry in walkdir::WalkDir::new(&from) {
        let entry = entry.expect("an entry");
        let to = site.join(entry.path().strip_prefix(&from).expect("below it"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&to).expect("a folder");
        } else if std::fs::hard_link(entry.path(), &to).is_err() {
            std::fs::copy(entry.path(), &to).expect("copied");
        }
    }
}

/// What a program that imports and uses the package prints where it fails.
fn import(site: &Path) -> Option<String> {
    let output = Command::new(venv("tvm-0.27").join("bin/python"))
        .arg(root().join("tests/environments/use_tvm.py"))
        .env("PYTHONPATH", site)
        .env("TVM_FFI_DISABLE_TORCH_C_DLPACK", "1")
        .output()
        .expect("the environment's Python starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then(|| text.trim().to_owned())
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_pair_of_wheels_does_what_is_predicted() {
    let (mut wrong, mut broken) = (Vec::new(), 0);
    for tvm in TVM {
        for ffi in FFI {
            let top = folder();
            let site = top.path().join("v/lib/python3.11/site-packages");
            std::fs::create_dir_all(&site).expect("a folder");
            install(tvm, &site);
            install(ffi, &site);
            let (report, status) = scan([top.path()]);
            let findings = report["findings"].as_array().expect("findings");
            let errors = findings.iter().filter(|one| one["severity"] == "error");
            let said: Vec<String> = errors.map(ToString::to_string).collect();
            let agrees = match import(&site) {
                None => findings.is_empty() && status == 0,
                Some(text) => {
                    broken += 1;
                    // The symbol, or where no symbol is named a version that does not fit.
                    let symbol = text.split("undefined symbol: ").nth(1);
                    let symbol = symbol.and_then(|rest| rest.split_whitespace().next());
                    let named = symbol.unwrap_or("AC207");
                    status == 1 && said.iter().any(|one| one.contains(named))
                }
            };
            if !agrees {
                wrong.push(format!("{tvm} with {ffi}: {said:?}, {:?}", import(&site)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(broken >= 4, "only {broken} of the pairs are broken");
}
