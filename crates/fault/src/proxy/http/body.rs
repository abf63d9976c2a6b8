//! Where the body of a message ends, and which of its bytes are data.

/// How much of a body is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunks(Chunk),
    /// Until the connection is closed.
    Rest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Size { size: u64, in_extension: bool },
    Data { left: u64 },
    Trailer { line_bytes: u32 },
}

/// The line end after the data of a chunk.
const LINE_END: u64 = 2;

impl Body {
    /// None at all.
    pub(super) const NONE: Self = Self::Length(0);
    /// One in chunks, from its beginning on.
    pub(super) const CHUNKS: Self = Self::Chunks(Chunk::Size { size: 0, in_extension: false });

    pub(super) fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// How many of these bytes belong to the body, and whether it ends with them; `data` gets what it says.
    pub(super) fn take(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> (usize, bool) {
        match self {
            Self::Length(left) => {
                let taken = most(*left, bytes);
                *left -= taken as u64;
                data(bytes.get(..taken).unwrap_or_default());
                (taken, *left == 0)
            }
            Self::Chunks(chunk) => {
                let mut at = 0;
                while let Some(byte) = bytes.get(at) {
                    if let Chunk::Data { left } = chunk {
                        let rest = bytes.get(at..).unwrap_or_default();
                        let (said, taken) =
                            (most(left.saturating_sub(LINE_END), rest), most(*left, rest));
                        data(rest.get(..said).unwrap_or_default());
                        *left -= taken as u64;
                        at += taken;
                        if *left == 0 {
                            *chunk = Chunk::Size { size: 0, in_extension: false };
                        }
                        continue;
                    }
                    at += 1;
                    if chunk.step(*byte) {
                        return (at, true);
                    }
                }
                (at, false)
            }
            Self::Rest => {
                data(bytes);
                (bytes.len(), false)
            }
        }
    }
}

/// As many of the bytes as are left.
fn most(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}

impl Chunk {
    /// Takes a byte of a size line or a trailer. `true`: the body has ended.
    fn step(&mut self, byte: u8) -> bool {
        match (&mut *self, byte) {
            (Self::Size { size, .. }, b'\n') => {
                *self = match size.checked_add(LINE_END) {
                    Some(left) if *size > 0 => Self::Data { left },
                    _ => Self::Trailer { line_bytes: 0 },
                };
            }
            (Self::Size { size, in_extension }, byte) => match (byte as char).to_digit(16) {
                Some(digit) if !*in_extension && *size < 1 << 56 => {
                    *size = (*size << 4) + u64::from(digit);
                }
                _ => *in_extension = true,
            },
            (Self::Trailer { line_bytes: 0 }, b'\n') => return true,
            (Self::Trailer { line_bytes }, b'\n') => *line_bytes = 0,
            (Self::Trailer { .. }, b'\r') | (Self::Data { .. }, _) => {}
            (Self::Trailer { line_bytes }, _) => *line_bytes = line_bytes.saturating_add(1),
        }
        false
    }
}
