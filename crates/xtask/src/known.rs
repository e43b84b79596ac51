//! Which files are the VM runtimes of a release, by their code.

use std::path::PathBuf;

use anyhow::Context;
use artcheck_inspect::container;
use artcheck_inspect::runtime::{identity, release};
use artcheck_inspect::scan;

/// Prints a row for each VM runtime below the paths.
pub fn print(wheels: &[PathBuf]) -> anyhow::Result<()> {
    for set in scan::runtimes_below(wheels) {
        let package = set
            .distributions
            .iter()
            .find(|one| one.name == "apache-tvm");
        let version = &package
            .context("no wheel of apache-tvm among them")?
            .version;
        let release = release::by_name(version);
        let release = release.with_context(|| format!("the table has no {version}"))?;
        for member in set.members.iter().filter(|member| member.kind.has_vm()) {
            let path = member.path.path();
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            for parsed in container::parse(&bytes)? {
                println!("[[file]]");
                println!("release = \"{}\"", release.name);
                println!("platform = \"{}\"", parsed.binary);
                println!("size = {}", identity::code_size(&parsed));
                println!("code = \"{}\"\n", identity::code_hash(&parsed));
            }
        }
    }
    Ok(())
}
