//! Files that a loader refuses: a library is damaged in one field at a time, every
//! result is opened by the system's own loader in a process of its own, and what
//! AC001 says of it is compared with what happened.

use std::path::Path;
use std::process::Command;

use crate::support::make::{corpus, folder, library, program, put};
use crate::support::{scan, unpacked};

/// A library with all kinds of segments that uses one of TVM's names.
const LIBRARY: &str = "static int table[3000] = {1, 2, 3}; static int zero[9000];\n\
    int *p = &table[1]; int *q = &zero[2];\n\
    __attribute__((constructor)) static void init(void) { zero[5] = 7; }\n\
    int TVMArtcheckAnswer(void) { return *p * 10 + zero[5] + *q; }\n";
/// Opens a library, calls its function, prints what came of it.
const LOADER: &str = "#include <dlfcn.h>\n#include <stdio.h>\n\
    int main(int n, char **a) {\n\
      void *l = dlopen(a[1], RTLD_NOW); if (!l) { puts(dlerror()); return 0; }\n\
      int (*f)(void) = dlsym(l, \"TVMArtcheckAnswer\");\n\
      printf(\"%d\\n\", f ? f() : 0); return 0; }\n";

/// The fields of a program header of 64 bits.
const KIND: usize = 0;
const OFFSET: usize = 8;
const ADDRESS: usize = 16;
const IN_FILE: usize = 32;
const IN_MEMORY: usize = 40;
const ALIGN: usize = 48;

#[derive(Clone)]
struct Elf(Vec<u8>);

impl Elf {
    fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("eight"))
    }

    fn put(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn number(&self, at: usize) -> usize {
        usize::try_from(self.word(at)).expect("small")
    }

    /// Where the headers of one kind are.
    fn headers(&self, kind: u32) -> Vec<usize> {
        let first = self.number(32);
        let count = usize::from(u16::from_le_bytes([self.0[56], self.0[57]]));
        let all = (0..count).map(|index| first + index * 56);
        all.filter(|at| self.0[at + KIND..at + KIND + 4] == kind.to_le_bytes())
            .collect()
    }

    fn swap(&mut self, one: usize, other: usize) {
        let kept = self.0[one..one + 56].to_vec();
        self.0.copy_within(other..other + 56, one);
        self.0[other..other + 56].copy_from_slice(&kept);
    }
}

/// What came of opening a file.
#[derive(Debug, PartialEq)]
enum Opened {
    Answers,
    Refused(String),
    Crashed,
}

fn open(loader: &Path, file: &Path) -> Opened {
    let output = Command::new(loader).arg(file).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim() {
        "27" => Opened::Answers,
        _ if !output.status.success() => Opened::Crashed,
        words => {
            let name = format!("{}: ", file.display());
            Opened::Refused(words.replace(&name, ""))
        }
    }
}

/// The most severe finding of AC001, and every loader's words.
fn said(file: &Path, more: &[&str]) -> (String, Vec<String>) {
    let mut args: Vec<&str> = vec![file.to_str().expect("text")];
    args.extend(more);
    let (report, _) = scan(args);
    let findings = report["findings"].as_array().expect("a list");
    let ours = || findings.iter().filter(|one| one["rule"] == "AC001");
    let has = |severity: &str| ours().any(|one| one["severity"] == severity);
    let severity = ["error", "warning"].into_iter().find(|one| has(one));
    let words = ours().filter_map(|one| one["runtime_says"].as_str());
    (
        severity.unwrap_or("none").to_owned(),
        words.map(str::to_owned).collect(),
    )
}

type Damage = (&'static str, &'static str, fn(&mut Elf));

