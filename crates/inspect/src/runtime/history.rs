//! In which releases something holds, and how to say it.

use std::fmt;

use serde::Serialize;

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

    /// `up to 0.23`, `since 0.24`, `0.21`: in a cell of a table.
    pub(crate) fn brief(&self) -> String {
        self.in_words(
            |first, last, from_start, to_end| match (from_start, to_end) {
                (true, true) => "every release".to_owned(),
                (true, false) if first != last => format!("up to {last}"),
                (false, true) => format!("since {first}"),
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

/// Days between which a TVM was made: from when its first trait came until the day at
/// which the next one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    /// First day.
    pub since: &'static str,
    /// Day of the change that ends it; none where it has not come.
    pub before: Option<&'static str>,
}

impl Window {
    /// From the first to the last of some profiles, oldest first.
    pub fn of(profiles: &[&'static RuntimeProfile]) -> Option<Self> {
        let all = line().collect::<Vec<_>>();
        let last = profiles.last()?;
        let mut later = all.iter().skip_while(|known| known.name != last.name);
        Some(Self {
            since: profiles.first()?.date.as_deref()?,
            before: later.nth(1).and_then(|next| next.date.as_deref()),
        })
    }

    /// The same of those that write what something shows. What came with a release may have
    /// come on any day after the profile before it.
    pub fn of_writers(profiles: &[&'static RuntimeProfile]) -> Option<Self> {
        let first = profiles.first()?;
        let earlier = line().take_while(|known| known.name != first.name);
        let before = earlier.last().filter(|_| first.release.is_some());
        let since = before.and_then(|before| before.date.as_deref());
        let window = Self::of(profiles)?;
        Some(Self {
            since: since.unwrap_or(window.since),
            ..window
        })
    }

    /// `March 2024`.
    pub fn first_month(&self) -> String {
        let (month, year) = month(self.since);
        format!("{month} {year}")
    }

    /// `March 2024`, `January to March 2024`.
    pub fn months(&self) -> String {
        let (first, first_year) = month(self.since);
        let (last, last_year) = month(self.before.unwrap_or(self.since));
        if (first, first_year) == (last, last_year) {
            format!("{first} {first_year}")
        } else if first_year == last_year {
            format!("{first} to {last} {last_year}")
        } else {
            format!("{first} {first_year} to {last} {last_year}")
        }
    }
}

/// `2024-03-16 to 2024-03-29`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before {
            Some(before) => write!(f, "{} to {before}", self.since),
            None => write!(f, "{} and later", self.since),
        }
    }
}

/// The name of a day's month, and its year.
fn month(date: &'static str) -> (&'static str, &'static str) {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let mut parts = date.split('-');
    let year = parts.next().unwrap_or_default();
    let number = parts.next().and_then(|month| month.parse::<usize>().ok());
    let name = number.and_then(|number| NAMES.get(number.checked_sub(1)?));
    (name.copied().unwrap_or_default(), year)
}

/// Releases and snapshots with the Relax VM, in the order in which they came.
pub fn line() -> impl Iterator<Item = &'static RuntimeProfile> {
    let known = release::profiles().iter();
    known.filter(|known| known.runs_models())
}

/// Where a known runtime, or a published version of web-llm, comes among its like. The
/// two kinds do not follow on each other.
pub fn place(name: &str) -> Option<usize> {
    place_among(&names(release::profiles().iter()), name)
}

fn names<'a>(known: impl Iterator<Item = &'a RuntimeProfile>) -> Vec<&'a str> {
    known.map(|known| known.name.as_str()).collect()
}

fn place_among(known: &[&str], name: &str) -> Option<usize> {
    known.iter().position(|known| *known == name).or_else(|| {
        let packages = glue::packages().iter().flat_map(|row| &row.packages);
        let mut engines = packages.filter(|package| package.starts_with(glue::ENGINE));
        let place = engines.position(|package| package == name)?;
        place.checked_add(known.len())?.checked_add(1)
    })
}

/// Names of runtimes, neighbouring releases as a span: `tvm-0.20 to tvm-0.22`. Snapshots
/// are between releases only where there are snapshots among the names.
pub fn spans(names: &[&str]) -> String {
    let is_snapshot =
        |known: &&RuntimeProfile| known.release.is_none() && names.contains(&known.name.as_str());
    let with_snapshots = line().any(|known| is_snapshot(&known));
    let known = line().filter(|known| with_snapshots || known.release.is_some());
    let known = self::names(known);
    let mut spans: Vec<(&str, &str)> = Vec::new();
    // Where the name before has its place.
    let mut before = None;
    for name in names {
        let place = place_among(&known, name);
        let next = before.and_then(|before: usize| before.checked_add(1));
        match spans.last_mut() {
            Some((_, last)) if next.is_some() && place == next => *last = name,
            _ => spans.push((name, name)),
        }
        before = place;
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
    fn snapshots_come_between_releases_where_they_are_named() {
        assert_eq!(spans(&["tvm-0.16", "tvm-0.17"]), "tvm-0.16 to tvm-0.17");
        assert_eq!(
            spans(&[
                "snapshot-2024-03-29",
                "tvm-0.16",
                "snapshot-2024-06-01",
                "tvm-0.17",
                "tvm-0.18"
            ]),
            "snapshot-2024-03-29 to tvm-0.17, tvm-0.18"
        );
        // The one without a VM is between two others in time, and not in the line.
        assert_eq!(
            spans(&["snapshot-2024-01-14", "snapshot-2024-01-24"]),
            "snapshot-2024-01-14 to snapshot-2024-01-24"
        );
    }

    #[test]
    fn a_window_ends_where_the_next_change_came() {
        let at = |name| release::by_name(name).expect("in the table");
        let one = Window::of(&[at("snapshot-2024-03-16")]).expect("a window");
        assert_eq!(one.to_string(), "2024-03-16 to 2024-03-29");
        assert_eq!(one.months(), "March 2024");
        let two = Window::of(&[at("snapshot-2023-12-25"), at("snapshot-2024-01-14")]);
        let two = two.expect("a window");
        assert_eq!(two.to_string(), "2023-12-25 to 2024-01-24");
        assert_eq!(two.months(), "December 2023 to January 2024");
        let newest = Window::of(&[release::profiles().last().expect("a table")]);
        assert_eq!(newest.and_then(|window| window.before), None);
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
        assert_eq!(of(&[0, 1]).brief(), format!("up to {}", number(1)));
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
