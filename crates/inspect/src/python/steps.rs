//! What a Python file does when it is imported, as far as its text says: modules that it
//! imports whatever happens, and types that it registers by a name written in it.
//!
//! What a condition guards that is not known, what is tried, what stands behind a `return`
//! that may be taken, and what is in a function that is not called may not run: it is left
//! out.

use std::collections::HashMap;

use super::condition::holds;
pub(crate) use super::step::absolute;
use super::step::of_statement;
pub use super::step::{Import, Step};
use super::text::statements;
use super::uses::{Use, uses};
use super::{Interpreter, is_of_name};

/// Steps of one file that are kept, and names that they take: a function may be called a
/// thousand times.
const MOST_STEPS: usize = 1 << 16;

/// Managers of contexts that let an error in them through.
const LET_THROUGH: [&str; 4] = [
    "warnings.catch_warnings",
    "catch_warnings",
    "np.errstate",
    "open",
];

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
    /// Whether it is a class, which has names of its own.
    is_class: bool,
    /// The function of the module that it is.
    function: Option<String>,
}

/// What a function of the module does, where the module calls it itself.
#[derive(Default)]
struct Function {
    steps: Vec<Step>,
    /// Whether it tries something: as a manager of contexts it may keep errors back.
    tries: bool,
}

/// What a file does when it is imported, in order.
pub fn steps(source: &str, python: Interpreter) -> Vec<Step> {
    read(source, python, None).found
}

/// The names that a file asks for when it is imported, whatever happens, in order.
pub(crate) fn names_asked(source: &str, python: Interpreter) -> Vec<Use> {
    let names = read(source, python, Some(Vec::new())).names;
    names.unwrap_or_default()
}

fn read(source: &str, python: Interpreter, names: Option<Vec<Use>>) -> Reading {
    let mut reading = Reading {
        python,
        left: MOST_STEPS,
        names,
        ..Reading::default()
    };
    for statement in statements(source).0 {
        reading.take(statement.indent, statement.text.trim());
        if reading.left == 0 {
            reading.found.push(Step::More);
            break;
        }
    }
    reading
}

/// A file that is being read.
#[derive(Default)]
struct Reading {
    python: Interpreter,
    found: Vec<Step>,
    /// Names that are asked for, where that is wanted.
    names: Option<Vec<Use>>,
    /// Steps and names that may still be kept.
    left: usize,
    blocks: Vec<Block>,
    functions: HashMap<String, Function>,
    /// Whether a function that follows is wrapped in one that may do without it.
    is_wrapped: bool,
}

impl Reading {
    fn take(&mut self, indent: usize, text: &str) {
        let mut before = None;
        while self
            .blocks
            .last()
            .is_some_and(|block| block.indent >= indent)
        {
            before = self.blocks.pop().filter(|block| block.indent == indent);
        }
        let around = self.blocks.last().map_or(Some(true), |block| block.runs);
        let function = self.blocks.iter().find_map(|block| block.function.clone());
        if function.is_none() && around == Some(true) {
            self.call(text);
        }
        if function.is_some() && around != Some(false) && leaves(text) {
            self.rest_may_not_run();
        }
        let is_tried = text == "try:";
        if let Some(name) = &function
            && (is_tried || text.contains("suppress"))
            && let Some(function) = self.functions.get_mut(name)
        {
            function.tries = true;
        }
        if let Some(mut block) = self.opened(text, indent, around, before.as_ref()) {
            let is_in_one = self.blocks.last().is_some_and(|block| block.is_tried);
            block.is_tried = is_in_one || is_tried;
            self.blocks.push(block);
        } else {
            self.step(text, around, function);
        }
        self.is_wrapped = match text.strip_prefix('@') {
            Some(wrapper) => self.is_wrapped || !wrapper.ends_with("contextmanager"),
            None => false,
        };
    }

    /// What a function does that a statement calls.
    fn call(&mut self, text: &str) {
        if let Some((name, _)) = text.split_once('=') {
            self.functions.remove(name.trim());
        }
        let Some(function) = called(text).and_then(|name| self.functions.get(name)) else {
            return;
        };
        for step in function.steps.clone() {
            self.keep(step);
        }
    }

    fn keep(&mut self, step: Step) {
        match self.left.checked_sub(step.cost()) {
            Some(left) => {
                self.left = left;
                self.found.push(step);
            }
            None => self.left = 0,
        }
    }

    /// What follows in the function that is being read may not run.
    fn rest_may_not_run(&mut self) {
        let blocks = self.blocks.iter_mut();
        for block in blocks.skip_while(|block| block.function.is_none()) {
            block.runs = block.runs.filter(|runs| !runs);
        }
    }

    fn step(&mut self, text: &str, around: Option<bool>, function: Option<String>) {
        let is_in_class = self.blocks.iter().any(|block| block.is_class);
        if let Some(names) = &mut self.names
            && function.is_none()
            && around == Some(true)
            && !is_in_class
        {
            names.extend(uses(text));
            self.left = self.left.min(MOST_STEPS.saturating_sub(names.len()));
        }
        let is_tried = self.blocks.last().is_some_and(|block| block.is_tried);
        let mut steps = of_statement(text);
        if around.is_none() && is_tried && function.is_none() {
            steps = steps.into_iter().filter_map(Step::tried).collect();
        } else if around != Some(true) {
            return;
        }
        let Some(name) = function else {
            return steps.into_iter().for_each(|step| self.keep(step));
        };
        if let Some(function) = self.functions.get_mut(&name) {
            function.steps.extend(steps);
        }
    }

