//! What device code asks of the device, on code that real compilers made: AMD
//! code objects, PTX and SPIR-V by Zig's LLVM, fatbins by NVIDIA's library. The
//! modules around the code are written here.

use crate::parts;
use std::path::Path;
use std::process::Command;

use artcheck_inspect::module::{DeviceNeed, Payload, ShaderFeature, locate, read_device_needs};
use artcheck_inspect::runtime::release;
use artcheck_inspect::scan::{GivenRuntime, ScanOptions, scan_bytes};
use artcheck_inspect::vm::Magic;

use crate::writer::{self, Bytes};

/// Needs of one piece of code inside a whole library.
fn needs(kind: &str, format: &str, code: &[u8]) -> Vec<DeviceNeed> {
    let mut payload = Bytes::default();
    match kind {
        "metal" => payload
            .str(format)
            .kernels(&[], true)
            .texts(&[(String::from("kernel"), code.to_vec())]),
        "vulkan" => {
            let mut shader = Bytes::default();
            shader.u32(0).u64(code.len() as u64 / 4).raw(code);
            payload.str(format).kernels(&[], true).u64(1);
            payload.str("kernel").bytes(&shader.0)
        }
        _ => payload.str(format).kernels(&[], true).bytes(code),
    };
    let blob = writer::tree_first(
        &[&[1], &[2], &[]],
        &[
            ("relax.VMExecutable", Some(writer::executable(Magic::V2))),
            ("_lib", None),
            (kind, Some(payload.0)),
        ],
    );
    let parsed = writer::parsed(&blob);
    let mut libraries = locate::find(&parsed);
    let library = libraries.first_mut().expect("the library is found");
    read_device_needs(&parsed, library);
    let blob = library.blob.as_ref().expect("the blob decodes");
    match &blob.modules[2].payload {
        Payload::Device(device) => device.needs.clone(),
        other => panic!("{kind}: {other:?}"),
    }
}

fn words(kind: &str, format: &str, code: &[u8]) -> Vec<String> {
    let needs = needs(kind, format, code);
    needs.iter().map(ToString::to_string).collect()
}

fn zig(folder: &Path, source: &str, arguments: &[&str]) -> Vec<u8> {
    let input = folder.join("kernel.zig");
    let output = folder.join("kernel.out");
    std::fs::write(&input, source).expect("written");
    let python = parts::root().join("venv/tools/bin/python");
    let emit = if arguments.contains(&"nvptx64-cuda") {
        "-femit-asm"
    } else {
        "-femit-bin"
    };
    let mut command = Command::new(&python);
    command.args(["-m", "ziglang", "build-obj"]);
    if emit == "-femit-asm" {
        command.arg("-fno-emit-bin");
    }
    let run = command
        .args(arguments)
        .arg(&input)
        .arg(format!("{emit}={}", output.display()))
        .output()
        .unwrap_or_else(|error| {
            panic!("{}: {error}: run python3 tools/parts.py", python.display())
        });
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    std::fs::read(output).expect("the compiler's output")
}

