//! Model libraries that a loader refuses whole, that hide from it what the runtime asks for
//! by name, or that ask for what nothing has. What really happens is asked of the loader.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::make::{corpus, folder, library, loader, model, opened_lazily, put};
use crate::support::{artcheck, scan};

const ANY: &str = "int any(void) { return 0; }\n";

fn tls(bytes: usize) -> String {
    format!(
        "static __thread char big[{bytes}] __attribute__((tls_model(\"initial-exec\")));\n\
         char *at(int i) {{ return big + i; }}\n"
    )
}

/// A report on 0.27, and its findings of one rule.
fn on_0_27(file: &Path, rule: &str) -> (Value, Vec<Value>) {
    let (report, _) = scan([file, Path::new("--runtime"), Path::new("tvm-0.27")]);
    let findings = report["findings"].as_array().expect("findings").iter();
    let findings = findings.filter(|one| one["rule"] == rule).cloned();
    let findings = findings.collect();
    (report, findings)
}

/// A library with some bytes of its header changed.
fn with_header(folder: &Path, name: &str, at: usize, byte: u8) -> PathBuf {
    let mut bytes = std::fs::read(model(folder, name, ANY, &[])).expect("read");
    bytes[at] = byte;
    put(folder, name, bytes)
}

#[test]
fn what_dlopen_refuses_is_told_in_its_words() {
    let top = folder();
    let top = top.path();
    let big = tls(800_000);
    for (file, words) in [
        (
            model(top, "closed.so", ANY, &["-Wl,-z,nodlopen"]),
            "shared object cannot be dlopen()ed",
        ),
        (
            with_header(top, "program.so", 16, 2),
            "cannot dynamically load executable",
        ),
        (
            with_header(top, "system.so", 7, 9),
            "ELF file OS ABI invalid",
        ),
        (
            model(top, "tls.so", &big, &[]),
            "cannot allocate memory in static TLS block",
        ),
    ] {
        let said = loader(&file).expect("the loader refuses it");
        assert!(said.contains(words), "{said}");
        let (report, found) = on_0_27(&file, "AC001");
        assert_eq!(found.len(), 1, "{file:?}: {report}");
        assert_eq!(found[0]["runtime_says"], words, "{file:?}");
    }
    for (name, source) in [("any.so", ANY.to_owned()), ("small.so", tls(512))] {
        let file = model(top, name, &source, &[]);
        assert_eq!(loader(&file), None);
        assert_eq!(on_0_27(&file, "AC001").1, [Value::Null; 0], "{name}");
    }
}

#[test]
fn kernels_that_the_loader_cannot_see_are_not_there() {
    let top = folder();
    let count = |source: &str| {
        let file = model(top.path(), "model.so", source, &[]);
        on_0_27(&file, "AC103").1
    };
    let lost = count(ANY);
    let message = lost[0]["message"].as_str().expect("a message");
    let kernel = message.split('`').nth(1).expect("a name");
    let seen = count(&format!("int __tvm_ffi_{kernel}(void) {{ return 0; }}\n"));
    assert_eq!(seen.len() + 1, lost.len());
    let hidden = count(&format!(
        "__attribute__((visibility(\"hidden\"))) int __tvm_ffi_{kernel}(void) {{ return 0; }}\n"
    ));
    assert_eq!(hidden.len(), lost.len());
}

#[test]
fn functions_that_kernels_look_up_are_looked_for() {
    let top = folder();
    let callee = |name: &str, more: &str| {
        let source = format!(
            "__asm__(\".local .tvm_func.{name}\\n.comm .tvm_func.{name},8,8\\n\");\n{more}{ANY}"
        );
        let file = model(top.path(), "model.so", &source, &[]);
        let (report, found) = on_0_27(&file, "AC103");
        let mut messages = found.iter().map(|one| one["message"].to_string());
        let is_lost = messages.any(|message| message.contains(&format!("a kernel calls `{name}`")));
        (is_lost, report["verdicts"][0]["status"].clone())
    };
    assert!(callee("my.absent", "").0);
    assert!(!callee("vm.builtin.copy", "").0);
    // A library that registers functions when it is loaded may register this one.
    let own = "int TVMFFIFunctionSetGlobal(const void *, void *, int);\n\
        __attribute__((constructor)) static void add(void) { TVMFFIFunctionSetGlobal(0, 0, 0); }\n";
    let (is_lost, status) = callee("my.absent", own);
    assert_eq!((is_lost, status), (false, Value::from("undecided")));
}

