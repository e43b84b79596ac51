//! Reads [`Glue`] out of the text of a package's JavaScript, which is never run.
//!
//! The packages are bundles that keep the names of tvmjs: the classes `Environment`,
//! `RuntimeContext`, `LLMChatPipeline` and `EmbeddingPipeline`, and the object
//! `wasmImports` that Emscripten writes. A bundle whose names were shortened has none
//! of them, and nothing is said of it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use memchr::memmem;
use serde::Deserialize;

use super::glue::Glue;
use super::glue_constructor::asked_by;
use super::javascript::{code, find, is_word, quoted};
use crate::container::{Body, Member, tar};

/// Packages that are read, with the name that a release of theirs has here.
const PACKAGES: [(&str, &str); 2] = [
    ("@mlc-ai/web-llm", "web-llm"),
    ("@mlc-ai/web-runtime", "web-runtime"),
];
/// Bytes of a script that are read; the largest published one has 7 MB.
const MAX_SCRIPT: u64 = 64 << 20;
/// Methods of tvmjs that call an export of every instance: it looks for the library's
/// functions, registers its own, lets go of them and names its classes, all before the
/// instance is there; and then calls the functions.
const CALLERS: [(&str, &str); 9] = [
    ("Instance", "getGlobalFuncInternal"),
    ("Instance", "getGlobalFuncInternalOptional"),
    ("Instance", "createPackedFuncFromCFunc"),
    ("Instance", "createPackedFuncFromSafeCallType"),
    ("Instance", "registerFunc"),
    ("PackedFuncCell", "dispose"),
    ("Instance", "typeKey2Index"),
    ("Instance", "makePackedFunc"),
    ("Instance", "invokePackedCall"),
];
/// One of Emscripten's own names, in every `wasmImports` of a TVM runtime.
const OWN_IMPORT: &str = "clock_time_get";

#[derive(Deserialize)]
struct Manifest {
    name: String,
    version: String,
    main: Option<String>,
}

/// The name (`web-llm-0.2.79`) and JavaScript of an unpacked npm package; `None` for
/// any other folder. The error says why one of these packages could not be read.
pub fn package(folder: &Path) -> Option<(String, Result<Glue, String>)> {
    let manifest = folder.join("package.json");
    if !manifest.metadata().is_ok_and(|facts| facts.is_file()) {
        return None;
    }
    let text = bounded(File::open(manifest).ok()?).ok()?;
    let script = |main: &str| {
        let path = within(folder, main).ok_or_else(|| format!("`main` is {main}"))?;
        let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        bounded(file)
    };
    of_package(&text, script)
}

/// The same of every package in a folder: the folder itself, or what npm has installed
/// in it or in its `node_modules`.
pub fn installed(folder: &Path) -> Vec<(String, Result<Glue, String>)> {
    let modules = [PathBuf::new(), PathBuf::from("node_modules")];
    let modules = modules.iter().map(|inner| folder.join(inner));
    let named = modules.flat_map(|modules| PACKAGES.map(|(name, _)| modules.join(name)));
    // `npm pack` puts everything into a folder of this name.
    let own = [folder.to_owned(), folder.join("package")];
    let folders = own.into_iter().chain(named);
    folders.filter_map(|folder| package(&folder)).collect()
}

/// The same of a packed package, as `npm pack` writes it and the registry has it.
pub fn tarball(path: &Path) -> Option<(String, Result<Glue, String>)> {
    let file = File::open(path).ok()?;
    let unpacked = MultiGzDecoder::new(BufReader::new(file));
    let mut bytes = Vec::new();
    let most = MAX_SCRIPT.saturating_mul(2);
    unpacked.take(most).read_to_end(&mut bytes).ok()?;
    // Every member lies in one folder, mostly called `package`.
    let member = |wanted: &str| {
        let mut found = None;
        let mut look = |member: Member<'_, '_>| {
            let name = String::from_utf8_lossy(&member.name);
            let inner = name.split_once('/').map(|(_, inner)| inner);
            if let (true, Body::Stored(body)) = (inner == Some(wanted), member.body) {
                found = Some(body.to_vec());
            }
            found.is_none()
        };
        // A damaged end does not matter once the member was met.
        let _ = tar::members(&bytes, &mut look);
        found
    };
    of_package(&member("package.json")?, |main| {
        let inner = main.strip_prefix("./").unwrap_or(main);
        member(inner).ok_or_else(|| format!("it holds no {main}"))
    })
}

/// The same of a package's files, wherever they are.
fn of_package(
    manifest: &[u8],
    script: impl FnOnce(&str) -> Result<Vec<u8>, String>,
) -> Option<(String, Result<Glue, String>)> {
    let manifest: Manifest = serde_json::from_slice(manifest).ok()?;
    let (_, short) = PACKAGES.iter().find(|(name, _)| *name == manifest.name)?;
    let name = format!("{short}-{}", manifest.version);
    let main = manifest.main.as_deref().unwrap_or("lib/index.js");
    let glue = script(main).and_then(|text| {
        let text = String::from_utf8_lossy(&text);
        read(&text).ok_or_else(|| format!("{main} holds no tvmjs that can be read"))
    });
    Some((name, glue))
}

