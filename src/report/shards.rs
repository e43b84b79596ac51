//! The shares of one run: whether all are there.

use std::collections::BTreeMap;

use anyhow::bail;

/// Of `2/3`, the 3.
pub(super) fn total(label: &str) -> Option<u32> {
    label.split_once('/')?.1.parse().ok()
}

/// Fails unless every share of each division is there, and equally often: reports of
/// several platforms may have been divided alike.
pub fn complete<'a>(labels: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for label in labels {
        let count = counts.entry(label).or_default();
        *count = count.saturating_add(1);
    }
    for (label, count) in &counts {
        let total = total(label).unwrap_or(0);
        for number in 1..=total {
            let other = format!("{number}/{total}");
            match counts.get(other.as_str()) {
                Some(there) if there >= count => {}
                Some(_) => bail!("shard {label} is there {count} times, shard {other} less often"),
                None => bail!("shard {other} is missing"),
            }
        }
    }
    Ok(())
}
