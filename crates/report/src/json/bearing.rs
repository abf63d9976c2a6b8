//! The schema of what a load test asks for: how much the service bears, how it scales, what was watched, and how
//! honestly the load was sent.

use serde_json::{Value, json};

use super::schema::{any, count, described, list, maybe, number, object, ratio, seconds, text};

pub(super) fn times() -> Value {
    let time = |name| maybe(seconds(name));
    object([
        ("mean_seconds", time("Mean.")),
        ("p50_seconds", time("Median.")),
        ("p90_seconds", time("90th percentile.")),
        ("p95_seconds", time("95th percentile.")),
        ("p99_seconds", time("99th percentile.")),
        ("p999_seconds", time("99.9th percentile.")),
        ("max_seconds", time("Longest.")),
    ])
}

pub(super) fn sending() -> Value {
    let sending = object([
        ("lag", described(times(), "From when requests were due until they were sent.")),
        ("bytes_received", count("Bytes that came from the target.")),
        ("bytes_sent", count("Bytes that went to the target.")),
        ("connected", count("Connections that were made.")),
        ("resumed", count("Of those, the ones that resumed a TLS session.")),
        ("in_flight_at_end", count("Requests under way when the load was over.")),
        ("threads", count("Threads that sent; 0 when nobody counted.")),
        ("cpu_seconds", maybe(seconds("CPU time of the sending threads."))),
        ("cpu_seconds_per_request", maybe(seconds("The same for each request that was sent."))),
    ]);
    described(sending, "How the load was sent, and what sending it cost.")
}

fn level() -> Value {
    any(vec![
        object([("rate", number("Arrivals a second."))]),
        object([("users", count("Users at once."))]),
    ])
}

pub(super) fn breakdown() -> Value {
    let borne = object([("step", count("Its number, from 1.")), ("load", level())]);
    let broke = object([
        ("step", count("Its number, from 1.")),
        ("load", level()),
        ("at_seconds", seconds("When the step ended, after the start of the load.")),
        ("condition", text("The condition that held.")),
        ("measured", text("What was measured.")),
    ]);
    object([
        ("conditions", list(text("A condition."), "When the service counts as broken down.")),
        ("steps", count("How many steps were planned.")),
        ("borne", maybe(borne)),
        ("broke", maybe(broke)),
    ])
}

pub(super) fn spike() -> Value {
    object([
        ("from_seconds", seconds("When it began, after the start of the load.")),
        ("to_seconds", seconds("When it ended.")),
        ("p95_before_seconds", maybe(seconds("95th percentile before it."))),
        ("p95_during_seconds", maybe(seconds("95th percentile in it."))),
        ("error_ratio_during", maybe(ratio("Share of bad requests in it."))),
        ("recovered_after_seconds", maybe(seconds("From its end until all was as before it."))),
    ])
}

pub(super) fn scalability() -> Value {
    let point = object([
        ("load", level()),
        ("throughput_per_second", number("Requests answered right, each second.")),
        ("p50_seconds", maybe(seconds("Median response time."))),
        ("p95_seconds", maybe(seconds("95th percentile."))),
    ]);
    let fit = object([
        ("lambda", number("Throughput of one user.")),
        ("sigma", number("What users wait for one another.")),
        ("kappa", number("What users cost one another.")),
        ("r_squared", ratio("Share of the variance that the curve explains.")),
        ("knee_users", maybe(number("Users from which more of them make less throughput."))),
        ("peak_per_second", maybe(number("Throughput there."))),
    ]);
    object([("points", list(point, "Step by step, in order of load.")), ("fit", maybe(fit))])
}

pub(super) fn watch() -> Value {
    let point = object([
        ("at_seconds", seconds("When, after the start of the load.")),
        ("value", number("The value.")),
    ]);
    object([
        ("watch", text("Name of the watch.")),
        ("figure", text("Name of the figure, with its unit at the end.")),
        ("limit", maybe(number("What it must not go beyond."))),
        ("points", list(point, "As read, in order.")),
        ("unread", count("How often it could not be read.")),
        ("error", maybe(text("Why it could not be read."))),
    ])
}

pub(super) fn sample() -> Value {
    let pair = json!({
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 0}],
        "minItems": 2,
        "maxItems": 2,
        "description": "Microseconds and count.",
    });
    object([
        ("seconds", count("How many seconds it is long.")),
        ("good", count("Requests answered right.")),
        ("bad", count("Requests that failed, and arrivals that were never sent.")),
        ("response_micros", list(pair, "Response times of requests answered right, to 1 %.")),
    ])
}
