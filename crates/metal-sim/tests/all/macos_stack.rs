//! The wheel's own arm64 macOS libraries, run in the emulator: they load, register
//! what can be read from their code, and raise their errors.
//!
//! One process: loading takes seconds.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use artcheck_inspect::container;
use artcheck_inspect::runtime::binary::{self, Registered};
use artcheck_inspect::runtime::classify;
use artcheck_metal_sim::Options;
use artcheck_metal_sim::macho::stack::{Stack, Zig, prepare};
use artcheck_metal_sim::macho::{Image, MachOError};

use crate::common::parts::unpacked;
use crate::common::{artifact, environment, scratch};
use crate::dylib::Dylib;

const FFI: &str = "tvm-ffi-0.1.15.post2-macos-arm64/tvm_ffi/lib";
const RUNTIME: &str = "tvm-0.27-macos-arm64/tvm/lib";

/// The pinned zig.
pub fn zig() -> Zig {
    let python = environment("tools").join("bin/python");
    let words = [&python.display().to_string(), "-m", "ziglang"].map(str::to_owned);
    Zig {
        command: words.to_vec(),
    }
}

/// The stand-ins for macOS's own libraries, from the cache or built by the pinned zig.
pub fn system() -> PathBuf {
    static SYSTEM: OnceLock<PathBuf> = OnceLock::new();
    let built = SYSTEM.get_or_init(|| {
        let cache = Options::default().cache_folder();
        prepare(&zig(), &cache).expect("zig builds libSystem and libc++")
    });
    built.clone()
}

/// The runtime of 0.27, loaded once.
fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let stack = Stack::new(&[system(), unpacked(FFI)]).expect("an empty process");
        let runtime = unpacked(RUNTIME).join("libtvm_runtime.dylib");
        stack.open(&runtime).expect("libtvm_runtime loads");
        stack
    })
}

fn function(name: &str) -> u64 {
    let found = stack().find(None, name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// A value of the C ABI: type and length, payload.
type Any = [u64; 2];
const INT: u64 = 1;
const BOOL: u64 = 2;
const DATA_TYPE: u64 = 5;
const DEVICE: u64 = 6;
const RAW_TEXT: u64 = 8;
const SMALL_TEXT: u64 = 11;
const TEXT: u64 = 65;
const HEADER_WORDS: usize = 3;

/// A registered function.
fn global(name: &str) -> u64 {
    let key = [name.as_ptr() as u64, name.len() as u64];
    let mut handle = [0u64];
    let words = [key.as_ptr() as u64, handle.as_mut_ptr() as u64];
    let status = stack().call(function("TVMFFIFunctionGetGlobal"), &words);
    assert_eq!(status.expect("it returns") as u32, 0, "{name}");
    assert_ne!(handle[0], 0, "{name} is not registered");
    handle[0]
}

/// What a function object answers; the runtime's error if it raises one.
fn call(handle: u64, arguments: &[Any]) -> Result<Any, String> {
    let mut result: Any = [0, 0];
    let words = [
        handle,
        arguments.as_ptr() as u64,
        arguments.len() as u64,
        result.as_mut_ptr() as u64,
    ];
    let status = stack().call(function("TVMFFIFunctionCall"), &words);
    if status.expect("it returns") as u32 == 0 {
        return Ok(result);
    }
    let mut error = [0u64];
    let words = [error.as_mut_ptr() as u64];
    stack()
        .call(function("TVMFFIErrorMoveFromRaised"), &words)
        .expect("it returns");
    let cell = |index: usize| {
        bytes(
            word(error[0], HEADER_WORDS + index),
            word(error[0], HEADER_WORDS + index + 1),
        )
    };
    Err(format!("{}: {}", cell(0), cell(2)))
}

fn word(address: u64, index: usize) -> u64 {
    let mut word = [0u64];
    let from = address + 8 * index as u64;
    // The emulated process copies from its own memory, which is this process's.
    let copied = stack().call(function("memcpy"), &[word.as_mut_ptr() as u64, from, 8]);
    copied.expect("memcpy returns");
    word[0]
}

fn bytes(address: u64, length: u64) -> String {
    let mut buffer = vec![0u8; usize::try_from(length).expect("a length")];
    let words = [buffer.as_mut_ptr() as u64, address, length];
    stack()
        .call(function("memcpy"), &words)
        .expect("memcpy returns");
    String::from_utf8(buffer).expect("UTF-8")
}

fn text(value: Any) -> String {
    match value[0] & 0xffff_ffff {
        SMALL_TEXT => {
            let all = value[1].to_le_bytes();
            let length = (value[0] >> 32) as usize;
            String::from_utf8(all[..length].to_vec()).expect("UTF-8")
        }
        TEXT => bytes(
            word(value[1], HEADER_WORDS),
            word(value[1], HEADER_WORDS + 1),
        ),
        other => panic!("a string expected, found type {other}"),
    }
}

/// The names of the emulated registry, as the runtime itself lists them.
fn registry() -> BTreeSet<String> {
    let list = call(global("ffi.FunctionListGlobalNamesFunctor"), &[]).expect("a function");
    let count = call(list[1], &[[INT, u64::MAX]]).expect("a number")[1];
    (0..count)
        .map(|index| text(call(list[1], &[[INT, index]]).expect("a name")))
        .collect()
}

/// What reading the same files says.
fn read() -> BTreeSet<String> {
    let files = [
        unpacked(FFI).join("libtvm_ffi.dylib"),
        unpacked(RUNTIME).join("libtvm_runtime.dylib"),
    ];
    let mut names = BTreeSet::new();
    for path in files {
        let bytes = std::fs::read(&path).expect("the part is readable");
        let parsed = container::parse(&bytes).expect("a library").remove(0);
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = classify(&parsed.binary, &file).expect("a part of a runtime");
        let profile = binary::read(&file, &kind, &parsed, &[], Registered::Followed);
        names.extend(profile.functions.value.expect("the functions are read"));
    }
    names
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_registry_is_what_the_files_say() {
    let (mut ran, read) = (registry(), read());
    // Of libtvm_ffi_testing, which another test opens in the same process.
    ran.retain(|name| !name.starts_with("testing."));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).cloned().collect()
    };
    assert_eq!(
        only(&ran, &read),
        Vec::<String>::new(),
        "registered, not read"
    );
    assert_eq!(
        only(&read, &ran),
        Vec::<String>::new(),
        "read, not registered"
    );
    assert!(ran.len() > 200, "{}", ran.len());
}

/// An error that the runtime throws crosses frames of two libraries and comes out of
/// the C ABI as text.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_exception_becomes_an_error() {
    let path = c"/no/such/library.dylib";
    let error = call(
        global("ffi.ModuleLoadFromFile"),
        &[[RAW_TEXT, path.as_ptr() as u64]],
    );
    let error = error.expect_err("there is no such file");
    assert!(error.contains("no/such/library.dylib"), "{error}");
}

