//! `patch shim` on stock runtimes: models that failed run, clients link.

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use artcheck_patch::shim::{Environment, ShimError, ShimOptions, ShimPart, ShimPlan, build};
use common::{RELEASES, Release, blob, fixture, output, part, succeed};

const PORTABLE: [ShimPart; 3] = [
    ShimPart::AttentionTag,
    ShimPart::CacheConfig,
    ShimPart::ContextSlots,
];

fn native() -> Environment {
    Environment {
        cxx: None,
        ..Environment::of_process()
    }
}

fn with_zig() -> Environment {
    Environment {
        cxx: Some(common::zig().join(" ")),
        path: None,
    }
}

fn options(release: Release, parts: &[ShimPart], out: PathBuf) -> ShimOptions {
    ShimOptions {
        runtime_paths: vec![release.site_packages()],
        plan: ShimPlan::of(parts.iter().copied()),
        out,
        target: None,
        environment: native(),
    }
}

/// The portable shim of each release, built once.
fn shim(release: Release) -> PathBuf {
    static SHIMS: OnceLock<(tempfile::TempDir, Vec<PathBuf>)> = OnceLock::new();
    let (_, shims) = SHIMS.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let build_one = |release: &Release| {
            let out = dir.path().join(format!("libshim-{}.so", release.tvm));
            build(&options(*release, &PORTABLE, out))
                .expect("a shim")
                .library
        };
        let shims = RELEASES.iter().map(build_one).collect();
        (dir, shims)
    });
    let at = RELEASES
        .iter()
        .position(|known| known.tvm == release.tvm)
        .expect("a known release");
    shims[at].clone()
}

fn artifact(built_by: Release, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts");
    root.join(format!("tvm-{}/{name}", built_by.tvm))
}

/// What a run of a model came to.
#[derive(Debug)]
struct Run {
    signal: Option<i32>,
    success: bool,
    last_line: String,
    logits: Option<Vec<u8>>,
}

/// Runs a model on a stock runtime in a child process, with or without a shim.
fn run_model(runtime: Release, library: &Path, shim: Option<&Path>) -> Run {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let logits = scratch.path().join("logits.npy");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/build/run_pair.py");
    let mut command = Command::new(runtime.python());
    command
        .arg(script)
        .arg(library)
        .arg("--logits")
        .arg(&logits)
        .env("OMP_NUM_THREADS", "1");
    if let Some(shim) = shim {
        // Named in full, so that a shim built elsewhere meets this runtime.
        let packages = runtime.site_packages();
        let folders = [packages.join("tvm/lib"), packages.join("tvm_ffi/lib")];
        command.env("LD_PRELOAD", shim);
        command.env(
            "LD_LIBRARY_PATH",
            std::env::join_paths(folders).expect("a path list"),
        );
    }
    let output = output(&mut command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Run {
        signal: output.status.signal(),
        success: output.status.success(),
        last_line: text.lines().last().unwrap_or_default().to_owned(),
        logits: fs::read(logits).ok(),
    }
}

/// The stock result: the library on the runtime of its own release.
fn reference(built_by: Release, name: &str) -> Run {
    let run = run_model(built_by, &artifact(built_by, name), None);
    assert!(
        run.success && run.last_line.contains("\"decode\""),
        "{name}: {run:?}"
    );
    run
}

/// What fails without a shim: pairs of other host code (a silent crash), and a
/// config of six elements on a runtime that takes five.
fn fails_without(built_by: Release, runtime: Release, run: &Run) {
    match (built_by.tvm, runtime.tvm) {
        ("0.25", "0.26" | "0.27") | ("0.26", "0.25") => {
            assert_eq!(
                run.signal,
                Some(11),
                "expected a segmentation fault: {run:?}"
            );
        }
        ("0.27", _) => assert!(run.last_line.contains("(6 vs. 5)"), "{run:?}"),
        pair => panic!("{pair:?} was not expected to fail"),
    }
}

#[test]
fn every_pair_of_releases_runs_with_the_shim() {
    for built_by in RELEASES {
        let name = "dense-ext-cpu-x86_64.so";
        let expected = reference(built_by, name);
        for runtime in RELEASES {
            let library = artifact(built_by, name);
            let stock_works =
                built_by.tvm == runtime.tvm || (built_by.tvm, runtime.tvm) == ("0.26", "0.27");
            if !stock_works {
                fails_without(built_by, runtime, &run_model(runtime, &library, None));
            }
            let run = run_model(runtime, &library, Some(&shim(runtime)));
            assert!(run.success, "{built_by:?} on {runtime:?}: {run:?}");
            assert_eq!(run.logits, expected.logits, "{built_by:?} on {runtime:?}");
            assert_eq!(run.last_line, expected.last_line);
        }
    }
}

#[test]
fn tir_libraries_run_with_the_shim_and_give_equal_numbers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["dense-cpu-x86_64.so", "hybrid-cpu-x86_64.so"] {
        for built_by in RELEASES {
            let expected = reference(built_by, name);
            let original = fs::read(artifact(built_by, name)).expect("the artifact");
            let library = dir.path().join(format!("{}-tir-{name}", built_by.tvm));
            fs::write(&library, blob::with_tag_tir(&original)).expect("a file");
            let before = run_model(built_by, &library, None);
            assert!(
                before.last_line.contains("Cannot reach here"),
                "{name}: {before:?}"
            );
            for runtime in RELEASES {
                let run = run_model(runtime, &library, Some(&shim(runtime)));
                assert!(run.success, "{name} {built_by:?} on {runtime:?}: {run:?}");
                assert_eq!(
                    run.logits, expected.logits,
                    "{name} {built_by:?} on {runtime:?}"
                );
            }
        }
    }
}

