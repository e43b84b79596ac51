//! Archives, packages and compressions that are told by their magic and not opened.
//!
//! A Debian package is none of them: it is an `ar` archive, whose members are.

use serde::Serialize;

/// What is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sealed {
    /// `.xz`, `.tar.xz`.
    Xz,
    /// `.bz2`.
    Bzip2,
    /// `.zst`.
    Zstd,
    /// `.lzma`.
    Lzma,
    /// `.lz`.
    Lzip,
    /// `.lz4`.
    Lz4,
    /// `.Z`.
    Compress,
    /// `.7z`.
    SevenZip,
    /// `.rar`.
    Rar,
    /// `.rpm`.
    Rpm,
    /// `.cab`.
    Cabinet,
    /// `.dmg`.
    DiskImage,
    /// `.xar`, `.pkg`.
    Xar,
    /// `.cpio`.
    Cpio,
    /// `.squashfs`, `.snap`.
    SquashFs,
    /// `.asar`.
    Asar,
    /// `.AppImage`.
    AppImage,
    /// A script with an archive behind it, `.run`.
    Script,
}

impl Sealed {
    /// What a person would call it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Xz => "xz file",
            Self::Bzip2 => "bzip2 file",
            Self::Zstd => "Zstandard file",
            Self::Lzma => "LZMA file",
            Self::Lzip => "lzip file",
            Self::Lz4 => "LZ4 file",
            Self::Compress => "compress'd file",
            Self::SevenZip => "7z archive",
            Self::Rar => "RAR archive",
            Self::Rpm => "RPM package",
            Self::Cabinet => "cabinet archive",
            Self::DiskImage => "Apple disk image",
            Self::Xar => "xar archive",
            Self::Cpio => "cpio archive",
            Self::SquashFs => "SquashFS image",
            Self::Asar => "asar archive",
            Self::AppImage => "AppImage",
            Self::Script => "shell script with an archive behind it",
        }
    }
}

/// Beginnings of files.
const MAGICS: [(&[u8], Sealed); 16] = [
    (b"\xfd7zXZ\0", Sealed::Xz),
    (b"\x28\xb5\x2f\xfd", Sealed::Zstd),
    (b"LZIP\x01", Sealed::Lzip),
    (b"\x04\x22\x4d\x18", Sealed::Lz4),
    (b"\x02\x21\x4c\x18", Sealed::Lz4),
    (b"\x1f\x9d\x90", Sealed::Compress),
    (b"7z\xbc\xaf\x27\x1c", Sealed::SevenZip),
    (b"Rar!\x1a\x07", Sealed::Rar),
    (b"\xed\xab\xee\xdb", Sealed::Rpm),
    (b"MSCF\0\0\0\0", Sealed::Cabinet),
    (b"xar!\0\x1c", Sealed::Xar),
    (b"070701", Sealed::Cpio),
    (b"070702", Sealed::Cpio),
    (b"070707", Sealed::Cpio),
    (b"hsqs", Sealed::SquashFs),
    (b"sqsh", Sealed::SquashFs),
];

