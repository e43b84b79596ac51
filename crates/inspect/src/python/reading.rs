//! A Python source that is read statement by statement: which of them run, and what those
//! do, as [`super::steps`] says.

use std::collections::{HashMap, VecDeque};

use super::action::{Action, actions, may_bind};
use super::condition::holds;
use super::flow::{Again, Line, again, gives_on, leaves};
use super::step::{Step, of_statement};
use super::text::parts;
use super::uses::{Use, uses};
use super::value::truth;
use super::{Interpreter, is_of_name};

/// Steps of one file that are kept, and names that they take: a function may be called a
/// thousand times.
pub(super) const MOST_STEPS: usize = 1 << 16;

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
    /// Whether it is a loop.
    is_loop: bool,
    /// What it has still to go through, where that is known.
    again: Option<Again>,
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

/// A file that is being read.
#[derive(Default)]
pub(super) struct Reading {
    python: Interpreter,
    pub(super) found: VecDeque<Step>,
    /// Whether it is told what is done with names.
    follows: bool,
    /// Whether it is a function that runs.
    is_body: bool,
    /// Names that are asked for, where that is wanted.
    pub(super) names: Option<Vec<Use>>,
    /// Steps and names that may still be kept.
    left: usize,
    blocks: Vec<Block>,
    functions: HashMap<String, Function>,
    /// Whether a function that follows is wrapped in one that may do without it.
    is_wrapped: bool,
}

impl Reading {
    /// A file.
    pub(super) fn of(python: Interpreter) -> Self {
        Self {
            python,
            left: MOST_STEPS,
            ..Self::default()
        }
    }

    /// Ends what is being read; or says where a loop begins again.
    pub(super) fn end(&mut self) -> Option<usize> {
        let base = self.blocks.first().filter(|_| self.is_body);
        let indent = base.map_or(0, |base| base.indent.saturating_add(1));
        self.close(indent).err()
    }

    /// Whether there is more than is read.
    pub(super) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// A file whose names are followed, or the body of a function that stands in this column.
    pub(super) fn following(python: Interpreter, function: Option<usize>) -> Self {
        let blocks = function.map(|indent| Block {
            indent,
            runs: Some(true),
            taken: None,
            is_choice: false,
            is_tried: false,
            is_class: false,
            is_loop: false,
            again: None,
            function: None,
        });
        Self {
            python,
            follows: true,
            is_body: function.is_some(),
            blocks: blocks.into_iter().collect(),
            ..Self::of(python)
        }
    }

    /// Reads a statement. Where a loop begins again before it: at which one.
    pub(super) fn take(&mut self, line: Line<'_>) -> Option<usize> {
        let statement = line.statements.get(line.at)?;
        let (indent, text) = (statement.indent, statement.text.trim());
        let before = match self.close(indent) {
            Ok(before) => before,
            Err(start) => return Some(start),
        };
        let around = self.blocks.last().map_or(Some(true), |block| block.runs);
        let function = self.blocks.iter().find_map(|block| block.function.clone());
        if function.is_none() && around == Some(true) {
            self.call(text);
        }
        if function.is_some() && around != Some(false) && leaves(text) {
            self.rest_may_not_run();
        }
        let is_tried = text.starts_with("try:");
        if let Some(name) = &function
            && (is_tried || text.contains("suppress"))
            && let Some(function) = self.functions.get_mut(name)
        {
            function.tries = true;
        }
        if self.follows && function.is_none() && !is_import(text) {
            self.act(text, around, line.at);
        }
        if let Some(mut block) = self.opened(text, indent, around, before.as_ref(), line) {
            let is_in_one = self.blocks.last().is_some_and(|block| block.is_tried);
            block.is_tried = is_in_one || is_tried;
            self.blocks.push(block);
        } else {
            self.step(text, around, function.clone());
        }
        if self.follows && function.is_none() && around != Some(false) {
            if is_import(text) {
                self.act(text, around, line.at);
            }
            if self.is_body && leaves(text) {
                self.rest_may_not_run();
            }
            if matches!(text, "break" | "continue") {
                self.leave_loop(text == "break");
            }
        }
        self.is_wrapped = match text.strip_prefix('@') {
            Some(wrapper) => self.is_wrapped || !keeps_function(wrapper),
            None => false,
        };
        None
    }