#[test]
fn one_shim_built_against_0_26_serves_the_others() {
    let name = "dense-ext-cpu-x86_64.so";
    let shim = shim(RELEASES[1]);
    for (built_by, runtime) in [
        (RELEASES[0], RELEASES[2]),
        (RELEASES[2], RELEASES[0]),
        (RELEASES[1], RELEASES[0]),
    ] {
        let run = run_model(runtime, &artifact(built_by, name), Some(&shim));
        assert!(run.success, "{built_by:?} on {runtime:?}: {run:?}");
        assert_eq!(run.logits, reference(built_by, name).logits);
    }
}

/// One case of `constructor.py`, as text.
fn constructor(release: Release, case: &str, shims: &[&Path]) -> String {
    let script = fixture("python/constructor.py");
    succeed(
        Command::new(release.python())
            .arg(script)
            .arg(case)
            .args(shims),
    )
}

#[test]
fn two_shims_wrap_the_constructor_once() {
    for release in RELEASES {
        let first = shim(release);
        let second = first.with_extension("copy.so");
        fs::copy(&first, &second).expect("a copy");
        let seen = constructor(release, "twice", &[&first, &second]);
        assert!(
            seen.contains("\"wrapped\": true, \"again\": false"),
            "{seen}"
        );
        assert!(
            seen.contains("\"tir\": \"PagedAttentionKVCache\""),
            "{seen}"
        );
        assert!(
            seen.contains("\"tirx\": \"PagedAttentionKVCache\""),
            "{seen}"
        );
        assert!(
            seen.contains("\"other\": \"error: Cannot reach here\""),
            "{seen}"
        );
    }
}

#[test]
fn the_old_lookup_has_its_c_name_and_finds_the_same() {
    for release in RELEASES {
        let seen = constructor(
            release,
            "c-name",
            &[&shim(release), &artifact(release, "extcall-cpu-x86_64.so")],
        );
        assert!(
            seen.contains("\"status\": [0, 0], \"same\": true"),
            "{release:?}: {seen}"
        );
    }
}

#[test]
fn it_may_be_loaded_before_the_runtime() {
    for release in RELEASES {
        let seen = constructor(release, "before", &[&shim(release)]);
        assert!(
            seen.contains("\"tir\": \"PagedAttentionKVCache\""),
            "{seen}"
        );
        assert!(
            seen.contains("\"attention-tag\": \"translates tir to tirx\""),
            "{seen}"
        );
    }
}

#[test]
fn layers_with_a_window_of_their_own_are_refused_below_0_27() {
    for release in RELEASES {
        let seen = constructor(release, "sliding", &[&shim(release)]);
        assert!(
            seen.contains("\"plain\": \"PagedAttentionKVCache\""),
            "{seen}"
        );
        if release.tvm == "0.27" {
            assert!(
                seen.contains("\"sliding\": \"PagedAttentionKVCache\""),
                "{seen}"
            );
            assert!(seen.contains("\"cache-config\": \"nothing to do"), "{seen}");
        } else {
            assert!(
                seen.contains("layer 0 has a sliding window of its own (size 512"),
                "{seen}"
            );
            assert!(
                seen.contains("\"cache-config\": \"shortens 6 config elements to 5\""),
                "{seen}"
            );
        }
    }
}

#[test]
fn a_runtime_is_asked_and_left_alone_if_it_takes_both_tags() {
    // No stock Linux runtime takes `tir`, so functions of the test stand in.
    let dir = tempfile::tempdir().expect("a temporary folder");
    let release = RELEASES[1];
    let out = dir.path().join("libtag.so");
    let tag = build(&options(release, &[ShimPart::AttentionTag], out))
        .expect("a shim")
        .library;
    let seen = constructor(release, "both-tags", &[&tag]);
    assert!(seen.contains("\"wrapped\": false"), "{seen}");
    assert!(
        seen.contains("nothing to do: this runtime accepts both tags"),
        "{seen}"
    );
    let seen = constructor(release, "only-tir", &[&tag]);
    assert!(seen.contains("\"wrapped\": true"), "{seen}");
    assert!(
        seen.contains("\"tirx\": \"error: Cannot reach here\"}"),
        "{seen}"
    );
    assert!(
        seen.contains("\"attention-tag\": \"translates tirx to tir\""),
        "{seen}"
    );
    assert_eq!(
        seen.matches("\"tirx\": \"PagedAttentionKVCache\"").count(),
        1,
        "{seen}"
    );
}

#[test]
fn metal_payloads_reach_the_loader_in_its_own_order() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for release in RELEASES {
        let out = dir.path().join(format!("libmetal-{}.so", release.tvm));
        let shim = build(&options(release, &[ShimPart::MetalPayload], out)).expect("a shim");
        let library = artifact(RELEASES[1], "dense-metal-linux-x86_64.so");
        for (order, when) in [("since", "early"), ("before", "early"), ("before", "late")] {
            let mut command = Command::new(release.python());
            command.arg(fixture("python/metal_payload.py"));
            let seen = succeed(command.arg(&shim.library).arg(&library).args([order, when]));
            assert!(seen.starts_with("ok "), "{seen}");
        }
    }
}

#[test]
fn c_and_rust_clients_move_data_on_every_runtime() {
    for release in RELEASES {
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

#[test]
fn elf_shims_name_themselves_and_their_needs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (platform, machine) in [("linux-x86_64", "X86-64"), ("linux-aarch64", "AArch64")] {
        for release in RELEASES {
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
fn macho_shims_are_signed_and_every_symbol_is_found() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let platform = "macos-arm64";
    for release in RELEASES {
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
fn without_a_compiler_it_says_what_to_install() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("libshim.so");
    let mut nothing = options(RELEASES[1], &PORTABLE, out.clone());
    nothing.environment = Environment {
        cxx: None,
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

#[test]
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
