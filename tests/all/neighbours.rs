//! A package of an environment that is named alone brings what it needs.

use std::ffi::OsStr;

use crate::support::{scan, site_packages};

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_tvm_package_of_an_environment_takes_the_tvm_ffi_beside_it() {
    let site = site_packages("tvm-0.27");
    let library = "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so";
    for named in ["tvm", "tvm/lib/libtvm_runtime.so"] {
        let runtime = site.join(named);
        let (report, status) = scan([OsStr::new(library), OsStr::new("-r"), runtime.as_os_str()]);
        assert_eq!(status, 0, "{named}: {report}");
        let verdicts = report["verdicts"].as_array().expect("verdicts");
        assert_eq!(verdicts.len(), 1, "{named}: one runtime, not two");
        assert_eq!(verdicts[0]["status"], "fits", "{named}");
    }
}
