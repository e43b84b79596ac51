//! What the archive readers have in common: a member is a name and a body,
//! either borrowed from the archive or still to be unpacked.

use std::io::Read;

/// One member of an archive, handed out while the archive is read.
pub struct Member<'a, 'data> {
    /// Name as stored.
    pub name: Vec<u8>,
    /// Unpacked size as the archive states it.
    pub size: u64,
    /// Its bytes.
    pub body: Body<'a, 'data>,
}

/// The bytes of a member.
pub enum Body<'a, 'data> {
    /// Stored as they are.
    Stored(&'data [u8]),
    /// To be unpacked while reading.
    Packed(&'a mut dyn Read),
    /// Not in this archive, or in a form that is not read; why.
    Absent(&'static str),
}

/// Receives the members; `false` ends the reading.
pub type Visit<'v, 'data> = &'v mut dyn FnMut(Member<'_, 'data>) -> bool;
