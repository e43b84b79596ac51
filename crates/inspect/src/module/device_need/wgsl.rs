//! WGSL: extensions, storage buffers and threads per workgroup of one shader.

use super::fields::text;
use super::spirv::threads;
use crate::module::need::{DeviceNeed, ShaderFeature};

pub(super) fn needs(code: &[u8]) -> Vec<DeviceNeed> {
    let Some(text) = text(code) else {
        return vec![DeviceNeed::Unknown(String::from(
            "a shader that is no text",
        ))];
    };
    let mut needs = Vec::new();
    for (extension, feature) in [
        ("enable f16;", ShaderFeature::F16),
        ("enable subgroups;", ShaderFeature::Subgroups),
    ] {
        if text.contains(extension) {
            needs.push(DeviceNeed::Feature(feature));
        }
    }
    let buffers = text.matches("var<storage").count();
    if let Ok(count @ 1..) = u32::try_from(buffers) {
        needs.push(DeviceNeed::StorageBuffers(count));
    }
    let sizes = text.split("@workgroup_size(").skip(1);
    let largest = sizes.filter_map(workgroup).max();
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
    use super::*;

    #[test]
    fn extents_are_numbers_that_may_be_left_out() {
        assert_eq!(workgroup("64, 1, 1) fn f"), Some(64));
        assert_eq!(workgroup("8u, 8) fn f"), Some(64));
        assert_eq!(workgroup("size) fn f"), None);
        assert_eq!(workgroup("64"), None);
    }
}
