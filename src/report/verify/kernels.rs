//! Which kernels of the simulated rows took longest, all rows together.

use std::collections::BTreeMap;

use artcheck_verify::MatrixReport;

use super::words::duration;

/// How many a report names; JSON has them all, row by row.
const COUNT: usize = 5;

/// One kernel of all simulated rows together.
#[derive(Clone, Copy, Default)]
struct Total {
    seconds: f64,
    calls: u64,
}

/// The slowest kernels, slowest first: name, time and calls.
pub(super) fn slowest(report: &MatrixReport) -> Vec<[String; 3]> {
    let mut totals: BTreeMap<&str, Total> = BTreeMap::new();
    let lists = report.rows.iter().filter_map(|row| row.kernels.as_ref());
    for kernel in lists.flat_map(|kernels| &kernels.list) {
        let total = totals.entry(&kernel.name).or_default();
        total.seconds += kernel.seconds;
        total.calls = total.calls.saturating_add(kernel.calls);
    }
    let mut ranked: Vec<(&str, Total)> = totals.into_iter().filter(|(_, t)| t.calls > 0).collect();
    ranked.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds));
    ranked.truncate(COUNT);
    let texts = |(name, total): (&str, Total)| {
        let time = duration(Some(total.seconds));
        [name.to_owned(), time, total.calls.to_string()]
    };
    ranked.into_iter().map(texts).collect()
}
