//! The libraries beside TVM's own that a file needs and does not find, and who brings them.

use std::path::PathBuf;

use super::run_paths;
use crate::container::{Binary, Format};
use crate::finding::Need;
use crate::parts;
use crate::place::Place;
use crate::runtime::dependencies::Dependencies;
use crate::runtime::libraries::{from_start, is_family, search_variable};
use crate::runtime::machine::Machine;
use crate::runtime::member::Member;
use crate::runtime::presence::{Presence, presence};
use crate::runtime::system::{self, Brings};

/// A library that a file needs and does not find.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) brings: Option<Brings>,
    pub(super) presence: Presence,
    /// The variable with folders that the loader looks in.
    variable: &'static str,
    /// What leads to it from the folder in which a process is started.
    pub(super) from_start: Option<&'a str>,
    /// A file that calls itself so, and has no link of that name.
    pub(super) unlinked: Option<PathBuf>,
}

impl Wanted<'_> {
    /// Who has it, in words.
    fn from(&self) -> String {
        match self.brings {
            Some(Brings::Machine(what)) => what.to_owned(),
            Some(Brings::Toolkit(package) | Brings::Package(package)) => package.name.clone(),
            None => String::from("its own package"),
        }
    }

    /// What the machine must have for it.
    pub(super) fn need(&self) -> Need {
        if let Some(path) = self.from_start {
            return run_paths::started_in(self.name, path);
        }
        Need {
            library: self.name.to_owned(),
            brought_by: self.from(),
        }
    }

    /// What to do about it.
    pub(super) fn help(&self) -> String {
        let name = self.name;
        if let Some(path) = self.from_start {
            return format!(
                "`{path}` begins in the folder that the process is started in: link it with `-Wl,-rpath,'$ORIGIN/{path}'`, or start it there"
            );
        }
        if let Presence::Beside(folder) = &self.presence {
            return format!(
                "`{name}` is in {0}, where the loader does not look: set {1} to that folder, or load the library before, as `import torch` does",
                Place::file(folder),
                self.variable
            );
        }
        if let Some(name) = self.unlinked.as_ref().and_then(|file| file.file_name()) {
            let (name, link) = (name.to_string_lossy(), self.name);
            return format!(
                "{name} calls itself `{link}`, and the link of that name is not there: `ln -s {name} {link}` in its folder"
            );
        }
        if self.presence == Presence::Gone {
            return format!(
                "take the whole package: `{name}` is a way to a file of its own, and that file is not there"
            );
        }
        match self.brings {
            Some(Brings::Machine(what)) => {
                format!("the machine that it runs on must have {what}")
            }
            Some(Brings::Toolkit(package)) => format!(
                "install the toolkit that has `{name}` on the machine that it runs on, or {} ({} has it) with its folder on {}",
                package.name, package.version, self.variable
            ),
            Some(Brings::Package(package)) => format!(
                "install the package that brings it: {} ({} has it)",
                package.name, package.version
            ),
            None => format!("install what brings `{name}`, or ship it beside this file"),
        }
    }
}

/// A file that needs libraries, and where it runs.
#[derive(Clone, Copy)]
pub(super) struct User<'a> {
    pub(super) place: &'a Place,
    pub(super) binary: &'a Binary,
    /// What the runtime is called.
    pub(super) runtime: &'a str,
    /// The machine that is all there is.
    pub(super) machine: Option<&'a Machine>,
    /// Whether nothing but the loader brings what it needs.
    pub(super) is_certain: bool,
    /// Whether it is a model library: of TVM's libraries it needs those of its runtime.
    pub(super) is_model: bool,
    /// Whether it is a program, or loaded when one starts.
    pub(super) is_program: bool,
    /// The parts of that runtime.
    pub(super) members: &'a [Member],
    /// The libraries that were read for others.
    pub(super) known: &'a Dependencies,
}

impl User<'_> {
    /// Whether others speak of a library of TVM's, or of what is called like one.
    fn is_of_family(&self, name: &str) -> bool {
        let mut members = self.members.iter();
        let is_here = |member: &Member| member.path.name() == name;
        is_family(name) && (!self.is_model || parts::is_own(name) || members.any(is_here))
    }
}

/// Whether a library that is known may have this name, as Windows reads it.
fn is_name(name: &str, format: Format) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte);
    let is_dll = !name.contains('.') || name.to_ascii_lowercase().ends_with(".dll");
    format != Format::Pe || (is_dll && name.bytes().all(is_known))
}

/// The libraries that a file does not find, less TVM's, the system's, and those of
/// which nothing is known.
pub(super) fn wanted<'a>(user: &User<'a>) -> Vec<Wanted<'a>> {
    let format = user.binary.format;
    let needed = user.binary.needed.iter().filter(|needed| {
        let is_spoken_of = user.is_of_family(&needed.name) || system::is_base(&needed.name);
        !(needed.optional || is_spoken_of && is_name(&needed.name, format))
    });
    let wanted = needed.map(|needed| Wanted {
        name: &needed.name,
        brings: system::brings(&needed.name, user.binary.format),
        presence: presence(
            user.place,
            user.binary,
            &needed.name,
            user.machine,
            user.known,
        ),
        variable: search_variable(user.binary.format),
        from_start: from_start(user.binary, &needed.name),
        unlinked: None,
    });
    let wanted = wanted.map(|one| Wanted {
        unlinked: match one.presence {
            Presence::Absent | Presence::Unknown => {
                system::without_link(user.place, user.binary, one.name)
            }
            Presence::Found | Presence::Beside(_) | Presence::Gone => None,
        },
        ..one
    });
    let is_lacking = |one: &Wanted<'_>| match one.presence {
        Presence::Found => false,
        _ if one.unlinked.is_some() => true,
        Presence::Beside(_) | Presence::Gone => true,
        // A machine that is all there is has what is in it.
        Presence::Absent => one.brings.is_some() || user.machine.is_some() || user.is_certain,
        Presence::Unknown => match one.brings {
            None => user.is_certain,
            Some(brings) => !matches!(brings, Brings::Package(_)),
        },
    };
    wanted.filter(is_lacking).collect()
}
