//! The schema of the load within a plan: what was to be sent, when, and by which scenario.

use serde_json::{Value, json};

use super::plan::{criterion, finder, kind, threshold};
use super::schema::{any, count, flag, list, maybe, number, object, one_of, ratio, seconds, text};

/// The parts that refer to themselves, by name.
pub(super) fn definitions() -> Value {
    json!({"step": step()})
}

pub(super) fn load() -> Value {
    let scenario = object([
        ("name", text("Its name.")),
        ("weight", count("Its share among the scenarios.")),
        ("cookies", flag("Whether cookies are sent back.")),
        ("steps", steps()),
    ]);
    object([
        ("name", text("Its name.")),
        ("description", maybe(text("For people."))),
        ("service", maybe(text("The service whose URL is loaded."))),
        ("url", maybe(text("Where requests go; the scheme is the protocol."))),
        ("shape", maybe(shape())),
        ("routes", list(route(), "What is requested.")),
        ("scenarios", list(scenario, "What users do.")),
        ("transactions", list(text("Its name."), "What scenarios time together.")),
        ("feeders", list(feeder(), "Data that scenarios take rows from.")),
        ("timeout_seconds", seconds("A request is given up after this time.")),
        ("connections", count("The most connections at a time.")),
        ("sending", sending()),
        ("watch", list(watch(), "What is watched beside the load.")),
        ("success", list(threshold(), "What must hold.")),
    ])
}

/// Two values side by side.
fn pair(first: Value, second: Value) -> Value {
    json!({"type": "array", "prefixItems": [first, second], "minItems": 2, "maxItems": 2})
}

fn template() -> Value {
    text("Secrets stay references, values of the moment stay placeholders.")
}

fn named() -> Value {
    pair(text("The name."), template())
}

fn route() -> Value {
    object([
        ("name", text("Its name.")),
        ("weight", count("Its share among the routes.")),
        ("call", call()),
        ("checks", checks()),
        ("extract", list(extract(), "What later steps want of the answer.")),
    ])
}

fn call() -> Value {
    let http = object([
        ("method", text("HTTP method.")),
        ("path", template()),
        ("headers", list(named(), "Name and value.")),
        ("body", maybe(template())),
    ]);
    let pacing = object([
        ("every_seconds", maybe(seconds("From one message to the next."))),
        ("awaits", flag("Whether each message waits for an answer to the one before it.")),
    ]);
    let grpc = object([
        ("method", text("`package.Service/Method`.")),
        ("messages", list(template(), "Each as JSON.")),
        ("metadata", list(named(), "Name and value.")),
        ("pacing", pacing),
    ]);
    let until = any(vec![
        one_of(&["message", "line", "close", "nothing"], "Where the answer ends."),
        kind("bytes", count("After so many bytes.")),
        kind("prefix", count("A length of so many bytes stands before it.")),
        kind("delimiter", text("With this text.")),
    ]);
    let message = object([
        ("payload", template()),
        ("encoding", one_of(&["text", "hex", "base64"], "How the payload is written.")),
        ("until", until),
    ]);
    let produce =
        object([("topic", text("The topic.")), ("key", maybe(template())), ("value", template())]);
    let query = object([("name", template()), ("record", text("The type of record."))]);
    any(vec![
        kind("http", http),
        kind("grpc", grpc),
        kind("message", message),
        kind("produce", produce),
        kind("consume", object([("topic", text("The topic."))])),
        kind("query", query),
    ])
}

fn checks() -> Value {
    let status = object([("from", count("The first.")), ("to", count("The last."))]);
    let texts = |sentence| list(text("A text."), sentence);
    let pairs = |sentence| list(pair(text("Where."), text("What.")), sentence);
    object([
        ("status", list(status, "Which status codes are right.")),
        ("contains", texts("What the body must contain.")),
        ("lacks", texts("What the body must not contain.")),
        ("matches", texts("Regular expressions which the body must match.")),
        ("json", pairs("Values in a JSON body, by path.")),
        ("headers", pairs("What each of these headers must contain.")),
    ])
}

fn extract() -> Value {
    let source = any(vec![
        one_of(&["body", "status"], "The whole body, or the status."),
        kind("json", text("A path in a JSON body.")),
        kind("header", text("A header.")),
        kind("regex", text("A regular expression; its first group counts.")),
        kind("between", pair(text("The text before."), text("The text after."))),
    ]);
    object([
        ("var", text("The variable it is kept in.")),
        ("from", source),
        ("default", maybe(text("What is kept when it is not there."))),
    ])
}

fn steps() -> Value {
    list(json!({"$ref": "#/$defs/step"}), "In order.")
}

fn step() -> Value {
    let condition = || {
        (
            "condition",
            any(vec![
                kind("exists", text("The variable has been extracted.")),
                kind("equal", pair(template(), template())),
                kind("different", pair(template(), template())),
                kind("chance", ratio("In this share of cases.")),
            ]),
        )
    };
    let think = object([
        ("from_seconds", seconds("The shortest pause.")),
        ("to_seconds", seconds("The longest.")),
    ]);
    any(vec![
        kind("request", count("Number of the route, from 0.")),
        kind("think", think),
        kind("repeat", object([("times", count("How often.")), ("steps", steps())])),
        kind(
            "while",
            object([condition(), ("at_most", count("At most so often.")), ("steps", steps())]),
        ),
        kind("if", object([condition(), ("then", steps()), ("otherwise", steps())])),
        kind(
            "transaction",
            object([("transaction", count("Its number, from 0.")), ("steps", steps())]),
        ),
    ])
}

