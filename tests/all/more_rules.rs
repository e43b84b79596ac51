//! The rules on signatures, names, weights, limits, devices and wasm: for each
//! an artifact that breaks it and a near miss that does not. What is made here
//! is synthetic: a real artifact of the corpus with one thing changed.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::make::{
    DYLIB, MODEL, corpus, folder, library, load_command, metadata, model_with_weights, put,
    renamed, wasm,
};
use crate::support::{self, artcheck, found, scan};
use serde_json::{Value, json};

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
    let alone = folder.path().join("model.so");
    for scanned in [folder.path(), &alone] {
        assert_eq!(found(scanned, &["AC302"], &[]), ["AC302"]);
    }
    put(&folder, "params/tensor-cache.json", index.to_string());
    for scanned in [folder.path(), &alone] {
        assert!(found(scanned, &["AC302"], &[]).is_empty());
    }
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
fn ac103_host_code_without_a_table_of_functions_is_undecided() {
    let folder = folder();
    let mut bytes = std::fs::read(corpus("tvm-0.27/dense-ext-cpu-x86_64.so")).expect("the corpus");
    let whole = put(&folder, "whole.so", &bytes);
    // The program header of `.eh_frame_hdr`, under a type that nobody reads.
    let headers = bytes[64..].chunks(56);
    let is_table = |header: &[u8]| header[..4] == 0x6474_e550_u32.to_le_bytes();
    let number = headers.take(16).position(is_table).expect("a table");
    bytes[64 + 56 * number] = 0;
    let searched = put(&folder, "searched.so", &bytes);
    // And no section headers, which lead to the records themselves.
    bytes[40..48].fill(0);
    bytes[58..64].fill(0);
    let without = put(&folder, "without.so", bytes);
    let status = |file: &PathBuf| {
        let (report, status) = scan([
            file.clone().into_os_string(),
            "--runtime".into(),
            "tvm-0.27".into(),
        ]);
        (
            report["verdicts"][0]["status"].as_str().map(str::to_owned),
            status,
        )
    };
    assert_eq!(status(&whole), (Some(String::from("fits")), 0));
    assert_eq!(status(&searched), (Some(String::from("fits")), 0));
    assert_eq!(status(&without), (Some(String::from("undecided")), 4));
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

#[test]
fn too_few_arguments_for_what_does_not_count_them_are_no_error() {
    let folder = folder();
    let bytes = std::fs::read(corpus("tvm-0.26/dense-cpu-x86_64.so")).expect("the corpus");
    // A kernel of two arguments, by the length of its name in the function table.
    let entry = |name: &str| [&28u64.to_le_bytes()[..], name.as_bytes()].concat();
    let (kernel, builtin) = (
        entry("fused_split3_silu1_multiply1"),
        entry("vm.builtin.check_tensor_info"),
    );
    let file = put(&folder, "model.so", renamed(bytes, &kernel, &builtin));
    let (report, _) = scan([file.as_os_str(), "--runtime".as_ref(), "tvm-0.26".as_ref()]);
    let text = report.to_string();
    assert!(text.contains("without counting them"), "{text}");
    assert!(!text.contains("Mismatched number of arguments"), "{text}");
}

#[test]
fn a_model_that_is_called_as_a_part_of_the_runtime_is_a_model() {
    let folder = folder();
    for (sample, name) in [
        (
            "tvm-0.27/extcall-cpu-windows-x64.dll",
            "tvm_runtime_model.dll",
        ),
        ("tvm-0.27/dense-cpu-x86_64.so", "libtvm_runtime_extra.so"),
    ] {
        let bytes = std::fs::read(corpus(sample)).expect("the corpus");
        let file = put(&folder, name, bytes);
        let (report, status) = scan([file.as_os_str(), "-r".as_ref(), "tvm-0.27".as_ref()]);
        assert_eq!(report["artifacts"][0]["role"], "model-library", "{name}");
        assert_eq!(status, 0, "{name}: {:#}", report["findings"]);
    }
}

/// A linker takes an object of no bytes for nothing.
#[test]
fn an_empty_object_among_others_stops_nothing() {
    let folder = folder();
    let sample = corpus("tvm-0.27/extcall-cpu-ios.tar");
    let mut header = tar::Header::new_ustar();
    header.set_path("empty.o").expect("a path");
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    // The archive goes on in another part of the packed file.
    let mut first = GzEncoder::new(Vec::new(), Compression::fast());
    first.write_all(header.as_bytes()).expect("written");
    let mut first = first.finish().expect("packed");
    first.extend(std::fs::read(sample).expect("the corpus"));
    let file = put(&folder, "model.tar", first);
    let (report, status) = scan([file.as_os_str(), "-r".as_ref(), "tvm-0.27".as_ref()]);
    assert_eq!(support::rules(&report, &["error"]), [""; 0]);
    assert_eq!(support::rules(&report, &["warning"]), ["AC001"]);
    assert_eq!(status, 0);
}