/// What is done, what AC001 says of it (severity), and how.
#[rustfmt::skip]
const DAMAGES: &[Damage] = &[
    ("nothing", "none", |_| {}),
    ("a processor of 32 bits", "error", |e| e.0[18] = 3),
    ("alignment 0", "none", |e| for at in e.headers(1) { let same = e.word(at + OFFSET) == e.word(at + ADDRESS); if same { e.put(at + ALIGN, 0); } }),
    ("alignment 64 KiB", "none", |e| { let at = e.headers(1)[0]; e.put(at + ALIGN, 0x1_0000); }),
    ("alignment 3", "warning", |e| { let at = e.headers(1)[1]; e.put(at + ALIGN, 3); }),
    ("alignment 0x3000", "warning", |e| { let at = e.headers(1)[1]; e.put(at + ALIGN, 0x3000); }),
    ("alignment 512", "warning", |e| { let at = e.headers(1)[1]; e.put(at + ALIGN, 512); }),
    ("one alignment above its place", "warning", |e| { let at = *e.headers(1).last().unwrap(); e.put(at + ALIGN, 0x20_0000); }),
    ("offset + 1", "error", |e| { let at = e.headers(1)[1] + OFFSET; e.put(at, e.word(at) + 1); }),
    ("offset + 8", "error", |e| { let at = e.headers(1)[2] + OFFSET; e.put(at, e.word(at) + 8); }),
    ("address + 16", "error", |e| { let at = e.headers(1)[1] + ADDRESS; e.put(at, e.word(at) + 16); }),
    ("address + a page", "error", |e| { let at = e.headers(1)[1] + ADDRESS; e.put(at, e.word(at) + 0x1000); }),
    ("address at the end of everything", "error", |e| { let at = e.headers(1)[1] + ADDRESS; e.put(at, !0xfff | e.word(at) & 0xfff); }),
    ("two at one address", "error", |e| { let h = e.headers(1); let a = e.word(h[1] + ADDRESS); e.put(h[2] + ADDRESS, a); }),
    ("more memory than there is", "error", |e| { let at = *e.headers(1).last().unwrap(); e.put(at + IN_MEMORY, 1 << 60); }),
    ("a terabyte of zeros", "error", |e| { let at = *e.headers(1).last().unwrap(); e.put(at + IN_MEMORY, 1 << 40); }),
    ("no permissions for code", "error", |e| { let at = e.headers(1)[1]; e.0[at + 4] = 0; }),
    ("no permissions for data", "error", |e| { let at = e.headers(1)[3]; e.0[at + 4] = 0; }),
    ("code that may not be executed", "error", |e| { let at = e.headers(1)[1]; e.0[at + 4] = 4; }),
    ("data that may not be written", "error", |e| { let at = e.headers(1)[3]; e.0[at + 4] = 4; }),
    ("code a page later in the file", "error", |e| { let at = e.headers(1)[1] + OFFSET; e.put(at, e.word(at) + 0x1000); }),
    ("code a page earlier in the file", "error", |e| { let at = e.headers(1)[1] + OFFSET; e.put(at, e.word(at) - 0x1000); }),
    ("no code in the file", "error", |e| { let at = e.headers(1)[1] + IN_FILE; e.put(at, 0); }),
    ("protection of what is not mapped", "error", |e| for at in e.headers(0x6474_e552) { e.put(at + IN_MEMORY, 1 << 40); }),
    ("a page inserted in the middle", "error", |e| { e.0.splice(0x1000..0x1000, [0; 0x1000]); }),
    ("a page of zeros where the code is", "error", |e| e.0[0x1000..0x2000].fill(0)),
    ("bytes behind the end of the file", "error", |e| { let at = *e.headers(1).last().unwrap(); e.put(at + IN_FILE, e.0.len() as u64); }),
    ("offset behind the end of the file", "error", |e| { let at = e.headers(1)[1]; e.put(at + OFFSET, 1 << 40); }),
    ("no loadable segment", "error", |e| for at in e.headers(1) { e.0[at] = 0; }),
    ("no code segment", "error", |e| { let at = e.headers(1)[1]; e.0[at] = 0; }),
    ("no first segment", "error", |e| { let at = e.headers(1)[0]; e.0[at] = 0; }),
    ("no dynamic section", "error", |e| { let at = e.headers(2)[0]; e.0[at] = 0; }),
    ("dynamic section at 0", "error", |e| { let at = e.headers(2)[0]; e.put(at + ADDRESS, 0); }),
    ("dynamic section elsewhere", "error", |e| { let at = e.headers(2)[0]; e.put(at + ADDRESS, 1 << 30); }),
    ("no program headers", "error", |e| e.0[56..58].fill(0)),
    ("program headers of 64 bytes", "error", |e| e.0[54] = 64),
    ("ELF version 2", "error", |e| e.0[20] = 2),
    ("identification version 2", "error", |e| e.0[6] = 2),
    ("padding with something in it", "error", |e| e.0[9] = 1),
    ("half of the file", "error", |e| { let half = e.0.len() / 2; e.0.truncate(half); }),
    // Loaders that read what is there and no more take these, by luck: what is lost
    // is nothing that this library needs.
    ("fewer bytes in memory than in the file", "warning", |e| { let at = e.headers(1)[1]; e.put(at + IN_MEMORY, e.word(at + IN_FILE) - 1); }),
    ("memory into the next", "warning", |e| { let h = e.headers(1); let end = e.word(h[2] + ADDRESS) - e.word(h[1] + ADDRESS) + 0x100; e.put(h[1] + IN_MEMORY, end); }),
    ("memory behind the last", "error", |e| { let at = e.headers(1)[1]; e.put(at + IN_MEMORY, 1 << 28); }),
    ("bytes into the next", "error", |e| { let h = e.headers(1); let end = e.word(h[2] + ADDRESS) - e.word(h[1] + ADDRESS) + 0x100; e.put(h[1] + IN_FILE, end); e.put(h[1] + IN_MEMORY, end); }),
    ("the middle two swapped", "warning", |e| { let h = e.headers(1); e.swap(h[1], h[2]); }),
    ("the first two swapped", "error", |e| { let h = e.headers(1); e.swap(h[0], h[1]); }),
];

