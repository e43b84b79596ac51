//! x86-64, decoded by `iced-x86`.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    InstructionInfoOptions, Mnemonic, OpAccess, OpKind, Register,
};
use memchr::memmem::Finder;

use super::instructions::{Flow, Machine, Outline, Piece, Target};
use super::state::{State, Value};

/// `rsp`.
const STACK: usize = 4;
/// Bytes of code that are searched for one opcode after the other, so that they come
/// from memory once.
const BLOCK: usize = 64 << 10;
/// Most bytes that one instruction writes: a vector of 512 bits.
const MOST_BYTES: i64 = 64;

/// x86-64 with one of its two calling conventions.
pub(super) struct X86_64<'a> {
    /// Reads the function that is being followed, at that address.
    reads: Option<(u64, Decoder<'a>)>,
    /// Windows' convention instead of System V's.
    windows: bool,
    info: InstructionInfoFactory,
    /// The one that is being carried out.
    instruction: Instruction,
}

impl X86_64<'_> {
    pub(super) fn new(windows: bool) -> Self {
        Self {
            reads: None,
            windows,
            info: InstructionInfoFactory::new(),
            instruction: Instruction::default(),
        }
    }
}

impl<'a> Machine<'a> for X86_64<'a> {
    fn parameters(&self) -> &'static [usize] {
        // rcx rdx r8 r9; rdi rsi rdx rcx r8 r9.
        if self.windows {
            &[1, 2, 8, 9]
        } else {
            &[7, 6, 2, 1, 8, 9]
        }
    }

    fn result(&self) -> usize {
        0
    }

    fn stack(&self) -> usize {
        STACK
    }

    fn lost(&self) -> &'static [usize] {
        if self.windows {
            &[0, 1, 2, 8, 9, 10, 11]
        } else {
            &[0, 1, 2, 6, 7, 8, 9, 10, 11]
        }
    }

    fn step(&mut self, code: Piece<'a>, at: usize, state: &mut State) -> Option<(usize, Flow)> {
        code.data.get(at..).filter(|rest| !rest.is_empty())?;
        // A decoder takes as long to make, or to move, as an instruction to decode.
        let is_there = |(function, decoder): &(u64, Decoder<'a>)| {
            let length = decoder.max_position();
            *function == code.address && length == code.data.len() && decoder.position() == at
        };
        if !self.reads.as_ref().is_some_and(is_there) {
            let place = code.address.wrapping_add(at as u64);
            let mut decoder = Decoder::with_ip(64, code.data, place, DecoderOptions::NONE);
            decoder.set_position(at).ok()?;
            self.reads = Some((code.address, decoder));
        }
        let (_, decoder) = self.reads.as_mut()?;
        decoder.decode_out(&mut self.instruction);
        let instruction = &self.instruction;
        let flow = flow(instruction, state);
        if !moves(instruction, state) {
            forget(instruction, &mut self.info, state);
        }
        Some((instruction.len(), flow))
    }

    fn branches(&self, code: Piece<'a>, visit: &mut dyn FnMut(u64, u64)) -> Outline {
        let mut decoder = Decoder::with_ip(64, code.data, code.address, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        let mut outline = Outline::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            outline.instructions = outline.instructions.saturating_add(1);
            let flow = instruction.flow_control();
            let target = instruction.near_branch_target();
            if matches!(
                flow,
                FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
            ) {
                visit(instruction.ip(), target);
            }
            outline.calls |= match flow {
                FlowControl::Call | FlowControl::IndirectCall | FlowControl::IndirectBranch => true,
                FlowControl::UnconditionalBranch => !code.holds(target),
                _ => false,
            };
        }
        outline
    }

    /// `call`, `jmp`, and the short `jmp` that ends a function beside its callee.
    fn calls(&self, code: Piece<'_>, visit: &mut dyn FnMut(u64, u64)) {
        for at in memchr::memchr3_iter(0xe8, 0xe9, 0xeb, code.data) {
            let rest = code.data.get(at..).unwrap_or_default();
            let site = code.address.wrapping_add(at as u64);
            let (length, distance) = match rest {
                [0xeb, near, ..] => (2, i64::from(near.cast_signed())),
                [_, a, b, c, d, ..] => (5, i64::from(i32::from_le_bytes([*a, *b, *c, *d]))),
                _ => continue,
            };
            visit(
                site,
                site.wrapping_add(length).wrapping_add_signed(distance),
            );
        }
    }

    fn through_cells(&self, code: Piece<'_>, visit: &mut dyn FnMut(u64, u64, bool)) {
        let opcodes = [(b"\xff\x25", true), (b"\xff\x15", false)];
        let opcodes = opcodes.map(|(opcode, is_jump)| (Finder::new(opcode), is_jump));
        for start in (0..code.data.len()).step_by(BLOCK) {
            // An opcode may begin with the last byte.
            let end = start.saturating_add(BLOCK).saturating_add(1);
            let block = code.data.get(start..end.min(code.data.len()));
            let block = block.unwrap_or_default();
            for (opcode, is_jump) in &opcodes {
                for at in opcode.find_iter(block) {
                    through_cell(code, start.saturating_add(at), *is_jump, visit);
                }
            }
        }
    }
}

