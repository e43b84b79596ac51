//! AC301: metadata and functions that the engine of a library asks for, each with a
//! near miss. What is made here is a real artifact of the corpus with one thing changed.

use std::path::Path;

use crate::support::make::{MODEL, corpus, folder, put, renamed};
use crate::support::{artcheck, found, scan};

#[test]
fn ac301_metadata_without_a_key_the_engine_reads() {
    let model = std::fs::read(corpus(MODEL)).expect("the corpus");
    let folder = folder();
    let near = put(&folder, "near.so", &model);
    assert!(found(&near, &["AC301"], &[]).is_empty());
    let changed = renamed(model, b"\"max_batch_size\"", b"\"MAX_batch_size\"");
    let changed = put(&folder, "renamed.so", changed);
    let all = ["AC001", "AC102", "AC301"];
    assert_eq!(found(&changed, &all, &["--runtime", "tvm-0.27"]), ["AC301"]);
}

/// The messages of AC301.
fn ac301(path: &Path) -> Vec<String> {
    let (report, _) = scan([path.as_os_str()]);
    let findings = report["findings"].as_array().expect("findings");
    let of_code = findings.iter().filter(|finding| finding["rule"] == "AC301");
    of_code
        .map(|finding| finding["message"].as_str().expect("text").to_owned())
        .collect()
}

/// One library of each kind; the key that one engine reads and another does not.
#[test]
fn ac301_judges_a_library_by_its_engine() {
    let folder = folder();
    let none: [&str; 0] = [];
    let changed = |name: &str, old: &[u8], new: &[u8]| {
        let bytes = std::fs::read(corpus(name)).expect("the corpus");
        let end = name.rsplit('.').next().expect("a suffix");
        ac301(&put(
            &folder,
            &format!("model.{end}"),
            renamed(bytes, old, new),
        ))
    };
    let (web, native) = (
        "tvm-0.27/embedding-webgpu.wasm",
        "tvm-0.27/embedding-cpu-x86_64.so",
    );
    // An encoder keeps no cache, whatever its `kv_state_kind`, and even if no task is named.
    for file in [web, native] {
        assert_eq!(ac301(&corpus(file)), none);
        assert_eq!(changed(file, b"\"model_task\"", b"\"model_TASK\""), none);
        assert_eq!(
            changed(
                file,
                b"\"tensor_parallel_shards\"",
                b"\"tensor_parallel_SHARDS\""
            ),
            none
        );
    }
    let size = |file| changed(file, b"\"max_batch_size\"", b"\"MAX_batch_size\"");
    assert_eq!(
        size(web),
        ["the metadata lacks `max_batch_size`, which web-llm reads"]
    );
    assert_eq!(
        size(native),
        none,
        "mlc-llm's embedding engine does not ask for it"
    );
    let params = |file| changed(file, b"\"params\"", b"\"PARAMS\"");
    assert_eq!(
        params(web),
        ["the metadata lacks `params`, which web-llm reads"]
    );
    assert_eq!(
        params(native),
        ["the metadata lacks `params`, which mlc-llm's embedding engine reads"]
    );
    let prefill = |file| {
        changed(
            file,
            b"\x07\0\0\0\0\0\0\0prefill",
            b"\x07\0\0\0\0\0\0\0PREFILL",
        )
    };
    assert_eq!(
        prefill(web),
        ["web-llm calls `prefill`, but the library has no such function"]
    );
    // What names no state has a cache, and then the engine reads its numbers.
    let dense = std::fs::read(corpus(MODEL)).expect("the corpus");
    let without = renamed(dense.clone(), b"\"kv_state_kind\"", b"\"kv_STATE_kind\"");
    assert_eq!(ac301(&put(&folder, "model.so", &without)), none);
    for (bytes, state) in [(dense, "said"), (without, "not said")] {
        let bytes = renamed(bytes, b"\"kv_cache\":", b"\"kv_CACHE\":");
        assert_eq!(
            ac301(&put(&folder, "model.so", bytes)),
            ["the metadata lacks `kv_cache`, which mlc-llm's engine reads"],
            "{state}"
        );
    }
    assert_eq!(
        changed(MODEL, b"\"head_dim\"", b"\"HEAD_dim\""),
        ["the metadata lacks `kv_cache.head_dim`, which mlc-llm's engine reads"]
    );
    // Hybrid models run in batches alone; others decode one sequence by itself.
    let decode: (&[u8], &[u8]) = (b"\x06\0\0\0\0\0\0\0decode", b"\x06\0\0\0\0\0\0\0DECODE");
    assert_eq!(
        changed(MODEL, decode.0, decode.1),
        ["mlc-llm's engine calls `decode`, but the library has no such function"]
    );
    assert_eq!(ac301(&corpus("tvm-0.27/hybrid-cpu-x86_64.so")), none);
    assert_eq!(ac301(&corpus("tvm-0.27/recurrent-cpu-x86_64.so")), none);
}

/// The bytes of the program in a library, which its length stands in front of.
fn executable_of(name: &str) -> Vec<u8> {
    let magic = 0xD225_DE2F_4214_151E_u64.to_le_bytes();
    let bytes = std::fs::read(corpus(name)).expect("the corpus");
    let mut places = bytes.windows(magic.len());
    let at = places
        .position(|window| window == magic)
        .expect("a program");
    let length = u64::from_le_bytes(bytes[at - 8..at].try_into().expect("eight"));
    bytes[at..at + usize::try_from(length).expect("small")].to_vec()
}

/// A program whose function has the name of 2023, as a file of its own: there
/// nothing else has to move.
#[test]
fn ac301_knows_the_metadata_of_2023() {
    let blob = executable_of(MODEL);
    let folder = folder();
    let near = put(&folder, "model.bin", &blob);
    assert!(ac301(&near).is_empty());
    let (old, new) = (
        b"\x09\0\0\0\0\0\0\0_metadata",
        b"\x0c\0\0\0\0\0\0\0get_metadata",
    );
    let at = blob
        .windows(old.len())
        .position(|window| window == old)
        .expect("the name");
    let bytes = [&blob[..at], new, &blob[at + old.len()..]].concat();
    let file = put(&folder, "model.bin", bytes);
    let wanted = "the library was built in 2023: it has `get_metadata`, but mlc-llm's engine reads `_metadata`";
    assert_eq!(ac301(&file), [wanted]);
    let text = |file: &Path| {
        let output = artcheck().args(["dump", "--metadata"]).arg(file).output();
        String::from_utf8(output.expect("artcheck starts").stdout).expect("text")
    };
    assert_eq!(text(&file), text(&corpus(MODEL)));
    assert!(text(&file).contains("\"model_type\""));
}
