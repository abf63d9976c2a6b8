//! HPACK (RFC 7541) without its dynamic table.
//!
//! We announce a table of size 0, so that equal bytes mean equal headers on every connection, and what a block
//! of headers means can be remembered. What we write uses the static table and literals for the same reason: it
//! is written once and only copied afterwards.

mod fixed;
mod huffman;

use std::ops::Range;

use super::Malformed;

/// Tells the other side that no dynamic table is in use. Stands before the first block of a connection: a server
/// that allows a smaller table than usual waits for it (RFC 7541 §4.2).
pub(super) const NO_TABLE: u8 = 0x20;

const INDEXED: u8 = 0x80;
const WITH_INDEXING: u8 = 0x40;
const TABLE_SIZE: u8 = 0x20;
const NEVER_INDEXED: u8 = 0x10;

/// Reads a block, field by field.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Fields {
    at: usize,
    begun: bool,
}

/// Where a name or value stands.
#[derive(Clone, Debug)]
pub(in crate::protocol) enum Text {
    Fixed(&'static str),
    Block(Range<usize>),
    Decoded(Range<usize>),
}

impl Text {
    /// The text, in its block or where it was decoded to.
    pub(super) fn of<'a>(self, block: &'a [u8], decoded: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Fixed(text) => text.as_bytes(),
            Self::Block(range) => &block[range],
            Self::Decoded(range) => &decoded[range],
        }
    }
}

impl Fields {
    /// The next field: its name and value. What was coded is decoded to `decoded`, whose former content goes.
    pub(super) fn next(
        &mut self,
        block: &[u8],
        decoded: &mut Vec<u8>,
    ) -> Result<Option<(Text, Text)>, Malformed> {
        decoded.clear();
        loop {
            let Some(&first) = block.get(self.at) else { return Ok(None) };
            if first & INDEXED != 0 {
                self.begun = true;
                let index = self.number(block, 7)?;
                let (name, value) = entry(index)?;
                return Ok(Some((Text::Fixed(name), Text::Fixed(value))));
            }
            if first & WITH_INDEXING == 0 && first & TABLE_SIZE != 0 {
                // Only before the first field, and never above what we have announced.
                if self.begun || self.number(block, 5)? != 0 {
                    return Err(Malformed);
                }
                continue;
            }
            self.begun = true;
            // A table of size 0 keeps nothing, so a literal with indexing is one without.
            let bits = if first & WITH_INDEXING != 0 { 6 } else { 4 };
            let name = match self.number(block, bits)? {
                0 => self.text(block, decoded)?,
                index => Text::Fixed(entry(index)?.0),
            };
            let value = self.text(block, decoded)?;
            return Ok(Some((name, value)));
        }
    }

