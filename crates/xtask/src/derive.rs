//! What changed since the base, fact by fact, and what no library shows.

use std::collections::{BTreeMap, BTreeSet};

use artcheck_inspect::runtime::PartKind;
use artcheck_inspect::runtime::{FactView, RowForm, RuntimeProfile, binary};
use serde_json::{Map, Value};

use super::ask;
use super::wheels::{self, Wheels};
use super::written::Written;

/// One key of the entry.
pub enum Change {
    /// `key = value`.
    Value {
        key: &'static str,
        value: Value,
        evidence: String,
    },
    /// `[profile.key]` with `add` and `remove`.
    Names {
        key: &'static str,
        add: BTreeSet<String>,
        remove: BTreeSet<String>,
        evidence: String,
    },
    /// `[profile.key]` with entries.
    Entries {
        key: &'static str,
        entries: Map<String, Value>,
        evidence: String,
    },
    /// A key to fill in, with what it inherits.
    Asked { key: String, inherited: Value },
}

/// An entry, and what is left to a person.
#[derive(Default)]
pub struct Derived {
    pub changes: Vec<Change>,
    /// Names that only come with a part, and the part.
    pub parts: BTreeMap<String, String>,
    /// Strings that look like registered names and could not be asked for.
    pub undecided: BTreeMap<String, String>,
    pub asked: Vec<String>,
    pub notes: Vec<String>,
}

/// Compares what the wheels and the written libraries show with the base.
pub fn derive(
    wheels: &Wheels,
    written: &Written,
    base: &RuntimeProfile,
) -> anyhow::Result<Derived> {
    let mut derived = Derived::default();
    let read: BTreeMap<&str, Vec<FactView>> = wheels
        .platforms
        .iter()
        .map(|(platform, members)| {
            let parts: Vec<(PartKind, &RuntimeProfile)> = members
                .iter()
                .filter(|member| member.kind != PartKind::Compiler)
                .map(|member| (member.kind.clone(), &member.profile))
                .collect();
            (platform.as_str(), binary::join(platform, &parts).facts())
        })
        .collect();
    for fact in base.facts() {
        let mut seen = Seen::default();
        for (platform, facts) in &read {
            for own in facts.iter().filter(|own| own.key == fact.key) {
                if !own.value.is_null() {
                    seen.add(
                        &own.value,
                        platform,
                        own.note.as_deref().unwrap_or_default(),
                    );
                }
            }
        }
        for (value, file) in written.get(fact.key).into_iter().flatten() {
            seen.add(value, file, "");
        }
        let seen = seen.told();
        match fact.key {
            "functions" | "loaders" => {}
            "ffi_version" => derived.replaced(&fact, from_package(wheels)),
            _ => match fact.form {
                RowForm::Replaced => derived.replaced(&fact, seen),
                RowForm::Names => derived.names(&fact, seen),
                RowForm::Entries => derived.entries(&fact, seen),
            },
        }
    }
    loaders(wheels, base, &mut derived);
    functions(wheels, base, &mut derived)?;
    Ok(derived)
}

/// Values of one fact: where they were read, and by what.
#[derive(Default)]
struct Seen(Vec<(Value, Noted)>);

/// Notes, each with those who have it.
type Noted = Vec<(String, Vec<String>)>;

impl Seen {
    fn add(&mut self, value: &Value, by: &str, note: &str) {
        let known = self.0.iter().position(|(known, _)| known == value);
        let at = known.unwrap_or_else(|| {
            self.0.push((value.clone(), Noted::new()));
            self.0.len() - 1
        });
        let notes = &mut self.0[at].1;
        match notes.iter_mut().find(|(known, _)| known == note) {
            Some((_, all)) => all.push(by.to_owned()),
            None => notes.push((note.to_owned(), vec![by.to_owned()])),
        }
    }

    /// Each value with its evidence, what is the same everywhere said once.
    fn told(self) -> Vec<(Value, String)> {
        let values = self.0.into_iter();
        let told = |(note, by): (String, Vec<String>)| match note.as_str() {
            "" => by.join(", "),
            note => format!("{} ({note})", by.join(", ")),
        };
        let all = values.map(|(value, notes)| {
            let notes: Vec<String> = notes.into_iter().map(told).collect();
            (value, notes.join(", "))
        });
        all.collect()
    }
}

fn from_package(wheels: &Wheels) -> Vec<(Value, String)> {
    let ffi = wheels.ffi.iter();
    ffi.map(|version| (Value::from(version.as_str()), "its wheel".to_owned()))
        .collect()
}

impl Derived {
    fn ask(&mut self, key: &str, inherited: &Value, why: &str) {
        self.asked
            .push(format!("{key}: {why}; inherited: {inherited}"));
        self.changes.push(Change::Asked {
            key: key.to_owned(),
            inherited: inherited.clone(),
        });
    }

