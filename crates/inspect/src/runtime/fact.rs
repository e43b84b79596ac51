//! One fact of a runtime: its value, where it came from, and what every kind of
//! value must be able to do. The facts themselves are declared in `facts.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::values::{
    BlobSymbol, CallingConvention, ConstructorStyle, Counts, Parameter, SiteTags, TagSite,
    UnknownDtype, any_of,
};
use crate::module::{BlobLayout, FunctionInfoForm, PayloadOrder};
use crate::vm::{ConstantTable, Magic};
use crate::words::spell;

/// How far a fact can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Read from the real library: literal and the expected code references.
    Binary,
    /// Read from the real library: literal only.
    BinaryLiteral,
    /// Of a release of the table: that release was asked for, or the file is its.
    Release,
    /// Every known runtime of this generation says the same, and it is not the
    /// oldest generation that is known.
    Agreed,
    /// The known runtimes that it is like say the same; others may not.
    Resembles,
}

impl Confidence {
    /// The word of the `runtime` page.
    pub fn word(self) -> &'static str {
        match self {
            Self::Binary => "read",
            Self::BinaryLiteral => "read, literal only",
            Self::Release => "known",
            Self::Agreed => "known of all its generation",
            Self::Resembles => "resembles",
        }
    }

    /// Whether such a fact may be held against a library.
    pub(crate) fn is_certain(self) -> bool {
        self != Self::Resembles
    }
}

/// A value, or nothing where it is not known, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact<T> {
    /// The value; `None` means "not known", never "no".
    pub value: Option<T>,
    /// Where it came from.
    pub source: Option<Confidence>,
    /// How it was found, one line (literal address, reference count, export).
    pub note: Option<String>,
}

impl<T> Default for Fact<T> {
    fn default() -> Self {
        Self {
            value: None,
            source: None,
            note: None,
        }
    }
}

impl<T> Fact<T> {
    /// A known value.
    pub fn known(value: T, source: Confidence) -> Self {
        Self {
            value: Some(value),
            source: Some(source),
            note: None,
        }
    }

    /// Whether the value may be held against a library.
    pub(crate) fn is_certain(&self) -> bool {
        self.source.is_none_or(Confidence::is_certain)
    }

    /// The same with a line that says how it was found.
    #[must_use]
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// How a row of the release table changes a fact that it inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowForm {
    /// `key = value` replaces it.
    Replaced,
    /// `add` and `remove` change a set of names.
    Names,
    /// Entries are replaced one by one; an empty one ends the entry.
    Entries,
}

/// The known runtimes that one which was read is like.
pub(super) struct Likeness<'a, T> {
    /// It is the file of the release itself.
    pub(super) is_known: bool,
    /// The generation is the oldest known: a runtime may be older than all of it.
    pub(super) is_oldest: bool,
    /// What all of its generation say.
    pub(super) generation: Vec<&'a Fact<T>>,
    /// Their names.
    pub(super) names: String,
}

impl<T> Likeness<'_, T> {
    fn confidence(&self, generation_agrees: bool) -> Confidence {
        if self.is_known {
            Confidence::Release
        } else if generation_agrees && !self.is_oldest {
            Confidence::Agreed
        } else {
            Confidence::Resembles
        }
    }
}

/// What a kind of value can do for the facts that hold it.
pub(super) trait FactValue: Clone + PartialEq + Serialize {
    /// How rows of the table change it.
    const FORM: RowForm;

    /// What a row of the table says of it.
    type Row: Default + for<'de> Deserialize<'de>;

    /// Applies a row to what is inherited. The error is a name that the row
    /// removes and the base does not have.
    fn change(inherited: &mut Option<Self>, row: Self::Row) -> Result<(), String>;

    /// The value in the words of the `runtime` page.
    fn words(&self) -> String;

    /// Takes over what another part of the same load set says: the first word counts.
    fn join(whole: &mut Fact<Self>, part: &Fact<Self>) {
        if whole.value.is_none() && (part.value.is_some() || whole.note.is_none()) {
            whole.clone_from(part);
        }
    }

    /// Takes a missing value over if every known runtime says the same. A note
    /// without a value says what was found instead; it stays.
    fn complete(read: &mut Fact<Self>, alike: &[&Fact<Self>], like: &Likeness<'_, Self>) {
        let Some((first, _)) = alike.split_first() else {
            return;
        };
        let agree = |facts: &[&Fact<Self>]| facts.iter().all(|fact| fact.value == first.value);
        if read.value.is_none() && read.note.is_none() && first.value.is_some() && agree(alike) {
            read.value.clone_from(&first.value);
            read.source = Some(like.confidence(agree(&like.generation)));
            read.note = Some(like.names.clone());
        }
    }
}

/// `add` and `remove` of a row.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Change {
    add: BTreeSet<String>,
    remove: BTreeSet<String>,
}

impl FactValue for BTreeSet<String> {
    const FORM: RowForm = RowForm::Names;
    type Row = Change;

    fn change(inherited: &mut Option<Self>, row: Change) -> Result<(), String> {
        let names = inherited.get_or_insert_default();
        for name in row.remove {
            if !names.remove(&name) {
                return Err(name);
            }
        }
        names.extend(row.add);
        Ok(())
    }

