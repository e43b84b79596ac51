//! WGSL: extensions, storage buffers and threads per workgroup of one shader.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::fields::text;
use super::spirv::threads;
use crate::module::need::{DeviceNeed, ShaderFeature};

/// What is sought in shaders, of which a library has megabytes: built once.
struct Sought {
    enable: Finder<'static>,
    storage: Finder<'static>,
    size: Finder<'static>,
}

static SOUGHT: LazyLock<Sought> = LazyLock::new(|| Sought {
    enable: Finder::new("enable "),
    storage: Finder::new("var<storage"),
    size: Finder::new("@workgroup_size("),
});

/// What follows each place where `sought` stands.
fn behind<'a>(text: &'a str, sought: &'a Finder<'_>) -> impl Iterator<Item = &'a str> {
    let places = sought.find_iter(text.as_bytes());
    places.filter_map(|at| text.get(at.checked_add(sought.needle().len())?..))
}

pub(super) fn needs(code: &[u8]) -> Vec<DeviceNeed> {
    let Some(text) = text(code) else {
        return vec![DeviceNeed::Unknown(String::from(
            "a shader that is not text, or longer than is read",
        ))];
    };
    let mut needs = Vec::new();
    for enabled in behind(text, &SOUGHT.enable) {
        if enabled.starts_with("f16;") {
            needs.push(DeviceNeed::Feature(ShaderFeature::F16));
        } else if enabled.starts_with("subgroups;") {
            needs.push(DeviceNeed::Feature(ShaderFeature::Subgroups));
        }
    }
    let buffers = behind(text, &SOUGHT.storage).count();
    if let Ok(count @ 1..) = u32::try_from(buffers) {
        needs.push(DeviceNeed::StorageBuffers(count));
    }
    let largest = behind(text, &SOUGHT.size).filter_map(workgroup).max();
    needs.extend(largest.map(DeviceNeed::WorkgroupThreads));
    needs
}

/// Threads of `X, Y, Z) ...`; extents that are left out are 1.
fn workgroup(arguments: &str) -> Option<u64> {
    let (arguments, _) = arguments.split_once(')')?;
    let mut extents = [1; 3];
    for (extent, argument) in extents.iter_mut().zip(arguments.split(',')) {
        let argument = argument.trim();
        if !argument.is_empty() {
            *extent = argument.trim_end_matches(['u', 'i']).parse().ok()?;
        }
    }
    Some(threads(extents))
}

#[cfg(test)]
mod tests {
    use super::super::fields::MAX_TEXT;
    use super::*;

    #[test]
    fn what_is_beyond_a_limit_is_unknown() {
        let mut shader = vec![b' '; MAX_TEXT];
        assert_eq!(needs(&shader), []);
        shader.push(b' ');
        assert!(matches!(needs(&shader)[..], [DeviceNeed::Unknown(_)]));
    }

    #[test]
    fn what_is_enabled_is_needed() {
        let shader = b"enable f16;\nenable subgroups;\nenable other;\n\
            @group(0) @binding(0) var<storage, read> a : array<f16>;\n\
            @group(0) @binding(1) var<storage, read_write> b : array<f16>;\n\
            @compute @workgroup_size(32, 2) fn f() {}\n@workgroup_size(8)";
        assert_eq!(
            needs(shader),
            [
                DeviceNeed::Feature(ShaderFeature::F16),
                DeviceNeed::Feature(ShaderFeature::Subgroups),
                DeviceNeed::StorageBuffers(2),
                DeviceNeed::WorkgroupThreads(64),
            ]
        );
    }

    #[test]
    fn extents_are_numbers_that_may_be_left_out() {
        assert_eq!(workgroup("64, 1, 1) fn f"), Some(64));
        assert_eq!(workgroup("8u, 8) fn f"), Some(64));
        assert_eq!(workgroup("size) fn f"), None);
        assert_eq!(workgroup("64"), None);
    }
}
