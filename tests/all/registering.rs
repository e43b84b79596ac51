//! Functions that libraries register when they are loaded with a model library: held
//! against what the wheel does with the same files.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{rules, scan, venv};

/// A model whose one function calls `my.fn`, which nobody but the application has.
const MODEL: &str = "import sys, tvm\n\
    from tvm import relax\n\
    bb = relax.BlockBuilder()\n\
    x = relax.Var('x', relax.TensorType((2,), 'float32'))\n\
    with bb.function('main', [x]):\n\
    \x20   call = relax.Call(relax.ExternFunc('my.fn'), [x], ty_args=[relax.TensorType((2,), 'float32')])\n\
    \x20   bb.emit_func_output(bb.emit(call))\n\
    tvm.compile(bb.get(), target='llvm').export_library(sys.argv[1])\n";

/// Loads libraries, and runs the last one's model.
const RUN: &str = "import ctypes, sys, numpy, tvm\n\
    from tvm import relax\n\
    for first in sys.argv[2:]: ctypes.CDLL(first, ctypes.RTLD_GLOBAL)\n\
    vm = relax.VirtualMachine(tvm.runtime.load_module(sys.argv[1]), tvm.cpu())\n\
    vm['main'](tvm.runtime.tensor(numpy.ones(2, 'float32')))\n";

const FUNCTION: &str = "#include <tvm/ffi/c_api.h>\n\
    static int f(void *s, const TVMFFIAny *a, int32_t n, TVMFFIAny *r) {\n\
    \x20 *r = a[0]; if (a[0].type_index >= 64) TVMFFIObjectIncRef((TVMFFIObjectHandle)a[0].v_obj); return 0; }\n";

/// A library that registers a name: a literal, or what is put together.
fn registers(name: &str) -> String {
    format!(
        "{FUNCTION}__attribute__((constructor)) static void init(void) {{\n\
         TVMFFIObjectHandle h; TVMFFIFunctionCreate(0, f, 0, &h);\n\
         TVMFFIByteArray n = {{ {name}, 5 }}; TVMFFIFunctionSetGlobal(&n, h, 0); }}\n"
    )
}

/// The same behind so many branches that lead on.
fn registers_behind(branches: usize, name: &str) -> String {
    let all = || 0..branches;
    let goes: String = all()
        .map(|n| format!("if (x == {n}) goto l{n};\n"))
        .collect();
    let labels: String = all().map(|n| format!("l{n}: x++;\n")).collect();
    let begins = "static void init(void) {";
    registers(name).replace(
        begins,
        &format!("{begins} volatile int x = -1;\n{goes}{labels}"),
    )
}

const MADE: &str = "(volatile char *)(volatile char[]){'m', 'y', '.', 'f', 'n', 0}";