    fn words(&self) -> String {
        self.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Every part offers its own.
    fn join(whole: &mut Fact<Self>, part: &Fact<Self>) {
        match (&mut whole.value, &part.value) {
            (Some(names), Some(more)) => names.extend(more.iter().cloned()),
            (None, Some(_)) => whole.clone_from(part),
            _ => {}
        }
    }
}

/// What a builtin's entry in a table by builtin can do.
pub(super) trait Entry: Clone + PartialEq + Serialize + for<'de> Deserialize<'de> {
    /// Whether it ends the check: the builtin is gone.
    fn is_end(&self) -> bool;

    /// The entry in words.
    fn words(&self) -> String;
}

impl Entry for Counts {
    fn is_end(&self) -> bool {
        matches!(self, Self::Exactly(counts) if counts.is_empty())
    }

    fn words(&self) -> String {
        self.to_string()
    }
}

impl Entry for Vec<Parameter> {
    fn is_end(&self) -> bool {
        self.is_empty()
    }

    fn words(&self) -> String {
        let kinds: Vec<&str> = self.iter().map(|word| word.0.as_str()).collect();
        format!("({})", kinds.join(", "))
    }
}

impl<T: Entry> FactValue for BTreeMap<String, T> {
    const FORM: RowForm = RowForm::Entries;
    type Row = Self;

    fn change(inherited: &mut Option<Self>, row: Self) -> Result<(), String> {
        let entries = inherited.get_or_insert_default();
        for (builtin, entry) in row {
            if entry.is_end() {
                entries.remove(&builtin);
            } else {
                entries.insert(builtin, entry);
            }
        }
        Ok(())
    }

    fn words(&self) -> String {
        let entries = self
            .iter()
            .map(|(name, entry)| format!("{name} {}", entry.words()));
        entries.collect::<Vec<_>>().join("; ")
    }

    /// Adds the entries of builtins whose checks leave no text.
    fn complete(read: &mut Fact<Self>, alike: &[&Fact<Self>], like: &Likeness<'_, Self>) {
        let Some((first, others)) = alike.split_first() else {
            return;
        };
        let known_by_all = first.value.iter().flatten().filter(|(name, counts)| {
            let says = |other: &Fact<Self>| other.value.as_ref()?.get(*name).cloned();
            others
                .iter()
                .all(|other| says(other).as_ref() == Some(*counts))
        });
        let was_read = read.value.is_some();
        let arity = read.value.get_or_insert_default();
        for (name, counts) in known_by_all {
            arity.entry(name.clone()).or_insert_with(|| counts.clone());
        }
        if arity.is_empty() {
            *read = Fact::default();
            return;
        }
        read.note = Some(if was_read {
            format!(
                "constructors by the text of their check; others: {}",
                like.names
            )
        } else {
            // Counts changed from month to month: those of a generation say little.
            read.source = Some(like.confidence(false));
            like.names.clone()
        });
    }
}

impl FactValue for BTreeMap<TagSite, SiteTags> {
    const FORM: RowForm = RowForm::Replaced;
    type Row = Option<Self>;

    fn change(inherited: &mut Option<Self>, row: Option<Self>) -> Result<(), String> {
        replace(inherited, row)
    }

    /// `paged-prefill: flashinfer of 3, tirx of 2; ...`.
    fn words(&self) -> String {
        let sites = self.iter().map(|(site, tags)| {
            let tags = tags.iter().map(|(tag, lengths)| {
                let lengths: Vec<String> = lengths.iter().map(u64::to_string).collect();
                format!("{tag} of {}", lengths.join("|"))
            });
            let tags: Vec<String> = tags.collect();
            format!("{}: {}", spell(site), tags.join(", "))
        });
        sites.collect::<Vec<_>>().join("; ")
    }
}

/// A value that is one word or number, alone or in a set.
pub(super) trait Single: Clone + PartialEq + Serialize + for<'de> Deserialize<'de> {}

impl Single for u64 {}
impl Single for Magic {}
impl Single for BlobLayout {}
impl Single for BlobSymbol {}

impl<T: Single + Ord> FactValue for BTreeSet<T> {
    const FORM: RowForm = RowForm::Replaced;
    type Row = Option<Self>;

    fn change(inherited: &mut Option<Self>, row: Option<Self>) -> Result<(), String> {
        replace(inherited, row)
    }

    fn words(&self) -> String {
        any_of(self)
    }
}

macro_rules! single_values {
    ($($type:ty),*) => {$(
        impl FactValue for $type {
            const FORM: RowForm = RowForm::Replaced;
            type Row = Option<Self>;

            fn change(inherited: &mut Option<Self>, row: Option<Self>) -> Result<(), String> {
                replace(inherited, row)
            }

            fn words(&self) -> String {
                spell(self)
            }
        }
    )*};
}

single_values!(
    u64,
    String,
    Magic,
    ConstantTable,
    PayloadOrder,
    FunctionInfoForm,
    CallingConvention,
    ConstructorStyle,
    UnknownDtype
);

fn replace<T>(inherited: &mut Option<T>, row: Option<T>) -> Result<(), String> {
    if row.is_some() {
        *inherited = row;
    }
    Ok(())
}
