//! Pack: whole numbers, packed into as few bits each as most of them need.
//!
//! A regular scrape has constant steps, and a counter grows by much the same from one to the next. So of three
//! shapes, the numbers, their steps and the steps of those, the one is written that takes the least: its least
//! number, and above it a fixed number of bits for each. The few that do not fit stand after it, by their place (a
//! frame of reference with patches). A fixed width is read without a branch, at about a nanosecond a number.

use super::wire::{Reader, put_signed, put_varint, zigzag};

/// How a shape is packed.
#[derive(Copy, Clone, Debug)]
struct Plan {
    base: i64,
    width: u32,
    /// What it takes, about.
    bits: usize,
}

/// Appends the numbers; how many there are is for the caller to keep.
pub(crate) fn encode(numbers: &[i64], into: &mut Vec<u8>) {
    let steps = differences(numbers);
    let bends = differences(&steps);
    let shapes = [numbers, &steps, &bends];
    let plans = shapes.map(plan);
    let mut order = 0;
    for candidate in 1..shapes.len().min(numbers.len()) {
        // A shape that takes no less only costs time to read.
        if plans[candidate].bits + 16 < plans[order].bits {
            order = candidate;
        }
    }
    let (shape, Plan { base, width, .. }) = (shapes[order], plans[order]);
    let patches: Vec<usize> =
        (0..shape.len()).filter(|at| !fits(above(shape[*at], base), width)).collect();
    into.extend([order as u8, width as u8]);
    for earlier in shapes.iter().take(order) {
        put_signed(into, earlier[0]);
    }
    put_signed(into, base);
    put_varint(into, patches.len() as u64);
    put_bits(shape, base, width, into);
    let mut next = 0;
    for at in patches {
        put_varint(into, (at - next) as u64);
        put_varint(into, zigzag(shape[at].wrapping_sub(base)));
        next = at;
    }
}

/// Appends the first `wanted` of `count` numbers that [`encode`] wrote; a few more if that is easier.
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    count: usize,
    wanted: usize,
    into: &mut Vec<i64>,
) -> Option<()> {
    let [order, width] = reader.array()?;
    let (order, width) = (usize::from(order), u32::from(width));
    if order > 2 || width > 64 || order > count {
        return None;
    }
    let mut firsts = [0; 2];
    for first in firsts.iter_mut().take(order) {
        *first = reader.signed()?;
    }
    let base = reader.signed()?;
    let patches = reader.varint()?;
    let packed = count - order;
    let bytes = reader.take((packed * width as usize).div_ceil(8))?;
    let start = into.len();
    into.reserve(count);
    into.extend_from_slice(&firsts[..order]);
    let wanted = wanted.saturating_sub(order).min(packed);
    if order == 1 && patches == 0 {
        // By far the most: summed up as it is unpacked.
        let mut sum = firsts[0];
        take_bits(
            bytes,
            wanted,
            width,
            |step| {
                sum = sum.wrapping_add(base).wrapping_add(step);
                sum
            },
            into,
        );
        return Some(());
    }
    take_bits(bytes, wanted, width, |above| base.wrapping_add(above), into);
    let mut at = start + order;
    for _ in 0..patches {
        at = at.checked_add(usize::try_from(reader.varint()?).ok()?)?;
        let number = base.wrapping_add(reader.signed()?);
        match into.get_mut(at) {
            Some(place) => *place = number,
            None if at - start < count => {}
            None => return None,
        }
    }
    for earlier in (0..order).rev() {
        let mut sum = 0_i64;
        for number in &mut into[start + earlier..] {
            sum = sum.wrapping_add(*number);
            *number = sum;
        }
    }
    Some(())
}

fn differences(numbers: &[i64]) -> Vec<i64> {
    numbers.array_windows().map(|[before, after]| after.wrapping_sub(*before)).collect()
}

/// How far a number lies above another; those below lie very far.
const fn above(number: i64, base: i64) -> u64 {
    number.wrapping_sub(base).cast_unsigned()
}

const fn fits(above: u64, width: u32) -> bool {
    width == 64 || above >> width == 0
}

const fn width_of(above: u64) -> u32 {
    u64::BITS - above.leading_zeros()
}

