//! Holdback: which packet is held back for how long, lost or damaged; told the time, with chance from a seed.
//!
//! ```text
//!   on(packet) ──▶ lost: its verdict at once
//!        │
//!        └──▶ due at arrival + delay ± jitter ──▶ release(now): verdicts for all that are due, in order of
//!             their time, as few as will do
//! ```
//!
//! Under a rate a packet leaves when those before it have been sent at that rate, and is lost when that takes too long.
//!
//! Jitter is uniform. Where order is kept, a packet that would overtake leaves together with the one before it;
//! else it overtakes, as netem does it. A share of packets can skip the queue; these overtake in any case.
//! Packets are told apart by their number since the start, so that the same seed treats the same packets alike.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use evenkeel_stats::Histogram;
use evenkeel_units::{Bytes, Choices, Moment, Ratio};
use serde::{Deserialize, Serialize};

use super::damage::damaged;
use super::packet::{Packet, Verdict};

/// As long as packets wait for others under a rate; whoever would wait longer is lost, as with a queue that is full.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// What is done to packets.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Treatment {
    /// How long each is held back, in seconds.
    #[serde(with = "evenkeel_units::duration::seconds")]
    pub(crate) delay: Duration,
    /// By how much that may be more or less, but never less than nothing.
    #[serde(with = "evenkeel_units::duration::seconds")]
    pub(crate) jitter: Duration,
    pub(crate) order: Order,
    /// No more than this passes each second.
    pub(crate) rate: Option<Bytes>,
    /// The share that is lost.
    pub(crate) loss: Ratio,
    /// The share of the rest that is not held back, and so overtakes what is.
    pub(crate) reorder: Ratio,
    /// The share of the rest in which one bit is turned.
    pub(crate) corrupt: Ratio,
}

impl Treatment {
    /// Whether packets are held back at all.
    pub(crate) fn takes_time(&self) -> bool {
        self.delay > Duration::ZERO || self.jitter > Duration::ZERO
    }

    /// Whether some are lost or damaged.
    pub(crate) fn does_harm(&self) -> bool {
        self.loss > Ratio::ZERO || self.corrupt > Ratio::ZERO
    }

    /// The part of it that takes time.
    pub(crate) const fn delays(self) -> Self {
        Self { rate: None, loss: Ratio::ZERO, corrupt: Ratio::ZERO, ..self }
    }

    /// The part of it that does harm.
    pub(crate) fn harms(self) -> Self {
        Self { loss: self.loss, corrupt: self.corrupt, ..Self::default() }
    }
}

/// Whether jitter may change the order of packets.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Order {
    /// Packets leave in the order in which they came, as on a line.
    #[default]
    Kept,
    /// Each leaves at its own time.
    Free,
}

/// What was done so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) reordered: u64,
    pub(crate) corrupted: u64,
    /// Bytes that passed under a rate.
    pub(crate) rated_bytes: u64,
    /// How long packets were held back that were to be.
    pub(crate) delays: Histogram,
}

#[derive(Debug)]
pub(crate) struct Holdback {
    treatment: Treatment,
    chance: Chance,
    /// Packets in the order of their arrival, from the oldest that has no verdict yet.
    line: VecDeque<Place>,
    /// How many have left the line at its front.
    left: u64,
    /// Who is due when, by number.
    due: BinaryHeap<Reverse<(Moment, u64)>>,
    last_due: Moment,
    /// When all that passed have been sent at the rate.
    sent: Moment,
    done: Done,
}

#[derive(Debug)]
struct Chance {
    loss: Choices,
    jitter: Choices,
    reorder: Choices,
    corrupt: Choices,
    bit: Choices,
}

#[derive(Debug)]
struct Place {
    id: u32,
    since: Moment,
    is_delayed: bool,
    /// Other contents than it came with.
    payload: Option<Vec<u8>>,
    has_verdict: bool,
}

impl Done {
    /// Both of them together.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.rated_bytes += other.rated_bytes;
        self.delays.merge(&other.delays);
    }
}

impl Holdback {
    /// Packets are treated alike by the same treatment and chance.
    pub(crate) fn new(treatment: Treatment, chance: Choices) -> Self {
        let [loss, jitter, reorder, corrupt, bit] = [0, 1, 2, 3, 4].map(|it| chance.of(it));
        Self {
            treatment,
            chance: Chance { loss, jitter, reorder, corrupt, bit },
            line: VecDeque::new(),
            left: 0,
            due: BinaryHeap::new(),
            last_due: Moment::START,
            sent: Moment::START,
            done: Done::default(),
        }
    }

