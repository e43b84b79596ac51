//! What loaders, linkers and installers of systems do with files that are sound: thread-local
//! memory, stacks, folders of ABIs, loose objects, objects without machine code.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::Command;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::make::{corpus, folder, library, model, opened_lazily, put};
use crate::support::{rules, scan};

const CLIENT: &str =
    "int TVMFFIFunctionCall(void); int call(void) { return TVMFFIFunctionCall(); }\n";

fn on(path: &Path, more: &[&str]) -> (Vec<String>, i32) {
    let args = [&[path.to_str().expect("text")], more].concat();
    let (report, status) = scan(args);
    let mut codes = rules(&report, &["error"]);
    // Of the model's own functions none is there.
    codes.retain(|code| code != "AC103");
    (codes, status)
}

#[test]
fn thread_local_memory_is_reserved_where_relocations_ask_for_it() {
    let top = folder();
    let large = "__thread char large[5000]; char *where(void) { return large; }\n";
    let initial = model(top.path(), "ie.so", large, &["-ftls-model=initial-exec"]);
    assert!(opened_lazily(&initial).is_some_and(|said| said.contains("static TLS")));
    assert_eq!(
        on(&initial, &["--runtime", "tvm-0.27"]),
        (vec!["AC001".to_owned()], 1)
    );
    // In a library that the model loads it is no other.
    let inner = library(
        top.path(),
        "libinner.so",
        large,
        &["-ftls-model=initial-exec", "-Wl,-soname,libinner.so"],
    );
    let with = [
        inner.to_str().expect("text"),
        "-Wl,-rpath,$ORIGIN",
        "-Wl,--no-as-needed",
    ];
    let outer = model(
        top.path(),
        "outer.so",
        "char *where(void); char *it(void) { return where(); }\n",
        &with,
    );
    assert!(opened_lazily(&outer).is_some());
    assert_eq!(
        on(&outer, &["--runtime", "tvm-0.27"]),
        (vec!["AC001".to_owned()], 1)
    );
    // The flag alone asks for nothing.
    let general = model(top.path(), "gd.so", large, &["-Wl,-z,now"]);
    let mut bytes = std::fs::read(&general).expect("read");
    let flags = |value: u64| [30u64.to_le_bytes(), value.to_le_bytes()].concat();
    let at = bytes
        .windows(16)
        .position(|entry| entry == flags(8))
        .expect("DT_FLAGS");
    bytes[at..at + 16].copy_from_slice(&flags(0x18));
    std::fs::write(&general, bytes).expect("written");
    assert_eq!(opened_lazily(&general), None);
    assert_eq!(on(&general, &["--runtime", "tvm-0.27"]).0, [""; 0]);
    // A client may be opened or linked with.
    let client = format!("{large}{CLIENT}");
    let client = library(
        top.path(),
        "libclient.so",
        &client,
        &["-ftls-model=initial-exec"],
    );
    assert_eq!(on(&client, &["--runtime", "tvm-0.27"]).1, 4);
}

#[test]
fn a_stack_with_code_is_refused_since_glibc_2_41() {
    let top = folder();
    let model = model(top.path(), "model.so", "int one;\n", &["-Wl,-z,execstack"]);
    let new = ["--runtime", "tvm-0.27", "--target", "x86_64-linux.2.41"];
    assert_eq!(on(&model, &new), (vec!["AC003".to_owned()], 1));
    let old = ["--runtime", "tvm-0.27", "--target", "x86_64-linux.2.36"];
    assert_eq!(on(&model, &old).0, [""; 0]);
}

/// Libraries of this machine in an archive, with Android's library named, as an application.
fn apk(top: &Path, name: &str, members: &[(&str, &Path)]) -> std::path::PathBuf {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (member, file) in members {
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file(*member, stored).expect("a member");
        writer
            .write_all(&std::fs::read(file).expect("read"))
            .expect("written");
    }
    put(top, name, writer.finish().expect("an archive").into_inner())
}

