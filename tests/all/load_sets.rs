//! Real environments and folders, as a user scans them.

use std::path::Path;
use std::process::Command;

use crate::support::{releases, root, rules, scan, unpacked, venv};
use serde_json::Value;

const STRINGIFY: &str = "_ZN3tvm3ffi4json9StringifyERKNS0_3AnyENS0_8OptionalIivEE";

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_runtime_with_the_wrong_tvm_ffi_names_the_symbol() {
    let (report, status) = scan([venv("tvm-0.25-newest-ffi")]);
    assert_eq!(status, 1);
    assert_eq!(rules(&report, &["error"]), ["AC204", "AC207"]);
    let named = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .any(|finding| {
            finding["rule"] == "AC204"
                && finding["artifact"]
                    .as_str()
                    .is_some_and(|path| path.ends_with("libtvm_runtime.so"))
                && finding["locations"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|at| at["symbol"] == STRINGIFY))
        });
    assert!(named, "{:#}", report["findings"]);
    // The dynamic linker says the same.
    let python = Command::new(venv("tvm-0.25-newest-ffi").join("bin/python"))
        .args(["-c", "import tvm"])
        .output()
        .expect("the environment's Python starts");
    assert!(String::from_utf8_lossy(&python.stderr).contains(STRINGIFY));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn pairs_that_belong_together_are_clean() {
    for name in releases() {
        let (report, status) = scan([venv(name)]);
        assert_eq!(status, 0, "{name}: {:#}", report["findings"]);
        // A note tells of a compiler that crashes.
        assert_eq!(rules(&report, &["error", "warning"]), [""; 0], "{name}");
        let python = Command::new(venv(name).join("bin/python"))
            .args(["-c", "import tvm"])
            .status()
            .expect("the environment's Python starts");
        assert!(python.success(), "{name} does not import");
    }
}

/// A folder as an application ships it: the macOS runtime and one library.
fn macos_folder(folder: &Path, library: &Path) {
    for (wheel, inside) in [
        ("tvm-0.27-macos-arm64", "tvm/lib"),
        ("tvm-ffi-0.1.15.post2-macos-arm64", "tvm_ffi/lib"),
    ] {
        for entry in
            std::fs::read_dir(unpacked(wheel).join(inside)).expect("the wheel's lib folder")
        {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if name.starts_with("libtvm_runtime") || name == "libtvm_ffi.dylib" {
                std::fs::copy(&path, folder.join(name)).expect("copied");
            }
        }
    }
    std::fs::copy(library, folder.join("model.dylib")).expect("copied");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_metal_library_beside_the_macos_runtime_is_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    macos_folder(
        folder.path(),
        &root().join("corpus/artifacts/tvm-0.27/dense-metal-macos-arm64.dylib"),
    );
    let (report, status) = scan([folder.path()]);
    assert_eq!(status, 0, "{:#}", report["findings"]);
    assert_eq!(report["findings"], Value::Array(Vec::new()));
    assert_eq!(report["verdicts"][0]["status"], "fits");
    assert_eq!(report["verdicts"][0]["source"], "found");
}