fn plan(numbers: &[i64]) -> Plan {
    let (Some(&least), Some(&greatest)) = (numbers.iter().min(), numbers.iter().max()) else {
        return Plan { base: 0, width: 0, bits: 0 };
    };
    let width = width_of(above(greatest, least));
    let whole = Plan { base: least, width, bits: numbers.len() * width as usize };
    if width < 4 || !has_strays(numbers, width) {
        return whole;
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let mut best = whole;
    for low in [0, 1, 2, 4, 8] {
        for high in [0, 1, 2, 4, 8, 16] {
            let (Some(base), Some(top)) =
                (sorted.get(low), sorted.len().checked_sub(high + 1).map(|at| sorted[at]))
            else {
                continue;
            };
            if top < *base {
                continue;
            }
            let width = width_of(above(top, *base));
            let far = [least, greatest].map(|it| width_of(zigzag(it.wrapping_sub(*base))));
            let patch = |far: u32| 8 + 8 * far.div_ceil(7) as usize;
            let bits = numbers.len() * width as usize + low * patch(far[0]) + high * patch(far[1]);
            if bits < best.bits {
                best = Plan { base: *base, width, bits };
            }
        }
    }
    best
}

/// Whether a few numbers seem to lie far from the others: a look at a sample, for a sort of all costs more than it
/// brings where there are none.
fn has_strays(numbers: &[i64], width: u32) -> bool {
    let mut sample = [0; 16];
    let stride = numbers.len().div_ceil(sample.len());
    let mut taken = 0;
    for (place, number) in sample.iter_mut().zip(numbers.iter().step_by(stride)) {
        *place = *number;
        taken += 1;
    }
    let sample = &mut sample[..taken];
    sample.sort_unstable();
    let (low, high) = (taken / 8, taken - 1 - taken / 8);
    width_of(above(sample[high], sample[low])) + 2 < width
}

fn put_bits(numbers: &[i64], base: i64, width: u32, into: &mut Vec<u8>) {
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let (mut held, mut count) = (0_u128, 0);
    for number in numbers {
        let above = above(*number, base);
        // A patch says it later; whatever stands here is not read.
        held |= u128::from(above & mask) << count;
        count += width;
        if count >= 64 {
            into.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= 64;
            count -= 64;
        }
    }
    let left = (held as u64).to_le_bytes();
    into.extend_from_slice(&left[..count.div_ceil(8) as usize]);
}

/// Appends `count` numbers of `width` bits, after `turn` made of each what it stands for.
fn take_bits(
    bytes: &[u8],
    count: usize,
    width: u32,
    mut turn: impl FnMut(i64) -> i64,
    into: &mut Vec<i64>,
) {
    if width == 0 {
        into.extend((0..count).map(|_| turn(0)));
        return;
    }
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let width = width as usize;
    // A number of up to 56 bits lies in the eight bytes from the one that it begins in.
    let quick = match (width <= 56, bytes.len().checked_sub(8)) {
        (true, Some(last)) => ((last * 8 + 7) / width + 1).min(count),
        _ => 0,
    };
    into.extend((0..quick).map(|at| {
        let bit = at * width;
        let word = bytes[bit / 8..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        turn(((word >> (bit % 8)) & mask).cast_signed())
    }));
    into.extend((quick..count).map(|at| {
        let bit = at * width;
        let mut word = [0; 16];
        for (place, byte) in word.iter_mut().zip(&bytes[bit / 8..]) {
            *place = *byte;
        }
        let number = (u128::from_le_bytes(word) >> (bit % 8)) as u64 & mask;
        turn(number.cast_signed())
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(numbers: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(numbers, &mut bytes);
        let (mut reader, mut read) = (Reader::new(&bytes), vec![7]);
        decode(&mut reader, numbers.len(), numbers.len(), &mut read).unwrap();
        assert!(reader.is_empty());
        let (mut some, third) = (Vec::new(), numbers.len() / 3);
        let mut reader = Reader::new(&bytes);
        decode(&mut reader, numbers.len(), third, &mut some).unwrap();
        assert!(reader.is_empty());
        assert_eq!(some[..third], numbers[..third]);
        assert_eq!(read[0], 7);
        assert_eq!(&read[1..], numbers);
        bytes
    }

    #[test]
    fn a_regular_step_takes_a_few_bytes_however_many_there_are() {
        let numbers: Vec<i64> = (0..1_000).map(|at| 1_700_000_000_000 + 15_000 * at).collect();
        assert!(packed(&numbers).len() < 16);
    }

    #[test]
    fn a_counter_that_began_again_takes_no_more_bits_for_each() {
        let growing = |at: i64| 1_000_000_000 + 300 * at + at * 7 % 16;
        let mut numbers: Vec<i64> = (0..240).map(growing).collect();
        let steady = packed(&numbers).len();
        for number in numbers.iter_mut().skip(100) {
            *number -= 1_000_000_000;
        }
        assert!(packed(&numbers).len() <= steady + 16);
    }

    #[test]
    fn what_is_damaged_is_refused_and_never_panics() {
        let bytes = packed(&[1, 5, 3, i64::MAX, i64::MIN, 2]);
        for cut in 0..bytes.len() {
            let (mut reader, mut into) = (Reader::new(&bytes[..cut]), Vec::new());
            assert_eq!(decode(&mut reader, 6, 6, &mut into), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read(
            small in prop::collection::vec(-100i64..100, 0..300),
            wild in prop::collection::vec(any::<i64>(), 0..70),
        ) {
            packed(&small);
            packed(&wild);
            let mixed: Vec<i64> = small.iter().chain(wild.first()).chain(&small).copied().collect();
            packed(&mixed);
        }

        #[test]
        fn no_bytes_are_a_reason_to_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0usize..300
        ) {
            let _: Option<()> = decode(&mut Reader::new(&bytes), count, count, &mut Vec::new());
        }
    }
}
