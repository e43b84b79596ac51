//! The run paths half of AC205: libraries that are there, or may be, and that no run path of
//! a file, or of what it loads, leads to.

use std::path::{Path, PathBuf};

use super::{Binding, Outcome, Rule};
use crate::artifact::Role;
use crate::container::{Binary, BinaryKind, Format};
use crate::finding::{Finding, Need, Severity};
use crate::limits::MAX_FINDINGS;
use crate::parts::{comes_with_a_runtime, stem};
use crate::place::Place;
use crate::runtime::dependencies::RefusedFile;
use crate::runtime::distribution::environment;
use crate::runtime::file_found::{FileFound, look};
use crate::runtime::libraries::{self, LEVELS, is_family};
use crate::runtime::load_set::LoadSet;
use crate::runtime::{applications, messages, system};
use crate::source::is_copy;

pub(super) fn check(
    rule: &'static Rule,
    binding: &Binding<'_>,
    binary: &Binary,
    out: &mut Outcome,
) {
    own(rule, binding, binary, out);
    of_application(rule, binding, binary, out);
    of_others(rule, binding, binary, out);
    by_processor(rule, binding, binary, out);
    by_word(binding, binary, out);
}

/// Libraries to which a run path leads by the word that some systems have for `$LIB`.
fn by_word(binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    let needed = binary
        .needed
        .iter()
        .filter(|_| binary.format == Format::Elf);
    for needed in needed.filter(|one| !one.name.contains('/') && !system::is_base(&one.name)) {
        let Some((word, leading)) = libraries::by_word(place, binary, &needed.name) else {
            continue;
        };
        // glibc's own library is in the folder that the word is.
        let own = binding.machine;
        let own = own.and_then(|machine| machine.find("libc.so.6", std::iter::empty()));
        let own = own.as_deref().and_then(Path::parent);
        if own.is_some_and(|own| leading.iter().any(|one| own.ends_with(one))) {
            continue;
        }
        out.need(Need {
            library: format!("{} where the loader looks", needed.name),
            brought_by: format!(
                "a system whose word for `${word}` is {}",
                leading.join(" or ")
            ),
        });
    }
}

/// Libraries of which another is taken on some processors: glibc looks in `glibc-hwcaps`
/// below each folder first.
fn by_processor(rule: &'static Rule, binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    // Python has loaded those of its environment by their paths.
    let is_of_python = environment(place).is_some();
    let needed = binary.needed.iter().filter(|_| !place.is_member());
    for needed in needed.filter(|one| !system::is_base(&one.name)) {
        let name = &needed.name;
        if is_family(name) && is_of_python {
            continue;
        }
        let places = libraries::candidates(place, binary, name);
        let files = places.iter().flat_map(|place| {
            let levels = libraries::of_levels(place, binary).into_iter();
            levels.chain([place.path().to_owned()])
        });
        let mut files = files.filter(|file| file.is_file());
        let level_of = |file: &Path| {
            let level = file.parent()?.file_name()?.to_str()?;
            LEVELS.into_iter().find(|one| *one == level)
        };
        let Some(first) = files.next() else { continue };
        let Some(level) = level_of(&first) else {
            continue;
        };
        // Those that are taken on other processors, the last on any.
        let others = files.scan(true, |goes_on, file| {
            let is_next = std::mem::replace(goes_on, level_of(&file).is_some());
            is_next.then_some(file)
        });
        let others: Vec<PathBuf> = others.collect();
        let is_for_any = |file: &PathBuf| level_of(file).is_none();
        let are_copies = others.iter().all(|other| is_copy(&first, other));
        let last = others.last().unwrap_or(&first);
        if are_copies && !is_for_any(last) {
            // Each is the same, and older processors have none.
            let level = level_of(last).unwrap_or(level);
            out.need(Need {
                library: format!("a processor of the level {level}"),
                brought_by: format!("the machine: on others `{name}` is not found"),
            });
        } else if !are_copies {
            let file = Place::file(&first);
            out.undecided(
                rule,
                format!("on processors of {level} or later the loader takes {file} for `{name}`, on others it looks on: which it is depends on the machine"),
            );
        }
    }
}

