//! What a runtime accepts and offers: a [`RuntimeProfile`], read from real
//! libraries or taken from the built-in release table. Every field remembers
//! where it came from.

pub(crate) mod applications;
mod arity;
pub(crate) mod at_load;
pub mod binary;
pub(crate) mod bound;
mod code_refs_aarch64;
mod code_refs_x86_64;
pub(crate) mod companions;
pub mod compiler;
mod compiler_file;
pub(crate) mod cxx_classes;
pub(crate) mod dependencies;
pub mod distribution;
pub(crate) mod elsewhere;
mod fact;
mod facts;
pub(crate) mod ffi_version;
pub(crate) mod file_found;
mod functions;
pub mod glue;
pub mod glue_asks;
mod glue_constructor;
pub mod glue_source;
pub mod grouping;
pub mod history;
pub mod identity;
mod infer;
pub mod installation;
pub mod java;
mod javascript;
pub mod libraries;
pub(crate) mod library_files;
pub mod load_set;
mod loaders;
pub mod machine;
mod magics;
pub(crate) mod marker;
pub mod member;
pub mod messages;
pub mod pages;
pub(crate) mod pairing;
pub(crate) mod presence;
pub(crate) mod process;
mod registrations;
pub mod release;
mod saved;
pub(crate) mod search_order;
pub(crate) mod slots;
pub(crate) mod strings;
pub mod system;
pub mod table;
mod tags;
mod values;
pub mod versions;
mod wide;

pub use crate::parts::{PartKind, classify};
pub use compiler_file::CompilerFile;
pub use fact::{Confidence, Fact, RowForm};
pub use facts::{FactView, RuntimeProfile, tag_names};
pub use values::{
    Arities, BlobSymbol, CallingConvention, ConstructorStyle, Counts, Least, Parameter,
    ParameterKinds, SiteTags, TagSite, UnknownDtype, any_of,
};
