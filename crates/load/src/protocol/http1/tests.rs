//! The reader against answers as servers send them, in every split, and against noise.

mod peer;

use proptest::prelude::*;

use super::reader::{Event, HEAD_BYTES_MAX, Memo, Reader};
use super::*;
use crate::call::What;
use crate::protocol::CallError;
use crate::template::{NoValues, Template};

/// What a reader says of a connection's bytes: status, body, and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    status: Option<u16>,
    body: Vec<u8>,
    done: Option<bool>,
    rest: usize,
    malformed: bool,
    whole_at_end: bool,
}

fn read_in(pieces: &[&[u8]], without_body: bool, memo: &mut Memo) -> Read {
    let mut reader = Reader::default();
    reader.expect(without_body);
    let (status, body) = (None, Vec::new());
    let mut read =
        Read { status, body, done: None, rest: 0, malformed: false, whole_at_end: false };
    for piece in pieces {
        let mut input = *piece;
        loop {
            match reader.next(memo, &mut input) {
                Ok(Some(Event::Head { status })) => read.status = Some(status),
                Ok(Some(Event::Body(data))) => read.body.extend_from_slice(data),
                Ok(Some(Event::Done { keep_alive })) => read.done = Some(keep_alive),
                Ok(None) => break,
                Err(Malformed) => {
                    read.malformed = true;
                    return read;
                }
            }
        }
        read.rest += input.len();
    }
    read.whole_at_end = reader.is_whole_at_end();
    read
}

fn read(bytes: &str) -> Read {
    read_in(&[bytes.as_bytes()], false, &mut Memo::default())
}

fn whole(bytes: &str) -> (u16, String, bool) {
    let read = read(bytes);
    assert_eq!((read.malformed, read.rest), (false, 0), "{read:?}");
    (read.status.unwrap(), String::from_utf8(read.body).unwrap(), read.done.unwrap())
}

#[test]
fn a_body_ends_after_its_length() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(whole(answer), (200, "hello".to_owned(), true));
    assert_eq!(read(&format!("{answer}HTTP/")).rest, 5);
}

#[test]
fn a_body_ends_after_its_last_chunk_and_trailers() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n\
                  5;name=value\r\nhello\r\n1 \r\n!\r\n000\r\ndigest: x\r\n\r\n";
    assert_eq!(whole(answer), (200, "hello!".to_owned(), true));
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let read = read("HTTP/1.1 200 OK\r\n\r\nhello");
    assert_eq!((read.body.as_slice(), read.done, read.whole_at_end), (&b"hello"[..], None, true));
}

#[test]
fn an_answer_that_stops_short_is_broken() {
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-",
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let read = read(bytes);
        assert_eq!((read.done, read.whole_at_end, read.malformed), (None, false, false), "{bytes}");
    }
}

#[test]
fn answers_to_head_and_204_and_304_have_no_body() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(read_in(&[head], true, &mut Memo::default()).done, Some(true));
    for status in [204, 304] {
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\n\r\n");
        assert_eq!(whole(&answer), (status, String::new(), true));
    }
}

#[test]
fn informational_answers_are_passed_over_and_a_switch_of_protocols_is_not() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let answer = format!("{early}{early}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(whole(&answer), (200, String::new(), true));
    assert!(read("HTTP/1.1 101 Switching Protocols\r\n\r\n").malformed);
}

#[test]
fn the_connection_is_kept_as_version_and_header_say() {
    for (version, connection, kept) in [
        ("1.1", "", true),
        ("1.1", "connection: x, Close\r\n", false),
        ("1.0", "", false),
        ("1.0", "connection: Keep-Alive\r\n", true),
        ("1.1", "transfer-encoding: chunked\r\n", false),
    ] {
        let body = if connection.starts_with('t') { "0\r\n\r\n" } else { "" };
        let answer =
            format!("HTTP/{version} 200 OK\r\ncontent-length: 0\r\n{connection}\r\n{body}");
        assert_eq!(whole(&answer).2, kept, "{answer}");
    }
}

