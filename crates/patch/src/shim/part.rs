//! The parts of a shim, and the plan that says which to build.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use artcheck_inspect::rules::{self, SHIM_MARK};
use artcheck_inspect::{Rule, RuntimeProfile, Undecided};

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

/// The rules whose findings a part answers.
static ANSWERS: [(&Rule, ShimPart); 6] = [
    (rules::ATTENTION_TAG, ShimPart::AttentionTag),
    (rules::KV_CACHE_CONFIG, ShimPart::CacheConfig),
    (rules::DEVICE_PAYLOAD, ShimPart::MetalPayload),
    (rules::DEVICE_API, ShimPart::DeviceApi),
    (rules::CONTEXT_SLOT, ShimPart::ContextSlots),
    (rules::C_SYMBOL, ShimPart::ContextSlots),
];

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
    /// Two rules need a second look: a missing C symbol is answered only where it
    /// is `TVMBackendGetFuncFromEnv`, a device payload only if it is metal.
    pub fn for_rule(rule: &Rule) -> Option<Self> {
        let mut answers = ANSWERS.iter();
        let (_, part) = answers.find(|(answered, _)| *answered == rule)?;
        Some(*part)
    }

    /// The part that decides at load what a rule could not decide on the library: for
    /// runtimes from before the sixth element of the cache config, where it may matter.
    pub fn for_unknown(undecided: &Undecided, runtime: &RuntimeProfile) -> Option<Self> {
        let lengths = runtime.cache_config_lengths.value.as_ref()?;
        let takes_five_alone = lengths.contains(&5) && !lengths.contains(&6);
        let part = Self::for_rule(undecided.rule).filter(|_| takes_five_alone)?;
        matches!(part, Self::AttentionTag | Self::CacheConfig).then_some(part)
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

    /// A function that a shim with this part exports, so that a scan knows it.
    pub fn mark(self) -> String {
        format!("{SHIM_MARK}{}", self.name().replace('-', "_"))
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
    use super::{ANSWERS, ShimPart, ShimPlan, rules};

    #[test]
    fn every_part_answers_a_rule_and_parses_by_its_name() {
        for part in ShimPart::ALL {
            assert!(
                rules::ALL
                    .iter()
                    .any(|rule| ShimPart::for_rule(rule) == Some(part)),
                "{part}"
            );
            assert_eq!(part.name().parse::<ShimPart>().ok(), Some(part));
        }
        // A scan knows a shim that answers a finding by the part's mark.
        for (rule, part) in ANSWERS.iter().filter(|(_, part)| part.is_portable()) {
            let known = rules::shim_mark(rule);
            // What a missing C symbol needs shows in the exports.
            assert!(known.is_none_or(|mark| mark == part.mark()), "{part}");
            assert!(known.is_some() || **rule == *rules::C_SYMBOL, "{rule}");
        }
        assert_eq!(ShimPart::for_rule(rules::METADATA), None);
    }

    #[test]
    fn a_plan_is_portable_without_the_device_api() {
        let mut plan = ShimPlan::default();
        assert!(plan.is_empty());
        plan.add(ShimPart::ContextSlots, "the slot is not filled");
        assert!(plan.is_portable());
        plan.add(ShimPart::DeviceApi, "no library exports TVMDeviceAPIGet");
        assert!(!plan.is_portable());
        let order: Vec<ShimPart> = plan.parts().collect();
        assert_eq!(order, [ShimPart::DeviceApi, ShimPart::ContextSlots]);
    }
}
