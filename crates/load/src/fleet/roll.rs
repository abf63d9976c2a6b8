//! Roll: who of a fleet is there, and what all of them have counted.
//!
//! Pure: messages go in, frames of the whole load come out. The seconds of an agent that is lost end with the last
//! one that it said. What it had under way then stays in flight for ever, since nobody knows what became of it; what
//! it had not sent counts as missed, so that the books still balance. Where others take over what it had to send, so does
//! what is due in between, second by second.

use std::collections::VecDeque;
use std::time::Duration;

use evenkeel_model::{Distribution, Frame, Series};

use crate::merge::Merge;

/// An agent that is so many seconds behind will not catch up.
const BEHIND_MAX: u64 = 10;

/// More of anything than an agent can count in a second.
const COUNT_MAX: u64 = 1 << 32;

/// The same of bytes.
const BYTES_MAX: u64 = 1 << 42;

/// The same of microseconds: weeks.
const MICROS_MAX: u64 = 1 << 42;

/// Who is there.
#[derive(Debug)]
pub(super) struct Roll {
    merge: Merge,
    places: Vec<Place>,
    routes: usize,
    transactions: usize,
}

/// What is known about one agent.
#[derive(Clone, Debug, Default)]
struct Place {
    /// The next second that it has to say.
    next: u64,
    in_flight: u64,
    waiting: u64,
    /// Whether it is done, or lost.
    gone: bool,
    lost: bool,
    /// Of a lost one: its seconds in which nobody sent, as far as they are not over.
    unsent: VecDeque<Frame>,
}

impl Roll {
    /// Of so many agents, for a test of so many routes and transactions.
    pub(super) fn new(agents: usize, routes: usize, transactions: usize) -> Self {
        let places = vec![Place::default(); agents];
        Self { merge: Merge::new(agents), places, routes, transactions }
    }

    /// Takes a second of an agent. One that was said before is passed over.
    ///
    /// # Errors
    /// When it cannot be what an agent counted in a second, or is not the next.
    pub(super) fn second(&mut self, agent: usize, frame: &Frame) -> Result<(), &'static str> {
        let Some(place) = self.places.get_mut(agent).filter(|it| it.is_there()) else {
            return Ok(());
        };
        if frame.second < place.next {
            return Ok(());
        }
        if frame.second > place.next {
            return Err("it left out a second");
        }
        if !is_sound(frame, self.routes, self.transactions) {
            return Err("its figures cannot be");
        }
        place.next += 1;
        (place.in_flight, place.waiting) = (frame.in_flight, frame.waiting);
        self.merge.frame(agent, frame);
        Ok(())
    }

    /// An agent is done.
    pub(super) fn ended(&mut self, agent: usize) {
        if let Some(place) = self.places.get_mut(agent).filter(|it| !it.gone) {
            place.gone = true;
            self.merge.ended(agent, place.in_flight);
        }
    }

    /// How many seconds of an agent were heard; `None` when it is gone.
    pub(super) fn heard(&self, agent: usize) -> Option<u64> {
        self.places.get(agent).filter(|it| it.is_there()).map(|it| it.next)
    }

    /// An agent is lost. Of what it was to send from then on, so much of each second is sent by nobody.
    pub(super) fn lost(&mut self, agent: usize, missed: &[u64]) {
        let Some(place) = self.places.get_mut(agent).filter(|it| it.is_there()) else { return };
        let frame = |(second, missed): (u64, &u64)| Frame {
            second,
            in_flight: place.in_flight,
            planned: *missed,
            missed: *missed,
            ..Frame::default()
        };
        let mut unsent: VecDeque<_> = (place.next..).zip(missed).map(frame).collect();
        if place.waiting > 0 {
            if unsent.is_empty() {
                unsent.push_back(frame((place.next, &0)));
            }
            unsent[0].missed += place.waiting;
        }
        if let Some(first) = unsent.pop_front() {
            self.merge.frame(agent, &first);
        }
        (place.lost, place.unsent) = (true, unsent);
        if place.unsent.is_empty() {
            self.ended(agent);
        }
    }

    /// So long after the load was started, the seconds of lost agents that are over count. When nobody sends any more,
    /// the rest counts as well, unless it was not to be sent.
    pub(super) fn pass(&mut self, after: Duration, stopped: bool) {
        let over = self.places.iter().all(|it| !it.is_there());
        for agent in 0..self.places.len() {
            let place = &mut self.places[agent];
            while let Some(frame) =
                place.unsent.pop_front_if(|it| it.second < after.as_secs() || (over && !stopped))
            {
                self.merge.frame(agent, &frame);
            }
            if place.lost && (place.unsent.is_empty() || over) {
                self.ended(agent);
            }
        }
    }

    /// Agents that are too far behind, so long after the load was started.
    pub(super) fn behind(&self, after: Duration) -> Vec<usize> {
        let limit = after.as_secs().saturating_sub(BEHIND_MAX);
        let late =
            self.places.iter().enumerate().filter(|(_, it)| it.is_there() && it.next < limit);
        late.map(|(agent, _)| agent).collect()
    }

    /// The next second that every agent which is there has said.
    pub(super) fn take(&mut self) -> Option<Frame> {
        self.merge.take()
    }

    /// Whether every agent was lost.
    pub(super) fn nobody_stayed(&self) -> bool {
        self.places.iter().all(|it| it.lost)
    }

    /// Whether no agent will say anything more.
    pub(super) fn is_over(&self) -> bool {
        self.merge.is_over()
    }
}

