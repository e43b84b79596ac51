//! Names of the signals that end a process.

/// `SIGSEGV` for 11, and so on; numbers of other systems differ.
pub fn name(number: i32) -> String {
    let common = match number {
        4 => Some("SIGILL"),
        5 => Some("SIGTRAP"),
        6 => Some("SIGABRT"),
        8 => Some("SIGFPE"),
        9 => Some("SIGKILL"),
        11 => Some("SIGSEGV"),
        13 => Some("SIGPIPE"),
        15 => Some("SIGTERM"),
        7 if cfg!(target_os = "linux") => Some("SIGBUS"),
        10 if cfg!(target_os = "macos") => Some("SIGBUS"),
        12 if cfg!(target_os = "macos") => Some("SIGSYS"),
        31 if cfg!(target_os = "linux") => Some("SIGSYS"),
        _ => None,
    };
    common.map_or_else(|| format!("signal {number}"), str::to_owned)
}

/// SIGABRT.
pub const ABORT: i32 = 6;
