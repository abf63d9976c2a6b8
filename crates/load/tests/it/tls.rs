//! HTTP over TLS: what is trusted, what breaks, and what is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_load::Order;
use evenkeel_model::Answer;
use evenkeel_model::document::{Shape, Tls};

use crate::books::{constant, order, post, run};
use crate::secure::{NAME, World, serve};
use crate::servers::{self, HELLO, Talk};

const CLOSING: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";

/// An order over TLS.
fn secure(to: std::net::SocketAddr, tls: Tls, shapes: Vec<Shape>) -> Order {
    let mut order = order(to, shapes);
    order.url = format!("https://{to}");
    order.test.sending.tls = tls;
    order
}

fn hello(talk: &mut Talk, _: usize) {
    while talk.request().is_some() {
        talk.say(HELLO);
    }
}

#[test]
fn who_is_trusted_answers_over_connections_that_are_kept() {
    let world = World::new();
    let server = serve(world.right(&["http/1.1"]), hello);
    let books = run(secure(server, world.trusting(), vec![constant(200, 500)]));
    books.all_were(100, Answer::Ok);
    assert!((1..=8).contains(&books.connected), "{books:?}");
}

#[test]
fn another_name_may_be_asked_for_than_that_of_the_url() {
    let world = World::new();
    let server = serve(world.config(&[NAME], 2099, &[]), hello);
    let named = Tls { server_name: Some(NAME.to_owned()), ..world.trusting() };
    run(secure(server, named, vec![constant(100, 200)])).all_were(20, Answer::Ok);
}

#[test]
fn who_is_not_trusted_gets_no_request() {
    let (world, stranger) = (World::new(), World::new());
    for config in [
        stranger.right(&[]),
        world.config(&["other.test"], 2099, &[]),
        world.config(&["127.0.0.1"], 2001, &[]),
    ] {
        let heard = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&heard);
        let server = serve(config, move |talk, _| {
            while talk.request().is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
                talk.say(HELLO);
            }
        });
        let shapes = vec![constant(100, 200)];
        let books = run(secure(server, world.trusting(), shapes.clone()));
        books.all_were(20, Answer::Tls);
        assert_eq!((books.connected, heard.load(Ordering::SeqCst)), (0, 0));
        let careless = Tls { insecure: true, ..Tls::default() };
        run(secure(server, careless, shapes)).all_were(20, Answer::Ok);
    }
}

#[test]
fn sessions_are_resumed_unless_it_is_forbidden() {
    let world = World::new();
    let server = serve(world.right(&[]), |talk, _| {
        if talk.request().is_some() {
            talk.say(CLOSING);
            talk.farewell();
        }
    });
    let mut resuming = secure(server, world.trusting(), vec![constant(50, 400)]);
    let books = run(resuming.clone());
    books.all_were(20, Answer::Ok);
    assert_eq!(books.connected, 20);
    assert!((5..20).contains(&books.resumed), "{books:?}");
    resuming.test.sending.tls.resume = false;
    let books = run(resuming);
    books.all_were(20, Answer::Ok);
    assert_eq!((books.connected, books.resumed), (20, 0));
}

#[test]
fn a_server_that_does_not_finish_the_handshake_fails_at_tls() {
    let world = World::new();
    let closing = servers::serve(|talk, _| drop(talk.piece()));
    run(secure(closing, world.trusting(), vec![constant(100, 200)])).all_were(20, Answer::Tls);
    let plain = servers::serve(|talk, _| {
        drop(talk.piece());
        talk.say(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    });
    run(secure(plain, world.trusting(), vec![constant(100, 200)])).all_were(20, Answer::Tls);
}

#[test]
fn a_handshake_that_never_ends_is_a_timeout() {
    let world = World::new();
    let silent = servers::serve(|talk, _| while !talk.piece().is_empty() {});
    let mut stuck = secure(silent, world.trusting(), vec![constant(50, 200)]);
    stuck.test.timeout = std::time::Duration::from_millis(500);
    stuck.test.connections = 64;
    run(stuck).all_were(10, Answer::Timeout);
}

#[test]
fn a_body_until_the_end_is_whole_only_if_the_end_was_announced() {
    let world = World::new();
    for (announced, answer) in [(true, Answer::Ok), (false, Answer::Closed)] {
        let server = serve(world.right(&[]), move |talk, _| {
            if talk.request().is_some() {
                talk.say(b"HTTP/1.1 200 OK\r\n\r\nhello");
                if announced {
                    talk.farewell();
                }
            }
        });
        run(secure(server, world.trusting(), vec![constant(100, 200)])).all_were(20, answer);
    }
}

#[test]
fn large_bodies_pass_both_ways() {
    let world = World::new();
    let size = 1024 * 1024;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + size, b'y');
    let server = serve(world.right(&[]), move |talk, _| {
        while let Some(head) = talk.request() {
            let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
            assert!(talk.body(length.unwrap().parse().unwrap()).iter().all(|&it| it == b'x'));
            talk.say(&answer);
        }
    });
    let mut large = secure(server, world.trusting(), vec![constant(20, 200)]);
    large.test.routes = vec![post("POST", "/", Some(&"x".repeat(size)))];
    large.test.routes[0].checks.contains = vec!["yyyy".to_owned()];
    run(large).all_were(4, Answer::Ok);
}

#[test]
fn plain_http_at_a_port_of_tls_fails() {
    let world = World::new();
    let server = serve(world.right(&[]), hello);
    let books = run(order(server, vec![constant(100, 200)]));
    assert_eq!((books.planned, books.count(Answer::Ok)), (20, 0), "{books:?}");
}