/// What the system's loader says of a library that it does not find, for a program or for what
/// that opens.
pub(super) fn not_found(needed: &str, format: Format, is_program: bool) -> Option<String> {
    let key = match (format, is_program) {
        (Format::Pe, true) => "program-without-library",
        _ => "library-not-found",
    };
    messages::of_system(key, format, &[("library", needed)])
}

/// The file that is there for a library, for another processor or none at all, and what it is.
pub(super) fn instead(
    place: &Place,
    binary: &Binary,
    needed: &str,
) -> Option<(Place, &'static str)> {
    let places = libraries::candidates(place, binary, needed).into_iter();
    let mut files = places.filter(|one| !one.is_member() && one.path().is_file());
    files.find_map(|file| match look(file.path(), binary) {
        FileFound::Library => None,
        FileFound::Nothing => Some((file, "is for another processor")),
        FileFound::Refused(_) => Some((file, "is no library")),
    })
}

/// Libraries of TVM's that a client names and that its run path does not lead to. In an
/// environment its package loads them before; those of a runtime from elsewhere, and what
/// `--with` names, the user does.
fn own(rule: &'static Rule, binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    let is_beside = |set: &LoadSet| place.is_below(&set.home);
    let is_told = match binary.format {
        Format::Elf | Format::MachO => true,
        // Which program loads a library, and so where it is looked for, must be known.
        Format::Pe => binary.process.is_some(),
        _ => false,
    };
    // What a program of an application for a Mac or a phone loads is in the application.
    let around = environment(place);
    let is_application = around.as_ref().is_some_and(|around| {
        let is_program = binary.format == Format::MachO && binary.kind == BinaryKind::Program;
        is_program && around.raw_name().ends_with(b".app")
    });
    let is_client = binding.artifact.role == Role::Client;
    if is_client && binary.format == Format::Pe && !is_told {
        absent(binding, binary, out);
    }
    let is_meant =
        is_client && is_told && !place.is_member() && (around.is_none() || is_application);
    if !is_meant {
        return;
    }
    let family = binary
        .needed
        .iter()
        .filter(|needed| is_family(&needed.name));
    for needed in family.filter(|needed| !needed.optional) {
        let name = &needed.name;
        let is_there = binding.load_set.is_some_and(|set| has(set, name));
        let is_elsewhere = binding.load_set.is_some_and(|set| !is_beside(set));
        let mut companions = binding.companions.iter();
        let is_with = companions.any(|one| is_called(&one.path, name, binary.format));
        // Nothing comes before a program but what the user names, and on a machine that is all
        // there is nothing at all.
        let is_program = binary.kind == BinaryKind::Program;
        let is_first = is_program && (binding.machine.is_some() || !is_with);
        if is_elsewhere && (is_there || is_with) && !is_first {
            continue;
        }
        let places = libraries::candidates(place, binary, name);
        let mut levels = places
            .iter()
            .flat_map(|one| libraries::of_levels(one, binary));
        // What the loader ends at is told with the process.
        let found = binding.known.first(&places, binary, |_| true);
        if !matches!(found, Ok(None)) || levels.any(|file| file.is_file()) {
            continue;
        }
        let machine = binding.machine;
        let recorded = places.iter().map(Place::path);
        if machine.is_some_and(|machine| machine.find(name, recorded).is_some()) {
            continue;
        }
        // A machine that is all there is starts its programs with no variable set; who else
        // loads a library may have loaded the other before.
        let is_loaded = is_program || binary.process.is_some();
        let is_inside = |one: &Place| around.as_ref().is_some_and(|around| one.is_below(around));
        let is_all = is_application && !places.is_empty() && places.iter().all(is_inside);
        let from_start = libraries::from_start(binary, name);
        let severity = match (machine, is_loaded || !is_there) {
            _ if is_all => Severity::Error,
            _ if from_start.is_some() => Severity::Info,
            (Some(_), true) => Severity::Error,
            (Some(_), false) => Severity::Warning,
            (None, _) => Severity::Info,
        };
        if severity == Severity::Info {
            out.need(from_start.map_or_else(|| where_looked(name), |path| started_in(name, path)));
        }
        let finding = unfound(name, place, binary, places, rule);
        out.push(finding.severity(severity).on(&binding.runtime.name));
    }
}

