//! Questions and answers against the encoder and decoder of `hickory-proto`, and against noise.

use std::str::FromStr;

use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use proptest::prelude::*;

use super::*;
use crate::call::Headers;
use crate::template::NoValues;

fn call(name: Template, record: &str) -> Result<Ready, CallError> {
    let what = What::Query { name, record: record.to_owned() };
    Dns::ready("h", false, &Call { what, wants_headers: Headers::None, wants_body: true })
}

struct Socket {
    shared: Shared,
    dns: Dns,
}

/// What a socket has said: exchange, status, body, and whether it was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    status: Option<(u32, u16)>,
    body: String,
    done: Option<u32>,
    lost: Option<(u32, Answer)>,
}

impl Socket {
    fn new() -> Self {
        let mut shared = Dns::shared(&Target::find("dns://127.0.0.1").unwrap());
        let dns = Dns::open(&mut shared, &mut Vec::new());
        Self { shared, dns }
    }

    /// Asks, and gives the question as the server reads it.
    fn ask(&mut self, exchange: u32, name: &str, record: &str) -> Message {
        let call = call(Template::text(name), record).unwrap();
        let mut out = Vec::new();
        let Self { shared, dns } = self;
        dns.begin(shared, exchange, &call, &NoValues, Moment::START, &mut out);
        Message::from_vec(&out).unwrap()
    }

    fn hear(&mut self, mut datagram: &[u8]) -> Said {
        let mut said = Said::default();
        while let Some(heard) =
            self.dns.read(&mut self.shared, &mut datagram, &mut Vec::new()).unwrap()
        {
            match heard {
                Heard::Status { exchange, status } => said.status = Some((exchange, status)),
                Heard::Body { data, .. } => said.body = String::from_utf8(data.to_vec()).unwrap(),
                Heard::Done { exchange } => said.done = Some(exchange),
                Heard::Lost { exchange, answer, .. } => said.lost = Some((exchange, answer)),
                Heard::Header { .. } => panic!("{heard:?}"),
            }
        }
        assert!(datagram.is_empty());
        said
    }
}

fn name(text: &str) -> Name {
    Name::from_str(text).unwrap()
}

fn answering(question: &Message, code: ResponseCode, records: Vec<Record>) -> Message {
    let mut answer = Message::new();
    answer.set_id(question.id()).set_message_type(MessageType::Response).set_response_code(code);
    answer.add_queries(question.queries().to_vec()).add_answers(records);
    answer
}

#[test]
fn a_question_is_what_another_decoder_reads() {
    let mut socket = Socket::new();
    for (text, record) in
        [("Shop.example", "a"), ("shop.example.", "AAAA"), (".", "NS"), ("_x._tcp.a", "TYPE33")]
    {
        let question = socket.ask(0, text, record);
        let [query] = question.queries() else { panic!("{question:?}") };
        let absolute = if text.ends_with('.') { text.to_owned() } else { format!("{text}.") };
        assert_eq!(query.name().to_ascii(), absolute);
        let record = if record == "TYPE33" { "SRV".to_owned() } else { record.to_uppercase() };
        assert_eq!(query.query_type(), RecordType::from_str(&record).unwrap());
        assert_eq!(question.extensions().as_ref().map(Edns::max_payload), Some(ANSWER_BYTES));
        assert!(question.recursion_desired());
    }
}

#[test]
fn records_are_told_line_by_line() {
    let owner = || name("shop.example.");
    let records: Vec<(RData, &str)> = vec![
        (RData::A(A::new(192, 0, 2, 7)), "A 192.0.2.7"),
        (RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), "AAAA 2001:db8::1"),
        (RData::CNAME(CNAME(name("www.shop.example."))), "CNAME www.shop.example."),
        (RData::NS(NS(name("ns.shop.example."))), "NS ns.shop.example."),
        (RData::PTR(PTR(name("."))), "PTR ."),
        (RData::MX(MX::new(10, name("mail.shop.example."))), "MX 10 mail.shop.example."),
        (RData::SRV(SRV::new(1, 2, 443, name("a.shop.example."))), "SRV 1 2 443 a.shop.example."),
        (RData::TXT(TXT::new(vec!["a \"b\"".into(), "\u{7}".into()])), r#"TXT "a \"b\"" "\007""#),
        (RData::TXT(TXT::new(vec![])), "TXT "),
    ];
    let mut socket = Socket::new();
    let question = socket.ask(4, "shop.example", "ANY");
    let sent = records.iter().map(|(it, _)| Record::from_rdata(owner(), 300, it.clone())).collect();
    let said = socket.hear(&answering(&question, ResponseCode::NoError, sent).to_vec().unwrap());
    let lines: String =
        records.iter().map(|(_, text)| format!("shop.example. 300 {text}\n")).collect();
    assert_eq!((said.body, said.status, said.done), (lines, Some((4, 0)), Some(4)));
}

