//! What one statement of a Python file does that matters here: it imports, registers a type
//! by a name written in it, calls with arguments by name.

use super::action::Action;
use super::calls::{Call, calls};
use super::text::first_word;

/// `import a.b`, `from ..a import b, c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Dots before the module's name.
    pub level: usize,
    /// The name, which may be empty behind dots.
    pub module: String,
    /// What is taken from it; empty for the module itself.
    pub names: Vec<String>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Something is imported.
    Import(Import),
    /// The same where it is tried: that the module is not there may be foreseen.
    Try(Import),
    /// `@register_object("ir.OpaqueType")`.
    Type(String),
    /// A function is called with arguments by name.
    Call(Call),
    /// Something is done with names, where that is followed.
    Act(Action),
    /// There is more than is read.
    More,
}

impl Step {
    /// What it counts of the steps that are kept of a file.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Import(import) | Self::Try(import) => import.names.len().saturating_add(1),
            Self::Type(_) | Self::Act(_) | Self::More => 1,
            Self::Call(call) => call.keywords.len().saturating_add(1),
        }
    }

    pub(super) fn tried(self) -> Option<Self> {
        match self {
            Self::Import(import) => Some(Self::Try(import)),
            _ => None,
        }
    }
}

/// What a statement does.
pub(super) fn of_statement(text: &str) -> Vec<Step> {
    if let Some(modules) = text.strip_prefix("import ") {
        let modules = modules.split(',').filter_map(first_word);
        let modules = modules.map(|module| Import {
            level: 0,
            module: module.to_owned(),
            names: Vec::new(),
        });
        return modules.map(Step::Import).collect();
    }
    if let Some(rest) = text.strip_prefix("from ")
        && let Some((module, names)) = rest
            .split_once(" import ")
            .or_else(|| rest.split_once(" import("))
    {
        let module = module.trim();
        let name = module.trim_start_matches('.');
        let names = names.trim().trim_matches(['(', ')']);
        return vec![Step::Import(Import {
            level: module.len().saturating_sub(name.len()),
            module: name.trim().to_owned(),
            names: names
                .split(',')
                .filter_map(first_word)
                .map(str::to_owned)
                .collect(),
        })];
    }
    let registered = text
        .starts_with('@')
        .then(|| text.split_once("register_object("))
        .flatten();
    let key = registered.and_then(|(_, rest)| {
        let quote = rest
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))?;
        rest.split(quote).nth(1)
    });
    let registered = key.map(|key| Step::Type(key.to_owned())).into_iter();
    registered
        .chain(calls(text).into_iter().map(Step::Call))
        .collect()
}

/// The module that an import names, from inside of another.
pub(crate) fn absolute(
    module: &str,
    is_package: bool,
    level: usize,
    named: &str,
) -> Option<String> {
    if level == 0 {
        return (!named.is_empty()).then(|| named.to_owned());
    }
    let mut base = module;
    let up = level.saturating_sub(usize::from(is_package));
    for _ in 0..up {
        base = base.rsplit_once('.')?.0;
    }
    match named {
        "" => Some(base.to_owned()),
        named => Some(format!("{base}.{named}")),
    }
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn dots_lead_up_from_where_they_are() {
        let of = |module, is_package, level, named| absolute(module, is_package, level, named);
        assert_eq!(of("a.b", false, 1, "c").as_deref(), Some("a.c"));
        assert_eq!(of("a.b", true, 1, "c").as_deref(), Some("a.b.c"));
        assert_eq!(of("a.b.c", false, 2, "").as_deref(), Some("a"));
        assert_eq!(of("a", true, 1, "").as_deref(), Some("a"));
        assert_eq!(of("a", false, 2, "c"), None);
        assert_eq!(of("a", false, 0, "c.d").as_deref(), Some("c.d"));
    }
}
