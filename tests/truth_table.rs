//! The truth table: every CPU artifact of the corpus on every real runtime,
//! run for real in a child process, against what artcheck predicts without
//! running anything.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{files_below, root, scan, venv};

const RUNTIMES: [&str; 3] = ["tvm-0.25", "tvm-0.26", "tvm-0.27"];

/// What really happened: the last stage reached, and how it ended.
#[derive(Debug)]
enum Reality {
    Runs,
    Fails { stage: String, error: String },
    Crashes { after: String },
}

#[test]
fn predictions_agree_with_reality() {
    let artifacts: Vec<PathBuf> = files_below("corpus/artifacts")
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with("cpu-x86_64.so"))
        .collect();
    assert!(
        artifacts.len() >= 15,
        "only {} CPU artifacts in the corpus",
        artifacts.len()
    );
    let pairs: Vec<(&Path, &str)> = artifacts
        .iter()
        .flat_map(|artifact| RUNTIMES.map(|runtime| (artifact.as_path(), runtime)))
        .collect();
    let next = AtomicUsize::new(0);
    let disagreements = Mutex::new(Vec::new());
    let crashes = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((artifact, runtime)) =
                    pairs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let reality = run_for_real(artifact, runtime);
                    if matches!(reality, Reality::Crashes { .. }) {
                        crashes.fetch_add(1, Ordering::Relaxed);
                    }
                    if let Some(disagreement) = compare(artifact, runtime, &reality) {
                        disagreements
                            .lock()
                            .expect("no test thread panicked")
                            .push(disagreement);
                    }
                }
            });
        }
    });
    let disagreements = disagreements.into_inner().expect("no test thread panicked");
    assert!(
        disagreements.is_empty(),
        "{} of {} pairs:\n{}",
        disagreements.len(),
        pairs.len(),
        disagreements.join("\n")
    );
    // The table must hold the break that only a crash shows.
    assert!(
        crashes.into_inner() >= 4,
        "no pair crashed: the slot mismatch was not exercised"
    );
}

fn compare(artifact: &Path, runtime: &str, reality: &Reality) -> Option<String> {
    let (report, _) = scan([
        artifact.as_os_str(),
        "--runtime".as_ref(),
        venv(runtime).as_os_str(),
    ]);
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    assert_eq!(verdicts.len(), 1, "one library, one runtime: {verdicts:?}");
    let status = verdicts[0]["status"].as_str().unwrap_or("");
    let rules: Vec<&str> = verdicts[0]["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .filter_map(|rule| rule.as_str())
        .collect();
    let agrees = match reality {
        Reality::Runs => status == "fits",
        Reality::Crashes { .. } => status == "breaks" && rules.contains(&"AC202"),
        Reality::Fails { error, .. } => status == "breaks" && rules.contains(&rule_for(error)),
    };
    (!agrees).then(|| {
        format!(
            "{} on {runtime}: predicted {status} {rules:?}, really {reality:?}",
            artifact.display()
        )
    })
}

/// The rule behind a runtime's own words (format notes, part i).
fn rule_for(error: &str) -> &'static str {
    let words: &[(&str, &str)] = &[
        ("Cannot reach here", "AC101"),
        ("args.size() == 2", "AC101"),
        ("args.size() == 3", "AC101"),
        ("cache_config.size()", "AC105"),
        ("KV cache config must contain", "AC105"),
        ("Invalid number of KV cache constructor args", "AC104"),
        ("Mismatched number of arguments", "AC104"),
        ("Cannot find ffi::Function", "AC103"),
        ("Invalid VM file format", "AC102"),
        ("Constant pool can only contain", "AC102"),
        ("vm_load_executable", "AC102"),
        ("a loader of that name is not registered", "AC106"),
    ];
    words
        .iter()
        .find(|(text, _)| error.contains(text))
        .map_or("none known", |(_, rule)| rule)
}

fn run_for_real(artifact: &Path, runtime: &str) -> Reality {
    let output = Command::new(venv(runtime).join("bin/python"))
        .arg(root().join("corpus/build/run_pair.py"))
        .arg(artifact)
        .args(["--steps", "2"])
        .output()
        .expect("the environment's Python starts");
    let mut last = String::from("start");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(stage) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let Some(name) = stage["stage"].as_str() else {
            continue;
        };
        if stage["ok"] == false {
            let error = stage["error"].as_str().unwrap_or("").to_owned();
            return Reality::Fails {
                stage: name.to_owned(),
                error,
            };
        }
        name.clone_into(&mut last);
    }
    if output.status.success() {
        return Reality::Runs;
    }
    use std::os::unix::process::ExitStatusExt;
    assert!(
        output.status.signal().is_some() || output.status.code().is_some_and(|code| code > 128),
        "{}: the runner itself failed: {}",
        artifact.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Reality::Crashes { after: last }
}
