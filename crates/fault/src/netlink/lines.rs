//! Lines: which packets wait in which queue, and what is done to those that wait there.
//!
//! ```text
//! input    everything that comes, also over lo           ─▶ all of the treatment
//! output   what leaves, but not over lo: that comes next ─▶ all of the treatment; of TCP only what does harm
//! forward  what passes between other hosts, or containers ─▶ all of the treatment
//! answers  answers to the TCP that left, as they come    ─▶ of the treatment what takes time
//! ```
//!
//! So each packet is met once. What TCP sends must not wait on its way out: it counts as being sent until it
//! leaves, and TCP sends no more than a few packets at a time, a thousandth of what the network would carry. Its
//! answers wait instead; the round trip takes as long as it should, and every segment has an answer. Both ways
//! together still cost two delays, since answers that are disturbed themselves pass both `input` and `answers`.
//! What does harm does not wait, and is done to the packets that are meant.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use evenkeel_model::document::Traffic;
use evenkeel_units::{Clock, Moment, Ratio, Seed};

use super::expression::{Compare, Expression, INTERFACE_BYTES, Meta};
use super::queue::{Contents, Done, Holdback, Queue, Treatment};
use super::socket::Trouble;
use super::table::{Chain, Hook};
use super::traffic;

/// Where others mangle packets: what is redirected afterwards has the address that its sender knows.
const PRIORITY: i32 = -150;
/// No packet waits to be read for longer, or the wall clock was set.
const UNREAD_MAX: Duration = Duration::from_millis(20);

/// Packets that wait for the same.
pub(super) struct Line {
    queue: Queue,
    holdback: Holdback,
}

impl Line {
    fn open(treatment: Treatment, seed: Seed, number: u64) -> Result<Self, Trouble> {
        let contents = match treatment {
            Treatment { corrupt: Ratio::ZERO, rate: None, .. } => Contents::None,
            Treatment { corrupt: Ratio::ZERO, .. } => Contents::Length,
            _ => Contents::Whole,
        };
        let chance = seed.choices("packets").of(number);
        Ok(Self { queue: Queue::bind(contents)?, holdback: Holdback::new(treatment, chance) })
    }

    /// Reads what has come. `true`: more has come than was read.
    pub(super) fn receive(&mut self, clock: &impl Clock) -> io::Result<bool> {
        let Self { queue, holdback } = self;
        queue.receive(|packet| {
            let ago = packet.came.map_or(Duration::ZERO, |it| ago(it, clock));
            // From then on it is held back, however late we were woken.
            let came = Moment::at(clock.now().elapsed().saturating_sub(ago));
            holdback.on(came, packet)
        })
    }

    /// Says what is due.
    pub(super) fn release(&mut self, now: Moment) -> io::Result<()> {
        let Self { queue, holdback } = self;
        let mut said = Ok(());
        holdback.release(now, |verdict| {
            if said.is_ok() {
                said = queue.say(&verdict);
            }
        });
        said?;
        queue.send()
    }

    /// Lets all packets go, and henceforth leaves those alone that come.
    pub(super) fn let_go(&mut self, now: Moment) -> io::Result<()> {
        let Self { queue, holdback } = self;
        let mut said = Ok(());
        holdback.let_go(now, |verdict| {
            if said.is_ok() {
                said = queue.say(&verdict);
            }
        });
        said?;
        queue.send()
    }

    /// When it wants a turn, though nothing came.
    pub(super) fn next(&self) -> Option<Moment> {
        self.holdback.next()
    }

    pub(super) const fn done(&self) -> &Done {
        self.holdback.done()
    }

    /// Packets that were away before their verdict came.
    pub(super) const fn gone(&self) -> u64 {
        self.queue.gone()
    }
}