#[test]
fn android_installs_what_lies_in_the_folder_of_its_abi() {
    let top = folder();
    let log = library(
        top.path(),
        "liblog.so",
        "int log_one;\n",
        &["-Wl,-soname,liblog.so"],
    );
    let registry = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
        int TVMFFIFunctionSetGlobal(void) { return 0; }\nint TVMFFIFunctionCall(void) { return 0; }\n";
    let named = ["-Wl,--no-as-needed", log.to_str().expect("text")];
    let flags = [&named[..], &["-Wl,-soname,libtvm_ffi.so"]].concat();
    let ffi = library(top.path(), "libtvm_ffi.so", registry, &flags);
    let flags = [&named[..], &[ffi.to_str().expect("text")]].concat();
    let client = library(top.path(), "libclient.so", CLIENT, &flags);
    let both = |abi: &str| {
        [
            format!("lib/{abi}/libtvm_ffi.so"),
            format!("lib/{abi}/libclient.so"),
        ]
    };
    let of = |name: &str, abi: &str| {
        let [first, second] = both(abi);
        apk(top.path(), name, &[(&first, &ffi), (&second, &client)])
    };
    assert_eq!(on(&of("good.apk", "x86_64"), &[]).0, [""; 0]);
    assert_eq!(on(&of("wrong.apk", "armeabi-v7a"), &[]).0, ["AC002"]);
    assert_eq!(
        on(&of("below.apk", "x86_64/sub"), &[]).0,
        ["AC002", "AC205"]
    );
    let alone = apk(
        top.path(),
        "alone.apk",
        &[("lib/x86_64/libclient.so", &client)],
    );
    assert_eq!(on(&alone, &[]).0, ["AC205"]);
    // One ABI is installed: what is for another one breaks nothing.
    let own = corpus("tvm-0.27/dense-cpu-x86_64.so");
    let arm = corpus("tvm-0.27/embedding-cpu-aarch64.so");
    let members: [(&str, &Path); 2] = [
        ("lib/x86_64/libmodel.so", &own),
        ("lib/arm64-v8a/libmodel.so", &arm),
    ];
    let target = ["--target", "x86_64-linux"];
    let several = apk(top.path(), "several.apk", &members);
    assert_eq!(on(&several, &target).0, [""; 0]);
    let other = apk(top.path(), "other.apk", &members[1..]);
    assert_eq!(on(&other, &target).0, ["AC002"]);
}

#[test]
fn objects_that_lie_loose_are_one_library_as_their_archive_is() {
    let top = folder();
    let archive = corpus("tvm-0.27/extcall-cpu-ios.tar");
    let unpacked = Command::new("tar")
        .arg("xf")
        .arg(&archive)
        .arg("-C")
        .arg(top.path())
        .status();
    assert!(unpacked.expect("tar").success());
    let of = |path: &Path| {
        let (report, _) = scan([path, Path::new("--runtime"), Path::new("tvm-0.27")]);
        rules(&report, &["error", "warning"])
    };
    assert_eq!(of(top.path()), of(&archive));
}

