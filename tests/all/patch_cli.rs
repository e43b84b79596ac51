//! `patch`, `unpatch` and `fix` as a user runs them; what they do to a file is
//! tested in the patch crate.

use std::path::Path;
use std::process::Command;

use crate::support::{self, artcheck, root, scan, text, venv};

const TIR: &str = "corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so";

fn verdict(file: &Path, runtime: &str) -> String {
    let (report, _) = scan([
        file.as_os_str(),
        "--runtime".as_ref(),
        venv(runtime).as_os_str(),
    ]);
    report["verdicts"][0]["status"]
        .as_str()
        .expect("a status")
        .to_owned()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn retag_mends_and_unpatch_restores() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.so");
    std::fs::copy(root().join(TIR), &file).expect("copied");
    let before = std::fs::read(&file).expect("read");
    assert_eq!(verdict(&file, "tvm-0.26"), "breaks");

    let (plan, code) = text(
        artcheck()
            .args(["patch", "retag"])
            .arg(&file)
            .args(["--to", "tirx"]),
    );
    assert_eq!(code, 0, "{plan}");
    assert!(plan.contains("nothing written"), "{plan}");
    assert_eq!(std::fs::read(&file).expect("read"), before);

    let (done, code) =
        text(
            artcheck()
                .args(["patch", "retag"])
                .arg(&file)
                .args(["--to", "tirx", "--in-place"]),
        );
    assert_eq!(code, 0, "{done}");
    assert_eq!(verdict(&file, "tvm-0.26"), "fits");
    let changed = std::fs::read(&file).expect("read");
    assert_eq!(changed.len(), before.len());

    let (again, code) =
        text(
            artcheck()
                .args(["patch", "retag"])
                .arg(&file)
                .args(["--to", "tirx", "--in-place"]),
        );
    assert_eq!(code, 0, "{again}");
    assert_eq!(std::fs::read(&file).expect("read"), changed);

    let patched = std::fs::read(&file).expect("read");
    std::fs::write(&file, [&patched[..], b"more"].concat()).expect("written");
    let (undone, code) = text(artcheck().arg("unpatch").arg(&file));
    assert_eq!(code, 2, "{undone}");
    assert!(
        undone.contains("was changed after it was patched"),
        "{undone}"
    );
    std::fs::write(&file, patched).expect("written");
    let (undone, code) = text(artcheck().arg("unpatch").arg(&file));
    assert_eq!(code, 0, "{undone}");
    assert!(undone.contains("its receipt is removed"), "{undone}");
    assert_eq!(std::fs::read(&file).expect("read"), before);
    let (none, code) = text(artcheck().arg("unpatch").arg(&file));
    assert_eq!(code, 2, "{none}");
    assert!(none.contains("no receipt beside it"), "{none}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_a_program_needs_here_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let (built, app) = (folder.path().join("built"), folder.path().join("app"));
    std::fs::create_dir(&built).expect("a folder");
    std::fs::create_dir(&app).expect("a folder");
    let source = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        file
    };
    let library = source("dep.c", "int TVMFFIDep(void) { return 0; }\n");
    let main = source(
        "main.c",
        "int TVMFFIDep(void); int main(void) { return TVMFFIDep(); }\n",
    );
    let link = |arguments: &mut Command| assert!(arguments.status().expect("gcc").success());
    let (dep, program) = (built.join("libdep.so"), app.join("main"));
    link(
        Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&dep)
            .arg(library),
    );
    let run_path = format!("-Wl,-rpath,{}:/nowhere/that/is/there", built.display());
    let mut linked = Command::new("cc");
    let linked = linked.arg("-o").arg(&program).arg(main).arg(run_path);
    link(linked.arg("-L").arg(&built).arg("-ldep"));
    let runs = || {
        Command::new(&program)
            .status()
            .expect("it starts")
            .success()
    };
    assert!(runs());
    let (told, code) = patch(&["relocate", "--in-place"], &program);
    assert_eq!(code, 0, "{told}");
    let stays = format!(
        "run path {} stays: on this machine libdep.so is in it",
        built.display()
    );
    assert!(told.contains(&stays), "{told}");
    assert!(runs(), "{told}");
    let (told, code) = text(artcheck().arg("unpatch").arg(&program));
    assert_eq!(code, 0, "{told}");
    std::fs::copy(&dep, app.join("libdep.so")).expect("copied");
    let (told, code) = patch(&["relocate", "--in-place"], &program);
    assert_eq!(code, 0, "{told}");
    std::fs::remove_dir_all(built).expect("removed");
    assert!(runs(), "{told}");
}

