//! Word: which rank is active, and for the how manieth time, in one number that is read and written at once.

/// Epoch in 32 bits, rank in 16.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Counts the changes. After 4 billion it begins again.
    pub(super) epoch: u32,
    /// Which of the ranks, the best first.
    pub(super) rank: u16,
}

impl Word {
    pub(super) const FIRST: Self = Self { epoch: 0, rank: 0 };

    pub(super) const fn pack(self) -> u64 {
        (self.epoch as u64) << 16 | self.rank as u64
    }

    pub(super) const fn unpack(bits: u64) -> Self {
        Self { epoch: (bits >> 16) as u32, rank: bits as u16 }
    }

    /// The word after a change.
    pub(super) const fn next(self, rank: u16) -> Self {
        Self { epoch: self.epoch.wrapping_add(1), rank }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_unpacked_as_it_was_packed() {
        for word in [Word::FIRST, Word { epoch: u32::MAX, rank: u16::MAX }] {
            assert_eq!(Word::unpack(word.pack()), word);
        }
        assert_eq!(Word { epoch: u32::MAX, rank: 3 }.next(1), Word { epoch: 0, rank: 1 });
    }
}
