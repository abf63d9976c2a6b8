//! View: what there is to see of a balancer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::{Human, Moment, Ratio};

/// Why an endpoint was put aside.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// So many calls failed in a row.
    Consecutive {
        /// How many.
        failures: u32,
    },
    /// It succeeded much less often than the others in an interval.
    SuccessRate {
        /// Calls that succeeded.
        succeeded: u64,
        /// Calls that failed.
        failed: u64,
        /// The mean share of successes of all, in billionths.
        mean_billionths: u32,
    },
    /// Too many calls of an interval failed.
    FailureShare {
        /// Calls that succeeded.
        succeeded: u64,
        /// Calls that failed.
        failed: u64,
    },
    /// Its own circuit is open: it refuses calls itself.
    Open,
}

impl fmt::Display for Reason {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consecutive { failures: 1 } => write!(to, "a call failed"),
            Self::Consecutive { failures } => write!(to, "{failures} calls failed in a row"),
            Self::SuccessRate { succeeded, failed, mean_billionths } => {
                let mean = Ratio::new((f64::from(*mean_billionths) / 1e7).round() / 100.0);
                let all = succeeded + failed;
                write!(to, "{succeeded} of {all} calls succeeded")?;
                mean.map_or(Ok(()), |it| write!(to, ", and {it} of those of all"))
            }
            Self::FailureShare { succeeded, failed } => {
                write!(to, "{failed} of {} calls failed", succeeded + failed)
            }
            Self::Open => write!(to, "its own circuit is open"),
        }
    }
}

/// Something that changed who may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An endpoint is put aside because of how calls to it ended, or because it refuses them itself.
    Ejected {
        /// When.
        at: Moment,
        /// Its name.
        endpoint: Arc<str>,
        /// Why.
        reason: Reason,
        /// For how long.
        until: Moment,
        /// For the how-many-th time, of those that are not forgotten. What its own circuit does is not counted.
        times: u32,
    },
    /// An ejection is over.
    Readmitted {
        /// When that was noticed.
        at: Moment,
        /// Its name.
        endpoint: Arc<str>,
    },
    /// Somebody said that an endpoint is not healthy.
    Unhealthy {
        /// When that was noticed.
        at: Moment,
        /// Its name.
        endpoint: Arc<str>,
    },
    /// Somebody said that it is healthy again.
    Healthy {
        /// When that was noticed.
        at: Moment,
        /// Its name.
        endpoint: Arc<str>,
    },
    /// So few may be called that all are, but for those that refuse calls themselves.
    PanicBegan {
        /// When.
        at: Moment,
        /// How many may be called for what is known of them.
        available: usize,
        /// Of how many.
        total: usize,
    },
    /// Enough may be called again.
    PanicEnded {
        /// When.
        at: Moment,
        /// How many may be called for what is known of them.
        available: usize,
        /// Of how many.
        total: usize,
    },
}

/// Who is told what happens: on the thread of the call that noticed it, after the fact, without a lock.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// What a dashboard wants to know of a balancer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How the next endpoint is chosen.
    pub strategy: &'static str,
    /// How many may be called for what is known of them.
    pub available: usize,
    /// Whether that is so few that all are called.
    pub is_panic: bool,
    /// Picks, since the beginning, in vain or not.
    pub picks_total: u64,
    /// Picks that found nobody to call, since the beginning.
    pub unavailable_total: u64,
    /// Picks while all were called because too few may be, since the beginning.
    pub panic_picks_total: u64,
    /// How often too few could be called, since the beginning.
    pub panics_total: u64,
    /// Ejections that were not made because too many were ejected, since the beginning.
    pub ejections_refused_total: u64,
    /// Each endpoint, in the order in which they came.
    pub endpoints: Vec<EndpointSnapshot>,
}

/// What a dashboard wants to know of an endpoint. The numbers are read one after the other while calls go on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EndpointSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Its weight.
    pub weight: u32,
    /// What of its weight counts now: less while it warms up.
    pub weight_now: f64,
    /// Calls under way.
    pub in_flight: u32,
    /// The peak EWMA of its latency as of the last answer; `None` where there was none.
    pub latency: Option<Duration>,
    /// What was said last of its health.
    pub is_healthy: bool,
    /// Until when it is put aside because of how calls ended, and why.
    pub ejected: Option<(Moment, Reason)>,
    /// How many of its ejections are not forgotten, which is how many times as long the present or last one is.
    pub ejections: u32,
    /// Whether it is called at present: it may be, or all are.
    pub is_called: bool,
    /// Failures in a row.
    pub streak: u32,
    /// Calls that ended well, since the beginning.
    pub succeeded_total: u64,
    /// Calls that failed, since the beginning.
    pub failed_total: u64,
    /// Calls that ended and said nothing of the endpoint, since the beginning.
    pub ignored_total: u64,
    /// Calls that were cancelled, since the beginning.
    pub cancelled_total: u64,
    /// How often it was put aside, since the beginning.
    pub ejected_total: u64,
}

/// Why an endpoint is called, or is not, and until when, for people. Its `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub(super) now: Moment,
    pub(super) endpoint: EndpointSnapshot,
    /// How many may be called, and how many there are.
    pub(super) available: (usize, usize),
}

impl Explanation {
    /// What it explains.
    pub const fn endpoint(&self) -> &EndpointSnapshot {
        &self.endpoint
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, endpoint, available: (available, total) } = self;
        write!(to, "`{}` ", endpoint.name)?;
        let is_called = match (endpoint.is_healthy, endpoint.ejected, endpoint.is_called) {
            (true, None, _) => return self.called(to),
            (_, _, true) => "is called all the same",
            (_, _, false) => "is not called",
        };
        write!(to, "{is_called}: ")?;
        if !endpoint.is_healthy {
            write!(to, "it was said to be unhealthy")?;
        }
        if let Some((until, reason)) = endpoint.ejected {
            if !endpoint.is_healthy {
                write!(to, ", and ")?;
            }
            write!(to, "it is put aside for {} more, because {reason}", Human(until - *now))?;
            if endpoint.ejections > 1 && reason != Reason::Open {
                write!(to, " (time {} of late)", endpoint.ejections)?;
            }
        }
        match endpoint.is_called {
            true => write!(to, "; but only {available} of {total} may be called, so all are"),
            false => Ok(()),
        }
    }
}

impl Explanation {
    fn called(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EndpointSnapshot { weight, weight_now, in_flight, latency, streak, .. } =
            &self.endpoint;
        match in_flight {
            1 => write!(to, "is called, a call is under way")?,
            _ => write!(to, "is called, {in_flight} calls are under way")?,
        }
        if *weight_now < f64::from(*weight) {
            write!(
                to,
                "; it warms up, and {weight_now:.2} of its weight of {weight} counts so far"
            )?;
        }
        match latency {
            Some(latency) => write!(to, "; it is taken to need {}", Human(*latency))?,
            None => write!(to, "; it has not answered so far")?,
        }
        match streak {
            0 => Ok(()),
            1 => write!(to, "; the last call failed"),
            _ => write!(to, "; the last {streak} calls failed"),
        }
    }
}
