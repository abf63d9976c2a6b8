//! Conditions that could judge nothing.

use evenkeel_units::Human;

use super::{Lint, few};
use crate::decode::{codes, nearest};
use crate::document::{
    Call, Criterion, Indicator, LoadTest, Metric, Owner, Quantile, Role, Threshold,
};
use crate::library::{Cast, Item};

/// How many requests must lie beyond a percentile for it to mean anything.
const BEYOND: f64 = 10.0;

/// What is wrong with what a drill is judged by.
pub(super) fn of_drill(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    length(lint, cast);
    users(lint, cast);
    objectives(lint, cast);
    let mut any = !cast.drill.objectives.is_empty();
    let names: Vec<_> = cast.phases.iter().map(|it| it.name.as_str()).collect();
    for (item, path, threshold) in criteria(cast) {
        any = true;
        if let Some(phase) = threshold.phase.as_deref().filter(|it| !names.contains(it)) {
            super::load::no_such_phase(lint, item, &path, phase, &names);
            continue;
        }
        of_criterion(lint, cast, item, &path, &threshold);
    }
    if !any {
        let help = "Give `objectives`, or `success` such as `error_rate: \"< 1%\"`.";
        let message = "nothing says what the drill is judged by";
        lint.report(cast.item, "", codes::NO_OBJECTIVE, message, help);
    }
}

/// Every success criterion, and where it stands.
fn criteria<'c>(cast: &'c Cast<'_>) -> Vec<(&'c Item, String, Threshold)> {
    let of_load = cast.load.iter().flat_map(|(item, load)| {
        let all = super::load::thresholds(item.spec(), load).into_iter();
        all.map(|(path, it)| (*item, path, it.clone()))
    });
    let whole = |item: &'c Item, success: &'c [Criterion]| {
        let paths = super::load::criteria(item.spec(), "success");
        let paths = paths.into_iter().chain(std::iter::repeat("success".to_owned()));
        paths.zip(success).map(move |(path, it)| (item, path, Threshold::from(*it)))
    };
    let of_experiments = cast.experiments.iter().flat_map(|(item, it)| whole(item, &it.success));
    whole(cast.item, &cast.drill.success).chain(of_load).chain(of_experiments).collect()
}

fn length(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    if cast.phases.is_empty() && cast.load.is_some() {
        let message = "nothing says how many requests to send";
        let help = "Give the drill `phases`, or its load test a `shape`.";
        lint.report(cast.item, "load", codes::NO_SHAPE, message, help);
    }
    let (length, limit) = (cast.length(), cast.drill.duration);
    let Some(limit) = limit.filter(|it| length > *it) else { return };
    let (sum, limit) = (Human(length), Human(limit));
    let message = match cast.drill.phases.as_slice() {
        [] => format!("the load takes {sum}, longer than the drill's {limit}"),
        phases => match phases.iter().find(|it| Some(it.shape.length()) > cast.drill.duration) {
            Some(phase) => {
                let of = Human(phase.shape.length());
                format!("the phase `{}` takes {of}, longer than the drill's {limit}", phase.name)
            }
            None => format!("the phases take {sum} in all, longer than the drill's {limit}"),
        },
    };
    let help = format!("Shorten the phases, or write `duration: {sum}`.");
    lint.report(cast.item, "duration", codes::TOO_LONG, message, help);
}

/// Users who could not all ask at once.
fn users(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    let Some((item, load)) = cast.load else { return };
    let most = cast.phases.iter().filter_map(|it| it.shape.users()).max();
    few_connections(lint, item, load, most);
}

/// Likewise, of a load by itself.
pub(super) fn few_connections(
    lint: &mut Lint<'_>,
    item: &Item,
    load: &LoadTest,
    users: Option<u32>,
) {
    let shares =
        load.sending.http2 || load.routes.iter().any(|it| matches!(it.call, Call::Grpc { .. }));
    let owned = load.sending.connection != Owner::Shared;
    let each = if shares && !owned { load.sending.streams } else { 1 };
    let needed = users.map(|it| it.div_ceil(each.max(1)));
    if let Some((users, needed)) = users.zip(needed).filter(|it| it.1 > load.connections) {
        let connections = load.connections;
        let message = match owned {
            true => format!("{users} users want a connection each, of {connections}"),
            false => format!("{users} users share {connections} connections"),
        };
        let help = format!("Raise `connections` of `{}` to at least {needed}.", load.name);
        let path = if item.spec().at("connections").is_some() { "connections" } else { "" };
        lint.report(item, path, codes::FEW_CONNECTIONS, message, help);
    }
}

