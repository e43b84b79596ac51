//! AC209 installation: a Python package whose files are not those that it brought, or that
//! another Python is needed for.

use super::{Check, FolderContext, Outcome, Rule};
use crate::finding::{Finding, Severity};
use crate::place::Place;
use crate::runtime::installation::Installation;
use crate::runtime::load_set::LoadSet;

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

fn check(installation: &Installation, runtime: Option<&str>, out: &mut Outcome) {
    let package = &installation.package;
    let mut add = |severity, message: String, evidence: Vec<String>, help: String| {
        let mut finding = Finding::new(&RULE, &installation.place, message)
            .severity(severity)
            .help(help);
        if let Some(runtime) = runtime {
            finding = finding.on(runtime);
        }
        for line in evidence {
            finding = finding.evidence(line);
        }
        out.push(finding);
    };
    let again = || {
        let pinned = package.replacen(' ', "==", 1);
        format!("pip install --force-reinstall --no-deps '{pinned}'")
    };
    let missing = &installation.missing;
    if let Some(first) = installation.vital().or(missing.first().map(String::as_str)) {
        let evidence = missing.iter().map(|file| format!("not there: {file}"));
        add(
            match installation.vital() {
                Some(_) => Severity::Error,
                None => Severity::Warning,
            },
            match missing.len() {
                1 => format!("{package} is installed without its `{first}`"),
                _ => format!("{package} is installed without `{first}` and other files of its own"),
            },
            evidence.collect(),
            again(),
        );
    }
    let replaced = &installation.replaced;
    if let Some(first) = replaced.first() {
        let evidence = replaced.iter().map(|one| {
            let (recorded, found) = (one.recorded, one.found);
            format!("{}: {found} bytes, {recorded} by RECORD", one.file)
        });
        add(
            // What is there instead is judged for itself.
            Severity::Warning,
            format!("`{}` is not the file that {package} brought", first.file),
            evidence.collect(),
            again(),
        );
    }
    if let Some((tag, python)) = &installation.wrong_python {
        add(
            Severity::Error,
            format!("{package} is built for another Python than {python}"),
            vec![format!("the tag of its wheel is {tag}")],
            format!("install it with the pip of Python {python}, which takes the wheel for it"),
        );
    }
    let lacking = &installation.lacking;
    if !lacking.is_empty() {
        let names = lacking.join(" ");
        add(
            Severity::Error,
            format!(
                "{package} needs packages that are not installed: {}",
                lacking.join(", ")
            ),
            Vec::new(),
            format!("pip install {names}"),
        );
    }
}
