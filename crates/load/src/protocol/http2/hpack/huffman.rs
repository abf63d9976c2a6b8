//! The Huffman code of HPACK (RFC 7541 Appendix B), decoding only.
//!
//! The code is canonical: codes of one length are consecutive numbers in the order of their symbols, and shorter
//! codes come first. So the lengths are the whole code, and the tables are made of them when this is compiled.

use crate::protocol::Malformed;

/// How many bits the code of each byte has; the last is the end of the text.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

const LENGTH_MIN: usize = 5;
const LENGTH_MAX: usize = 30;
/// Codes up to this length are found in one step; nearly every byte of a header has one.
const QUICK_BITS: usize = 9;

static CODE: Code = Code::new();

struct Code {
    /// Symbols by length of their code, then by value.
    symbols: [u16; 257],
    /// By length: where its symbols begin, and its first code.
    first: [(u16, u32); LENGTH_MAX + 2],
    /// By the next bits: symbol and length; length 0 where the code is longer.
    quick: [(u8, u8); 1 << QUICK_BITS],
}

impl Code {
    const fn new() -> Self {
        let mut code = Self {
            symbols: [0; 257],
            first: [(0, 0); LENGTH_MAX + 2],
            quick: [(0, 0); 1 << QUICK_BITS],
        };
        let (mut count, mut next, mut length) = (0, 0u32, 1);
        while length <= LENGTH_MAX {
            next <<= 1;
            code.first[length] = (count as u16, next);
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[count] = symbol as u16;
                    if length <= QUICK_BITS {
                        let from = (next as usize) << (QUICK_BITS - length);
                        let mut at = 0;
                        while at < 1 << (QUICK_BITS - length) {
                            code.quick[from + at] = (symbol as u8, length as u8);
                            at += 1;
                        }
                    }
                    count += 1;
                    next += 1;
                }
                symbol += 1;
            }
            length += 1;
        }
        code.first[LENGTH_MAX + 1] = (count as u16, next);
        code
    }

    /// The symbol whose code begins at the highest bit, and the length of the code.
    fn find(&self, bits: u64) -> Option<(u16, usize)> {
        (LENGTH_MIN..=LENGTH_MAX).find_map(|length| {
            let code = (bits >> (64 - length)) as u32;
            let (from, first) = self.first[length];
            let at = code.checked_sub(first)?;
            let of_length = u32::from(self.first[length + 1].0 - from);
            (at < of_length).then(|| (self.symbols[usize::from(from) + at as usize], length))
        })
    }
}

/// Appends what `coded` stands for. Its last byte is filled up with ones, fewer than eight (RFC 7541 §5.2).
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut coded = coded.iter();
    // The bits at hand stand at the top, and the rest is zero.
    let (mut bits, mut held) = (0u64, 0usize);
    loop {
        while held <= 56
            && let Some(&byte) = coded.next()
        {
            bits |= u64::from(byte) << (56 - held);
            held += 8;
        }
        let (symbol, length) = CODE.quick[(bits >> (64 - QUICK_BITS)) as usize];
        if length != 0 && usize::from(length) <= held {
            out.push(symbol);
            bits <<= length;
            held -= usize::from(length);
            continue;
        }
        let ones = !bits >> (64 - held.max(1)) == 0;
        if held < 8 && (held == 0 || ones) {
            return Ok(());
        }
        let (symbol, length) =
            CODE.find(bits).filter(|(_, length)| *length <= held).ok_or(Malformed)?;
        // The end of the text must not be written out.
        out.push(u8::try_from(symbol).map_err(|_| Malformed)?);
        bits <<= length;
        held -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coded: &[u8]) -> Result<String, Malformed> {
        let mut out = Vec::new();
        decode(coded, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&coded).unwrap(), "www.example.com");
        assert_eq!(decoded(&[0x64, 0x02]).unwrap(), "302");
        let coded = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b,
            0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(decoded(&coded).unwrap(), "Mon, 21 Oct 2013 20:13:21 GMT");
        assert_eq!(decoded(&[]).unwrap(), "");
    }

    #[test]
    fn every_byte_has_a_code_of_its_own() {
        for symbol in 0..=255u8 {
            let length = usize::from(LENGTHS[usize::from(symbol)]);
            let at = CODE.symbols.iter().position(|it| *it == u16::from(symbol)).unwrap();
            let (from, first) = CODE.first[length];
            let code = u64::from(first) + (at - usize::from(from)) as u64;
            let padded = code << (64 - length) | (u64::MAX >> length);
            let mut out = Vec::new();
            decode(&padded.to_be_bytes()[..length.div_ceil(8)], &mut out).unwrap();
            assert_eq!(out, [symbol]);
        }
    }

    #[test]
    fn what_does_not_end_in_less_than_a_byte_of_ones_is_malformed() {
        // Zeros at the end, a whole byte of ones, the code of the end of the text.
        for coded in [&[0x64, 0x02, 0x00][..], &[0x64, 0x02, 0xff], &[0xff], &[0xff; 5]] {
            assert_eq!(decoded(coded), Err(Malformed), "{coded:?}");
        }
    }
}