/// A file of a package that stays inside it.
fn within(folder: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    name.components()
        .all(is_plain)
        .then(|| folder.join(name))
        .filter(|path| path.metadata().is_ok_and(|facts| facts.is_file()))
}

fn bounded(file: File) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read = file
        .take(MAX_SCRIPT.saturating_add(1))
        .read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_SCRIPT {
        return Err(format!("it is larger than {} MiB", MAX_SCRIPT >> 20));
    }
    Ok(text)
}

/// What the JavaScript offers and asks for; `None` where it is no such bundle.
pub fn read(text: &str) -> Option<Glue> {
    let text = text.as_bytes();
    let mut offers = emscripten_imports(text)?;
    for object in ["defaultEnv", "newEnv"] {
        offers.extend(objects(text, object).next()?);
    }
    let exports = find(text, b"checkExports([")?;
    let exports = text.get(exports..)?;
    let exports = exports.get(..find(exports, b"]")?)?;
    Some(Glue {
        offers,
        exports: quoted(exports).collect(),
        calls: calls(text),
        instance: asked_by(text, "RuntimeContext")?,
        chat: asked_by(text, "LLMChatPipeline").unwrap_or_default(),
        embedding: asked_by(text, "EmbeddingPipeline").unwrap_or_default(),
    })
}

/// The keys of the `wasmImports` of TVM's runtime; bundles hold others too.
fn emscripten_imports(text: &[u8]) -> Option<BTreeSet<String>> {
    objects(text, "wasmImports").find(|keys| keys.contains(OWN_IMPORT))
}

/// The keys of each object literal that is assigned to this name. One that does not end
/// before the next begins ends there, so that no text is read twice.
fn objects(text: &[u8], name: &str) -> impl Iterator<Item = BTreeSet<String>> {
    let begins = |at: usize| {
        let rest = text.get(at.checked_add(name.len())?..)?;
        let rest = rest.trim_ascii_start().strip_prefix(b"=")?;
        let rest = rest.trim_ascii_start();
        let start = text.len().checked_sub(rest.len())?;
        rest.starts_with(b"{").then_some(start)
    };
    let starts: Vec<usize> = memmem::find_iter(text, name.as_bytes())
        .filter_map(begins)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let objects: Vec<&[u8]> = starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| text.get(*start..end))
        .collect();
    objects.into_iter().map(keys)
}

/// The keys of the object literal that the text begins with.
fn keys(object: &[u8]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    code(object, |nesting, at| {
        let opens = nesting.all == 1 && matches!(object.get(at), Some(b'{' | b','));
        let key = opens.then(|| object.get(at.saturating_add(1)..)).flatten();
        keys.extend(key.and_then(key_at).map(str::to_owned));
    });
    keys
}

/// `"name":` or `name:` or `name,`
fn key_at(text: &[u8]) -> Option<&str> {
    let text = text.trim_ascii_start();
    let (text, is_end): (_, fn(&u8) -> bool) = match text.strip_prefix(b"\"") {
        Some(text) => (text, |byte| *byte == b'"'),
        None => (text, |byte| !is_word(*byte)),
    };
    let key = text.get(..text.iter().position(is_end)?)?;
    std::str::from_utf8(key).ok().filter(|key| !key.is_empty())
}

/// What is called of every instance, in order: what Emscripten's part of tvmjs uses, which
/// is before its classes, and what the [`CALLERS`] do.
fn calls(text: &[u8]) -> Vec<String> {
    let is_there = |what: &str| find(text, what.as_bytes()).is_some();
    let library = find(text, b"class FFILibrary ").and_then(|end| text.get(..end));
    let library = library.unwrap_or_default();
    let start = find(library, b"__wasmLib").and_then(|start| library.get(start..));
    let mut calls = Vec::new();
    if is_there(".exports.memory instanceof WebAssembly.Memory") {
        calls.push(String::from("memory"));
    }
    // What is called is the variable; an old one has another message.
    for (code, name) in [
        (&b"wasmExports[\"_initialize\"])()"[..], "__initialize"),
        (b"Module[\"asm\"][\"_initialize\"])", "_initialize"),
    ] {
        let uses = start.is_some_and(|start| find(start, code).is_some());
        calls.extend(uses.then(|| name.to_owned()));
    }
    let inherits = is_there("class PackedFuncCell extends TVMObject ");
    for (class, name) in CALLERS {
        let class = match class {
            "PackedFuncCell" if inherits => "TVMObject",
            class => class,
        };
        let body = method(text, class, name).unwrap_or_default();
        code(body, |_, at| calls.extend(called_at(body, at)));
    }
    calls
}

