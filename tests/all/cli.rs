//! The command line as a user meets it: exit status, formats, wrong usage.

use crate::support::{self, root, run, scan};
use serde_json::Value;

const HEALTHY: &str = "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so";

fn status<const N: usize>(args: [&str; N]) -> i32 {
    run(args).status.code().expect("artcheck exits by itself")
}

/// What a file of `tests/cli` cannot say: a device, a file made here, and what each
/// system says in its own words.
#[test]
fn exit_status_says_what_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    assert_eq!(status(["scan", "no/such/path"]), 2);
    // What a device that was named holds is not known.
    #[cfg(unix)]
    assert_eq!(status(["scan", "/dev/null"]), 4);
    std::fs::write(
        folder.path().join("odd.so"),
        b"neither a library nor a page",
    )
    .expect("written");
    assert_eq!(status(["scan", path]), 4);
    assert_ne!(status(["scan", path, "--allow-undecided"]), 4);
}

#[test]
fn machine_formats_leave_standard_output_to_the_report() {
    let output = run(["scan", "corpus", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(report["schema"], "artcheck/json-v1");
    assert!(
        report["artifacts"]
            .as_array()
            .is_some_and(|all| all.len() >= 80)
    );
}

#[test]
fn one_bad_file_does_not_end_a_scan() {
    let (report, _) = scan(["corpus/artifacts"]);
    let roles: Vec<&str> = report["artifacts"]
        .as_array()
        .expect("artifacts")
        .iter()
        .filter_map(|artifact| artifact["role"].as_str())
        .collect();
    assert!(roles.contains(&"unreadable"));
    assert!(
        roles
            .iter()
            .filter(|role| **role == "model-library")
            .count()
            >= 70
    );
    assert!(support::rules(&report, &["error"]).contains(&"AC001".to_owned()));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_saved_profile_gives_the_same_verdict_as_the_runtime() {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("runtime.json");
    let profile = profile.to_str().expect("a path");
    let venv = support::venv("tvm-0.26");
    let venv = venv.to_str().expect("a path");
    assert_eq!(status(["runtime", venv, "--save", profile]), 0);
    let verdict = |runtime: &str| {
        let (report, _) = scan([HEALTHY, "--runtime", runtime]);
        (
            report["verdicts"][0]["status"].clone(),
            report["verdicts"][0]["rules"].clone(),
        )
    };
    assert_eq!(verdict(profile), verdict(venv));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wheel_is_a_runtime() {
    let wheels = support::part("wheels");
    let wheel = std::fs::read_dir(&wheels)
        .expect("the wheels")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| {
            let name = path.to_string_lossy();
            name.contains("apache_tvm-0.26")
                && name.contains("x86_64")
                && name.contains("manylinux")
        })
        .expect("run python3 tools/parts.py");
    let (report, code) = scan([HEALTHY.as_ref(), "--runtime".as_ref(), wheel.as_os_str()]);
    assert_eq!(code, 1, "{:#}", report["findings"]);
    assert_eq!(support::rules(&report, &["error"]), ["AC105"]);
}

#[test]
fn every_rule_explains_itself() {
    let listed = String::from_utf8(run(["rules"]).stdout).expect("text");
    assert!(listed.lines().count() >= 18);
    for line in listed.lines() {
        let code = line.split_whitespace().next().expect("a code");
        let page = run(["explain", code]);
        assert!(page.status.success() && page.stdout.len() > 600, "{code}");
    }
}

#[test]
fn listings_and_statistics_are_tvms_own() {
    // The whole corpus is compared in the decoder's tests; here the commands.
    let text = |args: [&str; 3]| String::from_utf8(run(args).stdout).expect("text");
    let oracle =
        std::fs::read_to_string(root().join(format!("{HEALTHY}.oracle.json"))).expect("the oracle");
    let oracle: Value = serde_json::from_str(&oracle).expect("JSON");
    let as_text = oracle["as_text"].as_str().expect("the listing's file");
    let listing = std::fs::read_to_string(root().join("corpus/artifacts/tvm-0.27").join(as_text))
        .or_else(|_| std::fs::read_to_string(root().join("corpus/artifacts").join(as_text)))
        .expect("the listing");
    assert_eq!(text(["dump", "--asm", HEALTHY]), listing);
    assert!(text(["dump", "--stats", HEALTHY]).starts_with("Relax VM executable statistics:"));
    let metadata: Value =
        serde_json::from_str(&text(["dump", "--metadata", HEALTHY])).expect("JSON");
    assert_eq!(metadata["kv_state_kind"], "kv_cache");
}

/// The table of the documentation says of each rule what the program says.
#[test]
fn the_table_of_rules_is_the_programs_own() {
    let listed = run(["rules", "--format", "json"]).stdout;
    let listed: Value = serde_json::from_slice(&listed).expect("JSON");
    let rules = listed["rules"].as_array().expect("a list");
    let lines = rules.iter().map(|rule| {
        let word = |key: &str| rule[key].as_str().expect("a text");
        format!(
            "| {} | {} | {} |\n",
            word("code"),
            word("name"),
            word("summary")
        )
    });
    let table = format!(
        "| code | name | what it sees |\n|---|---|---|\n{}",
        lines.collect::<String>()
    );
    let file = root().join("docs/rules.md");
    let text = std::fs::read_to_string(&file).expect("docs/rules.md");
    if std::env::var_os("BLESS").is_some() {
        let (head, _) = text.split_once("| code |").expect("a table");
        std::fs::write(&file, format!("{head}{table}")).expect("written");
        return;
    }
    assert!(text.ends_with(&table), "BLESS=1 writes the table:\n{table}");
}

/// No error tells its cause twice.
#[test]
fn errors_tell_each_cause_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let copy = path("m.so");
    std::fs::copy(root().join(HEALTHY), &copy).expect("copied");
    std::fs::write(path("broken.toml"), "rows = [").expect("written");
    std::fs::write(path("broken.json"), "{").expect("written");
    std::fs::create_dir(path("empty")).expect("made");
    let (missing, toml, json) = (path("none"), path("broken.toml"), path("broken.json"));
    let commands: [&[&str]; 34] = [
        &["scan", &missing],
        &["scan", &copy, "-r", &missing],
        &["scan", &copy, "-r", &json],
        &["scan", &copy, "--config", &toml],
        &["scan", &copy, "--config", &missing],
        &["scan", &copy, "--baseline", &missing],
        &["scan", &copy, "--baseline", &json],
        &["scan", &copy, "--with", &missing],
        &["scan", &copy, "-o", &path("no/folder.json")],
        &["matrix", &missing],
        &["dump", &missing],
        &["dump", &json],
        &["diff", &copy, &missing],
        &["merge", &missing],
        &["merge", &json],
        &["verify", &missing],
        &["verify", &toml],
        &["unpatch", &copy],
        &["unpatch", &missing],
        &["patch", "source", "--tvm", &missing],
        &["patch", "retag", &missing, "--to", "tirx"],
        &["runtime", &missing],
        &["runtime", &copy, "--save", &path("no/folder.json")],
        &["explain", &missing],
        &["explain", &path("none.log")],
        &["init", &missing],
        &["init", "--verify", &path("empty")],
        &["fix", &missing, "-r", "tvm-0.27"],
        &["fix", &copy, "-r", &missing],
        &["patch", "convert", &missing, "--for", "tvm-0.27"],
        &["patch", "sign", &missing],
        &["patch", "align", &json],
        &["patch", "model-lib", &json, "--from", "a", "--to", "b"],
        &[
            "patch",
            "shim",
            "-r",
            &missing,
            "--for",
            &copy,
            "-o",
            &path("shim.so"),
        ],
    ];
    for command in commands {
        let output = run(command);
        let status = output.status.code();
        // A JSON file is nothing to look into.
        assert!(matches!(status, Some(2 | 3)), "{command:?}: {output:?}");
        let text = String::from_utf8(output.stderr).expect("text");
        let mut parts: Vec<&str> = text
            .trim()
            .split(": ")
            .filter(|part| part.len() > 7)
            .collect();
        let all = parts.len();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), all, "{command:?}: {text}");
        assert!(text.matches(&missing).count() < 2, "{command:?}: {text}");
    }
}

