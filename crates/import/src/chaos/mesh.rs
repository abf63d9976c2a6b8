//! Chaos Mesh: NetworkChaos, HTTPChaos, IOChaos, DNSChaos, TimeChaos, PodChaos, StressChaos, PhysicalMachineChaos, and
//! Schedule around them.
//!
//! A network fault between two applications becomes one of the link between them; the labels name the Service
//! and the dependency. Stress acts on the host. Of the older form, `scheduler:` inside of a fault is read too.

mod clock;
pub(super) mod dns;
pub(super) mod http;
mod io;
mod machine;
mod stress;
mod wire;

use std::time::Duration;

use evenkeel_model::document::{ActsOn, ChaosExperiment, Direction, Fault, Schedule};
use evenkeel_model::yaml::{Entry, Node, Place};
use evenkeel_units::{Bytes, Ratio};

use super::counterpart::{Here, counterpart};
use super::draft::{self, Draft, experiment};
use super::fields::{Fields, at, items};
use super::kubernetes::{self as k8s, Reach};
use super::pods::{self, Which};
use crate::notes::cut;

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    fields.skip(&["apiVersion"]);
    fields.leave("status", "it is about a run that was", draft);
    let kind = fields.text("kind", draft).unwrap_or_default();
    let name = k8s::name(&mut fields, draft);
    let Some(mut spec) = fields.map("spec", draft) else {
        draft.wrong(root.place, format!("a {} without `spec`", cut(kind)), "Write its `spec`.");
        return;
    };
    fields.finish(draft);
    if kind != "Schedule" {
        return chaos(kind, &name, root.place, spec, None, draft);
    }
    let schedule = spec.take("schedule").and_then(|it| draft.schedule(it));
    spec.leave("historyLimit", "every run is kept", draft);
    if let Some(it) = spec.take("concurrencyPolicy").filter(|it| it.value.text() != Some("Forbid"))
    {
        draft.leave(it, "one experiment runs at a time");
    }
    spec.leave("startingDeadlineSeconds", "a time is missed when a minute has passed", draft);
    let of = spec.text("type", draft).unwrap_or_default();
    // `NetworkChaos` stands under `networkChaos`, and `HTTPChaos` under `httpChaos`.
    let key = match of.strip_suffix("Chaos") {
        Some(it) if it.bytes().all(|it| it.is_ascii_uppercase()) => {
            format!("{}Chaos", it.to_ascii_lowercase())
        }
        _ => of
            .char_indices()
            .map(|(n, it)| if n == 0 { it.to_ascii_lowercase() } else { it })
            .collect(),
    };
    match spec.take(&key) {
        Some(entry) => {
            let inner = Fields::of(&entry.value, entry.key_place, draft);
            chaos(of, &name, root.place, inner, schedule, draft);
        }
        None => {
            let message = format!("a Schedule of `{}` without `{}`", cut(of), cut(&key));
            draft.wrong(
                root.place,
                message,
                "Say under `type` which fault it runs, and write its fields.",
            );
        }
    }
    spec.finish(draft);
}

