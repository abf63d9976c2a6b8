//! Faults that cannot act, may not act, or could not be told apart.

use evenkeel_units::Human;

use super::{Lint, few};
use crate::decode::{codes, nearest};
use crate::document::{
    ActsOn, ChaosExperiment, Document, Fault, Labels, Selector, Service, Step, Target, fits,
};
use crate::library::{Acting, Cast, Item, MAX_FAULTS, service_named};

/// What is wrong with the faults of an experiment whatever drill uses it.
pub(super) fn of_experiment(lint: &mut Lint<'_>, item: &Item) {
    let Document::ChaosExperiment(experiment) = item.document() else { return };
    for (n, step) in experiment.method.iter().enumerate() {
        suits(lint, item, n, step);
        outlives(lint, item, experiment, n, step);
    }
}

fn path(item: &Item, number: usize, step: &Step, field: &str) -> String {
    crate::library::step_path(item, number, step, field)
}

/// Where the target of a step stands: its own, or that of the experiment.
pub(super) fn target_path(item: &Item, number: usize, step: &Step, field: &str) -> String {
    let own = format!("method/{number}/{}/target", step.fault.kind());
    let whole = if item.spec().at(&own).is_some() { own } else { "target".to_owned() };
    let exact = format!("{whole}/{field}");
    match (item.spec().at(&exact), item.spec().at(&whole)) {
        (Some(_), _) => exact,
        (None, Some(_)) => whole,
        (None, None) => format!("method/{number}"),
    }
}

/// A fault has to be aimed at something that it can act on.
fn suits(lint: &mut Lint<'_>, item: &Item, number: usize, step: &Step) {
    let facts = step.fault.facts();
    if step.fault.needs_no_target() {
        return;
    }
    let help: Vec<_> = facts.acts_on.iter().map(|it| aimed_at(*it)).collect();
    let (path, message) = match &step.target {
        None => (format!("method/{number}"), format!("`{}` has no target", facts.kind)),
        Some(it) if facts.acts_on.contains(&it.select.is()) => return,
        Some(_) => {
            let needs: Vec<_> = facts.acts_on.iter().map(ToString::to_string).collect();
            let message =
                format!("`{}` acts on {}, and its target is none", facts.kind, needs.join(" or "));
            (target_path(item, number, step, ""), message)
        }
    };
    lint.report(item, &path, codes::UNSUITABLE_TARGET, message, help.join(" "));
}

/// How a target is written.
const fn aimed_at(acts_on: ActsOn) -> &'static str {
    match acts_on {
        ActsOn::Link => "Aim it at a `dependency`, such as `target: {dependency: payment}`.",
        ActsOn::Traffic => "Aim it at `traffic`, such as `target: {traffic: {port: 5432}}`.",
        ActsOn::Postgres => {
            "Aim it at a database, such as `target: {postgres: \"postgres://app@10.0.0.7/orders\"}`."
        }
        ActsOn::Redis => "Aim it at a Redis, such as `target: {redis: \"redis://10.0.0.7:6379\"}`.",
        ActsOn::Process => {
            "Aim it at `instances`, a `pid`, an `executable`, a `port`, a `commandLine`, a `cgroup` or a `unit`, such as `target: {instances: gateway-*}`."
        }
        ActsOn::Pod => {
            "Aim it at pods, such as `target: {pods: {namespace: shop, labels: {app: api}}}`."
        }
        ActsOn::Container => {
            "Aim it at containers, such as `target: {container: {name: shop-web-*}}`."
        }
        ActsOn::Host | ActsOn::Cluster => "It needs no target.",
    }
}

/// No fault may live longer than its own experiment allows.
fn outlives(lint: &mut Lint<'_>, item: &Item, of: &ChaosExperiment, number: usize, step: &Step) {
    let limit = of.safety.max_duration;
    if let Some(duration) = step.duration.filter(|it| *it > limit) {
        let message =
            format!("{} is longer than `maxDuration` of {}", Human(duration), Human(limit));
        let help = "Shorten the fault, or raise `safety.maxDuration`.";
        let path = path(item, number, step, "duration");
        lint.report(item, &path, codes::OUTLIVES_LIMIT, message, help);
    }
}

