//! Answers: bytes of HTTP/1.1 that came to their end, and what is said when the answer is no.

use std::io;

use serde::Deserialize;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// What the API says of a request that failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    message: String,
}

impl Answer {
    /// Reads an answer whose connection has ended.
    pub(super) fn read(heard: &[u8]) -> io::Result<Self> {
        let strange = || io::Error::new(io::ErrorKind::InvalidData, "this is no answer of HTTP");
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = head.parse(heard) else {
            return Err(strange());
        };
        let status = head.code.ok_or_else(strange)?;
        let rest = heard.get(length..).unwrap_or_default();
        let field = |name: &str| {
            let found = head.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
            found.and_then(|it| std::str::from_utf8(it.value).ok()).map(str::trim)
        };
        let torn = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let body = match (field("transfer-encoding"), field("content-length")) {
            (Some(it), _) if it.eq_ignore_ascii_case("chunked") => unchunk(rest)?,
            (_, Some(it)) => {
                let length: usize = it.parse().map_err(|_| strange())?;
                rest.get(..length).ok_or_else(torn)?.to_vec()
            }
            _ => rest.to_vec(),
        };
        Ok(Self { status, body })
    }

    /// What it says, in a few words.
    pub(super) fn said(&self) -> String {
        let Status { message, details } = self.failure();
        let causes = details.causes.into_iter().map(|it| it.message);
        let parts: Vec<String> = [message].into_iter().chain(causes).collect();
        let parts: Vec<String> = parts.into_iter().filter(|it| !it.is_empty()).collect();
        match parts.is_empty() {
            true => "it does not say why".to_owned(),
            // It may be anything that stands before the cluster.
            false => parts.join(": ").chars().filter(|it| !it.is_control()).take(400).collect(),
        }
    }

    /// Whether a disruption budget stands against it, and not a server that has too much to do.
    pub(super) fn is_of_budget(&self) -> bool {
        let causes = self.failure().details.causes;
        self.status == 429 && causes.iter().any(|it| it.reason == "DisruptionBudget")
    }

    fn failure(&self) -> Status {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The pieces of a body put together.
fn unchunk(mut rest: &[u8]) -> io::Result<Vec<u8>> {
    let torn = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((from, size))) = httparse::parse_chunk_size(rest) else {
            return Err(torn());
        };
        if size == 0 {
            return Ok(body);
        }
        let size = usize::try_from(size).map_err(|_| torn())?;
        let to = from.checked_add(size).ok_or_else(torn)?;
        body.extend_from_slice(rest.get(from..to).ok_or_else(torn)?);
        rest = rest.get(to..).and_then(|it| it.strip_prefix(b"\r\n")).ok_or_else(torn)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_body_comes_whole_in_pieces_or_is_torn() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let whole = format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        assert_eq!(Answer::read(whole.as_bytes()).unwrap().body, b"abcde");
        let cut = format!("{head}3\r\nabc\r\n2\r\nd");
        assert!(Answer::read(cut.as_bytes()).is_err());
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc";
        assert!(Answer::read(cut.as_bytes()).is_err());
    }

    #[test]
    fn a_budget_is_told_from_a_busy_server() {
        let of = |body: &str| Answer { status: 429, body: body.as_bytes().to_vec() };
        let budget = of(r#"{"message": "Cannot evict pod", "details": {"causes": [
            {"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods"}]}}"#);
        assert!(budget.is_of_budget());
        assert_eq!(
            budget.said(),
            "Cannot evict pod: The disruption budget web needs 2 healthy pods"
        );
        assert!(!of(r#"{"message": "too many requests"}"#).is_of_budget());
        assert_eq!(of("<html>").said(), "it does not say why");
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(heard: Vec<u8>, size in 0u64..=u64::MAX) {
            Answer::read(&heard).map(drop).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n");
            Answer::read(&[head.as_bytes(), &heard].concat()).map(drop).unwrap_or_default();
        }
    }
}
