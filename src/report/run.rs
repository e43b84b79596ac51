//! The run that made a report: what was typed, and which repairs were tried out.
//! It is for people who read the report now, and in no JSON document.

use artcheck_inspect::runtime::release;
use artcheck_inspect::shell;

/// What reports for people say besides the findings.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The command, quoted; empty where a report was read.
    pub command: String,
    /// When, in words.
    pub date: String,
    /// The paths, quoted.
    pub paths: Vec<String>,
    /// Whether a target was named, on the command line or in the policy.
    pub has_target: bool,
    /// No hints.
    pub quiet: bool,
    /// Runtimes by their names in the report, and what names them on the command line.
    pub runtimes: Vec<(String, Vec<String>)>,
    /// Repairs that were planned as a whole and leave nothing that breaks.
    pub fixes: Vec<Fix>,
    /// Files whose repair was not tried out, because there were too many.
    pub untried: usize,
}

/// A file that `artcheck fix` makes run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The file, as findings have it.
    pub file: String,
    /// The runtime, as findings have it.
    pub runtime: String,
    /// The command.
    pub command: Vec<String>,
}

impl Run {
    /// How a runtime is named on the command line.
    pub fn runtime(&self, name: &str) -> String {
        let typed = self.runtimes.iter().find(|(known, _)| known == name);
        let parts = typed.iter().flat_map(|(_, typed)| typed);
        let parts: Vec<String> = parts.map(|part| shell::file(part)).collect();
        match parts.is_empty() {
            true => shell::file(name),
            false => parts.join(" "),
        }
    }

    /// The repair of a file on a runtime, if it was found whole.
    pub fn fix(&self, file: &str, runtime: Option<&str>) -> Option<&Fix> {
        let fits = |fix: &&Fix| fix.file == file && runtime.is_none_or(|name| name == fix.runtime);
        self.fixes.iter().find(fits)
    }

    /// `help` with its FILE and RUNTIME replaced by what they are here.
    pub fn filled(&self, help: &str, file: &str, runtime: Option<&str>) -> String {
        let pieces = help.split('`').enumerate().map(|(number, piece)| {
            if number % 2 == 0 || !piece.starts_with("artcheck ") {
                return piece.to_owned();
            }
            // A shim is built for files; a release has none.
            let is_shim = piece.contains(" shim ");
            let runtime = runtime.filter(|name| !is_shim || release::by_name(name).is_none());
            let words = piece.split(' ').map(|word| match (word, runtime) {
                ("FILE", _) => shell::file(file),
                ("RUNTIME", Some(runtime)) => self.runtime(runtime),
                _ => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ")
        });
        pieces.collect::<Vec<_>>().join("`")
    }
}
