//! What a Python file does when it is imported, as far as its text says: modules that it
//! imports whatever happens, and types that it registers by a name written in it.
//!
//! Statements are read line by line and nothing is executed. What a condition guards that
//! is not known, what is tried, and what is in a function may not run: it is left out.

use std::collections::HashMap;

pub use super::python_condition::Interpreter;
use super::python_condition::holds;

/// Steps of one file that are kept: a function may be called a thousand times.
const MOST_STEPS: usize = 1 << 16;

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
}

/// A block of lines that are indented alike.
struct Block {
    indent: usize,
    /// Whether its lines run.
    runs: Option<bool>,
    /// Whether a branch before it, or it, has run: what `else` asks.
    taken: Option<bool>,
    /// Whether `elif` and `else` may follow.
    is_choice: bool,
    /// Whether it is `try`, or in one.
    is_tried: bool,
    /// The function of the module that it is.
    function: Option<String>,
}

/// What a file does when it is imported, in order.
pub fn steps(source: &str, python: Interpreter) -> Vec<Step> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut found = Vec::new();
    // What functions of the module do, where it calls them itself.
    let mut functions: HashMap<String, Vec<Step>> = HashMap::new();
    for line in Lines::of(source) {
        let mut before = None;
        while blocks
            .last()
            .is_some_and(|block| block.indent >= line.indent)
        {
            before = blocks.pop().filter(|block| block.indent == line.indent);
        }
        let around = blocks.last().map_or(Some(true), |block| block.runs);
        let is_tried = blocks.last().is_some_and(|block| block.is_tried);
        let text = line.text.trim();
        let function = blocks.iter().find_map(|block| block.function.clone());
        if function.is_none()
            && around == Some(true)
            && let Some(steps) = called(text).and_then(|name| functions.get(name))
        {
            found.extend(steps.iter().take(MOST_STEPS).cloned());
        }
        if let Some(mut block) = opened(text, line.indent, around, before.as_ref(), python) {
            block.is_tried = is_tried || text == "try:";
            blocks.push(block);
        } else if around == Some(true) {
            match function {
                Some(name) => functions.entry(name).or_default().extend(step(text)),
                None => found.extend(step(text)),
            }
        } else if around.is_none() && is_tried && function.is_none() {
            let steps = step(text).into_iter();
            found.extend(steps.filter_map(|step| match step {
                Step::Import(import) => Some(Step::Try(import)),
                _ => None,
            }));
        }
        if found.len() >= MOST_STEPS {
            break;
        }
    }
    found.truncate(MOST_STEPS);
    found
}

/// The code of a source: its statements without comments and texts between three quotes.
pub fn code(source: &str) -> String {
    let (lines, _) = statements(source);
    let lines: Vec<String> = lines.into_iter().map(|(_, text)| text).collect();
    lines.join("\n")
}

/// Where a source ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Outside brackets and texts.
    Whole,
    /// In a text between three quotes.
    InLongText,
    /// In another text.
    InText,
    /// In this bracket.
    In(char),
}

/// The statements of a source with their indents, and where it ends.
pub fn statements(source: &str) -> (Vec<(usize, String)>, Ending) {
    let mut lines = Lines::of(source);
    let all = lines.by_ref().map(|line| (line.indent, line.text));
    (all.collect(), lines.ending)
}