#[test]
fn a_library_that_nothing_has_is_a_need() {
    let top = folder();
    let dep = library(top.path(), "libdep.so", ANY, &["-Wl,-soname,libdep.so"]);
    let flags = ["-Wl,--no-as-needed", dep.to_str().expect("text")];
    let own = "int other(void) { return 1; }\n";
    let file = model(top.path(), "model.so", own, &flags);
    std::fs::remove_file(dep).expect("removed");
    let said = loader(&file).expect("the loader refuses it");
    assert!(
        said.contains("libdep.so: cannot open shared object file"),
        "{said}"
    );
    let (report, found) = on_0_27(&file, "AC205");
    assert_eq!(found.len(), 1, "{report}");
    let message = found[0]["message"].as_str().expect("a message");
    assert_eq!(message, "needs `libdep.so` of the machine");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn webassembly_that_no_engine_compiles_is_told() {
    let top = folder();
    let sound = std::fs::read(corpus("tvm-0.27/embedding-webgpu.wasm")).expect("read");
    let compiles = |file: &Path| {
        let script = "new WebAssembly.Module(require('fs').readFileSync(process.argv[1]))";
        let node = Command::new("node").args(["-e", script]).arg(file).output();
        node.expect("node").status.success()
    };
    let whole = put(top.path(), "whole.wasm", &sound);
    assert!(compiles(&whole));
    assert_eq!(on_0_27(&whole, "AC001").1, [Value::Null; 0]);
    // The form of the first type.
    let form = sound.iter().skip(8).position(|byte| *byte == 0x60);
    let mut bytes = sound;
    bytes[8 + form.expect("a type")] = 0x61;
    let damaged = put(top.path(), "damaged.wasm", bytes);
    assert!(!compiles(&damaged));
    assert_eq!(on_0_27(&damaged, "AC001").1.len(), 1);
}

/// Whether a rule breaks the first verdict of a report, and the severities of its findings of one rule.
fn verdict_and(file: &Path, rule: &str) -> (String, Vec<String>) {
    let (report, found) = on_0_27(file, rule);
    let severities = found
        .iter()
        .map(|one| one["severity"].as_str().expect("text").to_owned());
    let rules = report["verdicts"][0]["rules"].as_array();
    let mut rules = rules.into_iter().flatten();
    // The made libraries lack their kernels too.
    let verdict = match rules.any(|one| one == rule) {
        true => "breaks",
        false => "fits",
    };
    (verdict.to_owned(), severities.collect())
}

#[test]
fn a_function_that_nothing_calls_stops_nothing_where_it_is_looked_for_late() {
    let top = folder();
    let wants = "int TVMFFINoSuchThing(int);\nint helper(int a) { return TVMFFINoSuchThing(a); }\n";
    let now = ["-Wl,-z,now"];
    let late = ["-Wl,-z,lazy"];
    let kernel = format!("{wants}int __tvm_ffi_kernel(void) {{ return helper(1); }}\n");
    let local = "int TVMFFINoSuchThing(int);\n__attribute__((constructor)) static void at_load(void) { TVMFFINoSuchThing(1); }\n";
    let pointed = format!("{wants}int (*table[])(int) = {{ helper }};\n");
    for (name, source, flags, verdict, severity) in [
        ("idle.so", wants, late.as_slice(), "fits", "warning"),
        ("now.so", wants, &now, "breaks", "error"),
        ("kernel.so", &kernel, &late, "breaks", "error"),
        ("constructor.so", local, &late, "breaks", "error"),
        ("pointed.so", &pointed, &late, "breaks", "error"),
    ] {
        let file = model(top.path(), name, source, flags);
        // A kernel and a table are called later: the library opens.
        let opens = !["now.so", "constructor.so"].contains(&name);
        assert_eq!(opened_lazily(&file).is_none(), opens, "{name}");
        assert!(loader(&file).is_some(), "{name}: not with RTLD_NOW");
        let said = verdict_and(&file, "AC203");
        assert_eq!(
            said,
            (verdict.to_owned(), vec![severity.to_owned()]),
            "{name}"
        );
    }
}

#[test]
fn files_for_another_c_library_do_not_fit() {
    let top = folder();
    let top = top.path();
    for (name, soname) in [
        ("alpine.so", "libc.musl-x86_64.so.1"),
        ("loader.so", "ld-musl-x86_64.so.1"),
        ("zig.so", "libc.so"),
    ] {
        let soname_flag = format!("-Wl,-soname,{soname}");
        let musl = library(top, soname, ANY, &["-nostdlib", &soname_flag]);
        let flags = [
            "-nostdlib",
            "-Wl,--no-as-needed",
            musl.to_str().expect("text"),
        ];
        let own = "int other(void) { return 1; }\n";
        let file = model(top, name, own, &flags);
        std::fs::remove_file(musl).expect("removed");
        // Where musl is installed too, both C libraries end up in one process.
        match loader(&file) {
            Some(said) => assert!(said.contains(soname), "{said}"),
            None => assert!(Path::new("/lib").join(soname).exists(), "{name} loads"),
        }
        let said = verdict_and(&file, "AC002");
        assert_eq!(
            said,
            ("breaks".to_owned(), vec!["error".to_owned()]),
            "{name}"
        );
    }
    let glibc = model(top, "glibc.so", ANY, &["-Wl,--no-as-needed", "-lm", "-lc"]);
    assert_eq!(loader(&glibc), None);
    assert_eq!(verdict_and(&glibc, "AC002").1, [""; 0]);
}

/// A number of 64 bits.
fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"))
}

