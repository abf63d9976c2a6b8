//! Messages: what a coordinator and an agent say to each other.
//!
//! Each is a length of four bytes and so much JSON. The first of each side is a [`Greeting`], whose form never
//! changes, so that two versions can at least say that they are two; all else may change with [`PROTOCOL`].

use evenkeel_model::Frame;
use evenkeel_units::Moment;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::link::LinkError;
use crate::order::{Order, Share};

/// Changes with every message that an older version would not understand.
pub(super) const PROTOCOL: u32 = 2;

/// The most that is taken from somebody who has not yet shown that it knows the token.
pub(super) const GREETING_BYTES_MAX: usize = 4 * 1024;

/// The most in one message afterwards: an order brings its data with it.
pub(super) const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

/// The first that each side says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Greeting {
    /// Who it is, and that it knows the token.
    Hello {
        /// Of the messages.
        protocol: u32,
        /// Of Evenkeel: the same load is the same only in the same version.
        version: String,
        /// For people.
        name: String,
        /// That it knows the token.
        proof: String,
    },
    /// Why it will not talk.
    Refused(String),
}

/// What a coordinator says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToAgent {
    /// Get ready to send this. Once for each connection.
    Order(Box<Order>),
    /// What does your clock say?
    Clock,
    /// Start when your clock says so many nanoseconds.
    Start {
        /// Nanoseconds.
        at: u64,
        /// Send nothing that is due from this moment of the load on, until you may; without one, you may send all.
        until: Option<Moment>,
    },
    /// You may send what is due before this moment of the load.
    Until(Moment),
    /// Send what a lost agent cannot send any more.
    TakeOver {
        /// Which part of the load.
        share: Share,
        /// Nothing of it that is due before this moment of the load.
        from: Moment,
        /// So many connections more to send it on.
        connections: u32,
    },
    /// Send nothing new.
    Stop,
    /// I am here.
    Alive,
}

/// What an agent says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromAgent {
    /// My clock says so many nanoseconds.
    Clock(u64),
    /// The order can be sent.
    Ready,
    /// It cannot.
    Refused(String),
    /// A second of load.
    Second(Box<Frame>),
    /// Nothing more is sent; why it ended early, when it did.
    Ended(Option<String>),
    /// I am here.
    Alive,
}

/// A message as it is sent.
pub(super) fn encode(message: &impl Serialize) -> Result<Vec<u8>, LinkError> {
    let mut bytes = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut bytes, message).map_err(|it| LinkError::Garbage(it.to_string()))?;
    let length = bytes.len() - LENGTH_BYTES;
    match u32::try_from(length) {
        Ok(it) if length <= MESSAGE_BYTES_MAX => {
            bytes[..LENGTH_BYTES].copy_from_slice(&it.to_be_bytes());
            Ok(bytes)
        }
        _ => Err(LinkError::Long { length }),
    }
}

/// Takes the first message out of what was received; `None` while it is not whole.
pub(super) fn decode<T: DeserializeOwned>(
    bytes: &mut Vec<u8>,
    at_most: usize,
) -> Result<Option<T>, LinkError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > at_most {
        return Err(LinkError::Long { length });
    }
    let Some(text) = rest.get(..length) else { return Ok(None) };
    let message = serde_json::from_slice(text).map_err(|it| LinkError::Garbage(it.to_string()))?;
    bytes.drain(..LENGTH_BYTES + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_come_one_after_the_other_however_they_are_cut() {
        let words = ["a", "bc", ""].map(|it| Greeting::Refused(it.to_owned()));
        let bytes: Vec<u8> = words.iter().flat_map(|it| encode(it).unwrap()).collect();
        for step in 1..bytes.len() {
            let (mut begun, mut heard) = (Vec::new(), Vec::new());
            for piece in bytes.chunks(step) {
                begun.extend_from_slice(piece);
                while let Some(it) = decode::<Greeting>(&mut begun, 100).unwrap() {
                    heard.push(it);
                }
            }
            assert_eq!((heard.as_slice(), begun.len()), (&words[..], 0), "{step} at a time");
        }
    }

    #[test]
    fn a_long_message_is_refused_before_it_is_waited_for() {
        let mut bytes = vec![0, 0, 1, 0];
        assert!(decode::<Greeting>(&mut bytes, 256).unwrap().is_none());
        let error = decode::<Greeting>(&mut bytes, 255).unwrap_err();
        assert!(matches!(error, LinkError::Long { length: 256 }), "{error:?}");
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_nothing_else(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            bytes.splice(0..0, [0, 0, 0, 24]);
            let whole = bytes.len() >= 28;
            let taken = decode::<ToAgent>(&mut bytes, 64);
            prop_assert!(taken.is_err() == whole, "{taken:?}");
        }
    }
}
