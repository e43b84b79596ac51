//! AC401 gpu-target: device code against the GPU that `--target` declares.

use super::{ArtifactContext, Outcome, Rule};
use crate::finding::{Finding, Severity};
use crate::module::{DeviceNeed, Payload};
use crate::target::{GpuFeature, Target};

pub(super) static RULE: Rule = Rule {
    code: "AC401",
    name: "gpu-target",
    severity: Severity::Error,
    summary: "SM or gfx version, 16-bit floats or buffer count of the device code against the declared GPU",
    explain: include_str!("ac401_gpu_target.md"),
    artifact: Some(check),
    pair: None,
    binding: None,
    load_set: None,
    folder: None,
};

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let Some(target) = context.target.filter(|target| !target.gpu.is_empty()) else {
        return;
    };
    for library in &context.artifact.libraries {
        let Ok(blob) = &library.blob else { continue };
        for module in &blob.modules {
            let Payload::Device(device) = &module.payload else {
                continue;
            };
            for need in &device.needs {
                if let Some((has, says)) = lacking(need, target) {
                    out.push(
                        Finding::new(
                            &RULE,
                            &context.artifact.path,
                            format!("the {} module needs {need}, the target has {has}", module.kind),
                        )
                        .says(says)
                        .help("compile the library for the target's GPU, or for several architectures at once"),
                    );
                }
            }
        }
    }
}

/// What the target has instead, and what the driver says, where a need is not met.
fn lacking(need: &DeviceNeed, target: &Target) -> Option<(String, &'static str)> {
    const CUDA: &str = "CUDA_ERROR_NO_BINARY_FOR_GPU";
    target.gpu.iter().find_map(|feature| match (need, feature) {
        (DeviceNeed::Cubin(sm), GpuFeature::Sm(has)) => {
            let same_major = sm.checked_div(10) == has.checked_div(10);
            (!same_major || has < sm).then(|| (format!("sm_{has}"), CUDA))
        }
        (DeviceNeed::Ptx(sm), GpuFeature::Sm(has)) => {
            (has < sm).then(|| (format!("sm_{has}"), CUDA))
        }
        (DeviceNeed::Gfx(name), GpuFeature::Gfx(has)) => (name != has).then(|| {
            (
                has.clone(),
                "HIP Error: shared object initialization failed",
            )
        }),
        (DeviceNeed::F16, GpuFeature::NoF16) => Some((
            String::from("none"),
            "requires WebGPU extension shader-f16 / Vulkan target does not support Float16",
        )),
        (DeviceNeed::StorageBuffers(count), GpuFeature::StorageBuffers(has)) => {
            (has < count).then(|| {
                (
                    has.to_string(),
                    "maxStorageBuffersPerShaderStage exceeds limit",
                )
            })
        }
        _ => None,
    })
}
