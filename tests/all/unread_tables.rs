//! What of a damaged library is read and used: a field or a few bytes at a time, every
//! result opened, called and closed by the system's own loader in a process of its own.
//! Damage where nothing reads is no error, damage that the loader trips over is one, and
//! where it is not known what comes of it, nothing is decided.

use std::path::Path;
use std::process::Command;

use super::tables::{number, sections};
use crate::support::make::{corpus, folder, library, program, put};
use crate::support::{root, scan, venv};

/// Two of TVM's functions, one of libm's by a late slot, a constructor, pointers of all kinds.
const LIBRARY: &str = "#include <math.h>\n#include <stdlib.h>\n\
    static int table[30] = {1, 2, 3}; int *TVMArtcheckPointer = &table[1]; static int *q = &table[2];\n\
    __attribute__((constructor)) static void init(void) { table[5] = 7; }\n\
    int __tvm_ffi_other(int x) { return x + *q; }\n\
    int __tvm_ffi_answer(double x) {\n\
      return *TVMArtcheckPointer + table[5] + __tvm_ffi_other((int)exp(x)) + abs((int)x); }\n";
const LOADER: &str = "#include <dlfcn.h>\n#include <stdio.h>\n\
    int main(int n, char **a) {\n\
      void *l = dlopen(a[1], RTLD_LAZY); if (!l) { puts(dlerror()); return 0; }\n\
      int (*f)(double) = dlsym(l, \"__tvm_ffi_answer\");\n\
      int sum = f ? f(0.0) : 0; if (dlclose(l)) return 1; printf(\"%d\\n\", sum); return 0; }\n";
const ANSWER: &str = "13";

struct Elf(Vec<u8>);

