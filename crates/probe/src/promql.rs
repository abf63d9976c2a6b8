//! PromQL: one number of a server that speaks the HTTP API of Prometheus, as it is now.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>.

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::Seen;
use crate::address::Address;
use crate::exchange::{self, Body, Deadline};

/// No more of a server's complaint is repeated.
const SHOWN_CHARS_MAX: usize = 200;

/// Whether the number is as it must be, and what it was in the words of `show`.
pub(crate) async fn holds(
    (url, query): (&str, &str),
    within: Duration,
    is_right: impl Fn(f64) -> bool,
    show: impl Fn(f64) -> String,
) -> Seen {
    let began = Instant::now();
    let said = ask(url, query, within, crate::dial).await;
    let (held, detail) = match said {
        Ok(value) => (is_right(value), show(value)),
        Err(error) => (false, error),
    };
    Seen { held, detail, took: began.elapsed() }
}

pub(crate) async fn ask<S, F>(
    url: &str,
    query: &str,
    within: Duration,
    connect: impl FnOnce(Address) -> F,
) -> Result<f64, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = io::Result<S>>,
{
    let address = Address::of_document(&address(url, query)).map_err(|error| error.to_string())?;
    let deadline = Deadline::in_(within);
    let answer =
        exchange::get(&address, deadline, connect).await.map_err(|error| error.to_string())?;
    let status = answer.status;
    let body = answer.body(deadline).await.map_err(|error| error.to_string())?;
    value(status, &body)
}

/// The URL of the query below that of the server, which may have a path of its own.
fn address(url: &str, query: &str) -> String {
    let base = url.trim().trim_end_matches('/');
    let mut text = format!("{base}/api/v1/query?query=");
    for byte in query.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    text
}

fn value(status: u16, body: &Body) -> Result<f64, String> {
    if body.is_cut {
        return Err("the answer is larger than 1 MiB: ask for one number".to_owned());
    }
    let said: Value = match serde_json::from_slice(&body.bytes) {
        Ok(said) => said,
        Err(_) if status == 200 => return Err("the answer is not JSON".to_owned()),
        Err(_) => return Err(format!("the server answers {status}")),
    };
    if let Some(complaint) = said["error"].as_str() {
        let shown: String =
            complaint.chars().filter(|it| !it.is_control()).take(SHOWN_CHARS_MAX).collect();
        return Err(format!("the server answers {status}: {shown}"));
    }
    if status != 200 {
        return Err(format!("the server answers {status}"));
    }
    let data = &said["data"];
    let sample = match data["resultType"].as_str() {
        Some("scalar") => &data["result"],
        Some("vector") => match data["result"].as_array().map(Vec::as_slice) {
            Some([one]) => &one["value"],
            Some([]) => return Err("the query finds nothing".to_owned()),
            Some(many) => {
                return Err(format!(
                    "the query finds {} series, and one is expected: add them up, or choose one",
                    many.len()
                ));
            }
            None => return Err("the answer is not that of a query".to_owned()),
        },
        Some(other) => {
            return Err(format!("the query finds a {other}, and one number is expected"));
        }
        None => return Err("the answer is not that of a query".to_owned()),
    };
    let Some(text) = sample[1].as_str() else {
        return Err("the query finds a histogram, and one number is expected".to_owned());
    };
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(format!("the query finds {text}, which is no number")),
        Err(_) => Err("the answer is not that of a query".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    fn of(status: u16, text: &str) -> Result<f64, String> {
        value(status, &Body { bytes: text.as_bytes().to_vec(), is_cut: false })
    }

    fn vector(series: &str) -> Result<f64, String> {
        let head = r#"{"status":"success","data":{"resultType":"vector","result":["#;
        of(200, &format!("{head}{series}]}}}}"))
    }

    #[test]
    fn one_number_is_read_from_a_scalar_and_from_one_series() {
        let scalar =
            r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000.1,"2.5"]}}"#;
        assert_eq!(of(200, scalar), Ok(2.5));
        assert_eq!(
            vector(r#"{"metric":{"job":"shop"},"value":[1700000000.1,"-3e2"]}"#),
            Ok(-300.0)
        );
    }

    #[test]
    fn everything_else_says_what_it_is() {
        const ONE: &str = r#"{"metric":{},"value":[1,"1"]}"#;
        for (answer, error) in [
            (vector(""), "the query finds nothing"),
            (vector(&format!("{ONE},{ONE}")), "the query finds 2 series, and one is expected"),
            (vector(r#"{"metric":{},"value":[1,"NaN"]}"#), "the query finds NaN"),
            (vector(r#"{"metric":{},"value":[1,"+Inf"]}"#), "the query finds +Inf"),
            (vector(r#"{"metric":{},"histogram":[1,{}]}"#), "the query finds a histogram"),
            (vector(r#"{"metric":{},"value":[1,"many"]}"#), "not that of a query"),
            (of(200, r#"{"data":{"resultType":"matrix","result":[]}}"#), "finds a matrix"),
            (of(200, r#"{"data":{"resultType":"vector"}}"#), "not that of a query"),
            (of(200, "[]"), "not that of a query"),
            (of(200, "<html>"), "the answer is not JSON"),
            (of(502, "<html>"), "the server answers 502"),
            (
                of(
                    400,
                    r#"{"status":"error","errorType":"bad_data","error":"1:5: parse\u001b error"}"#,
                ),
                "the server answers 400: 1:5: parse error",
            ),
        ] {
            let found = answer.unwrap_err();
            assert!(found.contains(error), "{found} for {error}");
        }
        let cut = value(200, &Body { bytes: Vec::new(), is_cut: true }).unwrap_err();
        assert!(cut.contains("1 MiB"), "{cut}");
    }

    #[test]
    fn a_query_is_written_so_that_it_stays_one() {
        let text = address("http://prometheus:9090/base/", "sum(up{job=\"a&b\"}) + 1");
        let expected = "http://prometheus:9090/base/api/v1/query?query=\
                        sum%28up%7Bjob%3D%22a%26b%22%7D%29%20%2B%201";
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn a_server_is_asked_in_time() {
        let (ours, mut theirs) = duplex(4096);
        let server = tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(theirs.read_u8().await.unwrap());
            }
            let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}"#;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            theirs.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let within = Duration::from_secs(30);
        let value = ask("http://prometheus", "up", within, |_| async { Ok(ours) }).await;
        assert_eq!(value, Ok(7.0));
        assert!(server.await.unwrap().starts_with("GET /api/v1/query?query=up HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn a_url_that_cannot_be_asked_says_so() {
        let within = Duration::from_secs(1);
        let never = |_| std::future::pending::<io::Result<tokio::io::DuplexStream>>();
        let error = ask("ftp://prometheus", "up", within, never).await.unwrap_err();
        assert!(error.starts_with("`ftp` is not spoken"), "{error}");
    }
}
