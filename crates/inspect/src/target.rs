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
    /// Whether its C library is musl.
    #[serde(skip)]
    pub is_musl: bool,
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

/// What targets are made of.
const ARCHITECTURES: [&str; 6] = ["x86_64", "x86", "aarch64", "arm", "riscv64", "wasm32"];
const SYSTEMS: [&str; 8] = [
    "linux",
    "android",
    "macos",
    "ios",
    "ios-simulator",
    "maccatalyst",
    "windows",
    "web",
];

/// Why a word of a target is refused, with what it may have been meant to be.
fn unknown(word: &str) -> String {
    let name = word.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit());
    let mut known = ARCHITECTURES.iter().chain(&SYSTEMS);
    match known.find(|known| is_close(word, known) || is_close(name, known)) {
        Some(close) => {
            format!("`{word}` is neither an architecture nor a system; did you mean {close}?")
        }
        None => format!(
            "`{word}` is neither an architecture nor a system; write ARCH-SYSTEM[.VERSION], \
             such as x86_64-linux.2.28 or aarch64-macos.13"
        ),
    }
}

/// Words of compilers' triples that say nothing here: vendors and environments.
const NO_SYSTEM: [&str; 13] = [
    "unknown",
    "pc",
    "apple",
    "none",
    "w64",
    "gnu",
    "gnueabihf",
    "gnueabi",
    "musl",
    "msvc",
    "eabi",
    "elf",
    "mingw32",
];

/// Whether one letter, or two that are swapped, make one word of the other.
fn is_close(one: &str, other: &str) -> bool {
    let same =
        |pairs: &mut dyn Iterator<Item = (u8, u8)>| pairs.take_while(|(a, b)| a == b).count();
    let before = same(&mut one.bytes().zip(other.bytes()));
    let behind = same(&mut one.bytes().rev().zip(other.bytes().rev()));
    let (longer, shorter) = (one.len().max(other.len()), one.len().min(other.len()));
    let kept = before.saturating_add(behind).saturating_add(1);
    longer > 2 && longer.saturating_sub(shorter) < 2 && kept >= longer
        || longer == shorter && longer > 4 && kept.saturating_add(1) == longer
}

fn architecture_of(word: &str) -> Option<Architecture> {
    Some(match word {
        "x86_64" | "amd64" | "x64" => Architecture::X86_64,
        "x86" | "i386" | "i686" => Architecture::X86,
        "aarch64" | "arm64" => Architecture::Aarch64,
        "arm64e" => Architecture::Arm64e,
        "arm" | "armv7" | "armv7a" | "armv7l" | "thumbv7" => Architecture::Arm,
        "riscv64" | "riscv64gc" => Architecture::Riscv64,
        "wasm32" | "wasm" => Architecture::Wasm32,
        _ => return None,
    })
}

/// A word that makes another system of the one before it.
fn variant_of(
    word: &str,
    before: Option<&(Platform, Option<Version>)>,
) -> Option<(Platform, Option<Version>)> {
    let (before, floor) = before?;
    let platform = match (before, word) {
        (Platform::Ios, "sim" | "simulator") => Platform::IosSimulator,
        (Platform::Ios | Platform::MacOs, "macabi") => Platform::MacCatalyst,
        (Platform::Linux, word) if word.starts_with("android") => {
            return system_of(word).ok().flatten();
        }
        (Platform::Web, "emscripten" | "wasi" | "web") => Platform::Web,
        _ => return None,
    };
    Some((platform, floor.clone()))
}

