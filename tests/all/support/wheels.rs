//! The releases whose wheels are fetched, from the release table.

use artcheck_inspect::runtime::release;

/// Number and tvm-ffi of each, oldest first, such as `("0.26", "0.1.13.post2")`.
pub fn wheels() -> Vec<(&'static str, &'static str)> {
    let known = release::releases().iter();
    let wheels: Vec<_> = known
        .filter(|release| release.wheel.is_some())
        .filter_map(|known| {
            let number = known.release.as_deref()?;
            Some((number, known.ffi_version.value.as_deref()?))
        })
        .collect();
    assert!(wheels.len() > 2, "{wheels:?}");
    wheels
}
