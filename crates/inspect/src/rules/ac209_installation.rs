//! AC209 installation: a Python package whose files are not those that it brought, or that
//! another Python is needed for.

use super::{Check, FolderContext, Outcome, Rule};
use crate::container::Format;
use crate::finding::{Finding, Severity};
use crate::limits::MAX_FINDINGS;
use crate::place::Place;
use crate::runtime::installation::{Installation, Unmet};
use crate::runtime::load_set::LoadSet;
use crate::runtime::messages;

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
    for installation in &load_set.installations {
        check(installation, Some(&name), out);
    }
}

/// Packages around files that are in no load set.
fn check_others(context: &FolderContext<'_>, out: &mut Outcome) {
    for installation in context.installations {
        check(installation, None, out);
    }
}

fn environment(environment: Option<&Place>, name: &str) -> String {
    environment.map_or_else(|| name.to_owned(), Place::to_string)
}

/// One finding.
struct Said {
    severity: Severity,
    message: String,
    evidence: Vec<String>,
    /// What Python says.
    says: Option<String>,
    help: String,
}

fn check(installation: &Installation, runtime: Option<&str>, out: &mut Outcome) {
    let package = &installation.package;
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
    let again = || {
        let pinned = package.replacen(' ', "==", 1);
        format!("pip install --force-reinstall --no-deps '{pinned}'")
    };
    let missing = &installation.missing;
    let vital = installation.vital.as_ref();
    if let Some(first) = vital.or(missing.first()) {
        let others = missing.iter().filter(|file| *file != first);
        let files = [first].into_iter().chain(others);
        let mut evidence: Vec<String> = files
            .take(MAX_FINDINGS)
            .map(|file| format!("not there: {file}"))
            .collect();
        if missing.len() > evidence.len() {
            evidence.push(format!("{} files in all", missing.len()));
        }
        add(Said {
            severity: match vital {
                Some(_) => Severity::Error,
                None => Severity::Warning,
            },
            message: match missing.len() {
                1 => format!("{package} is installed without its `{first}`"),
                _ => format!("{package} is installed without `{first}` and other files of its own"),
            },
            evidence,
            says: None,
            help: again(),
        });
    }
    replaced(installation, again(), &mut add);
    if let Some((file, machine)) = &installation.other_machine {
        add(Said {
            severity: Severity::Error,
            message: format!(
                "`{file}` is for another machine than {package}, which is for {machine}"
            ),
            evidence: Vec::new(),
            says: None,
            help: again(),
        });
    }
    if let Some((file, name)) = &installation.unlinked {
        let words = messages::of_system("library-not-found", Format::Elf, &[("library", name)]);
        add(Said {
            severity: Severity::Error,
            message: format!(
                "`{file}` of {package} does not find `{name}`: its run path does not lead there"
            ),
            evidence: Vec::new(),
            says: words.map(|words| format!("ImportError: {words}")),
            help: again(),
        });
    }
    if let Some((tag, python)) = &installation.wrong_python {
        add(Said {
            severity: Severity::Error,
            message: format!("{package} is built for another Python than {python}"),
            evidence: vec![format!("the tag of its wheel is {tag}")],
            says: None,
            help: format!(
                "install it with the pip of Python {python}, which takes the wheel for it"
            ),
        });
    }
    requirements(installation, &mut add);
}

/// What is there instead of a file is judged for itself, and by what Python asks of it.
fn replaced(installation: &Installation, again: String, add: &mut impl FnMut(Said)) {
    let Some(first) = installation.replaced.first() else {
        return;
    };
    let package = &installation.package;
    let evidence = installation.replaced.iter().map(|one| {
        let (recorded, found) = (one.recorded, one.found);
        format!("{}: {found} bytes, {recorded} by RECORD", one.file)
    });
    let mut evidence: Vec<String> = evidence.collect();
    let message = format!("`{}` is not the file that {package} brought", first.file);
    let types = installation.types.iter();
    evidence.extend(
        types.map(|(key, file)| format!("{file} registers the type `{key}`, which no library has")),
    );
    let first = installation.types.first();
    add(Said {
        severity: match first {
            Some(_) => Severity::Error,
            None => Severity::Warning,
        },
        message: match first {
            Some((key, _)) => format!("{message}, and lacks the type `{key}`"),
            None => message,
        },
        evidence,
        says: first.map(|(key, _)| format!("ValueError: Cannot find object type index for {key}")),
        help: again,
    });
}

/// Packages that it asks for: one finding for those that an import fails without, one for
/// the others.
fn requirements(installation: &Installation, add: &mut impl FnMut(Said)) {
    let package = &installation.package;
    for is_asked in [true, false] {
        let unmet = installation.unmet.iter();
        let unmet: Vec<&Unmet> = unmet
            .filter(|one| one.fails.is_some() == is_asked)
            .collect();
        let Some(first) = unmet.first() else { continue };
        let name = |one: &&Unmet| format!("{}{}", one.name, one.specification);
        let quoted = |one: &&Unmet| format!("'{}'", name(one));
        let names: Vec<String> = unmet.iter().map(quoted).collect();
        let lacking = unmet.iter().filter(|one| one.installed.is_none());
        let lacking: Vec<&str> = lacking.map(|one| one.name.as_str()).collect();
        let other = unmet.iter().find(|one| one.installed.is_some());
        let message = match (other, &first.installed) {
            (_, None) => {
                let verb = if is_asked { "needs" } else { "asks for" };
                let what = match lacking.len() {
                    1 => "a package that is not installed",
                    _ => "packages that are not installed",
                };
                format!("{package} {verb} {what}: {}", lacking.join(", "))
            }
            (_, Some(installed)) => {
                format!(
                    "{package} asks for {}, {installed} is installed",
                    name(first)
                )
            }
        };
        let mut evidence = Vec::new();
        for one in &unmet {
            if let (Some(installed), true) = (&one.installed, *one != *first) {
                evidence.push(format!("asks for {}, {installed} is installed", name(one)));
            }
            if let Some((file, says)) = &one.fails {
                evidence.push(format!("importing {file}: {says}"));
            }
        }
        if !is_asked {
            evidence.push(String::from(
                "the imports that run whatever happens do not ask for it",
            ));
        }
        add(Said {
            severity: match is_asked {
                true => Severity::Error,
                false => Severity::Warning,
            },
            message,
            evidence,
            says: first.fails.as_ref().map(|(_, says)| says.clone()),
            help: format!("pip install {}", names.join(" ")),
        });
    }
}
