//! UDP: a datagram, and what comes back for it.
//!
//! Nobody has to answer one. An answer says that a service is there, and an error of ICMP that it is not. Silence says neither: a port
//! that takes what it is sent and a filter on the way look the same, which is what `nmap` calls `open|filtered`. Then nothing is
//! known, unless whoever asks has said what to expect.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use evenkeel_units::Human;
use tokio::net::UdpSocket;

use super::line::first;
use super::notes::Notes;
use super::{Call, Trouble};
use crate::address::Address;

/// What fits into a datagram of IPv4; one of IPv6 takes more, which nobody has a use for.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// A text is no datagram.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// What follows a backslash is unknown.
    #[error(
        r"`\{0}` stands for nothing in a datagram: write `\n`, `\r`, `\t`, `\0`, `\\`, or `\xHH` for any byte"
    )]
    Escape(String),
    /// No datagram is so long.
    #[error("a datagram of {0} bytes is too long: {DATAGRAM_BYTES_MAX} fit into one")]
    Length(usize),
}

pub(super) async fn ask(
    call: &Call,
    address: &Address,
    notes: &mut Notes,
) -> Result<String, Trouble> {
    let answer = first(address, notes, |peer| exchange(peer, &call.payload)).await?;
    notes.fact("answered", true);
    notes.fact("body_bytes", answer.len());
    notes.body = answer;
    Ok("answered".to_owned())
}

async fn exchange(peer: SocketAddr, payload: &[u8]) -> Result<Vec<u8>, Trouble> {
    let local: SocketAddr = match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let answer = async {
        let socket = UdpSocket::bind(local).await?;
        // Only what comes from there is heard then, and what ICMP says of it.
        socket.connect(peer).await?;
        socket.send(payload).await?;
        let mut heard = vec![0; usize::from(u16::MAX)];
        let length = socket.recv(&mut heard).await?;
        heard.truncate(length);
        Ok(heard)
    };
    answer.await.map_err(refused)
}

fn refused(error: io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::ConnectionRefused => "port unreachable: nobody listens there".into(),
        _ => error.into(),
    }
}

/// What it means that nothing came back in time.
pub(super) fn silence(call: &Call, notes: &mut Notes, within: Duration) -> Result<String, Trouble> {
    notes.fact("answered", false);
    let what = format!("no answer within {}", Human(within));
    if call.expect.iter().any(|it| it.complaint(notes, within).is_some()) {
        return Err(what.into());
    }
    match call.expect.iter().any(super::Expectation::is_of_an_answer) {
        true => Ok(what),
        false => Err(Trouble::Unknown(format!(
            "{what}: the port is open, or filtered; send what has an answer, or expect none (`answered=false`)"
        ))),
    }
}

/// Reads a datagram as it is written, with `\n`, `\xHH` and the like for what cannot be written.
pub(super) fn payload(text: &str) -> Result<Vec<u8>, PayloadError> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend(plain.as_bytes());
        let (byte, length) = match escaped.as_bytes() {
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'0', ..] => (0, 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => return Err(unknown(escaped)),
            },
            _ => return Err(unknown(escaped)),
        };
        bytes.push(byte);
        rest = escaped.get(length..).unwrap_or_default();
    }
    bytes.extend(rest.as_bytes());
    match bytes.len() {
        0..=DATAGRAM_BYTES_MAX => Ok(bytes),
        long => Err(PayloadError::Length(long)),
    }
}

fn digit(sign: u8) -> Option<u8> {
    char::from(sign).to_digit(16).map(|it| it as u8)
}

fn unknown(escaped: &str) -> PayloadError {
    let length = if escaped.starts_with('x') { 3 } else { 1 };
    PayloadError::Escape(escaped.chars().take(length).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_datagram_is_read_as_it_is_written() {
        assert_eq!(payload(r"stats\r\n\0\\\xfF\t.ä").unwrap(), b"stats\r\n\0\\\xff\t.\xc3\xa4");
        assert_eq!(payload("").unwrap(), b"");
        for (text, part) in [
            (r"a\q", r"`\q` stands for nothing"),
            (r"a\", r"`\` stands for nothing"),
            (r"\xf", r"`\xf` stands for nothing"),
            (r"\xfgh", r"`\xfg` stands for nothing"),
            (r"\xä1", r"`\xä1` stands for nothing"),
        ] {
            let error = payload(text).unwrap_err().to_string();
            assert!(error.starts_with(part), "{text}: {error}");
        }
        assert!(payload(&"x".repeat(65_507)).is_ok());
        assert_eq!(payload(&"x".repeat(65_508)), Err(PayloadError::Length(65_508)));
    }

    proptest! {
        #[test]
        fn bytes_come_back_from_their_escapes(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "[\\\\x0-9a-fnä]{0,9}") {
            let written: String = bytes.iter().map(|it| format!("\\x{it:02x}")).collect();
            prop_assert_eq!(payload(&written), Ok(bytes));
            drop(payload(&text));
        }
    }
}
