//! What a DLL asks of others by name or by number, at load or later, and where they hand it on.

use std::path::Path;

use serde_json::Value;

use crate::support::dll::Dll;
use crate::support::make::{folder, put, renamed};
use crate::support::scan;

/// A name, and where it is handed on to.
type Export<'a> = (&'a str, Option<&'a str>);

const CALL: &str = "TVMFFIFunctionCall";
const FFI: (&str, &[&str]) = ("tvm_ffi.dll", &[CALL]);

/// The status of `client.dll` of a folder on a runtime, and its errors and warnings.
fn of_client(top: &Path, runtime: &str) -> (String, Vec<Value>) {
    let runtime = match runtime {
        "" => top.join("tvm_ffi.dll"),
        release => release.into(),
    };
    let client = top.join("client.dll");
    let (report, _) = scan([client.as_os_str(), "-r".as_ref(), runtime.as_os_str()]);
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    let own = verdicts.iter().find(|one| {
        one["artifact"]
            .as_str()
            .is_some_and(|name| name.ends_with("client.dll"))
    });
    let status = own.unwrap_or_else(|| panic!("no verdict: {report}"))["status"].as_str();
    let findings = report["findings"].as_array().expect("findings").iter();
    let found = findings.filter(|one| one["severity"] != "info");
    (
        status.expect("a status").to_owned(),
        found.cloned().collect(),
    )
}

