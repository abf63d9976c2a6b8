//! Call: one question of one address, and everything that was learned on the way.
//!
//! ```text
//! notes     what is learned, phase by phase, also when the way ends half-way
//! line      name, connection, TLS session
//! expect    what an answer has to be
//! fuzzing   what the fuzzer calls; behind a feature
//! repeat    many questions: counted, or until one is answered well
//! http      GET
//! grpc      grpc.health.v1.Health/Check
//! postgres  a session, a query, and what the server says of itself
//! redis     PING, and what the server says of itself
//! ping      an echo of ICMP
//! udp       a datagram, and what comes back
//! ```
//!
//! Whatever a server sends is read within bounds: a line, a message or a body that is longer than any honest one ends the question.
//! That, the phases and the certificate are why PostgreSQL and Redis are spoken here as they are on the wire, and not through a
//! client that hides its connection.

mod expect;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod grpc;
mod http;
mod line;
mod notes;
mod ping;
mod postgres;
mod redis;
mod repeat;
mod udp;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_units::{Clock as _, Human, SystemClock};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout;

use crate::address::{Address, Scheme};
use crate::certificate::Certificate;
use crate::tls::Trust;

pub use expect::{Expectation, ExpectationError};
pub use notes::Phase;
pub use repeat::{Series, repeat, wait};
pub use udp::PayloadError;

pub(crate) use line::Stream;
use notes::Notes;

/// No more of what a server says is repeated in a line for people.
const SHOWN_CHARS_MAX: usize = 200;
/// No detail is longer, whatever it is made of.
const DETAIL_CHARS_MAX: usize = 500;

/// How addresses are asked.
#[derive(Clone, Debug)]
pub struct Call {
    /// A question is given up after this time. Default: 5 s.
    pub timeout: Duration,
    /// What has to hold. HTTP is held to a status of 200 to 399 unless something else is said of it.
    pub expect: Vec<Expectation>,
    /// Headers of HTTP, metadata of gRPC.
    pub headers: HeaderMap,
    /// What a PostgreSQL is asked: one statement. Default: `SELECT 1`.
    pub query: String,
    /// What is sent in a datagram. Default: nothing, in an empty one.
    pub payload: Vec<u8>,
    /// Whose certificates will do.
    pub trust: Trust,
    /// The name that a certificate has to be for, when it is not the host.
    pub server_name: Option<String>,
    /// A certificate that is valid for less than this is warned about. Default: 14 days.
    pub warn_before: Duration,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            expect: Vec::new(),
            headers: HeaderMap::new(),
            query: "SELECT 1".to_owned(),
            payload: Vec::new(),
            trust: Trust::System,
            server_name: None,
            warn_before: Duration::from_hours(14 * 24),
        }
    }
}

/// What is to be said of a service.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers, and as it has to.
    Healthy,
    /// It does not.
    Unhealthy,
    /// It says nothing, and need not.
    Unknown,
    /// It was not asked: something is missing here.
    Unasked,
}

/// What one question has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Whether the service is healthy.
    pub verdict: Verdict,
    /// What was seen, for people, such as `200` or `connection refused`.
    pub detail: String,
    /// How long all of it took.
    pub took: Duration,
    /// How long each part took; those that were reached, in their order.
    pub phases: Vec<(Phase, Duration)>,
    /// Who answered, or was to.
    pub peer: Option<SocketAddr>,
    /// What it shows to say who it is.
    pub certificate: Option<Certificate>,
    /// What it says of itself.
    pub facts: BTreeMap<&'static str, Value>,
    /// What will be wrong soon, or is not as safe as it looks.
    pub warnings: Vec<String>,
}

/// Why a question has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    /// The service is not as it has to be.
    Unhealthy(String),
    /// It says nothing, and need not.
    Unknown(String),
    /// It could not be asked.
    Unasked(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Unhealthy(why)
    }
}

impl From<&str> for Trouble {
    fn from(why: &str) -> Self {
        Self::Unhealthy(why.to_owned())
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Unhealthy(match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "the connection was closed half-way".to_owned(),
            _ => crate::in_words(&error),
        })
    }
}

impl Call {
    /// With a header of HTTP, or metadata of gRPC, written `name: value`.
    ///
    /// # Errors
    /// When it is none; the message does not repeat the value, which may be a secret.
    pub fn with_header(mut self, text: &str) -> Result<Self, HeaderError> {
        let (name, value) = text.split_once(':').ok_or(HeaderError::Form)?;
        let wrong = || HeaderError::Sign(short(name));
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(self)
    }

    /// With what is sent in a datagram, in which `\n`, `\0`, `\xHH` and the like stand for what cannot be written.
    ///
    /// # Errors
    /// When it is none.
    pub fn with_payload(self, text: &str) -> Result<Self, PayloadError> {
        Ok(Self { payload: udp::payload(text)?, ..self })
    }

