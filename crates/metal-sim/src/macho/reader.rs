//! Bounded little-endian reading; every position is a file offset.

use super::error::{Result, malformed};

#[derive(Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// `size` bytes from `offset`.
    pub fn slice(&self, offset: u64, size: u64) -> Result<&'a [u8]> {
        let range = usize::try_from(offset)
            .ok()
            .zip(
                offset
                    .checked_add(size)
                    .and_then(|end| usize::try_from(end).ok()),
            )
            .and_then(|(start, end)| self.bytes.get(start..end));
        match range {
            Some(found) => Ok(found),
            None => malformed(
                offset,
                format!("{size} bytes expected, the file ends before"),
            ),
        }
    }

    fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N]> {
        let mut out = [0; N];
        let wide = u64::try_from(N).unwrap_or(u64::MAX);
        out.copy_from_slice(self.slice(offset, wide)?);
        Ok(out)
    }

    pub fn u16(&self, offset: u64) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(offset)?))
    }

    pub fn u32(&self, offset: u64) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(offset)?))
    }

    pub fn u64(&self, offset: u64) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(offset)?))
    }

    /// A string that ends with a zero byte.
    pub fn text(&self, offset: u64) -> Result<&'a str> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|start| self.bytes.get(start..));
        let text = rest.and_then(|rest| {
            let end = rest.iter().position(|b| *b == 0)?;
            std::str::from_utf8(rest.get(..end)?).ok()
        });
        match text {
            Some(text) => Ok(text),
            None => malformed(offset, "a name that ends with a zero byte expected"),
        }
    }
}

/// `base + offset`, refused on overflow.
pub fn plus(base: u64, offset: u64) -> Result<u64> {
    match base.checked_add(offset) {
        Some(sum) => Ok(sum),
        None => malformed(base, "an address beyond 64 bits"),
    }
}

/// A number of items that a 64-bit product holds.
pub fn times(count: u64, size: u64) -> Result<u64> {
    match count.checked_mul(size) {
        Some(product) => Ok(product),
        None => malformed(0, "a size beyond 64 bits"),
    }
}
