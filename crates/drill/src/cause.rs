//! Cause: the likely reason of a verdict, in one to three sentences.
//!
//! It names what was seen (when bad requests came, and of which kind) and only then what that usually
//! means. It never says more than the figures do.

use std::time::Duration;

use evenkeel_model::document::Fault;
use evenkeel_model::outcome::{Check, CheckResult, Ending};
use evenkeel_model::{Answer, Frame};
use evenkeel_units::Human;

use crate::agents;
use crate::conductor::Finish;
use crate::guard::Trip;
use crate::objective::counts;
use crate::recovery::Recovery;
use crate::run::Run;
use crate::tally::Tally;

/// A p99 that grew by so much is of calls that hung.
const HANGS: Duration = Duration::from_secs(1);

/// Explains how a run ended.
pub(crate) fn cause(
    run: &Run,
    ending: Ending,
    checks: &[Check],
    recoveries: &[Recovery],
) -> String {
    let (noun, course, asked) = (run.plan.noun(), run.plan.course(), run.plan.asked());
    let stopped = match &run.finish {
        None => "The journal stops before the end of the run. What was broken has been mended by the guardian, or is \
                 mended by `evenkeel chaos recover`."
            .to_owned(),
        Some(Finish::Completed) => String::new(),
        Some(Finish::CouldNotRun(reason) | Finish::Refused(reason) | Finish::LoadFailed(reason)) => sentence(reason),
        Some(Finish::Interrupted(signal)) => match left_behind(run) {
            None if run.faults.iter().all(|it| it.from.is_none()) => {
                format!("Stopped by {signal}; nothing had been broken.")
            }
            None => format!("Stopped by {signal}; everything was mended first."),
            Some(_) => format!("Stopped by {signal}."),
        },
        Some(Finish::GuardianLost) => {
            "The guardian process ended. Without it nothing may be broken, so the run was stopped.".to_owned()
        }
        Some(Finish::FaultFailed { fault, error }) => {
            let label = run.plan.faults.get(*fault).map_or("a fault", |it| it.label.as_str());
            format!("{label} could not be brought about: {}", sentence(error))
        }
        Some(Finish::NotTakenBack { fault, error }) => {
            let label = run.plan.faults.get(*fault).map_or("a fault", |it| it.label.as_str());
            format!("{label} could not be taken back, so nothing more was broken: {}", sentence(error))
        }
        Some(Finish::Guard(trip)) => {
            let when = run.tripped_at.map_or(Duration::ZERO, |it| Duration::from_secs(it.elapsed().as_secs()));
            let what = if course == "run" { "it" } else { "the run" };
            match trip {
                Trip::Condition { guard } => {
                    let condition = run.plan.safety.abort.get(*guard).map(ToString::to_string).unwrap_or_default();
                    format!("The guard `{condition}` stopped {what} {} into the {course}.", Human(when))
                }
                Trip::NoData => format!(
                    "Nothing was heard of any {asked} for five seconds, {} into the {course}; the run was stopped.",
                    Human(when)
                ),
            }
        }
    };
    let ended = run.service_ended.as_ref().map_or(String::new(), |(at, how)| {
        let at = Human(Duration::from_secs(at.elapsed().as_secs()));
        format!("The service that the {noun} had started ended {at} into the {course} ({how}).")
    });
    let lost = match run.lost.len() {
        0 => String::new(),
        1 => format!("An agent was lost: {}.", agents::lost(run)),
        count => format!("{count} agents were lost: {}.", agents::lost(run)),
    };
    let stopped = [lost.as_str(), &ended, &stopped].join(" ").trim().to_owned();
    let seen = if run.load_began { what_was_seen(run, recoveries) } else { None };
    let unclear =
        checks.iter().find(|it| it.result == CheckResult::Inconclusive && it.phase.is_none());
    let left = left_behind(run).unwrap_or_default();
    let text = match (ending, seen) {
        (Ending::Pass, _) => [lost, passed(run, recoveries)].join(" "),
        (Ending::Inconclusive, _) if stopped.is_empty() => {
            unclear.map(|it| format!("{}: {}.", capital(&it.name), it.measured)).unwrap_or_default()
        }
        (_, Some(seen)) => [stopped, seen].join(" "),
        (Ending::Fail, None) => {
            let failed = checks.iter().find(|it| it.result == CheckResult::Fail);
            let asked = |it: &Check| {
                format!("{}: {} measured, {} asked for.", capital(&it.name), it.measured, it.limit)
            };
            [stopped, failed.map(asked).unwrap_or_default()].join(" ")
        }
        (_, None) => stopped,
    };
    format!("{left} {}", text.trim()).trim().to_owned()
}

