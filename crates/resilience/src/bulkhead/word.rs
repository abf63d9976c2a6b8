//! Word: how many places are free and how many calls wait, in 64 bits.

/// Free places in the lower half, as a signed number, since a limit that was lowered may leave less than none; those who
/// wait in the upper half.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    /// As many places as are counted.
    pub(super) const PLACES_MAX: u32 = i32::MAX as u32;

    pub(super) const fn of(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn free(places: u32) -> Self {
        Self(places as u64)
    }

    const fn places(self) -> i32 {
        (self.0 as u32).cast_signed()
    }

    pub(super) const fn waiting(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// After somebody took a place; nobody may while others wait.
    #[inline]
    pub(super) const fn taken(self) -> Option<Self> {
        // With nobody in the upper half and the sign clear, this is one comparison of the whole word.
        if self.0.wrapping_sub(1) < Self::PLACES_MAX as u64 { Some(Self(self.0 - 1)) } else { None }
    }

    /// With so many more free places (or fewer).
    #[inline]
    pub(super) const fn with_free(self, by: i64) -> Self {
        let places = self.places() as i64 + by;
        Self((self.0 & !0xFFFF_FFFF) | (places as i32).cast_unsigned() as u64)
    }

    /// With one more who waits.
    pub(super) const fn queued(self) -> Self {
        Self(self.0 + (1 << 32))
    }

    /// With one fewer who waits.
    pub(super) const fn unqueued(self) -> Self {
        Self(self.0 - (1 << 32))
    }

    /// After a free place went to one who waits.
    pub(super) const fn handed_on(self) -> Option<Self> {
        if self.waiting() > 0 && self.places() > 0 {
            Some(self.unqueued().with_free(-1))
        } else {
            None
        }
    }

    /// How many of so many places are taken.
    pub(super) fn taken_of(self, limit: u32) -> u32 {
        (i64::from(limit) - i64::from(self.places())).try_into().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_only_while_one_is_free_and_nobody_waits() {
        assert_eq!(Word::free(2).taken(), Some(Word::free(1)));
        assert_eq!(Word::free(0).taken(), None);
        assert_eq!(Word::free(0).with_free(-3).taken(), None);
        assert_eq!(Word::free(1).queued().taken(), None);
        assert_eq!(Word::free(Word::PLACES_MAX).taken().map(Word::places), Some(i32::MAX - 1));
    }

    #[test]
    fn fewer_than_no_places_do_not_touch_those_who_wait() {
        let word = Word::free(0).queued().with_free(-5);
        assert_eq!((word.waiting(), word.places(), word.taken_of(3)), (1, -5, 8));
        assert_eq!(word.handed_on(), None);
        assert_eq!(word.with_free(6).handed_on(), Some(Word::free(0)));
    }
}
