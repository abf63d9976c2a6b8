//! What the documents of Litmus and Chaos Mesh share: names, labels, amounts and the links between applications.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_model::document::{
    ActsOn, Amount, ChaosExperiment, Direction, Fault, Network, Safety,
};
use evenkeel_model::yaml::{Entry, Node, Place};
use evenkeel_units::{Bytes, Ratio};

use super::counterpart::{Here, counterpart};
use super::draft::{self, Draft};
use super::fields::{Fields, shown};
use crate::notes::cut;

/// What is said of ways to choose among pods.
pub(super) const NO_PODS: &str =
    "there are no pods or namespaces here: the Service names its instances";
/// What is said of targets of faults of the host.
pub(super) const THIS_HOST: &str =
    "it acts on the host on which it is run: run it on that of the pods";
/// What is said of what a cluster needs to run an experiment.
pub(super) const OF_CLUSTER: &str = "nothing runs in the cluster";

/// One link more than an experiment can have faults, so that it is noticed.
const MOST_LINKS: usize = 1_000;

/// The largest amount of memory that is read.
const MOST_BYTES: u64 = 1 << 50;

/// Whether it can be the name of an object.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    let ends = |it: &str| [it.bytes().next(), it.bytes().last()];
    let label = |it: &str| {
        ends(it).iter().all(|it| it.is_some_and(plain))
            && it.bytes().all(|it| plain(it) || it == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Whether it can be a label.
pub(super) fn is_label(key: &str, value: &str) -> bool {
    let ends = |it: &str| [it.bytes().next(), it.bytes().last()];
    let plain = |it: &str| {
        it.len() <= 63
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it))
            && ends(it).iter().all(|it| it.is_none_or(|it| it.is_ascii_alphanumeric()))
    };
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("x", key));
    is_name(prefix) && !name.is_empty() && plain(name) && plain(value)
}

/// `metadata`: the name.
pub(super) fn name(fields: &mut Fields<'_>, draft: &mut Draft) -> String {
    let Some(mut metadata) = fields.map("metadata", draft) else { return String::new() };
    let name = metadata.text("name", draft).or(metadata.text("generateName", draft));
    metadata.finish_as(OF_CLUSTER, draft);
    name.unwrap_or_default().to_owned()
}

/// The label by which an application is told from others, and which of the labels it is.
fn telling<'a>(labels: impl Iterator<Item = &'a str>) -> Option<usize> {
    const TELLING: [&str; 6] = [
        "app",
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/component",
        "name",
        "component",
    ];
    let rank = |it: &str| TELLING.iter().position(|known| *known == it).unwrap_or(TELLING.len());
    labels.enumerate().min_by_key(|(n, it)| (rank(it), *n)).map(|(n, _)| n)
}

/// The application that a selector of Chaos Mesh finds, by its labels.
pub(super) fn selected<'a>(mut selector: Fields<'a>, draft: &mut Draft) -> Option<&'a str> {
    let mut app = None;
    if let Some(labels) = selector.map("labelSelectors", draft) {
        let all: Vec<&Entry> = labels.rest().collect();
        let chosen = telling(all.iter().map(|it| it.key.as_str()));
        for (n, entry) in all.into_iter().enumerate() {
            match Some(n) == chosen {
                true => app = entry.value.text(),
                false => draft.leave(entry, NO_PODS),
            }
        }
    }
    selector.finish_as(NO_PODS, draft);
    app.filter(|it| !it.is_empty())
}

/// The value of the label by which an application is told from others, of `app=shop,tier=web`.
pub(super) fn telling_label(text: &str) -> Option<&str> {
    let labels: Vec<_> = text.split(',').filter_map(|it| it.split_once('=')).collect();
    let chosen = telling(labels.iter().map(|it| it.0.trim()));
    let (_, value) = chosen.and_then(|it| labels.get(it))?;
    Some(value.trim_start_matches('=').trim()).filter(|it| !it.is_empty())
}

