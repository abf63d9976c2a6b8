//! Wire: the encoding of protobuf, read without a copy.

use super::ReceiveError;

/// What stands behind the number of a field.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A whole number.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// A text, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32(u32),
}

/// A message, field by field.
#[derive(Copy, Clone, Debug)]
pub(super) struct Wire<'a>(pub(super) &'a [u8]);

const WRONG: ReceiveError = ReceiveError::Message;

impl<'a> Wire<'a> {
    /// The next field.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, ReceiveError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WRONG)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(WRONG)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(WRONG),
        };
        Ok(Some((key >> 3, value)))
    }

    /// A whole number, seven bits a byte.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, ReceiveError> {
        if let [first @ 0..=127, rest @ ..] = self.0 {
            self.0 = rest;
            return Ok(u64::from(*first));
        }
        let mut value = 0_u64;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 127) << (7 * at);
            if *byte < 128 {
                self.0 = self.0.get(at + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(WRONG)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReceiveError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(WRONG)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

impl<'a> Value<'a> {
    pub(super) const fn message(self) -> Result<&'a [u8], ReceiveError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(WRONG),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, ReceiveError> {
        std::str::from_utf8(self.message()?).map_err(|_| WRONG)
    }

    pub(super) const fn double(self) -> Result<f64, ReceiveError> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(WRONG),
        }
    }

    pub(super) const fn int64(self) -> Result<i64, ReceiveError> {
        match self {
            Self::Varint(it) => Ok(it.cast_signed()),
            _ => Err(WRONG),
        }
    }

    pub(super) fn sint32(self) -> Result<i32, ReceiveError> {
        i32::try_from(zigzag(self.int64()?.cast_unsigned())).map_err(|_| WRONG)
    }

    /// Whole numbers with signs, packed or one by one.
    pub(super) fn sint64s(self, into: &mut Vec<i64>) -> Result<(), ReceiveError> {
        match self {
            Self::Varint(it) => into.push(zigzag(it)),
            Self::Bytes(bytes) => {
                let mut wire = Wire(bytes);
                while !wire.0.is_empty() {
                    into.push(zigzag(wire.varint()?));
                }
            }
            _ => return Err(WRONG),
        }
        Ok(())
    }

    /// Numbers, packed or one by one.
    pub(super) fn doubles(self, into: &mut Vec<f64>) -> Result<(), ReceiveError> {
        match self {
            Self::Fixed64(bits) => into.push(f64::from_bits(bits)),
            Self::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err(WRONG);
                }
                into.extend(numbers.iter().map(|it| f64::from_le_bytes(*it)));
            }
            _ => return Err(WRONG),
        }
        Ok(())
    }
}

/// A whole number whose sign is its lowest bit.
const fn zigzag(it: u64) -> i64 {
    (it >> 1).cast_signed() ^ -((it & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_those_that_prost_writes(number in any::<u64>(), signed in any::<i64>()) {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(number, &mut bytes);
            let mut wire = Wire(&bytes);
            prop_assert_eq!(wire.varint(), Ok(number));
            prop_assert!(wire.0.is_empty());
            prop_assert_eq!(zigzag(((signed << 1) ^ (signed >> 63)).cast_unsigned()), signed);
        }

        #[test]
        fn noise_is_read_or_refused_but_never_a_panic(noise in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut wire = Wire(&noise);
            while let Ok(Some((_, value))) = wire.field() {
                drop((value.text(), value.sint64s(&mut Vec::new()), value.doubles(&mut Vec::new())));
            }
        }
    }
}
