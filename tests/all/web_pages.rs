//! Wasm libraries with the JavaScript that loads them: what artcheck says of a pair is
//! what Node says when it loads the two.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::make::{self, corpus};
use crate::support::{part, root, scan};

/// A published package, and the folder that it is unpacked in.
const PACKAGES: [(&str, &str); 4] = [
    ("web-llm-0.2.79", "web-llm-0.2.79"),
    ("web-llm-0.2.84", "web-llm-0.2.84"),
    ("web-llm-0.2.86", "web-llm-0.2.86"),
    ("web-runtime-0.27.0-dev0", "web-runtime-0.27"),
];
const LIBRARIES: [&str; 2] = [
    "tvm-0.27/embedding-webgpu.wasm",
    "synthetic/embedding-0.25-webgpu-split.wasm",
];

fn folder(package: &str) -> PathBuf {
    let folder = part("npm").join(package).join("package");
    let hint = "is missing: run `python3 tools/parts.py`";
    assert!(folder.is_dir(), "{} {hint}", folder.display());
    folder
}

/// What AC402 says that the browser prints.
fn predicted(library: &Path, runtime: &str) -> (Option<String>, i32) {
    let (report, status) = scan([library.as_os_str(), "-r".as_ref(), runtime.as_ref()]);
    let findings = report["findings"].as_array().expect("findings");
    let mut findings = findings.iter().filter(|it| it["severity"] == "error");
    let words = findings.find_map(|it| it["runtime_says"].as_str().map(str::to_owned));
    (words, status)
}

