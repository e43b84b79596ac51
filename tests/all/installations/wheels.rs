//! Wheels: what pip would make of them is judged as an environment is. The words of Python are
//! those that it prints when the wheel is unpacked and imported.

use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::support::make::folder;
use crate::support::{rules, scan, unpacked};

const NAME: &str =
    "apache_tvm_ffi-0.1.15.post2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl";
const LIBRARY: &str = "tvm_ffi/lib/libtvm_ffi.so";
const CORE: &str = "tvm_ffi/core.cpython-311-x86_64-linux-gnu.so";

/// What becomes of a member: its name and its bytes, or nothing.
type Change<'a> = &'a dyn Fn(&str, Vec<u8>) -> Option<(String, Vec<u8>)>;

/// The real wheel with one member changed: by its name and bytes, or left out. What lists
/// members is written again.
fn changed(top: &Path, change: Change<'_>) -> PathBuf {
    let wheel = unpacked("").join("../wheels").join(NAME);
    let bytes = std::fs::read(wheel).expect("the wheel");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a zip archive");
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut record = (String::new(), String::new());
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).expect("a member");
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("read");
        let name = member.name().expect("a name").into_owned();
        let Some((name, bytes)) = change(&name, bytes) else {
            continue;
        };
        if name.ends_with(".dist-info/RECORD") {
            record.0 = name;
            continue;
        }
        record.1 += &format!("{name},sha256=x,{}\n", bytes.len());
        writer.start_file(name, stored).expect("a member");
        writer.write_all(&bytes).expect("written");
    }
    writer.start_file(record.0, stored).expect("a member");
    writer.write_all(record.1.as_bytes()).expect("written");
    let to = top.join(NAME);
    let bytes = writer.finish().expect("an archive").into_inner();
    std::fs::write(&to, bytes).expect("written");
    to
}

/// Its errors, and what it says.
fn told(change: Change<'_>) -> (Vec<String>, String) {
    let top = folder();
    let (report, _) = scan([changed(top.path(), change)]);
    (rules(&report, &["error"]), report["findings"].to_string())
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wheel_has_what_an_import_of_it_needs() {
    let (errors, findings) = told(&|name, bytes| Some((name.to_owned(), bytes)));
    assert_eq!(errors, [""; 0], "{findings}");
    let arm = unpacked("tvm-ffi-0.1.15.post2-linux-aarch64").join(LIBRARY);
    let arm = std::fs::read(arm).expect("the library");
    let cases: [(&str, Option<Vec<u8>>, &str); 3] = [
        // RuntimeError: Cannot find library libtvm_ffi.so; searched directories: ...
        (
            LIBRARY,
            None,
            "comes without its `tvm_ffi/lib/libtvm_ffi.so`",
        ),
        // OSError: .../libtvm_ffi.so: cannot open shared object file: No such file or directory
        (
            LIBRARY,
            Some(arm),
            "is for another machine than apache-tvm-ffi",
        ),
        // OSError: .../libtvm_ffi.so: file too short
        (LIBRARY, Some(b"some text\n".to_vec()), "file too short"),
    ];
    for (file, instead, says) in cases {
        let (errors, findings) = told(&|name, bytes| {
            let bytes = match name == file {
                true => instead.clone()?,
                false => bytes,
            };
            Some((name.to_owned(), bytes))
        });
        assert!(errors.contains(&"AC209".to_owned()), "{says}: {findings}");
        assert!(findings.contains(says), "{says}: {findings}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wheels_module_is_named_for_its_python() {
    // ImportError: cannot import name 'core' from partially initialized module 'tvm_ffi' ...
    let says = "cannot import name 'core' from partially initialized module 'tvm_ffi'";
    for other in [
        "tvm_ffi/core.cpython-312-x86_64-linux-gnu.so",
        "tvm_ffi/core.cpython-311-x86_64-linux-musl.so",
        "tvm_ffi/core.cpython-311-aarch64-linux-gnu.so",
    ] {
        let (errors, findings) = told(&|name, bytes| {
            let name = if name == CORE { other } else { name };
            Some((name.to_owned(), bytes))
        });
        assert_eq!(errors, ["AC209"], "{findings}");
        assert!(findings.contains(says), "{findings}");
    }
    // Every Python of its version takes these.
    for other in ["tvm_ffi/core.abi3.so", "tvm_ffi/core.so"] {
        let (errors, findings) = told(&|name, bytes| {
            let name = if name == CORE { other } else { name };
            Some((name.to_owned(), bytes))
        });
        assert_eq!(errors, [""; 0], "{findings}");
    }
}

/// pip: ERROR: Package 'apache-tvm-ffi' requires a different Python: 3.11.7 not in '>=3.12'
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wheel_is_for_the_python_that_it_names() {
    let of = |wanted: &str| {
        let line = format!("Requires-Python: {wanted}\n");
        told(&|name, bytes| {
            let bytes = match name.ends_with(".dist-info/METADATA") {
                false => bytes,
                true => {
                    let text = String::from_utf8(bytes).expect("text");
                    let lines = text
                        .lines()
                        .map(|one| match one.starts_with("Requires-Python:") {
                            true => line.clone(),
                            false => format!("{one}\n"),
                        });
                    lines.collect::<String>().into_bytes()
                }
            };
            Some((name.to_owned(), bytes))
        })
    };
    for taken in [">=3.9", ">=3.11.4", "!=3.11.2"] {
        let (errors, findings) = of(taken);
        assert_eq!(errors, [""; 0], "{taken}: {findings}");
    }
    let (errors, findings) = of(">=3.12");
    assert_eq!(errors, ["AC209"], "{findings}");
    assert!(
        findings.contains("is for Python >=3.12, and not for 3.11"),
        "{findings}"
    );
}
