//! What a library does with its process, and what it leaves behind, is no answer.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Matrix, child, passed, row};

/// A library whose constructor does so.
fn constructor(folder: &Path, name: &str, does: &str) -> (&'static str, String) {
    let source = folder.join(format!("{name}.c"));
    let library = folder.join(format!("{name}.so"));
    let text = format!(
        "#include <fcntl.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
         __attribute__((constructor)) static void first(void) {{ {does} }}\n"
    );
    fs::write(&source, text).unwrap();
    let compiled = Command::new("cc")
        .args(["-w", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    ("shims", format!("[{library:?}]"))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn right_answers_are_right_whatever_becomes_of_the_standard_descriptors() {
    let mut matrix = Matrix::new();
    let names = ["forks", "daemon", "talks", "closes", "reuses", "no-input"];
    for (name, does) in names.into_iter().zip([
        "if (fork() == 0) { sleep(100); _exit(0); }",
        "if (fork() == 0) { setsid(); sleep(20); _exit(0); }",
        "if (fork() == 0) for (;;) { printf(\"still here\\n\"); fflush(stdout); }",
        "close(1);",
        "close(1); open(\"/dev/null\", O_WRONLY);",
        "close(0); open(\"/dev/null\", O_RDONLY);",
    ]) {
        let shim = constructor(matrix.folder.path(), name, does);
        matrix = matrix.row(name, &[shim, ("time_limit", "60".to_owned())]);
    }
    let begin = Instant::now();
    let report = matrix.run();
    for name in names {
        assert!(passed(&report, name), "{:#?}", row(&report, name));
    }
    let seconds = begin.elapsed().as_secs();
    assert!(seconds < 60, "a row waited for what it left: {seconds} s");
}

/// Whether a process goes on.
#[cfg(target_os = "linux")]
fn runs(process: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after = state.rsplit_once(") ").map(|(_, after)| after.to_owned());
    after.is_some_and(|after| !after.starts_with('Z'))
}

#[cfg(target_os = "linux")]
fn within(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_constructor_that_never_ends_ends_with_artcheck() {
    let mut matrix = Matrix::new();
    let told = matrix.folder.path().join("process");
    let does = format!(
        "FILE *told = fopen({told:?}, \"w\"); fprintf(told, \"%d.\", getpid()); fclose(told); for (;;) pause();"
    );
    let shim = constructor(matrix.folder.path(), "hangs", &does);
    matrix = matrix.row("hangs", &[shim]);
    let mut parent: Child = Command::new(child().program)
        .arg(matrix.options().matrix)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = || fs::read_to_string(&told).unwrap_or_default();
    within("the library was not loaded", || process().ends_with('.'));
    let process = process().trim_end_matches('.').to_owned();
    assert!(runs(&process));
    parent.kill().unwrap();
    parent.wait().unwrap();
    within("the row outlived artcheck", || !runs(&process));
}
