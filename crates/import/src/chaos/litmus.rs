//! Litmus: the experiments of a ChaosEngine, with their probes.
//!
//! What an experiment does is told by its name, and how by its environment (`TOTAL_CHAOS_DURATION` and so on).
//! Their probes become questions about the steady state ([`probe`]). Each experiment becomes a document of its own.

mod cluster;
mod dns;
mod http;
mod network;
mod probe;

use evenkeel_model::document::{Amount, ChaosExperiment, Fault};
use evenkeel_model::yaml::{Entry, Node, Place};
use evenkeel_units::{Bytes, Ratio};

use super::counterpart::{Here, counterpart};
use super::draft::{self, Draft, experiment};
use super::fields::{Fields, items};
use super::kubernetes as k8s;
use crate::notes::cut;

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    fields.skip(&["apiVersion"]);
    fields.leave("status", "it is about a run that was", draft);
    let kind = fields.text("kind", draft).unwrap_or_default();
    if kind != "ChaosEngine" {
        let why = "of Litmus, only a ChaosEngine says what is run";
        draft.leave_at(root.place, format!("a {}", cut(kind)), why);
        return;
    }
    let name = k8s::name(&mut fields, draft);
    let Some(mut spec) = fields.map("spec", draft) else {
        draft.wrong(root.place, "a ChaosEngine without `spec`", "Write its `spec`.");
        return;
    };
    fields.finish(draft);
    let experiments = spec.items("experiments");
    let app = application(&mut spec, experiments.iter().all(is_of_cluster), draft);
    if let Some(it) = spec.take("engineState")
        && it.value.text() != Some("active")
    {
        draft.leave(it, "an experiment runs when it is asked for, and not otherwise");
    }
    spec.finish_as(k8s::OF_CLUSTER, draft);
    for item in experiments {
        let whole = (experiments.len() == 1).then_some(name.as_str());
        one(item, &name, whole, &app, draft);
    }
}

/// The application under test.
#[derive(Default)]
struct Application<'a> {
    /// The value of the label by which it is told from others.
    name: Option<&'a str>,
    /// All of its labels.
    labels: Option<&'a Entry>,
    namespace: Option<&'a str>,
    /// What runs its pods.
    kind: Option<&'a str>,
}

/// Whether an experiment acts in the cluster.
fn is_of_cluster(item: &Node) -> bool {
    let name = item.at("name").and_then(Node::text).unwrap_or_default();
    let here = counterpart(&format!("litmus/{name}"));
    matches!(here, Some(Here::PodDelete | Here::Scale | Here::Cordon))
}

/// What does not carry over of it depends on whether all of them act in the cluster.
fn application<'a>(
    spec: &mut Fields<'a>,
    only_cluster: bool,
    draft: &mut Draft,
) -> Application<'a> {
    let Some(mut info) = spec.map("appinfo", draft) else { return Application::default() };
    let (labels, namespace) = (info.take("applabel"), info.take("appns"));
    let namespaced = namespace.and_then(|it| it.value.text());
    let entry = info.take("appkind");
    let kind = entry.and_then(|it| it.value.text());
    let of_cluster = "what it acts on is found by namespace and labels";
    if let Some(it) = entry {
        draft.leave(it, if only_cluster { of_cluster } else { k8s::NO_PODS });
    }
    if only_cluster {
        info.finish_as(of_cluster, draft);
        return Application { name: None, labels, namespace: namespaced, kind };
    }
    if let Some(it) = namespace {
        draft.leave(it, k8s::NO_PODS);
    }
    info.finish_as(k8s::NO_PODS, draft);
    let name = labels.and_then(|it| k8s::labelled(it.value.text()?, it.key_place, draft));
    Application { name, labels, namespace: namespaced, kind }
}

/// What is said of queries beside an experiment.
const MONITOR: &str =
    "it is no field of Litmus; a LoadTest's `watch` reads PromQL while load is sent";

fn one(item: &Node, engine: &str, whole: Option<&str>, app: &Application<'_>, draft: &mut Draft) {
    let mut fields = Fields::of(item, item.place, draft);
    let name = fields.text("name", draft).unwrap_or_default();
    let here = counterpart(&format!("litmus/{name}"));
    let known = match here {
        None => Err("it is no experiment that we know".to_owned()),
        Some(it) => it.why_not().map_or(Ok(it), Err),
    };
    let here = match known {
        Ok(it) => it,
        Err(why) => {
            draft.leave_at(item.place, format!("the experiment `{}` as a whole", cut(name)), why);
            if let Some(it) = item.at("spec/components").and_then(|it| it.entry("monitor")) {
                draft.leave(it, MONITOR);
            }
            return;
        }
    };
    let mut made = experiment(&whole.map_or_else(|| format!("{engine}-{name}"), str::to_owned));
    if let Some(mut spec) = fields.map("spec", draft) {
        for probe in spec.items("probe") {
            made.steady_state.extend(probe::import(probe, draft));
        }
        let components = spec.map("components", draft);
        let (mut env, mut place) = (&[][..], item.place);
        if let Some(mut components) = components {
            if let Some(it) = components.take("env") {
                (env, place) = (items(&it.value), it.key_place);
            }
            components.leave("monitor", MONITOR, draft);
            components.finish_as(k8s::OF_CLUSTER, draft);
        }
        spec.leave("rank", "each experiment is a document of its own", draft);
        spec.finish(draft);
        let env = k8s::environment(env, place, draft);
        fault(name, here, item.place, &env, app, &mut made, draft);
    }
    fields.finish(draft);
    draft.add(item.place, made);
}

