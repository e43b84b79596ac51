//! Registrations in WebAssembly: the text whose address is a constant right before each
//! call of the function that registers.
//!
//! That function is known by its export, which the web builds of TVM up to 0.20 have.
//! Later ones have its code in place everywhere, without a call, and are not followed.

use std::collections::BTreeSet;

use wasmparser::{
    BinaryReaderError, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef,
};

use super::registrar::{Registrations, Takes, name_at, registrar};
use crate::runtime::strings::Piece;

/// Instructions between the address of a name and the call that registers it; four in
/// every published library.
const NEAR: usize = 12;
/// Code of the instruction that calls a function.
const CALL: u8 = 0x10;
/// Calls of the registering function that are looked at; a runtime has some hundreds.
const MOST_CALLS: usize = 1 << 16;

/// Reads the names; nothing where no function registers by a known name.
pub(super) fn follow(data: &[u8], texts: &[Piece<'_>]) -> Registrations {
    let mut texts = texts.to_vec();
    texts.sort_by_key(|piece| piece.address);
    let mut reader = Reader {
        texts,
        imported: 0,
        known: Vec::new(),
        calls: Vec::new(),
        bodies: 0,
        names: BTreeSet::new(),
        sites: 0,
        unread: 0,
    };
    match reader.module(data) {
        Ok(()) if reader.sites < MOST_CALLS => Registrations {
            is_complete: reader.unread == 0 && !reader.names.is_empty(),
            names: reader.names,
        },
        _ => Registrations::default(),
    }
}

struct Reader<'a> {
    /// By address.
    texts: Vec<Piece<'a>>,
    /// Functions before those with a body here.
    imported: u32,
    /// The functions that register.
    known: Vec<u32>,
    /// Bytes of their calls.
    calls: Vec<Vec<u8>>,
    bodies: u32,
    names: BTreeSet<String>,
    /// Calls that register, and those of them whose name is not read.
    sites: usize,
    unread: usize,
}

impl Reader<'_> {
    fn module(&mut self, data: &[u8]) -> Result<(), BinaryReaderError> {
        for payload in Parser::new(0).parse_all(data) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let is_function =
                            matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                        self.imported = self.imported.saturating_add(u32::from(is_function));
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.kind == ExternalKind::Func && registers(export.name) {
                            self.known.push(export.index);
                            self.calls.push(call_of(export.index));
                        }
                    }
                    if self.known.is_empty() {
                        return Ok(());
                    }
                }
                Payload::CodeSectionEntry(body) => self.entry(&body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn entry(&mut self, body: &FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        let own = self.imported.saturating_add(self.bodies);
        self.bodies = self.bodies.saturating_add(1);
        let bytes = body.as_bytes();
        let may_call = |call: &Vec<u8>| memchr::memmem::find(bytes, call).is_some();
        // A function of the C API hands on the name that its caller gives.
        if self.known.contains(&own) || !self.calls.iter().any(may_call) {
            return Ok(());
        }
        let mut last: Option<(usize, String)> = None;
        for (number, operator) in body.get_operators_reader()?.into_iter().enumerate() {
            match operator? {
                Operator::I32Const { value } => {
                    let text = name_at(&self.texts, u64::from(value.cast_unsigned()), true);
                    last = text.map(|text| (number, text)).or(last);
                }
                Operator::Call { function_index } if self.known.contains(&function_index) => {
                    self.sites = self.sites.saturating_add(1);
                    match last.take() {
                        Some((at, name)) if number.saturating_sub(at) <= NEAR => {
                            self.names.insert(name);
                        }
                        _ => self.unread = self.unread.saturating_add(1),
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a function of this name registers by a text, or by an object made of one.
fn registers(name: &str) -> bool {
    let takes = registrar(name.as_bytes());
    matches!(takes, Some(Takes::Text(_) | Takes::Object))
}

/// The bytes of a call.
fn call_of(function: u32) -> Vec<u8> {
    let mut bytes = vec![CALL];
    let mut rest = function;
    loop {
        let low = rest.to_le_bytes()[0] & 0x7f;
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with memory, one imported function, `Registry::Register`, and a function
    /// that registers `first.name` and, by way of an unknown address, something else.
    fn module(second: &[u8]) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        let mut section = |id: u8, content: &[u8]| {
            bytes.push(id);
            bytes.push(u8::try_from(content.len()).expect("short"));
            bytes.extend(content);
        };
        // (i32, i32) -> i32; () -> ().
        section(1, b"\x02\x60\x02\x7f\x7f\x01\x7f\x60\0\0");
        section(2, b"\x01\x03env\x04make\0\0");
        section(3, b"\x02\0\x01");
        let name = b"_ZN3tvm7runtime8Registry8RegisterERKNS0_6StringEb";
        let mut exports = vec![1, u8::try_from(name.len()).expect("short")];
        exports.extend(name);
        exports.extend(b"\0\x01");
        section(7, &exports);
        // Register is function 1; the caller has const 1024, 0, make, const 0, Register.
        let mut body = b"\0\x41\x80\x08\x41\0\x10\0\x41\0\x10\x01\x1a".to_vec();
        body.extend(second);
        body.push(0x0b);
        let mut code = b"\x02\x04\0\x41\0\x0b".to_vec();
        code.push(u8::try_from(body.len()).expect("short"));
        code.extend(body);
        section(10, &code);
        bytes
    }

    #[test]
    fn the_text_before_a_registering_call_is_its_name() {
        let texts = [Piece {
            data: b"first.name\0second",
            address: 1024,
        }];
        let found = follow(&module(b""), &texts);
        assert_eq!(found.names, BTreeSet::from(["first.name".to_owned()]));
        assert!(found.is_complete);
        // The linker drops the zero at the end of a segment.
        let found = follow(&module(b"\x41\x8b\x08\x41\0\x10\x01\x1a"), &texts);
        let names = ["first.name", "second"].map(str::to_owned);
        assert_eq!(found.names, BTreeSet::from(names));
        // A name that comes from elsewhere.
        let found = follow(&module(b"\x23\0\x41\0\x10\x01\x1a"), &texts);
        assert!(!found.is_complete);
        assert_eq!(found.names.len(), 1);
    }

    #[test]
    fn what_is_no_such_module_registers_nothing_that_is_read() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x01\0\0\0\x0a\xff"] {
            let found = follow(bytes, &[]);
            assert!(found.names.is_empty() && !found.is_complete);
        }
    }
}
