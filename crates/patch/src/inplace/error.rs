//! Why no plan could be made. Nothing was written when one is returned.

use artcheck_inspect::{DecodeError, Rule};
use serde::{Serialize, Serializer};

/// One thing that cannot be fixed by editing the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The rule that found it, where one is behind it. Its code in JSON, or nothing.
    #[serde(serialize_with = "code")]
    pub rule: Option<&'static Rule>,
    /// What is wrong and why it stays so, one sentence.
    pub reason: String,
    /// What helps instead.
    pub remedy: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(rule) = self.rule {
            write!(f, "{rule}: ")?;
        }
        write!(f, "{}", self.reason)?;
        if !self.remedy.is_empty() {
            write!(f, ". What helps: {}", self.remedy)?;
        }
        Ok(())
    }
}

fn code<S: Serializer>(rule: &Option<&'static Rule>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(rule.map_or("", |rule| rule.code))
}

/// A plan that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file, or a member of it, does not decode.
    #[error("{member}{error}")]
    Unreadable {
        /// Member and a colon, or nothing.
        member: String,
        /// Where and why.
        error: DecodeError,
    },
    /// No model library in the file.
    #[error("expected a model library, found none: no module blob in {0}")]
    NoLibrary(&'static str),
    /// No attention tag reaches a KV-cache constructor.
    #[error(
        "expected an attention tag that reaches vm.builtin.paged_attention_kv_cache_create, found none: {0}"
    )]
    NoTag(String),
    /// A constant that has to change means something else as well.
    #[error(
        "constant {constant} (\"{text}\") cannot be changed: besides the KV-cache constructor, \
         instruction {instruction} of {function} uses it; compile the library again"
    )]
    SharedConstant {
        /// Pool index.
        constant: usize,
        /// Its text.
        text: String,
        /// Function of the other use.
        function: String,
        /// Instruction of the other use.
        instruction: u64,
    },
    /// The changed blob would not fit.
    #[error("{what} needs {needed} more bytes, found {found}: {tried}; compile the library again")]
    NoRoom {
        /// What is to grow.
        what: String,
        /// Bytes wanted.
        needed: usize,
        /// Bytes found.
        found: usize,
        /// Where was looked.
        tried: String,
    },
    /// The runtime accepts neither tag.
    #[error(
        "{runtime} accepts neither \"tir\" nor \"tirx\" (accepted: {accepted}); \
         compile the library with an attention backend this runtime has"
    )]
    NeitherTag {
        /// Its name.
        runtime: String,
        /// What it accepts.
        accepted: String,
    },
    /// The runtime does not accept the tag asked for.
    #[error("{runtime} does not accept \"{tag}\" (accepted: {accepted})")]
    TagNotAccepted {
        /// Its name.
        runtime: String,
        /// The tag asked for.
        tag: String,
        /// What it accepts.
        accepted: String,
    },
    /// Some of what the runtime needs cannot be fixed by editing the file.
    #[error("cannot be fixed by editing the file:\n{}", list(.0))]
    Refused(Vec<Refusal>),
    /// A signature of a team stands in the way.
    #[error(
        "{member}signed by {team}: a change breaks that signature, and only its owner can renew it; \
         ask for an ad-hoc signature (--resign adhoc) to replace it, which loses the team \
         identity, the notarization and every entitlement tied to them"
    )]
    TeamSignature {
        /// Member and a colon, or nothing.
        member: String,
        /// Team identifier, or `an identity`.
        team: String,
    },
    /// A signature that is there but not understood.
    #[error("{member}code signature: {error}")]
    Signature {
        /// Member and a colon, or nothing.
        member: String,
        /// Where in the image, and why.
        error: DecodeError,
    },
    /// A container that cannot be changed in place.
    #[error("{member}{reason}")]
    Container {
        /// Member and a colon, or nothing.
        member: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The second reader found another difference than the planned one.
    #[error("the changed file was read again and differs from the plan; nothing was written: {0}")]
    Recheck(String),
}

impl PlanError {
    /// The file itself cannot be changed in place.
    pub(super) fn container(reason: impl Into<String>) -> Self {
        Self::Container {
            member: String::new(),
            reason: reason.into(),
        }
    }
}

fn list(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals
        .iter()
        .map(|refusal| format!("  - {refusal}"))
        .collect();
    lines.join("\n")
}
