//! `--target`: the machine an artifact must run on.
//!
//! Spelled `ARCH-SYSTEM[.VERSION]` as cross compilers do: `x86_64-linux.2.28`
//! (glibc 2.28), `aarch64-macos.13.0`, `aarch64-ios.16`, `x86_64-windows`,
//! with what the GPU is or lacks after `+`: `x86_64-linux+sm_90`,
//! `wasm32-web+no-f16+storage-buffers=8`.

use std::str::FromStr;

use serde::Serialize;

use crate::container::{Architecture, Platform};
use crate::module::ShaderFeature;
use crate::version::Version;

/// The machine an artifact must run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Instruction set.
    pub architecture: Architecture,
    /// System.
    pub platform: Platform,
    /// Oldest system version to support: glibc on Linux, the OS elsewhere.
    pub floor: Option<Version>,
    /// What is said of the GPU after `+`.
    pub gpu: Vec<GpuFeature>,
}

/// What is known of the target's GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuFeature {
    /// CUDA compute capability, `sm_90` as 90.
    Sm(u32),
    /// AMD processor, e.g. `gfx1100`.
    Gfx(String),
    /// Something that shaders cannot use, e.g. `no-f16`.
    Lacks(ShaderFeature),
    /// Storage buffers per shader stage.
    StorageBuffers(u32),
    /// Threads per workgroup.
    WorkgroupThreads(u64),
    /// SPIR-V version: major, minor.
    Spirv(u32, u32),
}

impl FromStr for GpuFeature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        gpu_feature(text).ok_or_else(|| {
            let lacks: Vec<String> = ShaderFeature::ALL
                .iter()
                .map(|(_, name, _)| format!("no-{name}"))
                .collect();
            format!(
                "unknown GPU feature `{text}`: use sm_NN, gfxNNNN, {}, storage-buffers=N, workgroup-threads=N or spirv=1.N",
                lacks.join(", ")
            )
        })
    }
}

fn gpu_feature(text: &str) -> Option<GpuFeature> {
    if let Some(number) = text.strip_prefix("sm_") {
        let digits = number.trim_end_matches(['a', 'f']);
        return digits.parse().ok().map(GpuFeature::Sm);
    }
    if let Some(name) = text.strip_prefix("no-") {
        return ShaderFeature::by_name(name).map(GpuFeature::Lacks);
    }
    if text
        .strip_prefix("gfx")
        .is_some_and(|rest| !rest.is_empty())
    {
        return Some(GpuFeature::Gfx(text.to_owned()));
    }
    let (name, value) = text.split_once('=')?;
    match name {
        "storage-buffers" => value.parse().ok().map(GpuFeature::StorageBuffers),
        "workgroup-threads" => value.parse().ok().map(GpuFeature::WorkgroupThreads),
        "spirv" => {
            let (major, minor) = value.split_once('.')?;
            Some(GpuFeature::Spirv(major.parse().ok()?, minor.parse().ok()?))
        }
        _ => None,
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (text, gpu) = match text.split_once('+') {
            Some((text, features)) => (text, features),
            None => (text, ""),
        };
        let gpu = gpu
            .split('+')
            .filter(|feature| !feature.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let (arch, rest) = text.split_once('-').ok_or_else(|| {
            format!("`{text}` is not ARCH-SYSTEM[.VERSION], for example x86_64-linux.2.28 or aarch64-macos.13")
        })?;
        let architecture = match arch {
            "x86_64" | "amd64" => Architecture::X86_64,
            "x86" | "i686" => Architecture::X86,
            "aarch64" | "arm64" => Architecture::Aarch64,
            "arm" | "armv7" => Architecture::Arm,
            "riscv64" => Architecture::Riscv64,
            "wasm32" => Architecture::Wasm32,
            other => {
                return Err(format!(
                    "unknown architecture `{other}`: use x86_64, x86, aarch64, arm, riscv64 or wasm32"
                ));
            }
        };
        let (system, floor) = match rest.split_once('.') {
            Some((system, version)) => (system, Some(version.parse()?)),
            None => (rest, None),
        };
        let platform = match system {
            "linux" | "linux-gnu" => Platform::Linux,
            "android" => Platform::Android,
            "macos" | "apple-macos" => Platform::MacOs,
            "ios" => Platform::Ios,
            "ios-simulator" => Platform::IosSimulator,
            "macabi" | "maccatalyst" => Platform::MacCatalyst,
            "windows" => Platform::Windows,
            "web" | "wasi" => Platform::Web,
            other => {
                return Err(format!(
                    "unknown system `{other}`: use linux, android, macos, ios, ios-simulator, maccatalyst, windows or web"
                ));
            }
        };
        Ok(Self {
            architecture,
            platform,
            floor,
            gpu,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_arch_system_and_floor() {
        let target: Target = "x86_64-linux.2.28".parse().unwrap();
        assert_eq!(target.platform, Platform::Linux);
        assert_eq!(target.floor, Some(Version(vec![2, 28])));
        assert_eq!(
            "aarch64-macos.13.0".parse::<Target>().unwrap().floor,
            Some(Version(vec![13]))
        );
        let gpu = |text: &str| text.parse::<Target>().map(|target| target.gpu);
        assert_eq!(gpu("x86_64-linux+sm_90a"), Ok(vec![GpuFeature::Sm(90)]));
        assert_eq!(
            gpu("wasm32-web+no-f16+storage-buffers=8"),
            Ok(vec![
                GpuFeature::Lacks(ShaderFeature::F16),
                GpuFeature::StorageBuffers(8)
            ])
        );
        assert_eq!(
            gpu("aarch64-android+spirv=1.3+workgroup-threads=256+gfx11-generic"),
            Ok(vec![
                GpuFeature::Spirv(1, 3),
                GpuFeature::WorkgroupThreads(256),
                GpuFeature::Gfx(String::from("gfx11-generic"))
            ])
        );
        for wrong in [
            "rtx",
            "no-rtx",
            "sm_",
            "gfx",
            "spirv=1",
            "storage-buffers=many",
        ] {
            let words = gpu(&format!("x86_64-linux+{wrong}")).expect_err(wrong);
            assert!(words.contains("no-16bit-buffers"), "{words}");
        }
        assert!("macos".parse::<Target>().is_err());
        assert!("x86_64-linux.two".parse::<Target>().is_err());
    }
}
