//! SPIR-V: version, capabilities, threads per workgroup, storage buffers.
//!
//! Facts: the SPIR-V specification. Capabilities stand first in a module, and
//! TVM's generator declares those of the types it used.

use crate::module::need::{DeviceNeed, ShaderFeature};

const MAGIC: u32 = 0x0723_0203;
const HEADER_WORDS: usize = 5;
const OP_EXECUTION_MODE: u32 = 16;
const OP_CAPABILITY: u32 = 17;
const OP_FUNCTION: u32 = 54;
const OP_VARIABLE: u32 = 59;
const LOCAL_SIZE: u32 = 17;
const STORAGE_BUFFER: u32 = 12;

/// Capabilities by number, as far as compute kernels use them.
const CAPABILITIES: [(u32, ShaderFeature); 25] = [
    (9, ShaderFeature::F16),
    (10, ShaderFeature::F64),
    (11, ShaderFeature::I64),
    (22, ShaderFeature::I16),
    (39, ShaderFeature::I8),
    (61, ShaderFeature::Subgroups),
    (62, ShaderFeature::Subgroups),
    (63, ShaderFeature::Subgroups),
    (64, ShaderFeature::Subgroups),
    (65, ShaderFeature::Subgroups),
    (66, ShaderFeature::Subgroups),
    (67, ShaderFeature::Subgroups),
    (68, ShaderFeature::Subgroups),
    (4423, ShaderFeature::Subgroups),
    (4431, ShaderFeature::Subgroups),
    (4433, ShaderFeature::Buffers16),
    (4434, ShaderFeature::Buffers16),
    (4448, ShaderFeature::Buffers8),
    (4449, ShaderFeature::Buffers8),
    (5357, ShaderFeature::CooperativeMatrix),
    (6016, ShaderFeature::DotProduct),
    (6017, ShaderFeature::DotProduct),
    (6018, ShaderFeature::DotProduct),
    (6019, ShaderFeature::DotProduct),
    (6022, ShaderFeature::CooperativeMatrix),
];

pub(super) fn needs(code: &[u8]) -> Vec<DeviceNeed> {
    let words: Vec<u32> = code
        .chunks_exact(4)
        .filter_map(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
        .collect();
    let (Some(&MAGIC), Some(version)) = (words.first(), words.get(1)) else {
        return vec![DeviceNeed::Unknown(String::from("code that is not SPIR-V"))];
    };
    let (major, minor) = ((version >> 16) & 0xff, (version >> 8) & 0xff);
    let mut needs = vec![DeviceNeed::Spirv(major, minor)];
    let mut buffers = 0_u32;
    let mut rest = words.get(HEADER_WORDS..).unwrap_or_default();
    while let Some(head) = rest.first() {
        let length = usize::try_from(head >> 16).unwrap_or(usize::MAX);
        let Some(instruction) = rest.get(..length).filter(|words| !words.is_empty()) else {
            break;
        };
        match (head & 0xffff, instruction) {
            // All that is asked for stands before the first function.
            (OP_FUNCTION, _) => break,
            (OP_CAPABILITY, [_, number, ..]) => {
                let known = CAPABILITIES.iter().find(|(known, _)| known == number);
                needs.extend(known.map(|(_, feature)| DeviceNeed::Feature(*feature)));
            }
            (OP_EXECUTION_MODE, [_, _, LOCAL_SIZE, x, y, z]) => {
                needs.push(DeviceNeed::WorkgroupThreads(threads([*x, *y, *z])));
            }
            (OP_VARIABLE, [_, _, _, STORAGE_BUFFER, ..]) => buffers = buffers.saturating_add(1),
            _ => {}
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    if buffers > 0 {
        needs.push(DeviceNeed::StorageBuffers(buffers));
    }
    needs
}

/// Threads of a workgroup with these extents.
pub(super) fn threads(extents: [u32; 3]) -> u64 {
    extents.into_iter().fold(1, |product: u64, extent| {
        product.saturating_mul(extent.into())
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "short, made here"
    )]

    use super::*;

    fn module(instructions: &[&[u32]]) -> Vec<u8> {
        let mut words = vec![MAGIC, 0x1_0300, 0, 8, 0];
        for instruction in instructions {
            words.push(((instruction.len() as u32) << 16) | instruction[0]);
            words.extend(&instruction[1..]);
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn what_stands_before_the_first_function_is_read() {
        let code = module(&[
            &[OP_CAPABILITY, 1],
            &[OP_CAPABILITY, 9],
            &[OP_CAPABILITY, 4433],
            &[OP_EXECUTION_MODE, 5, LOCAL_SIZE, 8, 8, 2],
            &[OP_VARIABLE, 2, 3, STORAGE_BUFFER],
            &[OP_VARIABLE, 2, 4, STORAGE_BUFFER],
            &[OP_VARIABLE, 2, 5, 1],
            &[OP_FUNCTION, 1, 2, 0, 3],
            &[OP_CAPABILITY, 10],
        ]);
        assert_eq!(
            needs(&code),
            [
                DeviceNeed::Spirv(1, 3),
                DeviceNeed::Feature(ShaderFeature::F16),
                DeviceNeed::Feature(ShaderFeature::Buffers16),
                DeviceNeed::WorkgroupThreads(128),
                DeviceNeed::StorageBuffers(2),
            ]
        );
    }

    #[test]
    fn damaged_code_ends_the_reading() {
        assert!(matches!(
            needs(b"text").as_slice(),
            [DeviceNeed::Unknown(_)]
        ));
        // An instruction of no words, and one that reaches beyond the end.
        for head in [0, 0xffff_0011] {
            let mut code = module(&[]);
            code.extend(u32::to_le_bytes(head));
            assert_eq!(needs(&code).len(), 1);
        }
    }
}
