//! A row's time limit. It does not run while the simulated device compiles kernels: what
//! the cache has depends on the runs before, and what is compiled is kept.

use std::time::{Duration, Instant};

use artcheck_metal_sim::Compiling;

/// The longest that the compiler may take for a few kernels, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(1200);

/// No process runs so long, and the system's clock has no time much later.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

/// From the start of a child process.
pub(super) struct Clock {
    limit: Duration,
    deadline: Instant,
    compiles: Option<Pause>,
    patience: Duration,
}

struct Pause {
    since: Instant,
    heard: Instant,
    progress: Compiling,
}

impl Clock {
    /// Begins to run.
    pub fn start(limit: Duration) -> Clock {
        Clock {
            limit,
            deadline: Instant::now() + limit.min(LONGEST),
            compiles: None,
            patience: PATIENCE,
        }
    }

    /// How much time is left, if nothing more is heard.
    pub fn left(&self) -> Duration {
        let deadline = match &self.compiles {
            Some(pause) => pause.heard + self.patience,
            None => self.deadline,
        };
        deadline.saturating_duration_since(Instant::now())
    }

    /// The device has compiled so many kernels.
    pub fn hear(&mut self, progress: Compiling) {
        let now = Instant::now();
        let since = self.compiles.as_ref().map_or(now, |pause| pause.since);
        self.compiles = Some(Pause {
            since,
            heard: now,
            progress,
        });
        if progress.ended() {
            self.go_on();
        }
    }

    fn go_on(&mut self) {
        if let Some(pause) = self.compiles.take() {
            self.deadline += pause.since.elapsed();
        }
    }

    /// What the end of the time is called.
    pub fn passed(&self, stage: impl std::fmt::Display) -> String {
        let Some(Pause { progress, .. }) = &self.compiles else {
            let limit = self.limit.as_secs_f64();
            return format!("time-out: {limit} s passed at stage {stage}");
        };
        format!(
            "time-out: compiling kernels for the simulated device at stage {stage}, none was \
             done for {} s; {} of {} are compiled and kept: run again to go on with the rest, \
             or set CXX to another compiler",
            self.patience.as_secs_f64(),
            progress.done,
            progress.all
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_may_be_as_long_as_it_wants() {
        assert!(Clock::start(Duration::MAX).left() > Duration::from_secs(1 << 30));
    }

    #[test]
    fn compiling_does_not_count_and_has_a_limit_of_its_own() {
        let mut clock = Clock::start(Duration::from_millis(200));
        clock.patience = Duration::from_millis(400);
        let progress = |done| Compiling { done, all: 9 };
        for done in [0, 3] {
            clock.hear(progress(done));
            std::thread::sleep(Duration::from_millis(300));
            assert!(clock.left() > Duration::ZERO);
        }
        clock.hear(progress(9));
        let left = clock.left();
        assert!(left > Duration::from_millis(50) && left <= Duration::from_millis(200));
        assert_eq!(clock.passed("vm"), "time-out: 0.2 s passed at stage vm");

        clock.hear(progress(3));
        std::thread::sleep(Duration::from_millis(450));
        assert_eq!(clock.left(), Duration::ZERO);
        let said = clock.passed("module");
        assert!(
            said.contains("compiling kernels") && said.contains("3 of 9 are compiled"),
            "{said}"
        );
    }
}
