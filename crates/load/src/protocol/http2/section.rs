//! Section: what a block of headers means, reduced to what decides how to go on.
//!
//! Equal blocks mean the same, since there is no dynamic table; servers repeat theirs, so the last few are kept
//! with their meanings and most are never decoded.

use super::Malformed;
use super::hpack::Fields;

/// How many blocks are kept, and up to which size.
const KEPT: usize = 8;
const KEPT_BYTES_MAX: usize = 1024;

/// What a block of headers says.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol) struct Section {
    /// `:status`; trailers have none.
    pub(in crate::protocol) status: Option<u16>,
    /// `content-length`.
    pub(super) length: Option<u64>,
    /// `grpc-status`; 2 (unknown) when it is none of those that there are.
    pub(in crate::protocol) grpc_status: Option<u16>,
    /// Whether `content-type` is that of gRPC.
    pub(in crate::protocol) grpc: bool,
    /// Whether `set-cookie` is in it.
    pub(super) sets_cookies: bool,
    /// Whether it breaks a rule of HTTP (RFC 9113 §8.1.1): only its own stream suffers.
    pub(super) broken: bool,
}

/// Blocks that came lately, and the room to decode them.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Vec<(Vec<u8>, Section)>,
    oldest: usize,
    pub(super) decoded: Vec<u8>,
}

impl Memory {
    /// What a block means.
    pub(super) fn understand(&mut self, block: &[u8]) -> Result<Section, Malformed> {
        if let Some((_, section)) = self.kept.iter().find(|(it, _)| it == block) {
            return Ok(*section);
        }
        let section = Section::read(block, &mut self.decoded)?;
        if block.len() <= KEPT_BYTES_MAX {
            if self.kept.len() < KEPT {
                self.kept.push((block.to_vec(), section));
            } else {
                let (bytes, meaning) = &mut self.kept[self.oldest];
                bytes.clear();
                bytes.extend_from_slice(block);
                *meaning = section;
                self.oldest = (self.oldest + 1) % KEPT;
            }
        }
        Ok(section)
    }
}

impl Section {
    /// The status of a final head, which has one.
    pub(in crate::protocol) fn code(&self) -> u16 {
        self.status.unwrap_or_default()
    }

    fn read(block: &[u8], decoded: &mut Vec<u8>) -> Result<Self, Malformed> {
        let mut section = Self::default();
        let (mut fields, mut regular) = (Fields::default(), false);
        while let Some((name, value)) = fields.next(block, decoded)? {
            let (name, value) = (name.of(block, decoded), value.of(block, decoded));
            let held = if name.first() == Some(&b':') {
                !regular && name == b":status" && section.status.is_none() && {
                    section.status = status(value);
                    section.status.is_some()
                }
            } else {
                regular = true;
                section.regular(name, value)
            };
            section.broken |= !held || !value.iter().all(|&it| is_text(it));
        }
        Ok(section)
    }

    /// Takes in a field, and says whether it may stand here.
    fn regular(&mut self, name: &[u8], value: &[u8]) -> bool {
        match name {
            b"content-length" => {
                let length = number(value);
                let told = self.length.replace(length.unwrap_or_default());
                length.is_some() && told.is_none_or(|it| Some(it) == length)
            }
            b"grpc-status" => {
                let known = number(value).filter(|it| *it <= 16).unwrap_or(2);
                self.grpc_status.get_or_insert(known as u16);
                true
            }
            b"content-type" => {
                self.grpc = value.starts_with(b"application/grpc");
                true
            }
            // They are about a connection, which is none of the headers' business here (RFC 9113 §8.2.2).
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => false,
            b"set-cookie" => {
                self.sets_cookies = true;
                true
            }
            b"te" => value == b"trailers",
            _ => !name.is_empty() && name.iter().all(|&it| is_name(it)),
        }
    }
}

/// Three digits.
fn status(value: &[u8]) -> Option<u16> {
    let number = number(value).filter(|it| value.len() == 3 && *it >= 100)?;
    Some(number as u16)
}

/// A number of digits alone; `u64::from_str` would also take a sign.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|it| *it < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A letter of a token, but no large one.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What a value may hold (RFC 9113 §8.2.1).
fn is_text(byte: u8) -> bool {
    !matches!(byte, b'\0' | b'\r' | b'\n')
}
