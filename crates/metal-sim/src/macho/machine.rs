//! One mapped library: its memory, its way out of the emulator and back in.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use half::f16;
use memmap2::MmapMut;

use super::callouts::CallOut;
use super::emulator::{Arguments, Event, Processor};
use super::error::{MachOError, Result};
use super::image::Image;
use super::native;

/// Trampolines: addresses that emulated code calls to leave the emulator. The
/// first is where a call from outside returns to.
const TRAMPOLINES: usize = 512;
const TRAMPOLINE_BYTES: u64 = 8;
const PAGE: usize = 16384;

/// The mapped library, shared by all threads.
pub(super) struct Machine {
    id: u64,
    image: Image,
    memory: MmapMut,
    trampolines: MmapMut,
    callouts: RwLock<Vec<(String, CallOut)>>,
    natives: RwLock<HashMap<String, u64>>,
}

thread_local! {
    /// Each thread's processor for each library.
    static PROCESSORS: RefCell<HashMap<u64, Processor>> = RefCell::new(HashMap::new());
}

fn anonymous(bytes: usize) -> Result<MmapMut> {
    MmapMut::map_anon(bytes).map_err(|source| MachOError::Io {
        path: "memory for the image".into(),
        source,
    })
}

impl Machine {
    /// Reads, maps and binds a library.
    pub(super) fn open(path: &Path) -> Result<Machine> {
        let bytes = fs::read(path).map_err(|source| MachOError::Io {
            path: path.display().to_string(),
            source,
        })?;
        let image = Image::parse(&bytes)?;
        match image.unsupported.first() {
            Some(what) => Err(MachOError::Unsupported(what.clone())),
            None => Machine::load(&bytes, image),
        }
    }

