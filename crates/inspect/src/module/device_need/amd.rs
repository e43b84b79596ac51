//! AMD code objects: ELF files that name their processor in the low byte of
//! `e_flags`.
//!
//! Facts: LLVM's `EF_AMDGPU_MACH_AMDGCN_*`, as its test of the ELF header lists
//! them; gfx940 is a value that LLVM had and gave back.

use object::elf;

use super::fields::elf_flags;
use crate::module::need::DeviceNeed;

const PROCESSORS: [(u32, &str); 62] = [
    (0x20, "gfx600"),
    (0x21, "gfx601"),
    (0x22, "gfx700"),
    (0x23, "gfx701"),
    (0x24, "gfx702"),
    (0x25, "gfx703"),
    (0x26, "gfx704"),
    (0x28, "gfx801"),
    (0x29, "gfx802"),
    (0x2a, "gfx803"),
    (0x2b, "gfx810"),
    (0x2c, "gfx900"),
    (0x2d, "gfx902"),
    (0x2e, "gfx904"),
    (0x2f, "gfx906"),
    (0x30, "gfx908"),
    (0x31, "gfx909"),
    (0x32, "gfx90c"),
    (0x33, "gfx1010"),
    (0x34, "gfx1011"),
    (0x35, "gfx1012"),
    (0x36, "gfx1030"),
    (0x37, "gfx1031"),
    (0x38, "gfx1032"),
    (0x39, "gfx1033"),
    (0x3a, "gfx602"),
    (0x3b, "gfx705"),
    (0x3c, "gfx805"),
    (0x3d, "gfx1035"),
    (0x3e, "gfx1034"),
    (0x3f, "gfx90a"),
    (0x40, "gfx940"),
    (0x41, "gfx1100"),
    (0x42, "gfx1013"),
    (0x43, "gfx1150"),
    (0x44, "gfx1103"),
    (0x45, "gfx1036"),
    (0x46, "gfx1101"),
    (0x47, "gfx1102"),
    (0x48, "gfx1200"),
    (0x49, "gfx1250"),
    (0x4a, "gfx1151"),
    (0x4c, "gfx942"),
    (0x4e, "gfx1201"),
    (0x4f, "gfx950"),
    (0x50, "gfx1310"),
    (0x51, "gfx9-generic"),
    (0x52, "gfx10-1-generic"),
    (0x53, "gfx10-3-generic"),
    (0x54, "gfx11-generic"),
    (0x55, "gfx1152"),
    (0x57, "gfx1154"),
    (0x58, "gfx1153"),
    (0x59, "gfx12-generic"),
    (0x5a, "gfx1251"),
    (0x5b, "gfx12-5-generic"),
    (0x5c, "gfx1172"),
    (0x5d, "gfx1170"),
    (0x5e, "gfx1171"),
    (0x5f, "gfx9-4-generic"),
    (0x62, "gfx11-7-generic"),
    (0x63, "gfx13-generic"),
];

pub(super) fn need(code: &[u8]) -> DeviceNeed {
    let Some((_, flags)) = elf_flags(code, elf::EM_AMDGPU) else {
        return DeviceNeed::Unknown(String::from("code that is not an AMD code object"));
    };
    let number = flags & 0xff;
    match PROCESSORS.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => DeviceNeed::Gfx((*name).to_owned()),
        None => DeviceNeed::Unknown(format!("an AMD code object of unknown number {number:#x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_object_names_its_processor() {
        let code = |number: u8| {
            let mut code = vec![0; 64];
            code[..6].copy_from_slice(b"\x7fELF\x02\x01");
            code[18] = 224;
            code[48] = number;
            // Bits above the processor say XNACK and SRAMECC.
            code[49] = 0x0f;
            code
        };
        assert_eq!(need(&code(0x41)), DeviceNeed::Gfx(String::from("gfx1100")));
        assert!(matches!(need(&code(0xff)), DeviceNeed::Unknown(_)));
        assert!(matches!(need(&code(0x41)[..20]), DeviceNeed::Unknown(_)));
    }

    #[test]
    fn each_number_and_each_name_stand_once_in_order() {
        assert!(PROCESSORS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut names: Vec<&str> = PROCESSORS.iter().map(|(_, name)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PROCESSORS.len());
    }
}
