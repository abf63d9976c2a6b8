//! Experiments as YAML: what is not the default, in the words people write it in.

mod http;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use evenkeel_units::Ratio;

use evenkeel_model::document::{
    Amount, BlastRadius, ChaosExperiment, ClientType, Cluster, Containers, Direction, ErrorBudget,
    Fault, FileError, FileOperation, Finder, GameDay, GameDayScenario, IoLimits, Issuer, Labels,
    LockMode, Mode, Monkey, OnNoData, PartitionShape, Parts, PauseBy, PauseMode, Pods,
    Prerequisite, Probe, ProbeKind, Protocol, RateBy, Release, Safety, Selector, Step, Target,
    Traffic, When,
};

use crate::figures::{bytes, criterion, duration, offset};
use crate::map::{Map, document, one};
use crate::tree::Tree;

/// Writes experiments as a file that is read back as the same.
pub fn to_yaml(experiments: &[ChaosExperiment]) -> String {
    let write = |it: &ChaosExperiment| document("ChaosExperiment", &it.name, spec(it)).document();
    experiments.iter().map(write).collect::<Vec<_>>().join("---\n")
}

fn spec(experiment: &ChaosExperiment) -> Tree {
    let mut spec = Map::default();
    spec.put_text("title", experiment.title.as_ref());
    spec.put_text("description", experiment.description.as_ref());
    spec.put_text("hypothesis", experiment.hypothesis.as_ref());
    spec.put_list("steadyState", &experiment.steady_state, probe);
    spec.put_list("method", &experiment.method, step);
    spec.put_unless("safety", &experiment.safety, &Safety::default(), safety);
    spec.put_list("success", &experiment.success, |it| Tree::Text(criterion(it)));
    spec.put_text("schedule", experiment.schedule.as_ref());
    if let Some(it) = &experiment.monkey {
        spec.put("monkey", monkey(it));
    }
    if let Some(it) = experiment.observe {
        spec.put("observe", duration(it));
    }
    spec.done()
}

/// Writes a game day.
pub(super) fn game_day(day: &GameDay) -> String {
    let mut spec = Map::default();
    spec.put_text("title", day.title.as_ref());
    spec.put_text("objective", day.objective.as_ref());
    spec.put_list("participants", &day.participants, |it| {
        let mut map = Map::default().with("name", Tree::text(&it.name));
        map.put_text("role", it.role.as_ref());
        map.done()
    });
    spec.put_list("prerequisites", &day.prerequisites, |it| match it {
        Prerequisite::Text(text) => Tree::text(text),
        Prerequisite::Probe(kind) => probe(&Probe::new(kind.clone())),
    });
    let mut scenario = Map::default();
    scenario.put_list("steps", &day.steps, Tree::text);
    match &day.runs {
        GameDayScenario::Experiment(name) => scenario.put("experiment", Tree::text(name)),
        GameDayScenario::Drill(name) => scenario.put("drill", Tree::text(name)),
    }
    spec.put("scenario", scenario.done());
    spec.put_list("success", &day.success, Tree::text);
    spec.put_list("timeline", &day.timeline, |it| {
        let mut map = Map::default().with("at", Tree::text(&it.at));
        map.put_text("until", it.until.as_ref());
        map.put("what", Tree::text(&it.what));
        map.done()
    });
    spec.put_unless("timeZone", &day.time_zone, &"UTC".to_owned(), Tree::text);
    document("GameDay", &day.name, spec.done()).document()
}

fn monkey(monkey: &Monkey) -> Tree {
    let mut map = Map::default();
    map.put("probability", Tree::text(&monkey.probability));
    map.put_list("optIn", &monkey.opt_in, Tree::text);
    map.put_list("optOut", &monkey.opt_out, Tree::text);
    map.done()
}

fn step(step: &Step) -> Tree {
    let mut map = parameters(&step.fault);
    if let Some(it) = &step.target {
        map.put("target", target(it));
    }
    map.put_unless("at", &step.at, &Duration::ZERO, |it| duration(*it));
    if let Some(it) = step.duration {
        map.put("duration", duration(it));
    }
    one(step.fault.kind(), map.done())
}

