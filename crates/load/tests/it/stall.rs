//! A server that stalls once for a second: what users saw is arithmetic, and the load must report it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use evenkeel_model::Answer;
use evenkeel_model::document::Shape;
use evenkeel_units::{Clock, Moment, SystemClock};

use crate::books::{Books, constant, order, run, users};
use crate::servers::{HELLO, serve};

/// How long the load lasts.
const LENGTH: Duration = Duration::from_secs(4);

/// Sends `shape` at a server that stalls for a second after two, and says how long it really gave no
/// answer: a busy machine stretches a stall at both ends.
fn stalled(shape: Shape) -> (Books, Duration) {
    let clock = SystemClock::start();
    let [from, until] = [2, 3].map(|it| Moment::at(Duration::from_secs(it)));
    // The last answer, and the longest time between two.
    let silence = Arc::new(Mutex::new((None::<Moment>, Duration::ZERO)));
    let seen = Arc::clone(&silence);
    let server = serve(move |talk, _| {
        let never = (Mutex::new(()), Condvar::new());
        while talk.request().is_some() {
            if (from..until).contains(&clock.now()) {
                let mut guard = never.0.lock().unwrap();
                while clock.now() < until {
                    guard = never.1.wait_timeout(guard, until - clock.now()).unwrap().0;
                }
            }
            talk.say(HELLO);
            let (last, longest) = &mut *seen.lock().unwrap();
            let now = clock.now();
            *longest = (*longest).max(now - last.replace(now).unwrap_or(now));
        }
    });
    let books = run(order(server, vec![shape]));
    let (_, longest) = *silence.lock().unwrap();
    (books, longest)
}

#[test]
fn a_stall_at_a_constant_rate_gives_the_p99_that_arithmetic_predicts() {
    let (books, stall) = stalled(constant(500, LENGTH.as_millis() as u64));
    books.all_were(2_000, Answer::Ok);
    // Who came at the beginning of the stall waited for all of it, who came at its end not at all. The
    // slowest hundredth of all requests are those that came first, within a hundredth of the load's
    // length; the last of them waited shorter by as much. Further down, the time shows that a busy
    // machine needs to work off the queue.
    for (q, within) in [(0.99, 0.02), (0.95, 0.05), (0.90, 0.05)] {
        let truth = stall.as_secs_f64() - (1.0 - q) * LENGTH.as_secs_f64();
        let told = books.response.quantile(q).unwrap().as_secs_f64();
        assert!((told / truth - 1.0).abs() <= within, "p{q}: told {told} s, true {truth} s");
    }
}

#[test]
fn users_hide_a_stall_since_they_wait_for_it() {
    let (books, stall) = stalled(users(8, LENGTH.as_millis() as u64));
    let (p99, max) = (books.response.quantile(0.99).unwrap(), books.response.max().unwrap());
    assert!(p99 < Duration::from_millis(100), "{p99:?}");
    assert!(max.as_secs_f64() >= stall.as_secs_f64() * 0.98, "{max:?} of {stall:?}");
    let slow = books.planned - books.response.count_at_most(stall / 2);
    assert!((1..=8).contains(&slow), "one for each user at the most: {slow}");
}