#[test]
fn the_status_is_the_response_code_with_its_extension() {
    for code in [ResponseCode::NXDomain, ResponseCode::ServFail, ResponseCode::BADVERS] {
        let mut socket = Socket::new();
        let question = socket.ask(1, "a.example", "A");
        let mut answer = answering(&question, code, Vec::new());
        answer.set_edns(Edns::new());
        let said = socket.hear(&answer.to_vec().unwrap());
        assert_eq!((said.status, said.done), (Some((1, u16::from(code))), Some(1)), "{code}");
    }
}

#[test]
fn answers_find_their_questions_in_any_order() {
    let mut socket = Socket::new();
    let questions: Vec<_> =
        (0..QUESTIONS_MAX).map(|it| socket.ask(it, &format!("h{it}.example"), "A")).collect();
    assert_eq!(socket.dns.standing(), Standing::Open(0));
    for (exchange, question) in questions.iter().enumerate().rev() {
        let said =
            socket.hear(&answering(question, ResponseCode::NoError, vec![]).to_vec().unwrap());
        assert_eq!(said.done, Some(exchange as u32));
    }
    assert_eq!(socket.dns.standing(), Standing::Open(QUESTIONS_MAX));
}

#[test]
fn what_does_not_answer_a_question_is_passed_over() {
    let mut socket = Socket::new();
    let question = socket.ask(1, "shop.example", "A");
    let good = answering(&question, ResponseCode::NoError, vec![]);
    let mut other_id = good.clone();
    other_id.set_id(question.id().wrapping_add(1));
    let other_name =
        answering(&Socket::new().ask(1, "shop.exampla", "A"), ResponseCode::NoError, vec![]);
    let mut other_name = other_name;
    other_name.set_id(question.id());
    let mut other_type =
        answering(&Socket::new().ask(1, "shop.example", "NS"), ResponseCode::NoError, vec![]);
    other_type.set_id(question.id());
    for wrong in [&other_id, &other_name, &other_type, &question] {
        assert_eq!(socket.hear(&wrong.to_vec().unwrap()), Said::default());
    }
    for wrong in [&b""[..], b"x", &question.id().to_be_bytes()] {
        assert_eq!(socket.hear(wrong), Said::default());
    }
    assert_eq!(socket.hear(&good.to_vec().unwrap()).done, Some(1));
    assert_eq!(socket.hear(&good.to_vec().unwrap()), Said::default());
}

#[test]
fn a_refusal_may_leave_the_question_out_and_case_does_not_matter() {
    let mut socket = Socket::new();
    let question = socket.ask(1, "SHOP.example", "A");
    let mut refusal = Message::new();
    refusal.set_id(question.id()).set_message_type(MessageType::Response);
    refusal.set_response_code(ResponseCode::FormErr);
    assert_eq!(socket.hear(&refusal.to_vec().unwrap()).status, Some((1, 1)));
    let question = socket.ask(2, "SHOP.example", "A");
    let mut lower = answering(&question, ResponseCode::NoError, vec![]).to_vec().unwrap();
    lower[12..].make_ascii_lowercase();
    assert_eq!(socket.hear(&lower).done, Some(2));
}

#[test]
fn a_cut_answer_counts_with_the_records_that_are_in_it() {
    let mut socket = Socket::new();
    let question = socket.ask(1, "shop.example", "A");
    let record = || Record::from_rdata(name("shop.example."), 1, RData::A(A::new(1, 2, 3, 4)));
    let mut answer = answering(&question, ResponseCode::NoError, vec![record(), record()]);
    answer.set_truncated(true);
    let bytes = answer.to_vec().unwrap();
    let said = socket.hear(&bytes[..bytes.len() - 3]);
    assert_eq!((said.done, said.body.as_str()), (Some(1), "shop.example. 1 A 1.2.3.4\n"));
}