/// What is said of a fault beside its target and its times.
fn parameters(fault: &Fault) -> Map {
    let mut map = Map::default();
    match fault {
        Fault::Latency { .. }
        | Fault::Bandwidth { .. }
        | Fault::Loss { .. }
        | Fault::Corrupt { .. }
        | Fault::Duplicate { .. }
        | Fault::Reorder { .. }
        | Fault::Dns { .. }
        | Fault::Partition { .. } => of_network(&mut map, fault),
        Fault::HttpErrors { .. }
        | Fault::HttpAbort { .. }
        | Fault::HttpDelay { .. }
        | Fault::HttpChange { .. } => return http::parameters(fault),
        Fault::Tls { certificate, issuer } => {
            map.put("certificate", Tree::text(certificate.name()));
            issuer.iter().for_each(|it| map.put("issuer", written(it)));
        }
        Fault::Cpu { load, cores } => {
            map.put("load", Tree::text(load));
            map.put_unless("cores", cores, &0, Tree::word);
        }
        Fault::Memory { amount } => map.put("amount", some(*amount)),
        Fault::DiskFill { path, amount } => {
            map.put("path", Tree::text(&path.display()));
            map.put("amount", some(*amount));
        }
        Fault::Inodes { path, free } => {
            map.put("path", Tree::text(&path.display()));
            map.put_unless("free", free, &0, Tree::word);
        }
        Fault::IoErrors { path, error, share, operations } => {
            files(&mut map, path, *share, operations);
            map.put_unless("error", error, &FileError::Io, Tree::text);
        }
        Fault::IoLatency { path, delay, share, operations } => {
            files(&mut map, path, *share, operations);
            map.put("delay", duration(*delay));
        }
        Fault::IoThrottle(limits) => io_limits(&mut map, limits),
        Fault::StopUnit { unit } => map.put("unit", Tree::text(unit)),
        Fault::Pids { count } => map.put("count", Tree::word(count)),
        Fault::FileDescriptors { limit } => map.put("limit", Tree::word(limit)),
        Fault::ClockSkew { offset: by } => map.put("offset", offset(*by)),
        Fault::Pause { by } => {
            let word =
                |by: &PauseBy| Tree::text(if *by == PauseBy::Trace { "trace" } else { "signal" });
            map.put_unless("by", by, &PauseBy::default(), word);
        }
        Fault::PodDelete { .. } | Fault::Scale { .. } | Fault::Cordon { .. } => {
            of_cluster(&mut map, fault);
        }
        Fault::TerminateBackends { share, user, database, application } => {
            map.put("share", Tree::text(share));
            map.put_text("user", user.as_ref());
            map.put_text("database", database.as_ref());
            map.put_text("application", application.as_ref());
        }
        Fault::TakeConnections { free } => map.put_unless("free", free, &0, Tree::word),
        Fault::LockTable { table, mode } => {
            map.put("table", Tree::text(table));
            map.put_unless("mode", mode, &LockMode::AccessExclusive, |it| {
                Tree::text(match it {
                    LockMode::AccessExclusive => "accessExclusive",
                    LockMode::Exclusive => "exclusive",
                })
            });
        }
        Fault::KillClients { share, of } => {
            map.put("share", Tree::text(share));
            map.put_unless("type", of, &ClientType::Normal, |it| Tree::text(it.name()));
        }
        Fault::PauseClients { mode } => {
            map.put_unless("mode", mode, &PauseMode::All, |_| Tree::text("write"));
        }
        Fault::Command { run, undo } => {
            map.put_list("run", run, Tree::text);
            map.put_list("undo", undo, Tree::text);
        }
        Fault::BlackHole | Fault::Refuse | Fault::Reset | Fault::Stop | Fault::PodEvict => {}
        Fault::Kill { every } | Fault::Restart { every } => {
            if let Some(it) = every {
                map.put("every", duration(*it));
            }
        }
    }
    map
}

/// What is said of a fault of the network.
fn of_network(map: &mut Map, fault: &Fault) {
    match fault {
        Fault::Latency { delay, jitter } => {
            map.put("delay", duration(*delay));
            map.put_unless("jitter", jitter, &Duration::ZERO, |it| duration(*it));
        }
        Fault::Bandwidth { rate, by } => {
            map.put("rate", Tree::Text(format!("{}/s", bytes(*rate))));
            let word = |by: &RateBy| Tree::text(if *by == RateBy::Htb { "htb" } else { "tool" });
            map.put_unless("by", by, &RateBy::default(), word);
        }
        Fault::Loss { share } | Fault::Corrupt { share } | Fault::Duplicate { share } => {
            map.put("share", Tree::text(share));
        }
        Fault::Reorder { share, delay } => {
            map.put("share", Tree::text(share));
            map.put_unless("delay", delay, &Duration::from_millis(10), |it| duration(*it));
        }
        Fault::Dns { names, answer } => {
            map.put_list("names", names, Tree::text);
            map.put("answer", Tree::text(answer));
        }
        Fault::Partition { nodes, shape, one_way } => {
            map.put_list("nodes", nodes, Tree::text);
            map.put_unless("shape", shape, &PartitionShape::Halves, Tree::text);
            map.put_unless("oneWay", one_way, &false, Tree::word);
        }
        _ => {}
    }
}

