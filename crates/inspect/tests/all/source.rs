//! Walks and archives, made by Python's own modules and `ar`, good and hostile.

use crate::parts;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use artcheck_inspect::container::{self, Body, FileType, ar, identify};
use artcheck_inspect::source::{self, Event, Place, Problem, ProblemKind};

/// An empty folder of this test's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("source")
        .join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("removable");
    }
    std::fs::create_dir_all(&folder).expect("creatable");
    folder
}

pub(crate) fn run(program: &str, args: &[&str], at: &Path) {
    let status = Command::new(program)
        .args(args)
        .current_dir(at)
        .status()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    assert!(status.success(), "{program} {args:?}");
}

pub(crate) fn python(script: &str, at: &Path) {
    let dedent = "import sys, textwrap; exec(textwrap.dedent(sys.argv[1]))";
    run("python3", &["-c", dedent, script], at);
}

pub(crate) type Files = BTreeMap<String, (FileType, Vec<u8>)>;

pub(crate) fn visit(path: &Path) -> (Files, Vec<Problem>) {
    let (mut files, mut problems) = (Files::new(), Vec::new());
    let base = format!("{}/", path.parent().expect("a parent").display());
    source::visit(&Place::file(path), &mut |event| match event {
        Event::File(file) => {
            let display = file.place.to_string().replace(&base, "");
            let twice = files.insert(display, (file.file_type, file.bytes.to_vec()));
            assert!(twice.is_none(), "{}", file.place);
        }
        Event::Problem(problem) => problems.push(problem),
        Event::Link { .. } => {}
    });
    (files, problems)
}

fn kinds(problems: &[Problem]) -> Vec<ProblemKind> {
    problems.iter().map(|problem| problem.kind).collect()
}

