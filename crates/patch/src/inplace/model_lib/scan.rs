//! Finds names of model libraries in JSON text, with their place.

use std::fmt;
use std::ops::Range;

use artcheck_inspect::container::{self, FileType};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::plan::Named;

/// A name and where it stands, quotes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) what: Named,
    /// Entry of the list, or key of the table.
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) at: Range<usize>,
}

/// The names in a configuration.
pub(super) fn places(bytes: &[u8]) -> Result<Vec<Place>, String> {
    let bad = |error: &dyn fmt::Display| match container::identify(bytes) {
        FileType::Unknown => format!("this is not JSON: {error}"),
        found => format!("this is {}, not JSON", found.spoken()),
    };
    let text = std::str::from_utf8(bytes).map_err(|error| bad(&error))?;
    // Damage and depth are judged there.
    serde_json::from_str::<serde_json::Value>(text).map_err(|error| bad(&error))?;
    let mut found = Vec::new();
    let mut push = |what, number, raw: &RawValue| {
        let start = raw.get().as_ptr().addr().wrapping_sub(text.as_ptr().addr());
        if let Ok(name) = serde_json::from_str(raw.get()) {
            let at = start..start.saturating_add(raw.get().len());
            found.push(Place {
                what,
                number,
                name,
                at,
            });
        }
    };
    for (key, value) in object(text) {
        match serde_json::from_str::<String>(key.get()).as_deref() {
            Ok("model_list") => {
                let entries: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
                for (number, entry) in entries.into_iter().enumerate() {
                    for (key, name) in object(entry.get()) {
                        if serde_json::from_str::<String>(key.get())
                            .is_ok_and(|key| key == "model_lib")
                        {
                            push(Named::ModelLib, number, name);
                        }
                    }
                }
            }
            Ok("model_lib_path_for_prepare_libs") => {
                for (number, (name, _)) in object(value.get()).into_iter().enumerate() {
                    push(Named::PreparedLib, number, name);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Keys and values of an object as they are written; of anything else none.
fn object(text: &str) -> Vec<(&RawValue, &RawValue)> {
    serde_json::from_str(text).map_or_else(|_| Vec::new(), |Entries(entries)| entries)
}

struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Entries<'de>;
            fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
                text.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let next = std::iter::from_fn(|| map.next_entry().transpose());
                next.collect::<Result<_, _>>().map(Entries)
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_the_configuration_has_them_and_nowhere_else() {
        let text = r#" {"model_lib": "no", "model_list" : [
            {"a": [1, {"model_lib": "no"}], "model_lib" :"q\u0034_\"x\"" }, 3, {"model_lib": true},
            {"model_lib": "two","model_list":[{"model_lib":"no"}]} ],
            "model_lib_path_for_prepare_libs": {"one": {"no": ""}, "two" : "no"}, "e": [], "f": {} } "#;
        let places = places(text.as_bytes()).expect("JSON");
        let found: Vec<_> = places
            .iter()
            .map(|place| {
                (
                    place.what,
                    place.number,
                    place.name.as_str(),
                    &text[place.at.clone()],
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (Named::ModelLib, 0, "q4_\"x\"", r#""q\u0034_\"x\"""#),
                (Named::ModelLib, 3, "two", "\"two\""),
                (Named::PreparedLib, 0, "one", "\"one\""),
                (Named::PreparedLib, 1, "two", "\"two\""),
            ]
        );
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "{\"model_list\": [}", "\u{feff}{}", "// {}"] {
            assert!(places(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
