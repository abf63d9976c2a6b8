//! Answer: what goes out, and how it is packed.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// A smaller answer is not worth packing: it goes in one packet.
const PACKED_FROM: usize = 1400;

/// The body of an answer, packed where the request that it belongs to takes that and it is worth it.
#[derive(Copy, Clone, Debug, Default)]
pub struct Packing {
    takes_gzip: bool,
}

impl Packing {
    /// What the headers of a request take.
    pub fn of(headers: &HeaderMap) -> Self {
        let taken =
            headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|it| it.to_str().ok());
        let takes_gzip = taken.flat_map(|it| it.split(',')).any(|it| {
            let (coding, weight) = it.split_once(';').unwrap_or((it, ""));
            let is_refused =
                weight.trim().trim_start_matches("q=").parse::<f32>().is_ok_and(|it| it <= 0.0);
            coding.trim().eq_ignore_ascii_case("gzip") && !is_refused
        });
        Self { takes_gzip }
    }

    /// An answer like that of [`with`].
    pub fn with(
        self,
        status: StatusCode,
        content: &'static str,
        body: impl Into<Bytes>,
    ) -> Response<Full<Bytes>> {
        let body = body.into();
        if !self.takes_gzip || body.len() < PACKED_FROM {
            return with(status, content, body);
        }
        let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        // A vector takes everything.
        let written = gzip.write_all(&body).and_then(|()| gzip.finish());
        let mut response = with(status, content, written.unwrap_or_default());
        let encoding = HeaderValue::from_static("gzip");
        response.headers_mut().insert(header::CONTENT_ENCODING, encoding);
        response
    }
}

/// An answer in plain text.
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", text)
}

/// An answer that no other page may frame, embed, or find in a cache.
pub fn with(
    status: StatusCode,
    content: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_TYPE, content),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_packed_for_those_who_take_it_and_when_it_is_worth_it() {
        let packed = |accepted: &'static str, length: usize| {
            let accepted = (header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            let packing = Packing::of(&HeaderMap::from_iter([accepted]));
            let answer = packing.with(StatusCode::OK, "text/plain", vec![b'a'; length]);
            answer.headers().contains_key(header::CONTENT_ENCODING)
        };
        assert!(packed("gzip", 9_000) && packed("br, GZIP;q=0.5", 9_000));
        assert!(!packed("gzip", 100) && !packed("br", 9_000) && !packed("gzip; q=0", 9_000));
    }
}