/// The application of `app=shop,tier=web`.
pub(super) fn labelled<'a>(text: &'a str, place: Place, draft: &mut Draft) -> Option<&'a str> {
    let labels: Vec<_> = text.split(',').filter_map(|it| it.split_once('=')).collect();
    let chosen = telling(labels.iter().map(|it| it.0.trim()));
    for (n, (key, value)) in labels.iter().enumerate() {
        if Some(n) != chosen {
            draft.leave_at(place, format!("`{key}={value}`"), NO_PODS);
        }
    }
    telling_label(text)
}

/// The other end of a link.
pub(super) struct Link {
    /// Where it is named.
    pub(super) place: Place,
    /// What it is called.
    pub(super) name: String,
    /// Where it is, when it is an address that is named, and its port.
    at: Option<(Option<Network>, Option<u16>)>,
}

/// The address and port that a text is.
fn address(text: &str) -> Option<(Option<Network>, Option<u16>)> {
    if let Ok(it) = text.parse::<SocketAddr>() {
        return Some((Some(it.ip().to_string().parse().ok()?), Some(it.port())));
    }
    Some((Some(text.parse().ok()?), None))
}

/// A link for each host that is named; its port does not tell it apart.
pub(super) fn links<'a>(hosts: impl Iterator<Item = (Place, &'a str)>) -> Vec<Link> {
    let name = |it: &str| match it.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host.to_owned(),
        _ => it.to_owned(),
    };
    let mut links: Vec<Link> = Vec::new();
    for (place, host) in hosts.filter(|(_, it)| !it.trim().is_empty()) {
        if links.len() > MOST_LINKS {
            break;
        }
        let at = address(host.trim());
        let name = if at.is_some_and(|it| it.1.is_none()) {
            host.trim().to_owned()
        } else {
            name(host.trim())
        };
        if links.iter().all(|it| crate::draft::label(&it.name) != crate::draft::label(&name)) {
            links.push(Link { place, name, at });
        }
    }
    links
}

/// Whether they are all addresses.
pub(super) fn are_addresses(links: &[Link]) -> bool {
    links.iter().all(|it| it.at.is_some())
}

/// The same at these ports only. Without any host, they are those of any; without any port, nothing is narrowed down.
pub(super) fn at_ports(
    links: Vec<Link>,
    ports: &[u16],
    place: Place,
    draft: &mut Draft,
) -> Vec<Link> {
    let at = |place: Place, host: Option<Network>| {
        ports.iter().map(move |port| {
            let name = format!("port-{port}");
            Link { place, name, at: Some((host, Some(*port))) }
        })
    };
    if links.is_empty() {
        return at(place, None).collect();
    }
    let mut narrowed = Vec::new();
    for link in links {
        match link.at {
            Some((host, None)) if !ports.is_empty() => narrowed.extend(at(link.place, host)),
            None if !ports.is_empty() => {
                let what = format!("the ports of `{}`", cut(&link.name));
                let why = "a link has one, that of its `upstream`: write a link for each of them";
                draft.leave_at(link.place, what, why);
                narrowed.push(link);
            }
            _ => narrowed.push(link),
        }
    }
    narrowed
}

/// Where and when a fault of links acts.
pub(super) struct Reach<'a> {
    /// Where the fault stands.
    pub(super) place: Place,
    /// The service from which the links lead.
    pub(super) app: Option<&'a str>,
    /// The links.
    pub(super) links: Vec<Link>,
    /// Whether nobody on the other end was named, so that all traffic is meant.
    pub(super) is_everything: bool,
    /// Which way packets to an address go that are meant.
    pub(super) direction: Direction,
    /// From when on.
    pub(super) from: Duration,
    /// For how long.
    pub(super) duration: Duration,
}

