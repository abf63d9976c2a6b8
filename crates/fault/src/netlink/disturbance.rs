//! Disturbance: packets are held back, lost or damaged, from `ready` until the pipe closes or the time is up.
//!
//! Needs `CAP_NET_ADMIN`, and of the kernel NFQUEUE (`CONFIG_NETFILTER_NETLINK_QUEUE`) with nft (5.12 or later),
//! be it by nft's own `queue` or by iptables' target. Release class A: all of it is gone with its process.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use evenkeel_model::document::Traffic;
use evenkeel_units::{Clock, Human, Moment, Ratio, Seed, SystemClock};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::thread::set_current_timer_slack;
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

use super::expression::Count;
use super::lines::{Line, Lines};
use super::queue::{Done, Treatment};
use super::socket::Trouble;
use super::table::Table;
use super::traffic;
use super::tried::in_known_words;
use crate::process::first;
use crate::waking::Waking;

/// How long the queue must be empty, at the end, to be sure that nobody is on the way into it.
const QUIET: Duration = Duration::from_millis(2);
/// How often that is waited for.
const QUIET_MAX: u32 = 50;
/// Nice value of who must be in time; the guardian has the one before it.
const FIRST: i32 = -19;

/// What is done to which packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disturbance {
    /// These packets; each once, however often it is named.
    pub(crate) traffic: Vec<Traffic>,
    /// But never these.
    #[serde(default)]
    pub(crate) spared: Vec<Traffic>,
    pub(crate) treatment: Treatment,
    pub(crate) seed: Seed,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Did {
    /// What the rules matched, as the kernel counted it.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// How many of them were held back and let go.
    pub(crate) delayed: u64,
    pub(crate) lost: u64,
    /// How many were not held back, so as to overtake.
    pub(crate) reordered: u64,
    pub(crate) corrupted: u64,
    /// Bytes that passed under a rate.
    pub(crate) rated_bytes: u64,
    /// How many passed as they were, because the queue was full.
    pub(crate) passed: u64,
    /// Verdicts that found no packet: something had emptied the queue.
    pub(crate) gone: u64,
    /// How long packets were held back in fact.
    pub(crate) delay_median: Option<Duration>,
    pub(crate) delay_p99: Option<Duration>,
}