#[test]
fn an_answer_that_is_broken_is_malformed() {
    let mut socket = Socket::new();
    let question = socket.ask(1, "shop.example", "A");
    let record = Record::from_rdata(name("shop.example."), 1, RData::A(A::new(1, 2, 3, 4)));
    let bytes = answering(&question, ResponseCode::NoError, vec![record]).to_vec().unwrap();
    assert_eq!(socket.hear(&bytes[..bytes.len() - 1]).lost, Some((1, Answer::Malformed)));
    // The owner is a pointer to itself.
    let question = socket.ask(2, "shop.example", "A");
    let mut bytes = answering(&question, ResponseCode::NoError, vec![]).to_vec().unwrap();
    bytes[7] = 1;
    let at = bytes.len() as u8;
    bytes.extend([0xc0, at, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4]);
    assert_eq!(socket.hear(&bytes).lost, Some((2, Answer::Malformed)));
}

#[test]
fn a_late_answer_finds_no_question() {
    let mut socket = Socket::new();
    let question = socket.ask(1, "shop.example", "A");
    socket.dns.cancel(1, &mut Vec::new());
    let late = answering(&question, ResponseCode::NoError, vec![]).to_vec().unwrap();
    assert_eq!(socket.hear(&late), Said::default());
    assert_eq!(socket.dns.standing(), Standing::Open(QUESTIONS_MAX));
}

struct Fixed<'a>(&'a str);

impl Values for Fixed<'_> {
    fn put(&self, _: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

#[test]
fn a_name_that_cannot_be_asked_for_is_refused_ahead_or_malformed() {
    let long = format!("{}.example", "a".repeat(64));
    let longer = vec!["a".repeat(60); 5].join(".");
    for text in ["", "a..b", "..", "a b", "\u{e9}.example", "a\\.b", &long, &longer] {
        assert!(call(Template::text(text), "A").is_err(), "{text}");
        let mut socket = Socket::new();
        let call = call(Template::default().then_slot(0), "A").unwrap();
        let mut out = Vec::new();
        socket.dns.begin(&mut socket.shared, 6, &call, &Fixed(text), Moment::START, &mut out);
        assert!(out.is_empty());
        assert_eq!(socket.hear(b"").lost, Some((6, Answer::Malformed)));
    }
    assert!(call(Template::text("a"), "B").unwrap_err().to_string().contains("`B` is no type"));
    assert!(call(Template::text("a"), "TYPE65536").is_err());
}

/// The question of exchange 1, and an answer to it that another encoder wrote, damaged in some bytes.
fn damaged() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)
}

proptest! {
    #[test]
    fn a_damaged_answer_never_panics_and_ends_at_most_once(damage in damaged(), cut in 0usize..60) {
        let mut socket = Socket::new();
        let question = socket.ask(1, "shop.example", "MX");
        let records = (0..3).map(|it| {
            let exchange = name(&format!("m{it}.mail.shop.example."));
            Record::from_rdata(name("shop.example."), 1, RData::MX(MX::new(it, exchange)))
        });
        let answer = answering(&question, ResponseCode::NoError, records.collect());
        let mut bytes = answer.to_vec().unwrap();
        bytes.truncate(bytes.len() - cut);
        for (at, byte) in damage {
            // The number stays, or nothing would be read.
            let at = 2 + at.index(bytes.len() - 2);
            bytes[at] = byte;
        }
        let said = socket.hear(&bytes);
        prop_assert!(!(said.done.is_some() && said.lost.is_some()));
        prop_assert_eq!(said.status.is_some(), said.done.is_some());
    }

    #[test]
    fn any_bytes_behind_the_question_are_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..300), records in 0u8..5) {
        let mut socket = Socket::new();
        let question = socket.ask(1, "shop.example", "A");
        let mut answer = answering(&question, ResponseCode::NoError, vec![]).to_vec().unwrap();
        answer[7] = records;
        answer.extend_from_slice(&bytes);
        let said = socket.hear(&answer);
        prop_assert!(said.body.len() <= 1_100 * (1 + usize::from(records)) * 2);
        prop_assert!(said.done.is_some() || said.lost.is_some());
    }
}
