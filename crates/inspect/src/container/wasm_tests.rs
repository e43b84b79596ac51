//! Reading WebAssembly objects and linked modules.

use super::BinaryKind;
use super::wasm::parse;

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    let size = u8::try_from(body.len()).unwrap();
    [&[id, size], body].concat()
}

/// A name with its length in front.
fn named(name: &str) -> Vec<u8> {
    let size = u8::try_from(name.len()).unwrap();
    [&[size], name.as_bytes()].concat()
}

#[test]
fn an_object_defines_what_its_symbol_table_says() {
    let symbols = [
        // Defined at byte 3 of data segment 1, 4 bytes; hidden names are ours too.
        [&[1, 4][..], &named("p___tvm_ffi__library_bin"), &[1, 3, 4]].concat(),
        // A function, and one that others define.
        [&[0, 0, 0][..], &named("__tvm_ffi_p_take")].concat(),
        [&[0, 0x50, 1][..], &named("TVMFFIHandleInitOnce")].concat(),
        // Outside its segment: defined, but nowhere.
        [&[1, 0][..], &named("__tvm_ffi__library_ctx"), &[1, 7, 4]].concat(),
    ];
    let count = [u8::try_from(symbols.len()).unwrap()];
    let table = section(8, &[&count[..], &symbols.concat()].concat());
    let data = [
        &[2][..],
        &[0, 0x41, 0, 0x0b, 2, b'a', b'b'],
        &[0, 0x41, 16, 0x0b, 8, 0, 1, 2, 3, 4, 5, 6, 7],
    ];
    let object = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(5, &[1, 0, 1]),
        section(11, &data.concat()),
        section(0, &[&named("linking")[..], &[2], &table].concat()),
    ];
    let object = object.concat();
    let parsed = parse(&object).unwrap();
    assert_eq!(parsed.binary.kind, BinaryKind::Object);
    let found: Vec<_> = parsed.binary.defined.iter().collect();
    let names: Vec<&str> = found.iter().map(|symbol| symbol.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "p___tvm_ffi__library_bin",
            "__tvm_ffi_p_take",
            "__tvm_ffi__library_ctx"
        ]
    );
    assert_eq!(
        (found[0].region, found[0].address, found[0].region_offset),
        (Some(0), 19, 19)
    );
    assert_eq!((found[2].region, found[2].address), (None, 0));
}

#[test]
fn a_linked_module_keeps_its_kind_whatever_its_linking_section_holds() {
    let module = |exports: &[u8]| {
        let linking = [&named("linking")[..], &[2, 8, 50, 1]].concat();
        let export = section(7, exports);
        let head = b"\0asm\x01\0\0\0".to_vec();
        [head, section(5, &[1, 0, 1]), export, section(0, &linking)].concat()
    };
    let linked = [&[1][..], &named("memory"), &[2, 0]].concat();
    let linked = module(&linked);
    let parsed = parse(&linked).unwrap();
    assert_eq!(parsed.binary.kind, BinaryKind::SharedLibrary);
    assert!(parsed.binary.damage.is_empty());
    // An object is of no use without it.
    assert!(parse(&module(&[0])).is_err());
}
