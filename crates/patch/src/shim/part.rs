//! The parts of a shim, and the plan that says which to build.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::error::ShimError;

/// One thing that a shim can mend. The order is that of the emitted source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShimPart {
    /// The 19 flat `TVMDeviceAPI*` functions, against the runtime's own headers.
    DeviceApi,
    /// Translates attention tags to the one that the runtime accepts.
    AttentionTag,
    /// Turns a cache config of six elements into five where nothing is lost.
    CacheConfig,
    /// Registers the context slots that the runtime does not fill.
    ContextSlots,
    /// Reorders metal payloads of the other generation.
    MetalPayload,
}

impl ShimPart {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::DeviceApi,
        Self::AttentionTag,
        Self::CacheConfig,
        Self::ContextSlots,
        Self::MetalPayload,
    ];

    /// The part that answers a rule's finding, if a shim can.
    ///
    /// Two rules need a second look: AC203 is answered only where the missing
    /// symbol is `TVMBackendGetFuncFromEnv`, AC107 only for metal payloads.
    pub fn for_rule(code: &str) -> Option<Self> {
        match code {
            "AC101" => Some(Self::AttentionTag),
            "AC105" => Some(Self::CacheConfig),
            "AC107" => Some(Self::MetalPayload),
            "AC201" => Some(Self::DeviceApi),
            "AC202" | "AC203" => Some(Self::ContextSlots),
            _ => None,
        }
    }

    /// The name used on the command line and in `artcheck.shim.<name>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeviceApi => "device-api",
            Self::AttentionTag => "attention-tag",
            Self::CacheConfig => "cache-config",
            Self::ContextSlots => "context-slots",
            Self::MetalPayload => "metal-payload",
        }
    }

    /// Whether it uses only the tvm-ffi C ABI, so that one binary fits several
    /// runtimes.
    pub fn is_portable(self) -> bool {
        self != Self::DeviceApi
    }

    /// What it does, in one sentence.
    pub fn summary(self) -> &'static str {
        match self {
            Self::DeviceApi => {
                "exports the 19 TVMDeviceAPI* functions; compiled against this runtime's headers, \
                 for this runtime only"
            }
            Self::AttentionTag => {
                "wraps vm.builtin.paged_attention_kv_cache_create and translates the tag of each \
                 tuple to the one that the runtime accepts"
            }
            Self::CacheConfig => {
                "the same wrapper hands on 5 of 6 cache config elements where the runtime takes 5 \
                 and no layer has a sliding window of its own; else it raises an error"
            }
            Self::ContextSlots => {
                "registers the context slots that the runtime leaves empty, and exports \
                 TVMBackendGetFuncFromEnv"
            }
            Self::MetalPayload => {
                "wraps the loader of metal modules and puts payloads into the order that it reads"
            }
        }
    }
}

impl fmt::Display for ShimPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ShimPart {
    type Err = ShimError;

    fn from_str(name: &str) -> Result<Self, ShimError> {
        Self::ALL
            .into_iter()
            .find(|part| part.name() == name)
            .ok_or_else(|| ShimError::UnknownPart {
                name: name.to_owned(),
            })
    }
}

/// Which parts a shim is to have, and why each was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShimPlan {
    parts: BTreeSet<ShimPart>,
    reasons: Vec<(ShimPart, String)>,
}

impl ShimPlan {
    /// A plan with just these parts, chosen by name.
    pub fn of(parts: impl IntoIterator<Item = ShimPart>) -> Self {
        Self {
            parts: parts.into_iter().collect(),
            reasons: Vec::new(),
        }
    }

    /// Adds a part, with the finding that asks for it.
    pub fn add(&mut self, part: ShimPart, reason: impl Into<String>) {
        self.parts.insert(part);
        self.reasons.push((part, reason.into()));
    }

    /// Whether there is nothing to build.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether the plan has this part.
    pub fn has(&self, part: ShimPart) -> bool {
        self.parts.contains(&part)
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = ShimPart> + '_ {
        self.parts.iter().copied()
    }

    /// Why parts were chosen, in the order in which that was found.
    pub fn reasons(&self) -> &[(ShimPart, String)] {
        &self.reasons
    }

    /// Whether one binary fits several runtimes.
    pub fn is_portable(&self) -> bool {
        self.parts().all(ShimPart::is_portable)
    }
}

#[cfg(test)]
mod tests {
    use super::{ShimPart, ShimPlan};

    #[test]
    fn every_part_answers_a_rule_and_parses_by_its_name() {
        let codes = ["AC101", "AC105", "AC107", "AC201", "AC202", "AC203"];
        for part in ShimPart::ALL {
            assert!(
                codes
                    .iter()
                    .any(|code| ShimPart::for_rule(code) == Some(part)),
                "{part}"
            );
            assert_eq!(part.name().parse::<ShimPart>().ok(), Some(part));
        }
        assert_eq!(ShimPart::for_rule("AC301"), None);
    }

    #[test]
    fn a_plan_is_portable_without_the_device_api() {
        let mut plan = ShimPlan::default();
        assert!(plan.is_empty());
        plan.add(ShimPart::ContextSlots, "AC202: the slot is not filled");
        assert!(plan.is_portable());
        plan.add(
            ShimPart::DeviceApi,
            "AC201: nobody provides TVMDeviceAPIGet",
        );
        assert!(!plan.is_portable());
        let order: Vec<ShimPart> = plan.parts().collect();
        assert_eq!(order, [ShimPart::DeviceApi, ShimPart::ContextSlots]);
    }
}
