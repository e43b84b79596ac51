//! Devices by name: `cpu`, `cuda`, `cuda:1`, `metal`, `metal-sim`, `webgpu`.
//!
//! `metal-sim` is the simulated Metal device (crate `artcheck-metal-sim`): to the
//! runtime it is the device `metal`, in every report it has its own name.
//!
//! Facts: device type codes of `dlpack/dlpack.h`; names of the runtime's device
//! parts as the wheels ship them (`libtvm_runtime_cuda.so`,
//! `libtvm_runtime_metal.dylib`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ffi::Device;

/// Name, DLPack code, and the suffix of the runtime part that serves it.
const KINDS: [(&str, i32, Option<&str>); 7] = [
    ("cpu", 1, None),
    ("cuda", 2, Some("cuda")),
    ("opencl", 4, Some("opencl")),
    ("vulkan", 7, Some("vulkan")),
    ("metal", 8, Some("metal")),
    ("rocm", 10, Some("rocm")),
    // A page has it; no part of a runtime does.
    ("webgpu", WEBGPU, None),
];

/// The simulated Metal device.
const SIMULATED: &str = "metal-sim";

/// DLPack's code of Metal.
const METAL: i32 = 8;

/// DLPack's code of WebGPU.
const WEBGPU: i32 = 15;

/// A device that a row runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName {
    device: Device,
    simulated: bool,
}

impl DeviceName {
    /// The host.
    pub const CPU: DeviceName = DeviceName {
        device: Device::CPU,
        simulated: false,
    };

    /// Type code and index, as the runtime wants them.
    pub fn device(self) -> Device {
        self.device
    }

    /// The name without the index.
    pub fn kind(self) -> &'static str {
        if self.simulated {
            SIMULATED
        } else {
            self.runtime_kind()
        }
    }

    /// True for the simulated Metal device.
    pub fn is_simulated(self) -> bool {
        self.simulated
    }

    /// True for the GPU of a page.
    pub fn is_webgpu(self) -> bool {
        self.device.kind == WEBGPU
    }

    /// The same device, simulated; only Metal can be.
    pub fn simulated(self) -> Option<DeviceName> {
        (self.device.kind == METAL).then_some(DeviceName {
            simulated: true,
            ..self
        })
    }

    /// The device that a simulated one stands for.
    pub fn real(self) -> DeviceName {
        DeviceName {
            simulated: false,
            ..self
        }
    }

    /// What the runtime calls this kind of device.
    pub fn runtime_kind(self) -> &'static str {
        KINDS
            .iter()
            .find(|k| k.1 == self.device.kind)
            .map_or("unknown", |k| k.0)
    }

    /// Suffix of the runtime part (`libtvm_runtime_<suffix>`), if it needs one.
    /// The simulated device brings its own library instead, but on a Mac's runtime.
    pub fn part(self) -> Option<&'static str> {
        if self.simulated {
            return None;
        }
        KINDS
            .iter()
            .find(|k| k.1 == self.device.kind)
            .and_then(|k| k.2)
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => (
                kind,
                index
                    .parse::<u16>()
                    .map_err(|_| format!("device `{text}`: `{index}` is not an index"))?,
            ),
            None => (text, 0),
        };
        let simulated = kind == SIMULATED;
        let code = KINDS
            .iter()
            .find(|k| k.0 == kind)
            .map(|k| k.1)
            .or(simulated.then_some(METAL))
            .ok_or_else(|| {
                let known: Vec<&str> = KINDS.iter().map(|k| k.0).collect();
                format!(
                    "device `{text}` is not known; known are {}, {SIMULATED}",
                    known.join(", ")
                )
            })?;
        Ok(DeviceName {
            device: Device {
                kind: code,
                index: i32::from(index),
            },
            simulated,
        })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device.index {
            0 => f.write_str(self.kind()),
            index => write!(f, "{}:{index}", self.kind()),
        }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DeviceName> for String {
    fn from(device: DeviceName) -> String {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["cpu", "cuda", "cuda:3", "metal", "vulkan:1", "metal-sim"] {
            assert_eq!(name.parse::<DeviceName>().unwrap().to_string(), name);
        }
        assert!("gpu".parse::<DeviceName>().unwrap_err().contains("metal"));
        assert!("cuda:x".parse::<DeviceName>().is_err());
    }

    #[test]
    fn the_simulated_device_is_metal_to_the_runtime_alone() {
        let metal: DeviceName = "metal".parse().unwrap();
        let simulated = metal.simulated().unwrap();
        assert_eq!(simulated, "metal-sim".parse().unwrap());
        assert_ne!(simulated, metal);
        assert_eq!(simulated.device(), metal.device());
        assert_eq!(simulated.runtime_kind(), "metal");
        assert_eq!(simulated.part(), None);
        assert_eq!(DeviceName::CPU.simulated(), None);
    }
}
