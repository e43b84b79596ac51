//! Turns the tables of `data/` into JSON: people write TOML, and every start of
//! the program reads JSON several times faster. Makes sorted hashes of long lists of
//! names, which take a fifth of the room. And lists the rules of
//! `src/rules`, so that a rule is its file and one `mod` line.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const RULES: &str = "src/rules";
const TABLES: [&str; 7] = [
    "releases",
    "known_runtimes",
    "ffi_pairs",
    "messages",
    "system_libraries",
    "web_packages",
    "cxx_classes",
];

/// Lists of names that are looked for and never shown: their hashes are enough.
const NAMES: [&str; 2] = ["macos_symbols", "windows_symbols"];

#[path = "src/name_hash.rs"]
mod name_hash;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::var("OUT_DIR")?;
    for name in TABLES {
        let source = format!("data/{name}.toml");
        println!("cargo::rerun-if-changed={source}");
        let table: toml::Table = toml::from_str(&fs::read_to_string(source)?)?;
        let target = Path::new(&folder).join(name).with_extension("json");
        fs::write(target, serde_json::to_string(&table)?)?;
    }
    for name in NAMES {
        let source = format!("data/{name}.txt");
        println!("cargo::rerun-if-changed={source}");
        let names = fs::read_to_string(source)?;
        let hashes = names.lines().map(name_hash::of);
        let hashes: BTreeSet<[u8; 3]> = hashes.collect();
        let bytes: Vec<u8> = hashes.into_iter().flatten().collect();
        fs::write(Path::new(&folder).join(name).with_extension("bin"), bytes)?;
    }
    fs::write(Path::new(&folder).join("catalogue.rs"), catalogue()?)?;
    Ok(())
}

/// The rules by code, as Rust: `ALL`, `CHECKS`, and each rule under its name.
fn catalogue() -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={RULES}");
    let mut files = Vec::new();
    for entry in fs::read_dir(RULES)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".rs"));
        files.extend(stem.filter(|stem| is_rule(stem)).map(str::to_owned));
    }
    files.sort_unstable();
    let (mut all, mut checks, mut names) = (String::new(), String::new(), String::new());
    for file in &files {
        let (code, name) = file.split_once('_').unwrap_or_default();
        let (code, constant) = (code.to_uppercase(), name.to_uppercase());
        write!(all, "&{file}::RULE,")?;
        write!(checks, "{file}::CHECKS,")?;
        writeln!(names, "/// {code} {}.", name.replace('_', "-"))?;
        writeln!(names, "pub const {constant}: &Rule = &{file}::RULE;")?;
    }
    Ok(format!(
        "/// Every rule, by code.\npub static ALL: &[&Rule] = &[{all}];\n\
         /// What each rule of [`ALL`] looks at.\nstatic CHECKS: &[&[Check]] = &[{checks}];\n{names}"
    ))
}

/// `ac101_attention_tag`
fn is_rule(stem: &str) -> bool {
    let code = stem
        .strip_prefix("ac")
        .and_then(|rest| rest.split_once('_'));
    code.is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()))
}
