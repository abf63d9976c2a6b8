//! View: what there is to see of a circuit.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Moment;

use super::policy::{Policy, Window};
use super::window::Counts;
use super::word::State;

/// Why a circuit changed its state.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// So many calls failed in a row.
    Consecutive {
        /// How many.
        failures: u32,
    },
    /// Too large a share of the calls failed.
    Failures {
        /// What was counted.
        counts: Counts,
    },
    /// Too large a share of the calls was slow.
    Slow {
        /// What was counted.
        counts: Counts,
        /// Calls that still run and are slow already, beside those.
        running: u32,
    },
    /// The wait is over, and a call came.
    WaitOver,
    /// Enough trials went well.
    Recovered {
        /// What was counted.
        counts: Counts,
    },
    /// The trials were not decided in time.
    Undecided,
    /// Somebody said so.
    Told,
}

impl fmt::Display for Reason {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consecutive { failures: 1 } => write!(to, "a call failed"),
            Self::Consecutive { failures } => write!(to, "{failures} calls failed in a row"),
            Self::Failures { counts } => {
                write!(to, "{} of {} calls failed", counts.failed, counts.total)
            }
            Self::Slow { counts, running } => {
                let [slow, total] =
                    [counts.slow, counts.total].map(|it| it.saturating_add(*running));
                write!(to, "{slow} of {total} calls were slow")?;
                match running {
                    0 => Ok(()),
                    _ => write!(to, ", {running} of which still run"),
                }
            }
            Self::WaitOver => write!(to, "the wait is over"),
            Self::Recovered { counts } => write!(to, "{} ended well enough", trials(counts.total)),
            Self::Undecided => write!(to, "the trials were not decided in time"),
            Self::Told => write!(to, "somebody said so"),
        }
    }
}

/// A change of state.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// The state before.
    pub from: State,
    /// The state since.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// Counts the changes.
    pub generation: u32,
}

/// Who is told of changes of state: on the thread of the call that caused them, after the fact, without a lock. Where two threads
/// change it one after the other, the later may be told first: [`Event::generation`] says their order.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// All numbers of a circuit, at one moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it does with calls. Open stays open, however long the wait is over, until a call comes.
    pub state: State,
    /// Since when.
    pub since: Moment,
    /// Why.
    pub reason: Option<Reason>,
    /// Counts the changes of state.
    pub generation: u32,
    /// What the shares are of: the window, or the trials while they are under way and after they failed.
    pub counts: Counts,
    /// Calls that run and are slow already.
    pub overdue: u32,
    /// Failures in a row.
    pub consecutive: u32,
    /// Whether `counts` are enough to say something.
    pub is_judged: bool,
    /// Calls that may still be tried; of a half-open circuit.
    pub permits: u16,
    /// Trials that have not ended; of a half-open circuit.
    pub trials: u32,
    /// Until when, included, calls are rejected; of an open circuit.
    pub until: Option<Moment>,
    /// How often it opened since it was closed the last time.
    pub opened: u32,
    /// Calls that ended well, since the beginning.
    pub succeeded_total: u64,
    /// Calls that failed, since the beginning.
    pub failed_total: u64,
    /// Calls that were slow, failed or not, since the beginning.
    pub slow_total: u64,
    /// Calls that ended without an outcome, since the beginning.
    pub ignored_total: u64,
    /// Calls whose outcome came after a change of state, or the end of a lease, since the beginning.
    pub late_total: u64,
    /// Calls that were rejected, since the beginning.
    pub rejected_total: u64,
}

impl Snapshot {
    /// The share of failed calls, 0 to 1; `None` where there are too few.
    pub fn failure_rate(&self) -> Option<f64> {
        self.is_judged.then(|| f64::from(self.counts.failed) / f64::from(self.counts.total))
    }

    /// The share of slow calls, 0 to 1; `None` where there are too few.
    pub fn slow_rate(&self) -> Option<f64> {
        self.is_judged.then(|| f64::from(self.counts.slow) / f64::from(self.counts.total))
    }
}