impl Did {
    /// By name, with the unit in each name.
    pub(crate) fn counters(&self) -> BTreeMap<String, f64> {
        let counts = [
            ("packets", self.packets),
            ("bytes", self.bytes),
            ("delayed", self.delayed),
            ("lost", self.lost),
            ("reordered", self.reordered),
            ("corrupted", self.corrupted),
            ("rated_bytes", self.rated_bytes),
            ("passed", self.passed),
            ("gone", self.gone),
        ];
        let times =
            [("delay_median_seconds", self.delay_median), ("delay_p99_seconds", self.delay_p99)];
        let counts = counts.into_iter().map(|(name, count)| (name, count as f64));
        let times = times.into_iter().filter_map(|(name, it)| Some((name, it?.as_secs_f64())));
        counts.chain(times).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Disturbance {
    /// Disturbs until `input` ends or `limit` has passed. `ready` is called as soon as every packet is met.
    pub(crate) fn run(
        &self,
        input: BorrowedFd<'_>,
        limit: Duration,
        ready: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<Did> {
        if self.traffic.is_empty() || self.traffic.iter().any(traffic::is_everything) {
            let reason =
                "traffic needs a host or a port: all packets of a host are nobody's to disturb";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        be_punctual();
        let lines =
            Lines::open(self.treatment, self.seed).map_err(|it| explain("take a queue", it))?;
        let mut table = self.table(&lines).map_err(|it| explain("make a table", it))?;
        let mut at_work = AtWork {
            lines,
            clock: SystemClock::start(),
            end: Moment::at(limit),
            waking: Waking::new(),
        };
        ready()?;
        at_work.until_it_is_over(input)?;
        let counted = at_work.leave(&mut table)?;
        Ok(did(counted, &at_work.lines))
    }

    fn table(&self, lines: &Lines) -> Result<Table, Trouble> {
        let hold = |words| Table::hold(&lines.chains(&self.traffic, &self.spared, words));
        in_known_words(hold).map(|(_, table)| table)
    }
}

struct AtWork {
    lines: Lines,
    clock: SystemClock,
    end: Moment,
    waking: Waking<Moment>,
}

impl AtWork {
    fn until_it_is_over(&mut self, input: BorrowedFd<'_>) -> io::Result<()> {
        // A queue is read only when packets have come to it: what is due meanwhile goes at once.
        let mut come = vec![false; self.lines.iter().count()];
        loop {
            self.turn(&mut come)?;
            let now = self.clock.now();
            if now >= self.end {
                return Ok(());
            }
            let due = self.lines.iter().filter_map(Line::next).fold(self.end, Moment::min);
            let pause = match come.contains(&true) {
                true => Duration::ZERO,
                false => self.waking.pause(due - now, due),
            };
            let mut all = vec![PollFd::from_borrowed_fd(input, PollFlags::IN)];
            all.extend(self.lines.iter().map(|it| PollFd::new(it, PollFlags::IN)));
            if wait(&mut all, pause)? == 0 && !pause.is_zero() {
                self.waking.woke(self.clock.now() - (now + pause));
            }
            let mut have_come = all.iter().map(|it| !it.revents().is_empty());
            let is_told = have_come.next() == Some(true);
            come.iter_mut().zip(have_come).for_each(|(come, now)| *come |= now);
            if is_told && has_ended(input)? {
                return Ok(());
            }
        }
    }

    /// Every line has its turn, told whether packets have come to it; of this remains who has more of them.
    fn turn(&mut self, come: &mut [bool]) -> io::Result<()> {
        let clock = &self.clock;
        for (line, come) in self.lines.iter_mut().zip(come) {
            *come = *come && line.receive(clock)?;
            line.release(clock.now())?;
        }
        Ok(())
    }

    /// Lets all packets go, sees that no more come, and says what was counted. The order matters: with the
    /// chains, which go last, everything goes that lies in a queue.
    fn leave(&mut self, table: &mut Table) -> io::Result<Count> {
        let now = self.clock.now();
        self.lines.iter_mut().try_for_each(|it| it.let_go(now))?;
        let counted = table.count()?;
        table.empty()?;
        for _ in 0..QUIET_MAX {
            let mut come = vec![true; self.lines.iter().count()];
            while come.contains(&true) {
                self.turn(&mut come)?;
            }
            let mut all: Vec<_> =
                self.lines.iter().map(|it| PollFd::new(it, PollFlags::IN)).collect();
            if wait(&mut all, QUIET)? == 0 {
                break;
            }
        }
        Ok(counted)
    }
}

/// The kernel's timers may be 50 µs late for ordinary processes, and others may go first.
fn be_punctual() {
    // Who may not is less exact, and says how exact it was.
    set_current_timer_slack(NonZeroU64::new(1)).unwrap_or_default();
    first::go_first(FIRST);
}

fn wait(fds: &mut [PollFd<'_>], pause: Duration) -> io::Result<usize> {
    let timeout = Timespec {
        tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: pause.subsec_nanos().into(),
    };
    match poll(fds, Some(&timeout)) {
        Err(Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}

/// Whether nobody can write to it any more. What was written is nobody's.
fn has_ended(input: BorrowedFd<'_>) -> io::Result<bool> {
    match rustix::io::read(input, &mut [0u8; 64]) {
        Ok(read) => Ok(read == 0),
        Err(Errno::INTR | Errno::AGAIN) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn explain(what: &str, trouble: Trouble) -> io::Error {
    let advice = match &trouble {
        Trouble::Refused(it) if it.errno == Errno::PERM => "; this needs CAP_NET_ADMIN",
        Trouble::Refused(it) if it.errno == Errno::NOENT => {
            "; the kernel needs CONFIG_NFT_QUEUE, or CONFIG_NFT_COMPAT with \
             CONFIG_NETFILTER_XT_TARGET_NFQUEUE"
        }
        Trouble::Refused(it) if it.errno == Errno::OPNOTSUPP || it.errno == Errno::INVAL => {
            "; the kernel needs nft of Linux 5.12 or later and CONFIG_NETFILTER_NETLINK_QUEUE"
        }
        _ => "",
    };
    let message = format!("cannot {what}: {trouble}{advice}");
    io::Error::new(io::Error::from(trouble).kind(), message)
}

fn did(counted: Count, lines: &Lines) -> Did {
    let mut done = Done::default();
    lines.iter().for_each(|it| done.merge(it.done()));
    Did {
        // Packets that came after the kernel was asked are ours, too.
        packets: counted.packets.max(done.packets),
        bytes: counted.bytes,
        delayed: done.delays.count(),
        lost: done.lost,
        reordered: done.reordered,
        corrupted: done.corrupted,
        rated_bytes: done.rated_bytes,
        passed: counted.packets.saturating_sub(done.packets),
        gone: lines.iter().map(Line::gone).sum(),
        delay_median: done.delays.quantile(0.5),
        delay_p99: done.delays.quantile(0.99),
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Treatment { delay, jitter, rate, loss, reorder, corrupt, .. } = self.treatment;
        let mut parts = Vec::new();
        if self.treatment.takes_time() {
            let jitter = (jitter > Duration::ZERO).then(|| format!(" ± {}", Human(jitter)));
            parts.push(format!("hold back {}{}", Human(delay), jitter.unwrap_or_default()));
        }
        parts.extend(rate.map(|it| format!("let pass {it} a second")));
        for (share, what) in [(loss, "lose"), (reorder, "reorder"), (corrupt, "damage")] {
            if share > Ratio::ZERO {
                parts.push(format!("{what} {share}"));
            }
        }
        if parts.is_empty() {
            parts.push("count".to_owned());
        }
        let traffic: Vec<String> = self.traffic.iter().map(ToString::to_string).collect();
        write!(f, "{} of packets ({})", parts.join(", "), traffic.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::document::{Direction, Protocol};

    #[test]
    fn an_order_is_read_with_little_in_it_and_says_what_it_does() {
        let text = r#"{
            "traffic": [
                {"host": null, "port": 5432, "protocol": "tcp", "direction": "from"},
                {"host": "10.0.0.0/8", "port": null, "protocol": "any", "direction": "both"}
            ],
            "treatment": {"delay": 0.1, "jitter": 0.01, "loss": 0.05},
            "seed": 7
        }"#;
        let disturbance: Disturbance = serde_json::from_str(text).unwrap();
        assert_eq!(
            disturbance.to_string(),
            "hold back 100ms ± 10ms, lose 5% of packets (from port 5432/tcp, 10.0.0.0/8)"
        );
        let [first, _] = &disturbance.traffic[..] else { panic!("two") };
        assert_eq!((first.direction, first.protocol), (Direction::From, Protocol::Tcp));
    }

    #[test]
    fn counters_have_names_and_times_only_where_packets_were_held_back() {
        let did =
            Did { packets: 3, delay_median: Some(Duration::from_millis(5)), ..Did::default() };
        let counters = did.counters();
        assert_eq!((counters["packets"], counters["delay_median_seconds"]), (3.0, 0.005));
        assert!(!counters.contains_key("delay_p99_seconds"));
    }
}
