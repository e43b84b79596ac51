//! The listing TVM's own `as_text()` prints, byte for byte.
//!
//! Field widths and the order of functions are TVM's; a test compares with
//! TVM itself. One string is filled, nothing else is allocated.

use super::instruction::{Argument, Instruction, Register};
use super::{Executable, FunctionKind};
use crate::error::DecodeError;
use crate::limits::MAX_LISTING;

const CALLEE_WIDTH: usize = 16;
const ARGUMENTS_WIDTH: usize = 12;

/// The listing of the whole executable.
///
/// Fails only when the listing would exceed [`MAX_LISTING`], which takes a
/// file made for that.
pub fn disassemble(executable: &Executable) -> Result<String, DecodeError> {
    let mut out = Listing::new(executable);
    for index in 0..executable.functions.len() {
        out.function(index)?;
    }
    Ok(out.text)
}

/// The listing of one function of the table; empty if there is no such index.
pub fn disassemble_function(executable: &Executable, index: usize) -> Result<String, DecodeError> {
    let mut out = Listing::new(executable);
    out.function(index)?;
    Ok(out.text)
}

/// One line, without indentation or line end, as in the listing.
pub fn disassemble_instruction(executable: &Executable, instruction: Instruction<'_>) -> String {
    let mut out = Listing::new(executable);
    // One instruction cannot be cut: what was printed up to the limit is kept.
    let _over_limit = out.instruction(instruction);
    out.text
}

struct Listing<'a> {
    executable: &'a Executable,
    text: String,
}

impl<'a> Listing<'a> {
    fn new(executable: &'a Executable) -> Self {
        Self {
            executable,
            text: String::new(),
        }
    }

    fn function(&mut self, index: usize) -> Result<(), DecodeError> {
        let Some(function) = self.executable.functions.get(index) else {
            return Ok(());
        };
        self.text.push('@');
        self.text.push_str(&function.name);
        match function.kind {
            FunctionKind::Packed => self.text.push_str(" packed_func;\n"),
            FunctionKind::VmTir => {
                self.text.push_str(" num_inputs=");
                self.number(function.num_args);
                self.text.push_str(" vm_tir_func;\n");
            }
            FunctionKind::Vm => {
                self.text.push_str(":\n");
                for (_, instruction) in self.executable.instructions(function.instructions.clone())
                {
                    self.text.push_str("  ");
                    self.instruction(instruction)?;
                    self.text.push('\n');
                }
            }
        }
        self.text.push('\n');
        Ok(())
    }

    fn instruction(&mut self, instruction: Instruction<'_>) -> Result<(), DecodeError> {
        match instruction {
            Instruction::Call {
                dst,
                function,
                args,
            } => {
                self.text.push_str("call  ");
                let start = self.text.len();
                self.function_name(function);
                self.pad(start, CALLEE_WIDTH);
                self.text.push_str(" in: ");
                let start = self.text.len();
                for (index, argument) in args.iter().enumerate() {
                    if index > 0 {
                        self.text.push_str(", ");
                    }
                    self.argument(argument);
                    self.check_length()?;
                }
                self.pad(start, ARGUMENTS_WIDTH);
                self.text.push_str(" dst: ");
                self.register(dst);
            }
            Instruction::Ret { result } => {
                self.text.push_str("ret   ");
                self.register(result);
            }
            Instruction::Goto { offset } => {
                self.text.push_str("goto  ");
                self.number(offset);
            }
            Instruction::If {
                condition,
                false_offset,
            } => {
                self.text.push_str("If    ");
                self.register(condition);
                self.text.push_str(", ");
                self.number(false_offset);
            }
        }
        self.check_length()
    }

    fn check_length(&self) -> Result<(), DecodeError> {
        if self.text.len() > MAX_LISTING {
            return Err(DecodeError::new(
                self.executable.sections.code.start,
                format!("a listing of at most {MAX_LISTING} bytes"),
                "a longer one",
            ));
        }
        Ok(())
    }

    fn argument(&mut self, argument: Argument) {
        match argument {
            Argument::Register(number) => self.register(Register::Number(number)),
            Argument::Void => self.register(Register::Void),
            Argument::Vm => self.register(Register::Vm),
            Argument::Immediate(value) => {
                self.text.push('i');
                self.number(value);
            }
            Argument::Constant(index) => {
                self.text.push_str("c[");
                self.number(index);
                self.text.push(']');
            }
            Argument::Function(index) => {
                self.text.push_str("f[");
                self.function_name(index);
                self.text.push(']');
            }
        }
    }

    fn register(&mut self, register: Register) {
        match register {
            Register::Number(number) => {
                self.text.push('%');
                self.number(number);
            }
            Register::Void => self.text.push_str("%void"),
            Register::Vm => self.text.push_str("%vm"),
        }
    }

    fn function_name(&mut self, index: i64) {
        match usize::try_from(index)
            .ok()
            .and_then(|index| self.executable.functions.get(index))
        {
            Some(function) => self.text.push_str(&function.name),
            None => {
                self.text.push_str("unknown_func_index(");
                self.number(index);
                self.text.push(')');
            }
        }
    }

    /// Pads with spaces to `width` bytes, as C++ streams count.
    fn pad(&mut self, start: usize, width: usize) {
        const SPACES: &str = "                ";
        let written = self.text.len().saturating_sub(start);
        let missing = width.saturating_sub(written);
        self.text
            .push_str(SPACES.get(..missing).unwrap_or_default());
    }

    /// Decimal digits; `write!` costs several times as much, and most of a
    /// listing is numbers.
    fn number(&mut self, value: i64) {
        let mut digits = [b'0'; 20];
        let mut left = value.unsigned_abs();
        let mut used = 0_usize;
        for slot in digits.iter_mut().rev() {
            #[allow(clippy::cast_possible_truncation)] // a single digit
            let digit = (left % 10) as u8;
            *slot = b'0'.saturating_add(digit);
            used = used.saturating_add(1);
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if value < 0 {
            self.text.push('-');
        }
        let start = digits.len().saturating_sub(used);
        let ascii = digits.get(start..).unwrap_or_default();
        self.text
            .push_str(std::str::from_utf8(ascii).unwrap_or_default());
    }
}
