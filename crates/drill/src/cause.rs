//! Cause: the likely reason of a verdict, in one to three sentences.
//!
//! It names what was seen (when bad requests came, and of which kind) and only then what that usually
//! means. It never says more than the figures do.

use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_model::document::Fault;
use evenkeel_model::outcome::{Check, CheckResult, Ending};
use evenkeel_units::Human;

use crate::conductor::Finish;
use crate::guard::Trip;
use crate::objective::counts;
use crate::recovery::Recovery;
use crate::run::Run;
use crate::tally::Tally;

/// Explains how a run ended.
pub(crate) fn cause(
    run: &Run,
    ending: Ending,
    checks: &[Check],
    recoveries: &[Recovery],
) -> String {
    let stopped = match &run.finish {
        None => "The journal stops before the end of the run. What was broken has been mended by the guardian, or is \
                 mended by `evenkeel chaos recover`."
            .to_owned(),
        Some(Finish::Completed) => String::new(),
        Some(Finish::CouldNotRun(reason) | Finish::Refused(reason) | Finish::LoadFailed(reason)) => sentence(reason),
        Some(Finish::Interrupted(signal)) => format!("Stopped by {signal}; everything was mended first."),
        Some(Finish::GuardianLost) => {
            "The guardian process ended. Without it nothing may be broken, so the run was stopped.".to_owned()
        }
        Some(Finish::FaultFailed { fault, error }) => {
            let label = run.plan.faults.get(*fault).map_or("a fault", |it| it.label.as_str());
            format!("{label} could not be brought about: {}", sentence(error))
        }
        Some(Finish::Guard(trip)) => {
            let when = run.tripped_at.map_or(Duration::ZERO, |it| Duration::from_secs(it.elapsed().as_secs()));
            match trip {
                Trip::Condition { guard } => {
                    let condition = run.plan.safety.abort.get(*guard).map(ToString::to_string).unwrap_or_default();
                    format!("The guard `{condition}` stopped the run {} into the load.", Human(when))
                }
                Trip::NoData => format!(
                    "Nothing was heard of any request for five seconds, {} into the load; the run was stopped.",
                    Human(when)
                ),
            }
        }
    };
    let seen = if run.load_began { what_was_seen(run, recoveries) } else { None };
    let unclear =
        checks.iter().find(|it| it.result == CheckResult::Inconclusive && it.phase.is_none());
    match (ending, seen) {
        (Ending::Pass, _) => passed(run, recoveries),
        (Ending::Inconclusive, _) if stopped.is_empty() => {
            unclear.map(|it| format!("{}: {}.", capital(&it.name), it.measured)).unwrap_or_default()
        }
        (_, Some(seen)) => [stopped, seen].join(" ").trim().to_owned(),
        (Ending::Fail, None) => {
            let failed = checks.iter().find(|it| it.result == CheckResult::Fail);
            failed
                .map(|it| {
                    format!(
                        "{}: {} measured, {} asked for.",
                        capital(&it.name),
                        it.measured,
                        it.limit
                    )
                })
                .unwrap_or_default()
        }
        (_, None) => stopped,
    }
}

fn passed(run: &Run, recoveries: &[Recovery]) -> String {
    let began = run.faults.iter().filter(|it| it.from.is_some()).count();
    let shown = recoveries.iter().filter(|it| it.detected_after.is_some()).count();
    let plural = |count: usize| if count == 1 { "fault" } else { "faults" };
    match (began, shown) {
        (0, _) => "Everything held under load.".to_owned(),
        (_, 0) => format!("{began} {} acted, and no user would have noticed.", plural(began)),
        _ => {
            let slowest =
                recoveries.iter().filter_map(|it| it.recovered_after).max().unwrap_or_default();
            format!(
                "{began} {} acted, {shown} of them showed; the slowest recovery took {}.",
                plural(began),
                Human(slowest)
            )
        }
    }
}

/// The fault under which most bad requests came, and what that usually means.
fn what_was_seen(run: &Run, recoveries: &[Recovery]) -> Option<String> {
    let bad_of = |frame: &Frame| -> u64 {
        let of_objectives =
            run.plan.objectives.iter().map(|slo| counts(&run.plan, slo, [frame]).bad()).max();
        of_objectives.unwrap_or_else(|| frame.failed() + frame.missed)
    };
    let all: u64 = run.judged().map(bad_of).sum();
    if all == 0 {
        return None;
    }
    let (fault, bad) = (0..run.faults.len())
        .map(|fault| {
            (fault, run.frames.iter().filter(|it| acts(run, fault, it)).map(bad_of).sum::<u64>())
        })
        .max_by_key(|(_, bad)| *bad)?;
    let share = bad as f64 / all as f64;
    let label = &run.plan.faults[fault].label;
    if share < 0.25 {
        return Some(format!(
            "{all} requests were bad, {:.0}% of them while no fault acted: the load alone is too much.",
            100.0 * undisturbed_share(run, &bad_of, all)
        ));
    }
    let mut text = format!("{:.0}% of {all} bad requests came under {label}", share * 100.0);
    if let Some(detected) = recoveries.get(fault).and_then(|it| it.detected_after) {
        text.push_str(&format!(
            ", first seen {} after it began",
            Human(Duration::from_secs(detected.as_secs().max(1)))
        ));
    }
    text.push('.');
    if let Some(meaning) = meaning(run, fault) {
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

fn undisturbed_share(run: &Run, bad_of: &impl Fn(&Frame) -> u64, all: u64) -> f64 {
    let calm: u64 = run.judged().filter(|it| !run.is_disturbed(it.second)).map(bad_of).sum();
    calm as f64 / all as f64
}

/// What bad requests under a fault usually mean.
fn meaning(run: &Run, fault: usize) -> Option<String> {
    let planned = &run.plan.faults[fault];
    let name = planned.target.as_ref().map(|it| it.select.to_string()).unwrap_or_default();
    let calm = Tally::of(run.undisturbed());
    let under = Tally::of(run.frames.iter().filter(|it| acts(run, fault, it)));
    let slower = under
        .good_times()
        .quantile(0.99)
        .zip(calm.good_times().quantile(0.99))
        .map(|(now, then)| now.saturating_sub(then));
    Some(match planned.fault {
        Fault::Latency { delay, .. } if slower.is_some_and(|it| it >= delay.mul_f64(0.7)) => {
            format!(
                "Likely cause: no timeout on the call to {name}; p99 grew by {}, and the fault added {}.",
                Human(slower.unwrap_or_default()),
                Human(delay)
            )
        }
        Fault::BlackHole => format!("Likely cause: no timeout on the call to {name}, which hung."),
        Fault::Latency { .. } | Fault::Bandwidth { .. } => {
            format!("Likely cause: users wait for {name}, though not for all of the delay.")
        }
        Fault::Refuse | Fault::Reset | Fault::HttpErrors { .. } => {
            format!(
                "Likely cause: an error of {name} becomes an error for users: no retry, no fallback."
            )
        }
        Fault::Kill | Fault::Restart => {
            format!(
                "Likely cause: requests kept going to {name} while it was down: nothing took it out of rotation."
            )
        }
        Fault::Pause => {
            format!("Likely cause: requests kept waiting for {name} while it stood still.")
        }
        Fault::Cpu { .. } | Fault::Memory { .. } => return None,
    })
}

fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
