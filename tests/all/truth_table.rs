//! The truth table: what artcheck predicts of every corpus artifact on every
//! runtime, against what really happens.
//!
//! Every pair that this machine can run is run here, in a child process with
//! the stock wheel; `corpus/manifest.toml` names the rest as derived.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{self, root, scan, venv};
use sha2::{Digest, Sha256};

const ARTIFACTS: &str = "corpus/artifacts";

/// What the manifest expects of one pair.
#[derive(Debug, Clone)]
struct Expectation {
    runs: bool,
    rules: BTreeSet<String>,
    was_run: bool,
}

/// Error codes artcheck predicts, by (artifact path below the corpus, runtime).
type Predictions = BTreeMap<(String, String), BTreeSet<String>>;

/// What really happened.
enum Reality {
    Runs,
    Fails { stage: String, error: String },
    Dies { after: String, signal: i32 },
}

impl std::fmt::Display for Reality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runs => f.write_str("it runs"),
            Self::Fails { stage, error } => write!(f, "it fails at {stage}: {error}"),
            Self::Dies { after, signal } => write!(f, "it dies after {after} of signal {signal}"),
        }
    }
}

fn manifest() -> BTreeMap<(String, String), Expectation> {
    let text = std::fs::read_to_string(root().join("corpus/manifest.toml")).expect("the manifest");
    let manifest: toml::Table = text.parse().expect("the manifest is TOML");
    let mut pairs = BTreeMap::new();
    for artifact in manifest["artifact"].as_array().expect("artifacts") {
        let path = artifact["path"].as_str().expect("a path");
        let Some(expectations) = artifact.get("expect").and_then(toml::Value::as_table) else {
            continue;
        };
        for (runtime, expect) in expectations {
            let strings = |key: &str| -> Vec<String> {
                match expect.get(key) {
                    Some(toml::Value::String(one)) => vec![one.clone()],
                    Some(toml::Value::Array(all)) => all
                        .iter()
                        .filter_map(|one| one.as_str().map(str::to_owned))
                        .collect(),
                    _ => Vec::new(),
                }
            };
            let rules = strings("rule").into_iter().chain(strings("also")).collect();
            let expectation = Expectation {
                runs: expect["result"].as_str() == Some("runs"),
                rules,
                was_run: expect["how"].as_str() == Some("run"),
            };
            pairs.insert((path.to_owned(), runtime.clone()), expectation);
        }
    }
    pairs
}

/// One scan of the whole corpus against each release, named as `runtime_of` names it.
fn predictions(runtime_of: fn(&str) -> std::ffi::OsString) -> Predictions {
    let mut all = Predictions::new();
    for label in support::releases() {
        let runtime = runtime_of(label);
        let (report, _) = scan([
            ARTIFACTS.as_ref(),
            "--runtime".as_ref(),
            runtime.as_os_str(),
        ]);
        for artifact in report["artifacts"].as_array().expect("artifacts") {
            let path = artifact["path"].as_str().expect("a path");
            all.entry((key(path), label.to_owned())).or_default();
        }
        for finding in report["findings"].as_array().expect("findings") {
            if finding["severity"] == "error" {
                let path = finding["artifact"].as_str().expect("a path");
                let code = finding["rule"].as_str().expect("a code").to_owned();
                all.entry((key(path), label.to_owned()))
                    .or_default()
                    .insert(code);
            }
        }
    }
    all
}