/// What is wrong with faults in a drill.
pub(super) fn of_drill(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    let limit = cast.safety().max_duration;
    for acting in &cast.faults {
        within_phase(lint, cast, acting);
        let own = acting.experiment.safety.max_duration;
        if let Some(duration) = acting.step.duration.filter(|it| *it > limit && *it <= own) {
            let (duration, limit) = (Human(duration), Human(limit));
            let message = format!("{duration} is longer than the drill's `maxDuration` of {limit}");
            let help = "Shorten the fault, or raise `safety.maxDuration`.";
            let path = acting.path("duration");
            lint.report(acting.item, &path, codes::OUTLIVES_LIMIT, message, help);
        }
        let target = acting.step.target.as_ref();
        match (target, target.and_then(|it| cast.service_of(it))) {
            _ if cast.item.is_filled("service") => {}
            (Some(target), Some(name)) if name != cast.drill.service => {
                let about = format!("The drill is about `{}`", cast.drill.service);
                other_service(lint, &about, acting, target, name);
            }
            _ => {
                if let Some(service) = cast.service {
                    allowed(lint, acting, service);
                    if let Some(target) = target {
                        exists(lint, acting, service, target);
                    }
                }
            }
        }
    }
    overlaps(lint, &cast.faults);
    if cast.is_cut {
        let message = format!("more than {MAX_FAULTS} faults in one drill");
        let help = "Nobody could tell their effects apart; use several drills.";
        lint.report(cast.item, "phases", codes::TOO_MANY_FAULTS, message, help);
    }
}

/// What is wrong with the faults of an experiment that runs by itself, on `service`.
pub(super) fn by_itself(lint: &mut Lint<'_>, service: &Service, faults: &[Acting<'_>]) {
    let is_written = lint.library.service(&service.name).is_some();
    for acting in faults {
        let target = acting.step.target.as_ref();
        let is_part = |it: &Target| it.select.parts().is_some();
        let other = |it: &Target| service_named(it).is_some_and(|it| it != service.name);
        match target {
            Some(target) if other(target) => {
                let name = service_named(target).unwrap_or_default();
                let about = format!("The experiment is about `{}`", service.name);
                other_service(lint, &about, acting, target, name);
            }
            Some(target) if is_part(target) && !is_written => of_no_service(lint, acting, target),
            _ => {
                allowed(lint, acting, service);
                target.into_iter().for_each(|it| exists(lint, acting, service, it));
                let radius = acting.experiment.safety.blast_radius;
                super::safety::blast_radius(lint, service, acting, radius);
            }
        }
    }
    overlaps(lint, faults);
}

/// Part of a service, and no document says of which.
fn of_no_service(lint: &mut Lint<'_>, acting: &Acting<'_>, target: &Target) {
    let known: Vec<_> = lint.library.names("Service").collect();
    let help = match known.is_empty() {
        true => "Add a `kind: Service` that describes it, or aim at a `pid`, an `executable` or a `port`."
            .to_owned(),
        false => format!("Name it: `service: {}`. There are {}.", known[0], few(&known)),
    };
    let message = format!("nothing says of which service `{}` is", target.select);
    let path = target_path(acting.item, acting.number, acting.step, "");
    lint.report(acting.item, &path, codes::MISSING, message, help);
}

fn other_service(
    lint: &mut Lint<'_>,
    about: &str,
    acting: &Acting<'_>,
    target: &Target,
    name: &str,
) {
    // A name of nothing, and a name of something else.
    let path = target_path(acting.item, acting.number, acting.step, "service");
    let library = lint.library;
    if library.service(name).is_none() && !library.is_broken("Service", name) {
        let help = match nearest(name, library.names("Service")) {
            Some(nearest) => format!("Did you mean `{nearest}`?"),
            None => format!("{about}."),
        };
        let message = format!("there is no Service called `{name}`");
        lint.report(acting.item, &path, codes::MISSING, message, help);
        return;
    }
    let message = format!("`{}` is of the service `{name}`", target.select);
    let help = format!("{about}, and only what belongs to it may be broken.");
    lint.report(acting.item, &path, codes::OTHER_SERVICE, message, help);
}

fn within_phase(lint: &mut Lint<'_>, cast: &Cast<'_>, acting: &Acting<'_>) {
    let Some(phase) = cast.phases.get(acting.phase) else { return };
    if has_no_length(cast, acting.phase) {
        return;
    }
    let end = cast.times.get(acting.phase + 1).copied().unwrap_or_default();
    let length = Human(phase.shape.length());
    let (field, what) = if acting.from >= end {
        ("at", format!("begins {} into", Human(acting.step.at)))
    } else if acting.to > end {
        let ends = acting.step.at.saturating_add(acting.step.duration.unwrap_or_default());
        ("duration", format!("ends {} into", Human(ends)))
    } else {
        return;
    };
    let message = format!("the fault {what} the phase `{}` of {length}", phase.name);
    let help = "Move or shorten the fault, or lengthen the phase.";
    lint.report(acting.item, &acting.path(field), codes::OUTSIDE_PHASE, message, help);
}

