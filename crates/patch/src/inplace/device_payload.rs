//! Device payloads in the layout of another generation: the field order of
//! `metal`, and the extra argument tags of kernel descriptions.

use std::ops::Range;

use artcheck_inspect::DecodeError;
use artcheck_inspect::Reader;
use artcheck_inspect::module::{DevicePayload, FunctionInfoForm, PayloadOrder};
use artcheck_inspect::rules;
use artcheck_inspect::runtime::history;

use super::Refusal;
use super::splice::Splice;
use crate::plan::Change;

/// The layout wanted: `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    pub(super) since24: Option<bool>,
    pub(super) extra_tags: Option<bool>,
}

/// The version that every metal payload of the older order begins with.
const VERSION: &str = "0.1.0";

/// Splices that lay out one payload as wanted. `bytes` is the blob.
pub(super) fn change(
    kind: &str,
    device: &DevicePayload,
    module: usize,
    bytes: &[u8],
    at: Range<usize>,
    wanted: Wanted,
) -> Result<(Vec<Splice>, Vec<Change>), Refusal> {
    let since24 = wanted.since24.filter(|since24| match device.order {
        PayloadOrder::Since24 => !since24,
        PayloadOrder::Before24 => *since24,
        PayloadOrder::Stable => false,
    });
    let extra_tags = wanted
        .extra_tags
        .filter(|extra| match device.function_info {
            FunctionInfoForm::ExtraTags => !extra,
            FunctionInfoForm::Plain => *extra,
            FunctionInfoForm::Either => false,
        });
    if since24.is_none() && extra_tags.is_none() {
        return Ok((Vec::new(), Vec::new()));
    }
    if extra_tags == Some(false)
        && let Some(kernel) = device
            .kernels
            .iter()
            .find(|kernel| kernel.extra_tags.iter().any(|tag| *tag != 0))
    {
        return Err(refusal(format!(
            "kernel {} of module {module} ({kind}) takes a tensor map, which the older description cannot say",
            kernel.key
        )));
    }
    if kind == "vulkan" {
        return Err(refusal(format!(
            "the vulkan payload of module {module} has the layout of another generation, and is not \
             changed: no release of TVM ships a vulkan loader that the result could be tried with"
        )));
    }
    if kind != "metal" && since24.is_some() {
        return Err(refusal(format!(
            "the {kind} payload of module {module} has the layout of another generation, \
             which is not changed in place"
        )));
    }
    let fields = Fields::read(kind, device, bytes, at.clone()).map_err(|error| {
        refusal(format!(
            "the {kind} payload of module {module} does not decode: {error}"
        ))
    })?;
    let mut splices = Vec::new();
    let mut changes = Vec::new();
    if let Some(extra_tags) = extra_tags {
        splices.extend(fields.described(extra_tags));
        changes.push(Change::FunctionInfo { module, extra_tags });
    }
    if let Some(since24) = since24 {
        splices = vec![fields.reordered(bytes, at, since24, &splices)];
        changes.push(Change::MetalOrder { module, since24 });
    }
    Ok((splices, changes))
}

fn refusal(reason: String) -> Refusal {
    Refusal {
        rule: Some(rules::DEVICE_PAYLOAD),
        reason,
        remedy: "compile the library with the runtime's TVM".to_owned(),
    }
}

/// Where the fields of a payload lie in the blob.
struct Fields {
    format: Range<usize>,
    kernels: Range<usize>,
    texts: Range<usize>,
    /// Behind the launch tags of each kernel: its extra tags, or nothing.
    extra_tags: Vec<Range<usize>>,
}

impl Fields {
    fn read(
        kind: &str,
        device: &DevicePayload,
        bytes: &[u8],
        at: Range<usize>,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::at(bytes.get(..at.end).unwrap_or(bytes), at.start);
        let mut fields = Self {
            format: 0..0,
            kernels: 0..0,
            texts: 0..0,
            extra_tags: Vec::new(),
        };
        let with_tags = device.function_info == FunctionInfoForm::ExtraTags;
        let metal_before = kind == "metal" && device.order == PayloadOrder::Before24;
        if metal_before {
            reader.bytes("the payload's version")?;
            fields.texts = texts(&mut reader)?;
            fields.kernels(&mut reader, with_tags)?;
            fields.format = text(&mut reader)?;
            return Ok(fields);
        }
        if kind != "webgpu" {
            fields.format = text(&mut reader)?;
        }
        fields.kernels(&mut reader, with_tags)?;
        if kind == "metal" {
            fields.texts = texts(&mut reader)?;
        }
        Ok(fields)
    }

