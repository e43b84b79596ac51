//! Environment markers of Python requirements: what stands after the `;` in
//! `name>=1; python_version < "3.14" and extra == "x"`, evaluated for an
//! environment of which only some facts are known.
//!
//! Versions are compared by a library; the expression around them is read here,
//! because its readers elsewhere end the process on deep nesting. Nothing is
//! kept: an expression is read and evaluated in one pass.

use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifier};

use crate::container::{Architecture, Platform};

/// Parentheses in parentheses; real markers have two.
const MOST_NESTED: usize = 32;

/// What is known of the environment that a package is installed in.
#[derive(Debug, Clone)]
pub struct Environment {
    /// System of the libraries in it.
    pub platform: Platform,
    /// Their instruction set.
    pub architecture: Architecture,
    /// Version of CPython, `3.11`, where the folder says it.
    pub python: Option<String>,
}

impl Environment {
    /// Whether a marker holds here; `None` where that depends on a fact that is
    /// not known, or where the marker cannot be read. An empty one always holds.
    pub fn holds(&self, marker: &str) -> Option<bool> {
        if marker.is_empty() {
            return Some(true);
        }
        let mut reader = Reader {
            rest: marker,
            environment: self,
            nested: 0,
        };
        let value = reader.any().ok()?;
        reader.rest.trim().is_empty().then_some(value)?
    }

    /// The value of a variable of markers. No extra was asked for.
    fn fact(&self, name: &str) -> Option<String> {
        use Platform::{Android, Ios, IosSimulator, Linux, MacOs, Windows};
        let value = match (name, self.platform) {
            ("extra", _) => "",
            ("python_version", _) => return self.python.clone(),
            ("platform_python_implementation", _) if self.python.is_some() => "CPython",
            ("implementation_name", _) if self.python.is_some() => "cpython",
            ("os_name", Windows) => "nt",
            ("os_name", Linux | MacOs | Android | Ios | IosSimulator) => "posix",
            ("sys_platform", Linux) => "linux",
            ("sys_platform", MacOs) => "darwin",
            ("sys_platform", Windows) => "win32",
            ("platform_system", Linux) => "Linux",
            ("platform_system", MacOs) => "Darwin",
            ("platform_system", Windows) => "Windows",
            ("platform_machine", system) => match (self.architecture, system) {
                (Architecture::X86_64, Linux | MacOs) => "x86_64",
                (Architecture::X86_64, Windows) => "AMD64",
                (Architecture::Aarch64, Linux) => "aarch64",
                (Architecture::Aarch64, MacOs) => "arm64",
                (Architecture::Aarch64, Windows) => "ARM64",
                _ => return None,
            },
            _ => return None,
        };
        Some(value.to_owned())
    }
}

struct Reader<'a> {
    rest: &'a str,
    environment: &'a Environment,
    nested: usize,
}

/// The marker is not of the form that the standard gives it.
struct Malformed;

/// One side of a comparison.
struct Side {
    /// Its value; `None` for a variable that is not known.
    value: Option<String>,
    /// Written out, no variable.
    literal: bool,
}

impl Reader<'_> {
    /// `a or b or c`
    fn any(&mut self) -> Result<Option<bool>, Malformed> {
        let mut value = self.all()?;
        while self.takes_word("or") {
            let other = self.all()?;
            value = match (value, other) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        Ok(value)
    }

    /// `a and b and c`
    fn all(&mut self) -> Result<Option<bool>, Malformed> {
        let mut value = self.one()?;
        while self.takes_word("and") {
            let other = self.one()?;
            value = match (value, other) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        Ok(value)
    }

    /// A comparison, or an expression in parentheses.
    fn one(&mut self) -> Result<Option<bool>, Malformed> {
        if self.takes("(") {
            self.nested = self.nested.saturating_add(1);
            if self.nested > MOST_NESTED {
                return Err(Malformed);
            }
            let value = self.any()?;
            if !self.takes(")") {
                return Err(Malformed);
            }
            self.nested = self.nested.saturating_sub(1);
            return Ok(value);
        }
        let left = self.side()?;
        let operator = self.operator()?;
        let right = self.side()?;
        let (Some(a), Some(b)) = (&left.value, &right.value) else {
            return Ok(None);
        };
        Ok(compare(a, operator, b, left.literal && !right.literal))
    }

    fn side(&mut self) -> Result<Side, Malformed> {
        for quote in ['"', '\''] {
            if self.takes(quote.encode_utf8(&mut [0; 4])) {
                let (text, rest) = self.rest.split_once(quote).ok_or(Malformed)?;
                self.rest = rest;
                return Ok(Side {
                    value: Some(text.to_owned()),
                    literal: true,
                });
            }
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).ok_or(Malformed)?;
        if name.is_empty() {
            return Err(Malformed);
        }
        self.rest = rest;
        Ok(Side {
            value: self.environment.fact(name),
            literal: false,
        })
    }

    fn operator(&mut self) -> Result<&'static str, Malformed> {
        const OPERATORS: [&str; 8] = ["===", "==", "!=", "<=", ">=", "~=", "<", ">"];
        if let Some(found) = OPERATORS.into_iter().find(|text| self.takes(text)) {
            return Ok(found);
        }
        if self.takes_word("in") {
            return Ok("in");
        }
        if self.takes_word("not") && self.takes_word("in") {
            return Ok("not in");
        }
        Err(Malformed)
    }

    fn takes(&mut self, text: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        if self.takes(word)
            && !self
                .rest
                .starts_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            return true;
        }
        self.rest = before;
        false
    }
}

