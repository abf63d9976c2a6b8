//! What a `Drill` is made of.

use super::load::shape;
use super::safety::{SAFETY, probes};
use super::{chaos, given, load, service, slo, words};
use crate::decode::codec::{Integer, List, Object};
use crate::decode::codes;
use crate::decode::fields::{Fields, Given};
use crate::decode::values::condition::conditions;
use crate::decode::values::{length, prose, share, title};
use crate::document::{
    ChaosExperiment, Document, Drill, LoadTest, Phase, RegressionLimits, Role, Service, Shape, Slo,
};

pub(super) const SPEC: Object<Drill> = Object { title: "Drill", fields: drill };

/// A phase whose experiments may stand inline.
struct Draft {
    name: Option<String>,
    role: Role,
    shape: Shape,
    chaos: Vec<Given<ChaosExperiment>>,
}

fn drill(f: &mut Fields<'_>) -> Option<Drill> {
    let description = f.optional("description", "For people.", prose());
    let sentence = "What is believed, and shall be disproved if it is wrong.";
    let hypothesis = f.optional("hypothesis", sentence, prose());
    let sentence = "The service: the name of a Service, or its spec.";
    let service = f.required("service", sentence, given(service::SPEC));
    let sentence = "The promises it is judged by: names of SLOs, or their specs.";
    let objectives = List { of: given(slo::SPEC), min: 0 };
    let objectives = f.or_empty("objectives", sentence, objectives);
    let sentence = "The requests: the name of a LoadTest, or its spec.";
    let load = f.required("load", sentence, given(load::SPEC));
    let sentence = "The longest the drill may take; its phases must fit. Default: the sum of them.";
    let duration = f.optional("duration", sentence, length());
    let sentence =
        "In order. Default: the shape of the load test, as one phase with the role `load`.";
    let phases = List { of: Object { title: "Phase", fields: phase }, min: 0 };
    let phases = f.or_empty("phases", sentence, phases);
    let sentence = "Beside the steady states of the experiments.";
    let steady_state = f.or_empty("steadyState", sentence, probes());
    let sentence = "Beside the safety of the experiments: of two limits, the stricter one holds.";
    let safety = f.or_empty("safety", sentence, SAFETY);
    let sentence = "What must hold, beside the objectives.";
    let success = f.or_empty("success", sentence, conditions());
    let sentence = "How much worse than the stored baseline is a regression.";
    let regression = Object { title: "RegressionLimits", fields: regression };
    let regression = f.or_empty("regression", sentence, regression);
    let reason = "A seed is a whole number below 2^64.";
    let seed = Integer { min: 0, max: u64::MAX, reason };
    let seed = f.optional("seed", "The seed of every random choice.", seed);

    let phases = phases?;
    let names = phase_names(f, &phases);
    Some(Drill {
        name: String::new(),
        description,
        hypothesis,
        service: f.adopt(service?, "service", |name, it| Document::Service(Service { name, ..it })),
        objectives: objectives?
            .into_iter()
            .enumerate()
            .map(|(n, it)| {
                let part = format!("objectives-{}", n + 1);
                f.adopt(it, &part, |name, it| Document::Slo(Box::new(Slo { name, ..it })))
            })
            .collect(),
        load: f
            .adopt(load?, "load", |name, it| Document::LoadTest(Box::new(LoadTest { name, ..it }))),
        duration,
        phases: phases.into_iter().zip(names).map(|(it, name)| adopt_phase(f, it, name)).collect(),
        steady_state: steady_state?,
        safety: safety?,
        success: success?,
        regression: regression?,
        seed,
    })
}

/// The names of the phases. Those that were given must differ; the others get numbers.
fn phase_names(f: &mut Fields<'_>, phases: &[Draft]) -> Vec<String> {
    let given = |name: &str| phases.iter().any(|it| it.name.as_deref() == Some(name));
    let mut names: Vec<String> = Vec::with_capacity(phases.len());
    for (n, phase) in phases.iter().enumerate() {
        let name = match &phase.name {
            Some(name) => {
                if names.contains(name) {
                    let message = format!("two phases are called `{name}`");
                    let help = "Give each a name of its own, so that reports can tell them apart.";
                    f.refuse(&format!("phases/{n}/name"), codes::AMBIGUOUS, message, help);
                }
                name.clone()
            }
            None => {
                let role = phase.role.name();
                let numbered = (2..).map(|number| format!("{role} {number}"));
                let mut free = std::iter::once(role.to_owned()).chain(numbered);
                free.find(|it| !names.contains(it) && !given(it)).unwrap_or_default()
            }
        };
        names.push(name);
    }
    names
}

fn adopt_phase(f: &mut Fields<'_>, draft: Draft, name: String) -> Phase {
    let chaos = draft.chaos.into_iter().enumerate().map(|(n, it)| {
        let part = format!("{name}/chaos-{}", n + 1);
        f.adopt(it, &part, |name, it| Document::ChaosExperiment(ChaosExperiment { name, ..it }))
    });
    let chaos = chaos.collect();
    Phase { name, role: draft.role, shape: draft.shape, chaos }
}

fn phase(f: &mut Fields<'_>) -> Option<Draft> {
    let name = f.optional("name", "Its name in reports. Default: its role.", title());
    let roles = words("the role of a phase", &Role::NAMES);
    let role = f.default("role", "What it is for.", roles, "load");
    let sentence = "How many requests when; its length is the length of the phase.";
    let shape = f.required("shape", sentence, shape());
    let sentence =
        "The experiments that act in this phase: names of ChaosExperiments, or their specs.";
    let chaos = f.or_empty("chaos", sentence, List { of: given(chaos::SPEC), min: 0 });
    Some(Draft { name, role: role?, shape: shape?, chaos: chaos? })
}

fn regression(f: &mut Fields<'_>) -> Option<RegressionLimits> {
    let mean = f.default("mean", "Growth of the mean response time.", share(), "15%");
    let p95 = f.default("p95", "Growth of p95.", share(), "20%");
    let p99 = f.default("p99", "Growth of p99.", share(), "25%");
    let error_rate = f.default("errorRate", "Growth of the error rate.", share(), "50%");
    let throughput = f.default("throughput", "Loss of throughput.", share(), "10%");
    Some(RegressionLimits {
        mean: mean?,
        p95: p95?,
        p99: p99?,
        error_rate: error_rate?,
        throughput: throughput?,
    })
}