/// Hands on a call or jump through a cell, the opcode of which is at `at`.
fn through_cell(code: Piece<'_>, at: usize, is_jump: bool, visit: &mut dyn FnMut(u64, u64, bool)) {
    let rest = code.data.get(at..).and_then(<[u8]>::first_chunk);
    let Some(&[_, _, d0, d1, d2, d3]) = rest else {
        return;
    };
    let site = code.address.wrapping_add(at as u64);
    let distance = i32::from_le_bytes([d0, d1, d2, d3]);
    let cell = site.wrapping_add(6).wrapping_add_signed(distance.into());
    visit(site, cell, is_jump);
    // What is called may be the landing pad before it.
    let before = at.checked_sub(4).and_then(|at| code.data.get(at..));
    if is_jump && before.is_some_and(|pad| pad.starts_with(b"\xf3\x0f\x1e\xfa")) {
        visit(site.wrapping_sub(4), cell, true);
    }
}

fn flow(instruction: &Instruction, state: &State) -> Flow {
    let target = || match instruction.op0_kind() {
        OpKind::NearBranch64 => Target::Code(instruction.near_branch64()),
        OpKind::Memory if instruction.is_ip_rel_memory_operand() => {
            Target::Cell(instruction.ip_rel_memory_address())
        }
        OpKind::Register => match state.get(number(instruction.op0_register())) {
            Value::Loaded(cell) => Target::Cell(cell),
            Value::Address(code) => Target::Code(code),
            _ => Target::Unknown,
        },
        _ => Target::Unknown,
    };
    match instruction.flow_control() {
        FlowControl::Call | FlowControl::IndirectCall => Flow::Call(target()),
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => Flow::Jump(target()),
        FlowControl::ConditionalBranch => Flow::Branch(instruction.near_branch_target()),
        FlowControl::Next | FlowControl::XbeginXabortXend => Flow::On,
        FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => Flow::End,
    }
}

/// Index of the whole general register; out of range for others.
fn number(register: Register) -> usize {
    match register.is_gpr() {
        true => register.full_register().number(),
        false => usize::MAX,
    }
}

fn is_word(register: Register) -> bool {
    register.is_gpr64()
}

fn is_half(register: Register) -> bool {
    register.is_gpr32()
}

fn only_number(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(number & u64::from(u32::MAX)),
        _ => Value::Other,
    }
}

/// Where a memory operand lies.
fn address(instruction: &Instruction, state: &State) -> Value {
    if instruction.is_ip_rel_memory_operand() {
        return Value::Address(instruction.ip_rel_memory_address());
    }
    if instruction.memory_index() != Register::None {
        return Value::Other;
    }
    let base = state.get(number(instruction.memory_base()));
    match base {
        Value::Frame(_) | Value::Address(_) | Value::Marked(_) => {
            base.plus(instruction.memory_displacement64().cast_signed())
        }
        _ => Value::Other,
    }
}

/// Bytes of a memory operand.
fn bytes(instruction: &Instruction) -> i64 {
    i64::try_from(instruction.memory_size().size()).unwrap_or(i64::MAX)
}

