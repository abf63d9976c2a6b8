//! The JSON Schema of a report, written beside the types it describes.
//!
//! Every object is closed and every key required, so a test that checks a real report against it fails
//! as soon as the two drift apart.

use serde_json::{Map, Value, json};

use super::{SCHEMA, bearing, load, plan};

/// The schema of a whole report.
pub(super) fn report() -> Value {
    let mut schema = object([
        ("schema", json!({"const": SCHEMA, "description": "Which schema this is."})),
        ("run", plan::run()),
        ("plan", plan::plan()),
        ("duration_seconds", seconds("How long load was sent.")),
        ("verdict", verdict()),
        ("score", score()),
        ("checks", list(check(), "What decided the verdict, the failed ones first.")),
        ("totals", described(figures(), "Over all judged phases.")),
        ("phases", list(phase(), "By phase, in order.")),
        ("routes", list(route(), "By route, in the order of the load test.")),
        ("transactions", list(route(), "By transaction of the load test's scenarios.")),
        ("sending", bearing::sending()),
        ("faults", list(fault(), "By fault, in order of time.")),
        ("breakdown", maybe(bearing::breakdown())),
        ("spikes", list(bearing::spike(), "How the service stood spikes.")),
        ("scalability", maybe(bearing::scalability())),
        ("watches", list(bearing::watch(), "What was watched beside the load, by figure.")),
        ("budgets", list(budget(), "What the objectives' error budgets lost.")),
        ("steady_state", list(probe(), "By steady-state probe.")),
        ("guards", list(guard(), "How near each abort condition came.")),
        ("seconds", list(second(), "By second of load.")),
        ("heatmap", heatmap()),
        ("curves", list(curve(), "Response time by percentile.")),
        ("samples", list(bearing::sample(), "The judged load in stretches, for comparisons.")),
        ("accepted", list(figures(), "Of a stored baseline: the accepted runs before it.")),
        ("baseline_run", maybe(text("The run it was compared with."))),
        ("footprint", maybe(plan::footprint())),
    ]);
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("$id".to_owned(), json!(format!("https://{SCHEMA}")));
        map.insert("title".to_owned(), json!("Report of a drill"));
        map.insert("$defs".to_owned(), load::definitions());
    }
    schema
}

fn verdict() -> Value {
    let endings =
        ["pass", "fail", "could_not_run", "aborted", "refused", "inconclusive", "interrupted"];
    object([
        ("result", one_of(&endings, "How the run ended.")),
        ("exit_code", count("The exit code of the command.")),
        ("headline", text("One sentence.")),
        ("cause", text("The likely cause, or what was seen.")),
    ])
}

fn score() -> Value {
    let part = object([
        ("name", text("Which part.")),
        ("weight", number("Its weight before parts without data were left out.")),
        ("value", maybe(number("From 0 to 100; null without data."))),
        ("basis", text("What it was computed from.")),
    ]);
    object([
        ("value", maybe(number("From 0 to 100; null when no part has data."))),
        ("grade", maybe(text("A from 90, B from 80, C from 70, D from 60, F below."))),
        ("parts", list(part, "The parts.")),
        ("baseline", maybe(number("The score of the run it was compared with."))),
    ])
}

fn check() -> Value {
    let kinds = [
        "objective",
        "success",
        "steady_state",
        "regression",
        "load",
        "trend",
        "watch",
        "evidence",
        "undo",
    ];
    object([
        ("name", text("What had to hold.")),
        ("kind", one_of(&kinds, "Where the check comes from.")),
        ("phase", maybe(text("The phase it is about; null for the whole run."))),
        ("result", one_of(&["pass", "fail", "inconclusive", "info"], "Whether it held.")),
        ("limit", text("The limit, for people.")),
        ("measured", text("What was measured, for people.")),
        ("baseline", text("The same figure in the baseline, for people; empty without one.")),
        ("margin", text("How far it was from the limit, for people.")),
        ("measured_value", maybe(number("In the base unit of the figure."))),
        ("limit_value", maybe(number("In the base unit of the figure."))),
    ])
}

fn figures() -> Value {
    let errors = json!({
        "type": "object",
        "additionalProperties": {"type": "integer", "minimum": 0},
        "description": "Failures by class.",
    });
    object([
        ("planned", count("Arrivals that were due.")),
        ("sent", count("Requests that were sent.")),
        ("good", count("Requests answered right.")),
        ("failed", count("Requests that failed.")),
        ("missed", count("Arrivals that were never sent.")),
        ("errors", errors),
        ("availability_ratio", maybe(ratio("good / (good + failed + missed)."))),
        ("throughput_per_second", number("Requests answered right, each second.")),
        ("peak_per_second", number("Most requests answered right in one second.")),
        ("mean_seconds", maybe(seconds("Mean response time."))),
        ("p50_seconds", maybe(seconds("Median."))),
        ("p90_seconds", maybe(seconds("90th percentile."))),
        ("p95_seconds", maybe(seconds("95th percentile."))),
        ("p99_seconds", maybe(seconds("99th percentile."))),
        ("p999_seconds", maybe(seconds("99.9th percentile."))),
        ("max_seconds", maybe(seconds("Longest."))),
        ("service", described(bearing::times(), "Service times of requests answered right.")),
        ("all", described(bearing::times(), "Response times of all answers.")),
    ])
}

