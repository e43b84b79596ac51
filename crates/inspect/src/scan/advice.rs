//! Which runtime a library needs, where none was named: the newest that runs it, and
//! what of it can still be had.

use super::judge::snapshots_that_run;
use super::verdict::{RuntimeSource, Verdict, VerdictStatus};
use crate::artifact::{Artifact, Role};
use crate::container::{Format, Platform};
use crate::runtime::history::{self, Window};
use crate::runtime::{RuntimeProfile, glue, release};

/// The newest known runtime that runs all libraries of a file, by name; where none does
/// on every machine, the newest that does on one that has what it needs.
pub fn newest(verdicts: &[Verdict]) -> Option<&str> {
    let published = || {
        verdicts
            .iter()
            .filter(|verdict| verdict.source == RuntimeSource::Release)
    };
    let newest = |is_meant: fn(&Verdict) -> bool| {
        let runs = |name: &&str| {
            let mut on = published().filter(|verdict| verdict.runtime == *name);
            on.all(is_meant)
        };
        let names = published().map(|verdict| verdict.runtime.as_str());
        names.filter(runs).max_by_key(|name| history::place(name))
    };
    newest(|verdict| verdict.status == VerdictStatus::Fits).or_else(|| newest(Verdict::may_run))
}

/// The runtime to take for a file that was held against all that are known.
pub fn needs(artifact: &Artifact, verdicts: &[Verdict]) -> Option<String> {
    if artifact.role != Role::ModelLibrary {
        return None;
    }
    if let Some(newest) = newest(verdicts) {
        return Some(match newest.strip_prefix(glue::ENGINE) {
            Some(version) => format!(
                "{newest}, the newest that loads it: `npm install @mlc-ai/web-llm@{version}`"
            ),
            None => of_release(release::by_name(newest)?, artifact),
        });
    }
    let is_wasm = artifact
        .binary
        .as_ref()
        .is_some_and(|binary| binary.format == Format::Wasm);
    let mut published = verdicts
        .iter()
        .filter(|one| one.source == RuntimeSource::Release);
    let all_break = published
        .clone()
        .all(|one| one.status == VerdictStatus::Breaks);
    if published.next().is_none() || !all_break {
        return None;
    }
    if is_wasm {
        return Some(String::from(
            "a web-llm that artcheck does not know: no published one loads it",
        ));
    }
    let snapshots = snapshots_that_run(artifact);
    Some(match Window::of(&snapshots) {
        Some(window) => of_snapshots(&snapshots, window),
        None => String::from(
            "a TVM that artcheck does not know: no release and no known snapshot runs it",
        ),
    })
}

/// A release, and where it is to be had.
fn of_release(known: &RuntimeProfile, artifact: &Artifact) -> String {
    let name = &known.name;
    let number = known.release.as_deref().unwrap_or_default();
    let platform = artifact.binary.as_ref().map(|binary| binary.platform);
    // Wheels are for desktop systems.
    let has_wheel = matches!(
        platform,
        Some(Platform::Linux | Platform::MacOs | Platform::Windows)
    );
    match &known.wheel {
        Some(wheel) if has_wheel => {
            format!("{name}, the newest that runs it: `pip install apache-tvm=={wheel}`")
        }
        _ => format!(
            "{name}, the newest that runs it: build it from the tag v{number}.0 of apache/tvm{}",
            if has_wheel { ", it has no wheel" } else { "" }
        ),
    }
}

/// Snapshots, who built them, and where they are to be had.
fn of_snapshots(snapshots: &[&RuntimeProfile], window: Window) -> String {
    let mut text = format!("a TVM snapshot of {window}");
    let mut builds = snapshots.iter().flat_map(|known| &known.mlc_llm);
    match (builds.next(), builds.next_back()) {
        (Some(first), Some(last)) => {
            text.push_str(&format!(", as mlc-llm {first} to {last} builds it"));
        }
        (Some(only), None) => text.push_str(&format!(", as mlc-llm {only} builds it")),
        _ => {}
    }
    text.push_str("; it has no wheel");
    if let Some(commit) = snapshots.last().and_then(|known| known.commit.as_deref()) {
        text.push_str(&format!(", and its sources are apache/tvm {commit}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(runtime: &str, status: VerdictStatus) -> Verdict {
        Verdict {
            prefix: None,
            runtime: runtime.to_owned(),
            source: RuntimeSource::Release,
            status,
            rules: Vec::new(),
            undecided: Vec::new(),
            needs: Vec::new(),
            runs_with: None,
        }
    }

    #[test]
    fn the_newest_that_runs_every_library_of_a_file_is_named() {
        use VerdictStatus::{Breaks, Fits, Undecided};
        let verdicts = [
            verdict("tvm-0.16", Fits),
            verdict("tvm-0.17", Fits),
            verdict("tvm-0.18", Fits),
            verdict("tvm-0.18", Breaks),
            verdict("tvm-0.19", Undecided),
        ];
        assert_eq!(newest(&verdicts), Some("tvm-0.17"));
        assert_eq!(newest(&verdicts[3..]), None);
        let one = verdict("tvm-0.18", VerdictStatus::FitsIf);
        assert_eq!(newest(std::slice::from_ref(&one)), Some("tvm-0.18"));
        assert_eq!(newest(&[one, verdict("tvm-0.17", Fits)]), Some("tvm-0.17"));
        let mut given = verdict("tvm-0.17", Fits);
        given.source = RuntimeSource::Given;
        assert_eq!(newest(&[given]), None);
    }

    #[test]
    fn what_can_be_had_of_a_runtime_is_said() {
        let at = |name| release::by_name(name).expect("in the table");
        let one = at("snapshot-2024-03-16");
        let window = Window::of(&[one]).expect("a window");
        assert_eq!(
            of_snapshots(&[one], window),
            "a TVM snapshot of 2024-03-16 to 2024-03-29, as mlc-llm cc363242 (2024-03-21) to \
             34497eae (2024-03-28) builds it; it has no wheel, and its sources are apache/tvm \
             b8f64c21c5"
        );
        let two = [at("snapshot-2024-03-03"), at("snapshot-2024-03-06")];
        let window = Window::of(&two).expect("a window");
        assert!(!of_snapshots(&two, window).contains("mlc-llm"));
    }
}