/// The blocks of bzip2: the first of a stream, and the end of an empty one.
const BZIP2_BLOCKS: [&[u8]; 2] = [b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"];
/// The trailer of a disk image, and its length.
const DISK_IMAGE: (&[u8], usize) = (b"koly\0\0\0\x04", 512);

/// What follows the last line of a script that unpacks itself.
const BEHIND: [&[u8]; 5] = [
    b"\n\x1f\x8b\x08",
    b"\nPK\x03\x04",
    b"\nBZh",
    b"\n\xfd7zXZ\0",
    b"\n\x28\xb5\x2f\xfd",
];
/// How far such scripts are looked through.
const MOST_OF_SCRIPT: usize = 1 << 20;

fn is_asar(header: &[u8]) -> bool {
    header.starts_with(b"{\"files\":")
}

fn has_archive(script: &[u8]) -> bool {
    let script = script.get(..MOST_OF_SCRIPT).unwrap_or(script);
    let mut behind = BEHIND.iter();
    behind.any(|start| memchr::memmem::find(script, start).is_some())
}

/// The header of `cpio` without an option: numbers of two bytes, the tenth the length of the
/// name, which ends in a zero.
fn is_old_cpio(bytes: &[u8]) -> bool {
    let number = |at: usize, read: fn([u8; 2]) -> u16| {
        let bytes = bytes.get(at..)?.first_chunk::<2>()?;
        Some(usize::from(read(*bytes)))
    };
    let read = match bytes {
        [0xc7, 0x71, ..] => u16::from_le_bytes,
        [0x71, 0xc7, ..] => u16::from_be_bytes,
        _ => return false,
    };
    let length = number(20, read).filter(|length| (2..4096).contains(length));
    let end = length.and_then(|length| length.checked_add(25));
    let name = end.and_then(|end| bytes.get(26..=end));
    name.and_then(<[u8]>::split_last)
        .is_some_and(|(last, name)| *last == 0 && !name.contains(&0))
}

/// Whether an ELF file is one that opens a file system behind itself.
pub(super) fn is_app_image(elf: &[u8]) -> bool {
    matches!(elf.get(8..11), Some([b'A', b'I', 1 | 2]))
}

/// Whether bytes are something that is not opened.
pub(super) fn sealed(bytes: &[u8]) -> Option<Sealed> {
    let magic = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, found)) = magic {
        return Some(*found);
    }
    match bytes {
        [b'B', b'Z', b'h', b'1'..=b'9', block @ ..]
            if BZIP2_BLOCKS.iter().any(|start| block.starts_with(start)) =>
        {
            return Some(Sealed::Bzip2);
        }
        // A frame to skip: parallel compressors write one before the first block.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => return Some(Sealed::Zstd),
        // Properties, a dictionary of 64 KiB or more, a size that may be unknown, and
        // the zero that the coder begins with.
        [
            0x5d,
            0,
            0,
            _,
            _,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0,
            ..,
        ]
        | [0x5d, 0, 0, _, _, _, _, _, _, _, 0, 0, 0, 0, ..] => return Some(Sealed::Lzma),
        // The lengths of a header that is JSON.
        [4, 0, 0, 0, rest @ ..] if rest.get(12..).is_some_and(is_asar) => {
            return Some(Sealed::Asar);
        }
        [b'#', b'!', ..] if has_archive(bytes) => return Some(Sealed::Script),
        _ if is_old_cpio(bytes) => return Some(Sealed::Cpio),
        _ => {}
    }
    let (trailer, length) = DISK_IMAGE;
    let at = bytes.len().checked_sub(length)?;
    bytes
        .get(at..)
        .is_some_and(|end| end.starts_with(trailer))
        .then_some(Sealed::DiskImage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_itself_is_told() {
        let asar = b"\x04\0\0\0\x70\0\0\0\x6c\0\0\0\x68\0\0\0{\"files\": {}}";
        assert_eq!(sealed(asar), Some(Sealed::Asar));
        let script = b"#!/bin/sh\ntail -n +3 $0 | tar xz; exit\n\n\x1f\x8b\x08\0\0";
        assert_eq!(sealed(script), Some(Sealed::Script));
        assert_eq!(sealed(b"#!/bin/sh\necho PK\n"), None);
        let mut cpio = vec![0xc7, 0x71];
        cpio.extend([0; 18]);
        cpio.extend([3, 0, 0, 0, 0, 0]);
        cpio.extend(b"ab\0\0");
        assert_eq!(sealed(&cpio), Some(Sealed::Cpio));
        cpio[28] = 1;
        assert_eq!(sealed(&cpio), None);
        assert!(is_app_image(b"\x7fELF\x02\x01\x01\0AI\x02"));
    }

    #[test]
    fn magics_of_other_things_are_none() {
        let mut image = vec![7; 4096];
        image.extend(DISK_IMAGE.0);
        image.resize(4096 + DISK_IMAGE.1, 0);
        assert_eq!(sealed(&image), Some(Sealed::DiskImage));
        image.push(0);
        assert_eq!(sealed(&image), None);
        assert_eq!(sealed(b"BZh91AY&SY\x01"), Some(Sealed::Bzip2));
        let lzma = b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x17";
        assert_eq!(sealed(lzma), Some(Sealed::Lzma));
        for other in [
            &b"BZh9 is a name"[..],
            b"",
            b"]\0\0",
            b"]\0\0 is no number at all",
            b"07070",
        ] {
            assert_eq!(sealed(other), None, "{other:?}");
        }
    }
}