#[test]
fn a_way_to_write_without_apply_is_refused() {
    for way in [&["--in-place"][..], &["--out", "never-written.so"]] {
        let mut fix = artcheck();
        let fix = fix.args(["fix", TIR, "--runtime", "tvm-0.26"]).args(way);
        let (told, code) = text(fix);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("need --apply"), "{told}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn convert_makes_a_0_27_model_fit_0_26() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("model.so");
    let source = root().join("corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so");
    assert_eq!(verdict(&source, "tvm-0.26"), "breaks");
    let (done, code) = text(
        artcheck()
            .args(["patch", "convert"])
            .arg(&source)
            .args(["--for", "tvm-0.26", "--out"])
            .arg(&out),
    );
    assert_eq!(code, 0, "{done}");
    assert_eq!(verdict(&out, "tvm-0.26"), "fits");
}

#[test]
fn fix_plans_first_and_refuses_in_plain_words() {
    let (plan, code) = text(
        artcheck()
            .arg("fix")
            .arg(root().join(TIR))
            .args(["--runtime", "tvm-0.26"]),
    );
    assert_eq!(code, 1, "{plan}");
    assert!(plan.contains("AC101"), "{plan}");
    let classic = root().join("corpus/artifacts/tvm-0.27/embedding-cpu-x86_64.so");
    let (refused, code) = text(
        artcheck()
            .arg("fix")
            .arg(classic)
            .args(["--runtime", "tvm-0.20"]),
    );
    assert_eq!(code, 1, "{refused}");
    assert!(refused.contains("AC102"), "{refused}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_is_chosen_from_the_findings_and_makes_the_model_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = folder.path().join("libshim.so");
    let runtime = venv("tvm-0.26");
    let (done, code) = text(
        artcheck()
            .args(["patch", "shim", "--runtime"])
            .arg(&runtime)
            .arg("--for")
            .arg(root().join(TIR))
            .arg("--out")
            .arg(&shim),
    );
    assert_eq!(code, 0, "{done}");
    assert!(
        done.contains("attention-tag") && !done.contains("cache-config: the same wrapper"),
        "{done}"
    );
    let model = |preload: Option<&Path>| {
        let mut python = Command::new(runtime.join("bin/python"));
        if let Some(shim) = preload {
            python.env("LD_PRELOAD", shim);
        }
        python
            .arg(root().join("corpus/build/run_pair.py"))
            .arg(root().join(TIR))
            .args(["--steps", "2"]);
        let output = python.output().expect("the environment's Python starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(model(None).contains("Cannot reach here"));
    let mended = model(Some(&shim));
    assert!(!mended.contains("\"ok\": false"), "{mended}");
    assert!(mended.contains("\"decode\""), "{mended}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn source_patches_are_written_for_the_tree_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let (done, code) = text(
        artcheck()
            .args(["patch", "source", "--tvm"])
            .arg(support::unpacked("tvm-0.27-linux-x86_64"))
            .arg("--out")
            .arg(folder.path()),
    );
    assert_eq!(code, 0, "{done}");
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    let numbers = names.iter().filter_map(|name| name.get(..5));
    assert!(numbers.eq(["0001-", "0002-", "0003-"]), "{names:?}");
}

fn patch(arguments: &[&str], file: &Path) -> (String, i32) {
    text(artcheck().arg("patch").args(arguments).arg(file))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_moved_library_is_relocated_and_unpatched() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("libuse.so");
    let source = folder.path().join("use.c");
    std::fs::write(&source, "int TVMFFIUse(void) { return 8; }\n").expect("a source");
    let built = Command::new("gcc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&file)
        .arg(&source)
        .arg("-Wl,-soname,/home/me/build/libuse.so,-rpath,/home/me/build")
        .status();
    assert!(built.expect("gcc starts").success());
    let before = std::fs::read(&file).expect("read");
    let (found, code) = text(artcheck().arg("scan").arg(&file));
    assert_eq!(code, 0, "{found}");
    for wanted in [
        "warning[AC205]",
        "soname /home/me/build/libuse.so",
        "run path /home/me/build",
        "artcheck patch relocate",
    ] {
        assert!(found.contains(wanted), "no {wanted} in {found}");
    }
    let (plan, code) = patch(&["relocate"], &file);
    assert_eq!(code, 0, "{plan}");
    assert!(
        plan.contains("run path /home/me/build becomes $ORIGIN\n")
            && plan.contains("nothing written"),
        "{plan}"
    );
    let (fixed, code) =
        text(
            artcheck()
                .arg("fix")
                .arg(&file)
                .args(["--runtime", "tvm-0.27", "--apply"]),
        );
    assert_eq!(code, 0, "{fixed}");
    assert!(fixed.contains("change in place (AC205)"), "{fixed}");
    let (clean, _) = text(artcheck().arg("scan").arg(&file));
    assert!(!clean.contains("AC205"), "{clean}");
    let (again, code) = patch(&["relocate", "--in-place"], &file);
    assert_eq!(code, 0, "{again}");
    assert!(again.contains("nothing to change"), "{again}");
    let (undone, code) = text(artcheck().arg("unpatch").arg(&file));
    assert_eq!(code, 0, "{undone}");
    assert_eq!(std::fs::read(&file).expect("read"), before);
}

#[test]
fn sign_and_model_lib_say_what_they_would_do_and_what_they_cannot() {
    let signed = root().join("corpus/artifacts/tvm-0.26/dense-metal-macos-arm64.dylib");
    let (matching, code) = patch(&["sign"], &signed);
    assert_eq!(code, 0, "{matching}");
    assert!(matching.contains("every page hash matches"), "{matching}");
    let (refused, code) = patch(&["sign"], &root().join(TIR));
    assert_eq!(code, 2, "{refused}");
    assert!(
        refused.contains("`patch sign` is for Mach-O files"),
        "{refused}"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("mlc-app-config.json");
    let text_of = |name: &str| format!("{{ \"model_list\": [ {{\"model_lib\": \"{name}\"}} ] }}\n");
    std::fs::write(&config, text_of("old-name")).expect("a file");
    let rename = ["model-lib", "--from", "old-name", "--to", "new_name"];
    let json = [&rename[..], &["--format", "json", "--in-place"]].concat();
    let (report, code) = patch(&json, &config);
    assert_eq!(code, 0, "{report}");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["plan"]["names"][0]["what"], "model-lib");
    let now = std::fs::read_to_string(&config).expect("read");
    assert_eq!(now, text_of("new_name"));
    let absent = ["model-lib", "--from", "other", "--to", "third"];
    let (refused, code) = patch(&absent, &config);
    assert_eq!(code, 2, "{refused}");
    assert!(refused.contains("found new_name"), "{refused}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn fix_repairs_every_file_that_it_can_and_names_the_others_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = root().join("corpus/artifacts");
    for name in [
        "synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so",
        "synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so",
        "tvm-0.25/dense-ext-cpu-x86_64.so",
        "tvm-0.25/extcall-cpu-x86_64.so",
        "synthetic/empty.so",
    ] {
        let leaf = name.rsplit('/').next().expect("a name");
        std::fs::copy(corpus.join(name), folder.path().join(leaf)).expect("copied");
    }
    let shim = folder.path().join("libmend.so");
    let (done, code) = text(
        artcheck()
            .arg("fix")
            .arg(folder.path())
            .arg("--runtime")
            .arg(venv("tvm-0.26"))
            .args(["--apply", "--prove", "--shim-out"])
            .arg(&shim),
    );
    assert_eq!(code, 2, "{done}");
    // The others are proved all the same.
    assert_eq!(done.matches("every function ran").count(), 3, "{done}");
    let tagged = folder.path().join("dense-ext-0.26-tir-tag-cpu-x86_64.so");
    assert_eq!(verdict(&tagged, "tvm-0.26"), "fits");
    assert!(shim.exists(), "{done}");
    assert_eq!(done.matches("How to load it").count(), 1, "{done}");
    assert_eq!(done.matches("nothing was done").count(), 2, "{done}");
    for name in ["empty.so", "dense-ext-0.26-missing-function-cpu-x86_64.so"] {
        let error = format!("{}: nothing was done", folder.path().join(name).display());
        assert!(done.contains(&error), "{done}");
    }
}

#[test]
fn what_needs_no_change_is_copied_to_the_file_that_a_build_goes_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = root().join("corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so");
    let out = folder.path().join("out.so");
    let fix = || {
        let mut command = artcheck();
        command.args(["fix", "--runtime", "tvm-0.27", "--apply", "--out"]);
        text(command.arg(&out).arg(&model))
    };
    let (told, code) = fix();
    assert_eq!(code, 0, "{told}");
    let same = |path: &std::path::Path| std::fs::read(path).expect("read");
    assert_eq!(same(&out), same(&model));
    let (told, code) = fix();
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("the file exists already"), "{told}");
}

#[cfg(unix)]
#[test]
fn errors_name_the_file_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.so");
    std::fs::copy(root().join(TIR), &file).expect("copied");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).expect("read-only");
    let name = file.display().to_string();
    for arguments in [
        &["patch", "retag", "--to", "tirx", "--in-place"][..],
        &["fix", "--runtime", "tvm-0.26", "--apply", "--quiet"],
        &["unpatch"],
    ] {
        let output = artcheck().args(arguments).arg(&file).output();
        let output = output.expect("artcheck starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert_eq!(error.matches(&name).count(), 1, "{error}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_says_what_it_leaves_broken() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, status) = text(
        artcheck()
            .args(["patch", "shim", "--for"])
            .arg("corpus/artifacts/synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so")
            .arg("--runtime")
            .arg(venv("tvm-0.25"))
            .arg("--out")
            .arg(folder.path().join("shim.so")),
    );
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("still an error: AC103"), "{text}");
    assert!(folder.path().join("shim.so").exists());
}