/// Where the entry of a tag stands in the dynamic section.
fn dynamic_entry(bytes: &[u8], tag: u64) -> usize {
    let count = usize::from(u16::from_le_bytes([bytes[56], bytes[57]]));
    let headers = usize::try_from(word(bytes, 32)).expect("small");
    let mut headers = (0..count).map(|number| headers + 56 * number);
    let header = headers
        .find(|at| bytes[*at] == 2)
        .expect("a dynamic section");
    let mut at = usize::try_from(word(bytes, header + 8)).expect("small");
    while word(bytes, at) != tag {
        assert_ne!(word(bytes, at), 0, "no such entry");
        at += 16;
    }
    at
}

/// Where the entry of a name stands in the dynamic symbol table.
fn dynamic_symbol(bytes: &[u8], name: &str) -> usize {
    // Both tables are in the first segment, whose addresses are offsets.
    let table = |tag| usize::try_from(word(bytes, dynamic_entry(bytes, tag) + 8)).expect("small");
    let (mut at, names) = (table(6), table(5));
    let name = format!("{name}\0");
    loop {
        let start = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
        if bytes[names + start..].starts_with(name.as_bytes()) {
            return at;
        }
        at += 24;
    }
}

/// A library whose entry of the dynamic section has another tag.
fn retagged(folder: &Path, name: &str, from: u64, to: u64) -> PathBuf {
    let file = model(folder, name, "int *at; int here; int *at = &here;\n", &[]);
    let mut bytes = std::fs::read(&file).expect("read");
    let at = dynamic_entry(&bytes, from);
    bytes[at..at + 8].copy_from_slice(&to.to_le_bytes());
    put(folder, name, bytes)
}

#[test]
fn relocations_packed_for_android_are_none_on_linux() {
    let top = folder();
    let file = retagged(top.path(), "model.so", 7, 0x6000_0011);
    assert!(loader(&file).is_some() || opened_lazily(&file).is_some());
    let (verdict, severities) = verdict_and(&file, "AC001");
    assert_eq!(verdict, "breaks");
    assert!(severities.contains(&"error".to_owned()));
}

#[test]
fn packed_relative_relocations_need_a_new_glibc() {
    let top = folder();
    let flags = ["-Wl,-z,pack-relative-relocs", "-nostdlib"];
    let source = "static int here;\nint *at = &here;\n";
    let file = model(top.path(), "model.so", source, &flags);
    let on = |target: &str| {
        let (report, _) = scan([file.as_path(), Path::new("--target"), Path::new(target)]);
        let findings = report["findings"].as_array().expect("findings").clone();
        findings.iter().filter(|one| one["rule"] == "AC003").count()
    };
    assert_eq!(on("x86_64-linux.2.35"), 1);
    assert_eq!(on("x86_64-linux.2.36"), 0);
}