/// DLLs of TVM's that a client names and that are neither beside it nor in its set, where no
/// program says in which folders it is looked for.
fn absent(binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    let set = binding.load_set.filter(|_| !comes_with_a_runtime(place));
    let Some(set) = set else { return };
    let family = binary.needed.iter().filter(|one| is_family(&one.name));
    for needed in family.filter(|one| !one.optional) {
        let name = &needed.name;
        let mut companions = binding.companions.iter();
        let is_with = companions.any(|one| is_called(&one.path, name, binary.format));
        let mut places = libraries::candidates(place, binary, name).into_iter();
        let is_beside = places.any(|one| !one.is_member() && one.path().is_file());
        if !(has(set, name) || is_with || is_beside) {
            out.need(where_looked(name));
        }
    }
}

/// Libraries of TVM's that a library in an application for Android names: they are beside it,
/// or nowhere.
fn of_application(rule: &'static Rule, binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    let abi = applications::abi(place).filter(|_| applications::is_of_android(place));
    let is_elsewhere = binding
        .load_set
        .is_some_and(|set| !place.is_below(&set.home));
    let (Some(abi), false) = (abi, is_elsewhere) else {
        return;
    };
    let is_here = |name: &str| {
        let mut members = binding.load_set.iter().flat_map(|set| &set.members);
        members.any(|member| {
            member.path.folder().as_ref() == Some(&abi.folder) && member.path.name() == name
        })
    };
    let needed = binary.needed.iter().filter(|one| is_family(&one.name));
    for needed in needed.filter(|one| !one.optional && !is_here(&one.name)) {
        let name = &needed.name;
        let says = messages::of_system("not-in-application", Format::Elf, &[("library", name)]);
        let message = format!("`{name}` is needed and is not in {}", abi.folder);
        let finding = Finding::new(rule, place, message).on(&binding.runtime.name);
        out.push(
            finding
                .says_known(says)
                .help("put that library for the same ABI into the application"),
        );
    }
}

/// A library that no run path leads to, and where it was looked for.
fn unfound(
    name: &str,
    place: &Place,
    binary: &Binary,
    places: Vec<Place>,
    rule: &'static Rule,
) -> Finding {
    let message = match &binary.process {
        _ if binary.format == Format::Pe => {
            format!("`{name}` is not in the folder of the program that loads it")
        }
        Some(process) if binary.kind != BinaryKind::Program => format!(
            "no run path leads to `{name}` where {} loads it",
            Place::file(&process.program)
        ),
        _ => format!("no run path of it leads to `{name}`"),
    };
    let mut finding = Finding::new(rule, place, message)
        .says_known(not_found(name, binary.format, is_of_program(binary)))
        .help(match binary.format {
            Format::Pe => PUT_BESIDE,
            _ => "link it with a run path that does (`-Wl,-rpath,'$ORIGIN'`, on macOS `@loader_path`), or set LD_LIBRARY_PATH or DYLD_LIBRARY_PATH",
        });
    for place in places.into_iter().take(MAX_FINDINGS) {
        finding = finding.evidence(format!("looked for {place}"));
    }
    finding
}

