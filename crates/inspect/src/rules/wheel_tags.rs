//! What a wheel's name promises of the system that it is installed on (PEP 600, PEP 656):
//! pip goes by that, and by nothing in the files. Facts only; AC003 reports them.

use crate::place::Place;
use crate::version::Version;

/// Tags from before the number of glibc was in them.
const FIRST: [(&str, [u32; 2]); 3] = [
    ("manylinux1_", [2, 5]),
    ("manylinux2010_", [2, 12]),
    ("manylinux2014_", [2, 17]),
];

/// The systems that a wheel is for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Promise {
    /// The oldest glibc, and the tag that names it.
    pub(super) glibc: Option<(Version, String)>,
    /// The tag that names musl.
    pub(super) musl: Option<String>,
}

/// What the wheel around a file promises.
pub(super) fn of(place: &Place) -> Promise {
    let mut around = std::iter::successors(place.archive(), Place::archive);
    let wheel = around.find(|archive| archive.raw_name().ends_with(b".whl"));
    wheel.map_or_else(Promise::default, |wheel| of_name(&wheel.name()))
}

fn of_name(wheel: &str) -> Promise {
    let name = wheel.strip_suffix(".whl").unwrap_or(wheel);
    let tags = name.rsplit('-').next().unwrap_or(name).split('.');
    let glibc = tags.clone().filter_map(|tag| Some((glibc_of(tag)?, tag)));
    Promise {
        glibc: glibc.min().map(|(glibc, tag)| (glibc, tag.to_owned())),
        musl: tags
            .clone()
            .find(|tag| tag.starts_with("musllinux_"))
            .map(str::to_owned),
    }
}

/// `manylinux_2_28_x86_64`
fn glibc_of(tag: &str) -> Option<Version> {
    if let Some((_, glibc)) = FIRST.iter().find(|(start, _)| tag.starts_with(start)) {
        return Some(Version(glibc.to_vec()));
    }
    let mut numbers = tag.strip_prefix("manylinux_")?.split('_');
    let mut next = || numbers.next()?.parse::<u32>().ok();
    Some(Version(vec![next()?, next()?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_system_of_a_name_is_promised() {
        let of = |tags: &str| {
            let promise = of_name(&format!("a-1-py3-none-{tags}.whl"));
            (promise.glibc.map(|(glibc, _)| glibc.0), promise.musl)
        };
        let both = of("manylinux_2_28_x86_64.manylinux2014_x86_64");
        assert_eq!(both, (Some(vec![2, 17]), None));
        let three = of("manylinux_2_5_x86_64.manylinux1_x86_64.musllinux_1_1_x86_64");
        let musl = String::from("musllinux_1_1_x86_64");
        assert_eq!(three, (Some(vec![2, 5]), Some(musl)));
        for other in ["linux_x86_64", "any", "macosx_11_0_arm64", "manylinux_2"] {
            assert_eq!(of(other), (None, None), "{other}");
        }
    }
}
