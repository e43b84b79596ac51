//! `verify --mission` and rows of a model folder, as mlc-llm's tools write it: library,
//! weights, tokenizer and conversation template in one place.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{artcheck, root, venv};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Bytes as byte-level tokenizers spell them: those that show as they are, the others
/// from U+0100 on.
fn spelled(byte: u8) -> char {
    let shows = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if shows(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&b| !shows(b)).count();
    char::from_u32(0x100 + u32::try_from(before).expect("few")).expect("a character")
}

/// A `tokenizer.json` with the corpus models' tokens: bytes, 256 before a text, 257 after.
fn tokenizer() -> Value {
    let mut vocab: Map<String, Value> = (0..=255u8)
        .map(|byte| (spelled(byte).to_string(), json!(byte)))
        .collect();
    vocab.insert("<begin>".to_owned(), json!(256));
    vocab.insert("<end>".to_owned(), json!(257));
    let special = |id: u16, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [special(256, "<begin>"), special(257, "<end>")],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<begin>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<begin>": {"id": "<begin>", "ids": [256], "tokens": ["<begin>"]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                  "vocab": vocab, "merges": []}
    })
}

/// `DIR/tiny`: a trained model of the corpus, laid out by `lay`.
fn models(lay: impl Fn(&Path) -> PathBuf) -> TempDir {
    let models = TempDir::new().expect("a folder");
    let model = models.path().join("tiny");
    fs::create_dir(&model).expect("made");
    let library = root().join("corpus/artifacts/tvm-0.26/dense-cpu-x86_64.so");
    fs::copy(library, model.join("model.so")).expect("copied");
    let weights = lay(&model);
    fs::create_dir_all(&weights).expect("made");
    let trained = fs::read_dir(root().join("corpus/trained/dense")).expect("trained weights");
    for file in trained.map(|file| file.expect("a file").path()) {
        fs::copy(&file, weights.join(file.file_name().expect("a name"))).expect("copied");
    }
    let config = json!({"model_type": "qwen3", "conv_template": {
        "name": "plain", "system_prefix_token_ids": [256],
        "roles": {"user": "", "assistant": ""}, "seps": [""],
        "stop_str": ["<end>"], "stop_token_ids": [257]}});
    for (name, value) in [
        ("mlc-chat-config.json", config),
        ("tokenizer.json", tokenizer()),
    ] {
        fs::write(weights.join(name), value.to_string()).expect("written");
    }
    models
}

