//! Where files name a library with a symbol (macOS, Windows): whether that library has it,
//! itself or through those that it hands the name on to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dependencies::{Closure, Dependencies, Dependency, first};
use super::load_set::LoadSet;
use super::machine::Machine;
use super::{RuntimeProfile, libraries, system};
use crate::container::{self, Binary, Exported, ForeignSymbol, Format};
use crate::parts::stem;
use crate::place::Place;

/// How far names are handed on: real ones go one step or two.
const MOST_STEPS: usize = 16;

/// Symbols that a file asks of one library, which does not have them.
pub(crate) struct Unbound {
    pub(crate) asking: Arc<Dependency>,
    /// That library.
    pub(crate) library: Place,
    pub(crate) symbols: Vec<ForeignSymbol>,
    /// Where that library hands the first of them on to, if it does: nothing is there.
    pub(crate) forwarded: Option<String>,
    /// Why it is not known whether they are there.
    pub(crate) may: Option<String>,
}

/// What comes of all that some files ask.
#[derive(Default)]
pub(crate) struct Bound {
    pub(crate) unbound: Vec<Unbound>,
    /// Libraries that names are handed on to, and that the machine must bring.
    pub(crate) needs: BTreeSet<String>,
}

/// What is in a process.
pub(crate) struct Loaded<'a> {
    pub(crate) closure: &'a Closure,
    pub(crate) known: &'a Dependencies,
    pub(crate) machine: Option<&'a Machine>,
    pub(crate) runtime: &'a RuntimeProfile,
    /// The files of the runtime; none of a release.
    pub(crate) load_set: Option<&'a LoadSet>,
}

/// What comes of a name that is asked of a library.
#[derive(Clone)]
enum Answer {
    Has,
    /// It has no such name, or hands it on to where nothing is.
    Lacks(Option<String>),
    /// What this library of the machine has.
    Of(String),
    /// Not known: why, in words.
    May(String),
}

/// What is asked already: a library, and a name that it hands on; none where it offers all of
/// another library.
type Seen = Vec<(Place, Option<String>)>;