/// Who has issued a certificate.
fn written(issuer: &Issuer) -> Tree {
    let mut map = Map::default();
    map.put("certificate", Tree::text(&issuer.certificate.display()));
    map.put("key", Tree::text(&issuer.key.display()));
    map.done()
}

fn io_limits(map: &mut Map, limits: &IoLimits) {
    let IoLimits { read_rate, write_rate, read_operations, write_operations } = limits;
    for (key, rate) in [("readRate", read_rate), ("writeRate", write_rate)] {
        map.put_text(key, rate.map(|it| format!("{}/s", bytes(it))).as_ref());
    }
    for (key, number) in
        [("readOperations", read_operations), ("writeOperations", write_operations)]
    {
        if let Some(number) = number {
            map.put(key, Tree::word(number));
        }
    }
}

fn files(map: &mut Map, path: &Path, share: Ratio, operations: &BTreeSet<FileOperation>) {
    map.put("path", Tree::text(&path.display()));
    map.put_unless("share", &share, &Ratio::percent(100), Tree::text);
    let usual = BTreeSet::from(FileOperation::USUAL);
    let list = |it: &BTreeSet<_>| Tree::List(it.iter().map(Tree::text).collect());
    map.put_unless("operations", operations, &usual, list);
}

fn some(amount: Amount) -> Tree {
    match amount {
        Amount::Bytes(it) => Tree::Text(bytes(it)),
        Amount::Share(it) => Tree::text(&it),
    }
}

fn parts(map: &mut Map, field: &'static str, parts: &Parts) {
    map.put_text("service", parts.service.as_ref());
    map.put(field, Tree::text(&parts.pattern));
    if !parts.labels.is_empty() {
        map.put("labels", labels(&parts.labels));
    }
}

fn labels(labels: &Labels) -> Tree {
    let mut map = Map::default();
    for (key, value) in labels {
        map.put(key, Tree::text(value));
    }
    map.done()
}

fn target(target: &Target) -> Tree {
    let mut map = Map::default();
    let usual = match &target.select {
        Selector::Process(finder) => {
            map.put_finder(finder);
            if matches!(finder, Finder::Pid(_)) { Mode::All } else { Mode::One }
        }
        Selector::Instances(it) => {
            parts(&mut map, "instances", it);
            Mode::One
        }
        Selector::Container(it) => {
            map.put("container", containers(it));
            Mode::One
        }
        Selector::Dependency(it) => {
            parts(&mut map, "dependency", it);
            Mode::All
        }
        Selector::Pods(it) => {
            map.put("pods", pods(it));
            Mode::One
        }
        Selector::Postgres(it) => {
            map.put("postgres", Tree::Text(it.clone().into()));
            Mode::All
        }
        Selector::Redis(it) => {
            map.put("redis", Tree::Text(it.clone().into()));
            Mode::All
        }
        Selector::Traffic(it) => {
            map.put("traffic", traffic(it).done());
            Mode::All
        }
        Selector::Inside { containers: of, traffic: it } => {
            let mut inside = traffic(it);
            inside.put("container", containers(of));
            map.put("traffic", inside.done());
            Mode::One
        }
    };
    map.put_unless("mode", &target.mode, &usual, |it| match it {
        Mode::One => Tree::text("one"),
        Mode::All => Tree::text("all"),
        Mode::Count(count) => Tree::word(count),
        Mode::Share(share) => Tree::text(share),
        Mode::AtMost(share) => Tree::Text(format!("random max {share}")),
    });
    map.done()
}

fn pods(pods: &Pods) -> Tree {
    let mut map = Map::default();
    put_namespace(&mut map, &pods.namespace);
    map.put("labels", labels(&pods.labels));
    cluster(&mut map, &pods.cluster);
    map.done()
}

/// Parameters of what acts in a cluster.
fn of_cluster(map: &mut Map, fault: &Fault) {
    match fault {
        Fault::PodDelete { grace, every } => {
            if let Some(it) = grace {
                map.put("grace", duration(*it));
            }
            if let Some(it) = every {
                map.put("every", duration(*it));
            }
        }
        Fault::Scale { deployment, namespace, replicas, cluster: of } => {
            map.put("deployment", Tree::text(deployment));
            put_namespace(map, namespace);
            map.put("replicas", Tree::word(replicas));
            cluster(map, of);
        }
        Fault::Cordon { node, cluster: of } => {
            map.put("node", Tree::text(node));
            cluster(map, of);
        }
        _ => {}
    }
}

fn put_namespace(map: &mut Map, namespace: &str) {
    map.put_unless("namespace", &namespace, &"default", Tree::text);
}

fn cluster(map: &mut Map, cluster: &Cluster) {
    map.put_text("kubeconfig", cluster.kubeconfig.as_ref().map(|it| it.display()).as_ref());
    map.put_text("context", cluster.context.as_ref());
}

