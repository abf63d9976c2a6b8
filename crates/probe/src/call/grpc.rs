//! gRPC: `Check` of the health service, as a kubelet asks it.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>, and for what is on the wire `PROTOCOL-HTTP2.md` beside it.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::Builder;
use hyper::header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT};
use hyper::{Request, StatusCode};
use percent_encoding::percent_decode_str;
use prost::Message;
use tokio::task::JoinSet;

use super::line::Stream;
use super::notes::{Notes, Phase};
use super::{Call, Trouble, short};
use crate::address::Address;
use crate::in_words;

const PATH: &str = "/grpc.health.v1.Health/Check";
/// The answer is one small number.
const BODY_BYTES_MAX: usize = 64 * 1_024;
const HEADER_BYTES_MAX: u32 = 32 * 1_024;

#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

pub(super) async fn ask(
    call: &Call,
    address: &Address,
    stream: Stream,
    notes: &mut Notes,
) -> Result<String, Trouble> {
    let service = address.name().ok_or("the name of the service is no text")?;
    notes.enter(Phase::FirstByte);
    let request = request(call, address, notes.left())?;
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(HEADER_BYTES_MAX);
    let (sender, connection) = builder.handshake::<_, Bytes>(stream).await.map_err(broken)?;
    let mut line = JoinSet::new();
    // An error of the connection reaches the request that waits for it.
    line.spawn(async move { drop(connection.await) });
    let mut sender = sender.ready().await.map_err(broken)?;
    let (answer, mut sent) = sender.send_request(request, false).map_err(broken)?;
    let message = HealthCheckRequest { service: service.clone() }.encode_to_vec();
    sent.send_data(framed(&message), true).map_err(broken)?;
    let (head, mut body) = answer.await.map_err(broken)?.into_parts();
    notes.enter(Phase::Rest);
    let kind = head.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if head.status != StatusCode::OK || !kind.starts_with("application/grpc") {
        return Err(
            format!("it answers {} of HTTP, and not as gRPC does", head.status.as_u16()).into()
        );
    }
    let said = read(&mut body).await?;
    let trailers = body.trailers().await.map_err(broken)?;
    let ended = trailers.as_ref().unwrap_or(&head.headers);
    let code = number(ended, "grpc-status");
    let (serving, verdict) = judge(code, ended, &said, &service);
    if let Some(code) = code {
        notes.fact("grpc_status", code);
    }
    if !serving.is_empty() {
        notes.fact("serving", serving);
    }
    verdict
}

fn request(call: &Call, address: &Address, left: Duration) -> Result<Request<()>, Trouble> {
    let scheme = if address.scheme.is_secure() { "https" } else { "http" };
    let mut request = Request::post(format!("{scheme}://{}{PATH}", address.authority))
        .body(())
        .map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.extend(call.headers.clone());
    for (name, value) in
        [(CONTENT_TYPE, "application/grpc"), (TE, "trailers"), (USER_AGENT, "evenkeel-probe")]
    {
        headers.insert(name, hyper::header::HeaderValue::from_static(value));
    }
    // So that the server does not work on what nobody waits for.
    let limit = format!("{}m", left.as_millis().clamp(1, 99_999_999));
    if let Ok(limit) = limit.parse() {
        headers.insert("grpc-timeout", limit);
    }
    Ok(request)
}

/// Not compressed, so many bytes, and these.
fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

async fn read(body: &mut RecvStream) -> Result<Vec<u8>, Trouble> {
    let mut said = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(broken)?;
        if said.len() + data.len() > BODY_BYTES_MAX {
            return Err("it says more than any health service would".into());
        }
        said.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len()).map_err(broken)?;
    }
    Ok(said)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u16> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// What it says of the service, in the words of the protocol, and what that means.