/// From its brace on, the first method of this name in a class or behind it.
fn method<'a>(text: &'a [u8], class: &str, name: &str) -> Option<&'a [u8]> {
    let class = format!("class {class} ");
    let class = text.get(find(text, class.as_bytes())?..)?;
    let name = format!(" {name}(");
    memmem::find_iter(class, name.as_bytes()).find_map(|at| {
        let rest = class.get(at..)?;
        let line = rest.get(..find(rest, b"\n")?)?.trim_ascii_end();
        let brace = line.len().checked_sub(1)?;
        line.ends_with(b") {").then(|| rest.get(brace..)).flatten()
    })
}

/// `this.exports.TVMFuncCall` where an export is called here.
fn called_at(text: &[u8], at: usize) -> Option<String> {
    let (before, rest) = text.split_at_checked(at)?;
    let name = rest.strip_prefix(b"exports")?.trim_ascii_start();
    let name = name.strip_prefix(b".")?;
    let name = name.get(..name.iter().position(|byte| !is_word(*byte))?)?;
    let is_path = |byte: &u8| is_word(*byte) || *byte == b'.';
    let start = before.iter().rposition(|byte| !is_path(byte))?;
    let owner = before.get(start.checked_add(1)?..)?.strip_suffix(b".")?;
    let parts = [owner, b"exports", name].map(String::from_utf8_lossy);
    Some(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of a bundle, with everything that could mislead a reader.
    const BUNDLE: &str = r#"
    class Environment { environment(initEnv) {
        const defaultEnv = { "__cxa_thread_atexit": () => { let x = { no: 1, never: 2 }; }, "grow": (index, more) => {} };
        const newEnv = { "TVMFFIWasmSafeCall": call, "log": (msg) => { this.logger(msg); } };
    } }
    var wasmImports={a:b,c:d};
    var wasmImports = {"clock_time_get":_clock, fd_read:_read, proc_exit};
    var __wasmLib={};var __initialize=()=>(__initialize=wasmExports["_initialize"])();
    class FFILibrary {
        detectWasmMemory(instance) { if (instance.exports.memory instanceof WebAssembly.Memory) return; }
        validateInstance() { this.checkExports(["TVMWasmAllocSpace", "TVMFuncFree"]); } }
    class TVMObject {
        dispose() {
            if (this.handle != 0) { this.lib.checkCall(this.lib.exports.TVMFFIObjectDecRef(this.handle)); }
        }
    }
    class PackedFuncCell extends TVMObject { }
    class Instance {
        later() { this.exports.TVMLater(); }
        registerFunc(name, func, override = false) {
            this.withNewScope(() => {
                // this.exports.TVMCommented();
                this.lib.checkCall(this.lib.exports.TVMFFIFunctionSetGlobal("this.exports.TVMText()"));
            });
        }
        createPackedFuncFromSafeCallType(func) {
            this.lib.checkCall(this.exports
                .TVMFFIWasmFunctionCreate(findex, outPtr));
        }
        dispose() { this.exports.TVMOther(); }
    }
    class RuntimeContext {
        constructor(getGlobalFunc) {
            // getGlobalFunc("commented") {
            this.a = getGlobalFunc("first"); /* } getGlobalFunc("no") */
            const text = "} getGlobalFunc(\"quoted\")";
            try { this.b = getGlobalFunc("perhaps"); } catch (e) {}
            this.c = this.tvm.keep(this.tvm.getGlobalFunc("second"));
        }
        later() { getGlobalFunc("later"); }
    }"#;

    #[test]
    fn what_is_certain_is_read_and_nothing_else() {
        let glue = read(BUNDLE).expect("it is a bundle");
        let offers: Vec<&str> = glue.offers.iter().map(String::as_str).collect();
        let expected = [
            "TVMFFIWasmSafeCall",
            "__cxa_thread_atexit",
            "clock_time_get",
            "fd_read",
            "grow",
            "log",
            "proc_exit",
        ];
        assert_eq!(offers, expected);
        assert_eq!(glue.exports, ["TVMWasmAllocSpace", "TVMFuncFree"]);
        let calls = [
            "memory",
            "__initialize",
            "this.exports.TVMFFIWasmFunctionCreate",
            "this.lib.exports.TVMFFIFunctionSetGlobal",
            "this.lib.exports.TVMFFIObjectDecRef",
        ];
        assert_eq!(glue.calls, calls);
        assert_eq!(glue.instance, ["first", "second"]);
        assert_eq!((glue.chat.len(), glue.embedding.len()), (0, 0));
    }

    /// Objects that never end: each is read up to the next, and the last has one name.
    #[test]
    fn a_bundle_of_objects_in_objects_is_read_once() {
        let many = "wasmImports={a,".repeat(300_000);
        let found = objects(many.as_bytes(), "wasmImports");
        assert_eq!(found.map(|keys| keys.len()).sum::<usize>(), 599_999);
        assert!(read(&many).is_none());
    }

    #[test]
    fn a_bundle_cut_anywhere_is_read_or_not_but_never_a_panic() {
        for end in 0..BUNDLE.len() {
            let _ = BUNDLE.get(..end).map(read);
        }
        assert!(read("var a = 1;").is_none());
    }
}