/// Why a circuit is in its state, and what would change it, for people. Its `Display` says it in a sentence or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub(super) now: Moment,
    pub(super) snapshot: Snapshot,
    pub(super) policy: Policy,
}

impl Explanation {
    /// What it explains.
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, snapshot, policy } = self;
        write!(to, "{}", snapshot.state.name())?;
        if let Some(reason) = snapshot.reason {
            write!(to, " since {}, because {reason}", snapshot.since)?;
        }
        match snapshot.state {
            State::Closed => self.closed(to),
            State::MetricsOnly => {
                write!(to, "; calls are counted and open nothing, until it is reset")
            }
            State::Disabled => write!(to, "; calls are not counted, until it is reset"),
            State::ForcedOpen => write!(to, "; every call is rejected, until it is reset"),
            State::Open => {
                let until = snapshot.until.unwrap_or(*now);
                let rest = until - *now;
                match rest.is_zero() {
                    true => write!(to, "; the next call is tried"),
                    false => write!(to, "; for {} more, every call is rejected", short(rest)),
                }?;
                write!(to, "; then {}", needs(policy))
            }
            State::HalfOpen => {
                let ended = trials(snapshot.counts.total);
                let (running, permits) = (snapshot.trials, snapshot.permits);
                write!(to, "; {ended} ended, {running} under way, {permits} more may come; ")?;
                to.write_str(&needs(policy))
            }
        }
    }
}

impl Explanation {
    fn closed(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, policy, .. } = self;
        let Counts { total, failed, slow } = snapshot.counts;
        if let Some(most) = policy.consecutive {
            write!(to, "; {} of {most} failures in a row", snapshot.consecutive)?;
        }
        if policy.failures.is_none() && policy.slow.is_none() {
            return Ok(());
        }
        // What hangs counts where slowness does.
        let running = policy.slow.map(|limit| (limit, snapshot.overdue)).filter(|it| it.1 > 0);
        let all = total.saturating_add(running.map_or(0, |it| it.1));
        if all < policy.min_calls {
            write!(to, "; it cannot open by a share: {total} calls are in the window, ")?;
            if let Some((limit, overdue)) = running {
                write!(to, "{overdue} run for more than {}, ", short(limit.after))?;
            }
            write!(to, "and {} more are needed", policy.min_calls - all)?;
            return match policy.window {
                Window::Time { buckets, width } => write!(to, " within {}", short(width * buckets)),
                Window::Calls(_) => Ok(()),
            };
        }
        if let Some(share) = policy.failures.filter(|_| snapshot.is_judged) {
            write!(to, "; {failed} of {total} calls failed, it opens at {share}")?;
        }
        if let Some(limit) = policy.slow {
            let overdue = snapshot.overdue;
            write!(to, "; {slow} of {total} calls took more than {}", short(limit.after))?;
            write!(to, " and {overdue} do now, it opens at {}", limit.share)?;
        }
        Ok(())
    }
}

/// What closes it.
fn needs(policy: &Policy) -> String {
    let ended = match policy.trials_to_decide() {
        1 => "1 trial has ended".to_owned(),
        more => format!("{more} trials have ended"),
    };
    let mut bounds = Vec::new();
    if let Some(share) = policy.failures {
        bounds.push(format!("less than {share} of them failed"));
    }
    if let Some(slow) = policy.slow {
        bounds.push(format!(
            "less than {} of them took more than {}",
            slow.share,
            short(slow.after)
        ));
    }
    if bounds.is_empty() {
        bounds.push("none of them failed".to_owned());
    }
    format!("it closes when {ended} and {}", bounds.join(" and "))
}

/// So many of them, in words.
fn trials(count: u32) -> String {
    format!("{count} {}", if count == 1 { "trial" } else { "trials" })
}

fn short(duration: Duration) -> impl fmt::Display {
    evenkeel_units::Human(duration)
}
