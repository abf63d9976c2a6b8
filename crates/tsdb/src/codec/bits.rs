//! Bits: single bits, for what is packed no better way.

/// Appends bits to bytes, the highest of a byte first.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    into: &'a mut Vec<u8>,
    held: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) const fn new(into: &'a mut Vec<u8>) -> Self {
        Self { into, held: 0, count: 0 }
    }

    /// Appends the lowest `width` bits of a number, 64 at most.
    pub(crate) fn put(&mut self, number: u64, width: u32) {
        if width > 32 {
            self.put(number >> 32, width - 32);
            self.put(number & 0xffff_ffff, 32);
            return;
        }
        self.held = (self.held << width) | (number & ((1 << width) - 1));
        self.count += width;
        while self.count >= 8 {
            self.count -= 8;
            self.into.push((self.held >> self.count) as u8);
        }
    }

    /// Fills the last byte.
    pub(crate) fn finish(mut self) {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
    }
}

/// Reads bits of bytes.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, held: 0, count: 0 }
    }

    /// The next `width` bits, 64 at most.
    pub(crate) fn take(&mut self, width: u32) -> Option<u64> {
        if width > 32 {
            return Some((self.take(width - 32)? << 32) | self.take(32)?);
        }
        while self.count < width {
            let (byte, rest) = self.bytes.split_first()?;
            self.held = (self.held << 8) | u64::from(*byte);
            self.bytes = rest;
            self.count += 8;
        }
        self.count -= width;
        Some((self.held >> self.count) & ((1 << width) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_read_as_they_were_written(
            numbers in prop::collection::vec((any::<u64>(), 1u32..=64), 0..50)
        ) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            for (number, width) in &numbers {
                writer.put(*number, *width);
            }
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (number, width) in numbers {
                prop_assert_eq!(reader.take(width), Some(number & (u64::MAX >> (64 - width))));
            }
            prop_assert_eq!(reader.take(8), None);
        }
    }
}
