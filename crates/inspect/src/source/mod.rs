//! Where bytes come from: directory walk, memory maps, archive members.
//!
//! [`walk`] lists the files below some paths, largest first. [`visit`] opens
//! one of them and hands out its bytes, then those of every archive member
//! that can matter, as virtual files with a [`Place`] each
//! (`dist/model.tar!lib0.o`). What is too large for memory is unpacked into a file
//! without a name. What cannot be read is a [`Problem`], never the end of a scan.

#[doc(hidden)] // For the other crates of artcheck.
pub mod beginning;
mod event;
mod every;
mod image;
mod image_folder;
pub(crate) mod map;
mod members;
mod streams;
mod unpacked;
mod walk;

pub use crate::place::Place;
pub use crate::spelling::{Controls, Spelled, spell, unspell};
pub use event::{Event, Problem, ProblemKind, VirtualFile};
pub(crate) use every::{Members, all_members, archives_in, member_bytes};
pub(crate) use image_folder::size_of;
pub(crate) use members::{is_tvm_class, leads_out};
pub use members::{visit, visit_bytes};
pub(crate) use streams::most_unpacked;
pub(crate) use unpacked::Spilled;
pub(crate) use walk::is_site;
pub use walk::{FoundFile, Walk, is_temporary, walk};
pub(crate) use walk::{is_artifact_suffix, is_copy, is_passed_over, is_same_file};