/// A folder with a runtime, a client that asks another library for something, and that.
fn with_other(asks: &[&str], exports: &[Export<'_>]) -> tempfile::TempDir {
    let top = folder();
    let ffi = Dll {
        exports: &[(CALL, None), ("TVMFFIFunctionSetGlobal", None)],
        ..Dll::default()
    };
    put(&top, "tvm_ffi.dll", ffi.bytes());
    let client = Dll {
        imports: &[FFI, ("other.dll", asks)],
        ..Dll::default()
    };
    put(&top, "client.dll", client.bytes());
    let other = Dll {
        exports,
        text: "tvm_ffi",
        ..Dll::default()
    };
    put(&top, "other.dll", other.bytes());
    let inner = Dll {
        exports: &[("inner", None), ("round", Some("other.round"))],
        ..Dll::default()
    };
    put(&top, "inner.dll", inner.bytes());
    top
}

#[test]
fn what_a_dll_lacks_by_name_or_number() {
    let cases: [(&str, &[Export<'_>], &str); 15] = [
        ("other", &[("other", None)], "fits"),
        ("#1", &[("other", None)], "fits"),
        ("#2", &[("other", None)], "breaks"),
        ("#60000", &[("other", None)], "breaks"),
        (CALL, &[("other", None)], "breaks"),
        (CALL, &[(CALL, Some("tvm_ffi.TVMFFIFunctionCall"))], "fits"),
        (CALL, &[(CALL, Some("tvm_ffi.TVMFFINoSuch"))], "breaks"),
        ("other", &[("other", Some("inner.inner"))], "fits"),
        ("other", &[("other", Some("INNER.#1"))], "fits"),
        ("other", &[("other", Some("inner.none"))], "breaks"),
        ("other", &[("other", Some("inner.#99"))], "breaks"),
        ("other", &[("other", Some("KERNEL32.Sleep"))], "fits"),
        ("other", &[("other", Some("KERNEL32.NoSuch"))], "undecided"),
        ("other", &[("other", Some("gone.other"))], "fits-if"),
        ("round", &[("round", Some("inner.round"))], "undecided"),
    ];
    for (asks, exports, status) in cases {
        let top = with_other(&[asks], exports);
        let (found, findings) = of_client(top.path(), "");
        assert_eq!(found, status, "{asks} of {exports:?}: {findings:#?}");
        let is_broken = status == "breaks";
        assert_eq!(
            findings.iter().any(|one| one["rule"] == "AC203"),
            is_broken,
            "{asks} of {exports:?}"
        );
    }
}

#[test]
fn what_windows_own_libraries_are_not_known_to_have() {
    for (library, name, status) in [
        ("KERNEL32.dll", "CreateFileW", "fits"),
        ("KERNEL32.dll", "NoSuchFunction", "undecided"),
        ("api-ms-win-crt-convert-l1-1-0.dll", "btowc", "fits"),
        ("api-ms-win-crt-heap-l1-1-0.dll", "nosuch", "undecided"),
        ("VCRUNTIME140.dll", "__C_specific_handler", "fits"),
        // Which functions others have is not known.
        ("USER32.dll", "NoSuchFunction", "fits"),
    ] {
        let top = with_other(&["other"], &[("other", None)]);
        let name = [name];
        let asks = (library, &name[..]);
        for (file, imports) in [
            ("client.dll", &[FFI, ("other.dll", &["other"]), asks][..]),
            ("other.dll", &[asks]),
        ] {
            let asking = Dll {
                imports,
                exports: &[("other", None)],
                ..Dll::default()
            };
            let before = std::fs::read(top.path().join(file)).expect("read");
            put(&top, file, asking.bytes());
            let (found, findings) = of_client(top.path(), "");
            assert_eq!(found, status, "{file}: {library} {name:?}: {findings:#?}");
            put(&top, file, before);
        }
    }
}

#[test]
fn a_number_that_tvms_own_library_does_not_have() {
    for (number, status) in [("#1", "fits"), ("#60000", "breaks")] {
        let top = with_other(&["other"], &[("other", None)]);
        let client = Dll {
            imports: &[("tvm_ffi.dll", &[CALL, number])],
            ..Dll::default()
        };
        put(&top, "client.dll", client.bytes());
        let (found, findings) = of_client(top.path(), "");
        assert_eq!(found, status, "{number}: {findings:#?}");
        if status == "breaks" {
            let says = "[WinError 182] The operating system cannot run %1";
            assert_eq!(findings[0]["runtime_says"], says);
        }
        // Builds of one release number their functions as they like.
        assert_eq!(of_client(top.path(), "tvm-0.27").0, "undecided", "{number}");
    }
}

#[test]
fn a_dll_that_hands_names_on_is_no_damaged_one() {
    let on = ("other", Some("inner.inner"));
    for exports in [&[on][..], &[on, ("own", None)]] {
        let top = with_other(&["other"], exports);
        let (report, _) = scan([top.path().join("other.dll")]);
        assert!(!report.to_string().contains("AC001"), "{report:#}");
    }
}

#[test]
fn a_delayed_function_is_looked_for_at_its_first_call() {
    let top = folder();
    for (name, release, expected) in [
        (CALL, "tvm-0.27", None),
        (CALL, "tvm-0.18", Some("warning")),
        ("TVMFFINoSuch", "tvm-0.27", Some("warning")),
    ] {
        let client = Dll {
            delayed: &[("tvm_ffi.dll", &[name])],
            ..Dll::default()
        };
        put(&top, "client.dll", client.bytes());
        let (status, findings) = of_client(top.path(), release);
        let found: Vec<&Value> = findings
            .iter()
            .filter(|one| one["rule"] == "AC203")
            .collect();
        assert_eq!(
            found.first().map(|one| &one["severity"]),
            expected.map(Value::from).as_ref()
        );
        assert_eq!(status, "fits", "{findings:#?}");
        if expected.is_some() {
            assert_eq!(found[0]["runtime_says"], "Exception code: 0xc06d007f");
        }
    }
}

#[test]
fn c_names_of_32_bit_x86_have_an_underscore() {
    let top = folder();
    // Windows compares names as they are written.
    for (name, expected) in [(CALL, "fits"), ("_TVMFFIFunctionCall", "breaks")] {
        let client = Dll {
            is_32: true,
            imports: &[("tvm_ffi.dll", &[name])],
            ..Dll::default()
        };
        put(&top, "client.dll", client.bytes());
        let (status, _) = of_client(top.path(), "tvm-0.27");
        assert_eq!(status, expected, "{name}");
    }
}

#[test]
fn files_have_names_without_case() {
    let top = with_other(&["other"], &[("other", None)]);
    for (name, other) in [("tvm_ffi.dll", "Tvm_FFI.DLL"), ("other.dll", "OTHER.dll")] {
        std::fs::rename(top.path().join(name), top.path().join(other)).expect("renamed");
        let client = top.path().join("client.dll");
        let (report, _) = scan([client.as_os_str(), "-r".as_ref(), top.path().as_os_str()]);
        assert_eq!(
            report["verdicts"][0]["status"], "fits",
            "{other}: {report:#}"
        );
    }
}

/// The name of a library is in the system's code page.
#[test]
fn names_of_libraries_in_two_code_pages() {
    let top = with_other(&["other"], &[("other", None)]);
    let other = std::fs::read(top.path().join("other.dll")).expect("read");
    put(&top, "ääther.dll", &other);
    put(&top, "äther.dll", &other);
    for (name, is_there) in [
        (b"\xe4\xe4ther.dll\0".as_slice(), true),
        (b"\xc3\xa4ther.dll\0", true),
        (b"\xc3\xb6ther.dll\0", false),
    ] {
        let client = Dll {
            imports: &[FFI, ("__ther.dll", &["other"])],
            ..Dll::default()
        };
        let bytes = renamed(client.bytes(), b"__ther.dll\0", name);
        put(&top, "client.dll", bytes);
        let (status, findings) = of_client(top.path(), "");
        let expected = if is_there { "fits" } else { "fits-if" };
        assert_eq!(status, expected, "{name:?}: {findings:#?}");
    }
}
