//! Agents: where several machines sent the load, did all of them stay to the end?
//!
//! The share of one that was lost was not sent from then on, so that no figure is one of the load that was planned:
//! the run has failed, and whoever was lost is named.

use evenkeel_model::outcome::{Check, CheckKind, CheckResult};

use crate::run::{LostAgent, Run};

/// Machines that were lost, in words.
pub(crate) fn lost(run: &Run) -> String {
    let one = |it: &LostAgent| format!("{} after {} s: {}", it.agent, it.second, it.reason);
    run.lost.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Whether none was; `None` where this machine sent all of it.
pub(crate) fn stayed(run: &Run) -> Option<Check> {
    let (all, stayed) = (run.agents.len(), run.agents.len().saturating_sub(run.lost.len()));
    (run.load_began && all > 0).then(|| Check {
        name: "all agents stayed".to_owned(),
        kind: CheckKind::Load,
        phase: None,
        result: if stayed == all { CheckResult::Pass } else { CheckResult::Fail },
        limit: format!("{all} of {all}"),
        measured: format!("{stayed} of {all}"),
        baseline: String::new(),
        margin: match run.lost.is_empty() {
            true => String::new(),
            false => format!("lost: {}", lost(run)),
        },
        measured_value: Some(stayed as f64),
        limit_value: Some(all as f64),
    })
}

#[cfg(test)]
mod tests {
    use crate::judge;
    use crate::sample::{frame_at, plan, play};
    use evenkeel_model::outcome::Ending;
    use evenkeel_model::{Entry, Event};

    #[test]
    fn an_agent_that_was_lost_fails_the_run_and_is_named() {
        let agents = ["a:7070", "b:7070"];
        let world = |second, _: &[bool]| frame_at(second, 12, 100, 0);
        let mut entries = play(plan(), &world, |_| None);
        let begins = entries.iter().position(|it| it.event == Event::LoadStarted).unwrap();
        let joined = agents.map(|it| Event::AgentJoined {
            agent: it.to_owned(),
            name: "it".to_owned(),
            round_trip_seconds: 0.0,
        });
        let at = entries[begins].at;
        entries.splice(begins..begins, joined.map(|event| Entry { at, event }));
        let check = |entries: &[Entry]| {
            let outcome = judge(entries, None).unwrap();
            let check = outcome.checks.iter().find(|it| it.name == "all agents stayed").cloned();
            (outcome.verdict, check.unwrap())
        };
        let (verdict, whole) = check(&entries);
        assert_eq!((verdict.result, &*whole.measured), (Ending::Pass, "2 of 2"));
        let ends =
            entries.iter().position(|it| matches!(it.event, Event::LoadEnded { .. })).unwrap();
        let (agent, reason) = (agents[1].to_owned(), "it closed the connection".to_owned());
        let lost = Event::AgentLost { agent, second: 4, reason };
        entries.insert(ends, Entry { at: entries[ends].at, event: lost });
        let (verdict, check) = check(&entries);
        assert_eq!((verdict.result, &*check.measured), (Ending::Fail, "1 of 2"));
        assert_eq!(check.margin, "lost: b:7070 after 4 s: it closed the connection");
        assert!(
            verdict.cause.contains(check.margin.trim_start_matches("lost: ")),
            "{}",
            verdict.cause
        );
    }
}