#[test]
fn what_is_no_http_is_malformed_and_never_skipped() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for bytes in [
        "SSH-2.0",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        &format!("{chunked}\r\n"),
        &format!("{chunked}5\nhello"),
        &format!("{chunked}5\r\nhelloX"),
        &format!("{chunked}10000000000000000\r\n"),
    ] {
        assert!(read(bytes).malformed, "{bytes}");
    }
}

#[test]
fn a_head_without_end_is_refused_at_the_limit() {
    let line = format!("x: {}\r\n", "y".repeat(1_000));
    let mut reader = Reader::default();
    reader.expect(false);
    let mut memo = Memo::default();
    assert_eq!(reader.next(&mut memo, &mut &b"HTTP/1.1 200 OK\r\n"[..]), Ok(None));
    let refused = (0..80).position(|_| reader.next(&mut memo, &mut line.as_bytes()).is_err());
    assert_eq!(refused, Some(HEAD_BYTES_MAX / line.len()));
}

fn call(
    method: &str,
    path: Template,
    headers: &[(&str, Template)],
    body: Option<Template>,
) -> Call {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let what = What::Http { method: method.to_owned(), path, headers, body };
    Call { what, wants_headers: Headers::None, wants_body: false }
}

/// Each slot has a value that would break out of its place.
struct Nasty(Option<&'static str>);

impl Values for Nasty {
    fn put(&self, _: u32, out: &mut Vec<u8>) {
        out.extend_from_slice("a b\r\nx: é".as_bytes());
    }

    fn cookie(&self) -> Option<&[u8]> {
        self.0.map(str::as_bytes)
    }
}

fn written(call: &Call, values: &dyn Values) -> String {
    let mut out = Vec::new();
    Request::new("shop:80", call).unwrap().write(values, &mut out);
    String::from_utf8(out).unwrap().replace(env!("CARGO_PKG_VERSION"), "0")
}

#[test]
fn a_request_is_written_as_it_must_be() {
    let headers = [("x-test", Template::text("1"))];
    let call = call("POST", Template::text("/checkout?x=1"), &headers, Some(Template::text("{}")));
    let head = "POST /checkout?x=1 HTTP/1.1\r\nhost: shop:80\r\nuser-agent: evenkeel/0\r\n\
                connection: keep-alive\r\nx-test: 1\r\ncontent-length: 2\r\n";
    assert_eq!(written(&call, &NoValues), format!("{head}\r\n{{}}"));
    assert_eq!(written(&call, &Nasty(Some("a=1"))), format!("{head}cookie: a=1\r\n\r\n{{}}"));
}

#[test]
fn values_stay_in_their_place() {
    let headers = [("x-test", Template::text("<").then_slot(0).then(">"))];
    let body = Template::default().then_slot(0);
    let call = call("PUT", Template::text("/p/").then_slot(0), &headers, Some(body));
    assert_eq!(
        written(&call, &Nasty(None)),
        "PUT /p/a%20b%0D%0Ax:%20%C3%A9 HTTP/1.1\r\nhost: shop:80\r\nuser-agent: evenkeel/0\r\n\
         connection: keep-alive\r\nx-test: <a b  x: é>\r\ncontent-length: 10\r\n\r\na b\r\nx: é"
    );
}

#[test]
fn a_request_that_could_smuggle_another_is_refused_without_being_shown() {
    let refused = |call: Call| Request::new("h", &call).unwrap_err();
    let with = |name: &str, value: &str| {
        refused(call("GET", Template::text("/"), &[(name, Template::text(value))], None))
    };
    let error = with("authorization", "hunter2\r\nx: y");
    assert_eq!(error, CallError::HeaderValue { name: "authorization".to_owned() });
    assert!(!error.to_string().contains("hunter2"));
    assert!(matches!(with("Content-Length", "3"), CallError::HeaderOurs { .. }));
    assert!(matches!(with("a b", "3"), CallError::HeaderName { .. }));
    assert_eq!(refused(call("GET", Template::text("/a b"), &[], None)), CallError::Path);
    assert_eq!(refused(call("GE T", Template::text("/"), &[], None)), CallError::Method);
}

#[test]
fn headers_are_told_to_those_who_want_them() {
    let answer = b"HTTP/1.1 200 OK\r\nA: 1 \r\nSet-Cookie: x=y\r\ncontent-length: 0\r\n\r\n";
    let told = |wants| {
        let mut memo = Memo::default();
        let call = Call { wants_headers: wants, ..call("GET", Template::text("/"), &[], None) };
        let request = Request::new("h", &call).unwrap();
        let mut connection = Http1::open(&mut memo, &mut Vec::new());
        connection.begin(&mut memo, 7, &request, &NoValues, Moment::START, &mut Vec::new());
        let (mut input, mut told) = (&answer[..], Vec::new());
        while let Some(heard) = connection.read(&mut memo, &mut input, &mut Vec::new()).unwrap() {
            if let Heard::Header { exchange: 7, name, value } = heard {
                let text = |it: &[u8]| String::from_utf8(it.to_vec()).unwrap();
                told.push(format!("{}={}", text(name), text(value)));
            }
        }
        assert_eq!(connection.standing(), Standing::Open(1));
        told.join(" ")
    };
    assert_eq!(told(Headers::None), "");
    assert_eq!(told(Headers::Cookies), "Set-Cookie=x=y");
    assert_eq!(told(Headers::All), "A=1 Set-Cookie=x=y content-length=0");
}

#[test]
fn a_body_may_be_passed_over_but_nothing_after_it() {
    for (passed, whole, standing) in
        [(3, false, Standing::Open(0)), (5, true, Standing::Open(1)), (6, true, Standing::Closing)]
    {
        let mut memo = Memo::default();
        let request = Request::new("h", &call("GET", Template::text("/"), &[], None)).unwrap();
        let mut connection = Http1::open(&mut memo, &mut Vec::new());
        assert_eq!(connection.unseen(), 0);
        connection.begin(&mut memo, 7, &request, &NoValues, Moment::START, &mut Vec::new());
        let mut input = &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"[..];
        while connection.read(&mut memo, &mut input, &mut Vec::new()).unwrap().is_some() {}
        assert_eq!(connection.unseen(), 5);
        connection.pass_over(passed);
        let heard = connection.read(&mut memo, &mut &[][..], &mut Vec::new()).unwrap();
        assert_eq!(heard == Some(Heard::Done { exchange: 7 }), whole, "{passed}");
        assert_eq!(connection.standing(), standing, "{passed}");
    }
}

/// Answers of every framing, some of them damaged at one byte.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![Just(200u16), Just(204), Just(304), Just(404), Just(500)];
    let body = proptest::collection::vec(any::<u8>(), 0..40);
    let damage = proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (status, body, 0..4u8, any::<bool>(), damage).prop_map(
        |(status, body, framing, hint, damage)| {
            let mut bytes = Vec::new();
            if hint {
                bytes.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            bytes.extend_from_slice(format!("HTTP/1.1 {status} X\r\n").as_bytes());
            match framing {
                0 => bytes.extend_from_slice(
                    format!("content-length: {}\r\n\r\n", body.len()).as_bytes(),
                ),
                1 => bytes.extend_from_slice(b"\r\n"),
                _ => bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n"),
            }
            if framing < 2 {
                bytes.extend_from_slice(&body);
            } else {
                for chunk in body.chunks(7) {
                    bytes.extend_from_slice(format!("{:x};x\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\nt: x\r\n\r\nrest");
            }
            if let Some((at, byte)) = damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

proptest! {
    #[test]
    fn every_split_of_the_bytes_means_the_same(bytes in answers()) {
        let mut memo = Memo::default();
        let together = read_in(&[&bytes], false, &mut memo);
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            prop_assert_eq!(&read_in(&[first, second], false, &mut memo), &together, "at {}", at);
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(read_in(&single, false, &mut memo), together);
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1usize..9) {
        let begun = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".as_slice(), &bytes].concat();
        for bytes in [bytes, begun] {
            read_in(&bytes.chunks(size).collect::<Vec<_>>(), false, &mut Memo::default());
        }
    }
}