/// What AC202 predicts of a library of 0.25 on this runtime: it loads, its VM starts,
/// and the first call through the slot that nothing fills is a jump to address 0.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_empty_slot_is_a_jump_to_zero() {
    let path = artifact("tvm-0.25/extcall-cpu-macos-arm64.dylib");
    let path = CString::new(path.display().to_string()).expect("no zero byte");
    let raw = |text: &CStr| [RAW_TEXT, text.as_ptr() as u64];
    let module = call(global("ffi.ModuleLoadFromFile"), &[raw(&path)]).expect("it loads");
    let get = |module: Any, name: &CStr| {
        let found = call(
            global("ffi.ModuleGetFunction"),
            &[module, raw(name), [BOOL, 1]],
        );
        found.expect("a function")[1]
    };
    let vm = call(get(module, c"vm_load_executable"), &[]).expect("a machine");
    // The CPU, its first device, the pooled allocator.
    let device: [Any; 3] = [[INT, 1], [INT, 0], [INT, 2]];
    call(get(vm, c"vm_initialization"), &device).expect("it starts");
    let shape = call(global("ffi.Shape"), &[[INT, 4]]).expect("a shape");
    let float32 = [DATA_TYPE, 2 | 32 << 8 | 1 << 16];
    let arguments: [Any; 4] = [shape, float32, [DEVICE, 1], [0, 0]];
    let tensor = call(global("runtime.TVMTensorAllocWithScope"), &arguments).expect("a tensor");
    call(get(vm, c"add_one"), &[tensor]).expect("no slot is in the way");
    let mut result: Any = [0, 0];
    let words = [
        get(vm, c"add_external"),
        tensor.as_ptr() as u64,
        1,
        result.as_mut_ptr() as u64,
    ];
    let stopped = stack().call(function("TVMFFIFunctionCall"), &words);
    let error = stopped.expect_err("the slot is empty").to_string();
    assert!(error.contains("a jump to address 0"), "{error}");
}

/// A library that needs another one is refused in dyld's words.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_missing_library_is_named() {
    let stack = Stack::new(&[system()]).expect("an empty process");
    let runtime = unpacked(RUNTIME).join("libtvm_runtime.dylib");
    let error = stack.open(&runtime).expect_err("libtvm_ffi is not there");
    assert!(
        matches!(error, MachOError::LibraryNotLoaded { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("Library not loaded: @rpath/libtvm_ffi.dylib"),
        "{error}"
    );
}

/// Links C as a library for macOS.
fn made(folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    std::fs::write(folder.join("a.c"), source).expect("written");
    let command = zig().command;
    let done = std::process::Command::new(&command[0])
        .current_dir(folder)
        .args(&command[1..])
        .args(["cc", "-target", "aarch64-macos", "-dynamiclib", "a.c"])
        .args(flags)
        .args(["-o", name])
        .status();
    assert!(done.expect("zig runs").success(), "{name}");
    folder.join(name)
}

/// A symbol that is asked of any library, as `-undefined dynamic_lookup` has it, and that
/// no library has: dyld refuses. One that only a Mac's libSystem has stops its caller.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_missing_symbol_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = |name: &str, source: &str| {
        let any = "-Wl,-undefined,dynamic_lookup";
        made(folder.path(), name, source, &[any])
    };
    let stack = Stack::new(&[system()]).expect("an empty process");
    let data = "extern int nothere; int get(void) { return nothere; }";
    let error = stack
        .open(&made("data.dylib", data))
        .expect_err("no such data");
    let words = "symbol not found in flat namespace '_nothere'";
    assert_eq!(error.to_string(), words);
    // This machine has it, and a Mac has not.
    let linux = "void *memrchr(void); void *user(void) { return memrchr(); }";
    let error = stack.open(&made("linux.dylib", linux));
    let error = error.expect_err("libSystem has none");
    let words = "symbol not found in flat namespace '_memrchr'";
    assert_eq!(error.to_string(), words);
    let asks = "int getpwuid(int); int user(void) { return getpwuid(1); }";
    let handle = stack.open(&made("user.dylib", asks)).expect("a Mac has it");
    let user = stack.find(Some(handle), "user").expect("it is exported");
    let error = stack.call(user, &[]).expect_err("it is not provided here");
    assert!(error.to_string().contains("getpwuid"), "{error}");
}

