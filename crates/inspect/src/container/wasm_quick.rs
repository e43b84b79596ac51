//! Whether a WebAssembly function body is valid beyond doubt.
//!
//! Compilers of C++ write few kinds of instructions: numbers of four types, one memory,
//! one table, blocks with one result at most. Those are checked here, several times
//! faster than by a validator of all that there is; nearly all code of a library is of
//! this kind. Whatever else is met, an error included, is not decided here.
//!
//! The operand stack is one number, with two bits for each type, the top lowest: what an
//! instruction takes is compared at once.

use std::array;

use wasmparser::{FunctionBody, RefType, WasmModuleResources};

use super::wasm_code::{CALL, Code, I32_CONST};
use super::wasm_takes::{
    DEEPEST, EMPTY, F32, F64, I32, I64, NONE, Signature, Simple, instruction, low, number,
};

/// Locals of one function; engines allow a few more.
const MOST_LOCALS: usize = 32_768;

/// A type as it is written in code.
fn type_of(code: u8) -> Option<u8> {
    (0x7c..=0x7f).contains(&code).then_some(0x7f & !code)
}

/// What the bodies of one module refer to.
pub(super) struct Module {
    instructions: [Simple; 256],
    types: Vec<Option<Signature>>,
    /// The type of each function.
    functions: Vec<u32>,
    /// The type of each global, and whether it can be set.
    globals: Vec<Option<(u8, bool)>>,
    has_memory: bool,
    has_table: bool,
}

impl Module {
    /// What comes before the code of a module, whose sections up to there are valid.
    pub fn of(resources: &impl WasmModuleResources) -> Self {
        let types = (0..).map_while(|index| resources.sub_type_at(index));
        let functions = (0..).map_while(|index| resources.type_index_of_function(index));
        let globals = (0..).map_while(|index| resources.global_at(index));
        let globals = globals.map(|global| {
            let kind = number(global.content_type).filter(|_| !global.shared)?;
            Some((kind, global.mutable))
        });
        let memory = resources.memory_at(0);
        let table = resources.table_at(0);
        Self {
            instructions: array::from_fn(|code| u8::try_from(code).map_or(EMPTY, instruction)),
            types: types.map(Signature::of).collect(),
            functions: functions.collect(),
            globals: globals.collect(),
            has_memory: memory.is_some_and(|memory| !memory.memory64),
            has_table: table.is_some_and(|table| {
                table.element_type == RefType::FUNCREF && !table.table64 && !table.shared
            }),
        }
    }

    /// Whether the body of a function of this type is valid beyond doubt.
    pub fn is_valid(&self, kind: u32, body: &FunctionBody<'_>, room: &mut Room) -> bool {
        room.locals.clear();
        room.frames.clear();
        let mut run = || {
            let signature = self.signature(kind)?;
            let mut code = Code::of(body);
            room.locals.extend(signature.parameters());
            for _ in 0..code.index()? {
                let total = room.locals.len().checked_add(code.place()?)?;
                let kind = type_of(code.byte()?)?;
                (total <= MOST_LOCALS).then(|| room.locals.resize(total, kind))?;
            }
            room.frames.push(Frame {
                below: 0,
                gives: signature.gives,
                label: signature.gives,
                is_if: false,
            });
            let mut state = State {
                stack: 0,
                depth: 0,
                below: 0,
                frames: &mut room.frames,
                module: self,
                locals: &room.locals,
            };
            state.run(&mut code)
        };
        run().is_some()
    }

    fn signature(&self, kind: u32) -> Option<&Signature> {
        self.types.get(usize::try_from(kind).ok()?)?.as_ref()
    }
}

/// Memory for one body after the other.
#[derive(Default)]
pub(super) struct Room {
    locals: Vec<u8>,
    frames: Vec<Frame>,
}

/// A block that is open.
struct Frame {
    /// Operands below it.
    below: u32,
    gives: u8,
    /// What a branch to it takes.
    label: u8,
    is_if: bool,
}

struct State<'a> {
    stack: u128,
    /// Operands on the stack.
    depth: u32,
    /// Operands below the innermost block.
    below: u32,
    frames: &'a mut Vec<Frame>,
    module: &'a Module,
    locals: &'a [u8],
}

