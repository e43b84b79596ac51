//! The runtimes that an artifact is held against: those given, or else found, or else
//! every release; and for wasm libraries the JavaScript around them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::options::{GivenRuntime, ScanOptions};
use super::verdict::RuntimeSource;
use crate::artifact::{Artifact, Role};
use crate::container::Format;
use crate::finding::{Need, Outcome, Severity, Undecided};
use crate::parts::PartKind;
use crate::place::Place;
use crate::rule::Rule;
use crate::rules;
use crate::runtime::RuntimeProfile;
use crate::runtime::glue::{self, Glue};
use crate::runtime::grouping::{self, Joined};
use crate::runtime::installation::Brings;
use crate::runtime::libraries::{self, Resolution};
use crate::runtime::load_set::LoadSet;
use crate::runtime::machine::Machine;
use crate::runtime::member::Member;
use crate::runtime::release;

/// A runtime to hold artifacts against.
pub(super) struct Candidate<'a> {
    pub(super) profile: &'a RuntimeProfile,
    pub(super) load_set: Option<&'a LoadSet>,
    pub(super) source: RuntimeSource,
    /// The machine that is all there is, where the scan claims that.
    pub(super) machine: Option<&'a Machine>,
}

/// The runtimes that there are.
pub(super) struct Runtimes<'a> {
    given: &'a [GivenRuntime],
    /// Functions that the application registers, whatever the runtime.
    pub(super) provides: &'a BTreeSet<String>,
    /// Found load sets that run models.
    found: Vec<&'a LoadSet>,
    /// Those that are no wasm library's own.
    native: Vec<&'a LoadSet>,
    /// Load sets of tvm-ffi alone: they run what asks for nothing else.
    ffi: Vec<&'a LoadSet>,
    /// The load set inside each wasm library.
    pub(super) wasm: HashMap<&'a Place, Vec<&'a LoadSet>>,
    /// JavaScript packages among the files.
    pages: &'a [(String, Glue)],
    /// What is wrong with runtimes themselves, by name.
    pub(super) faults: HashMap<&'a str, Fault>,
    /// Rules by which files are refused whatever the runtime.
    pub(super) refused: &'a HashMap<Place, Vec<&'static Rule>>,
    /// Folders of packages that bring a runtime beside others of their environment.
    apart: HashSet<&'a Place>,
    /// Folders that are one environment with another.
    joined: &'a Joined,
    /// Parts of load sets by where the loader finds them, and the sets of each.
    parts: libraries::Members,
    sets_of: Vec<Vec<&'a LoadSet>>,
    /// The machine that is all there is.
    machine: Option<&'a Machine>,
}

impl<'a> Runtimes<'a> {
    /// Those found, and those given, which go before.
    pub(super) fn of(
        load_sets: &'a [LoadSet],
        pages: &'a [(String, Glue)],
        joined: &'a Joined,
        options: &'a ScanOptions,
        faults: HashMap<&'a str, Fault>,
        refused: &'a HashMap<Place, Vec<&'static Rule>>,
    ) -> Self {
        let (mut found, mut native) = (Vec::new(), Vec::new());
        let mut wasm: HashMap<&Place, Vec<&LoadSet>> = HashMap::new();
        for load_set in load_sets.iter().filter(|set| set.holds_vm_runtime()) {
            found.push(load_set);
            let is_wasm = |member: &&Member| member.binary.format == Format::Wasm;
            for member in load_set.members.iter().filter(is_wasm) {
                wasm.entry(&member.path).or_default().push(load_set);
            }
            if !load_set.members.iter().all(|member| is_wasm(&member)) {
                native.push(load_set);
            }
        }
        let in_package = |set: &&LoadSet| {
            let environment = set.environment.as_ref();
            environment.is_some_and(|environment| set.home != *environment)
        };
        let apart = load_sets.iter().filter(in_package);
        let mut parts: BTreeMap<&Place, (Option<&str>, Vec<&LoadSet>)> = BTreeMap::new();
        for load_set in load_sets {
            for member in &load_set.members {
                let identity = member.binary.identity.as_deref();
                let part = parts.entry(&member.path).or_insert((identity, Vec::new()));
                part.1.push(load_set);
            }
        }
        Self {
            given: &options.runtimes,
            provides: &options.provides,
            found,
            native,
            ffi: load_sets
                .iter()
                .filter(|set| set.has(&PartKind::Ffi) && !set.holds_vm_runtime())
                .collect(),
            wasm,
            pages,
            faults,
            refused,
            apart: apart.map(|set| &set.home).collect(),
            joined,
            parts: libraries::Members::of(parts.iter().map(|(place, part)| (*place, part.0))),
            sets_of: parts.into_values().map(|part| part.1).collect(),
            machine: options.machine.as_deref(),
        }
    }

