//! Deal: which agent sends which shares, up to when it may, and who sends them when it is lost.
//!
//! ```text
//! agent a   ───────────▶│ heard last      ┊ may send what is due before here
//!                       └──── missed ─────┤
//! agents b, c                             └──────▶ every second arrival of a's share each
//! ```
//!
//! Where shares are handed on, no agent may send without end: it is told, again and again, up to which moment *of the
//! schedule* it may, and that is at most [`LEASE`] after it was heard last. Arrivals from there on can be given to
//! others, whatever has become of it and whatever any clock says: none is sent twice. What was due between its last
//! second and that moment counts as missed, since nobody knows.

use std::time::Duration;

use evenkeel_model::document::{Offered, RowOrder};
use evenkeel_units::Moment;

use super::FleetError;
use super::link::SILENCE;
use crate::order::{Order, Share};
use crate::schedule::Schedule;

/// For so long an agent may send that is not heard.
pub(super) const LEASE: Duration = SILENCE;

/// Whoever takes over must have heard of it before.
const LEAD: Duration = Duration::from_millis(500);

/// Who sends what.
#[derive(Debug)]
pub(super) struct Deal {
    schedule: Schedule,
    /// Of each agent.
    threads: u32,
    hands: Vec<Hand>,
}

/// What one agent has.
#[derive(Debug)]
struct Hand {
    /// Each from some moment on.
    shares: Vec<(Share, Moment)>,
    connections: u32,
    /// It sends nothing that is due from here on.
    until: Moment,
    gone: bool,
}

/// A part of what a lost agent had.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) to: usize,
    pub(super) share: Share,
    /// Nothing of it that is due before.
    pub(super) since: Moment,
    pub(super) connections: u32,
}

/// How the shares of a lost agent are handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    /// Nothing of them that is due before is sent by anybody any more.
    pub(super) from: Moment,
    pub(super) parts: Vec<Part>,
    /// How many arrivals of each second are sent by nobody, from the first second that was not heard on.
    pub(super) missed: Vec<u64>,
}

impl Deal {
    /// The deal of an order, of which each agent has one of `orders`.
    ///
    /// # Errors
    /// When the load is one whose shares cannot be handed on.
    pub(super) fn new(order: &Order, orders: &[Order]) -> Result<Self, FleetError> {
        let refused = |reason: &str| Err(FleetError::Redistribute { reason: reason.to_owned() });
        if order.test.routes.iter().any(|it| it.call.is_followed()) {
            return refused("partitions that are consumed stay with one agent");
        }
        let users = |segment: evenkeel_model::document::Segment| match segment.offered {
            Offered::Users { iterations, .. } => Some(iterations),
            Offered::Rate(..) => None,
        };
        let mut closed = order
            .shapes
            .iter()
            .flat_map(|it| it.segments().into_iter().filter_map(users))
            .peekable();
        if closed.peek().is_some()
            && order.test.feeders.iter().any(|it| it.order == RowOrder::Unique)
        {
            return refused("users that start anew would use unique rows of data twice");
        }
        if closed.any(|it| it.is_some()) {
            return refused(
                "nobody knows how many of their iterations users of a lost agent had done",
            );
        }
        let Some(schedule) = Schedule::of(&order.shapes) else {
            return refused("the shapes have too many steps");
        };
        let hand = |it: &Order| Hand {
            shares: vec![(it.share, Moment::START)],
            connections: it.test.connections,
            until: Moment::at(LEASE),
            gone: false,
        };
        let threads = orders.first().map_or(1, |it| it.test.sending.threads);
        Ok(Self { schedule, threads, hands: orders.iter().map(hand).collect() })
    }

    /// Up to when an agent may send that was heard at `heard`.
    pub(super) fn until(&mut self, agent: usize, heard: Moment) -> Moment {
        let hand = &mut self.hands[agent];
        hand.until = hand.until.max(whole(heard + LEASE));
        hand.until
    }

    /// An agent is done.
    pub(super) fn ended(&mut self, agent: usize) {
        self.hands[agent].gone = true;
    }

    /// An agent is lost, of which the seconds before `second` were heard: the others take over what it had. Nothing
    /// when there is nobody.
    pub(super) fn lost(&mut self, agent: usize, second: u64, now: Moment) -> Option<Handover> {
        self.hands[agent].gone = true;
        let others: Vec<_> = (0..self.hands.len()).filter(|it| !self.hands[*it].gone).collect();
        let of = others.len();
        let hand = &mut self.hands[agent];
        let (shares, connections) = (std::mem::take(&mut hand.shares), hand.connections as usize);
        // A lease that ends later than the load is one to its end.
        let end = Moment::at(self.schedule.length());
        let from = hand.until.max(whole(now + LEAD)).min(end);
        let mut parts = Vec::new();
        for (number, &to) in others.iter().enumerate() {
            let mut more = (connections / of + usize::from(number < connections % of)) as u32;
            for (share, since) in &shares {
                let (share, since) = (share.part(number as u64, of as u64)?, from.max(*since));
                parts.push(Part { to, share, since, connections: std::mem::take(&mut more) });
            }
        }
        for it in &parts {
            let hand = &mut self.hands[it.to];
            hand.shares.push((it.share, it.since));
            hand.connections += it.connections;
        }
        let mut missed = Vec::new();
        let mut at = Moment::at(Duration::from_secs(second));
        while at < from {
            let next = (at + Duration::from_secs(1)).min(from);
            let due =
                |(share, since): &(Share, Moment)| self.arrivals(*share, at.max(*since), next);
            missed.push(shares.iter().map(due).sum());
            at = next;
        }
        (!others.is_empty()).then_some(Handover { from, parts, missed })
    }