/// A real object with a C symbol of the kind model libraries have.
pub(crate) fn object(at: &Path, name: &str) -> Vec<u8> {
    let source = at.join("part.c");
    std::fs::write(
        &source,
        "extern int TVMFFIFunctionCall(void);\n\
         const char demo___tvm_ffi__library_bin[4] = {1, 2, 3, 4};\n\
         static int helper(void) { return TVMFFIFunctionCall(); }\n\
         int __tvm_ffi_demo_f(void) { return helper(); }\n\
         int plain(void) { return 1; }\n",
    )
    .expect("writable");
    run("cc", &["-c", "part.c", "-o", name], at);
    std::fs::read(at.join(name)).expect("readable")
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cc makes no ELF here")]
fn objects_keep_their_tvm_symbols_with_places() {
    let at = folder("object");
    let bytes = object(&at, "lib0.o");
    let parsed = container::parse(&bytes).expect("an object");
    let binary = &parsed[0].binary;
    let names: Vec<&str> = binary.defined.iter().map(|s| s.name.as_str()).collect();
    assert!(
        names.contains(&"__tvm_ffi_demo_f") && names.contains(&"plain"),
        "{names:?}"
    );
    let blob = binary
        .defined
        .iter()
        .find(|symbol| symbol.name == "demo___tvm_ffi__library_bin")
        .expect("the blob symbol");
    let region = &parsed[0].regions[blob.region.expect("a region")];
    let start = usize::try_from(blob.region_offset).expect("small");
    assert_eq!(&region.data[start..start + 4], [1, 2, 3, 4]);
    let file = usize::try_from(region.file_ranges[0].file_offset + blob.region_offset);
    let file = file.expect("small");
    assert_eq!(&bytes[file..file + 4], [1, 2, 3, 4]);
    let undefined: Vec<&str> = binary.undefined.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(undefined, ["TVMFFIFunctionCall"]);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn tar_members_are_the_same_plain_and_compressed() {
    let at = folder("tar");
    let object = object(&at, "lib0.o");
    python(
        r"
         import tarfile
         long = 'd' * 120 + '/' + 'e' * 120 + '.o'
         for name, mode, form in [('gnu.tar', 'w', tarfile.GNU_FORMAT),
             ('pax.tar', 'w', tarfile.PAX_FORMAT), ('ustar.tar', 'w', tarfile.USTAR_FORMAT),
             ('packed.tar', 'w:gz', tarfile.GNU_FORMAT), ('packed.tar.gz', 'w:gz', tarfile.PAX_FORMAT)]:
             with tarfile.open(name, mode, format=form) as tar:
                 tar.add('lib0.o')
                 tar.add('lib0.o', 'sub/' + 'devc.o')
                 if form != tarfile.USTAR_FORMAT: tar.add('lib0.o', long)
                 else: tar.add('lib0.o', 'd' * 120 + '/' + 'e' * 90 + '.o')",
        &at,
    );
    for (name, kind, long) in [
        ("gnu.tar", FileType::Tar, 120),
        ("pax.tar", FileType::Tar, 120),
        ("ustar.tar", FileType::Tar, 90),
        ("packed.tar", FileType::Gzip, 120),
        ("packed.tar.gz", FileType::Gzip, 120),
    ] {
        let (files, problems) = visit(&at.join(name));
        assert!(problems.is_empty(), "{name}: {problems:?}");
        assert_eq!(files.len(), 4, "{name}: {:?}", files.keys());
        assert_eq!(files[name].0, kind);
        let long = format!("{}/{}.o", "d".repeat(120), "e".repeat(long));
        for member in ["lib0.o", "sub/devc.o", &long] {
            let (file_type, bytes) = &files[&format!("{name}!{member}")];
            assert_eq!(
                (*file_type, bytes),
                (FileType::Elf, &object),
                "{name} {member}"
            );
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cc makes no ELF here")]
fn ar_members_have_their_long_names() {
    let at = folder("ar");
    let object = object(&at, "a_name_longer_than_sixteen_bytes.o");
    std::fs::write(at.join("b.o"), &object).expect("writable");
    let names = ["a_name_longer_than_sixteen_bytes.o", "b.o"];
    for (archive, format) in [("gnu.a", "gnu"), ("bsd.a", "bsd"), ("darwin.a", "darwin")] {
        let format = format!("--format={format}");
        let args = [&format, "rcs", archive, names[0], names[1]].map(|arg| arg);
        run("llvm-ar", &args, &at);
        let (files, problems) = visit(&at.join(archive));
        assert!(problems.is_empty(), "{archive}: {problems:?}");
        for name in names {
            let (file_type, bytes) = &files[&format!("{archive}!{name}")];
            assert_eq!(*file_type, FileType::Elf);
            // BSD pads members; the object itself comes first.
            assert!(bytes.starts_with(&object), "{archive} {name}");
            container::parse(bytes).expect("an object");
        }
    }
    run("llvm-ar", &["--thin", "rcs", "thin.a", names[0]], &at);
    let (files, problems) = visit(&at.join("thin.a"));
    assert_eq!(files["thin.a"].0, FileType::ThinAr);
    assert_eq!(kinds(&problems), [ProblemKind::ThinArchive]);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "cc makes no ELF here")]
fn members_of_one_name_are_told_apart() {
    let at = folder("ar-twice");
    let object = object(&at, "b.o");
    run("llvm-ar", &["qc", "twice.a", "b.o", "b.o"], &at);
    let (files, problems) = visit(&at.join("twice.a"));
    assert!(problems.is_empty(), "{problems:?}");
    let names: Vec<&String> = files.keys().collect();
    assert_eq!(names, ["twice.a", "twice.a!b.o", "twice.a!b.o (2)"]);
    assert_eq!(files["twice.a!b.o (2)"].1, object);
}

/// Linkers make no files of them: Rust's compiler for Windows names its objects so.
#[test]
fn names_in_an_ar_archive_lead_nowhere() {
    let at = folder("ar-names");
    let object = object(&at, "b.o");
    let mut archive = b"!<arch>\n".to_vec();
    for name in ["C:\\a\\b.o/", "/a/b.o/", "../b.o/"] {
        let size = object.len();
        archive.extend(format!("{name:<16}0           0     0     644     {size:<10}`\n").bytes());
        archive.extend(&object);
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    std::fs::write(at.join("w.a"), archive).expect("written");
    let (files, problems) = visit(&at.join("w.a"));
    assert!(problems.is_empty(), "{problems:?}");
    assert!(files.contains_key("w.a!C:\\a\\b.o"), "{:?}", files.keys());
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn zip_members_are_borrowed_or_unpacked() {
    let at = folder("zip");
    let object = object(&at, "lib0.o");
    python(
        r"
         import zipfile
         with zipfile.ZipFile('model.whl', 'w') as z:
             z.write('lib0.o', 'stored/lib0.o', zipfile.ZIP_STORED)
             z.write('lib0.o', 'packed/lib0.so', zipfile.ZIP_DEFLATED)
             z.writestr('pkg/__init__.py', 'x = 1')
         with zipfile.ZipFile('outer.zip', 'w', zipfile.ZIP_DEFLATED) as z:
             z.write('model.whl')",
        &at,
    );
    let (files, problems) = visit(&at.join("outer.zip"));
    assert!(problems.is_empty(), "{problems:?}");
    for member in ["stored/lib0.o", "packed/lib0.so"] {
        let (file_type, bytes) = &files[&format!("outer.zip!model.whl!{member}")];
        assert_eq!((*file_type, bytes), (FileType::Elf, &object));
    }
    assert!(
        !files.keys().any(|name| name.ends_with(".py")),
        "{:?}",
        files.keys()
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_large_packed_member_is_read_unless_it_is_the_compiler() {
    let at = folder("large");
    let object = object(&at, "lib0.o");
    python(
        r"
         import zipfile, os
         data = open('lib0.o', 'rb').read() + os.urandom(1 << 20) * 40
         with zipfile.ZipFile('big.whl', 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as z:
             z.writestr('lib/libbig.so', data)
             z.writestr('lib/libtvm_compiler.so', data)
             z.write('lib0.o', 'lib/small.so')",
        &at,
    );
    let (files, problems) = visit(&at.join("big.whl"));
    let big = &files["big.whl!lib/libbig.so"];
    assert!(big.1.starts_with(&object) && big.1.len() == object.len() + (40 << 20));
    assert_eq!(kinds(&problems), [ProblemKind::NotInspected]);
    assert!(problems[0].detail.contains("ELF file"), "{problems:?}");
    assert_eq!(files["big.whl!lib/small.so"].1, object);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn bombs_nesting_and_names_that_climb_are_problems() {
    let at = folder("hostile");
    object(&at, "lib0.o");
    python(
        r"
         import zipfile, tarfile, gzip, io
         with zipfile.ZipFile('bomb.zip', 'w', zipfile.ZIP_DEFLATED) as z:
             for i in range(80): z.writestr(f'{i}.so', bytes(7 << 20))
         open('bomb.tar.gz', 'wb').write(b'')
         with tarfile.open('bomb.tar.gz', 'w:gz') as t:
             i = tarfile.TarInfo('zeros.bin'); i.size = 600 << 20
             t.addfile(i, io.BytesIO(bytes(600 << 20)))
         with tarfile.open('names.tar', 'w') as t:
             for name in ['../up.o', '/abs.o', 'a/../../b.o', 'fine.o']:
                 i = t.gettarinfo('lib0.o'); i.name = name
                 t.addfile(i, open('lib0.o', 'rb'))
         inner = open('lib0.o', 'rb').read()
         for depth in range(7):
             b = io.BytesIO()
             with zipfile.ZipFile(b, 'w') as z: z.writestr(f'{depth}.zip' if depth else 'lib0.o', inner)
             inner = b.getvalue()
         open('nested.zip', 'wb').write(inner)",
        &at,
    );
    let (_, problems) = visit(&at.join("bomb.zip"));
    assert_eq!(kinds(&problems), [ProblemKind::Bomb], "{problems:?}");
    let (_, problems) = visit(&at.join("bomb.tar.gz"));
    assert!(
        kinds(&problems).contains(&ProblemKind::Bomb),
        "{problems:?}"
    );
    let (files, problems) = visit(&at.join("names.tar"));
    assert_eq!(
        kinds(&problems),
        [ProblemKind::UnsafeName; 3],
        "{problems:?}"
    );
    assert_eq!(files.len(), 5, "{:?}", files.keys());
    let (_, problems) = visit(&at.join("nested.zip"));
    assert_eq!(kinds(&problems), [ProblemKind::TooDeep], "{problems:?}");
}

#[test]
fn files_that_only_look_like_artifacts_are_told() {
    let at = folder("impostors");
    let cases: [(&str, &[u8], FileType); 7] = [
        ("empty.so", b"", FileType::Empty),
        ("zeros.so", &[0; 70_000], FileType::Zeros),
        (
            "pointer.so",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            FileType::LfsPointer,
        ),
        (
            "page.so",
            b"\n<!DOCTYPE html><html><body>404",
            FileType::Html,
        ),
        (
            "._lib0.o",
            b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X",
            FileType::AppleDouble,
        ),
        (
            "bare.vm",
            b"\x1e\x15\x14\x42\x2f\xde\x25\xd2\x04",
            FileType::VmExecutable,
        ),
        ("text.so", b"#!/bin/sh\n", FileType::Unknown),
    ];
    for (name, bytes, expected) in cases {
        std::fs::write(at.join(name), bytes).expect("writable");
        let (files, problems) = visit(&at.join(name));
        assert_eq!(files[name].0, expected, "{name}");
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_walk_lists_every_file_once_and_opens_no_fifo() {
    let at = folder("walk");
    object(&at, "lib0.o");
    std::fs::create_dir_all(at.join("a/b")).expect("creatable");
    std::fs::write(at.join("a/b/large.so"), vec![1; 100_000]).expect("writable");
    std::fs::write(at.join("a/readme.md"), "text").expect("writable");
    python(
        r"
         import os
         os.mkfifo('pipe.so')
         os.symlink('..', 'a/loop')
         os.symlink('b', 'a/other')
         os.symlink('b/large.so', 'a/link.so')
         os.link('a/b/large.so', 'a/hard.so')
         os.symlink('nowhere', 'a/dangling.so')
         os.truncate(os.open('sparse.so', os.O_CREAT | os.O_RDWR), 4 << 30)",
        &at,
    );
    let walk = source::walk(&[at.clone(), at.join("lib0.o")]);
    let names: Vec<String> = walk
        .files
        .iter()
        .map(|file| {
            file.path
                .strip_prefix(&at)
                .expect("below")
                .display()
                .to_string()
        })
        .collect();
    let expected = ["sparse.so", "a/b/large.so", "lib0.o", "part.c"];
    assert_eq!(
        names,
        expected[..3],
        "largest first; .c and .md passed over"
    );
    assert_eq!(walk.files[1].links, [at.join("a/hard.so")]);
    assert_eq!(walk.passed_over, 2);
    let mut found = kinds(&walk.problems);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ProblemKind::Unreadable,
            ProblemKind::NotAFile,
            ProblemKind::DirectoryLoop
        ]
    );
    // Not through the helper above, which would copy four gigabytes.
    source::visit(
        &Place::file(at.join("sparse.so")),
        &mut |event| match event {
            Event::File(file) => {
                assert_eq!(file.file_type, FileType::Zeros);
                assert_eq!(file.bytes.len(), 4 << 30);
            }
            Event::Problem(problem) => panic!("{problem:?}"),
            Event::Link { .. } => {}
        },
    );
    let (_, problems) = visit(&at.join("pipe.so"));
    assert_eq!(kinds(&problems), [ProblemKind::NotAFile]);
    let (_, problems) = visit(&at.join("missing.so"));
    assert_eq!(kinds(&problems), [ProblemKind::Unreadable]);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn import_libraries_hold_names_and_no_artifact() {
    let path = parts::unpacked("tvm-0.27-windows-x64/tvm/lib/tvm_runtime.lib");
    let bytes = std::fs::read(&path).expect("the library can be read");
    let mut imports = 0;
    ar::members(&bytes, &mut |member| {
        let Body::Stored(bytes) = member.body else {
            panic!("{:?} is not stored", member.name);
        };
        imports += usize::from(identify(bytes) == FileType::CoffImport);
        true
    })
    .expect("an archive");
    assert!(imports > 100, "{imports} imports");
    // They are passed over; the few objects beside them are handed out.
    let mut objects = 0;
    source::visit(&Place::file(path), &mut |event| match event {
        Event::File(file) if file.file_type == FileType::Coff => {
            container::parse(file.bytes).expect("a COFF object");
            objects += 1;
        }
        Event::File(file) => assert_ne!(file.file_type, FileType::CoffImport),
        Event::Problem(problem) => panic!("{problem:?}"),
        Event::Link { .. } => {}
    });
    assert!((1..10).contains(&objects), "{objects} objects");
}
