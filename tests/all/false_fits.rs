//! What must not be called "fits": a runtime that does not load itself, code that names
//! what is not there; and what no command may replace.

use std::path::Path;

use artcheck_inspect::vm::Magic;
use serde_json::Value;

use crate::support::make::{corpus, folder, put};
use crate::support::{artcheck, scan, venv};
use crate::writer;

const EXTCALL: &str = "tvm-0.27/extcall-cpu-x86_64.so";

/// Status and rules of the one verdict, and the exit status.
fn verdict(file: &Path, runtime: &Path) -> (String, Vec<String>, i32) {
    let (report, status) = scan([file.as_os_str(), "-r".as_ref(), runtime.as_os_str()]);
    let verdict = &report["verdicts"][0];
    let rules: Vec<String> = serde_json::from_value(verdict["rules"].clone()).expect("rules");
    let word = verdict["status"].as_str().expect("a status");
    (word.to_owned(), rules, status)
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn nothing_runs_on_a_runtime_that_does_not_load() {
    let library = corpus("tvm-0.25/extcall-cpu-x86_64.so");
    let (word, rules, status) = verdict(&library, &venv("tvm-0.25"));
    assert_eq!((word.as_str(), rules.len(), status), ("fits", 0, 0));
    let broken = venv("tvm-0.25-newest-ffi");
    let (word, rules, status) = verdict(&library, &broken);
    assert_eq!((word.as_str(), status), ("breaks", 1));
    assert_eq!(rules, ["AC204"]);
    // There is nothing to repair in the library, and that is no success.
    let fix = artcheck()
        .arg("fix")
        .arg(&library)
        .arg("-r")
        .arg(&broken)
        .output();
    let fix = fix.expect("artcheck starts");
    assert_eq!(fix.status.code(), Some(1));
    let said = String::from_utf8_lossy(&fix.stdout);
    assert!(said.contains("cannot be fixed: AC204"), "{said}");
}

#[test]
fn code_that_names_what_is_not_there_is_damage() {
    let sound = std::fs::read(corpus(EXTCALL)).expect("the corpus");
    let folder = folder();
    // TVM 0.27 ends with: instr.func_idx < func_pool_.size() (35 vs. 15).
    let mut damaged = sound.clone();
    damaged[0x1488] ^= 1 << 5;
    let file = put(&folder, "damaged.so", damaged);
    let (word, rules, _) = verdict(&file, Path::new("tvm-0.27"));
    assert_eq!((word.as_str(), rules), ("breaks", vec!["AC102".to_owned()]));
    let (word, ..) = verdict(&put(&folder, "sound.so", sound), Path::new("tvm-0.27"));
    assert_eq!(word, "fits");
}

#[test]
fn a_function_that_goes_on_behind_the_last_instruction_is_damage() {
    let folder = folder();
    let call = vec![1, 0, 1, 1, 2 << 56];
    for (code, is_damage) in [(vec![call.clone(), vec![2, 0]], false), (vec![call], true)] {
        let functions = [
            writer::function(1, "main", 0..code.len() as i64, 0, 1),
            writer::function(0, "vm.builtin.copy", 0..0, -2, 0),
        ];
        let text = writer::string("hello");
        let bytes = writer::assemble(Magic::V2, &functions, &[text], &code);
        let (_, rules, _) = verdict(&put(&folder, "m.ro", bytes), Path::new("tvm-0.27"));
        assert_eq!(rules.contains(&"AC102".to_owned()), is_damage, "{rules:?}");
    }
}

/// Where the value of a tag is in the dynamic section of a library for x86-64, and where the
/// symbols of these names are.
fn places(elf: &[u8], tag: u64, names: &[&str]) -> (usize, Vec<usize>) {
    let half = |at: usize| usize::from(u16::from_le_bytes([elf[at], elf[at + 1]]));
    let kind = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().expect("four"));
    let word = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().expect("eight"));
    let number = |at: usize| usize::try_from(word(at)).expect("small");
    let segments = (0..half(56)).map(|index| number(32) + index * 56);
    let mut segments = segments.filter(|at| kind(*at) == 2);
    let dynamic = number(segments.next().expect("a dynamic section") + 8);
    let entry = (dynamic..).step_by(16).find(|at| word(*at) == tag);
    let section = |index: usize| number(40) + index * 64;
    let mut sections = (0..half(60)).map(section);
    let table = sections.find(|at| kind(at + 4) == 11).expect("symbols");
    let strings = number(section(kind(table + 40) as usize) + 24);
    let (first, size) = (number(table + 24), number(table + 32));
    let is_one = |at: &usize| {
        let name = &elf[strings + kind(*at) as usize..];
        let end = name.iter().position(|byte| *byte == 0).expect("an end");
        names.iter().any(|known| known.as_bytes() == &name[..end])
    };
    let found = (first..first + size).step_by(24).filter(is_one);
    (entry.expect("the entry") + 8, found.collect())
}