    /// How many arrivals of a share are due between two moments.
    fn arrivals(&self, share: Share, from: Moment, to: Moment) -> u64 {
        let before = |at| share.arrivals(self.threads, self.schedule.before(at));
        before(to).saturating_sub(before(from))
    }
}

/// Whole milliseconds, which are the same wherever they are written and read.
fn whole(at: Moment) -> Moment {
    let millis = at.elapsed().as_nanos().div_ceil(1_000_000);
    Moment::at(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::share::shares;
    use super::*;
    use evenkeel_model::document::{Call, Feeder, LoadTest, Route, Rows, Shape};
    use evenkeel_units::{Rate, Seed};
    use proptest::prelude::*;

    fn order(shape: Shape, threads: u32) -> Order {
        let mut test = LoadTest::new("it");
        test.sending.threads = threads;
        let url = "http://127.0.0.1:1".to_owned();
        Order { url, test, shapes: vec![shape], seed: Seed(1), share: Share::WHOLE }
    }

    fn ramp() -> Shape {
        let (from, to) = (Rate::per_second(20.0).unwrap(), Rate::per_second(90.0).unwrap());
        Shape::Ramp { from, to, duration: Duration::from_mins(1) }
    }

    fn users(iterations: Option<u32>) -> Shape {
        let (users, ramp_up, think_time) = (9, Duration::ZERO, Duration::ZERO);
        Shape::Users { users, ramp_up, think_time, duration: Duration::from_secs(9), iterations }
    }

    fn millis(at: u64) -> Moment {
        Moment::at(Duration::from_millis(at))
    }

    proptest! {
        /// However many are lost, one after the other, and whenever each of them was heard last.
        #[test]
        fn every_arrival_is_sent_once_or_missed(
            agents in 1u32..5,
            threads in 1u32..4,
            losses in prop::collection::vec((0usize..5, 0u64..9_000, 0u64..6_000), 0..5),
        ) {
            let order = order(ramp(), threads);
            let mut deal = Deal::new(&order, &shares(&order, agents).unwrap()).unwrap();
            let end = Moment::at(deal.schedule.length());
            // What each was given and when, and up to when it sent.
            let mut held: Vec<Vec<(Share, Moment)>> = deal.hands.iter().map(|it| it.shares.clone()).collect();
            let mut sent_until = vec![end; agents as usize];
            let (mut now, mut unsent) = (0, 0);
            for (agent, later, silent) in losses {
                now += later;
                let agent = agent % agents as usize;
                if deal.hands[agent].gone {
                    continue;
                }
                let heard = now.saturating_sub(silent);
                let until = deal.until(agent, millis(heard));
                let second = heard / 1_000;
                let Some(handover) = deal.lost(agent, second, millis(now)) else { break };
                prop_assert!(handover.from >= until.min(end));
                sent_until[agent] = millis(second * 1_000);
                unsent += handover.missed.iter().sum::<u64>();
                for it in handover.parts {
                    held[it.to].push((it.share, it.since));
                }
            }
            let mut senders = vec![0; deal.schedule.arrivals() as usize];
            for (shares, until) in held.iter().zip(&sent_until) {
                for (share, from) in shares {
                    for (n, count) in (0..).zip(&mut senders) {
                        let due = deal.schedule.due(n).unwrap();
                        let of_share = n / u64::from(threads) % share.of == share.number;
                        *count += u32::from(of_share && due >= *from && due < *until);
                    }
                }
            }
            prop_assert!(senders.iter().all(|it| *it <= 1));
            let gone = deal.hands.iter().all(|it| it.gone);
            let nobody = senders.iter().filter(|it| **it == 0).count() as u64;
            prop_assert!(gone || nobody == unsent, "{nobody} and not {unsent}");
        }
    }

    #[test]
    fn connections_go_with_the_shares() {
        let order = order(ramp(), 1);
        let mut deal = Deal::new(&order, &shares(&order, 3).unwrap()).unwrap();
        for agent in [1, 0] {
            deal.lost(agent, 0, Moment::START).unwrap();
        }
        assert_eq!((deal.hands[2].connections, deal.hands[2].shares.len()), (64, 4));
        assert_eq!(deal.lost(2, 0, Moment::START), None);
    }

    #[test]
    fn what_cannot_be_handed_on_is_refused_before_anything_is_sent() {
        let rows = Rows::Inline(vec!["id".to_owned()], vec![vec!["1".to_owned()]]);
        let unique = Feeder { name: "it".to_owned(), rows, order: RowOrder::Unique };
        let mut consuming = order(ramp(), 1);
        consuming.test.routes = vec![Route::of(Call::Consume { topic: "orders".to_owned() })];
        let mut with_rows = order(users(None), 1);
        with_rows.test.feeders.push(unique.clone());
        for (order, words) in [
            (consuming, "partitions"),
            (order(users(Some(3)), 1), "iterations"),
            (with_rows, "unique rows"),
        ] {
            let error = Deal::new(&order, &[]).unwrap_err().to_string();
            assert!(
                error.starts_with("the share of a lost agent cannot be handed on: ")
                    && error.contains(words),
                "{error}"
            );
        }
        let mut arrivals_with_rows = order(ramp(), 1);
        arrivals_with_rows.test.feeders.push(unique);
        assert!(Deal::new(&arrivals_with_rows, &[]).is_ok());
        assert!(Deal::new(&order(users(None), 1), &[]).is_ok());
    }
}
