//! Places, tried on the names that are hard to keep apart.

use std::collections::HashSet;

use super::*;
use crate::spelling::unspell;

fn member(archive: &str, name: &str) -> Place {
    Place::file(archive).member(name.as_bytes(), 1)
}

#[test]
fn ordinary_places_read_as_they_always_did() {
    assert_eq!(
        member("dir/model.tar", "lib0.o").to_string(),
        "dir/model.tar!lib0.o"
    );
    let second = Place::file("lib.a").member(b"one.o", 2);
    assert_eq!(second.to_string(), "lib.a!one.o (2)");
    let slice = Place::file("x.dylib").slice(Architecture::Aarch64);
    assert_eq!(slice.to_string(), "x.dylib (aarch64)");
    assert_eq!(slice.inside(), " (aarch64)");
    assert_eq!(Place::file("C:\\x\\tvm.dll").to_string(), "C:\\x\\tvm.dll");
}

#[test]
fn names_that_look_like_structure_are_other_places() {
    let alike = [
        Place::file("a!b"),
        member("a", "b"),
        member("a", "b (2)"),
        Place::file("a").member(b"b", 2),
        Place::file("x (aarch64)"),
        Place::file("x").slice(Architecture::Aarch64),
        member("a!b", "c"),
        member("a", "b!c"),
        member("a", "b").member(b"c", 1),
    ];
    assert_eq!(alike.iter().collect::<HashSet<_>>().len(), alike.len());
    let texts = alike.iter().map(|place| (place.path(), place.to_string()));
    assert_eq!(texts.collect::<HashSet<_>>().len(), alike.len());
    assert_eq!(Place::file("a!b").path(), Path::new("a!b"));
    assert!(!Place::file("a!b/m.so").is_member());
}

#[test]
fn what_a_terminal_acts_on_is_written_out_and_can_be_told_apart() {
    let names: [&[u8]; 6] = [
        b"a\nb",
        b"a\\u{a}b",
        b"a\xffb",
        b"a\\x{ff}b",
        b"a\\nb",
        "a\u{fffd}b".as_bytes(),
    ];
    let texts: Vec<String> = names
        .iter()
        .map(|name| Place::file("f.a").member(name, 1).to_string())
        .collect();
    assert_eq!(
        texts,
        [
            "f.a!a\\u{a}b",
            "f.a!a\\u{5c}u{a}b",
            "f.a!a\\x{ff}b",
            "f.a!a\\u{5c}x{ff}b",
            "f.a!a\\nb",
            "f.a!a\u{fffd}b",
        ]
    );
    for name in names {
        let mut text = String::new();
        spell(name, Controls::Escaped, &mut text).expect("written");
        assert_eq!(unspell(&text), name);
    }
    assert_eq!(
        Place::file("\u{1b}[31m\u{202e}.so").to_string(),
        "\\u{1b}[31m\\u{202e}.so"
    );
}

#[test]
fn folders_go_through_archives() {
    let place = member("d/a.whl", "tvm/lib/libtvm_runtime.so");
    let folders: Vec<String> = place.folders().map(|folder| folder.to_string()).collect();
    assert_eq!(
        folders,
        ["d/a.whl!tvm/lib", "d/a.whl!tvm", "d/a.whl", "d", ""]
    );
    assert!(place.folders().all(|folder| place.is_below(&folder)));
    assert!(!place.is_below(&place));
    assert!(!place.is_below(&member("d/a.whl", "tv")));
    assert!(!place.is_below(&Place::file("d/a.wh")));
    assert!(!Place::file("d/ab").is_below(&Place::file("d/a")));
    assert_eq!(place.name(), "libtvm_runtime.so");
    assert_eq!(place.archive(), Some(Place::file("d/a.whl")));
}

#[test]
fn paths_lead_from_a_place_and_lose_their_dots() {
    let place = member("a.whl", "tvm/lib/libtvm_runtime.so");
    assert_eq!(
        place.beside("../../tvm_ffi/lib/libtvm_ffi.so"),
        member("a.whl", "tvm_ffi/lib/libtvm_ffi.so")
    );
    let place = Place::file("/a/b/x.so");
    assert_eq!(place.beside("../c//./d"), Place::file("/a/c/d"));
    assert_eq!(place.beside("/opt/lib"), Place::file("/opt/lib"));
    assert_eq!(Place::file("./x").without_dots(), Place::file("x"));
    assert_eq!(Place::file("../x").without_dots(), Place::file("../x"));
}
