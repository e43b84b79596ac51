//! C and Rust clients of `TVMDeviceAPI*` link to the shim and move data.

use std::path::Path;
use std::process::Command;

use crate::common::shims::options;
use crate::common::{RELEASES, fixture, output, succeed};
use artcheck_patch::shim::{ShimPart, build};

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn c_and_rust_clients_move_data_on_every_runtime() {
    for release in RELEASES.iter().copied() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("libdevice.so");
        let parts = [ShimPart::DeviceApi, ShimPart::ContextSlots];
        build(&options(release, &parts, out.clone())).expect("a shim");
        let packages = release.site_packages();
        let (tvm, ffi) = (packages.join("tvm/lib"), packages.join("tvm_ffi/lib"));
        let rpath = |dir: &Path| format!("-Wl,-rpath,{}", dir.display());
        let rpath_link = format!("-Wl,-rpath-link,{}", tvm.display());

        let c_client = dir.path().join("c_client");
        let mut compile = Command::new("gcc");
        compile.args(["-Wall", "-Werror", "-o"]).arg(&c_client);
        compile
            .arg(fixture("programs/device_client.c"))
            .arg(&out)
            .arg(ffi.join("libtvm_ffi.so"));
        compile
            .arg(rpath(dir.path()))
            .arg(rpath(&ffi))
            .arg(&rpath_link)
            .arg("-ldl");
        succeed(&mut compile);

        let rust_client = dir.path().join("rust_client");
        let mut compile = Command::new("rustc");
        compile.args(["--edition", "2024", "-o"]).arg(&rust_client);
        compile.arg(fixture("programs/device_client.rs"));
        compile.arg("-L").arg(dir.path()).arg("-L").arg(&ffi);
        compile.args(["-l", "dylib=device", "-l", "dylib=tvm_ffi"]);
        for flag in [rpath(dir.path()), rpath(&ffi), rpath_link] {
            compile.arg(format!("-Clink-arg={flag}"));
        }
        succeed(&mut compile);

        for client in [c_client, rust_client] {
            let ended = output(Command::new(&client).arg("1"));
            let (text, errors) = (
                String::from_utf8_lossy(&ended.stdout),
                String::from_utf8_lossy(&ended.stderr),
            );
            assert!(
                ended.status.success(),
                "{release:?} {}: {text}{errors}",
                client.display()
            );
            assert!(text.ends_with("round trip equal\n"), "{text}");
            // The failures that the clients provoke are told, one line each.
            assert!(
                errors.lines().all(|line| line.starts_with("TVMDeviceAPI")),
                "{errors}"
            );
            assert!(errors.contains("TVMDeviceAPIGet: "), "{errors}");
            assert!(
                errors.contains(": the DeviceAPI handle is null"),
                "{errors}"
            );
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn without_the_shim_the_clients_do_not_link() {
    let release = RELEASES[2];
    let packages = release.site_packages();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut compile = Command::new("gcc");
    compile
        .arg(fixture("programs/device_client.c"))
        .arg("-o")
        .arg(dir.path().join("client"));
    compile.arg(packages.join("tvm/lib/libtvm_runtime.so"));
    compile.arg(packages.join("tvm_ffi/lib/libtvm_ffi.so"));
    let ended = output(&mut compile);
    assert!(!ended.status.success());
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(
        errors.contains("undefined reference to `TVMDeviceAPIGet'"),
        "{errors}"
    );
}
