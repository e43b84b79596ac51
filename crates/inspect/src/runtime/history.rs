//! In which releases something holds, and how to say it.

use std::fmt;

use super::RuntimeProfile;
use super::{glue, release};

/// Releases of the table, as runs of neighbours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Releases {
    /// Places in the list of releases, ascending.
    places: Vec<usize>,
}

/// The releases of which `holds` is true.
pub fn when(holds: impl Fn(&RuntimeProfile) -> bool) -> Releases {
    let known = release::releases().iter().enumerate();
    Releases {
        places: known
            .filter(|(_, profile)| holds(profile))
            .map(|(place, _)| place)
            .collect(),
    }
}

impl Releases {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Names of the profiles, oldest first.
    pub fn names(&self) -> Vec<&'static str> {
        let profiles = self.profiles();
        profiles.map(|profile| profile.name.as_str()).collect()
    }

    /// Oldest and newest release number.
    pub fn bounds(&self) -> Option<(&'static str, &'static str)> {
        let mut numbers = self.profiles().filter_map(|known| known.release.as_deref());
        let first = numbers.next()?;
        Some((first, numbers.next_back().unwrap_or(first)))
    }

    fn profiles(&self) -> impl DoubleEndedIterator<Item = &'static RuntimeProfile> {
        let known = release::releases();
        self.places.iter().filter_map(|place| known.get(*place))
    }

    /// First and last place of every run.
    fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for place in &self.places {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(*place) => *last = *place,
                _ => runs.push((*place, *place)),
            }
        }
        runs
    }

    fn in_words(&self, run: impl Fn(&str, &str, bool, bool) -> String) -> String {
        let known = release::releases();
        let number = |place: usize| known.get(place)?.release.as_deref();
        let newest = known.len().saturating_sub(1);
        let words: Vec<String> = self
            .runs()
            .into_iter()
            .filter_map(|(first, last)| {
                Some(run(
                    number(first)?,
                    number(last)?,
                    first == 0,
                    last == newest,
                ))
            })
            .collect();
        match words.split_last() {
            None => "no release".to_owned(),
            Some((only, [])) => only.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    }

    /// `0.23 and earlier`, `0.24 and later`, `0.21`: in a sentence.
    pub fn spoken(&self) -> String {
        self.in_words(
            |first, last, from_start, to_end| match (from_start, to_end) {
                (true, true) => "every release".to_owned(),
                _ if first == last => first.to_owned(),
                (true, false) => format!("{last} and earlier"),
                (false, true) => format!("{first} and later"),
                (false, false) => format!("{first} to {last}"),
            },
        )
    }

    /// `to 0.23`, `from 0.24`, `0.21`: in a cell of a table.
    pub(crate) fn brief(&self) -> String {
        self.in_words(
            |first, last, from_start, to_end| match (from_start, to_end) {
                (true, true) => "every release".to_owned(),
                (true, false) if first != last => format!("to {last}"),
                (false, true) => format!("from {first}"),
                _ if first == last => first.to_owned(),
                _ => format!("{first} to {last}"),
            },
        )
    }
}

/// `tvm-0.20 to tvm-0.22, tvm-0.25`: by the names of the profiles.
impl fmt::Display for Releases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spans(&self.names()))
    }
}

/// Where a release, or a published version of web-llm, comes among its like. The two
/// kinds do not follow on each other.
pub fn place(name: &str) -> Option<usize> {
    let releases = release::releases();
    let known = releases.iter().position(|release| release.name == name);
    known.or_else(|| {
        let packages = glue::packages().iter().flat_map(|row| &row.packages);
        let mut engines = packages.filter(|package| package.starts_with(glue::ENGINE));
        let place = engines.position(|package| package == name)?;
        place.checked_add(releases.len())?.checked_add(1)
    })
}

/// Names of runtimes, neighbouring releases as a span: `tvm-0.20 to tvm-0.22`.
pub fn spans(names: &[&str]) -> String {
    let mut spans: Vec<(&str, &str)> = Vec::new();
    for name in names {
        match spans.last_mut() {
            Some((_, last))
                if place(last).is_some_and(|last| {
                    place(name).is_some() && place(name) == last.checked_add(1)
                }) =>
            {
                *last = name;
            }
            _ => spans.push((name, name)),
        }
    }
    let words = spans.into_iter().map(|(first, last)| {
        if first == last {
            first.to_owned()
        } else {
            format!("{first} to {last}")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_engine_come_after_each_other_and_not_after_releases() {
        let names = [
            "tvm-0.27",
            "web-llm-0.2.0",
            "web-llm-0.2.1",
            "web-llm-0.2.8",
        ];
        assert_eq!(
            spans(&names),
            "tvm-0.27, web-llm-0.2.0 to web-llm-0.2.1, web-llm-0.2.8"
        );
    }

    #[test]
    fn runs_are_said_from_their_ends() {
        let all = release::releases();
        let number = |place: usize| all[place].release.clone().unwrap_or_default();
        let of = |places: &[usize]| Releases {
            places: places.to_vec(),
        };
        let newest = all.len() - 1;
        assert_eq!(of(&[]).spoken(), "no release");
        assert_eq!(of(&[0, 1]).spoken(), format!("{} and earlier", number(1)));
        assert_eq!(of(&[0, 1]).brief(), format!("to {}", number(1)));
        assert_eq!(of(&[0]).brief(), number(0));
        assert_eq!(
            of(&[newest - 1, newest]).spoken(),
            format!("{} and later", number(newest - 1))
        );
        assert_eq!(
            of(&[2, 3, 5]).brief(),
            format!("{} to {} and {}", number(2), number(3), number(5))
        );
        assert_eq!(
            of(&[2, 3, 5]).to_string(),
            format!("tvm-{} to tvm-{}, tvm-{}", number(2), number(3), number(5))
        );
        assert_eq!(when(|_| true).spoken(), "every release");
        let ends = (number(0), number(newest));
        let bounds = when(|_| true).bounds();
        assert_eq!(bounds, Some((ends.0.as_str(), ends.1.as_str())));
    }
}
