//! Ways: what those say that decide how often, how long and where a call is made.

use evenkeel_units::Moment;

use super::Machine;
use crate::observe::{Measures, Metric, Unit};
use crate::retry::{BudgetSnapshot, Retry};
use crate::watch::Health;
use crate::{Deadlines, Failover, Fallback, Hedge};

const RETRY: &str = "retry";
const CALLS: Metric =
    Metric::counter(RETRY, "calls", "Calls, whatever the number of their attempts.");
const RETRIES: Metric = Metric::counter(RETRY, "retries", "Attempts beyond the first.");
const RECOVERED: Metric = Metric::counter(
    RETRY,
    "recovered_calls",
    "Calls that were good by an attempt beyond the first.",
);
const FAILED: Metric = Metric::counter(
    RETRY,
    "failed_calls",
    "Calls whose error stood, by why there was no other attempt.",
);
const SAVED: Metric =
    Metric::gauge(RETRY, "budget_available_retries", "Retries that the budget could pay now.");
const SAVED_MAX: Metric =
    Metric::gauge(RETRY, "budget_max_retries", "The most retries that the budget saves.");
const GRANTED: Metric =
    Metric::counter(RETRY, "budget_granted_retries", "Retries that the budget paid.");
const REFUSED: Metric =
    Metric::counter(RETRY, "budget_refused_retries", "Retries that the budget could not pay.");

impl<C: Send + Sync> Machine for Retry<C> {
    fn pattern(&self) -> &'static str {
        RETRY
    }

    fn measure(&self, now: Moment, to: &mut Measures) {
        let it = self.snapshot(now);
        to.count(CALLS, it.calls);
        to.count(RETRIES, it.retries);
        to.count(RECOVERED, it.recovered);
        for (why, count) in [
            ("permanent", it.permanent),
            ("no_copy", it.no_copy),
            ("not_idempotent", it.not_idempotent),
            ("attempts", it.exhausted),
            ("retry_after", it.retry_after),
            ("deadline", it.over_deadline),
            ("budget", it.over_budget),
        ] {
            to.count_by(FAILED, "reason", why, count);
        }
        if let Some(BudgetSnapshot { saved, saved_max, granted, refused }) = it.budget {
            to.say(SAVED, saved);
            to.count(SAVED_MAX, saved_max);
            to.count(GRANTED, granted);
            to.count(REFUSED, refused);
        }
    }
}

const TIME_LIMIT: &str = "time_limit";
const CONFIGURED: Metric =
    Metric::gauge(TIME_LIMIT, "configured", "How long calls and their parts may take.")
        .of(Unit::Seconds);
const EXCEEDED: Metric =
    Metric::counter(TIME_LIMIT, "exceeded", "Calls and parts of calls that took too long.");

impl Machine for Deadlines {
    fn pattern(&self) -> &'static str {
        TIME_LIMIT
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        let it = self.snapshot();
        for (limit, time, exceeded) in [
            ("total", it.limits.total, it.total),
            ("attempt", it.limits.attempt, it.attempt),
            ("connect", it.limits.connect, it.connect),
            ("read", it.limits.read, it.read),
        ] {
            to.say_by(CONFIGURED, "limit", limit, time.as_secs_f64());
            to.count_by(EXCEEDED, "limit", limit, exceeded);
        }
    }
}

const HEDGE: &str = "hedge";
const HEDGEABLE: Metric =
    Metric::counter(HEDGE, "calls", "Calls, whatever the number of their attempts.");
const HEDGES: Metric = Metric::counter(HEDGE, "hedges", "Attempts beside the first.");
const WON: Metric =
    Metric::counter(HEDGE, "won_calls", "Calls that an attempt beside the first answered.");
const OVER_BUDGET: Metric = Metric::counter(
    HEDGE,
    "over_budget",
    "Attempts beside the first that the budget could not pay.",
);
const DELAY: Metric =
    Metric::gauge(HEDGE, "delay", "How long an attempt is waited for before the next.")
        .of(Unit::Seconds);

impl Machine for Hedge {
    fn pattern(&self) -> &'static str {
        HEDGE
    }

    fn measure(&self, now: Moment, to: &mut Measures) {
        let it = self.snapshot(now);
        to.count(HEDGEABLE, it.calls);
        to.count(HEDGES, it.hedges);
        to.count(WON, it.won);
        to.count(OVER_BUDGET, it.over_budget);
        to.say(DELAY, it.delay.as_secs_f64());
    }
}

const FALLBACK: &str = "fallback";
const ANSWERED: Metric = Metric::counter(FALLBACK, "calls", "Calls, by what became of them.");

impl Machine for Fallback {
    fn pattern(&self) -> &'static str {
        FALLBACK
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        let it = self.snapshot();
        to.count_by(ANSWERED, "kind", "first", it.first);
        to.count_by(ANSWERED, "kind", "second", it.used);
        to.count_by(ANSWERED, "kind", "failed", it.failed);
        to.count_by(ANSWERED, "kind", "stood", it.stood);
    }
}

const FAILOVER: &str = "failover";
const ACTIVE: Metric = Metric::gauge(FAILOVER, "active", "1 for a member that gets calls, else 0.");
const UNHEALTHY: Metric =
    Metric::gauge(FAILOVER, "unhealthy", "1 for a member that is known to be unhealthy, else 0.");
const STUCK: Metric = Metric::gauge(
    FAILOVER,
    "stuck",
    "1 while the active members are unhealthy and nothing can be done, else 0.",
);
const SWITCHES: Metric =
    Metric::counter(FAILOVER, "switches", "Changes of the active members, by why.");
const PROBED: Metric =
    Metric::counter(FAILOVER, "failed_probes", "Probes of a member that failed.");

impl<M: Send + Sync> Machine for Failover<M> {
    fn pattern(&self) -> &'static str {
        FAILOVER
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        let it = self.snapshot();
        to.count_by(SWITCHES, "reason", "failover", it.failovers_total);
        to.count_by(SWITCHES, "reason", "failback", it.failbacks_total);
        to.count_by(SWITCHES, "reason", "by_hand", it.by_hand_total);
        to.count(STUCK, it.stuck.is_some());
        for member in it.members {
            let name = member.name.to_string();
            to.count_by(ACTIVE, "member", name.clone(), member.is_active);
            let is_unhealthy = member.health == Health::Unhealthy;
            to.count_by(UNHEALTHY, "member", name.clone(), is_unhealthy);
            to.count_by(PROBED, "member", name, member.failed_total);
        }
    }
}

/// All of them, for the list.
#[cfg(any(test, feature = "opentelemetry"))]
pub(super) const ALL: &[Metric] = &[
    CALLS,
    RETRIES,
    RECOVERED,
    FAILED,
    SAVED,
    SAVED_MAX,
    GRANTED,
    REFUSED,
    CONFIGURED,
    EXCEEDED,
    HEDGEABLE,
    HEDGES,
    WON,
    OVER_BUDGET,
    DELAY,
    ANSWERED,
    ACTIVE,
    UNHEALTHY,
    STUCK,
    SWITCHES,
    PROBED,
];