#[test]
fn packed_relative_relocations_without_their_mark_are_refused() {
    let top = folder();
    let source = "int getpid(void);\nstatic int here;\nint *at = &here;\nint of(void) { return getpid(); }\n";
    let flags = ["-Wl,-z,pack-relative-relocs"];
    let marked = model(top.path(), "marked.so", source, &flags);
    assert_eq!(loader(&marked), None);
    assert_eq!(on_0_27(&marked, "AC001").1, [Value::Null; 0]);
    // One need is made another: hash and name of `Elf64_Vernaux`.
    let mut bytes = std::fs::read(&marked).expect("read");
    let need = |bytes: &[u8], hash: u32| {
        let hash = hash.to_le_bytes();
        let found = bytes.windows(4).position(|window| window == hash);
        found.expect("a need")
    };
    let (mark, other) = (need(&bytes, 0x00fd_0e42), need(&bytes, 0x0969_1a75));
    bytes.copy_within(other..other + 4, mark);
    bytes.copy_within(other + 8..other + 12, mark + 8);
    let file = put(top.path(), "model.so", &bytes);
    let words = "DT_RELR without GLIBC_ABI_DT_RELR dependency";
    assert!(loader(&file).expect("it is refused").contains(words));
    let (report, found) = on_0_27(&file, "AC001");
    assert_eq!(found.len(), 1, "{report}");
    assert_eq!(found[0]["runtime_says"], words);
    // glibc looks for the mark only in files that need its C library.
    let flags = [flags[0], "-nostdlib", "-lm"];
    let source = "double exp(double);\nstatic int here;\nint *at = &here;\ndouble of(double a) { return exp(a); }\n";
    let free = model(top.path(), "free.so", source, &flags);
    assert_eq!(loader(&free), None);
    assert_eq!(on_0_27(&free, "AC001").1, [Value::Null; 0]);
}

#[test]
fn a_processor_is_a_need() {
    let top = folder();
    let needs = |name: &str, source: &str, flags: &[&str]| {
        let own = format!("int __tvm_ffi_{name}(void) {{ return 0; }}\n{source}");
        let file = model(top.path(), &format!("{name}.so"), &own, flags);
        let (report, _) = on_0_27(&file, "AC205");
        report["verdicts"][0]["needs"].to_string()
    };
    // What the file says of itself.
    assert!(needs("third", "", &["-Wl,-z,x86-64-v3"]).contains("x86-64-v3"));
    assert!(!needs("first", "", &[]).contains("x86-64-v"));
    // What its code is made of.
    let sum = "void sum(float *a) { for (int i = 0; i < 1024; i++) a[i] = a[i] * 2 + 1; }\n";
    let wide = needs(
        "wide",
        sum,
        &["-O3", "-mavx512f", "-mprefer-vector-width=512"],
    );
    assert!(wide.contains("a processor with AVX512F"), "{wide}");
    let plain = needs("plain", sum, &["-O3"]);
    assert!(!plain.contains("processor"), "{plain}");
    // Counting zeros is written so for every processor.
    let zeros = "int zeros(unsigned a) { return __builtin_ctz(a); }\n";
    let zeros = needs("zeros", zeros, &["-O3"]);
    assert!(!zeros.contains("processor"), "{zeros}");
    // It asks first.
    let asks = format!("int asks(void) {{ return __builtin_cpu_supports(\"avx512f\"); }}\n{sum}");
    let asks = needs("asks", &asks, &["-O3", "-mavx512f"]);
    assert!(!asks.contains("processor"), "{asks}");
}

#[test]
fn an_object_under_a_library_s_name_is_refused() {
    let top = folder();
    let object = model(top.path(), "model.so", ANY, &["-c"]);
    let words = "only ET_DYN and ET_EXEC can be loaded";
    assert!(loader(&object).expect("it is refused").contains(words));
    let (report, found) = on_0_27(&object, "AC001");
    assert_eq!(found.len(), 1, "{report}");
    assert_eq!(found[0]["runtime_says"], words);
    let bytes = std::fs::read(&object).expect("read");
    for (name, expected) in [("lib.so.1", 1), ("model.o", 0), ("lib.so.o", 0)] {
        let file = put(top.path(), name, &bytes);
        assert_eq!(on_0_27(&file, "AC001").1.len(), expected, "{name}");
    }
}

