//! Packages that are not as they were installed, or for another Python: what pip wrote down
//! is compared with what is there.

mod behind;
mod called;
mod cut;
mod editable;
mod edited;
#[cfg(unix)]
mod foreign;
mod frozen;
mod made_up;
mod requirements;
mod wheels;

use std::path::{Path, PathBuf};

use artcheck_inspect::limits::MAX_RECORD;

use crate::support::make::{corpus, folder, put};
use crate::support::{artcheck, rules, scan, text, unpacked};

const MODEL: &str = "tvm-0.27/dense-cpu-x86_64.so";

/// An environment of Python 3.11 with one package, which is whole.
fn environment(root: &Path) -> PathBuf {
    put(root, "pyvenv.cfg", "include-system-site-packages = false\n");
    let site = root.join("lib/python3.11/site-packages");
    let model = std::fs::read(corpus(MODEL)).expect("the corpus");
    let record = format!(
        "tvm_ffi/__init__.py,sha256=x,3\ntvm_ffi/lib/model.so,sha256=x,{}\n\
         tvm_ffi/__pycache__/__init__.pyc,,\n../../../bin/tvm-ffi-config,sha256=x,9\n",
        model.len()
    );
    let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
    let metadata = "Name: apache-tvm-ffi\nVersion: 0.1.15.post2\n\
                    Requires-Dist: typing_extensions>=4.5\nRequires-Dist: torch; extra == 'x'\n";
    put(&info, "METADATA", metadata);
    put(&info, "RECORD", record);
    put(&info, "WHEEL", "Tag: cp311-cp311-manylinux_2_28_x86_64\n");
    put(&site, "typing_extensions-4.15.0.dist-info/METADATA", "");
    put(&site, "tvm_ffi/__init__.py", "import typing_extensions\n");
    put(&site, "tvm_ffi/lib/model.so", model);
    site
}

/// Adds a file to what the package says it brought.
fn listed(site: &Path, file: &str, size: usize) {
    let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
    let record = std::fs::read_to_string(info.join("RECORD")).expect("read");
    put(&info, "RECORD", format!("{record}{file},sha256=x,{size}\n"));
}

/// Puts the package's own first module there.
fn first(site: &Path, text: &str) {
    put(site, "tvm_ffi/__init__.py", text);
    let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
    let record = std::fs::read_to_string(info.join("RECORD")).expect("read");
    let size = format!("tvm_ffi/__init__.py,sha256=x,{}\n", text.len());
    let record = record.replace("tvm_ffi/__init__.py,sha256=x,3\n", &size);
    put(&info, "RECORD", record);
}

/// The environment in archives: one packed with all that is around it, one from inside.
fn packed(root: &Path) -> Vec<PathBuf> {
    let around = root.parent().expect("a folder");
    let name = root.file_name().and_then(|name| name.to_str());
    let name = name.expect("a name");
    let archives = [("tar.gz", "-czf", around, name), ("tar", "-cf", root, ".")];
    let packed = archives.map(|(end, flags, from, what)| {
        let archive = root.with_extension(end);
        let packer = std::process::Command::new("tar")
            .arg(flags)
            .arg(&archive)
            .arg("-C")
            .args([from, Path::new(what)])
            .status();
        assert!(packer.expect("tar starts").success());
        archive
    });
    packed.into()
}

#[track_caller]
fn says(change: impl Fn(&Path), errors: &[&str], warnings: &[&str]) {
    let root = folder();
    let site = environment(root.path());
    change(&site);
    // Packed, it is asked as the folder that it becomes.
    let packed = packed(root.path());
    let model = site.join("tvm_ffi/lib/model.so");
    for named in [root.path().to_owned(), model].into_iter().chain(packed) {
        let (report, status) = scan([&named]);
        let found = |severity| rules(&report, &[severity]);
        assert_eq!(found("error"), errors, "{named:?}: {report}");
        assert_eq!(found("warning"), warnings, "{named:?}: {report}");
        assert_eq!(status, i32::from(!errors.is_empty()), "{named:?}");
    }
    for end in ["tar.gz", "tar"] {
        std::fs::remove_file(root.path().with_extension(end)).expect("removed");
    }
}