    /// The block that a line opens.
    fn opened(
        &mut self,
        text: &str,
        indent: usize,
        around: Option<bool>,
        before: Option<&Block>,
    ) -> Option<Block> {
        let end = text.find(|c: char| !is_of_name(c));
        let (word, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
        let head = rest.trim().strip_suffix(':').unwrap_or(rest).trim();
        let is_open = text.ends_with(':');
        let chosen = before.filter(|before| before.is_choice);
        let mut function = None;
        let (runs, taken, is_choice) = match word {
            "if" => {
                let holds = holds(head, self.python);
                (holds, holds, true)
            }
            "elif" | "else" => {
                let own = match word {
                    "elif" => holds(head, self.python),
                    _ => Some(true),
                };
                match chosen.map(|before| before.taken) {
                    Some(Some(false)) => (own, own, true),
                    Some(Some(true)) => (Some(false), Some(true), true),
                    _ => (None, None, true),
                }
            }
            "class" | "finally" => (Some(true), None, false),
            "with" if self.lets_through(head) => (Some(true), None, false),
            "def" => {
                function = self.defined(head, indent, is_open);
                (Some(function.is_some()), None, false)
            }
            "async" => (Some(false), None, false),
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
            is_class: word == "class",
            function,
        })
    }

    /// The name of a function of the module, which is read for where the module calls it.
    fn defined(&mut self, head: &str, indent: usize, is_open: bool) -> Option<String> {
        let name = head.split('(').next()?.trim().to_owned();
        if self.blocks.iter().all(|block| block.function.is_none()) {
            self.functions.remove(&name);
        }
        (indent == 0 && is_open && !self.is_wrapped).then(|| {
            self.functions.insert(name.clone(), Function::default());
            name
        })
    }

    /// Whether an error in a context comes out of it.
    fn lets_through(&self, head: &str) -> bool {
        let manager = head.split('(').next().unwrap_or(head);
        let own = self.functions.get(manager);
        LET_THROUGH.contains(&manager) || own.is_some_and(|own| !own.tries)
    }
}

/// The function that a statement calls, `f()` or `with f():`, and does nothing else.
fn called(text: &str) -> Option<&str> {
    let call = match text.strip_prefix("with ") {
        Some(rest) => rest.strip_suffix(':')?,
        None => text,
    };
    let (name, rest) = call.split_once('(')?;
    let arguments = rest.strip_suffix(')')?;
    let is_name = !name.is_empty() && name.chars().all(is_of_name);
    (is_name && !arguments.contains([')', '('])).then_some(name)
}

/// Whether a statement may leave the function that it is in.
fn leaves(text: &str) -> bool {
    let mut words = text.split(|c: char| !is_of_name(c));
    words.any(|word| matches!(word, "return" | "raise"))
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
            Step::More => Some(String::from("more")),
            Step::Try(_) | Step::Call(_) => None,
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
    fn what_stands_behind_a_way_out_may_not_run() {
        let source = "def f():\n    import a\n    if x: return\n    import no\n\
            def g():\n    if x:\n        raise E\n    import no\n\
            def h():\n    def inner():\n        return\n    import b\nf()\ng()\nh()\n";
        assert_eq!(read(source), ["a:", "b:"]);
    }

    #[test]
    fn only_a_plain_call_of_the_function_that_is_known_counts() {
        let source = "def f():\n    import no\ndef f():\n    import a\nf()\n\
            f() if x else None\nx or f()\nprint(f())\n\
            @skip_without_gpu\ndef g():\n    import no\ng()\n\
            def h():\n    import no\nh = other\nh()\n";
        assert_eq!(read(source), ["a:"]);
    }

    #[test]
    fn what_a_manager_of_contexts_may_keep_back_is_left_out() {
        let source = "with try_import() as _imports:\n    import no\n\
            @contextmanager\ndef own():\n    try:\n        yield\n    except E:\n        pass\n\
            with own():\n    import no\n\
            with warnings.catch_warnings():\n    import a\n";
        assert_eq!(read(source), ["a:"]);
    }

    #[test]
    fn names_are_asked_for_by_what_runs() {
        let source = "import a\na.b(c)\n@d\ndef f(x=no):\n    no\n@e\nclass A(no):\n    x = no\n    @no\n    def g(): ...\n\
            if x:\n    no\nif True:\n    g\ntry:\n    no\nexcept E:\n    no\nf()\n";
        let asked = names_asked(source, Interpreter::default()).into_iter();
        let names: Vec<String> = asked.map(|one| one.name).collect();
        assert_eq!(names, ["a", "c", "d", "e", "g", "f"]);
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
        assert_eq!(read(&calls).len(), MOST_STEPS + 1);
        assert_eq!(read(&calls).last().unwrap(), "more");
        assert_eq!(read("import a\n").last().unwrap(), "a:");
        let names = "a,".repeat(80_000);
        let wide = format!(
            "def f():\n    from a import {names}\n{}",
            "f()\n".repeat(90_000)
        );
        assert_eq!(read(&wide), ["more"]);
        let deep = format!("if {}x:\n  import a", "not ".repeat(100_000));
        assert_eq!(read(&deep), [""; 0]);
    }
}
