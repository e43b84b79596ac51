//! The rules on signatures, names, weights, limits, devices and wasm: for each
//! an artifact that breaks it and a near miss that does not. What is made here
//! is synthetic: a real artifact of the corpus with one thing changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::make::{
    DYLIB, MODEL, corpus, folder, library, load_command, metadata, model_with_weights, put,
    renamed, wasm,
};
use crate::support::{self, artcheck, rules, scan};
use serde_json::{Value, json};

/// Codes among `of` that a scan of `path` reports as error or warning.
fn found(path: &Path, of: &[&str], extra: &[&str]) -> Vec<String> {
    let mut args = vec![path.as_os_str().to_owned()];
    args.extend(extra.iter().map(|arg| (*arg).into()));
    let (report, _) = scan(args);
    let mut codes = rules(&report, &["error", "warning"]);
    codes.retain(|code| of.contains(&code.as_str()));
    codes
}

#[test]
fn ac004_an_unsigned_or_changed_dylib() {
    let original = std::fs::read(corpus(DYLIB)).expect("the corpus");
    let folder = folder();
    let near = put(&folder, "near.dylib", &original);
    assert!(found(&near, &["AC004"], &[]).is_empty());
    // A byte of padding after the load commands: code and data stay as they were.
    let mut changed = original.clone();
    let commands = u32::from_le_bytes(changed[20..24].try_into().expect("four")) as usize;
    changed[32 + commands + 8] ^= 1;
    let changed = put(&folder, "changed.dylib", changed);
    assert_eq!(found(&changed, &["AC004", "AC001"], &[]), ["AC004"]);
    // The load command of the signature under another name: an unsigned file.
    let mut unsigned = original;
    let at = load_command(&unsigned, 0x1d);
    unsigned[at] = 0x29;
    let unsigned = put(&folder, "unsigned.dylib", unsigned);
    assert_eq!(found(&unsigned, &["AC004"], &[]), ["AC004"]);
}

#[test]
fn ac004_every_signed_dylib_of_the_corpus_is_whole() {
    let dylibs: Vec<PathBuf> = support::files_below("corpus/artifacts")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "dylib"))
        .filter(|path| !path.to_string_lossy().contains("synthetic"))
        .collect();
    assert!(dylibs.len() >= 6);
    for dylib in dylibs {
        assert!(
            found(&dylib, &["AC004"], &[]).is_empty(),
            "{}",
            dylib.display()
        );
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cc makes no ELF here")]
fn ac205_a_name_of_the_build_machine() {
    let folder = folder();
    let source =
        "extern int TVMFFIFunctionCall(void*); int f(void) { return TVMFFIFunctionCall(0); }
";
    let build = |linker: &str, name: &str| {
        library(folder.path(), name, source, &[&format!("-Wl,{linker}")])
    };
    for breaks in [
        "-soname,/srv/build/target/libclient.so",
        "-rpath,/srv/build/target",
        "-rpath,/srv/build/target:/home/me/lib",
    ] {
        let breaks = build(breaks, "breaks.so");
        assert_eq!(found(&breaks, &["AC205"], &[]), ["AC205"]);
    }
    for near in [
        "-soname,libclient.so",
        "-soname,/usr/lib/libclient.so",
        "-rpath,$ORIGIN",
        "-rpath,/usr/local/lib",
        "-rpath,$ORIGIN:/lib/x86_64-linux-gnu",
    ] {
        let near = build(near, "near.so");
        assert!(found(&near, &["AC205"], &[]).is_empty());
    }
    // Found where it lies, and on the build machine too: each folder is told.
    let both = build(
        "-rpath,/srv/build/target:/lib/intel64_win:$ORIGIN",
        "both.so",
    );
    let (report, status) = scan([&both]);
    assert_eq!(status, 0);
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "info");
    assert_eq!(
        finding["evidence"],
        json!(["run path /srv/build/target", "run path /lib/intel64_win"])
    );
    // The change in place leaves nothing to tell.
    let done = artcheck()
        .args(["patch", "relocate", "--in-place"])
        .arg(&both)
        .output()
        .expect("artcheck starts");
    assert!(done.status.success());
    assert!(found(&both, &["AC205"], &[]).is_empty());
}

