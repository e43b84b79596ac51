//! What device code asks of the device, as far as the code says so: CUDA's
//! SM version, AMD's processor, WGSL and SPIR-V features. Apple's metallib and
//! Metal source say nothing that is read here.
//!
//! Facts: cubins are ELF files for machine 190 with the SM in `e_flags` (bits
//! 0..8, from ABI version 8 bits 8..16); PTX has a `.target` line; AMD code
//! objects are ELF files for machine 224 with the processor in the low byte.

use std::fmt;

use serde::Serialize;

use super::{ModelLibrary, Payload};
use crate::container::Parsed;

/// Code that is looked at for its text; kernels are far smaller.
const MAX_TEXT: usize = 16 << 20;
const ELF_CUDA: u16 = 190;
const ELF_AMDGPU: u16 = 224;
const SPIRV_MAGIC: u32 = 0x0723_0203;
const SPIRV_HEADER_WORDS: usize = 5;
const OP_CAPABILITY: u32 = 17;

/// One thing that device code asks of the device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceNeed {
    /// A cubin: this SM, or a later minor version of the same major one.
    Cubin(u32),
    /// PTX: this SM or any later one.
    Ptx(u32),
    /// An AMD code object for this processor.
    Gfx(String),
    /// 16-bit floats in shaders.
    F16,
    /// Storage buffers in one shader.
    StorageBuffers(u32),
}

impl fmt::Display for DeviceNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cubin(sm) => write!(f, "a CUDA GPU of sm_{sm} or a later minor version"),
            Self::Ptx(sm) => write!(f, "a CUDA GPU of sm_{sm} or later (PTX)"),
            Self::Gfx(name) => write!(f, "an AMD GPU {name}"),
            Self::F16 => f.write_str("16-bit floats in shaders"),
            Self::StorageBuffers(count) => write!(f, "{count} storage buffers per shader"),
        }
    }
}

/// AMD processors by the low byte of `e_flags`.
const AMD: [(u32, &str); 20] = [
    (0x2c, "gfx900"),
    (0x2f, "gfx906"),
    (0x30, "gfx908"),
    (0x33, "gfx1010"),
    (0x36, "gfx1030"),
    (0x37, "gfx1031"),
    (0x38, "gfx1032"),
    (0x3f, "gfx90a"),
    (0x40, "gfx940"),
    (0x41, "gfx1100"),
    (0x43, "gfx1150"),
    (0x44, "gfx1103"),
    (0x45, "gfx1036"),
    (0x46, "gfx1101"),
    (0x47, "gfx1102"),
    (0x48, "gfx1200"),
    (0x4a, "gfx1151"),
    (0x4c, "gfx942"),
    (0x4e, "gfx1201"),
    (0x4f, "gfx950"),
];

/// Fills in the needs of every device module of a library.
pub fn read(parsed: &Parsed<'_>, library: &mut ModelLibrary) {
    let region = parsed
        .regions
        .iter()
        .find(|region| region.name == library.region);
    let start = usize::try_from(library.region_offset).unwrap_or(usize::MAX);
    let Some(blob) = region.and_then(|region| region.data.get(start..)) else {
        return;
    };
    let Ok(decoded) = &mut library.blob else {
        return;
    };
    for module in &mut decoded.modules {
        let Payload::Device(device) = &mut module.payload else {
            continue;
        };
        let mut needs: Vec<DeviceNeed> = device
            .code
            .iter()
            .filter_map(|code| {
                let start = usize::try_from(code.offset).ok()?;
                let end = start.checked_add(usize::try_from(code.length).ok()?)?;
                blob.get(start..end)
            })
            .flat_map(|code| needs_of(&module.kind, code))
            .collect();
        needs.sort_unstable();
        needs.dedup();
        device.needs = needs;
    }
}

fn needs_of(kind: &str, code: &[u8]) -> Vec<DeviceNeed> {
    match kind {
        "cuda" => elf(code).or_else(|| ptx(code)).into_iter().collect(),
        "rocm" => elf(code).into_iter().collect(),
        "webgpu" => wgsl(code),
        "vulkan" => spirv(code),
        _ => Vec::new(),
    }
}