/// A system with the version behind it, `macos.13`, `ios17.0`, `android30`. The
/// number behind `darwin` is that of the kernel.
fn system_of(word: &str) -> Result<Option<(Platform, Option<Version>)>, String> {
    let end = word
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(word.len());
    let (name, version) = word.split_at_checked(end).unwrap_or((word, ""));
    let platform = match name {
        "linux" => Platform::Linux,
        "android" | "androideabi" => Platform::Android,
        "macos" | "macosx" | "darwin" | "osx" => Platform::MacOs,
        "ios" | "iphoneos" => Platform::Ios,
        "iphonesimulator" => Platform::IosSimulator,
        "macabi" | "maccatalyst" => Platform::MacCatalyst,
        "tvos" => Platform::TvOs,
        "watchos" => Platform::WatchOs,
        "visionos" | "xros" => Platform::VisionOs,
        "windows" | "win" => Platform::Windows,
        "web" | "wasi" | "emscripten" => Platform::Web,
        _ => return Ok(None),
    };
    let version = version.trim_start_matches('.');
    let floor = match version {
        "" => None,
        _ if name == "darwin" || platform == Platform::Windows => None,
        version => Some(version.parse()?),
    };
    Ok(Some((platform, floor)))
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
        let text = text.to_ascii_lowercase();
        let text = text.replace("mac-os", "macos").replace("x86-64", "x86_64");
        let mut architecture = None;
        let mut system: Option<(Platform, Option<Version>)> = None;
        let is_musl = text.split(['-', ' ']).any(|word| word == "musl");
        for word in text.split(['-', ' ']).filter(|word| !word.is_empty()) {
            // A report names the container too: `x86-64 linux (elf)`.
            if word.starts_with('(') {
                continue;
            }
            if let Some(found) = architecture_of(word).filter(|_| architecture.is_none()) {
                architecture = Some(found);
            } else if let Some(found) = variant_of(word, system.as_ref()) {
                system = Some(found);
            } else if let Some(found) = system_of(word)? {
                system = Some(found);
            } else if !NO_SYSTEM.contains(&word) {
                return Err(unknown(word));
            }
        }
        let usual = match &system {
            Some((Platform::Linux | Platform::Windows, _)) => "x86_64",
            Some((Platform::Web, _)) => "wasm32",
            _ => "aarch64",
        };
        if text.is_empty() {
            return Err("the target is empty: write one as aarch64-macos".to_owned());
        }
        let architecture = architecture
            .ok_or_else(|| format!("`{text}` has no architecture; try {usual}-{text}"))?;
        let usual = match architecture {
            Architecture::Wasm32 => "web",
            _ => "linux",
        };
        let (platform, floor) =
            system.ok_or_else(|| format!("`{text}` has no system; try {text}-{usual}"))?;
        Ok(Self {
            architecture,
            platform,
            floor,
            is_musl,
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
    }

    #[test]
    fn a_wrong_target_is_told_what_to_write() {
        for (text, says) in [
            ("macos.13", "try aarch64-macos.13"),
            ("web", "try wasm32-web"),
            ("x86_64", "try x86_64-linux"),
            ("aarch64-macoss", "did you mean macos?"),
            ("x86_64-lniux.2.28", "did you mean linux?"),
            ("aarch64-macos-toaster", "write ARCH-SYSTEM"),
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.contains(says) && error.len() < 150, "{error}");
        }
    }

    #[test]
    fn reads_what_compilers_and_reports_say() {
        for (text, platform, floor) in [
            ("aarch64-apple-darwin", Platform::MacOs, None),
            ("arm64-apple-darwin23.4.0", Platform::MacOs, None),
            ("macos-arm64", Platform::MacOs, None),
            ("aarch64 mac-os", Platform::MacOs, None),
            ("arm64-apple-macosx11.0", Platform::MacOs, Some(vec![11])),
            ("arm64-apple-ios17.2", Platform::Ios, Some(vec![17, 2])),
            (
                "arm64-apple-ios17-simulator",
                Platform::IosSimulator,
                Some(vec![17]),
            ),
            ("aarch64-apple-ios-sim", Platform::IosSimulator, None),
            ("arm64-ios-simulator", Platform::IosSimulator, None),
            ("aarch64-apple-ios-macabi", Platform::MacCatalyst, None),
            ("aarch64-linux-android30", Platform::Android, Some(vec![30])),
            ("aarch64-unknown-linux-gnu", Platform::Linux, None),
        ] {
            let target: Target = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(target.architecture, Architecture::Aarch64, "{text}");
            assert_eq!(target.platform, platform, "{text}");
            assert_eq!(target.floor, floor.map(Version), "{text}");
            assert!(!target.is_musl, "{text}");
        }
        for (text, platform) in [
            ("x86_64-pc-windows-msvc", Platform::Windows),
            ("x86_64-w64-mingw32-windows", Platform::Windows),
            ("wasm32-unknown-emscripten", Platform::Web),
            ("wasm32-wasi", Platform::Web),
            ("x86-64 linux (elf)", Platform::Linux),
        ] {
            assert_eq!(
                text.parse::<Target>().map(|target| target.platform),
                Ok(platform),
                "{text}"
            );
        }
        let musl: Target = "x86_64-unknown-linux-musl".parse().unwrap();
        assert!(musl.is_musl && musl.floor.is_none());
        assert!("x86_64-linux.two".parse::<Target>().is_err());
    }
}
