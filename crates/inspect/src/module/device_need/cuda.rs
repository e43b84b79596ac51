//! CUDA images: cubins, PTX, and fatbins of several of both.
//!
//! Facts: LLVM's `EF_CUDA_*` for cubins (SM in bits 0..8 of `e_flags` with bit
//! 11 for the `a` variant; from ABI version 8 in bits 8..16 with bit 3); PTX
//! names its target in a line. A fatbin's layout is not published; it is read
//! off files made by NVIDIA's library (`tests/device_code/make_fatbin.py`).

use object::elf;

use super::fields::{beginning, elf_flags, half, text, word};
use crate::module::need::{CudaImage, DeviceNeed, Reach};

/// First ABI version with the SM in the second byte.
const NEW_FLAGS: u8 = 8;
const FATBIN_MAGIC: u32 = 0xba55_ed50;
const FATBIN_HEADER: usize = 16;
/// As much of an image's own header as is read.
const FATBIN_ENTRY: usize = 48;
const FATBIN_PTX: u16 = 1;
const FATBIN_CUBIN: u16 = 2;
/// Flags of an image: the `a` and the `f` variant.
const FOR_ONE_SM: u32 = 1 << 20;
const FOR_A_FAMILY: u32 = 1 << 21;
/// Images of one fatbin; compilers make a dozen.
const MAX_IMAGES: usize = 256;

pub(super) fn need(format: &str, code: &[u8]) -> DeviceNeed {
    let images = match cubin(code).or_else(|| ptx(code)) {
        Some(image) => vec![image],
        None => fatbin(code).unwrap_or_default(),
    };
    if images.is_empty() {
        return DeviceNeed::Unknown(format!(
            "code of format `{format}` that names no SM version"
        ));
    }
    DeviceNeed::Cuda(images)
}

fn cubin(code: &[u8]) -> Option<CudaImage> {
    let (abi, flags) = elf_flags(code, elf::EM_CUDA)?;
    let (sm, exact) = if abi >= NEW_FLAGS {
        ((flags >> 8) & 0xff, flags & 0x8 != 0)
    } else {
        (flags & 0xff, flags & 0x800 != 0)
    };
    let reach = if exact {
        Reach::Exact
    } else {
        Reach::SameMajor
    };
    Some(CudaImage { sm, reach })
}

fn ptx(code: &[u8]) -> Option<CudaImage> {
    // It is in the first lines.
    let target = text(beginning(code))?
        .lines()
        .find_map(|line| line.trim().strip_prefix(".target sm_"))?;
    let digits: String = target.chars().take_while(char::is_ascii_digit).collect();
    let reach = match target.chars().nth(digits.len()) {
        Some('a') => Reach::Exact,
        Some('f') => Reach::SameMajor,
        _ => Reach::Later,
    };
    let sm = digits.parse().ok()?;
    Some(CudaImage { sm, reach })
}

/// The images that stand one after another behind the header. Each says its
/// kind and SM version in front, whether its code is compressed or not.
fn fatbin(code: &[u8]) -> Option<Vec<CudaImage>> {
    if word(code, 0)? != FATBIN_MAGIC {
        return None;
    }
    let mut at = usize::from(half(code, 6)?).max(FATBIN_HEADER);
    let mut images = Vec::new();
    while images.len() < MAX_IMAGES {
        let Some(entry) = code.get(at..).filter(|rest| rest.len() >= FATBIN_ENTRY) else {
            break;
        };
        let (sm, flags) = (word(entry, 28)?, word(entry, 40)?);
        match half(entry, 0)? {
            _ if flags & FOR_ONE_SM != 0 => images.push(CudaImage {
                sm,
                reach: Reach::Exact,
            }),
            FATBIN_PTX if flags & FOR_A_FAMILY == 0 => {
                images.push(CudaImage {
                    sm,
                    reach: Reach::Later,
                });
            }
            FATBIN_PTX | FATBIN_CUBIN => images.push(CudaImage {
                sm,
                reach: Reach::SameMajor,
            }),
            _ => {}
        }
        let header = usize::try_from(word(entry, 4)?).ok()?;
        let body = usize::try_from(word(entry, 8)?).ok()?;
        // An entry without length would be met again for ever.
        at = at.checked_add(header.checked_add(body)?.max(FATBIN_HEADER))?;
    }
    images.sort_unstable();
    images.dedup();
    Some(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sm: u32, reach: Reach) -> DeviceNeed {
        DeviceNeed::Cuda(vec![CudaImage { sm, reach }])
    }

    #[test]
    fn ptx_names_its_target() {
        let text = |target: &str| format!(".version 8.0\n.target {target}\n.address_size 64\n\0");
        let need = |target: &str| need("ptx", text(target).as_bytes());
        assert_eq!(need("sm_80"), one(80, Reach::Later));
        assert_eq!(need("sm_90a"), one(90, Reach::Exact));
        assert_eq!(need("sm_100f"), one(100, Reach::SameMajor));
        assert!(matches!(need("other"), DeviceNeed::Unknown(_)));
    }

    fn cubin(abi: u8, flags: u32) -> Vec<u8> {
        let mut code = vec![0; 64];
        code[..6].copy_from_slice(b"\x7fELF\x02\x01");
        code[8] = abi;
        code[18] = 190;
        code[48..52].copy_from_slice(&flags.to_le_bytes());
        code
    }

    #[test]
    fn a_cubin_names_its_sm_in_either_layout() {
        assert_eq!(
            need("cubin", &cubin(7, 0x05_0550)),
            one(80, Reach::SameMajor)
        );
        assert_eq!(need("cubin", &cubin(7, 0x5a_0d5a)), one(90, Reach::Exact));
        assert_eq!(
            need("cubin", &cubin(8, 0x0600_5a00)),
            one(90, Reach::SameMajor)
        );
        assert_eq!(need("cubin", &cubin(8, 0x0600_5a08)), one(90, Reach::Exact));
    }

    #[test]
    fn a_truncated_fatbin_ends_the_reading() {
        let mut code = FATBIN_MAGIC.to_le_bytes().to_vec();
        assert!(matches!(need("fatbin", &code), DeviceNeed::Unknown(_)));
        code.resize(FATBIN_HEADER + FATBIN_ENTRY, 0);
        assert!(matches!(need("fatbin", &code), DeviceNeed::Unknown(_)));
        // Entries without a length: the reading ends all the same.
        code.resize(1 << 20, 0);
        assert!(matches!(need("fatbin", &code), DeviceNeed::Unknown(_)));
    }

    #[test]
    fn reach_is_what_the_driver_allows() {
        let runs = |sm, reach, on| CudaImage { sm, reach }.runs_on(on);
        assert!(runs(80, Reach::SameMajor, 86) && !runs(86, Reach::SameMajor, 80));
        assert!(!runs(90, Reach::SameMajor, 100) && runs(90, Reach::Later, 100));
        assert!(runs(90, Reach::Exact, 90) && !runs(100, Reach::Exact, 103));
    }
}
