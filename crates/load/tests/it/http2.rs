//! HTTP/2: against another implementation, and against servers that give up in every way it knows.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use evenkeel_load::Order;
use evenkeel_model::Answer;
use evenkeel_model::document::{Owner, Shape, StatusCheck};
use evenkeel_units::Rate;

use crate::books::{constant, order, post, run, users};
use crate::secure::{World, front};
use crate::servers::{Talk, refusing, serve};

fn order2(to: SocketAddr, shapes: Vec<Shape>) -> Order {
    let mut order = order(to, shapes);
    order.test.sending.http2 = true;
    order
}

/// So many at the same moment.
fn burst(requests: u32) -> Shape {
    let rate = Rate::per_second(1e6).unwrap();
    Shape::Constant { rate, duration: Duration::from_micros(u64::from(requests)) }
}

/// Another implementation: answers every request with as many bytes as it has brought, at most `streams` at a
/// time, each after `delay`. Notes how many were under way at once.
fn echo(streams: u32, delay: Duration, most: Arc<AtomicUsize>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let most = Arc::clone(&most);
                tokio::spawn(async move {
                    let mut server = h2::server::Builder::new();
                    server.max_concurrent_streams(streams);
                    let mut connection = server.handshake::<_, Bytes>(stream).await.ok()?;
                    let now = Arc::new(AtomicUsize::new(0));
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        let now = Arc::clone(&now);
                        tokio::spawn(async move {
                            let mut body = request.into_body();
                            let mut length = 0;
                            while let Some(Ok(piece)) = body.data().await {
                                length += piece.len();
                                body.flow_control().release_capacity(piece.len()).ok()?;
                            }
                            tokio::time::sleep(delay).await;
                            now.fetch_sub(1, Ordering::SeqCst);
                            let answer = http::Response::builder().status(201).body(()).unwrap();
                            let mut send = respond.send_response(answer, length == 0).ok()?;
                            if length > 0 {
                                send.send_data(Bytes::from(vec![b'y'; length]), true).ok()?;
                            }
                            Some(())
                        });
                    }
                    Some(())
                });
            }
        });
    });
    address
}

/// Frames, by hand.
struct Frames<'a>(&'a mut Talk);

const REFUSED_STREAM: u32 = 7;
const INTERNAL_ERROR: u32 = 2;

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

impl<'a> Frames<'a> {
    /// Greets.
    fn new(talk: &'a mut Talk) -> Option<Self> {
        talk.exactly(24)?;
        let mut frames = Self(talk);
        frames.say(SETTINGS, 0, 0, &[]);
        Some(frames)
    }

    fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.say(&frame);
    }

    /// The stream of the next request; `None` when the client has gone.
    fn request(&mut self) -> Option<u32> {
        loop {
            let head = self.0.exactly(9)?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            self.0.exactly(length as usize)?;
            if head[3] == HEADERS {
                return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
            }
        }
    }

    /// Status 200, and no body.
    fn answer(&mut self, stream: u32) {
        self.say(HEADERS, 0x4 | 0x1, stream, &[0x88]);
    }

    fn reset(&mut self, stream: u32, code: u32) {
        self.say(RESET, 0, stream, &code.to_be_bytes());
    }

    fn goaway(&mut self, last: u32, code: u32) {
        self.say(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
    }
}