    /// Reads what questions of these addresses take, so that the first is not slower than the others.
    pub fn prepare<'a>(&self, mut addresses: impl Iterator<Item = &'a Address>) {
        let verifies =
            |it: &Address| it.parameter("sslmode").is_some_and(|it| it.starts_with("verify"));
        if addresses.any(|it| it.scheme.is_secure() || verifies(it)) {
            // Whoever needs it is told what is wrong.
            drop(self.trust.prepare());
        }
    }

    /// Asks once.
    ///
    /// Never takes longer than the timeout, and leaves neither a connection nor a task behind, also when the future is dropped
    /// half-way; but the system goes on looking for a name that was given up, on a thread of its own.
    pub async fn ask(&self, address: &Address) -> Reading {
        self.ask_within(address, self.timeout).await
    }

    async fn ask_within(&self, address: &Address, within: Duration) -> Reading {
        let mut notes = Notes::begin(within);
        let said = match timeout(within, self.visit(address, &mut notes)).await {
            Ok(said) => said,
            Err(_) => match (address.scheme, notes.phase) {
                (Scheme::Udp, Phase::FirstByte) => udp::silence(self, &mut notes, within),
                (_, phase) => Err(format!("{} within {}", phase.lacking(), Human(within)).into()),
            },
        };
        let took = notes.end();
        let said = said.and_then(|detail| match self.complaint(address, &notes, took) {
            Some(complaint) => Err(complaint.into()),
            None => Ok(detail),
        });
        let (verdict, detail) = match said {
            Ok(detail) => (Verdict::Healthy, detail),
            Err(Trouble::Unhealthy(why)) => (Verdict::Unhealthy, why),
            Err(Trouble::Unknown(why)) => (Verdict::Unknown, why),
            Err(Trouble::Unasked(why)) => (Verdict::Unasked, why),
        };
        let detail = cut(&address.hidden(&detail), DETAIL_CHARS_MAX);
        let mut warnings = notes.warnings;
        if matches!(self.trust, Trust::Anybody) && notes.certificate.is_some() {
            warnings.push("nobody vouches for the certificate: any would do".to_owned());
        }
        warnings.extend(self.worry(notes.certificate, SystemClock::start().wall()));
        let Notes { phases, peer, certificate, facts, .. } = notes;
        Reading { verdict, detail, took, phases, peer, certificate, facts, warnings }
    }

    async fn visit(&self, address: &Address, notes: &mut Notes) -> Result<String, Trouble> {
        match address.scheme {
            Scheme::Http | Scheme::Https => {
                let stream = self.open(address, &[b"http/1.1"], notes).await?;
                http::ask(self, address, stream, notes).await
            }
            Scheme::Tcp => {
                self.open(address, &[], notes).await?;
                Ok("connected".to_owned())
            }
            Scheme::Tls => {
                self.open(address, &[], notes).await?;
                Ok("TLS stands".to_owned())
            }
            Scheme::Udp => udp::ask(self, address, notes).await,
            Scheme::Ping => ping::ask(address, notes).await,
            Scheme::Grpc | Scheme::Grpcs => {
                let stream = self.open(address, &[b"h2"], notes).await?;
                grpc::ask(self, address, stream, notes).await
            }
            Scheme::Postgres => {
                let line = postgres::cover(self, address, notes).await?;
                postgres::ask(self, address, line, notes).await
            }
            Scheme::Redis | Scheme::Rediss => {
                let stream = self.open(address, &[], notes).await?;
                redis::ask(address, stream, notes).await
            }
        }
    }

    /// The first thing that is not as it has to be.
    fn complaint(&self, address: &Address, notes: &Notes, took: Duration) -> Option<String> {
        let is_http = matches!(address.scheme, Scheme::Http | Scheme::Https);
        let is_usual = is_http && !self.expect.iter().any(Expectation::is_of_status);
        let usual = is_usual.then(Expectation::usual_status);
        usual.iter().chain(&self.expect).find_map(|it| it.complaint(notes, took))
    }

    fn worry(&self, certificate: Option<Certificate>, now: Timestamp) -> Option<String> {
        let certificate = certificate?;
        let day = certificate.expires.strftime("%Y-%m-%d");
        match certificate.left(now) {
            None => Some(format!("the certificate expired on {day}")),
            Some(left) if left < self.warn_before => {
                let days = left.as_secs() / 86_400;
                let plural = if days == 1 { "" } else { "s" };
                Some(format!("the certificate expires on {day}, in {days} day{plural}"))
            }
            Some(_) => None,
        }
    }
}

/// A text is no header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It has no colon.
    #[error("a header is written `name: value`")]
    Form,
    /// Its name or its value has signs that no header may have.
    #[error("the name or the value of the header `{0}` holds signs that no header may have")]
    Sign(String),
}

/// What a server says, as a line for people may have it: without control characters, and not for ever.
fn short(text: &str) -> String {
    cut(text, SHOWN_CHARS_MAX)
}

fn cut(text: &str, chars_max: usize) -> String {
    let mut shown: String =
        text.chars().filter(|it| !it.is_control()).take(chars_max + 1).collect();
    if shown.chars().count() > chars_max {
        shown.pop();
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_and_its_value_is_not_told() {
        let call = Call::default().with_header("Authorization: Bearer s3cret").unwrap();
        assert_eq!(call.headers["authorization"], "Bearer s3cret");
        assert!(!format!("{call:?}").contains("s3cret"));
        for text in ["s3cret", "a b: s3cret", "a: s3cret\n"] {
            let error = Call::default().with_header(&format!("{text}\u{7f}")).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_certificate_is_warned_about_before_it_ends() {
        let call = Call::default();
        let certificate = Certificate { expires: "2030-01-20T12:00:00Z".parse().unwrap() };
        let worry = |now: &str| call.worry(Some(certificate), now.parse().unwrap());
        assert_eq!(worry("2030-01-01T00:00:00Z"), None);
        let soon = "the certificate expires on 2030-01-20, in 1 day".to_owned();
        assert_eq!(worry("2030-01-19T00:00:00Z"), Some(soon));
        let over = "the certificate expired on 2030-01-20".to_owned();
        assert_eq!(worry("2030-01-21T00:00:00Z"), Some(over));
    }

    #[test]
    fn what_a_server_says_is_shown_in_part_and_in_one_line() {
        assert_eq!(short("a\nb\u{1b}[31m"), "ab[31m");
        assert_eq!(short(&"x".repeat(900)).chars().count(), SHOWN_CHARS_MAX + 1);
    }
}
