//! Messages that are not sent together, at moments that the test gives.

use evenkeel_model::document::Pacing;

use super::*;
use crate::protocol::http2::wire::{data, frame, headers, settings};

const EVERY: Option<Duration> = Some(Duration::from_millis(100));
const OPEN: Pacing = Pacing { every: EVERY, awaits: false };
const AWAITS: Pacing = Pacing { every: None, awaits: true };

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn paced(method: &str, messages: &[&str], pacing: Pacing) -> Result<Ready, CallError> {
    let mut call =
        call(&descriptors().method(&format!("shop.v1.Shop/{method}")).unwrap(), messages);
    if let What::Grpc { pacing: it, .. } = &mut call.what {
        *it = pacing;
    }
    Grpc::ready("h", false, &call)
}

/// A call on a connection of its own, without a peer.
struct Talking {
    grpc: Grpc,
    shared: Shared,
    out: Vec<u8>,
    answered: Answered,
}

impl Talking {
    /// Begins a call with three messages, of which the first counts 1, and so on.
    fn begin(method: &str, pacing: Pacing) -> Self {
        let messages = [r#"{"count":1}"#, r#"{"count":2}"#, r#"{"count":3}"#];
        let ready = paced(method, &messages, pacing).unwrap();
        let (mut shared, mut out) = (Shared::default(), Vec::new());
        let mut grpc = Grpc::open(&mut shared, &mut out);
        out.clear();
        grpc.begin(&mut shared, 7, &ready, &NoValues, at(0), &mut out);
        Self { grpc, shared, out, answered: Answered::default() }
    }

    /// The counts of the messages that were sent since this was asked last, and whether they were the last ones.
    fn sent(&mut self) -> (Vec<u8>, bool) {
        let (out, mut body, mut ends) = (std::mem::take(&mut self.out), Vec::new(), false);
        let mut rest = &*out;
        while let [_, high, low, kind, flags, _, _, _, _, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if *kind == 0 {
                body.extend_from_slice(&after[..length]);
            }
            ends |= matches!(kind, 0 | 1) && flags & 1 == 1;
            rest = &after[length..];
        }
        let (messages, cut) = body.as_chunks::<7>();
        assert!(cut.is_empty(), "{body:?}");
        (messages.iter().map(|it| it[6]).collect(), ends)
    }

    fn hear(&mut self, said: &[u8]) {
        let mut input = said;
        while let Some(heard) = self.grpc.read(&mut self.shared, &mut input, &mut self.out).unwrap()
        {
            note(&mut self.answered, &heard);
        }
    }

    /// Another message of the answer comes.
    fn answer(&mut self) {
        self.hear(&data(1, false, b"\0\0\0\0\x02\x10\x05"));
    }

    fn speak(&mut self, millis: u64) -> (Vec<u8>, bool) {
        self.grpc.speak(at(millis), &mut self.out);
        self.sent()
    }
}

fn greeting() -> Vec<u8> {
    let head = [(":status", "200"), ("content-type", "application/grpc")];
    [settings(&[]), headers(1, false, &head)].concat()
}

#[test]
fn messages_are_sent_so_long_after_each_other_by_the_plan() {
    let mut it = Talking::begin("Sum", OPEN);
    assert_eq!((it.sent(), it.grpc.speaks_at()), ((vec![1], false), Some(at(100))));
    assert_eq!(it.speak(99), (vec![], false));
    // Being late once makes nothing after it late.
    assert_eq!((it.speak(190), it.grpc.speaks_at()), ((vec![2], false), Some(at(200))));
    assert_eq!((it.speak(200), it.grpc.speaks_at()), ((vec![3], true), None));
}

#[test]
fn a_message_waits_for_an_answer_to_the_one_before_it() {
    let mut it = Talking::begin("Echo", AWAITS);
    it.hear(&greeting());
    assert_eq!((it.sent(), it.grpc.speaks_at()), ((vec![1], false), None));
    // Half an answer is none.
    it.hear(&data(1, false, b"\0\0\0"));
    assert_eq!(it.grpc.speaks_at(), None);
    it.hear(&data(1, false, b"\0\x02\x10\x05"));
    assert_eq!((it.speak(50), it.grpc.speaks_at()), ((vec![2], false), None));
    it.answer();
    assert_eq!((it.speak(60), it.grpc.speaks_at()), ((vec![3], true), None));
    it.answer();
    it.hear(&headers(1, true, &[("grpc-status", "0")]));
    assert_eq!((it.answered.status, it.answered.done), (Some(0), true));
}

#[test]
fn with_both_an_answer_does_not_hurry_the_next_message() {
    let mut it = Talking::begin("Echo", Pacing { every: EVERY, awaits: true });
    it.hear(&greeting());
    it.answer();
    assert_eq!(it.sent(), (vec![1], false));
    assert_eq!((it.speak(99), it.grpc.speaks_at()), ((vec![], false), Some(at(100))));
    assert_eq!((it.speak(130), it.grpc.speaks_at()), ((vec![2], false), None));
    it.answer();
    assert_eq!(it.grpc.speaks_at(), Some(at(230)), "counted from when it was sent");
}

#[test]
fn a_server_without_room_gets_messages_in_their_order() {
    let mut it = Talking::begin("Sum", OPEN);
    it.hear(&settings(&[(4, 0)]));
    it.sent();
    assert_eq!(it.speak(100), (vec![], false));
    assert_eq!(it.speak(200), (vec![], false));
    it.hear(&frame(8, 0, 1, &100u32.to_be_bytes()));
    assert_eq!(it.sent(), (vec![2, 3], true));
}

#[test]
fn a_call_that_is_over_says_no_more() {
    let mut it = Talking::begin("Sum", OPEN);
    it.hear(&greeting());
    it.hear(&headers(1, true, &[("grpc-status", "8")]));
    assert_eq!((it.answered.status, it.grpc.speaks_at()), (Some(8), None));
    it.sent();
    assert_eq!(it.speak(500), (vec![], false));

    let mut it = Talking::begin("Sum", OPEN);
    it.grpc.cancel(7, &mut it.out);
    assert_eq!(it.grpc.speaks_at(), None);
}

#[test]
fn a_pace_that_the_method_cannot_have_is_refused() {
    let refused = |method, messages: &[&str], pacing| {
        paced(method, messages, pacing).unwrap_err().to_string()
    };
    let error = refused("One", &["{}"], OPEN);
    assert!(error.contains("`shop.v1.Shop/One` takes one message"), "{error}");
    let error = refused("Sum", &["{}", "{}"], AWAITS);
    assert!(error.contains("`shop.v1.Shop/Sum` answers once"), "{error}");
}
