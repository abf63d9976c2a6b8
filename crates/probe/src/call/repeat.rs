//! Repeat: many questions of one address: counted, or until one is answered well.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Call, Reading, Verdict};
use crate::address::Address;

/// What several questions have come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// How many were asked.
    pub asked: u32,
    /// How many of them found the service healthy.
    pub healthy: u32,
    /// The shortest, the mean and the longest time of those; nothing when there are none.
    pub took: Option<[Duration; 3]>,
    /// From the first question to the last answer.
    pub lasted: Duration,
    /// The last one.
    pub last: Reading,
    /// The last that did not find it healthy; one that found it unhealthy goes before one that found nothing out.
    pub worst: Option<Reading>,
}

impl Series {
    fn of(reading: Reading) -> Self {
        let mut first = Self {
            asked: 0,
            healthy: 0,
            took: None,
            lasted: Duration::ZERO,
            last: reading.clone(),
            worst: None,
        };
        first.add(reading);
        first
    }

    fn add(&mut self, reading: Reading) {
        self.asked += 1;
        match reading.verdict {
            Verdict::Healthy => {
                let took = reading.took;
                let [least, mean, most] = self.took.unwrap_or([took; 3]);
                let sum = mean * self.healthy + took;
                self.healthy += 1;
                self.took = Some([least.min(took), sum / self.healthy, most.max(took)]);
            }
            Verdict::Unknown if self.is_unhealthy() => {}
            Verdict::Unhealthy | Verdict::Unknown | Verdict::Unasked => {
                self.worst = Some(reading.clone());
            }
        }
        self.last = reading;
    }

    fn is_unhealthy(&self) -> bool {
        self.worst.as_ref().is_some_and(|it| it.verdict == Verdict::Unhealthy)
    }

    /// The share of questions that did not find it healthy.
    pub fn lost(&self) -> f64 {
        f64::from(self.asked - self.healthy) / f64::from(self.asked.max(1))
    }
}

/// Asks `count` times, once every `interval`; `on` hears what it has come to after each. Ends early when it cannot be asked at all.
pub async fn repeat(
    call: &Call,
    address: &Address,
    (count, interval): (u32, Duration),
    mut on: impl FnMut(&Series),
) -> Series {
    let began = Instant::now();
    let mut next = began;
    let mut all = Series::of(call.ask(address).await);
    loop {
        all.lasted = began.elapsed();
        on(&all);
        if all.asked >= count || all.last.verdict == Verdict::Unasked {
            return all;
        }
        next = Instant::now().max(next + interval);
        sleep_until(next).await;
        all.add(call.ask(address).await);
    }
}

/// Asks once every `interval` until the service is healthy, for no longer than `limit`, and once more towards its end; `on` hears what it has come to after each.
pub async fn wait(
    call: &Call,
    address: &Address,
    (limit, interval): (Duration, Duration),
    mut on: impl FnMut(&Series),
) -> Series {
    let began = Instant::now();
    let end = began + limit;
    // A service that is asked without a pause cannot start for all the questions.
    let interval = interval.max(Duration::from_millis(1));
    let mut asked = began;
    let mut all = Series::of(call.ask_within(address, call.timeout.min(limit)).await);
    loop {
        all.lasted = began.elapsed();
        on(&all);
        let is_over = matches!(all.last.verdict, Verdict::Healthy | Verdict::Unasked);
        let next = next(began, limit, asked + interval, Instant::now());
        let Some(next) = next.filter(|_| !is_over) else { return all };
        sleep_until(next).await;
        asked = Instant::now();
        // The last one gets what is left.
        all.add(call.ask_within(address, call.timeout.min(end.duration_since(asked))).await);
    }
}

/// When to ask again: as it is due, but once more before the end, when a tenth of the limit is left for the answer.
fn next(began: Instant, limit: Duration, due: Instant, now: Instant) -> Option<Instant> {
    let (end, last) = (began + limit, began + limit / 10 * 9);
    [due.max(now), last].into_iter().find(|it| *it >= now && *it < end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A server that gives one answer after the other, a connection each, and then stops listening.
    async fn server(answers: &'static [&'static str]) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address =
            Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                drop(stream.read(&mut [0; 1_024]).await);
                let head = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
            }
        });
        address
    }

    const SOON: Duration = Duration::from_millis(1);
    const PATIENT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn questions_are_counted_and_those_that_are_lost() {
        let address = server(&["200 OK", "503 x", "200 OK"]).await;
        let mut said = Vec::new();
        let call = Call::default();
        let all = repeat(&call, &address, (4, SOON), |it| said.push(it.last.detail.clone())).await;
        assert_eq!(said, ["200", "status is 503, and not 200-399", "200", "connection refused"]);
        assert_eq!((all.asked, all.healthy), (4, 2));
        assert!((all.lost() - 0.5).abs() < 1e-9);
        let [least, mean, most] = all.took.unwrap();
        assert!(least <= mean && mean <= most && most <= all.lasted);
        assert_eq!(all.worst.unwrap().detail, "connection refused");
    }

    #[tokio::test]
    async fn waiting_ends_with_the_first_good_answer() {
        let address = server(&["503 x", "503 x", "200 OK", "200 OK"]).await;
        let all = wait(&Call::default(), &address, (PATIENT, SOON), |_| ()).await;
        assert_eq!((all.asked, all.last.verdict), (3, Verdict::Healthy));
    }

    #[test]
    fn the_last_question_is_not_given_up_early() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        for (due, now, expected) in [
            (100, 10, Some(at(100))),
            (100, 150, Some(at(150))),
            (2_000, 10, Some(at(900))),
            (1_000, 899, Some(at(900))),
            (1_000, 901, None),
            (950, 920, Some(at(950))),
            (100, 1_000, None),
        ] {
            let found = next(began, Duration::from_secs(1), at(due), at(now));
            assert_eq!(found, expected, "due after {due}, at {now}");
        }
    }

    #[tokio::test]
    async fn waiting_ends_with_its_limit() {
        let address = server(&[]).await;
        tokio::task::yield_now().await;
        let limit = Duration::from_millis(30);
        let all = wait(&Call::default(), &address, (limit, SOON), |_| ()).await;
        assert_eq!(all.last.verdict, Verdict::Unhealthy);
        assert!(all.asked >= 2 && all.lasted < PATIENT, "{all:?}");
    }
}
