//! Functions of the extensions of Chaos Toolkit for Kubernetes and for Toxiproxy.
//!
//! Their actions last until another one takes them back, so that a fault ends there, or with the method.

use std::time::Duration;

use evenkeel_model::document::{Cluster, Fault, Mode, Step};
use evenkeel_model::yaml::{Entry, Node, Place, Sort, Value};
use evenkeel_units::{Bytes, Ratio};

use super::super::HITS_MORE;
use super::super::draft::{self, Draft, experiment};
use super::super::fields::Fields;
use super::super::kubernetes as k8s;
use super::super::pods::Which;
use super::command::{Does, Ending};
use super::words::Configuration;

/// The arguments of a function, with every `${name}` filled in. The error says what cannot be.
pub(super) fn arguments(
    entry: Option<&Entry>,
    place: Place,
    configuration: &Configuration<'_>,
) -> Result<Node, String> {
    fn filled(node: &Node, configuration: &Configuration<'_>) -> Result<Node, String> {
        let value = match &node.value {
            // What comes from the configuration is read as if it stood there.
            Value::Scalar { text, plain } => Value::Scalar {
                plain: *plain || text.contains("${"),
                text: configuration.text(text)?,
            },
            Value::Map(entries) => {
                let each = entries.iter().map(|it| {
                    let value = filled(&it.value, configuration)?;
                    Ok(Entry { key: it.key.clone(), key_place: it.key_place, value })
                });
                Value::Map(each.collect::<Result<_, String>>()?)
            }
            Value::List(_) => node.value.clone(),
        };
        Ok(Node { place: node.place, value })
    }
    match entry {
        Some(it) => filled(&it.value, configuration),
        None => Ok(Node { place, value: Value::Map(Vec::new()) }),
    }
}

/// What a function does with these arguments, and what it calls that; `None` when nothing is written for it.
pub(super) fn function(
    name: &str,
    place: Place,
    arguments: &Node,
    draft: &mut Draft,
) -> Option<(Does, Option<String>)> {
    let mut fields = Fields::of(arguments, place, draft);
    fields.skip(&["configuration"]);
    fields.leave("secrets", "the kubeconfig says how a cluster is reached", draft);
    let mut called = None;
    let does = match name.rsplit('.').next().unwrap_or_default() {
        "terminate_pods" | "delete_pods" => pods(&mut fields, place, draft),
        "scale_deployment" | "scale_microservice" => scale(&mut fields, place, draft),
        "cordon_node" => cordon(&mut fields, place, draft),
        "drain_nodes" => {
            let why =
                "the pods that are on it stay: write `podEvict` with their labels as the target";
            draft.leave_at(place, "that the node is emptied", why);
            fields.skip(&["timeout", "delete_pods_with_local_storage"]);
            cordon(&mut fields, place, draft)
        }
        "uncordon_node" => {
            node(&mut fields, place, draft).map(|it| Does::Ends(vec![Ending::Node(it)]))
        }
        _ => toxic(name, &mut fields, place, &mut called, draft),
    };
    let does = does?;
    fields.finish(draft);
    Some((does, called))
}

fn lasting(fault: Fault) -> Does {
    let step = Step { fault, target: None, at: Duration::ZERO, duration: None };
    Does::Faults { faults: vec![step], unread: Vec::new() }
}