/// A file that has the name of a library and is none, where the loader comes to it first.
pub(super) fn refused(
    rule: &'static Rule,
    place: &Place,
    refused: &RefusedFile,
    format: Format,
) -> Finding {
    let (name, file) = (&refused.name, &refused.file);
    let asking = match *place == refused.asking {
        true => String::from("it"),
        false => format!("{}, which it loads,", refused.asking),
    };
    let what = match refused.message {
        "other-machine" => "is for another processor",
        _ => "is no library",
    };
    let message = format!("the file that the loader finds for `{name}` {what}");
    let says = messages::of_system(refused.message, format, &[("file", &file.to_string())]);
    let why = match format {
        Format::Pe => "Windows goes by the name, and looks into the file when it has found it",
        _ => "the loader passes over files for other processors, and over nothing else",
    };
    Finding::new(rule, place, message)
        .says(says.unwrap_or_else(|| format!("{file}: {}", refused.message)))
        .evidence(format!("{asking} asks for `{name}`, and {file} is the first of that name"))
        .evidence(why)
        .help("take that file away, or put the folder of the library before its folder in the run path")
}

/// Whether a set has a library of this name.
fn has(set: &LoadSet, name: &str) -> bool {
    let mut members = set.members.iter();
    members.any(|member| is_called(&member.path, name, member.binary.format))
}

/// Whether a file is the library of a name; on Windows names have no case.
fn is_called(file: &Place, name: &str, format: Format) -> bool {
    let file = file.name();
    match format {
        Format::Pe => stem(&file).eq_ignore_ascii_case(stem(name)),
        _ => stem(&file) == stem(name),
    }
}

/// What a program needs of libraries that it loads and that do not find what they ask for:
/// the run path of a program is not theirs where it is `DT_RUNPATH`.
fn of_others(rule: &'static Rule, binding: &Binding<'_>, binary: &Binary, out: &mut Outcome) {
    let place = &binding.artifact.path;
    let Some(process) = &binary.process else {
        return;
    };
    for one in process.refused.iter().take(MAX_FINDINGS) {
        let one = RefusedFile {
            asking: Place::file(&one.asking),
            name: one.name.clone(),
            file: Place::file(&one.file),
            message: one.message,
        };
        out.push(refused(rule, place, &one, binary.format).on(&binding.runtime.name));
    }
    let machine = binding.machine;
    let is_others = |asking: &Path| asking != place.path();
    let lacking = process.lacking.iter();
    for (asking, name) in lacking
        .filter(|(asking, _)| is_others(asking))
        .take(MAX_FINDINGS)
    {
        if machine.is_some_and(|machine| machine.find(name, std::iter::empty()).is_some()) {
            continue;
        }
        if machine.is_none() {
            out.need(where_looked(name));
        }
        let asking = Place::file(asking);
        let finding = Finding::new(
            rule,
            place,
            format!("{asking}, which it loads, does not find `{name}`"),
        )
        .severity(match machine {
            Some(_) => Severity::Error,
            None => Severity::Info,
        })
        .on(&binding.runtime.name)
        .says_known(not_found(name, binary.format, is_of_program(binary)));
        let [why, help] = match binary.format {
            Format::Pe => [
                "Windows looks in the program's folder for what a library needs, not in that of the library",
                PUT_BESIDE,
            ],
            _ => NOT_PASSED_ON,
        };
        out.push(finding.evidence(why).help(help));
    }
}

/// Whether a file is loaded when its program starts.
fn is_of_program(binary: &Binary) -> bool {
    binary.kind == BinaryKind::Program || binary.process.is_some()
}

/// Why a library does not find what the run path of its program leads to, and what to do.
pub(super) const NOT_PASSED_ON: [&str; 2] = [
    "a run path is passed on to libraries where it is DT_RPATH, and not where it is DT_RUNPATH",
    "give that library a run path of its own (`patchelf --set-rpath '$ORIGIN' FILE`), or link the program with `-Wl,--disable-new-dtags`",
];
const PUT_BESIDE: &str = "put the library beside the program, or add its folder to PATH";

/// A library that a run path leads to from the folder in which a process is started.
pub(super) fn started_in(name: &str, path: &str) -> Need {
    Need {
        library: format!("{name} in `{path}` of the folder that it is started in"),
        brought_by: String::from("whoever starts it: its run path is relative"),
    }
}

/// A library that is there, and not where the loader looks.
pub(super) fn where_looked(name: &str) -> Need {
    Need {
        library: format!("{name} where the loader looks"),
        brought_by: String::from("a run path, or the loader's own variable"),
    }
}
