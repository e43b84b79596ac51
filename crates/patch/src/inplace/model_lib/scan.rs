//! Finds names of model libraries in JSON text, with their place.

use std::ops::Range;

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
    let text = std::str::from_utf8(bytes).map_err(|error| format!("expected JSON: {error}"))?;
    // Damage and depth are judged there; what follows may take the form for granted.
    serde_json::from_str::<serde_json::Value>(text)
        .map_err(|error| format!("expected JSON: {error}"))?;
    let mut scanner = Scanner {
        bytes,
        at: 0,
        path: Vec::new(),
        found: Vec::new(),
    };
    scanner
        .value()
        .ok_or("expected JSON that reads the same twice, found other text")?;
    Ok(scanner.found)
}

/// A step from the document to a value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String, usize),
    Entry(usize),
}

/// Walks through valid JSON.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    path: Vec<Step>,
    found: Vec<Place>,
}

impl Scanner<'_> {
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.list(b'}', |scanner, number| {
                let (key, at) = scanner.string()?;
                scanner.key(&key, number, at);
                scanner.take(b':')?;
                scanner.path.push(Step::Key(key, number));
                scanner.value()
            }),
            b'[' => self.list(b']', |scanner, number| {
                scanner.path.push(Step::Entry(number));
                scanner.value()
            }),
            b'"' => {
                let (text, at) = self.string()?;
                self.text(&text, at);
                Some(())
            }
            _ => {
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                let rest = self.bytes.get(self.at..)?;
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                self.at = self.at.checked_add(length)?;
                Some(())
            }
        }
    }

    /// Entries between brackets; each may leave one step on the path.
    fn list(&mut self, end: u8, entry: impl Fn(&mut Self, usize) -> Option<()>) -> Option<()> {
        self.at = self.at.checked_add(1)?;
        let depth = self.path.len();
        for number in 0.. {
            if self.peek()? == end {
                break;
            }
            if number > 0 {
                self.take(b',')?;
                self.peek()?;
            }
            entry(self, number)?;
            self.path.truncate(depth);
        }
        self.take(end)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.bytes.get(self.at..)?;
        let skipped = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        self.at = self.at.checked_add(skipped)?;
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then_some(())?;
        self.at = self.at.checked_add(1)?;
        Some(())
    }

    fn string(&mut self) -> Option<(String, Range<usize>)> {
        (self.peek()? == b'"').then_some(())?;
        let start = self.at;
        let mut escaped = true; // the first quote does not end the string
        for byte in self.bytes.get(start..)? {
            self.at = self.at.checked_add(1)?;
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => break,
                _ => {}
            }
        }
        let at = start..self.at;
        let text = serde_json::from_slice(self.bytes.get(at.clone())?).ok()?;
        Some((text, at))
    }

    /// A key of an object.
    fn key(&mut self, name: &str, number: usize, at: Range<usize>) {
        if let [Step::Key(table, _)] = self.path.as_slice()
            && table == "model_lib_path_for_prepare_libs"
        {
            self.push(Named::PreparedLib, number, name, at);
        }
    }

    /// A text that is a value.
    fn text(&mut self, name: &str, at: Range<usize>) {
        if let [Step::Key(list, _), Step::Entry(number), Step::Key(key, _)] = self.path.as_slice()
            && list == "model_list"
            && key == "model_lib"
        {
            self.push(Named::ModelLib, *number, name, at);
        }
    }

    fn push(&mut self, what: Named, number: usize, name: &str, at: Range<usize>) {
        self.found.push(Place {
            what,
            number,
            name: name.to_owned(),
            at,
        });
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
