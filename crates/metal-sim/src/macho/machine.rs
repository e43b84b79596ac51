//! One mapped library: its memory, its way out of the emulator and back in.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::fs;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use super::callouts::{Answer, CallOut};
use super::emulator::Arguments;
use super::error::{MachOError, Result};
use super::gates::Gates;
use super::image::Image;
use super::mapped::Mapped;
use super::native;
use super::runner::{Halt, Runner};

/// The mapped library, shared by all threads.
pub(super) struct Machine {
    mapped: Mapped,
    gates: Gates<CallOut>,
    runner: Runner,
    natives: RwLock<HashMap<String, u64>>,
}

impl Machine {
    /// Reads, maps and binds a library.
    pub(super) fn open(path: &Path) -> Result<Machine> {
        let bytes = fs::read(path).map_err(|source| MachOError::Io {
            path: path.display().to_string(),
            source,
        })?;
        let image = Image::parse(&bytes)?;
        if let Some(what) = image.unsupported.first() {
            return Err(MachOError::Unsupported(what.clone()));
        }
        let locals = &image.thread_locals;
        if locals.template.is_some() || locals.foreign || !locals.descriptors.is_empty() {
            return Err(MachOError::Unsupported(
                "a model library with thread-local variables".into(),
            ));
        }
        let gates = Gates::new()?;
        let mut machine = Machine {
            mapped: Mapped::new(&bytes, image)?,
            runner: Runner::new(gates.back()),
            gates,
            natives: RwLock::new(HashMap::new()),
        };
        machine.fix_up()?;
        Ok(machine)
    }

    fn fix_up(&mut self) -> Result<()> {
        self.mapped.rebase();
        for binding in self.mapped.image.fixups.bindings.clone() {
            let target = match self.mapped.find(&binding.symbol) {
                Some(address) => address,
                None if binding.weak => 0,
                None => self.gate(c_name(&binding.symbol))?,
            };
            self.mapped
                .store(binding.address, target.wrapping_add_signed(binding.addend));
        }
        Ok(())
    }

    /// An address that leaves the emulator for the function of this name.
    fn gate(&self, name: &str) -> Result<u64> {
        self.gates.of(name, CallOut::of)
    }

    /// Runs its initialisers.
    pub(super) fn initialise(&self) -> Result<()> {
        for function in self.mapped.initialisers() {
            self.run(function, &[0, 0, 0])?;
        }
        Ok(())
    }

    /// Runs a function of the library to its end, with its call-outs.
    fn run(&self, function: u64, words: &[u64]) -> Result<u64> {
        let outside = |gate, arguments: &Arguments| self.call_out(gate, arguments);
        let ended = self.runner.run(function, words, &outside);
        ended.map_err(|halt| match halt {
            Halt::Failed(error) => error,
            Halt::Stopped { at, what } => MachOError::Stopped {
                function: self.mapped.describe(function),
                at: self.mapped.describe(at),
                what,
            },
        })
    }

    /// Does what a gate stands for.
    fn call_out(&self, gate: u64, a: &Arguments) -> std::result::Result<Answer, String> {
        let callout = self.gates.meaning(gate);
        let callout = callout.ok_or_else(|| format!("a jump to {gate:#x}"))?;
        if let Some(answer) = callout.answer(&a.words, a.doubles) {
            return Ok(answer);
        }
        Ok(Answer::Word(match &*callout {
            CallOut::Native(name) => self.call_native(name, &a.words)?,
            CallOut::HandleInitOnce => self.init_once(&a.words)?,
            CallOut::ParallelLaunch => self.parallel_launch(&a.words)?,
            other => {
                return Err(match other {
                    CallOut::Unknown(name) => {
                        format!("it calls `{name}`, which is not provided here")
                    }
                    known => format!("it calls {known:?} in a way that is not provided here"),
                });
            }
        }))
    }

    fn call_native(&self, name: &str, words: &[u64; 8]) -> std::result::Result<u64, String> {
        let known = self
            .natives
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .copied();
        let address =
            known.ok_or_else(|| format!("it calls `{name}`, which the runtime does not have"))?;
        Ok(native::call_function(address, words))
    }

    /// `int TVMFFIHandleInitOnce(void** handle, int (*init)(void** result))`:
    /// the function is emulated code, so the native one cannot call it.
    fn init_once(&self, w: &[u64; 8]) -> std::result::Result<u64, String> {
        // The emulated caller passes a pointer to its own static slot.
        if native::read_word(w[0]) != 0 {
            return Ok(0);
        }
        let mut made = 0u64;
        let place = &raw mut made as u64;
        let status = self
            .run(w[1], &[place])
            .map_err(|error| error.to_string())?
            & 0xffff_ffff;
        if status == 0 {
            native::write_word(w[0], native::read_word(place));
        }
        Ok(status)
    }

    /// `int TVMBackendParallelLaunch(lambda, void* data, int tasks)`, as one task.
    fn parallel_launch(&self, w: &[u64; 8]) -> std::result::Result<u64, String> {
        #[repr(C)]
        struct Environment {
            sync_handle: *mut c_void,
            tasks: i32,
        }
        let environment = Environment {
            sync_handle: std::ptr::null_mut(),
            tasks: 1,
        };
        self.run(w[0], &[0, &raw const environment as u64, w[1]])
            .map(|status| status & 0xffff_ffff)
            .map_err(|error| error.to_string())
    }

    /// The memory from a symbol on, by its Mach-O name.
    pub(super) fn bytes_at_symbol(&self, symbol: &str) -> Option<&[u8]> {
        self.mapped.from(*self.mapped.image.symbols.get(symbol)?)
    }

    /// The address of a symbol, by its C name; 0 if absent.
    pub(super) fn find(&self, name: &str) -> u64 {
        self.mapped.find(&format!("_{name}")).unwrap_or(0)
    }

    /// Calls a packed function: no `self`, arguments, their count, the result.
    pub(super) fn call(&self, address: u64, arguments: u64, count: u64, result: u64) -> u32 {
        match self.run(address, &[0, arguments, count, result]) {
            Ok(status) => (status & 0xffff_ffff) as u32,
            Err(error) => {
                self.raise(&error);
                u32::MAX
            }
        }
    }

    /// Learns a native address; fills the slot of that name, if the library has one.
    pub(super) fn tell(&self, name: &str, value: u64) {
        let function = name.strip_prefix("__TVM").map(|rest| format!("TVM{rest}"));
        let known = function.clone().unwrap_or_else(|| name.to_owned());
        self.natives
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(known, value);
        let slot = self.mapped.image.symbols.get(&format!("_{name}")).copied();
        let inside = slot.filter(|s| {
            s.checked_add(8)
                .is_some_and(|end| end <= self.mapped.image.segments.end)
        });
        let Some(slot) = inside else { return };
        let word = match &function {
            // More slots than gates cannot be: a library has a handful.
            Some(function) => self.gate(function).unwrap_or(0),
            None => value,
        };
        native::write_word(self.mapped.base().wrapping_add(slot), word);
    }

    fn raise(&self, error: &MachOError) {
        let message = CString::new(error.to_string().replace('\0', " ")).unwrap_or_default();
        let mut words = [0u64; 8];
        words[0] = c"RuntimeError".as_ptr() as u64;
        words[1] = message.as_ptr() as u64;
        if let Err(reason) = self.call_native("TVMFFIErrorSetRaisedFromCStr", &words) {
            eprintln!("metal-sim: {error}; {reason}");
        }
    }
}

fn c_name(symbol: &str) -> &str {
    symbol.strip_prefix('_').unwrap_or(symbol)
}
