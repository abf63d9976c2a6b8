//! The body of an answer: by length, in chunks, or until the connection ends.

use crate::protocol::Malformed;

/// The longest line between chunks, and the longest trailer section.
const LINE_BYTES_MAX: u32 = 16 * 1024;

/// Where in the body we are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are left.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked(Chunk),
    /// All that comes until the connection ends.
    UntilClose,
}

/// Where in the chunks we are.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the digits of a size.
    Size { size: u64, digits: u32 },
    /// After the digits, before the end of the line; extensions are passed over.
    Extension { size: u64, passed: u32 },
    /// At the line feed after a size.
    SizeEnd { size: u64 },
    /// So many bytes of the chunk are left.
    Data { left: u64 },
    /// At the carriage return after a chunk.
    DataReturn,
    /// At the line feed after a chunk.
    DataEnd,
    /// In the trailers: how many bytes they had, and how many the present line.
    Trailer { passed: u32, line: u32 },
    /// At the line feed after a trailer line of so many bytes.
    TrailerEnd { passed: u32, line: u32 },
    /// After the last.
    Done,
}

/// What bytes of a body mean.
pub(super) enum BodyStep<'a> {
    /// A piece of it, never empty.
    Data(&'a [u8]),
    /// More bytes are needed.
    More,
    /// It is whole.
    End,
}

impl Body {
    pub(super) const fn chunked() -> Self {
        Self::Chunked(Chunk::Size { size: 0, digits: 0 })
    }

    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<BodyStep<'a>, Malformed> {
        match self {
            Self::Length(0) => Ok(BodyStep::End),
            Self::Length(left) => Ok(take(input, left)),
            Self::UntilClose => Ok(take(input, &mut { u64::MAX })),
            Self::Chunked(chunk) => loop {
                match chunk {
                    Chunk::Data { left: 0 } => *chunk = Chunk::DataReturn,
                    Chunk::Data { left } => return Ok(take(input, left)),
                    Chunk::Done => return Ok(BodyStep::End),
                    _ => {
                        let Some((&byte, rest)) = input.split_first() else {
                            return Ok(BodyStep::More);
                        };
                        *input = rest;
                        *chunk = chunk.on(byte)?;
                    }
                }
            },
        }
    }
}

impl Chunk {
    /// The state after a byte of framing.
    fn on(self, byte: u8) -> Result<Self, Malformed> {
        Ok(match (self, byte) {
            (Self::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).ok_or(Malformed)?;
                // Sixteen digits fill the number; more would wrap it round.
                if digits >= 16 {
                    return Err(Malformed);
                }
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { digits: 0, .. }, _) => return Err(Malformed),
            (Self::Size { size, .. } | Self::Extension { size, .. }, b'\r') => {
                Self::SizeEnd { size }
            }
            (Self::Size { size, .. }, b' ' | b'\t' | b';') => Self::Extension { size, passed: 1 },
            (Self::Extension { passed: LINE_BYTES_MAX, .. }, _) => return Err(Malformed),
            (Self::Extension { size, passed }, it) if it != b'\n' => {
                Self::Extension { size, passed: passed + 1 }
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Trailer { passed: 0, line: 0 },
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::Trailer { passed, line }, b'\r') => Self::TrailerEnd { passed, line },
            (Self::Trailer { passed: LINE_BYTES_MAX, .. }, _) => return Err(Malformed),
            (Self::Trailer { passed, line }, it) if it != b'\n' => {
                Self::Trailer { passed: passed + 1, line: line + 1 }
            }
            (Self::TrailerEnd { line: 0, .. }, b'\n') => Self::Done,
            (Self::TrailerEnd { passed, .. }, b'\n') => Self::Trailer { passed, line: 0 },
            _ => return Err(Malformed),
        })
    }
}

/// Up to `left` bytes off the front.
fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> BodyStep<'a> {
    if input.is_empty() {
        return BodyStep::More;
    }
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (data, rest) = input.split_at(length);
    *input = rest;
    *left -= length as u64;
    BodyStep::Data(data)
}
