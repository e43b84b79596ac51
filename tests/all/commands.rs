//! The commands around the gate: `diff`, `doctor`, `completions`, `man`.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{self, make, root};
use serde_json::Value;

fn artcheck(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_artcheck"))
        .current_dir(folder)
        .args(args)
        .output()
        .expect("artcheck starts")
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

#[test]
fn diff_names_what_changed_and_only_that() {
    let artifacts = root().join("corpus/artifacts");
    let plain = artifacts.join("tvm-0.26/dense-ext-cpu-x86_64.so");
    let tagged = artifacts.join("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    let (plain, tagged) = (
        plain.to_str().expect("UTF-8"),
        tagged.to_str().expect("UTF-8"),
    );
    assert_eq!(status(&artcheck(root(), &["diff", plain, plain])), 0);
    let output = artcheck(root(), &["diff", plain, tagged, "--format", "json"]);
    assert_eq!(status(&output), 1);
    let diff: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let sections = diff["sections"].as_array().expect("a list");
    let changed = |name: &str| {
        sections
            .iter()
            .find(|section| section["section"] == name)
            .unwrap_or_else(|| panic!("no section {name}: {diff}"))["diff"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let constants = changed("constants");
    assert!(
        constants.contains("tirx") && constants.contains("\"tir\""),
        "{constants}"
    );
    let lines = constants
        .lines()
        .filter(|line| line.starts_with('+'))
        .count();
    assert!(
        lines <= 1 + constants.matches("\"tir\"").count(),
        "only the tags: {constants}"
    );
    assert!(
        !sections
            .iter()
            .any(|section| section["section"] == "functions"),
        "{diff}"
    );
    // A kernel whose source is text is compared as text.
    let before = artifacts.join("tvm-0.25/embedding-metal-macos-arm64.dylib");
    let after = artifacts.join("tvm-0.27/embedding-metal-macos-arm64.dylib");
    let output = artcheck(
        root(),
        &[
            "diff",
            before.to_str().expect("UTF-8"),
            after.to_str().expect("UTF-8"),
            "--format",
            "json",
        ],
    );
    assert_eq!(status(&output), 1);
    let diff: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let kernel = diff["sections"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|section| section["section"] == "kernel source metal layer_norm_kernel")
        .expect("the Metal source of a kernel");
    let text = kernel["diff"].as_str().expect("a text");
    assert!(
        text.contains("\n-") && text.contains("\n+") && text.contains("thread"),
        "{text}"
    );
}

#[test]
fn diff_names_the_functions_whose_machine_code_differs() {
    let folder = make::folder();
    // The middle one calls another library and reads a text, both at other distances.
    let source = |first: &str, last: &str| {
        format!(
            "int printf(const char *, ...);\n\
             int __tvm_ffi_first(int x) {{ {first} }}\n\
             int __tvm_ffi_middle(int x) {{ return printf(\"%d and more\\n\", x) + 2; }}\n\
             int __tvm_ffi_last(int x) {{ {last} }}\n"
        )
    };
    let library = |name: &str, first: &str, last: &str| {
        make::library(folder.path(), name, &source(first, last), &["-O1"])
    };
    let long = "for (int i = 1; i < x; i++) printf(\"a longer text %d\", x *= i); return x;";
    let before = library("before", "return x + 1;", "return x * 3;");
    let after = library("after", long, "return x * 5;");
    let compared = |one: &Path, other: &Path| {
        let paths = [one, other].map(|path| path.to_str().expect("UTF-8"));
        let args = ["diff", paths[0], paths[1], "--format", "json"];
        let output = artcheck(root(), &args);
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let diff = compared(&before, &after);
    assert_eq!(diff["machine_code"]["is"], "compared", "{diff}");
    let sections = diff["sections"].as_array().expect("a list");
    let code = sections.iter().find(|it| it["section"] == "machine code");
    let code = code.unwrap_or_else(|| panic!("{diff}")).to_string();
    assert!(code.contains("__tvm_ffi_first: "), "{code}");
    assert!(code.contains("__tvm_ffi_last: "), "{code}");
    assert!(!code.contains("__tvm_ffi_middle"), "{code}");
    // What is no linked ELF library is not compared, and that is said.
    let wasm = root().join("corpus/artifacts/tvm-0.27/embedding-webgpu.wasm");
    let diff = compared(&wasm, &wasm);
    assert_eq!(diff["machine_code"]["is"], "not-compared", "{diff}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn doctor_shows_the_load_set_and_no_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().join("home/ada-lovelace");
    let cache = home.join(".cache/mlc_llm/model_lib");
    std::fs::create_dir_all(&cache).expect("made");
    let model = root().join("corpus/artifacts/tvm-0.26/dense-ext-cpu-x86_64.so");
    std::fs::copy(model, cache.join("0123abcd.so")).expect("copied");
    for format in ["human", "json"] {
        let output = Command::new(env!("CARGO_BIN_EXE_artcheck"))
            .args(["doctor", "--format", format])
            .env_clear()
            .env("HOME", &home)
            .env("USER", "ada-lovelace")
            .env("VIRTUAL_ENV", support::venv("tvm-0.27"))
            .env("HF_TOKEN", "secret-token-1")
            .output()
            .expect("artcheck starts");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(
            text.contains("~/.cache/mlc_llm/model_lib/0123abcd.so"),
            "{text}"
        );
        assert!(
            text.contains("0.27"),
            "the runtime of the virtual environment: {text}"
        );
        assert!(
            !text.contains("ada-lovelace") && !text.contains("secret-token"),
            "{text}"
        );
    }
}

#[test]
fn doctor_hears_what_the_application_registers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = folder.path().join(".cache/mlc_llm/model_lib");
    std::fs::create_dir_all(&cache).expect("made");
    let model = "corpus/artifacts/synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so";
    std::fs::copy(root().join(model), cache.join("0123abcd.so")).expect("copied");
    let missing = "vm.builtin.attention_kv_cache_attention_with_fused_qkv_v9";
    let told = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_artcheck"))
            .arg("doctor")
            .args(more)
            .env_clear()
            .env("HOME", folder.path())
            .output()
            .expect("artcheck starts");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let alone = told(&[]);
    assert!(alone.contains("AC103"), "{alone}");
    let with = told(&["--provides", missing]);
    assert!(!with.contains("AC103"), "{with}");
    assert!(with.contains("0123abcd.so"), "{with}");
}

/// Homes and names that a careless replacement trips over.
#[cfg(unix)]
#[test]
fn doctor_keeps_quiet_about_odd_names_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let user = "ada.l+(ove";
    let place = folder.path().join(user).join("deep");
    std::fs::create_dir_all(&place).expect("made");
    let model = root().join("corpus/artifacts/tvm-0.26/dense-ext-cpu-x86_64.so");
    std::fs::copy(model, place.join("model.so")).expect("copied");
    let inside = folder.path().join(user).display().to_string();
    for home in ["/", "", "relative", &inside, &format!("{inside}/")] {
        for format in ["human", "json"] {
            let output = Command::new(env!("CARGO_BIN_EXE_artcheck"))
                .args(["doctor", "--format", format])
                .arg(&place)
                .env_clear()
                .env("HOME", home)
                .env("USER", user)
                .env("HF_TOKEN", "secret-token-1")
                .env("https_proxy", "http://ada:secret-token-2@proxy")
                .output()
                .expect("artcheck starts");
            let text = String::from_utf8(output.stdout).expect("UTF-8");
            assert!(text.contains("deep/model.so"), "{home}: {text}");
            assert!(!text.contains(user), "{home}: {text}");
            assert!(!text.contains("secret-token"), "{home}: {text}");
            if format == "json" {
                serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
            }
        }
    }
}

#[test]
fn completions_and_manual_pages_name_the_commands() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = artcheck(folder.path(), &["completions", shell]);
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("matrix"),
            "{shell}"
        );
    }
    assert_eq!(status(&artcheck(folder.path(), &["man", "--out", "."])), 0);
    let page = std::fs::read_to_string(folder.path().join("artcheck-scan.1")).expect("written");
    assert!(page.contains("baseline"));
}

/// A whole log through a pipe: the line that decides is found among those that do not.
#[test]
fn explain_reads_a_log_from_a_pipe() {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_artcheck"))
        .args(["explain", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("artcheck starts");
    let log = "INFO Using library model: lib/m.so\n\u{1b}[31mTraceback\u{1b}[0m (most recent call last):\n\
        USE_CUTLASS: OFF\nOSError: libtvm.so: cannot open shared object file: No such file or directory\n\
        1 failed in 0.12s\n";
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(log.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("artcheck ends");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.starts_with("AC205 library-not-found\n"), "{text}");
    assert!(text.contains("line 4: OSError: libtvm.so"), "{text}");
    assert!(output.status.success());
}
