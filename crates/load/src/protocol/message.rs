//! Message: a payload to be sent, and where its answer ends. What WebSocket, TCP and UDP have in common.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_model::document::{Encoding, Until};

use super::CallError;
use crate::call::{Call, What};
use crate::template::Template;

/// The longest answer whose length was not known ahead.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A message that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// As bytes.
    pub(super) payload: Template,
    /// Whether it was written as text.
    pub(super) is_text: bool,
    pub(super) until: Until,
    pub(super) wants_body: bool,
}

impl Message {
    /// Decodes the payload, so that sending it is copying.
    pub(super) fn new(protocol: &'static str, call: &Call) -> Result<Self, CallError> {
        let wrong = |reason: &str| CallError::Protocol { protocol, reason: reason.to_owned() };
        let What::Message { payload, encoding, until } = &call.what else {
            return Err(wrong("it is not a message; give it a `payload`"));
        };
        let written = |form: &str| {
            let slots = format!(
                "a payload in {form} cannot hold values of the moment; write it as text, or without them"
            );
            payload.constant().ok_or_else(|| wrong(&slots))
        };
        let payload =
            match encoding {
                Encoding::Text => payload.clone(),
                Encoding::Hex => {
                    let digits = written("hex")?;
                    Template::text(hex(digits).ok_or_else(|| {
                        wrong("its payload is not in pairs of hexadecimal digits")
                    })?)
                }
                Encoding::Base64 => {
                    let text: Vec<u8> = written("base64")?
                        .iter()
                        .copied()
                        .filter(|it| !it.is_ascii_whitespace())
                        .collect();
                    let bytes = STANDARD.decode(text);
                    Template::text(bytes.map_err(|_| wrong("its payload is not in Base64"))?)
                }
            };
        Ok(Self {
            payload,
            is_text: *encoding == Encoding::Text,
            until: until.clone(),
            wants_body: call.wants_body,
        })
    }
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let digits: Vec<u8> = digits.iter().copied().filter(|it| !it.is_ascii_whitespace()).collect();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call that sends a text.
    fn bytes_of(text: &str, encoding: Encoding) -> Result<Vec<u8>, CallError> {
        let what = What::Message { payload: Template::text(text), encoding, until: Until::Message };
        let call = Call { what, wants_headers: crate::call::Headers::None, wants_body: false };
        Message::new("tcp", &call).map(|it| it.payload.constant().unwrap().to_vec())
    }

    #[test]
    fn payloads_are_decoded_ahead() {
        assert_eq!(bytes_of("fF", Encoding::Text).unwrap(), b"fF");
        assert_eq!(bytes_of("fF 00\n1a", Encoding::Hex).unwrap(), [0xff, 0, 0x1a]);
        assert_eq!(bytes_of("/w\nA=", Encoding::Base64).unwrap(), [0xff, 0]);
    }

    #[test]
    fn a_payload_that_is_not_what_it_says_is_refused_without_being_shown() {
        for (text, encoding) in [
            ("abc", Encoding::Hex),
            ("zz", Encoding::Hex),
            ("+f", Encoding::Hex),
            ("a", Encoding::Base64),
        ] {
            let error = bytes_of(text, encoding).unwrap_err().to_string();
            assert!(
                error.starts_with("it cannot be sent over tcp: its payload is not in"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_encoded_payload_cannot_have_slots() {
        let what = What::Message {
            payload: Template::text("00").then_slot(0),
            encoding: Encoding::Hex,
            until: Until::Message,
        };
        let call = Call { what, wants_headers: crate::call::Headers::None, wants_body: false };
        let error = Message::new("udp", &call).unwrap_err();
        assert!(error.to_string().contains("values of the moment"), "{error}");
    }
}
