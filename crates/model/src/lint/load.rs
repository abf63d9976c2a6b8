//! Load tests by themselves: requests of another protocol, criteria of nothing, searches without a goal.

use evenkeel_units::Human;

use super::judgement::{FewSamples, few_connections};
use super::{Lint, few, safety};
use crate::decode::{codes, figure, nearest};
use crate::document::{Call, LoadTest, Metric, Owner, Pacing, Role, Shape, Threshold};
use crate::library::Item;
use crate::yaml::{Node, Value};

/// What is wrong with a load test, whoever uses it.
pub(super) fn of_document(lint: &mut Lint<'_>, item: &Item, load: &LoadTest) {
    let service = load.service.as_deref().and_then(|it| lint.library.service(it));
    let url = load.url.as_deref().or_else(|| service.and_then(|it| it.url.as_deref()));
    if let Some((scheme, _)) = url.and_then(|it| it.split_once("://")) {
        protocol(lint, item, load, scheme);
    }
    pacing(lint, item, load);
    for (n, it) in load.shape.as_ref().map_or(&[][..], Shape::until).iter().enumerate() {
        let kind = load.shape.as_ref().map_or("", Shape::name);
        let path = format!("shape/{kind}/until/{n}");
        safety::watchable(lint, item, &path, it.metric);
        if it.sustained.is_some() {
            sustained(lint, item, &path);
        }
    }
    for (path, it) in thresholds(item.spec(), load) {
        of_threshold(lint, item, load, &path, it);
    }
    let is_search = matches!(load.shape, Some(Shape::Max { .. }));
    if is_search && load.success.is_empty() {
        let message = "nothing says what the highest rate must still hold";
        let help = "Give `success`, such as `p99: \"< 300ms\"`.";
        lint.report(item, "shape/max", codes::NO_OBJECTIVE, message, help);
    }
}

/// What is wrong with a load test that is run by itself.
pub(super) fn by_itself(lint: &mut Lint<'_>, item: &Item, load: &LoadTest) {
    let Some(shape) = &load.shape else { return };
    let parts = shape.parts();
    few_connections(lint, item, load, shape.users());
    for (path, it) in thresholds(item.spec(), load) {
        let in_phase = |name: &str| it.phase.as_deref().is_none_or(|phase| phase == name);
        if let Some(phase) = it.phase.as_deref().filter(|it| !parts.iter().any(|(n, _, _)| n == it))
        {
            let names: Vec<_> = parts.iter().map(|(name, _, _)| name.as_str()).collect();
            no_such_phase(lint, item, &path, phase, &names);
            continue;
        }
        match it.criterion.metric {
            Metric::Percentile(quantile) => {
                let counted = parts.iter().filter(|(name, _, _)| in_phase(name));
                let arrivals = counted.map(|(_, _, it)| it.due(it.length())).sum();
                let share = it.route.as_deref().map_or(Some(1.0), |it| share_of(load, it));
                let is_search = matches!(shape, Shape::Max { .. });
                if let Some(share) = share.filter(|_| load.scenarios.is_empty() && !is_search) {
                    FewSamples { quantile, arrivals, share }.report(lint, item, &path);
                }
            }
            Metric::RecoveryTime if !parts.iter().any(|it| it.1 == Role::Recovery) => {
                let message = "a recovery time, and no spike to recover from";
                let help =
                    "Give the load the shape `spike` with a `tail`, or leave the condition away.";
                lint.report(item, &path, codes::NO_RECOVERY, message, help);
            }
            Metric::DetectionTime => {
                let message = "`detection_time` in a load without faults";
                let help = "Use the load in a drill that has faults, or leave the condition away.";
                lint.report(item, &path, codes::NO_FAULT, message, help);
            }
            metric @ (Metric::BreakdownUsers | Metric::BreakdownRate) => {
                let of_users = matches!(shape, Shape::Scale { .. });
                let of_rates = matches!(shape, Shape::Step { .. });
                let fits = if metric == Metric::BreakdownUsers { of_users } else { of_rates };
                if !fits {
                    let message = format!("`{metric}`, and no staircase that could break down");
                    let help = "Give the load the shape `scale` for users, or `step` for rates.";
                    lint.report(item, &path, codes::NO_STAIRCASE, message, help);
                }
            }
            _ => {}
        }
    }
}

/// Reports that a criterion counts a phase that is not there.
pub(super) fn no_such_phase(
    lint: &mut Lint<'_>,
    item: &Item,
    path: &str,
    phase: &str,
    names: &[&str],
) {
    let help = match nearest(phase, names.iter().copied()) {
        Some(nearest) => format!("Did you mean `{nearest}`?"),
        None => format!("There are {}.", few(names)),
    };
    let path = format!("{path}/phase");
    lint.report(item, &path, codes::NO_SUCH_PHASE, format!("there is no phase `{phase}`"), help);
}

fn sustained(lint: &mut Lint<'_>, item: &Item, path: &str) {
    let help = "Leave `for …` away, or write `{that: …, stop: true}` to watch it.";
    lint.report(item, path, codes::SUSTAINED, "`for` in a condition that is judged once", help);
}

fn of_threshold(
    lint: &mut Lint<'_>,
    item: &Item,
    load: &LoadTest,
    path: &str,
    threshold: &Threshold,
) {
    if threshold.stop {
        safety::watchable(lint, item, path, threshold.criterion.metric);
    } else if threshold.criterion.sustained.is_some() {
        sustained(lint, item, path);
    }
    let Some(route) = &threshold.route else { return };
    if !load.routes.iter().any(|it| it.name == *route) {
        let names: Vec<_> = load.routes.iter().map(|it| it.name.as_str()).collect();
        let help = match nearest(route, names.iter().copied()) {
            Some(nearest) => format!("Did you mean `{nearest}`?"),
            None => format!("There are {}.", few(&names)),
        };
        let message = format!("the route `{route}` is not sent");
        lint.report(item, &format!("{path}/route"), codes::NO_SUCH_ROUTE, message, help);
    }
}

