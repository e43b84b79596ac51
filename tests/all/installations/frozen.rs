//! Applications that PyInstaller froze: their Python is in the program.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::make::{corpus, folder, put};
use crate::support::{rules, scan};

use super::MODEL;

/// A folder as PyInstaller lays it out: Python in the program, libraries in the folder.
#[test]
fn frozen_applications_are_asked_for_what_an_import_needs() {
    let model = std::fs::read(corpus(MODEL)).expect("the corpus");
    let application = |lost: &[&str], program: &str| {
        let root = folder();
        let inner = root.path().join("_internal");
        put(root.path(), "app", program);
        put(&inner, "base_library.zip", "");
        for file in [
            "tvm_ffi/core.cpython-311-darwin.so",
            "tvm_ffi/lib/libtvm_ffi.so",
        ] {
            if !lost.contains(&file) {
                put(&inner, file, "");
            }
        }
        put(&inner, "tvm_ffi/lib/model.so", &model);
        let (report, _) = scan([root.path()]);
        let errors = rules(&report, &["error"]);
        errors.iter().any(|rule| rule == "AC209")
    };
    let program = "...tvm_ffi.registry...typing_extensions...";
    assert!(!application(&[], program));
    // A module that each import asks for was left out.
    assert!(application(&[], "...tvm_ffi.registry..."));
    assert!(application(
        &["tvm_ffi/core.cpython-311-darwin.so"],
        program
    ));
    assert!(application(&["tvm_ffi/lib/libtvm_ffi.so"], program));
    // A program without that Python does not import it.
    assert!(!application(&["tvm_ffi/lib/libtvm_ffi.so"], "..."));
}

/// Python loads no library out of an archive that it runs.
#[test]
fn archives_that_run_have_no_libraries() {
    let model = std::fs::read(corpus(MODEL)).expect("the corpus");
    let root = folder();
    let errors = |name: &str, members: &[&str]| {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for member in members {
            let options = SimpleFileOptions::default();
            archive.start_file(*member, options).expect("a member");
            archive.write_all(&model).expect("written");
        }
        let bytes = archive.finish().expect("an archive").into_inner();
        let (report, _) = scan([put(root.path(), name, bytes)]);
        rules(&report, &["error"])
    };
    let own = ["tvm_ffi/lib/model.so", "__main__.py"];
    assert_eq!(errors("app.pyz", &own), ["AC209"]);
    assert_eq!(errors("app.zip", &own), [""; 0]);
    // What unpacks itself keeps them elsewhere.
    let unpacks = ["site-packages/tvm_ffi/lib/model.so", "__main__.py"];
    assert_eq!(errors("shiv.pyz", &unpacks), [""; 0]);
    assert_eq!(errors("none.pyz", &own[..1]), [""; 0]);
}

/// Where the program lies in the folder itself, another beside the folder is no matter.
#[test]
fn other_applications_are_not_asked() {
    let imports = |own: &str, other: &str| {
        let root = folder();
        let application = root.path().join("app");
        // What ends the archive of such a program, which is empty.
        let mut program = [own.as_bytes(), b"MEI\x0c\x0b\x0a\x0b\x0e", &[0, 0, 0, 88]].concat();
        program.extend([0; 76]);
        put(&application, "app", program);
        put(&application, "base_library.zip", "");
        put(&application, "tvm_ffi/core.cpython-311-darwin.so", "");
        let model = std::fs::read(corpus(MODEL)).expect("the corpus");
        put(&application, "tvm_ffi/lib/model.so", model);
        put(root.path(), "other", other);
        let (report, _) = scan([application]);
        rules(&report, &["error"])
            .iter()
            .any(|rule| rule == "AC209")
    };
    assert!(imports("tvm_ffi.registry", ""));
    assert!(!imports("", "tvm_ffi.registry"));
}

/// Applications that PyInstaller freezes keep their modules in the program, and beside it
/// libraries and the METADATA of packages (with `--copy-metadata`).
#[test]
fn frozen_applications_are_no_environments() {
    for inner in ["_internal", ""] {
        let root = folder();
        let model = std::fs::read(corpus(MODEL)).expect("the corpus");
        let folder = root.path().join("app").join(inner);
        let info = folder.join("apache_tvm_ffi-0.1.15.post2.dist-info");
        let metadata =
            "Name: apache-tvm-ffi\nVersion: 0.1.15.post2\nRequires-Dist: typing_extensions>=4.5\n";
        put(&info, "METADATA", metadata);
        put(
            &info,
            "RECORD",
            "tvm_ffi/__init__.py,sha256=x,3\ntvm_ffi/lib/gone.so,sha256=x,9\n",
        );
        put(&info, "WHEEL", "Tag: cp311-cp311-manylinux_2_28_x86_64\n");
        put(&folder, "tvm_ffi/lib/model.so", model);
        let report = |with: &[&str]| {
            for file in with {
                put(&folder, file, "PK");
            }
            let (report, status) = scan([root.path()]);
            (rules(&report, &["error", "warning"]), status)
        };
        assert_eq!(report(&[]).1, 1, "as an environment it is damaged");
        let zip = ["base_library.zip"];
        assert_eq!(report(&zip), (vec![], 0), "{inner}");
    }
}
