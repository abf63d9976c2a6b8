//! Messages over WebSocket, TCP and UDP, and questions to DNS: right answers, and every way to get none.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_load::{Order, prepare};
use evenkeel_model::Answer;
use evenkeel_model::document::{
    Call, Encoding, Opening, Route, Shape, StatusCheck, Template, Until,
};
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::books::{Books, constant, frames, no_secrets, order, run, users};
use crate::secure::{self, World};
use crate::servers::{refusing, serve};

/// A load of one message.
fn say(url: String, payload: &str, until: Until, shapes: Vec<Shape>) -> Order {
    let mut order = order(SocketAddr::from(([127, 0, 0, 1], 1)), shapes);
    let payload = Template::parse(payload).unwrap();
    let call = Call::Message { payload, encoding: Encoding::Text, until };
    order.test.routes = vec![Route::of(call)];
    order.url = url;
    order
}

/// As [`say`], with a text that the answer must hold.
fn hear(url: String, payload: &str, until: Until, text: &str) -> Order {
    let mut order = say(url, payload, until, vec![constant(100, 200)]);
    order.test.routes[0].checks.contains = vec![text.to_owned()];
    order
}

/// Another implementation of WebSocket at `/chat`, which echoes; elsewhere it refuses.
#[expect(clippy::result_large_err, reason = "the other implementation has it so")]
fn chat() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let at = |request: &Request, response: Response| match request.uri().path() {
                    "/chat" => Ok(response),
                    _ => {
                        let mut refusal = ErrorResponse::new(None);
                        *refusal.status_mut() = http::StatusCode::FORBIDDEN;
                        Err(refusal)
                    }
                };
                let mut socket = tungstenite::accept_hdr(stream.unwrap(), at).ok()?;
                loop {
                    let message = socket.read().ok()?;
                    if message.to_text().is_ok_and(|it| it == "go away") {
                        return socket.close(None).ok();
                    }
                    if message.is_text() || message.is_binary() {
                        socket.send(tungstenite::Message::Ping("are you there".into())).ok()?;
                        socket.send(message).ok()?;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn messages_of_websocket_are_echoed_at_the_path_of_the_url() {
    let server = chat();
    let url = format!("ws://{server}/chat");
    run(hear(url.clone(), "hello ${run:user}", Until::Message, "hello")).all_were(20, Answer::Ok);
    let mut at = hear(format!("ws://{server}"), "hello", Until::Message, "hello");
    at.test.sending.websocket.path = Some(Template::literal("/chat"));
    run(at.clone()).all_were(20, Answer::Ok);
    at.test.sending.websocket.path = Some(Template::literal("/a b"));
    assert!(prepare(at, no_secrets).unwrap_err().to_string().contains("no path has"));
    let mut closed = say(url, "hello", Until::Message, vec![users(4, 200)]);
    closed.test.connections = 4;
    let books = run(closed);
    assert_eq!(books.count(Answer::Ok), books.planned);
    assert!(books.planned > 4 && books.connected == 4, "{books:?}");
}

#[test]
fn a_refused_handshake_is_a_wrong_status_for_all_that_waited_on_it() {
    let url = format!("ws://{}/elsewhere", chat());
    run(say(url, "hello", Until::Message, vec![constant(100, 200)])).all_were(20, Answer::Status);
}

#[test]
fn a_websocket_that_the_server_closes_is_closed() {
    let url = format!("ws://{}/chat", chat());
    run(say(url, "go away", Until::Message, vec![constant(100, 200)])).all_were(20, Answer::Closed);
}

#[test]
fn a_websocket_that_never_opens_is_a_timeout_and_noise_is_malformed() {
    let silent = serve(|talk, _| while !talk.piece().is_empty() {});
    let mut stuck = say(format!("ws://{silent}"), "hello", Until::Message, vec![constant(50, 200)]);
    stuck.test.timeout = Duration::from_millis(500);
    stuck.test.connections = 64;
    run(stuck).all_were(10, Answer::Timeout);
    let noise = serve(|talk, _| {
        talk.request();
        talk.say(b"220 mail ready\r\n\r\n");
        while !talk.piece().is_empty() {}
    });
    run(say(format!("ws://{noise}"), "hello", Until::Message, vec![constant(50, 200)]))
        .all_were(10, Answer::Malformed);
}

#[test]
fn messages_of_websocket_go_over_tls() {
    let world = World::new();
    let front = secure::front(world.right(&["http/1.1"]), chat());
    let mut order = hear(format!("wss://{front}/chat"), "hello", Until::Message, "hello");
    order.test.sending.tls = world.trusting();
    run(order).all_were(20, Answer::Ok);
}

/// Answers each line with `answer`, in pieces.
fn lines(answer: &'static [u8], and_closes: bool) -> SocketAddr {
    serve(move |talk, _| {
        loop {
            let said = talk.piece();
            for _ in said.iter().filter(|it| **it == b'\n') {
                let (first, second) = answer.split_at(answer.len() / 2);
                talk.say(first);
                std::thread::yield_now();
                talk.say(second);
            }
            if and_closes || said.is_empty() {
                return;
            }
        }
    })
}

#[test]
fn answers_over_tcp_end_where_the_call_says() {
    for (answer, until, text) in [
        (b"+PONG\r\n".as_slice(), Until::Line, "+PONG"),
        (b"0123456789", Until::Bytes(10), "0123456789"),
        (b"\0\x05hello", Until::Prefix(2), "hello"),
        (b"a, b; END", Until::Delimiter("END".to_owned()), "b; END"),
    ] {
        let server = lines(answer, false);
        let books = run(hear(format!("tcp://{server}"), "PING\n", until.clone(), text));
        books.all_were(20, Answer::Ok);
        assert!(books.connected <= 8, "{until:?}: {books:?}");
        let mut closed = say(format!("tcp://{server}"), "PING\n", until, vec![users(3, 100)]);
        closed.test.connections = 3;
        let books = run(closed);
        assert_eq!((books.count(Answer::Ok), books.connected), (books.planned, 3));
    }
    let server = lines(b"all of it", true);
    let books = run(hear(format!("tcp://{server}"), "PING\n", Until::Close, "all of it"));
    books.all_were(20, Answer::Ok);
    assert_eq!(books.connected, 20);
}

#[test]
fn an_answer_over_tcp_that_ends_too_early_is_closed() {
    for until in [Until::Line, Until::Bytes(10), Until::Prefix(2)] {
        let server = lines(b"\x01", true);
        let order = say(format!("tcp://{server}"), "PING\n", until, vec![constant(100, 100)]);
        run(order).all_were(10, Answer::Closed);
    }
}

#[test]
fn what_is_only_sent_is_answered_when_it_is_sent() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (seen, (tell, told)) = (Arc::clone(&heard), std::sync::mpsc::channel());
    let server = serve(move |talk, _| {
        loop {
            let piece = talk.piece();
            if piece.is_empty() {
                return tell.send(()).unwrap();
            }
            seen.lock().unwrap().extend(piece);
        }
    });
    let mut order =
        say(format!("tcp://{server}"), "log\n", Until::Nothing, vec![constant(100, 200)]);
    order.test.connections = 1;
    run(order).all_were(20, Answer::Ok);
    told.recv().unwrap();
    assert_eq!(*heard.lock().unwrap(), b"log\n".repeat(20));
}

#[test]
fn messages_over_tcp_may_be_secret() {
    let world = World::new();
    let server = secure::front(world.right(&[]), lines(b"+PONG\r\n", false));
    let mut order = hear(format!("tls://{server}"), "PING\n", Until::Line, "+PONG");
    order.test.sending.tls = world.trusting();
    run(order).all_were(20, Answer::Ok);
}

/// Answers datagrams as `answer` says.
fn datagrams(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(answer) = answer(&buffer[..length]) {
                socket.send_to(&answer, from).unwrap_or_default();
            }
        }
    });
    address
}