    /// The load sets whose parts the loader finds for a file by its own run paths.
    pub(super) fn led_to(&self, artifact: &Artifact) -> Vec<&'a LoadSet> {
        let Some(binary) = artifact.binary.as_deref() else {
            return Vec::new();
        };
        let resolved = binary.needed.iter().filter_map(|needed| {
            match libraries::resolve(&artifact.path, binary, &needed.name, &self.parts) {
                Resolution::OnPath { member } => self.sets_of.get(member),
                _ => None,
            }
        });
        let mut resolved = resolved.map(Vec::as_slice);
        let Some(first) = resolved.next() else {
            return Vec::new();
        };
        let mut sets = first.to_vec();
        for others in resolved {
            let is_in = |set: &&LoadSet| others.iter().any(|other| std::ptr::eq(*other, *set));
            if sets.iter().any(is_in) {
                sets.retain(is_in);
            }
        }
        sets
    }

    /// The JavaScript that wasm libraries meet: given, found, or published.
    pub(super) fn pages(&self) -> (Vec<(&'a str, &'a Glue)>, RuntimeSource) {
        let profiles = self.given.iter().map(|runtime| &runtime.profile);
        let given = profiles.filter_map(|page| Some((page.name.as_str(), page.glue.as_deref()?)));
        let given: Vec<_> = given.collect();
        if !given.is_empty() {
            return (given, RuntimeSource::Given);
        }
        if !self.pages.is_empty() {
            let found = self.pages.iter().map(|(name, glue)| (name.as_str(), glue));
            return (found.collect(), RuntimeSource::Found);
        }
        (published_pages().collect(), RuntimeSource::Release)
    }

    /// The environment that a file lies in, or in it the package that brings a
    /// runtime of its own. What lies there runs there.
    pub(super) fn home(&self, artifact: &Artifact) -> Option<Place> {
        let mut around = artifact.path.folders();
        let joined = around.find_map(|folder| self.joined.get(&folder).cloned());
        let is_joined = joined.is_some();
        let environment = joined.or_else(|| grouping::environment(&artifact.path))?;
        let mut folders = artifact.path.folders();
        let home = folders.find(|folder| *folder == environment || self.apart.contains(folder));
        home.or_else(|| is_joined.then_some(environment))
    }

    fn machine_of(&self, load_set: Option<&'a LoadSet>) -> Option<&'a Machine> {
        let own = load_set.and_then(|set| set.machine.as_deref());
        own.or(self.machine)
    }

    pub(super) fn candidates(&self, artifact: &Artifact) -> Vec<Candidate<'a>> {
        let is_wasm = has_format(artifact, Format::Wasm);
        // A wasm library runs on the runtime inside it and on no other; outside is only
        // JavaScript. One without a runtime may be linked with any.
        let own = self.wasm.get(&artifact.path).filter(|_| is_wasm);
        let is_outside =
            |runtime: &&GivenRuntime| !is_wasm || (own.is_none() && runtime.profile.glue.is_none());
        if self.given.iter().any(|runtime| is_outside(&runtime)) {
            let given = self
                .given
                .iter()
                .filter(is_outside)
                .map(|runtime| Candidate {
                    profile: &runtime.profile,
                    load_set: runtime.load_set.as_ref(),
                    source: RuntimeSource::Given,
                    machine: self.machine_of(runtime.load_set.as_ref()),
                });
            return given.collect();
        }
        let found = |load_set: &'a LoadSet| Candidate {
            profile: &load_set.profile,
            load_set: Some(load_set),
            source: RuntimeSource::Found,
            machine: self.machine_of(Some(load_set)),
        };
        if is_wasm {
            let own = own.into_iter().flatten();
            return own.map(|load_set| found(load_set)).collect();
        }
        let led_to = self.led_to(artifact).into_iter();
        let runs = |set: &&LoadSet| {
            set.fits(artifact) && (set.holds_vm_runtime() || asks_for_ffi_alone(artifact))
        };
        let led_to: Vec<Candidate<'a>> = led_to.filter(runs).map(found).collect();
        if !led_to.is_empty() {
            return led_to;
        }
        // A bare executable does not say where it runs.
        let is_bare = has_format(artifact, Format::VmExecutable);
        let sets = if is_bare { &self.found } else { &self.native };
        let home = self.home(artifact);
        let is_home = |set: &&&LoadSet| {
            let is = |home: &Place| set.home == *home || set.environment.as_ref() == Some(home);
            home.as_ref().is_none_or(is)
        };
        let fitting = sets.iter().filter(is_home).filter(|set| set.fits(artifact));
        let fitting: Vec<Candidate<'a>> = fitting.map(|load_set| found(load_set)).collect();
        if !fitting.is_empty() {
            return fitting;
        }
        if asks_for_ffi_alone(artifact) {
            let is_around = |set: &&&LoadSet| {
                let folder = set.environment.as_ref().unwrap_or(&set.home);
                set.fits(artifact) && artifact.path.is_below(folder)
            };
            let around: Vec<&&LoadSet> = self.ffi.iter().filter(is_around).collect();
            if !around.is_empty() {
                return around.into_iter().map(|set| found(set)).collect();
            }
        }
        let releases = release::releases().iter().map(|profile| Candidate {
            profile,
            load_set: None,
            source: RuntimeSource::Release,
            machine: self.machine,
        });
        releases.collect()
    }
}