#[test]
fn a_whole_package_is_told_from_a_damaged_one() {
    says(|_| {}, &[], &[]);
    let without = |file: &'static str| {
        move |site: &Path| std::fs::remove_file(site.join(file)).expect("removed")
    };
    says(without("tvm_ffi/__init__.py"), &["AC209"], &[]);
    let longer = |site: &Path| {
        let file = site.join("tvm_ffi/lib/model.so");
        let mut bytes = std::fs::read(&file).expect("read");
        bytes.extend([0; 16]);
        std::fs::write(file, bytes).expect("written");
    };
    says(longer, &[], &[]);
    let replaced_by_a_folder = |site: &Path| {
        let file = site.join("tvm_ffi/lib/libtvm_ffi.so");
        listed(site, "tvm_ffi/lib/libtvm_ffi.so", 1);
        std::fs::create_dir(file).expect("a folder");
    };
    says(replaced_by_a_folder, &["AC209"], &[]);
    let other_python = |site: &Path| {
        let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
        put(&info, "WHEEL", "Tag: cp312-abi3-manylinux_2_28_x86_64\n");
    };
    says(other_python, &["AC209"], &[]);
    says(
        without("typing_extensions-4.15.0.dist-info/METADATA"),
        &[],
        &[],
    );
    let not_installed = |site: &Path| {
        std::fs::remove_dir_all(site.join("typing_extensions-4.15.0.dist-info")).expect("removed");
    };
    says(not_installed, &["AC209"], &[]);
    // An environment that sees the system's packages may find it there.
    let open = |site: &Path| {
        not_installed(site);
        let root = site.ancestors().nth(3).expect("the environment");
        put(root, "pyvenv.cfg", "include-system-site-packages = true\n");
    };
    says(open, &[], &[]);
}

/// What blocks in a scan blocks in each command, and is said there.
#[test]
fn fix_and_matrix_say_what_a_scan_says() {
    let said = |change: &dyn Fn(&Path), arguments: &[&str]| {
        let root = folder();
        change(&environment(root.path()));
        let mut command = artcheck();
        command.args(arguments).arg(root.path());
        text(command.args(["--runtime", "tvm-0.27"]))
    };
    let lacking = |site: &Path| {
        std::fs::remove_dir_all(site.join("typing_extensions-4.15.0.dist-info")).expect("removed");
    };
    let unread = |site: &Path| put_record(site, MAX_RECORD);
    for command in [
        &["scan"][..],
        &["matrix"],
        &["fix"],
        &["fix", "--format", "json"],
    ] {
        let (text, status) = said(&lacking, command);
        assert!(text.contains("AC209") && status == 1, "{command:?}: {text}");
        let (text, status) = said(&unread, command);
        let is_said =
            text.contains("AC209") || (command[0] == "matrix" && text.contains("undecided"));
        assert!(is_said && status == 4, "{command:?}: {text}");
        let (text, status) = said(&|_| {}, command);
        assert!(
            !text.contains("AC209") && status == 0,
            "{command:?}: {text}"
        );
    }
}

/// Makes the list of the package's files so long.
fn put_record(site: &Path, length: u64) {
    let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
    let mut record = std::fs::read_to_string(info.join("RECORD")).expect("read");
    while (record.len() as u64) < length {
        record.push_str("tvm_ffi/notes.txt,,\n");
    }
    record.truncate(usize::try_from(length).expect("a length"));
    put(&info, "RECORD", record);
}

#[test]
fn a_list_of_files_that_is_too_long_decides_nothing() {
    for (length, expected) in [(MAX_RECORD - 1, 0), (MAX_RECORD, 4)] {
        let root = folder();
        put_record(&environment(root.path()), length);
        let (report, status) = scan([root.path()]);
        assert_eq!(rules(&report, &["error", "warning"]), [""; 0]);
        assert_eq!(status, expected, "{length}");
    }
}

/// What pip, image builders and administrators leave behind, with which imports work.
#[test]
fn leftovers_and_other_folders_are_no_damage() {
    let old = |name: &'static str| {
        move |site: &Path| {
            let info = site.join(name);
            put(&info, "METADATA", "Name: apache-tvm-ffi\nVersion: 0.1.12\n");
            put(
                &info,
                "RECORD",
                "tvm_ffi/__init__.py,sha256=x,3\ntvm_ffi/gone.so,sha256=x,1\n",
            );
        }
    };
    says(old("~pache_tvm_ffi-0.1.12.dist-info"), &[], &[]);
    says(old("apache_tvm_ffi-0.1.12.dist-info"), &[], &[]);
    let gone = |site: &Path| {
        std::fs::remove_dir_all(site.join("typing_extensions-4.15.0.dist-info")).expect("removed");
    };
    says(
        move |site| {
            gone(site);
            put(site, "typing_extensions.py", "");
        },
        &[],
        &[],
    );
    says(
        move |site| {
            gone(site);
            put(site, "sitecustomize.py", "import sys");
        },
        &[],
        &[],
    );
    says(
        move |site| {
            listed(site, "tvm_ffi/module.py", 1);
            put(site, "tvm_ffi/module.pyc", "");
        },
        &[],
        &[],
    );
    // What only tests or models for a device ask for is told, and stops nothing.
    for file in ["tvm_ffi/testing/a.py", "tvm/lib/libtvm_runtime_cuda.so"] {
        says(|site| listed(site, file, 1), &[], &[]);
    }
    says(|site| listed(site, "tvm_ffi/a.py", 1), &[], &["AC209"]);
    says(
        |site| listed(site, "tvm_ffi/lib/libtvm_ffi.so", 1),
        &["AC209"],
        &[],
    );
    // A compiled module has several names that Python takes.
    let core = |there: &'static str| {
        move |site: &Path| {
            listed(site, "tvm_ffi/core.cpython-311-x86_64-linux-gnu.so", 1);
            put(
                site,
                there,
                std::fs::read(corpus(MODEL)).expect("the corpus"),
            );
        }
    };
    says(core("tvm_ffi/core.abi3.so"), &[], &[]);
    let other = core("tvm_ffi/core.cpython-312-x86_64-linux-gnu.so");
    says(other, &["AC209"], &[]);
}