#[test]
fn ac208_a_model_lib_that_no_library_answers() {
    let folder = folder();
    let tar = std::fs::read(corpus("tvm-0.27/extcall-cpu-ios.tar")).expect("the corpus");
    put(&folder, "lib/model.tar", tar);
    let config = |name: &str| json!({ "model_list": [{ "model_lib": name }] }).to_string();
    let with = |text: String| {
        put(&folder, "mlc-app-config.json", text);
        found(folder.path(), &["AC208"], &[])
    };
    assert!(with(config("artcheck_extcall")).is_empty());
    assert_eq!(with(config("artcheck-extcall")), ["AC208"]);
    assert_eq!(with(config("another_model")), ["AC208"]);
    let prepared = json!({ "model_lib_path_for_prepare_libs": { "artcheck.extcall": "x.tar" } });
    assert_eq!(with(prepared.to_string()), ["AC208"]);
    assert!(with(String::from("{}")).is_empty());
    // Without a static library there is nothing that the name could disagree with.
    std::fs::remove_file(folder.path().join("lib/model.tar")).expect("removed");
    assert!(with(config("another_model")).is_empty());
}

#[test]
fn ac302_weights_of_another_model() {
    let (folder, index) = model_with_weights();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut index = index.clone();
        change(&mut index["records"][0]);
        put(&folder, "tensor-cache.json", index.to_string());
        found(folder.path(), &["AC302"], &[])
    };
    assert!(with(&|_| {}).is_empty());
    let broken: [&dyn Fn(&mut Value); 5] = [
        &|shard| shard["records"][0]["shape"][0] = 32_001.into(),
        &|shard| shard["records"][1]["dtype"] = "int8".into(),
        &|shard| shard["records"][2]["name"] = "another".into(),
        &|shard| shard["nbytes"] = 8.into(),
        &|shard| shard["dataPath"] = "params_shard_1.bin".into(),
    ];
    for (number, change) in broken.into_iter().enumerate() {
        let codes = with(change);
        // An index whose only shard is absent may be a library's test folder.
        assert_eq!(codes.is_empty(), number == 4, "change {number}");
    }
    put(&folder, "tensor-cache.json", "{");
    assert_eq!(found(folder.path(), &["AC302"], &[]), ["AC302"]);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "md5sum is not here")]
fn ac302_checksums_and_the_name_of_the_index() {
    let (folder, mut index) = model_with_weights();
    let actual = Command::new("md5sum")
        .arg(folder.path().join("params_shard_0.bin"))
        .output()
        .expect("md5sum");
    let actual = String::from_utf8_lossy(&actual.stdout)[..32].to_owned();
    index["records"][0]["md5sum"] = actual.into();
    let file = put(&folder, "tensor-cache.json", index.to_string());
    assert!(found(folder.path(), &["AC302"], &["--checksums"]).is_empty());
    index["records"][0]["md5sum"] = "0".repeat(32).into();
    put(&folder, "tensor-cache.json", index.to_string());
    assert!(
        found(folder.path(), &["AC302"], &[]).is_empty(),
        "only on request"
    );
    assert_eq!(
        found(folder.path(), &["AC302"], &["--checksums"]),
        ["AC302"]
    );
    // A folder `params` beside the library, as `verify` and its missions have it.
    let params = folder.path().join("params");
    std::fs::create_dir(&params).expect("a folder");
    for name in ["tensor-cache.json", "params_shard_0.bin"] {
        std::fs::rename(folder.path().join(name), params.join(name)).expect("moved");
    }
    let mut other = index.clone();
    other["records"][0]["records"][0]["name"] = "another".into();
    put(&folder, "params/tensor-cache.json", other.to_string());
    assert_eq!(found(folder.path(), &["AC302"], &[]), ["AC302"]);
    put(&folder, "params/tensor-cache.json", index.to_string());
    assert!(found(folder.path(), &["AC302"], &[]).is_empty());
    for name in ["tensor-cache.json", "params_shard_0.bin"] {
        std::fs::rename(params.join(name), folder.path().join(name)).expect("moved");
    }
    // The name of before 0.22, for a library of 0.27.
    std::fs::remove_file(file).expect("removed");
    put(&folder, "ndarray-cache.json", index.to_string());
    assert_eq!(found(folder.path(), &["AC302"], &[]), ["AC302"]);
}

