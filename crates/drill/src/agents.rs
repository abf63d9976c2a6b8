//! Agents: where several machines sent the load, did each part of it have somebody who sent it?
//!
//! The share of one that was lost was not sent from then on, so that no figure is one of the load that was planned: the
//! run has failed. Where others took it over, as it was asked for, the load was sent but for what was due in between;
//! whether that was too much is for *planned load reached* to say. Either way whoever was lost is named.

use evenkeel_model::outcome::{Check, CheckKind, CheckResult};

use crate::run::{HandedOn, LostAgent, Run};

/// Machines that were lost, and what became of their shares, in words.
pub(crate) fn lost(run: &Run) -> String {
    let one = |it: &LostAgent| {
        let lost = format!("{} after {} s: {}", it.agent, it.second, it.reason);
        match &it.handed_on {
            None => lost,
            Some(HandedOn { by, from, missed }) => format!(
                "{lost}, its share was sent by {} from {:.1} s on, and {missed} arrivals by nobody",
                by.join(", "),
                from.as_secs_f64()
            ),
        }
    };
    run.lost.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Whether each share had somebody who sent it; `None` where this machine sent all of it.
pub(crate) fn stayed(run: &Run) -> Option<Check> {
    let handed_on = run.lost.iter().filter(|it| it.handed_on.is_some()).count();
    let (all, lost) = (run.agents.len(), run.lost.len());
    let sent = all.saturating_sub(lost - handed_on);
    (run.load_began && all > 0).then(|| Check {
        name: match handed_on {
            0 => "all agents stayed".to_owned(),
            _ => "every share had a sender".to_owned(),
        },
        kind: CheckKind::Load,
        phase: None,
        result: if sent == all { CheckResult::Pass } else { CheckResult::Fail },
        limit: format!("{all} of {all}"),
        measured: format!("{sent} of {all}"),
        baseline: String::new(),
        margin: match run.lost.is_empty() {
            true => String::new(),
            false => format!("lost: {}", self::lost(run)),
        },
        measured_value: Some(sent as f64),
        limit_value: Some(all as f64),
    })
}

#[cfg(test)]
mod tests {
    use crate::sample::{at, frame_at, plan, play};
    use evenkeel_model::outcome::{Check, Ending, Verdict};
    use evenkeel_model::{Entry, Event};

    /// A run of two agents, in which something comes before the end of the load.
    fn judged(more: &[Event]) -> (Verdict, Check) {
        let world = |second, _: &[bool]| frame_at(second, 12, 100, 0);
        let mut entries = play(plan(), &world, |_| None);
        let place = |entries: &[Entry], of: fn(&Event) -> bool| {
            let found = entries.iter().position(|it| of(&it.event)).unwrap();
            (found, entries[found].at)
        };
        let (begins, at) = place(&entries, |it| *it == Event::LoadStarted);
        let joined = ["a:7070", "b:7070"].map(|it| Event::AgentJoined {
            agent: it.to_owned(),
            name: "it".to_owned(),
            round_trip_seconds: 0.0,
        });
        entries.splice(begins..begins, joined.map(|event| Entry { at, event }));
        let (ends, at) = place(&entries, |it| matches!(it, Event::LoadEnded { .. }));
        entries.splice(ends..ends, more.iter().cloned().map(|event| Entry { at, event }));
        let outcome = crate::sample::judged(&entries);
        let of_agents = |it: &&Check| it.limit == "2 of 2";
        let check = outcome.checks.iter().find(of_agents).cloned();
        (outcome.verdict, check.unwrap())
    }

    /// A second of an agent whose thread was busy for so long, and sent a request so late.
    fn second(agent: &str, second: u64, busy_micros: u64, late_micros: u64) -> Event {
        let mut frame = frame_at(second, 12, 50, 0);
        (frame.series, frame.cpu_micros, frame.threads) = (Vec::new(), busy_micros, 1);
        frame.lag_micros.micros = vec![(40, 45), (late_micros, 5)];
        Event::AgentSecond { agent: agent.to_owned(), frame }
    }

    #[test]
    fn an_agent_that_did_not_keep_up_is_named_though_the_sum_shows_nothing() {
        let run = |busy, late| {
            let both = |at| [second("a:7070", at, 300_000, 50), second("b:7070", at, busy, late)];
            judged(&(0..40).flat_map(both).collect::<Vec<_>>()).0
        };
        assert_eq!(run(300_000, 50).result, Ending::Pass);
        let verdict = run(990_000, 50_000);
        assert_eq!((verdict.result, verdict.exit_code), (Ending::Inconclusive, 6));
        assert_eq!(verdict.cause, "Generator kept up: 99% of a core in baseline, on b:7070.");
    }

    fn lost() -> Event {
        let (agent, reason) = ("b:7070".to_owned(), "it closed the connection".to_owned());
        Event::AgentLost { agent, second: 4, reason }
    }

    #[test]
    fn an_agent_that_was_lost_fails_the_run_and_is_named() {
        let (verdict, whole) = judged(&[]);
        assert_eq!((verdict.result, &*whole.measured), (Ending::Pass, "2 of 2"));
        let (verdict, check) = judged(&[lost()]);
        assert_eq!((verdict.result, &*check.measured), (Ending::Fail, "1 of 2"));
        assert_eq!(check.margin, "lost: b:7070 after 4 s: it closed the connection");
        let named = check.margin.trim_start_matches("lost: ");
        assert!(verdict.cause.contains(named), "{}", verdict.cause);
    }

    #[test]
    fn a_share_that_was_handed_on_passes_and_says_what_nobody_sent() {
        let (agent, by) = ("b:7070".to_owned(), vec!["a:7070".to_owned()]);
        let handed_on = Event::ShareHandedOn { agent, by, from: at(9), missed: 25 };
        let (verdict, check) = judged(&[lost(), handed_on]);
        assert_eq!((verdict.result, &*check.measured), (Ending::Pass, "2 of 2"));
        assert_eq!(check.name, "every share had a sender");
        let words = "An agent was lost: b:7070 after 4 s: it closed the connection, its share was sent by a:7070 from \
                     9.0 s on, and 25 arrivals by nobody.";
        assert!(verdict.cause.starts_with(words), "{}", verdict.cause);
    }
}
