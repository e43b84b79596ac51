//! Applies a policy to a report: severities, ignores, and what the ignores
//! themselves have to answer for.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use artcheck_inspect::Severity;
use artcheck_inspect::rules;
use artcheck_inspect::source::{Place, Spelled as _};
use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::config::{Config, Ignore};
use crate::report::fingerprint;
use crate::report::model::{Finding, Report, Suppression, SuppressionKind};

/// Applies `config` to a report made in `base`. `partial` when only a share of
/// the files was looked at: then an ignore without a match says nothing.
pub fn apply(
    config: &Config,
    report: &mut Report,
    base: &Path,
    partial: bool,
) -> anyhow::Result<()> {
    let today = chrono::Utc::now().date_naive();
    let mut used = vec![false; config.ignores.len()];
    let mut kept = Vec::new();
    for mut finding in std::mem::take(&mut report.findings) {
        match accepting(config, &finding, base, today, &mut used)? {
            Some(ignore) => {
                finding.suppression = Some(Suppression {
                    kind: SuppressionKind::Ignore,
                    reason: ignore.reason.clone(),
                });
                report.suppressed.push(finding);
            }
            None => kept.push(finding),
        }
    }
    let mut stale = stale(config, &used, base, today, partial);
    fingerprint::assign(&mut stale);
    kept.extend(stale);
    report.findings = kept
        .into_iter()
        .filter_map(|finding| graded(config, finding))
        .collect();
    report.count();
    Ok(())
}

/// The finding at the severity the policy gives its rule, or nothing.
fn graded(config: &Config, mut finding: Finding) -> Option<Finding> {
    if let Some(severity) = config.severities.get(finding.rule.as_str()) {
        finding.severity = (*severity)?;
    }
    Some(finding)
}

/// The ignore that accepts a finding. Expired ones are noted as used, so that
/// they are reported as expired and not as unmatched.
fn accepting<'a>(
    config: &'a Config,
    finding: &Finding,
    base: &Path,
    today: NaiveDate,
    used: &mut [bool],
) -> anyhow::Result<Option<&'a Ignore>> {
    let place = finding.place.as_ref().map(Place::path);
    let file = base.join(place.unwrap_or(Path::new(finding.file.as_str())));
    let file = std::path::absolute(&file).unwrap_or(file);
    let relative = file.strip_prefix(config.folder()).unwrap_or(&file);
    let mut accepted = None;
    for (ignore, used) in config.ignores.iter().zip(used) {
        if ignore.rule.code != finding.rule || !is_match(&ignore.path, relative) {
            continue;
        }
        if let Some(wanted) = &ignore.sha256
            && digest(&file)? != *wanted
        {
            continue;
        }
        *used = true;
        if !is_expired(ignore, today) {
            accepted = accepted.or(Some(ignore));
        }
    }
    Ok(accepted)
}

/// Whether the glob is one of the path; `*` ends at a folder.
fn is_match(glob: &str, path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    if cfg!(windows) {
        let path: Vec<u8> = path
            .iter()
            .map(|&b| if b == b'\\' { b'/' } else { b })
            .collect();
        return fast_glob::glob_match(glob, path);
    }
    fast_glob::glob_match(glob, path)
}

fn is_expired(ignore: &Ignore, today: NaiveDate) -> bool {
    ignore.expires.is_some_and(|last| last < today)
}

fn digest(file: &Path) -> anyhow::Result<String> {
    let name = || file.spelled();
    let mut hasher = Sha256::new();
    let mut handle = File::open(file).with_context(name)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = handle.read(&mut buffer).with_context(name)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hex::encode(hasher.finalize()))
}

fn stale(
    config: &Config,
    used: &[bool],
    base: &Path,
    today: NaiveDate,
    partial: bool,
) -> Vec<Finding> {
    let rule = rules::STALE_IGNORE;
    let file = Place::file(config.file.as_path());
    let mut findings = Vec::new();
    for (ignore, used) in config.ignores.iter().zip(used) {
        let what = format!("the ignore of {} for `{}`", ignore.rule.code, ignore.path);
        let finding = match ignore.expires.filter(|_| is_expired(ignore, today)) {
            Some(last) => {
                artcheck_inspect::Finding::new(rule, &file, format!("{what} expired on {last}"))
                    .help("fix what it hid, or give it a new reason and date")
            }
            None if *used || partial => continue,
            None => {
                artcheck_inspect::Finding::new(rule, &file, format!("{what} matches no finding"))
                    .severity(Severity::Warning)
                    .help("delete it, or correct its rule, path or sha256")
            }
        };
        let finding = finding.evidence(format!("its reason: {}", ignore.reason));
        findings.push(Finding::of(&finding, base));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_held_against_the_path_below_the_policy() {
        for (glob, path, is_in) in [
            ("dist/legacy/**/*.dylib", "dist/legacy/a/b/c.dylib", true),
            ("dist/legacy/**/*.dylib", "dist/legacy/c.dylib", true),
            ("dist/*.so", "dist/a.so", true),
            ("dist/*.so", "dist/a/b.so", false),
            ("*.so", "dist/a.so", false),
            ("**/*.{so,dll}", "dist/a/b.dll", true),
            ("dist/a?.so", "dist/ab.so", true),
            ("dist/[ab].so", "dist/c.so", false),
        ] {
            assert_eq!(is_match(glob, Path::new(path)), is_in, "{glob} {path}");
        }
    }
}
