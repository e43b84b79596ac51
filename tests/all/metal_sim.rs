//! `verify --device metal-sim` as a user runs it: the real Metal kernels of the
//! corpus on a CPU, always reported as simulated.
//!
//! With the feature `macho-host` the arm64 macOS libraries run too; without it they
//! are *not run*, with the reason.

use std::path::{Path, PathBuf};

#[cfg(feature = "macho-host")]
use crate::support::dylib::Dylib;
use crate::support::{artcheck, part, root, venv};
use serde_json::Value;
use tempfile::TempDir;

const EMULATED: bool = cfg!(feature = "macho-host");

fn verify(matrix: &Path, args: &[&str]) -> (String, i32) {
    let output = artcheck()
        .arg("verify")
        .arg(matrix)
        .args(args)
        .output()
        .expect("artcheck starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    let code = code.unwrap_or_else(|| panic!("artcheck was killed: {errors}"));
    assert!(code != 2, "{errors}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), code)
}

fn json(matrix: &Path, args: &[&str]) -> (Value, i32) {
    let (text, code) = verify(matrix, &[args, &["--format", "json"]].concat());
    (serde_json::from_str(&text).expect("a report"), code)
}

fn rows(report: &Value) -> &Vec<Value> {
    report["rows"].as_array().expect("rows")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

/// A matrix of one row, whose library, device and further keys a test chooses.
struct OneRow {
    folder: TempDir,
    runtime: Vec<PathBuf>,
    device: &'static str,
    model: &'static str,
    more: &'static str,
}

impl OneRow {
    fn new(model: &'static str) -> OneRow {
        OneRow {
            folder: TempDir::new().expect("a folder"),
            runtime: vec![venv("tvm-0.27")],
            device: "metal-sim",
            model,
            more: "",
        }
    }

    fn of(&self, library: &Path) -> PathBuf {
        let OneRow {
            runtime,
            device,
            model,
            more,
            ..
        } = self;
        let reference = root().join(format!("corpus/reference/expected/{model}.json"));
        let reference = format!("{}#short", reference.display());
        let file = self.folder.path().join("matrix.toml");
        let text = format!(
            "schema = 1\n[runtimes.r]\npaths = {runtime:?}\n\
             [[row]]\nname = \"row\"\nmodel = \"{model}\"\nlibrary = {library:?}\n\
             weights = \"random:7\"\ntokenizer = \"bytes\"\nmax_tokens = 64\n\
             device = \"{device}\"\nruntime = \"r\"\ntime_limit = 600\n{more}\n\
             prompt = [{{ expect = {{ reference = {reference:?} }} }}]\n"
        );
        std::fs::write(&file, text).expect("written");
        file
    }

    fn corpus(&self, library: &str) -> PathBuf {
        self.of(&root().join("corpus/artifacts").join(library))
    }
}

/// Every simulated row and every row for Metal: a row passes with kernels that ran,
/// or it needs the emulator and says so.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_corpus_matrix_runs_on_the_simulated_device() {
    let args = ["--device", "metal-sim", "--jobs", "2"];
    let (report, code) = json(&root().join("matrix/corpus.toml"), &args);
    assert_eq!(code, 0, "{report:#}");
    for row in rows(&report) {
        assert_eq!(row["device"], "metal-sim", "{row:#}");
        assert_eq!(row["simulated"], true, "{row:#}");
        if !EMULATED && text(row, "library").ends_with(".dylib") {
            assert_eq!(row["outcome"], "not-run", "{row:#}");
            assert!(
                text(row, "reason").contains("--features macho-host"),
                "{row:#}"
            );
            continue;
        }
        assert_eq!(row["outcome"], "passed", "{row:#}");
        let kernels = &row["kernels"];
        assert_eq!(kernels["device"], "simulated", "{row:#}");
        assert_eq!(kernels["not_compiled"], 0, "{row:#}");
        assert!(kernels["ran"].as_u64() >= Some(10), "{row:#}");
        assert!(kernels["list"][0]["seconds"].is_number(), "{row:#}");
    }
    every_combination_is_there(&report);
}

/// Three models, three kinds of weights, two hosts, two runtimes.
fn every_combination_is_there(report: &Value) {
    let names: Vec<&str> = rows(report).iter().map(|row| text(row, "name")).collect();
    for model in ["dense", "hybrid", "embedding"] {
        for weights in ["", "-f16", "-q4"] {
            for runtime in ["0.26", "0.27"] {
                for host in ["", "-macos"] {
                    let name = format!("{model}{weights}-{runtime}{host}-metal-sim");
                    assert!(names.contains(&name.as_str()), "no row {name}");
                }
            }
        }
    }
    assert!(
        names.contains(&"dense-0.27-metal"),
        "rows for Metal run too"
    );
}

/// A row for Metal that is simulated is never reported as Metal.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_format_says_simulated() {
    let row = OneRow {
        device: "metal",
        ..OneRow::new("embedding")
    };
    let matrix = row.corpus("tvm-0.27/embedding-metal-linux-x86_64.so");
    let report = |format| {
        let (text, code) = verify(&matrix, &["--device", "metal-sim", "--format", format]);
        assert_eq!(code, 0, "{text}");
        text
    };
    let says = |text: &str, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "`{part}` not in {text}");
        }
        assert!(!text.contains("on Apple hardware"), "{text}");
    };
    let human = report("human");
    let coverage = "simulated, 16 of 20 kernels ran";
    says(
        &human,
        &[
            "passed  row  metal-sim ",
            coverage,
            "replace no run on a Mac",
        ],
    );
    says(&human, &["simulated kernel "]);
    let markdown = report("markdown");
    says(
        &markdown,
        &[
            "| row | metal-sim | r |",
            coverage,
            "replace no run on a Mac",
        ],
    );
    says(&markdown, &["| slowest simulated kernels |"]);
    let junit = report("junit");
    says(
        &junit,
        &[
            "classname=\"metal-sim.r\"",
            "name=\"simulated\" value=\"true\"",
        ],
    );
    says(&junit, &["value=\"16 of 20 kernels ran\""]);
    let json: Value = serde_json::from_str(&report("json")).expect("JSON");
    assert_eq!(rows(&json)[0]["device"], "metal-sim");
    assert_eq!(rows(&json)[0]["simulated"], true);

    // Without the option the same row is one for Metal, which is not here.
    let (text, code) = verify(&matrix, &[]);
    assert_eq!(code, 3, "{text}");
    says(
        &text.replace("on Apple hardware", ""),
        &["no part for metal"],
    );
}

