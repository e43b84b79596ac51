//! The listing TVM's own `as_text()` prints, byte for byte.
//!
//! Field widths and the order of functions are TVM's; tests compare with TVM
//! itself. One buffer is filled; per function of the table the text that every
//! call of it begins with is made once.

use super::instruction::{Argument, Arguments, Instruction, Register, VM_REGISTER};
use super::short_text::{ARGUMENTS, NO_RESULT, NUMBER, RESULT, Short, VM};
use super::text::{Ahead, Text};
use super::{Executable, FunctionKind};
use crate::error::DecodeError;
use crate::limits::MAX_LISTING;

const CALLEE_WIDTH: usize = 16;
const ARGUMENTS_WIDTH: usize = 12;
/// As wide as the widest field.
const SPACES: &[u8; 16] = b"                ";
/// Bytes that the head of a call may have to be kept ready.
const HEAD: usize = 64;
/// Bytes that a call takes at most besides its arguments while all is ready.
const AROUND: usize = 128;
/// Bytes that one argument takes at most while its text is ready.
const ARGUMENT: usize = 8;
/// Bytes between two arguments.
const SEPARATOR: usize = 2;

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
    let text = out.out.into_string();
    text.trim_start_matches(' ')
        .trim_end_matches('\n')
        .to_owned()
}

/// The listing grew beyond [`MAX_LISTING`].
struct TooLong;

struct Listing<'a> {
    executable: &'a Executable,
    out: Text,
    /// What a call of each function begins with, and how long that is. Empty
    /// unless prepared: not worth it for one line.
    heads: Vec<Option<Short<HEAD>>>,
}

impl<'a> Listing<'a> {
    fn new(executable: &'a Executable) -> Self {
        Self {
            executable,
            out: Text::default(),
            heads: Vec::new(),
        }
    }

    fn finish(self, done: Result<(), TooLong>) -> Result<String, DecodeError> {
        match done {
            // Names are strings and the rest is ASCII, so nothing is replaced.
            Ok(()) => Ok(self.out.into_string()),
            Err(TooLong) => Err(DecodeError::limit(
                self.executable.sections.code.start,
                format!("a listing of at most {MAX_LISTING} bytes"),
                "a longer one",
            )),
        }
    }

    fn prepare(&mut self) {
        let functions = &self.executable.functions;
        self.heads.extend(functions.iter().map(|function| {
            let mut ready = Short::EMPTY;
            let fits = head(&function.name).iter().all(|part| ready.append(part));
            fits.then_some(ready)
        }));
        // A guess that is seldom too small; memory never written costs nothing.
        let words = self.executable.code.len().saturating_mul(8);
        let lines = self.executable.instruction_offsets.len().saturating_mul(64);
        let names = functions.len().saturating_mul(HEAD);
        let guess = words.saturating_add(lines).saturating_add(names);
        self.out.reserve(guess.min(MAX_LISTING));
    }

    fn function(&mut self, index: usize) -> Result<(), TooLong> {
        let executable = self.executable;
        let Some(function) = executable.functions.get(index) else {
            return Ok(());
        };
        self.out.push(b"@");
        self.out.push(function.name.as_bytes());
        match function.kind {
            FunctionKind::Packed => self.out.push(b" packed_func;\n"),
            FunctionKind::VmTir => {
                self.out.push(b" num_inputs=");
                self.number(function.num_args);
                self.out.push(b" vm_tir_func;\n");
            }
            FunctionKind::Vm => {
                self.out.push(b":\n");
                for (_, instruction) in executable.instructions(function.instructions.clone()) {
                    self.instruction(instruction)?;
                }
            }
        }
        self.out.push(b"\n");
        Ok(())
    }

