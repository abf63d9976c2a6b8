//! Commands that wait, by leases that follow each other.
//!
//! A pause ends by itself after [`LEASE`]; as long as we are there it is renewed. One of writing commands is renewed well
//! before it ends. Under one of all commands ours wait, too: two renewals are sent ahead. Commands that wait are done in
//! the order they came in, so when a lease ends the next one is the first thing that happens, and everybody else waits
//! again. At the end we hang up: what waits of a connection that is closed is thrown away, and the lease runs out. A
//! pause is never taken back, for the server has but one: whoever else has laid a longer one still has it.
//!
//! A second connection sends a command of the sort that waits, and its answers say what a client meets.

use std::io;
use std::time::Duration;

use evenkeel_model::document::PauseMode;
use evenkeel_units::{Clock, Moment, SystemClock};

use super::ANSWER_MAX;
use super::address::Address;
use super::connection::Connection;
use crate::holder::{Counters, Life, counters};

/// For how long the server lets clients wait when it hears no more of us.
const LEASE: Duration = Duration::from_secs(1);
/// When a lease is renewed that can be.
const RENEW: Duration = Duration::from_millis(250);
/// How often it is looked what has been answered.
const LOOK: Duration = Duration::from_millis(20);
/// Longer than the last lease, and shorter than the tool waits for us.
const LAST_ANSWER_MAX: Duration = Duration::from_secs(3);

/// Pauses until it is over.
pub(super) fn run(mode: PauseMode, address: &Address, life: &Life) -> io::Result<Counters> {
    let lease = LEASE.as_millis().to_string();
    let (pause, asked): (_, &[&str]) = match mode {
        PauseMode::All => (["CLIENT", "PAUSE", &lease, "ALL"], &["PING"]),
        // It may have to be copied, so it waits with what writes; and nothing is changed by it.
        PauseMode::Write => (["CLIENT", "PAUSE", &lease, "WRITE"], &["PUBLISH", "evenkeel", ""]),
    };
    let clock = SystemClock::start();
    let mut session = Connection::open(address)?;
    let mut probe =
        Probe { session: Connection::open(address)?, asked, sent: clock.now(), waits: Vec::new() };
    probe.ask(&clock)?;
    if !probe.hears(&clock, ANSWER_MAX)? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let usual = probe.waits.pop().unwrap_or_default();
    session.ask(&pause)?;
    let mut renewed = clock.now();
    if mode == PauseMode::All {
        session.say(&pause)?;
        session.say(&pause)?;
    }
    let mut renewals = 0u32;
    probe.ask(&clock)?;
    life.ready()?;
    while !life.wait_for(LOOK)? {
        match mode {
            PauseMode::All => {
                while session.hear(Duration::ZERO)?.is_some() {
                    session.say(&pause)?;
                    renewals += 1;
                }
            }
            PauseMode::Write if clock.now() - renewed >= RENEW => {
                session.ask(&pause)?;
                renewed = clock.now();
                renewals += 1;
            }
            PauseMode::Write => {}
        }
        if probe.hears(&clock, Duration::ZERO)? {
            probe.ask(&clock)?;
        }
    }
    drop(session);
    probe.hears(&clock, LAST_ANSWER_MAX)?;
    let longest = probe.waits.iter().max().copied().unwrap_or_default();
    Ok(counters([
        ("longest_wait_seconds", longest.as_secs_f64()),
        ("usual_wait_seconds", usual.as_secs_f64()),
        ("renewals", f64::from(renewals)),
    ]))
}

/// A client that asks again once it has its answer.
struct Probe<'a> {
    session: Connection,
    asked: &'a [&'a str],
    sent: Moment,
    waits: Vec<Duration>,
}

impl Probe<'_> {
    fn ask(&mut self, clock: &SystemClock) -> io::Result<()> {
        self.sent = clock.now();
        self.session.say(self.asked)
    }

    fn hears(&mut self, clock: &SystemClock, within: Duration) -> io::Result<bool> {
        let heard = self.session.hear(within)?.is_some();
        if heard {
            self.waits.push(clock.now() - self.sent);
        }
        Ok(heard)
    }
}