#[test]
fn every_spelling_of_a_release_is_one_runtime() {
    let verdict = |runtime: &str| {
        let (report, _) = scan([HEALTHY, "--runtime", runtime]);
        let verdicts = report["verdicts"].as_array().expect("a list").clone();
        let names = verdicts
            .iter()
            .map(|verdict| verdict["runtime"].as_str().expect("a name").to_owned());
        names.collect::<Vec<_>>()
    };
    for spelling in [
        "0.26",
        "tvm-0.26",
        "TVM-0.26",
        "tvm0.26",
        "v0.26.0",
        "apache-tvm==0.26.0",
    ] {
        assert_eq!(verdict(spelling), ["tvm-0.26"], "{spelling}");
    }
    assert_eq!(verdict("0.25,tvm-0.27"), ["tvm-0.25", "tvm-0.27"]);
    for other in ["0.26.9", "0.28", "tvm"] {
        assert_eq!(status(["scan", HEALTHY, "--runtime", other]), 2, "{other}");
    }
    // A folder of that name is another runtime only with `./`.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("tvm-0.26")).expect("made");
    let in_folder = |runtime: &str| {
        let mut command = support::artcheck();
        command
            .current_dir(&folder)
            .arg("scan")
            .arg(root().join(HEALTHY));
        command
            .args(["--runtime", runtime])
            .output()
            .expect("artcheck starts")
            .status
            .code()
    };
    assert_eq!(in_folder("tvm-0.26"), Some(1));
    assert_eq!(in_folder("./tvm-0.26"), Some(2));
}

