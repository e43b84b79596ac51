//! Device payloads read as kernels and texts, and how two of them differ.

use super::fields::Fields;
use crate::plan::Change;

/// A payload with its layout taken away.
#[derive(PartialEq)]
struct Content<'a> {
    format: &'a [u8],
    kernels: Vec<Kernel<'a>>,
    /// What follows the kernels: sources, code or shaders.
    code: &'a [u8],
}

/// A description up to the launch tags, and the extra tags that say something.
type Kernel<'a> = (&'a [u8], Vec<u32>);

/// Content, whether in the order since 0.24, and whether with extra tags.
type Read<'a> = (Content<'a>, bool, bool);

/// What the second payload says differently.
pub(super) fn differences(
    module: usize,
    kind: &[u8],
    old: &[u8],
    new: &[u8],
) -> Result<Vec<Change>, String> {
    let old = read(kind, old)?;
    let new = read(kind, new)?;
    if old.0 != new.0 {
        return Err("kernels or code differ".to_owned());
    }
    let mut changes = Vec::new();
    if old.1 != new.1 {
        changes.push(Change::MetalOrder {
            module,
            since24: new.1,
        });
    }
    if old.2 != new.2 {
        changes.push(Change::FunctionInfo {
            module,
            extra_tags: new.2,
        });
    }
    match changes.is_empty() {
        true => Err("a difference that has no name".to_owned()),
        false => Ok(changes),
    }
}

fn read<'a>(kind: &[u8], payload: &'a [u8]) -> Result<Read<'a>, String> {
    let mut failed = "no layout fits".to_owned();
    for extra_tags in [true, false] {
        for since24 in [true, false] {
            let content = match (kind, since24) {
                (b"metal", true) => metal(payload, extra_tags),
                (b"metal", false) => metal_before(payload, extra_tags),
                (_, true) => with_code(kind, payload, extra_tags),
                (_, false) => continue,
            };
            match content {
                Ok(content) => return Ok((content, since24, extra_tags)),
                Err(error) => failed = error,
            }
        }
    }
    Err(failed)
}

fn metal(payload: &[u8], extra_tags: bool) -> Result<Content<'_>, String> {
    let mut fields = Fields(payload);
    let content = Content {
        format: fields.text()?,
        kernels: kernels(&mut fields, extra_tags)?,
        code: sources(&mut fields)?,
    };
    whole(content, &fields)
}

fn metal_before(payload: &[u8], extra_tags: bool) -> Result<Content<'_>, String> {
    let mut fields = Fields(payload);
    if fields.text()? != b"0.1.0" {
        return Err("another version".to_owned());
    }
    // Evaluated as written: the fields stand in this order.
    let content = Content {
        code: sources(&mut fields)?,
        kernels: kernels(&mut fields, extra_tags)?,
        format: fields.text()?,
    };
    whole(content, &fields)
}

fn with_code<'a>(kind: &[u8], payload: &'a [u8], extra_tags: bool) -> Result<Content<'a>, String> {
    let mut fields = Fields(payload);
    let format = if kind == b"webgpu" {
        b""
    } else {
        fields.text()?
    };
    let kernels = kernels(&mut fields, extra_tags)?;
    let code = fields.0;
    // The form is right when what follows is a code text or a map of texts.
    match kind {
        b"webgpu" => sources(&mut fields)?,
        b"vulkan" => return Err("vulkan payloads are not changed".to_owned()),
        _ => fields.text()?,
    };
    let content = Content {
        format,
        kernels,
        code,
    };
    whole(content, &fields)
}

fn whole<'a>(content: Content<'a>, fields: &Fields<'_>) -> Result<Content<'a>, String> {
    match fields.0.is_empty() {
        true => Ok(content),
        false => Err("bytes left".to_owned()),
    }
}

fn sources<'a>(fields: &mut Fields<'a>) -> Result<&'a [u8], String> {
    let before = fields.0;
    for _ in 0..fields.size()? {
        fields.text()?;
        fields.text()?;
    }
    Ok(fields.read_since(before))
}

fn kernels<'a>(fields: &mut Fields<'a>, extra_tags: bool) -> Result<Vec<Kernel<'a>>, String> {
    let mut kernels = Vec::new();
    for _ in 0..fields.size()? {
        let before = fields.0;
        fields.text()?;
        fields.text()?;
        let types = fields.size()?;
        fields.take(types.saturating_mul(4))?;
        for _ in 0..fields.size()? {
            fields.text()?;
        }
        let description = fields.read_since(before);
        let mut tags = Vec::new();
        if extra_tags {
            for _ in 0..fields.size()? {
                tags.push(fields.u32()?);
            }
        }
        // Zeros say "nothing special", as an absent list does.
        if tags.iter().all(|tag| *tag == 0) {
            tags.clear();
        }
        kernels.push((description, tags));
    }
    Ok(kernels)
}
