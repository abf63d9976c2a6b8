//! The machine against answers as servers send them, in every split, against servers that mean harm, and against
//! another implementation.

mod hostile;
mod peer;
mod requests;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::frame::*;
use super::wire::{block, data, frame, headers, settings};
use super::*;
use crate::call::{Headers, What};
use crate::template::{NoValues, Template};

/// What was heard of one exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answered {
    status: Option<u16>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    done: bool,
    lost: Option<(Answer, bool)>,
}

/// One connection and all that was heard on it.
struct Talk {
    http2: Http2,
    shared: Shared,
    out: Vec<u8>,
    heard: BTreeMap<u32, Answered>,
    malformed: bool,
}

impl Talk {
    fn new() -> Self {
        let (mut shared, mut out) = (Shared::default(), Vec::new());
        let http2 = Http2::open(&mut shared, &mut out);
        Self { http2, shared, out, heard: BTreeMap::new(), malformed: false }
    }

    /// With exchanges 0, 1, … begun, on streams 1, 3, …, and the server's settings heard.
    fn begun(requests: u32, ready: &Ready) -> Self {
        let mut talk = Self::new();
        (0..requests).for_each(|exchange| talk.begin(exchange, ready));
        talk.hear(&settings(&[]));
        talk.out.clear();
        talk
    }

    fn begin(&mut self, exchange: u32, ready: &Ready) {
        let (shared, out) = (&mut self.shared, &mut self.out);
        self.http2.begin(shared, exchange, ready, &NoValues, Moment::START, out);
        self.heard.insert(exchange, Answered::default());
    }

    fn hear(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while !self.malformed {
            match self.http2.read(&mut self.shared, &mut input, &mut self.out) {
                Ok(Some(heard)) => note(&mut self.heard, &heard),
                Ok(None) => {
                    assert!(input.is_empty(), "all was taken");
                    return;
                }
                Err(Malformed) => self.malformed = true,
            }
        }
    }

    fn lost(&self, exchange: u32) -> Option<(Answer, bool)> {
        self.heard[&exchange].lost
    }
}

fn note(all: &mut BTreeMap<u32, Answered>, heard: &Heard<'_>) {
    let exchange = match heard {
        Heard::Status { exchange, .. }
        | Heard::Header { exchange, .. }
        | Heard::Body { exchange, .. }
        | Heard::Done { exchange }
        | Heard::Lost { exchange, .. } => exchange,
    };
    let answered = all.get_mut(exchange).expect("it was begun");
    assert!(!answered.done && answered.lost.is_none(), "nothing comes after the end");
    match *heard {
        Heard::Status { status, .. } => assert_eq!(answered.status.replace(status), None),
        Heard::Header { name, value, .. } => {
            let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
            answered.headers.push((text(name), text(value)));
        }
        Heard::Body { data, .. } => {
            assert!(!data.is_empty());
            answered.body.extend_from_slice(data);
        }
        Heard::Done { .. } => answered.done = true,
        Heard::Lost { answer, untouched, .. } => answered.lost = Some((answer, untouched)),
    }
}

fn call(method: &str, body: Option<Template>) -> Call {
    let (path, headers) = (Template::text("/"), Vec::new());
    let what = What::Http { method: method.to_owned(), path, headers, body };
    Call { what, wants_headers: Headers::All, wants_body: true }
}

fn ready(call: &Call) -> Ready {
    Http2::ready("shop:80", false, call).unwrap()
}

fn get() -> Ready {
    ready(&call("GET", None))
}

fn post(bytes: usize) -> Ready {
    ready(&call("POST", Some(Template::text(vec![b'x'; bytes]))))
}

/// What a server may say to two requests: two bodies in turn, one in padded pieces, a head in three frames after an
/// informational one, Huffman codes, trailers, and frames that are to be passed over.
fn conversation() -> Vec<u8> {
    let coded = b"\x20\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b";
    let long = block(&[(":status", "200"), ("x-long", &"v".repeat(300)), ("content-length", "10")]);
    [
        settings(&[(setting::MAX_CONCURRENT_STREAMS, 7), (99, 1)]),
        frame(4, ACK, 0, &[]),
        headers(1, false, &[(":status", "103"), ("link", "x")]),
        frame(8, 0, 0, &[0, 0, 1, 0]),
        frame(1, PADDED | PRIORITY, 1, &[&[2, 0, 0, 0, 0, 16][..], &long[..5], &[0, 0]].concat()),
        frame(9, 0, 1, &long[5..100]),
        frame(9, END_HEADERS, 1, &long[100..]),
        frame(6, 0, 0, b"12345678"),
        frame(1, END_HEADERS, 3, coded),
        frame(0, PADDED, 1, b"\x03hello\0\0\0"),
        data(3, false, b"an"),
        frame(2, 0, 3, &[0; 5]),
        frame(200, 0xff, 0, b"grease"),
        data(1, false, b""),
        data(1, true, b"world"),
        data(3, false, b"swer"),
        frame(7, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]),
        headers(3, true, &[("digest", "x")]),
    ]
    .concat()
}

fn heard_in(pieces: &[&[u8]]) -> (BTreeMap<u32, Answered>, Vec<u8>) {
    let mut talk = Talk::new();
    let get = get();
    (0..2).for_each(|exchange| talk.begin(exchange, &get));
    talk.out.clear();
    pieces.iter().for_each(|piece| talk.hear(piece));
    assert!(!talk.malformed);
    (talk.heard, talk.out)
}

