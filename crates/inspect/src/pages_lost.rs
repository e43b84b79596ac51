//! Pages of mapped files that cannot be had: another process made the file shorter, or its
//! disk has an error. The system tells it by `SIGBUS`, which would end the process.
//!
//! Instead the rest of that map becomes zeros, and the map is marked. Nothing is jumped over:
//! the read that failed is done again, and who maps files asks whether one was lost. Where
//! all is well this costs a slot per mapped file, and nothing per page.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Maps that are watched at once; a map beyond that is not.
const MAPS: usize = 512;
/// The start in a slot whose end is not there yet. No map starts here.
const TAKEN: usize = 1;

/// A map that is watched.
struct Slot {
    /// Its first address; 0 in a free slot.
    start: AtomicUsize,
    end: AtomicUsize,
    is_lost: AtomicBool,
}

static SLOTS: [Slot; MAPS] = [const {
    Slot {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        is_lost: AtomicBool::new(false),
    }
}; MAPS];

/// What is needed when the signal comes.
struct Before {
    /// What was done about the signal before.
    action: libc::sigaction,
    page: usize,
}

/// `None` where the signal cannot be had.
static BEFORE: OnceLock<Option<Before>> = OnceLock::new();

/// Watches a map, for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Watch(usize);

impl Watch {
    /// Watches a map. `None` where too many are watched, or the system does not let it.
    pub(crate) fn of(map: &[u8]) -> Option<Self> {
        BEFORE.get_or_init(listen).as_ref()?;
        let is_free = |slot: &Slot| {
            let start = &slot.start;
            let taken = start.compare_exchange(0, TAKEN, Ordering::Acquire, Ordering::Relaxed);
            taken.is_ok()
        };
        let at = SLOTS.iter().position(is_free)?;
        let slot = SLOTS.get(at)?;
        let start = map.as_ptr().addr();
        slot.is_lost.store(false, Ordering::Relaxed);
        slot.end
            .store(start.saturating_add(map.len()), Ordering::Relaxed);
        slot.start.store(start, Ordering::Release);
        Some(Self(at))
    }

    /// Whether part of the map became zeros.
    pub(crate) fn is_lost(&self) -> bool {
        let slot = SLOTS.get(self.0);
        slot.is_some_and(|slot| slot.is_lost.load(Ordering::Relaxed))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(slot) = SLOTS.get(self.0) {
            slot.start.store(0, Ordering::Release);
        }
    }
}

/// Asks the system for the signal.
fn listen() -> Option<Before> {
    // SAFETY: an action is integers and a pointer, for all of which zero is a value; the
    // function has the signature that `SA_SIGINFO` asks for and does only what a signal's
    // may do.
    unsafe {
        let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).ok()?;
        let mut own: libc::sigaction = std::mem::zeroed();
        let mut action: libc::sigaction = std::mem::zeroed();
        own.sa_sigaction = (lost as extern "C" fn(_, _, _)) as libc::sighandler_t;
        own.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let set = libc::sigaction(libc::SIGBUS, &raw const own, &raw mut action);
        (set == 0 && page.is_power_of_two()).then_some(Before { action, page })
    }
}

/// A page could not be had. Runs inside the read that asked for it.
extern "C" fn lost(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let Some(Some(before)) = BEFORE.get() else {
        return;
    };
    // SAFETY: the system gives a signal's information with it.
    let address = unsafe { (*info).si_addr() }.addr();
    let is_of = |slot: &&Slot| {
        let start = slot.start.load(Ordering::Acquire);
        start > TAKEN && start <= address && address < slot.end.load(Ordering::Relaxed)
    };
    let Some(slot) = SLOTS
        .iter()
        .find(is_of)
        .filter(|slot| zeros(slot, address, before.page))
    else {
        // Another's: the read is done again, and then meets what was there before.
        // SAFETY: the action is one that the system gave.
        unsafe { libc::sigaction(signal, &raw const before.action, ptr::null_mut()) };
        return;
    };
    slot.is_lost.store(true, Ordering::Relaxed);
}

/// Puts zeros in place of a map from an address to its end.
fn zeros(slot: &Slot, address: usize, page: usize) -> bool {
    let from = address & !page.wrapping_sub(1);
    let length = slot.end.load(Ordering::Relaxed).saturating_sub(from);
    // SAFETY: the pages are of a map that is read-only, that is kept as long as its slot is
    // taken, and whose bytes may change at any time (`pages::of_file`).
    let mapped = unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(from),
            length,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}
