//! Answers of DNS that are wrong, or never come.
//!
//! Questions over UDP that leave this host for port 53, whoever's they are, are led to sockets of ours. A name that is
//! meant gets the answer that was asked for; every other question is handed on to the name server of this host. The way
//! here is a table that the kernel removes with its owner, so that when we are gone, questions go where they always did.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use evenkeel_model::document::DnsAnswer;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use serde::{Deserialize, Serialize};

use super::{Counters, Life, Table, counters};

/// The largest datagram there is.
const DATAGRAM_BYTES: usize = 65_535;
/// Answers that are made up are not to be kept by anybody.
const TTL_SECONDS: u32 = 0;
/// Questions that were handed on and whose answer may still come; the oldest is forgotten.
const WAITING_MAX: usize = 4_096;

/// Answer questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// `nft`, by its absolute path.
    pub program: PathBuf,
    /// Name of the table.
    pub table: String,
    /// Which names are meant; `*.example` is everything below `example`, and `*` is everything.
    pub names: Vec<String>,
    /// What is answered.
    pub answer: DnsAnswer,
    /// The name server that knows the truth.
    pub upstream: SocketAddr,
}

#[derive(Debug, Default)]
struct Counts {
    questions: AtomicU64,
    answered: AtomicU64,
}

impl Dns {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let Self { program, table, names, answer, upstream } = self;
        let mut body =
            String::from("chain out { type nat hook output priority -100; policy accept; ");
        let counts = Arc::new(Counts::default());
        let locals = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let mut jumps = String::new();
        for local in locals {
            // A host without one of the protocols sends no questions by it.
            let Ok(door) = UdpSocket::bind((local, 0)) else { continue };
            let any = match upstream {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            let out = UdpSocket::bind((any, 0))?;
            let family = if local.is_ipv4() { "ipv4" } else { "ipv6" };
            let [port, own] = [door.local_addr()?.port(), out.local_addr()?.port()];
            body.push_str(&format!("udp sport {own} return; "));
            jumps.push_str(&format!(
                "meta nfproto {family} udp dport 53 counter redirect to :{port} comment \"seen\"; "
            ));
            let asked = Arc::new(Asked::default());
            let (replies, back) = (out.try_clone()?, door.try_clone()?);
            let waiting = Arc::clone(&asked);
            thread::Builder::new().spawn(move || hand_back(&replies, &back, upstream, &waiting))?;
            let desk = Desk { names: names.clone(), answer, upstream };
            let counts = Arc::clone(&counts);
            thread::Builder::new().spawn(move || desk.answer(&door, &out, &asked, &counts))?;
        }
        // Only an address of this host can be bound to.
        if UdpSocket::bind((upstream.ip(), 0)).is_ok() {
            // A resolver of this host is asked, and asks others in its turn: what it asks is not ours to answer.
            let (mut four, mut six) = ("127.0.0.0/8".to_owned(), "::1".to_owned());
            match upstream.ip() {
                it if it.is_loopback() => {}
                IpAddr::V4(it) => four.push_str(&format!(", {it}")),
                IpAddr::V6(it) => six.push_str(&format!(", {it}")),
            }
            body.push_str(&format!(
                "ip daddr != {{ {four} }} return; ip6 daddr != {{ {six} }} return; "
            ));
        }
        body.push_str(&jumps);
        body.push_str("}; ");
        Table { program, name: table, body }.run(life)?;
        let [questions, answered] =
            [&counts.questions, &counts.answered].map(|it| it.load(Ordering::Relaxed) as f64);
        Ok(counters([("questions", questions), ("questions_answered", answered)]))
    }
}

impl fmt::Display for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, table, names, answer, upstream } = self;
        write!(
            f,
            "answer {} for {}, ask {upstream} for the rest; {} -i: add table inet {table}, udp dport 53 redirected",
            answer,
            names.join(", "),
            program.display()
        )
    }
}

/// What is answered to whom. It ends with its process.
struct Desk {
    names: Vec<String>,
    answer: DnsAnswer,
    upstream: SocketAddr,
}

impl Desk {
    fn answer(&self, door: &UdpSocket, out: &UdpSocket, asked: &Asked, counts: &Counts) {
        let mut bytes = vec![0; DATAGRAM_BYTES];
        loop {
            // An error is that of an earlier answer, which nobody waited for any more.
            let Ok((length, client)) = door.recv_from(&mut bytes) else { continue };
            counts.questions.fetch_add(1, Ordering::Relaxed);
            let question = &mut bytes[..length];
            match reply(question, &self.names, self.answer) {
                Some(said) => {
                    counts.answered.fetch_add(1, Ordering::Relaxed);
                    if !said.is_empty() {
                        // A client that is gone misses nothing.
                        door.send_to(&said, client).unwrap_or_default();
                    }
                }
                None => {
                    if asked.hand_on(question, client) {
                        // A name server that is not there is silence, as it would be without us.
                        out.send_to(question, self.upstream).unwrap_or_default();
                    }
                }
            }
        }
    }
}

/// Hands answers of the name server back to those who asked.
fn hand_back(out: &UdpSocket, door: &UdpSocket, upstream: SocketAddr, asked: &Asked) {
    let mut bytes = vec![0; DATAGRAM_BYTES];
    loop {
        let Ok((length, from)) = out.recv_from(&mut bytes) else { continue };
        if let Some(client) = asked.back(&mut bytes[..length]).filter(|_| from == upstream) {
            door.send_to(&bytes[..length], client).unwrap_or_default();
        }
    }
}