/// What Node prints, in the words of Chromium.
fn said_by_node(package: &Path, library: &Path) -> String {
    let run = Command::new("node")
        .arg(root().join("tests/web/load.mjs"))
        .args([package.as_os_str(), "".as_ref(), library.as_os_str()])
        .output()
        .expect("node runs");
    let text = String::from_utf8_lossy(&run.stdout);
    let line = text.lines().find(|line| line.starts_with("[\""));
    let said: (String, String) = serde_json::from_str(line.expect("an answer")).expect("JSON");
    let said = said.1.replace("module=", "").replace(" function=", " ");
    said.replace(" error:", ":")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_stops_a_library_in_a_page_is_what_node_prints() {
    for (_, package) in PACKAGES {
        for library in LIBRARIES.map(corpus) {
            let package = folder(package);
            let (predicted, status) = predicted(&library, &package.to_string_lossy());
            assert_eq!(status, 1, "{} {}", package.display(), library.display());
            assert_eq!(predicted, Some(said_by_node(&package, &library)));
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_table_has_what_the_packages_have() {
    use artcheck_inspect::runtime::{glue, glue_source};
    for (name, package) in PACKAGES {
        let (read, glue) = glue_source::package(&folder(package)).expect("a package");
        assert_eq!(read, name);
        assert_eq!(glue.as_ref().ok(), glue::by_name(name));
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_package_beside_the_library_is_the_one_that_loads_it() {
    let app = make::folder();
    let library = std::fs::read(corpus(LIBRARIES[0])).expect("the corpus");
    make::put(&app, "public/model.wasm", library);
    let package = folder("web-llm-0.2.84");
    for file in ["package.json", "lib/index.js"] {
        let bytes = std::fs::read(package.join(file)).expect("the package");
        let to = format!("node_modules/@mlc-ai/web-llm/{file}");
        make::put(&app, &to, bytes);
    }
    let (report, status) = scan([app.path()]);
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    let on: Vec<&str> = verdicts
        .iter()
        .filter_map(|it| it["runtime"].as_str())
        .collect();
    assert_eq!((on, status), (vec!["web-llm-0.2.84"], 1));
    // A bundle that cannot be read decides nothing, and is no reason to be silent.
    make::put(
        &app,
        "node_modules/@mlc-ai/web-llm/lib/index.js",
        "let a = 1;",
    );
    let (_, status) = scan([app.path()]);
    assert_eq!(status, 4);
}

#[test]
fn a_published_package_goes_by_its_name() {
    let library = corpus(LIBRARIES[0]);
    let (words, status) = predicted(&library, "web-llm-0.2.86");
    assert_eq!(status, 1);
    assert!(words.is_some_and(|words| words.starts_with("LinkError: ")));
    let native = corpus("tvm-0.27/dense-cpu-x86_64.so");
    let (report, status) = scan([native.as_os_str(), "-r".as_ref(), "web-llm-0.2.86".as_ref()]);
    assert_eq!(status, 1);
    assert_eq!(report["findings"][0]["rule"], "AC002");
    let unknown =
        crate::support::run([native.as_os_str(), "-r".as_ref(), "web-llm-0.2.7".as_ref()]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// A module with its sections changed, or dropped.
fn edited(module: &[u8], mut edit: impl FnMut(u8, &mut Vec<u8>) -> bool) -> Vec<u8> {
    let mut made = module[..8].to_vec();
    let mut at = 8;
    while at < module.len() {
        let (id, mut length, mut shift) = (module[at], 0, 0);
        at += 1;
        loop {
            length |= usize::from(module[at] & 0x7f) << shift;
            (shift, at) = (shift + 7, at + 1);
            if module[at - 1] < 0x80 {
                break;
            }
        }
        let mut body = module[at..at + length].to_vec();
        at += length;
        if !edit(id, &mut body) {
            continue;
        }
        made.push(id);
        let mut rest = body.len();
        while rest > 0x7f {
            made.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        made.push(u8::try_from(rest).expect("seven bits"));
        made.extend(body);
    }
    made
}

/// One more entry of a section that has few.
fn add(body: &mut Vec<u8>, entry: &[u8]) {
    assert!(body[0] < 0x7f, "few entries");
    body[0] += 1;
    body.extend(entry);
}

/// A corpus library that says it has TVM's runtime inside: one export more.
fn with_runtime(module: &[u8]) -> Vec<u8> {
    edited(module, |id, body| {
        if id == 7 {
            add(body, b"\x12TVMFFIFunctionCall\0\0");
        }
        true
    })
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_is_no_function_of_env_is_not_offered() {
    let module = std::fs::read(corpus(LIBRARIES[0])).expect("the corpus");
    // The memory comes from outside.
    let of_page = edited(&module, |id, body| {
        if id == 2 {
            add(body, b"\x03env\x06memory\x02\x00\x01");
        }
        id != 5
    });
    // A function of another module.
    let of_other = edited(&module, |id, body| {
        if id == 2 {
            let at = body
                .windows(4)
                .position(|it| it == b"\x03env")
                .expect("env");
            body[at + 3] = b'w';
        }
        true
    });
    let top = make::folder();
    let package = folder("web-llm-0.2.84");
    for (name, module) in [("memory.wasm", of_page), ("module.wasm", of_other)] {
        let file = make::put(top.path(), name, module);
        let (predicted, status) = predicted(&file, &package.to_string_lossy());
        assert_eq!(
            (predicted, status),
            (Some(said_by_node(&package, &file)), 1),
            "{name}"
        );
    }
}

/// TVM's runtime and a model in one file.
const LINKED: &str = "web/tvm-0.27/embedding-webgpu.wasm";

/// The same with the entry of an export changed: its name is followed by its kind and number.
fn with_export(module: &[u8], name: &str, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("a short name");
    let entry = [&[length], name.as_bytes()].concat();
    edited(module, |id, body| {
        if id == 7 {
            let mut windows = body.windows(entry.len());
            let at = windows.position(|it| it == entry).expect("the export");
            change(&mut body[at + 1..]);
        }
        true
    })
}

/// Each export that tvmjs calls of every library, one at a time, under another name.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_export_that_javascript_calls_is_missed_as_node_misses_it() {
    const CALLED: [&str; 9] = [
        "memory",
        "_initialize",
        "TVMWasmAllocSpace",
        "TVMFFIFunctionGetGlobal",
        "TVMFFIWasmFunctionCreate",
        "TVMFFIFunctionSetGlobal",
        "TVMFFIObjectDecRef",
        "TVMFFITypeKeyToIndex",
        "TVMFFIObjectIncRef",
    ];
    let module = std::fs::read(part("built").join(LINKED)).expect("a linked library");
    let top = make::folder();
    let package = folder("web-runtime-0.27");
    for name in CALLED {
        let lacking = with_export(&module, name, |entry| entry[0] = b'x');
        let file = make::put(top.path(), "lacking.wasm", lacking);
        let (predicted, status) = predicted(&file, &package.to_string_lossy());
        let said = said_by_node(&package, &file);
        // The last is called later.
        if name == "TVMFFIObjectIncRef" {
            assert_eq!((predicted, status, said.as_str()), (None, 0, "loaded"));
            continue;
        }
        let said = said.strip_prefix("Error: ").unwrap_or(&said).to_owned();
        assert_eq!((predicted, status), (Some(said), 1), "{name}");
    }
    // No instance is made for want of it, and it is what calls every function.
    let name = "TVMFFIFunctionCall";
    let lacking = with_export(&module, name, |entry| entry[0] = b'x');
    let file = make::put(top.path(), "lacking.wasm", lacking);
    let (words, status) = predicted(&file, &package.to_string_lossy());
    let words = words.expect("words");
    let expected = "TypeError: this.exports.TVMFFIFunctionCall is not a function";
    assert_eq!((words.as_str(), status), (expected, 1));
}

/// An export of the right name that is a global, and a memory that is a function.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_export_of_another_kind_is_none() {
    let module = std::fs::read(part("built").join(LINKED)).expect("a linked library");
    let top = make::folder();
    let package = folder("web-runtime-0.27");
    let kinds = [("TVMFFIFunctionGetGlobal", 3), ("memory", 0)];
    for (name, kind) in kinds {
        let other = with_export(&module, name, |entry| {
            entry[name.len()] = kind;
            // The first of them, in as many bytes.
            let number = &mut entry[name.len() + 1..];
            let more = number.iter().take_while(|byte| **byte & 0x80 != 0).count();
            number[..more].fill(0x80);
            number[more] = 0;
        });
        let file = make::put(top.path(), "other.wasm", other);
        let (words, status) = predicted(&file, &package.to_string_lossy());
        assert_eq!(status, 1, "{name}");
        let said = said_by_node(&package, &file);
        assert_ne!(said, "loaded", "{name}");
        let said = said.strip_prefix("Error: ").unwrap_or(&said);
        assert!(words.is_none_or(|words| words == said), "{name}: {said}");
    }
}

/// One page of memory for data of many; and names that every object of JavaScript has.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn memory_too_small_for_its_data_and_inherited_names_are_what_node_says() {
    let module = std::fs::read(part("built").join(LINKED)).expect("a linked library");
    let tiny = edited(&module, |id, body| {
        if id == 5 {
            *body = vec![1, 0, 1];
        }
        true
    });
    let inherited = edited(&module, |id, body| {
        if id == 2 {
            let name = b"\x03env\x12TVMFFIWasmSafeCall";
            let mut windows = body.windows(name.len());
            let at = windows.position(|it| it == name).expect("the import");
            let name = b"\x03env\x14propertyIsEnumerable";
            body.splice(at..at + 23, name.iter().copied());
        }
        true
    });
    let top = make::folder();
    let package = folder("web-runtime-0.27");
    let file = make::put(top.path(), "tiny.wasm", tiny);
    let (words, status) = predicted(&file, &package.to_string_lossy());
    let words = words.expect("words");
    assert!(said_by_node(&package, &file).starts_with(&words), "{words}");
    assert_eq!(status, 1);
    let file = make::put(top.path(), "inherited.wasm", inherited);
    let (words, status) = predicted(&file, &package.to_string_lossy());
    assert_eq!((words, status), (None, 0));
    assert_eq!(said_by_node(&package, &file), "loaded");
}

/// A library with a runtime runs on that one, whatever other is named.
#[test]
fn a_release_is_nothing_to_a_library_with_its_own_runtime() {
    let folder = make::folder();
    let module = std::fs::read(corpus(LIBRARIES[0])).expect("the corpus");
    let with = make::put(folder.path(), "with.wasm", with_runtime(&module));
    let on = |file: &Path, more: &[&str]| {
        let more = more.iter().map(Path::new);
        let (report, _) = scan([file].into_iter().chain(more));
        report["verdicts"].as_array().expect("verdicts").clone()
    };
    assert_eq!(on(&with, &["-r", "tvm-0.27"]), on(&with, &[]));
    // One without is linked with any.
    let verdicts = on(&corpus(LIBRARIES[0]), &["-r", "tvm-0.27"]);
    assert_eq!(verdicts[0]["runtime"], "tvm-0.27");
}

/// tvmjs asks for the system library of no name: `tests/systems` has it in Chromium.
#[test]
fn a_prefix_is_nothing_that_javascript_asks_for() {
    const NAME: &[u8] = b"artcheck_embedding___tvm_ffi__library_bin";
    let folder = make::folder();
    let module = std::fs::read(corpus(LIBRARIES[0])).expect("the corpus");
    let mut module = with_runtime(&module);
    let codes = |module: &[u8]| {
        let file = make::put(folder.path(), "model.wasm", module);
        let (report, _) = scan([
            file.as_os_str(),
            "-r".as_ref(),
            "web-runtime-0.27.0-dev0".as_ref(),
        ]);
        let findings = report["findings"].as_array().expect("findings").clone();
        let ours = findings.iter().filter(|it| it["rule"] == "AC208");
        ours.map(|it| it["runtime_says"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&module), ["Cannot find function vm_load_executable"]);
    // The same name without its prefix.
    let at: Vec<usize> = (0..module.len() - NAME.len())
        .filter(|&at| module[at..].starts_with(NAME))
        .collect();
    assert!(!at.is_empty());
    for at in at {
        module[at + b"artcheck_embedding".len()] = 0;
    }
    assert_eq!(codes(&module), [serde_json::Value::Null; 0]);
}

/// What an engine's constructor asks of the model, with what it does where that is missing.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_the_engine_asks_of_the_model_decides() {
    let script = std::fs::read_to_string(folder("web-runtime-0.27").join("lib/index.js"));
    let script = script.expect("the package");
    let library = part("built").join(LINKED);
    let top = make::folder();
    let says = |pipelines: &str| {
        let text = format!("{script}\n{pipelines}\n");
        make::put(top.path(), "index.js", text);
        let manifest = r#"{"name":"@mlc-ai/web-runtime","version":"9.9.9","main":"index.js"}"#;
        make::put(top.path(), "package.json", manifest);
        predicted(&library, &top.path().to_string_lossy())
    };
    let of = |body: &str| {
        let class = |name: &str| format!("class {name} {{ constructor(tvm) {{ {body} }} }}");
        says(&[class("LLMChatPipeline"), class("EmbeddingPipeline")].concat())
    };
    let words = |name: &str| (Some(format!("Cannot find function {name}")), 1);
    let fits = (None, 0);
    assert_eq!(of(r#"this.vm.getFunction("prefill");"#), fits);
    assert_eq!(of(r#"this.vm.getFunction("nothing");"#), words("nothing"));
    let tries = r#"let old = false;
        try { this.vm.getFunction("nothing"); old = true; } catch (e) { this.vm.getFunction("prefill"); }
        if (old) { this.vm.getFunction("never"); }"#;
    assert_eq!(of(tries), fits);
    assert_eq!(of(&tries.replace("prefill", "neither")), words("neither"));
    let otherwise = tries.replace("\"nothing\"", "\"_metadata\"");
    assert_eq!(of(&otherwise), words("never"));
    assert_eq!(
        of(
            r#"new Grammar(tvm); } } class Grammar { constructor(tvm) { tvm.getGlobalFunc("no.such");"#
        ),
        (Some("Cannot find global function no.such".to_owned()), 1)
    );
    // An engine of chat models alone.
    let (words, status) =
        says(r#"class LLMChatPipeline { constructor(tvm) { this.vm.getFunction("prefill"); } }"#);
    assert_eq!((words, status), (None, 1));
}