/// How long ago something was by the wall clock, which may have been set since; nothing that makes no sense.
fn ago(then: Duration, clock: &impl Clock) -> Duration {
    let now = Duration::try_from(clock.wall().as_duration()).unwrap_or_default();
    now.checked_sub(then).filter(|it| *it <= UNREAD_MAX).unwrap_or_default()
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// All lines of a disturbance.
pub(super) struct Lines {
    all: Line,
    /// What TCP sends, when something is done to it.
    harm: Option<Line>,
    /// The answers to it, when they are to wait.
    answers: Option<Line>,
}

impl Lines {
    pub(super) fn open(treatment: Treatment, seed: Seed) -> Result<Self, Trouble> {
        let open = |treatment, number| Line::open(treatment, seed, number);
        let takes_time = treatment.takes_time();
        let harm = takes_time && treatment.does_harm();
        Ok(Self {
            all: open(treatment, 0)?,
            harm: harm.then(|| open(treatment.harms(), 1)).transpose()?,
            answers: takes_time.then(|| open(treatment.delays(), 2)).transpose()?,
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Line> {
        [Some(&self.all), self.harm.as_ref(), self.answers.as_ref()].into_iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        [Some(&mut self.all), self.harm.as_mut(), self.answers.as_mut()].into_iter().flatten()
    }

    /// The rules that lead packets here, in the words for it that the kernel has.
    pub(super) fn chains(
        &self,
        meant: &[Traffic],
        spared: &[Traffic],
        words: fn(u16) -> Expression,
    ) -> Vec<Chain> {
        let to = |line: &Line| vec![Expression::Counter, words(line.queue.number())];
        let harm = self.harm.as_ref().map_or_else(|| vec![Expression::Accept], to);
        chains(meant, spared, &to(&self.all), self.answers.as_ref().map(|it| (harm, to(it))))
    }
}

/// `apart`: what becomes of what TCP sends, and of the answers to it, where they do not go where all go.
fn chains(
    meant: &[Traffic],
    spared: &[Traffic],
    all: &[Expression],
    apart: Option<(Vec<Expression>, Vec<Expression>)>,
) -> Vec<Chain> {
    let of = |all: &[Traffic], guard: &[Expression], end: &[Expression]| {
        let matches = all.iter().flat_map(traffic::matches);
        matches.map(|it| [guard, &it, end].concat()).collect::<Vec<_>>()
    };
    let accept = &[Expression::Accept];
    let tcp: Vec<_> = meant.iter().filter_map(traffic::tcp).collect();

    let coming = [of(spared, &[], accept), of(meant, &[], all)].concat();
    let leaving = not_lo(Meta::LeavesBy);
    let mut output = of(spared, &leaving, accept);
    if let Some((harm, _)) = &apart {
        output.extend(of(&tcp, &leaving, harm));
    }
    output.extend(of(meant, &leaving, all));
    let chain = |name, hook, rules| Chain { name, hook, priority: PRIORITY, rules };
    let mut chains = vec![
        chain("input", Hook::Input, coming.clone()),
        chain("output", Hook::Output, output),
        chain("forward", Hook::Forward, coming),
    ];
    if let Some((_, end)) = &apart {
        let reversed = |all: &[Traffic]| all.iter().map(traffic::reversed).collect::<Vec<_>>();
        let from_elsewhere = not_lo(Meta::ArrivesBy);
        let rules = [
            of(&reversed(spared), &from_elsewhere, accept),
            of(&reversed(&tcp), &from_elsewhere, end),
        ]
        .concat();
        // A packet that one chain lets go meets the next one.
        let priority = PRIORITY + 1;
        chains.push(Chain { name: "answers", hook: Hook::Input, priority, rules });
    }
    chains
}

fn not_lo(interface: Meta) -> Vec<Expression> {
    let mut lo = b"lo".to_vec();
    lo.resize(INTERFACE_BYTES, 0);
    vec![Expression::Meta(interface), Expression::Compare(Compare::NotEqual, lo)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::document::{Direction, Protocol};

    fn port(port: u16, protocol: Protocol) -> Traffic {
        Traffic { direction: Direction::To, host: None, port: Some(port), protocol }
    }

    /// What the rules of each chain end with.
    fn ends(chains: &[Chain]) -> Vec<(&'static str, Vec<Expression>)> {
        let end = |it: &Vec<Expression>| it.last().cloned().unwrap();
        chains.iter().map(|it| (it.name, it.rules.iter().map(end).collect())).collect()
    }

    #[test]
    fn who_is_spared_is_let_go_before_anything_else() {
        let spared = [port(22, Protocol::Tcp)];
        let chains = chains(&[port(80, Protocol::Tcp)], &spared, &[Expression::Queue(1)], None);
        let both = vec![Expression::Accept, Expression::Queue(1)];
        let expected = ["input", "output", "forward"].map(|it| (it, both.clone()));
        assert_eq!(ends(&chains), expected);
    }

    #[test]
    fn what_tcp_sends_does_not_wait_on_its_way_out_but_its_answers_do() {
        let apart = (vec![Expression::Accept], vec![Expression::Queue(3)]);
        let chains = chains(&[port(80, Protocol::Any)], &[], &[Expression::Queue(1)], Some(apart));
        let all = || Expression::Queue(1);
        let expected = [
            ("input", vec![all(), all()]),
            ("output", vec![Expression::Accept, all(), all()]),
            ("forward", vec![all(), all()]),
            ("answers", vec![Expression::Queue(3)]),
        ];
        assert_eq!(ends(&chains), expected);
        let answer = traffic::matches(&traffic::reversed(&port(80, Protocol::Tcp))).concat();
        assert_eq!(chains[3].rules[0][2..2 + answer.len()], answer);
    }

    #[test]
    fn udp_waits_on_its_way_out_because_nobody_need_answer_it() {
        let apart = (vec![Expression::Accept], vec![Expression::Queue(3)]);
        let udp = port(80, Protocol::Udp);
        let chains = chains(&[udp], &[], &[Expression::Queue(1)], Some(apart));
        assert_eq!(ends(&chains)[1], ("output", vec![Expression::Queue(1)]));
        assert_eq!(ends(&chains)[3], ("answers", vec![]));
    }
}