impl Reach<'_> {
    /// Lays a fault on every link, one after the other where they are several on one.
    pub(super) fn lay(&self, fault: &Fault, made: &mut ChaosExperiment, draft: &mut Draft) {
        let can_link = fault.facts().acts_on.contains(&ActsOn::Link);
        if let (true, Some(app), true) = (self.is_everything, self.app, can_link) {
            let target = draft::dependency(None, app);
            draft.whereabouts(self.place, &target);
            let what = format!("`{fault}` of all that `{}` sends", cut(app));
            let why = "what passes a link in front of it is met: let those who call it call the link, and write a step for each of its own `dependencies` that is meant";
            draft.leave_at(self.place, what, why);
            made.method.push(draft::step(fault.clone(), target, self.from, Some(self.duration)));
            return;
        }
        if self.links.is_empty() {
            let here = counterpart("network/everything").and_then(Here::why_not);
            draft.leave_at(self.place, format!("`{fault}`"), here.unwrap_or_default());
        }
        for link in &self.links {
            let can = |what: ActsOn| fault.facts().acts_on.contains(&what);
            let target = match link.at.filter(|_| can(ActsOn::Traffic)) {
                Some((host, port)) => draft::traffic(host, port, self.direction),
                None if can(ActsOn::Link) => draft::dependency(self.app, &link.name),
                None => {
                    let what = format!("`{fault}` towards `{}`", cut(&link.name));
                    let why =
                        "packets are told by address: write it with `target: {traffic: {host}}`";
                    draft.leave_at(link.place, what, why);
                    continue;
                }
            };
            draft.whereabouts(link.place, &target);
            made.method.push(draft::step(fault.clone(), target, self.from, Some(self.duration)));
        }
    }
}

/// A duration that must be there; a fault without end gets one.
pub(super) fn ending(
    duration: Option<Duration>,
    place: Place,
    what: &str,
    draft: &mut Draft,
) -> Duration {
    duration.filter(|it| !it.is_zero()).unwrap_or_else(|| {
        draft.leave_at(place, format!("how long {what} lasts"), super::NO_END);
        Safety::MAX_DURATION
    })
}

/// An amount of memory or of a disk, also in the units of stress-ng (`256M`, `1g`), or a share of all there is.
pub(super) fn amount(text: &str) -> Option<Amount> {
    let text = text.trim();
    if let Some(number) = text.strip_suffix('%') {
        let share = number.trim().parse::<f64>().ok().and_then(|it| Ratio::new(it / 100.0));
        return share.filter(|it| *it != Ratio::ZERO).map(Amount::Share);
    }
    let read = text.parse::<Bytes>().ok().or_else(|| {
        let split = text.find(|it: char| it.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split)?;
        let scale = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "ki" => 10,
            "m" | "mi" => 20,
            "g" | "gi" => 30,
            "t" | "ti" | "tb" => 40,
            _ => return None,
        };
        let number: f64 = number.trim().parse().ok()?;
        (number >= 0.0).then(|| Bytes((number * (1u64 << scale) as f64).round() as u64))
    });
    read.filter(|it| (1..=MOST_BYTES).contains(&it.0)).map(Amount::Bytes)
}

/// A mistake: what should be an amount is none.
pub(super) fn no_amount(entry: &Entry, draft: &mut Draft) {
    let place = super::fields::at(entry.value.place, entry.key_place);
    let message = format!("{} is no amount", shown(entry));
    draft.wrong(place, message, "Write one such as `256MiB`, or `50%`.");
}

/// A map out of a list of names and values, as containers get their environment.
pub(super) fn environment(list: &[Node], place: Place, draft: &mut Draft) -> Node {
    let mut entries: Vec<Entry> = Vec::new();
    for item in list {
        let mut fields = Fields::of(item, place, draft);
        let name = fields.text("name", draft).unwrap_or_default();
        match fields.take("value") {
            Some(it) => entries.push(Entry {
                key: name.to_owned(),
                key_place: item.place,
                value: it.value.clone(),
            }),
            None => fields.skip(&["value"]),
        }
        let why = "it comes from the cluster: write its value";
        fields.leave_all(&["valueFrom"], why, draft);
        fields.finish(draft);
    }
    Node { place, value: evenkeel_model::yaml::Value::Map(entries) }
}
