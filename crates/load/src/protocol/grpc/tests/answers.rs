//! Answers that other servers and proxies give, written by hand.

use super::*;
use crate::protocol::http2::wire::{data, headers, settings};

const OK: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc+proto")];

fn begun(wants_body: bool, method: &str) -> (Grpc, Shared) {
    let method = descriptors().method(method).unwrap();
    let mut call = call(&method, &["{}"]);
    call.wants_body = wants_body;
    let (mut shared, mut out) = (Shared::default(), Vec::new());
    let mut grpc = Grpc::open(&mut shared, &mut out);
    let ready = Grpc::ready("h", false, &call).unwrap();
    grpc.begin(&mut shared, 7, &ready, &NoValues, Moment::START, &mut out);
    (grpc, shared)
}

fn heard(said: &[&[u8]], wants_body: bool, method: &str) -> Answered {
    let (mut grpc, mut shared) = begun(wants_body, method);
    let (mut answered, mut out) = (Answered::default(), Vec::new());
    for piece in [&[&*settings(&[])], said].concat() {
        let mut input = piece;
        while let Some(heard) = grpc.read(&mut shared, &mut input, &mut out).unwrap() {
            note(&mut answered, &heard);
        }
    }
    assert!(answered.done, "{answered:?}");
    assert_eq!(grpc.free.len(), grpc.calls.len(), "its place is free again");
    answered
}

fn status(said: &[&[u8]]) -> u16 {
    let told = heard(said, true, "shop.v1.Shop/One").status;
    assert_eq!(
        heard(said, false, "shop.v1.Shop/One").status,
        told,
        "whether or not bodies are looked at"
    );
    told.unwrap()
}

fn end(status: &str) -> Vec<u8> {
    headers(1, true, &[("grpc-status", status)])
}

#[test]
fn a_status_comes_from_trailers_or_the_head_or_http() {
    let ok = headers(1, false, OK);
    let item = data(1, false, b"\0\0\0\0\x02\x10\x05");
    assert_eq!(status(&[&ok, &item, &end("0")]), 0);
    assert_eq!(status(&[&ok, &end("5")]), 5);
    assert_eq!(status(&[&ok, &end("99")]), 2);
    assert_eq!(status(&[&ok, &end("-1")]), 2);
    assert_eq!(status(&[&ok, &item, &headers(1, true, &[("x", "y")])]), 2);
    assert_eq!(status(&[&headers(1, true, &[OK, &[("grpc-status", "3")]].concat())]), 3);
    for (http, grpc) in
        [("400", 13), ("401", 16), ("403", 7), ("404", 12), ("429", 14), ("503", 14), ("500", 2)]
    {
        let page = headers(1, false, &[(":status", http), ("content-type", "text/html")]);
        assert_eq!(status(&[&page, &data(1, true, b"<html>")]), grpc, "{http}");
    }
    assert_eq!(status(&[&headers(1, false, &[(":status", "200")]), &data(1, true, b"<html>")]), 2);
}

#[test]
fn a_good_end_needs_what_was_promised() {
    let ok = headers(1, false, OK);
    assert_eq!(status(&[&ok, &end("0")]), 13, "no message");
    assert_eq!(
        status(&[&ok, &data(1, false, b"\0\0\0\0\0\0\0\0\0\0"), &end("0")]),
        13,
        "two messages"
    );
    assert_eq!(
        status(&[&ok, &data(1, false, b"\0\0\0\0\x02\x10"), &end("0")]),
        13,
        "half a message"
    );
    assert_eq!(status(&[&ok, &data(1, false, b"\x01\0\0\0\x01x"), &end("0")]), 13, "compressed");
    let noise =
        heard(&[&ok, &data(1, false, b"\0\0\0\0\x01\xff"), &end("0")], true, "shop.v1.Shop/One");
    assert_eq!(noise.status, Some(13), "no message of the type");
    let huge = heard(&[&ok, &data(1, false, b"\0\xff\xff\xff\xff")], true, "shop.v1.Shop/One");
    assert_eq!(huge.status, Some(8), "more than we keep");
}

#[test]
fn messages_mean_the_same_in_every_split() {
    let items = b"\0\0\0\0\x05\x0a\x03abc\0\0\0\0\0\0\0\0\0\x02\x10\x05";
    let said =
        [headers(1, false, OK), data(1, false, &items[..7]), data(1, false, &items[7..]), end("0")]
            .concat();
    let whole = heard(&[&said], true, "shop.v1.Shop/Many");
    assert_eq!(
        whole.body,
        "{\"text\":\"abc\",\"count\":0}\n{\"text\":\"\",\"count\":0}\n{\"text\":\"\",\"count\":5}"
    );
    for at in 0..said.len() {
        assert_eq!(
            heard(&[&said[..at], &said[at..]], true, "shop.v1.Shop/Many"),
            whole,
            "split at {at}"
        );
    }
}