impl Elf {
    fn put(&mut self, at: usize, size: usize, value: usize) {
        self.0[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }

    fn section(&self, name: &str) -> std::ops::Range<usize> {
        sections(&self.0)[name].clone()
    }

    /// Where the header of a section is.
    fn header(&self, name: &str) -> usize {
        let start = self.section(name).start;
        let (first, count) = (number(&self.0, 40, 8), number(&self.0, 60, 2));
        let mut headers = (1..count).map(|index| first + index * 64);
        headers
            .find(|at| number(&self.0, at + 24, 8) == start)
            .expect("a header")
    }

    /// Where an entry of the dynamic section is.
    fn entry(&self, tag: usize) -> usize {
        let mut all = self.section(".dynamic").step_by(16);
        all.find(|at| number(&self.0, *at, 8) == tag)
            .expect("an entry")
    }

    /// Where the program header of a kind is.
    fn segment(&self, kind: usize) -> usize {
        let (first, count) = (number(&self.0, 32, 8), number(&self.0, 56, 2));
        let mut all = (0..count).map(|index| first + index * 56);
        all.find(|at| number(&self.0, *at, 4) == kind)
            .expect("a segment")
    }

    /// Where a symbol is in the table, and its name.
    fn symbol(&self, name: &str) -> (usize, usize) {
        let names = self.section(".dynstr").start;
        let mut all = self.section(".dynsym").step_by(24);
        let of = |at: &usize| names + number(&self.0, *at, 4);
        let is_it = |at: &usize| self.0[of(at)..].starts_with(format!("{name}\0").as_bytes());
        let at = all.find(is_it).expect("a symbol");
        (at, of(&at))
    }

    /// Where the first relocation of a type is.
    fn relocation(&self, kind: usize) -> usize {
        let mut all = self.section(".rela.dyn").step_by(24);
        all.find(|at| number(&self.0, at + 8, 4) == kind)
            .expect("a relocation")
    }

    /// Where the word is in the file that a relocation writes.
    fn word(&self, relocation: usize) -> usize {
        let data = self.header(".data");
        let place = number(&self.0, relocation, 8);
        place - number(&self.0, data + 16, 8) + number(&self.0, data + 24, 8)
    }
}

type Case = (&'static str, i32, fn(&mut Elf));

/// What is damaged, and the exit status of a scan: 0 where it runs, 1 where it does not,
/// 4 where it is not known.
#[rustfmt::skip]
const CASES: &[Case] = &[
    ("nothing", 0, |_| {}),
    ("an addend that loaders pass over", 0, |e| { let at = e.relocation(6); e.put(at + 16, 8, 0x40); }),
    ("the place of a section in its header", 0, |e| { let at = e.header(".dynstr"); let old = number(&e.0, at + 24, 8); e.put(at + 24, 8, old + 4); }),
    ("the address of a section in its header", 0, |e| { let at = e.header(".text"); e.put(at + 16, 8, 1 << 40); }),
    ("the size of a section in its header", 0, |e| { let at = e.header(".fini"); e.put(at + 32, 8, 0x8009); }),
    ("a section that is written to by its header", 0, |e| { let at = e.header(".dynsym"); e.put(at + 8, 1, 3); }),
    ("the size of entries in a section header", 0, |e| { let at = e.header(".rela.dyn"); e.put(at + 56, 8, 0x8018); }),
    ("a version that the list passes over", 0, |e| { let at = e.section(".gnu.version_r").start + 16 + 6; e.put(at, 2, 0x2d); }),
    ("protection of a part of one page", 0, |e| { let at = e.segment(0x6474_e552); e.put(at + 16, 8, 0x7000_0000_0000); e.put(at + 40, 8, 0x208); }),
    ("an entry that a later one overrides", 0, |e| { let at = e.entry(14); e.put(at, 8, 9); }),
    ("a hash table beside the one that is used", 0, |e| { let at = e.entry(4) + 8; e.put(at, 8, 1 << 60); }),
    ("a word that a relocation overwrites", 0, |e| { let at = e.section(".init_array").start + 6; e.put(at, 1, 0xff); }),
    ("an empty word that a relocation overwrites", 0, |e| { let at = e.section(".rela.dyn").start + 3 * 24; let at = e.word(at); e.put(at, 8, 0); }),
    ("a list that ends within its last entry", 0, |e| { let at = e.entry(8) + 8; let old = number(&e.0, at, 8); e.put(at, 8, old - 8); }),
    ("the section of a symbol of another library", 0, |e| { let (at, _) = e.symbol("__gmon_start__"); e.put(at + 6, 2, 0xfff0); }),
    ("the section of the first symbol", 0, |e| { let at = e.section(".dynsym").start + 6; e.put(at, 2, 1); }),
    ("a version of the ABI", 1, |e| e.put(8, 1, 1)),
    ("a name that libm has not", 1, |e| { let (_, at) = e.symbol("exp"); e.put(at + 1, 1, usize::from(b'q')); }),
    ("a symbol of another library without a name", 1, |e| { let (at, _) = e.symbol("exp"); e.put(at, 4, 0); }),
    ("a function that is hidden", 1, |e| { let (at, _) = e.symbol("__tvm_ffi_answer"); e.put(at + 5, 1, 2); }),
    ("a function whose name is outside the table", 1, |e| { let (at, _) = e.symbol("__tvm_ffi_answer"); e.put(at, 4, 0x10_0000); }),
    ("a function that is thread-local", 1, |e| { let (at, _) = e.symbol("__tvm_ffi_answer"); e.put(at + 4, 1, 0x16); }),
    ("a function that is chosen by another", 1, |e| { let (at, _) = e.symbol("__tvm_ffi_answer"); e.put(at + 4, 1, 0x1a); }),
    ("a local symbol of another library", 1, |e| { let (at, _) = e.symbol("__cxa_finalize"); e.put(at + 4, 1, 2); }),
    ("a relocation by name of the type without one", 1, |e| { let (symbol, _) = e.symbol("TVMArtcheckPointer"); let table = e.section(".dynsym").start; let mut all = e.section(".rela.dyn").step_by(24); let at = all.find(|at| number(&e.0, at + 12, 4) == (symbol - table) / 24).expect("one"); e.put(at + 8, 4, 8); }),
    ("a library with the end of its name lost", 1, |e| { let name = number(&e.0, e.entry(1) + 8, 8); let at = e.section(".dynstr").start + name + 9; e.put(at, 1, 0x16); }),
    ("a relocation over the loader's own word", 1, |e| { let at = e.relocation(6); let own = number(&e.0, e.entry(3) + 8, 8); e.put(at, 8, own + 16); }),
    ("no list of constructors", 4, |e| { let at = e.entry(25); e.put(at, 8, 0x6000_0001); }),
    ("a version behind the end of the list", 4, |e| { let (at, _) = e.symbol("__tvm_ffi_other"); let table = e.section(".dynsym").start; let at = e.section(".gnu.version").start + (at - table) / 12; e.put(at, 2, 0x202); }),
    ("zeros in a function", 4, |e| { let (at, _) = e.symbol("__tvm_ffi_answer"); let text = e.header(".text"); let place = number(&e.0, at + 8, 8) - number(&e.0, text + 16, 8) + number(&e.0, text + 24, 8); e.0[place + 8..place + 32].fill(0); }),
    ("a library that is hardly called so", 4, |e| { let (_, name) = e.symbol("exp"); let names = e.section(".dynstr").start; let at = e.entry(1) + 8; e.put(at, 8, name - names); }),
];

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn what_is_read_and_used_is_an_error_and_nothing_else() {
    let place = folder();
    let flags = [
        "-Wl,-z,lazy",
        "-Wl,--hash-style=both",
        "-Wl,-soname,sound.so",
        "-O1",
        "-fno-builtin",
        "-lm",
    ];
    let sound = library(place.path(), "sound.so", LIBRARY, &flags);
    let loader = program(place.path(), "loader", LOADER);
    let sound = std::fs::read(sound).expect("read");
    let mut wrong = Vec::new();
    for (index, (name, expected, damage)) in CASES.iter().enumerate() {
        let mut elf = Elf(sound.clone());
        damage(&mut elf);
        assert_eq!(elf.0 == sound, index == 0, "{name}");
        let file = put(&place, &format!("{index}.so"), &elf.0);
        let output = Command::new(&loader).arg(&file).output().expect("starts");
        let told = String::from_utf8_lossy(&output.stdout);
        let runs = output.status.success() && told.trim() == ANSWER;
        let (report, status) = scan([&file]);
        let agrees = match status {
            0 => runs,
            1 => !runs,
            _ => true,
        };
        if !agrees || status != *expected {
            let of = |what: &str| report[what].to_string();
            wrong.push(format!(
                "{name}: {status}, {:?} {told} {}",
                output.status,
                of("findings")
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A symbol that is lost matters where the model asks for it.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_lost_function_is_an_error_where_the_model_asks_for_it() {
    let place = folder();
    let sound = std::fs::read(corpus("tvm-0.27/hybrid-cpu-x86_64.so")).expect("read");
    for (name, is_asked) in [("__tvm_ffi_reshape4", false), ("__tvm_ffi_rms_norm2", true)] {
        let mut elf = Elf(sound.clone());
        let (_, at) = elf.symbol(name);
        elf.put(at + 12, 1, usize::from(b'Y'));
        let file = put(&place, &format!("{name}.so"), &elf.0);
        let run = Command::new(venv("tvm-0.27").join("bin/python"))
            .arg(root().join("corpus/build/run_pair.py"))
            .arg(&file)
            .output()
            .expect("starts");
        assert_eq!(run.status.success(), !is_asked, "{name}: {run:?}");
        let (report, status) = scan([Path::new(&file), "--runtime".as_ref(), "tvm-0.27".as_ref()]);
        assert_eq!(
            status,
            i32::from(is_asked),
            "{name}: {}",
            report["findings"]
        );
    }
}

/// ELF but for the first bytes: no loader opens it.
#[test]
fn what_does_not_begin_as_a_library_is_none() {
    let place = folder();
    let mut bytes = std::fs::read(corpus("tvm-0.27/extcall-cpu-x86_64.so")).expect("read");
    bytes[3] ^= 1;
    let (report, status) = scan([put(&place, "model.so", &bytes)]);
    assert_eq!(status, 1, "{report}");
    assert_eq!(report["findings"][0]["rule"], "AC001");
}
