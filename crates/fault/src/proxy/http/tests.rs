//! Requests and answers are found, and something is done to them, whatever pieces they come in.

use std::collections::BTreeMap;

use evenkeel_model::document::{AnswerChange, HeaderChange, Requests};
use evenkeel_units::{Bytes, Ratio, Seed};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::proxy::toxic::{Laid, Toxic};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n";
const POST: &[u8] = b"POST /b HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"POST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
    5;x=1\r\nhello\r\n0a\r\n0123456789\r\n0\r\ntrailer: 1\r\n\r\n";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const PIECES: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    5;x=1\r\n{\"a\":\r\n0a\r\n1, \"b\": 2}\r\n0\r\ntrailer: 1\r\n\r\n";
const EMPTY: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

fn laid(acts: impl IntoIterator<Item = Act>) -> Toxics {
    let toxic = |act| {
        let http = Http { share: Ratio::ONE, of: Requests::default(), act };
        Laid::new(Toxic::Http(Box::new(http)).into(), Seed(1).stream("toxic"))
    };
    Toxics(acts.into_iter().map(toxic).enumerate().collect::<BTreeMap<_, _>>())
}

fn nothing() -> Toxics {
    laid([])
}

fn unavailable() -> Toxics {
    laid([Act::Answer { status: 503 }])
}

fn response(response: AnswerChange) -> Toxics {
    laid([Act::Change { request: HeaderChange::default(), response }])
}

fn body(body: BodyChange) -> Toxics {
    response(AnswerChange { body: Some(body), ..AnswerChange::default() })
}

/// Both ends of a connection, and what has reached them.
#[derive(Default)]
struct Ends {
    exchanges: Exchanges,
    dependency: Vec<u8>,
    client: Vec<u8>,
    late: Vec<Duration>,
    closed: bool,
}

impl Ends {
    fn ask(&mut self, bytes: &[u8], size: usize, toxics: &Toxics) {
        for piece in bytes.chunks(size) {
            let sorted = self.exchanges.request(piece, true, toxics);
            self.take(sorted);
        }
    }

    fn answer(&mut self, bytes: &[u8], size: usize, toxics: &Toxics) {
        for piece in bytes.chunks(size) {
            if !self.closed {
                let sorted = self.exchanges.answer(piece, toxics);
                self.take(sorted);
            }
        }
    }

    fn take(&mut self, sorted: Sorted) {
        self.dependency.extend(sorted.up);
        for piece in sorted.down {
            self.client.extend(piece.bytes);
            self.late.push(piece.late);
        }
        self.closed |= sorted.close;
    }

    fn client(&self) -> &str {
        std::str::from_utf8(&self.client).unwrap()
    }
}

/// One exchange after the other, in pieces.
fn exchanged(exchanges: &[(&[u8], &[u8])], size: usize, toxics: &Toxics) -> Ends {
    let mut ends = Ends::default();
    for (request, answer) in exchanges {
        ends.ask(request, size, toxics);
        ends.answer(answer, size, toxics);
    }
    ends
}

fn with_merge() -> Toxics {
    body(BodyChange::Merge(json!({"a": null, "c": {"d": 3}})))
}

#[test]
fn an_answered_request_never_reaches_the_dependency_with_any_part_of_its_body() {
    let exchanges = [GET, POST, CHUNKED, GET].map(|it| (it, &b""[..]));
    let ends = exchanged(&exchanges, usize::MAX, &unavailable());
    assert_eq!(ends.dependency, b"");
    assert_eq!(ends.client().matches("HTTP/1.1 503").count(), 4);
}

