//! The listing TVM's own `as_text()` prints, byte for byte.
//!
//! Field widths and the order of functions are TVM's; tests compare with TVM
//! itself. One buffer is filled; per function of the table the text that every
//! call of it begins with is made once.

use std::ops::Range;

use super::instruction::{Argument, Arguments, Instruction, Register};
use super::short_text::{CONSTANT, IMMEDIATE, LAST_REGISTER, NUMBER, REGISTER};
use super::{Executable, FunctionKind};
use crate::error::DecodeError;
use crate::limits::MAX_LISTING;

const INDENT: &[u8] = b"  ";
const CALLEE_WIDTH: usize = 16;
const ARGUMENTS_WIDTH: usize = 12;
/// As wide as the widest field.
const SPACES: &[u8; 16] = b"                ";

/// The listing of the whole executable.
///
/// Fails only when the listing would exceed [`MAX_LISTING`], which takes a
/// file made for that.
pub fn disassemble(executable: &Executable) -> Result<String, DecodeError> {
    let mut out = Listing::new(executable);
    out.prepare();
    let done = (0..executable.functions.len()).try_for_each(|index| out.function(index));
    out.finish(done)
}

/// The listing of one function of the table; empty if there is no such index.
pub fn disassemble_function(executable: &Executable, index: usize) -> Result<String, DecodeError> {
    let mut out = Listing::new(executable);
    let done = out.function(index);
    out.finish(done)
}

/// One line, without indentation or line end, as in the listing.
pub fn disassemble_instruction(executable: &Executable, instruction: Instruction<'_>) -> String {
    let mut out = Listing::new(executable);
    // One instruction cannot be refused: what was printed up to the limit is kept.
    let _over_limit = out.instruction(instruction);
    let text = out.into_text();
    text.trim_start_matches(' ')
        .trim_end_matches('\n')
        .to_owned()
}

/// The listing grew beyond [`MAX_LISTING`].
struct TooLong;

struct Listing<'a> {
    executable: &'a Executable,
    out: Vec<u8>,
    /// What a call of each function begins with, and where each text lies.
    /// Empty unless prepared: not worth it for one line.
    heads: Vec<u8>,
    head_ranges: Vec<Range<usize>>,
}

impl<'a> Listing<'a> {
    fn new(executable: &'a Executable) -> Self {
        Self {
            executable,
            out: Vec::new(),
            heads: Vec::new(),
            head_ranges: Vec::new(),
        }
    }

    fn finish(self, done: Result<(), TooLong>) -> Result<String, DecodeError> {
        match done {
            Ok(()) => Ok(self.into_text()),
            Err(TooLong) => Err(DecodeError::new(
                self.executable.sections.code.start,
                format!("a listing of at most {MAX_LISTING} bytes"),
                "a longer one",
            )),
        }
    }

