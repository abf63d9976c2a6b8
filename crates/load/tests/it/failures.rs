//! Every way in which an answer can fail, told apart and counted exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evenkeel_model::Answer;
use evenkeel_model::document::{Shape, StatusCheck};
use evenkeel_units::Rate;

use crate::books::{constant, order, post, route, run, users};
use crate::servers::{HELLO, answering, refusing, serve};

#[test]
fn right_answers_are_good() {
    run(order(answering(HELLO), vec![constant(200, 500)])).all_were(100, Answer::Ok);
}

#[test]
fn refused_connections_are_counted_one_by_one() {
    run(order(refusing(), vec![constant(200, 500)])).all_were(100, Answer::Connect);
}

#[test]
fn a_name_with_several_addresses_is_asked_at_all_of_them() {
    // Where `localhost` is first an IPv6 address, nobody listens there.
    let server = answering(HELLO);
    let mut named = order(server, vec![constant(100, 300)]);
    named.url = format!("http://localhost:{}", server.port());
    run(named).all_were(30, Answer::Ok);
}

#[test]
fn a_request_that_is_larger_than_the_socket_takes_is_sent_in_pieces() {
    let server = serve(|talk, _| {
        while let Some(head) = talk.request() {
            let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
            assert!(talk.body(length.unwrap().parse().unwrap()).iter().all(|&it| it == b'x'));
            talk.say(HELLO);
        }
    });
    let mut large = order(server, vec![constant(50, 200)]);
    large.test.routes = vec![post("POST", "/", Some(&"x".repeat(8 * 1024 * 1024)))];
    run(large).all_were(10, Answer::Ok);
}

#[test]
fn a_large_answer_is_read_in_pieces() {
    let size = 3 * 1024 * 1024;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + size, b'x');
    let server = serve(move |talk, _| {
        while talk.request().is_some() {
            talk.say(&answer);
        }
    });
    let books = run(order(server, vec![constant(50, 200)]));
    books.all_were(10, Answer::Ok);
    assert!(books.received > 10 * size as u64, "{}", books.received);
}

#[test]
fn what_comes_after_a_large_answer_is_not_the_next_answer() {
    let size = 64 * 1024;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + size, b'x');
    answer.extend_from_slice(b"HTTP/1.1 500 Nobody Asked\r\ncontent-length: 0\r\n\r\n");
    let server = serve(move |talk, _| {
        if talk.request().is_some() {
            talk.say(&answer);
            talk.wait_for_the_end();
        }
    });
    let books = run(order(server, vec![constant(50, 200)]));
    books.all_were(10, Answer::Ok);
    assert_eq!(books.connected, 10, "each needs a connection of its own");
}

#[test]
fn a_crowd_at_a_refusing_target_is_answered_without_a_storm() {
    let (handle, said) = crate::books::start(order(refusing(), vec![constant(20_000, 500)]));
    let frames = crate::books::frames(said);
    crate::books::Books::of(&frames).all_were(10_000, Answer::Connect);
    handle.join();
}

#[test]
fn users_at_a_refusing_target_do_not_spin() {
    let books = run(order(refusing(), vec![users(4, 300)]));
    assert_eq!(books.count(Answer::Connect), books.planned);
    assert!((4..=4 * 31).contains(&books.planned), "{books:?}");
}

#[test]
fn a_connection_that_ends_within_the_body_is_closed_too_early() {
    let server = serve(|talk, _| {
        if talk.request().is_some() {
            talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello");
        }
    });
    run(order(server, vec![constant(100, 300)])).all_were(30, Answer::Closed);
}

#[test]
fn a_truncated_chunk_is_closed_too_early() {
    let server = serve(|talk, _| {
        if talk.request().is_some() {
            talk.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel");
        }
    });
    run(order(server, vec![constant(100, 300)])).all_were(30, Answer::Closed);
}

#[test]
fn a_connection_closed_without_an_answer_is_closed_too_early() {
    let server = serve(|talk, _| drop(talk.request()));
    run(order(server, vec![constant(100, 300)])).all_were(30, Answer::Closed);
}