#[test]
fn objects_of_a_compilers_own_form_define_what_is_not_read() {
    let top = folder();
    let object = |name: &str, source: &str, flags: &[&str]| {
        let input = put(top.path(), &format!("{name}.c"), source);
        let out = top.path().join(format!("{name}.o"));
        let made = Command::new("cc")
            .arg("-c")
            .args(flags)
            .arg(&input)
            .arg("-o")
            .arg(&out)
            .status();
        assert!(made.expect("a compiler").success());
        std::fs::remove_file(input).expect("removed");
        out
    };
    let archive = |name: &str, object: &Path| {
        let to = top.path().join(name);
        let made = Command::new("ar").arg("qc").arg(&to).arg(object).status();
        assert!(made.expect("ar").success());
        std::fs::remove_file(object).expect("removed");
    };
    let registry = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
        int TVMFFIFunctionSetGlobal(void) { return 0; }\nint TVMFFIFunctionCall(void) { return 0; }\n";
    let runtime = "int TVMFFIFunctionCall(void);\n\
        int TVMBackendParallelLaunch(void) { return TVMFFIFunctionCall(); }\n\
        void *TVMBackendAllocWorkspace(void) { return 0; }\n";
    archive("libtvm_runtime.a", &object("runtime", runtime, &[]));
    archive(
        "libtvm_ffi_static.a",
        &object("registry", registry, &["-flto"]),
    );
    object(
        "app",
        "int TVMFFIFunctionCall(void); int main(void) { return TVMFFIFunctionCall(); }\n",
        &[],
    );
    let (report, status) = scan([top.path()]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec![], 4),
        "{report:#}"
    );
    assert!(
        !report.to_string().contains("link libtvm_ffi_static.a"),
        "{report:#}"
    );
}

/// A wheel's name promises a system, and pip goes by that alone.
#[test]
fn what_a_wheels_name_promises_is_held_against_its_libraries() {
    let top = folder();
    let calls = "void *dlopen(const char *, int); void *open(void) { return dlopen(0, 1); }\n";
    let source = [CLIENT, calls].concat();
    let gnu = library(top.path(), "client.so", &source, &[]);
    library(
        top.path(),
        "libc.musl-x86_64.so.1",
        "int c;\n",
        &["-nostdlib", "-Wl,-soname,libc.musl-x86_64.so.1"],
    );
    let c = top.path().join("libc.musl-x86_64.so.1");
    let with = ["-nostdlib", "-Wl,--no-as-needed", c.to_str().expect("text")];
    let musl = library(top.path(), "musl.so", CLIENT, &with);
    let codes = |library: &Path, tags: &str, more: &[&str]| {
        let wheel = top.path().join(format!("client-1.0-py3-none-{tags}.whl"));
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("client/client.so", SimpleFileOptions::default())
            .expect("begun");
        zip.write_all(&std::fs::read(library).expect("read"))
            .expect("written");
        std::fs::write(&wheel, zip.finish().expect("ended").into_inner()).expect("written");
        let args = [
            &[wheel.to_str().expect("text"), "--runtime", "tvm-0.27"],
            more,
        ]
        .concat();
        let (report, status) = scan(args);
        let found = ["error", "warning"].map(|severity| {
            let mut found = rules(&report, &[severity]);
            found.retain(|code| code == "AC003");
            found.len()
        });
        (found, status)
    };
    // dlopen is of the C library itself since glibc 2.34.
    let old = "manylinux_2_34_x86_64.manylinux2014_x86_64";
    assert_eq!(codes(&gnu, old, &[]), ([0, 1], 0));
    assert_eq!(codes(&gnu, "manylinux_2_34_x86_64", &[]), ([0, 0], 0));
    assert_eq!(codes(&gnu, "linux_x86_64", &[]), ([0, 0], 0));
    // Who names a system asks about that one.
    assert_eq!(
        codes(&gnu, old, &["--target", "x86_64-linux.2.36"]),
        ([0, 0], 0)
    );
    assert_eq!(
        codes(&gnu, old, &["--target", "x86_64-linux.2.28"]),
        ([1, 0], 1)
    );
    // Whether musl has what a file of glibc's asks for is not known.
    assert_eq!(codes(&gnu, "musllinux_1_2_x86_64", &[]).1, 4);
    assert_eq!(
        codes(&gnu, "linux_x86_64", &["--target", "x86_64-linux-musl"]).1,
        4
    );
    assert_eq!(codes(&musl, "manylinux_2_17_x86_64", &[]).0, [1, 0]);
    assert_eq!(codes(&musl, "musllinux_1_2_x86_64", &[]).0, [0, 0]);
}
