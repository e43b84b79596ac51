//! Wasm libraries: the runtime inside them, and the JavaScript around them.

use super::candidates::Runtimes;
use super::verdict::{Judged, RuntimeSource, VerdictStatus, conclude};
use crate::artifact::Artifact;
use crate::finding::Outcome;
use crate::rules::{self, Page, Subject};
use crate::runtime::glue::Glue;

/// A wasm library runs on the runtime inside it, in a page with JavaScript that may not
/// fit: that of the packages given or found, or else of every published web-llm.
pub(super) fn in_pages(
    artifact: &Artifact,
    own: Vec<Judged>,
    runtimes: &Runtimes<'_>,
) -> Vec<Judged> {
    let inside = runtimes
        .wasm
        .get(&artifact.path)
        .and_then(|sets| sets.first());
    let (pages, source) = runtimes.pages();
    let may_run = |judged: &Judged| judged.verdict.status != VerdictStatus::Breaks;
    if source == RuntimeSource::Release && (inside.is_none() || !own.iter().all(may_run)) {
        return own;
    }
    let libraries = artifact
        .libraries
        .iter()
        .filter(|library| library.blob.is_ok());
    let judged = libraries.flat_map(|library| {
        let is_same = |one: &&Judged| one.verdict.prefix == library.prefix;
        let own: Vec<&Judged> = own.iter().filter(is_same).collect();
        let on_page = move |(package, glue): &(&str, &Glue)| {
            let page = Page {
                artifact,
                library,
                runtime: inside.map(|set| &set.profile),
                package,
                glue,
            };
            on_page(&page, &own, source)
        };
        pages.iter().map(on_page).collect::<Vec<_>>()
    });
    let judged: Vec<Judged> = judged.collect();
    match source {
        RuntimeSource::Given if !judged.is_empty() => judged,
        _ => own.into_iter().chain(judged).collect(),
    }
}

/// What the page says, and what the runtime inside the library says.
fn on_page(page: &Page<'_>, own: &[&Judged], source: RuntimeSource) -> Judged {
    let mut outcome = Outcome::default();
    rules::ask(&Subject::Page(*page), &mut outcome);
    for one in own {
        let again = one
            .findings
            .iter()
            .map(|finding| finding.clone().on(page.package));
        outcome.findings.extend(again);
        outcome
            .undecided
            .extend(one.verdict.undecided.iter().cloned());
        outcome.needs.extend(one.verdict.needs.iter().cloned());
    }
    let judged = conclude(page.library.prefix.clone(), page.package, source, outcome);
    // A library may be older than every published package: that none takes it is no fault.
    let is_published = source == RuntimeSource::Release;
    Judged {
        findings: if is_published {
            Vec::new()
        } else {
            judged.findings
        },
        ..judged
    }
}
