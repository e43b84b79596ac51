//! Every test of this crate, one program: what it holds is linked once.
//!
//! Tests that need more than Rust and a C compiler run with the feature
//! `real-parts`; without it they are listed as ignored.

mod advice;
mod ages;
mod compiled_bodies;
mod container_elf;
mod container_fat;
mod container_fixups;
mod container_hostile;
mod container_macho_pe;
mod container_speed;
mod container_trie;
mod damaged;
mod device_needs;
#[path = "../../../../tests/all/support/dylib.rs"]
mod dylib;
mod explain_pages;
mod limits;
mod load_sets;
mod module_payloads;
#[path = "../../../../tests/all/support/parts.rs"]
mod parts;
mod pe_tables;
mod provenance;
mod python_sources;
mod registered;
mod registry_oracle;
mod release_table;
mod runtime_hostile;
mod runtime_tree;
mod says;
mod source;
mod tars;
mod unknown;
mod vm_dataflow;
mod vm_facts;
mod vm_hostile;
mod vm_listings;
mod vm_oracle;
mod vm_registers;
mod vm_ways;
#[path = "../../../../tests/all/support/wheels.rs"]
mod wheels;
mod writer;
