//! Registrations in WebAssembly: the name whose address is the last constant before each
//! call of a function that registers.
//!
//! Up to 0.20 that function is an export. Later the linker puts the exported one's code
//! in place everywhere but for the function that it ends in, so that one registers; and a
//! function that calls one of them without a name hands on the name that its own callers
//! give.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use wasmparser::{
    BinaryReaderError, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef,
};

use super::registrar::{Registrations, Takes, name_at, registrar};
use crate::runtime::strings::Piece;

/// Instructions between the address of a name and the call that registers it; up to ten
/// in every published library.
const NEAR: usize = 14;
/// Code of the instruction that calls a function.
const CALL: u8 = 0x10;
/// Functions that register; published libraries have up to thirteen.
const MOST: usize = 64;
/// Callers of the function that an export ends in. What more functions call is another.
const MOST_CALLERS: usize = 16;

/// Reads the names; nothing where no function registers by a known name.
pub(super) fn follow(data: &[u8], texts: &[Piece<'_>]) -> Registrations {
    let mut texts = texts.to_vec();
    texts.sort_by_key(|piece| piece.address);
    let read = |data| {
        let module = Module::of(data)?;
        let mut reader = Reader {
            module: &module,
            texts,
            names: BTreeSet::new(),
            unread: 0,
        };
        reader.run()?;
        Ok::<_, BinaryReaderError>(Registrations {
            is_complete: reader.unread == 0 && !reader.names.is_empty(),
            names: reader.names,
        })
    };
    read(data).unwrap_or_default()
}

/// The functions of a file, as far as they are asked for.
#[derive(Default)]
struct Module<'a> {
    /// How many parameters a function of each type has.
    types: Vec<usize>,
    /// The type of each function with a body.
    functions: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    /// Functions before those with a body.
    imported: u32,
    /// Exported functions that have to do with registering.
    exports: Vec<(Takes, u32)>,
    /// What may be a call: function, and place of the body that calls it; sorted.
    calls: OnceCell<Vec<(u32, u32)>>,
}

impl<'a> Module<'a> {
    fn of(data: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(data) {
            match payload? {
                Payload::TypeSection(types) => {
                    for function in types.into_iter_err_on_gc_types() {
                        module.types.push(function?.params().len());
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let is_function =
                            matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                        module.imported = module.imported.saturating_add(u32::from(is_function));
                    }
                }
                Payload::FunctionSection(functions) => {
                    for function in functions {
                        module.functions.push(function?);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let takes = registrar(export.name.as_bytes());
                        let takes = takes.filter(|_| export.kind == ExternalKind::Func);
                        module
                            .exports
                            .extend(takes.map(|takes| (takes, export.index)));
                    }
                    // Without a way to register there is nothing to decode.
                    if module.exports.is_empty() {
                        return Ok(module);
                    }
                }
                Payload::CodeSectionEntry(body) => module.bodies.push(body),
                _ => {}
            }
        }
        Ok(module)
    }

    fn body(&self, function: u32) -> Option<&FunctionBody<'a>> {
        let place = function.checked_sub(self.imported)?;
        self.bodies.get(usize::try_from(place).ok()?)
    }

    fn parameters(&self, function: u32) -> usize {
        let place = function.checked_sub(self.imported);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let kind = place.and_then(|place| self.functions.get(place));
        let kind = kind.and_then(|kind| usize::try_from(*kind).ok());
        kind.and_then(|kind| self.types.get(kind))
            .copied()
            .unwrap_or(0)
    }

    /// The functions whose code may hold a call of one.
    fn callers(&self, function: u32) -> Vec<u32> {
        let calls = self.calls.get_or_init(|| self.calls());
        let first = calls.partition_point(|(called, _)| *called < function);
        let calls = calls.get(first..).unwrap_or_default().iter();
        let calls = calls.take_while(|(called, _)| *called == function);
        calls
            .map(|(_, place)| place.saturating_add(self.imported))
            .collect()
    }

    /// Whatever bytes look like a call, in all bodies at once.
    fn calls(&self) -> Vec<(u32, u32)> {
        let mut calls = Vec::new();
        for (place, body) in (0u32..).zip(&self.bodies) {
            let code = body.as_bytes();
            for at in memchr::memchr_iter(CALL, code) {
                let called = at.checked_add(1).and_then(|at| code.get(at..));
                calls.extend(called.and_then(number).map(|called| (called, place)));
            }
        }
        calls.sort_unstable();
        calls.dedup();
        calls
    }

    /// The functions that register by what their callers give them.
    fn registering(&self) -> Result<Vec<u32>, BinaryReaderError> {
        let mut found = Vec::new();
        for (takes, function) in &self.exports {
            if !matches!(takes, Takes::Pointer(_)) {
                found.push(*function);
                continue;
            }
            // Both exports of that kind end in the same one.
            let Some(body) = self.body(*function) else {
                continue;
            };
            let mut last = None;
            for operator in body.get_operators_reader()? {
                if let Operator::Call { function_index } = operator? {
                    last = Some(function_index);
                }
            }
            found.extend(last.filter(|last| {
                self.parameters(*last) == 3 && self.callers(*last).len() <= MOST_CALLERS
            }));
        }
        Ok(found)
    }
}

