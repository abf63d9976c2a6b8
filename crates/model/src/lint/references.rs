//! References: names of nothing, documents of another service, documents nobody uses.

use std::collections::BTreeSet;

use super::{Lint, few};
use crate::decode::{codes, nearest};
use crate::document::{Document, LoadTest};
use crate::library::{Cast, Item};

/// Reports a name of nothing.
pub(super) fn must_exist(
    lint: &mut Lint<'_>,
    item: &Item,
    path: &str,
    kind: &'static str,
    name: &str,
) {
    let library = lint.library;
    if lint.is_full() || library.get(kind, name).is_some() || library.is_broken(kind, name) {
        return;
    }
    let help = match nearest(name, library.names(kind)) {
        Some(nearest) => format!("Did you mean `{nearest}`?"),
        None => {
            let known: Vec<_> = library.names(kind).collect();
            match known.is_empty() {
                true => format!("There is no {kind} in the files given; add the file that has it."),
                false => format!("There are {}.", few(&known)),
            }
        }
    };
    lint.report(item, path, codes::MISSING, format!("there is no {kind} called `{name}`"), help);
}

/// The services that documents name by themselves. Objectives are about services that nobody need describe, but for a
/// drill; where one is described, a name of another is probably a slip.
pub(super) fn of_document(lint: &mut Lint<'_>, item: &Item) {
    let has = |kind| lint.library.names(kind).next().is_some() || lint.library.has_broken(kind);
    let any = has("Service") || has("Drill");
    let service = match item.document() {
        Document::Slo(it) if any => it.service.as_deref(),
        Document::ErrorBudgetPolicy(it) if any => it.service.as_deref(),
        Document::LoadTest(it) => it.service.as_deref(),
        Document::Service(_)
        | Document::Slo(_)
        | Document::AlertPolicy(_)
        | Document::ErrorBudgetPolicy(_)
        | Document::Sla(_)
        | Document::ChaosExperiment(_)
        | Document::Drill(_)
        | Document::GameDay(_)
        | Document::Resilience(_)
        | Document::LoadBalancer(_)
        | Document::Patroni(_) => None,
    };
    if let Some(service) = service {
        must_exist(lint, item, "service", "Service", service);
    }
}

/// What a drill refers to.
pub(super) fn of_drill(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    let (item, drill) = (cast.item, cast.drill);
    must_exist(lint, item, "service", "Service", &drill.service);
    must_exist(lint, item, "load", "LoadTest", &drill.load);
    for (n, name) in drill.objectives.iter().enumerate() {
        must_exist(lint, item, &format!("objectives/{n}"), "SLO", name);
    }
    for (n, phase) in drill.phases.iter().enumerate() {
        for (m, name) in phase.chaos.iter().enumerate() {
            must_exist(lint, item, &format!("phases/{n}/chaos/{m}"), "ChaosExperiment", name);
        }
    }
    // Nothing is of another service than one that is not there.
    let known = cast.service.is_some() && !item.is_filled("service");
    let library = lint.library;
    let is_there = |it: &str| library.service(it).is_some() || library.is_broken("Service", it);
    let other = |it: &&str| known && *it != drill.service && is_there(it);
    let help = || format!("The drill is about `{}`; name that one, or none.", drill.service);
    for (n, slo) in &cast.objectives {
        if let Some(other) = slo.service.as_deref().filter(other) {
            let message = format!("the objective `{}` is about the service `{other}`", slo.name);
            let path = format!("objectives/{n}");
            lint.report(item, &path, codes::OTHER_SERVICE, message, help());
        }
    }
    if let Some((_, load)) = cast.load {
        if let Some(other) = load.service.as_deref().filter(other) {
            let message = format!("the load goes to the service `{other}`");
            lint.report(item, "load", codes::OTHER_SERVICE, message, help());
        }
        // A service that is missing has been reported; nothing can be said about its URL.
        let has_url = cast.service.is_none_or(|it| it.url.is_some());
        if load.url.is_none() && !has_url {
            let message = format!("nothing says where the requests of `{}` go", load.name);
            let help = "Give the load or the service a `url`, such as `http://127.0.0.1:8080`.";
            lint.report(item, "load", codes::NO_ADDRESS, message, help);
        }
    }
}

/// Requests that have nowhere to go.
pub(super) fn must_go_somewhere(lint: &mut Lint<'_>, item: &Item, load: &LoadTest) {
    let service = load.service.as_deref();
    let known = service.and_then(|it| lint.library.service(it));
    let nowhere = service.is_none() || known.is_some_and(|it| it.url.is_none());
    if load.url.is_none() && nowhere {
        let message = "nothing says where the requests go";
        let help = "Give a `url`, or a `service` that has one.";
        lint.report(item, "service", codes::NO_ADDRESS, message, help);
    }
}

/// Documents that no drill uses, where there are drills; and load tests that have nowhere to go.
pub(super) fn unused(lint: &mut Lint<'_>) {
    let library = lint.library;
    let mut used: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut has_drill = false;
    for item in library.items() {
        if let Document::GameDay(day) = item.document() {
            used.extend([("GameDay", day.name.as_str()), day.runs.document()]);
        }
        let Document::Drill(drill) = item.document() else { continue };
        has_drill = true;
        used.insert(("Drill", &drill.name));
        used.insert(("Service", &drill.service));
        used.insert(("LoadTest", &drill.load));
        used.extend(drill.objectives.iter().map(|it| ("SLO", it.as_str())));
        let chaos = drill.phases.iter().flat_map(|it| &it.chaos);
        used.extend(chaos.map(|it| ("ChaosExperiment", it.as_str())));
    }
    let a_drill_is_broken = library.has_broken("Drill");
    for item in library.items() {
        let document = item.document();
        let (kind, name) = (document.kind(), document.name());
        let service = match document {
            Document::LoadTest(it) => it.service.as_deref(),
            _ => None,
        };
        lint.about([(kind, name)].into_iter().chain(service.map(|it| ("Service", it))));
        if used.contains(&(kind, name)) {
            continue;
        }
        // Where a name of its kind means nothing, this is probably what was meant.
        let meant = used.iter().any(|(of, it)| *of == kind && library.get(of, it).is_none());
        let alone = super::objectives::stands_alone(document);
        if has_drill && !a_drill_is_broken && !meant && !alone {
            let help = "Refer to it from a drill, or remove it.";
            lint.report(
                item,
                "",
                codes::UNUSED,
                format!("no drill uses the {kind} `{name}`"),
                help,
            );
        }
        match document {
            Document::LoadTest(load) => {
                must_go_somewhere(lint, item, load);
                super::load::by_itself(lint, item, load);
            }
            Document::ChaosExperiment(it) if it.safety.abort.is_empty() => {
                super::safety::no_abort(lint, item);
            }
            _ => {}
        }
    }
}