impl State<'_> {
    #[inline(always)]
    fn take(&mut self, mask: u128, want: u128, count: u32) -> Option<()> {
        let held = self.depth.wrapping_sub(self.below);
        if self.stack & mask != want || held < count {
            return None;
        }
        self.depth = self.depth.wrapping_sub(count);
        self.stack = self.stack.wrapping_shr(count.wrapping_mul(2));
        Some(())
    }

    /// Takes one operand of a type, or nothing for [`NONE`].
    #[inline(always)]
    fn take_one(&mut self, kind: u8) -> Option<()> {
        match kind {
            NONE => Some(()),
            kind => self.take(3, u128::from(kind), 1),
        }
    }

    #[inline(always)]
    fn give(&mut self, kind: u8) -> Option<()> {
        if kind != NONE {
            (self.depth < DEEPEST).then_some(())?;
            self.stack = self.stack << 2 | u128::from(kind);
            self.depth = self.depth.wrapping_add(1);
        }
        Some(())
    }

    #[inline(always)]
    fn apply(&mut self, simple: Simple) -> Option<()> {
        self.take(simple.mask.into(), simple.want.into(), simple.takes.into())?;
        self.give(simple.gives)
    }

    /// What the operand on top is.
    fn top(&self) -> Option<u8> {
        (self.depth > self.below).then_some(low(self.stack))
    }

    /// `None` where the operand on top is not this.
    fn keep(&self, kind: u8) -> Option<()> {
        (self.top() == Some(kind)).then_some(())
    }

    fn run(&mut self, code: &mut Code<'_>) -> Option<()> {
        loop {
            let instruction = code.byte()?;
            match instruction {
                // local.get, local.set, local.tee
                0x20 => {
                    let kind = self.local(code)?;
                    self.give(kind)?;
                }
                0x21 => {
                    let kind = self.local(code)?;
                    self.take_one(kind)?;
                }
                0x22 => {
                    let kind = self.local(code)?;
                    self.keep(kind)?;
                }
                I32_CONST => {
                    code.skip_constant()?;
                    self.give(I32)?;
                }
                0x28..=0x3e => {
                    let simple = *self.module.instructions.get(usize::from(instruction))?;
                    let is_sound = code.byte()? <= simple.align && self.module.has_memory;
                    is_sound.then_some(())?;
                    code.index()?;
                    self.apply(simple)?;
                }
                0x45..=0xc4 => {
                    self.apply(*self.module.instructions.get(usize::from(instruction))?)?;
                }
                CALL => {
                    let kind = *self.module.functions.get(code.place()?)?;
                    self.call(kind)?;
                }
                0x0b => {
                    self.end()?;
                    if self.frames.is_empty() {
                        return code.is_empty().then_some(());
                    }
                }
                0x02..=0x0f => self.control(instruction, code)?,
                other => self.other(other, code)?,
            }
        }
    }

    #[inline(always)]
    fn local(&self, code: &mut Code<'_>) -> Option<u8> {
        self.locals.get(code.place()?).copied()
    }

    #[inline(always)]
    fn call(&mut self, kind: u32) -> Option<()> {
        let signature = self.module.signature(kind)?;
        self.take(signature.mask, signature.want, signature.takes)?;
        self.give(signature.gives)
    }

    /// Blocks and branches.
    fn control(&mut self, instruction: u8, code: &mut Code<'_>) -> Option<()> {
        match instruction {
            // block, loop, if, else
            0x02 | 0x03 => self.open(code, instruction == 0x03, false),
            0x04 => {
                self.take_one(I32)?;
                self.open(code, false, true)
            }
            0x05 => self.close(true),
            // br, br_if, br_table, return
            0x0c => {
                let kind = self.label(code.place()?)?;
                self.take_one(kind)?;
                self.leave(code)
            }
            0x0d => {
                let kind = self.label(code.place()?)?;
                self.take_one(I32)?;
                match kind {
                    NONE => Some(()),
                    kind => self.keep(kind),
                }
            }
            0x0e => {
                self.take_one(I32)?;
                let count = code.index()?;
                let kind = self.label(code.place()?)?;
                for _ in 0..count {
                    (self.label(code.place()?)? == kind).then_some(())?;
                }
                self.take_one(kind)?;
                self.leave(code)
            }
            0x0f => {
                let kind = self.frames.first()?.gives;
                self.take_one(kind)?;
                self.leave(code)
            }
            _ => None,
        }
    }

    fn other(&mut self, instruction: u8, code: &mut Code<'_>) -> Option<()> {
        match instruction {
            // unreachable, nop
            0x00 => self.leave(code),
            0x01 => Some(()),
            // call_indirect
            0x11 => {
                let kind = code.index()?;
                (code.index()? == 0 && self.module.has_table).then_some(())?;
                self.take_one(I32)?;
                self.call(kind)
            }
            // drop, select
            0x1a => {
                let kind = self.top()?;
                self.take_one(kind)
            }
            0x1b => {
                self.take_one(I32)?;
                let kind = self.top()?;
                self.take_one(kind)?;
                self.keep(kind)
            }
            // global.get, global.set
            0x23 | 0x24 => {
                let (kind, is_mutable) = (*self.module.globals.get(code.place()?)?)?;
                match instruction {
                    0x23 => self.give(kind),
                    _ => self.take_one(if is_mutable { kind } else { return None }),
                }
            }
            // memory.size, memory.grow
            0x3f | 0x40 => {
                self.memory(code)?;
                self.take_one(if instruction == 0x40 { I32 } else { NONE })?;
                self.give(I32)
            }
            // Constants.
            0x42 => {
                code.skip_long_constant()?;
                self.give(I64)
            }
            0x43 => {
                code.skip(4)?;
                self.give(F32)
            }
            0x44 => {
                code.skip(8)?;
                self.give(F64)
            }
            0xfc => self.prefixed(code),
            _ => None,
        }
    }

    /// Conversions that saturate, memory.copy and memory.fill.
    fn prefixed(&mut self, code: &mut Code<'_>) -> Option<()> {
        let instruction = code.byte()?;
        match instruction {
            0..=7 => {
                self.take_one(if instruction & 2 == 0 { F32 } else { F64 })?;
                return self.give(if instruction < 4 { I32 } else { I64 });
            }
            10 => self.memory(code)?,
            11 => {}
            _ => return None,
        }
        self.memory(code)?;
        self.take(0x3f, 0, 3)
    }

    /// The number of a memory, which is the only one.
    fn memory(&self, code: &mut Code<'_>) -> Option<()> {
        (code.byte()? == 0 && self.module.has_memory).then_some(())
    }

    fn open(&mut self, code: &mut Code<'_>, is_loop: bool, is_if: bool) -> Option<()> {
        let gives = match code.byte()? {
            0x40 => NONE,
            kind => type_of(kind)?,
        };
        self.below = self.depth;
        self.frames.push(Frame {
            below: self.depth,
            gives,
            label: if is_loop { NONE } else { gives },
            is_if,
        });
        Some(())
    }

    /// What a branch out of so many blocks takes.
    fn label(&self, out: usize) -> Option<u8> {
        let last = self.frames.len().checked_sub(1)?;
        Some(self.frames.get(last.checked_sub(out)?)?.label)
    }

    /// What follows is never reached, and only the end of the block may follow here: the
    /// rest has rules of its own.
    fn leave(&mut self, code: &Code<'_>) -> Option<()> {
        matches!(code.next()?, 0x05 | 0x0b).then_some(())?;
        while self.depth > self.below {
            self.take(0, 0, 1)?;
        }
        let gives = self.frames.last()?.gives;
        self.give(gives)
    }

    /// `else`, or the end of a block, whose result is on the stack.
    fn close(&mut self, is_else: bool) -> Option<()> {
        let frame = self.frames.last_mut()?;
        let gives = frame.gives;
        // An `if` with a result has an `else`.
        let is_sound = match is_else {
            true => frame.is_if,
            false => !frame.is_if || gives == NONE,
        };
        frame.is_if &= !is_else;
        self.take_one(gives)?;
        (is_sound && self.depth == self.below).then_some(())
    }

    fn end(&mut self) -> Option<()> {
        self.close(false)?;
        let gives = self.frames.pop()?.gives;
        self.below = self.frames.last().map_or(0, |frame| frame.below);
        self.give(gives)
    }
}
