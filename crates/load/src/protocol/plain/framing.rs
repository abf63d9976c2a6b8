//! Framing: where in a stream of bytes an answer ends.

use std::sync::Arc;

use super::super::message::ANSWER_BYTES_MAX;
use super::Malformed;

/// Where in an answer we are.
#[derive(Clone, Debug)]
pub(super) enum Framing {
    /// The first bytes that come are all.
    First,
    /// It ends with the line; so many bytes have passed.
    Line { passed: u64 },
    /// So many bytes are left.
    Left(u64),
    /// In the length that stands before it: so many bytes of it are missing.
    Prefix { missing: u8, length: u64 },
    /// It ends with a delimiter, of which so many bytes have come; so many bytes have passed.
    Delimiter { delimiter: Delimiter, matched: usize, passed: u64 },
    /// It ends with the connection.
    Close,
}

/// A piece of an answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) data: &'a [u8],
    pub(super) is_last: bool,
}

impl Framing {
    /// Takes what belongs to the answer off the front of `input`, which is not empty.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, Malformed> {
        let (length, is_last) = match self {
            Self::First => (input.len(), true),
            Self::Close => (input.len(), false),
            Self::Line { passed } => {
                let end = memchr::memchr(b'\n', input).map(|it| it + 1);
                bounded(end, input, passed)?
            }
            Self::Delimiter { delimiter, matched, passed } => {
                bounded(delimiter.end(matched, input), input, passed)?
            }
            Self::Left(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= length as u64;
                (length, *left == 0)
            }
            Self::Prefix { missing, length } => {
                let (bytes, rest) = input.split_at(input.len().min(usize::from(*missing)));
                *length = bytes.iter().fold(*length, |sum, it| sum << 8 | u64::from(*it));
                *missing -= bytes.len() as u8;
                *input = rest;
                let is_last = *missing == 0 && *length == 0;
                if *missing == 0 {
                    if *length > ANSWER_BYTES_MAX {
                        return Err(Malformed);
                    }
                    *self = Self::Left(*length);
                }
                return Ok(Piece { data: &[], is_last });
            }
        };
        let (data, rest) = input.split_at(length);
        *input = rest;
        Ok(Piece { data, is_last })
    }
}

/// How much of `input` belongs to an answer of a bounded length that ends where it says.
fn bounded(end: Option<usize>, input: &[u8], passed: &mut u64) -> Result<(usize, bool), Malformed> {
    let length = end.unwrap_or(input.len());
    *passed += length as u64;
    match *passed > ANSWER_BYTES_MAX {
        true => Err(Malformed),
        false => Ok((length, end.is_some())),
    }
}

/// What an answer ends with, found across pieces (Knuth, Morris and Pratt 1977).
#[derive(Clone, Debug)]
pub(super) struct Delimiter {
    /// Each byte, and how many bytes still match when the one after it does not.
    steps: Arc<[(u8, usize)]>,
}

impl Delimiter {
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut steps: Vec<(u8, usize)> = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            let mut border = steps.last().map_or(0, |it| it.1);
            while border > 0 && steps[border].0 != byte {
                border = steps[border - 1].1;
            }
            // The first byte has no shorter match.
            let grown = !steps.is_empty() && steps[border].0 == byte;
            steps.push((byte, border + usize::from(grown)));
        }
        (!steps.is_empty()).then(|| Self { steps: steps.into() })
    }

    /// Where in `input` it ends, when `matched` bytes of it stood before.
    fn end(&self, matched: &mut usize, input: &[u8]) -> Option<usize> {
        for (at, &byte) in input.iter().enumerate() {
            while *matched > 0 && self.steps[*matched].0 != byte {
                *matched = self.steps[*matched - 1].1;
            }
            *matched += usize::from(self.steps[*matched].0 == byte);
            if *matched == self.steps.len() {
                return Some(at + 1);
            }
        }
        None
    }
}