#[test]
fn many_streams_share_few_connections_with_bodies_both_ways() {
    let most = Arc::default();
    let server = echo(50, Duration::from_millis(20), Arc::clone(&most));
    let mut shared = order2(server, vec![burst(200)]);
    shared.test.connections = 2;
    shared.test.sending.streams = 30;
    shared.test.routes = vec![post("POST", "/", Some(&"x".repeat(3_000)))];
    shared.test.routes[0].checks.contains = vec!["y".repeat(3_000)];
    shared.test.routes[0].checks.status = vec![StatusCheck { from: 201, to: 201 }];
    let books = run(shared);
    books.all_were(200, Answer::Ok);
    assert_eq!(books.connected, 2);
    assert!((10..=30).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[test]
fn no_more_streams_are_opened_than_the_server_allows_however_few() {
    let most = Arc::default();
    let server = echo(3, Duration::from_millis(2), Arc::clone(&most));
    let mut shared = order2(server, vec![burst(60)]);
    shared.test.connections = 1;
    let books = run(shared);
    books.all_were(60, Answer::Ok);
    assert_eq!((books.connected, most.load(Ordering::SeqCst)), (1, 3));
}

#[test]
fn a_large_body_waits_for_the_windows_of_the_server() {
    let server = echo(10, Duration::ZERO, Arc::default());
    let mut large = order2(server, vec![constant(20, 200)]);
    large.test.connections = 1;
    large.test.routes = vec![post("PUT", "/", Some(&"x".repeat(400_000)))];
    run(large).all_were(4, Answer::Ok);
}

#[test]
fn over_tls_the_server_has_to_choose_it() {
    let world = World::new();
    let plain = echo(100, Duration::ZERO, Arc::default());
    for (alpn, answer) in
        [(["h2"].as_slice(), Answer::Ok), (&["http/1.1"], Answer::Tls), (&[], Answer::Tls)]
    {
        let server = front(world.right(alpn), plain);
        let mut secure = order2(server, vec![constant(100, 200)]);
        secure.url = format!("https://{server}");
        secure.test.sending.tls = world.trusting();
        run(secure).all_were(20, answer);
    }
}

#[test]
fn users_have_a_stream_each() {
    let server = echo(100, Duration::from_millis(5), Arc::default());
    let mut closed = order2(server, vec![users(40, 200)]);
    closed.test.connections = 1;
    let books = run(closed);
    assert_eq!((books.count(Answer::Ok), books.missed), (books.planned, 0));
    assert!(books.planned > 40 && books.connected == 1, "{books:?}");
}

#[test]
fn what_a_leaving_server_has_not_begun_is_sent_again_and_nothing_is_lost() {
    // Every connection takes five requests, answers three and leaves; two it has not begun.
    let answered = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&answered);
    let server = serve(move |talk, number| {
        let Some(mut frames) = Frames::new(talk) else { return };
        if number > 0 {
            while let Some(stream) = frames.request() {
                seen.fetch_add(1, Ordering::SeqCst);
                frames.answer(stream);
            }
            return;
        }
        let streams: Vec<_> = (0..5).map_while(|_| frames.request()).collect();
        frames.goaway(streams[2], 0);
        for stream in &streams[..3] {
            seen.fetch_add(1, Ordering::SeqCst);
            frames.answer(*stream);
        }
        while frames.request().is_some() {}
    });
    let mut left = order2(server, vec![burst(5), constant(0, 100), constant(50, 200)]);
    left.test.connections = 1;
    run(left).all_were(15, Answer::Ok);
    assert_eq!(answered.load(Ordering::SeqCst), 15);
}

#[test]
fn what_a_failing_server_may_have_begun_is_goaway_and_is_not_sent_again() {
    let server = serve(|talk, number| {
        let Some(mut frames) = Frames::new(talk) else { return };
        if number == 0 {
            let streams: Vec<_> = (0..4).map_while(|_| frames.request()).collect();
            frames.goaway(streams[1], INTERNAL_ERROR);
        }
        while let Some(stream) = frames.request() {
            frames.answer(stream);
        }
    });
    let mut failing = order2(server, vec![burst(4)]);
    failing.test.connections = 1;
    let books = run(failing);
    assert_eq!((books.count(Answer::Goaway), books.count(Answer::Ok)), (2, 2), "{books:?}");
}

#[test]
fn a_refused_stream_is_tried_once_more_and_another_reset_is_not() {
    let server = |code: u32, times: usize| {
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&asked);
        let address = serve(move |talk, _| {
            let Some(mut frames) = Frames::new(talk) else { return };
            while let Some(stream) = frames.request() {
                match seen.fetch_add(1, Ordering::SeqCst) < times {
                    true => frames.reset(stream, code),
                    false => frames.answer(stream),
                }
            }
        });
        (address, asked)
    };
    for (code, times, good, asked) in [
        (REFUSED_STREAM, 1, 10, 11),
        (REFUSED_STREAM, usize::MAX, 0, 20),
        (INTERNAL_ERROR, 3, 7, 10),
    ] {
        let (address, seen) = server(code, times);
        let mut one = order2(address, vec![constant(50, 200)]);
        one.test.connections = 1;
        let books = run(one);
        let counted = (books.count(Answer::Ok), books.count(Answer::Refused));
        assert_eq!(counted, (good, 10 - good), "{code}");
        assert_eq!(seen.load(Ordering::SeqCst), asked, "{code}");
        assert_eq!(books.connected, 1, "{code}");
    }
}