/// No loader of Linux asks for the size of the table of names, and `dlsym` finds a symbol
/// with an address whatever section it is said to be in.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_the_loader_takes_all_the_same_is_sound() {
    const RUN: &str = "import sys, tvm\nfrom tvm import relax\n\
        relax.VirtualMachine(tvm.runtime.load_module(sys.argv[1]), tvm.cpu())\n";
    const SIZE: u64 = 10;
    let sound = std::fs::read(corpus(EXTCALL)).expect("the corpus");
    let folder = folder();
    let runs = |file: &Path| {
        let mut run = std::process::Command::new(venv("tvm-0.27").join("bin/python"));
        let output = run.args(["-c", RUN]).arg(file).output();
        output.expect("Python starts").status.success()
    };
    let (size, symbols) = places(&sound, SIZE, &["__tvm_ffi__library_bin"]);
    let whole = u64::from_le_bytes(sound[size..size + 8].try_into().expect("eight"));
    for less in [1, 2, 20, whole] {
        let mut changed = sound.clone();
        changed[size..size + 8].copy_from_slice(&(whole - less).to_le_bytes());
        let file = put(&folder, &format!("strsz-{less}.so"), changed);
        assert!(runs(&file), "{less} bytes less");
        let (word, rules, _) = verdict(&file, &venv("tvm-0.27"));
        assert_eq!(
            (word.as_str(), rules.len()),
            ("fits", 0),
            "{less} bytes less"
        );
    }
    let functions = [
        "__tvm_ffi__library_bin",
        "__tvm_ffi__library_ctx",
        "__tvm_ffi_add",
    ];
    for names in [&functions[..1], &functions] {
        let (_, symbols) = places(&sound, SIZE, names);
        assert_eq!(symbols.len(), names.len());
        let mut changed = sound.clone();
        for at in symbols {
            changed[at + 6..at + 8].fill(0);
        }
        let file = put(&folder, &format!("undefined-{}.so", names.len()), changed);
        assert!(runs(&file), "{names:?}");
        let (word, rules, _) = verdict(&file, &venv("tvm-0.27"));
        assert_eq!((word.as_str(), rules.len()), ("fits", 0), "{names:?}");
    }
    // Without an address it is another's.
    let mut changed = sound;
    for at in symbols {
        changed[at + 6..at + 16].fill(0);
    }
    let file = put(&folder, "nowhere.so", changed);
    assert!(!runs(&file));
    let (word, ..) = verdict(&file, &venv("tvm-0.27"));
    assert_eq!(word, "breaks");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_device_part_that_cannot_load_here_is_told() {
    let notes = |name: &str| {
        let library = corpus(name);
        let runtime = venv("tvm-0.27");
        let (report, _) = scan([library.as_os_str(), "-r".as_ref(), runtime.as_os_str()]);
        let findings = report["findings"].as_array().expect("findings");
        let of_code = findings.iter().filter(|it| it["rule"] == "AC205");
        let texts = of_code.map(|it: &Value| it["message"].as_str().expect("text").to_owned());
        texts.collect::<Vec<_>>()
    };
    let wanted = "its `cuda` kernels run only where the machine has libcudart.so.13, libcuda.so.1";
    assert_eq!(notes("tvm-0.27/embedding-cuda-x86_64.so"), [wanted]);
    assert!(notes("tvm-0.27/dense-cpu-x86_64.so").is_empty());
}

/// With no runtime asked for, a file is sound where some release runs it. One that may
/// run, and certainly runs on none, is undecided.
#[test]
fn no_release_for_certain_is_undecided() {
    let (report, _) = scan([corpus(EXTCALL)]);
    let folder = folder();
    let merged = |statuses: &[&str]| {
        let mut changed = report.clone();
        let verdicts = changed["verdicts"].as_array_mut().expect("verdicts");
        for (verdict, status) in verdicts.iter_mut().zip(statuses.iter().cycle()) {
            verdict["status"] = (*status).into();
        }
        let file = put(&folder, "report.json", changed.to_string());
        let output = artcheck().arg("merge").arg(file).output();
        let output = output.expect("artcheck starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    assert_eq!(merged(&["breaks", "undecided", "fits"]).0, Some(0));
    for statuses in [&["breaks", "undecided"], &["undecided", "undecided"]] {
        let (status, said) = merged(statuses);
        assert_eq!(status, Some(4), "{said}");
        assert!(said.contains("Whether it fits any TVM release is undecided."));
    }
}

/// Every option that writes a text, or a shim, with a library in its place.
#[test]
fn no_command_replaces_a_library() {
    let bytes = std::fs::read(corpus(EXTCALL)).expect("the corpus");
    let folder = folder();
    let library = put(&folder, "a.so", &bytes);
    let report = folder.path().join("report.json");
    let (text, there) = (report.display().to_string(), library.display().to_string());
    let written = format!("json={text}");
    let over = format!("html={there}");
    let run = |args: &[&str]| artcheck().args(args).output().expect("artcheck starts");
    run(&["scan", &there, "-r", "tvm-0.27", "-o", &written]);
    let commands: [&[&str]; 4] = [
        &["scan", &there, "-r", "tvm-0.27", "-o", &over],
        &[
            "scan",
            &there,
            "-r",
            "tvm-0.25",
            "--baseline",
            &there,
            "--update-baseline",
        ],
        &["runtime", "tvm-0.27", "--save", &there],
        &["merge", &text, "-o", &over],
    ];
    for command in commands {
        let output = run(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {output:?}");
        assert!(
            std::fs::read(&library).is_ok_and(|now| now == bytes),
            "{command:?}"
        );
    }
    // A report replaces a report.
    assert_eq!(
        run(&["scan", &there, "-r", "tvm-0.27", "-o", &written])
            .status
            .code(),
        Some(0)
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_replaces_an_earlier_shim_and_nothing_else() {
    let bytes = std::fs::read(corpus(EXTCALL)).expect("the corpus");
    let folder = folder();
    let library = put(&folder, "a.so", &bytes);
    let shim = |out: &Path| {
        let mut command = artcheck();
        command.args(["patch", "shim", "--part", "context-slots", "--runtime"]);
        let run = command.arg(venv("tvm-0.25")).arg("--out").arg(out).output();
        run.expect("artcheck starts")
    };
    let refused = shim(&library);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(std::fs::read(&library).is_ok_and(|now| now == bytes));
    let out = folder.path().join("shim.so");
    for _ in 0..2 {
        let made = shim(&out);
        assert_eq!(made.status.code(), Some(0), "{made:?}");
    }
}
