//! Requests are found, answered and thrown away whatever pieces they come in.

use super::*;
use proptest::prelude::*;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n";
const POST: &[u8] = b"POST /b HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"POST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
    5;x=1\r\nhello\r\n0a\r\n0123456789\r\n0\r\ntrailer: 1\r\n\r\n";

/// Sorts one request after the other, each in pieces of `size`, all answered with 503 or all passed.
fn run(requests: &[&[u8]], size: usize, status: Option<u16>) -> (Vec<u8>, Vec<u8>) {
    let mut parser = Requests::default();
    let (mut forward, mut answer) = (Vec::new(), Vec::new());
    for request in requests {
        for piece in request.chunks(size) {
            let sorted = parser.sort(piece, true, |_| status);
            forward.extend(sorted.forward);
            answer.extend(sorted.answer);
        }
    }
    (forward, answer)
}

#[test]
fn an_answered_request_never_reaches_the_dependency_with_any_part_of_its_body() {
    let (forward, answer) = run(&[GET, POST, CHUNKED, GET], usize::MAX, Some(503));
    assert_eq!(forward, b"");
    assert_eq!(String::from_utf8(answer).unwrap().matches("HTTP/1.1 503").count(), 4);
}

#[test]
fn a_request_that_is_not_http_1_passes_for_ever() {
    let mut parser = Requests::default();
    let tls = b"\x16\x03\x01\x02\x00\x01\x00";
    assert_eq!(parser.sort(tls, true, |_| Some(503)).forward, tls);
    let h2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(parser.sort(h2, true, |_| Some(503)).forward, h2);
}

#[test]
fn a_fault_that_begins_amid_a_body_waits_for_the_next_request() {
    let mut parser = Requests::default();
    assert_eq!(parser.sort(b"POST of a body", false, |_| Some(503)).answer, b"");
    assert!(!parser.sort(GET, true, |_| Some(503)).answer.is_empty());
}

#[test]
fn a_pipelined_request_is_asked_about_and_passed() {
    let mut parser = Requests::default();
    let mut asked = Vec::new();
    let both = [GET, GET].concat();
    let sorted = parser.sort(&both, true, |free| {
        asked.push(free);
        None
    });
    assert_eq!((sorted.forward, asked), (both, vec![true, false]));
}

#[test]
fn a_client_that_waits_for_leave_is_answered_and_closed() {
    let mut parser = Requests::default();
    let head = b"PUT /d HTTP/1.1\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    let sorted = parser.sort(head, true, |_| Some(500));
    assert!(sorted.close);
    assert!(String::from_utf8(sorted.answer).unwrap().contains("connection: close"));
}

#[test]
fn leaving_amid_a_head_gives_its_bytes_back() {
    let mut parser = Requests::default();
    parser.sort(b"GET /a HT", true, |_| Some(503));
    assert_eq!(parser.leave(), b"GET /a HT");
    assert!(!parser.is_within());
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same(size in 1usize..90) {
        let requests = [GET, POST, CHUNKED, GET];
        prop_assert_eq!(run(&requests, size, None), (requests.concat(), Vec::new()));
        let (forward, answer) = run(&requests, size, Some(503));
        prop_assert_eq!(forward, b"");
        prop_assert_eq!(String::from_utf8(answer).unwrap().matches("HTTP/1.1 503").count(), 4);
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_is_not_answered_arrives(
        bytes in prop::collection::vec(any::<u8>(), 1..300), size in 1usize..60,
    ) {
        let mut parser = Requests::default();
        let mut forward = Vec::new();
        for piece in bytes.chunks(size) {
            forward.extend(parser.sort(piece, true, |_| None).forward);
        }
        forward.extend(parser.leave());
        prop_assert_eq!(forward, bytes);
    }
}