/// What is still broken: it comes before anything else.
fn left_behind(run: &Run) -> Option<String> {
    let planned = run.plan.faults.iter().zip(&run.faults);
    let faults = planned.filter(|(_, it)| it.left_behind).map(|(it, _)| it.label.as_str());
    let left: Vec<_> = faults.chain(run.not_mended.as_deref()).collect();
    // Of a run that was cut off nobody knows what the guardian has done since.
    (!left.is_empty() && run.finish.is_some())
        .then(|| format!("Left behind: {}; `evenkeel chaos recover` mends it.", left.join(", ")))
}

fn passed(run: &Run, recoveries: &[Recovery]) -> String {
    let began = run.faults.iter().filter(|it| it.from.is_some()).count();
    let shown: Vec<_> = recoveries.iter().filter(|it| it.detected_after.is_some()).collect();
    let asked = run.plan.asked();
    let faults = if began == 1 { "fault" } else { "faults" };
    let totals = run.judged_tally();
    let bad = totals.total() - totals.good();
    let slowest = shown.iter().map(|it| it.recovered_after).max();
    let never = shown.iter().any(|it| it.recovered_after.is_none());
    match (began, slowest) {
        (0, _) => format!("Everything held under {}.", run.plan.course()),
        (_, None) if totals.total() == 0 => {
            format!("{began} {faults} acted; how the service took it nobody asked.")
        }
        (_, None) if bad == 0 => format!("{began} {faults} acted, and no {asked} failed."),
        (_, None) => {
            format!(
                "{began} {faults} acted, and none of them showed: {bad} of {} {asked}s failed.",
                totals.total()
            )
        }
        (_, Some(_)) if never => format!(
            "{began} {faults} acted, {} of them showed; from one the service was not seen to recover.",
            shown.len()
        ),
        (_, Some(slowest)) => format!(
            "{began} {faults} acted, {} of them showed; the slowest recovery took {}.",
            shown.len(),
            Human(slowest.unwrap_or_default())
        ),
    }
}

