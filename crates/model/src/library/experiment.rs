//! From an experiment by itself to its plan: nothing is sent but its probes, and a `Service` is not needed.
//!
//! The service is the one that a target names, or the only one of the files; what its owners allow holds. Without one
//! the document itself is the consent: it names what is hit by number, program or port.

use std::time::Duration;

use evenkeel_units::{Moment, Seed};

use super::plan::{no_such, planned_faults, unwritten};
use super::{Acting, Library};
use crate::Diagnostic;
use crate::document::{
    AllowFaults, ChaosExperiment, RegressionLimits, Role, Service, Target, Threshold,
};
use crate::plan::{Plan, PlannedPhase};

/// What an experiment will do by itself.
pub(super) fn plan(library: &Library, name: &str, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
    let found = library.get("ChaosExperiment", name).zip(library.experiment(name));
    let Some((item, it)) = found else {
        return Err(vec![no_such(library, "ChaosExperiment", &library.experiments(), name)]);
    };
    let mut service = service_of(library, it);
    let ends = it.method.iter().map(|it| it.at.saturating_add(it.duration.unwrap_or_default()));
    let length = ends.max().unwrap_or_default().saturating_add(it.observation());
    let faults: Vec<_> = Acting::of(item, it, 0, Duration::ZERO, length).collect();
    let findings = crate::lint::lint_experiment(library, item, &service, &faults);
    let errors: Vec<_> = findings.into_iter().filter(Diagnostic::is_error).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    if let Some(monkey) = &it.monkey {
        let Service { name, instances, .. } = &mut service;
        instances.retain(|it| monkey.takes_part(name, &it.name, &it.labels));
        // Limits are those of the group that is left.
        let findings = crate::lint::lint_experiment(library, item, &service, &faults);
        let errors: Vec<_> = findings.into_iter().filter(Diagnostic::is_error).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
    }
    let phase = PlannedPhase {
        name: "experiment".to_owned(),
        role: Role::Load,
        shape: None,
        from: Moment::at(Duration::ZERO),
        to: Moment::at(length),
    };
    Ok(Plan {
        drill: it.name.clone(),
        description: it.title.clone().or_else(|| it.description.clone()),
        hypothesis: it.hypothesis.clone(),
        faults: planned_faults(faults, &service.name),
        service,
        objectives: Vec::new(),
        load: None,
        phases: vec![phase],
        steady_state: it.steady_state.iter().cloned().chain(it.safety.questions()).collect(),
        safety: it.safety.clone(),
        success: it.success.iter().map(|it| Threshold::from(*it)).collect(),
        regression: RegressionLimits::default(),
        seed,
        schedule: it.schedule.clone().map(|of| of.in_zone(&it.safety.time_zone)),
        monkey: it.monkey.clone(),
    })
}

/// The service that an experiment is about.
fn service_of(library: &Library, it: &ChaosExperiment) -> Service {
    let targets = || it.method.iter().filter_map(|it| it.target.as_ref());
    let named = targets().find_map(service_named).and_then(|it| library.service(it));
    let alone = || match library.names("Service").collect::<Vec<_>>().as_slice() {
        [only] => library.service(only),
        _ => None,
    };
    let found = named.or_else(alone).cloned();
    found.unwrap_or_else(|| unwritten(&it.name, AllowFaults::All))
}

/// The service that a target names.
pub(crate) fn service_named(target: &Target) -> Option<&str> {
    target.select.parts()?.service.as_deref()
}
