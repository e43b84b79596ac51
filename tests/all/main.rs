//! The end-to-end tests, one program: what it holds is linked once.
//!
//! Tests that need more than Rust and a C compiler run with the feature
//! `real-parts`; without it they are listed as ignored.

#[cfg(feature = "macho-host")]
#[path = "../../crates/metal-sim/tests/all/common/chain.rs"]
mod chain;
mod support;
#[path = "../../crates/inspect/tests/all/writer/mod.rs"]
mod writer;

mod by_hand;
mod classes;
mod cli;
mod commands;
mod documents;
mod gate;
mod healthy;
mod hostile;
mod hostile_archives;
mod hostile_tree;
mod integrations;
mod layers;
mod load_sets;
mod metal_sim;
mod more_rules;
mod patch_cli;
mod reports;
mod shown;
mod silent_changes;
mod truth_table;
mod verify_cli;
