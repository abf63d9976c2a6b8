//! The client's side against the server's side of `tungstenite`, in every split, and against noise.

use std::io::{self, Read, Write};

use evenkeel_model::document::Encoding;
use proptest::prelude::*;
use tungstenite::handshake::server::ServerHandshake;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Bytes, Message as Theirs, Utf8Bytes};

use super::*;
use crate::call::{Headers, What};
use crate::target::{Opening, Scheme};
use crate::template::{NoValues, Template};

fn message(payload: Template, encoding: Encoding, until: Until) -> Result<Message, CallError> {
    let what = What::Message { payload, encoding, until };
    WebSocket::ready("h", false, &Call { what, wants_headers: Headers::None, wants_body: true })
}

fn text(text: &str) -> Message {
    message(Template::text(text), Encoding::Text, Until::Message).unwrap()
}

/// What a connection has said, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Body(Vec<u8>),
    Done(u32),
    Lost(u32, Answer),
    Malformed,
}

/// A connection and what it has to say.
struct Client {
    shared: Shared,
    socket: WebSocket,
    out: Vec<u8>,
}

/// Of a name that nobody has to look up.
fn target() -> Target {
    let (host, path, name) = ("shop.test:81".to_owned(), "/".to_owned(), "shop.test".to_owned());
    Target {
        scheme: Scheme::Ws,
        host,
        path,
        name,
        opening: Opening::default(),
        addresses: Vec::new(),
    }
}

impl Client {
    fn new() -> Self {
        let mut shared = WebSocket::shared(&target());
        let mut out = Vec::new();
        let socket = WebSocket::open(&mut shared, &mut out);
        Self { shared, socket, out }
    }

    /// One whose handshake is done.
    fn open() -> Self {
        let mut client = Self::new();
        assert_eq!(client.socket.standing(), Standing::Opening);
        let answer = accepting(&client.out);
        client.out.clear();
        assert_eq!(client.hear(&[&answer]), []);
        assert_eq!(client.socket.standing(), Standing::Open(1));
        client
    }

    fn begin(&mut self, exchange: u32, message: &Message) {
        let Self { shared, socket, out } = self;
        socket.begin(shared, exchange, message, &NoValues, Moment::START, out);
    }

    fn hear(&mut self, pieces: &[&[u8]]) -> Vec<Said> {
        let mut said = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            loop {
                match self.socket.read(&mut self.shared, &mut input, &mut self.out) {
                    Ok(Some(Heard::Body { data, .. })) => match said.last_mut() {
                        Some(Said::Body(body)) => body.extend_from_slice(data),
                        _ => said.push(Said::Body(data.to_vec())),
                    },
                    Ok(Some(Heard::Done { exchange })) => said.push(Said::Done(exchange)),
                    Ok(Some(Heard::Lost { exchange, answer, .. })) => {
                        said.push(Said::Lost(exchange, answer));
                    }
                    Ok(Some(other)) => panic!("{other:?}"),
                    Ok(None) => break,
                    Err(Malformed) => {
                        // How much of a text came before depends on the pieces.
                        said.pop_if(|it| matches!(it, Said::Body(_)));
                        said.push(Said::Malformed);
                        return said;
                    }
                }
            }
            assert!(input.is_empty());
        }
        said
    }
}

/// The answer of a server that accepts the request.
fn accepting(request: &[u8]) -> Vec<u8> {
    let mut pipe = Pipe { from_client: request.to_vec(), to_client: Vec::new() };
    let no_callback = tungstenite::handshake::server::NoCallback;
    ServerHandshake::start(&mut pipe, no_callback, None).handshake().map(|_| ()).unwrap();
    pipe.to_client
}