/// The function that a statement calls, `f()` or `with f():`.
fn called(text: &str) -> Option<&str> {
    let call = text.strip_prefix("with ").unwrap_or(text);
    let (name, _) = call.split_once('(')?;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// The block that a line opens.
fn opened(
    text: &str,
    indent: usize,
    around: Option<bool>,
    before: Option<&Block>,
    python: Interpreter,
) -> Option<Block> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    let (word, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let head = rest.trim().strip_suffix(':').unwrap_or(rest).trim();
    let is_open = text.ends_with(':');
    let chosen = before.filter(|before| before.is_choice);
    // A function of the module is read, for where the module calls it.
    let function = (word == "def" && indent == 0 && is_open)
        .then(|| head.split('(').next())
        .flatten()
        .map(|name| name.trim().to_owned());
    let (runs, taken, is_choice) = match word {
        "def" if function.is_some() => (Some(true), None, false),
        "if" => {
            let holds = holds(head, python);
            (holds, holds, true)
        }
        "elif" | "else" => {
            let own = match word {
                "elif" => holds(head, python),
                _ => Some(true),
            };
            match chosen.map(|before| before.taken) {
                Some(Some(false)) => (own, own, true),
                Some(Some(true)) => (Some(false), Some(true), true),
                _ => (None, None, true),
            }
        }
        "class" | "finally" => (Some(true), None, false),
        "with" if !head.contains("suppress") => (Some(true), None, false),
        "def" | "async" => (Some(false), None, false),
        "try" | "except" | "for" | "while" | "with" | "match" | "case" => (None, None, false),
        _ => return None,
    };
    // What follows on the same line is one statement, which is passed over.
    let runs = match (around, runs) {
        (Some(true), runs) if is_open => runs,
        (Some(false), _) | (_, Some(false)) => Some(false),
        _ => None,
    };
    Some(Block {
        indent,
        runs,
        taken,
        is_choice,
        is_tried: false,
        function,
    })
}

/// What a statement does.
fn step(text: &str) -> Vec<Step> {
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
    key.map(|key| Step::Type(key.to_owned()))
        .into_iter()
        .collect()
}

fn first_word(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '*');
    word.chars().all(is_name).then_some(word)
}

/// A statement on one line, comments and the texts between three quotes left out.
struct Line {
    indent: usize,
    text: String,
}

/// The statements of a source.
struct Lines<'a> {
    rest: &'a str,
    /// Where the last one ends.
    ending: Ending,
}

impl<'a> Lines<'a> {
    fn of(source: &'a str) -> Self {
        let ending = Ending::Whole;
        Self {
            rest: source.strip_prefix('\u{feff}').unwrap_or(source),
            ending,
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let body = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
            let indent = self.rest.len().saturating_sub(body.len());
            let (text, rest, ending) = statement(body);
            self.rest = rest;
            self.ending = ending;
            if !text.trim().is_empty() {
                return Some(Line { indent, text });
            }
        }
    }
}

/// The statement that a source begins with, and what follows it: to the end of the line
/// outside brackets and texts.
fn statement(source: &str) -> (String, &str, Ending) {
    let mut text = String::new();
    let mut open: Vec<char> = Vec::new();
    let mut ending = Ending::Whole;
    let mut rest = source;
    while let Some(at) = rest.find(['#', '"', '\'', '(', '[', '{', ')', ']', '}', '\n', '\\']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        text.push_str(before);
        let mut letters = from.chars();
        let letter = letters.next().unwrap_or('\n');
        rest = letters.as_str();
        match letter {
            '#' => {
                rest = rest
                    .find('\n')
                    .and_then(|end| rest.get(end..))
                    .unwrap_or("")
            }
            '"' | '\'' => {
                let (string, after, end) = string(from, letter);
                text.push_str(string);
                rest = after;
                if rest.is_empty() {
                    ending = end;
                }
            }
            '(' | '[' | '{' => {
                open.push(letter);
                text.push(letter);
            }
            ')' | ']' | '}' => {
                open.pop();
                text.push(letter);
            }
            '\\' if rest.starts_with('\n') => {
                text.push(' ');
                rest = rest.get(1..).unwrap_or("");
            }
            '\n' if open.is_empty() => return (text, rest, Ending::Whole),
            '\n' => text.push(' '),
            other => text.push(other),
        }
    }
    text.push_str(rest);
    if let (Ending::Whole, Some(bracket)) = (ending, open.last()) {
        ending = Ending::In(*bracket);
    }
    (text, "", ending)
}

