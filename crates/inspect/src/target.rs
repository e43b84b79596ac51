//! `--target`: the machine an artifact must run on.
//!
//! Spelled `ARCH-SYSTEM[.VERSION]` as cross compilers do: `x86_64-linux.2.28`
//! (glibc 2.28), `aarch64-macos.13.0`, `aarch64-ios.16`, `x86_64-windows`,
//! with what the GPU is or lacks after `+`: `x86_64-linux+sm_90`,
//! `wasm32-web+no-f16`.

use std::str::FromStr;

use serde::Serialize;

use crate::container::{Architecture, Platform};

/// The machine an artifact must run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Instruction set.
    pub architecture: Architecture,
    /// System.
    pub platform: Platform,
    /// Oldest system version to support: glibc on Linux, the OS elsewhere.
    pub floor: Option<Version>,
    /// GPU features after `+`: `sm_90`, `gfx1100`, `no-f16`, `storage-buffers=8`.
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
    /// No 16-bit floats in shaders.
    NoF16,
    /// Storage buffers per shader stage.
    StorageBuffers(u32),
}

impl FromStr for GpuFeature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!("unknown GPU feature `{text}`: use sm_NN, gfxNNNN, no-f16 or storage-buffers=N")
        };
        if text == "no-f16" {
            return Ok(Self::NoF16);
        }
        if let Some(number) = text.strip_prefix("sm_") {
            let digits = number.trim_end_matches(['a', 'f']);
            return digits.parse().map(Self::Sm).map_err(|_| wrong());
        }
        if let Some(count) = text.strip_prefix("storage-buffers=") {
            return count.parse().map(Self::StorageBuffers).map_err(|_| wrong());
        }
        if text
            .strip_prefix("gfx")
            .is_some_and(|rest| !rest.is_empty())
        {
            return Ok(Self::Gfx(text.to_owned()));
        }
        Err(wrong())
    }
}

/// A dotted version, compared field by field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Version(pub Vec<u32>);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text
            .split('.')
            .map(|field| {
                field
                    .parse::<u32>()
                    .map_err(|_| format!("`{text}` is not a dotted version"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        // 13.0 and 13 are the same version.
        while fields.len() > 1 && fields.last() == Some(&0) {
            fields.pop();
        }
        Ok(Self(fields))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&fields.join("."))
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
            Ok(vec![GpuFeature::NoF16, GpuFeature::StorageBuffers(8)])
        );
        assert!(gpu("x86_64-linux+rtx").is_err());
        assert!("macos".parse::<Target>().is_err());
        assert!("x86_64-linux.two".parse::<Target>().is_err());
    }

    #[test]
    fn versions_compare_by_field() {
        let v = |text: &str| text.parse::<Version>().unwrap();
        assert!(v("2.9") < v("2.34"));
        assert!(v("13") < v("13.1"));
        assert_eq!(v("13.0"), v("13"));
    }
}
