//! One emulated processor: registers, a stack, and runs between two events.

use memmap2::MmapMut;
use unicorn_engine::{Arch, Arm64CpuModel, HookType, MemType, Mode, Prot, RegisterARM64, Unicorn};

use super::error::{MachOError, Result};
use super::native;

/// The process's memory is mapped in pieces of this size, when first touched.
const CHUNK: u64 = 1 << 32;
/// Below this nothing is ever mapped: null pointers with an offset.
const LOWEST: u64 = 1 << 16;
/// Nor above this: device pointers of the simulated device, wild addresses.
const HIGHEST: u64 = 1 << 47;
/// As large as a Mac's first thread has it; untouched pages cost nothing.
const STACK: usize = 8 << 20;
/// `svc #0`: ends a run.
pub const LEAVE: [u8; 4] = 0xd400_0001_u32.to_le_bytes();
/// QEMU's number of the exception that it raises.
const SUPERVISOR_CALL: u32 = 2;

/// Why a run ended.
#[derive(Debug)]
pub enum Event {
    /// The code ran the instruction [`LEAVE`], here.
    Exit(u64),
    /// The code faulted, at this address.
    Fault { at: u64, what: String },
}

/// What hooks keep.
#[derive(Default)]
struct Seen {
    /// The address of an access that could not be mapped.
    bad_access: Option<u64>,
    /// The number of the exception that ended the run.
    exception: Option<u32>,
}

/// An emulated processor of one operating-system thread.
pub struct Processor {
    engine: Unicorn<'static, Seen>,
    // The emulated stack; the engine holds its address.
    _stack: MmapMut,
}

/// The general registers that hold arguments, and the first vector registers.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// x0 to x7.
    pub words: [u64; 8],
    /// d0 and d1.
    pub doubles: [u64; 2],
    /// Where the callee returns to.
    pub link: u64,
}

const WORDS: [RegisterARM64; 8] = [
    RegisterARM64::X0,
    RegisterARM64::X1,
    RegisterARM64::X2,
    RegisterARM64::X3,
    RegisterARM64::X4,
    RegisterARM64::X5,
    RegisterARM64::X6,
    RegisterARM64::X7,
];

impl Processor {
    /// A processor with a stack of its own.
    pub fn new() -> Result<Processor> {
        let mut engine = Unicorn::new_with_data(Arch::ARM64, Mode::LITTLE_ENDIAN, Seen::default())
            .map_err(failed)?;
        engine
            .ctl_set_cpu_model(Arm64CpuModel::MAX as i32)
            .map_err(failed)?;
        engine
            .add_intr_hook(|engine, number| {
                engine.get_data_mut().exception = Some(number);
                // Fails only where nothing runs.
                let _ = engine.emu_stop();
            })
            .map_err(failed)?;
        engine
            .add_mem_hook(
                HookType::MEM_UNMAPPED,
                1,
                0,
                |engine, kind, address, _, _| touched(engine, kind, address),
            )
            .map_err(failed)?;
        let stack = MmapMut::map_anon(STACK).map_err(|source| MachOError::Io {
            path: "the emulated stack".into(),
            source,
        })?;
        let top = native::address_of(&stack) + STACK as u64 - 256;
        engine
            .reg_write(RegisterARM64::SP, top & !15)
            .map_err(failed)?;
        Ok(Processor {
            engine,
            _stack: stack,
        })
    }

    /// Prepares a call: arguments, return address, stack pointer. Returns what
    /// [`Processor::leave`] puts back.
    pub fn enter(&mut self, words: &[u64], link: u64) -> Result<u64> {
        let stack = self.engine.reg_read(RegisterARM64::SP).map_err(failed)?;
        // Clear of whatever the interrupted function keeps below its frame.
        let fresh = stack.saturating_sub(256) & !15;
        self.engine
            .reg_write(RegisterARM64::SP, fresh)
            .map_err(failed)?;
        for (register, word) in WORDS.iter().zip(words) {
            self.engine.reg_write(*register, *word).map_err(failed)?;
        }
        self.engine
            .reg_write(RegisterARM64::LR, link)
            .map_err(failed)?;
        Ok(stack)
    }

    /// Ends a call begun with [`Processor::enter`]; returns x0.
    pub fn leave(&mut self, stack: u64) -> Result<u64> {
        self.engine
            .reg_write(RegisterARM64::SP, stack)
            .map_err(failed)?;
        self.engine.reg_read(RegisterARM64::X0).map_err(failed)
    }

    /// Runs from `pc` to the next exit or fault.
    pub fn run(&mut self, pc: u64) -> Result<Event> {
        *self.engine.get_data_mut() = Seen::default();
        let ended = self.engine.emu_start(pc, 0, 0, 0);
        let at = self.engine.pc_read().map_err(failed)?;
        Ok(match (ended, self.engine.get_data().exception) {
            // The address after the instruction.
            (Ok(()), Some(SUPERVISOR_CALL)) => Event::Exit(at.wrapping_sub(4)),
            (Ok(()), number) => {
                let what = match number {
                    Some(1) => "an instruction that the processor does not have".to_owned(),
                    Some(7) => "a breakpoint instruction, which ends a program".to_owned(),
                    Some(other) => format!("exception {other}"),
                    None => "a jump to address 0".to_owned(),
                };
                Event::Fault { at, what }
            }
            (Err(error), _) => {
                let place = self.engine.get_data().bad_access;
                let place = place.map_or(String::new(), |a| format!(" (address {a:#x})"));
                Event::Fault {
                    at,
                    what: format!("{error:?}{place}"),
                }
            }
        })
    }

    /// The arguments at a call-out.
    pub fn arguments(&self) -> Result<Arguments> {
        let mut words = [0; 8];
        for (word, register) in words.iter_mut().zip(WORDS) {
            *word = self.engine.reg_read(register).map_err(failed)?;
        }
        let double = |register| self.engine.reg_read(register).map_err(failed);
        Ok(Arguments {
            words,
            doubles: [double(RegisterARM64::D0)?, double(RegisterARM64::D1)?],
            link: double(RegisterARM64::LR)?,
        })
    }

    /// Sets a call-out's integer result.
    pub fn return_word(&mut self, word: u64) -> Result<()> {
        self.engine
            .reg_write(RegisterARM64::X0, word)
            .map_err(failed)
    }

    /// Sets a call-out's floating-point result, as the bits of d0.
    pub fn return_double(&mut self, bits: u64) -> Result<()> {
        self.engine
            .reg_write(RegisterARM64::D0, bits)
            .map_err(failed)
    }
}

/// Maps the chunk of process memory that an access falls into.
fn touched(engine: &mut Unicorn<'_, Seen>, _kind: MemType, address: u64) -> bool {
    let start = address & !(CHUNK - 1);
    if (LOWEST..HIGHEST).contains(&address) && native::map_chunk(engine, start, CHUNK, Prot::ALL) {
        return true;
    }
    engine.get_data_mut().bad_access = Some(address);
    false
}

fn failed(error: unicorn_engine::unicorn_const::uc_error) -> MachOError {
    MachOError::Emulator(format!("{error:?}"))
}
