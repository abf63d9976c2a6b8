//! Wire: varints, texts, and a reader that never reads past the end.

/// The greatest whole number below which every whole number is a float of its own.
const EXACT: u64 = 1 << 53;

pub(crate) fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

pub(crate) fn put_signed(into: &mut Vec<u8>, value: i64) {
    put_varint(into, zigzag(value));
}

pub(crate) fn put_text(into: &mut Vec<u8>, text: &str) {
    put_varint(into, text.len() as u64);
    into.extend_from_slice(text.as_bytes());
}

/// A value that often differs from the one before by a small whole number: counters take a byte or two.
pub(crate) fn put_value(into: &mut Vec<u8>, before: f64, value: f64) {
    if let Some(now) = whole(value) {
        put_varint(into, zigzag(now - whole(before).unwrap_or(0)) + 1);
    } else {
        into.push(0);
        into.extend_from_slice(&value.to_le_bytes());
    }
}

/// The whole number that a float is, if it is one that a float holds exactly.
pub(crate) fn whole(value: f64) -> Option<i64> {
    let number = value as i64;
    let same = (number as f64).to_bits() == value.to_bits();
    (same && number.unsigned_abs() <= EXACT).then_some(number)
}

/// Small numbers of either sign as small numbers.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// What is left of some bytes. Every answer is none once they do not suffice.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A count of things that take at least a byte each, so that no damaged count reserves more than there is.
    pub(crate) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= self.left()).then_some(count)
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        self.varint().map(unzigzag)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// What [`put_value`] wrote after `before`.
    pub(crate) fn value(&mut self, before: f64) -> Option<f64> {
        match self.varint()? {
            0 => self.f64(),
            token => {
                let grown = unzigzag(token - 1);
                Some(whole(before).unwrap_or(0).wrapping_add(grown) as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(any::<i64>(), 0..20), text in ".*") {
            let mut bytes = Vec::new();
            for number in &numbers {
                put_signed(&mut bytes, *number);
                put_varint(&mut bytes, number.cast_unsigned());
            }
            put_text(&mut bytes, &text);
            let mut reader = Reader::new(&bytes);
            for number in numbers {
                prop_assert_eq!(reader.signed(), Some(number));
                prop_assert_eq!(reader.varint(), Some(number.cast_unsigned()));
            }
            prop_assert_eq!(reader.text(), Some(&*text));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn a_value_keeps_every_bit(bits in any::<u64>(), before in any::<i32>(), grown in any::<i32>()) {
            for value in [f64::from_bits(bits), f64::from(before) + f64::from(grown), -0.0, 0.5] {
                for before in [f64::from(before), f64::from_bits(bits), -0.0] {
                    let mut bytes = Vec::new();
                    put_value(&mut bytes, before, value);
                    let read = Reader::new(&bytes).value(before).unwrap();
                    prop_assert_eq!(read.to_bits(), value.to_bits());
                }
            }
        }
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut reader = Reader::new(&[0xff, 0xff]);
        assert_eq!((reader.varint(), reader.text(), reader.u32()), (None, None, None));
        assert_eq!(Reader::new(&[200, 1, b'a']).text(), None);
    }
}