impl Loaded<'_> {
    /// What comes of what a file and those of its closure ask of libraries by name.
    pub(crate) fn bound(&self, place: &Place, binary: &Binary) -> Bound {
        let mut all = Bound::default();
        let is_asked = matches!(binary.format, Format::MachO | Format::Pe);
        let mut by_number = binary.by_number.iter();
        let asks_parts = by_number.any(|name| libraries::is_family(name));
        if !is_asked || (self.closure.libraries.is_empty() && !asks_parts) {
            return all;
        }
        let first = first(place, binary);
        let own = self.known.of(place, binary.architecture);
        for asking in own.iter().chain(&self.closure.libraries) {
            let is_own = asking.place == *place;
            self.of_each(asking, is_own, &first, &mut all);
        }
        all
    }

    fn of_each(&self, asking: &Arc<Dependency>, is_own: bool, first: &Place, all: &mut Bound) {
        let mut by_library: BTreeMap<&str, Vec<&ForeignSymbol>> = BTreeMap::new();
        for symbol in &asking.asks {
            let Some(library) = &symbol.library else {
                continue;
            };
            // What the file asks of TVM by name is asked of the whole runtime.
            if !is_own || symbol.name.starts_with('#') || !libraries::is_family(library) {
                by_library.entry(library).or_default().push(symbol);
            }
        }
        for (name, symbols) in by_library {
            let names: Vec<&str> = symbols.iter().map(|one| one.name.as_str()).collect();
            let Some((library, answers)) = self.asked(asking, name, &names, first) else {
                continue;
            };
            let (mut lacking, mut forwarded, mut may) = (Vec::new(), None, None);
            for (symbol, answer) in symbols.into_iter().zip(answers) {
                match answer {
                    Answer::Has => continue,
                    Answer::Lacks(to) => forwarded = forwarded.or(to),
                    Answer::Of(library) => {
                        all.needs.insert(library);
                        continue;
                    }
                    Answer::May(why) => may = may.or(Some(why)),
                }
                lacking.push(symbol.clone());
            }
            if !lacking.is_empty() {
                all.unbound.push(Unbound {
                    asking: asking.clone(),
                    library,
                    symbols: lacking,
                    forwarded,
                    may,
                });
            }
        }
    }

    /// What the library that a file names has for some names; `None` where it is not there,
    /// which is told elsewhere.
    fn asked(
        &self,
        asking: &Dependency,
        library: &str,
        names: &[&str],
        first: &Place,
    ) -> Option<(Place, Vec<Answer>)> {
        let mut seen = Seen::new();
        if libraries::is_family(library) {
            let answers = self.of_tvm(asking, library, names, first, &mut seen)?;
            let member = self.member(asking, library);
            let place = member.map_or_else(|| Place::file(library), |one| one.place.clone());
            return Some((place, answers));
        }
        let library = self.closure.got(&asking.place, library)?;
        let answers = self.answers(library, names, first, &mut seen);
        Some((library.place.clone(), answers))
    }

    /// The part of the runtime that a file gets for a name.
    fn member(&self, asking: &Dependency, library: &str) -> Option<Arc<Dependency>> {
        let set = self.load_set?;
        let asked = set
            .search_order()
            .asked(&asking.place, &asking.binary, library);
        let [only] = asked[..] else { return None };
        let place = &set.members.get(only)?.path;
        self.known.of(place, asking.binary.architecture)
    }

    /// What TVM's own library of a name has; `None` where that is not known.
    fn of_tvm(
        &self,
        asking: &Dependency,
        library: &str,
        names: &[&str],
        first: &Place,
        seen: &mut Seen,
    ) -> Option<Vec<Answer>> {
        if self.load_set.is_some() {
            let member = self.member(asking, library)?;
            return Some(self.answers(&member, names, first, seen));
        }
        let c_symbols = &self.runtime.c_symbols;
        let known = c_symbols.value.as_ref()?;
        let is_told =
            c_symbols.is_certain() && ["tvm", "tvm_ffi", "tvm_runtime"].contains(&stem(library));
        let answer = |name: &&str| match name.strip_prefix('#') {
            Some(_) => Answer::May(format!(
                "is asked for by its number: which numbers {library} has is not known of a release"
            )),
            None if known.contains(*name) => Answer::Has,
            None if is_told && name.starts_with("TVM") => Answer::Lacks(None),
            None => Answer::May(unknown(library)),
        };
        Some(names.iter().map(answer).collect())
    }

    /// What a library has, with what those have that it offers as its own.
    fn answers(
        &self,
        library: &Dependency,
        names: &[&str],
        first: &Place,
        seen: &mut Seen,
    ) -> Vec<Answer> {
        let Some(exported) = self.known.exported(library, names) else {
            let why = unknown(&library.place.to_string());
            return vec![Answer::May(why); names.len()];
        };
        let each = names.iter().zip(exported);
        let each = each.map(|(name, exported)| match exported {
            Exported::Here => Answer::Has,
            Exported::Nothing => Answer::Lacks(None),
            Exported::Forwarded(to) => {
                let step = (library.place.clone(), Some((*name).to_owned()));
                self.forwarded(library, &to, first, step, seen)
            }
        });
        let mut answers: Vec<Answer> = each.collect();
        let step = (library.place.clone(), None);
        if library.binary.reexports.is_empty() || seen.contains(&step) {
            return answers;
        }
        seen.push(step);
        for inner in &library.binary.reexports {
            let is_left = |answer: &Answer| !matches!(answer, Answer::Has);
            let left: Vec<usize> = (0..names.len())
                .filter(|index| answers.get(*index).is_some_and(is_left))
                .collect();
            let asked: Vec<&str> = left
                .iter()
                .filter_map(|one| names.get(*one).copied())
                .collect();
            let found = self.reexported(library, inner, &asked, first, seen);
            for (index, found) in left.into_iter().zip(found) {
                if let Some(answer) = answers.get_mut(index) {
                    match found {
                        Answer::Has => *answer = Answer::Has,
                        Answer::May(_) if matches!(answer, Answer::Lacks(_)) => *answer = found,
                        _ => {}
                    }
                }
            }
        }
        answers
    }

    /// What a library has that another offers as its own.
    fn reexported(
        &self,
        library: &Dependency,
        inner: &str,
        names: &[&str],
        first: &Place,
        seen: &mut Seen,
    ) -> Vec<Answer> {
        let of_tvm = libraries::is_family(inner)
            .then(|| self.of_tvm(library, inner, names, first, seen))
            .flatten();
        of_tvm.unwrap_or_else(|| match self.closure.got(&library.place, inner) {
            Some(inner) => self.answers(inner, names, first, seen),
            // That the library itself lacks it is told of that.
            None if self.closure.is_lacking(library, inner) => vec![Answer::Has; names.len()],
            None => vec![Answer::May(unknown(inner)); names.len()],
        })
    }

    /// What is where a library hands a name on to: `library.function`, `library.#4`.
    fn forwarded(
        &self,
        library: &Dependency,
        to: &str,
        first: &Place,
        step: (Place, Option<String>),
        seen: &mut Seen,
    ) -> Answer {
        let circle = || {
            Answer::May(format!(
                "leads round in a circle: {} hands it on",
                library.place
            ))
        };
        let Some((target, function)) = to.rsplit_once('.') else {
            return Answer::Lacks(Some(to.to_owned()));
        };
        if seen.contains(&step) || seen.len() >= MOST_STEPS {
            return circle();
        }
        // Names of libraries have no case.
        let target = match target.contains('.') {
            true => target.to_ascii_lowercase(),
            false => format!("{}.dll", target.to_ascii_lowercase()),
        };
        if container::is_unlisted(&target, function) {
            return Answer::May(format!("leads to {to}, which is not known to be there"));
        }
        // Of other libraries of Windows it is not known what they have.
        if system::is_base(&target) {
            return Answer::Has;
        }
        seen.push(step);
        let names = [function];
        let answers = match libraries::is_family(&target) {
            true => self
                .of_tvm(library, &target, &names, first, seen)
                .unwrap_or_else(|| vec![Answer::May(unknown(&target))]),
            false => match self.opened(&target, first, &library.binary) {
                Ok(Some(inner)) => self.answers(&inner, &names, first, seen),
                Ok(None) if self.machine.is_some() => vec![Answer::Lacks(None)],
                Ok(None) => vec![Answer::Of(target)],
                Err(why) => vec![Answer::May(why)],
            },
        };
        seen.pop();
        match answers.into_iter().next() {
            Some(Answer::Lacks(None)) | None => Answer::Lacks(Some(to.to_owned())),
            Some(answer) => answer,
        }
    }

    /// The DLL of a name that Windows opens when a function of it is asked for.
    fn opened(
        &self,
        name: &str,
        first: &Place,
        asking: &Binary,
    ) -> Result<Option<Arc<Dependency>>, String> {
        if let Some(loaded) = self.closure.named(name) {
            return Ok(Some(loaded.clone()));
        }
        let beside = self.known.first(&[first.beside(name)], asking, |_| true);
        let of_machine = || {
            let none: [&std::path::Path; 0] = [];
            let found = self.machine?.find(name, none.into_iter());
            found.map(Place::file)
        };
        let file = match beside {
            Ok(found) => found.or_else(of_machine),
            Err((file, _)) => return Err(unknown(&file.to_string())),
        };
        let Some(file) = file else { return Ok(None) };
        let read = self.known.of(&file, asking.architecture);
        read.map(Some).ok_or_else(|| unknown(&file.to_string()))
    }
}

fn unknown(library: &str) -> String {
    format!("may be exported by {library}, whose exports are not known")
}