struct Reader<'a> {
    module: &'a Module<'a>,
    /// By address.
    texts: Vec<Piece<'a>>,
    names: BTreeSet<String>,
    /// Calls that register and whose name is not read.
    unread: usize,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), BinaryReaderError> {
        let mut known = self.module.registering()?;
        let mut next = 0usize;
        while let Some(function) = known.get(next).copied() {
            next = next.saturating_add(1);
            let mut is_called = false;
            for caller in self.module.callers(function) {
                let is_export = self
                    .module
                    .exports
                    .iter()
                    .any(|(_, export)| *export == caller);
                if is_export || caller == function {
                    continue;
                }
                let (read, unread) = self.calls(caller, function)?;
                is_called |= read > 0 || unread > 0;
                let hands_on = unread > 0 && self.module.parameters(caller) > 0;
                if !hands_on || known.len() >= MOST {
                    self.unread = self.unread.saturating_add(unread);
                } else if !known.contains(&caller) {
                    known.push(caller);
                }
            }
            let is_handed = !self
                .module
                .exports
                .iter()
                .any(|(_, export)| *export == function);
            if is_handed && !is_called {
                self.unread = self.unread.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Calls of one function in another: those whose name is read, and others.
    fn calls(&mut self, caller: u32, function: u32) -> Result<(usize, usize), BinaryReaderError> {
        let (mut read, mut unread) = (0usize, 0usize);
        let Some(body) = self.module.body(caller) else {
            return Ok((read, unread));
        };
        let mut last: Option<(usize, String)> = None;
        for (number, operator) in body.get_operators_reader()?.into_iter().enumerate() {
            match operator? {
                Operator::I32Const { value } => {
                    let text = name_at(&self.texts, u64::from(value.cast_unsigned()), true);
                    last = text.map(|text| (number, text)).or(last);
                }
                Operator::Call { function_index } if function_index == function => {
                    match last.take() {
                        Some((at, name)) if number.saturating_sub(at) <= NEAR => {
                            self.names.insert(name);
                            read = read.saturating_add(1);
                        }
                        _ => unread = unread.saturating_add(1),
                    }
                }
                _ => {}
            }
        }
        Ok((read, unread))
    }
}

/// The number that bytes begin with, in as few of them as linkers write.
fn number(bytes: &[u8]) -> Option<u32> {
    let mut value = 0u32;
    for (index, byte) in (0u32..5).zip(bytes) {
        let part = u32::from(byte & 0x7f);
        let shift = index.checked_mul(7)?;
        let placed = part.checked_shl(shift)?;
        if placed.checked_shr(shift)? != part {
            return None;
        }
        value |= placed;
        if byte & 0x80 == 0 {
            let is_short = index == 0 || part != 0;
            return is_short.then_some(value);
        }
    }
    None
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
    fn a_function_that_hands_a_name_on_registers_what_its_callers_give() {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        let mut section = |id: u8, content: &[u8]| {
            bytes.push(id);
            bytes.push(u8::try_from(content.len()).expect("short"));
            bytes.extend(content);
        };
        // (i32, i32, i32) -> (); () -> ().
        section(1, b"\x02\x60\x03\x7f\x7f\x7f\0\x60\0\0");
        section(3, b"\x04\0\0\0\x01");
        let name = b"TVMFFIFunctionSetGlobalFromMethodInfo";
        let mut exports = vec![1, u8::try_from(name.len()).expect("short")];
        exports.extend(name);
        exports.extend(b"\0\0");
        section(7, &exports);
        // The export ends in function 1, which function 2 calls with its own parameters;
        // function 3 calls that with a name.
        let hands_on = b"\x0a\0\x20\0\x20\x01\x20\x02\x10\x01\x0b";
        let gives = b"\x0b\0\x41\x80\x08\x41\0\x41\0\x10\x02\x0b";
        let code = [b"\x04", &hands_on[..], b"\x02\0\x0b", hands_on, gives].concat();
        section(10, &code);
        let texts = [Piece {
            data: b"first.name\0",
            address: 1024,
        }];
        let found = follow(&bytes, &texts);
        assert_eq!(found.names, BTreeSet::from(["first.name".to_owned()]));
        assert!(found.is_complete);
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        assert_eq!(number(&[5, 0x80]), Some(5));
        assert_eq!(number(&[0x80, 1]), Some(128));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some(u32::MAX));
        for bytes in [
            &[][..],
            &[0x80],
            &[0x85, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x1f],
            &[0x80; 6],
        ] {
            assert_eq!(number(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_no_such_module_registers_nothing_that_is_read() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x01\0\0\0\x0a\xff"] {
            let found = follow(bytes, &[]);
            assert!(found.names.is_empty() && !found.is_complete);
        }
    }
}
