//! Dylibs that were stripped or whose export trie is damaged, signed again, and what a
//! scan says of them.

use crate::support::dylib::Dylib;
use crate::support::make::{DYLIB, corpus, folder, put};
use crate::support::{rules, run, scan};

/// Error codes and exit status, of the signed file on the runtime that it was made for.
fn judged(dylib: &Dylib) -> (Vec<String>, i32) {
    let folder = folder();
    let path = put(&folder, "model.dylib", &dylib.0);
    let path = path.to_str().expect("UTF-8");
    let output = run(["patch", "sign", "--in-place", path]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let (report, status) = scan([path, "--runtime", "tvm-0.27"]);
    (rules(&report, &["error"]), status)
}

#[test]
fn exports_are_looked_for_where_dyld_looks() {
    let whole = Dylib(std::fs::read(corpus(DYLIB)).expect("the corpus"));
    let stripped = whole.clone().stripped();
    let (errors, status) = judged(&stripped);
    // Its linker wrote no table of functions, so that stripped code cannot be followed.
    assert_eq!((errors.as_slice(), status), ([].as_slice(), 4));
    for form in [whole, stripped] {
        for byte in [0, 0xff] {
            let mut damaged = form.clone();
            let trie = damaged.trie();
            damaged.0[trie].fill(byte);
            let (errors, status) = judged(&damaged);
            assert!(errors.contains(&String::from("AC102")), "{errors:?}");
            assert_eq!(status, 1);
        }
    }
}
