//! What `safety` and `steadyState` are made of, in experiments and in drills.

use crate::decode::codec::{Any, Codec, Forms, Integer, List, Mapped, Object, OneKey};
use crate::decode::fields::Fields;
use crate::decode::values::call::some_text;
use crate::decode::values::condition::{condition, plain};
use crate::decode::values::{hours, length, prose, request, share};
use crate::document::{
    BlastRadius, Criterion, ErrorBudget, OnNoData, Probe, ProbeKind, Release, Safety, When,
};

pub(super) const SAFETY: Object<Safety> = Object { title: "Safety", fields: safety };

fn safety(f: &mut Fields<'_>) -> Option<Safety> {
    let sentence = "No fault of the experiment lives longer.";
    let max_duration = f.default("maxDuration", sentence, length(), "5m");
    let sentence = "How much may be hit at once.";
    let radius = Object { title: "BlastRadius", fields: blast_radius };
    let blast_radius = f.or_empty("blastRadius", sentence, radius);
    let sentence =
        "The weakest release class that a fault may have: what ends it when the tool is gone.";
    let min_release = f.optional("minRelease", sentence, release());
    let list = || List { of: hours(), min: 0 };
    let sentence = "Faults may act only within these hours, when any are given; with days as `Mon-Fri 09:00-17:00`.";
    let allowed_hours = f.or_empty("allowedHours", sentence, list());
    let sentence = "Faults may not act within these hours.";
    let restricted_hours = f.or_empty("restrictedHours", sentence, list());
    let sentence =
        "How many people, beside the one who runs it, must have approved the plan as it is.";
    let reason = "Give the number of people.";
    let approvals = f.default("approvals", sentence, Integer { min: 0, max: 100, reason }, "0");
    let sentence = "IANA name of the zone of those hours.";
    let time_zone = f.default("timeZone", sentence, prose(), "UTC");
    let sentence = "The run is aborted, and everything mended, as soon as one of these holds.";
    let abort = f.or_empty("abort", sentence, List { of: condition(), min: 0 });
    let words = [("abort", OnNoData::Abort), ("continue", OnNoData::Continue)];
    let words = super::words("`abort` or `continue`", &words);
    let sentence = "What to do when nothing is known about the load.";
    let on_no_data = f.default("onNoData", sentence, words, "abort");
    let sentence =
        "What has to be left of error budgets before anything is broken: one, or a list.";
    let one = || Object { title: "ErrorBudget", fields: error_budget };
    let budgets = Forms {
        expected: "an error budget such as `{url: …, query: …, min: 25%}`",
        scalar: None,
        list: Some(Box::new(List { of: one(), min: 0 })),
        map: Some(Box::new(Mapped { of: one(), into: |it| vec![it] })),
    };
    let error_budgets = f.or_empty("errorBudget", sentence, budgets);
    Some(Safety {
        max_duration: max_duration?,
        blast_radius: blast_radius?,
        min_release,
        allowed_hours: allowed_hours?,
        restricted_hours: restricted_hours?,
        approvals: approvals? as u32,
        time_zone: time_zone?,
        abort: abort?,
        on_no_data: on_no_data?,
        error_budgets: error_budgets?,
    })
}

fn error_budget(f: &mut Fields<'_>) -> Option<ErrorBudget> {
    let url = f.required("url", SERVER, request::web_url());
    let sentence = "What is left, as a share of the budget: 1 is all, 0 none, and less is overspent. Such as `slo:period_error_budget_remaining:ratio{…}` of Sloth's rules.";
    let query = f.required("query", sentence, some_text());
    let min = f.required("min", "The least that has to be left.", share());
    Some(ErrorBudget { url: url?, query: query?, min: min? })
}

/// What `url` of a query is.
const SERVER: &str = "Base URL of a server that speaks the HTTP API of Prometheus.";

/// A release class, by its letter.
pub(super) fn release() -> impl Codec<Value = Release> {
    super::words("`A`, `B`, `C` or `D`", &Release::ALL.map(|it| (it.letter(), it)))
}

fn blast_radius(f: &mut Fields<'_>) -> Option<BlastRadius> {
    let sentence = "The largest share of the candidates of a target; never rounded up.";
    let max_instances = f.optional("maxInstances", sentence, share());
    let reason = "Give a whole number of services, at least one.";
    let services = Integer { min: 1, max: 1_000_000, reason };
    let max_services = f.optional("maxServices", "The most services that may be hit.", services);
    let reason = "Give a whole number of candidates.";
    let healthy = Integer { min: 0, max: 1_000_000, reason };
    let sentence = "How many candidates must stay untouched.";
    let min_healthy = f.optional("minHealthy", sentence, healthy);
    Some(BlastRadius {
        max_instances,
        max_services: max_services.map(|it| it as u32),
        min_healthy: min_healthy.map(|it| it as u32),
    })
}

