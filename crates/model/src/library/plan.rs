//! From a drill, or from a load test by itself, to its plan.

use evenkeel_units::{Moment, Seed};

use super::{Acting, Cast, Library, merge};
use crate::Diagnostic;
use crate::decode::codes;
use crate::document::{
    AllowFaults, LoadTest, RegressionLimits, Safety, Selector, Service, Shape, Target,
};
use crate::plan::{Plan, PlannedFault, PlannedPhase};
use crate::yaml::{Place, Source};

/// What a drill will do.
pub(super) fn plan(library: &Library, drill: &str, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
    let Some(cast) = Cast::of(library, drill) else {
        return Err(vec![no_such(library, "Drill", &library.drills(), drill)]);
    };
    let findings = crate::lint::lint_drill(library, &cast);
    let errors: Vec<_> = findings.into_iter().filter(Diagnostic::is_error).collect();
    match (cast.service, cast.load) {
        (Some(service), Some((_, load))) if errors.is_empty() => {
            let url = load.url.clone().or_else(|| {
                let named = load.service.as_deref().and_then(|it| library.service(it));
                named.and_then(|it| it.url.clone()).or_else(|| service.url.clone())
            });
            Ok(Plan {
                drill: cast.drill.name.clone(),
                description: cast.drill.description.clone(),
                hypothesis: cast.drill.hypothesis.clone(),
                service: service.clone(),
                objectives: cast.objectives.iter().map(|(_, it)| it.of_requests()).collect(),
                load: Some(LoadTest { url, ..load.clone() }),
                phases: phases(&cast),
                faults: planned_faults(cast.faults.clone(), &cast.drill.service),
                steady_state: merge::steady_state(&cast),
                safety: cast.safety(),
                success: merge::success(&cast),
                regression: cast.drill.regression,
                seed,
                schedule: None,
                monkey: None,
            })
        }
        _ if errors.is_empty() => Err(vec![library.finding(
            cast.item,
            "",
            codes::MISSING,
            "what the drill refers to has mistakes of its own",
            "Mend those first.",
        )]),
        _ => Err(errors),
    }
}

/// What a load test will do by itself.
pub(super) fn of_load(library: &Library, name: &str, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
    let found = library.get("LoadTest", name).zip(library.load_test(name));
    let Some((item, load)) = found else {
        return Err(vec![no_such(library, "LoadTest", &library.load_tests(), name)]);
    };
    let errors: Vec<_> = crate::lint::lint_load(library, item, load);
    let errors: Vec<_> = errors.into_iter().filter(Diagnostic::is_error).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let service = load.service.as_deref().and_then(|it| library.service(it));
    let url = load.url.clone().or_else(|| service.and_then(|it| it.url.clone()));
    let plan = plan_of_load(LoadTest { url: url.clone(), ..load.clone() }, seed);
    let service = service.map(|it| Service {
        url,
        allow_faults: AllowFaults::None,
        min_release: None,
        ..it.clone()
    });
    Ok(match service {
        Some(service) => Plan { service, ..plan },
        None => plan,
    })
}

/// The plan of a load that is sent by itself, with the parts of its shape for phases.
pub fn plan_of_load(load: LoadTest, seed: Seed) -> Plan {
    let mut end = Moment::at(std::time::Duration::ZERO);
    let parts = load.shape.as_ref().map(Shape::parts).unwrap_or_default();
    let phases = parts.into_iter().map(|(name, role, shape)| {
        let from = end;
        end = Moment::at(from.elapsed().saturating_add(shape.length()));
        PlannedPhase { name, role, shape: Some(shape), from, to: end }
    });
    Plan {
        drill: load.name.clone(),
        description: load.description.clone(),
        hypothesis: None,
        service: Service {
            url: load.url.clone(),
            ..unwritten(load.service.as_ref().unwrap_or(&load.name), AllowFaults::None)
        },
        objectives: Vec::new(),
        phases: phases.collect(),
        faults: Vec::new(),
        steady_state: Vec::new(),
        safety: Safety::default(),
        success: load.success.clone(),
        regression: RegressionLimits::default(),
        seed,
        schedule: None,
        monkey: None,
        load: Some(load),
    }
}

pub(super) fn no_such(library: &Library, kind: &str, names: &[&str], name: &str) -> Diagnostic {
    let help = match (crate::decode::nearest(name, names.iter().copied()), names) {
        (Some(nearest), _) => format!("Did you mean `{nearest}`?"),
        (None, []) => format!("There is no {kind} in the files given."),
        (None, _) => format!("There are {}.", names.join(", ")),
    };
    let file = library.sources.first().map_or("-", Source::name);
    let message = format!("there is no {kind} called `{name}`");
    let code = codes::MISSING;
    Source::new(file, String::new()).diagnostic(code, Place::default(), message, help)
}

/// A service that no document describes.
pub(super) fn unwritten(name: &str, allow_faults: AllowFaults) -> Service {
    Service {
        name: name.to_owned(),
        description: None,
        url: None,
        start: None,
        instances: Vec::new(),
        dependencies: Vec::new(),
        allow_faults,
        min_release: None,
    }
}

fn phases(cast: &Cast<'_>) -> Vec<PlannedPhase> {
    let times = cast.times.iter().zip(cast.times.iter().skip(1));
    let planned = cast.phases.iter().zip(times).map(|(phase, (from, to))| PlannedPhase {
        name: phase.name.clone(),
        role: phase.role,
        shape: Some(phase.shape.clone()),
        from: Moment::at(*from),
        to: Moment::at(*to),
    });
    planned.collect()
}

/// Faults in order of time, each with a label of its own; targets that name no service are of `service`.
pub(super) fn planned_faults(mut acting: Vec<Acting<'_>>, service: &str) -> Vec<PlannedFault> {
    acting.sort_by_key(|it| (it.from, it.to));
    let mut planned: Vec<PlannedFault> = Vec::with_capacity(acting.len());
    for it in acting {
        let plain = match &it.step.target {
            Some(target) => format!("{} · {}", it.step.fault, target.select),
            None => it.step.fault.to_string(),
        };
        let numbered = (2..).map(|n| format!("{plain} ({n})"));
        let mut free = std::iter::once(plain.clone()).chain(numbered);
        let label = free.find(|label| !planned.iter().any(|it| it.label == *label));
        planned.push(PlannedFault {
            label: label.unwrap_or_default(),
            experiment: it.experiment.name.clone(),
            fault: it.step.fault.clone(),
            target: it.step.target.as_ref().map(|target| resolved(target, service)),
            from: Moment::at(it.from),
            to: Moment::at(it.to),
        });
    }
    planned
}

/// The target with its service said.
fn resolved(target: &Target, usual: &str) -> Target {
    let mut target = target.clone();
    if let Selector::Instances(parts) | Selector::Dependency(parts) = &mut target.select {
        parts.service.get_or_insert_with(|| usual.to_owned());
    }
    target
}
