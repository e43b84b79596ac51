//! The machine code of the functions of a linked ELF library, in a form that can be
//! compared: distances to what lies outside a function are left out, since they change
//! with everything around it, and so is the filling between functions.
//!
//! Functions are those of `.eh_frame_hdr`; one that no symbol names has none. What a
//! function calls and which data it reads is not part of the form.

use std::collections::HashMap;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, OpKind};
use sha2::{Digest, Sha256};

use crate::container::{Architecture, Format, Parsed, Region, linkage};

/// One function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostCode {
    /// Its symbol, where there is one.
    pub name: Option<String>,
    /// Bytes, without what fills the room to the next one.
    pub length: usize,
    /// SHA-256 of the comparable form.
    pub digest: [u8; 32],
}

/// The functions of a library, in the order of their addresses; `None` where its code
/// cannot be taken apart like this.
pub fn host_code(parsed: &Parsed<'_>) -> Option<Vec<HostCode>> {
    let form: fn(&[u8], u64) -> Vec<u8> = match parsed.binary.architecture {
        Architecture::X86_64 => x86_64,
        Architecture::Aarch64 => aarch64,
        _ => return None,
    };
    if parsed.binary.format != Format::Elf {
        return None;
    }
    let starts = linkage(parsed, |_| false).starts;
    let symbols = parsed.binary.defined.iter();
    let names: HashMap<u64, &str> = symbols
        .map(|symbol| (symbol.address, symbol.name.as_str()))
        .collect();
    let mut found = Vec::new();
    for (number, start) in starts.iter().enumerate() {
        let holds =
            |region: &&Region<'_>| is_of_functions(region) && within(region, *start).is_some();
        let Some(region) = parsed.regions.iter().find(holds) else {
            continue;
        };
        let rest = within(region, *start).unwrap_or_default();
        let next = starts.get(number.saturating_add(1));
        let length = next.and_then(|next| usize::try_from(next.checked_sub(*start)?).ok());
        let code = length.and_then(|length| rest.get(..length)).unwrap_or(rest);
        let form = form(code, *start);
        found.push(HostCode {
            name: names.get(start).map(|name| (*name).to_owned()),
            length: form.len(),
            digest: Sha256::digest(&form).into(),
        });
    }
    (!found.is_empty()).then_some(found)
}

/// The linker's own stubs are no functions of the library.
fn is_of_functions(region: &Region<'_>) -> bool {
    region.executable && !region.name.starts_with(".plt")
}

fn within<'r>(region: &'r Region<'_>, address: u64) -> Option<&'r [u8]> {
    let from = usize::try_from(address.checked_sub(region.address)?).ok()?;
    region.data.get(from..).filter(|rest| !rest.is_empty())
}

fn x86_64(code: &[u8], start: u64) -> Vec<u8> {
    let mut form = code.to_vec();
    let end = start.wrapping_add(code.len() as u64);
    let mut used = 0usize;
    let mut decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    while decoder.can_decode() {
        let at = decoder.position();
        let instruction = decoder.decode();
        let is_filling = instruction.mnemonic() == iced_x86::Mnemonic::Nop
            || matches!(instruction.code(), Code::Int3);
        if !is_filling {
            used = decoder.position();
        }
        let offsets = decoder.get_constant_offsets(&instruction);
        let target = instruction.near_branch_target();
        let leaves = instruction.op0_kind() == OpKind::NearBranch64
            && instruction.flow_control() != FlowControl::Next
            && !(start..end).contains(&target);
        let (offset, size) = if instruction.is_ip_rel_memory_operand() {
            (offsets.displacement_offset(), offsets.displacement_size())
        } else if leaves {
            (offsets.immediate_offset(), offsets.immediate_size())
        } else {
            continue;
        };
        let from = at.saturating_add(offset);
        if let Some(bytes) = form.get_mut(from..from.saturating_add(size)) {
            bytes.fill(0);
        }
    }
    form.truncate(used);
    form
}

const NOP: u32 = 0xd503_201f;

fn aarch64(code: &[u8], _: u64) -> Vec<u8> {
    let mut form = Vec::with_capacity(code.len());
    let mut used = 0usize;
    // Whether a register holds the page of something, of which a number follows.
    let mut pages = [false; 32];
    let count = code.len() as u64;
    for (number, word) in code.as_chunks::<4>().0.iter().enumerate() {
        let word = u32::from_le_bytes(*word);
        let at = (number as u64).wrapping_mul(4);
        let (to, from) = (field(word), field(word >> 5));
        let is_of_page = pages.get(from).copied().unwrap_or(false);
        let is_branch = word & 0x7c00_0000 == 0x1400_0000;
        let distance = (u64::from(word & 0x03ff_ffff) << 38).cast_signed() >> 36;
        let leaves = is_branch && at.wrapping_add_signed(distance) >= count;
        let is_page = word & 0x9f00_0000 == 0x9000_0000;
        let masked = if leaves {
            word & !0x03ff_ffff
        } else if is_page {
            word & 0x9f00_001f
        } else if is_of_page && is_number_of_page(word) {
            word & !(0xfff << 10)
        } else {
            word
        };
        let is_store = word & 0x0a40_0000 == 0x0800_0000;
        if !is_branch
            && !is_store
            && let Some(page) = pages.get_mut(to)
        {
            *page = is_page;
        }
        form.extend_from_slice(&masked.to_le_bytes());
        if word != NOP && word != 0 {
            used = form.len();
        }
    }
    form.truncate(used);
    form
}

/// `add` of a number, and loads and stores at a distance.
fn is_number_of_page(word: u32) -> bool {
    word & 0xffc0_0000 == 0x9100_0000 || word & 0x3b00_0000 == 0x3900_0000
}

fn field(word: u32) -> usize {
    usize::try_from(word & 0x1f).unwrap_or(0)
}
