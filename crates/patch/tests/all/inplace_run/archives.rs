//! System libraries in archives: what is changed links with its siblings, and runs.

use super::*;

/// The objects of a system library, linked into a shared one.
fn linked(bench: &Bench, name: &str, archive: &[u8]) -> PathBuf {
    let folder = bench.0.path().join(format!("{name}-objects"));
    unpack(archive, &folder);
    let library = bench.0.path().join(format!("{name}.so"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-o"]).arg(&library);
    for object in std::fs::read_dir(&folder).expect("the objects") {
        cc.arg(object.expect("an object").path());
    }
    let done = common::output(&mut cc);
    assert!(done.status.success(), "{done:?}");
    library
}

/// An archive of objects, as a release compiles it.
fn compiled(bench: &Bench, release: &Release, model: &str, target: &str) -> Vec<u8> {
    let archive = bench.0.path().join(format!("{model}-{target}.tar"));
    let mut compiler = Command::new(release.python());
    compiler
        .arg(corpus::artifact("../build/compile_one.py"))
        .args([model, "float32", target, "lean"])
        .arg(&archive)
        .arg("unused");
    let done = common::output(&mut compiler);
    assert!(done.status.success(), "{done:?}");
    std::fs::read(&archive).expect("the archive")
}

/// What the rules say of an archive on a release.
fn codes(archive: &[u8], release: &str) -> Vec<&'static str> {
    let options = ScanOptions {
        runtimes: vec![GivenRuntime {
            profile: corpus::release(release),
            load_set: None,
        }],
        ..ScanOptions::default()
    };
    let found = scan::scan_bytes("library.tar", archive, &options).findings;
    found.iter().map(|finding| finding.rule.code).collect()
}

/// The objects of a web library say what they define in a table of their own.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_system_library_for_the_web_is_taken_together_and_changed() {
    let bench = Bench::new();
    let original = compiled(&bench, &RELEASES[1], "dense", "webgpu-objects");
    let found = codes(&original, "tvm-0.26");
    assert!(
        found.contains(&"AC106") && !found.contains(&"AC103"),
        "{found:?}"
    );
    let old = retag::plan(&original, &RetagOptions::to(Tag::Tir)).expect("a plan");
    let old = corpus::carried_out(&original, &old);
    let options = ConvertOptions {
        partial: true,
        ..ConvertOptions::default()
    };
    let plan = convert::plan(&old, &corpus::release("tvm-0.26"), &options).expect("a plan");
    // Nothing native loads `webgpu`; that is all there is to say.
    assert!(plan.notes.iter().any(|note| note.contains("AC106")));
    assert!(!plan.notes.iter().any(|note| note.contains("AC103")));
    let new = corpus::carried_out(&old, &plan);
    let linked = |name: &str, archive: &[u8]| {
        let folder = bench.0.path().join(name);
        unpack(archive, &folder);
        let mut linker = Command::new(common::part("venv/tools/bin/python"));
        linker
            .current_dir(&folder)
            .args(["-m", "ziglang", "wasm-ld", "-s", "-o", "linked.wasm"]);
        linker.args([
            "--no-entry",
            "--allow-undefined",
            "--export=__wasm_call_ctors",
        ]);
        let entries = std::fs::read_dir(&folder).expect("the objects");
        let mut objects: Vec<_> = entries
            .map(|entry| entry.expect("an object").file_name())
            .filter(|name| name.to_string_lossy().ends_with(".o"))
            .collect();
        objects.sort();
        linker.args(objects);
        let done = common::output(&mut linker);
        assert!(done.status.success(), "{done:?}");
        std::fs::read(folder.join("linked.wasm")).expect("what was linked")
    };
    let of_old = linked("old", &old);
    assert!(linked("new", &new) == linked("original", &original));
    assert!(of_old != linked("original", &original));
}

fn unpack(archive: &[u8], folder: &Path) {
    tar::Archive::new(flate2::read::GzDecoder::new(archive))
        .unpack(folder)
        .expect("an archive");
}

/// An archive for a phone differs in the processor alone: what `convert` writes links
/// with its siblings and runs.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_converted_system_library_links_and_runs() {
    let bench = Bench::new();
    let release = &RELEASES[1];
    let original = compiled(&bench, release, "dense", "system-x86_64");
    let old = retag::plan(&original, &RetagOptions::to(Tag::Tir)).expect("a plan");
    let old = old
        .apply_to(&original)
        .expect("the archive with the old tag");
    let run = |name: &str, bytes: &[u8]| {
        let library = linked(&bench, name, bytes);
        let mut command = Command::new(release.python());
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run_system_lib.py"))
            .arg(corpus::artifact("../../corpus"))
            .arg("artcheck_dense_");
        steps_of(command, &library)
    };
    let wanted = run("original", &original).logits();
    run("old", &old).failed_at("cache", "Cannot reach here");
    let options = ConvertOptions::default();
    let plan = convert::plan(&old, &corpus::release("tvm-0.26"), &options).expect("a plan");
    let converted = bench.file("converted.tar", &old);
    assert!(
        apply(&converted, &plan, &IN_PLACE)
            .expect("a change")
            .written
    );
    let converted = std::fs::read(&converted).expect("the archive");
    assert!(run("converted", &converted).logits() == wanted);
}
