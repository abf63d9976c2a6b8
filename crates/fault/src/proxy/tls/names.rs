//! The name of an authority, as its certificate has it: what it signs has to repeat it, byte for byte.

use rcgen::string::{Ia5String, PrintableString};
use rcgen::{DistinguishedName, DnType, DnValue};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, TrustAnchor};

const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;

/// What of a certificate its clients trust: its subject and its key. An error says what is wrong with it.
pub(super) fn anchor(certificate: &CertificateDer<'_>) -> Result<TrustAnchor<'static>, String> {
    let mut roots = RootCertStore::empty();
    let failed = |error| format!("is not a certificate that can be read: {error}");
    roots.add(certificate.clone().into_owned()).map_err(failed)?;
    roots.roots.pop().ok_or_else(|| "has no certificate".to_owned())
}

/// A name of one attribute in each set (X.501); others cannot be repeated.
pub(super) fn name(mut rest: &[u8]) -> Option<DistinguishedName> {
    let mut name = DistinguishedName::new();
    while !rest.is_empty() {
        let (_, set, after) = element(rest)?;
        let (_, attribute, others) = element(set)?;
        let (OBJECT_IDENTIFIER, id, value) = element(attribute)? else { return None };
        let (kind, text, end) = element(value)?;
        let of = DnType::from_oid(&object_identifier(id)?);
        // What is there twice, or beside another, would be lost.
        if !others.is_empty() || !end.is_empty() || name.get(&of).is_some() {
            return None;
        }
        let text = String::from_utf8(text.to_vec()).ok()?;
        name.push(of, value_of(kind, text)?);
        rest = after;
    }
    Some(name)
}

fn value_of(kind: u8, text: String) -> Option<DnValue> {
    match kind {
        UTF8_STRING => Some(DnValue::Utf8String(text)),
        PRINTABLE_STRING => PrintableString::try_from(text).ok().map(DnValue::PrintableString),
        IA5_STRING => Ia5String::try_from(text).ok().map(DnValue::Ia5String),
        _ => None,
    }
}

/// An element of DER (X.690): its tag, its content, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            if digits.len() > 4 {
                return None;
            }
            (digits.iter().fold(0, |sum, it| (sum << 8) | usize::from(*it)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The numbers of an object identifier, of which the first byte holds two.
fn object_identifier(bytes: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut number = 0u64;
    for byte in bytes {
        number = number.checked_mul(128)? + u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            match numbers.is_empty() {
                true => numbers.extend([(number / 40).min(2), number - 40 * (number / 40).min(2)]),
                false => numbers.push(number),
            }
            number = 0;
        }
    }
    Some(numbers)
}
