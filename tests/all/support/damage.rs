//! Damage done on purpose: cuts and changes of bytes that come out the same in
//! every run, and workers that try each case under a time cap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// No case may take longer, far more than any needs.
pub const CAP: Duration = Duration::from_secs(10);

/// xorshift64: the same numbers in every run.
pub struct Random(u64);

impl Random {
    /// A generator; neighbouring seeds give unrelated numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }
}

/// Changes one place or a few, and returns what stood there before, first
/// change first. Half of the changes fall where structure is dense: the head
/// of the file, its tail, and what surrounds a VM executable.
pub fn change(bytes: &mut [u8], random: &mut Random) -> Vec<(usize, u8)> {
    let mut before = Vec::new();
    if bytes.is_empty() {
        return before;
    }
    let changes = match random.below(2) {
        0 => 1,
        _ => 2 + random.below(7),
    };
    for _ in 0..changes {
        let start = place(bytes, random);
        let length = [1, 1, 2, 4, 8][random.below(5)];
        let style = random.below(6);
        for at in start..bytes.len().min(start + length) {
            before.push((at, bytes[at]));
            bytes[at] = match style {
                0 => 0,
                1 => 0xff,
                2 => 0x80,
                3 => bytes[at].wrapping_add(1),
                4 => bytes[at] ^ (1 << random.below(8)),
                _ => random.next().to_le_bytes()[0],
            };
        }
    }
    before
}

fn place(bytes: &[u8], random: &mut Random) -> usize {
    /// Reach of the dense places.
    const NEAR: usize = 2048;
    let size = bytes.len();
    match random.below(8) {
        0 | 1 => random.below(size.min(NEAR)),
        2 => size - 1 - random.below(size.min(NEAR)),
        3 | 4 => {
            let at = vm_executable(bytes).unwrap_or(0);
            (at.saturating_sub(128) + random.below(4 * NEAR)).min(size - 1)
        }
        _ => random.below(size),
    }
}

/// Where the first VM executable begins.
fn vm_executable(bytes: &[u8]) -> Option<usize> {
    const MAGIC_TAIL: [u8; 7] = [0x15, 0x14, 0x42, 0x2f, 0xde, 0x25, 0xd2];
    bytes
        .windows(MAGIC_TAIL.len())
        .position(|window| window == MAGIC_TAIL)
}

/// Undoes [`change`].
pub fn restore(bytes: &mut [u8], before: &[(usize, u8)]) {
    for (at, byte) in before.iter().rev() {
        bytes[*at] = *byte;
    }
}

/// What one worker is busy with.
type Slot = Mutex<Option<(Instant, String)>>;

/// Tells a watchdog which case is running.
pub struct Watch<'a> {
    slot: &'a Slot,
    failures: &'a Mutex<Vec<String>>,
}

impl Watch<'_> {
    /// Tries one case: a panic or an error is noted under `name`.
    pub fn case(&self, name: impl FnOnce() -> String, run: impl FnOnce() -> Result<(), String>) {
        let name = name();
        let started = Instant::now();
        *self.slot.lock().expect("no holder panics") = Some((started, name.clone()));
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let failure = match outcome {
            Err(_) => Some("panicked".to_owned()),
            Ok(Err(why)) => Some(why),
            Ok(Ok(())) if started.elapsed() > CAP => Some(format!("took {:?}", started.elapsed())),
            Ok(Ok(())) => None,
        };
        if let Some(why) = failure {
            let mut failures = self.failures.lock().expect("no holder panics");
            failures.push(format!("{name}: {why}"));
        }
    }
}

/// Spreads `jobs` over the cores. A case that hangs ends the test program at
/// once, with its name; everything else that goes wrong is returned.
pub fn in_parallel<Job: Sync>(jobs: &[Job], run: impl Fn(&Job, &Watch<'_>) + Sync) -> Vec<String> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let slots: Vec<Slot> = (0..workers).map(|_| Mutex::new(None)).collect();
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
                slots.iter().for_each(end_if_hanging);
            }
        });
        let handles: Vec<_> = slots
            .iter()
            .map(|slot| {
                let watch = Watch {
                    slot,
                    failures: &failures,
                };
                let (next, run) = (&next, &run);
                scope.spawn(move || {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        run(job, &watch);
                        *watch.slot.lock().expect("no holder panics") = None;
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.join().expect("workers catch panics");
        }
        done.store(true, Ordering::Relaxed);
    });
    failures.into_inner().expect("no holder panics")
}

fn end_if_hanging(slot: &Slot) {
    if let Some((started, name)) = &*slot.lock().expect("no holder panics")
        && started.elapsed() > CAP
    {
        eprintln!("{name}: still running after {CAP:?}");
        std::process::exit(101);
    }
}

/// Fails with the first cases where there are any.
pub fn assert_none(failures: &[String]) {
    let shown = &failures[..failures.len().min(40)];
    assert!(
        failures.is_empty(),
        "{} cases:\n{}",
        failures.len(),
        shown.join("\n")
    );
}
