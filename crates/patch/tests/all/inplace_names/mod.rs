//! Changes around the program: signatures, names and run paths of real linked
//! files, names in configurations. Judged by other readers: zig's linker,
//! readelf, llvm-objdump, LIEF, the dynamic loader.

mod configurations;
mod elf;
mod fixes;
mod macho;
mod signatures;

use crate::common;
use std::path::Path;
use std::process::Command;

use artcheck_patch::inplace::{self, EditPlan, NameChange, Named, Output, PlanError, Resign};

/// `zig cc` for a target, in a folder.
fn zig_cc(folder: &Path, target: &str, args: &[&str]) {
    let mut zig = Command::new(common::part("venv/tools/bin/python"));
    zig.args(["-m", "ziglang", "cc", "-target", target])
        .args(args)
        .current_dir(folder);
    common::succeed(&mut zig);
}

/// Two libraries that name each other by the folder they were built in.
fn write_sources(folder: &Path) {
    for (name, text) in [
        ("dep.c", "int TVMFFIDep(void) { return 7; }\n"),
        (
            "use.c",
            "int TVMFFIDep(void);\nint TVMFFIUse(void) { return TVMFFIDep() + 1; }\n",
        ),
    ] {
        std::fs::write(folder.join(name), text).expect("a source");
    }
}

/// Carries a plan out on the disk and takes it back; gives what was there between.
#[track_caller]
fn there_and_back(file: &Path, plan: &EditPlan) -> Vec<u8> {
    let before = std::fs::read(file).expect("the file");
    let in_place = Output::InPlace {
        break_hard_link: false,
    };
    inplace::apply(file, plan, &in_place).expect("applied");
    let between = std::fs::read(file).expect("the file");
    inplace::unpatch(file, false).expect("restored");
    assert!(std::fs::read(file).expect("the file") == before);
    std::fs::write(file, &between).expect("the file");
    between
}

fn named(what: Named, from: &str, to: &str) -> NameChange {
    NameChange {
        number: 0,
        what,
        from: from.to_owned(),
        to: to.to_owned(),
    }
}
