//! Records: their types, and what they say as text.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Malformed, name};

/// The record of EDNS.
pub(super) const OPT: u16 = 41;

const TYPES: [(&str, u16); 17] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("NAPTR", 35),
    ("DS", 43),
    ("DNSKEY", 48),
    ("TLSA", 52),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("ANY", 255),
    ("CAA", 257),
];

/// The number of a type by its name, or by `TYPE` and the number (RFC 3597).
pub(super) fn number(name: &str) -> Option<u16> {
    let upper = name.to_ascii_uppercase();
    let known = TYPES.iter().find(|(it, _)| *it == upper).map(|(_, number)| *number);
    known.or_else(|| {
        let digits = upper.strip_prefix("TYPE")?;
        digits.bytes().all(|it| it.is_ascii_digit()).then(|| digits.parse().ok())?
    })
}

/// Appends the name of a type.
fn show_type(number: u16, out: &mut Vec<u8>) {
    match TYPES.iter().find(|(_, it)| *it == number) {
        Some((name, _)) => out.extend_from_slice(name.as_bytes()),
        None => out.extend_from_slice(format!("TYPE{number}").as_bytes()),
    }
}

/// Where a record stands in a message.
#[derive(Copy, Clone, Debug)]
pub(super) struct Record<'m> {
    message: &'m [u8],
    owner: usize,
    pub(super) number: u16,
    pub(super) seconds_to_live: u32,
    /// Where what it says begins and ends.
    from: usize,
    pub(super) to: usize,
}

impl<'m> Record<'m> {
    /// The record at `at`.
    pub(super) fn read(message: &'m [u8], at: usize) -> Result<Self, Malformed> {
        let end = name::read(message, at, |_| {})?;
        let from = end + 10;
        let rest = message.get(end..).ok_or(Malformed)?;
        let (kind, rest) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
        let (seconds, rest) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
        let length = u16::from_be_bytes(*rest.first_chunk().ok_or(Malformed)?);
        let to = from + usize::from(length);
        if to > message.len() {
            return Err(Malformed);
        }
        let number = u16::from_be_bytes([kind[0], kind[1]]);
        let seconds_to_live = u32::from_be_bytes(*seconds);
        Ok(Self { message, owner: at, number, seconds_to_live, from, to })
    }

    /// Appends it as a line.
    pub(super) fn show(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        name::show(self.message, self.owner, out)?;
        out.extend_from_slice(format!(" {} ", self.seconds_to_live).as_bytes());
        show_type(self.number, out);
        out.push(b' ');
        self.show_data(out)?;
        out.push(b'\n');
        Ok(())
    }

    fn show_data(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let data = &self.message[self.from..self.to];
        match self.number {
            1 => {
                let octets: [u8; 4] = data.try_into().map_err(|_| Malformed)?;
                out.extend_from_slice(Ipv4Addr::from(octets).to_string().as_bytes());
            }
            28 => {
                let octets: [u8; 16] = data.try_into().map_err(|_| Malformed)?;
                out.extend_from_slice(Ipv6Addr::from(octets).to_string().as_bytes());
            }
            2 | 5 | 12 => self.show_last_name(self.from, out)?,
            15 => self.show_numbers_and_name(1, out)?,
            33 => self.show_numbers_and_name(3, out)?,
            16 => show_texts(data, out)?,
            // In any other, as RFC 3597 has it.
            _ => {
                out.extend_from_slice(format!("\\# {}", data.len()).as_bytes());
                if !data.is_empty() {
                    out.push(b' ');
                }
                data.iter().for_each(|it| out.extend_from_slice(format!("{it:02x}").as_bytes()));
            }
        }
        Ok(())
    }

    fn show_numbers_and_name(&self, count: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let name = self.from + 2 * count;
        if name > self.to {
            return Err(Malformed);
        }
        let (numbers, _) = self.message[self.from..name].as_chunks::<2>();
        for number in numbers {
            out.extend_from_slice(format!("{} ", u16::from_be_bytes(*number)).as_bytes());
        }
        self.show_last_name(name, out)
    }

    /// The name at `at`, with which the record ends.
    fn show_last_name(&self, at: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let end = name::show(self.message, at, out)?;
        (end == self.to).then_some(()).ok_or(Malformed)
    }
}

/// Appends texts with lengths before them, each in quotes.
fn show_texts(mut data: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut is_first = true;
    while let Some((&length, rest)) = data.split_first() {
        let (text, after) = rest.split_at_checked(usize::from(length)).ok_or(Malformed)?;
        data = after;
        if !std::mem::take(&mut is_first) {
            out.push(b' ');
        }
        out.push(b'"');
        for &byte in text {
            match byte {
                b'"' | b'\\' => out.extend([b'\\', byte]),
                b' '..=b'~' => out.push(byte),
                _ => out.extend_from_slice(format!("\\{byte:03}").as_bytes()),
            }
        }
        out.push(b'"');
    }
    Ok(())
}