/// A part that is cut off is the one cause: of a device's part, what needs that device; of
/// the runtime itself, everything.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_part_that_is_cut_off_is_the_cause() {
    let of = |name: &str| root().join("corpus/artifacts/tvm-0.27").join(name);
    let told = |cut: &str, library: &Path| {
        let folder = tempfile::tempdir().expect("a folder");
        macos_folder(folder.path(), library);
        let part = folder.path().join(cut);
        let bytes = std::fs::read(&part).expect("a part");
        std::fs::write(&part, &bytes[..bytes.len() / 2]).expect("written");
        let (report, status) = scan([library, "-r".as_ref(), folder.path()]);
        (
            rules(&report, &["error"]),
            rules(&report, &["warning"]),
            status,
        )
    };
    let codes = |codes: &[&str]| {
        codes
            .iter()
            .map(|&code| code.to_owned())
            .collect::<Vec<_>>()
    };
    let (of_metal, of_cpu) = (
        of("dense-metal-macos-arm64.dylib"),
        of("extcall-cpu-macos-arm64.dylib"),
    );
    let metal = "libtvm_runtime_metal.dylib";
    assert_eq!(
        told(metal, &of_metal),
        (codes(&["AC106"]), codes(&["AC001"]), 1)
    );
    assert_eq!(told(metal, &of_cpu), (codes(&[]), codes(&["AC001"]), 0));
    assert_eq!(
        told("libtvm_runtime.dylib", &of_metal),
        (codes(&["AC001"]), codes(&[]), 1)
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_tir_variant_names_five_match_sites() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("tir.dylib");
    retag(
        &root().join("corpus/artifacts/tvm-0.27/dense-metal-macos-arm64.dylib"),
        &library,
    );
    let home = folder.path().join("app");
    std::fs::create_dir(&home).expect("a folder");
    macos_folder(&home, &library);
    let (report, status) = scan([&home]);
    assert_eq!(status, 1);
    assert_eq!(
        rules(&report, &["error"]),
        // Changed by the test after it was signed, and not signed again.
        ["AC004", "AC101"],
        "{:#}",
        report["findings"]
    );
    let finding = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .find(|finding| finding["rule"] == "AC101")
        .expect("the tag");
    assert_eq!(finding["runtime_says"], "InternalError: Cannot reach here");
    let sites: Vec<&str> = finding["evidence"]
        .as_array()
        .expect("evidence")
        .iter()
        .filter_map(|line| line.as_str()?.split(':').next())
        .collect();
    assert_eq!(
        sites,
        [
            "paged prefill",
            "ragged prefill",
            "paged decode",
            "paged prefill with tree mask",
            "ragged prefill with tree mask"
        ]
    );
    let arguments: Vec<u64> = finding["locations"]
        .as_array()
        .expect("locations")
        .iter()
        .filter_map(|location| location["argument"].as_u64())
        .collect();
    assert!(arguments.starts_with(&[15, 16, 17]), "{arguments:?}");
}

/// `"tirx"` to `"tir"` in one string constant, by hand: the constant's length,
/// the executable's and the blob's length shrink by one, a zero fills the end.
fn retag(from: &Path, to: &Path) {
    let mut bytes = std::fs::read(from).expect("the artifact");
    let find = |bytes: &[u8], needle: &[u8]| {
        bytes
            .windows(needle.len())
            .position(|window| window == needle)
            .expect("the bytes are there")
    };
    let tag = find(&bytes, b"\x04\0\0\0\0\0\0\0tirx");
    let magic = find(&bytes, b"\x1e\x15\x14\x42\x2f\xde\x25\xd2");
    let length = |bytes: &[u8], at: usize| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    };
    let executable_length = magic - 8;
    // The blob's length field is the one whose end lies beyond the executable
    // and that stands before the tree: a small number of words before the kind.
    let kind = find(&bytes, b"relax.VMExecutable");
    let blob = (kind.saturating_sub(200)..kind)
        .rev()
        .find(|at| {
            let nbytes = length(&bytes, *at);
            let words = length(&bytes, at + 8);
            nbytes > (magic - at) as u64
                && nbytes < bytes.len() as u64
                && (2..6).contains(&words)
                && length(&bytes, at + 16) == 0
        })
        .expect("the blob's length field");
    let end = blob + 8 + usize::try_from(length(&bytes, blob)).expect("fits");
    for at in [executable_length, blob] {
        let shorter = length(&bytes, at) - 1;
        bytes[at..at + 8].copy_from_slice(&shorter.to_le_bytes());
    }
    bytes[tag] = 3;
    bytes.copy_within(tag + 12..end, tag + 11);
    bytes[end - 1] = 0;
    std::fs::write(to, bytes).expect("written");
}

const DEVICE_API: [&str; 3] = [
    "TVMDeviceAPIAllocDataSpace",
    "TVMDeviceAPIFreeDataSpace",
    "TVMDeviceAPIGet",
];

