//! Libraries of others, which are sound: what is said of their tables is false.

use std::io::BufRead;
use std::path::Path;

use artcheck_inspect::container::{self, DamageKind};

/// Reads paths from standard input, prints what is wrong with each, and counts at the end.
pub fn run() -> anyhow::Result<()> {
    let (mut read, mut wrong) = (0, 0);
    for line in std::io::stdin().lock().lines() {
        let path = line?;
        // What is no library, or only says so, is passed over.
        let Ok(found) = damage(Path::new(&path)) else {
            continue;
        };
        read += 1;
        wrong += usize::from(!found.is_empty());
        for what in found {
            println!("{path}: {what}");
        }
    }
    println!("{read} libraries, {wrong} with a fault");
    Ok(())
}

fn damage(path: &Path) -> anyhow::Result<Vec<String>> {
    let bytes = std::fs::read(path)?;
    let slices = container::parse(&bytes)?;
    let damage = slices.into_iter().flat_map(|slice| slice.binary.damage);
    let tables = damage.filter(|one| matches!(one.kind, DamageKind::Table(_)));
    Ok(tables.map(|one| one.what).collect())
}
