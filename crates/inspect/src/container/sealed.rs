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