/// A port of UDP at which nobody listens, kept so that nobody will.
fn refusing_datagrams() -> SocketAddr {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    // Connected to itself, it takes nothing from others.
    taken.connect(address).unwrap();
    Box::leak(Box::new(taken));
    address
}

#[test]
fn datagrams_are_echoed() {
    let server = datagrams(|it| Some(it.to_vec()));
    let books = run(hear(format!("udp://{server}"), "n ${run:user}", Until::Message, "n "));
    books.all_were(20, Answer::Ok);
    let mut closed = say(format!("udp://{server}"), "n", Until::Message, vec![users(3, 100)]);
    closed.test.connections = 3;
    let books = run(closed);
    assert_eq!((books.count(Answer::Ok), books.connected), (books.planned, 3));
    run(say(format!("udp://{server}"), "n", Until::Nothing, vec![constant(200, 200)]))
        .all_were(40, Answer::Ok);
}

#[test]
fn a_silent_port_is_a_timeout_and_one_without_a_listener_refuses() {
    let mut silent = say(
        format!("udp://{}", datagrams(|_| None)),
        "hello",
        Until::Message,
        vec![constant(100, 100)],
    );
    silent.test.timeout = Duration::from_millis(500);
    silent.test.connections = 64;
    run(silent).all_were(10, Answer::Timeout);
    let refusing = format!("udp://{}", refusing_datagrams());
    run(say(refusing, "hello", Until::Message, vec![constant(100, 200)]))
        .all_were(20, Answer::Connect);
}