/// Damage that the loader takes and AC001 calls an error all the same.
const BY_LUCK: [&str; 2] = ["bytes into the next", "the first two swapped"];

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn what_the_loader_refuses_is_unreadable() {
    let folder = folder();
    let sound = library(
        folder.path(),
        "sound.so",
        LIBRARY,
        &["-Wl,-z,max-page-size=0x1000"],
    );
    let loader = program(folder.path(), "loader", LOADER);
    let sound = Elf(std::fs::read(sound).expect("read"));
    assert_eq!(sound.headers(1).len(), 4, "headers, code, constants, data");
    let mut wrong = Vec::new();
    for (number, (name, expected, damage)) in DAMAGES.iter().enumerate() {
        let mut elf = sound.clone();
        damage(&mut elf);
        let file = put(&folder, &format!("{number}.so"), &elf.0);
        let opened = open(&loader, &file);
        let (severity, words) = said(&file, &[]);
        let agrees = match &opened {
            // An old loader may refuse it yet; this one is newer.
            Opened::Answers => severity != "error" || BY_LUCK.contains(name),
            Opened::Crashed | Opened::Refused(_) => severity == "error",
        };
        // Where the segments are to blame, the words are the loader's.
        let quoted = match &opened {
            Opened::Refused(refusal) => words.is_empty() || words.contains(refusal),
            _ => true,
        };
        if !agrees || !quoted || severity != *expected {
            wrong.push(format!("{name}: {opened:?}, AC001 {severity} {words:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A library for another processor or system, against a runtime for this one.
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn a_library_for_another_machine_is_refused_in_the_words_that_are_said() {
    let folder = folder();
    let loader = folder.path().join("loader");
    let source = put(&folder, "loader.c", LOADER);
    let mut compile = Command::new("cc");
    compile.arg(source).arg("-o").arg(&loader);
    assert!(compile.status().expect("a C compiler").success());
    let saved = folder.path().join("here.json");
    let mut save = crate::support::artcheck();
    save.args(["runtime", "tvm-0.27", "--save"]).arg(&saved);
    assert!(save.output().expect("it starts").status.success());
    let text = std::fs::read_to_string(&saved).expect("saved");
    let mut runtime: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    runtime["profile"]["os"] = "linux".into();
    runtime["profile"]["architecture"] = "x86-64".into();
    std::fs::write(&saved, runtime.to_string()).expect("written");
    for name in [
        "embedding-cpu-aarch64.so",
        "embedding-cpu-windows-x64.dll",
        "dense-metal-macos-arm64.dylib",
    ] {
        let file = corpus(&format!("tvm-0.27/{name}"));
        let (report, status) = scan([file.as_os_str(), "-r".as_ref(), saved.as_os_str()]);
        assert_eq!(status, 1, "{name}");
        let findings = report["findings"].as_array().expect("a list");
        let mut ours = findings.iter().filter(|one| one["rule"] == "AC002");
        let said = ours.find_map(|one| one["runtime_says"].as_str());
        let Opened::Refused(words) = open(&loader, &file) else {
            panic!("{name} was opened");
        };
        assert_eq!(said, Some(format!("{name}: {words}").as_str()));
    }
}

/// What glibc up to 2.34 refuses is an error where it is said to be the loader.
#[cfg(target_os = "linux")]
#[test]
fn an_older_loader_asks_more_of_the_alignment() {
    let folder = folder();
    let mut elf = Elf(std::fs::read(corpus("tvm-0.27/dense-cpu-x86_64.so")).expect("the corpus"));
    let at = elf.headers(1)[1];
    elf.put(at + ALIGN, 512);
    let file = put(&folder, "model.so", &elf.0);
    let of = |target: &str| said(&file, &["--target", target]).0;
    assert_eq!(of("x86_64-linux.2.34"), "error");
    assert_eq!(of("x86_64-linux.2.35"), "warning");
}

/// dyld's checks: synthetic damage of a real library for arm64, in 16 KiB pages.
#[test]
fn what_dyld_refuses_is_unreadable() {
    let folder = folder();
    let bytes = std::fs::read(corpus(crate::support::make::DYLIB)).expect("the corpus");
    let segments = segments_of(&bytes);
    assert!(segments.len() > 2, "{segments:?}");
    let (data, last) = (segments[1], segments[segments.len() - 1]);
    // Address, size in memory, offset, size in the file of `segment_command_64`.
    type Damage = (&'static str, usize, fn(u64) -> u64, &'static str);
    let cases: [Damage; 5] = [
        ("page", data + 24, |address| address + 0x1000, "errno=22"),
        ("offset", last + 40, |offset| offset - 0x1000, "errno=22"),
        ("size", data + 32, |_| 1, "filesize exceeds vmsize"),
        ("overlap", data + 24, |_| 0, "vm range overlaps"),
        ("wrap", data + 32, |_| !0xfff, "wraps"),
    ];
    let whole = put(&folder, "whole.dylib", &bytes);
    assert_eq!(said(&whole, &[]).0, "none");
    for (name, at, change, words) in cases {
        let mut elf = Elf(bytes.clone());
        elf.put(at, change(elf.word(at)));
        let file = put(&folder, &format!("{name}.dylib"), &elf.0);
        let (severity, said) = said(&file, &[]);
        assert_eq!(severity, "error", "{name}");
        assert!(
            said.iter().any(|one| one.contains(words)),
            "{name}: {said:?}"
        );
    }
}

/// Where the segment commands of a 64-bit Mach-O file are.
fn segments_of(file: &[u8]) -> Vec<usize> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four"));
    let mut at = 32;
    let mut found = Vec::new();
    for _ in 0..word(16) {
        if word(at) == 0x19 {
            found.push(at);
        }
        at += word(at + 4) as usize;
    }
    found
}

/// What Windows refuses of a section table: a real DLL, changed.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_windows_refuses_is_unreadable() {
    let folder = folder();
    let parts = unpacked("tvm-ffi-0.1.15.post2-windows-x64");
    let bytes = std::fs::read(parts.join("tvm_ffi/lib/tvm_ffi.dll")).expect("a DLL");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    let headers = word(0x3c) as usize;
    let optional = headers + 24;
    let sections = optional
        + usize::from(u16::from_le_bytes([
            bytes[headers + 20],
            bytes[headers + 21],
        ]));
    let whole = put(&folder, "tvm_ffi.dll", &bytes);
    assert_eq!(said(&whole, &[]).0, "none");
    for (name, at, value) in [
        ("alignment", optional + 32, 0x1800),
        (
            "address",
            sections + 40 + 12,
            word(sections + 40 + 12) + 0x10,
        ),
        ("overlap", sections + 8, 0x1000_0000),
    ] {
        let mut damaged = bytes.clone();
        damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let file = put(&folder, &format!("{name}/tvm_ffi.dll"), &damaged);
        assert_eq!(said(&file, &[]).0, "error", "{name}");
    }
}
