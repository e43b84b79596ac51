//! What device code can ask of a device. How the code says so is read in
//! `device_need`.

use std::fmt;

use serde::Serialize;

use crate::container::Platform;
use crate::version::Version;

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

/// One image and the GPUs that run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CudaImage {
    /// The SM version, `sm_90` as 90.
    pub sm: u32,
    /// Which other versions run it.
    pub reach: Reach,
}

/// How far beyond its own SM version an image reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Nowhere: code for the `a` variant.
    Exact,
    /// Later minor versions of the same major one: cubins, and PTX for a family.
    SameMajor,
    /// All later versions: PTX.
    Later,
}

impl CudaImage {
    /// Whether a GPU of this SM version runs the image.
    pub fn runs_on(self, sm: u32) -> bool {
        let same_major = self.sm.checked_div(10) == sm.checked_div(10);
        match self.reach {
            Reach::Exact => sm == self.sm,
            Reach::SameMajor => same_major && sm >= self.sm,
            Reach::Later => sm >= self.sm,
        }
    }
}

impl fmt::Display for CudaImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reach {
            Reach::Exact => write!(f, "sm_{} alone", self.sm),
            Reach::SameMajor => write!(f, "sm_{} or a later minor version", self.sm),
            Reach::Later => write!(f, "sm_{} or later (PTX)", self.sm),
        }
    }
}
