//! The stand-ins for Objective-C and Metal in front of the simulated device, held by a
//! client that a compiler made: messages, constant strings, blocks. What breaks one of
//! Metal's rules is stopped, with the rule's name and the method's.

use std::ffi::CString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use artcheck_metal_sim::macho::stack::Stack;
use artcheck_metal_sim::{Options, prepare_metal};

use crate::common::{root, scratch};
use crate::macos_stack::{system, zig};

/// Compiles the client. What it takes of Metal is bound when it is loaded.
fn client() -> PathBuf {
    let to = scratch().join("metal-client");
    std::fs::create_dir_all(&to).expect("a folder");
    let library = to.join("libclient.dylib");
    let zig = zig();
    let (program, first) = zig.command.split_first().expect("a command");
    let done = Command::new(program)
        .args(first)
        .args(["cc", "-target", "aarch64-macos.11.0", "-dynamiclib", "-O1"])
        .args(["-fblocks", "-fno-objc-arc"])
        .args(["-Wno-everything", "-Wl,-undefined,dynamic_lookup", "-o"])
        .arg(&library)
        .arg(root().join("crates/metal-sim/tests/programs/metal_client.m"))
        .status()
        .expect("zig runs");
    assert!(done.success());
    library
}

/// A process with the client in it and a device behind Metal.
fn process() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let options = Options {
            cache: Some(scratch()),
            ..Options::default()
        };
        let device = prepare_metal(&options).expect("the device builds");
        let stack = Stack::with_metal(&[system()], &device.path).expect("a process");
        stack.open(&client()).expect("the client loads");
        stack
    })
}

fn call(name: &str, words: &[u64]) -> Result<u64, String> {
    let function = process().find(None, name).expect("the client has it");
    let answer = process().call(function, words);
    answer
        .map(|word| word & 0xffff_ffff)
        .map_err(|e| e.to_string())
}

/// A text that a function of the client answers.
fn words(name: &str, words: &[u64]) -> String {
    let find = |name| process().find(None, name).expect("it is there");
    let text = process().call(find(name), words).expect("it answers");
    let length = process().call(find("strlen"), &[text]).expect("a text");
    let mut bytes = vec![0u8; usize::try_from(length).expect("a length")];
    let copy = [bytes.as_mut_ptr() as u64, text, length];
    process().call(find("memcpy"), &copy).expect("it copies");
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_client_of_metal_runs() {
    assert_eq!(call("right", &[]), Ok(42));
    assert_eq!(call("full", &[]), Ok(42));
    let source = CString::new(
        "#include <metal_stdlib>\nusing namespace metal;\n\
         kernel void broken(device float* a [[ buffer(0) ]], uint t [[thread_position_in_grid]]) {\n\
         a[t] = no_such_function(t);\n}\n",
    );
    let source = source.expect("no zero byte");
    let said = words("refused", &[source.as_ptr() as u64]);
    assert!(
        said.contains("`broken`: line 4:") && said.contains("no_such_function"),
        "{said}"
    );
    let said = words("loaded", &[]);
    assert!(said.contains("only Apple's tools can run"), "{said}");
}

/// What is refused, by the numbers of the client's `wrong`: the rule, and the method
/// that broke it.
const RULES: [(&str, &str); 24] = [
    ("Metal validation, buffer bounds", "copyFromBuffer:"),
    ("Metal validation, overlapping copy", "copyFromBuffer:"),
    (
        "Metal validation, missing binding",
        "index 1, which is the buffer `in`",
    ),
    ("Metal validation, threadgroup size", "64x32x1"),
    ("use after release", "-[MTLBuffer length]"),
    (
        "Metal validation, private contents",
        "-[MTLBuffer contents]",
    ),
    ("Metal validation, bytes length", "setBytes:length:atIndex:"),
    (
        "Metal validation, open encoder",
        "-[MTLCommandBuffer commit]",
    ),
    (
        "Metal validation, committed twice",
        "-[MTLCommandBuffer commit]",
    ),
    ("Metal validation, wait before commit", "waitUntilCompleted"),
    ("Metal validation, discarded contents", "copyFromBuffer:"),
    ("Metal validation, binding index", "index 31"),
    (
        "Metal validation, buffer bounds",
        "4 bytes are bound at index 2",
    ),
    ("Metal validation, empty dispatch", "0x1x1 threadgroups"),
    ("Metal validation, no pipeline", "dispatchThreadgroups:"),
    (
        "Metal validation, buffer bounds",
        "offset 256 of a buffer of 256",
    ),
    ("Metal validation, buffer length", "newBufferWithLength:"),
    ("no object", "which is no object"),
    (
        "Metal validation, encoder ended",
        "setComputePipelineState:",
    ),
    (
        "Metal validation, discarded contents",
        "-[MTLCommandBuffer commit]",
    ),
    ("not provided here", "-[MTLDevice supportsFamily:]"),
    ("not provided here", "+[NSString stringWithNoSuchMethod]"),
    (
        "Metal validation, open encoder",
        "released without endEncoding",
    ),
    (
        "Metal validation, handler after commit",
        "addCompletedHandler:",
    ),
];

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_broken_rule_is_named() {
    for (number, (rule, method)) in RULES.iter().enumerate() {
        let error = call("wrong", &[number as u64]).expect_err(rule);
        assert!(
            error.contains(rule) && error.contains(method),
            "{number}: {error}"
        );
    }
    // What follows a stopped call is as before.
    assert_eq!(call("right", &[]), Ok(42));
}
