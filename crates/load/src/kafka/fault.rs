//! Faults: what a failure counts as.

use std::error::Error as StdError;
use std::io;

use evenkeel_model::Answer;
use rskafka::ConnectionError;
use rskafka::client::error::{Error, ProtocolError, RequestError};

/// The last code that Kafka has, with room for more.
const CODE_MAX: i16 = 200;

/// What has come instead of an answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A broker said no, with this code.
    Code(u16),
    /// Nobody said anything.
    Lost(Answer),
}

/// No broker knows the topic (UNKNOWN_TOPIC_OR_PARTITION).
pub(super) const NO_TOPIC: Fault = Fault::Code(3);

/// A broker does not let us in (SASL_AUTHENTICATION_FAILED).
const REFUSED: Fault = Fault::Code(58);

/// What failures of TLS are called.
const TLS_WORDS: [&str; 5] =
    ["certificate", "corrupt message", "fatal alert", "peer is incompatible", "peer misbehaved"];

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        match error {
            Error::ServerError { protocol_error, .. } => Self::Code(code(*protocol_error)),
            Error::Connection(error) => connection(error),
            Error::Request(error) => request(error),
            Error::RetryFailed(error) => within(error),
            Error::Timeout => Self::Lost(Answer::Timeout),
            _ => Self::Lost(Answer::Malformed),
        }
    }
}

/// The failure after which nothing was tried again.
fn within(error: &(dyn StdError + 'static)) -> Fault {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return error.into();
        }
        if let Some(error) = error.downcast_ref::<RequestError>() {
            return request(error);
        }
        next = error.source();
    }
    unsaid(error)
}

/// The library tells how a connection to its first broker has failed in words only.
fn unsaid(error: &(dyn StdError + 'static)) -> Fault {
    let words = error.to_string();
    match TLS_WORDS.iter().any(|it| words.contains(it)) {
        _ if words.contains("Sasl handshake failed") => REFUSED,
        true => Fault::Lost(Answer::Tls),
        false => Fault::Lost(Answer::Connect),
    }
}

fn connection(error: &ConnectionError) -> Fault {
    match error {
        ConnectionError::Metadata(error) => request(error),
        ConnectionError::RetryFailed(error) => within(error),
        ConnectionError::SyncVersions(_) => match input_output(error) {
            Some(error) => broken(error),
            None => Fault::Lost(Answer::Malformed),
        },
        ConnectionError::SaslFailed(_) => REFUSED,
        other => unsaid(other),
    }
}

fn request(error: &RequestError) -> Fault {
    match error {
        RequestError::Poisoned(error) => request(error),
        RequestError::IO(error) => broken(error),
        RequestError::NoVersionMatch { .. } => Fault::Code(code(ProtocolError::UnsupportedVersion)),
        other => match input_output(other) {
            Some(error) => broken(error),
            None => Fault::Lost(Answer::Malformed),
        },
    }
}

/// The failure of a socket that is at the bottom of it.
fn input_output<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        if let Some(RequestError::Poisoned(error)) = error.downcast_ref::<RequestError>() {
            return input_output(&**error);
        }
        next = error.source();
    }
    None
}

fn broken(error: &io::Error) -> Fault {
    Fault::Lost(match error.kind() {
        _ if matches!(error.get_ref(), Some(it) if it.is::<rustls::Error>()) => Answer::Tls,
        io::ErrorKind::UnexpectedEof => Answer::Closed,
        io::ErrorKind::TimedOut => Answer::Timeout,
        _ => Answer::Reset,
    })
}

/// The number of a code of Kafka; "unknown server error", -1, is 65 535.
fn code(error: ProtocolError) -> u16 {
    let found = (-1..=CODE_MAX).find(|it| ProtocolError::new(*it) == Some(error));
    found.unwrap_or(-1).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_kafka() {
        let known =
            [(ProtocolError::UnknownTopicOrPartition, 3), (ProtocolError::MessageTooLarge, 10)];
        for (error, number) in known {
            assert_eq!(code(error), number);
        }
        assert_eq!(code(ProtocolError::UnknownServerError), u16::MAX);
    }

    #[test]
    fn a_socket_that_broke_is_told_from_one_that_was_closed() {
        for (kind, answer) in [
            (io::ErrorKind::UnexpectedEof, Answer::Closed),
            (io::ErrorKind::ConnectionReset, Answer::Reset),
            (io::ErrorKind::BrokenPipe, Answer::Reset),
        ] {
            let inner = std::sync::Arc::new(RequestError::IO(kind.into()));
            let error = Error::Request(RequestError::Poisoned(inner));
            assert_eq!(Fault::from(&error), Fault::Lost(answer));
        }
    }
}
