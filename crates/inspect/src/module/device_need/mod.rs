//! What device code asks of the device, as far as the code itself says so, and how it
//! merges attention states. One file per kind of code; Metal, OpenCL, CUDA and HIP source text asks for
//! nothing that can be read here, because a compiler reads it on the device.

mod amd;
mod cuda;
mod fields;
mod merge;
mod metallib;
mod spirv;
mod wgsl;

use crate::container::Parsed;
use crate::module::need::DeviceNeed;
use crate::module::{ModelLibrary, Payload};

/// Fills in the needs of every device module of a library.
pub fn read(parsed: &Parsed<'_>, library: &mut ModelLibrary) {
    let region = parsed
        .regions
        .iter()
        .find(|region| region.name == library.region);
    let start = usize::try_from(library.region_offset).unwrap_or(usize::MAX);
    let Some(blob) = region.and_then(|region| region.data.bytes().behind(start)) else {
        return;
    };
    let Ok(decoded) = &mut library.blob else {
        return;
    };
    for module in &mut decoded.modules {
        let Payload::Device(device) = &mut module.payload else {
            continue;
        };
        let pieces = device.code.iter().filter_map(|code| {
            let start = usize::try_from(code.offset).ok()?;
            let end = start.checked_add(usize::try_from(code.length).ok()?)?;
            Some((code.name.as_str(), blob.get(start..end)?))
        });
        let mut needs: Vec<DeviceNeed> = pieces
            .clone()
            .flat_map(|(_, code)| needs_of(&module.kind, &device.code_format, code))
            .collect();
        needs.sort_unstable();
        needs.dedup();
        let merges = pieces.flat_map(|(name, code)| merge::merges(device, name, code));
        device.merges = merges.collect();
        device.needs = needs;
    }
}

fn needs_of(kind: &str, format: &str, code: &[u8]) -> Vec<DeviceNeed> {
    match (kind, format) {
        // Source text, compiled on the device.
        ("cuda", "cuda") | ("rocm", "hip") => Vec::new(),
        ("cuda", _) => vec![cuda::need(format, code)],
        ("rocm", _) => vec![amd::need(code)],
        ("webgpu", _) => wgsl::needs(code),
        ("vulkan", _) => spirv::needs(code),
        ("metal", "metallib") => vec![metallib::need(code)],
        _ => Vec::new(),
    }
}