fn elf(code: &[u8]) -> Option<DeviceNeed> {
    if !code.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let machine = u16::from_le_bytes(code.get(18..20)?.try_into().ok()?);
    let flags = word(code, 48)?;
    match machine {
        ELF_CUDA => {
            let abi = *code.get(8)?;
            let sm = if abi >= 8 { flags >> 8 } else { flags } & 0xff;
            Some(DeviceNeed::Cubin(sm))
        }
        ELF_AMDGPU => AMD
            .iter()
            .find(|(number, _)| *number == flags & 0xff)
            .map(|(_, name)| DeviceNeed::Gfx((*name).to_owned())),
        _ => None,
    }
}

fn ptx(code: &[u8]) -> Option<DeviceNeed> {
    let text = text(code)?;
    let target = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(".target sm_"))?;
    let digits: String = target.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(DeviceNeed::Ptx)
}

fn wgsl(code: &[u8]) -> Vec<DeviceNeed> {
    let Some(text) = text(code) else {
        return Vec::new();
    };
    let mut needs = Vec::new();
    if text.contains("enable f16;") {
        needs.push(DeviceNeed::F16);
    }
    let buffers = text.matches("var<storage").count();
    if let Ok(count @ 1..) = u32::try_from(buffers) {
        needs.push(DeviceNeed::StorageBuffers(count));
    }
    needs
}

/// Capabilities stand first in a SPIR-V module, before any other instruction.
/// TVM writes its own fields before the words, so the magic is looked for.
fn spirv(code: &[u8]) -> Vec<DeviceNeed> {
    /// Float16; StorageBuffer16BitAccess alone only stores them.
    const FLOAT16: u32 = 9;
    let magic = SPIRV_MAGIC.to_le_bytes();
    let Some(start) = memchr::memmem::find(code, &magic) else {
        return Vec::new();
    };
    let words = code.get(start..).unwrap_or_default().chunks_exact(4);
    let mut words = words
        .filter_map(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
        .skip(SPIRV_HEADER_WORDS);
    while let Some(head) = words.next() {
        if head & 0xffff != OP_CAPABILITY {
            break;
        }
        if words.next() == Some(FLOAT16) {
            return vec![DeviceNeed::F16];
        }
    }
    Vec::new()
}

fn text(code: &[u8]) -> Option<&str> {
    let code = code.get(..code.len().min(MAX_TEXT))?;
    let end = code
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at.saturating_add(1));
    std::str::from_utf8(code.get(..end)?).ok()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "fixed sizes, made here")]

    use super::*;

    #[test]
    fn ptx_names_its_target() {
        let text = b".version 8.0\n.target sm_80a\n.address_size 64\n\0";
        assert_eq!(needs_of("cuda", text), [DeviceNeed::Ptx(80)]);
        assert!(needs_of("cuda", b"extern \"C\" __global__ void f() {}").is_empty());
    }

    #[test]
    fn an_amd_code_object_names_its_processor() {
        let mut code = vec![0; 64];
        code[..6].copy_from_slice(b"\x7fELF\x02\x01");
        code[18] = 224;
        code[48] = 0x41;
        assert_eq!(
            needs_of("rocm", &code),
            [DeviceNeed::Gfx(String::from("gfx1100"))]
        );
        assert!(needs_of("rocm", &code[..20]).is_empty());
    }

    #[test]
    fn spirv_capabilities_are_read_in_front() {
        let module = |capability: u32| -> Vec<u8> {
            [
                SPIRV_MAGIC,
                0x10000,
                0,
                8,
                0,
                (2 << 16) | OP_CAPABILITY,
                1,
                (2 << 16) | OP_CAPABILITY,
                capability,
            ]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
        };
        assert_eq!(needs_of("vulkan", &module(9)), [DeviceNeed::F16]);
        assert!(needs_of("vulkan", &module(4433)).is_empty());
    }
}