/// The mission's matrix is taken by the simulated device; here its models are absent.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_missions_rows_are_simulated_when_asked() {
    let output = artcheck()
        .args(["verify", "matrix/mission.toml", "--device", "metal-sim"])
        .env("ARTCHECK_MODELS", "absent")
        .env("ARTCHECK_RUNTIME", "absent")
        .output()
        .expect("artcheck starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("0 passed, 0 failed, 8 not run"), "{text}");
    assert!(text.contains("no library"), "{text}");
    assert!(!text.contains("on Apple hardware"), "{text}");
}

/// A real library with one edit, of the same length, inside one kernel.
fn planted(folder: &Path, from: &str, to: &str) -> PathBuf {
    let library = "corpus/artifacts/tvm-0.26/dense-metal-linux-x86_64.so";
    let mut bytes = std::fs::read(root().join(library)).expect("readable");
    let find = |bytes: &[u8], text: &str| {
        let at = bytes.windows(text.len()).position(|w| w == text.as_bytes());
        at.unwrap_or_else(|| panic!("no `{text}`"))
    };
    let kernel = find(&bytes, "kernel void rms_norm_kernel(");
    let at = kernel + find(&bytes[kernel..], from);
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    let path = folder.join("planted.so");
    std::fs::write(&path, bytes).expect("written");
    path
}

/// An index off by one fails the row, with kernel, thread, buffer and index.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn guard_mode_names_the_kernel_in_the_rows_failure() {
    let row = OneRow::new("dense");
    let (read, beyond) = (
        "weight3_ptr[((long)threadIdx)]",
        "weight3_ptr[1+(long)threadIdx]",
    );
    let matrix = row.of(&planted(row.folder.path(), read, beyond));
    let (report, code) = json(&matrix, &["--guard"]);
    assert_eq!(code, 1, "{report:#}");
    let failure = &rows(&report)[0]["failure"];
    assert_eq!(failure["class"], "runtime", "{report:#}");
    assert_eq!(failure["stage"], "decode", "{report:#}");
    for part in [
        "kernel `rms_norm_kernel`",
        "thread (63,0,0) of threadgroup (0,0,0) reads out of bounds",
        "element 64 of buffer `model_layers_0_input_layernorm_weight3_ptr`",
    ] {
        assert!(text(failure, "message").contains(part), "{report:#}");
    }
    assert_eq!(rows(&report)[0]["kernels"]["guard"], true, "{report:#}");
}

/// A kernel outside the subset fails the row that calls it, with its line.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_kernel_that_cannot_be_simulated_is_named_with_its_line() {
    let row = OneRow::new("dense");
    let matrix = row.of(&planted(row.folder.path(), " sqrt(", " sqrx("));
    let (report, code) = json(&matrix, &[]);
    assert_eq!(code, 1, "{report:#}");
    let message = text(&rows(&report)[0]["failure"], "message");
    let expected = "kernel `rms_norm_kernel` cannot be simulated: line ";
    assert!(message.contains(expected), "{report:#}");
    assert_eq!(rows(&report)[0]["kernels"]["not_compiled"], 1, "{report:#}");
}

/// A wheel file has no folder of headers: the row is not run, and says what to do.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_runtime_without_headers_is_a_reason() {
    let wheels = part("wheels");
    let row = OneRow {
        runtime: vec![
            wheels.join("apache_tvm-0.26.0-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"),
            wheels.join(
                "apache_tvm_ffi-0.1.13.post2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            ),
        ],
        ..OneRow::new("embedding")
    };
    let matrix = row.corpus("tvm-0.26/embedding-metal-linux-x86_64.so");
    let (report, code) = json(&matrix, &[]);
    assert_eq!(code, 3, "{report:#}");
    let reason = text(&rows(&report)[0], "reason");
    assert!(reason.contains("virtual environment"), "{reason}");
}

/// A library of macOS with chained fixups, as newer linkers write them, runs too.
#[cfg(feature = "macho-host")]
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn chained_fixups_run() {
    let row = OneRow::new("embedding");
    let original = root().join("corpus/artifacts/tvm-0.26/embedding-metal-macos-arm64.dylib");
    let bytes = std::fs::read(original).expect("readable");
    let library = row.folder.path().join("chained.dylib");
    std::fs::write(&library, Dylib(bytes).chained().0).expect("written");
    let matrix = row.of(&library);
    // The look at the files speaks for a Mac: its signature no longer fits.
    let (report, code) = json(&matrix, &[]);
    assert_eq!(code, 1, "{report:#}");
    let message = text(&rows(&report)[0]["failure"], "message");
    assert!(message.starts_with("AC004"), "{report:#}");
    let (report, code) = json(&matrix, &["--no-precheck"]);
    assert_eq!(code, 0, "{report:#}");
}
