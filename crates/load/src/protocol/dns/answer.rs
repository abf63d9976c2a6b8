//! Answer: what a datagram of a DNS server says.

use super::Malformed;
use super::record::{OPT, Record};

const HEADER_BYTES: usize = 12;

/// Whether a datagram with the right number is an answer to `question`. A server that could not read the
/// question may leave it out.
pub(super) fn is_for(message: &[u8], question: &[u8]) -> bool {
    let Some(&[_, _, flags, code, _, questions]) = message.first_chunk::<6>() else { return false };
    let is_answer = flags & 0x80 != 0 && message.len() >= HEADER_BYTES && message[4] == 0;
    let Some(rest) = message.get(HEADER_BYTES..).filter(|_| is_answer) else { return false };
    if questions == 0 {
        return code & 0x0f != 0;
    }
    // Case does not matter in the name, which is all but the last four bytes.
    let name_bytes = question.len().saturating_sub(4);
    let (name, kind) = question.split_at(name_bytes);
    questions == 1
        && rest.get(..name_bytes).is_some_and(|it| it.eq_ignore_ascii_case(name))
        && rest[name_bytes..].starts_with(kind)
}

/// The status of an answer, whose records go into `body`, each as a line.
pub(super) fn read(message: &[u8], mut body: Option<&mut Vec<u8>>) -> Result<u16, Malformed> {
    let header = message.first_chunk::<HEADER_BYTES>().ok_or(Malformed)?;
    let &[_, _, flags, code, _, questions, ..] = header;
    let count = |at: usize| u32::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let status = u16::from(code & 0x0f);
    let is_cut = flags & 0x02 != 0;
    let mut at = HEADER_BYTES;
    for _ in 0..questions {
        at = super::name::read(message, at, |_| {})? + 4;
    }
    let (answers, others) = (count(6), count(8) + count(10));
    let mut extended = 0;
    for number in 0..answers + others {
        let record = match Record::read(message, at) {
            Err(Malformed) if is_cut => break,
            record => record?,
        };
        at = record.to;
        if let Some(body) = body.as_deref_mut().filter(|_| number < answers) {
            record.show(body)?;
        }
        if record.number == OPT && number >= answers {
            // The upper eight bits of the status (RFC 6891 §6.1.3).
            extended = record.seconds_to_live >> 24;
        }
    }
    Ok((extended as u16) << 4 | status)
}
