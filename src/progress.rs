//! The progress bar of long scans: standard error, terminals only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artcheck_inspect::scan::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar, or nothing where progress is not wanted.
pub struct Bar {
    bar: ProgressBar,
    started: AtomicBool,
}

impl Bar {
    /// A bar that draws only if `wanted`.
    pub fn new(wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if wanted {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        Self {
            bar,
            started: AtomicBool::new(false),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn found(&self, files: usize) {
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} files  {wide_msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_length(files as u64);
        self.bar.enable_steady_tick(Duration::from_millis(200));
        self.started.store(true, Ordering::Relaxed);
    }

    fn read(&self, path: &str) {
        if self.started.load(Ordering::Relaxed) {
            self.bar.set_message(path.to_owned());
            self.bar.inc(1);
        }
    }
}