    fn replaced(&mut self, fact: &FactView, mut seen: Vec<(Value, String)>) {
        match seen.len() {
            0 => self.ask(fact.key, &fact.value, "no library shows it"),
            1 => {
                let (value, evidence) = seen.remove(0);
                if value == fact.value {
                    self.notes
                        .push(format!("{}: as before, {evidence}", fact.key));
                } else {
                    self.changes.push(Change::Value {
                        key: fact.key,
                        value,
                        evidence,
                    });
                }
            }
            _ => {
                let all: Vec<String> = seen
                    .iter()
                    .map(|(value, by)| format!("{value} by {by}"))
                    .collect();
                let why = format!("the libraries disagree: {}", all.join("; "));
                self.ask(fact.key, &fact.value, &why);
            }
        }
    }

    fn names(&mut self, fact: &FactView, seen: Vec<(Value, String)>) {
        let inherited = strings(&fact.value);
        let sets: Vec<BTreeSet<String>> = seen.iter().map(|(value, _)| strings(value)).collect();
        if sets.is_empty() {
            return self.ask(fact.key, &fact.value, "no library shows it");
        }
        let any: BTreeSet<String> = sets.iter().flatten().cloned().collect();
        for name in any
            .iter()
            .filter(|name| !sets.iter().all(|set| set.contains(*name)))
        {
            self.notes
                .push(format!("{}: `{name}` is not on every platform", fact.key));
        }
        self.change(
            fact.key,
            &inherited,
            &any,
            seen.into_iter().map(|(_, by)| by).collect(),
        );
    }

    fn change(
        &mut self,
        key: &'static str,
        inherited: &BTreeSet<String>,
        now: &BTreeSet<String>,
        evidence: Vec<String>,
    ) {
        let add: BTreeSet<String> = now.difference(inherited).cloned().collect();
        let remove: BTreeSet<String> = inherited.difference(now).cloned().collect();
        if !add.is_empty() || !remove.is_empty() {
            self.changes.push(Change::Names {
                key,
                add,
                remove,
                evidence: evidence.join(", "),
            });
        }
    }

    fn entries(&mut self, fact: &FactView, seen: Vec<(Value, String)>) {
        let mut changed = Map::new();
        let mut by = Vec::new();
        for (value, evidence) in seen {
            for (name, counts) in value.as_object().into_iter().flatten() {
                if fact.value.get(name) != Some(counts) {
                    changed.insert(name.clone(), counts.clone());
                }
            }
            by.push(evidence);
        }
        if !changed.is_empty() {
            self.changes.push(Change::Entries {
                key: fact.key,
                entries: changed,
                evidence: by.join(", "),
            });
        }
    }
}