/// Builds a library that calls three functions of the flat device API.
fn build_client(compiler: &mut Command, folder: &Path, name: &str) {
    let source = folder.join("client.c");
    let declared: String = DEVICE_API
        .iter()
        .map(|name| format!("void *{name}();\n"))
        .collect();
    let called: String = DEVICE_API
        .iter()
        .map(|name| format!("  {name}();\n"))
        .collect();
    std::fs::write(
        &source,
        format!("{declared}void client(void) {{\n{called}}}\n"),
    )
    .expect("written");
    let compiled = compiler
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.join(name))
        .arg(&source)
        .status();
    assert!(compiled.expect("a C compiler").success());
    std::fs::remove_file(source).expect("removed");
}

fn assert_lists_device_api(report: &Value) {
    assert_eq!(
        rules(report, &["error"]),
        ["AC201"],
        "{:#}",
        report["findings"]
    );
    let findings = report["findings"].as_array().expect("findings");
    let error = findings.iter().find(|one| one["severity"] == "error");
    let mut listed: Vec<&str> = error.expect("an error")["locations"]
        .as_array()
        .expect("locations")
        .iter()
        .filter_map(|location| location["symbol"].as_str())
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, DEVICE_API);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_linux_client_of_the_device_api_lists_each_missing_function() {
    let folder = tempfile::tempdir().expect("a folder");
    build_client(&mut Command::new("cc"), folder.path(), "libclient.so");
    let (report, status) = scan([
        folder.path().as_os_str(),
        "--runtime".as_ref(),
        venv("tvm-0.27").as_os_str(),
    ]);
    assert_eq!(status, 1);
    assert_lists_device_api(&report);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_macos_client_beside_the_runtime_lists_each_missing_function() {
    let folder = tempfile::tempdir().expect("a folder");
    macos_folder(
        folder.path(),
        &root().join("corpus/artifacts/tvm-0.27/dense-metal-macos-arm64.dylib"),
    );
    let mut zig = Command::new(venv("tools").join("bin/python"));
    zig.args([
        "-m",
        "ziglang",
        "cc",
        "-target",
        "aarch64-macos",
        "-Wl,-undefined,dynamic_lookup",
    ]);
    build_client(&mut zig, folder.path(), "libclient.dylib");
    let (report, status) = scan([folder.path()]);
    assert_eq!(status, 1);
    assert_lists_device_api(&report);
}

/// Package managers link one file into many environments.
#[cfg(unix)]
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_hard_link_is_a_file_of_its_own_in_each_folder() {
    let top = tempfile::tempdir().expect("a folder");
    let ffi = "tvm-ffi-0.1.15.post2-linux-x86_64/tvm_ffi/lib/libtvm_ffi.so";
    let folders = ["tvm-0.26-linux-x86_64", "tvm-0.27-linux-x86_64"];
    for name in folders {
        let folder = top.path().join(name);
        std::fs::create_dir(&folder).expect("a new folder");
        let runtime = unpacked(name).join("tvm/lib/libtvm_runtime.so");
        std::fs::copy(runtime, folder.join("libtvm_runtime.so")).expect("copied");
    }
    let first = top.path().join(folders[0]).join("libtvm_ffi.so");
    let unpacked = unpacked("").join(ffi);
    std::fs::copy(unpacked, &first).expect("copied");
    let second = top.path().join(folders[1]).join("libtvm_ffi.so");
    std::fs::hard_link(&first, &second).expect("linked");
    let linked = scan([top.path()]).0;
    std::fs::remove_file(&second).expect("removed");
    std::fs::copy(&first, &second).expect("copied");
    let copied = scan([top.path()]).0;
    for list in ["artifacts", "verdicts", "findings", "runtimes"] {
        assert_eq!(linked[list], copied[list], "{list}");
    }
    assert_eq!(linked["artifacts"].as_array().map(Vec::len), Some(4));
    // The same file named twice is one file.
    let twice = scan([top.path(), &second]).0;
    assert_eq!(twice["artifacts"], copied["artifacts"]);
}
