//! Work that is done by several threads: `rayon`'s, or on one thread where the machine has
//! no other (`threads_wasm.rs`).

pub use rayon::ThreadPoolBuildError as NotStarted;
use rayon::ThreadPoolBuilder;
pub(crate) use rayon::{join, prelude};

/// How many threads this process has, the calling one among them.
pub(crate) fn for_process(count: Option<usize>) -> Result<(), NotStarted> {
    ThreadPoolBuilder::new()
        .num_threads(count.unwrap_or(0))
        .use_current_thread()
        .build_global()
}

/// Work with threads of its own.
pub(crate) fn with<T: Send>(
    count: usize,
    work: impl FnOnce() -> T + Send,
) -> Result<T, NotStarted> {
    let pool = ThreadPoolBuilder::new().num_threads(count).build()?;
    Ok(pool.install(work))
}