/// What chooses among pods and nodes.
const PODS: [&str; 9] = [
    "TARGET_PODS",
    "TARGET_CONTAINER",
    "TARGET_NODE",
    "TARGET_NODES",
    "PODS_AFFECTED_PERC",
    "NODES_AFFECTED_PERC",
    "NODE_LABEL",
    "SEQUENCE",
    "APP_LABEL",
];

/// What a node gets when nobody says otherwise.
const USUAL_MEMORY: u64 = 500_000_000;

fn fault(
    name: &str,
    here: Here,
    place: Place,
    env: &Node,
    app: &Application<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let mut env = Fields::of(env, env.place, draft);
    let duration = env.take("TOTAL_CHAOS_DURATION").and_then(|it| draft.seconds(it));
    let from = env.take("RAMP_TIME").and_then(|it| draft.seconds(it)).unwrap_or_default();
    let times = (from, duration);
    let step = match here {
        Here::PodDelete => return cluster::pod_delete(env, place, times, app, made, draft),
        Here::Scale => return cluster::scale(env, place, times, app, made, draft),
        Here::Cordon => return cluster::cordon(env, place, times, made, draft),
        Here::HttpDelay | Here::HttpChange | Here::Reset => {
            return http::http(name, env, place, times, app, made, draft);
        }
        Here::Dns => dns::dns(name, &mut env, place, draft),
        Here::StopUnit => Some(Fault::StopUnit {
            unit: format!("{}.service", name.trim_end_matches("-service-kill")),
        }),
        Here::Cpu => cpu(&mut env, place, draft),
        Here::Memory => consumption(&mut env, place, draft).map(draft::memory),
        Here::DiskFill => disk_fill(&mut env, place, draft),
        _ => return network::network(here, env, place, times, app, made, draft),
    };
    let of_node = "it acts on the host on which it is run: run it on that node";
    let where_it_acts = if here == Here::StopUnit { of_node } else { k8s::THIS_HOST };
    env.leave_all(&PODS, where_it_acts, draft);
    env.finish_as(k8s::OF_CLUSTER, draft);
    let Some(fault) = step else { return };
    let duration = k8s::ending(duration, place, &format!("`{fault}`"), draft);
    made.method.push(draft::host_step(fault, from, duration));
}

/// Says what is written for a value that is not there.
fn assume(key: &str, written: &str, place: Place, draft: &mut Draft) {
    let why =
        format!("it does not say, and the usual value is in the cluster: {written} is written");
    draft.leave_at(place, format!("`{key}`"), why);
}

fn cpu(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Fault> {
    let cores = match env.take("CPU_CORES").or(env.take("NODE_CPU_CORE")) {
        Some(it) => draft.count(it)?.min(4_096),
        None => {
            assume("CPU_CORES", "1", place, draft);
            1
        }
    };
    // Zero stands for as much as there is.
    let load = match env.take("CPU_LOAD") {
        Some(it) => Some(draft.percent(it)?).filter(|it| *it != Ratio::ZERO),
        None => None,
    };
    Some(draft::cpu(load.unwrap_or(Ratio::ONE), cores))
}

/// How much memory is held.
fn consumption(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Amount> {
    let mut amount = None;
    for (key, unit) in [("MEMORY_CONSUMPTION", 1e6), ("MEMORY_CONSUMPTION_MEBIBYTES", 1_048_576.0)]
    {
        if let Some(it) = env.take(key) {
            let number = draft.number(it)?;
            if !(0.0..1e9).contains(&number) {
                draft.wrong(it.key_place, "no host has that much memory", "Write less.");
                return None;
            }
            amount = Some(Bytes((number * unit) as u64)).filter(|it| it.0 > 0).or(amount);
        }
    }
    if let Some(it) = env.take("MEMORY_CONSUMPTION_PERCENTAGE")
        && it.value.text() != Some("0")
    {
        env.leave("NUMBER_OF_WORKERS", "one child holds all of it", draft);
        return draft.percent(it).map(Amount::Share);
    }
    env.leave("NUMBER_OF_WORKERS", "one child holds all of it", draft);
    let amount = amount.unwrap_or_else(|| {
        assume("MEMORY_CONSUMPTION", "500MB", place, draft);
        Bytes(USUAL_MEMORY)
    });
    Some(Amount::Bytes(amount))
}

/// Where containers keep what they write, as a rule.
const CONTAINERS: &str = "/var/lib";

/// How full the file system of the containers is made.
fn disk_fill(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Fault> {
    let share = env.take("FILL_PERCENTAGE");
    let size = env.take("EPHEMERAL_STORAGE_MEBIBYTES");
    let mebibytes = match size {
        Some(it) => draft.count(it)?,
        None => 0,
    };
    let amount = match share.map(|it| draft.percent(it)) {
        Some(None) => return None,
        Some(Some(it)) if it != Ratio::ZERO => {
            let why = "it is of the limit of a pod there, and how full the file system is here";
            draft.leave_at(place, format!("of what `FILL_PERCENTAGE` is {it}"), why);
            Amount::Share(it)
        }
        _ if mebibytes > 0 => Amount::Bytes(Bytes(u64::from(mebibytes) << 20)),
        _ => {
            assume("FILL_PERCENTAGE", "80%", place, draft);
            Amount::Share(Ratio::percent(80))
        }
    };
    env.leave("DATA_BLOCK_SIZE", "room is taken without anything being written", draft);
    let path = env.take("CONTAINER_PATH").and_then(|it| it.value.text());
    let path = path.filter(|it| it.starts_with('/') && !it.contains('\0')).unwrap_or_else(|| {
        assume("CONTAINER_PATH", CONTAINERS, place, draft);
        CONTAINERS
    });
    Some(Fault::DiskFill { path: path.into(), amount })
}
