//! Call: JSON as the document says it, made into messages.

use std::sync::Arc;

use evenkeel_model::document::Pacing;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Deserializer;

use super::message::{Messages, PREFIX_BYTES};
use super::status::INTERNAL;
use crate::call::{Call, Headers, What};
use crate::protocol::CallError;
use crate::protocol::http2::{Body, Request, Wants};
use crate::template::{Template, Values};

/// A call that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ready(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    request: Request,
    /// Messages that are written anew each time.
    written: Option<(MessageDescriptor, Vec<Template>)>,
    answers: Answers,
    single: bool,
    /// Messages that are not sent together, and those of them that are always the same.
    pacing: Option<Pacing>,
    fixed: Option<Arc<[u8]>>,
}

/// What becomes of the messages of an answer.
#[derive(Clone, Debug, Default)]
pub(super) enum Answers {
    /// They are counted.
    #[default]
    Counted,
    /// They are told as JSON.
    Json(MessageDescriptor),
    /// They are told as they are.
    Raw,
}

/// The values make no message of the type.
#[derive(Debug)]
pub(super) struct NoMessage;

impl Ready {
    /// Reads a call.
    pub(super) fn new(host: &str, secure: bool, call: &Call) -> Result<Self, CallError> {
        let wrong = |reason| CallError::Protocol { protocol: "gRPC", reason };
        let What::Grpc { method, messages, metadata, pacing } = &call.what else {
            return Err(wrong(
                "write `grpc: {method: package.Service/Method, messages: […]}`".to_owned(),
            ));
        };
        let nothing = [Template::text("{}")];
        let messages = match messages.as_slice() {
            [] if !method.takes_stream() => &nothing,
            messages => messages,
        };
        if !method.takes_stream() && messages.len() != 1 {
            let count = messages.len();
            return Err(wrong(format!(
                "`{}` takes one message, and there are {count}",
                method.name()
            )));
        }
        if *pacing != Pacing::default() && !method.takes_stream() {
            return Err(wrong(format!(
                "`{}` takes one message: leave `every` and `await` away",
                method.name()
            )));
        }
        if pacing.awaits && !method.gives_stream() {
            return Err(wrong(format!(
                "`{}` answers once, when it has all messages: leave `await` away",
                method.name()
            )));
        }
        let pacing = Some(*pacing).filter(|it| *it != Pacing::default() && messages.len() > 1);
        let mut body = Vec::new();
        let mut constant = true;
        for (at, message) in messages.iter().enumerate() {
            match message.constant() {
                Some(json) => put(method.input(), json, &mut body).map_err(|error| {
                    let name = method.input().full_name();
                    wrong(format!("message {} is no JSON of `{name}`: {}", at + 1, reason(&error)))
                })?,
                None => constant = false,
            }
        }
        let body: Arc<[u8]> = body.into();
        let fixed = Some(Arc::clone(&body)).filter(|_| constant && pacing.is_some());
        let body = match constant && pacing.is_none() {
            true if body.is_empty() => Body::Nothing,
            true => Body::Fixed(body),
            false => Body::Brought,
        };
        let wants =
            Wants { headers: call.wants_headers, body: true, trailers: true, no_body: false };
        Ok(Self(Arc::new(Prepared {
            request: Request::grpc(host, secure, &method.path(), metadata, body, wants)?,
            written: (!constant).then(|| (method.input().clone(), messages.to_vec())),
            answers: if call.wants_body {
                Answers::Json(method.output().clone())
            } else {
                Answers::Counted
            },
            single: !method.gives_stream(),
            pacing,
            fixed,
        })))
    }

    /// Messages in their binary form, whose answers are told so too.
    pub(super) fn raw(
        host: &str,
        secure: bool,
        path: &str,
        messages: &[Vec<u8>],
    ) -> Result<Self, CallError> {
        let mut body = Vec::new();
        for message in messages {
            frame(&mut body, |out| out.extend_from_slice(message));
        }
        let wants = Wants { headers: Headers::None, body: true, trailers: true, no_body: false };
        let request = Request::grpc(host, secure, path, &[], Body::Fixed(body.into()), wants)?;
        Ok(Self(Arc::new(Prepared {
            request,
            written: None,
            answers: Answers::Raw,
            single: false,
            pacing: None,
            fixed: None,
        })))
    }

    pub(super) fn request(&self) -> &Request {
        &self.0.request
    }

    pub(super) fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// Whether the answer must be one message.
    pub(super) fn single(&self) -> bool {
        self.0.single
    }

    /// When messages are sent that are not sent together.
    pub(super) fn pacing(&self) -> Option<Pacing> {
        self.0.pacing
    }

    /// Those messages, where they are always the same.
    pub(super) fn messages(&self) -> Option<Arc<[u8]>> {
        self.0.fixed.clone()
    }

    /// Appends the messages that are written anew each time.
    pub(super) fn write(
        &self,
        values: &dyn Values,
        text: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), NoMessage> {
        let Some((input, messages)) = &self.0.written else { return Ok(()) };
        for message in messages {
            text.clear();
            message.render_safe(values, fits_json, escape, text);
            put(input, text, out).map_err(|_| NoMessage)?;
        }
        Ok(())
    }
}

impl Answers {
    /// Whether messages are looked at.
    pub(super) const fn keeps(&self) -> bool {
        !matches!(self, Self::Counted)
    }

    /// Writes the next message to `told`, if there is one.
    ///
    /// # Errors
    /// The status that the call ends with.
    pub(super) fn tell(&self, messages: &mut Messages, told: &mut Vec<u8>) -> Result<bool, u16> {
        told.clear();
        let further = messages.was_taken();
        let Some(message) = messages.take() else { return Ok(false) };
        match self {
            Self::Counted => {}
            Self::Raw => told.extend_from_slice(message),
            Self::Json(output) => {
                if further {
                    told.push(b'\n');
                }
                let message =
                    DynamicMessage::decode(output.clone(), message).map_err(|_| INTERNAL)?;
                let options = SerializeOptions::new().skip_default_fields(false);
                let mut json = serde_json::Serializer::new(told);
                message.serialize_with_options(&mut json, &options).map_err(|_| INTERNAL)?;
            }
        }
        Ok(true)
    }
}

/// Appends a message that is given as JSON.
fn put(input: &MessageDescriptor, json: &[u8], out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let mut json = Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(input.clone(), &mut json)?;
    json.end()?;
    frame(out, |out| message.encode_raw(out));
    Ok(())
}

/// Appends a message with the bytes before it.
fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let from = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    write(out);
    let length = (out.len() - from - PREFIX_BYTES) as u32;
    out[from + 1..from + PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
}

/// What is wrong with a JSON text, without what stands in it unless it is the name of a field.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("unrecognized field name ") {
        Some(name) => format!("there is no field {name}"),
        None => format!("look at line {}, column {}", error.line(), error.column()),
    }
}

/// Values stand in texts of JSON, or are numbers: either way nothing may end the text.
const fn fits_json(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
    }
}