    fn load(bytes: &[u8], image: Image) -> Result<Machine> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let size = usize::try_from(image.segments.end)
            .unwrap_or(usize::MAX)
            .next_multiple_of(PAGE);
        let mut memory = anonymous(size)?;
        for segment in &image.segments.list {
            let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let from = place(segment.file_offset)..place(segment.file_offset + segment.file_size);
            let to = place(segment.address)..place(segment.address + segment.file_size);
            if let (Some(from), Some(to)) = (bytes.get(from), memory.get_mut(to)) {
                to.copy_from_slice(from);
            }
        }
        let mut machine = Machine {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            image,
            memory,
            trampolines: anonymous(PAGE)?,
            callouts: RwLock::new(Vec::new()),
            natives: RwLock::new(HashMap::new()),
        };
        machine.fix_up()?;
        Ok(machine)
    }

    fn base(&self) -> u64 {
        native::address_of(&self.memory)
    }

    fn exit(&self, index: usize) -> u64 {
        native::address_of(&self.trampolines) + index as u64 * TRAMPOLINE_BYTES
    }

    fn store(&mut self, address: u64, value: u64) {
        let start = usize::try_from(address).unwrap_or(usize::MAX);
        if let Some(place) = start
            .checked_add(8)
            .and_then(|end| self.memory.get_mut(start..end))
        {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    fn fix_up(&mut self) -> Result<()> {
        let base = self.base();
        for rebase in self.image.fixups.rebases.clone() {
            self.store(rebase.address, base.wrapping_add(rebase.target));
        }
        for binding in self.image.fixups.bindings.clone() {
            let own = self
                .image
                .symbols
                .get(&binding.symbol)
                .map(|a| base.wrapping_add(*a));
            let target = match own {
                Some(address) => address,
                None if binding.weak => 0,
                None => self.trampoline(c_name(&binding.symbol))?,
            };
            self.store(binding.address, target.wrapping_add_signed(binding.addend));
        }
        Ok(())
    }

    /// An address that leaves the emulator for the function of this name.
    fn trampoline(&self, name: &str) -> Result<u64> {
        let mut callouts = self
            .callouts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let index = callouts
            .iter()
            .position(|(known, _)| known == name)
            .unwrap_or(callouts.len());
        if index + 1 >= TRAMPOLINES {
            return Err(MachOError::Unsupported(format!(
                "more than {TRAMPOLINES} imports"
            )));
        }
        if index == callouts.len() {
            callouts.push((name.to_owned(), CallOut::of(name)));
        }
        Ok(self.exit(index + 1))
    }

    /// Runs its initialisers.
    pub(super) fn initialise(&self) -> Result<()> {
        for (start, count) in &self.image.initialisers {
            for index in 0..*count {
                let at = usize::try_from(start + index * 8).unwrap_or(usize::MAX);
                let word = self.memory.get(at..).and_then(|m| m.first_chunk::<8>());
                if let Some(address) = word.map(|b| u64::from_le_bytes(*b)) {
                    self.run(address, &[0, 0, 0])?;
                }
            }
        }
        Ok(())
    }

    fn with_processor<T>(&self, work: impl FnOnce(&mut Processor) -> Result<T>) -> Result<T> {
        PROCESSORS.with_borrow_mut(|all| {
            let processor = match all.entry(self.id) {
                std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::hash_map::Entry::Vacant(empty) => {
                    let exits: Vec<u64> = (0..TRAMPOLINES).map(|i| self.exit(i)).collect();
                    empty.insert(Processor::new(&exits)?)
                }
            };
            work(processor)
        })
    }

    /// Runs a function of the library to its end, with its call-outs. May be
    /// entered again from within a call-out: the processor is free meanwhile.
    fn run(&self, function: u64, words: &[u64]) -> Result<u64> {
        let stopped = |at: u64, what: String| MachOError::Stopped {
            function: self.image.describe(function.wrapping_sub(self.base())),
            at: self.image.describe(at.wrapping_sub(self.base())),
            what,
        };
        let stack = self.with_processor(|p| p.enter(words, self.exit(0)))?;
        let mut pc = function;
        let result = loop {
            match self.with_processor(|p| p.run(pc)) {
                Ok(Event::Exit(at)) if at == self.exit(0) => break Ok(()),
                Ok(Event::Exit(at)) => match self.call_out(at) {
                    Ok(link) => pc = link,
                    Err(what) => break Err(stopped(at, what)),
                },
                Ok(Event::Fault { at, what }) => break Err(stopped(at, what)),
                Err(error) => break Err(error),
            }
        };
        let word = self.with_processor(|p| p.leave(stack))?;
        result.map(|()| word)
    }

    /// Does what the trampoline at `exit` stands for; returns where to go on.
    fn call_out(&self, exit: u64) -> std::result::Result<u64, String> {
        let text = |error: MachOError| error.to_string();
        let index = exit.wrapping_sub(self.exit(1)) / TRAMPOLINE_BYTES;
        let callout = {
            let all = self.callouts.read().unwrap_or_else(PoisonError::into_inner);
            usize::try_from(index)
                .ok()
                .and_then(|i| all.get(i).map(|(_, callout)| callout.clone()))
        };
        let callout = callout.ok_or_else(|| format!("a jump to {exit:#x}"))?;
        let arguments = self.with_processor(|p| p.arguments()).map_err(text)?;
        let answer = self.perform(&callout, &arguments)?;
        self.with_processor(|p| match answer {
            Answer::Nothing => Ok(()),
            Answer::Word(word) => p.return_word(word),
            Answer::Double(bits) => p.return_double(bits),
        })
        .map_err(text)?;
        Ok(arguments.link)
    }

    fn perform(&self, callout: &CallOut, a: &Arguments) -> std::result::Result<Answer, String> {
        let [d0, d1] = a.doubles;
        let float = |bits: u64| f32::from_bits((bits & 0xffff_ffff) as u32);
        let from_float = |value: f32| Answer::Double(value.to_bits().into());
        let from_double = |value: f64| Answer::Double(value.to_bits());
        Ok(match callout {
            CallOut::Native(name) => Answer::Word(self.call_native(name, &a.words)?),
            CallOut::HandleInitOnce => Answer::Word(self.init_once(&a.words)?),
            CallOut::ParallelLaunch => Answer::Word(self.parallel_launch(&a.words)?),
            CallOut::Float1(f) => from_float(f(float(d0))),
            CallOut::Float2(f) => from_float(f(float(d0), float(d1))),
            CallOut::Double1(f) => from_double(f(f64::from_bits(d0))),
            CallOut::Double2(f) => from_double(f(f64::from_bits(d0), f64::from_bits(d1))),
            CallOut::ExtendHalf => from_float(f16::from_bits((d0 & 0xffff) as u16).to_f32()),
            CallOut::TruncateToHalf => Answer::Double(f16::from_f32(float(d0)).to_bits().into()),
            CallOut::CopyMemory | CallOut::FillMemory | CallOut::ZeroMemory => {
                native::memory_function(callout, &a.words);
                Answer::Nothing
            }
            CallOut::Unknown(name) => {
                return Err(format!("it calls `{name}`, which is not provided here"));
            }
        })
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
        let start = usize::try_from(*self.image.symbols.get(symbol)?).ok()?;
        self.memory.get(start..)
    }

    /// The address of a symbol, by its C name; 0 if absent.
    pub(super) fn find(&self, name: &str) -> u64 {
        let found = self.image.symbols.get(&format!("_{name}"));
        found.map_or(0, |address| self.base().wrapping_add(*address))
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
        let slot = self.image.symbols.get(&format!("_{name}")).copied();
        let inside = slot.filter(|s| {
            s.checked_add(8)
                .is_some_and(|end| end <= self.image.segments.end)
        });
        let Some(slot) = inside else { return };
        let word = match &function {
            // More slots than trampolines cannot be: a library has a handful.
            Some(function) => self.trampoline(function).unwrap_or(0),
            None => value,
        };
        native::write_word(self.base().wrapping_add(slot), word);
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

impl Drop for Machine {
    fn drop(&mut self) {
        // Other threads' processors of this library stay until those threads end.
        let _ = PROCESSORS.try_with(|all| all.try_borrow_mut().map(|mut all| all.remove(&self.id)));
    }
}

enum Answer {
    Nothing,
    Word(u64),
    Double(u64),
}

fn c_name(symbol: &str) -> &str {
    symbol.strip_prefix('_').unwrap_or(symbol)
}
