//! What device code asks of the device, as far as the code itself says so.
//! One file per kind of code; Metal, OpenCL, CUDA and HIP source text asks for
//! nothing that can be read here, because a compiler reads it on the device.

mod amd;
mod cuda;
mod metallib;
mod spirv;
mod wgsl;

use std::fmt;

use serde::Serialize;

use super::{ModelLibrary, Payload};
use crate::container::{Parsed, Platform};
use crate::target::Version;

pub use cuda::CudaImage;

/// Code that is looked at for its text; kernels are far smaller.
const MAX_TEXT: usize = 16 << 20;

/// One thing that device code asks of the device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceNeed {
    /// A GPU that runs one of these images.
    Cuda(Vec<CudaImage>),
    /// An AMD code object for this processor.
    Gfx(String),
    /// Something that not every shader device has.
    Feature(ShaderFeature),
    /// SPIR-V of this version: major, minor.
    Spirv(u32, u32),
    /// Storage buffers in one shader.
    StorageBuffers(u32),
    /// Threads in one workgroup.
    WorkgroupThreads(u64),
    /// A metallib: Apple's platform, and the oldest system it runs on.
    Metallib(MetallibTarget),
    /// The code says nothing that is understood.
    Unknown(String),
}

/// What a metallib was compiled for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MetallibTarget {
    /// The platform; `None` for one that no model runs on (tvOS, watchOS).
    pub platform: Option<Platform>,
    /// The oldest system.
    pub minimum: Version,
}

/// Optional features of shader devices, by the names `--target` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShaderFeature {
    /// 16-bit floats.
    F16,
    /// 64-bit floats.
    F64,
    /// 8-bit integers.
    I8,
    /// 16-bit integers.
    I16,
    /// 64-bit integers.
    I64,
    /// 8-bit values in storage buffers.
    #[serde(rename = "8bit-buffers")]
    Buffers8,
    /// 16-bit values in storage buffers.
    #[serde(rename = "16bit-buffers")]
    Buffers16,
    /// Operations across a subgroup.
    Subgroups,
    /// Integer dot products.
    DotProduct,
    /// Cooperative matrices.
    CooperativeMatrix,
}

impl ShaderFeature {
    /// Every feature with its name and what it is.
    pub const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::F16, "f16", "16-bit floats in shaders"),
        (Self::F64, "f64", "64-bit floats in shaders"),
        (Self::I8, "i8", "8-bit integers in shaders"),
        (Self::I16, "i16", "16-bit integers in shaders"),
        (Self::I64, "i64", "64-bit integers in shaders"),
        (
            Self::Buffers8,
            "8bit-buffers",
            "8-bit values in storage buffers",
        ),
        (
            Self::Buffers16,
            "16bit-buffers",
            "16-bit values in storage buffers",
        ),
        (Self::Subgroups, "subgroups", "subgroup operations"),
        (Self::DotProduct, "dot-product", "integer dot products"),
        (
            Self::CooperativeMatrix,
            "cooperative-matrix",
            "cooperative matrices",
        ),
    ];

    /// The feature of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known, _)| *known == name);
        found.map(|(feature, ..)| *feature)
    }

    fn words(self) -> &'static str {
        let found = Self::ALL.iter().find(|(feature, ..)| *feature == self);
        found.map_or("", |(.., words)| words)
    }
}

impl fmt::Display for DeviceNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cuda(images) => {
                let images: Vec<String> = images.iter().map(ToString::to_string).collect();
                write!(f, "a CUDA GPU of {}", images.join(", or "))
            }
            Self::Gfx(name) => write!(f, "an AMD GPU {name}"),
            Self::Feature(feature) => f.write_str(feature.words()),
            Self::Spirv(major, minor) => write!(f, "SPIR-V {major}.{minor}"),
            Self::StorageBuffers(count) => write!(f, "{count} storage buffers per shader"),
            Self::WorkgroupThreads(count) => write!(f, "{count} threads per workgroup"),
            Self::Metallib(target) => {
                let platform = match target.platform {
                    Some(Platform::MacOs) => "macOS",
                    Some(Platform::Ios) => "iOS",
                    Some(Platform::IosSimulator) => "the iOS simulator",
                    Some(Platform::MacCatalyst) => "Mac Catalyst",
                    _ => "another Apple platform",
                };
                write!(f, "{platform} {} or later (metallib)", target.minimum)
            }
            Self::Unknown(why) => f.write_str(why),
        }
    }
}

/// Fills in the needs of every device module of a library.
pub fn read(parsed: &Parsed<'_>, library: &mut ModelLibrary) {
    let region = parsed
        .regions
        .iter()
        .find(|region| region.name == library.region);
    let start = usize::try_from(library.region_offset).unwrap_or(usize::MAX);
    let Some(blob) = region.and_then(|region| region.data.get(start..)) else {
        return;
    };
    let Ok(decoded) = &mut library.blob else {
        return;
    };
    for module in &mut decoded.modules {
        let Payload::Device(device) = &mut module.payload else {
            continue;
        };
        let mut needs: Vec<DeviceNeed> = device
            .code
            .iter()
            .filter_map(|code| {
                let start = usize::try_from(code.offset).ok()?;
                let end = start.checked_add(usize::try_from(code.length).ok()?)?;
                blob.get(start..end)
            })
            .flat_map(|code| needs_of(&module.kind, &device.code_format, code))
            .collect();
        needs.sort_unstable();
        needs.dedup();
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

/// Code as text, without the zeros at its end.
fn text(code: &[u8]) -> Option<&str> {
    let code = code.get(..code.len().min(MAX_TEXT))?;
    let end = code
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at.saturating_add(1));
    std::str::from_utf8(code.get(..end)?).ok()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(field.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

/// `e_flags` of a little-endian 64-bit ELF file for `machine`, with its ABI version.
fn elf_flags(code: &[u8], machine: u16) -> Option<(u8, u32)> {
    let is_elf = code.starts_with(b"\x7fELF\x02\x01") && half(code, 18)? == machine;
    is_elf.then_some((*code.get(8)?, word(code, 48)?))
}
