//! The shim for aarch64 Linux, all its parts: built by a cross compiler against
//! the aarch64 wheels, then run with their own libraries by QEMU's user mode.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{RELEASES, Release, fixture, output, succeed};
use artcheck_patch::shim::{Environment, ShimOptions, ShimPart, ShimPlan, build};

const PLATFORM: &str = "linux-aarch64";
const PARTS: [ShimPart; 4] = [
    ShimPart::DeviceApi,
    ShimPart::AttentionTag,
    ShimPart::CacheConfig,
    ShimPart::ContextSlots,
];
/// Where Debian's cross compiler has its system.
const SYSROOT: &str = "/usr/aarch64-linux-gnu";

fn shim(release: Release, out: PathBuf) {
    build(&ShimOptions {
        runtime_paths: vec![release.tvm(PLATFORM), release.ffi(PLATFORM)],
        plan: ShimPlan::of(PARTS),
        out,
        target: None,
        environment: Environment {
            cxx: Some("aarch64-linux-gnu-g++".into()),
            ..Environment::of_process()
        },
    })
    .unwrap_or_else(|error| panic!("{error}; run tools/aarch64-needs"));
}

/// The libraries of the wheels.
fn libraries(release: Release) -> [PathBuf; 2] {
    [
        release.tvm(PLATFORM).join("lib/libtvm_runtime.so"),
        release.ffi(PLATFORM).join("lib/libtvm_ffi.so"),
    ]
}

fn symbols(flag: &str, file: &Path) -> BTreeSet<String> {
    let mut nm = Command::new("llvm-nm");
    let listed = succeed(nm.args(["-D", flag, "-j"]).arg(file));
    // A definition says `@@` where a need says `@`.
    listed.lines().map(|name| name.replace("@@", "@")).collect()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_symbol_is_defined_by_the_wheels_or_the_system() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for release in RELEASES.iter().copied() {
        let out = dir.path().join(format!("libmend-{}.so", release.tvm));
        shim(release, out.clone());
        let header = succeed(Command::new("readelf").arg("-h").arg(&out));
        assert!(header.contains("AArch64"), "{header}");
        let wheels: BTreeSet<String> = libraries(release)
            .iter()
            .flat_map(|library| symbols("--defined-only", library))
            .collect();
        let system: BTreeSet<String> = ["libstdc++.so.6", "libgcc_s.so.1", "libc.so.6"]
            .iter()
            .map(|name| Path::new(SYSROOT).join("lib").join(name))
            .flat_map(|library| symbols("--defined-only", &library))
            .collect();
        let wanted = symbols("--undefined-only", &out);
        for symbol in &wanted {
            let optional = symbol.starts_with("_ITM_") || symbol == "__gmon_start__";
            assert!(
                optional || wheels.contains(symbol) || system.contains(symbol),
                "{release:?}: nobody defines {symbol}"
            );
        }
        let of_tvm = |name: &&String| name.starts_with("TVMFFI") || name.contains("3tvm");
        assert!(wanted.iter().filter(of_tvm).count() > 5, "{wanted:?}");
        let given = symbols("--defined-only", &out);
        let device = |name: &&String| name.starts_with("TVMDeviceAPI");
        assert_eq!(given.iter().filter(device).count(), 19, "{given:?}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_c_client_moves_data_on_the_aarch64_runtimes() {
    for release in RELEASES.iter().copied() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("libdevice.so");
        shim(release, out.clone());
        let folders: Vec<String> = libraries(release)
            .iter()
            .chain([&out])
            .filter_map(|library| Some(library.parent()?.display().to_string()))
            .collect();
        let client = dir.path().join("client");
        let mut compile = Command::new("aarch64-linux-gnu-gcc");
        compile
            .args(["-Wall", "-Werror", "-o"])
            .arg(&client)
            .arg(fixture("programs/device_client.c"))
            .arg(&out)
            .arg(&libraries(release)[1])
            .arg(format!("-Wl,-rpath-link,{}", folders[0]))
            .arg("-ldl");
        succeed(&mut compile);

        let mut qemu = Command::new("qemu-aarch64");
        qemu.args(["-L", SYSROOT, "-E"])
            .arg(format!("LD_LIBRARY_PATH={}", folders.join(":")))
            .args(["-E", "ARTCHECK_SHIM_VERBOSE=1"])
            .arg(&client)
            .arg("1");
        let ended = output(&mut qemu);
        let text = String::from_utf8_lossy(&ended.stdout);
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{release:?}: {text}{errors}");
        assert!(text.ends_with("round trip equal\n"), "{text}");
        // The other parts asked this runtime what it accepts, and did their work.
        let slots = match release.tvm {
            "0.25" => "fills __TVMFFIEnvModLookupFromImports and __TVMFFIHandleInitOnce",
            _ => "fills __TVMBackendGetFuncFromEnv",
        };
        let config = match release.tvm {
            "0.27" => "nothing to do: this runtime accepts 6 config elements",
            _ => "shortens 6 config elements to 5",
        };
        for wanted in [
            format!("artcheck shim: context-slots: {slots}\n"),
            format!("artcheck shim: cache-config: {config}\n"),
            "artcheck shim: attention-tag: translates tir to tirx\n".to_owned(),
        ] {
            assert!(errors.contains(&wanted), "{release:?}: no {wanted}{errors}");
        }
    }
}