/// Whether the length of a phase is not that of its document, because it could not be read.
fn has_no_length(cast: &Cast<'_>, phase: usize) -> bool {
    match cast.load {
        Some((load, _)) if cast.drill.phases.is_empty() => load.is_filled("shape"),
        _ => cast.item.is_filled(&format!("phases/{phase}/shape")),
    }
}

fn allowed(lint: &mut Lint<'_>, acting: &Acting<'_>, service: &Service) {
    let kind = acting.step.fault.kind();
    if service.allow_faults.allows(kind) {
        return;
    }
    let message = format!("the service `{}` does not allow `{kind}`", service.name);
    let help = format!("If its owners agree, add `{kind}` to its `allowFaults`.");
    let path = format!("method/{}/{kind}", acting.number);
    let whole = format!("method/{}", acting.number);
    let path = if acting.item.spec().at(&path).is_some() { path } else { whole };
    lint.report(acting.item, &path, codes::NOT_ALLOWED, message, help);
}

fn exists(lint: &mut Lint<'_>, acting: &Acting<'_>, service: &Service, target: &Target) {
    let instances = || service.instances.iter().map(|it| (it.name.as_str(), &it.labels));
    let links = || service.dependencies.iter().map(|it| (it.name.as_str(), &it.labels));
    let (parts, known, one, many): (_, Vec<(&str, &Labels)>, _, _) = match &target.select {
        Selector::Instances(it) => (it, instances().collect(), "instance", "instances"),
        Selector::Dependency(it) => (it, links().collect(), "dependency", "dependencies"),
        _ => return,
    };
    if known.iter().any(|(name, labels)| parts.fit(name, labels)) {
        return;
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let has_name = names.iter().any(|it| fits(&parts.pattern, it));
    let message = format!("`{}` has no {one} `{parts}`", service.name);
    // The nearest of many is a poor guess at a pattern of them.
    let is_name = !parts.pattern.contains('*');
    let help = match nearest(&parts.pattern, names.iter().copied()).filter(|_| is_name) {
        _ if has_name => {
            let labelled = |(name, labels): &(&str, &Labels)| {
                let labels: Vec<_> = labels.iter().map(|(key, it)| format!("{key}={it}")).collect();
                match labels.is_empty() {
                    true => format!("{name} has none"),
                    false => format!("{name} {}", labels.join(", ")),
                }
            };
            let known: Vec<String> = known.iter().map(labelled).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            format!("Of their labels, {}.", few(&known))
        }
        Some(nearest) => format!("Did you mean `{nearest}`?"),
        None if names.is_empty() => format!("`{}` has no {many}.", service.name),
        None => format!("`{}` has {}.", service.name, few(&names)),
    };
    let field = match &target.select {
        _ if has_name => "labels",
        Selector::Instances(_) => many,
        _ => one,
    };
    let path = target_path(acting.item, acting.number, acting.step, field);
    lint.report(acting.item, &path, codes::NO_SUCH_TARGET, message, help);
}

/// What a fault has for itself while it acts, where that can be told before it begins; the rest is refused when it
/// would begin.
fn taken(acting: &Acting<'_>) -> Option<String> {
    match &acting.step.fault {
        Fault::StopUnit { unit } => Some(format!("the unit `{unit}`")),
        Fault::IoErrors { path, .. } | Fault::IoLatency { path, .. } => {
            Some(format!("the folder `{}`", path.display()))
        }
        Fault::Scale { deployment, namespace, .. } => {
            Some(format!("the deployment `{deployment}` in `{namespace}`"))
        }
        Fault::Cordon { node, .. } => Some(format!("the node `{node}`")),
        _ if acting.step.acts_on() == ActsOn::Link => acting.link().map(|it| format!("`{it}`")),
        _ => None,
    }
}

fn overlaps(lint: &mut Lint<'_>, faults: &[Acting<'_>]) {
    let mut taken: Vec<(String, &Acting<'_>)> =
        faults.iter().filter_map(|it| Some((taken(it)?, it))).collect();
    taken.sort_by(|(one, before), (other, after)| (one, before.from).cmp(&(other, after.from)));
    // By thing and time, a fault overlaps an earlier one exactly when it begins before the latest end so far.
    let mut latest: Option<(&str, &Acting<'_>)> = None;
    for (thing, acting) in &taken {
        if let Some((_, before)) = latest.filter(|(it, _)| it == thing) {
            if acting.from < before.to {
                let fault: &Fault = &before.step.fault;
                let message = format!(
                    "`{}` begins while `{fault}` still acts on {thing}",
                    acting.step.fault.kind()
                );
                let help = "Let one end before the next begins.";
                lint.report(acting.item, &acting.path("at"), codes::OVERLAP, message, help);
            }
            if acting.to <= before.to {
                continue;
            }
        }
        latest = Some((thing, acting));
    }
}
