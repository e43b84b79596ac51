//! Turns the tables of `data/` into JSON: people write TOML, and every start of
//! the program reads JSON several times faster.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

const TABLES: [&str; 2] = ["releases", "ffi_pairs"];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::var("OUT_DIR")?;
    for name in TABLES {
        let source = format!("data/{name}.toml");
        println!("cargo::rerun-if-changed={source}");
        let table: toml::Table = toml::from_str(&fs::read_to_string(source)?)?;
        let target = Path::new(&folder).join(name).with_extension("json");
        fs::write(target, serde_json::to_string(&table)?)?;
    }
    Ok(())
}