fn output(args: &[&str]) -> (String, String, Option<i32>) {
    let output = artcheck()
        .arg("verify")
        .args(args)
        .output()
        .expect("artcheck starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code(),
    )
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_row_takes_template_and_stops_from_the_models_folder() {
    let models = models(|model| model.join("params"));
    let matrix = models.path().join("matrix.toml");
    let runtime = venv("tvm-0.26");
    fs::write(
        &matrix,
        format!(
            r#"
schema = 1
[runtimes.here]
paths = ["{}"]
[[row]]
name = "tiny"
model = "tiny"
device = "cpu"
runtime = "here"
library = "tiny/model.so"
folder = "tiny"
prompt = [ {{ ask = "The capital of France is", expect = {{ text = " Paris." }} }} ]
"#,
            runtime.display()
        ),
    )
    .expect("written");
    let (out, err, code) = output(&[&matrix.display().to_string(), "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!(code, Some(0), "{report:#}");
    // The model ends its sentence with token 257, which is no part of the answer.
    assert_eq!(report["rows"][0]["answers"][0]["text"], " Paris.");
    // The template's prefix comes once, and the tokenizer's own not beside it.
    let asked = "The capital of France is".len() + 1;
    assert_eq!(report["rows"][0]["figures"]["prompt_tokens"], asked);
}

/// A text that is no token ends an answer, as in mlc-llm's engine: of a folder and of a
/// matrix.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_answer_ends_before_a_text_that_is_no_token() {
    let models = models(|model| model.join("params"));
    let file = models.path().join("tiny/params/mlc-chat-config.json");
    let config = fs::read_to_string(&file).expect("read");
    fs::write(&file, config.replace("<end>", "ar")).expect("written");
    let matrix = models.path().join("matrix.toml");
    let text = format!(
        r#"
schema = 1
[runtimes.here]
paths = ["{}"]
[defaults]
model = "tiny"
device = "cpu"
runtime = "here"
library = "tiny/model.so"
[[row]]
name = "folder"
folder = "tiny"
prompt = [ {{ ask = "The capital of France is", expect = {{ text = " P" }} }} ]
[[row]]
name = "matrix"
weights = "tiny/params"
tokenizer = "bytes"
stop = ["ris"]
prompt = [ {{ text = "The capital of France is", expect = {{ text = " Pa" }} }} ]
"#,
        venv("tvm-0.26").display()
    );
    fs::write(&matrix, text).expect("written");
    let (out, err, code) = output(&[&matrix.display().to_string(), "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["rows"][0]["answers"][0]["text"], " P");
    assert_eq!(report["rows"][1]["answers"][0]["text"], " Pa");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_mission_asks_what_is_there_and_ends_with_a_table() {
    // As `convert_weight` writes it, without a folder of its own for the weights.
    let models = models(Path::to_path_buf);
    let other = models.path().join("phone");
    fs::create_dir(&other).expect("made");
    fs::write(other.join("model.tar"), b"").expect("written");
    fs::create_dir(models.path().join("notes")).expect("made");
    let (out, err, code) = output(&[
        "--mission",
        &models.path().display().to_string(),
        "--runtime",
        &venv("tvm-0.26").display().to_string(),
        "--device",
        "cpu",
    ]);
    // The little model knows the capital of France in its own words only.
    assert_eq!(code, Some(1), "{out}{err}");
    let line = |begin: &str| {
        let found = out.lines().find(|line| line.starts_with(begin));
        found.unwrap_or_else(|| panic!("no `{begin}` in {out}{err}"))
    };
    assert!(
        line("| model ").contains("| VM format | runtime | device | tokens/s | answer |"),
        "{out}"
    );
    let row = line("| tiny ");
    for part in [
        "| kv_cache | V2 |",
        "apache_tvm-0.26.0",
        "| cpu |",
        "failed: wrong answers",
    ] {
        assert!(row.contains(part), "{part}: {row}");
    }
    assert!(
        line("| phone ").contains("a system library is linked into an app"),
        "{out}"
    );
    assert!(!out.contains("notes"), "{out}");
}

/// Folders that cannot be asked are rows that did not run, in every report.
#[test]
fn folders_without_a_row_are_counted() {
    let models = TempDir::new().expect("a folder");
    let folder = |name: &std::ffi::OsStr, files: &[&str]| {
        let folder = models.path().join(name);
        fs::create_dir(&folder).expect("made");
        for file in files {
            fs::write(folder.join(file), b"").expect("written");
        }
    };
    folder("two".as_ref(), &["a.so", "b.dylib", "c.tar"]);
    folder("phone".as_ref(), &["model.tar"]);
    folder("page".as_ref(), &["model.wasm"]);
    folder("bare".as_ref(), &["model.SO"]);
    folder("weights".as_ref(), &["tensor-cache.json"]);
    folder("notes".as_ref(), &["read.me"]);
    for (place, file) in [
        ("hidden/params", "model.so"),
        ("old/params", "ndarray-cache.json"),
        ("deep/inner/params", "tensor-cache.json"),
    ] {
        let place = models.path().join(place);
        fs::create_dir_all(&place).expect("made");
        fs::write(place.join(file), b"").expect("written");
    }
    let mut rows = 8;
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt as _;
        folder(std::ffi::OsStr::from_bytes(b"bad\xff"), &["model.so"]);
        rows += 1;
    }
    let asked = |more: &[&str]| {
        let folder = models.path().display().to_string();
        let runtime = folder.clone();
        output(&[&["--mission", &folder, "--runtime", &runtime], more].concat())
    };
    let (out, err, code) = asked(&["--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!(code, Some(3), "{report:#}");
    assert_eq!(report["summary"]["not_run"], rows, "{report:#}");
    let reason = |name: &str| {
        let all = report["rows"].as_array().expect("rows");
        let row = all.iter().find(|row| row["name"] == name);
        row.unwrap_or_else(|| panic!("no {name} in {report:#}"))["reason"].to_string()
    };
    let two = reason("two");
    for words in ["2 libraries, a.so and b.dylib", "a folder of its own"] {
        assert!(two.contains(words), "{two}");
    }
    for (name, words) in [
        ("phone", "linked into an app"),
        ("page", "a web library runs in a page"),
        ("bare", "a model library without weights"),
        ("weights", "weights without a model library"),
        ("old", "weights without a model library"),
        ("hidden", "model.so is in params: move it"),
        ("deep", "one folder deeper, in inner"),
    ] {
        let reason = reason(name);
        assert!(reason.contains(words), "{name}: {reason}");
    }
    if rows > 8 {
        assert!(out.contains("is not UTF-8"), "{out}");
    }
    let (out, err, code) = asked(&["--require-all", "--format", "junit"]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert_eq!(out.matches("<error").count(), rows, "{out}");
    let (out, err, code) = asked(&["--only", "phone"]);
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(
        out.contains("0 failed, 1 not run") && !out.contains("a.so"),
        "{out}"
    );
}

#[test]
fn a_mission_without_models_says_what_belongs_there() {
    let empty = TempDir::new().expect("a folder");
    let (out, err, code) = output(&["--mission", &empty.path().display().to_string()]);
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(
        err.contains("each model has a folder of its own there"),
        "{err}"
    );
    // The folder of a model is not that of models.
    fs::write(empty.path().join("model.so"), b"").expect("written");
    let (out, err, code) = output(&["--mission", &empty.path().display().to_string()]);
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(err.contains("it holds libraries itself"), "{err}");
}
