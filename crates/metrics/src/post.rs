//! Post: one request of HTTP or HTTPS, and what its answer means for the sender.
//!
//! One connection is kept between requests. An answer is one of three: taken, to be tried again later, or
//! refused for good. Redirects are refused: a database that has moved is named where it is now.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use evenkeel_units::Human;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::target::{Door, Wire};
use crate::tls::configuration;

/// No more of an answer is read: it is an error message, or next to nothing.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// No more of an error message is shown.
const SHOWN_CHARS_MAX: usize = 200;
/// However long a server wants us to wait, it is asked again after this time.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Taken, perhaps with a complaint.
    Taken(Option<String>),
    /// Not now: why, and how long the server wants to be left alone.
    Later(String, Option<Duration>),
    /// Never.
    Refused(String),
}

/// Sends requests to one place.
pub(crate) struct Post {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    door: Door,
    is_otlp: bool,
}

impl Post {
    /// Reads the certificates; connects to nobody.
    pub(crate) fn open(door: Door, wire: &Wire) -> Result<Self, String> {
        let with_tls = door.url.scheme_str() == Some("https");
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(door.timeout));
        plain.set_nodelay(true);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(configuration(&door.tls, with_tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(plain);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, door, is_otlp: matches!(wire, Wire::Otlp { .. }) })
    }

    /// What a request is sent as: packed, when that was asked for.
    pub(crate) fn packed(&self, body: Vec<u8>) -> Bytes {
        if !self.door.gzip {
            return body.into();
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&body).expect("a vector takes everything");
        gzip.finish().expect("a vector takes everything").into()
    }

    /// Sends a request, and waits for its answer at most for `within`.
    pub(crate) async fn send(&self, body: Bytes, within: Duration) -> Reply {
        let within = within.min(self.door.timeout);
        match tokio::time::timeout(within, self.exchange(body)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => Reply::Later(in_words(&error), None),
            Err(_) => Reply::Later(format!("no answer within {}", Human(within)), None),
        }
    }

    async fn exchange(&self, body: Bytes) -> Result<Reply, hyper_util::client::legacy::Error> {
        let response = self.client.request(self.request(body)).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = read(response).await;
        Ok(self.judge(status, &headers, &answer))
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.door.url.clone();
        let headers = request.headers_mut();
        let mut say = |name, value| drop(headers.insert(name, HeaderValue::from_static(value)));
        say(header::CONTENT_TYPE, "application/x-protobuf");
        say(header::USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")));
        if self.door.gzip {
            say(header::CONTENT_ENCODING, "gzip");
        }
        if !self.is_otlp {
            say(header::CONTENT_ENCODING, "snappy");
            say(header::HeaderName::from_static("x-prometheus-remote-write-version"), "0.1.0");
        }
        for (name, value) in &self.door.headers {
            headers.insert(name.clone(), value.clone());
        }
        request
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, answer: &[u8]) -> Reply {
        if status.is_success() && self.is_otlp {
            return Reply::Taken(crate::otlp::rejected(answer));
        }
        judge(self.is_otlp, status, headers, answer)
    }
}

/// What an answer of remote write means, or of OTLP.
pub(crate) fn judge(
    is_otlp: bool,
    status: StatusCode,
    headers: &HeaderMap,
    answer: &[u8],
) -> Reply {
    if status.is_success() {
        return Reply::Taken(None);
    }
    let said = shown(answer);
    let why = match (is_otlp, said.is_empty()) {
        // An answer of OTLP is protobuf, which nobody can read.
        (true, _) | (_, true) => status.to_string(),
        (false, false) => format!("{status}: {said}"),
    };
    let again = match is_otlp {
        true => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        false => status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
    };
    if !again {
        return Reply::Refused(why);
    }
    let after = headers.get(header::RETRY_AFTER).and_then(|it| it.to_str().ok()?.parse().ok());
    Reply::Later(why, after.map(|it| Duration::from_secs(it).min(RETRY_AFTER_MAX)))
}

/// The body, or what came of it.
pub(crate) async fn read(response: Response<Incoming>) -> Vec<u8> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    // The status has said what counts.
    body.collect().await.map(|it| it.to_bytes().to_vec()).unwrap_or_default()
}

/// The first line of an error message, without what a terminal would act on.
fn shown(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|it| !it.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// The innermost error is the one that says something.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(std::io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(std::io::ErrorKind::TimedOut) => "connection timed out".to_owned(),
        _ => innermost.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;
    use std::collections::BTreeMap;

    fn post(out: &str) -> Post {
        let target = Target::parse(out, &BTreeMap::new()).unwrap();
        Post::open(target.door, &target.wire).unwrap()
    }

    #[test]
    fn a_server_that_may_take_it_later_is_asked_again() {
        let (prometheus, otlp) = (post("prometheus"), post("otlp"));
        for (status, of_prometheus, of_otlp) in [
            (429, true, true),
            (500, true, false),
            (502, true, true),
            (503, true, true),
            (400, false, false),
            (302, false, false),
            (401, false, false),
        ] {
            let again = |post: &Post| {
                let status = StatusCode::from_u16(status).unwrap();
                matches!(post.judge(status, &HeaderMap::new(), b""), Reply::Later(..))
            };
            assert_eq!((again(&prometheus), again(&otlp)), (of_prometheus, of_otlp), "{status}");
        }
    }

    #[test]
    fn a_server_may_say_when_but_not_for_ever() {
        for (said, after) in [("7", 7), ("86400", 30)] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, said.parse().unwrap())]);
            let reply = post("prometheus").judge(StatusCode::SERVICE_UNAVAILABLE, &headers, b"");
            let why = "503 Service Unavailable".to_owned();
            assert_eq!(reply, Reply::Later(why, Some(Duration::from_secs(after))));
        }
    }

    #[test]
    fn what_a_server_says_is_shown_in_short_and_cannot_write_to_the_terminal() {
        let answer = format!("out of \u{1b}[31morder samples{}\nmore", "x".repeat(999));
        let reply =
            post("prometheus").judge(StatusCode::BAD_REQUEST, &HeaderMap::new(), answer.as_bytes());
        let Reply::Refused(why) = reply else { panic!("{reply:?}") };
        assert!(why.starts_with("400 Bad Request: out of [31morder samplesxx"), "{why}");
        assert!(why.len() < 250 && !why.contains("more"), "{why}");
    }
}
