//! Functions that TVM's compiler (libtvm_compiler) registers: they are there where Python
//! imports TVM, and not for other clients. Of releases the names are in a list, made by
//! `cargo xtask release compiler`; of a compiler that is at hand they are read.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::RuntimeProfile;
use super::compiler_file::OF_TARGETS;
use super::history::{self, Releases};

pub use super::compiler_file::names;

/// A line with the releases, then a name in each line, with its releases if not all have it.
const NAMES: &str = include_str!("../../data/compiler_functions.txt");

/// The releases of each name: programs call hundreds of thousands of functions.
static LISTED: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut lines = lines();
    let all = lines.next().unwrap_or_default();
    let named = lines.filter_map(|words| {
        let (name, own) = words.split_first()?;
        let releases = if own.is_empty() { &all } else { own };
        Some((*name, releases.to_vec()))
    });
    named.collect()
});

/// Whether a function may be one of a compiler's.
pub(crate) fn may_register(name: &str) -> bool {
    !is_other(name) && (name.starts_with(OF_TARGETS) || space(name).is_some())
        || !releases(name).is_empty()
}

/// Whether a name is of another form than those of compilers, the few that the list has
/// left out.
fn is_other(name: &str) -> bool {
    name.starts_with("vm.") || !name.contains('.')
}

/// The beginning of a name that the compilers of releases register; Python's own names begin
/// so too.
pub(crate) fn space(name: &str) -> Option<&'static str> {
    let mut spaces = history::line().flat_map(|known| &known.compiler_namespaces);
    let space = spaces.find(|space| name.starts_with(space.as_str()))?;
    let is_pythons = history::line().any(|known| known.python_functions.contains_key(name));
    (!is_pythons).then_some(space)
}

/// Whether the compiler that belongs to a runtime registers a function; `None` where that is
/// not known.
pub(crate) fn registers(runtime: &RuntimeProfile, name: &str) -> Option<bool> {
    if name.starts_with(OF_TARGETS) {
        return None;
    }
    if is_other(name) && releases(name).is_empty() {
        return Some(false);
    }
    if !runtime.parts.is_empty() {
        return runtime.compiler.as_ref()?.registers(name);
    }
    let release = runtime.release.as_deref()?;
    let is_listed = lines().next()?.contains(&release);
    is_listed.then(|| releases(name).contains(&release))
}

/// The releases whose compiler registers a function.
pub(crate) fn having(name: &str) -> Releases {
    let known = releases(name);
    let has = |release: Option<&str>| release.is_some_and(|release| known.contains(&release));
    history::when(|profile| has(profile.release.as_deref()))
}

fn releases(name: &str) -> &'static [&'static str] {
    LISTED.get(name).map_or(&[], Vec::as_slice)
}

fn lines() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = NAMES.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::release;

    #[test]
    fn what_the_compilers_of_releases_register() {
        let asked = |name: &str, release: &str| {
            let runtime = release::by_name(release).expect("a release");
            registers(runtime, name)
        };
        assert_eq!(asked("relax.transform.LambdaLift", "tvm-0.27"), Some(true));
        assert_eq!(asked("topi.asin", "tvm-0.25"), Some(true));
        assert_eq!(asked("arith.CreateAnalyzer", "tvm-0.27"), Some(false));
        assert_eq!(asked("relax.zz", "tvm-0.26"), Some(false));
        assert_eq!(asked("relax.zz", "tvm-0.20"), None);
        // Of the runtime: not asked of the compiler.
        assert_eq!(asked("vm.builtin.copy", "tvm-0.27"), Some(false));
    }

    #[test]
    fn the_list_is_in_order_and_names_releases_of_the_table() {
        let mut lines = lines();
        let all = lines.next().expect("releases");
        let is_known = |release: &&str| release::by_name(&format!("tvm-{release}")).is_some();
        assert!(all.iter().all(is_known), "{all:?}");
        let lines: Vec<Vec<&str>> = lines.collect();
        assert!(lines.iter().map(|words| words.first()).is_sorted());
        let mut named = lines.iter().flat_map(|words| words.iter().skip(1));
        assert!(named.all(|release| all.contains(release)));
    }
}
