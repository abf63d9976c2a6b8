//! `network-*` of PhysicalMachineChaos: packets between a host and others.
//!
//! Each address and each port that it names becomes a target of its own. What narrows it down in a way that ours
//! cannot say leaves all of it out, because the fault would hit more.

use std::time::Duration;

use evenkeel_model::document::{
    ChaosExperiment, Direction, DnsAnswer, Fault, Network, Protocol, Traffic,
};
use evenkeel_model::yaml::{Entry, Place};
use evenkeel_units::Ratio;

use super::super::HITS_MORE;
use super::super::counterpart::{Here, counterpart};
use super::super::draft::{self, Draft};
use super::super::fields::Fields;
use super::super::kubernetes as k8s;
use super::{bytes_a_second, dns, within};
use crate::notes::cut;

pub(super) fn network(
    action: &str,
    here: Here,
    entry: &Entry,
    duration: Option<Duration>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let place = entry.key_place;
    let mut fields = Fields::of(&entry.value, place, draft);
    if here == Here::Dns {
        return names(fields, duration, place, made, draft);
    }
    let fault = fault(here, place, &mut fields, draft);
    let ends = ends(action, place, &mut fields, draft);
    fields.leave("device", "packets are told by address, whichever way they leave", draft);
    fields.finish(draft);
    let (Some(fault), Some(ends)) = (fault, ends) else { return };
    let duration = k8s::ending(duration, place, &format!("`{fault}`"), draft);
    for traffic in ends {
        let target = draft::packets(traffic);
        made.method.push(draft::step(fault.clone(), target, Duration::ZERO, Some(duration)));
    }
}

fn fault(here: Here, place: Place, fields: &mut Fields<'_>, draft: &mut Draft) -> Option<Fault> {
    super::no_correlation(fields, draft);
    match here {
        Here::BlackHole => Some(Fault::BlackHole),
        Here::Latency => {
            let (latency, jitter) = (fields.take("latency"), fields.take("jitter"));
            let Some(latency) = latency else {
                draft.wrong(place, "a delay without `latency`", "Write one such as `100ms`.");
                return None;
            };
            let delay = draft.seconds(latency)?;
            let spread = jitter.and_then(|it| draft.seconds(it)).unwrap_or_default();
            if delay.is_zero() {
                draft.leave(latency, "no time at all delays nothing");
                return None;
            }
            Some(draft::latency(delay, within(delay, spread, jitter, draft)))
        }
        Here::Bandwidth => {
            let rate = fields.take("rate");
            let why = "it is of a queue in the kernel, and here there is none";
            fields.leave_all(&["limit", "buffer", "peakrate", "minburst"], why, draft);
            bytes_a_second(rate, place, draft).map(draft::bandwidth)
        }
        _ => {
            let Some(entry) = fields.take("percent") else {
                let help = "Write a `percent` such as `10`.";
                draft.wrong(place, "a fault of packets without `percent`", help);
                return None;
            };
            let share = draft.percent(entry)?;
            if share == Ratio::ZERO {
                draft.leave(entry, "a share of nothing does nothing");
                return None;
            }
            here.of_packets(share)
        }
    }
}