fn objectives(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    for (n, slo) in &cast.objectives {
        let path = format!("objectives/{n}");
        if slo.indicator == Indicator::OfSeries {
            let message =
                format!("`{}` is measured on series, and a drill counts requests", slo.name);
            let help = "Use `availability`, `latency`, `percentile`, `errorRate` or `throughput`.";
            lint.report(cast.item, &path, codes::NOT_OF_REQUESTS, message, help);
        }
        let mut share = 1.0;
        if let (Some(route), Some((_, load))) = (&slo.route, cast.load) {
            match super::load::share_of(load, route) {
                Some(it) => share = it,
                None => {
                    let names: Vec<_> = load.routes.iter().map(|it| it.name.as_str()).collect();
                    let message =
                        format!("`{}` counts the route `{route}`, which is not sent", slo.name);
                    let help = match nearest(route, names.iter().copied()) {
                        Some(nearest) => format!("Did you mean `{nearest}`?"),
                        None => format!("`{}` sends {}.", load.name, few(&names)),
                    };
                    lint.report(cast.item, &path, codes::NO_SUCH_ROUTE, message, help);
                }
            }
        }
        if let Indicator::Percentile { quantile, .. } = slo.indicator {
            enough(lint, cast, cast.item, &path, quantile, share);
        }
    }
}

/// A percentile, and of what it would be one.
pub(super) struct FewSamples {
    pub(super) quantile: Quantile,
    /// `None` when nobody knows.
    pub(super) arrivals: Option<f64>,
    /// The share of them that counts.
    pub(super) share: f64,
}

impl FewSamples {
    /// Reports it when it would be of too few.
    pub(super) fn report(&self, lint: &mut Lint<'_>, item: &Item, path: &str) {
        let Some(arrivals) = self.arrivals else { return };
        let beyond = f64::from(self.quantile.ratio().rest().billionths()) / 1e9;
        let (expected, needed) = (arrivals * self.share, BEYOND / beyond);
        // A staircase adds up to whole numbers only nearly.
        if expected + 1e-6 < needed {
            let message = format!(
                "{} of about {expected:.0} requests: {:.1} of them lie beyond it",
                self.quantile,
                expected * beyond
            );
            let help = format!("Send at least {needed:.0} requests, or judge a lower percentile.");
            lint.report(item, path, codes::FEW_SAMPLES, message, help);
        }
    }
}

fn enough(
    lint: &mut Lint<'_>,
    cast: &Cast<'_>,
    item: &Item,
    path: &str,
    quantile: Quantile,
    share: f64,
) {
    let arrivals = cast.arrivals().filter(|_| !cast.phases.is_empty());
    FewSamples { quantile, arrivals, share }.report(lint, item, path);
}

fn of_criterion(
    lint: &mut Lint<'_>,
    cast: &Cast<'_>,
    item: &Item,
    path: &str,
    threshold: &Threshold,
) {
    let Threshold { criterion, route, phase, .. } = threshold;
    let of_load = cast.load.is_some_and(|(it, _)| std::ptr::eq(it, item));
    if criterion.sustained.is_some() && !of_load {
        let help = "Leave `for …` away, or write the condition under `safety.abort`.";
        let message = "`for` in a condition that is judged once";
        lint.report(item, path, codes::SUSTAINED, message, help);
    }
    match criterion.metric {
        Metric::Percentile(quantile) if route.is_none() && phase.is_none() => {
            enough(lint, cast, item, path, quantile, 1.0);
        }
        Metric::RecoveryTime | Metric::DetectionTime if cast.faults.is_empty() => {
            // Names that could not be found are reported already; they may bring the faults.
            let asks_for_faults = cast.phases.iter().any(|it| !it.chaos.is_empty());
            if !asks_for_faults {
                let message = format!("`{}` in a drill without faults", criterion.metric);
                let help = "Give a phase `chaos`, or leave the condition away.";
                lint.report(item, path, codes::NO_FAULT, message, help);
            }
        }
        Metric::RecoveryTime => {
            let last = cast.faults.iter().map(|it| it.phase).max().unwrap_or_default();
            let after = cast.phases.iter().skip(last + 1);
            if !after.into_iter().any(|it| it.role == Role::Recovery) {
                let message = "a recovery time, and no recovery phase after the faults";
                let help = "Add a last phase with `role: recovery`, long enough for the limit.";
                lint.report(item, path, codes::NO_RECOVERY, message, help);
            }
        }
        _ => {}
    }
}
