//! The built library, read by others; compilers and inputs that will not do.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::shims::{PORTABLE, options, with_zig};
use crate::common::{RELEASES, fixture, part, succeed};
use artcheck_patch::shim::{Environment, ShimError, ShimOptions, ShimPart, ShimPlan, build};

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn elf_shims_name_themselves_and_their_needs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (platform, machine) in [("linux-x86_64", "X86-64"), ("linux-aarch64", "AArch64")] {
        for release in RELEASES.iter().copied() {
            let out = dir
                .path()
                .join(format!("libmended-{platform}-{}.so", release.tvm));
            let made = build(&ShimOptions {
                runtime_paths: vec![release.tvm(platform), release.ffi(platform)],
                plan: ShimPlan::of(PORTABLE),
                out: out.clone(),
                target: None,
                environment: with_zig(),
            })
            .expect("a shim");
            let elf = succeed(Command::new("readelf").args(["-h", "-d", "-W"]).arg(&out));
            let leaf = out
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            assert!(elf.contains(machine), "{elf}");
            assert!(elf.contains(&format!("Library soname: [{leaf}]")), "{elf}");
            assert!(elf.contains("Shared library: [libtvm_runtime.so]"), "{elf}");
            assert!(elf.contains("Shared library: [libtvm_ffi.so]"), "{elf}");
            assert!(
                !elf.contains("libstdc++") && !elf.contains("libc++"),
                "{elf}"
            );
            assert!(elf.contains("NODELETE"), "{elf}");
            assert!(
                elf.contains("(RUNPATH)") && elf.contains(&made.rpaths.join(":")),
                "{elf}"
            );

            // Every undefined name is defined by the wheel's libraries or glibc.
            let nm = |flag: &str, file: &Path| {
                succeed(Command::new("llvm-nm").args(["-D", flag, "-j"]).arg(file))
            };
            let mut defined = nm(
                "--defined-only",
                &release.tvm(platform).join("lib/libtvm_runtime.so"),
            );
            defined.push_str(&nm(
                "--defined-only",
                &release.ffi(platform).join("lib/libtvm_ffi.so"),
            ));
            let defined: Vec<&str> = defined.lines().collect();
            for symbol in nm("--undefined-only", &out).lines() {
                let from_glibc = symbol.contains("@GLIBC_2.");
                let optional = symbol.starts_with("_ITM_") || symbol == "__gmon_start__";
                assert!(
                    from_glibc || optional || defined.contains(&symbol),
                    "{platform} {release:?}: nobody defines {symbol}"
                );
            }
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn macho_shims_are_signed_and_every_symbol_is_found() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let platform = "macos-arm64";
    for release in RELEASES.iter().copied() {
        let out = dir.path().join(format!("libmended-{}.dylib", release.tvm));
        let made = build(&ShimOptions {
            runtime_paths: vec![release.tvm(platform), release.ffi(platform)],
            plan: ShimPlan::of(ShimPart::ALL),
            out: out.clone(),
            target: Some("arm64-macos".parse().expect("a target")),
            environment: with_zig(),
        })
        .expect("a shim");
        assert!(
            made.guide.contains("DYLD_INSERT_LIBRARIES"),
            "{}",
            made.guide
        );

        let mut command = Command::new(part("venv/tools/bin/python"));
        command.arg(fixture("python/macho_check.py")).arg(&out);
        for name in [
            "libtvm_runtime",
            "libtvm_runtime_metal",
            "libtvm_runtime_extra",
        ] {
            command.arg(release.tvm(platform).join(format!("lib/{name}.dylib")));
        }
        command.arg(release.ffi(platform).join("lib/libtvm_ffi.dylib"));
        // What those of 0.26 import from the system is there for 0.25 too.
        command
            .arg("--system")
            .arg(RELEASES[1].tvm(platform).join("lib/libtvm_runtime.dylib"));
        let seen = succeed(&mut command);
        for wanted in [
            "\"unresolved\": []",
            "\"bad_pages\": 0",
            "\"ad_hoc\": true",
            "\"is_dylib\": true",
            "\"is_arm64\": true",
            "\"has_constructor\": true",
            "\"rpaths\": [\"@loader_path\", \"@loader_path/../../tvm/lib\", \
             \"@loader_path/../../tvm_ffi/lib\"]",
            "\"@rpath/libtvm_ffi.dylib\", \"@rpath/libtvm_runtime.dylib\", \
             \"@rpath/libtvm_runtime_metal.dylib\"",
        ] {
            assert!(seen.contains(wanted), "{release:?}: no {wanted} in {seen}");
        }
        assert!(
            seen.contains(&format!("\"install_name\": \"{}\"", made.install_name)),
            "{seen}"
        );
        assert!(!seen.contains("\"signed_pages\": 0"), "{seen}");
        assert_eq!(seen.matches("\"_TVMDeviceAPI").count(), 19, "{seen}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn without_a_compiler_it_says_what_to_install() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("libshim.so");
    let mut nothing = options(RELEASES[1], &PORTABLE, out.clone());
    nothing.environment = Environment {
        cxx: None,
        zig: None,
        path: Some(dir.path().into()),
    };
    let error = build(&nothing).expect_err("no compiler").to_string();
    assert!(
        error.contains("none of $CXX, clang++, g++, zig was found"),
        "{error}"
    );
    assert!(error.contains("pip install ziglang"), "{error}");

    // A compiler for another machine, and a C++ library other than the runtime's.
    let aarch64 = |environment: Environment, parts: &[ShimPart]| {
        let mut options = options(RELEASES[1], parts, out.clone());
        options.runtime_paths = vec![
            RELEASES[1].tvm("linux-aarch64"),
            RELEASES[1].ffi("linux-aarch64"),
        ];
        options.environment = environment;
        build(&options).expect_err("no compiler").to_string()
    };
    let gcc = Environment {
        cxx: Some("g++".into()),
        zig: None,
        path: None,
    };
    let error = aarch64(gcc, &PORTABLE);
    assert!(
        error.contains("g++: builds for x86_64-linux-gnu only"),
        "{error}"
    );
    let error = aarch64(with_zig(), &[ShimPart::DeviceApi]);
    assert!(error.contains("the runtime uses libstdc++"), "{error}");
    assert!(error.contains("g++-aarch64-linux-gnu"), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path()).expect("the folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Environments and stores of packages are made of links.
#[cfg(unix)]
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_runtime_behind_links_is_found() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let release = RELEASES[1];
    let packages = [release.tvm("linux-x86_64"), release.ffi("linux-x86_64")];
    let at = |path: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        path
    };
    for (name, package) in ["tvm", "tvm_ffi"].into_iter().zip(&packages) {
        symlink(package, at("folders/a").with_file_name(name)).expect("a link");
        symlink(package.join("lib"), at(&format!("libs/{name}/lib"))).expect("a link");
        for file in fs::read_dir(package.join("lib")).expect("libraries") {
            let file = file.expect("an entry");
            symlink(file.path(), at("files/a").with_file_name(file.file_name())).expect("a link");
        }
    }
    // Two names of one folder, a circle, a link to itself and one to nothing.
    symlink(at("folders"), at("several/one")).expect("a link");
    symlink(at("folders"), at("several/two")).expect("a link");
    symlink(at("several"), at("several/up")).expect("a link");
    symlink("self", at("several/self")).expect("a link");
    symlink("nothing", at("several/none")).expect("a link");
    symlink(at("several"), at("root")).expect("a link");
    for layout in ["folders", "libs", "files", "several", "root"] {
        let out = at(&format!("out/{layout}.so"));
        let mut options = options(release, &PORTABLE, out.clone());
        options.runtime_paths = vec![at(layout)];
        build(&options).unwrap_or_else(|error| panic!("{layout}: {error}"));
        assert!(out.is_file(), "{layout}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn wrong_input_is_refused_in_words() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("libshim.so");
    let good = options(RELEASES[1], &PORTABLE, out.clone());
    let refuse = |change: &dyn Fn(&mut ShimOptions)| {
        let mut options = good.clone();
        change(&mut options);
        build(&options).expect_err("refused")
    };
    let error = refuse(&|o| o.plan = ShimPlan::default());
    assert!(matches!(error, ShimError::NoParts), "{error}");
    let error = refuse(&|o| o.runtime_paths = vec![dir.path().to_owned()]);
    assert!(
        error.to_string().contains("found no libtvm_runtime"),
        "{error}"
    );
    let windows = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(windows.path().join("tvm_runtime.dll"), b"MZ").expect("written");
    let error = refuse(&|o| o.runtime_paths = vec![windows.path().to_owned()]);
    assert!(
        error.to_string().contains("a runtime for Windows"),
        "{error}"
    );
    let error = refuse(&|o| o.target = Some("arm64-macos".parse().expect("a target")));
    assert!(matches!(error, ShimError::WrongTarget { .. }), "{error}");
    let error = refuse(&|o| {
        o.runtime_paths = vec![RELEASES[0].site_packages(), RELEASES[1].site_packages()]
    });
    assert!(
        matches!(error, ShimError::SeveralLibraries { .. }),
        "{error}"
    );
    let text = dir.path().join("libtvm_runtime.so");
    fs::write(&text, "no library").expect("a file");
    let error = refuse(&|o| o.runtime_paths = vec![text.clone()]);
    assert!(matches!(error, ShimError::BadLibrary { .. }), "{error}");
    assert!(!out.exists());
    assert!("cache".parse::<ShimPart>().is_err());
}
