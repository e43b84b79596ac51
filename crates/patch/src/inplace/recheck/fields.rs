//! Bytes read field by field.

/// Bytes taken from the front, one field after the other.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| format!("{count} bytes wanted, {} left", self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    /// What was taken since `before` was all that is left.
    pub(super) fn read_since(&self, before: &'a [u8]) -> &'a [u8] {
        let taken = before.len().saturating_sub(self.0.len());
        before.get(..taken).unwrap_or_default()
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        let word = self.take(4)?.try_into().map_err(|_| "four bytes")?;
        Ok(u32::from_le_bytes(word))
    }

    pub(super) fn u64(&mut self) -> Result<u64, String> {
        let word = self.take(8)?.try_into().map_err(|_| "eight bytes")?;
        Ok(u64::from_le_bytes(word))
    }

    pub(super) fn size(&mut self) -> Result<usize, String> {
        let size = self.u64()?;
        usize::try_from(size)
            .ok()
            .filter(|size| *size <= self.0.len())
            .ok_or(format!("a count of {size}"))
    }

    pub(super) fn text(&mut self) -> Result<&'a [u8], String> {
        let length = self.size()?;
        self.take(length)
    }

    pub(super) fn words(&mut self) -> Result<Vec<i64>, String> {
        let count = self.size()?;
        (0..count)
            .map(|_| self.u64().map(u64::cast_signed))
            .collect()
    }
}