    /// Ends the blocks that a line of this column is behind: the last of them that stands in
    /// it; or where a loop of them begins again.
    fn close(&mut self, indent: usize) -> Result<Option<Block>, usize> {
        let mut before = None;
        while let Some(mut block) = self.blocks.pop_if(|block| block.indent >= indent) {
            let next = block.again.as_mut().and_then(|again| {
                let value = again.left.pop()?;
                Some((again.name.clone(), value, again.start))
            });
            if let Some((name, value, start)) = next {
                let around = self.blocks.last().map_or(Some(true), |around| around.runs);
                block.runs = around.filter(|runs| *runs);
                self.blocks.push(block);
                self.keep(Step::Act(Action::Let(name, value)));
                return Err(start);
            }
            before = Some(block).filter(|block| block.indent == indent);
        }
        Ok(before)
    }

    /// What a statement does with names, where that is followed.
    fn act(&mut self, text: &str, around: Option<bool>, at: usize) {
        let is_in_class = self.blocks.iter().any(|block| block.is_class);
        let mut done = match around {
            Some(true) => actions(text),
            Some(false) => return,
            None => may_bind(text),
        };
        if is_in_class {
            done.retain(|action| matches!(action, Action::Call(_)));
        } else if around == Some(true)
            && let Some(rest) = text.strip_prefix("def ").or(text.strip_prefix("class "))
        {
            let end = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or(rest).to_owned();
            done.push(match self.is_wrapped {
                true => Action::Forget(name),
                false => Action::Define(name, at),
            });
        }
        for action in done {
            self.keep(Step::Act(action));
        }
    }

    /// What follows in the loop that is being read may not run.
    fn leave_loop(&mut self, is_end: bool) {
        let Some(at) = self.blocks.iter().rposition(|block| block.is_loop) else {
            return;
        };
        for block in self.blocks.iter_mut().skip(at) {
            block.runs = block.runs.filter(|runs| !runs);
            if let Some(again) = block.again.as_mut().filter(|_| is_end) {
                again.left.clear();
            }
        }
    }

    /// What a function does that a statement calls.
    fn call(&mut self, text: &str) {
        if let Some((name, _)) = text.split_once('=') {
            self.functions.remove(name.trim());
        }
        let function = called(text).and_then(|name| self.functions.get(name));
        let Some(function) = function.filter(|_| !self.follows) else {
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
                self.found.push_back(step);
            }
            None => self.left = 0,
        }
    }

    /// What follows in the function that is being read may not run.
    fn rest_may_not_run(&mut self) {
        let (blocks, is_body) = (self.blocks.iter_mut(), self.is_body);
        for block in blocks.skip_while(|block| block.function.is_none() && !is_body) {
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
        line: Line<'_>,
    ) -> Option<Block> {
        let end = text.find(|c: char| !is_of_name(c));
        let (word, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
        let head = rest.trim().strip_suffix(':').unwrap_or(rest).trim();
        let is_open = text.ends_with(':');
        let chosen = before.filter(|before| before.is_choice);
        let (mut function, mut again) = (None, None);
        let known = |condition: &str| truth(condition, line.scope?);
        let (runs, taken, is_choice) = match word {
            "if" => {
                let holds = holds(head, self.python, &known);
                (holds, holds, true)
            }
            "elif" | "else" => {
                let own = match word {
                    "elif" => holds(head, self.python, &known),
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
            "try" if self.follows && gives_on(line) => (Some(true), None, false),
            "for" if is_open && around == Some(true) => {
                again = self.goes_through(head, line);
                (again.as_ref().map(|_| true), None, false)
            }
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
            is_loop: matches!(word, "for" | "while"),
            again,
            function,
        })
    }

    /// Begins a loop over what is known.
    fn goes_through(&mut self, head: &str, line: Line<'_>) -> Option<Again> {
        let mut again = again(head, line)?;
        let first = again.left.pop()?;
        self.keep(Step::Act(Action::Let(again.name.clone(), first)));
        Some(again)
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

    /// Whether an error in contexts comes out of them.
    fn lets_through(&self, head: &str) -> bool {
        parts(head, ',').into_iter().all(|manager| {
            let manager = manager.split('(').next().unwrap_or(manager).trim();
            let own = self.functions.get(manager);
            LET_THROUGH.contains(&manager) || own.is_some_and(|own| !own.tries)
        })
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

/// Whether what a function is wrapped in calls it, as it is.
fn keeps_function(wrapper: &str) -> bool {
    let name = wrapper.split('(').next().unwrap_or(wrapper);
    let name = name.rsplit('.').next().unwrap_or(name).trim();
    matches!(name, "contextmanager" | "cache" | "lru_cache")
}

fn is_import(text: &str) -> bool {
    text.starts_with("import ") || text.starts_with("from ")
}