/// The share of the requests that are of a route; `None` when there is no such route.
pub(super) fn share_of(load: &LoadTest, route: &str) -> Option<f64> {
    let sum: f64 = load.routes.iter().map(|it| f64::from(it.weight)).sum();
    let route = load.routes.iter().find(|it| it.name == route)?;
    Some(f64::from(route.weight) / sum)
}

/// The schemes over which a call can be sent.
const fn schemes(call: &Call) -> &'static [&'static str] {
    match call {
        Call::Http { .. } => &["http", "https"],
        Call::Grpc { .. } => &["grpc", "grpcs"],
        Call::Message { .. } => &["ws", "wss", "tcp", "tls", "udp"],
        Call::Produce { .. } | Call::Consume { .. } => &["kafka", "kafkas"],
        Call::Query { .. } => &["dns"],
    }
}

fn protocol(lint: &mut Lint<'_>, item: &Item, load: &LoadTest, scheme: &str) {
    if scheme.starts_with("kafka") && load.sending.connection != Owner::Shared {
        let message = "a connection of one's own cannot be had over Kafka";
        let help = "Leave `connection` away: there is one for each partition.";
        lint.report(item, "connection", codes::OTHER_PROTOCOL, message, help);
    }
    let paths = requests(item.spec());
    for (n, route) in load.routes.iter().enumerate() {
        let fitting = schemes(&route.call);
        if !fitting.contains(&scheme) {
            let path = paths.get(n).map_or("url", String::as_str);
            let message = format!("`{}` cannot be sent over `{scheme}`", route.name);
            let help = format!("It needs a URL that begins with {}.", fitting.join(", "));
            lint.report(item, path, codes::OTHER_PROTOCOL, message, help);
        }
    }
}

fn pacing(lint: &mut Lint<'_>, item: &Item, load: &LoadTest) {
    for (path, route) in requests(item.spec()).iter().zip(&load.routes) {
        let Call::Grpc { messages, pacing: Pacing { every: Some(every), .. }, .. } = &route.call
        else {
            continue;
        };
        let gaps = u32::try_from(messages.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let takes = every.saturating_mul(gaps);
        if takes >= load.timeout {
            let (takes, timeout) = (Human(takes), Human(load.timeout));
            let message =
                format!("the messages take {takes}, and a call is given up after {timeout}");
            let help = "Give the load a longer `timeout`, or a shorter time here.";
            let path = format!("{path}/grpc/every");
            lint.report(item, &path, codes::OUTLIVES_TIMEOUT, message, help);
        }
    }
}

/// What must hold, and where each stands: first those of the whole, then those of each request.
pub(super) fn thresholds<'l>(spec: &Node, load: &'l LoadTest) -> Vec<(String, &'l Threshold)> {
    let mut paths = criteria(spec, "success");
    // Of the form that is in use elsewhere, wishes without a figure are not among the thresholds.
    let elsewhere = spec.at("success_criteria").map(Node::entries).unwrap_or_default();
    let figures = elsewhere.iter().filter(|it| figure(&it.key).is_some());
    paths.extend(figures.map(|it| format!("success_criteria/{}", it.key)));
    for path in requests(spec) {
        paths.extend(criteria(spec, &format!("{path}/success")));
    }
    // What comes from elsewhere stands where the document says its name.
    let rest = std::iter::repeat(String::new());
    paths.into_iter().chain(rest).zip(&load.success).collect()
}

/// Where criteria stand: they are read in the order in which they are written.
pub(super) fn criteria(spec: &Node, under: &str) -> Vec<String> {
    match spec.at(under).map(|it| &it.value) {
        Some(Value::Map(entries)) => {
            entries.iter().map(|it| format!("{under}/{}", it.key)).collect()
        }
        Some(Value::List(items)) => (0..items.len()).map(|n| format!("{under}/{n}")).collect(),
        Some(Value::Scalar { .. }) | None => Vec::new(),
    }
}

/// Where each request stands, in the order of the load test's routes.
fn requests(spec: &Node) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(Value::List(items)) = spec.at("routes").map(|it| &it.value) {
        all.extend((0..items.len()).map(|n| format!("routes/{n}")));
    }
    if let Some(Value::List(items)) = spec.at("scenarios").map(|it| &it.value) {
        for (n, item) in items.iter().enumerate() {
            in_steps(item.at("steps"), &format!("scenarios/{n}/steps"), &mut all);
        }
    }
    all
}

fn in_steps(steps: Option<&Node>, path: &str, all: &mut Vec<String>) {
    let Some(Value::List(items)) = steps.map(|it| &it.value) else { return };
    for (n, item) in items.iter().enumerate() {
        let inner = ["repeat/steps", "while/steps", "if/then", "if/else", "transaction/steps"];
        let kinds = ["think", "repeat", "while", "if", "transaction"];
        match kinds.iter().any(|it| item.entry(it).is_some()) {
            false => all.push(format!("{path}/{n}")),
            true => {
                inner.iter().for_each(|it| in_steps(item.at(it), &format!("{path}/{n}/{it}"), all));
            }
        }
    }
}

/// Nothing says how many requests to send.
pub(super) fn no_shape(lint: &mut Lint<'_>, item: &Item) {
    let message = "nothing says how many requests to send";
    let help = "Give it a `shape`, such as `constant: {rate: 100/s, duration: 30s}`.";
    lint.report(item, "", codes::NO_SHAPE, message, help);
}