/// Carries out an instruction that only moves words; `false` for any other.
fn moves(instruction: &Instruction, state: &mut State) -> bool {
    let (to, from) = (instruction.op0_kind(), instruction.op1_kind());
    let register = instruction.op0_register();
    let other = instruction.op1_register();
    match instruction.mnemonic() {
        Mnemonic::Lea if is_word(register) => {
            let value = address(instruction, state);
            state.set(number(register), value);
        }
        Mnemonic::Mov => return mov(instruction, state),
        // A mark stays on what is moved, whatever by: what it marks has no other parts
        // than those that calls name.
        Mnemonic::Add
            if to == OpKind::Register && is_word(register) && number(register) != STACK =>
        {
            let more = match from {
                OpKind::Register => state.get(number(other)),
                OpKind::Memory => state.load(address(instruction, state)),
                _ => Value::Other,
            };
            match state.get(number(register)).moved(more) {
                Value::Other => return false,
                marked => state.set(number(register), marked),
            }
        }
        // Where both are the same it is, whatever the condition.
        Mnemonic::Cmove | Mnemonic::Cmovne
            if from == OpKind::Register
                && state.get(number(register)) == state.get(number(other)) => {}
        Mnemonic::Xor if register == other && (is_word(register) || is_half(register)) => {
            state.set(number(register), Value::Number(0));
        }
        Mnemonic::Xorps | Mnemonic::Pxor if register == other && register.is_xmm() => {
            state.set_vector(vector(register), [Value::Number(0); 2]);
        }
        Mnemonic::Movaps | Mnemonic::Movups | Mnemonic::Movdqa | Mnemonic::Movdqu => {
            whole_vector(instruction, state);
        }
        Mnemonic::Movq => return low_word(instruction, state),
        Mnemonic::Movhps | Mnemonic::Movlhps | Mnemonic::Punpcklqdq => {
            high_word(instruction, state);
        }
        Mnemonic::Push if to == OpKind::Register => {
            let top = state.get(STACK).plus(-8);
            state.set(STACK, top);
            state.store(top, state.get(number(register)));
        }
        Mnemonic::Pop if to == OpKind::Register => {
            let top = state.get(STACK);
            state.set(number(register), state.load(top));
            state.set(STACK, top.plus(8));
        }
        Mnemonic::Sub | Mnemonic::Add if number(register) == STACK => {
            // Room of a computed size: where the frame goes on is not known.
            let top = instruction
                .try_immediate(1)
                .map_or(Value::Other, |distance| {
                    let distance = distance.cast_signed();
                    state.get(STACK).plus(match instruction.mnemonic() {
                        Mnemonic::Add => distance,
                        _ => distance.wrapping_neg(),
                    })
                });
            state.set(STACK, top);
        }
        // Alignment of the frame changes no distance inside it.
        Mnemonic::And if number(register) == STACK => {}
        // What a call does is for the caller of this.
        Mnemonic::Call => {}
        _ => return false,
    }
    true
}

/// Carries out a `mov`; `false` for one of other parts than words and halves of them.
fn mov(instruction: &Instruction, state: &mut State) -> bool {
    let (to, from) = (instruction.op0_kind(), instruction.op1_kind());
    let register = instruction.op0_register();
    let other = instruction.op1_register();
    match (to, from) {
        (OpKind::Register, OpKind::Register) if is_word(register) => {
            state.set(number(register), state.get(number(other)));
        }
        (OpKind::Register, OpKind::Memory) if is_word(register) => {
            let value = state.load(address(instruction, state));
            state.set(number(register), value);
        }
        (OpKind::Memory, OpKind::Register) if is_word(other) => {
            let value = state.get(number(other));
            state.store(address(instruction, state), value);
        }
        // Half a register: of what is known, only a number stays itself.
        (OpKind::Register, OpKind::Register) if is_half(register) => {
            let value = only_number(state.get(number(other)));
            state.set(number(register), value);
        }
        (OpKind::Register, OpKind::Memory) if is_half(register) => {
            let value = state.load_half(address(instruction, state));
            state.set(number(register), value);
        }
        (OpKind::Memory, OpKind::Register) if is_half(other) => {
            let value = state.get(number(other));
            state.store_half(address(instruction, state), value);
        }
        (OpKind::Memory, _) => {
            let value = instruction.try_immediate(1).ok();
            let value = value.map_or(Value::Other, Value::Number);
            let at = address(instruction, state);
            match bytes(instruction) {
                8 => state.store(at, value),
                4 => state.store_half(at, value),
                bytes => state.lose(at, bytes),
            }
        }
        (OpKind::Register, _) if is_word(register) || is_half(register) => {
            let value = instruction.try_immediate(1).ok();
            let value = value.map(|number| match is_half(register) {
                true => number & u64::from(u32::MAX),
                false => number,
            });
            state.set(number(register), value.map_or(Value::Other, Value::Number));
        }
        _ => return false,
    }
    true
}

