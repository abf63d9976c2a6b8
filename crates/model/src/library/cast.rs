//! Cast: a drill and who takes part in it, as far as the library knows them.

use std::time::Duration;

use super::{Item, Library};
use crate::document::{
    ChaosExperiment, Document, Drill, LoadTest, Phase, Role, Safety, Selector, Service, Slo, Step,
    Target,
};

/// A drill with what it refers to. What is missing or broken is left out, and reported elsewhere.
pub(crate) struct Cast<'a> {
    pub(crate) item: &'a Item,
    pub(crate) drill: &'a Drill,
    pub(crate) service: Option<&'a Service>,
    /// With their places in the list of the drill.
    pub(crate) objectives: Vec<(usize, &'a Slo)>,
    pub(crate) load: Option<(&'a Item, &'a LoadTest)>,
    /// Those of the drill, or the one that the shape of the load makes.
    pub(crate) phases: Vec<Phase>,
    /// When each phase begins, and the end of the last.
    pub(crate) times: Vec<Duration>,
    /// The experiments, each once.
    pub(crate) experiments: Vec<(&'a Item, &'a ChaosExperiment)>,
    /// The faults, in the order of phases.
    pub(crate) faults: Vec<Acting<'a>>,
    /// Whether there are more faults than these, and so too many.
    pub(crate) is_cut: bool,
}

/// How many faults a drill may have: experiments that are named over and over multiply.
pub(crate) const MAX_FAULTS: usize = 1_000;

/// A fault in a phase of a drill.
#[derive(Copy, Clone)]
pub(crate) struct Acting<'a> {
    pub(crate) item: &'a Item,
    pub(crate) experiment: &'a ChaosExperiment,
    pub(crate) step: &'a Step,
    /// Its place in the method of its experiment.
    pub(crate) number: usize,
    /// Its phase.
    pub(crate) phase: usize,
    /// After the start of the load.
    pub(crate) from: Duration,
    /// Likewise; one-shot faults last to the end of their phase.
    pub(crate) to: Duration,
}

impl<'a> Acting<'a> {
    /// The faults of an experiment in a phase that lasts from `begin` to `end`.
    pub(crate) fn of(
        item: &'a Item,
        experiment: &'a ChaosExperiment,
        phase: usize,
        begin: Duration,
        end: Duration,
    ) -> impl Iterator<Item = Self> {
        experiment.method.iter().enumerate().map(move |(number, step)| {
            let from = begin.saturating_add(step.at);
            let to = step.duration.map_or(end, |it| from.saturating_add(it));
            Acting { item, experiment, step, number, phase, from, to }
        })
    }

    /// Where a field of the fault stands in its document.
    pub(crate) fn path(&self, field: &str) -> String {
        step_path(self.item, self.number, self.step, field)
    }

    /// The link it acts on.
    pub(crate) fn link(&self) -> Option<&str> {
        match self.step.target.as_ref().map(|it| &it.select) {
            Some(Selector::Dependency(it)) => Some(&it.pattern),
            _ => None,
        }
    }
}

/// Where a field of a step stands; the step itself when it has no such field.
pub(crate) fn step_path(item: &Item, number: usize, step: &Step, field: &str) -> String {
    let whole = format!("method/{number}");
    let kind = format!("{whole}/{}", step.fault.kind());
    let exact = format!("{kind}/{field}");
    [exact, kind].into_iter().find(|it| item.spec().at(it).is_some()).unwrap_or(whole)
}

impl<'a> Cast<'a> {
    /// Of one drill; `None` when there is none of that name.
    pub(crate) fn of(library: &'a Library, drill: &str) -> Option<Self> {
        let item = library.get("Drill", drill)?;
        let Document::Drill(drill) = item.document() else { return None };
        let load = library.get("LoadTest", &drill.load).and_then(|item| match item.document() {
            Document::LoadTest(it) => Some((item, it.as_ref())),
            _ => None,
        });
        let objectives = drill.objectives.iter().enumerate();
        let objectives = objectives.filter_map(|(n, it)| Some((n, library.slo(it)?))).collect();
        let phases = phases(drill, load.map(|(_, it)| it));
        let mut times = vec![Duration::ZERO];
        let mut end = Duration::ZERO;
        for phase in &phases {
            end = end.saturating_add(phase.shape.length());
            times.push(end);
        }
        let mut experiments: Vec<(&Item, &ChaosExperiment)> = Vec::new();
        let mut faults: Vec<Acting<'_>> = Vec::new();
        let mut is_cut = false;
        for (n, phase) in phases.iter().enumerate() {
            let span = (times.get(n).copied(), times.get(n + 1).copied());
            let (Some(begin), Some(end)) = span else { continue };
            for name in &phase.chaos {
                if is_cut {
                    break;
                }
                let Some(item) = library.get("ChaosExperiment", name) else { continue };
                let Document::ChaosExperiment(experiment) = item.document() else { continue };
                if !experiments.iter().any(|(_, it)| it.name == experiment.name) {
                    experiments.push((item, experiment));
                }
                faults.extend(Acting::of(item, experiment, n, begin, end));
                is_cut = faults.len() > MAX_FAULTS;
            }
        }
        let service = library.service(&drill.service);
        Some(Self {
            item,
            drill,
            service,
            objectives,
            load,
            phases,
            times,
            experiments,
            faults,
            is_cut,
        })
    }

    /// How long load is sent.
    pub(crate) fn length(&self) -> Duration {
        self.times.last().copied().unwrap_or_default()
    }

    /// The strictest of all limits.
    pub(crate) fn safety(&self) -> Safety {
        super::merge::safety(self)
    }

    /// Arrivals that are planned and judged, each one request; `None` when a phase is of the closed model,
    /// or an arrival goes through a scenario.
    pub(crate) fn arrivals(&self) -> Option<f64> {
        if self.load.is_some_and(|(_, it)| !it.scenarios.is_empty()) {
            return None;
        }
        let judged = self.phases.iter().filter(|it| it.role != Role::Warmup);
        judged.map(|it| it.shape.due(it.shape.length())).sum()
    }

    /// The service of a target, by name.
    pub(crate) fn service_of<'t>(&'t self, target: &'t Target) -> Option<&'t str> {
        let parts = target.select.parts()?;
        Some(parts.service.as_deref().unwrap_or(&self.drill.service))
    }
}

fn phases(drill: &Drill, load: Option<&LoadTest>) -> Vec<Phase> {
    if !drill.phases.is_empty() {
        return drill.phases.clone();
    }
    let shape = load.and_then(|it| it.shape.clone());
    let name = Role::Load.name().to_owned();
    let phase = shape.map(|shape| Phase { name, role: Role::Load, shape, chaos: Vec::new() });
    phase.into_iter().collect()
}
