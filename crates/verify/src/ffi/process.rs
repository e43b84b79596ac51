//! Facts and limits of our own process.

/// Where the parent process says the simulated device behind a Mac's Metal is.
pub const METAL_VARIABLE: &str = "ARTCHECK_MACOS_METAL";

/// The most memory that was resident at one time, in bytes.
///
/// On Linux this is `VmHWM`, which counts from the start of the program; the
/// resource usage record would also count the parent from before `exec`.
#[cfg(target_os = "linux")]
pub fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

/// The most memory that was resident at one time, in bytes.
#[cfg(target_os = "macos")]
pub fn peak_resident_bytes() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a structure of the declared layout, and every
    // bit pattern of it is valid.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    u64::try_from(usage.ru_maxrss).ok()
}

/// The most memory that was resident at one time: not known here.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn peak_resident_bytes() -> Option<u64> {
    None
}

/// Limits the address space of this process. False where that is not possible.
pub fn set_memory_limit(bytes: u64) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let limit = Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        setrlimit(Resource::As, limit).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = bytes;
        false
    }
}