    fn into_text(self) -> String {
        // Names are strings and the rest is ASCII, so nothing is replaced.
        String::from_utf8(self.out)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    fn prepare(&mut self) {
        let functions = &self.executable.functions;
        self.head_ranges.reserve(functions.len());
        for function in functions {
            let start = self.heads.len();
            push_head(&mut self.heads, &function.name);
            self.head_ranges.push(start..self.heads.len());
        }
        // A guess that is seldom too small; memory never written costs nothing.
        let words = self.executable.code.len().saturating_mul(8);
        let lines = self.executable.instruction_offsets.len().saturating_mul(64);
        let guess = words.saturating_add(lines).saturating_add(self.heads.len());
        self.out.reserve(guess.min(MAX_LISTING));
    }

    fn function(&mut self, index: usize) -> Result<(), TooLong> {
        let executable = self.executable;
        let Some(function) = executable.functions.get(index) else {
            return Ok(());
        };
        self.out.push(b'@');
        self.out.extend_from_slice(function.name.as_bytes());
        match function.kind {
            FunctionKind::Packed => self.out.extend_from_slice(b" packed_func;\n"),
            FunctionKind::VmTir => {
                self.out.extend_from_slice(b" num_inputs=");
                self.number(function.num_args);
                self.out.extend_from_slice(b" vm_tir_func;\n");
            }
            FunctionKind::Vm => {
                self.out.extend_from_slice(b":\n");
                for (_, instruction) in executable.instructions(function.instructions.clone()) {
                    self.instruction(instruction)?;
                }
            }
        }
        self.out.push(b'\n');
        Ok(())
    }

    /// One line with indentation and line end.
    #[inline]
    fn instruction(&mut self, instruction: Instruction<'_>) -> Result<(), TooLong> {
        match instruction {
            Instruction::Call {
                dst,
                function,
                args,
            } => {
                self.call_head(function);
                self.arguments(args)?;
                if dst == Register::Void {
                    self.out.extend_from_slice(b" dst: %void\n");
                } else {
                    self.out.extend_from_slice(b" dst: ");
                    self.last_register(dst);
                }
            }
            Instruction::Ret { result } => {
                self.out.extend_from_slice(b"  ret   ");
                self.last_register(result);
            }
            Instruction::Goto { offset } => {
                self.out.extend_from_slice(b"  goto  ");
                self.number(offset);
                self.out.push(b'\n');
            }
            Instruction::If {
                condition,
                false_offset,
            } => {
                self.out.extend_from_slice(b"  If    ");
                self.register(condition);
                self.out.extend_from_slice(b", ");
                self.number(false_offset);
                self.out.push(b'\n');
            }
        }
        self.check_length()
    }

    #[inline]
    fn check_length(&self) -> Result<(), TooLong> {
        if self.out.len() > MAX_LISTING {
            return Err(TooLong);
        }
        Ok(())
    }

    #[inline]
    fn call_head(&mut self, function: i64) {
        let prepared = usize::try_from(function)
            .ok()
            .and_then(|index| self.head_ranges.get(index))
            .and_then(|range| self.heads.get(range.clone()));
        match prepared {
            Some(head) => self.out.extend_from_slice(head),
            None => match name_of(self.executable, function) {
                Some(name) => push_head(&mut self.out, name),
                None => push_head(&mut self.out, &unknown_name(function)),
            },
        }
    }

    /// All arguments, separated, padded to their column.
    #[inline]
    fn arguments(&mut self, args: Arguments<'_>) -> Result<(), TooLong> {
        let start = self.out.len();
        for argument in args.iter() {
            let ready = match argument {
                Argument::Register(number) => REGISTER.push(number, &mut self.out),
                Argument::Immediate(value) => IMMEDIATE.push(value, &mut self.out),
                Argument::Constant(index) => CONSTANT.push(index, &mut self.out),
                Argument::Function(_) | Argument::Void | Argument::Vm => false,
            };
            if !ready {
                self.long_argument(argument)?;
            }
        }
        if !args.is_empty() {
            // The separator after the last one.
            self.out.truncate(self.out.len().saturating_sub(2));
        }
        pad(&mut self.out, start, ARGUMENTS_WIDTH);
        Ok(())
    }

    fn long_argument(&mut self, argument: Argument) -> Result<(), TooLong> {
        match argument {
            Argument::Register(number) => self.register(Register::Number(number)),
            Argument::Void => self.register(Register::Void),
            Argument::Vm => self.register(Register::Vm),
            Argument::Immediate(value) => {
                self.out.push(b'i');
                self.number(value);
            }
            Argument::Constant(index) => {
                self.out.extend_from_slice(b"c[");
                self.number(index);
                self.out.push(b']');
            }
            Argument::Function(index) => {
                self.out.extend_from_slice(b"f[");
                match name_of(self.executable, index) {
                    Some(name) => self.out.extend_from_slice(name.as_bytes()),
                    None => self.out.extend_from_slice(unknown_name(index).as_bytes()),
                }
                self.out.push(b']');
            }
        }
        self.out.extend_from_slice(b", ");
        self.check_length()
    }

    #[inline]
    fn last_register(&mut self, register: Register) {
        if let Register::Number(number) = register
            && LAST_REGISTER.push(number, &mut self.out)
        {
            return;
        }
        self.register(register);
        self.out.push(b'\n');
    }

    fn register(&mut self, register: Register) {
        match register {
            Register::Number(number) => {
                self.out.push(b'%');
                self.number(number);
            }
            Register::Void => self.out.extend_from_slice(b"%void"),
            Register::Vm => self.out.extend_from_slice(b"%vm"),
        }
    }

    fn number(&mut self, value: i64) {
        if !NUMBER.push(value, &mut self.out) {
            self.out.extend_from_slice(value.to_string().as_bytes());
        }
    }
}

fn name_of(executable: &Executable, function: i64) -> Option<&str> {
    let function = executable.functions.get(usize::try_from(function).ok()?)?;
    Some(&function.name)
}

fn unknown_name(function: i64) -> String {
    format!("unknown_func_index({function})")
}

/// What a line with a call begins with, up to the arguments.
fn push_head(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(INDENT);
    out.extend_from_slice(b"call  ");
    let start = out.len();
    out.extend_from_slice(name.as_bytes());
    pad(out, start, CALLEE_WIDTH);
    out.extend_from_slice(b" in: ");
}

/// Pads with spaces to `width` bytes, as C++ streams count.
#[inline]
fn pad(out: &mut Vec<u8>, start: usize, width: usize) {
    let wanted = start.saturating_add(width);
    if out.len() < wanted {
        out.extend_from_slice(SPACES);
        out.truncate(wanted);
    }
}