#[test]
fn a_damaged_chunk_is_malformed() {
    let server = answering(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZ\r\n");
    run(order(server, vec![constant(100, 300)])).all_were(30, Answer::Malformed);
}

#[test]
fn bytes_that_are_no_http_are_malformed() {
    run(order(answering(b"220 mail ready\r\n"), vec![constant(100, 300)]))
        .all_were(30, Answer::Malformed);
    let bad_head = answering(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n");
    run(order(bad_head, vec![constant(100, 300)])).all_were(30, Answer::Malformed);
}

#[test]
fn a_wrong_status_is_told_from_a_wrong_body() {
    let error = answering(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    run(order(error, vec![constant(100, 300)])).all_were(30, Answer::Status);

    let mut strict = order(answering(HELLO), vec![constant(100, 300)]);
    strict.test.routes[0].checks.status = vec![StatusCheck { from: 201, to: 204 }];
    run(strict).all_were(30, Answer::Status);

    let mut picky = order(answering(HELLO), vec![constant(100, 300)]);
    picky.test.routes[0].checks.contains = vec!["ell".to_owned(), "goodbye".to_owned()];
    run(picky.clone()).all_were(30, Answer::Body);
    picky.test.routes[0].checks.contains.pop();
    run(picky).all_were(30, Answer::Ok);
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole() {
    let server = serve(|talk, _| {
        if talk.request().is_some() {
            talk.say(b"HTTP/1.1 200 OK\r\n\r\nhello");
        }
    });
    run(order(server, vec![constant(100, 300)])).all_were(30, Answer::Ok);
}

#[test]
fn a_server_that_closes_after_each_answer_costs_no_request() {
    let announced = serve(|talk, _| {
        if talk.request().is_some() {
            talk.say(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        }
    });
    run(order(announced, vec![constant(200, 500)])).all_were(100, Answer::Ok);
    let unannounced = serve(|talk, _| {
        if talk.request().is_some() {
            talk.say(HELLO);
        }
    });
    run(order(unannounced, vec![constant(200, 500)])).all_were(100, Answer::Ok);
}

#[test]
fn a_stale_connection_costs_an_idempotent_request_no_more_than_a_second_try() {
    // The first connection answers once, and breaks at the second request without an answer.
    let server = || {
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        let address = serve(move |talk, number| {
            while talk.request().is_some() {
                let count = seen.fetch_add(1, Ordering::SeqCst);
                if number == 0 && count == 1 {
                    return;
                }
                talk.say(HELLO);
            }
        });
        (address, requests)
    };
    let (address, requests) = server();
    let mut get = order(address, vec![constant(20, 500)]);
    get.test.connections = 1;
    run(get).all_were(10, Answer::Ok);
    assert_eq!(requests.load(Ordering::SeqCst), 11);

    let (address, requests) = server();
    let mut post = order(address, vec![constant(20, 500)]);
    post.test.connections = 1;
    post.test.routes = vec![route("POST", "/")];
    let books = run(post);
    assert_eq!((books.count(Answer::Ok), books.count(Answer::Closed)), (9, 1));
    assert_eq!(requests.load(Ordering::SeqCst), 10);
}

#[test]
fn an_answer_that_never_comes_is_a_timeout_at_its_true_age() {
    let server = serve(|talk, _| talk.wait_for_the_end());
    let mut slow = order(server, vec![constant(20, 500)]);
    slow.test.timeout = Duration::from_millis(200);
    slow.test.connections = 64;
    let books = run(slow);
    books.all_were(10, Answer::Timeout);
    let (min, max) = (books.response.min().unwrap(), books.response.max().unwrap());
    assert!(min >= Duration::from_millis(199), "{min:?}");
    assert!(max < Duration::from_millis(400), "{max:?}");
}

#[test]
fn arrivals_without_a_connection_before_their_timeout_are_missed() {
    let server = serve(|talk, _| talk.wait_for_the_end());
    // Twenty within 20 µs: when the first two have timed out, it is too late for most of the others.
    let rate = Rate::per_second(1e6).unwrap();
    let burst = Shape::Constant { rate, duration: Duration::from_micros(20) };
    let mut slow = order(server, vec![burst]);
    slow.test.timeout = Duration::from_millis(200);
    slow.test.connections = 2;
    let books = run(slow);
    assert_eq!((books.planned, books.planned - books.sent), (20, books.missed));
    assert_eq!(books.count(Answer::Timeout), books.sent);
    assert!(books.sent >= 2 && books.missed >= 5, "{books:?}");
}

#[test]
fn an_arrival_that_waited_is_still_sent_when_a_connection_is_given_up_in_time() {
    let server = serve(|talk, _| talk.wait_for_the_end());
    let mut slow = order(server, vec![constant(50, 400)]);
    slow.test.timeout = Duration::from_millis(300);
    slow.test.connections = 2;
    let books = run(slow);
    assert_eq!(books.count(Answer::Timeout) + books.missed, 20);
    assert!(books.sent > 2, "{books:?}");
    assert!(books.response.max().unwrap() < Duration::from_millis(500), "{books:?}");
}

#[test]
fn a_target_that_comes_back_is_found_again() {
    let server = serve(|talk, number| {
        while talk.request().is_some() {
            if number < 10 {
                return;
            }
            talk.say(HELLO);
        }
    });
    let books = run(order(server, vec![constant(100, 500)]));
    assert_eq!((books.count(Answer::Closed), books.count(Answer::Ok)), (10, 40));
}

#[test]
fn a_server_that_dies_with_all_its_connections_is_survived() {
    // Two hundred connections stand idle; all are reset at once, and the next burst meets them.
    let (die, dead) = (Arc::new(AtomicUsize::new(0)), 200);
    let seen = Arc::clone(&die);
    let server = serve(move |talk, number| {
        while talk.request().is_some() {
            let answers = seen.fetch_add(1, Ordering::SeqCst);
            if number < dead && answers >= dead {
                return;
            }
            talk.say(HELLO);
        }
    });
    let burst = |count: u64| Shape::Constant {
        rate: Rate::per_second(1e6).unwrap(),
        duration: Duration::from_micros(count),
    };
    let mut dying = order(server, vec![burst(200), constant(0, 300), burst(400)]);
    dying.test.connections = 200;
    let books = run(dying);
    assert_eq!((books.planned, books.missed, books.in_flight), (600, 0, 0), "{books:?}");
    // Each old connection costs one request a second try, or on a machine that is busy for long its answer.
    let failed = books.count(Answer::Closed) + books.count(Answer::Reset);
    assert_eq!(books.count(Answer::Ok) + failed, 600, "{books:?}");
    assert!(failed <= 200, "{books:?}");
}

#[test]
fn an_early_answer_to_a_request_that_is_not_read_is_its_answer() {
    let server = serve(|talk, _| {
        if talk.request().is_some() {
            talk.say(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            talk.farewell();
            talk.wait_for_the_end();
        }
    });
    let mut large = order(server, vec![constant(50, 200)]);
    large.test.routes = vec![post("POST", "/", Some(&"x".repeat(300_000)))];
    run(large).all_were(10, Answer::Status);
}