/// Every published version of the engine that wasm libraries are made for.
fn published_pages() -> impl Iterator<Item = (&'static str, &'static Glue)> {
    let rows = glue::packages().iter();
    let pages = rows.flat_map(|row| row.packages.iter().map(|name| (name.as_str(), &row.glue)));
    pages.filter(|(name, _)| name.starts_with(glue::ENGINE))
}

/// Why nothing runs on a runtime, or not on every machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// The rules by which the loader refuses its own libraries.
    pub(super) rules: Vec<&'static Rule>,
    /// Those by which it refuses tvm-ffi's, without which nothing loads.
    of_ffi: Vec<&'static Rule>,
    /// What they need of the machine.
    pub(super) needs: Vec<Need>,
    /// What tvm-ffi's need of it.
    ffi_needs: Vec<Need>,
    /// What could not be decided on them.
    pub(super) undecided: Vec<Undecided>,
    /// Whether the library that runs models could not be read: what it offers is not known.
    of_vm: bool,
}

impl Fault {
    /// `own` are the errors in the scan's files themselves, by file. A version that is
    /// not the one asked for (AC207) may still load.
    pub(super) fn of(
        set: &LoadSet,
        outcome: &Outcome,
        own: &HashMap<Place, Vec<&'static Rule>>,
    ) -> Self {
        // A package that uses TVM's may not be whole where those are.
        let installations = |brings: &[Brings]| -> BTreeSet<&Place> {
            let all = set.installations.iter();
            let meant = all.filter(|one| brings.contains(&one.brings));
            meant.map(|one| &one.place).collect()
        };
        let errors_of = |is_meant: &dyn Fn(&PartKind) -> bool, brings: &[Brings]| {
            let mut places = installations(brings);
            let members = set.members.iter();
            let members = members.filter(|member| is_meant(&member.kind));
            places.extend(members.map(|member| &member.path));
            let unread = set.unread.iter().filter(|unread| is_meant(&unread.kind));
            places.extend(unread.map(|unread| &unread.place));
            let findings = outcome.findings.iter().filter(|finding| {
                finding.severity == Severity::Error
                    && finding.rule != rules::FFI_PAIR
                    && places.contains(&finding.artifact)
            });
            let mut rules: BTreeSet<&'static Rule> = findings.map(|finding| finding.rule).collect();
            let own = places.iter().filter_map(|place| own.get(*place));
            rules.extend(own.flatten());
            rules.into_iter().collect::<Vec<&'static Rule>>()
        };
        // `import tvm` loads the compiler too, where it is there.
        let in_python = set.environment.is_some();
        let is_loaded =
            |kind: &PartKind| kind.is_core() || (in_python && *kind == PartKind::Compiler);
        Self {
            rules: errors_of(&is_loaded, &[Brings::Runtime, Brings::Ffi]),
            of_ffi: errors_of(&|kind| *kind == PartKind::Ffi, &[Brings::Ffi]),
            ffi_needs: ffi_needs(set, &outcome.needs),
            needs: outcome.needs.clone(),
            undecided: outcome.undecided.clone(),
            of_vm: !set.holds_vm_runtime() && set.unread.iter().any(|unread| unread.kind.has_vm()),
        }
    }

    /// Whether all that can be said of an artifact is that its runtime is not read.
    pub(super) fn is_all(&self, artifact: &Artifact) -> bool {
        self.of_vm && !asks_for_ffi_alone(artifact)
    }

    /// What of it stops an artifact: a client of tvm-ffi alone needs no runtime.
    pub(super) fn against(&self, artifact: &Artifact) -> (&[&'static Rule], &[Need]) {
        match asks_for_ffi_alone(artifact) {
            true => (&self.of_ffi, &self.ffi_needs),
            false => (&self.rules, &self.needs),
        }
    }
}

/// What of it tvm-ffi's own library asks for.
fn ffi_needs(set: &LoadSet, needs: &[Need]) -> Vec<Need> {
    let members = set.members.iter();
    let ffi = members.filter(|member| member.kind == PartKind::Ffi);
    let asked: BTreeSet<&str> = ffi
        .flat_map(|member| &member.binary.needed)
        .map(|needed| needed.name.as_str())
        .collect();
    let needs = needs.iter();
    let needs = needs.filter(|need| asked.contains(need.library.as_str()));
    needs.cloned().collect()
}

/// Whether a client uses tvm-ffi and nothing else of TVM's.
fn asks_for_ffi_alone(artifact: &Artifact) -> bool {
    let is_of_ffi = |name: &str| {
        name.starts_with("TVMFFI") || name.contains("3tvm3ffi") || name.contains("@ffi@tvm@@")
    };
    let undefined = artifact.binary.iter().flat_map(|binary| &binary.undefined);
    artifact.role == Role::Client
        && undefined.clone().next().is_some()
        && undefined.clone().all(|symbol| is_of_ffi(&symbol.name))
}

pub(super) fn has_format(artifact: &Artifact, format: Format) -> bool {
    let binary = artifact.binary.as_ref();
    binary.is_some_and(|binary| binary.format == format)
}
