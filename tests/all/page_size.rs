//! AC005 and `patch align`: libraries of an APK, laid out for pages of 16 KiB or
//! not, in it and linked so.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::support::make::{folder, library, put};
use crate::support::{artcheck, run, scan};

/// A library of Android's at an API level, that defines a name of TVM's. The
/// notes are those that Android's compiler writes; the rest is this system's.
fn android(level: u32) -> String {
    format!(
        "__attribute__((section(\".note.android.ident\"), used, aligned(4))) static const \
         struct {{ int n, d, t; char name[8]; int level; }} note = {{8, 4, 1, \"Android\", {level}}};\n\
         static int table[9]; int *TVMTable(void) {{ return table; }}\n"
    )
}

fn linked(at: &Path, name: &str, level: u32, page: &str) -> std::path::PathBuf {
    let flag = format!("-Wl,-z,max-page-size={page}");
    library(at, name, &android(level), &[&flag, "-nostdlib"])
}

/// An APK with a library, between a manifest and resources that are stored.
fn apk(library: &[u8], packed: bool) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = stored.compression_method(CompressionMethod::Deflated);
    let aligned = stored.with_alignment(4);
    let of_library = if packed { deflated } else { stored };
    for (name, content, how) in [
        ("AndroidManifest.xml", b"manifest".as_slice(), deflated),
        ("resources.arsc", b"resources", aligned),
        ("lib/x86_64/libmodel.so", library, of_library),
        ("lib/x86_64/libother.so", library, stored),
        ("assets/words.bin", b"words", aligned),
    ] {
        writer.start_file(name, how).expect("a member");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("an archive").into_inner()
}

/// Severity and last name of what AC005 finds.
fn found(path: &Path, more: &[&str]) -> Vec<String> {
    let mut args = vec![path.to_str().expect("text")];
    args.extend(more);
    let (report, _) = scan(args);
    let findings = report["findings"].as_array().expect("a list").iter();
    let ours = findings.filter(|one| one["rule"] == "AC005");
    ours.map(|one| {
        let path = one["artifact"]
            .as_str()
            .or(one["path"].as_str())
            .unwrap_or_default();
        let name = path.rsplit('/').next().expect("a name");
        format!("{} {name}", one["severity"].as_str().expect("a severity"))
    })
    .collect()
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn the_target_the_note_or_the_archive_says_that_it_is_android() {
    let folder = folder();
    let small = linked(folder.path(), "libsmall.so", 24, "0x1000");
    let wide = linked(folder.path(), "libwide.so", 24, "0x4000");
    let new = linked(folder.path(), "libnew.so", 35, "0x1000");
    let plain = library(
        folder.path(),
        "libplain.so",
        "int TVMIt(void) { return 1; }\n",
        &[],
    );
    let none: [&str; 0] = [];
    assert_eq!(found(&small, &[]), ["warning libsmall.so"]);
    assert_eq!(found(&new, &[]), ["error libnew.so"]);
    for target in ["x86_64-android.35", "x86_64-android.36"] {
        assert_eq!(found(&small, &["--target", target]), ["error libsmall.so"]);
        assert_eq!(found(&wide, &["--target", target]), none);
    }
    for other in [
        "x86_64-android.34",
        "x86_64-android",
        "aarch64-android.35",
        "x86_64-linux",
    ] {
        assert_eq!(found(&small, &["--target", other]), none, "{other}");
    }
    assert_eq!(found(&wide, &[]), none);
    assert_eq!(found(&plain, &[]), none, "nothing says Android");
    // What says nothing of itself is in an APK.
    let bytes = std::fs::read(&plain).expect("read");
    let app = put(&folder, "app.apk", apk(&bytes, false));
    assert!(found(&app, &[]).contains(&"warning libmodel.so".to_owned()));
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn patch_align_stores_and_places_what_is_linked_for_it() {
    let folder = folder();
    let none: [&str; 0] = [];
    let wide = linked(folder.path(), "libwide.so", 35, "0x4000");
    let wide = std::fs::read(wide).expect("read");
    for packed in [true, false] {
        let before = apk(&wide, packed);
        let name = format!("{packed}.apk");
        let app = put(&folder, &name, &before);
        let severity = if packed { "warning" } else { "error" };
        assert_eq!(
            found(&app, &[]),
            [
                format!("{severity} libmodel.so"),
                "error libother.so".to_owned()
            ]
        );
        let output = run(["patch", "align", app.to_str().expect("text"), "--in-place"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("signature"),
            "{text}"
        );
        assert_eq!(found(&app, &[]), none);
        let after = std::fs::read(&app).expect("read");
        let mut old = ZipArchive::new(Cursor::new(before.clone())).expect("whole");
        let mut new = ZipArchive::new(Cursor::new(after)).expect("whole");
        assert_eq!(old.len(), new.len());
        for index in 0..old.len() {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let mut file = new.by_index(index).expect("an entry");
            let name = String::from_utf8_lossy(file.name_raw()).into_owned();
            let start = file.data_start().expect("a place");
            file.read_to_end(&mut other).expect("its checksum is right");
            old.by_index(index)
                .expect("an entry")
                .read_to_end(&mut one)
                .expect("read");
            assert_eq!(one, other, "{name}");
            let align = match name.as_str() {
                "AndroidManifest.xml" => 1,
                name if name.ends_with(".so") => 16384,
                _ => 4,
            };
            assert_eq!(start % align, 0, "{name} at {start}");
        }
        assert!(
            artcheck()
                .arg("unpatch")
                .arg(&app)
                .status()
                .expect("starts")
                .success()
        );
        assert_eq!(std::fs::read(&app).expect("read"), before);
    }
    // A library that is linked for small pages is nothing that a place mends.
    let small = linked(folder.path(), "libsmall.so", 35, "0x1000");
    let app = put(
        &folder,
        "small.apk",
        apk(&std::fs::read(small).expect("read"), true),
    );
    let output = run(["patch", "align", app.to_str().expect("text"), "--in-place"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("max-page-size"));
}
