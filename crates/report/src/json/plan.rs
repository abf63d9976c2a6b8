//! The schema of the plan within a report: what was to be done, with every default filled in.

use evenkeel_model::document::{Fault, When};
use serde_json::{Value, json};

use super::schema::{any, count, flag, list, maybe, number, object, one_of, ratio, seconds, text};

pub(super) fn run() -> Value {
    object([
        ("id", text("The drill's name and when it began.")),
        ("started", text("When it began, on people's clocks.")),
        ("version", text("Version of Evenkeel.")),
    ])
}

pub(super) fn footprint() -> Value {
    object([
        ("conducting_cpu_ratio", number("Share of a core that conducting took.")),
        ("load_cpu_seconds", seconds("CPU time that sending the load took.")),
        ("proxy_cpu_seconds", seconds("CPU time that the proxy took.")),
        ("peak_memory_bytes", count("Most memory the process had resident.")),
    ])
}

pub(super) fn plan() -> Value {
    object([
        ("drill", text("Name of the drill, or of what ran by itself.")),
        ("description", maybe(text("For people."))),
        ("hypothesis", maybe(text("What is believed."))),
        ("service", service()),
        ("objectives", list(objective(), "The promises it is judged by.")),
        ("load", maybe(super::load::load())),
        ("phases", list(phase(), "When each phase begins and ends.")),
        ("faults", list(planned_fault(), "When each fault acts.")),
        ("steady_state", list(probe(), "Questions about the steady state.")),
        ("safety", safety()),
        ("success", list(threshold(), "What must hold.")),
        ("regression", regression()),
        ("seed", count("The seed of every random choice.")),
        ("monkey", maybe(monkey())),
        ("schedule", maybe(text("When it runs by itself, such as `0 14 * * Mon-Fri UTC`."))),
    ])
}

fn monkey() -> Value {
    object([
        ("probability", ratio("The share of the runs that break anything.")),
        ("opt_in", list(text("A name, where `*` stands for anything."), "Only these are hit.")),
        ("opt_out", list(text("Likewise."), "These are never hit.")),
    ])
}

pub(super) fn role() -> Value {
    one_of(&["warmup", "baseline", "load", "recovery"], "What the phase was for.")
}

/// A map with one key, which says what kind it is.
pub(super) fn kind(name: &str, content: Value) -> Value {
    object([(name, content)])
}

fn service() -> Value {
    let start = object([
        ("command", list(text("A word."), "Program and arguments.")),
        ("folder", text("The folder in which it runs.")),
        ("ready", text("URL that answers 2xx once the service can take requests.")),
        ("timeout_seconds", seconds("How long it may take.")),
    ]);
    let instance = object([("name", text("Its name.")), ("find", finder()), ("labels", labels())]);
    let dependency = object([
        ("name", text("Its name.")),
        ("listen", text("Where the proxy listens.")),
        ("upstream", text("The real dependency.")),
        ("labels", labels()),
    ]);
    let allow = any(vec![
        one_of(&["none", "all"], "No fault, or every fault."),
        kind("only", list(text("A kind of fault."), "Only these.")),
    ]);
    object([
        ("name", text("Its name.")),
        ("description", maybe(text("For people."))),
        ("url", maybe(text("Where requests go."))),
        ("start", maybe(start)),
        ("instances", list(instance, "Processes by name.")),
        ("dependencies", list(dependency, "Links by name.")),
        ("allow_faults", allow),
        ("min_release", maybe(release("The weakest release class where it runs."))),
    ])
}

pub(super) fn finder() -> Value {
    any(vec![
        kind("pid", count("By number.")),
        kind("executable", text("By its program.")),
        kind("port", count("By the TCP port it listens on.")),
        kind("command_line", text("By its command line.")),
        kind("cgroup", text("By the control group it is in.")),
        kind("unit", text("By its unit of systemd.")),
    ])
}