/// Who asked what was handed on.
#[derive(Debug, Default)]
struct Asked(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// The number under which a question was handed on last.
    last: u16,
    /// By that number: who asked, and under which.
    waiting: BTreeMap<u16, (SocketAddr, [u8; 2])>,
}

impl Asked {
    /// Gives a question a number of our own. `false`: it is none.
    fn hand_on(&self, question: &mut [u8], client: SocketAddr) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Book { last, waiting } = &mut *inner;
        let Some(number) = question.first_chunk_mut::<2>() else { return false };
        if waiting.len() >= WAITING_MAX {
            waiting.pop_first();
        }
        *last = last.wrapping_add(1);
        waiting.insert(*last, (client, *number));
        *number = last.to_be_bytes();
        true
    }

    /// Gives an answer the number of its question, and says who waits for it.
    fn back(&self, answer: &mut [u8]) -> Option<SocketAddr> {
        let number = answer.first_chunk_mut::<2>()?;
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (client, original) = inner.waiting.remove(&u16::from_be_bytes(*number))?;
        *number = original;
        Some(client)
    }
}

/// What is said to a question; empty: nothing. `None`: it is not meant, or not understood, and is handed on.
fn reply(question: &[u8], names: &[String], answer: DnsAnswer) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    let [query] = question.queries() else { return None };
    let name = query.name().to_ascii().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    if question.message_type() != MessageType::Query || !names.iter().any(|it| fits(it, name)) {
        return None;
    }
    let mut said = Message::new();
    said.set_id(question.id()).set_op_code(question.op_code());
    said.set_message_type(MessageType::Response);
    said.set_recursion_desired(question.recursion_desired()).set_recursion_available(true);
    said.add_query(query.clone());
    let record = |data| {
        let record = Record::from_rdata(query.name().clone(), TTL_SECONDS, data);
        (query.query_class() == DNSClass::IN).then_some(record)
    };
    match answer {
        DnsAnswer::Timeout => return Some(Vec::new()),
        DnsAnswer::ServFail => drop(said.set_response_code(ResponseCode::ServFail)),
        DnsAnswer::NxDomain => drop(said.set_response_code(ResponseCode::NXDomain)),
        DnsAnswer::Refused => drop(said.set_response_code(ResponseCode::Refused)),
        // To a question for anything else the answer is that there is nothing of that kind.
        DnsAnswer::Address(IpAddr::V4(it)) if query.query_type() == RecordType::A => {
            said.add_answers(record(RData::A(A(it))));
        }
        DnsAnswer::Address(IpAddr::V6(it)) if query.query_type() == RecordType::AAAA => {
            said.add_answers(record(RData::AAAA(AAAA(it))));
        }
        DnsAnswer::Address(_) => {}
    }
    said.to_vec().ok()
}

/// Whether a name is one of those that a pattern means.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => name.ends_with(end),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Query;
    use hickory_proto::rr::Name;
    use proptest::prelude::*;

    fn asked(name: &str, kind: RecordType) -> Vec<u8> {
        let mut question = Message::new();
        question.set_id(4711).add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        question.to_vec().unwrap()
    }

    fn said(name: &str, kind: RecordType, answer: DnsAnswer) -> Option<Message> {
        let names = ["*.example.com".to_owned(), "payment".to_owned()];
        Some(Message::from_vec(&reply(&asked(name, kind), &names, answer)?).unwrap())
    }

    #[test]
    fn a_name_that_is_meant_gets_the_answer_that_was_asked_for() {
        let address = DnsAnswer::Address("192.0.2.7".parse().unwrap());
        let spoofed = said("Api.Example.COM.", RecordType::A, address).unwrap();
        assert_eq!(spoofed.id(), 4711);
        assert_eq!(spoofed.answers()[0].data().to_string(), "192.0.2.7");
        let other = said("api.example.com.", RecordType::AAAA, address).unwrap();
        assert!(other.answers().is_empty() && other.response_code() == ResponseCode::NoError);
        let failed = said("payment.", RecordType::A, DnsAnswer::ServFail).unwrap();
        assert_eq!(failed.response_code(), ResponseCode::ServFail);
        assert_eq!(
            reply(&asked("payment.", RecordType::A), &["*".into()], DnsAnswer::Timeout),
            Some(vec![])
        );
    }

    #[test]
    fn others_are_handed_on() {
        for name in ["example.com.", "example.org.", "payment.local."] {
            assert!(said(name, RecordType::A, DnsAnswer::NxDomain).is_none(), "{name}");
        }
    }

    #[test]
    fn an_answer_finds_whoever_asked_once() {
        let (asked, client) = (Asked::default(), "127.0.0.1:9".parse().unwrap());
        let mut question = [0x12, 0x34, 7];
        assert!(asked.hand_on(&mut question, client));
        assert_eq!(asked.back(&mut question), Some(client));
        assert_eq!(question, [0x12, 0x34, 7]);
        question[..2].copy_from_slice(&[0, 1]);
        assert_eq!(asked.back(&mut question), None);
        assert!(!asked.hand_on(&mut [1], client));
    }

    proptest! {
        #[test]
        fn no_datagram_is_too_strange(bytes: Vec<u8>) {
            reply(&bytes, &["*".to_owned()], DnsAnswer::NxDomain);
        }
    }
}