/// The other ends that are meant; `None` when they cannot be said.
fn ends(
    action: &str,
    place: Place,
    fields: &mut Fields<'_>,
    draft: &mut Draft,
) -> Option<Vec<Traffic>> {
    let mut is_said = true;
    let mut refuse = |entry: &Entry, why: &str, draft: &mut Draft| {
        draft.leave(entry, format!("{why}; {HITS_MORE}"));
        is_said = false;
    };
    for key in ["source-port", "accept-tcp-flags"] {
        if let Some(it) = fields.take(key) {
            refuse(it, "packets are told by the address and port of the other end", draft);
        }
    }
    let protocol = match fields.take("ip-protocol").map(|it| (it, it.value.text())) {
        None | Some((_, Some("all"))) => Protocol::Any,
        Some((_, Some("tcp"))) => Protocol::Tcp,
        Some((_, Some("udp"))) => Protocol::Udp,
        Some((it, _)) => {
            refuse(it, "the protocol is `tcp`, `udp` or any here", draft);
            Protocol::Any
        }
    };
    let mut ports: Vec<Option<u16>> = Vec::new();
    if let Some(entry) = fields.take("egress-port") {
        for text in entry.value.text().unwrap_or_default().split(',').map(str::trim) {
            match text.parse::<u16>().ok().filter(|it| *it > 0) {
                Some(port) => ports.push(Some(port)),
                None => {
                    refuse(entry, "each port is a number: write a step for each of them", draft);
                    break;
                }
            }
        }
    }
    let direction = match fields.take("direction").map(|it| (it, it.value.text())) {
        Some((_, Some("both"))) => Direction::Both,
        Some((_, Some("from"))) => Direction::From,
        None | Some((_, Some("to"))) => Direction::To,
        Some((it, _)) => {
            let message = "the direction of a partition is `to`, `from` or `both`";
            draft.wrong(it.value.place, message, "Write one of them.");
            return None;
        }
    };
    let mut hosts: Vec<Option<Network>> = Vec::new();
    let mut is_anywhere = true;
    for key in ["ip-address", "hostname"] {
        let Some(entry) = fields.take(key) else { continue };
        is_anywhere = false;
        for text in entry.value.text().unwrap_or_default().split(',').map(str::trim) {
            match text.parse::<Network>() {
                Ok(it) => hosts.push(Some(it)),
                Err(_) if key == "hostname" => {
                    let what = format!("the host `{}`", cut(text));
                    let why =
                        "packets are told by address: write it with `target: {traffic: {host}}`";
                    draft.leave_at(entry.key_place, what, why);
                }
                Err(error) => {
                    draft.wrong(
                        entry.value.place,
                        error.to_string(),
                        "Write addresses with `,` between them.",
                    );
                    return None;
                }
            }
        }
    }
    if is_anywhere && ports.is_empty() {
        let why = counterpart("network/everything").and_then(Here::why_not).unwrap_or_default();
        draft.leave_at(place, format!("`{action}` of everything"), why);
        return None;
    }
    if is_anywhere {
        hosts.push(None);
    }
    if ports.is_empty() {
        ports.push(None);
    }
    let mut all: Vec<Traffic> = hosts
        .iter()
        .flat_map(|host| ports.iter().map(|port| (*host, *port)))
        .map(|(host, port)| Traffic { host, port, protocol, direction })
        .take(draft::MOST + 1)
        .collect();
    draft.bound(&mut all, place, "targets");
    (is_said && !all.is_empty()).then_some(all)
}

/// A name that leads elsewhere.
fn names(
    mut fields: Fields<'_>,
    duration: Option<Duration>,
    place: Place,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let why = "`/etc/resolv.conf` stays as it is: write `dns` with the names that are to fail";
    fields.leave("dns-server", why, draft);
    let (name, address) = (fields.take("dns-domain-name"), fields.take("dns-ip"));
    fields.finish(draft);
    let (Some(name), Some(address)) = (name, address) else {
        if let Some(it) = name.or(address) {
            let help = "Write `dns-domain-name` and `dns-ip`.";
            draft.wrong(it.key_place, "a name and its address belong together", help);
        }
        return;
    };
    let Some(answer) = address.value.text().and_then(|it| it.trim().parse().ok()) else {
        let help = "Write one such as `192.0.2.7`.";
        draft.wrong(address.value.place, "a name leads to one address", help);
        return;
    };
    let texts = name.value.text().unwrap_or_default().split(',');
    let names: Vec<_> =
        texts.filter_map(|it| dns::name(name.value.place, it, draft)).take(draft::MOST).collect();
    if names.is_empty() {
        return;
    }
    let fault = Fault::Dns { names, answer: DnsAnswer::Address(answer) };
    let duration = k8s::ending(duration, place, "the fault", draft);
    made.method.push(draft::host_step(fault, Duration::ZERO, duration));
}