#[test]
fn the_suffix_of_a_report_says_its_format() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.sarif");
    let name = file.to_str().expect("UTF-8");
    let output = run(["scan", HEALTHY, "-r", "0.27", "-o", name]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("wrote"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("It fits tvm-0.27."));
    let log: Value = serde_json::from_slice(&std::fs::read(&file).expect("written")).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(status(["scan", HEALTHY, "--format", "json", "-o", name]), 2);
    // What is not written is not written under that name.
    let pdf = folder.path().join("report.pdf");
    let output = run(["scan", HEALTHY, "-o", pdf.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no report is a PDF"));
    assert!(!pdf.exists());
}

#[test]
fn a_hook_passes_over_files_of_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("libother.a");
    std::fs::write(&file, "!<arch>\n").expect("written");
    let name = file.to_str().expect("UTF-8");
    assert_eq!(status(["scan", name]), 3);
    assert_eq!(status(["scan", name, "--allow-nothing"]), 0);
    // One path that is not there does not take the results of the others.
    let output = run(["scan", HEALTHY, "no-such.so", "-r", "0.27"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("It fits tvm-0.27."));
}

/// What would stop a repair halfway is said before anything is written.
#[test]
fn fix_refuses_before_it_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = root().join("corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    for name in ["a.so", "b.so"] {
        std::fs::copy(&source, folder.path().join(name)).expect("copied");
    }
    let fix = |args: &[&str]| {
        let mut command = support::artcheck();
        command
            .current_dir(&folder)
            .args(["fix", ".", "-r", "0.27"])
            .args(args);
        command.output().expect("artcheck starts")
    };
    let output = fix(&["--apply", "--out", "one.so"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!folder.path().join("one.so").exists());
    let plan = String::from_utf8(fix(&[]).stdout).expect("text");
    assert!(
        plan.ends_with("nothing is written yet: add --apply\n"),
        "{plan}"
    );
    let done = String::from_utf8(fix(&["--apply"]).stdout).expect("text");
    assert!(
        done.contains("undo with `artcheck unpatch ./a.so`"),
        "{done}"
    );
}

/// Help is read on one screen of 80 columns, and shows how the command is typed.
#[test]
fn every_help_is_a_screen_and_has_an_example() {
    let help = |args: &[&str]| {
        let mut command = support::artcheck();
        let output = command
            .args(args)
            .arg("--help")
            .env("COLUMNS", "80")
            .output();
        String::from_utf8(output.expect("artcheck starts").stdout).expect("text")
    };
    let names = |text: &str| -> Vec<String> {
        let Some((_, commands)) = text.split_once("Commands:\n") else {
            return Vec::new();
        };
        let commands = commands.lines().take_while(|line| line.starts_with("  "));
        // A description may go on in a line of its own.
        let commands = commands.filter(|line| !line.starts_with("   "));
        let names = commands.filter_map(|line| line.split_whitespace().next());
        names
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    all.extend(names(&help(&[])).into_iter().map(|name| vec![name]));
    let ways = names(&help(&["patch"]));
    all.extend(ways.into_iter().map(|name| vec!["patch".to_owned(), name]));
    assert!(all.len() > 20, "{all:?}");
    for name in all {
        let words: Vec<&str> = name.iter().map(String::as_str).collect();
        let text = help(&words);
        assert!(text.contains("Example"), "{name:?}: {text}");
        assert!(
            text.lines().count() <= SCREEN && text.lines().all(|line| line.chars().count() <= 80),
            "{name:?}: {} lines\n{text}",
            text.lines().count()
        );
    }
}

/// Lines of a screen.
const SCREEN: usize = 36;
