//! What `safety` and `steadyState` are made of, in experiments and in drills.

use std::time::Duration;

use crate::decode::codec::{Any, Codec, Forms, Integer, List, Mapped, Object, OneKey};
use crate::decode::fields::Fields;
use crate::decode::values::condition::condition;
use crate::decode::values::{hours, length, prose, request, share};
use crate::document::{BlastRadius, Criterion, OnNoData, Probe, ProbeKind, Release, Safety};

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
    })
}

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
    ]
}

/// A condition without anything else.
fn each_second(criterion: Criterion) -> Probe {
    Probe { kind: ProbeKind::Load { criterion }, every: Duration::from_secs(1) }
}

fn every(f: &mut Fields<'_>, kind: Option<ProbeKind>) -> Option<Probe> {
    let every = f.default("every", "How often during the run.", length(), "1s");
    Some(Probe { kind: kind?, every: every? })
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
    every(f, kind)
}

fn tcp(f: &mut Fields<'_>) -> Option<Probe> {
    let address = f.required("address", "Where, as `host:port`.", request::address());
    let sentence = "The connection must stand within this time.";
    let within = f.default("within", sentence, length(), "1s");
    let kind = address.zip(within).map(|(address, within)| ProbeKind::Tcp { address, within });
    every(f, kind)
}

fn process(f: &mut Fields<'_>) -> Option<Probe> {
    let find = super::service::finder_fields(f);
    f.exactly_one(&super::service::FINDERS);
    every(f, find.map(|find| ProbeKind::Process { find }))
}

fn load(f: &mut Fields<'_>) -> Option<Probe> {
    let criterion = f.required("condition", "What must hold.", condition());
    every(f, criterion.map(|criterion| ProbeKind::Load { criterion }))
}
