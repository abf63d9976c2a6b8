//! What fuzzers call: one function a target, bytes in, nothing out. Whatever the bytes are, nothing may panic,
//! go on without end, or break what the engine relies on.
//!
//! The first bytes of an input say how the rest is said: in which pieces, and to which of some calls. So a fuzzer
//! finds splits by itself. Behind the feature `fuzzing`, and in our own tests over a corpus and noise, so that
//! the targets stay true.
//!
//! Deliberately absent: sockets, clocks and anything else that is not the same each time.

mod answers;
mod talk;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_model::document::{Encoding, Pacing, Until};
use protox::Compiler;
use protox::file::{File, FileResolver};
use sha1::{Digest as _, Sha1};

pub use answers::answers;
use talk::{How, Talk};

use crate::call::{Call, Headers, What};
use crate::protocol::Protocol;
use crate::protocol::dns::Dns;
use crate::protocol::grpc::{Descriptors, Grpc};
use crate::protocol::http1::Http1;
use crate::protocol::http2::Http2;
use crate::protocol::plain::{Datagram, Stream};
use crate::protocol::websocket::WebSocket;
use crate::template::Template;

/// A target.
pub type Target = fn(&[u8]);

/// Every target with its name.
pub const TARGETS: [(&str, Target); 8] = [
    ("answers", answers),
    ("datagram", datagram),
    ("dns", dns),
    ("grpc", grpc),
    ("http1", http1),
    ("http2", http2),
    ("stream", stream),
    ("websocket", websocket),
];

fn call(what: What, wants_headers: Headers, wants_body: bool) -> Call {
    Call { what, wants_headers, wants_body }
}

fn ready<P: Protocol>(calls: impl IntoIterator<Item = Call>) -> Vec<P::Ready> {
    let ready = |it: Call| P::ready("shop.test", false, &it).expect("the calls are good ones");
    calls.into_iter().map(ready).collect()
}

fn requests() -> [Call; 4] {
    let http = |method: &str, body: Option<&str>| What::Http {
        method: method.to_owned(),
        path: Template::text("/"),
        headers: Vec::new(),
        body: body.map(Template::text),
    };
    [
        call(http("GET", None), Headers::None, false),
        call(http("GET", None), Headers::All, true),
        call(http("HEAD", None), Headers::Cookies, true),
        call(http("POST", Some("body")), Headers::All, true),
    ]
}

/// Answers of HTTP/1.1.
pub fn http1(bytes: &[u8]) {
    let Some((how, bytes)) = How::read(bytes) else { return };
    Talk::<Http1>::new("http://127.0.0.1:1", ready::<Http1>(requests()), how).hear_all(bytes);
}

/// Frames of HTTP/2, after the settings of a server or without them.
pub fn http2(bytes: &[u8]) {
    let Some((how, bytes)) = How::read(bytes) else { return };
    let mut talk = Talk::<Http2>::new("http://127.0.0.1:1", ready::<Http2>(requests()), how);
    if !how.bare {
        talk.hear(&SETTINGS);
    }
    talk.hear_all(bytes);
}

/// A frame without any setting.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Frames of HTTP/2 with answers of gRPC.
pub fn grpc(bytes: &[u8]) {
    static CALLS: OnceLock<Vec<Call>> = OnceLock::new();
    let Some((how, bytes)) = How::read(bytes) else { return };
    let calls = CALLS.get_or_init(calls).iter().cloned();
    let mut talk = Talk::<Grpc>::new("grpc://127.0.0.1:1", ready::<Grpc>(calls), how);
    if !how.bare {
        talk.hear(&SETTINGS);
    }
    talk.hear_all(bytes);
}

/// The description of a service, without a file.
struct Described;

impl FileResolver for Described {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = "syntax = \"proto3\"; package p;
            message Item { string text = 1; repeated int32 counts = 2; Item inner = 3; map<string, bytes> map = 4; }
            service Shop { rpc One(Item) returns (Item); rpc Many(Item) returns (stream Item); }";
        File::from_source(name, text)
    }
}

fn calls() -> Vec<Call> {
    let mut compiler = Compiler::with_file_resolver(Described);
    compiler.open_file("shop.proto").expect("the description is a good one");
    let described = Descriptors::new(compiler.descriptor_pool());
    let call = |method: &str, wants_body| {
        let method = described.method(method).expect("it is described");
        let messages = vec![Template::text(r#"{"text": "a"}"#)];
        let what = What::Grpc { method, messages, metadata: Vec::new(), pacing: Pacing::default() };
        call(what, if wants_body { Headers::All } else { Headers::None }, wants_body)
    };
    vec![
        call("p.Shop/One", true),
        call("p.Shop/One", false),
        call("p.Shop/Many", true),
        call("p.Shop/Many", false),
    ]
}

fn message(encoding: Encoding, until: Until) -> Call {
    call(What::Message { payload: Template::text("00"), encoding, until }, Headers::None, true)
}

/// Frames of WebSocket, after a handshake that was answered well or instead of its answer.
pub fn websocket(bytes: &[u8]) {
    let Some((how, bytes)) = How::read(bytes) else { return };
    let calls = [
        message(Encoding::Text, Until::Message),
        message(Encoding::Hex, Until::Message),
        message(Encoding::Text, Until::Nothing),
    ];
    let mut talk = Talk::<WebSocket>::new("ws://127.0.0.1:1", ready::<WebSocket>(calls), how);
    if !how.bare {
        let request = String::from_utf8(talk.said()).expect("a handshake is text");
        let key = request.lines().find_map(|it| it.strip_prefix("sec-websocket-key: "));
        let key = key.expect("a handshake has a key").to_owned();
        let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(suffix).finalize());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        );
        talk.hear(answer.as_bytes());
    }
    talk.hear_all(bytes);
}

/// Answers over TCP, by every way in which they end.
pub fn stream(bytes: &[u8]) {
    let Some((how, bytes)) = How::read(bytes) else { return };
    let calls = [
        Until::Message,
        Until::Line,
        Until::Bytes(5),
        Until::Prefix(1),
        Until::Prefix(8),
        Until::Delimiter("abab".to_owned()),
        Until::Close,
        Until::Nothing,
    ];
    let calls = ready::<Stream>(calls.map(|it| message(Encoding::Text, it)));
    Talk::<Stream>::new("tcp://127.0.0.1:1", calls, how).hear_all(bytes);
}

/// Datagrams.
pub fn datagram(bytes: &[u8]) {
    let Some((how, bytes)) = How::read(bytes) else { return };
    let calls = [Until::Message, Until::Nothing].map(|it| message(Encoding::Text, it));
    Talk::<Datagram>::new("udp://127.0.0.1:1", ready::<Datagram>(calls), how).hear_all(bytes);
}

/// Answers of DNS: with the number and the question that were sent, or as they are.
pub fn dns(bytes: &[u8]) {
    let Some((how, bytes)) = How::read(bytes) else { return };
    let calls = [true, false].map(|wants_body| {
        let (name, record) = (Template::text("shop.example"), "A".to_owned());
        call(What::Query { name, record }, Headers::None, wants_body)
    });
    let mut talk = Talk::<Dns>::new("dns://127.0.0.1:1", ready::<Dns>(calls), how);
    if how.bare {
        return talk.hear_all(bytes);
    }
    let question = talk.said();
    let (number, question) = (question.get(..2), question.get(12..30));
    let (Some(number), Some(question)) = (number, question) else { return };
    if let Some((header, rest)) = bytes.split_first_chunk::<10>() {
        talk.hear(&[number, header, question, rest].concat());
    }
    talk.hear_all(&[]);
}