fn chaos(
    kind: &str,
    name: &str,
    place: Place,
    mut spec: Fields<'_>,
    schedule: Option<Schedule>,
    draft: &mut Draft,
) {
    let whole = |it: &str| format!("the {} `{}`", cut(it), cut(name));
    if let Some(why) = counterpart(&format!("mesh/{kind}")).and_then(Here::why_not) {
        draft.leave_at(place, whole(kind), why);
        return;
    }
    let mut made = experiment(name);
    made.schedule = schedule;
    if let Some(mut scheduler) = spec.map("scheduler", draft) {
        made.schedule = scheduler.take("cron").and_then(|it| draft.schedule(it));
        scheduler.finish(draft);
    }
    spec.leave("remoteCluster", k8s::OF_CLUSTER, draft);
    let action = spec.take("action");
    let word = action.and_then(|it| it.value.text()).unwrap_or_default();
    match kind {
        "NetworkChaos" => network(word, place, &mut spec, &mut made, draft),
        "HTTPChaos" => http::http(place, &mut spec, &mut made, draft),
        "StressChaos" => stress::stress(place, &mut spec, &mut made, draft),
        "TimeChaos" => clock::of_pods(place, &mut spec, &mut made, draft),
        "IOChaos" => io::io(action, place, &mut spec, &mut made, draft),
        "DNSChaos" => dns::dns(action, place, &mut spec, &mut made, draft),
        "PodChaos" | "PhysicalMachineChaos" => match counterpart(&format!("mesh/{kind}/{word}")) {
            Some(Here::PodDelete) => pod_kill(place, &mut spec, &mut made, draft),
            Some(here) => {
                let what = format!("`{}` of {}", cut(word), whole(kind));
                if let Some(why) = here.why_not() {
                    draft.leave_at(place, what, why);
                    return;
                }
                machine::machine(word, here, place, &mut spec, &mut made, draft);
            }
            None => unknown(action, kind, place, draft),
        },
        _ => {
            draft.leave_at(place, whole(kind), "it is no fault of Chaos Mesh that we know");
            return;
        }
    }
    if !made.method.is_empty() {
        spec.finish(draft);
    }
    draft.add(place, made);
}

/// Pods are deleted at once, unless it says how long they have.
fn pod_kill(place: Place, spec: &mut Fields<'_>, made: &mut ChaosExperiment, draft: &mut Draft) {
    let mode = pods::mode(spec, draft);
    let grace = spec.take("gracePeriod").and_then(|it| draft.count(it)).unwrap_or_default();
    spec.leave("duration", "pods are deleted once", draft);
    let Some(selector) = spec.take("selector") else {
        let why = "it does not say which pods";
        draft.leave_at(place, "the deletion of pods", why);
        return;
    };
    let grace = Some(Duration::from_secs(grace.into()));
    let fault = Fault::PodDelete { grace, every: None };
    Which::selected(selector, draft).delete(fault, mode, (Duration::ZERO, None), made, draft);
}

fn unknown(action: Option<&Entry>, kind: &str, place: Place, draft: &mut Draft) {
    let word = action.and_then(|it| it.value.text()).unwrap_or_default();
    let place = action.map_or(place, |it| at(it.value.place, it.key_place));
    let message = match word {
        "" => format!("{} without `action`", cut(kind)),
        _ => format!("`{}` is no action of {}", cut(word), cut(kind)),
    };
    draft.wrong(place, message, "Write an action that Chaos Mesh knows.");
}

