//! What a `GameDay` is made of.

use super::safety::questions;
use super::{chaos, given};
use crate::decode::codec::{Any, Forms, List, Mapped, Object, OneKey};
use crate::decode::fields::{Fields, Given};
use crate::decode::values::{day_time, name, prose};
use crate::document::{
    ChaosExperiment, Document, GameDay, GameDayScenario as Scenario, Participant, Planned,
    Prerequisite, Probe,
};

pub(super) const SPEC: Object<GameDay> = Object { title: "GameDay", fields: game_day };

/// What is run, of which the experiment may stand inline.
struct Draft {
    steps: Vec<String>,
    experiment: Option<Given<ChaosExperiment>>,
    drill: Option<String>,
}

fn game_day(f: &mut Fields<'_>) -> Option<GameDay> {
    let title = f.optional("title", "For people: what it is called in sentences.", prose());
    let objective = f.optional("objective", "What shall be learned.", prose());
    let sentence = "Who takes part: names, or names with roles.";
    let participants = f.or_empty("participants", sentence, List { of: participant(), min: 0 });
    let sentence =
        "What has to be so before anything is broken: sentences that somebody confirms, or probes.";
    let prerequisites = f.or_empty("prerequisites", sentence, List { of: prerequisite(), min: 0 });
    let sentence = "What happens, and what is run for it.";
    let object = Object { title: "GameDayScenario", fields: scenario };
    let scenario = f.required("scenario", sentence, object);
    let sentence =
        "What has to hold and people judge. Figures belong to `success` of the experiment.";
    let success = f.or_empty("success", sentence, List { of: prose(), min: 0 });
    let sentence = "What is planned when, in order.";
    let planned = Object { title: "Planned", fields: planned };
    let timeline = f.or_empty("timeline", sentence, List { of: planned, min: 0 });
    let sentence = "IANA name of the zone of these times.";
    let time_zone = f.default("timeZone", sentence, prose(), "UTC");

    let Draft { steps, experiment, drill } = scenario?;
    let runs = match (experiment, drill) {
        (Some(experiment), _) => Scenario::Experiment(f.adopt(experiment, "experiment", inline)),
        (None, Some(drill)) => Scenario::Drill(drill),
        (None, None) => return None,
    };
    Some(GameDay {
        name: String::new(),
        title,
        objective,
        participants: participants?,
        prerequisites: prerequisites?,
        steps,
        runs,
        success: success?,
        timeline: timeline?,
        time_zone: time_zone?,
    })
}

fn inline(name: String, it: ChaosExperiment) -> Document {
    Document::ChaosExperiment(ChaosExperiment { name, ..it })
}

fn scenario(f: &mut Fields<'_>) -> Option<Draft> {
    let steps = f.or_empty("steps", "For people.", List { of: prose(), min: 0 });
    let sentence = "The experiment: the name of a ChaosExperiment, or its spec.";
    let experiment = f.optional("experiment", sentence, given(chaos::SPEC));
    let drill = f.optional("drill", "The drill: the name of a Drill.", name());
    f.exactly_one(&["experiment", "drill"]);
    Some(Draft { steps: steps?, experiment, drill })
}

fn participant() -> Forms<Participant> {
    let named: Any<Participant> =
        Box::new(Mapped { of: prose(), into: |name| Participant { name, role: None } });
    Forms {
        expected: "a name, or a name with a role",
        scalar: Some(named),
        list: None,
        map: Some(Box::new(Object { title: "Participant", fields: with_role })),
    }
}

fn with_role(f: &mut Fields<'_>) -> Option<Participant> {
    let name = f.required("name", "A person or a team.", prose());
    let role = f.optional("role", "What they do.", prose());
    Some(Participant { name: name?, role })
}

fn prerequisite() -> Forms<Prerequisite> {
    let probes: OneKey<Probe> = OneKey { expected: "a probe", kinds: questions() };
    Forms {
        expected: "a sentence, or a probe such as `http: {url: …}`",
        scalar: Some(Box::new(Mapped { of: prose(), into: Prerequisite::Text })),
        list: None,
        map: Some(Box::new(Mapped { of: probes, into: |it| Prerequisite::Probe(it.kind) })),
    }
}

fn planned(f: &mut Fields<'_>) -> Option<Planned> {
    let at = f.required("at", "When it begins, such as `09:45`.", day_time());
    let until = f.optional("until", "When it ends, if it takes time.", day_time());
    let what = f.required("what", "What is done then.", prose());
    Some(Planned { at: at?, until, what: what? })
}