/// Compares as versions where both sides are versions, otherwise as text;
/// `flipped` where the variable stands on the right.
fn compare(a: &str, operator: &str, b: &str, flipped: bool) -> Option<bool> {
    match operator {
        "in" => return Some(b.contains(a)),
        "not in" => return Some(!b.contains(a)),
        _ => {}
    }
    let (value, operator, bound) = match (flipped, operator) {
        (false, operator) => (a, operator, b),
        (true, "<") => (b, ">", a),
        (true, "<=") => (b, ">=", a),
        (true, ">") => (b, "<", a),
        (true, ">=") => (b, "<=", a),
        (true, operator) => (b, operator, a),
    };
    if let (Ok(version), Ok(specifier)) = (
        Version::from_str(value),
        VersionSpecifier::from_str(&format!("{operator}{bound}")),
    ) {
        return Some(specifier.contains(&version));
    }
    match operator {
        "==" | "===" => Some(value == bound),
        "!=" => Some(value != bound),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(marker: &str) -> Option<bool> {
        Environment {
            platform: Platform::Linux,
            architecture: Architecture::X86_64,
            python: Some("3.11".to_owned()),
        }
        .holds(marker)
    }

    #[test]
    fn markers_hold_or_not() {
        for (marker, expected) in [
            ("python_version < '3.14'", true),
            ("python_version < \"3.9\"", false),
            ("'3.9' <= python_version", true),
            ("python_version == '3.*'", true),
            ("python_version ~= '3.10'", true),
            ("extra == 'all'", false),
            (
                "platform_system == \"Linux\" and platform_machine == \"x86_64\"",
                true,
            ),
            (
                "sys_platform == 'win32' or (sys_platform == 'linux' and extra != 'x')",
                true,
            ),
            ("sys_platform in 'linux darwin'", true),
            ("sys_platform not in 'linux darwin'", false),
            ("python_version >= '3.10' and extra == \"test\"", false),
        ] {
            assert_eq!(here(marker), Some(expected), "{marker}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for marker in [
            "platform_release >= '5'",
            "platform_release == '5' and sys_platform == 'linux'",
            "platform_release == '5' or sys_platform == 'win32'",
            "python_version",
            "python_version < ",
            "python_version < '3.9",
            "python_version ? '3'",
            "sys_platform == 'linux' sys_platform",
            " ",
        ] {
            assert_eq!(here(marker), None, "{marker}");
        }
        assert_eq!(
            here("platform_release == '5' and sys_platform == 'win32'"),
            Some(false)
        );
        assert_eq!(
            here("platform_release == '5' or sys_platform == 'linux'"),
            Some(true)
        );
    }

    #[test]
    fn each_system_has_its_names() {
        let marker =
            "sys_platform == 'darwin' and platform_machine == 'arm64' and os_name == 'posix'";
        for (platform, expected) in [
            (Platform::MacOs, Some(true)),
            (Platform::Windows, Some(false)),
            (Platform::Unknown, None),
        ] {
            let there = Environment {
                platform,
                architecture: Architecture::Aarch64,
                python: None,
            };
            assert_eq!(there.holds(marker), expected, "{platform:?}");
            assert_eq!(there.holds("python_version >= '3.8'"), None);
        }
    }

    #[test]
    fn depth_and_length_are_no_danger() {
        let nested =
            |depth: usize| format!("{}extra == 'a'{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(here(&nested(20)), Some(false));
        assert_eq!(here(&nested(200_000)), None);
        let long = vec!["(extra == 'a' and extra == 'b')"; 20_000].join(" or ");
        assert_eq!(here(&long), Some(false));
    }
}
