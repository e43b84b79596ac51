//! Which of several parts of one name those get that ask for it.
//!
//! A loader takes the first that its search leads to; what is loaded already under that
//! name goes before on Linux and Windows, and in a Python environment that is tvm-ffi's own
//! library (`tvm_ffi.libinfo.load_lib_ctypes`). On Windows a library is looked for beside
//! what asks: Python adds that folder for its modules, and TVM for what it opens
//! (`os.add_dll_directory`). PATH is for programs, and not known.

use std::collections::BTreeSet;

use super::distribution::is_ffi_folder;
use super::libraries::{self, Members, Resolution};
use super::member::Member;
use super::process::is_loaded_by_python;
use crate::container::{Binary, Format};
use crate::parts::stem;
use crate::place::Place;

/// The parts of a set, as loaders look for them.
pub(crate) struct SearchOrder<'a> {
    members: &'a [Member],
    index: Members,
    is_python: bool,
}

impl<'a> SearchOrder<'a> {
    /// Of the members of a set; `is_python` where they are an environment's.
    pub(crate) fn of(members: &'a [Member], is_python: bool) -> Self {
        let named = members.iter();
        let named = named.map(|member| (&member.path, member.binary.identity.as_deref()));
        Self {
            members,
            index: Members::of(named),
            is_python,
        }
    }

    /// The members that a file may get for a library that it names: the one that its loader
    /// finds, or else all of that name.
    pub(crate) fn asked(&self, place: &Place, binary: &Binary, needed: &str) -> Vec<usize> {
        let by_name = binary.format != Format::MachO;
        let all: Vec<usize> = self.named(needed).collect();
        if self.is_python && by_name && is_loaded_by_python(needed) {
            let is_loaded = |index: &&usize| {
                let member = self.members.get(**index);
                member.is_some_and(|member| is_ffi_folder(member.path.folder()))
            };
            if let Some(loaded) = all.iter().find(is_loaded) {
                return vec![*loaded];
            }
        }
        match libraries::resolve(place, binary, needed, &self.index) {
            Resolution::OnPath { member } => vec![member],
            _ => all,
        }
    }

    fn named(&self, library: &str) -> impl Iterator<Item = usize> {
        let wanted = stem(library);
        let members = self.members.iter().enumerate();
        let named = members.filter(move |(_, member)| {
            let identity = member.binary.identity.as_deref();
            stem(&member.path.name()) == wanted || identity.is_some_and(|own| stem(own) == wanted)
        });
        named.map(|(index, _)| index)
    }
}

/// Puts those behind the others that nothing gets, because all who ask for them by name find
/// another of that name first.
pub(crate) fn put_found_first(members: &mut Vec<Member>, is_python: bool) {
    let order = SearchOrder::of(members, is_python);
    let (mut found, mut passed) = (BTreeSet::new(), BTreeSet::new());
    for member in members.iter() {
        for needed in &member.binary.needed {
            if let [only] = order.asked(&member.path, &member.binary, &needed.name)[..] {
                found.insert(only);
                passed.extend(order.named(&needed.name));
            }
        }
    }
    let is_passed: Vec<bool> = (0..members.len())
        .map(|index| passed.contains(&index) && !found.contains(&index))
        .collect();
    let mut flags = is_passed.iter();
    let is_next_passed = |_: &mut Member| flags.next() == Some(&true);
    let behind: Vec<Member> = members.extract_if(.., is_next_passed).collect();
    members.extend(behind);
}