fn ask(server: SocketAddr, name: &str, shapes: Vec<Shape>) -> Order {
    let mut order = order(server, shapes);
    let (name, record) = (Template::parse(name).unwrap(), "A".to_owned());
    order.test.routes = vec![Route::of(Call::Query { name, record })];
    order.url = format!("dns://{server}");
    order
}

/// Knows names that begin with `shop`, and no others.
fn names() -> SocketAddr {
    datagrams(|it| {
        let question = Message::from_vec(it).ok()?;
        let name = question.queries().first()?.name().clone();
        let mut answer = Message::new();
        answer.set_id(question.id()).set_message_type(MessageType::Response);
        answer.add_queries(question.queries().to_vec());
        if name.to_ascii().starts_with("shop") {
            let address = RData::A(A::new(192, 0, 2, 7));
            answer.add_answer(Record::from_rdata(name, 300, address));
        } else {
            answer.set_response_code(ResponseCode::NXDomain);
        }
        answer.to_vec().ok()
    })
}

#[test]
fn names_are_found_by_arrivals_and_by_users() {
    let server = names();
    let mut open = ask(server, "shop${random:1-9}.example", vec![constant(200, 300)]);
    open.test.routes[0].checks.contains = vec![" 300 A 192.0.2.7".to_owned()];
    open.test.connections = 1;
    let books = run(open);
    books.all_were(60, Answer::Ok);
    assert_eq!(books.connected, 1);
    let mut closed = ask(server, "shop.example", vec![users(20, 200)]);
    closed.test.connections = 1;
    let books = run(closed);
    assert_eq!((books.count(Answer::Ok), books.missed), (books.planned, 0));
    assert!(books.planned > 20, "{books:?}");
}

#[test]
fn a_name_that_is_not_there_is_a_wrong_status_unless_it_is_asked_for() {
    let server = names();
    let mut order = ask(server, "nobody.example", vec![constant(100, 200)]);
    run(order.clone()).all_were(20, Answer::Status);
    order.test.routes[0].checks.status = vec![StatusCheck { from: 3, to: 3 }];
    run(order).all_were(20, Answer::Ok);
}

#[test]
fn a_silent_server_of_names_is_a_timeout_and_none_refuses() {
    let mut silent = ask(datagrams(|_| None), "shop.example", vec![constant(100, 100)]);
    silent.test.timeout = Duration::from_millis(500);
    silent.test.connections = 1;
    let books = run(silent);
    books.all_were(10, Answer::Timeout);
    assert_eq!(books.connected, 1);
    let mut refused = ask(refusing_datagrams(), "shop.example", vec![constant(100, 200)]);
    refused.test.connections = 2;
    run(refused).all_were(20, Answer::Connect);
}

