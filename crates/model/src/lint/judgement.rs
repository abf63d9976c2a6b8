//! Conditions that could judge nothing.

use evenkeel_units::Human;

use super::{Lint, few};
use crate::decode::{codes, nearest};
use crate::document::{Criterion, Indicator, LoadTest, Metric, Quantile, Role, Shape};
use crate::library::{Cast, Item};
use crate::yaml::{Node, Value};

/// How many requests must lie beyond a percentile for it to mean anything.
const BEYOND: f64 = 10.0;

/// What is wrong with what a drill is judged by.
pub(super) fn of_drill(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    length(lint, cast);
    users(lint, cast);
    objectives(lint, cast);
    let mut any = !cast.drill.objectives.is_empty();
    for (item, success) in criteria(cast) {
        for (n, criterion) in success.iter().enumerate() {
            any = true;
            let path = criterion_path(item.spec(), n);
            of_criterion(lint, cast, item, &path, criterion);
        }
    }
    if !any {
        let help = "Give `objectives`, or `success` such as `error_rate: \"< 1%\"`.";
        let message = "nothing says what the drill is judged by";
        lint.report(cast.item, "", codes::NO_OBJECTIVE, message, help);
    }
}

/// Who gives success criteria.
fn criteria<'c>(cast: &'c Cast<'_>) -> Vec<(&'c Item, &'c [Criterion])> {
    let drill = (cast.item, cast.drill.success.as_slice());
    let load = cast.load.iter().map(|(item, it)| (*item, it.success.as_slice()));
    let experiments = cast.experiments.iter().map(|(item, it)| (*item, it.success.as_slice()));
    std::iter::once(drill).chain(load).chain(experiments).collect()
}

/// Where a criterion stands: criteria are read in the order in which they are written.
fn criterion_path(spec: &Node, number: usize) -> String {
    let written = spec.at("success").map(|it| &it.value);
    match written {
        Some(Value::Map(entries)) => match entries.get(number) {
            Some(entry) => format!("success/{}", entry.key),
            None => "success".to_owned(),
        },
        _ => format!("success/{number}"),
    }
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
    let most = cast.phases.iter().filter_map(|it| match it.shape {
        Shape::Users { users, .. } => Some(users),
        _ => None,
    });
    if let Some(users) = most.max().filter(|it| *it > load.connections) {
        let message = format!("{users} users share {} connections", load.connections);
        let help = format!("Raise `connections` of `{}` to at least {users}.", load.name);
        let path = if item.spec().at("connections").is_some() { "connections" } else { "" };
        lint.report(item, path, codes::FEW_CONNECTIONS, message, help);
    }
}

fn objectives(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    for (n, slo) in &cast.objectives {
        let path = format!("objectives/{n}");
        let mut share = 1.0;
        if let (Some(route), Some((_, load))) = (&slo.route, cast.load) {
            match share_of(load, route) {
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

/// The share of the requests that are of a route.
fn share_of(load: &LoadTest, route: &str) -> Option<f64> {
    let sum: f64 = load.routes.iter().map(|it| f64::from(it.weight)).sum();
    let route = load.routes.iter().find(|it| it.name == route)?;
    Some(f64::from(route.weight) / sum)
}

fn enough(
    lint: &mut Lint<'_>,
    cast: &Cast<'_>,
    item: &Item,
    path: &str,
    quantile: Quantile,
    share: f64,
) {
    let Some(arrivals) = cast.arrivals().filter(|_| !cast.phases.is_empty()) else { return };
    let beyond = f64::from(quantile.ratio().rest().billionths()) / 1e9;
    let (expected, needed) = (arrivals * share, BEYOND / beyond);
    // A staircase adds up to whole numbers only nearly.
    if expected + 1e-6 < needed {
        let message = format!(
            "{quantile} of about {expected:.0} requests: {:.1} of them lie beyond it",
            expected * beyond
        );
        let help = format!("Send at least {needed:.0} requests, or judge a lower percentile.");
        lint.report(item, path, codes::FEW_SAMPLES, message, help);
    }
}

fn of_criterion(
    lint: &mut Lint<'_>,
    cast: &Cast<'_>,
    item: &Item,
    path: &str,
    criterion: &Criterion,
) {
    if criterion.sustained.is_some() {
        let help = "Leave `for …` away, or write the condition under `safety.abort`.";
        let message = "`for` in a condition that is judged once";
        lint.report(item, path, codes::SUSTAINED, message, help);
    }
    match criterion.metric {
        Metric::Percentile(quantile) => enough(lint, cast, item, path, quantile, 1.0),
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