    /// One line with indentation and line end.
    #[inline(always)]
    fn instruction(&mut self, instruction: Instruction<'_>) -> Result<(), TooLong> {
        match instruction {
            Instruction::Call {
                dst,
                function,
                args,
            } => self.call(dst, function, args)?,
            Instruction::Ret { result } => {
                self.out.push(b"  ret   ");
                self.register(result);
                self.out.push(b"\n");
            }
            Instruction::Goto { offset } => {
                self.out.push(b"  goto  ");
                self.number(offset);
                self.out.push(b"\n");
            }
            Instruction::If {
                condition,
                false_offset,
            } => {
                self.out.push(b"  If    ");
                self.register(condition);
                self.out.push(b", ");
                self.number(false_offset);
                self.out.push(b"\n");
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

    /// A call; nearly all of its text is ready.
    #[inline(always)]
    fn call(&mut self, dst: Register, function: i64, args: Arguments<'_>) -> Result<(), TooLong> {
        let ready = usize::try_from(function)
            .ok()
            .and_then(|index| self.heads.get(index)?.as_ref());
        let words = args.words();
        let Some(head) = ready else {
            self.head(function);
            let start = self.out.len();
            return self.rest_of_call(start, words, dst);
        };
        let most = words.len().saturating_mul(ARGUMENT);
        let mut line = self.out.ahead(most.saturating_add(AROUND));
        line.put(&head.bytes, head.length);
        let start = line.at;
        let left = ready_arguments(&mut line, words);
        if left.is_empty()
            && let Some(result) = ready_result(dst)
        {
            close_arguments(&mut line, start);
            line.put(&result.bytes, result.length);
            let written = line.at;
            self.out.take(written);
            return Ok(());
        }
        let written = line.at;
        let start = self.out.len().saturating_add(start);
        self.out.take(written);
        self.rest_of_call(start, left, dst)
    }

    fn head(&mut self, function: i64) {
        let unknown;
        let name = match name_of(self.executable, function) {
            Some(name) => name,
            None => {
                unknown = unknown_name(function);
                &unknown
            }
        };
        for part in head(name) {
            self.out.push(part);
        }
    }

    /// The arguments that are left of those that begin at `start`, and the result.
    fn rest_of_call(&mut self, start: usize, words: &[i64], dst: Register) -> Result<(), TooLong> {
        for word in words {
            self.argument(Argument::from_word(*word).unwrap_or(Argument::Void))?;
        }
        if self.out.len() > start {
            self.out.drop_last(SEPARATOR);
        }
        let printed = self.out.len().saturating_sub(start);
        let missing = ARGUMENTS_WIDTH.saturating_sub(printed);
        self.out.push(SPACES.get(..missing).unwrap_or_default());
        match ready_result(dst) {
            Some(text) => self.out.put(text),
            None => {
                self.out.push(b" dst: ");
                self.register(dst);
                self.out.push(b"\n");
            }
        }
        Ok(())
    }

    fn argument(&mut self, argument: Argument) -> Result<(), TooLong> {
        match argument {
            Argument::Register(number) => self.register(Register::Number(number)),
            Argument::Void => self.register(Register::Void),
            Argument::Vm => self.register(Register::Vm),
            Argument::Immediate(value) => {
                self.out.push(b"i");
                self.number(value);
            }
            Argument::Constant(index) => {
                self.out.push(b"c[");
                self.number(index);
                self.out.push(b"]");
            }
            Argument::Function(index) => {
                self.out.push(b"f[");
                match name_of(self.executable, index) {
                    Some(name) => self.out.push(name.as_bytes()),
                    None => self.out.push(unknown_name(index).as_bytes()),
                }
                self.out.push(b"]");
            }
        }
        self.out.push(b", ");
        self.check_length()
    }

    fn register(&mut self, register: Register) {
        match register {
            Register::Number(number) => {
                self.out.push(b"%");
                self.number(number);
            }
            Register::Void => self.out.push(b"%void"),
            Register::Vm => self.out.push(b"%vm"),
        }
    }

    fn number(&mut self, value: i64) {
        match NUMBER.get(value) {
            Some(text) => self.out.put(text),
            None => self.out.push(value.to_string().as_bytes()),
        }
    }
}

/// Writes arguments while their texts are ready; those that are left.
#[inline]
fn ready_arguments<'a>(line: &mut Ahead<'_>, mut words: &'a [i64]) -> &'a [i64] {
    while let [word, rest @ ..] = words {
        let (kind, value) = Argument::parts(*word);
        let ready = ARGUMENTS
            .get(usize::from(kind))
            .and_then(|texts| texts.get(value));
        let text = match ready {
            Some(text) => text,
            None if (kind, value) == (0, VM_REGISTER) => &VM,
            None => break,
        };
        line.put(&text.bytes, text.length);
        words = rest;
    }
    words
}

/// Drops the separator behind the last of the arguments that begin at `start`,
/// and fills their column.
#[inline]
fn close_arguments(line: &mut Ahead<'_>, start: usize) {
    let printed = line.at.saturating_sub(start).saturating_sub(SEPARATOR);
    line.at = start.saturating_add(printed);
    line.put(SPACES, ARGUMENTS_WIDTH.saturating_sub(printed));
}

/// What a call ends with.
#[inline]
fn ready_result(dst: Register) -> Option<&'static Short<16>> {
    match dst {
        Register::Void => Some(&NO_RESULT),
        Register::Number(number) => RESULT.get(number),
        Register::Vm => None,
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
fn head(name: &str) -> [&[u8]; 4] {
    let spaces = SPACES.get(name.len()..CALLEE_WIDTH).unwrap_or_default();
    [b"  call  ", name.as_bytes(), spaces, b" in: "]
}
