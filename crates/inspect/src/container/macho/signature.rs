//! State of the embedded code signature. Hashes are not checked here: that
//! would touch every page.

use object::macho;

use super::code_directory::CodeDirectory;
use crate::container::Signature;

/// Reads the state from the bytes that `LC_CODE_SIGNATURE` points at.
pub(super) fn state(bytes: Option<&[u8]>) -> Signature {
    let directories = bytes.and_then(|bytes| CodeDirectory::each(bytes).ok());
    let first = directories.and_then(|mut all| all.find_map(Result::ok));
    let Some(directory) = first else {
        return Signature::Malformed;
    };
    if directory.flags().contains(macho::CS_ADHOC) {
        return Signature::AdHoc;
    }
    match directory.team() {
        Ok(team) => Signature::Identity {
            team: team.map(|team| String::from_utf8_lossy(team).into_owned()),
        },
        Err(_) => Signature::Malformed,
    }
}