/// The fault under which most bad requests came, and what that usually means.
fn what_was_seen(run: &Run, recoveries: &[Recovery]) -> Option<String> {
    let bad_of = |frame: &Frame| -> u64 {
        let of_objectives =
            run.plan.objectives.iter().map(|slo| counts(&run.plan, slo, [frame]).bad()).max();
        of_objectives.unwrap_or_else(|| frame.failed() + frame.missed)
    };
    let all: u64 = run.judged().map(|it| bad_of(&it)).sum();
    if all == 0 {
        return None;
    }
    let asked = run.plan.asked();
    let under: Vec<u64> = (0..run.faults.len())
        .map(|fault| run.judged().filter(|it| acts(run, fault, it)).map(|it| bad_of(&it)).sum())
        .collect();
    let (fault, bad) = under.iter().copied().enumerate().max_by_key(|(_, bad)| *bad)?;
    let share = bad as f64 / all as f64;
    let label = &run.plan.faults[fault].label;
    if share < 0.25 {
        let any = |frame: &Frame| (0..run.faults.len()).any(|fault| acts(run, fault, frame));
        let calm: u64 = run.judged().filter(|it| !any(it)).map(|it| bad_of(&it)).sum();
        let calm = calm as f64 / all as f64;
        let text =
            format!("{all} {asked}s were bad, {:.0}% of them while no fault acted", calm * 100.0);
        return Some(match calm >= 0.5 {
            true if run.plan.load.is_none() => format!("{text}."),
            true => format!("{text}: the load alone is too much."),
            false => format!("{text} and {:.0}% under {label}.", share * 100.0),
        });
    }
    // Faults that act together cannot be told apart by what came under them.
    let alike = |other: usize| {
        under[other] as f64 >= 0.9 * bad as f64 && (bad + under[other]) as f64 > 1.1 * all as f64
    };
    let together: Vec<_> = (0..under.len()).filter(|it| *it == fault || alike(*it)).collect();
    let labels: Vec<_> = together.iter().map(|it| run.plan.faults[*it].label.as_str()).collect();
    let label = labels.join(" and ");
    let (joint, began) = if together.len() > 1 { (" together", "they") } else { ("", "it") };
    let mut text = format!("{:.0}% of {all} bad {asked}s came under {label}{joint}", share * 100.0);
    if let Some(detected) = recoveries.get(fault).and_then(|it| it.detected_after) {
        // To whole seconds, as they are counted, and as reports round them.
        let detected = Duration::from_secs(detected.as_secs_f64().round().max(1.0) as u64);
        text.push_str(&format!(", first seen {} after {began} began", Human(detected)));
    }
    text.push('.');
    // What probes see is too little for more.
    if let Some(meaning) = run.plan.load.as_ref().and_then(|_| meaning(run, &together)) {
        text.push(' ');
        text.push_str(&meaning);
    }
    Some(text)
}

/// Whether a second lies under a fault or in its wake: three seconds, or, for faults that act once, until
/// the service can be expected back.
fn acts(run: &Run, fault: usize, frame: &Frame) -> bool {
    let track = &run.faults[fault];
    let wake = Duration::from_secs(3);
    let second = frame.from();
    let until = match (run.plan.faults[fault].fault.is_one_shot(), track.from, track.to) {
        (true, Some(from), _) => Some(from + wake),
        (_, _, to) => to.map(|it| it + wake),
    };
    track.from.is_some_and(|from| from < second + Duration::from_secs(1))
        && until.is_none_or(|until| second < until)
}

/// What bad requests under a fault usually mean, as far as the figures bear it out.
/// Of faults that acted together, only when they are of one kind.
fn meaning(run: &Run, together: &[usize]) -> Option<String> {
    let fault = *together.first()?;
    let planned = &run.plan.faults[fault];
    let all = together.iter().map(|it| &run.plan.faults[*it]);
    if all.clone().any(|it| it.fault.kind() != planned.fault.kind()) {
        return None;
    }
    let names: Vec<_> = all.filter_map(|it| Some(it.target.as_ref()?.select.to_string())).collect();
    let name = names.join(" or ");
    let calm = Tally::of(run.undisturbed());
    let under = Tally::of(run.judged().filter(|it| acts(run, fault, it)));
    let grown = under
        .good_times()
        .quantile(0.99)
        .zip(calm.good_times().quantile(0.99))
        .map(|(now, then)| now.saturating_sub(then))
        .unwrap_or_default();
    let gave_up = under.errors().get(Answer::Timeout.name()).copied().unwrap_or(0);
    let hung = gave_up * 2 > under.failed() || grown >= HANGS;
    let failed = under.failed() > 0;
    Some(match planned.fault {
        Fault::Latency { delay, .. } if grown >= delay.mul_f64(0.7) => format!(
            "Likely cause: no timeout on the call to {name}; p99 grew by {}, and the fault added {}.",
            Human(grown),
            Human(delay)
        ),
        Fault::BlackHole if hung => {
            format!("Likely cause: no timeout on the call to {name}, which hung.")
        }
        Fault::Latency { .. } | Fault::HttpDelay { .. } | Fault::Bandwidth { .. } if !failed => {
            format!("Likely cause: users wait for {name}, though not for all of the delay.")
        }
        Fault::Refuse
        | Fault::Reset
        | Fault::HttpErrors { .. }
        | Fault::HttpAbort { .. }
        | Fault::HttpDelay { .. }
        | Fault::HttpChange { .. }
        | Fault::Tls { .. }
        | Fault::BlackHole
        | Fault::Latency { .. }
        | Fault::Bandwidth { .. }
            if failed =>
        {
            format!(
                "Likely cause: an error of {name} becomes an error for users: no retry, no fallback."
            )
        }
        Fault::Kill { .. } | Fault::Restart { .. } if failed => format!(
            "Likely cause: requests kept going to {name} while it was down: nothing took it out of rotation."
        ),
        Fault::Pause { .. } if hung => {
            format!("Likely cause: requests kept waiting for {name} while it stood still.")
        }
        _ => return None,
    })
}

fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

/// As a sentence begins; `p95` and `error_rate` are names and stay as they are.
fn capital(text: &str) -> String {
    let first = text.split([' ', ':']).next().unwrap_or_default();
    if first.contains(|c: char| c == '_' || c.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use crate::sample::{World, at, fragile, judged, plan, play};
    use crate::tally::tests::frame;
    use evenkeel_model::Event;

    fn cause_of(plan: evenkeel_model::Plan, world: World<'_>) -> String {
        judged(&play(plan, world, |_| None)).verdict.cause
    }

    #[test]
    fn names_of_figures_begin_a_sentence_as_they_are_written() {
        let begun = ["p95: 4s", "error_rate: 3%", "throughput: 1/s", ""].map(super::capital);
        assert_eq!(begun, ["p95: 4s", "error_rate: 3%", "Throughput: 1/s", ""]);
    }

    #[test]
    fn faults_that_act_together_are_named_together() {
        let mut plan = plan();
        (plan.faults[1].from, plan.faults[1].to) = (at(12), at(20));
        let cause = cause_of(plan, &fragile);
        assert!(cause.contains("payment and refused · inventory"), "{cause}");
        assert!(!cause.contains("Likely cause"), "{cause}");
    }

    #[test]
    fn faults_of_one_kind_that_act_together_have_one_cause_in_either() {
        let mut plan = plan();
        plan.faults[1] = evenkeel_model::plan::PlannedFault {
            fault: plan.faults[0].fault.clone(),
            ..plan.faults[1].clone()
        };
        (plan.faults[1].from, plan.faults[1].to) = (at(12), at(20));
        let cause = cause_of(plan, &fragile);
        assert!(cause.contains("no timeout on the call to payment or inventory"), "{cause}");
    }

    #[test]
    fn many_small_faults_are_not_blamed_on_the_load() {
        let mut plan = plan();
        let one = plan.faults[1].clone();
        plan.faults = (0..6)
            .map(|n| {
                let mut fault = one.clone();
                (fault.from, fault.to) = (at(10 + 5 * n), at(11 + 5 * n));
                fault
            })
            .collect();
        let ill = |second, acting: &[bool]| match acting.contains(&true) {
            true => frame(second, &[12; 20], 80),
            false => frame(second, &[12; 100], 0),
        };
        let cause = cause_of(plan, &ill);
        assert!(cause.contains("0% of them while no fault acted and 17% under"), "{cause}");
    }

    #[test]
    fn what_is_left_behind_is_said_before_anything_else() {
        let signal =
            |second| (second == 14).then(|| Event::Interrupted { signal: "SIGINT".into() });
        let mut journal = play(plan(), &fragile, signal);
        for entry in &mut journal {
            if let Event::FaultEnded { error, .. } = &mut entry.event {
                *error = Some("still there".into());
            }
        }
        let cause = judged(&journal).verdict.cause;
        assert!(cause.starts_with("Left behind: latency +800ms · payment;"), "{cause}");
        assert!(!cause.contains("everything was mended"), "{cause}");
    }
}
