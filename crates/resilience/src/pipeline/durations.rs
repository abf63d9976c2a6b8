//! Durations: which of them contradict each other in a stack, whatever its order.

use std::time::Duration;

use evenkeel_units::Human;

use super::{Finding, Severity, Stage};
use crate::{TimeLimit, breaker, retry};

/// Adds what is wrong.
pub(super) fn look(stages: &[Stage], found: &mut Vec<Finding>) {
    for (at, stage) in stages.iter().enumerate() {
        let mut here = Here { stages, at, found };
        match stage {
            Stage::Cache { call_max } => here.cache(*call_max),
            Stage::Timeout { time, .. } => here.timeout(*time),
            Stage::Retry(policy) => here.retry(policy),
            Stage::Hedge { delay } => here.hedge(*delay),
            Stage::Breaker(policy) => here.breaker(policy),
            Stage::Limit(_) | Stage::Bulkhead(_) => here.waits(stage),
            _ => {}
        }
    }
}

/// A stage, and who stands around and inside.
struct Here<'a> {
    stages: &'a [Stage],
    at: usize,
    found: &'a mut Vec<Finding>,
}

impl Here<'_> {
    fn outside(&self, limit: TimeLimit) -> Option<(usize, Duration)> {
        time_of(limit, self.stages[..self.at].iter().enumerate().rev())
    }

    fn inside(&self, limit: TimeLimit) -> Option<(usize, Duration)> {
        time_of(limit, self.stages.iter().enumerate().skip(self.at + 1))
    }

    /// How long a call may wait inside before it is made.
    fn waits_inside(&self) -> Duration {
        let inside = &self.stages[self.at + 1..];
        inside.iter().fold(Duration::ZERO, |sum, it| sum.saturating_add(it.wait()))
    }

    fn tell(&mut self, severity: Severity, other: Option<usize>, problem: String, remedy: String) {
        let mut places: Vec<_> = other.into_iter().chain([self.at]).collect();
        places.sort_unstable();
        self.found.push(Finding { severity, places, problem, remedy });
    }

    /// A cache that gives up before what it asks does. What passes by it has the total nevertheless.
    fn cache(&mut self, call_max: Duration) {
        if let Some((other, total)) = self.inside(TimeLimit::Total)
            && call_max < total
        {
            let problem = format!(
                "a call for the cache may take {}, and the total of {} inside of it is not reached by any",
                Human(call_max),
                Human(total)
            );
            let remedy = format!("raise `call_max` to at least {}", Human(total));
            self.tell(Severity::Warning, Some(other), problem, remedy);
        }
    }

    /// A limit that another one always reaches first.
    fn timeout(&mut self, time: Duration) {
        let Some((other, total)) = self.outside(TimeLimit::Total) else { return };
        if time > total {
            let name = self.stages[self.at].name();
            let problem = format!(
                "the {name} of {} is longer than the total of {} around it: it is never reached",
                Human(time),
                Human(total)
            );
            let remedy = format!("lower it to at most {}", Human(total));
            self.tell(Severity::Error, Some(other), problem, remedy);
        }
    }

    fn retry(&mut self, policy: &retry::Policy) {
        let inner = self.stages[self.at + 1..].iter().enumerate().find_map(|(further, it)| {
            if let Stage::Retry(inner) = it { Some((self.at + 1 + further, inner)) } else { None }
        });
        if let Some((other, inner)) = inner {
            let all = u64::from(policy.attempts) * u64::from(inner.attempts);
            let problem = format!(
                "there are retries at two heights: {} attempts of {} each are {all}",
                policy.attempts, inner.attempts
            );
            let remedy = "keep the one that is nearer to the neighbour".to_owned();
            return self.tell(Severity::Error, Some(other), problem, remedy);
        }
        if policy.attempts < 2 {
            return;
        }
        let attempts = policy.attempts;
        let total = self.outside(TimeLimit::Total);
        match (total, self.inside(TimeLimit::Attempt)) {
            (None, _) if self.inside(TimeLimit::Total).is_some() => {}
            (None, _) => {
                let problem = format!("no time limit bounds the {attempts} attempts together");
                let remedy = "put a total time limit outside of the retry".to_owned();
                self.tell(Severity::Warning, None, problem, remedy);
            }
            (Some((other, total)), None) => {
                let problem = format!(
                    "no time limit bounds one attempt: one that hangs takes the whole {}, and nothing is tried again",
                    Human(total)
                );
                let remedy = "put an attempt time limit innermost".to_owned();
                self.tell(Severity::Warning, Some(other), problem, remedy);
            }
            (Some((other, total)), Some((_, attempt))) => {
                self.attempts(policy, (other, total), attempt);
            }
        }
    }

    /// Attempts that do not fit into the total.
    fn attempts(
        &mut self,
        policy: &retry::Policy,
        (other, total): (usize, Duration),
        attempt: Duration,
    ) {
        let attempts = policy.attempts;
        let waits = self.waits_inside();
        let one = attempt.saturating_add(waits);
        let (first_pause, pauses) = pauses(policy);
        let all = one.saturating_mul(attempts).saturating_add(pauses);
        if all <= total {
            return;
        }
        let cut = one.saturating_add(first_pause) >= total;
        let fits = total.saturating_sub(pauses) / attempts;
        // In whole milliseconds, as nobody writes less.
        let fits = Duration::from_millis(fits.saturating_sub(waits).as_millis() as u64);
        let problem = format!(
            "{attempts} attempts of {} each, with what is waited for between and before them, take up to {}, and the total is {}: {}",
            Human(attempt),
            Human(all),
            Human(total),
            match cut {
                true => "nothing is tried again after an attempt that ran into its limit",
                false => "the last of them is cut short, or not made",
            }
        );
        let lower = match fits.is_zero() {
            true => String::new(),
            false => format!("lower that of an attempt to at most {}, ", Human(fits)),
        };
        let remedy =
            format!("{lower}raise the total to at least {}, or make fewer attempts", Human(all));
        let severity = if cut { Severity::Error } else { Severity::Warning };
        self.tell(severity, Some(other), problem, remedy);
    }

    fn hedge(&mut self, delay: Duration) {
        let attempt = self.inside(TimeLimit::Attempt).or_else(|| self.outside(TimeLimit::Attempt));
        let limit = attempt.or_else(|| self.outside(TimeLimit::Total));
        if let Some((other, time)) = limit.filter(|it| delay >= it.1) {
            let problem = format!(
                "the hedge comes after {}, and the {} of {} is over by then: there never is a second call",
                Human(delay),
                self.stages[other],
                Human(time)
            );
            let remedy = "take the time that 95% of the calls take".to_owned();
            self.tell(Severity::Error, Some(other), problem, remedy);
        }
    }

    fn breaker(&mut self, policy: &breaker::Policy) {
        if let Some((other, attempt)) = self.inside(TimeLimit::Attempt) {
            let time = Human(attempt);
            if let Some(slow) = policy.slow.filter(|it| it.after >= attempt) {
                let problem = format!(
                    "a call is slow after {}, and the attempt time limit of {time} ends it before: none is ever slow",
                    Human(slow.after)
                );
                let remedy = format!("take less than {time} for `slow.after`, or leave `slow` out");
                self.tell(Severity::Error, Some(other), problem, remedy);
            }
            let trial = attempt.saturating_add(self.waits_inside());
            if policy.trials.lease < trial {
                let trial = Human(trial);
                let problem = format!(
                    "a trial of the breaker may take {trial}, and its place is given away after {}: its outcome comes too late to count",
                    Human(policy.trials.lease)
                );
                let remedy = format!("take at least {trial} for `trials.lease`");
                self.tell(Severity::Warning, Some(other), problem, remedy);
            }
        } else if let Some((other, total)) = self.outside(TimeLimit::Total)
            && policy.slow.is_none_or(|it| it.after >= total)
        {
            let time = Human(total);
            let problem = format!(
                "a call that hangs is dropped at the total of {time}, before it is slow, and counts as nothing: the breaker does not open"
            );
            let remedy = format!(
                "put an attempt time limit innermost, or take less than {time} for `slow.after`"
            );
            self.tell(Severity::Error, Some(other), problem, remedy);
        }
        let rates = self.stages[..self.at].iter().enumerate().filter_map(|(at, it)| match it {
            Stage::Limit(policy) => Some((at, f64::from(policy.limit) / policy.per.as_secs_f64())),
            _ => None,
        });
        if let Some((other, rate)) = rates.min_by(|one, other| one.1.total_cmp(&other.1))
            && let Some(problem) = policy.cannot_open_at(rate)
        {
            let problem =
                format!("the rate limit keeps the breaker from opening by a share: {problem}");
            let remedy = "or open it by `consecutive` failures".to_owned();
            self.tell(Severity::Error, Some(other), problem, remedy);
        }
    }

    /// A queue in which the total ends first.
    fn waits(&mut self, stage: &Stage) {
        let wait = stage.wait();
        if let Some((other, total)) = self.outside(TimeLimit::Total)
            && wait >= total
        {
            let problem = format!(
                "a call may wait {} in the {stage}, and the total of {} is over by then",
                Human(wait),
                Human(total)
            );
            let remedy =
                "take a small part of the total, so that the call itself has the rest".to_owned();
            self.tell(Severity::Error, Some(other), problem, remedy);
        }
    }
}

fn time_of<'a>(
    wanted: TimeLimit,
    mut stages: impl Iterator<Item = (usize, &'a Stage)>,
) -> Option<(usize, Duration)> {
    stages.find_map(|(at, it)| match it {
        Stage::Timeout { limit, time } if *limit == wanted => Some((at, *time)),
        _ => None,
    })
}

/// The longest first wait between attempts, and the longest of all of them together.
fn pauses(policy: &retry::Policy) -> (Duration, Duration) {
    let (mut first, mut sum, mut previous) = (None, Duration::ZERO, Duration::ZERO);
    for made in 1..policy.attempts.min(PAUSES_MAX) {
        previous = policy.backoff.bounds(made, previous).1;
        first = first.or(Some(previous));
        sum = sum.saturating_add(previous);
    }
    let rest = policy.attempts.saturating_sub(PAUSES_MAX);
    (first.unwrap_or_default(), sum.saturating_add(previous.saturating_mul(rest)))
}

/// Further waits are as long as the last of so many.
const PAUSES_MAX: u32 = 100;