#[test]
fn an_answer_to_another_question_answers_nothing() {
    let server = datagrams(|it| {
        let mut answer = it.to_vec();
        answer[0] ^= 0xff;
        answer[2] |= 0x80;
        Some(answer)
    });
    let mut spoofed = ask(server, "shop.example", vec![constant(100, 100)]);
    spoofed.test.timeout = Duration::from_millis(500);
    run(spoofed).all_were(10, Answer::Timeout);
}

#[test]
fn questions_that_share_a_socket_are_refused_together() {
    let rate = evenkeel_units::Rate::per_second(1e6).unwrap();
    let burst = Shape::Constant { rate, duration: Duration::from_micros(200) };
    let mut refused = ask(refusing_datagrams(), "shop.example", vec![burst]);
    refused.test.connections = 1;
    run(refused).all_were(200, Answer::Connect);
}

#[test]
fn nobody_at_the_port_refuses_messages() {
    let url = format!("tcp://{}", refusing());
    run(say(url, "PING\n", Until::Line, vec![constant(100, 100)])).all_were(10, Answer::Connect);
}

/// Another implementation of WebSocket, which lets in who has the token, and speaks what it is told to.
#[expect(clippy::result_large_err, reason = "the other implementation has it so")]
fn guarded(chosen: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let greet = |request: &Request, mut response: Response| {
                    let said =
                        |name: &str| request.headers().get(name).map(http::HeaderValue::as_bytes);
                    if said("authorization") != Some(b"Bearer s3cret") {
                        let mut refusal = ErrorResponse::new(None);
                        *refusal.status_mut() = http::StatusCode::UNAUTHORIZED;
                        return Err(refusal);
                    }
                    if let Some(chosen) = chosen {
                        let chosen = http::HeaderValue::from_static(chosen);
                        response.headers_mut().insert("sec-websocket-protocol", chosen);
                    }
                    Ok(response)
                };
                let mut socket = tungstenite::accept_hdr(stream.unwrap(), greet).ok()?;
                while let Ok(message) = socket.read() {
                    socket.send(message).ok()?;
                }
                Some(())
            });
        }
    });
    address
}

#[test]
fn a_websocket_is_opened_with_headers_whose_secrets_are_looked_up() {
    let header = |value: &str| {
        let mut order = hear(format!("ws://{}", guarded(None)), "hello", Until::Message, "hello");
        let value = Template::parse(value).unwrap();
        order.test.sending.websocket.headers = vec![("Authorization".to_owned(), value)];
        order
    };
    let with = |order: Order, secret: &'static str| prepare(order, move |_| Ok(secret.to_owned()));
    let (say, said) = std::sync::mpsc::channel();
    let prepared = with(header("Bearer ${env:TOKEN}"), "s3cret").unwrap();
    prepared.start(move |it| drop(say.send(it))).unwrap().join();
    Books::of(&frames(said)).all_were(20, Answer::Ok);
    run(header("Bearer guess")).all_were(20, Answer::Status);

    // What would break the request is refused, and not shown.
    let error = with(header("${env:TOKEN}"), "s3cret\r\nx: y").unwrap_err().to_string();
    assert!(error.contains("line break") && !error.contains("s3cret"), "{error}");
    let error = with(header("${run:user}"), "").unwrap_err().to_string();
    assert!(error.contains("`${run:user}`"), "{error}");
}

#[test]
fn a_server_must_choose_one_of_the_subprotocols_that_are_offered() {
    for (offered, chosen, answer) in [
        (&["chat.v2", "chat.v1"][..], Some("chat.v1"), Answer::Ok),
        (&["chat.v2"], Some("chat.v1"), Answer::Malformed),
        (&["chat.v2"], None, Answer::Malformed),
        (&[], Some("chat.v1"), Answer::Malformed),
    ] {
        let url = format!("ws://{}", guarded(chosen));
        let mut order = say(url, "hello", Until::Message, vec![constant(100, 200)]);
        let token = Template::literal("Bearer s3cret");
        order.test.sending.websocket = Opening {
            path: None,
            headers: vec![("authorization".to_owned(), token)],
            protocols: offered.iter().map(|&it| it.to_owned()).collect(),
        };
        run(order).all_were(20, answer);
    }
}
