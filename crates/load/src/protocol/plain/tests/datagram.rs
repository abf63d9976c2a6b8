//! Datagrams that answer, and those that must not.

use evenkeel_model::document::Encoding;
use proptest::prelude::*;

use super::super::*;
use crate::call::{Headers, What};
use crate::template::NoValues;

fn call(payload: &str, until: Until) -> Result<Ready, CallError> {
    let what = What::Message { payload: Template::text(payload), encoding: Encoding::Text, until };
    Datagram::ready("h", false, &Call { what, wants_headers: Headers::None, wants_body: true })
}

fn begin(socket: &mut Datagram, exchange: u32, until: Until) {
    let mut out = Vec::new();
    let call = call("ask", until).unwrap();
    socket.begin(&mut (), exchange, &call, &NoValues, Moment::START, &mut out);
    assert_eq!((out.as_slice(), socket.standing()), (&b"ask"[..], Standing::Open(0)));
}

/// Body and the exchange that was done, of one datagram.
fn hear(socket: &mut Datagram, mut datagram: &[u8]) -> (Vec<u8>, Option<u32>) {
    let (mut body, mut done) = (Vec::new(), None);
    while let Some(heard) = socket.read(&mut (), &mut datagram, &mut Vec::new()).unwrap() {
        match heard {
            Heard::Body { data, .. } => body.extend_from_slice(data),
            Heard::Done { exchange } => done = Some(exchange),
            other => panic!("{other:?}"),
        }
    }
    assert!(datagram.is_empty());
    (body, done)
}

#[test]
fn one_datagram_answers_one() {
    let mut socket = Datagram::open(&mut (), &mut Vec::new());
    for exchange in 0..3 {
        assert_eq!(socket.standing(), Standing::Open(1));
        begin(&mut socket, exchange, Until::Message);
        assert_eq!(hear(&mut socket, b"pong"), (b"pong".to_vec(), Some(exchange)));
    }
}

#[test]
fn without_an_answer_it_is_done_when_it_is_sent_and_what_comes_is_passed_over() {
    let mut socket = Datagram::open(&mut (), &mut Vec::new());
    begin(&mut socket, 4, Until::Nothing);
    assert_eq!(hear(&mut socket, b""), (Vec::new(), Some(4)));
    assert_eq!(hear(&mut socket, b"echo"), (Vec::new(), None));
    assert_eq!(socket.standing(), Standing::Open(1));
}

#[test]
fn a_late_datagram_never_answers_the_next_request() {
    let mut socket = Datagram::open(&mut (), &mut Vec::new());
    begin(&mut socket, 1, Until::Message);
    socket.cancel(1, &mut Vec::new());
    assert_eq!(socket.standing(), Standing::Closing);
    assert_eq!(hear(&mut socket, b"late"), (Vec::new(), None));
}

#[test]
fn a_second_answer_ends_the_use_of_the_socket() {
    let mut socket = Datagram::open(&mut (), &mut Vec::new());
    begin(&mut socket, 1, Until::Message);
    hear(&mut socket, b"one");
    assert_eq!(hear(&mut socket, b"two"), (Vec::new(), None));
    assert_eq!(socket.standing(), Standing::Closing);
}

#[test]
fn what_does_not_fit_a_datagram_is_refused_ahead() {
    assert!(call("x", Until::Line).unwrap_err().to_string().contains("one datagram"));
    assert!(call(&"x".repeat(65_508), Until::Message).unwrap_err().to_string().contains("65507"));
    assert!(call(&"x".repeat(65_507), Until::Message).is_ok());
}

proptest! {
    #[test]
    fn every_exchange_ends_once_whatever_comes(
        steps in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..9)), 0..30),
    ) {
        let mut socket = Datagram::open(&mut (), &mut Vec::new());
        let (mut begun, mut done) = (0, Vec::new());
        for (is_answered, datagram) in steps {
            if socket.standing() == Standing::Open(1) {
                begin(&mut socket, begun, if is_answered { Until::Message } else { Until::Nothing });
                begun += 1;
            }
            done.extend(hear(&mut socket, &datagram).1);
        }
        let ended = begun - u32::from(socket.current.is_some());
        prop_assert_eq!(done, (0..ended).collect::<Vec<_>>());
    }
}