fn containers(containers: &Containers) -> Tree {
    let Containers { name, label, image, engine } = containers;
    let mut map = Map::default();
    map.put_text("name", name.as_ref());
    map.put_text("label", label.as_ref());
    map.put_text("image", image.as_ref());
    map.put_text("engine", engine.as_ref().map(|it| it.display()).as_ref());
    map.done()
}

fn traffic(traffic: &Traffic) -> Map {
    let mut map = Map::default();
    map.put_text("host", traffic.host.as_ref());
    if let Some(port) = traffic.port {
        map.put("port", Tree::word(&port));
    }
    map.put_unless("protocol", &traffic.protocol, &Protocol::Any, |it| {
        Tree::text(match it {
            Protocol::Any => "any",
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    });
    map.put_unless("direction", &traffic.direction, &Direction::Both, |it| {
        Tree::text(match it {
            Direction::Both => "both",
            Direction::To => "to",
            Direction::From => "from",
        })
    });
    map
}

fn probe(probe: &Probe) -> Tree {
    let second = Duration::from_secs(1);
    let mut map = Map::default();
    let kind = match &probe.kind {
        ProbeKind::Http { url, status, within, contains } => {
            map.put("url", Tree::text(url));
            map.put_unless("status", status, &200, Tree::word);
            map.put_unless("within", within, &second, |it| duration(*it));
            map.put_text("contains", contains.as_ref());
            "http"
        }
        ProbeKind::Tcp { address, within } => {
            map.put("address", Tree::text(address));
            map.put_unless("within", within, &second, |it| duration(*it));
            "tcp"
        }
        ProbeKind::Process { find } => {
            map.put_finder(find);
            "process"
        }
        ProbeKind::Promql { url, query, value, within } => {
            map.put("url", Tree::text(url));
            map.put("query", Tree::text(query));
            map.put("value", Tree::Text(value.to_string()));
            map.put_unless("within", within, &Duration::from_secs(5), |it| duration(*it));
            "promql"
        }
        ProbeKind::ErrorBudget(_) => unreachable!("a limit, which stands under `safety`"),
        ProbeKind::Load { criterion: limit } => {
            if *probe == Probe::new(probe.kind.clone()) {
                return one("load", Tree::Text(criterion(limit)));
            }
            map.put("condition", Tree::Text(criterion(limit)));
            "load"
        }
    };
    map.put_unless("every", &probe.every, &Probe::EVERY, |it| duration(*it));
    map.put_unless("when", &probe.when, &When::everywhere(), |it| {
        let name =
            |it: &When| When::NAMES.iter().find(|(_, other)| other == it).map(|(name, _)| *name);
        Tree::List(it.iter().filter_map(name).map(Tree::text).collect())
    });
    one(kind, map.done())
}

fn safety(safety: &Safety) -> Tree {
    let usual = Safety::default();
    // By name, so that a limit that is added is written, too.
    let Safety {
        max_duration,
        blast_radius: radius,
        min_release,
        allowed_hours,
        restricted_hours,
        approvals,
        time_zone,
        abort,
        on_no_data,
        error_budgets,
    } = safety;
    let mut map = Map::default();
    map.put_unless("maxDuration", max_duration, &usual.max_duration, |it| duration(*it));
    map.put_unless("blastRadius", radius, &usual.blast_radius, blast_radius);
    map.put_text("minRelease", min_release.map(Release::letter).as_ref());
    map.put_list("allowedHours", allowed_hours, Tree::text);
    map.put_list("restrictedHours", restricted_hours, Tree::text);
    map.put_unless("approvals", approvals, &usual.approvals, Tree::word);
    map.put_unless("timeZone", time_zone, &usual.time_zone, |it| Tree::text(it.as_str()));
    map.put_list("abort", abort, |it| Tree::Text(criterion(it)));
    map.put_unless("onNoData", on_no_data, &usual.on_no_data, |it| {
        Tree::text(match it {
            OnNoData::Abort => "abort",
            OnNoData::Continue => "continue",
        })
    });
    map.put_list("errorBudget", error_budgets, error_budget);
    map.done()
}

fn error_budget(budget: &ErrorBudget) -> Tree {
    let mut map = Map::default();
    map.put("url", Tree::text(&budget.url));
    map.put("query", Tree::text(&budget.query));
    map.put("min", Tree::word(&budget.min));
    map.done()
}

fn blast_radius(radius: &BlastRadius) -> Tree {
    let mut map = Map::default();
    map.put_text("maxInstances", radius.max_instances.as_ref());
    if let Some(it) = radius.max_services {
        map.put("maxServices", Tree::word(&it));
    }
    if let Some(it) = radius.min_healthy {
        map.put("minHealthy", Tree::word(&it));
    }
    map.done()
}
