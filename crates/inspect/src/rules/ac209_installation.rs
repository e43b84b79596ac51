//! AC209 installation: a Python package whose files are not those that it brought, or that
//! another Python is needed for.

use super::python_refuses::{Said, failing, unloadable};
use super::{Check, FolderContext, Outcome, Rule};
use crate::finding::{Finding, Severity};
use crate::limits::MAX_FINDINGS;
use crate::parts::stem;
use crate::place::Place;
use crate::runtime::installation::{self, Changed, Installation, Replaced, Unmet};
use crate::runtime::load_set::LoadSet;
use crate::runtime::release;

pub(super) static RULE: Rule = Rule {
    code: "AC209",
    name: "installation",
    severity: Severity::Error,
    summary: "an installed Python package lacks files or packages that it needs, or is for another Python",
    explain: include_str!("ac209_installation.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::LoadSet(check_set), Check::Folder(check_others)];

fn check_set(load_set: &LoadSet, out: &mut Outcome) {
    let name = environment(load_set.environment.as_ref(), &load_set.name);
    let runtime = load_set.profile.identity.as_deref();
    for installation in &load_set.installations {
        let is_all = load_set.machine.is_some();
        check(installation, Some(&name), runtime, is_all, out);
    }
}

/// Packages around files that are in no load set.
fn check_others(context: &FolderContext<'_>, out: &mut Outcome) {
    for installation in context.installations {
        check(installation, None, None, context.machine.is_some(), out);
    }
}

fn environment(environment: Option<&Place>, name: &str) -> String {
    environment.map_or_else(|| name.to_owned(), Place::to_string)
}

/// `known` is the release that the runtime's code is of, `is_all` whether what is not
/// among the files is nowhere.
fn check(
    installation: &Installation,
    runtime: Option<&str>,
    known: Option<&str>,
    is_all: bool,
    out: &mut Outcome,
) {
    let package = &installation.package;
    let place = &installation.place;
    if let Some(why) = &installation.not_read {
        let why = format!("{why}: whether an import of {package} works is not known");
        out.over_limit_of(&RULE, place, why);
    }
    let open = |one: &&Unmet| one.may_be_elsewhere && !is_all;
    if let Some(one) = installation.unmet.iter().find(open) {
        let why = format!(
            "{package} needs {}, which is not in its folder: whether the Python that imports it has that is not known",
            one.name
        );
        out.undecided_of(&RULE, place, why);
    }
    let mut add = |said: Said| {
        let mut finding = Finding::new(&RULE, &installation.place, said.message)
            .severity(said.severity)
            .says_known(said.says)
            .help(said.help);
        if let Some(runtime) = runtime {
            finding = finding.on(runtime);
        }
        for line in said.evidence {
            finding = finding.evidence(line);
        }
        out.push(finding);
    };
    if let Some(line) = &installation.start {
        return add(failing(line));
    }
    let again = || again(installation);
    missing(installation, again(), &mut add);
    changed(installation, again(), &mut add);
    replaced(installation, known, again(), &mut add);
    unloadable(installation, &again(), &mut add);
    requirements(installation, is_all, &mut add);
}

/// How to get the package whole.
fn again(installation: &Installation) -> String {
    if installation.is_frozen {
        return String::from(
            "build the application again, with all that the package has: `pyinstaller --collect-all tvm_ffi ...`",
        );
    }
    if installation.is_packed() {
        return String::from("build the wheel again, or download it again");
    }
    // Of what is not listed the version is not known either.
    match installation.package.split_once(' ') {
        Some((name, version)) => installation::install_again(name, Some(version)),
        None => installation::install_again(&installation.package, None),
    }
}

/// Files that are gone. An import fails without some; others may never be asked for.
fn missing(installation: &Installation, again: String, add: &mut impl FnMut(Said)) {
    let package = &installation.package;
    let missing = &installation.missing;
    let vital = installation.vital.as_ref();
    let doubtful = installation.doubtful.as_ref();
    let Some(first) = vital.or(doubtful).or(missing.first()) else {
        return;
    };
    let others = missing.iter().filter(|file| *file != first);
    let files = [first].into_iter().chain(others);
    let mut evidence: Vec<String> = files
        .take(MAX_FINDINGS)
        .map(|file| format!("not there: {file}"))
        .collect();
    if missing.len() > evidence.len() {
        evidence.push(format!("{} files in all", missing.len()));
    }
    let (severity, consequence) = match (vital, doubtful) {
        (Some(_), _) => (Severity::Error, None),
        (None, Some(_)) => (
            Severity::Warning,
            Some(
                "no import that is known to run asks for it; whether importing the package needs it is not decided",
            ),
        ),
        (None, None) => (
            Severity::Info,
            Some("only tests, models for that device, or imports that are tried ask for it"),
        ),
    };
    evidence.extend(consequence.map(str::to_owned));
    let fails = installation.fails.as_ref();
    let how = match installation.is_packed() {
        true => "comes",
        false => "is installed",
    };
    add(Said {
        severity,
        message: match missing.len() {
            1 => format!("{package} {how} without its `{first}`"),
            _ => format!("{package} {how} without `{first}` and other files of its own"),
        },
        evidence,
        says: fails
            .filter(|_| vital.is_some())
            .map(|(_, says)| says.clone()),
        help: again,
    });
}

/// Python files that are not those that the package brought: what no Python takes, what an
/// import fails for, and what is edited and runs.
fn changed(installation: &Installation, again: String, add: &mut impl FnMut(Said)) {
    let package = &installation.package;
    let changed = &installation.changed;
    let Some(first) = changed.first() else {
        return;
    };
    let lines = changed.iter().map(|one| {
        let Replaced {
            file,
            recorded,
            found,
        } = &one.file;
        if let Some(hidden) = &one.hides {
            return format!("{file} hides {hidden}: Python takes it for the module");
        }
        match found == recorded {
            true if *found == 0 => format!("{file}: no bytes"),
            true => format!("{file}: {found} bytes, as RECORD says"),
            false => format!("{file}: {found} bytes, {recorded} by RECORD"),
        }
    });
    let mut evidence: Vec<String> = lines.take(MAX_FINDINGS).collect();
    let others = changed.iter().skip(1);
    let others = others.filter_map(|one| Some((&one.file.file, one.says.as_ref()?)));
    evidence.extend(
        others
            .take(MAX_FINDINGS)
            .map(|(file, says)| format!("{file}: {says}")),
    );
    // Where files are gone too, that import fails for them.
    let fails = installation.fails.as_ref();
    let fails = fails.filter(|_| installation.vital.is_none());
    let (severity, message) = weighed(first, package, fails.is_some());
    let says = match (&first.says, fails) {
        (Some(says), _) => Some(says.clone()),
        (None, Some((file, says))) => {
            evidence.push(format!("importing {file}: {says}"));
            Some(says.clone())
        }
        (None, None) => None,
    };
    add(Said {
        severity,
        message,
        evidence,
        says,
        help: again,
    });
}

/// How bad a changed file is; `fails` if an import fails for it.
fn weighed(first: &Changed, package: &str, fails: bool) -> (Severity, String) {
    let name = &first.file.file;
    let hidden = first.hides.as_ref().filter(|_| first.says.is_none());
    if let Some(hidden) = hidden {
        let message = format!("`{name}` hides `{hidden}` of {package}");
        return match fails {
            true => (
                Severity::Error,
                format!("{message}, and lacks what an import asks for"),
            ),
            false => (Severity::Info, message),
        };
    }
    match first {
        _ if first.is_fatal() && first.says.is_some() => (
            Severity::Error,
            format!("`{name}` of {package} is damaged: Python cannot parse it"),
        ),
        _ if first.is_fatal() => (
            Severity::Error,
            format!("`{name}` of {package} is empty, and importing the package reads it"),
        ),
        _ if fails && first.file.found == first.file.recorded => (
            Severity::Error,
            format!("`{name}` of {package} lacks what an import asks for"),
        ),
        _ if fails => (
            Severity::Error,
            format!("`{name}` is not the file that {package} brought, and importing it fails"),
        ),
        _ if first.says.is_some() => (
            Severity::Warning,
            format!("`{name}` of {package} is damaged; what imports it fails"),
        ),
        _ if first.is_cut => (
            Severity::Warning,
            format!("`{name}` of {package} ends earlier than it did, in the middle of a line"),
        ),
        _ => (
            Severity::Info,
            format!(
                "`{name}` is not the file that {package} brought: it was edited, or is of another release"
            ),
        ),
    }
}

fn sizes(one: &Replaced) -> String {
    let (recorded, found) = (one.recorded, one.found);
    format!("{}: {found} bytes, {recorded} by RECORD", one.file)
}

/// What is there instead of a library is judged for itself, and by what Python asks of it.
fn replaced(
    installation: &Installation,
    known: Option<&str>,
    again: String,
    add: &mut impl FnMut(Said),
) {
    let registers =
        |key: &str, file: &str| format!("{file} registers the type `{key}`, which no library has");
    let types = installation.types.iter();
    let types: Vec<String> = types.map(|(key, file)| registers(key, file)).collect();
    let package = &installation.package;
    let lacks = installation.types.first();
    let says = lacks.map(|(key, _)| format!("ValueError: Cannot find object type index for {key}"));
    let Some(first) = installation.replaced.first() else {
        // Its Python is of another release than its libraries.
        if let Some((key, file)) = lacks {
            add(Said {
                severity: Severity::Error,
                message: format!(
                    "`{file}` of {package} registers the type `{key}`, which no library has"
                ),
                evidence: types,
                says,
                help: again,
            });
        }
        return;
    };
    let named = installation.replaced.iter().take(MAX_FINDINGS);
    let mut evidence: Vec<String> = named.map(sizes).collect();
    let message = format!("`{}` is not the file that {package} brought", first.file);
    evidence.extend(types);
    let is_runtime = |one: &Replaced| stem(&one.file) == "tvm_runtime";
    let version = package.rsplit(' ').next().and_then(release::by_name);
    let other = known.filter(|known| {
        installation.replaced.iter().any(is_runtime)
            && version.is_some_and(|version| version.name != *known)
    });
    let (severity, message) = match (lacks, other) {
        (Some((key, _)), _) => (
            Severity::Error,
            format!("{message}, and lacks the type `{key}`"),
        ),
        (None, Some(other)) => (
            Severity::Warning,
            format!("{message}: it is that of {other}"),
        ),
        // Stripped, or with another run path: what is there was read and judged.
        (None, None) => (
            Severity::Info,
            format!("{message}; what is there was judged instead"),
        ),
    };
    add(Said {
        severity,
        message,
        evidence,
        says,
        help: again,
    });
}

/// Packages that it asks for: one finding for those that an import fails without, one for
/// the others.
fn requirements(installation: &Installation, is_all: bool, add: &mut impl FnMut(Said)) {
    let both = [true, false].map(|is_asked| unmet(installation, is_asked, is_all));
    both.into_iter().flatten().for_each(add);
}

/// Those that an import fails without, or the others.
fn unmet(installation: &Installation, is_asked: bool, is_all: bool) -> Option<Said> {
    let package = &installation.package;
    let unmet = installation.unmet.iter();
    let unmet: Vec<&Unmet> = unmet
        .filter(|one| one.fails.is_some() == is_asked)
        .collect();
    let first = unmet.first()?;
    let name = |one: &&Unmet| format!("{}{}", one.name, one.specification);
    let quoted = |one: &&Unmet| format!("'{}'", name(one));
    let names: Vec<String> = unmet.iter().map(quoted).collect();
    let lacking = unmet.iter().filter(|one| one.installed.is_none());
    let lacking: Vec<&str> = lacking.map(|one| one.name.as_str()).collect();
    let verb = if is_asked { "needs" } else { "asks for" };
    let other = |one: &Unmet, installed: &str| {
        let wanted = format!("{}{}", one.name, one.specification);
        format!("{verb} {wanted}, but {installed} is installed")
    };
    let message = match (lacking.as_slice(), &first.installed) {
        ([], Some(installed)) => format!("{package} {}", other(first, installed)),
        ([one], _) => format!("{package} {verb} a package that is not installed: {one}"),
        _ => format!(
            "{package} {verb} packages that are not installed: {}",
            lacking.join(", ")
        ),
    };
    let mut evidence = Vec::new();
    for one in &unmet {
        if let Some(installed) = &one.installed
            && !(lacking.is_empty() && one == first)
        {
            evidence.push(other(one, installed));
        }
        if let Some((file, says)) = &one.fails {
            evidence.push(format!("importing {file}: {says}"));
        }
    }
    let mut elsewhere = unmet.iter().map(|one| one.may_be_elsewhere && !is_all);
    let is_open = elsewhere.all(|is_elsewhere| is_elsewhere);
    if is_open {
        evidence.push(String::from(
            "the folder is none of a Python's own: the one that imports it may have them",
        ));
    }
    if !is_asked {
        evidence.push(String::from(match first.installed {
            None => "no import that is known to run asks for a module of that name; code that uses it fails",
            Some(_) => "no import that is known to run asks for a name that it lacks; code that asks for one fails",
        }));
    }
    Some(Said {
        severity: match is_asked && !is_open {
            true => Severity::Error,
            false => Severity::Warning,
        },
        message,
        evidence,
        says: first.fails.as_ref().map(|(_, says)| says.clone()),
        help: match installation.is_frozen {
            true => format!(
                "build the application again with `--hidden-import {}`",
                first.name
            ),
            false => format!("pip install {}", names.join(" ")),
        },
    })
}