/// The path below the corpus, without archive member or slice.
fn key(path: &str) -> String {
    let path = path.strip_prefix("corpus/artifacts/").unwrap_or(path);
    let file = path.split('!').next().unwrap_or(path);
    file.split(" (").next().unwrap_or(file).to_owned()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn predictions_agree_with_the_manifest() {
    let releases = predictions(|name| name.into());
    let venvs = predictions(|name| venv(name).into_os_string());
    let expected = manifest();
    assert!(
        expected.len() > 200,
        "only {} pairs in the manifest",
        expected.len()
    );
    let mut wrong = Vec::new();
    for ((path, runtime), expectation) in &expected {
        // What was run was run on a wheel, which lacks the devices of other systems.
        let all = if expectation.was_run {
            &venvs
        } else {
            &releases
        };
        let predicted = &all[&(path.clone(), runtime.clone())];
        if needs_cuda(path) {
            continue;
        }
        if expectation.runs != predicted.is_empty() || !expectation.rules.is_subset(predicted) {
            wrong.push(format!(
                "{path} on {runtime}: expected {:?}, predicted {predicted:?}",
                expectation.rules
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} pairs:\n{}",
        wrong.len(),
        expected.len(),
        wrong.join("\n")
    );
}

/// The wheels hold libtvm_runtime_cuda, which loads only where the CUDA runtime
/// library is installed: whether it is depends on the machine, not on the files.
fn needs_cuda(path: &str) -> bool {
    path.contains("-cuda-")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn predictions_agree_with_reality() {
    let venvs = predictions(|name| venv(name).into_os_string());
    let pairs: Vec<(String, String)> = manifest()
        .into_iter()
        .filter(|((path, _), expectation)| expectation.was_run && !needs_cuda(path))
        .map(|(pair, _)| pair)
        .collect();
    assert!(pairs.len() >= 140, "only {} pairs to run", pairs.len());
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let deaths = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(pair) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let reality = run_for_real(&root().join(ARTIFACTS).join(&pair.0), &pair.1);
                    let predicted = &venvs[pair];
                    if matches!(reality, Reality::Dies { .. }) && predicted.contains("AC202") {
                        deaths.fetch_add(1, Ordering::Relaxed);
                    }
                    if !agrees(&reality, predicted) {
                        let line = format!(
                            "{} on {}: predicted {predicted:?}, really {reality}",
                            pair.0, pair.1
                        );
                        wrong.lock().expect("no thread panicked").push(line);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panicked");
    assert!(
        wrong.is_empty(),
        "{} of {} pairs:\n{}",
        wrong.len(),
        pairs.len(),
        wrong.join("\n")
    );
    // The break that only a crash shows must have been exercised.
    assert!(
        deaths.into_inner() >= 8,
        "too few pairs died of an unfilled slot"
    );
}

fn agrees(reality: &Reality, predicted: &BTreeSet<String>) -> bool {
    match reality {
        Reality::Runs => predicted.is_empty(),
        // A null call is SIGSEGV; a truncated file under the dynamic linker is SIGBUS.
        Reality::Dies { signal, .. } if *signal == 7 => predicted.contains("AC001"),
        Reality::Dies { .. } => predicted.contains("AC202"),
        Reality::Fails { error, .. } => predicted.contains(rule_for(error)),
    }
}

/// The rule behind a runtime's own words (docs/formats.md#runtime-messages).
fn rule_for(error: &str) -> &'static str {
    let words: &[(&str, &str)] = &[
        ("Cannot reach here", "AC101"),
        ("cache_config.size()", "AC105"),
        ("KV cache config must contain", "AC105"),
        ("Invalid number of KV cache constructor args", "AC104"),
        ("Mismatched number of arguments", "AC104"),
        ("args.size() == 2", "AC101"),
        ("args.size() == 3", "AC101"),
        ("Cannot find ffi::Function", "AC103"),
        ("Invalid VM file format", "AC102"),
        ("vector::_M_default_append", "AC102"),
        ("Constant pool can only contain", "AC102"),
        ("vm_load_executable", "AC102"),
        ("a loader of that name is not registered", "AC106"),
        ("Invalid DLTensor file format", "AC001"),
        ("invalid ELF header", "AC001"),
        ("file too short", "AC001"),
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
    // TVM's own handler turns a signal into exit 128 + signal.
    let signal = output.status.signal().or_else(|| {
        output
            .status
            .code()
            .filter(|code| *code > 128)
            .map(|code| code - 128)
    });
    let Some(signal) = signal else {
        panic!(
            "{}: the runner failed: {}",
            artifact.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    Reality::Dies {
        after: last,
        signal,
    }
}

#[test]
fn the_manifest_describes_the_files() {
    let text = std::fs::read_to_string(root().join("corpus/manifest.toml")).expect("the manifest");
    let manifest: toml::Table = text.parse().expect("the manifest is TOML");
    let mut listed = BTreeSet::new();
    let mut total = 0;
    for artifact in manifest["artifact"].as_array().expect("artifacts") {
        let path = root()
            .join(ARTIFACTS)
            .join(artifact["path"].as_str().expect("a path"));
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let hash: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            artifact["sha256"].as_str(),
            Some(hash.as_str()),
            "{}",
            path.display()
        );
        assert!(
            bytes.len() <= 1_000_000,
            "{} is larger than 1 MB",
            path.display()
        );
        total += bytes.len();
        listed.insert(path);
    }
    assert!(total <= 12_000_000, "the artifacts take {total} bytes");
    for path in support::files_below(ARTIFACTS) {
        let name = path.to_string_lossy();
        if !name.ends_with(".as_text") && !name.ends_with(".json") {
            assert!(listed.contains(&path), "{name} is not in the manifest");
        }
    }
}
