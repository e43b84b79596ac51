//! Registrations in WebAssembly: the name whose address is the last constant before each
//! call of a function that registers.
//!
//! Up to 0.20 that function is an export. Later the linker puts the exported one's code
//! in place everywhere but for the function that it ends in, so that one registers; and a
//! function that calls one of them without a name hands on the name that its own callers
//! give.

use std::collections::{BTreeSet, HashMap, VecDeque};

use memchr::memmem;
use wasmparser::{
    BinaryReader, BinaryReaderError, CodeSectionReader, ExternalKind, FunctionBody, Operator,
    Payload, TypeRef,
};

use super::registrar::{Registrations, Takes, name_at, registrar};
use crate::container::wasm::{bad, each_section};
use crate::container::wasm_code::{self, CALL, Step};
use crate::error::DecodeError;
use crate::runtime::strings::Piece;

/// Instructions between the address of a name and the call that registers it; up to ten
/// in every published library.
const NEAR: usize = 14;
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
            steps: HashMap::new(),
            names: BTreeSet::new(),
            unread: 0,
        };
        reader.run()?;
        Ok::<_, DecodeError>(Registrations {
            is_complete: reader.unread == 0 && !reader.names.is_empty(),
            names: reader.names,
            unread: Some(reader.unread),
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
    /// The bytes that hold the bodies, and where they begin in the file.
    code: (&'a [u8], u64),
    /// Functions before those with a body.
    imported: u32,
    /// Exported functions that have to do with registering.
    exports: Vec<(Takes, u32)>,
}

impl<'a> Module<'a> {
    fn of(data: &'a [u8]) -> Result<Self, DecodeError> {
        let mut module = Self::default();
        each_section(data, |payload| module.section(data, payload).map_err(bad))?;
        Ok(module)
    }

    /// Takes in what a section says; whether to go on.
    fn section(&mut self, data: &'a [u8], payload: Payload<'a>) -> Result<bool, BinaryReaderError> {
        match payload {
            Payload::TypeSection(types) => {
                for function in types.into_iter_err_on_gc_types() {
                    self.types.push(function?.params().len());
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let is_function =
                        matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                    self.imported = self.imported.saturating_add(u32::from(is_function));
                }
            }
            Payload::FunctionSection(functions) => {
                for function in functions {
                    self.functions.push(function?);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    let takes = registrar(export.name.as_bytes());
                    let takes = takes.filter(|_| export.kind == ExternalKind::Func);
                    self.exports
                        .extend(takes.map(|takes| (takes, export.index)));
                }
                // Without a way to register there is nothing to decode.
                return Ok(!self.exports.is_empty());
            }
            Payload::CodeSectionStart {
                unchecked_range: range,
                ..
            } => {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                let code = data.get(place(range.start)..place(range.end));
                let code = code.unwrap_or_default();
                let bodies = CodeSectionReader::new(BinaryReader::new(code, range.start))?;
                self.code = (code, range.start);
                self.bodies = bodies.into_iter().collect::<Result<_, _>>()?;
                return Ok(false);
            }
            _ => {}
        }
        Ok(true)
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

    /// The functions whose code may hold a call of one: whatever bytes look like it.
    fn callers(&self, function: u32) -> Vec<u32> {
        let call = call(function);
        let (code, start) = self.code;
        let mut callers: Vec<u32> = Vec::new();
        for at in memmem::find_iter(code, &call) {
            let at = start.saturating_add(at as u64);
            let end = at.saturating_add(call.len() as u64);
            let after = self.bodies.partition_point(|body| body.range().start <= at);
            let place = after.saturating_sub(1);
            let body = self.bodies.get(place).map(FunctionBody::range);
            let is_inside = body.is_some_and(|body| body.start <= at && end <= body.end);
            let Ok(place) = u32::try_from(place) else {
                continue;
            };
            let caller = place.saturating_add(self.imported);
            if is_inside && callers.last() != Some(&caller) {
                callers.push(caller);
            }
        }
        callers
    }

    /// The functions that register by what their callers give them.
    fn registering(&self) -> Result<Vec<u32>, DecodeError> {
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
            let steps = steps(body).map_err(bad)?;
            let last = steps.iter().rev().find_map(|(_, step)| match step {
                Step::Call(function) => Some(*function),
                Step::Constant(_) => None,
            });
            found.extend(last.filter(|last| {
                self.parameters(*last) == 3 && self.callers(*last).len() <= MOST_CALLERS
            }));
        }
        Ok(found)
    }
}

/// The constants and calls of a body, each with the number of its instruction.
fn steps(body: &FunctionBody<'_>) -> Result<Vec<(usize, Step)>, BinaryReaderError> {
    if let Some(steps) = wasm_code::steps(body) {
        return Ok(steps);
    }
    let mut steps = Vec::new();
    for (number, operator) in body.get_operators_reader()?.into_iter().enumerate() {
        match operator? {
            Operator::I32Const { value } => steps.push((number, Step::Constant(value))),
            Operator::Call { function_index } => steps.push((number, Step::Call(function_index))),
            _ => {}
        }
    }
    Ok(steps)
}

struct Reader<'a> {
    module: &'a Module<'a>,
    /// By address.
    texts: Vec<Piece<'a>>,
    /// What the bodies that were looked at hold: most that register by one function do so
    /// by others.
    steps: HashMap<u32, Vec<(usize, Step)>>,
    names: BTreeSet<String>,
    /// Calls that register and whose name is not read.
    unread: usize,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), DecodeError> {
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
                let (read, unread) = self.calls(caller, function).map_err(bad)?;
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
        let steps = match self.steps.remove(&caller) {
            Some(steps) => steps,
            None => steps(body)?,
        };
        // Constants since the last of the calls, of the last few instructions.
        let mut recent: VecDeque<(usize, i32)> = VecDeque::new();
        for (number, step) in &steps {
            match step {
                Step::Constant(value) => {
                    if recent.len() >= NEAR {
                        recent.pop_front();
                    }
                    recent.push_back((*number, *value));
                }
                Step::Call(called) if *called == function => {
                    let near = recent.iter().rev();
                    let near = near.take_while(|(at, _)| number.saturating_sub(*at) <= NEAR);
                    let mut texts = near.filter_map(|(_, value)| {
                        name_at(&self.texts, u64::from(value.cast_unsigned()), true)
                    });
                    match texts.next() {
                        Some(name) => {
                            self.names.insert(name);
                            read = read.saturating_add(1);
                        }
                        None => unread = unread.saturating_add(1),
                    }
                    recent.clear();
                }
                Step::Call(_) => {}
            }
        }
        self.steps.insert(caller, steps);
        Ok((read, unread))
    }
}

/// The instruction that calls a function, in as few bytes as linkers write.
fn call(function: u32) -> Vec<u8> {
    let mut bytes = vec![CALL];
    let mut rest = function;
    while let Some(more) = rest.checked_shr(7).filter(|more| *more > 0) {
        bytes.push(rest.to_le_bytes()[0] | 0x80);
        rest = more;
    }
    bytes.push(rest.to_le_bytes()[0]);
    bytes
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
    fn calls_are_as_short_as_they_can_be() {
        assert_eq!(call(5), [CALL, 5]);
        assert_eq!(call(127), [CALL, 0x7f]);
        assert_eq!(call(128), [CALL, 0x80, 1]);
        assert_eq!(call(u32::MAX), [CALL, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    }

    #[test]
    fn what_is_no_such_module_registers_nothing_that_is_read() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x01\0\0\0\x0a\xff"] {
            let found = follow(bytes, &[]);
            assert!(found.names.is_empty() && !found.is_complete);
        }
    }
}
