//! State of the embedded code signature. Hashes are not checked here: that
//! would touch every page.

use object::BigEndian;
use object::macho;
use object::read::macho::{CodeDirectory, CodeSignature};

use crate::container::Signature;

/// Reads the state from the bytes that `LC_CODE_SIGNATURE` points at.
pub(super) fn state(bytes: Option<&[u8]>) -> Signature {
    let directory = bytes
        .and_then(|bytes| CodeSignature::parse(bytes).ok())
        .and_then(|signature| first_directory(&signature));
    let Some(directory) = directory else {
        return Signature::Malformed;
    };
    let flags = directory.header().flags.get(BigEndian);
    if flags.contains(macho::CS_ADHOC) {
        return Signature::AdHoc;
    }
    match directory.team_id() {
        Ok(team) => Signature::Identity {
            team: team.map(|team| String::from_utf8_lossy(team).into_owned()),
        },
        Err(_) => Signature::Malformed,
    }
}

fn first_directory<'data>(signature: &CodeSignature<'data>) -> Option<CodeDirectory<'data>> {
    let mut blobs = signature.blobs();
    while let Ok(Some(blob)) = blobs.next() {
        if let Ok(Some(directory)) = blob.code_directory() {
            return Some(directory);
        }
    }
    None
}
