//! Probes of Litmus as questions about the steady state: those of HTTP, and those of a Prometheus.

use std::time::Duration;

use evenkeel_model::document::{Limit, Probe, ProbeKind, When};
use evenkeel_model::yaml::{Entry, Node};

use crate::chaos::draft::Draft;
use crate::chaos::fields::Fields;
use crate::notes::cut;

/// One probe; nothing when it asks what nobody asks here.
pub(super) fn import(item: &Node, draft: &mut Draft) -> Option<Probe> {
    let mut fields = Fields::of(item, item.place, draft);
    let name = fields.text("name", draft).unwrap_or_default();
    let whole = format!("the probe `{}`", cut(name));
    let kind = fields.text("type", draft).unwrap_or_default();
    let inputs = fields.take(&format!("{kind}/inputs"));
    let asked = match (kind, inputs) {
        ("httpProbe", Some(it)) => http(&whole, it, draft),
        ("promProbe", Some(it)) => promql(&whole, it, draft),
        _ => {
            let why = match kind {
                "cmdProbe" => "commands are not run to see how a service is",
                "k8sProbe" => "objects of a cluster are not looked at to see how a service is",
                _ => "it asks nothing by HTTP and no Prometheus",
            };
            draft.leave_at(item.place, &whole, why);
            return None;
        }
    };
    let mut made = Probe::new(asked?);
    if let Some(mut run) = fields.map("runProperties", draft) {
        let mut time = |key: &str, draft: &mut Draft| {
            run.take(key).and_then(|it| draft.seconds(it)).filter(|it| !it.is_zero())
        };
        if let (Some(it), ProbeKind::Http { within, .. } | ProbeKind::Promql { within, .. }) =
            (time("probeTimeout", draft), &mut made.kind)
        {
            *within = it;
        }
        let pause = time("probePollingInterval", draft);
        made.every = pause.or(time("interval", draft)).unwrap_or(made.every);
        run.skip(&["interval"]);
        run.leave("stopOnFailure", "when to stop stands under `safety: {abort}`", draft);
        run.leave_all(&["retry", "attempt"], "each answer counts", draft);
        run.finish(draft);
    }
    if let Some(it) = fields.take("mode") {
        made.when = match it.value.text() {
            Some("SOT") => vec![When::Before],
            Some("EOT") => vec![When::After],
            Some("Edge") => vec![When::Before, When::After],
            Some("OnChaos") => {
                draft.leave(it, "it is asked all through the run, not only while a fault acts");
                vec![When::During]
            }
            Some("Continuous") => When::everywhere(),
            _ => {
                draft.leave(it, "it is asked before, during and after");
                When::everywhere()
            }
        };
    }
    fields.finish(draft);
    Some(made)
}

fn promql(whole: &str, entry: &Entry, draft: &mut Draft) -> Option<ProbeKind> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let endpoint = fields.take("endpoint")?;
    let query = fields.text("query", draft).unwrap_or_default().trim().to_owned();
    fields.leave("queryPath", "the query itself is needed, under `query`", draft);
    let mut value = None;
    if let Some(mut comparator) = fields.map("comparator", draft) {
        comparator.skip(&["type"]);
        let criteria = comparator.text("criteria", draft).unwrap_or_default();
        let number = comparator.text("value", draft).unwrap_or_default();
        comparator.finish(draft);
        value = Limit::parse(&format!("{criteria} {number}"));
    }
    fields.finish(draft);
    let Some(value) = value.filter(|_| !query.is_empty()) else {
        let why = "a `query` is needed, and a number that is compared by < <= > >=";
        draft.leave_at(entry.key_place, whole, why);
        return None;
    };
    let url = draft.url(whole, endpoint.value.place, endpoint.value.text().unwrap_or_default())?;
    let url = url.trim_end_matches('/').to_owned();
    Some(ProbeKind::Promql { url, query, value, within: Duration::from_secs(5) })
}

fn http(whole: &str, entry: &Entry, draft: &mut Draft) -> Option<ProbeKind> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let url = fields.take("url")?;
    fields.leave_all(
        &["insecureSkipVerify", "responseTimeout"],
        "probes speak HTTP without TLS",
        draft,
    );
    let mut status = Some(200);
    if let Some(mut method) = fields.map("method", draft) {
        match method.map("get", draft) {
            Some(mut get) => {
                let criteria = get.text("criteria", draft).unwrap_or("==");
                let code = get.text("responseCode", draft).unwrap_or("200");
                get.finish(draft);
                let code = code.trim().parse().ok().filter(|it| (100..=599).contains(it));
                status = code.filter(|_| matches!(criteria, "==" | "oneOf"));
            }
            None => status = None,
        }
        method.finish(draft);
    }
    fields.finish(draft);
    let Some(status) = status else {
        draft.leave_at(entry.key_place, whole, "a probe is a GET with one expected status");
        return None;
    };
    let url = draft.url(whole, url.value.place, url.value.text().unwrap_or_default())?;
    Some(ProbeKind::Http { url, status, within: Duration::from_secs(1), contains: None })
}
