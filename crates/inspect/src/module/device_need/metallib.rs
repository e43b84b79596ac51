//! metallib: Apple's container of compiled Metal code.
//!
//! Facts: its header is not published; several independent readers agree on
//! it: magic, platform (u16), file version (2 x u16), type, system (u8),
//! oldest system (2 x u16), size of the file (u64).

use super::fields::half;
use crate::container::Platform;
use crate::module::need::{DeviceNeed, MetallibTarget};
use crate::version::Version;

const MAGIC: &[u8] = b"MTLB";
/// The platform field of files that do not name the system.
const FOR_MACOS: u16 = 0x8001;
const FOR_IOS: u16 = 0x0001;

pub(super) fn need(code: &[u8]) -> DeviceNeed {
    header(code).map_or_else(
        || {
            DeviceNeed::Unknown(String::from(
                "code that is not a metallib of a known layout",
            ))
        },
        DeviceNeed::Metallib,
    )
}

fn header(code: &[u8]) -> Option<MetallibTarget> {
    if !code.starts_with(MAGIC) {
        return None;
    }
    let platform = match (*code.get(11)?, half(code, 4)?) {
        (0x81, _) | (0, FOR_MACOS) => Some(Platform::MacOs),
        (0x82, _) | (0, FOR_IOS) => Some(Platform::Ios),
        (0x86, _) => Some(Platform::MacCatalyst),
        (0x87, _) => Some(Platform::IosSimulator),
        (0x83..=0x89, _) => None,
        _ => return None,
    };
    let fields = vec![half(code, 12)?.into(), half(code, 14)?.into()];
    Some(MetallibTarget {
        platform,
        minimum: Version(fields).trimmed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_platform_and_system() {
        let file = |platform: u16, system: u8| {
            let mut code = vec![0; 88];
            code[..4].copy_from_slice(MAGIC);
            code[4..6].copy_from_slice(&platform.to_le_bytes());
            code[11] = system;
            code[12] = 14;
            code
        };
        let words = |platform, system| need(&file(platform, system)).to_string();
        assert_eq!(words(0x8001, 0x81), "macOS 14 or later (metallib)");
        assert_eq!(words(0x0001, 0), "iOS 14 or later (metallib)");
        assert_eq!(
            words(0x0001, 0x83),
            "another Apple platform 14 or later (metallib)"
        );
        assert!(matches!(need(&file(0x8001, 0x10)), DeviceNeed::Unknown(_)));
        assert!(matches!(
            need(&file(0x8001, 0x81)[..12]),
            DeviceNeed::Unknown(_)
        ));
    }
}
