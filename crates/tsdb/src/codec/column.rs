//! Column: floats, one after the other, without losing a bit.
//!
//! Most counters are whole numbers, and many gauges decimals of a few places: both are [packed](super::pack) as whole
//! numbers, a decimal after a check that the division gives back the very same float. What is neither goes by the
//! XOR of neighbours, as in Facebook's Gorilla (Pelkonen et al., VLDB 2015, section 4.1.2).

use super::bits::{BitReader, BitWriter};
use super::pack;
use super::wire::{Reader, put_varint, whole};

/// All are the same.
const SAME: u8 = 0;
/// Whole numbers, divided by a power of ten that stands before them.
const SCALED: u8 = 1;
/// XOR of neighbours.
const XOR: u8 = 2;

/// The powers of ten that are tried: more places are measured by no one, and are noise.
const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Appends the values; how many there are is for the caller to keep.
pub(crate) fn encode(values: &[f64], into: &mut Vec<u8>) {
    let Some((first, rest)) = values.split_first() else { return };
    if rest.iter().all(|value| value.to_bits() == first.to_bits()) {
        into.push(SAME);
        into.extend_from_slice(&first.to_le_bytes());
    } else if let Some((places, numbers)) = scaled(values) {
        into.extend([SCALED, places]);
        pack::encode(&numbers, into);
    } else {
        into.push(XOR);
        let mut bytes = Vec::with_capacity(values.len() * 8);
        encode_xor(*first, rest, &mut bytes);
        put_varint(into, bytes.len() as u64);
        into.append(&mut bytes);
    }
}

/// Appends the first `wanted` of `count` values that [`encode`] wrote; a few more if that is easier. `numbers` is room
/// to work in.
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    count: usize,
    wanted: usize,
    numbers: &mut Vec<i64>,
    into: &mut Vec<f64>,
) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    match reader.byte()? {
        SAME => into.resize(into.len() + wanted, reader.f64()?),
        SCALED => {
            let power = *POWERS.get(usize::from(reader.byte()?))?;
            numbers.clear();
            pack::decode(reader, count, wanted, numbers)?;
            if power > 1.0 {
                into.extend(numbers.iter().map(|number| *number as f64 / power));
            } else {
                into.extend(numbers.iter().map(|number| *number as f64));
            }
        }
        XOR => {
            let length = reader.count()?;
            decode_xor(reader.take(length)?, wanted, into)?;
        }
        _ => return None,
    }
    Some(())
}

/// The values as whole numbers, with the places after the point that they have in common.
fn scaled(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut places = 0;
    for value in values {
        while !is_scaled_by(POWERS[places], *value) {
            places += 1;
            if places == POWERS.len() {
                return None;
            }
        }
    }
    let power = POWERS[places];
    let numbers =
        values.iter().map(|value| whole_of(power, *value)).collect::<Option<Vec<i64>>>()?;
    Some((places as u8, numbers))
}

fn is_scaled_by(power: f64, value: f64) -> bool {
    whole_of(power, value).is_some()
}

fn whole_of(power: f64, value: f64) -> Option<i64> {
    if power <= 1.0 {
        return whole(value);
    }
    let number = whole((value * power).round())?;
    (((number as f64) / power).to_bits() == value.to_bits()).then_some(number)
}

fn encode_xor(first: f64, rest: &[f64], into: &mut Vec<u8>) {
    let mut bits = BitWriter::new(into);
    bits.put(first.to_bits(), 64);
    let mut before = first.to_bits();
    // The window of bits that differed last, as zeros before it and bits in it.
    let (mut leading, mut width) = (0, 0);
    for value in rest {
        let differs = before ^ value.to_bits();
        before = value.to_bits();
        if differs == 0 {
            bits.put(0, 1);
            continue;
        }
        let (zeros, after) = (differs.leading_zeros().min(31), differs.trailing_zeros());
        if width > 0 && zeros >= leading && after >= 64 - leading - width {
            bits.put(0b10, 2);
        } else {
            (leading, width) = (zeros, 64 - zeros - after);
            bits.put(0b11, 2);
            bits.put(u64::from(leading), 5);
            bits.put(u64::from(width - 1), 6);
        }
        bits.put(differs >> (64 - leading - width), width);
    }
    bits.finish();
}

fn decode_xor(bytes: &[u8], count: usize, into: &mut Vec<f64>) -> Option<()> {
    let mut bits = BitReader::new(bytes);
    let mut value = bits.take(64)?;
    into.push(f64::from_bits(value));
    let (mut leading, mut width) = (0_u32, 0_u32);
    for _ in 1..count {
        if bits.take(1)? == 1 {
            if bits.take(1)? == 1 {
                leading = bits.take(5)? as u32;
                width = bits.take(6)? as u32 + 1;
            }
            let behind = 64_u32.checked_sub(leading + width).filter(|_| width > 0)?;
            value ^= bits.take(width)? << behind;
        }
        into.push(f64::from_bits(value));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(values: &[f64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        let (mut reader, mut read) = (Reader::new(&bytes), Vec::new());
        decode(&mut reader, values.len(), values.len(), &mut Vec::new(), &mut read).unwrap();
        assert!(reader.is_empty());
        let bits = |values: &[f64]| values.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read), bits(values));
        bytes
    }

    #[test]
    fn a_counter_takes_about_a_byte_a_sample() {
        let values: Vec<f64> =
            (0..240).map(|at| f64::from(1_000_000 + 300 * at + at * 17 % 60)).collect();
        assert!(written(&values).len() < 240);
    }

    #[test]
    fn decimals_are_packed_like_whole_numbers() {
        let values: Vec<f64> = (0..240).map(|at| f64::from(at * 13 % 100) / 100.0).collect();
        assert!(written(&values).len() < 240);
    }

    #[test]
    fn a_constant_takes_nine_bytes() {
        assert_eq!(written(&[0.1 + 0.2; 240]).len(), 9);
    }

    proptest! {
        #[test]
        fn no_bit_is_lost(
            bits in prop::collection::vec(any::<u64>(), 0..40),
            near in prop::collection::vec(-1000i32..1000, 0..300),
        ) {
            written(&bits.iter().map(|it| f64::from_bits(*it)).collect::<Vec<_>>());
            written(&near.iter().map(|it| f64::from(*it)).collect::<Vec<_>>());
            written(&near.iter().map(|it| f64::from(*it) * 0.1).collect::<Vec<_>>());
            let odd = near.iter().map(|it| if it % 7 == 0 { -0.0 } else { f64::from(*it).sqrt() });
            written(&odd.collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_are_a_reason_to_panic(
            kind in 0u8..4, bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0usize..300
        ) {
            let bytes: Vec<u8> = [kind].into_iter().chain(bytes).collect();
            let _: Option<()> =
                decode(&mut Reader::new(&bytes), count, count, &mut Vec::new(), &mut Vec::new());
        }
    }
}