fn feeder() -> Value {
    let row = list(text("A value."), "In the order of the columns.");
    let columns = list(text("Its name."), "The columns.");
    let rows = any(vec![
        kind("csv", text("A file of comma-separated values.")),
        kind("json_lines", text("A file with a JSON object a line.")),
        kind("inline", pair(columns, list(row, "The rows."))),
    ]);
    object([
        ("name", text("Its name.")),
        ("rows", rows),
        ("order", one_of(&["sequential", "random", "unique"], "Which row comes next.")),
    ])
}

fn sending() -> Value {
    let file = |sentence| maybe(text(sentence));
    let tls = object([
        ("ca", file("File with certificates that are trusted.")),
        ("certificate", file("File with our own certificate.")),
        ("key", file("File with its key.")),
        ("server_name", maybe(text("The name that the server must show."))),
        ("insecure", flag("Whether any certificate will do.")),
        ("resume", flag("Whether sessions are resumed.")),
    ]);
    let grpc = object([
        (
            "files",
            list(text("A file."), "Where messages are described; empty: the server is asked."),
        ),
        ("include", list(text("A folder."), "Where imports are looked for.")),
    ]);
    let websocket = object([
        ("path", maybe(template())),
        ("headers", list(named(), "Name and value.")),
        ("protocols", list(text("Its name."), "Subprotocols that are offered.")),
    ]);
    let mechanism =
        one_of(&["plain", "scram_sha256", "scram_sha512"], "How it is shown who comes.");
    let sasl = object([("mechanism", mechanism), ("user", template()), ("password", template())]);
    object([
        ("threads", count("Threads that send.")),
        ("streams", count("The most requests at a time on one connection.")),
        ("http2", flag("HTTP/2 instead of HTTP/1.1.")),
        ("connection", one_of(&["shared", "user", "visit"], "Whose a connection is.")),
        ("pace", one_of(&["precise", "coarse", "spin"], "How precisely requests are sent.")),
        ("tls", tls),
        ("grpc", grpc),
        ("websocket", websocket),
        ("sasl", maybe(sasl)),
    ])
}

fn watch() -> Value {
    let promql = object([("url", text("Base URL of the server.")), ("query", text("The query."))]);
    let source = any(vec![
        json!({"const": "host", "description": "The host that sends."}),
        kind("process", finder()),
        kind("promql", promql),
    ]);
    let limit = pair(text("The figure."), number("In its base unit."));
    object([
        ("name", text("Its name.")),
        ("source", source),
        ("every_seconds", seconds("How often it is read.")),
        ("limits", list(limit, "What its figures must not go beyond.")),
    ])
}

pub(super) fn shape() -> Value {
    let rate = |name| (name, number("Arrivals a second."));
    let time = |name| (name, seconds("A length of time."));
    let users = |name| (name, count("How many at once."));
    let until = || ("until", list(criterion(), "The service has broken down when one holds."));
    let stages = |to| {
        ("stages", list(object([("to", to), ("duration_seconds", seconds("How long."))]), "Lines."))
    };
    let step = object([
        rate("start"),
        rate("step"),
        ("steps", count("How many.")),
        time("hold_seconds"),
        until(),
    ]);
    let spike = object([
        rate("base"),
        rate("peak"),
        time("lead_seconds"),
        time("hold_seconds"),
        time("tail_seconds"),
    ]);
    let peak = object([
        rate("rate"),
        time("ramp_up_seconds"),
        time("hold_seconds"),
        time("ramp_down_seconds"),
    ]);
    let trace =
        object([time("every_seconds"), ("rates", list(number("Arrivals a second."), "In order."))]);
    let max = object([
        rate("from"),
        rate("to"),
        time("hold_seconds"),
        ("precision", ratio("How closely the answer is known.")),
    ]);
    let crowd = object([
        users("users"),
        time("ramp_up_seconds"),
        time("think_time_seconds"),
        time("duration_seconds"),
        ("iterations", maybe(count("How often each user goes through its scenario."))),
    ]);
    let user_stages =
        object([users("start"), stages(count("How many at once.")), time("think_time_seconds")]);
    let scale = object([
        ("users", list(count("How many at once."), "Of each step.")),
        time("hold_seconds"),
        time("think_time_seconds"),
        until(),
    ]);
    any(vec![
        kind("constant", object([rate("rate"), time("duration_seconds")])),
        kind("ramp", object([rate("from"), rate("to"), time("duration_seconds")])),
        kind("step", step),
        kind("spike", spike),
        kind("soak", object([rate("rate"), time("ramp_up_seconds"), time("duration_seconds")])),
        kind("peak", peak),
        kind("volume", object([("requests", count("How many.")), rate("rate")])),
        kind("stages", object([rate("start"), stages(number("Arrivals a second."))])),
        kind("trace", trace),
        kind("max", max),
        kind("users", crowd),
        kind("user_stages", user_stages),
        kind("scale", scale),
    ])
}
