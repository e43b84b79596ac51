//! Modules and functions that run one in the other while something is imported.

use std::collections::HashMap;
use std::sync::Arc;

use super::Interpreter;
use super::folder::Folder;
use super::program::{Entered, Key, Names, Program, View};
use super::reading::Reading;
use super::text::Statement;
use super::value::Value;

/// Functions that are called.
const MOST_CALLS: usize = 1 << 14;
/// Modules and functions that run one in the other.
const MOST_NESTED: usize = 1 << 9;

/// A module whose import has begun, or a function of it that is called.
pub(super) struct Running {
    pub(super) name: String,
    pub(super) is_package: bool,
    /// Its file below the folder.
    pub(super) file: String,
    pub(super) reading: Reading,
    pub(super) statements: Arc<[Statement]>,
    /// The next of its statements, and their end.
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) call: Option<Call>,
}

/// A function that runs.
pub(super) struct Call {
    names: Names,
    start: usize,
    key: Key,
    /// The name that its value is given where it was called.
    into: String,
    gives: Option<Value>,
}

/// What runs, the last first.
#[derive(Default)]
pub(super) struct Stack {
    /// Modules that are being imported, functions that are called, and what each has still
    /// to do.
    pub(super) running: Vec<Running>,
    pub(super) program: Program,
    /// What functions that were called give.
    called: HashMap<Key, Option<Value>>,
}

impl Running {
    /// What is known where it is.
    pub(super) fn view<'a>(&'a self, folder: &'a Folder, program: &'a Program) -> View<'a> {
        let call = self.call.as_ref();
        View {
            folder,
            program,
            module: &self.name,
            locals: call.map(|call| &call.names),
            range: call.map_or(0..0, |call| call.start..self.end),
        }
    }
}

impl Stack {
    /// What is known where the last that runs is.
    pub(super) fn view<'a>(&'a self, folder: &'a Folder) -> Option<View<'a>> {
        let running = self.running.last()?;
        Some(running.view(folder, &self.program))
    }

    /// Ends the function that runs, which gives this.
    pub(super) fn give(&mut self, gives: Option<Value>) {
        if let Some(running) = self.running.last_mut()
            && let Some(call) = &mut running.call
        {
            call.gives = gives;
            running.at = running.end;
        }
    }

    /// Gives a name a value, where the last that runs is.
    pub(super) fn set(&mut self, name: String, value: Option<Value>) {
        let Some(running) = self.running.last_mut() else {
            return;
        };
        let module = self.program.get_mut(&running.name);
        let names = match &mut running.call {
            Some(call) => Some(&mut call.names),
            None => module.map(|module| &mut module.names),
        };
        if let Some(names) = names {
            names.insert(name, value);
        }
    }

    /// Begins a function that was not called before with the same, in this file.
    pub(super) fn enter(
        &mut self,
        entered: Entered,
        into: String,
        file: String,
        python: Interpreter,
    ) {
        let (module, ..) = &entered.key;
        if let Some(known) = self.called.get(&entered.key) {
            let known = known.clone();
            return self.set(into, known);
        }
        let is_full = self.called.len() >= MOST_CALLS || self.running.len() >= MOST_NESTED;
        let Some(loaded) = self.program.get(module).filter(|_| !is_full) else {
            return self.set(into, None);
        };
        let running = Running {
            name: module.clone(),
            is_package: loaded.is_package,
            file,
            reading: Reading::following(python, Some(entered.indent)),
            statements: loaded.statements.clone(),
            at: entered.range.start,
            end: entered.range.end,
            call: Some(Call {
                names: entered.names,
                start: entered.range.start,
                key: entered.key.clone(),
                into,
                gives: None,
            }),
        };
        self.called.insert(entered.key, None);
        self.running.push(running);
    }

    /// Ends the last that runs.
    pub(super) fn end(&mut self) {
        let ended = self.running.pop();
        if let Some(call) = ended.and_then(|ended| ended.call) {
            self.called.insert(call.key, call.gives.clone());
            self.set(call.into, call.gives);
        }
    }
}
