//! The extensions of x86-64 that code needs of its processor, told by its instructions.
//!
//! Code that asks the processor what it has (`cpuid`) chooses for itself, and needs none.

use std::collections::BTreeSet;

use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Mnemonic};

use crate::container::{Architecture, Parsed, linkage};

/// Extensions that not every processor has, by the level of x86-64 that has them; those of no
/// level come last. The second level is left out: every processor since 2009 has it. Names are
/// LLVM's. What older processors take for another instruction
/// (`tzcnt`) is left out: compilers use it for all of them.
const EXTENSIONS: [(CpuidFeature, u32, &str); 27] = [
    (CpuidFeature::AVX, 3, "AVX"),
    (CpuidFeature::AVX2, 3, "AVX2"),
    (CpuidFeature::BMI1, 3, "BMI"),
    (CpuidFeature::BMI2, 3, "BMI2"),
    (CpuidFeature::F16C, 3, "F16C"),
    (CpuidFeature::FMA, 3, "FMA"),
    (CpuidFeature::LZCNT, 3, "LZCNT"),
    (CpuidFeature::MOVBE, 3, "MOVBE"),
    (CpuidFeature::AVX512F, 4, "AVX512F"),
    (CpuidFeature::AVX512BW, 4, "AVX512BW"),
    (CpuidFeature::AVX512CD, 4, "AVX512CD"),
    (CpuidFeature::AVX512DQ, 4, "AVX512DQ"),
    (CpuidFeature::AVX512VL, 4, "AVX512VL"),
    (CpuidFeature::AVX512_VNNI, 5, "AVX512-VNNI"),
    (CpuidFeature::AVX512_BF16, 5, "AVX512-BF16"),
    (CpuidFeature::AVX512_FP16, 5, "AVX512-FP16"),
    (CpuidFeature::AVX512_VBMI, 5, "AVX512-VBMI"),
    (CpuidFeature::AVX512_VBMI2, 5, "AVX512-VBMI2"),
    (CpuidFeature::AVX512_IFMA, 5, "AVX512-IFMA"),
    (CpuidFeature::AVX512_BITALG, 5, "AVX512-BITALG"),
    (CpuidFeature::AVX512_VPOPCNTDQ, 5, "AVX512-VPOPCNTDQ"),
    (CpuidFeature::AVX_VNNI, 5, "AVX-VNNI"),
    (CpuidFeature::AMX_TILE, 5, "AMX"),
    (CpuidFeature::AES, 5, "AES"),
    (CpuidFeature::PCLMULQDQ, 5, "PCLMUL"),
    (CpuidFeature::GFNI, 5, "GFNI"),
    (CpuidFeature::SHA, 5, "SHA"),
];

/// What the functions of a linked library need, as far as the file says where they begin: of
/// the levels of x86-64 the extensions of the highest, which has the others, and all of none.
pub(crate) fn extensions(parsed: &Parsed<'_>) -> Vec<&'static str> {
    if parsed.binary.architecture != Architecture::X86_64 {
        return Vec::new();
    }
    let starts = linkage(parsed, |_| false).starts;
    let mut used = BTreeSet::new();
    for (number, start) in starts.iter().enumerate() {
        let next = starts.get(number.saturating_add(1)).copied();
        let code = parsed.regions.iter().filter(|region| region.executable);
        let mut code = code.filter_map(|region| {
            let from = usize::try_from(start.checked_sub(region.address)?).ok()?;
            region.data.get(from..).filter(|rest| !rest.is_empty())
        });
        let Some(rest) = code.next() else { continue };
        let length = next.and_then(|next| usize::try_from(next.checked_sub(*start)?).ok());
        let code = length.and_then(|length| rest.get(..length)).unwrap_or(rest);
        if !function(code, *start, &mut used) {
            return Vec::new();
        }
    }
    let of_level = |level: u32| used.iter().filter(move |(of, _)| *of == level);
    let highest = [4, 3, 2]
        .into_iter()
        .find(|level| of_level(*level).next().is_some());
    let highest = highest.into_iter().flat_map(of_level);
    highest.chain(of_level(5)).map(|(_, name)| *name).collect()
}

/// Adds what one function needs; `false` where it asks the processor what it has.
fn function(code: &[u8], start: u64, used: &mut BTreeSet<(u32, &'static str)>) -> bool {
    let mut own = BTreeSet::new();
    for instruction in &mut Decoder::with_ip(64, code, start, DecoderOptions::NONE) {
        // No code: data between functions.
        if instruction.is_invalid() {
            return true;
        }
        match instruction.mnemonic() {
            Mnemonic::Cpuid | Mnemonic::Xgetbv => return false,
            Mnemonic::Tzcnt => continue,
            _ => {}
        }
        for feature in instruction.cpuid_features() {
            let known = EXTENSIONS.iter().find(|(known, ..)| known == feature);
            own.extend(known.map(|(_, level, name)| (*level, *name)));
        }
    }
    used.append(&mut own);
    true
}