#[test]
fn a_request_that_is_not_http_1_passes_for_ever_and_is_counted_once() {
    let toxics = unavailable();
    let mut ends = Ends::default();
    let (tls, h2) = (b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    ends.ask(tls, usize::MAX, &toxics);
    ends.ask(h2, usize::MAX, &toxics);
    assert_eq!(ends.dependency, [&tls[..], &h2[..]].concat());
    assert_eq!(Counts::read(&toxics.0[&0].counts.foreign), 1);
}

#[test]
fn a_fault_that_begins_amid_a_body_waits_for_the_next_request() {
    let mut exchanges = Exchanges::default();
    let toxics = unavailable();
    assert!(exchanges.request(b"POST of a body", false, &toxics).down.is_empty());
    assert!(!exchanges.is_within());
    assert!(!exchanges.request(GET, true, &toxics).down.is_empty());
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let toxics = unavailable();
    let mut ends = Ends::default();
    ends.ask(GET, usize::MAX, &nothing());
    ends.ask(&[GET, GET].concat(), usize::MAX, &toxics);
    assert_eq!((ends.client(), ends.dependency.as_slice()), ("", GET));
    ends.answer(OK, usize::MAX, &toxics);
    assert!(ends.client().starts_with("HTTP/1.1 200"), "{}", ends.client());
    assert_eq!(ends.client().matches("HTTP/1.1 503").count(), 2);
}

#[test]
fn a_client_that_waits_for_leave_is_answered_and_closed() {
    let head = b"PUT /d HTTP/1.1\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    let ends = exchanged(&[(head, b"")], usize::MAX, &unavailable());
    assert!(ends.closed && ends.client().contains("connection: close"));
}

#[test]
fn leaving_amid_a_head_gives_its_bytes_back() {
    let mut exchanges = Exchanges::default();
    exchanges.request(b"GET /a HT", true, &unavailable());
    assert_eq!(exchanges.leave(), b"GET /a HT");
    assert!(!exchanges.is_within());
}

#[test]
fn a_merge_changes_members_and_the_length() {
    let toxics = with_merge();
    let ends = exchanged(&[(GET, PIECES), (GET, PIECES)], usize::MAX, &toxics);
    let one = "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"b\":2,\"c\":{\"d\":3}}";
    assert_eq!(ends.client(), [one, one].concat());
    assert_eq!(Counts::read(&toxics.0[&0].counts.changed), 2);
}

#[test]
fn what_is_no_json_passes_a_merge_as_it_is() {
    let toxics = with_merge();
    let ends = exchanged(&[(GET, OK), (GET, OK)], usize::MAX, &toxics);
    assert_eq!(ends.client, [OK, OK].concat());
    assert_eq!(Counts::read(&toxics.0[&0].counts.unfit), 2);
}

#[test]
fn a_truncated_body_is_whole_and_shorter() {
    let toxics = body(BodyChange::Truncate(Bytes(1)));
    let ends = exchanged(&[(GET, OK), (GET, PIECES), (GET, OK)], usize::MAX, &toxics);
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\no";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n";
    assert_eq!(ends.client(), [short, chunked, short].concat());
    assert_eq!(Counts::read(&toxics.0[&0].counts.changed), 3);
}

#[test]
fn an_answer_without_a_body_stays_one_whatever_becomes_of_it() {
    let head = b"HEAD /a HTTP/1.1\r\n\r\n";
    let replaced = body(BodyChange::Replace("new".to_owned()));
    let ends = exchanged(&[(head, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")], 7, &replaced);
    assert_eq!(ends.client(), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n");
    let status = |it| response(AnswerChange { status: Some(it), ..AnswerChange::default() });
    let ends = exchanged(&[(GET, OK), (GET, OK)], 7, &status(204));
    assert_eq!(ends.client(), "HTTP/1.1 204 No Content\r\n\r\n".repeat(2));
    let ends = exchanged(&[(GET, EMPTY)], 7, &status(200));
    assert_eq!(ends.client(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn an_abort_leaves_half_of_the_answer() {
    let abort = laid([Act::Abort { amid: Amid::Answer }]);
    let ends = exchanged(&[(GET, OK)], usize::MAX, &abort);
    assert!(ends.closed);
    assert_eq!(ends.client, OK[..OK.len() - 1]);
    let ends = exchanged(&[(GET, EMPTY)], usize::MAX, &abort);
    assert_eq!((ends.closed, ends.client), (true, EMPTY[..EMPTY.len() / 2].to_vec()));
    let ends = exchanged(&[(POST, OK)], usize::MAX, &laid([Act::Abort { amid: Amid::Request }]));
    assert_eq!((ends.closed, ends.client, ends.dependency), (true, Vec::new(), Vec::new()));
}

#[test]
fn a_delay_is_that_of_the_whole_answer_and_is_over_with_the_fault() {
    let (delay, jitter) = (Duration::from_secs(1), Duration::ZERO);
    let toxics = laid([Act::Delay { delay, jitter }, Act::Delay { delay, jitter }]);
    let ends = exchanged(&[(GET, OK)], 10, &toxics);
    assert_eq!(ends.client, OK);
    assert!(ends.late.iter().all(|it| *it == delay * 2), "{:?}", ends.late);
    let mut ends = Ends::default();
    ends.ask(GET, 10, &toxics);
    ends.answer(OK, 10, &nothing());
    assert!(ends.late.iter().all(Duration::is_zero), "{:?}", ends.late);
}

#[test]
fn once_the_dependency_agrees_to_another_protocol_everything_passes() {
    let toxics = unavailable();
    let upgrade = b"GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let mut ends = exchanged(&[(upgrade, b"HTTP/1.1 101 Switching\r\n\r\n\x81\x00")], 9, &toxics);
    ends.ask(b"GET \x00\xff", usize::MAX, &toxics);
    ends.answer(b"\x82\x01", usize::MAX, &toxics);
    assert_eq!(ends.dependency, [&upgrade[..], b"GET \x00\xff"].concat());
    assert!(ends.client.ends_with(b"\x81\x00\x82\x01"));
    // One that does not agree is an answer as any other, and the next request is hit.
    let ends = exchanged(&[(upgrade, OK), (GET, b"")], 9, &toxics);
    assert!(ends.client().contains("okHTTP/1.1 503"), "{}", ends.client());
}

#[test]
fn only_what_fits_is_hit() {
    let of = |method: &str, path: &str, header: &str| Requests {
        method: Some(method.to_owned()),
        path: Some(path.to_owned()),
        headers: BTreeMap::from([("x-user".to_owned(), header.to_owned())]),
    };
    let request = b"GET http://x/users/7?all HTTP/1.1\r\nX-User: Ada L\r\n\r\n";
    let cases = [
        (of("GET", "/users/*", "Ada*"), true),
        (of("GET", "/users/7", "*"), true),
        (of("POST", "/users/*", "*"), false),
        (of("GET", "/user", "*"), false),
        (of("GET", "*", "Bob"), false),
    ];
    for (of, hit) in cases {
        let mut toxics = unavailable();
        let Some(laid) = toxics.0.get_mut(&0) else { panic!("it was laid") };
        let http = Http { share: Ratio::ONE, act: Act::Answer { status: 503 }, of };
        laid.placed.toxic = Toxic::Http(Box::new(http));
        let ends = exchanged(&[(request, b"")], usize::MAX, &toxics);
        assert_eq!(ends.dependency.is_empty(), hit, "{:?}", toxics.0[&0].placed);
    }
}

#[test]
fn a_change_that_has_begun_is_carried_through_after_the_fault() {
    let mut ends = Ends::default();
    let toxics = body(BodyChange::Replace("brand new".to_owned()));
    ends.ask(GET, usize::MAX, &toxics);
    let (first, rest) = OK.split_at(OK.len() - 1);
    ends.answer(first, usize::MAX, &toxics);
    ends.answer(rest, usize::MAX, &nothing());
    assert_eq!(ends.client(), "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbrand new");
    assert_eq!((ends.exchanges.leave(), ends.exchanges.is_within()), (Vec::new(), false));
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same(size in 1usize..90) {
        let requests = [GET, POST, CHUNKED, GET];
        let exchanges: Vec<_> = requests.into_iter().zip([OK, PIECES, EMPTY, OK]).collect();
        let ends = exchanged(&exchanges, size, &laid([Act::Delay {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
        }]));
        prop_assert_eq!(&ends.dependency, &requests.concat());
        prop_assert_eq!(&ends.client, &[OK, PIECES, EMPTY, OK].concat());
        let silent: Vec<_> = requests.into_iter().zip([&b""[..]; 4]).collect();
        let ends = exchanged(&silent, size, &unavailable());
        prop_assert_eq!(&ends.dependency, b"");
        prop_assert_eq!(ends.client().matches("HTTP/1.1 503").count(), 4);
        let changed = exchanged(&exchanges, size, &with_merge());
        let at_once = exchanged(&exchanges, usize::MAX, &with_merge());
        prop_assert_eq!(changed.client, at_once.client);
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_is_not_hit_arrives(
        up in prop::collection::vec(any::<u8>(), 1..300),
        down in prop::collection::vec(any::<u8>(), 1..300),
        begins in prop::sample::select(vec![&b""[..], GET, CHUNKED]),
        answers in prop::sample::select(vec![&b""[..], OK, PIECES]),
        size in 1usize..60,
    ) {
        let toxics = laid([Act::Delay { delay: Duration::ZERO, jitter: Duration::ZERO }]);
        let (up, down) = ([begins, &up].concat(), [answers, &down].concat());
        let mut ends = exchanged(&[(&up, &down)], size, &toxics);
        let sorted = ends.exchanges.answer(&[], &toxics);
        ends.take(sorted);
        ends.dependency.extend(ends.exchanges.leave());
        prop_assert_eq!(ends.client, down);
        prop_assert!(up.starts_with(&ends.dependency));
    }
}