/// A library may be absent where another names it weakly: what is asked of it is 0.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_that_is_named_weakly_may_be_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let other = made(at, "libother.dylib", "int other(void) { return 1; }", &[]);
    let asks = "int other(void); int has(void) { return other != 0; }";
    let weak = "int other(void) __attribute__((weak_import));";
    for (kind, is_strong) in [("-l", true), ("-weak-l", false)] {
        let (library, source) = (format!("{kind}other"), format!("{weak} {asks}"));
        let asking = made(at, "asking.dylib", &source, &["-L.", &library]);
        let hidden = at.join("hidden");
        std::fs::rename(&other, &hidden).expect("renamed");
        let stack = Stack::new(&[system()]).expect("an empty process");
        match stack.open(&asking) {
            Ok(handle) => {
                let has = stack.find(Some(handle), "has").expect("it is exported");
                assert_eq!(stack.call(has, &[]).expect("it returns"), 0);
                assert!(!is_strong);
            }
            Err(error) => assert!(is_strong, "{error}"),
        }
        std::fs::rename(&hidden, &other).expect("renamed");
    }
}

/// The stand-in's own C: sorting with a function of emulated code, division of wide
/// numbers.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_stand_in_computes() {
    let mut words: Vec<[u8; 8]> = ["pear", "fig", "apple", "plum", "kiwi", "date"]
        .iter()
        .map(|word| {
            let mut slot = [0u8; 8];
            slot[..word.len()].copy_from_slice(word.as_bytes());
            slot
        })
        .collect();
    let mut sorted = words.clone();
    sorted.sort_unstable();
    let (base, count, order) = (
        words.as_mut_ptr() as u64,
        words.len() as u64,
        function("strcmp"),
    );
    let done = stack().call(function("qsort"), &[base, count, 8, order]);
    done.expect("qsort returns");
    assert_eq!(words, sorted);
    let found = stack().call(
        function("bsearch"),
        &[c"kiwi".as_ptr() as u64, base, count, 8, order],
    );
    assert_eq!(found.expect("bsearch returns"), base + 3 * 8);
    // -7 / 2 and -7 % 2, as pairs of words.
    let minus_seven = [(-7i64).cast_unsigned(), u64::MAX, 2, 0];
    for (name, want) in [("__divti3", -3i64), ("__modti3", -1)] {
        let got = stack().call(function(name), &minus_seven);
        assert_eq!(got.expect("it returns").cast_signed(), want, "{name}");
    }
}

/// A re-export is the symbol of the library that has it; one of a name that nothing has is
/// none, and so is what only the symbol table has.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_reexport_leads_to_the_other_library() {
    let path = unpacked(FFI).join("libtvm_ffi_testing.dylib");
    let whole = Dylib(std::fs::read(path).expect("the file is readable"));
    let image = Image::parse(&whole.0).expect("parses");
    let mut names = image.dependencies.iter();
    let number = names.position(|name| name.ends_with("libtvm_ffi.dylib"));
    let number = u8::try_from(number.expect("it needs it") + 1).expect("small");
    let there = [&[8, number], "_TVMFFIFunctionGetGlobal\0".as_bytes()].concat();
    let nowhere = [&[8, number], "_TVMFFINothing\0".as_bytes()].concat();
    let absolute: &[u8] = &[2, 0x11];
    let changed = whole.with_exports(&[("_a", &there), ("_b", &nowhere), ("_c", absolute)]);
    std::fs::create_dir_all(scratch()).expect("the scratch folder is writable");
    let path = scratch().join("reexports.dylib");
    std::fs::write(&path, &changed.0).expect("the scratch folder is writable");
    let library = stack().open(&path).expect("it loads");
    let find = |name: &str| stack().find(Some(library), name);
    assert_eq!(find("a"), Some(function("TVMFFIFunctionGetGlobal")));
    assert_eq!(find("b"), None);
    assert_eq!(find("c"), Some(0x11));
    let own = image.symbols.keys().next().expect("exports");
    assert_eq!(find(&own[1..]), None, "{own}");
}