    fn kernels(&mut self, reader: &mut Reader<'_>, with_tags: bool) -> Result<(), DecodeError> {
        let start = reader.position();
        for _ in 0..reader.count(32, "the number of kernels")? {
            reader.bytes("a kernel's key")?;
            reader.bytes("a kernel's name")?;
            let types = reader.count(4, "a kernel's number of arguments")?;
            reader.take(types.saturating_mul(4), "argument types")?;
            for _ in 0..reader.count(8, "a kernel's number of launch tags")? {
                reader.bytes("a launch tag")?;
            }
            let from = reader.position();
            if with_tags {
                let tags = reader.count(4, "a kernel's number of extra tags")?;
                reader.take(tags.saturating_mul(4), "extra tags")?;
            }
            self.extra_tags.push(from..reader.position());
        }
        self.kernels = start..reader.position();
        Ok(())
    }

    /// Splices that put an empty list of extra tags into every description, or
    /// take the list out.
    fn described(&self, extra_tags: bool) -> Vec<Splice> {
        let why = match extra_tags {
            true => "empty list of extra argument tags of a kernel",
            false => {
                "list of extra argument tags of a kernel, which the older description does not have"
            }
        };
        let list: &[u8] = if extra_tags { &[0; 8] } else { &[] };
        self.extra_tags
            .iter()
            .map(|at| Splice::new(at.clone(), list, why))
            .collect()
    }

    /// The whole payload in the other order, with splices of the descriptions made.
    fn reordered(
        &self,
        bytes: &[u8],
        at: Range<usize>,
        since24: bool,
        inside: &[Splice],
    ) -> Splice {
        let field = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        let mut kernels = Vec::new();
        let mut from = self.kernels.start;
        for splice in inside {
            kernels.extend_from_slice(field(&(from..splice.at.start)));
            kernels.extend_from_slice(&splice.new);
            from = splice.at.end;
        }
        kernels.extend_from_slice(field(&(from..self.kernels.end)));
        let mut new = Vec::new();
        if since24 {
            new.extend_from_slice(field(&self.format));
            new.extend_from_slice(&kernels);
            new.extend_from_slice(field(&self.texts));
        } else {
            new.extend_from_slice(&(VERSION.len() as u64).to_le_bytes());
            new.extend_from_slice(VERSION.as_bytes());
            new.extend_from_slice(field(&self.texts));
            new.extend_from_slice(&kernels);
            new.extend_from_slice(field(&self.format));
        }
        let era = era(since24);
        Splice::new(
            at,
            new,
            format!("metal payload in the field order of {era}"),
        )
    }
}

/// The releases that lay payloads out so.
pub(super) fn era(since24: bool) -> String {
    let order = match since24 {
        true => PayloadOrder::Since24,
        false => PayloadOrder::Before24,
    };
    history::when(|release| release.payload_order.value == Some(order)).spoken()
}

fn text(reader: &mut Reader<'_>) -> Result<Range<usize>, DecodeError> {
    let start = reader.position();
    reader.bytes("the code's format")?;
    Ok(start..reader.position())
}

fn texts(reader: &mut Reader<'_>) -> Result<Range<usize>, DecodeError> {
    let start = reader.position();
    for _ in 0..reader.count(16, "the number of sources")? {
        reader.bytes("a source's name")?;
        reader.bytes("a source")?;
    }
    Ok(start..reader.position())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vulkan_payload_of_another_generation_is_refused_with_the_reason() {
        let device = DevicePayload {
            order: PayloadOrder::Before24,
            function_info: FunctionInfoForm::Either,
            code_format: "vulkan".to_owned(),
            kernels: Vec::new(),
            code: Vec::new(),
            needs: Vec::new(),
            merges: Vec::new(),
        };
        let wanted = |since24| Wanted {
            since24: Some(since24),
            extra_tags: None,
        };
        let refusal = change("vulkan", &device, 2, &[], 0..0, wanted(true)).expect_err("refused");
        assert_eq!(refusal.rule, Some(rules::DEVICE_PAYLOAD));
        assert!(
            refusal
                .reason
                .contains("no release of TVM ships a vulkan loader"),
            "{refusal}"
        );
        let (splices, changes) =
            change("vulkan", &device, 2, &[], 0..0, wanted(false)).expect("its own order");
        assert!(splices.is_empty() && changes.is_empty());
    }
}