fn strings(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Names by the platforms whose parts of one sort have them, and the part.
fn offered(
    wheels: &Wheels,
    of: impl Fn(&RuntimeProfile) -> Option<&BTreeSet<String>>,
    wanted: impl Fn(&PartKind) -> bool,
) -> BTreeMap<String, (PartKind, BTreeSet<&str>)> {
    let mut found: BTreeMap<String, (PartKind, BTreeSet<&str>)> = BTreeMap::new();
    for (platform, members) in &wheels.platforms {
        for member in members.iter().filter(|member| wanted(&member.kind)) {
            for name in of(&member.profile).into_iter().flatten() {
                found
                    .entry(name.clone())
                    .or_insert_with(|| (member.kind.clone(), BTreeSet::new()))
                    .1
                    .insert(platform);
            }
        }
    }
    found
}

fn is_optional(kind: &PartKind) -> bool {
    !kind.is_core() && *kind != PartKind::Compiler
}

fn loaders(wheels: &Wheels, base: &RuntimeProfile, derived: &mut Derived) {
    let of = |profile: &'_ RuntimeProfile| profile.module_loaders.value.clone();
    let core = offered(
        wheels,
        |profile| profile.module_loaders.value.as_ref(),
        PartKind::is_core,
    );
    let mut inherited = of(base).unwrap_or_default();
    inherited.retain(|kind| !base.provided_by.contains_key(&format!("loader:{kind}")));
    let core: BTreeSet<String> = core.into_keys().collect();
    let evidence = vec!["names of loader functions".to_owned()];
    derived.change("loaders", &inherited, &core, evidence);
    let parts = offered(
        wheels,
        |profile| profile.module_loaders.value.as_ref(),
        is_optional,
    );
    for (kind, (part, _)) in parts {
        let name = format!("loader:{kind}");
        let part = part.to_string();
        if base.provided_by.get(&name) != Some(&part) {
            derived.parts.insert(name, part);
        }
    }
}

fn functions(wheels: &Wheels, base: &RuntimeProfile, derived: &mut Derived) -> anyhow::Result<()> {
    let of = |profile: &'_ RuntimeProfile| profile.functions.value.clone().unwrap_or_default();
    let inherited = of(base);
    let core = offered(
        wheels,
        |profile| profile.functions.value.as_ref(),
        PartKind::is_core,
    );
    let parts = offered(
        wheels,
        |profile| profile.functions.value.as_ref(),
        is_optional,
    );
    let new = core.keys().chain(parts.keys());
    let new = new.filter(|name| !inherited.contains(*name));
    let questions: BTreeSet<String> = new.chain(&inherited).cloned().collect();
    let (libraries, folder) = wheels::native_libraries(wheels)?;
    let answers = Answers {
        here: wheels::here(),
        registered: match libraries.is_empty() {
            true => None,
            false => Some(ask::registered(&libraries, &questions)?),
        },
    };
    drop(folder);
    if answers.registered.is_none() {
        let note = "functions: no wheel for this machine to ask";
        derived.notes.push(note.to_owned());
    }
    let platforms = wheels.platforms.len();
    let (mut now, of_core) = core_functions(&core, platforms, &inherited, &answers, derived);
    let mut before = inherited.clone();
    before.retain(|name| !base.provided_by.contains_key(name));
    now.retain(|name| !base.provided_by.contains_key(name));
    let evidence = match &answers.registered {
        Some(_) => "strings of every platform, asked of the loaded library",
        None => "strings of every platform",
    };
    derived.change("functions", &before, &now, vec![evidence.to_owned()]);
    let parts = parts
        .into_iter()
        .filter(|(name, _)| !inherited.contains(name) && !core.contains_key(name));
    let strings_only = of_core + part_functions(parts, &answers, derived);
    derived.notes.push(format!(
        "functions: {strings_only} strings look like names and are not registered"
    ));
    for name in now
        .difference(&before)
        .filter(|name| name.starts_with("vm.builtin."))
    {
        derived.asked.push(format!(
            "arity of {name}: no library shows it, nor the kinds of its arguments (`kinds`); without an entry it is not checked"
        ));
        derived.changes.push(Change::Asked {
            key: format!("arity.\"{name}\""),
            inherited: Value::Null,
        });
    }
    Ok(())
}

/// What the loaded libraries of this machine's wheel say.
struct Answers {
    here: String,
    registered: Option<BTreeSet<String>>,
}

impl Answers {
    /// Whether a name is registered, if a library that has it was asked.
    fn is_registered(&self, name: &str, found_on: &BTreeSet<&str>) -> Option<bool> {
        let asked = found_on.contains(self.here.as_str());
        let registered = self.registered.as_ref().filter(|_| asked);
        registered.map(|names| names.contains(name))
    }
}

/// The functions of the core, and how many strings only look like one.
fn core_functions(
    core: &BTreeMap<String, (PartKind, BTreeSet<&str>)>,
    platforms: usize,
    inherited: &BTreeSet<String>,
    answers: &Answers,
    derived: &mut Derived,
) -> (BTreeSet<String>, usize) {
    let mut now = BTreeSet::new();
    let mut strings_only = 0;
    for (name, (kind, found_on)) in core {
        let builtin = name.starts_with("vm.builtin.");
        let answer = answers.is_registered(name, found_on);
        match (inherited.contains(name), answer) {
            (_, Some(false)) if !builtin => strings_only += 1,
            (false, None) if !builtin => {
                derived.undecided.insert(name.clone(), kind.to_string());
            }
            (false, _) if found_on.len() < platforms => {
                let systems: Vec<&str> = found_on.iter().copied().collect();
                let part = format!("{} build of {kind}", systems.join(", "));
                derived.parts.insert(name.clone(), part);
            }
            _ => {
                now.insert(name.clone());
            }
        }
    }
    (now, strings_only)
}

/// Notes the functions that a part brings; how many strings only look like one.
fn part_functions<'a>(
    parts: impl Iterator<Item = (String, (PartKind, BTreeSet<&'a str>))>,
    answers: &Answers,
    derived: &mut Derived,
) -> usize {
    let mut strings_only = 0;
    for (name, (kind, found_on)) in parts {
        let builtin = name.starts_with("vm.builtin.");
        match answers.is_registered(&name, &found_on) {
            Some(false) if !builtin && kind == PartKind::RuntimeExtra => strings_only += 1,
            answer if builtin || answer == Some(true) => {
                derived.parts.insert(name, kind.to_string());
            }
            _ => {
                derived.undecided.insert(name, kind.to_string());
            }
        }
    }
    strings_only
}
