//! Names of libraries in a DLL that no system has: they are what the machine must bring.

use crate::support::make::{corpus, folder, put, renamed};
use crate::support::{rules, scan};

#[test]
fn a_library_that_none_is_called_is_a_condition() {
    let sound = std::fs::read(corpus("tvm-0.27/extcall-cpu-windows-x64.dll")).expect("the corpus");
    let folder = folder();
    let own: &[u8] = b"tvm_ffi.dll\0";
    for (old, new, status) in [
        (own, own, "fits"),
        (own, b"TVM_FFI&dll\0", "fits-if"),
        (own, b"tvm_ffi&dll\0", "fits-if"),
        (own, b"tvm_\xdefi.dll\0", "fits-if"),
        (own, b"tvm_fgi.dll\0", "fits-if"),
        (own, b"tvn_ffi.dll\0", "fits-if"),
        (own, b"tvm_ffi.dlm\0", "fits-if"),
        (b"api-ms-win-crt-heap-", b"api-ms-win-crt%heap-", "fits-if"),
    ] {
        let file = put(&folder, "m.dll", renamed(sound.clone(), old, new));
        let (report, _) = scan([file.as_os_str(), "-r".as_ref(), "tvm-0.27".as_ref()]);
        let name = String::from_utf8_lossy(new);
        assert_eq!(report["verdicts"][0]["status"], status, "{name}: {report}");
        assert_eq!(rules(&report, &["error"]), Vec::<String>::new(), "{name}");
    }
}

/// What a runtime writes to when it opens a library must be writable by then.
#[test]
fn slots_that_may_not_be_written_end_the_process() {
    let mut bytes = std::fs::read(corpus("tvm-0.27/extcall-cpu-windows-x64.dll")).expect("read");
    let mut places = bytes.windows(8);
    let header = places.position(|name| name == b".data\0\0\0");
    bytes[header.expect("the section") + 39] &= 0x7f;
    let folder = folder();
    let file = put(&folder, "m.dll", bytes);
    let (report, _) = scan([file.as_os_str(), "-r".as_ref(), "tvm-0.27".as_ref()]);
    // The number of its thread-local data is there too.
    assert_eq!(rules(&report, &["error"]), ["AC001", "AC202"], "{report}");
}