/// Where the list of files is gone, an import says what it asks for in vain.
#[test]
fn packages_without_a_list_of_their_files() {
    const LIBRARY: &str = "tvm_ffi/lib/libtvm_ffi.so";
    const INFO: &str = "apache_tvm_ffi-0.1.15.post2.dist-info";
    let bare = |gone: &'static str, file: &'static str, text: &'static str| {
        move |site: &Path| {
            let gone = site.join(gone);
            match gone.is_dir() {
                true => std::fs::remove_dir_all(gone).expect("removed"),
                false => std::fs::remove_file(gone).expect("removed"),
            }
            put(site, file, text);
            put(site, LIBRARY, std::fs::read(corpus(MODEL)).expect("read"));
        }
    };
    let first = "tvm_ffi/__init__.py";
    let record = "apache_tvm_ffi-0.1.15.post2.dist-info/RECORD";
    for gone in [INFO, record] {
        says(bare(gone, first, "from . import a\n"), &[], &[]);
        says(
            bare(gone, first, "import os, typing_extensions\n"),
            &["AC209"],
            &[],
        );
        says(bare(gone, first, "import numpy\n"), &["AC209"], &[]);
        says(
            bare(gone, first, "from .registry import Name\n"),
            &["AC209"],
            &[],
        );
        let tried = "try:\n    from .a import b\nexcept ImportError:\n    pass\n";
        says(bare(gone, first, tried), &[], &[]);
        let without = |site: &Path| {
            bare(gone, first, "")(site);
            std::fs::remove_file(site.join(LIBRARY)).expect("removed");
        };
        says(without, &["AC209"], &[]);
    }
}

/// Copies that nothing opens, beside the library that is opened.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn copies_are_no_second_runtime() {
    let at_all = |change: &dyn Fn(&Path)| {
        let root = folder();
        let site = environment(root.path());
        std::fs::copy(
            unpacked("tvm-ffi-0.1.15.post2-linux-x86_64/tvm_ffi/lib/libtvm_ffi.so"),
            site.join("tvm_ffi/lib/libtvm_ffi.so"),
        )
        .expect("copied");
        change(&site);
        rules(&scan([root.path()]).0, &["error", "warning"])
    };
    let copied = |to: &'static str| {
        at_all(&|site: &Path| {
            let to = site.join(to);
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
            std::fs::copy(site.join("tvm_ffi/lib/libtvm_ffi.so"), to).expect("copied");
        })
    };
    for nothing in [
        "tvm_ffi/lib/libtvm_ffi.so.bak",
        "tvm_ffi/lib/Copy of libtvm_ffi.so",
        "~vm_ffi/lib/libtvm_ffi.so",
    ] {
        assert!(copied(nothing).is_empty(), "{nothing}");
    }
    assert!(copied("other/libtvm_ffi.so").contains(&String::from("AC206")));
}

/// Modules that an import asks for whatever happens, and others.
#[test]
fn an_import_fails_without_what_it_asks_for() {
    let gone = |text: &'static str, file: &'static str| {
        move |site: &Path| {
            first(site, text);
            listed(site, file, 1);
        }
    };
    for text in [
        "from . import registry\n",
        "from .registry import a\n",
        "import tvm_ffi.registry\n",
        "if True:\n    from tvm_ffi import (\n        registry,\n    )\n",
    ] {
        says(gone(text, "tvm_ffi/registry.py"), &["AC209"], &[]);
    }
    // A folder that has lost its first module is a package of modules.
    let folder = |text: &'static str| {
        move |site: &Path| {
            gone(text, "tvm_ffi/parts/__init__.py")(site);
            put(site, "tvm_ffi/parts/a.py", "");
            listed(site, "tvm_ffi/parts/a.py", 0);
        }
    };
    says(folder("from .parts import Name\n"), &["AC209"], &[]);
    says(folder("from .parts import a\n"), &[], &["AC209"]);
    let tried = "try:\n    from ._version import v\nexcept ImportError:\n    v = 0\n";
    says(gone(tried, "tvm_ffi/_version.py"), &[], &[]);
    let late = "def f():\n    from . import registry\n";
    says(gone(late, "tvm_ffi/registry.py"), &[], &["AC209"]);
}