/// What `tungstenite` reads and writes.
#[derive(Default)]
struct Pipe {
    from_client: Vec<u8>,
    to_client: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.from_client.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = self.from_client.as_slice().read(bytes)?;
        self.from_client.drain(..length);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to_client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Server = tungstenite::WebSocket<Pipe>;

fn server() -> Server {
    Server::from_raw_socket(Pipe::default(), tungstenite::protocol::Role::Server, None)
}

/// The bytes of what a server sends.
fn sent(messages: &[Theirs]) -> Vec<u8> {
    let mut server = server();
    messages.iter().for_each(|it| server.write(it.clone()).unwrap());
    server.flush().unwrap();
    std::mem::take(&mut server.get_mut().to_client)
}

fn fragment(data: &[u8], opcode: Data, is_last: bool) -> Theirs {
    let frame = Frame::message(Bytes::copy_from_slice(data), OpCode::Data(opcode), is_last);
    Theirs::Frame(frame)
}

#[test]
fn messages_go_there_and_back() {
    let mut client = Client::open();
    let mut server = server();
    for (exchange, length) in
        [0usize, 1, 125, 126, 127, 65_535, 65_536, 300_000].into_iter().enumerate()
    {
        let exchange = exchange as u32;
        let payload = "x".repeat(length);
        let binary = Template::text(payload.clone().into_bytes()).then_slot(0);
        let binary = Message { is_text: false, ..text(&payload) }.clone_with(binary);
        for (call, is_text) in [(text(&payload), true), (binary, false)] {
            if is_text && length == 0 {
                continue;
            }
            client.begin(exchange, &call);
            server.get_mut().from_client = std::mem::take(&mut client.out);
            let heard = server.read().unwrap();
            assert_eq!((heard.is_text(), heard.len()), (is_text, length));
            let answer = sent(&[heard]);
            let mut said = client.hear(&[&answer]);
            assert_eq!(said.pop(), Some(Said::Done(exchange)));
            let body =
                if length == 0 { vec![] } else { vec![Said::Body(payload.clone().into_bytes())] };
            assert_eq!(said, body);
        }
    }
}

impl Message {
    fn clone_with(&self, payload: Template) -> Self {
        Self { payload, ..self.clone() }
    }
}

#[test]
fn what_was_begun_before_the_handshake_is_done_follows_it() {
    let mut client = Client::new();
    client.begin(5, &text("hello"));
    let answer = accepting(&client.out);
    client.out.clear();
    assert_eq!(client.hear(&[&answer]), []);
    let mut server = server();
    server.get_mut().from_client = client.out.clone();
    assert_eq!(server.read().unwrap(), Theirs::text("hello"));
    assert_eq!(client.hear(&[&sent(&[Theirs::text("x")])]).last(), Some(&Said::Done(5)));
}

#[test]
fn a_handshake_with_another_status_is_a_wrong_status() {
    let mut client = Client::new();
    client.begin(5, &text("hello"));
    let said = client.hear(&[b"HTTP/1.1 503 Busy\r\nconte", b"nt-length: 2\r\n\r\nno", b"more"]);
    assert_eq!(said, [Said::Lost(5, Answer::Status)]);
    assert_eq!(client.socket.standing(), Standing::Closing);
}

#[test]
fn a_handshake_that_is_not_one_is_malformed() {
    let good = |client: &Client| String::from_utf8(accepting(&client.out)).unwrap();
    let unchanged = Client::new();
    assert!(good(&unchanged).contains("\r\nsec-websocket-accept: "));
    for (from, to) in [
        ("sec-websocket-accept: ", "sec-websocket-accept: x"),
        ("sec-websocket-accept: ", "x: "),
        ("upgrade: websocket", "upgrade: h2c"),
        ("\r\n\r\n", "\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n"),
        ("\r\n\r\n", "\r\nsec-websocket-protocol: chat\r\n\r\n"),
        ("HTTP/1.1 101", "HTTP/1.1 100"),
        ("HTTP/1.1 101", "SSH-2.0"),
    ] {
        let mut client = Client::new();
        let answer = good(&client);
        let changed = answer.replacen(from, to, 1);
        assert_ne!(answer, changed, "{from}");
        assert_eq!(client.hear(&[changed.as_bytes()]), [Said::Malformed], "{to}");
    }
    let mut client = Client::new();
    let line = format!("x: {}\r\n", "y".repeat(1_000));
    client.hear(&[b"HTTP/1.1 101 X\r\n"]);
    let refused = (0..80).position(|_| !client.hear(&[line.as_bytes()]).is_empty());
    assert_eq!(refused, Some(handshake::HEAD_BYTES_MAX / line.len()));
}

#[test]
fn fragments_are_one_message_and_a_ping_between_them_is_answered() {
    let mut client = Client::open();
    client.begin(1, &text("go"));
    client.out.clear();
    let bytes = sent(&[
        fragment("h\u{e9}".as_bytes().split_at(2).0, Data::Text, false),
        Theirs::Ping(Bytes::from_static(b"still there?")),
        fragment(&"\u{e9}".as_bytes()[1..], Data::Continue, false),
        fragment(b"", Data::Continue, true),
    ]);
    let said = client.hear(&[&bytes]);
    assert_eq!(said, [Said::Body("h\u{e9}".as_bytes().to_vec()), Said::Done(1)]);
    let mut server = server();
    server.get_mut().from_client = client.out.clone();
    assert_eq!(server.read().unwrap(), Theirs::Pong(Bytes::from_static(b"still there?")));
}

#[test]
fn a_message_that_began_before_the_request_is_not_its_answer() {
    let mut client = Client::open();
    let push = sent(&[Theirs::text("pushed")]);
    let (early, late) = push.split_at(4);
    assert_eq!(client.hear(&[early]), []);
    client.begin(1, &text("go"));
    assert_eq!(client.hear(&[late]), []);
    let said = client.hear(&[&sent(&[Theirs::text("answer")])]);
    assert_eq!(said, [Said::Body(b"answer".to_vec()), Said::Done(1)]);
}

#[test]
fn without_an_answer_it_is_done_when_it_is_sent() {
    let mut client = Client::open();
    client.begin(9, &message(Template::text("x"), Encoding::Text, Until::Nothing).unwrap());
    assert_eq!(client.socket.standing(), Standing::Open(0));
    assert_eq!(client.hear(&[b""]), [Said::Done(9)]);
    assert_eq!(client.socket.standing(), Standing::Open(1));
}

#[test]
fn an_empty_payload_listens() {
    let mut client = Client::open();
    client.begin(3, &text(""));
    assert!(client.out.is_empty());
    assert_eq!(client.hear(&[&sent(&[Theirs::text("")])]), [Said::Done(3)]);
}

#[test]
fn a_server_that_closes_is_answered_and_what_was_under_way_is_lost() {
    let mut client = Client::open();
    client.begin(1, &text("go"));
    client.out.clear();
    let close = Theirs::Close(Some(tungstenite::protocol::CloseFrame {
        code: tungstenite::protocol::frame::coding::CloseCode::Restart,
        reason: Utf8Bytes::from_static("soon back"),
    }));
    assert_eq!(client.hear(&[&sent(&[close])]), [Said::Lost(1, Answer::Closed)]);
    assert_eq!(client.socket.standing(), Standing::Closing);
    let mut server = server();
    server.get_mut().from_client = client.out.clone();
    let Theirs::Close(Some(frame)) = server.read().unwrap() else { panic!("no close") };
    assert_eq!(u16::from(frame.code), 1012);
}

#[test]
fn an_exchange_that_is_given_up_ends_the_connection() {
    let mut client = Client::open();
    client.begin(1, &text("go"));
    client.out.clear();
    client.socket.cancel(1, &mut client.out);
    assert_eq!(client.socket.standing(), Standing::Closing);
    assert_eq!(client.hear(&[&sent(&[Theirs::text("late")])]), []);
    let mut server = server();
    server.get_mut().from_client = client.out.clone();
    assert!(server.read().unwrap().is_close());
}

#[test]
fn frames_that_break_the_rules_are_malformed() {
    for (bytes, rule) in [
        (&b"\x81\x81\0\0\0\0a"[..], "a server does not mask"),
        (b"\xc1\x01a", "no extension was agreed on"),
        (b"\x83\x00", "an unknown kind of frame"),
        (b"\x80\x00", "nothing to continue"),
        (b"\x01\x01a\x81\x01b", "a message within another"),
        (b"\x09\x00", "a ping in fragments"),
        (b"\x89\x7e\x00\x7e", "a ping that is too long"),
        (b"\x82\x7e\x00\x05", "a length that is not the shortest"),
        (b"\x82\x7f\0\0\0\0\0\0\xff\xff", "a length that is not the shortest"),
        (b"\x82\x7f\x80\0\0\0\0\0\0\0", "a length with its first bit"),
        (b"\x82\x7f\0\0\0\0\x04\0\0\x01", "a message above the limit"),
        (b"\x81\x01\xff", "a text that is not UTF-8"),
        (b"\x81\x01\xc3", "a text that is cut"),
        (b"\x88\x01a", "a close with half a code"),
        (b"\x88\x02\x03\xed", "a code that is never sent"),
        (b"\x88\x03\x03\xe8\xff", "a reason that is not UTF-8"),
    ] {
        let mut client = Client::open();
        client.begin(1, &text("go"));
        assert_eq!(client.hear(&[bytes]).last(), Some(&Said::Malformed), "{rule}");
    }
}

#[test]
fn what_does_not_fit_is_refused_ahead() {
    let error = message(Template::text("x"), Encoding::Text, Until::Line).unwrap_err();
    assert!(error.to_string().contains("over ws: an answer is one message"), "{error}");
}

/// Messages as a server sends them, some damaged at one byte.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        "[a\u{e9}\u{20ac}\u{1f600}]{0,60}".prop_map(|it| vec![Theirs::text(it)]),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(|it| vec![Theirs::binary(it)]),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(|it| vec![Theirs::Ping(it.into())]),
        Just(vec![Theirs::Pong(Bytes::new())]),
        ("[a\u{20ac}]{1,9}", any::<prop::sample::Index>()).prop_map(|(text, at)| {
            let (first, second) = text.as_bytes().split_at(at.index(text.len()));
            vec![fragment(first, Data::Text, false), fragment(second, Data::Continue, true)]
        }),
    ];
    let damage = proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (proptest::collection::vec(part, 1..4), damage).prop_map(|(parts, damage)| {
        let mut bytes = sent(&parts.concat());
        if let Some((at, byte)) = damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    // Each case is hundreds of connections.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_split_of_the_bytes_means_the_same(bytes in streams()) {
        let read = |pieces: &[&[u8]]| {
            let mut client = Client::open();
            client.begin(1, &text("go"));
            (client.hear(pieces), client.socket.standing())
        };
        let together = read(&[&bytes]);
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            prop_assert_eq!(&read(&[first, second]), &together, "at {}", at);
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(read(&single), together);
    }
}

proptest! {
    #[test]
    fn what_tungstenite_reads_of_our_frames_is_what_was_sent(payload in "\\PC{0,300}") {
        let mut client = Client::open();
        client.begin(1, &text(&format!("{payload}.")));
        let mut server = server();
        server.get_mut().from_client = client.out.clone();
        prop_assert_eq!(server.read().unwrap(), Theirs::text(format!("{payload}.")));
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1usize..9) {
        for mut client in [Client::new(), Client::open()] {
            client.begin(1, &text("go"));
            let said = client.hear(&bytes.chunks(size).collect::<Vec<_>>());
            let answered = said.iter().filter(|it| matches!(it, Said::Done(_) | Said::Lost(..))).count();
            prop_assert!(answered <= 1);
        }
    }
}