    /// A number whose first byte has so many bits for it (RFC 7541 §5.1).
    fn number(&mut self, block: &[u8], bits: u32) -> Result<usize, Malformed> {
        let byte = |at: &mut usize| {
            let byte = *block.get(*at).ok_or(Malformed)?;
            *at += 1;
            Ok(byte)
        };
        let most = (1usize << bits) - 1;
        let mut number = usize::from(byte(&mut self.at)?) & most;
        if number < most {
            return Ok(number);
        }
        // Four more bytes are enough for any length that a block can have.
        for shift in [0, 7, 14, 21] {
            let next = byte(&mut self.at)?;
            number += usize::from(next & 0x7f) << shift;
            if next & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn text(&mut self, block: &[u8], decoded: &mut Vec<u8>) -> Result<Text, Malformed> {
        let coded = block.get(self.at).is_some_and(|it| it & 0x80 != 0);
        let length = self.number(block, 7)?;
        let range = self.at..self.at + length;
        let bytes = block.get(range.clone()).ok_or(Malformed)?;
        self.at = range.end;
        if !coded {
            return Ok(Text::Block(range));
        }
        let from = decoded.len();
        huffman::decode(bytes, decoded)?;
        Ok(Text::Decoded(from..decoded.len()))
    }
}

fn entry(index: usize) -> Result<(&'static str, &'static str), Malformed> {
    let at = index.checked_sub(1).ok_or(Malformed)?;
    fixed::FIELDS.get(at).copied().ok_or(Malformed)
}

/// Appends a field.
pub(super) fn put(name: &str, value: &[u8], out: &mut Vec<u8>) {
    match fixed::index_of_both(name, value) {
        Some(index) => out.push(INDEXED | index),
        None => {
            put_name(name, out);
            put_text(value, out);
        }
    }
}

/// Appends the front of a field, up to its value.
pub(super) fn put_name(name: &str, out: &mut Vec<u8>) {
    // What is secret is not to be kept in the tables of whoever passes it on.
    let secret = matches!(name, "authorization" | "cookie" | "proxy-authorization");
    let kind = if secret { NEVER_INDEXED } else { 0 };
    match fixed::index_of(name) {
        Some(index) => put_number(index.into(), 4, kind, out),
        None => {
            out.push(kind);
            put_text(name.as_bytes(), out);
        }
    }
}

/// Appends a name or value.
pub(super) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    put_number(text.len(), 7, 0, out);
    out.extend_from_slice(text);
}

fn put_number(number: usize, bits: u32, first: u8, out: &mut Vec<u8>) {
    let most = (1usize << bits) - 1;
    let Some(mut rest) = number.checked_sub(most) else {
        out.push(first | number as u8);
        return;
    };
    out.push(first | most as u8);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Field = (Vec<u8>, Vec<u8>);

    fn read(block: &[u8]) -> Result<Vec<Field>, Malformed> {
        let (mut fields, mut decoded, mut all) = (Fields::default(), Vec::new(), Vec::new());
        while let Some((name, value)) = fields.next(block, &mut decoded)? {
            all.push((name.of(block, &decoded).to_vec(), value.of(block, &decoded).to_vec()));
        }
        Ok(all)
    }

    fn field(name: &str, value: &str) -> Field {
        (name.into(), value.into())
    }

    #[test]
    fn every_form_of_a_field_is_read() {
        // RFC 7541 C.2 and the first answer of C.6, whose indexing comes to nothing.
        assert_eq!(read(b"\x04\x0c/sample/path").unwrap(), [field(":path", "/sample/path")]);
        assert_eq!(read(b"\x10\x08password\x06secret").unwrap(), [field("password", "secret")]);
        assert_eq!(read(b"\x20\x82").unwrap(), [field(":method", "GET")]);
        let coded = [
            &[0x48, 0x82, 0x64, 0x02, 0x58, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b][..],
            b"\x40\x0acustom-key\x0dcustom-header",
        ];
        let expected = [
            field(":status", "302"),
            field("cache-control", "private"),
            field("custom-key", "custom-header"),
        ];
        assert_eq!(read(&coded.concat()).unwrap(), expected);
    }

    #[test]
    fn what_needs_a_dynamic_table_is_malformed() {
        for block in [
            &b"\xbe"[..],                // the first entry of a dynamic table
            b"\x7f\x00\x01a",            // its name
            b"\x80",                     // no entry at all
            b"\x3f\xe1\x1f\x82",         // a table of 4096 bytes
            b"\x82\x20",                 // a size in the midst
            b"\x04\x05abc",              // less than was said
            b"\x00",                     // nothing
            b"\xff\xff\xff\xff\xff\x0f", // a number without end
        ] {
            assert_eq!(read(block), Err(Malformed), "{block:x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            given in prop::collection::vec(("[a-z-]{1,20}|content-type|:path|cookie", "[ -~]{0,300}"), 0..8),
        ) {
            let mut block = vec![NO_TABLE];
            for (name, value) in &given {
                put(name, value.as_bytes(), &mut block);
            }
            let given: Vec<_> = given.iter().map(|(name, value)| field(name, value)).collect();
            prop_assert_eq!(read(&block).unwrap(), given);
        }

        #[test]
        fn noise_never_panics(block in prop::collection::vec(any::<u8>(), 0..200)) {
            // Each field takes a byte at least.
            prop_assert!(read(&block).map_or(0, |it| it.len()) <= block.len());
        }
    }
}
