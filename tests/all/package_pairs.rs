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

/// What a compiler does with each function that it tensorizes.
const SAVE: &str = "import tvm; from tvm import te\n\
    a = te.placeholder((4,), 'float32')\n\
    b = te.compute((4,), lambda i: a[i] + 1)\n\
    tvm.ir.save_json(te.create_prim_func([a, b]))\n";

fn python(site: &Path) -> Command {
    let mut command = Command::new(venv("tvm-0.27").join("bin/python"));
    command.env("PYTHONPATH", site);
    command.env("TVM_FFI_DISABLE_TORCH_C_DLPACK", "1");
    command
}

/// What a program that imports and uses the package prints where it fails.
fn import(site: &Path) -> Option<String> {
    let output = python(site)
        .arg(root().join("tests/environments/use_tvm.py"))
        .output()
        .expect("the environment's Python starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then(|| text.trim().to_owned())
}

/// Whether the compiler copies a function.
fn compiles(site: &Path) -> bool {
    let output = python(site).args(["-c", SAVE]).output();
    output
        .expect("the environment's Python starts")
        .status
        .success()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_pair_of_wheels_does_what_is_predicted() {
    let (mut wrong, mut broken, mut crashing) = (Vec::new(), 0, 0);
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
                None if compiles(&site) => findings.is_empty() && status == 0,
                None => {
                    crashing += 1;
                    let one = findings.iter().map(|one| one["message"].to_string());
                    status == 0 && one.filter(|text| text.contains("crashes")).count() == 1
                }
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
    assert_eq!(crashing, 2, "0.26 and 0.27 with tvm-ffi 0.1.15");
}