fn judge(
    code: Option<u16>,
    ended: &HeaderMap,
    said: &[u8],
    service: &str,
) -> (&'static str, Result<String, Trouble>) {
    let message = || {
        let text = ended.get("grpc-message").map(|it| String::from_utf8_lossy(it.as_bytes()));
        let text = text.unwrap_or_default();
        short(&percent_decode_str(&text).decode_utf8_lossy())
    };
    match code {
        Some(0) => match status(said) {
            Some(1) => ("SERVING", Ok("SERVING".to_owned())),
            Some(2) => ("NOT_SERVING", Err("NOT_SERVING".into())),
            Some(3) => ("SERVICE_UNKNOWN", Err(format!("it knows no service `{service}`").into())),
            Some(_) => ("UNKNOWN", Err("UNKNOWN: it does not say whether it serves".into())),
            None => ("", Err("its answer is not that of a health service".into())),
        },
        Some(5) => ("SERVICE_UNKNOWN", Err(format!("it knows no service `{service}`").into())),
        Some(12) => {
            let why =
                "it has no health service (grpc.health.v1): ask a port that has one, or `tcp://`";
            ("UNIMPLEMENTED", Err(why.into()))
        }
        Some(code) => {
            ("", Err(format!("the call ended with {}: {}", name(code), message()).into()))
        }
        None => ("", Err("the call did not end as one of gRPC does".into())),
    }
}

fn status(said: &[u8]) -> Option<i32> {
    let (head, message) = said.split_at_checked(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if head[0] != 0 || message.len() != length {
        return None;
    }
    HealthCheckResponse::decode(message).ok().map(|it| it.status)
}

fn name(code: u16) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(usize::from(code)).map_or_else(|| code.to_string(), |it| (*it).to_owned())
}

fn broken(error: h2::Error) -> Trouble {
    if let Some(error) = error.get_io() {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "the connection was closed half-way".into(),
            _ => in_words(error).into(),
        };
    }
    if error.is_go_away() && error.is_library() {
        return "what answers does not speak HTTP/2".into();
    }
    match error.source() {
        Some(source) => format!("the call broke: {error}: {source}").into(),
        None => format!("the call broke: {error}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    fn judged(code: u16, said: &[u8]) -> (&'static str, Result<String, Trouble>) {
        judge(Some(code), &HeaderMap::new(), said, "shop.Cart")
    }

    #[test]
    fn what_a_health_service_says_is_told_in_its_own_words() {
        let of = |status: i32| framed(&HealthCheckResponse { status }.encode_to_vec());
        assert_eq!(judged(0, &of(1)), ("SERVING", Ok("SERVING".to_owned())));
        for (answer, serving, why) in [
            (judged(0, &of(0)), "UNKNOWN", "does not say"),
            (judged(0, &of(2)), "NOT_SERVING", "NOT_SERVING"),
            (judged(0, &of(3)), "SERVICE_UNKNOWN", "`shop.Cart`"),
            (judged(5, b""), "SERVICE_UNKNOWN", "`shop.Cart`"),
            (judged(12, b""), "UNIMPLEMENTED", "no health service"),
            (judged(14, b""), "", "UNAVAILABLE"),
            (judged(99, b""), "", "99"),
            (judged(0, b""), "", "not that of a health service"),
            (judged(0, b"\x01\0\0\0\0"), "", "not that of a health service"),
        ] {
            let (said, Err(Trouble::Unhealthy(found))) = answer else { panic!("{why}") };
            assert!(said == serving && found.contains(why), "{said}: {found}");
        }
    }

    #[tokio::test]
    async fn what_speaks_otherwise_is_no_grpc() {
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"", &[0xff; 4_096]] {
            let (ours, mut theirs) = duplex(1 << 16);
            theirs.write_all(answer).await.unwrap();
            let server = tokio::spawn(async move {
                theirs.shutdown().await.unwrap();
                drop(theirs.read_to_end(&mut Vec::new()).await);
            });
            let address = Address::parse("grpc://shop:1").unwrap();
            let mut notes = Notes::begin(Duration::MAX);
            let said = ask(&Call::default(), &address, Box::new(ours), &mut notes).await;
            assert!(matches!(said, Err(Trouble::Unhealthy(_))), "{said:?}");
            server.await.unwrap();
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(code in 0_u16..20, said in prop::collection::vec(any::<u8>(), 0..20), text in "\\PC{0,9}") {
            let mut ended = HeaderMap::new();
            if let Ok(text) = text.parse() {
                ended.insert("grpc-message", text);
            }
            drop(judge(Some(code), &ended, &said, ""));
        }
    }
}
