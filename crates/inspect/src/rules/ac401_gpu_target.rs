//! AC401 gpu-target: device code against the GPU that `--target` declares.

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::container::Platform;
use crate::finding::{Finding, Severity};
use crate::module::{DeviceNeed, MetallibTarget, Module, Payload};
use crate::place::Place;
use crate::runtime::messages;
use crate::target::{GpuFeature, Target};

pub(super) static RULE: Rule = Rule {
    code: "AC401",
    name: "gpu-target",
    severity: Severity::Error,
    summary: "the GPU code does not fit the declared GPU: SM or gfx version, shader features, limits, or metallib platform",
    explain: include_str!("ac401_gpu_target.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check)];

/// What the target has instead of what is asked for, and what the driver says.
struct Lack {
    has: String,
    /// Key of the message, where the driver's words are known.
    says: &'static str,
}

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let Some(target) = context.target else {
        return;
    };
    for library in &context.artifact.libraries {
        let Ok(blob) = &library.blob else { continue };
        for module in &blob.modules {
            check_module(&context.artifact.path, module, target, out);
        }
    }
}

fn check_module(path: &Place, module: &Module, target: &Target, out: &mut Outcome) {
    let Payload::Device(device) = &module.payload else {
        return;
    };
    for need in &device.needs {
        if let DeviceNeed::Unknown(why) = need {
            if is_declared(&module.kind, target) {
                out.undecided(&RULE, format!("the {} module holds {why}", module.kind));
            }
        } else if let Some(Lack { has, says }) = lacking(need, target) {
            out.push(
                Finding::new(
                    &RULE,
                    path,
                    format!(
                        "the {} module needs {need}, but the target has {has}",
                        module.kind
                    ),
                )
                .says_known(messages::of_others(says, &[]))
                .help("compile the library for the target's GPU, or for several at once"),
            );
        }
    }
}

/// Whether `--target` says anything that code of this kind could be held against.
fn is_declared(kind: &str, target: &Target) -> bool {
    let declares = |wanted: fn(&GpuFeature) -> bool| target.gpu.iter().any(wanted);
    match kind {
        "cuda" => declares(|feature| matches!(feature, GpuFeature::Sm(_))),
        "rocm" => declares(|feature| matches!(feature, GpuFeature::Gfx(_))),
        "metal" => is_apple(target.platform),
        _ => declares(|feature| !matches!(feature, GpuFeature::Sm(_) | GpuFeature::Gfx(_))),
    }
}

fn is_apple(platform: Platform) -> bool {
    matches!(
        platform,
        Platform::MacOs | Platform::Ios | Platform::IosSimulator | Platform::MacCatalyst
    )
}

fn lacking(need: &DeviceNeed, target: &Target) -> Option<Lack> {
    if let DeviceNeed::Metallib(metallib) = need {
        return metallib_lacking(metallib, target);
    }
    target
        .gpu
        .iter()
        .find_map(|feature| feature_lacking(need, feature))
}

fn feature_lacking(need: &DeviceNeed, feature: &GpuFeature) -> Option<Lack> {
    let (lacks, has, says) = match (need, feature) {
        (DeviceNeed::Cuda(images), GpuFeature::Sm(sm)) => (
            !images.iter().any(|image| image.runs_on(*sm)),
            format!("sm_{sm}"),
            "no-cuda-image",
        ),
        (DeviceNeed::Gfx(name), GpuFeature::Gfx(has)) => (!runs_on_gfx(name, has), has.clone(), ""),
        (DeviceNeed::Feature(wanted), GpuFeature::Lacks(missing)) => {
            (wanted == missing, String::from("none"), "")
        }
        (DeviceNeed::StorageBuffers(count), GpuFeature::StorageBuffers(has)) => {
            (has < count, has.to_string(), "")
        }
        (DeviceNeed::WorkgroupThreads(count), GpuFeature::WorkgroupThreads(has)) => {
            (has < count, has.to_string(), "")
        }
        (DeviceNeed::Spirv(major, minor), GpuFeature::Spirv(has, has_minor)) => (
            (has, has_minor) < (major, minor),
            format!("SPIR-V {has}.{has_minor}"),
            "",
        ),
        _ => return None,
    };
    lacks.then_some(Lack { has, says })
}

/// A code object for one processor runs on that one; a generic one on the
/// processors of its family: `gfx11-generic` on gfx1100 and the like.
fn runs_on_gfx(name: &str, has: &str) -> bool {
    let Some(family) = name.strip_suffix("-generic") else {
        return name == has;
    };
    let family = family.replace('-', "");
    // gfx9 has three digits, later families four.
    has == name || has.starts_with(&family) && (family == "gfx9") == (has.len() == 6)
}

fn metallib_lacking(metallib: &MetallibTarget, target: &Target) -> Option<Lack> {
    const SAYS: &str = "no-metal-format";
    if !is_apple(target.platform) {
        return None;
    }
    if metallib.platform != Some(target.platform) {
        return Some(Lack {
            has: target.platform.to_string(),
            says: SAYS,
        });
    }
    let floor = target.floor.as_ref()?;
    (*floor < metallib.minimum).then(|| Lack {
        has: format!("{} {floor} as its oldest system", target.platform),
        says: SAYS,
    })
}

#[cfg(test)]
mod tests {
    use super::runs_on_gfx;

    #[test]
    fn a_generic_code_object_runs_on_its_family() {
        assert!(runs_on_gfx("gfx1100", "gfx1100") && !runs_on_gfx("gfx1100", "gfx1101"));
        assert!(runs_on_gfx("gfx11-generic", "gfx1101"));
        assert!(!runs_on_gfx("gfx11-generic", "gfx1030"));
        assert!(runs_on_gfx("gfx9-generic", "gfx906"));
        assert!(runs_on_gfx("gfx10-3-generic", "gfx1031"));
        assert!(!runs_on_gfx("gfx10-1-generic", "gfx1031"));
    }
}
