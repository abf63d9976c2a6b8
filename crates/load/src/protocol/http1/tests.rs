//! The reader against answers as servers send them, in every split, and against noise.

use proptest::prelude::*;

use super::*;

/// What a reader says of a connection's bytes: status, body, and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    status: Option<u16>,
    body: Vec<u8>,
    done: Option<bool>,
    rest: usize,
    malformed: bool,
    end: End,
}

fn read_in(pieces: &[&[u8]], without_body: bool, reader: &mut Reader) -> Read {
    reader.expect(without_body);
    let (status, body) = (None, Vec::new());
    let mut read = Read { status, body, done: None, rest: 0, malformed: false, end: End::Broken };
    for piece in pieces {
        let mut input = *piece;
        loop {
            match reader.next(&mut input) {
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
    read.end = reader.end();
    read
}

fn read(bytes: &str) -> Read {
    read_in(&[bytes.as_bytes()], false, &mut Reader::default())
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
    assert_eq!((read.body.as_slice(), read.done, read.end), (&b"hello"[..], None, End::Whole));
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
        assert_eq!((read.done, read.end, read.malformed), (None, End::Broken, false), "{bytes}");
    }
}

#[test]
fn answers_to_head_and_204_and_304_have_no_body() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(read_in(&[head], true, &mut Reader::default()).done, Some(true));
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
    assert_eq!(reader.next(&mut &b"HTTP/1.1 200 OK\r\n"[..]), Ok(None));
    let refused = (0..80).position(|_| reader.next(&mut line.as_bytes()).is_err());
    assert_eq!(refused, Some(HEAD_BYTES_MAX / line.len()));
}

#[test]
fn a_request_is_written_as_it_must_be() {
    let headers = [("x-test".to_owned(), "1".to_owned())];
    let request = encode("shop:80", "POST", "/checkout?x=1", &headers, Some("{}")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        String::from_utf8(request).unwrap(),
        format!(
            "POST /checkout?x=1 HTTP/1.1\r\nhost: shop:80\r\nuser-agent: evenkeel/{version}\r\n\
             connection: keep-alive\r\ncontent-length: 2\r\nx-test: 1\r\n\r\n{{}}"
        )
    );
}

#[test]
fn a_request_that_could_smuggle_another_is_refused_without_being_shown() {
    let with = |name: &str, value: &str| {
        encode("h", "GET", "/", &[(name.to_owned(), value.to_owned())], None).unwrap_err()
    };
    let error = with("authorization", "hunter2\r\nx: y");
    assert_eq!(error, RequestError::HeaderValue { name: "authorization".to_owned() });
    assert!(!error.to_string().contains("hunter2"));
    assert!(matches!(with("Content-Length", "3"), RequestError::HeaderOurs { .. }));
    assert!(matches!(with("a b", "3"), RequestError::HeaderName { .. }));
    assert_eq!(encode("h", "GET", "/a b", &[], None), Err(RequestError::Path));
    assert_eq!(encode("h", "GE T", "/", &[], None), Err(RequestError::Method));
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
        let mut reader = Reader::default();
        let together = read_in(&[&bytes], false, &mut reader);
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            prop_assert_eq!(&read_in(&[first, second], false, &mut reader), &together, "at {}", at);
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(read_in(&single, false, &mut reader), together);
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1usize..9) {
        let begun = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".as_slice(), &bytes].concat();
        for bytes in [bytes, begun] {
            read_in(&bytes.chunks(size).collect::<Vec<_>>(), false, &mut Reader::default());
        }
    }
}