fn network(
    action: &str,
    place: Place,
    spec: &mut Fields<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let parts: &[&str] = match action {
        "netem" => &["delay", "loss", "duplicate", "corrupt", "rate"],
        _ => &[action],
    };
    let (mut faults, mut overtakes) = (Vec::new(), None);
    for part in parts {
        let Some(here) = counterpart(&format!("mesh/NetworkChaos/{part}")) else {
            return unknown(spec.take("action"), "NetworkChaos", place, draft);
        };
        let entry = spec.take(part);
        if entry.is_none() && *part != "partition" {
            if parts.len() == 1 {
                let message =
                    format!("a NetworkChaos with the action `{part}` and without `{part}`");
                draft.wrong(place, message, "Write its parameters.");
            }
            continue;
        }
        if let Some(why) = here.why_not() {
            draft.leave_at(entry.map_or(place, |it| it.key_place), format!("`{part}`"), why);
            continue;
        }
        faults.extend(match (here, entry) {
            (Here::Latency, Some(it)) => {
                let (delay, reorder) = delay(it, draft);
                overtakes = reorder;
                delay
            }
            (Here::Bandwidth, Some(it)) => rate(it, draft),
            (Here::BlackHole, _) => Some(Fault::BlackHole),
            (here, Some(it)) => share(part, here, it, draft),
            _ => None,
        });
    }
    if faults.is_empty() && draft.found.count() == 0 {
        return;
    }
    let app = spec.map("selector", draft).and_then(|it| k8s::selected(it, draft));
    let mut named: Vec<(Place, &str)> = Vec::new();
    let (target, others) = (spec.take("target"), spec.take("externalTargets"));
    let is_everything = target.is_none() && others.is_none();
    if let Some(entry) = target {
        let mut target = Fields::of(&entry.value, entry.key_place, draft);
        let other = target.map("selector", draft).and_then(|it| k8s::selected(it, draft));
        named.extend(other.map(|it| (entry.key_place, it)));
        target.finish_as("a link leads to all instances of the other end", draft);
    }
    let others = others.map(|it| items(&it.value)).unwrap_or_default();
    named.extend(others.iter().filter_map(|it| Some((it.place, it.text()?))));
    let links = k8s::links(named.into_iter());
    if spec.take("mode").is_some_and(|it| it.value.text() != Some("all")) {
        let why = match is_everything {
            true => "a link leads to all instances, unless its `upstream` is one of them",
            false => "a fault of a link is felt by all instances of its service",
        };
        draft.leave_at(place, "`mode` of the source", why);
        spec.leave("value", why, draft);
    }
    let entry = spec.take("direction");
    let direction = match entry.and_then(|it| it.value.text()) {
        Some("both") => Direction::Both,
        Some("from") => Direction::From,
        _ => Direction::To,
    };
    let is_of_packets = k8s::are_addresses(&links) && !links.is_empty();
    if let Some(it) = entry.filter(|_| direction != Direction::To && !is_of_packets) {
        let why = "a link carries both directions, and a delay is added once a round trip";
        draft.leave(it, why);
    }
    let duration = spec.take("duration").and_then(|it| draft.seconds(it));
    let duration = k8s::ending(duration, place, "the fault", draft);
    let reach =
        Reach { place, app, links, is_everything, direction, from: Duration::ZERO, duration };
    // One link bears one fault at a time; packets take any number.
    if let Some(overtaking) = overtakes {
        reorder(&mut faults, overtaking, is_of_packets, draft);
    }
    let mut is_taken = false;
    for fault in faults {
        let is_of_link = fault.facts().acts_on.contains(&ActsOn::Link);
        if is_of_link && is_taken && !is_of_packets {
            let why =
                "a link bears one fault at a time: write it as a step of its own, after the other";
            draft.leave_at(place, format!("`{fault}`"), why);
            continue;
        }
        is_taken |= is_of_link;
        reach.lay(&fault, made, draft);
    }
}

/// A delay of which a share is none is another order of packets.
fn reorder(
    faults: &mut [Fault],
    (entry, share): (&Entry, Ratio),
    is_of_packets: bool,
    draft: &mut Draft,
) {
    for fault in faults {
        match *fault {
            Fault::Latency { delay, jitter: Duration::ZERO } if is_of_packets => {
                *fault = Fault::Reorder { share, delay };
            }
            Fault::Latency { .. } => {
                let why = match is_of_packets {
                    true => "those that others overtake are all equally late: take no jitter",
                    false => "a link keeps the order of what it carries",
                };
                draft.leave(entry, why);
            }
            _ => {}
        }
    }
}