/// Index of a vector register, of which the lowest two words are told; out of range for
/// others.
fn vector(register: Register) -> usize {
    match register.is_vector_register() {
        true => register.number(),
        false => usize::MAX,
    }
}

fn whole_vector(instruction: &Instruction, state: &mut State) {
    let (to, from) = (instruction.op0_register(), instruction.op1_register());
    match (instruction.op0_kind(), instruction.op1_kind()) {
        (OpKind::Register, OpKind::Register) => {
            state.set_vector(vector(to), state.vector(vector(from)))
        }
        (OpKind::Register, _) => {
            let at = address(instruction, state);
            state.set_vector(vector(to), [state.load(at), state.load(at.plus(8))]);
        }
        _ => {
            let at = address(instruction, state);
            let [low, high] = state.vector(vector(from));
            state.store(at, low);
            state.store(at.plus(8), high);
        }
    }
}

fn low_word(instruction: &Instruction, state: &mut State) -> bool {
    let (to, from) = (instruction.op0_register(), instruction.op1_register());
    let value = match instruction.op1_kind() {
        OpKind::Register if from.is_xmm() => state.vector(vector(from)).first().copied(),
        OpKind::Register => Some(state.get(number(from))),
        _ => Some(state.load(address(instruction, state))),
    };
    let value = value.unwrap_or_default();
    match instruction.op0_kind() {
        OpKind::Register if to.is_xmm() => state.set_vector(vector(to), [value, Value::Other]),
        OpKind::Register => state.set(number(to), value),
        _ => state.store(address(instruction, state), value),
    }
    true
}

fn high_word(instruction: &Instruction, state: &mut State) {
    let (to, from) = (instruction.op0_register(), instruction.op1_register());
    if instruction.op0_kind() != OpKind::Register {
        let [_, high] = state.vector(vector(from));
        return state.store(address(instruction, state), high);
    }
    let high = match instruction.op1_kind() {
        OpKind::Register => state
            .vector(vector(from))
            .first()
            .copied()
            .unwrap_or_default(),
        _ => state.load(address(instruction, state)),
    };
    let [low, _] = state.vector(vector(to));
    state.set_vector(vector(to), [low, high]);
}

/// What any other instruction writes holds anything.
fn forget(instruction: &Instruction, info: &mut InstructionInfoFactory, state: &mut State) {
    let writes = |access: OpAccess| {
        !matches!(
            access,
            OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess
        )
    };
    // Nothing but flags, or where to go on.
    let is_jump = instruction.is_jcc_short_or_near() || instruction.is_jmp_short_or_near();
    if is_jump || matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test) {
        return;
    }
    // Writing counts in the frame alone, and what is written is told by the operand.
    let options = match address(instruction, state) {
        Value::Frame(_) => InstructionInfoOptions::NONE,
        _ => InstructionInfoOptions::NO_MEMORY_USAGE,
    };
    let used = info.info_options(instruction, options);
    for one in used.used_registers() {
        let register = one.register();
        if !writes(one.access()) || number(register) == STACK {
            continue;
        }
        if register.is_gpr() {
            state.set(number(register), Value::Other);
        } else {
            state.set_vector(vector(register), [Value::Other; 2]);
        }
    }
    if used.used_memory().iter().any(|one| writes(one.access())) {
        let at = address(instruction, state);
        match bytes(instruction) {
            8 => state.store(at, Value::Other),
            bytes => state.lose(at, bytes.min(MOST_BYTES)),
        }
    }
}