fn pods(fields: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Does> {
    for key in ["name_pattern", "name"] {
        if let Some(it) = fields.take(key) {
            draft.leave(it, format!("pods are found by namespace and labels; {HITS_MORE}"));
            return None;
        }
    }
    let is = |entry: Option<&Entry>| entry.is_some_and(|it| it.value.sort() == Sort::Boolean(true));
    let all = is(fields.take("all"));
    let by_chance = is(fields.take("rand"));
    let order = fields.take("order");
    let kind = fields.text("mode", draft).unwrap_or("fixed");
    let quantity = fields.take("qty");
    let mode = match (all, kind, quantity) {
        (true, ..) => Mode::All,
        (false, "percentage", Some(it)) => {
            let share = draft.percent(it)?;
            let why = "a share is rounded down here, because a limit is a limit; with few pods write `mode: one`";
            draft.leave_at(it.key_place, format!("at least one pod, however few {share} are"), why);
            Mode::Share(share)
        }
        (false, _, None) => Mode::One,
        (false, _, Some(it)) => match draft.count(it)? {
            1 => Mode::One,
            number => Mode::Count(number),
        },
    };
    if matches!(mode, Mode::Count(0)) || mode == Mode::Share(Ratio::ZERO) {
        draft.leave_at(place, "no pods at all", "it does nothing");
        return None;
    }
    if !all && !by_chance {
        let at = order.map_or(place, |it| it.key_place);
        draft.leave_at(at, "which of the pods goes first", "it is left to chance, by the seed");
    }
    // Below nothing stands for what each pod says itself.
    let grace = match fields.take("grace_period") {
        Some(it) if it.value.text().is_some_and(|it| it.trim().starts_with('-')) => None,
        Some(it) => Some(Duration::from_secs(draft.count(it)?.into())),
        None => None,
    };
    let namespace = fields.take("ns").and_then(|it| it.value.text());
    let selector = fields.take("label_selector");
    let text = selector.and_then(|it| it.value.text()).unwrap_or_default();
    let at = selector.map_or(place, |it| it.key_place);
    let which = Which::labelled(at, Some(namespace.unwrap_or("default")), text, draft);
    let mut made = experiment("");
    let fault = Fault::PodDelete { grace, every: None };
    which.delete(fault, mode, (Duration::ZERO, None), &mut made, draft);
    (!made.method.is_empty()).then(|| Does::Faults { faults: made.method, unread: Vec::new() })
}

fn scale(fields: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Does> {
    let name = fields.take("name").and_then(|it| it.value.text());
    let namespace = fields.take("ns").and_then(|it| it.value.text()).unwrap_or("default");
    let replicas = fields.take("replicas");
    let Some(name) = name.filter(|it| k8s::is_name(it) && k8s::is_name(namespace)) else {
        draft.wrong(
            place,
            "it names no deployment",
            "Write its `name`, and its namespace as `ns`.",
        );
        return None;
    };
    let Some(entry) = replicas else {
        draft.wrong(place, "it does not say how many pods", "Write a number as `replicas`.");
        return None;
    };
    let replicas = draft.count(entry)?;
    if replicas > 10_000 {
        draft.leave(entry, "a deployment has at most 10000 pods here");
        return None;
    }
    draft.which_cluster(place);
    let (deployment, namespace) = (name.to_owned(), namespace.to_owned());
    Some(lasting(Fault::Scale { deployment, namespace, replicas, cluster: Cluster::default() }))
}

fn cordon(fields: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Does> {
    let node = node(fields, place, draft)?;
    draft.which_cluster(place);
    Some(lasting(Fault::Cordon { node, cluster: Cluster::default() }))
}

/// The one node that is named.
fn node(fields: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<String> {
    let name = fields.take("name").and_then(|it| it.value.text());
    let why = "a node is told by its name";
    fields.leave_all(
        &["label_selector", "count", "pod_label_selector", "pod_namespace"],
        why,
        draft,
    );
    let Some(name) = name.filter(|it| k8s::is_name(it)) else {
        let why = "it does not say: write `cordon` with its name as `node`";
        draft.leave_at(place, "which node is meant", why);
        return None;
    };
    Some(name.to_owned())
}

/// What is done to a proxy, which is a link here.
fn toxic(
    name: &str,
    fields: &mut Fields<'_>,
    place: Place,
    called: &mut Option<String>,
    draft: &mut Draft,
) -> Option<Does> {
    let verb = name.rsplit('.').next().unwrap_or_default();
    let proxy = fields.text("proxy_name", draft).or(fields.text("for_proxy", draft));
    let toxic = fields.text("toxic_name", draft).map(str::to_owned);
    if verb == "reset" {
        return Some(Does::Ends(vec![Ending::Link(None, None)]));
    }
    let Some(proxy) = proxy.filter(|it| !it.trim().is_empty()) else {
        draft.wrong(place, "it names no proxy", "Write its name.");
        return None;
    };
    let target = draft::dependency(None, proxy);
    let ends = |toxic| Some(Does::Ends(vec![Ending::Link(Some(proxy.to_owned()), toxic)]));
    let fault = match verb {
        "create_proxy" => {
            let mut part = |key: &str, usual: &'static str| {
                fields.take(key).and_then(|it| it.value.text()).unwrap_or(usual).to_owned()
            };
            let upstream = [part("upstream_host", "HOST"), part("upstream_port", "PORT")].join(":");
            let listen = [part("listen_host", "127.0.0.1"), part("listen_port", "PORT")].join(":");
            fields.skip(&["enabled"]);
            let label = crate::draft::label(proxy);
            let why = format!(
                "a link is its counterpart: write the Service with `dependencies: {{{label}: {{listen: \"{listen}\", upstream: \"{upstream}\"}}}}`"
            );
            draft.leave_at(place, format!("the proxy `{proxy}`"), why);
            // It lasts, and is no fault.
            return Some(Does::Waits(Duration::ZERO));
        }
        "enable_proxy" | "delete_proxy" => return ends(None),
        "delete_toxic" => return ends(toxic),
        "disable_proxy" => Fault::Refuse,
        "modify_proxy" => {
            let why = "where a link leads stands in the Service";
            fields.leave_all(&["listen_address", "upstream_address"], why, draft);
            match fields.take("enabled").map(|it| it.value.sort()) {
                Some(Sort::Boolean(true)) => return ends(None),
                Some(Sort::Boolean(false)) => Fault::Refuse,
                _ => return None,
            }
        }
        _ => made(verb, fields, place, draft)?,
    };
    *called = toxic;
    draft.whereabouts(place, &target);
    let step = Step { fault, target: Some(target), at: Duration::ZERO, duration: None };
    Some(Does::Faults { faults: vec![step], unread: Vec::new() })
}

/// The fault that a toxic is.
fn made(verb: &str, fields: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Fault> {
    if let Some(it) = fields.take("toxicity")
        && draft.number(it).is_some_and(|it| it < 1.0)
    {
        draft.leave(it, format!("a link has no share of its connections; {HITS_MORE}"));
        return None;
    }
    let stream = fields.take("stream");
    let attributes = fields.take("attributes");
    let kind = match verb {
        "create_toxic" => fields.text("toxic_type", draft).unwrap_or_default(),
        "create_latency_toxic" => "latency",
        "create_bandwith_degradation_toxic" => "bandwidth",
        "create_timeout_toxic" => "timeout",
        other => other,
    };
    let mut inner = attributes.map(|it| Fields::of(&it.value, it.key_place, draft));
    let mut value = |key: &str| inner.as_mut().and_then(|it| it.take(key)).or(fields.take(key));
    let fault = match kind {
        "latency" => {
            let (delay, jitter) = (value("latency"), value("jitter"));
            let delay = delay.map_or(Some(Duration::ZERO), |it| draft.time(it, 1e-3))?;
            let spread = jitter.and_then(|it| draft.time(it, 1e-3)).unwrap_or_default();
            let spread = super::super::mesh::within(delay, spread, jitter, draft);
            (!delay.is_zero()).then(|| draft::latency(delay, spread))
        }
        "bandwidth" => {
            let rate = value("rate").map_or(Some(0), |it| draft.count(it))?;
            // KB/s, of which each is a thousand.
            (rate > 0).then(|| draft::bandwidth(Bytes(u64::from(rate) * 1_000)))
        }
        "timeout" => {
            if let Some(it) = value("timeout").filter(|it| it.value.text() != Some("0")) {
                draft.leave(it, "connections are open and silent until the fault ends");
            }
            Some(Fault::BlackHole)
        }
        "reset_peer" => {
            if let Some(it) = value("timeout").filter(|it| it.value.text() != Some("0")) {
                draft.leave(it, "connections are reset as soon as data flows on them");
            }
            Some(Fault::Reset)
        }
        _ => {
            let what = format!("the toxic `{}`", crate::notes::cut(kind));
            let why =
                "no fault of ours does that: `evenkeel proxy` has it, by the API of Toxiproxy";
            draft.leave_at(place, what, why);
            return None;
        }
    };
    let both = "a link carries both directions";
    match stream {
        Some(it) => draft.leave(it, both),
        None if matches!(kind, "bandwidth" | "timeout") => {
            draft.leave_at(place, "that only what is answered is met", both);
        }
        None => {}
    }
    if let Some(inner) = inner {
        inner.finish(draft);
    }
    if fault.is_none() {
        draft.leave_at(place, format!("a {kind} of nothing"), "it does nothing");
    }
    fault
}