/// A delay, and where it is said that a share of the packets overtakes the others.
fn delay<'a>(entry: &'a Entry, draft: &mut Draft) -> (Option<Fault>, Option<(&'a Entry, Ratio)>) {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let latency = fields.take("latency");
    let jitter = fields.take("jitter");
    no_correlation(&mut fields, draft);
    let reorder = fields.take("reorder").and_then(|it| Some((it, overtaking(it, draft)?)));
    fields.finish(draft);
    let Some(latency) = latency else {
        draft.wrong(entry.key_place, "a `delay` without `latency`", "Write one such as `100ms`.");
        return (None, None);
    };
    let Some(delay) = draft.seconds(latency) else { return (None, None) };
    let spread = jitter.and_then(|it| draft.seconds(it)).unwrap_or_default();
    if delay.is_zero() {
        draft.leave(latency, "no time at all delays nothing");
        return (None, None);
    }
    (Some(draft::latency(delay, within(delay, spread, jitter, draft))), reorder)
}

/// The share of the packets that overtakes those that are late.
fn overtaking(entry: &Entry, draft: &mut Draft) -> Option<Ratio> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let share = fields.take("reorder");
    fields.leave("gap", "each packet is decided by itself", draft);
    no_correlation(&mut fields, draft);
    fields.finish(draft);
    draft.percent(share?).filter(|it| *it != Ratio::ZERO)
}

/// The jitter, no larger than the delay.
pub(super) fn within(
    delay: Duration,
    jitter: Duration,
    entry: Option<&Entry>,
    draft: &mut Draft,
) -> Duration {
    if let Some(entry) = entry.filter(|_| jitter > delay) {
        draft.leave(
            entry,
            "jitter is at most the delay here, because nothing arrives before it is sent",
        );
    }
    jitter.min(delay)
}

fn no_correlation(fields: &mut Fields<'_>, draft: &mut Draft) {
    if let Some(it) = fields.take("correlation")
        && it.value.text().and_then(|it| it.trim().parse::<f64>().ok()) != Some(0.0)
    {
        draft.leave(it, "each piece of data is decided by itself");
    }
}

/// What is done to a share of the packets; it stands under a field of the same name.
fn share(name: &str, here: Here, entry: &Entry, draft: &mut Draft) -> Option<Fault> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let share = fields.take(name);
    no_correlation(&mut fields, draft);
    fields.finish(draft);
    let Some(share) = share else {
        let message = format!("a `{name}` without `{name}`");
        draft.wrong(entry.key_place, message, "Write a percentage such as `25`.");
        return None;
    };
    let read = draft.percent(share)?;
    if read == Ratio::ZERO {
        draft.leave(share, "a share of nothing does nothing");
        return None;
    }
    here.of_packets(read)
}

/// So much a second.
fn rate(entry: &Entry, draft: &mut Draft) -> Option<Fault> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let rate = fields.take("rate");
    fields.finish_as("it is of a queue in the kernel, and a link has none", draft);
    bytes_a_second(rate, entry.key_place, draft).map(draft::bandwidth)
}

/// `bps` are bytes and count by 1024, `bit` are bits and count by 1000.
pub(super) fn bytes_a_second(rate: Option<&Entry>, of: Place, draft: &mut Draft) -> Option<Bytes> {
    let text = rate.and_then(|it| it.value.text()).unwrap_or_default().trim().to_ascii_lowercase();
    let units = ["bps", "kbps", "mbps", "gbps", "tbps"]
        .into_iter()
        .zip(0..)
        .map(|(it, n)| (it, 1024f64.powi(n)));
    let bits = ["bit", "kbit", "mbit", "gbit", "tbit"]
        .into_iter()
        .zip(0..)
        .map(|(it, n)| (it, 1000f64.powi(n) / 8.0));
    let read = units.chain(bits).filter_map(|(unit, scale)| {
        let number = text.strip_suffix(unit)?.trim().parse::<u64>().ok()?;
        Some(number as f64 * scale)
    });
    let read = read.last().filter(|it| (1.0..1e15).contains(it));
    if read.is_none() {
        let place = rate.map_or(of, |it| at(it.value.place, it.key_place));
        let message = format!("`{}` is no rate above nothing", cut(&text));
        draft.wrong(place, message, "Write one such as `1mbps` (bytes) or `8mbit`.");
    }
    read.map(|it| Bytes(it as u64))
}