#[test]
fn answers_are_told_with_headers_bodies_and_trailers() {
    let (heard, _) = heard_in(&[&conversation()]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (first, second) = (&heard[&0], &heard[&1]);
    assert_eq!((first.status, &*first.body, first.done), (Some(200), &b"helloworld"[..], true));
    assert_eq!(first.headers, [pair("x-long", &"v".repeat(300)), pair("content-length", "10")]);
    assert_eq!((second.status, &*second.body, second.done), (Some(302), &b"answer"[..], true));
    assert_eq!(second.headers, [pair("cache-control", "private"), pair("digest", "x")]);
}

#[test]
fn bytes_mean_the_same_in_every_split() {
    let bytes = conversation();
    let whole = heard_in(&[&bytes]);
    for at in 0..=bytes.len() {
        assert_eq!(heard_in(&[&bytes[..at], &bytes[at..]]), whole, "split at {at}");
    }
    assert_eq!(heard_in(&bytes.chunks(1).collect::<Vec<_>>()), whole);
}

#[test]
fn only_what_is_wanted_is_told() {
    let mut cookies = call("GET", None);
    (cookies.wants_headers, cookies.wants_body) = (Headers::Cookies, false);
    let mut talk = Talk::begun(2, &ready(&cookies));
    talk.hear(&headers(1, false, &[(":status", "200"), ("a", "b"), ("set-cookie", "c=d")]));
    talk.hear(&data(1, true, b"body"));
    talk.hear(&headers(3, true, &[(":status", "204"), ("a", "b")]));
    let cookie = vec![("set-cookie".to_owned(), "c=d".to_owned())];
    assert_eq!((&talk.heard[&0].headers, talk.heard[&0].body.len()), (&cookie, 0));
    assert!(talk.heard[&0].done && talk.heard[&1].done && talk.heard[&1].headers.is_empty());
}

#[test]
fn a_body_that_is_not_as_long_as_was_said_loses_its_answer_alone() {
    let length = |stream, end, length| {
        headers(stream, end, &[(":status", "200"), ("content-length", length)])
    };
    let mut talk = Talk::begun(4, &get());
    for bytes in [
        [length(1, false, "4"), data(1, true, b"abc")].concat(),
        [length(3, false, "2"), data(3, false, b"abc"), data(3, true, b"late")].concat(),
        [length(5, true, "1")].concat(),
        [length(7, false, "3"), data(7, true, b"abc")].concat(),
    ] {
        talk.hear(&bytes);
    }
    for exchange in 0..3 {
        assert_eq!(talk.lost(exchange), Some((Answer::Malformed, false)), "{exchange}");
    }
    assert!(talk.heard[&3].done && !talk.malformed);
}

#[test]
fn an_answer_to_head_has_no_body_whatever_its_head_says() {
    let mut talk = Talk::begun(1, &ready(&call("HEAD", None)));
    talk.hear(&headers(1, true, &[(":status", "200"), ("content-length", "10")]));
    assert!(talk.heard[&0].done);
}

#[test]
fn there_is_room_as_the_server_says() {
    let mut talk = Talk::new();
    assert_eq!(talk.http2.standing(), Standing::Open(100));
    talk.hear(&settings(&[(setting::MAX_CONCURRENT_STREAMS, 2)]));
    let get = get();
    (0..2).for_each(|exchange| talk.begin(exchange, &get));
    assert_eq!(talk.http2.standing(), Standing::Open(0));
    talk.hear(&headers(3, true, &[(":status", "200")]));
    assert_eq!(talk.http2.standing(), Standing::Open(1));
}

#[test]
fn when_the_numbers_of_streams_are_used_up_the_connection_closes() {
    let mut talk = Talk::begun(0, &get());
    talk.http2.connection.next = (1 << 31) - 3;
    assert_eq!(talk.http2.standing(), Standing::Open(2));
    (0..2).for_each(|exchange| talk.begin(exchange, &get()));
    assert_eq!(talk.http2.standing(), Standing::Closing);
}

#[test]
fn what_comes_on_a_stream_that_was_given_up_is_passed_over() {
    let mut talk = Talk::begun(2, &get());
    talk.hear(&headers(1, false, &[(":status", "200")]));
    talk.http2.cancel(0, &mut talk.out);
    assert_eq!(talk.out, frame(3, 0, 1, &[0, 0, 0, 8]));
    talk.hear(&[data(1, true, b"late"), headers(3, true, &[(":status", "200")])].concat());
    assert!(!talk.heard[&0].done && talk.heard[&1].done && !talk.malformed);
}

proptest! {
    #[test]
    fn noise_never_panics_and_nothing_comes_after_the_end(
        changes in prop::collection::vec((0..700usize, any::<u8>()), 1..6),
        cut in 0..700usize,
    ) {
        let mut bytes = conversation();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let mut talk = Talk::new();
        let get = get();
        (0..2).for_each(|exchange| talk.begin(exchange, &get));
        let (front, back) = bytes.split_at(cut % bytes.len());
        talk.hear(front);
        talk.hear(back);
        prop_assert!(talk.out.len() < 64 * 1024);
    }
}
