//! Applications: folders and archives that a system installs as one. What lies in
//! one is looked into, member by member, and judged there alone.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::make::{corpus, folder, put};
use crate::support::{scan, unpacked};

/// An application with a model of 0.27, and the runtime of a release.
fn files(tvm: &str, ffi: &str) -> Vec<(&'static str, Vec<u8>)> {
    let read = |path: &Path| fs::read(path).expect("read");
    let runtime = unpacked(&format!("{tvm}-macos-arm64")).join("tvm/lib/libtvm_runtime.dylib");
    let ffi = unpacked(&format!("{ffi}-macos-arm64")).join("tvm_ffi/lib/libtvm_ffi.dylib");
    let model = corpus("tvm-0.27/extcall-cpu-macos-arm64.dylib");
    vec![
        ("Frameworks/model.framework/model.dylib", read(&model)),
        ("Frameworks/libtvm_runtime.dylib", read(&runtime)),
        ("Frameworks/libtvm_ffi.dylib", read(&ffi)),
    ]
}

/// Where each model is, and on what it fits or breaks.
fn verdicts(path: &Path) -> Vec<String> {
    let (report, _) = scan([path]);
    let verdicts = report["verdicts"].as_array().expect("a list").iter();
    let top = format!("{}/", path.display());
    let mut lines: Vec<String> = verdicts
        .map(|one| {
            let text = |key: &str| one[key].as_str().expect("text").replace(&top, "");
            let (model, status, runtime) = (text("artifact"), text("status"), text("runtime"));
            format!("{model} {status} {runtime}")
        })
        .collect();
    lines.sort();
    lines
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn each_application_is_judged_by_itself() {
    let folder = folder();
    let new = files("tvm-0.27", "tvm-ffi-0.1.15.post2");
    for (name, content) in &new {
        put(&folder, &format!("New.app/{name}"), content);
    }
    for (name, content) in files("tvm-0.25", "tvm-ffi-0.1.12") {
        put(&folder, &format!("Old.app/{name}"), content);
    }
    // An application that is packed, with its own in it.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in &new {
        let name = format!("Payload/Packed.app/{name}");
        writer
            .start_file(name, SimpleFileOptions::default())
            .expect("a member");
        writer.write_all(content).expect("written");
    }
    let packed = writer.finish().expect("an archive").into_inner();
    put(&folder, "packed.ipa", packed);
    assert_eq!(
        verdicts(folder.path()),
        [
            "New.app/Frameworks/model.framework/model.dylib fits New.app",
            "Old.app/Frameworks/model.framework/model.dylib breaks Old.app",
            "packed.ipa!Payload/Packed.app/Frameworks/model.framework/model.dylib fits packed.ipa!Payload/Packed.app",
        ]
    );
}

/// Archives of libraries are looked into, however deep.
#[test]
fn archives_of_libraries_are_looked_into() {
    let folder = folder();
    let model = fs::read(corpus("tvm-0.27/extcall-cpu-x86_64.so")).expect("the corpus");
    let packed = |members: &[(&str, &[u8])]| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in members {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .expect("a member");
            writer.write_all(content).expect("written");
        }
        writer.finish().expect("an archive").into_inner()
    };
    let aar = packed(&[("jni/x86_64/libmodel.so", &model)]);
    let jar = packed(&[("libs/model.aar", &aar), ("native/libmodel.so", &model)]);
    put(&folder, "all.jar", &jar);
    put(&folder, "M.xcframework/linux/m.framework/m", &model);
    let (report, _) = scan([folder.path(), "--runtime".as_ref(), "tvm-0.27".as_ref()]);
    let mut found: Vec<String> = report["artifacts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            one["path"]
                .as_str()
                .expect("a path")
                .replace(&format!("{}/", folder.path().display()), "")
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "M.xcframework/linux/m.framework/m",
            "all.jar!libs/model.aar!jni/x86_64/libmodel.so",
            "all.jar!native/libmodel.so",
        ]
    );
}
