//! What an `SLO` is made of.

use serde_json::json;

use crate::decode::codec::{Object, OneKey};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{busy_rate, length, name, promise, prose, quantile, share, title};
use crate::document::{Indicator, Slo};

pub(super) const SPEC: Object<Slo> = Object { title: "SLO", fields: slo };

fn slo(f: &mut Fields<'_>) -> Option<Slo> {
    let description = f.optional("description", "For people.", prose());
    let service = f.optional("service", "The service it is about.", name());
    let sentence = "Only requests of this route count. Default: all.";
    let route = f.optional("route", sentence, title());
    let indicator = f.required("sli", "What is measured.", indicator());
    let sentence = "The share of good events promised, below 100%. Wanted by `availability` and `latency`; the \
                    other indicators carry their own limit.";
    let objective = f.optional("objective", sentence, promise());
    let sentence = "The time over which the promise holds.";
    let window = f.default("window", sentence, length(), "30d");
    f.rule(|| {
        let needs = json!({"anyOf": [
            {"const": "availability"},
            {"type": "object", "required": ["availability"]},
            {"type": "object", "required": ["latency"]},
        ]});
        json!({
            "if": {"required": ["sli"], "properties": {"sli": needs}},
            "then": {"required": ["objective"]},
        })
    });
    f.rule(|| {
        let others = ["percentile", "errorRate", "throughput"];
        let others = others.map(|it| json!({"type": "object", "required": [it]}));
        json!({
            "if": {"required": ["sli"], "properties": {"sli": {"anyOf": others}}},
            "then": {"not": {"required": ["objective"]}},
        })
    });
    match (indicator, f.has("objective")) {
        (Some(Indicator::Availability | Indicator::Latency { .. }), false) => {
            let help = "Give the share of requests that must be good, such as `objective: 99.9%`.";
            f.refuse("", codes::MISSING_FIELD, "the field `objective` is missing", help);
        }
        (
            Some(
                Indicator::Percentile { .. }
                | Indicator::ErrorRate { .. }
                | Indicator::Throughput { .. },
            ),
            true,
        ) => {
            let help = "This indicator carries its own limit; leave `objective` away.";
            f.refuse("objective", codes::EXCLUSIVE, "`objective` beside a limit", help);
        }
        _ => {}
    }
    let (name, indicator, window) = (String::new(), indicator?, window?);
    Some(Slo { name, description, service, route, indicator, objective, window })
}

fn indicator() -> OneKey<Indicator> {
    let availability = Object { title: "Availability", fields: |_| Some(Indicator::Availability) };
    let latency = Object {
        title: "LatencyIndicator",
        fields: |f| {
            let sentence = "The slowest answer that still counts as good.";
            let threshold = f.required("threshold", sentence, length())?;
            Some(Indicator::Latency { threshold })
        },
    };
    let percentile = Object {
        title: "PercentileIndicator",
        fields: |f| {
            let quantile = f.required("quantile", "Which percentile, such as `p99`.", quantile());
            let threshold = f.required("threshold", "The limit on it.", length());
            Some(Indicator::Percentile { quantile: quantile?, threshold: threshold? })
        },
    };
    let error_rate = Object {
        title: "ErrorRateIndicator",
        fields: |f| {
            Some(Indicator::ErrorRate { max: f.required("max", "The limit on it.", share())? })
        },
    };
    let throughput = Object {
        title: "ThroughputIndicator",
        fields: |f| {
            Some(Indicator::Throughput { min: f.required("min", "The limit on it.", busy_rate())? })
        },
    };
    OneKey {
        expected: "an indicator",
        kinds: vec![
            ("availability", "Share of requests that were answered right.", Box::new(availability)),
            (
                "latency",
                "Share of requests that were answered right and in time.",
                Box::new(latency),
            ),
            (
                "percentile",
                "The time within which a share of the requests is answered.",
                Box::new(percentile),
            ),
            ("errorRate", "Share of requests that failed.", Box::new(error_rate)),
            ("throughput", "Requests answered right, each second.", Box::new(throughput)),
        ],
    }
}
