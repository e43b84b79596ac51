//! What a name that no image defines means: a function of the host, or one that is
//! done here.
//!
//! Names are those of C, without Mach-O's leading underscore.

use super::host;
use crate::macho::callouts::CallOut;

/// Functions that take and give words and pointers, and mean the same on both
/// systems: no structures but opaque ones, no flags, no callbacks.
const SAME: &[&str] = &[
    "aligned_alloc",
    "atoi",
    "atol",
    "calloc",
    "close",
    "fclose",
    "feof",
    "ferror",
    "fflush",
    "fgetc",
    "fgets",
    "fileno",
    "fopen",
    "fputc",
    "fputs",
    "fread",
    "free",
    "fseek",
    "fseeko",
    "ftell",
    "ftello",
    "fwrite",
    "getc",
    "getenv",
    "getpid",
    "gmtime",
    "gmtime_r",
    "labs",
    "localtime",
    "localtime_r",
    "lseek",
    "malloc",
    "memchr",
    "memrchr",
    "mktime",
    "nanosleep",
    "perror",
    "posix_memalign",
    "putc",
    "putchar",
    "puts",
    "read",
    "realloc",
    "remove",
    "rename",
    "strcat",
    "strchr",
    "strcpy",
    "strcspn",
    "strdup",
    "strerror",
    "strftime",
    "strncat",
    "strncpy",
    "strndup",
    "strnlen",
    "strpbrk",
    "strrchr",
    "strspn",
    "strstr",
    "strtoimax",
    "strtok",
    "strtol",
    "strtoll",
    "strtoul",
    "strtoull",
    "strtoumax",
    "time",
    "ungetc",
    "unlink",
    "usleep",
    "wcschr",
    "wcscmp",
    "wcscpy",
    "wcslen",
    "wcsncmp",
    "wmemchr",
    "wmemcmp",
    "wmemcpy",
    "wmemmove",
    "wmemset",
    "write",
];

/// The meaning of one gate.
pub(super) enum Service {
    /// The host's function at this address.
    Host(u64),
    /// A function of numbers.
    Compute(CallOut),
    /// Done here.
    Own(Own),
    /// Stops the run when it is called.
    Missing(String),
}

/// What is done here; names as in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// `_tlv_bootstrap`: the address of a thread-local variable.
    ThreadLocal,
    /// `__error`.
    ErrorPlace,
    /// Nothing happens; the answer is 0.
    Nothing,
    /// `_dyld_find_unwind_sections`.
    UnwindSections,
    ImageCount,
    ImageName,
    ImageSlide,
    ImageHeader,
    Open,
    Symbol,
    LoaderError,
    AddressInfo,
    ToDouble,
    ToFloat,
    SplitDouble,
    Abort,
    Exit,
    // Those of `darwin/host.h`.
    Format,
    ThreadWords,
    Yield,
    Clock,
    OpenFile,
    Stat,
    Map,
    Stream,
    Refuse,
}

impl Service {
    /// What a name stands for.
    pub(super) fn of(name: &str) -> Service {
        let same = match name {
            "host_memcpy" => Some("memmove"),
            "host_memset" => Some("memset"),
            "strerror_r" => Some("__xpg_strerror_r"),
            "realpath$DARWIN_EXTSN" => Some("realpath"),
            _ => SAME.contains(&name).then_some(name),
        };
        if let Some(address) = same.and_then(host::function) {
            return Service::Host(address);
        }
        if let Some(service) = metal(name) {
            return service;
        }
        if let Some(own) = own(name) {
            return Service::Own(own);
        }
        match CallOut::of(name) {
            CallOut::Unknown(_)
            | CallOut::Native(_)
            | CallOut::HandleInitOnce
            | CallOut::ParallelLaunch => Service::Missing(name.to_owned()),
            number => Service::Compute(number),
        }
    }
}

/// A function of the simulated Metal device; without it there are no devices.
fn metal(name: &str) -> Option<Service> {
    name.strip_prefix("artcheck_metal_")?;
    let here = host::function(name).map(Service::Host);
    here.or_else(|| (name == "artcheck_metal_devices").then_some(Service::Own(Own::Nothing)))
}

fn own(name: &str) -> Option<Own> {
    Some(match name {
        "_tlv_bootstrap" => Own::ThreadLocal,
        "__error" => Own::ErrorPlace,
        "_dyld_register_func_for_add_image"
        | "_dyld_register_func_for_remove_image"
        | "dlclose" => Own::Nothing,
        "_dyld_find_unwind_sections" => Own::UnwindSections,
        "_dyld_image_count" => Own::ImageCount,
        "_dyld_get_image_name" => Own::ImageName,
        "_dyld_get_image_vmaddr_slide" => Own::ImageSlide,
        "_dyld_get_image_header" => Own::ImageHeader,
        "dlopen" => Own::Open,
        "dlsym" => Own::Symbol,
        "dlerror" => Own::LoaderError,
        "dladdr" => Own::AddressInfo,
        "strtod" => Own::ToDouble,
        "strtof" => Own::ToFloat,
        "modf" => Own::SplitDouble,
        "abort" => Own::Abort,
        "exit" | "_exit" => Own::Exit,
        "sched_yield" | "host_yield" => Own::Yield,
        "host_vsnprintf" => Own::Format,
        "host_thread" => Own::ThreadWords,
        "host_clock" => Own::Clock,
        "host_open" => Own::OpenFile,
        "host_stat" => Own::Stat,
        "host_map" => Own::Map,
        "host_stream" => Own::Stream,
        "host_refuse" => Own::Refuse,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_what_the_list_says() {
        for name in SAME {
            assert!(matches!(Service::of(name), Service::Host(_)), "{name}");
        }
        assert!(matches!(Service::of("expf"), Service::Compute(_)));
        assert!(matches!(Service::of("fork"), Service::Missing(_)));
        assert!(matches!(
            Service::of("TVMFFIFunctionCall"),
            Service::Missing(_)
        ));
    }
}