    /// A packet has come. Those that are lost have their verdict at once.
    pub(crate) fn on(&mut self, now: Moment, packet: Packet<'_>) -> Option<Verdict> {
        let number = self.done.packets;
        self.done.packets += 1;
        let mut place = Place {
            id: packet.id,
            since: now,
            is_delayed: false,
            payload: None,
            has_verdict: false,
        };
        let is_lost = within(self.treatment.loss, self.chance.loss, number);
        if is_lost || self.waits_too_long(now) {
            self.done.lost += 1;
            place.has_verdict = true;
        } else {
            let sent = self.send(now, packet.length);
            let overtakes = within(self.treatment.reorder, self.chance.reorder, number);
            let due = if overtakes { sent } else { self.due_of(sent, number) };
            self.done.reordered += u64::from(overtakes);
            place.is_delayed = if self.treatment.takes_time() { !overtakes } else { due > now };
            if within(self.treatment.corrupt, self.chance.corrupt, number) {
                place.payload = damaged(packet.payload, self.chance.bit.bits(number));
                self.done.corrupted += u64::from(place.payload.is_some());
            }
            self.due.push(Reverse((due, number)));
        }
        let is_lost = place.has_verdict;
        self.line.push_back(place);
        is_lost.then_some(Verdict::Drop(packet.id))
    }

    fn waits_too_long(&self, now: Moment) -> bool {
        self.treatment.rate.is_some() && self.sent > now + WAIT_MAX
    }

    /// When a packet leaves that nothing but the rate holds back.
    fn send(&mut self, now: Moment, bytes: u32) -> Moment {
        let Some(rate) = self.treatment.rate else { return now };
        self.done.rated_bytes += u64::from(bytes);
        let leaves = now.max(self.sent);
        let time = f64::from(bytes) / (rate.0 as f64).max(1.0);
        self.sent = leaves + Duration::try_from_secs_f64(time).unwrap_or(Duration::MAX);
        leaves
    }

    fn due_of(&mut self, now: Moment, number: u64) -> Moment {
        let Treatment { delay, jitter, order, .. } = self.treatment;
        let width = u64::try_from(jitter.as_nanos()).map_or(u64::MAX, |it| it.saturating_mul(2));
        let more = Duration::from_nanos(self.chance.jitter.below(number, width.saturating_add(1)));
        let due = now + (delay.saturating_add(more)).saturating_sub(jitter);
        match order {
            Order::Free => due,
            Order::Kept => {
                self.last_due = due.max(self.last_due);
                self.last_due
            }
        }
    }

    /// When the next packet is due; never before the one that was said last, unless packets came.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// Says the verdicts on all packets that are due, in order.
    pub(crate) fn release(&mut self, now: Moment, say: impl FnMut(Verdict)) {
        self.release_up_to(now, now, say);
    }

    /// The same for all packets, due or not: the end.
    pub(crate) fn let_go(&mut self, now: Moment, say: impl FnMut(Verdict)) {
        self.treatment = Treatment::default();
        (self.last_due, self.sent) = (now, now);
        self.release_up_to(now, Moment::at(Duration::MAX), say);
    }

    fn release_up_to(&mut self, now: Moment, limit: Moment, mut say: impl FnMut(Verdict)) {
        // All up to the oldest can be said in one; as long as the next one is the oldest, too, they grow.
        let mut up_to = None;
        while let Some(Reverse((due, number))) = self.due.peek().copied() {
            if due > limit {
                break;
            }
            self.due.pop();
            self.skip_verdicts();
            let at = usize::try_from(number - self.left).unwrap_or(usize::MAX);
            let Some(place) = self.line.get_mut(at) else { continue };
            place.has_verdict = true;
            if place.is_delayed {
                self.done.delays.record(now - place.since);
            }
            match place.payload.take() {
                None if at == 0 => up_to = Some(place.id),
                other => {
                    up_to.take().map(Verdict::UpTo).into_iter().for_each(&mut say);
                    say(match other {
                        Some(payload) => Verdict::Changed(place.id, payload),
                        None => Verdict::One(place.id),
                    });
                }
            }
        }
        self.skip_verdicts();
        up_to.map(Verdict::UpTo).into_iter().for_each(say);
    }

    fn skip_verdicts(&mut self) {
        while self.line.front().is_some_and(|it| it.has_verdict) {
            self.line.pop_front();
            self.left += 1;
        }
    }

    pub(crate) const fn done(&self) -> &Done {
        &self.done
    }
}

fn within(share: Ratio, choices: Choices, number: u64) -> bool {
    choices.below(number, Ratio::ONE.billionths().into()) < share.billionths().into()
}

#[cfg(test)]
mod tests;
