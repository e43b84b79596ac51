//! The start of a program, which AC205 tells of too: the loader that it names, the folders of
//! the system that its loader does without, and the permission to run it.

use std::path::Path;

use super::run_paths::not_found;
use super::{Binding, Outcome, Rule};
use crate::container::{Binary, BinaryKind, CLibrary, Format};
use crate::finding::{Finding, Need, Severity};
use crate::place::Place;
use crate::runtime::{libraries, messages, system};

/// Folders in which systems keep their loader.
const FOLDERS: [&str; 6] = [
    "/lib",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib64",
    "/system/bin",
];
/// How the names of loaders begin.
const LOADERS: [&str; 5] = ["ld-linux", "ld-musl-", "ld.so.", "ld64.so.", "linker"];

pub(super) fn check(
    rule: &'static Rule,
    binding: &Binding<'_>,
    binary: &Binary,
    out: &mut Outcome,
) {
    if binary.format == Format::Elf && binary.kind == BinaryKind::Program {
        loader(rule, binding, binary, out);
        folders(rule, binding, binary, out);
        permission(&binding.artifact.path, out);
    }
}

/// The loader that the kernel starts for a program.
fn loader(rule: &'static Rule, binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let Some(path) = &binary.interpreter else {
        return;
    };
    let machine = binding.machine;
    let of_musl = |(library, _): (CLibrary, &str)| library == CLibrary::Musl;
    let is_for_musl = binary.c_library().map_or(is_of_musl(path), of_musl);
    let is_there = match machine.filter(|machine| machine.has_root()) {
        Some(machine) => machine.find("", [Path::new(path)].into_iter()).is_some(),
        None => is_usual(path) && (is_of_musl(path) == is_for_musl),
    };
    if is_there {
        return;
    }
    let place = &binding.artifact.path;
    if machine.is_none() {
        out.need(Need {
            library: path.clone(),
            brought_by: String::from("the machine: it is the loader that the program names"),
        });
    }
    let finding = Finding::new(
        rule,
        place,
        format!("the program names a loader that is not there: `{path}`"),
    )
    .severity(match machine {
        Some(_) => Severity::Error,
        None => Severity::Info,
    });
    out.push(
        finding
            .on(&binding.runtime.name)
            .says_known(messages::of_system("no-loader", binary.format, &[]))
            .help("link it for the system that it runs on, or set the loader of that: `patchelf --set-interpreter LOADER FILE`"),
    );
}

fn is_usual(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    FOLDERS.contains(&folder) && LOADERS.iter().any(|start| name.starts_with(start))
}

fn is_of_musl(loader: &str) -> bool {
    loader.contains("/ld-musl-")
}

/// Libraries of the system, of a program whose loader does not look in the system's folders.
fn folders(rule: &'static Rule, binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    let mut base = binary.needed.iter().map(|needed| &needed.name);
    let lost = base.find(|name| {
        let places = libraries::candidates(place, binary, name);
        let found = binding.known.first(&places, binary, |_| true);
        system::is_base(name) && matches!(found, Ok(None))
    });
    let Some(name) = lost.filter(|_| binary.without_system) else {
        return;
    };
    if binding.machine.is_none() {
        out.need(Need {
            library: format!("{name} where the loader looks"),
            brought_by: String::from("LD_LIBRARY_PATH: it does not look in the system's folders"),
        });
    }
    let finding = Finding::new(
        rule,
        place,
        format!("no run path of it leads to `{name}`, and its loader looks nowhere else"),
    );
    let finding = finding.severity(match binding.machine {
        Some(_) => Severity::Error,
        None => Severity::Info,
    });
    out.push(
        finding
            .on(&binding.runtime.name)
            .says_known(not_found(name, binary.format, true))
            .evidence("it is linked with `-z nodefaultlib`")
            .help("link it without `-z nodefaultlib`"),
    );
}

/// The permission to execute it, which copies and archives lose.
fn permission(place: &Place, out: &mut Outcome) {
    if place.is_member() || may_be_executed(place.path()) {
        return;
    }
    out.need(Need {
        library: String::from("the permission to execute it"),
        brought_by: String::from("`chmod +x`: without it shells say `Permission denied`"),
    });
}

#[cfg(unix)]
fn may_be_executed(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let what = file.metadata();
    what.is_ok_and(|what| what.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn may_be_executed(_file: &Path) -> bool {
    true
}
