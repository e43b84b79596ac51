//! No false alarm: everything that upstream ships as a matching set, and every
//! artifact that TVM built for the corpus, has no error and no warning.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::{root, scan, unpacked, wheels};
use serde_json::Value;

const PLATFORMS: [&str; 4] = [
    "linux-x86_64",
    "linux-aarch64",
    "macos-arm64",
    "windows-x64",
];

/// Notes that are right, and why; all of severity info.
const DEFENDED: [(&str, &str); 3] = [
    // What pip installs beside 0.27 runs models and crashes when it compiles them.
    ("AC207", "compiling models with TVM 0.27 and tvm-ffi"),
    // The models with one external call and no engine have no engine's metadata.
    ("AC301", "the metadata lacks"),
    // TVM's wasm of the corpus is the model alone, before it is linked with the runtime.
    ("AC402", "the file holds no TVM runtime yet"),
];

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn healthy_artifacts_and_runtimes_have_no_error_and_no_warning() {
    let mut concerned = BTreeSet::new();
    let mut alarms = Vec::new();
    let mut look = |paths: Vec<PathBuf>| {
        let (report, _) = scan(&paths);
        for artifact in report["artifacts"].as_array().expect("a list") {
            let role = artifact["role"].as_str().expect("a role");
            if ["model-library", "runtime-part", "client"].contains(&role) {
                concerned.insert(artifact["path"].as_str().expect("a path").to_owned());
            }
        }
        let findings = report["findings"].as_array().expect("a list");
        alarms.extend(
            findings
                .iter()
                .filter(|finding| !is_defended(finding))
                .cloned(),
        );
    };
    for (tvm, ffi) in wheels() {
        look(vec![
            root().join("corpus/artifacts").join(format!("tvm-{tvm}")),
        ]);
        for platform in PLATFORMS {
            look(vec![
                unpacked(&format!("tvm-{tvm}-{platform}")),
                unpacked(&format!("tvm-ffi-{ffi}-{platform}")),
            ]);
        }
    }
    assert!(alarms.is_empty(), "{alarms:#?}");
    assert!(concerned.len() >= 60, "only {} artifacts", concerned.len());
}

fn is_defended(finding: &Value) -> bool {
    finding["severity"] == "info"
        && DEFENDED.iter().any(|(rule, words)| {
            finding["rule"] == *rule
                && finding["message"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(words))
        })
}