fn objective() -> Value {
    let threshold = || ("threshold_seconds", seconds("The limit."));
    let indicator = any(vec![
        json!({"const": "availability"}),
        kind("latency", object([threshold()])),
        kind("percentile", object([("quantile", ratio("Which percentile.")), threshold()])),
        kind("error_rate", object([("max", ratio("The limit."))])),
        kind("throughput", object([("min", number("The limit, each second."))])),
    ]);
    object([
        ("name", text("Its name.")),
        ("description", maybe(text("For people."))),
        ("service", maybe(text("The service it is about."))),
        ("route", maybe(text("Only requests of this route count."))),
        ("indicator", indicator),
        ("objective", maybe(ratio("The promised share of good events."))),
        ("window_seconds", seconds("The time over which the promise holds.")),
    ])
}

fn phase() -> Value {
    object([
        ("name", text("Its name.")),
        ("role", role()),
        ("shape", maybe(super::load::shape())),
        ("from_seconds", seconds("When it begins, after the start of the load.")),
        ("to_seconds", seconds("When it ends.")),
    ])
}

fn planned_fault() -> Value {
    object([
        ("label", text("What and where.")),
        ("experiment", text("Name of the experiment it belongs to.")),
        ("fault", fault()),
        ("target", maybe(target())),
        ("from_seconds", seconds("When it begins, after the start of the load.")),
        ("to_seconds", seconds("When it is taken back.")),
    ])
}

/// A fault by its kind; what its parameters mean is told by the manual.
fn fault() -> Value {
    // More than serde has arrays for.
    let kinds = Fault::KINDS.map(snake_case).to_vec();
    any(vec![
        json!({"enum": kinds, "description": "A fault without parameters."}),
        json!({
            "type": "object",
            "propertyNames": {"enum": kinds},
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {"type": "object"},
            "description": "A fault with its parameters, in base units.",
        }),
    ])
}

/// `blackHole` as `black_hole`.
fn snake_case(name: &str) -> String {
    let lower = |it: char| match it.is_ascii_uppercase() {
        true => format!("_{}", it.to_ascii_lowercase()),
        false => it.to_string(),
    };
    name.chars().map(lower).collect()
}

fn labels() -> Value {
    json!({"type": "object", "additionalProperties": text("Its value.")})
}

fn parts() -> Value {
    object([
        ("service", maybe(text("The service."))),
        ("pattern", text("Names, where `*` stands for anything.")),
        ("labels", labels()),
    ])
}

fn cluster() -> Value {
    object([
        ("kubeconfig", maybe(text("The file that says how it is reached; null: the usual one."))),
        ("context", maybe(text("The context in it; null: the current one."))),
    ])
}

fn target() -> Value {
    let select = any(vec![
        kind("process", finder()),
        kind("instances", parts()),
        kind("dependency", parts()),
        kind("container", containers()),
        kind("traffic", traffic()),
        kind("inside", object([("containers", containers()), ("traffic", traffic())])),
        kind(
            "pods",
            object([
                ("namespace", text("Their namespace.")),
                ("labels", labels()),
                ("cluster", cluster()),
            ]),
        ),
        kind("postgres", text("URL of a server; a password in it is a reference.")),
        kind("redis", text("URL of a server; a password in it is a reference.")),
    ]);
    let mode = any(vec![
        one_of(&["one", "all"], "How many of the candidates."),
        kind("count", count("This many.")),
        kind("share", ratio("This share, rounded down.")),
        kind("at_most", ratio("At least one, and at most this share.")),
    ]);
    object([("select", select), ("mode", mode)])
}

fn containers() -> Value {
    object([
        ("name", maybe(text("Names, where `*` stands for anything; null: any."))),
        ("label", maybe(text("A label, `key` or `key=value`; null: any."))),
        ("image", maybe(text("Images, where `*` stands for anything; null: any."))),
        ("engine", maybe(text("Socket of the engine; null: the usual one."))),
    ])
}

fn traffic() -> Value {
    object([
        ("host", maybe(text("An address or a network; null: anywhere."))),
        ("port", maybe(count("The port; null: any."))),
        ("protocol", one_of(&["any", "tcp", "udp"], "Which protocol.")),
        ("direction", one_of(&["both", "to", "from"], "Seen from whoever talks to it.")),
    ])
}

