//! The progress bar of long scans: standard error, terminals only.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use artcheck_inspect::scan::Progress;
use artcheck_inspect::source::Place;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Seconds after which a step says that it is still at work.
const STEP: u64 = 10;

/// Does what may take minutes, and says on standard error that it goes on.
pub fn patiently<T>(what: &str, quiet: bool, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    let tell = move || {
        let step = Duration::from_secs(STEP);
        let mut seconds = 0u64;
        while waiting.recv_timeout(step) == Err(RecvTimeoutError::Timeout) {
            seconds = seconds.saturating_add(STEP);
            tell!("artcheck: still {what}, {seconds} s so far");
        }
    };
    std::thread::scope(|scope| {
        // Where there are no threads, nothing is said.
        let _told = (!quiet).then(|| std::thread::Builder::new().spawn_scoped(scope, tell));
        let result = work();
        drop(done);
        result
    })
}

/// A bar, or nothing where progress is not wanted.
pub struct Bar {
    bar: Option<ProgressBar>,
    started: AtomicBool,
}

impl Bar {
    /// A bar that draws only if `wanted`.
    pub fn new(wanted: bool) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(10);
        Self {
            bar: wanted.then(|| ProgressBar::with_draw_target(None, target)),
            started: AtomicBool::new(false),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn found(&self, files: usize) {
        let Some(bar) = &self.bar else { return };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} files  {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_length(files as u64);
        bar.enable_steady_tick(Duration::from_millis(200));
        self.started.store(true, Ordering::Relaxed);
    }

    fn read(&self, file: &Path) {
        if let Some(bar) = &self.bar
            && self.started.load(Ordering::Relaxed)
        {
            bar.set_message(Place::file(file).to_string());
            bar.inc(1);
        }
    }
}