/// Modules of another size than the package brought.
#[test]
fn a_module_that_python_does_not_take_is_told_from_an_edited_one() {
    let changed = |text: &'static str, now: &'static [u8]| {
        move |site: &Path| {
            first(site, text);
            listed(site, "tvm_ffi/registry.py", 100);
            put(site, "tvm_ffi/registry.py", now);
        }
    };
    let asks = "from .registry import Name\n";
    let late = "def f():\n    from .registry import Name\n";
    for damaged in [
        b"".as_slice(),
        b"\0\0\0\0",
        b"class Name:\n    x = (1,\n",
        b"class Name:\n    '''It is",
        b"class Name:\n    def f(self)",
    ] {
        says(changed(asks, damaged), &["AC209"], &[]);
        says(changed(late, damaged), &[], &["AC209"]);
    }
    // Another release's, which lacks what is asked for.
    let other = b"'''No Name here.'''\nclass Other:\n    pass\n";
    says(changed(asks, other), &["AC209"], &[]);
    says(changed(late, other), &[], &[]);
    let edited = b"class Name:\n    pass\n# a patch (of ours\n";
    says(changed(asks, edited), &[], &[]);
    // Blocks that were never written: the size is right.
    let zeros = |text: &'static str| {
        move |site: &Path| {
            first(site, text);
            listed(site, "tvm_ffi/registry.py", 12);
            put(site, "tvm_ffi/registry.py", b"Name = 1\n\0\0\0");
        }
    };
    says(zeros(asks), &["AC209"], &[]);
    says(zeros(late), &[], &["AC209"]);
    // Shorter, in the middle of a line that Python takes.
    says(changed(asks, b"class Name:\n    pas"), &[], &["AC209"]);
}

/// A module that is gone stops what imports it.
#[test]
fn modules_that_an_import_needs() {
    let listed = |site: &Path, import: &str| {
        let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
        let record = std::fs::read_to_string(info.join("RECORD")).expect("read");
        put(
            &info,
            "RECORD",
            format!("{record}tvm_ffi/registry.py,sha256=x,1\n"),
        );
        put(site, "tvm_ffi/__init__.py", import);
    };
    says(
        |site| listed(site, "from .registry import get"),
        &["AC209"],
        &[],
    );
    says(
        |site| listed(site, "if TYPE_CHECKING:\n    from .registry import get"),
        &[],
        &["AC209"],
    );
}

/// A library of another processor in the place of tvm-ffi's.
#[test]
fn a_library_for_another_machine_is_not_loaded() {
    let other = |site: &Path| {
        let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
        let record = std::fs::read_to_string(info.join("RECORD")).expect("read");
        let arm = std::fs::read(corpus("tvm-0.27/embedding-cpu-aarch64.so")).expect("the corpus");
        let size = arm.len();
        put(
            &info,
            "RECORD",
            format!("{record}tvm_ffi/lib/libtvm_ffi.so,sha256=x,{size}\n"),
        );
        put(site, "tvm_ffi/lib/libtvm_ffi.so", arm);
    };
    says(other, &["AC209"], &[]);
    let same = |site: &Path| {
        other(site);
        let own = std::fs::read(corpus(MODEL)).expect("the corpus");
        let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
        let record = std::fs::read_to_string(info.join("RECORD")).expect("read");
        let lines = record
            .lines()
            .filter(|line| !line.contains("libtvm_ffi.so"));
        let record: Vec<&str> = lines.collect();
        let record = format!(
            "{}\ntvm_ffi/lib/libtvm_ffi.so,sha256=x,{}\n",
            record.join("\n"),
            own.len()
        );
        put(&info, "RECORD", record);
        put(site, "tvm_ffi/lib/libtvm_ffi.so", own);
    };
    says(same, &[], &[]);
}

/// What an archive does not hold to its end is not missing in the environment.
#[test]
fn a_cut_archive_lacks_nothing() {
    let root = folder();
    environment(root.path());
    for archive in packed(root.path()) {
        let whole = std::fs::read(&archive).expect("read");
        let cut = &whole[..whole.len() * 2 / 3];
        std::fs::write(&archive, cut).expect("written");
        let (report, status) = scan([&archive]);
        let errors = rules(&report, &["error", "warning"]);
        assert!(!errors.contains(&"AC209".into()), "{archive:?}: {report}");
        assert_ne!(status, 0, "{archive:?}: {report}");
        std::fs::remove_file(archive).expect("removed");
    }
}