fn probe() -> Value {
    let within = || ("within_seconds", seconds("The answer must come within this time."));
    let http = object([
        ("url", text("Absolute URL.")),
        ("status", count("Expected status.")),
        within(),
        ("contains", maybe(text("Text that the body must contain."))),
    ]);
    let kinds = any(vec![
        kind("http", http),
        kind("tcp", object([("address", text("Host and port.")), within()])),
        kind("process", object([("find", finder())])),
        kind("promql", object([server(), query(), ("value", limit()), within()])),
        kind("error_budget", error_budget()),
        kind("load", object([("criterion", criterion())])),
    ]);
    let when = one_of(&When::NAMES.map(|(it, _)| it), "Before the load, during it, or after it.");
    object([
        ("kind", kinds),
        ("every_seconds", seconds("How often it is asked.")),
        ("when", list(when, "Where in the run it is asked.")),
    ])
}

fn server() -> (&'static str, Value) {
    ("url", text("Base URL of a server that speaks the HTTP API of Prometheus."))
}

fn query() -> (&'static str, Value) {
    ("query", text("The query; one number is expected."))
}

fn limit() -> Value {
    object([
        ("comparison", one_of(&["<", "<=", ">", ">="], "How it is compared.")),
        ("limit", number("With what.")),
    ])
}

fn error_budget() -> Value {
    object([server(), query(), ("min", ratio("The least that has to be left."))])
}

pub(super) fn criterion() -> Value {
    let plain = [
        "error_rate",
        "availability",
        "mean_response_time",
        "max_response_time",
        "throughput",
        "recovery_time",
        "detection_time",
        "breakdown_users",
        "breakdown_rate",
    ];
    let metric = any(vec![
        one_of(&plain, "A figure of a run."),
        kind("percentile", ratio("Which percentile of the response time.")),
    ]);
    object([
        ("metric", metric),
        ("comparison", one_of(&["<", "<=", ">", ">="], "How it is compared.")),
        ("limit", number("In the base unit of the figure.")),
        ("sustained_seconds", maybe(seconds("It must hold for this long without a break."))),
    ])
}

pub(super) fn threshold() -> Value {
    object([
        ("criterion", criterion()),
        ("route", maybe(text("Only requests of this route count."))),
        ("phase", maybe(text("Only this phase counts."))),
        ("stop", flag("Whether the load ends as soon as it does not hold.")),
    ])
}

/// A release class.
pub(super) fn release(description: &str) -> Value {
    one_of(&["lifetime", "lease", "guardian", "one_shot"], description)
}

fn safety() -> Value {
    let hours = || list(text("Such as `Mon-Fri 09:00-17:00`."), "Hours of a day.");
    let radius = object([
        ("max_instances", maybe(ratio("Share of the candidates of a target."))),
        ("max_services", maybe(count("How many services."))),
        ("min_healthy", maybe(count("How many candidates must stay untouched."))),
    ]);
    object([
        ("max_duration_seconds", seconds("No fault lives longer.")),
        ("blast_radius", radius),
        ("min_release", maybe(release("The weakest release class that faults may have."))),
        ("allowed_hours", hours()),
        ("restricted_hours", hours()),
        ("approvals", count("How many people beside the one who runs it must have approved.")),
        ("time_zone", text("IANA name of the zone of those hours.")),
        ("abort", list(criterion(), "The run is aborted as soon as one of these holds.")),
        ("on_no_data", one_of(&["abort", "continue"], "What silence means.")),
        ("error_budgets", list(error_budget(), "What has to be left before anything is broken.")),
    ])
}

fn regression() -> Value {
    object([
        ("mean", ratio("Growth of the mean response time.")),
        ("p95", ratio("Growth of p95.")),
        ("p99", ratio("Growth of p99.")),
        ("error_rate", ratio("Growth of the error rate.")),
        ("throughput", ratio("Loss of throughput.")),
    ])
}
