//! Network faults of Litmus: towards addresses on their packets, towards names on the link to them.

use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, Direction, Fault};
use evenkeel_model::yaml::{Entry, Place};
use evenkeel_units::{Bytes, Ratio};

use super::super::HITS_MORE;
use super::super::counterpart::Here;
use super::super::draft::{self, Draft};
use super::super::fields::Fields;
use super::super::kubernetes::{self as k8s, Reach};
use super::super::mesh;
use super::{Application, PODS, assume};

pub(super) fn network(
    here: Here,
    mut env: Fields<'_>,
    place: Place,
    (from, duration): (Duration, Option<Duration>),
    app: &Application<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let fault = match here {
        Here::Latency => latency(&mut env, place, draft),
        Here::Bandwidth => bandwidth(&mut env, place, draft),
        Here::BlackHole => Some(Fault::BlackHole),
        here => share(here, &mut env, place, draft),
    };
    let mut hosts: Vec<(Place, &str)> = Vec::new();
    let mut is_everything = true;
    for key in ["DESTINATION_HOSTS", "DESTINATION_IPS"] {
        let entry = env.take(key);
        let list = entry.iter().filter_map(|it| Some((it.key_place, it.value.text()?)));
        is_everything &= entry.is_none();
        hosts.extend(list.flat_map(|(place, it)| it.split(',').map(move |it| (place, it))));
    }
    let links = k8s::links(hosts.into_iter());
    let direction = match here {
        Here::BlackHole => policies(&mut env, place, draft),
        _ => Direction::To,
    };
    let ports = ports(&mut env, draft);
    let is_narrow = narrow(&mut env, draft);
    env.leave("CORRELATION", "each piece of data is decided by itself", draft);
    env.leave_all(&PODS, k8s::NO_PODS, draft);
    env.finish_as(k8s::OF_CLUSTER, draft);
    let (Some(fault), Some(ports), false) = (fault, ports, is_narrow) else { return };
    let links = k8s::at_ports(links, &ports, place, draft);
    let is_everything = is_everything && links.is_empty();
    let duration = k8s::ending(duration, place, &format!("`{fault}`"), draft);
    Reach { place, app: app.name, links, is_everything, direction, from, duration }
        .lay(&fault, made, draft);
}

/// Which way packets go that a policy drops.
fn policies(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Direction {
    let Some(entry) = env.take("POLICY_TYPES") else {
        assume("POLICY_TYPES", "all", place, draft);
        return Direction::Both;
    };
    match entry.value.text().unwrap_or_default().to_ascii_lowercase().as_str() {
        "all" => Direction::Both,
        "egress" => Direction::To,
        "ingress" => Direction::From,
        _ => {
            let help = "Write `all`, `egress` or `ingress`.";
            draft.wrong(entry.value.place, "it is no type of policies", help);
            Direction::To
        }
    }
}

/// The ports of the other end that are meant, all of them when there is none; `None` when they cannot be said.
fn ports(env: &mut Fields<'_>, draft: &mut Draft) -> Option<Vec<u16>> {
    let Some(entry) = env.take("DESTINATION_PORTS") else { return Some(Vec::new()) };
    let texts = entry.value.text().unwrap_or_default().split(',').map(str::trim);
    let read: Option<Vec<u16>> = texts.map(|it| it.parse().ok().filter(|it| *it > 0)).collect();
    if read.is_none() {
        let why = "each port is a number: write a step for each of them";
        draft.leave(entry, format!("{why}; {HITS_MORE}"));
    }
    read
}

/// Whether it is narrowed down in a way that ours cannot be.
fn narrow(env: &mut Fields<'_>, draft: &mut Draft) -> bool {
    let keys = ["SOURCE_PORTS", "PORTS", "POD_SELECTOR", "NAMESPACE_SELECTOR"];
    let limits: Vec<&Entry> = keys.iter().filter_map(|it| env.take(it)).collect();
    for it in &limits {
        let why = "packets are told by the address and port of the other end";
        draft.leave(it, format!("{why}; {HITS_MORE}"));
    }
    !limits.is_empty()
}

fn latency(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Fault> {
    let delay = match env.take("NETWORK_LATENCY") {
        Some(it) => draft.time(it, 1e-3)?,
        None => {
            assume("NETWORK_LATENCY", "2s", place, draft);
            Duration::from_secs(2)
        }
    };
    let jitter = env.take("JITTER");
    let spread = jitter.and_then(|it| draft.time(it, 1e-3)).unwrap_or_default();
    let spread = mesh::within(delay, spread, jitter, draft);
    (!delay.is_zero()).then(|| draft::latency(delay, spread))
}

/// What is done to a share of the packets.
fn share(here: Here, env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Fault> {
    let key = match here {
        Here::Loss => "NETWORK_PACKET_LOSS_PERCENTAGE",
        Here::Corrupt => "NETWORK_PACKET_CORRUPTION_PERCENTAGE",
        Here::Duplicate => "NETWORK_PACKET_DUPLICATION_PERCENTAGE",
        _ => return None,
    };
    let share = match env.take(key) {
        Some(it) => draft.percent(it)?,
        None => {
            assume(key, "100%", place, draft);
            Ratio::ONE
        }
    };
    here.of_packets(share).filter(|_| share != Ratio::ZERO)
}

fn bandwidth(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Fault> {
    let of_queue = "it is of a queue in the kernel, and here there is none";
    env.leave_all(&["BURST", "LIMIT", "MIN_BURST", "PEAK_RATE"], of_queue, draft);
    let rate = match env.take("NETWORK_BANDWIDTH") {
        Some(it) => mesh::bytes_a_second(Some(it), it.key_place, draft)?,
        None => {
            assume("NETWORK_BANDWIDTH", "1mbit", place, draft);
            Bytes(125_000)
        }
    };
    Some(draft::bandwidth(rate))
}