#[test]
fn a_library_that_can_be_run_is_no_program() {
    let top = folder();
    let source = "const char loader[] __attribute__((section(\".interp\"))) = \"/lib64/ld-linux-x86-64.so.2\";\n";
    let file = model(top.path(), "model.so", source, &[]);
    assert_eq!(loader(&file), None);
    assert_eq!(on_0_27(&file, "AC001").1, [Value::Null; 0]);
    let pie = model(
        top.path(),
        "pie.so",
        "int main(void) { return 0; }\n",
        &["-pie", "-Wl,--export-dynamic"],
    );
    let words = "cannot dynamically load position-independent executable";
    assert!(loader(&pie).expect("it is refused").contains(words));
    assert_eq!(on_0_27(&pie, "AC001").1[0]["runtime_says"], words);
}

#[test]
fn a_blob_that_the_loader_does_not_find_is_no_model() {
    let top = folder();
    let blob = "__tvm_ffi__library_bin";
    // Something of a model's must be left to be seen.
    let own = "int __tvm_ffi_main(void) { return 0; }\n";
    let hidden = format!("__asm__(\".hidden {blob}\");\n{own}");
    // The linker makes a hidden symbol local; a patcher does not.
    let file = model(top.path(), "local.so", &hidden, &[]);
    assert_eq!(on_0_27(&file, "AC102").1.len(), 1);
    let sound = std::fs::read(model(top.path(), "sound.so", own, &[])).expect("read");
    let changed = |name: &str, at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        let symbol = dynamic_symbol(&file, blob) + at;
        file[symbol..symbol + bytes.len()].copy_from_slice(bytes);
        put(top.path(), name, file)
    };
    let hidden = changed("hidden.so", 5, &[2]);
    assert_eq!(on_0_27(&hidden, "AC102").1.len(), 1);
    for (name, at, bytes) in [
        ("number.so", 6, &[0xf1, 0xff][..]),
        ("thread.so", 4, &[0x16]),
        ("resolver.so", 4, &[0x1a]),
    ] {
        let file = changed(name, at, bytes);
        assert_eq!(verdict_and(&file, "AC001").1, ["error"], "{name}");
    }
    // Nobody asks what a symbol says of itself.
    let function = changed("function.so", 4, &[0x12]);
    assert_eq!(verdict_and(&function, "AC001").1, [""; 0]);
}

#[test]
fn a_file_that_ends_before_its_section_table_loads() {
    let top = folder();
    let whole = model(top.path(), "whole.so", ANY, &[]);
    let bytes = std::fs::read(whole).expect("read");
    let cut = put(top.path(), "cut.so", &bytes[..bytes.len() - 200]);
    assert_eq!(loader(&cut), None);
    let said = verdict_and(&cut, "AC001");
    assert_eq!(said, ("fits".to_owned(), vec!["warning".to_owned()]));
    let empty = put(top.path(), "half.so", &bytes[..bytes.len() / 4]);
    assert!(opened_lazily(&empty).is_some());
    assert_eq!(verdict_and(&empty, "AC001").1, ["error"]);
}

#[test]
fn every_format_says_that_a_refused_file_breaks() {
    let top = folder();
    let file = model(top.path(), "closed.so", ANY, &["-Wl,-z,nodlopen"]);
    assert!(loader(&file).is_some());
    assert_eq!(verdict_and(&file, "AC001").0, "breaks");
    let format = |name: &str| {
        let mut command = artcheck();
        command.args(["scan", "-q", "--no-config", "--runtime", "tvm-0.27"]);
        let output = command.args(["--format", name]).arg(&file).output();
        String::from_utf8(output.expect("artcheck").stdout).expect("text")
    };
    assert!(format("human").contains("breaks"));
    let junit = format("junit");
    let case = junit
        .split("<testcase name=\"on tvm-0.27\"")
        .nth(1)
        .expect("a case");
    assert!(
        case.split("</testcase>")
            .next()
            .expect("text")
            .contains("<failure"),
        "{junit}"
    );
    let markdown = format("markdown");
    assert!(!markdown.contains("fits"), "{markdown}");
    assert!(format("sarif").contains("\"AC001\""));
}