const BY_NAME: &str = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <tvm/ffi/c_api.h>\n\
    static int f(void *s, const TVMFFIAny *a, int32_t n, TVMFFIAny *r) { *r = a[0];\n\
    int (*more)(void *) = dlsym(RTLD_DEFAULT, \"TVMFFIObjectIncRef\");\n\
    if (a[0].type_index >= 64) more(a[0].v_obj); return 0; }\n\
    __attribute__((constructor)) static void init(void) { void *h;\n\
    int (*create)(void *, TVMFFISafeCallType, void (*)(void *), TVMFFIObjectHandle *) = dlsym(RTLD_DEFAULT, \"TVMFFIFunctionCreate\");\n\
    int (*set)(const TVMFFIByteArray *, TVMFFIObjectHandle, int) = dlsym(RTLD_DEFAULT, \"TVMFFIFunctionSetGlobal\");\n\
    TVMFFIByteArray n = { \"my.fn\", 5 }; create(0, f, 0, &h); set(&n, h, 0); }\n";

struct Kit {
    folder: tempfile::TempDir,
    site: PathBuf,
}

impl Kit {
    fn new() -> Self {
        let kit = Self {
            folder: tempfile::tempdir().expect("a folder"),
            site: venv("tvm-0.27").join("lib/python3.11/site-packages"),
        };
        let parts = kit.folder.path().join("parts.tar");
        std::fs::create_dir(kit.folder.path().join("parts")).expect("a folder");
        assert!(python(MODEL, &[&parts]), "the model is compiled");
        let unpacked = Command::new("tar")
            .arg("-xf")
            .arg(parts)
            .arg("-C")
            .arg(kit.folder.path().join("parts"))
            .status();
        assert!(unpacked.expect("tar").success());
        kit
    }

    /// Links a library that needs others of its folder.
    fn link(&self, out: &str, files: &[PathBuf], needed: &[&str]) -> PathBuf {
        let out = self.folder.path().join(out);
        let folder = out.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("a folder");
        let lib = self.site.join("tvm_ffi/lib");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-w", "-Wl,--no-as-needed"])
            .arg(format!("-I{}", self.site.join("tvm_ffi/include").display()))
            .arg(format!("-L{}", folder.display()))
            .arg(format!("-L{}", lib.display()))
            .arg(format!("-Wl,-rpath,$ORIGIN:{}", lib.display()))
            .arg("-o")
            .arg(&out)
            .args(files)
            .args(needed)
            .args(["-ltvm_ffi"])
            .status();
        assert!(status.expect("a C compiler").success(), "{}", out.display());
        out
    }

    fn source(&self, out: &str, text: &str, needed: &[&str]) -> PathBuf {
        let file = self.folder.path().join("source.c");
        std::fs::write(&file, text).expect("written");
        self.link(out, &[file], needed)
    }

    /// The model library, which needs others.
    fn model(&self, out: &str, needed: &[&str]) -> PathBuf {
        let entries = std::fs::read_dir(self.folder.path().join("parts")).expect("a folder");
        let parts: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert!(!parts.is_empty());
        self.link(out, &parts, needed)
    }
}

fn python(code: &str, args: &[&Path]) -> bool {
    let mut command = Command::new(venv("tvm-0.27").join("bin/python"));
    command.args(["-c", code]).args(args);
    command.output().expect("Python starts").status.success()
}

/// What a scan says of a model library, and what the wheel does with it.
fn said(model: &Path, with: &[&Path]) -> (String, Vec<String>, bool) {
    let mut args = vec![model.to_path_buf(), "-r".into(), venv("tvm-0.27")];
    for file in with {
        args.extend(["--with".into(), file.to_path_buf()]);
    }
    let (report, _) = scan(args);
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    let name = model.to_str().expect("text");
    let verdict = verdicts.iter().find(|one| one["artifact"] == name);
    let verdict = &verdict.expect("a verdict")["status"];
    let ran = python(RUN, &[&[model], with].concat());
    let status = verdict.as_str().expect("a status").to_owned();
    (status, rules(&report, &["error"]), ran)
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_is_loaded_with_a_library_may_register() {
    let kit = Kit::new();
    let undecided = |model: &Path, with: &[&Path]| {
        let (status, errors, ran) = said(model, with);
        let shown = model.display();
        assert!(ran, "{shown} runs on the wheel");
        assert_eq!((status.as_str(), errors), ("undecided", vec![]), "{shown}");
    };
    let breaks = |model: &Path, with: &[&Path]| {
        let (status, errors, ran) = said(model, with);
        let shown = model.display();
        assert!(!ran, "{shown} does not run on the wheel");
        assert_eq!(status, "breaks", "{shown}");
        assert_eq!(errors, ["AC103"], "{shown}");
    };
    for (folder, name) in [("literal", "\"my.fn\""), ("made", MADE)] {
        kit.source(&format!("{folder}/libreg.so"), &registers(name), &[]);
        undecided(&kit.model(&format!("{folder}/m.so"), &["-lreg"]), &[]);
    }
    // One of two names.
    let either = "getenv(\"X\") ? \"my.no\" : \"my.fn\"";
    let either = format!("char *getenv(const char *);\n{}", registers(either));
    kit.source("either/libreg.so", &either, &[]);
    undecided(&kit.model("either/m.so", &["-lreg"]), &[]);
    // Deeper.
    kit.source("deep/libreg.so", &registers("\"my.fn\""), &[]);
    kit.source("deep/libmid.so", "int mid;\n", &["-lreg"]);
    undecided(&kit.model("deep/m.so", &["-lmid"]), &[]);
    // Beside it, where nothing loads it; and loaded first, with what it needs.
    let alone = kit.model("beside/m.so", &[]);
    let beside = kit.source("beside/libreg.so", &registers("\"my.fn\""), &[]);
    breaks(&alone, &[]);
    undecided(&alone, &[&beside]);
    kit.source("first/libreg.so", &registers("\"my.fn\""), &[]);
    let mid = kit.source("first/libmid.so", "int mid;\n", &["-lreg"]);
    undecided(&alone, &[&mid]);
    // By other ways than a call.
    kit.source("by-name/libreg.so", BY_NAME, &[]);
    undecided(&kit.model("by-name/m.so", &["-lreg"]), &[]);
    let opened = kit.folder.path().join("beside/libreg.so");
    let opens = format!(
        "#include <dlfcn.h>\n__attribute__((constructor)) static void init(void) {{ dlopen(\"{}\", RTLD_NOW | RTLD_GLOBAL); }}\n",
        opened.display()
    );
    kit.source("opens/libplug.so", &opens, &[]);
    undecided(&kit.model("opens/m.so", &["-lplug"]), &[]);
    // Of more branches than are remembered nothing is known.
    for (branches, expected) in [(1000, "breaks"), (1100, "undecided")] {
        let folder = format!("branches-{branches}");
        let source = registers_behind(branches, "\"my.no\"");
        kit.source(&format!("{folder}/libreg.so"), &source, &[]);
        let (status, _, ran) = said(&kit.model(&format!("{folder}/m.so"), &["-lreg"]), &[]);
        assert_eq!((status.as_str(), ran), (expected, false));
    }
    // What registers another name was read to the end.
    kit.source("other/libreg.so", &registers("\"my.no\""), &[]);
    breaks(&kit.model("other/m.so", &["-lreg"]), &[]);
}

/// Names that a loop or a branch chooses: what reaches the call is one of three.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn of_three_names_in_one_call_each_may_be_registered() {
    const PUT: &str = "#include <stdlib.h>\n#include <string.h>\nint side;\n\
        static void put(const char *name) { TVMFFIObjectHandle h; TVMFFIFunctionCreate(0, f, 0, &h);\n\
        TVMFFIByteArray n = { name, strlen(name) }; TVMFFIFunctionSetGlobal(&n, h, 0); }\n";
    const ONE: &str = "const char *w = getenv(\"W\"); int i = w ? atoi(w) : 2;";
    let kit = Kit::new();
    let bodies = [
        ("ternary", format!("{ONE} put(i == 0 ? A : i == 1 ? B : C);")),
        (
            "switch",
            format!("{ONE} const char *n; switch (i) {{ case 0: n = A; side = 2; break; case 1: n = B; side = 1; break; default: n = C; }} put(n);"),
        ),
        ("flat", "static const char all[3][8] = {A, B, C}; for (int i = 0; i < 3; i++) put(all[i]);".into()),
        ("packed", "static const char all[] = A \"\\0\" B \"\\0\" C \"\\0\"; for (const char *p = all; *p; p += strlen(p) + 1) put(p);".into()),
        ("next", "const char *n = A; int i = 0; do { put(n); n = i == 0 ? B : C; } while (++i < 3);".into()),
        (
            "structs",
            "TVMFFIObjectHandle h; TVMFFIFunctionCreate(0, f, 0, &h); TVMFFIByteArray n[3] = {{A, 4}, {B, 4}, {C, 5}};\n\
             for (int i = 0; i < 3; i++) TVMFFIFunctionSetGlobal(n + i, h, 0);".into(),
        ),
        ("each", "put(A); put(B); put(C);".into()),
    ];
    for (name, body) in bodies {
        let is_whole = ["ternary", "packed", "each"].contains(&name);
        for (level, last) in [(0, "my.fn"), (2, "my.fn"), (2, "my.no")] {
            if !is_whole && (level, last) != (2, "my.fn") {
                continue;
            }
            let folder = format!("{name}-{level}-{last}");
            let source = format!(
                "#pragma GCC optimize(\"O{level}\")\n#define A \"my.a\"\n#define B \"my.b\"\n#define C \"{last}\"\n\
                 {FUNCTION}{PUT}__attribute__((constructor)) static void init(void) {{ {body} }}\n"
            );
            kit.source(&format!("{folder}/libreg.so"), &source, &[]);
            let model = kit.model(&format!("{folder}/m.so"), &["-lreg"]);
            let (status, errors, ran) = said(&model, &[]);
            assert_eq!(ran, last == "my.fn", "{folder}");
            if ran {
                assert_eq!((status.as_str(), errors), ("undecided", vec![]), "{folder}");
            } else if name == "each" {
                assert_eq!(status, "breaks", "{folder}");
            }
        }
    }
}

/// A model library of bytecode alone that shows nothing: it wants nothing of TVM either.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_model_that_shows_nothing_is_found() {
    let kit = Kit::new();
    let script = kit.folder.path().join("script");
    std::fs::write(&script, "{ local: *; };\n").expect("written");
    let hides = format!("-Wl,--version-script={}", script.display());
    let model = kit.model("hidden/m.so", &["-Wl,-s", &hides]);
    let (status, errors, ran) = said(&model, &[]);
    assert!(!ran);
    assert_eq!(
        (status.as_str(), errors),
        ("breaks", vec!["AC102".to_owned()])
    );
}

/// Kernels alone, without a model, that look a function up.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn kernels_without_a_model_are_held_against_a_runtime() {
    const KERNEL: &str = "import sys, tvm\n\
        from tvm import tirx\n\
        name, arguments = sys.argv[2].split(' ')\n\
        arguments = [int(one) for one in arguments.split(',')]\n\
        x = tirx.Var('x', 'int32')\n\
        call = tirx.Evaluate(tirx.call_packed(name, *arguments))\n\
        main = tirx.PrimFunc([x], call).with_attr('global_symbol', 'main')\n\
        tvm.compile(tvm.IRModule({'main': main}), target='llvm').export_library(sys.argv[1])\n";
    const CALL: &str = "import sys, tvm\ntvm.runtime.load_module(sys.argv[1])['main'](1)\n";
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        ("my.fn 1", "breaks", &["AC103"][..]),
        ("vm.builtin.copy 1", "fits", &[]),
        ("vm.builtin.copy 1,2", "breaks", &["AC104"]),
        ("vm.builtin.to_device 1,2,0", "breaks", &["AC104"]),
        ("ffi.Array 1", "fits", &[]),
    ];
    for (number, (call, expected, rules_of)) in (0..).zip(cases) {
        let library = folder.path().join(format!("k{number}.so"));
        assert!(
            python(KERNEL, &[&library, Path::new(call)]),
            "{call} is compiled"
        );
        assert_eq!(python(CALL, &[&library]), expected == "fits", "{call}");
        let args = [library.clone(), "-r".into(), venv("tvm-0.27")];
        let (report, _) = scan(args);
        assert_eq!(report["artifacts"][0]["role"], "client", "{call}");
        assert_eq!(report["verdicts"][0]["status"], expected, "{call}");
        let mut codes = rules(&report, &["error"]);
        codes.dedup();
        assert_eq!(codes, rules_of, "{call}");
    }
    let library = folder.path().join("k0.so");
    let args = [
        "--provides".into(),
        "my.fn".into(),
        library,
        "-r".into(),
        venv("tvm-0.27"),
    ];
    let (report, _) = scan(args);
    assert_eq!(report["verdicts"][0]["status"], "fits");
}