/// Questions about the steady state.
pub(super) fn probes() -> List<OneKey<Probe>> {
    let load = Forms {
        expected: "a condition such as `error_rate < 1%`",
        scalar: Some(Box::new(Mapped { of: condition(), into: each_second })),
        list: None,
        map: Some(Box::new(Object { title: "LoadProbe", fields: load })),
    };
    let mut kinds = questions();
    kinds.push((
        "load",
        "A figure of the load over the last seconds.",
        Box::new(load) as Any<Probe>,
    ));
    List { of: OneKey { expected: "a probe", kinds }, min: 0 }
}

/// Questions that need no load.
pub(super) fn questions() -> Vec<(&'static str, &'static str, Any<Probe>)> {
    let body = |title, fields| -> Any<Probe> { Box::new(Object { title, fields }) };
    vec![
        ("http", "GET a URL.", body("HttpProbe", http)),
        ("tcp", "Connect to an address.", body("TcpProbe", tcp)),
        ("process", "Look for a process that runs.", body("ProcessProbe", process)),
        (
            "promql",
            "Ask a server that speaks the HTTP API of Prometheus.",
            body("PromqlProbe", promql),
        ),
    ]
}

/// A condition without anything else.
fn each_second(criterion: Criterion) -> Probe {
    Probe::new(ProbeKind::Load { criterion })
}

/// What every probe has.
fn whole(f: &mut Fields<'_>, kind: Option<ProbeKind>) -> Option<Probe> {
    let every = f.default("every", "How often during the run.", length(), "1s");
    let word = || super::words("`before`, `during` or `after`", &When::NAMES);
    let when = Forms {
        expected: "`before`, `during` or `after`, or a list of them",
        scalar: Some(Box::new(Mapped { of: word(), into: |it| vec![it] })),
        list: Some(Box::new(List { of: word(), min: 1 })),
        map: None,
    };
    let sentence = "Where in the run: `before` the load, `during` it, `after` it when everything is mended. Default: everywhere.";
    let when = f.optional("when", sentence, when).unwrap_or_else(When::everywhere);
    Some(Probe { kind: kind?, every: every?, when })
}

fn http(f: &mut Fields<'_>) -> Option<Probe> {
    let url = f.required("url", "Absolute URL.", request::url());
    let status = Integer { min: 100, max: 599, reason: "Status codes are 100 to 599." };
    let status = f.default("status", "Expected status.", status, "200");
    let sentence = "The answer must come within this time.";
    let within = f.default("within", sentence, length(), "1s");
    let contains = f.optional("contains", "Text that the body must contain.", prose());
    let kind = url.zip(status).zip(within).map(|((url, status), within)| ProbeKind::Http {
        url,
        status: status as u16,
        within,
        contains,
    });
    whole(f, kind)
}

fn tcp(f: &mut Fields<'_>) -> Option<Probe> {
    let address = f.required("address", "Where, as `host:port`.", request::address());
    let sentence = "The connection must stand within this time.";
    let within = f.default("within", sentence, length(), "1s");
    let kind = address.zip(within).map(|(address, within)| ProbeKind::Tcp { address, within });
    whole(f, kind)
}

fn process(f: &mut Fields<'_>) -> Option<Probe> {
    let find = super::service::finder_fields(f);
    f.exactly_one(&super::service::FINDERS);
    whole(f, find.map(|find| ProbeKind::Process { find }))
}

fn promql(f: &mut Fields<'_>) -> Option<Probe> {
    let url = f.required("url", SERVER, request::web_url());
    let query = f.required("query", "The query; one number is expected.", some_text());
    let value = f.required("value", "What the number must be.", plain());
    let sentence = "The answer must come within this time.";
    let within = f.default("within", sentence, length(), "5s");
    let all = url.zip(query).zip(value).zip(within);
    let kind =
        all.map(|(((url, query), value), within)| ProbeKind::Promql { url, query, value, within });
    whole(f, kind)
}

fn load(f: &mut Fields<'_>) -> Option<Probe> {
    let criterion = f.required("condition", "What must hold.", condition());
    whole(f, criterion.map(|criterion| ProbeKind::Load { criterion }))
}