#[test]
fn ac303_a_configuration_beyond_the_plan() {
    let metadata = metadata();
    let planned = |key: &str| metadata[key].as_i64().expect("a number");
    let chunk = planned("prefill_chunk_size");
    assert!(chunk > 0);
    let folder = folder();
    let model = std::fs::read(corpus(MODEL)).expect("the corpus");
    // mlc-llm keeps libraries and model folders apart, named after the same model.
    put(&folder, "libs/tiny-q0f32-cpu.so", &model);
    let with = |config: Value| {
        put(
            &folder,
            "tiny-q0f32-MLC/mlc-chat-config.json",
            config.to_string(),
        );
        found(folder.path(), &["AC303"], &[])
    };
    assert!(with(json!({ "prefill_chunk_size": chunk })).is_empty());
    assert!(with(json!({ "prefill_chunk_size": -1 })).is_empty());
    assert_eq!(with(json!({ "prefill_chunk_size": chunk + 1 })), ["AC303"]);
    let nested = json!({ "model_config": { "max_batch_size": planned("max_batch_size") + 1 } });
    assert_eq!(with(nested), ["AC303"]);
    // The configuration of another model says nothing about this one.
    std::fs::remove_dir_all(folder.path().join("tiny-q0f32-MLC")).expect("removed");
    let other = json!({ "prefill_chunk_size": chunk + 1 }).to_string();
    put(&folder, "other-q0f32-MLC/mlc-chat-config.json", other);
    assert!(found(folder.path(), &["AC303"], &[]).is_empty());
}

#[test]
fn ac401_device_code_of_another_gpu() {
    // Compiled for sm_90 with NVRTC; see corpus/README.md.
    let cuda = corpus("tvm-0.27/embedding-cuda-x86_64.so");
    let on = |gpu: &str| {
        found(
            &cuda,
            &["AC401"],
            &["--target", &format!("x86_64-linux+{gpu}")],
        )
    };
    assert!(on("sm_90").is_empty());
    assert!(found(&cuda, &["AC401"], &["--target", "x86_64-linux"]).is_empty());
    assert_eq!(on("sm_80"), ["AC401"], "older");
    assert_eq!(on("sm_100"), ["AC401"], "another major version");
    let wasm = corpus("tvm-0.27/embedding-webgpu.wasm");
    let on = |buffers: u32| {
        let target = format!("wasm32-web+storage-buffers={buffers}");
        found(&wasm, &["AC401"], &["--target", &target])
    };
    assert!(on(10).is_empty());
    assert_eq!(on(1), ["AC401"]);
}

#[test]
fn ac402_wasm_that_no_page_can_load() {
    let folder = folder();
    let codes = |imports: &[&str], export: &str| {
        let file = put(&folder, "model.wasm", wasm(imports, export));
        found(&file, &["AC402"], &[])
    };
    let threads = "_ZN3tvm7runtime9threading10NumThreadsEv";
    let new = ["TVMFFIWasmSafeCall", "TVMFFIWasmFunctionDeleter", threads];
    assert!(codes(&new, "TVMFFIFunctionCall").is_empty());
    let old = ["TVMWasmPackedCFunc", "TVMWasmPackedCFuncFinalizer", threads];
    assert!(codes(&old, "TVMFuncCall").is_empty());
    // The import of web-llm's issue 198.
    let stray = ["TVMFFIWasmSafeCall", "_ZN3tvm7runtime15NVTXScopedRangeD1Ev"];
    assert_eq!(codes(&stray, "TVMFFIFunctionCall"), ["AC402"]);
    assert_eq!(
        codes(&old, "TVMFFIFunctionCall"),
        ["AC402"],
        "two generations"
    );
}

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
        ["web-llm calls `prefill`, and the library has no such function"]
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
        ["mlc-llm's engine calls `decode`, and the library has no such function"]
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
    let wanted =
        "the library is of 2023: it has `get_metadata`, and mlc-llm's engine reads `_metadata`";
    assert_eq!(ac301(&file), [wanted]);
    let text = |file: &Path| {
        let output = artcheck().args(["dump", "--metadata"]).arg(file).output();
        String::from_utf8(output.expect("artcheck starts").stdout).expect("text")
    };
    assert_eq!(text(&file), text(&corpus(MODEL)));
    assert!(text(&file).contains("\"model_type\""));
}

