//! Ingest: remote write and OTLP. Bodies in, status out.
//!
//! The statuses are those of Prometheus: 204 when everything was taken in, 400 when something was not and sending it again
//! would not help (the rest is stored), 5xx when it would. Those of OTLP are its own: 200 with what was refused, 503 when sending
//! again helps.

use std::io::Read as _;
use std::sync::Mutex;

use bytes::Bytes;
use evenkeel_metrics::receive::{Form, ReceiveError, Receiver, complaint, otlp};
use evenkeel_tsdb::SeriesRef;
use flate2::read::MultiGzDecoder;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Response, StatusCode};

use crate::door::{plain, with};
use crate::intake::Stored;
use crate::own::Counts;

/// No body is larger, packed.
pub(crate) const BODY_MAX: usize = 32 << 20;
/// No body of OTLP is larger, unpacked.
const PLAIN_MAX: usize = 32 << 20;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// What takes requests in, and keeps room for the next ones.
#[derive(Debug, Default)]
pub(crate) struct Ingest {
    receivers: Mutex<Vec<Receiver<SeriesRef>>>,
}

impl Ingest {
    /// Takes in a request of remote write.
    pub(crate) fn write(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        store: &Stored,
        counts: &Counts,
    ) -> Response<Full<Bytes>> {
        if let Some(refusal) = unsupported(headers) {
            return refusal;
        }
        let mut receiver = self.room().pop().unwrap_or_default();
        let written = receiver.write(body, store);
        self.room().push(receiver);
        match written {
            Err(error) => failed(&error),
            Ok(written) => {
                counts.received(written.samples, written.exemplars, &written.left);
                match written.left.is_empty() {
                    true => plain(StatusCode::NO_CONTENT, ""),
                    false => plain(StatusCode::BAD_REQUEST, format!("{}\n", written.left)),
                }
            }
        }
    }

    /// Takes in a request of OTLP.
    pub(crate) fn otlp(
        headers: &HeaderMap,
        body: &[u8],
        store: &Stored,
        counts: &Counts,
    ) -> Response<Full<Bytes>> {
        let text = |name: HeaderName| text(headers, name);
        let (form, content) = match media(text(header::CONTENT_TYPE)) {
            PROTOBUF => (Form::Protobuf, PROTOBUF),
            JSON => (Form::Json, JSON),
            _ => {
                let text = "OTLP is taken as `Content-Type: application/x-protobuf` or `application/json`.\n";
                return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
            }
        };
        let taken = match text(header::CONTENT_ENCODING) {
            "" | "identity" if body.len() > PLAIN_MAX => Err(ReceiveError::TooLarge(PLAIN_MAX)),
            "" | "identity" => otlp(body, form, store),
            "gzip" => unpacked(body).and_then(|it| otlp(&it, form, store)),
            other => {
                let text = format!("The encoding `{other}` is not taken: send gzip.\n");
                return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
            }
        };
        match taken {
            Err(error) => {
                let status = match error {
                    ReceiveError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
                    _ => status(&error),
                };
                with(status, content, complaint(&error.to_string(), form))
            }
            Ok(answer) => {
                counts.received(answer.samples, answer.exemplars, &answer.left);
                with(StatusCode::OK, content, answer.message(form))
            }
        }
    }

    fn room(&self) -> std::sync::MutexGuard<'_, Vec<Receiver<SeriesRef>>> {
        // A list of rooms is whole after every step.
        self.receivers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What is answered to what is not remote write 1.0.
fn unsupported(headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    let encoding = text(headers, header::CONTENT_ENCODING);
    let content = text(headers, header::CONTENT_TYPE);
    let is_other = content.split(';').skip(1).any(|it| {
        it.trim().strip_prefix("proto=").is_some_and(|it| it != "prometheus.WriteRequest")
    });
    let problem = match (media(content), encoding) {
        (PROTOBUF | "", "snappy" | "") if !is_other => return None,
        (PROTOBUF | "", "snappy" | "") => "Remote write is taken as version 1.0.\n".to_owned(),
        (PROTOBUF | "", other) => format!("The encoding `{other}` is not taken: send snappy.\n"),
        (other, _) => format!("The type `{other}` is not taken: send {PROTOBUF}.\n"),
    };
    Some(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem))
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
}

fn media(content: &str) -> &str {
    content.split(';').next().unwrap_or_default().trim()
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, ReceiveError> {
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(body).take(PLAIN_MAX as u64 + 1).read_to_end(&mut plain);
    read.map_err(|_| ReceiveError::Packed)?;
    match plain.len() > PLAIN_MAX {
        true => Err(ReceiveError::TooLarge(PLAIN_MAX)),
        false => Ok(plain),
    }
}

fn failed(error: &ReceiveError) -> Response<Full<Bytes>> {
    plain(status(error), format!("{error}\n"))
}

const fn status(of: &ReceiveError) -> StatusCode {
    match of {
        ReceiveError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        ReceiveError::TooLarge(_) | ReceiveError::TooMany(_) => StatusCode::PAYLOAD_TOO_LARGE,
        ReceiveError::Packed | ReceiveError::Message | ReceiveError::Json(_) => {
            StatusCode::BAD_REQUEST
        }
    }
}