const KERNEL: &str = "export fn kernel() callconv(.kernel) void {}\n";

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn amd_processors_are_those_of_llvm() {
    let folder = tempfile::tempdir().expect("a folder");
    // One per family, and the two generic forms; all 62 numbers are LLVM's.
    for name in [
        "gfx803",
        "gfx900",
        "gfx90a",
        "gfx90c",
        "gfx942",
        "gfx950",
        "gfx1013",
        "gfx1030",
        "gfx1036",
        "gfx1100",
        "gfx1103",
        "gfx1151",
        "gfx1153",
        "gfx1201",
        "gfx1250",
        "gfx9-generic",
        "gfx9-4-generic",
        "gfx10-3-generic",
        "gfx11-generic",
        "gfx12-generic",
    ] {
        let zig_name = name.replace('-', "_");
        let code = zig(
            folder.path(),
            KERNEL,
            &["-target", "amdgcn-amdhsa", "-mcpu", &zig_name],
        );
        assert_eq!(
            words("rocm", "hsaco", &code),
            [format!("an AMD GPU {name}")]
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn ptx_of_llvm_names_its_sm_version() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, expected) in [
        ("sm_80", "a CUDA GPU of sm_80 or later (PTX)"),
        ("sm_90a", "a CUDA GPU of sm_90 alone"),
    ] {
        let code = zig(
            folder.path(),
            KERNEL,
            &["-target", "nvptx64-cuda", "-mcpu", name],
        );
        assert_eq!(words("cuda", "ptx", &code), [expected]);
    }
}

#[test]
fn every_image_of_a_fatbin_counts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/device_code");
    for name in ["plain.fatbin", "packed.fatbin"] {
        let code = std::fs::read(folder.join(name)).expect("the fatbin");
        assert_eq!(
            words("cuda", "fatbin", &code),
            [
                "a CUDA GPU of sm_80 or a later minor version, or sm_89 or later (PTX), or sm_90 alone"
            ],
            "{name}"
        );
        let needs = needs("cuda", "fatbin", &code);
        let [DeviceNeed::Cuda(images)] = needs.as_slice() else {
            panic!("{needs:?}");
        };
        let runs = |sm| images.iter().any(|image| image.runs_on(sm));
        assert!(runs(80) && runs(86) && runs(90) && runs(120), "{name}");
        assert!(!runs(75), "{name}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn spirv_of_a_real_compiler_says_what_it_uses() {
    let folder = tempfile::tempdir().expect("a folder");
    let shader = |number: &str| {
        format!(
            "extern var data: {number} addrspace(.storage_buffer);\n\
             export fn kernel() callconv(.{{ .spirv_kernel = .{{ .x = 8, .y = 4, .z = 2 }} }}) void {{ data = data * 2; }}\n"
        )
    };
    let compiled = |number: &str, features: &str| {
        let target = ["-target", "spirv32-vulkan", "-mcpu", features];
        needs(
            "vulkan",
            "vulkan",
            &zig(folder.path(), &shader(number), &target),
        )
    };
    let common = [
        DeviceNeed::Spirv(1, 5),
        DeviceNeed::StorageBuffers(1),
        DeviceNeed::WorkgroupThreads(64),
    ];
    assert_eq!(compiled("f32", "vulkan_v1_2"), common);
    for (number, features, feature) in [
        ("f16", "vulkan_v1_2+float16", ShaderFeature::F16),
        ("f64", "vulkan_v1_2+float64", ShaderFeature::F64),
        ("i64", "vulkan_v1_2+int64", ShaderFeature::I64),
    ] {
        let mut expected = vec![DeviceNeed::Feature(feature)];
        expected.extend(common.clone());
        assert_eq!(compiled(number, features), expected, "{number}");
    }
}

/// The header is written here: no metallib can be made without Apple's tools.
#[test]
fn a_synthetic_metallib_names_its_system() {
    let mut code = Bytes::default();
    code.raw(b"MTLB")
        .raw(&[0x01, 0x80, 2, 0, 7, 0, 0, 0x81, 14, 0, 2, 0]);
    code.u64(88).raw(&[0; 64]);
    assert_eq!(
        words("metal", "metallib", &code.0),
        ["macOS 14.2 or later (metallib)"]
    );
    assert!(needs("metal", "metal", b"kernel void f() {}").is_empty());
}

#[test]
fn code_that_says_nothing_is_unknown_and_source_asks_for_nothing() {
    for (kind, format) in [("cuda", "cubin"), ("cuda", "fatbin"), ("rocm", "hsaco")] {
        let needs = needs(kind, format, b"\x7fELF but no more");
        assert!(
            matches!(needs[..], [DeviceNeed::Unknown(_)]),
            "{kind}: {needs:?}"
        );
    }
    let source = b"extern \"C\" __global__ void f() {}";
    assert!(needs("cuda", "cuda", source).is_empty());
    assert!(needs("opencl", "cl", b"__kernel void f() {}").is_empty());
}

/// What AC107 says of a `cuda` payload in this format, on a release.
fn said_of_cuda(format: &str) -> Vec<String> {
    let mut payload = Bytes::default();
    payload
        .str(format)
        .kernels(&[], true)
        .bytes(b"extern \"C\" __global__ void f() {}");
    let modules = [
        ("relax.VMExecutable", Some(writer::executable(Magic::V1))),
        ("_lib", None),
        ("cuda", Some(payload.0)),
    ];
    let blob = writer::tree_first(&[&[1], &[2], &[]], &modules);
    let file = crate::writer::limits::wasm(&[(1024, &blob)], 0);
    let options = ScanOptions {
        runtimes: vec![GivenRuntime {
            profile: release::by_name("tvm-0.27").expect("a release").clone(),
            load_set: None,
        }],
        ..ScanOptions::default()
    };
    let findings = scan_bytes("model.wasm", &file, &options).findings;
    let of_the_rule = findings.iter().filter(|one| one.rule.code == "AC107");
    of_the_rule.map(|one| one.message.clone()).collect()
}

#[test]
fn cuda_source_needs_a_compiler_where_it_is_loaded() {
    let [said] = &said_of_cuda("cuda")[..] else {
        panic!("one finding")
    };
    assert!(
        said.contains("`tvm_callback_cuda_compile` must compile"),
        "{said}"
    );
    assert!(said_of_cuda("ptx").is_empty());
}