#[test]
fn a_connection_of_ones_own_outlives_a_refused_stream_and_is_made_again_when_the_server_leaves() {
    for (leaves, connected) in [(false, 10), (true, 11)] {
        let server = serve(move |talk, number| {
            let Some(mut frames) = Frames::new(talk) else { return };
            match frames.request() {
                Some(stream) if !leaves => frames.reset(stream, REFUSED_STREAM),
                Some(_) if number == 0 => frames.goaway(0, 0),
                Some(stream) => frames.answer(stream),
                None => {}
            }
            while let Some(stream) = frames.request() {
                frames.answer(stream);
            }
        });
        let mut owned = order2(server, vec![constant(50, 200)]);
        owned.test.sending.connection = Owner::User;
        let books = run(owned);
        books.all_were(10, Answer::Ok);
        assert_eq!(books.connected, connected);
    }
}

#[test]
fn a_slow_answer_is_given_up_and_its_connection_goes_on() {
    let server = serve(|talk, _| {
        let Some(mut frames) = Frames::new(talk) else { return };
        // The first is never answered.
        frames.request();
        while let Some(stream) = frames.request() {
            frames.answer(stream);
        }
    });
    let mut slow = order2(server, vec![constant(20, 500)]);
    slow.test.connections = 1;
    slow.test.timeout = Duration::from_millis(700);
    let books = run(slow);
    assert_eq!((books.count(Answer::Timeout), books.count(Answer::Ok)), (1, 9), "{books:?}");
    assert_eq!(books.connected, 1);
}

#[test]
fn a_connection_that_ends_takes_its_streams_with_it() {
    let server = serve(|talk, _| {
        if let Some(mut frames) = Frames::new(talk) {
            frames.request();
        }
    });
    let mut cut = order2(server, vec![constant(50, 200)]);
    cut.test.routes = vec![post("POST", "/", None)];
    let books = run(cut);
    assert_eq!(books.planned, 10);
    assert_eq!(books.count(Answer::Closed) + books.count(Answer::Reset), 10, "{books:?}");
}

#[test]
fn what_is_no_http2_is_malformed_and_a_refusal_is_one() {
    let server = serve(|talk, _| {
        talk.exactly(24);
        talk.say(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
        while !talk.piece().is_empty() {}
    });
    run(order2(server, vec![constant(100, 200)])).all_were(20, Answer::Malformed);
    run(order2(refusing(), vec![constant(100, 200)])).all_were(20, Answer::Connect);
}

#[test]
fn a_server_that_leaves_again_and_again_costs_no_request() {
    // Leaves after every third answer, as servers do that are about to be replaced.
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let server = serve(move |talk, _| {
        let Some(mut frames) = Frames::new(talk) else { return };
        let mut last = 0;
        for _ in 0..3 {
            let Some(stream) = frames.request() else { return };
            frames.answer(stream);
            *count.lock().unwrap() += 1;
            last = stream;
        }
        frames.goaway(last, 0);
        while frames.request().is_some() {}
    });
    let mut leaving = order2(server, vec![constant(300, 300)]);
    leaving.test.connections = 2;
    let books = run(leaving);
    // A request may meet two leaving connections in a row: then it is told, and never lost.
    assert_eq!((books.planned, books.missed, books.in_flight), (90, 0, 0), "{books:?}");
    assert_eq!(books.count(Answer::Ok) + books.count(Answer::Goaway), 90, "{books:?}");
    assert_eq!(*seen.lock().unwrap(), books.count(Answer::Ok));
}
