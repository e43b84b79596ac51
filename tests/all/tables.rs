//! Tables that the dynamic loader follows: one bit of each byte is turned, every result
//! is opened and called by the system's own loader in a process of its own, and what
//! AC001 says of it is compared with what happened.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use artcheck_inspect::container::{self, DamageKind, Reply};

use crate::support::make::{folder, library, program, put};
use crate::support::scan;

/// A library with every table: versions, late and early functions, variables, lists of
/// functions, relative addresses. Its names are TVM's, so that nothing is passed over.
const LIBRARY: &str = "#include <math.h>\n#include <stdlib.h>\n\
    static int table[30] = {1, 2, 3}; int *p = &table[1]; static int *q = &table[2];\n\
    int TVMArtcheckVariable = 4;\n\
    __attribute__((constructor)) static void init(void) { table[5] = 7; }\n\
    int TVMArtcheckOther(int x) { return x + *q; }\n\
    int TVMArtcheckAnswer(double x) {\n\
      void *m = malloc(16); free(m);\n\
      return *p + table[5] + TVMArtcheckVariable + TVMArtcheckOther((int)exp(x)) + abs((int)x); }\n";
/// Opens each library in a child, as TVM does: functions are bound when they are called.
/// Prints a line for each: what the function answers, or another number.
const LOADER: &str = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\n#include <stdlib.h>\n\
    #include <fcntl.h>\n#include <unistd.h>\n#include <sys/wait.h>\n\
    static int answer(const char *file) {\n\
      void *l = dlopen(file, RTLD_LAZY | RTLD_LOCAL); if (!l) return 250;\n\
      int (*f)(double) = dlsym(l, \"TVMArtcheckAnswer\"); int (*o)(int) = dlsym(l, \"TVMArtcheckOther\");\n\
      int *v = dlsym(l, \"TVMArtcheckVariable\");\n\
      if (!f || !o || !v) return 251;\n\
      int sum = f(0.0) * 10 + o(1) + *v; return dlclose(l) ? 252 : sum; }\n\
    int main(int n, char **a) {\n\
      char line[4096];\n\
      while (fgets(line, sizeof line, stdin)) {\n\
        for (char *c = line; *c; c++) if (*c == '\\n') *c = 0;\n\
        fflush(stdout); int status; pid_t pid = fork();\n\
        if (!pid) { int null = open(\"/dev/null\", O_WRONLY); dup2(null, 1); dup2(null, 2);\n\
          alarm(10); exit(answer(line)); }\n\
        waitpid(pid, &status, 0);\n\
        printf(\"%d\\n\", WIFEXITED(status) ? WEXITSTATUS(status) : 253); }\n\
      return 0; }\n";

/// What the tables are.
const TABLES: [&str; 7] = [
    ".gnu.hash",
    ".dynsym",
    ".gnu.version",
    ".gnu.version_r",
    ".rela.dyn",
    ".rela.plt",
    ".dynamic",
];

pub(super) fn number(bytes: &[u8], at: usize, size: usize) -> usize {
    let mut wide = [0; 8];
    wide[..size].copy_from_slice(&bytes[at..at + size]);
    usize::try_from(u64::from_le_bytes(wide)).expect("small")
}

/// Where sections are in the file, by name.
pub(super) fn sections(file: &[u8]) -> BTreeMap<String, std::ops::Range<usize>> {
    let (first, count, names) = (
        number(file, 40, 8),
        number(file, 60, 2),
        number(file, 62, 2),
    );
    let header = |index: usize| first + index * 64;
    let names = number(file, header(names) + 24, 8);
    let all = (0..count).map(|index| {
        let at = header(index);
        let name = names + number(file, at, 4);
        let end = name
            + file[name..]
                .iter()
                .position(|byte| *byte == 0)
                .expect("ends");
        let start = number(file, at + 24, 8);
        let text = String::from_utf8_lossy(&file[name..end]).into_owned();
        (text, start..start + number(file, at + 32, 8))
    });
    all.collect()
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn a_turned_bit_that_the_loader_trips_over_is_found() {
    let place = folder();
    let flags = [
        "-Wl,-z,lazy",
        "-Wl,--hash-style=gnu",
        "-O1",
        "-fno-builtin",
        "-lm",
    ];
    let sound = library(place.path(), "sound.so", LIBRARY, &flags);
    let loader = program(place.path(), "loader", LOADER);
    let bytes = std::fs::read(&sound).expect("read");
    let damaged = place.path().join("damaged");
    std::fs::create_dir(&damaged).expect("made");
    let mut files = vec![(String::from("sound"), sound.clone())];
    let places = sections(&bytes);
    for table in TABLES {
        for at in places[table].clone() {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << ((at * 5 + at / 8) % 8);
            let name = format!("{at:06x}.so");
            files.push((table.to_owned(), put(&damaged, &name, turned)));
        }
    }
    let answers = opened(&loader, files.iter().map(|(_, file)| file.as_path()));
    assert_eq!(answers.len(), files.len());
    let right = answers[0];
    assert!(right < 250, "{right}");
    let (report, status) = scan([&sound]);
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0));
    assert_eq!(status, 0);
    let (report, _) = scan([&damaged]);
    let findings = report["findings"].as_array().expect("a list");
    let blamed: Vec<&str> = findings
        .iter()
        .filter(|one| one["severity"] == "error")
        .filter_map(|one| one["artifact"].as_str())
        .collect();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut missed = Vec::new();
    for ((table, file), answer) in files.iter().zip(&answers).skip(1) {
        let is_blamed = blamed.contains(&file.to_str().expect("text"));
        let what = match (*answer == right, is_blamed) {
            (true, false) => "runs",
            (true, true) => "runs by luck",
            (false, true) => "found",
            (false, false) if is_undecided(file) => "undecided",
            (false, false) => "missed",
        };
        *counts.entry((table, what)).or_default() += 1;
        if what == "missed" {
            missed.push(format!("{table} {} {answer}", file.display()));
        }
    }
    let of = |wanted: &str| -> usize {
        let all = counts.iter().filter(|((_, what), _)| *what == wanted);
        all.map(|(_, count)| *count).sum()
    };
    println!("{counts:#?}\n{missed:#?}");
    // What is left is as likely as what was there: another name, number or address.
    assert!(of("found") > 250, "{counts:#?}");
    assert!(of("missed") * 20 < of("found"), "{counts:#?} {missed:#?}");
    for table in [".gnu.hash", ".gnu.version_r"] {
        assert_eq!(counts.get(&(table, "missed")), None, "{missed:#?}");
    }
}

/// Whether it is not known what comes of a library's damage: a pointer may lead just out of it.
fn is_undecided(file: &Path) -> bool {
    let bytes = std::fs::read(file).expect("read");
    let parsed = container::parse(&bytes).unwrap_or_default();
    let mut damage = parsed.iter().flat_map(|one| &one.binary.damage);
    damage.any(|one| one.kind == DamageKind::Table(Reply::Unknown))
}

/// What each library answers.
fn opened<'a>(loader: &Path, files: impl Iterator<Item = &'a Path>) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new(loader)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    let lines: Vec<String> = files.map(|file| format!("{}\n", file.display())).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.concat().as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("joined").expect("written");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .map(|line| line.parse().expect("a number"))
        .collect()
}