impl Place {
    /// Whether it says seconds.
    fn is_there(&self) -> bool {
        !self.gone && !self.lost
    }
}

/// Whether an agent can have counted this: adding such figures up loses nothing and overflows nowhere.
fn is_sound(frame: &Frame, routes: usize, transactions: usize) -> bool {
    let counts = [
        frame.planned,
        frame.sent,
        frame.missed,
        frame.in_flight,
        frame.waiting,
        frame.connected,
        frame.resumed,
        frame.cpu_micros,
        frame.threads,
    ];
    let bytes = [frame.bytes_received, frame.bytes_sent];
    counts.iter().all(|it| *it <= COUNT_MAX)
        && bytes.iter().all(|it| *it <= BYTES_MAX)
        && is_distribution(&frame.lag_micros)
        && are_series(&frame.series, routes)
        && are_series(&frame.transactions, transactions)
}

fn is_distribution(it: &Distribution) -> bool {
    it.micros.is_sorted_by(|(a, _), (b, _)| a < b)
        && it.micros.iter().all(|(micros, count)| *micros <= MICROS_MAX && *count <= COUNT_MAX)
}

fn are_series(all: &[Series], of: usize) -> bool {
    all.is_sorted_by(|a, b| (a.route, a.answer) < (b.route, b.answer))
        && all.iter().all(|it| {
            it.route < of
                && is_distribution(&it.response_micros)
                && is_distribution(&it.service_micros)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::Answer;
    use proptest::prelude::*;

    fn frame(second: u64, sent: u64, in_flight: u64) -> Frame {
        Frame { second, planned: sent, sent, in_flight, ..Frame::default() }
    }

    fn all(roll: &mut Roll) -> Vec<Frame> {
        std::iter::from_fn(|| roll.take()).collect()
    }

    #[test]
    fn the_seconds_of_a_lost_agent_end_and_those_of_the_others_go_on() {
        let mut roll = Roll::new(2, 1, 0);
        roll.second(0, &frame(0, 5, 2)).unwrap();
        roll.second(1, &frame(0, 7, 1)).unwrap();
        roll.second(1, &frame(1, 7, 3)).unwrap();
        assert_eq!(all(&mut roll), [frame(0, 12, 3)]);
        assert_eq!(roll.heard(0), Some(1));
        roll.lost(0, &[]);
        assert_eq!(all(&mut roll), [frame(1, 7, 5)]);
        assert_eq!(roll.heard(0), None);
        assert!(!roll.nobody_stayed());
        roll.second(0, &frame(1, 5, 0)).unwrap();
        roll.ended(1);
        assert!(roll.is_over() && roll.take().is_none());
    }

    #[test]
    fn what_a_lost_agent_had_not_sent_is_missed_and_the_books_balance() {
        let mut roll = Roll::new(2, 1, 0);
        let late = Frame { planned: 9, waiting: 4, ..frame(0, 5, 2) };
        roll.second(0, &late).unwrap();
        roll.second(1, &frame(0, 7, 0)).unwrap();
        roll.lost(0, &[]);
        roll.ended(1);
        let frames = all(&mut roll);
        let sum = |of: fn(&Frame) -> u64| frames.iter().map(of).sum::<u64>();
        let last = frames.last().unwrap();
        assert_eq!(sum(|it| it.planned), sum(|it| it.sent) + sum(|it| it.missed) + last.waiting);
        assert_eq!((last.missed, last.in_flight), (4, 2));
    }

    #[test]
    fn what_nobody_sends_before_others_take_over_is_missed_second_by_second() {
        let end = |stopped: bool| {
            let mut roll = Roll::new(2, 1, 0);
            let late = Frame { planned: 9, waiting: 4, ..frame(0, 5, 2) };
            roll.second(0, &late).unwrap();
            roll.second(1, &frame(0, 7, 0)).unwrap();
            roll.lost(0, &[9, 8, 3]);
            let mut said = all(&mut roll);
            roll.second(1, &frame(1, 7, 0)).unwrap();
            roll.second(1, &frame(2, 7, 0)).unwrap();
            // The third second is not over.
            roll.pass(Duration::from_millis(2_900), false);
            said.extend(all(&mut roll));
            assert_eq!(said.iter().map(|it| it.missed).collect::<Vec<_>>(), [0, 4 + 9]);
            roll.ended(1);
            roll.pass(Duration::from_millis(2_900), stopped);
            said.extend(all(&mut roll));
            assert!(roll.is_over() && !roll.nobody_stayed());
            let sum = |of: fn(&Frame) -> u64| said.iter().map(of).sum::<u64>();
            assert_eq!(sum(|it| it.planned), sum(|it| it.sent) + sum(|it| it.missed));
            said.last().map(|it| (it.second, it.missed, it.in_flight))
        };
        assert_eq!(end(false), Some((3, 3, 2)));
        assert_eq!(end(true), Some((2, 0, 2)));
    }

    #[test]
    fn an_agent_that_says_no_seconds_falls_behind() {
        let mut roll = Roll::new(3, 1, 0);
        (0..9).for_each(|it| roll.second(0, &frame(it, 1, 0)).unwrap());
        roll.ended(2);
        assert!(roll.behind(Duration::from_secs(10)).is_empty());
        assert_eq!(roll.behind(Duration::from_secs(11)), [1]);
        assert_eq!(roll.behind(Duration::from_secs(20)), [0, 1]);
    }

    #[test]
    fn figures_that_cannot_be_are_refused() {
        let mut roll = Roll::new(1, 1, 0);
        let series = |route, micros| Series {
            route,
            answer: Answer::Ok,
            response_micros: Distribution { micros },
            service_micros: Distribution::default(),
        };
        let of = |series: Vec<Series>| Frame { series, ..frame(0, 1, 0) };
        for wrong in [
            frame(0, u64::MAX, 0),
            Frame { bytes_sent: u64::MAX, ..frame(0, 1, 0) },
            Frame { transactions: vec![series(0, vec![(1, 1)])], ..frame(0, 1, 0) },
            of(vec![series(1, vec![(1, 1)])]),
            of(vec![series(0, vec![(2, 1), (1, 1)])]),
            of(vec![series(0, vec![(1, u64::MAX)])]),
            of(vec![series(0, vec![(1, 1)]), series(0, vec![(1, 1)])]),
        ] {
            assert_eq!(roll.second(0, &wrong), Err("its figures cannot be"), "{wrong:?}");
        }
        assert_eq!(roll.second(0, &frame(1, 1, 0)), Err("it left out a second"));
        assert_eq!(roll.second(0, &of(vec![series(0, vec![(1, 1)])])), Ok(()));
    }

    /// What one worker counted, second by second, and what it left under way.
    fn recorded() -> impl Strategy<Value = Vec<Frame>> {
        let one = (0u64..9, 0u64..9, 0usize..3, 0u64..20, 1u64..5);
        prop::collection::vec(one, 0..6).prop_map(|seconds| {
            let frame = |(second, (sent, in_flight, route, micros, count))| Frame {
                lag_micros: Distribution { micros: vec![(micros, count)] },
                series: vec![Series {
                    route,
                    answer: Answer::ALL[micros as usize % Answer::ALL.len()],
                    response_micros: Distribution { micros: vec![(micros, count)] },
                    service_micros: Distribution { micros: vec![(micros / 2, count)] },
                }],
                ..frame(second, sent, in_flight)
            };
            (0..).zip(seconds).map(frame).collect()
        })
    }

    /// The frames of workers, all on one machine.
    fn together(workers: &[Vec<Frame>]) -> Vec<Frame> {
        let mut merge = Merge::new(workers.len());
        for (worker, frames) in workers.iter().enumerate() {
            frames.iter().for_each(|it| merge.frame(worker, it));
            merge.ended(worker, frames.last().map_or(0, |it| it.in_flight));
        }
        std::iter::from_fn(|| merge.take()).collect()
    }

    proptest! {
        /// However workers are spread over machines, and in whatever order the machines are heard.
        #[test]
        fn a_fleet_counts_what_one_machine_would_have(
            workers in prop::collection::vec(recorded(), 1..6),
            cut in 0usize..6,
            order in prop::collection::vec(any::<bool>(), 64),
        ) {
            let (one, other) = workers.split_at(cut.min(workers.len()));
            let machines = [together(one), together(other)];
            let mut roll = Roll::new(2, 3, 0);
            let mut said = Vec::new();
            let mut next = machines.each_ref().map(|it| it.iter());
            for first in order {
                let agent = usize::from(first);
                match next[agent].next() {
                    Some(frame) => roll.second(agent, frame).unwrap(),
                    None => roll.ended(agent),
                }
                said.extend(all(&mut roll));
            }
            [0, 1].into_iter().for_each(|agent| {
                next[agent].by_ref().for_each(|it| roll.second(agent, it).unwrap());
                roll.ended(agent);
            });
            said.extend(all(&mut roll));
            prop_assert_eq!(said, together(&workers));
            prop_assert!(roll.is_over());
        }
    }
}
