//! The first signature of an image: what a linker writes when it signs ad hoc,
//! one code directory at the end of `__LINKEDIT` and a load command that names
//! its place. Layout: `cs_blobs.h` of Apple's published xnu sources.

use std::ops::Range;

use object::macho::{
    CS_ADHOC, CS_EXECSEG_MAIN_BINARY, CS_HASHTYPE_SHA256, CS_LINKER_SIGNED, CS_SUPPORTSEXECSEG,
    CSMAGIC_CODEDIRECTORY, CSMAGIC_EMBEDDED_SIGNATURE, LC_ID_DYLIB,
};
use sha2::{Digest, Sha256};

use super::super::PlanError;
use super::super::macho::commands::{Commands, Segment, name_of};
use super::super::macho::{is_arm64, is_executable};

const DIRECTORY_HEAD: usize = 88;
const SUPERBLOB_HEAD: usize = 20;
const HASH: usize = 32;

/// The image with a signature; `name` identifies one that does not name itself.
pub(super) fn signed(image: &[u8], name: &str) -> Result<Vec<u8>, PlanError> {
    let refused = |reason: &str| PlanError::Container {
        member: String::new(),
        reason: format!("not signed, and {reason}; run `codesign --sign - FILE` on macOS"),
    };
    let mut commands = Commands::read(image)?;
    if !commands.is_64() {
        return Err(refused("a 32-bit image, which is not signed here"));
    }
    let segment = |wanted: &str| -> Option<(usize, Segment)> {
        commands
            .segments()
            .find(|(_, segment)| segment.name == wanted)
    };
    let (number, linkedit) = segment("__LINKEDIT")
        .filter(|(_, segment)| segment.in_file.end == image.len())
        .ok_or_else(|| refused("the image does not end with __LINKEDIT, where a signature goes"))?;
    let text = segment("__TEXT").map_or(0..0, |(_, segment)| segment.in_file);
    let identifier = identifier(&commands, name);

    let start = image.len().next_multiple_of(16);
    let page_bits = if is_arm64(image) { 14 } else { 12 };
    let slots = start.div_ceil(1 << page_bits);
    let head = DIRECTORY_HEAD
        .saturating_add(identifier.len())
        .saturating_add(1);
    let length = head.saturating_add(slots.saturating_mul(HASH));
    let padded = SUPERBLOB_HEAD.saturating_add(length).next_multiple_of(16);

    let mut new = image.to_vec();
    new.resize(start, 0);
    let at = start..start.saturating_add(padded);
    let in_file = at.end.saturating_sub(linkedit.in_file.start);
    let in_memory = (in_file as u64).next_multiple_of(1 << page_bits);
    commands.resize(number, in_file, in_memory.max(linkedit.in_memory));
    commands.add_signature(&at);
    commands.write(&mut new)?;

    let directory = Directory {
        identifier,
        head,
        length,
        slots,
        limit: start,
        page_bits,
        text,
        main: is_executable(image),
    };
    let mut signature = directory.bytes();
    for page in new.chunks(1 << page_bits) {
        signature.extend_from_slice(&Sha256::digest(page));
    }
    signature.resize(padded, 0);
    new.extend_from_slice(&signature);
    Ok(new)
}

/// What the image calls itself, without folders.
fn identifier(commands: &Commands, name: &str) -> String {
    let own = commands.iter().find(|(kind, _)| *kind == LC_ID_DYLIB.0);
    let own = own.and_then(|(_, command)| name_of(command));
    let full = own.as_deref().unwrap_or(name);
    full.rsplit('/').next().unwrap_or(full).to_owned()
}

/// What the only code directory says.
struct Directory {
    identifier: String,
    head: usize,
    length: usize,
    slots: usize,
    limit: usize,
    page_bits: u8,
    text: Range<usize>,
    main: bool,
}

impl Directory {
    /// The superblob up to the first hash.
    fn bytes(&self) -> Vec<u8> {
        let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
        let mut out = Vec::new();
        for field in [
            CSMAGIC_EMBEDDED_SIGNATURE.to_be_bytes(),
            word(SUPERBLOB_HEAD.saturating_add(self.length)),
            word(1), // one blob: kind 0, a code directory
            word(0),
            word(SUPERBLOB_HEAD),
            CSMAGIC_CODEDIRECTORY.to_be_bytes(),
            word(self.length),
            // Says what is executable; the oldest that macOS on arm64 was shipped with.
            CS_SUPPORTSEXECSEG.0.to_be_bytes(),
            // By a linker, so that `codesign` replaces it without being forced to.
            CS_ADHOC.with(CS_LINKER_SIGNED).0.to_be_bytes(),
            word(self.head),
            word(DIRECTORY_HEAD),
            word(0), // hashes of other files
            word(self.slots),
            word(self.limit),
        ] {
            out.extend_from_slice(&field);
        }
        out.extend_from_slice(&[32, CS_HASHTYPE_SHA256.0, 0, self.page_bits]);
        // Spare, scatter, team, spare; the limit in 64 bits.
        out.extend_from_slice(&[0; 24]);
        for field in [
            self.text.start as u64,
            self.text.len() as u64,
            if self.main {
                CS_EXECSEG_MAIN_BINARY.0
            } else {
                0
            },
        ] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.extend_from_slice(self.identifier.as_bytes());
        out.push(0);
        out
    }
}