/// The string that a source begins with, without its text where it has three quotes, what
/// follows, and how it ends.
fn string(from: &str, quote: char) -> (&str, &str, Ending) {
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let is_long = from.starts_with(&triple);
    let (start, end) = match is_long {
        true => (3, triple.as_str()),
        false => (1, triple.get(..1).unwrap_or_default()),
    };
    let body = from.get(start..).unwrap_or_default();
    let mut at = 0usize;
    while let Some(left) = body.get(at..).filter(|left| !left.is_empty()) {
        if left.starts_with(end) {
            let close = at.saturating_add(start.saturating_add(end.len()));
            let after = from.get(close..).unwrap_or_default();
            return match is_long {
                true => ("''", after, Ending::Whole),
                false => (from.get(..close).unwrap_or_default(), after, Ending::Whole),
            };
        }
        let mut letters = left.chars();
        match letters.next() {
            Some('\n') if !is_long => break,
            Some('\\') => {
                let escaped = letters.next().map_or(0, char::len_utf8);
                at = at.saturating_add(escaped.saturating_add(1));
            }
            Some(letter) => at = at.saturating_add(letter.len_utf8()),
            None => break,
        }
    }
    // Not closed: damaged source.
    match is_long {
        true => ("", "", Ending::InLongText),
        false => ("", body.get(at..).unwrap_or_default(), Ending::InText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Platform;

    fn read(source: &str) -> Vec<String> {
        let python = Interpreter {
            minor: Some(11),
            platform: Some(Platform::Linux),
        };
        let steps = steps(source, python).into_iter();
        let words = steps.filter_map(|step| match step {
            Step::Import(Import {
                level,
                module,
                names,
            }) => Some(format!("{}{module}:{}", ".".repeat(level), names.join(","))),
            Step::Type(key) => Some(format!("@{key}")),
            Step::Try(_) => None,
        });
        words.collect()
    }

    #[test]
    fn what_runs_at_import_is_read() {
        let source = "'''import no'''\nimport a.b as c, d  # and e\nfrom . import (\n    x,  # one\n    y as z,\n)\n\
            from ..up.mod import \\\n    q\nfrom t import *\n\
            @tvm_ffi.register_object(\"ir.A\")\nclass A:\n    from k import inner\n    def f(self):\n        import no\n\
            s = \"import no\\\"\"; t = '''\nimport no\n'''\nwith warnings.catch_warnings():\n    import w\n";
        assert_eq!(
            read(source),
            [
                "a.b:",
                "d:",
                ".:x,y",
                "..up.mod:q",
                "t:*",
                "@ir.A",
                "k:inner",
                "w:"
            ]
        );
    }

    #[test]
    fn what_may_not_run_is_left_out() {
        let source = "try:\n    import no\nexcept ImportError:\n    import no\n\
            def f():\n    import no\nasync def g():\n    import no\n\
            if TYPE_CHECKING:\n    import no\nelse:\n    import yes1\n\
            if typing.TYPE_CHECKING or not _is_config_mode():\n    import yes2\n    if other():\n        import no\n\
            if sys.version_info >= (3, 12):\n    import no\nelif sys.version_info >= (3, 11):\n    import yes3\nelse:\n    import no\n\
            if sys.platform == \"win32\":\n    import no\nif os.name != 'nt':\n    import yes4\n\
            if x:\n    pass\nelse:\n    import no\nwith contextlib.suppress(ImportError):\n    import no\n\
            for a in b:\n    import no\nif TYPE_CHECKING: import no\nimport last";
        assert_eq!(read(source), ["yes1:", "yes2:", "yes3:", "yes4:", "last:"]);
    }

    #[test]
    fn functions_that_the_module_calls_are_read() {
        let source = "def f():\n    import a\n    if x:\n        import no\n    def g():\n        import no\n\
            def other():\n    import no\n@contextmanager\ndef h():\n    import b\n    yield\n\
            f()\nwith h():\n    import c\nif x:\n    other()\nx = other\n";
        assert_eq!(read(source), ["a:", "b:", "c:"]);
    }

    #[test]
    fn damaged_source_is_no_danger() {
        for source in [
            "'''",
            "\"",
            "from",
            "from x import (",
            "if",
            "(((",
            "\\",
            "é='",
            "@register_object('",
        ] {
            let _ = read(source);
        }
        let calls = format!(
            "def f():\n{}{}",
            "    import a\n".repeat(30_000),
            "f()\n".repeat(100_000)
        );
        assert_eq!(read(&calls).len(), MOST_STEPS);
        let deep = format!("if {}x:\n  import a", "not ".repeat(100_000));
        assert_eq!(read(&deep), [""; 0]);
    }
}