/// What a scan says beside the code.
fn evidence(args: Vec<std::ffi::OsString>, code: &str) -> Vec<String> {
    let (report, _) = scan(args);
    let findings = report["findings"].as_array().expect("findings");
    let of_code = findings.iter().filter(|finding| finding["rule"] == code);
    of_code
        .flat_map(|finding| finding["evidence"].as_array().expect("evidence"))
        .map(|line| line.as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn ac103_names_the_releases_that_have_a_builtin() {
    let on = |file: PathBuf, runtime: &str| {
        let args = [file.into_os_string(), "--runtime".into(), runtime.into()];
        evidence(args.to_vec(), "AC103")
    };
    let unknown = corpus("synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so");
    assert_eq!(on(unknown, "tvm-0.26"), ["no known release has it"]);
    let folder = folder();
    let with = |name: &[u8]| {
        let model = std::fs::read(corpus("tvm-0.26/dense-ext-cpu-x86_64.so")).expect("the corpus");
        put(
            &folder,
            "model.so",
            renamed(model, b"vm.builtin.check_tensor_info", name),
        )
    };
    let new = with(b"vm.builtin.check_string_info");
    assert_eq!(on(new, "tvm-0.26"), ["only tvm-0.27 has it"]);
    // Up to 0.21; of the same length.
    let old = with(b"vm.builtin.ndarray_cache.get");
    let lines = on(old, "tvm-0.26");
    assert!(
        matches!(&lines[..], [line] if line.ends_with("to tvm-0.21 have it")),
        "{lines:?}"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn ac204_says_when_only_the_string_differs() {
    let folder = folder();
    let source = "#include <string>\nnamespace tvm { namespace runtime {\n\
        std::string GetFileFormat(const std::string&, const std::string&);\n} }\n\
        std::string f(const std::string& s) { return tvm::runtime::GetFileFormat(s, s); }\n";
    let old = library(
        folder.path(),
        "libold.so",
        source,
        &["-D_GLIBCXX_USE_CXX11_ABI=0"],
    );
    let venv = support::venv("tvm-0.27").into_os_string();
    let lines = evidence(
        vec![old.into_os_string(), "--runtime".into(), venv],
        "AC204",
    );
    assert!(
        lines.iter().any(|line| line
            .contains("the other std::string: _ZN3tvm7runtime13GetFileFormatERKNSt7__cxx11")),
        "{lines:?}"
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn ac203_a_c_function_that_the_next_release_dropped() {
    let folder = folder();
    let client = library(
        folder.path(),
        "libclient.so",
        "extern int TVMBackendGetFuncFromEnv(void*, const char*, void**);\n\
         int f(void** out) { return TVMBackendGetFuncFromEnv(0, \"f\", out); }\n",
        &[],
    );
    let on = |tvm: &str| {
        let venv = support::venv(tvm);
        let runtime = venv.to_str().expect("UTF-8");
        found(
            &client,
            &["AC201", "AC203", "AC204"],
            &["--runtime", runtime],
        )
    };
    assert!(on("tvm-0.25").is_empty());
    assert_eq!(on("tvm-0.26"), ["AC203"]);
}
