//! Module kinds that a part can load from a blob (docs/formats.md#payloads).

/// Keys from 0.22 on.
const FFI: &str = "ffi.Module.load_from_bytes.";
/// Keys up to 0.21.
const CLASSIC: &str = "runtime.module.loadbinary_";

/// The kind in a loader's registered name. The bare prefix, which occurs too,
/// has none.
pub fn kind(name: &str) -> Option<&str> {
    name.strip_prefix(FFI)
        .or_else(|| name.strip_prefix(CLASSIC))
        .filter(|kind| !kind.is_empty())
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn kinds_follow_either_prefix() {
        assert_eq!(
            kind("ffi.Module.load_from_bytes.relax.VMExecutable"),
            Some("relax.VMExecutable")
        );
        assert_eq!(kind("runtime.module.loadbinary_metal"), Some("metal"));
        assert_eq!(kind("ffi.Module.load_from_bytes."), None);
        assert_eq!(kind("ffi.Module.load_from_file.so"), None);
    }
}
