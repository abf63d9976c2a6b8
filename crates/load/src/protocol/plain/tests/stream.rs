//! Answers of every framing, in every split, and what must not be taken for one.

use evenkeel_model::document::Encoding;
use proptest::prelude::*;

use super::super::*;
use crate::call::{Headers, What};
use crate::protocol::message::ANSWER_BYTES_MAX;
use crate::template::NoValues;

fn call(until: Until) -> Result<Ready, CallError> {
    let what = What::Message { payload: Template::text("ask"), encoding: Encoding::Text, until };
    Stream::ready("h", false, &Call { what, wants_headers: Headers::None, wants_body: true })
}

/// What a connection says of its bytes: body, whether it is whole, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    body: Vec<u8>,
    is_done: bool,
    is_malformed: bool,
    standing: Standing,
}

fn begin(until: Until) -> Stream {
    let mut out = Vec::new();
    let mut stream = Stream::open(&mut (), &mut out);
    assert_eq!(stream.standing(), Standing::Open(1));
    stream.begin(&mut (), 7, &call(until).unwrap(), &NoValues, Moment::START, &mut out);
    assert_eq!((out.as_slice(), stream.standing()), (&b"ask"[..], Standing::Open(0)));
    stream
}

fn hear(stream: &mut Stream, pieces: &[&[u8]]) -> Said {
    let mut said =
        Said { body: Vec::new(), is_done: false, is_malformed: false, standing: Standing::Opening };
    for piece in pieces {
        let mut input = *piece;
        loop {
            match stream.read(&mut (), &mut input, &mut Vec::new()) {
                Ok(Some(Heard::Body { exchange: 7, data })) => said.body.extend_from_slice(data),
                Ok(Some(Heard::Done { exchange: 7 })) => said.is_done = true,
                Ok(Some(other)) => panic!("{other:?}"),
                Ok(None) => break,
                Err(Malformed) => {
                    said.is_malformed = true;
                    return said;
                }
            }
        }
    }
    said.standing = stream.standing();
    said
}

fn whole(until: Until, bytes: &[u8]) -> Vec<u8> {
    let said = hear(&mut begin(until), &[bytes]);
    assert_eq!((said.is_done, said.standing), (true, Standing::Open(1)), "{said:?}");
    said.body
}

#[test]
fn an_answer_ends_where_the_call_says() {
    assert_eq!(whole(Until::Message, b"any\nthing"), b"any\nthing");
    assert_eq!(whole(Until::Line, b"+OK\r\n"), b"+OK\r\n");
    assert_eq!(whole(Until::Bytes(3), b"abc"), b"abc");
    assert_eq!(whole(Until::Prefix(1), b"\x02ab"), b"ab");
    assert_eq!(whole(Until::Prefix(2), b"\0\x02ab"), b"ab");
    assert_eq!(whole(Until::Prefix(4), b"\0\0\0\0"), b"");
    assert_eq!(whole(Until::Prefix(8), b"\0\0\0\0\0\0\0\x01a"), b"a");
    assert_eq!(whole(Until::Delimiter("aab".to_owned()), b"xaaab"), b"xaaab");
}

#[test]
fn without_an_answer_it_is_done_when_it_is_sent_and_what_comes_is_passed_over() {
    for until in [Until::Nothing, Until::Bytes(0)] {
        let said = hear(&mut begin(until), &[b"", b"echo"]);
        assert_eq!((said.is_done, said.body.len()), (true, 0));
        assert_eq!(said.standing, Standing::Open(1));
    }
}

#[test]
fn an_answer_may_end_with_the_connection() {
    let mut stream = begin(Until::Close);
    assert_eq!(hear(&mut stream, &[b"a", b"b"]).body, b"ab");
    assert_eq!((stream.end(), stream.standing()), (Some(7), Standing::Closing));
    let mut stream = begin(Until::Line);
    assert_eq!(hear(&mut stream, &[b"half"]).body, b"half");
    assert_eq!((stream.end(), stream.standing()), (None, Standing::Closing));
}

#[test]
fn bytes_that_nobody_asked_for_close_the_connection() {
    let mut stream = Stream::open(&mut (), &mut Vec::new());
    assert_eq!(hear(&mut stream, &[b"hello"]).standing, Standing::Closing);
    let said = hear(&mut begin(Until::Line), &[b"one\ntwo"]);
    assert_eq!((said.is_done, said.body.as_slice()), (true, &b"one\n"[..]));
    assert_eq!(said.standing, Standing::Closing);
}

#[test]
fn after_an_answer_that_was_given_up_no_other_is_awaited() {
    let mut stream = begin(Until::Line);
    stream.cancel(7, &mut Vec::new());
    let said = hear(&mut stream, &[b"late\n"]);
    assert_eq!((said.is_done, said.standing), (false, Standing::Closing));
}

#[test]
fn an_answer_without_end_is_refused_at_the_limit() {
    let said = hear(&mut begin(Until::Prefix(8)), &[&(ANSWER_BYTES_MAX + 1).to_be_bytes()]);
    assert!(said.is_malformed);
    let zeros = vec![0; 1 << 20];
    for until in [Until::Line, Until::Delimiter("end".to_owned())] {
        let mut stream = begin(until);
        let refused = (0..100).position(|_| hear(&mut stream, &[&zeros]).is_malformed);
        assert_eq!(refused, Some(64));
    }
}

#[test]
fn what_cannot_be_read_is_refused_ahead() {
    for until in [Until::Prefix(3), Until::Delimiter(String::new())] {
        assert!(matches!(call(until), Err(CallError::Protocol { protocol: "tcp", .. })));
    }
    let what = What::Consume { topic: "t".to_owned() };
    let other = Call { what, wants_headers: Headers::None, wants_body: false };
    let error = Stream::ready("h", true, &other).unwrap_err().to_string();
    assert!(error.contains("over tls: it is not a message"), "{error}");
}

fn untils() -> impl Strategy<Value = Until> {
    prop_oneof![
        Just(Until::Line),
        (0u64..9).prop_map(Until::Bytes),
        proptest::sample::select(vec![1, 2, 4, 8]).prop_map(Until::Prefix),
        "[ab\n]{1,4}".prop_map(Until::Delimiter),
        Just(Until::Close),
        Just(Until::Nothing),
    ]
}

/// Bytes in which ends are likely.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b"ab\n\0\x01\x02".to_vec())];
    proptest::collection::vec(byte, 0..40)
}

proptest! {
    #[test]
    fn every_split_of_the_bytes_means_the_same(until in untils(), bytes in bytes()) {
        let together = hear(&mut begin(until.clone()), &[&bytes]);
        // What comes behind an answer is seen with it or after it; both close the connection.
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            let split = hear(&mut begin(until.clone()), &[first, second]);
            prop_assert_eq!(&split, &together, "at {}", at);
        }
        let single: Vec<_> = bytes.chunks(1).chain([&b""[..]]).collect();
        prop_assert_eq!(hear(&mut begin(until), &single), together);
    }

    #[test]
    fn a_delimiter_is_found_where_it_first_stands(delimiter in "[ab]{1,5}", bytes in "[ab]{0,30}") {
        let said = hear(&mut begin(Until::Delimiter(delimiter.clone())), &[bytes.as_bytes()]);
        let end = bytes.find(&delimiter).map(|it| it + delimiter.len());
        prop_assert_eq!(said.is_done, end.is_some());
        prop_assert_eq!(&said.body, &bytes.as_bytes()[..end.unwrap_or(bytes.len())]);
    }
}
