//! The release table: rows that name what changed since the row they are based
//! on, and the profiles that come of them.

use serde::Deserialize;

use super::RuntimeProfile;
use super::fact::Confidence;
use super::facts::Row;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not the JSON that is expected.
    #[error("release table: {0}")]
    Syntax(#[from] serde_json::Error),
    /// `base` names no earlier profile.
    #[error("release table: profile {profile} is based on {base}, which is not before it")]
    UnknownBase {
        /// The profile.
        profile: String,
        /// Its base.
        base: String,
    },
    /// `remove` names something that is not inherited.
    #[error("release table: profile {profile} removes {name} from {field}, which its base lacks")]
    RemovesAbsent {
        /// The profile.
        profile: String,
        /// Table with the `remove` key.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// Two profiles of one name.
    #[error("release table: two profiles are called {0}")]
    Duplicate(String),
}

/// Every known runtime, in the order in which they came.
#[derive(Debug, Default)]
pub struct Table {
    profiles: Vec<RuntimeProfile>,
    releases: Vec<RuntimeProfile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    profile: Vec<Row>,
}

impl Table {
    /// Reads `data/releases.toml` as JSON, the form in which `build.rs` writes it.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let rows: Rows = serde_json::from_str(text)?;
        let mut profiles: Vec<RuntimeProfile> = Vec::new();
        for row in rows.profile {
            if profiles.iter().any(|profile| profile.name == row.name) {
                return Err(TableError::Duplicate(row.name));
            }
            let base = match &row.base {
                None => RuntimeProfile::default(),
                Some(base) => profiles
                    .iter()
                    .find(|profile| &profile.name == base)
                    .cloned()
                    .ok_or_else(|| TableError::UnknownBase {
                        profile: row.name.clone(),
                        base: base.clone(),
                    })?,
            };
            profiles.push(apply(row, base)?);
        }
        let released = profiles.iter().filter(|profile| profile.release.is_some());
        Ok(Self {
            releases: released.cloned().collect(),
            profiles,
        })
    }

    /// Every profile, oldest first.
    pub fn profiles(&self) -> &[RuntimeProfile] {
        &self.profiles
    }

    /// The releases among them, oldest first.
    pub fn releases(&self) -> &[RuntimeProfile] {
        &self.releases
    }

    /// A profile by name, in any case: `tvm-0.26`, `tvm0.26`, `0.26`, `0.26.0`,
    /// `v0.26.0.post1`, or `snapshot-2026-03-19`. A version that is not in the table
    /// (`0.26.9`) is none of its neighbours. `snapshot-2023-06` and `snapshot-2023-06-15`
    /// are what the table has of that time.
    pub fn by_name(&self, name: &str) -> Option<&RuntimeProfile> {
        let wanted = name.to_ascii_lowercase();
        let wanted = wanted.strip_prefix("apache-").unwrap_or(&wanted);
        if let Some(profile) = self.profiles.iter().find(|profile| profile.name == wanted) {
            return Some(profile);
        }
        if let Some(time) = wanted.strip_prefix("snapshot-") {
            return self.at(time);
        }
        let version = wanted.strip_prefix("tvm").unwrap_or(wanted);
        let version = version.trim_start_matches(['-', '_', '=']);
        let version = version.strip_prefix('v').unwrap_or(version);
        let mut parts = version.splitn(3, '.');
        let minor = format!("{}.{}", parts.next()?, parts.next()?);
        let known = match parts.next() {
            None | Some("0") => true,
            Some(rest) => rest.starts_with("0.post"),
        };
        if !known {
            return None;
        }
        let name = format!("tvm-{minor}");
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// The snapshot or release that was newest on a day, or at the end of a month. From
    /// 0.20 on the rows between releases tell what breaks, not all that there was, so a
    /// later day is not known.
    fn at(&self, time: &str) -> Option<&RuntimeProfile> {
        let is_number = |part: &str, length| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let parts: Vec<&str> = time.split('-').collect();
        let day = match parts.as_slice() {
            [year, month] if is_number(year, 4) && is_number(month, 2) => format!("{time}-31"),
            [year, month, day]
                if is_number(year, 4) && is_number(month, 2) && is_number(day, 2) =>
            {
                time.to_owned()
            }
            _ => return None,
        };
        let end = self.by_name("tvm-0.20")?.date.as_ref()?;
        let mut known = self
            .profiles
            .iter()
            .rev()
            .filter(|known| known.runs_models());
        known
            .find(|known| known.date.as_ref().is_some_and(|date| *date <= day))
            .filter(|_| day < *end)
    }
}

/// The inherited profile with a row's changes.
fn apply(mut row: Row, mut profile: RuntimeProfile) -> Result<RuntimeProfile, TableError> {
    profile.name = std::mem::take(&mut row.name);
    profile.release = row.release.take();
    profile.date = row.date.take();
    profile.wheel = row.wheel.take();
    profile.commit = row.commit.take();
    profile.mlc_llm = std::mem::take(&mut row.mlc_llm);
    profile.identity = None;
    profile.note = row.note.take();
    if let Some(spaces) = row.function_namespaces.take() {
        profile.function_namespaces = spaces;
    }
    if let Some(spaces) = row.compiler_namespaces.take() {
        profile.compiler_namespaces = spaces;
    }
    let mut source = std::mem::take(&mut row.evidence);
    if let Some(commit) = &profile.commit {
        source = format!("{source}, {commit}");
    }
    for (package, names) in std::mem::take(&mut row.python) {
        let names = names.into_iter().map(|name| (name, package.clone()));
        profile.python_functions.extend(names);
    }
    let parts = std::mem::take(&mut row.part);
    profile
        .change(row)
        .map_err(|(field, name)| TableError::RemovesAbsent {
            profile: profile.name.clone(),
            field,
            name,
        })?;
    for (name, part) in parts {
        let (fact, offered) = match name.strip_prefix("loader:") {
            Some(kind) => (&mut profile.module_loaders, kind),
            None => (&mut profile.functions, name.as_str()),
        };
        let names = fact.value.get_or_insert_default();
        names.insert(offered.to_owned());
        profile.provided_by.insert(name, part);
    }
    profile.mark(Confidence::Release, &source);
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inheritance_refuses_what_it_cannot_apply() {
        let row = |more| format!(r#"{{"profile": [{{"name": "a", "evidence": "e", {more}}}]}}"#);
        let text = row(r#""functions": {"remove": ["x"]}"#);
        assert!(matches!(
            Table::parse(&text),
            Err(TableError::RemovesAbsent { .. })
        ));
        let text = row(r#""base": "b""#);
        assert!(matches!(
            Table::parse(&text),
            Err(TableError::UnknownBase { .. })
        ));
        for wrong in [
            r#""typo": 1"#,
            // What only an artifact can be, and what nothing is.
            r#""payload_order": "stable""#,
            r#""constant_table": "any""#,
            r#""vm_magics": ["V3"]"#,
            r#""blob_symbols": ["__tvm_blob"]"#,
        ] {
            let table = Table::parse(&row(wrong));
            assert!(matches!(table, Err(TableError::Syntax(_))), "{wrong}");
        }
    }
}
