//! What the steps of an experiment are made of: a fault, its target and its times.

use std::time::Duration;

use serde_json::json;

use crate::decode::codec::{Any, Object, OneKey};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::container::{image_pattern, label, name_pattern, socket};
use crate::decode::values::database::{postgres_url, redis_url};
use crate::decode::values::{duration, length, mode, name, request};
use crate::document::{Containers, Fault, Finder, Mode, Parts, Selector, Step, Target};

mod cluster;
mod database;
mod http;
mod network;
mod process;
mod resource;

pub(super) const TARGET: Object<Target> = Object { title: "Target", fields: target };

fn target(f: &mut Fields<'_>) -> Option<Target> {
    let service = f.optional("service", "The service. Default: that of the drill.", name());
    let sentence = "Instances of the service by name, where `*` stands for anything.";
    let pattern = f.optional("instances", sentence, request::name_pattern());
    let sentence = "Links of the service by name, where `*` stands for anything.";
    let dependency = f.optional("dependency", sentence, request::name_pattern());
    let sentence = "Labels that each of these `instances` or links has, all of them.";
    let labels = super::service::labels(f, sentence)?;
    let containers = Object { title: "Containers", fields: containers };
    let containers = f.optional("container", "Containers, by what their engine says.", containers);
    let pods = Object { title: "Pods", fields: cluster::pods };
    let pods = f.optional("pods", "Running pods of a cluster of Kubernetes.", pods);
    let traffic = Object { title: "Traffic", fields: network::traffic };
    let sentence = "Packets to or from an endpoint, as they pass this host.";
    let traffic = f.optional("traffic", sentence, traffic);
    let sentence = "A server of PostgreSQL, by its URL; a password stands there as a reference.";
    let postgres = f.optional("postgres", sentence, postgres_url());
    let sentence = "A server of Redis, by its URL; a password stands there as a reference.";
    let redis = f.optional("redis", sentence, redis_url());
    let process = super::service::finder_fields(f);
    let sentence = "How many of the candidates: `one`, `all`, a number, or a share that is never rounded up. \
                    Default: `all` for a link, traffic, a database or a pid, else `one`.";
    let mode = f.optional("mode", sentence, mode());
    let others = ["instances", "container", "pods", "dependency", "traffic", "postgres", "redis"];
    f.exactly_one(&[others.as_slice(), &super::service::FINDERS].concat());
    let help = "Only what is named by `instances` or `dependency` is of a service and has labels.";
    for field in ["service", "labels"] {
        f.never_beside(field, &super::service::FINDERS, help);
        f.never_beside(field, &["container", "pods", "traffic", "postgres", "redis"], help);
    }
    let instances = pattern.map(|it| (it, Selector::Instances as fn(Parts) -> Selector));
    let links = dependency.map(|it| (it, Selector::Dependency as fn(Parts) -> Selector));
    let of_service =
        instances.or(links).map(|(pattern, of)| of(Parts { service, pattern, labels }));
    let select = of_service.or(containers.map(Selector::Container));
    let select = select.or(pods.map(Selector::Pods));
    let select = select.or(traffic);
    let select = select.or(postgres.map(Selector::Postgres)).or(redis.map(Selector::Redis));
    let select = select.or(process.map(Selector::Process))?;
    let usual = match select {
        Selector::Dependency(_)
        | Selector::Traffic(_)
        | Selector::Postgres(_)
        | Selector::Redis(_)
        | Selector::Process(Finder::Pid(_)) => Mode::All,
        Selector::Instances(_)
        | Selector::Container(_)
        | Selector::Inside { .. }
        | Selector::Pods(_)
        | Selector::Process(_) => Mode::One,
    };
    Some(Target { select, mode: mode.unwrap_or(usual) })
}

/// Containers of an engine.
fn containers(f: &mut Fields<'_>) -> Option<Containers> {
    let name = f.optional("name", "Names, where `*` stands for anything.", name_pattern());
    let label = f.optional("label", "A label: `key=value`, or only its key.", label());
    let sentence = "Images as the containers were started by, where `*` stands for anything.";
    let image = f.optional("image", sentence, image_pattern());
    let sentence =
        "The socket of the engine. Default: that of `DOCKER_HOST`, of Docker, or of Podman.";
    let engine = f.optional("engine", sentence, socket());
    f.at_least_one(&["name", "label", "image"]);
    Some(Containers { name, label, image, engine })
}

/// A fault whose kind is known, and whose parameters may be wrong.
struct Of {
    /// Whether it needs no target, as what acts on this whole host.
    host: bool,
    times: Times,
}

/// How long a fault acts.
enum Times {
    /// For some time.
    Lasts,
    /// Once, or for some time beside `every`.
    Again,
    /// Once.
    Once,
}

/// It acts on what its target is, for some time.
const AIMED: Of = Of { host: false, times: Times::Lasts };
/// It acts once on what its target is, or again and again for some time.
const AGAIN: Of = Of { host: false, times: Times::Again };
/// It acts once on what its target is.
const ONCE: Of = Of { host: false, times: Times::Once };
/// It acts on this host for some time.
const HOST: Of = Of { host: true, times: Times::Lasts };
/// It says itself on what of a cluster it acts, for some time.
const CLUSTER: Of = HOST;

/// What every step has beside its fault.
fn step(f: &mut Fields<'_>, fault: Option<Fault>, of: &Of) -> Option<Step> {
    let sentence = "To what it is done. Default: the target of the experiment.";
    let target = if of.host { None } else { f.optional("target", sentence, TARGET) };
    let sentence = "When, after the start of the phase that the experiment belongs to.";
    let at = f.default("at", sentence, duration(), "0s");
    let duration = match of.times {
        Times::Lasts => Some(f.required("duration", "For how long.", length())?),
        Times::Again => again(f),
        Times::Once => None,
    };
    Some(Step { fault: fault?, target, at: at?, duration })
}

/// For how long a fault acts again and again, which it does beside `every` only.
fn again(f: &mut Fields<'_>) -> Option<Duration> {
    let sentence = "For how long it acts again and again: beside `every`, and only there.";
    let duration = f.optional("duration", sentence, length());
    let help = "Give both `every` and `duration`, or neither for a fault that acts once.";
    for (given, missing) in [("every", "duration"), ("duration", "every")] {
        if f.has(given) && !f.has(missing) {
            f.refuse(given, codes::MISSING_FIELD, format!("`{given}` without `{missing}`"), help);
        }
        f.rule(|| json!({"dependentRequired": {given: [missing]}}));
    }
    duration
}

/// A kind of fault: its name, what it is, and how it is read.
type Kind = (&'static str, &'static str, Any<Step>);

fn body(title: &'static str, fields: fn(&mut Fields<'_>) -> Option<Step>) -> Any<Step> {
    Box::new(Object { title, fields })
}

/// A fault with its target and times.
pub(super) fn steps() -> OneKey<Step> {
    let families = [
        network::connections(),
        http::kinds(),
        network::tls_kinds(),
        network::packets(),
        process::kinds(),
        resource::kinds(),
        cluster::kinds(),
        database::kinds(),
    ];
    OneKey { expected: "a fault we know", kinds: families.into_iter().flatten().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_manual_can_be_written() {
        assert_eq!(steps().kinds.iter().map(|it| it.0).collect::<Vec<_>>(), Fault::KINDS);
    }
}