fn phase() -> Value {
    object([
        ("name", text("Its name.")),
        ("role", plan::role()),
        ("from_seconds", seconds("When it began, after the start of the load.")),
        ("to_seconds", seconds("When it ended.")),
        ("figures", figures()),
    ])
}

fn route() -> Value {
    object([("name", text("Its name.")), ("figures", figures())])
}

fn fault() -> Value {
    let counters = json!({
        "type": "object",
        "additionalProperties": {"type": "number"},
        "description": "The counters behind it, with the unit in each name.",
    });
    let evidence = object([
        ("acted", flag("Whether it acted.")),
        ("summary", text("For people.")),
        ("counters", counters),
    ]);
    object([
        ("label", text("What and where.")),
        ("kind", text("Kind in documents.")),
        ("release", maybe(plan::release("What would have ended it, had the tool gone."))),
        ("targets", list(text("By name."), "What it hit.")),
        ("from_seconds", maybe(seconds("When it began; null when it never did."))),
        ("to_seconds", maybe(seconds("When it was taken back."))),
        ("evidence", evidence),
        ("error", maybe(text("What went wrong with bringing it about or taking it back."))),
        ("detected_after_seconds", maybe(seconds("From its start until the service was unwell."))),
        (
            "recovered_after_seconds",
            maybe(seconds("From its end until the service was well again.")),
        ),
    ])
}

fn budget() -> Value {
    object([
        ("objective", text("Name of the objective.")),
        ("target_ratio", ratio("The promised share.")),
        ("good", count("Good events.")),
        ("total", count("All events.")),
        ("allowed_bad", number("Bad events that the objective allows among them.")),
        ("spent_ratio", number("Share of that allowance which was used; above 1 when overspent.")),
        ("burn_rate", number("Share of bad events divided by the share that is allowed.")),
        ("window_budget_minutes", number("The whole budget of the window, in minutes of outage.")),
        ("window_spent_minutes", number("What this drill took of it.")),
        ("window_seconds", seconds("The window.")),
    ])
}

fn probe() -> Value {
    object([
        ("question", text("What it asks.")),
        ("before", maybe(flag("Whether it held before anything was broken."))),
        ("during_asked", count("How often it was asked during the run.")),
        ("during_held", count("How often it held then.")),
        ("after", maybe(flag("Whether it held at the end."))),
        ("detail", text("What it saw last when it did not hold.")),
    ])
}

fn guard() -> Value {
    object([
        ("condition", text("The condition.")),
        ("worst", text("The worst value seen; empty without data.")),
        ("tripped_at_seconds", maybe(seconds("When it stopped the run."))),
    ])
}

fn second() -> Value {
    object([
        ("second", count("Which second of the load.")),
        ("planned", count("Arrivals that were due.")),
        ("good", count("Requests answered right.")),
        ("failed", count("Requests that failed.")),
        ("missed", count("Arrivals that were never sent.")),
        ("in_flight", count("Requests under way at its end.")),
        ("mean_seconds", maybe(seconds("Mean response time."))),
        ("p50_seconds", maybe(seconds("Median."))),
        ("p95_seconds", maybe(seconds("95th percentile."))),
        ("p99_seconds", maybe(seconds("99th percentile."))),
    ])
}

fn heatmap() -> Value {
    let column = list(count("Answers in the row."), "One column, from the lowest row up.");
    object([
        (
            "edges_seconds",
            list(seconds("An edge."), "Edges of the rows, ascending; one more than rows."),
        ),
        ("columns", list(column, "For each second, the count in each row.")),
    ])
}

fn curve() -> Value {
    let point = json!({
        "type": "array",
        "prefixItems": [ratio("Share of requests."), seconds("Response time.")],
        "minItems": 2,
        "maxItems": 2,
        "description": "Share and seconds.",
    });
    object([("name", text("Whose.")), ("points", list(point, "Ascending."))])
}

/// A closed object in which every key is required.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

pub(super) fn list(items: Value, description: &str) -> Value {
    json!({"type": "array", "items": items, "description": description})
}

/// One or null.
pub(super) fn maybe(it: Value) -> Value {
    json!({"anyOf": [it, {"type": "null"}]})
}

/// One of several forms.
pub(super) fn any(forms: Vec<Value>) -> Value {
    json!({"anyOf": forms})
}

pub(super) fn one_of(words: &[&str], description: &str) -> Value {
    json!({"enum": words, "description": description})
}

pub(super) fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

pub(super) fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

pub(super) fn number(description: &str) -> Value {
    json!({"type": "number", "description": description})
}

pub(super) fn count(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

pub(super) fn seconds(description: &str) -> Value {
    json!({"type": "number", "minimum": 0, "description": description})
}

pub(super) fn ratio(description: &str) -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1, "description": description})
}

pub(super) fn described(mut schema: Value, description: &str) -> Value {
    if let Value::Object(map) = &mut schema {
        map.insert("description".to_owned(), json!(description));
    }
    schema
}
