//! The end-to-end tests, one program: what it holds is linked once.
//!
//! Tests that need more than Rust and a C compiler run with the feature
//! `real-parts`; without it they are listed as ignored.

mod support;
#[path = "../../crates/inspect/tests/all/writer/mod.rs"]
mod writer;

mod applications;
#[cfg(target_os = "linux")]
mod by_hand;
mod cells;
mod classes;
mod cli;
mod cli_files;
mod commands;
#[cfg(target_os = "linux")]
mod companions;
mod conditions;
mod dll_imports;
mod dll_names;
mod doctor;
mod documents;
#[cfg(target_os = "linux")]
mod environments;
mod export_tries;
mod false_fits;
mod gate;
mod healthy;
mod hostile;
mod hostile_archives;
mod hostile_tree;
mod house_pages;
mod images;
mod installations;
#[cfg(target_os = "linux")]
mod integrations;
mod kernel_libraries;
mod kernel_tensors;
mod layers;
mod limits;
#[cfg(unix)]
mod link_sets;
#[cfg(unix)]
mod links;
mod load_closures;
mod load_order;
mod load_sets;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod loader_rules;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod local_slots;
mod machine;
#[cfg(all(feature = "macho-host", target_os = "linux"))]
mod macos_stack;
mod many_files;
mod metadata_rules;
mod metal_sim;
mod mission;
mod more_rules;
mod names;
mod neighbours;
mod next_release;
mod odd_containers;
mod other_symbols;
#[cfg(target_os = "linux")]
mod package_pairs;
mod page_size;
mod pairs;
mod pasted;
mod patch_cli;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod process_closure;
mod processes;
mod proofs;
mod readme;
mod refused;
mod registering;
mod reports;
mod requirements;
mod search_order;
mod shown;
mod silent_changes;
#[cfg(target_os = "linux")]
mod slow_compilers;
mod sorts;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod started;
mod systems;
mod tables;
mod terminal;
#[cfg(target_os = "linux")]
mod truth_table;
mod unloadable;
mod unopened;
mod unread_tables;
mod verify_cli;
mod verify_words;
mod web_pages;
