//! Judge: from what happened in a run to its outcome. A pure function: a journal judged twice, or on another
//! machine, gives the same outcome.

use std::collections::BTreeMap;

use evenkeel_model::Outcome;
use evenkeel_model::document::{ProbeKind, When};
use evenkeel_model::outcome::{
    BudgetFigures, Check, CheckResult, Curve, Ending, FaultFigures, GuardFigures, Heatmap,
    PhaseFigures, ProbeFigures, RouteFigures, SecondFigures, Verdict,
};
use evenkeel_stats::Histogram;
use evenkeel_units::Ratio;

use crate::cause::cause;
use crate::check::{Seen, after, checks, threshold_name, value_text};
use crate::conductor::{Early, Finish};
use crate::frames::Unreadable;
use crate::guard::Guards;
use crate::objective::budget;
use crate::recovery::{Recovery, recoveries};
use crate::regression::regressions;
use crate::run::Run;
use crate::score::score;
use crate::tally::Tally;
use crate::{drift, sending, spike, staircase, stretch, watched};

/// Judges a run. It is compared with the run that its journal names, or with `against` instead.
///
/// # Errors
/// When the seconds of its load cannot be read back.
pub fn judge(run: &Run, against: Option<&Outcome>) -> Result<Outcome, Unreadable> {
    let stored = against.or(run.baseline.as_ref());
    let recoveries = recoveries(run);
    let spikes = spike::stood(run);
    let breakdown = staircase::breakdown(run);
    let seen = Seen { recoveries: &recoveries, spikes: &spikes, breakdown: breakdown.as_ref() };
    let mut outcome = Outcome {
        run: run.head.clone(),
        plan: run.plan.clone(),
        duration: run.duration(),
        verdict: Verdict {
            result: Ending::Pass,
            exit_code: 0,
            headline: String::new(),
            cause: String::new(),
        },
        score: evenkeel_model::outcome::Score::default(),
        checks: checks(run, &seen),
        totals: run.judged_tally().figures(),
        phases: phases(run),
        routes: routes(run),
        transactions: transactions(run),
        sending: sending::figures(&run.frames),
        faults: faults(run, &recoveries),
        breakdown,
        spikes,
        scalability: staircase::scalability(run),
        watches: watched::figures(run),
        budgets: budgets(run),
        steady_state: steady_state(run),
        guards: guards(run),
        seconds: run.frames.iter().map(|it| second(&it)).collect(),
        heatmap: heatmap(run),
        curves: curves(run, stored),
        samples: stretch::samples(run),
        accepted: Vec::new(),
        baseline_run: stored.map(|it| it.run.id.clone()),
        footprint: run.footprint.clone(),
    };
    outcome.checks.extend(watched::checks(&outcome.watches));
    outcome.checks.extend(drift::checks(&run.plan, &outcome.seconds, &outcome.watches));
    if let Some(stored) = stored.filter(|_| run.finish == Some(Finish::Completed)) {
        let more = regressions(&outcome, stored);
        outcome.checks.extend(more);
    }
    outcome.score = score(
        run,
        &outcome.checks,
        &outcome.budgets,
        &recoveries,
        stored.and_then(|it| it.score.value),
    );
    outcome.verdict = verdict(run, &outcome.checks, &recoveries);
    // Failed ones first; a stable sort keeps the order of the sources otherwise.
    outcome.checks.sort_by_key(|it| it.result);
    run.frames.check().map(|()| outcome)
}

fn verdict(run: &Run, checks: &[Check], recoveries: &[Recovery]) -> Verdict {
    let judged: Vec<_> = checks.iter().filter(|it| it.result != CheckResult::Info).collect();
    let count = |result| judged.iter().filter(|it| it.result == result).count();
    let (failed, unclear, all) =
        (count(CheckResult::Fail), count(CheckResult::Inconclusive), judged.len());
    let overrun = judged
        .iter()
        .any(|it| it.name == sending::KEPT_UP && it.result == CheckResult::Inconclusive);
    let stopped = match run.ended_early {
        Some(Early::Threshold(index)) => run.plan.success.get(index),
        _ => None,
    };
    let result = match &run.finish {
        // Figures of a generator that was late are none of the service.
        Some(Finish::Completed) if overrun => Ending::Inconclusive,
        Some(Finish::Completed) if failed > 0 => Ending::Fail,
        Some(Finish::Completed) if unclear > 0 || all == 0 => Ending::Inconclusive,
        Some(Finish::Completed) => Ending::Pass,
        Some(Finish::CouldNotRun(_) | Finish::LoadFailed(_)) => Ending::CouldNotRun,
        Some(Finish::Refused(_)) => Ending::Refused,
        Some(Finish::Guard(_) | Finish::GuardianLost | Finish::NotTakenBack { .. }) => {
            Ending::Aborted
        }
        Some(Finish::Interrupted(_)) => Ending::Interrupted,
        Some(Finish::FaultFailed { .. }) | None => Ending::Inconclusive,
    };
    let (hypothesis, noun) = (run.plan.hypothesis.is_some(), run.plan.noun());
    let headline = match result {
        Ending::Pass if hypothesis => format!("Hypothesis held: all {all} checks passed"),
        Ending::Pass => format!("Passed: all {all} checks held"),
        Ending::Fail if let Some(it) = stopped => {
            format!("Failed: stopped early by {}", in_words(it))
        }
        Ending::Fail if hypothesis => {
            format!("Hypothesis disproved: {failed} of {all} checks failed")
        }
        Ending::Fail => format!("Failed: {failed} of {all} checks"),
        Ending::CouldNotRun => format!("The {noun} could not run"),
        Ending::Aborted if matches!(run.finish, Some(Finish::NotTakenBack { .. })) => {
            "Stopped: a fault could not be taken back".to_owned()
        }
        Ending::Aborted => "Stopped by a safety guard".to_owned(),
        Ending::Refused => format!("Refused: a rule forbids this {noun}"),
        Ending::Inconclusive if run.finish.is_none() => {
            "Inconclusive: the run was cut off".to_owned()
        }
        Ending::Inconclusive if overrun => {
            "Inconclusive: the generator could not keep up".to_owned()
        }
        Ending::Inconclusive if unclear > 0 => {
            format!("Inconclusive: {unclear} of {all} checks could not be judged")
        }
        Ending::Inconclusive => "Inconclusive: nothing could be judged".to_owned(),
        Ending::Interrupted => "Interrupted".to_owned(),
    };
    Verdict {
        result,
        exit_code: result.exit_code(),
        headline,
        cause: cause(run, result, checks, recoveries),
    }
}

/// A threshold that stopped a run, in words.
fn in_words(of: &evenkeel_model::document::Threshold) -> String {
    match (&of.route, &of.phase) {
        (None, None) => of.criterion.to_string(),
        _ => threshold_name(of),
    }
}

fn phases(run: &Run) -> Vec<PhaseFigures> {
    let of_phase = |(index, phase): (usize, &evenkeel_model::plan::PlannedPhase)| PhaseFigures {
        name: phase.name.clone(),
        role: phase.role,
        from: phase.from,
        to: phase.to,
        figures: Tally::of(run.frames_of(index)).figures(),
    };
    run.plan.phases.iter().enumerate().map(of_phase).collect()
}

fn routes(run: &Run) -> Vec<RouteFigures> {
    let of_route = |(index, name): (usize, String)| RouteFigures {
        name,
        figures: Tally::within(run.length()).plus_route(run.judged(), index).figures(),
    };
    run.plan.routes().into_iter().enumerate().map(of_route).collect()
}

fn transactions(run: &Run) -> Vec<RouteFigures> {
    let of_transaction = |(index, name): (usize, &String)| RouteFigures {
        name: name.clone(),
        figures: Tally::within(run.length()).plus_transaction(run.judged(), index).figures(),
    };
    let all = run.plan.load.iter().flat_map(|it| &it.transactions);
    all.enumerate().map(of_transaction).collect()
}

fn faults(run: &Run, recoveries: &[Recovery]) -> Vec<FaultFigures> {
    let planned = run.plan.faults.iter().zip(&run.faults).zip(recoveries);
    planned
        .map(|((planned, track), recovery)| FaultFigures {
            label: planned.label.clone(),
            kind: planned.fault.kind().to_owned(),
            release: track.release,
            targets: track.targets.clone(),
            from: track.from,
            to: if planned.fault.is_one_shot() { track.from } else { track.to },
            evidence: track.evidence.clone(),
            error: track.error.clone(),
            detected_after: recovery.detected_after,
            // Who was stopped has had no time to recover in.
            recovered_after: recovery
                .recovered_after
                .filter(|_| run.finish == Some(Finish::Completed)),
        })
        .collect()
}

fn budgets(run: &Run) -> Vec<BudgetFigures> {
    let of_slo = |slo: &evenkeel_model::document::Slo| {
        let budget = budget(&run.plan, slo, run.judged())?;
        // A promise of everything has no budget: each bad event spends as if one were allowed.
        let none = if budget.objective == Ratio::ONE { budget.counts.bad() as f64 } else { 0.0 };
        let spent = budget.spent().unwrap_or(none);
        Some(BudgetFigures {
            objective: slo.name.clone(),
            target_ratio: budget.objective.get(),
            good: budget.counts.good,
            total: budget.counts.total,
            allowed_bad: budget.allowed_bad(),
            spent_ratio: spent,
            burn_rate: spent,
            window_budget_minutes: budget.of_window(slo.window.length()).as_secs_f64() / 60.0,
            window_spent_minutes: budget.outage(run.judged_tally().time()).as_secs_f64() / 60.0,
            window: slo.window.length(),
        })
    };
    run.plan.objectives.iter().filter_map(of_slo).collect()
}

fn steady_state(run: &Run) -> Vec<ProbeFigures> {
    let of_probe = |(index, probe): (usize, &evenkeel_model::document::Probe)| {
        let answers =
            |when| run.probes.iter().filter(move |it| it.probe == index && it.when == when);
        let last = |when| answers(when).next_back().map(|it| it.held);
        let detail =
            run.probes.iter().rfind(|it| it.probe == index && !it.held).map(|it| it.detail.clone());
        let mut figures = ProbeFigures {
            question: probe.kind.to_string(),
            before: last(When::Before),
            during_asked: answers(When::During).count() as u64,
            during_held: answers(When::During).filter(|it| it.held).count() as u64,
            after: last(When::After),
            detail: detail.unwrap_or_default(),
        };
        if let ProbeKind::Load { criterion } = &probe.kind {
            let holds = |tally: Tally| tally.figure(criterion.metric).map(|it| criterion.holds(it));
            let each: Vec<_> =
                run.frames.iter().filter_map(|frame| holds(Tally::of([frame]))).collect();
            if probe.is_due(When::Before) {
                figures.before = holds(Tally::of(run.undisturbed()));
            }
            if probe.is_due(When::During) {
                figures.during_asked = each.len() as u64;
                figures.during_held = each.iter().filter(|it| **it).count() as u64;
            }
            if probe.is_due(When::After) {
                figures.after = holds(after(run));
            }
        }
        figures
    };
    run.plan.steady_state.iter().enumerate().map(of_probe).collect()
}

fn guards(run: &Run) -> Vec<GuardFigures> {
    let mut guards = Guards::of(&run.plan);
    run.frames.iter().for_each(|frame| {
        guards.on(&frame);
    });
    let tripped = match &run.finish {
        Some(Finish::Guard(crate::guard::Trip::Condition { guard })) => Some(*guard),
        _ => None,
    };
    let of_guard = |(index, guard): (usize, &crate::guard::Guard)| GuardFigures {
        condition: guard.condition.to_string(),
        worst: guard
            .worst
            .map(|it| value_text(guard.condition.metric, Some(it)))
            .unwrap_or_default(),
        tripped_at: run.tripped_at.filter(|_| tripped == Some(index)),
    };
    guards.each().iter().enumerate().map(of_guard).collect()
}

fn second(frame: &evenkeel_model::Frame) -> SecondFigures {
    let tally = Tally::of([frame]);
    let figures = tally.figures();
    SecondFigures {
        second: frame.second,
        planned: frame.planned,
        good: figures.good,
        failed: figures.failed,
        missed: frame.missed,
        in_flight: frame.in_flight,
        mean_seconds: figures.mean_seconds,
        p50_seconds: figures.p50_seconds,
        p95_seconds: figures.p95_seconds,
        p99_seconds: figures.p99_seconds,
    }
}

/// Rows of the heatmap for a factor of ten in time.
const ROWS_A_DECADE: f64 = 12.0;

fn heatmap(run: &Run) -> Heatmap {
    let row = |micros: u64| ((micros.max(1) as f64).log10() * ROWS_A_DECADE).floor() as i64;
    // Those rows of a second that hold anything; which ones there are is known at the end.
    let column = |frame: evenkeel_model::Frame| {
        let mut rows = BTreeMap::new();
        for (micros, count) in frame.series.iter().flat_map(|it| &it.response_micros.micros) {
            *rows.entry(row(*micros)).or_insert(0) += count;
        }
        rows
    };
    let columns: Vec<BTreeMap<i64, u64>> = run.frames.iter().map(column).collect();
    let rows = || columns.iter().flat_map(BTreeMap::keys).copied();
    let (Some(first), Some(last)) = (rows().min(), rows().max()) else {
        return Heatmap::default();
    };
    let edges_seconds =
        (first..=last + 1).map(|it| 10f64.powf(it as f64 / ROWS_A_DECADE) / 1e6).collect();
    let whole = |it: BTreeMap<i64, u64>| {
        (first..=last).map(|row| it.get(&row).copied().unwrap_or(0)).collect()
    };
    Heatmap { edges_seconds, columns: columns.into_iter().map(whole).collect() }
}

fn curves(run: &Run, stored: Option<&Outcome>) -> Vec<Curve> {
    let curve = |name: &str, times: &Histogram| {
        let steps = (0..60).map(|step| 1.0 - 10f64.powf(-0.06 - f64::from(step) / 59.0 * 2.94));
        let points: Vec<_> =
            steps.filter_map(|share| Some((share, times.quantile(share)?.as_secs_f64()))).collect();
        (!points.is_empty()).then(|| Curve { name: name.to_owned(), points })
    };
    let disturbed = || run.judged().filter(|it| run.is_disturbed(it.second));
    let with_faults = disturbed().next().is_some();
    let under = if with_faults { Tally::of(disturbed()) } else { Tally::of(run.judged()) };
    let own =
        with_faults.then(|| curve("baseline", Tally::of(run.undisturbed()).good_times())).flatten();
    let rest = curve(if with_faults { "under faults" } else { "this run" }, under.good_times());
    let then = stored
        .and_then(|it| it.curves.last())
        .map(|it| Curve { name: "stored baseline".to_owned(), ..it.clone() });
    own.into_iter().chain(then).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, fragile, judged, plan, play, run_of};
    use crate::tally::tests::frame;
    use evenkeel_model::outcome::CheckKind;
    use evenkeel_model::{Entry, Event};
    use std::time::Duration;

    fn resilient(second: u64, _: &[bool]) -> evenkeel_model::Frame {
        frame(second, &[12; 100], 0)
    }

    #[test]
    fn a_service_that_waits_for_its_neighbour_fails_and_the_cause_names_it() {
        let outcome = judged(&play(plan(), &fragile, |_| None));
        assert_eq!(outcome.verdict.result, Ending::Fail);
        assert!(
            outcome.verdict.headline.starts_with("Hypothesis disproved: 1 of "),
            "{}",
            outcome.verdict.headline
        );
        let cause = &outcome.verdict.cause;
        assert!(
            cause.contains("latency +800ms · payment") && cause.contains("no timeout"),
            "{cause}"
        );
        assert_eq!(outcome.checks[0].kind, CheckKind::Objective);
    }

    #[test]
    fn a_service_that_does_not_care_passes_with_the_full_score() {
        let outcome = judged(&play(plan(), &resilient, |_| None));
        assert_eq!((outcome.verdict.result, outcome.verdict.exit_code), (Ending::Pass, 0));
        assert_eq!(outcome.score.grade.as_deref(), Some("A"));
    }

    #[test]
    fn times_to_detect_and_to_recover_are_counted_from_the_fault() {
        let slow_to_recover = |second, acting: &[bool]| match second {
            20..=22 => frame(second, &[820; 100], 0),
            _ => fragile(second, acting),
        };
        let outcome = judged(&play(plan(), &slow_to_recover, |_| None));
        let latency = &outcome.faults[0];
        assert_eq!(latency.from, Some(at(12)));
        assert_eq!(latency.detected_after, Some(Duration::from_secs(1)));
        assert_eq!(latency.recovered_after, Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_service_that_stays_ill_has_not_recovered() {
        let never = |second, acting: &[bool]| {
            if second > 24 { frame(second, &[900; 100], 0) } else { fragile(second, acting) }
        };
        let outcome = judged(&play(plan(), &never, |_| None));
        assert_eq!(outcome.faults[1].recovered_after, None);
        let check = outcome.checks.iter().find(|it| it.name == "recovery_time").unwrap();
        assert_eq!((check.result, check.measured.as_str()), (CheckResult::Fail, "did not recover"));
    }

    #[test]
    fn a_fault_without_evidence_makes_the_verdict_inconclusive_and_never_a_pass() {
        let mut journal = play(plan(), &resilient, |_| None);
        for entry in &mut journal {
            if let Event::FaultEnded { evidence, .. } = &mut entry.event {
                evidence.acted = false;
            }
        }
        assert_eq!(judged(&journal).verdict.result, Ending::Inconclusive);
    }

    #[test]
    fn a_recorded_journal_replays_to_the_same_outcome() {
        let journal = play(plan(), &fragile, |_| None);
        let first = judged(&journal);
        let lines: Vec<String> =
            journal.iter().map(|it| serde_json::to_string(it).unwrap()).collect();
        let read: Vec<Entry> = lines.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(judged(&read), first);
    }

    #[test]
    fn the_same_build_twice_is_no_regression_and_a_slower_one_is() {
        let stored = judged(&play(plan(), &resilient, |_| None));
        let again = judge(&run_of(&play(plan(), &resilient, |_| None)), Some(&stored)).unwrap();
        assert_eq!(again.verdict.result, Ending::Pass);
        let slower = |second, _: &[bool]| frame(second, &[20; 100], 0);
        let slower = judge(&run_of(&play(plan(), &slower, |_| None)), Some(&stored)).unwrap();
        let failed: Vec<_> =
            slower.checks.iter().filter(|it| it.result == CheckResult::Fail).collect();
        assert_eq!(failed.len(), 3, "mean, p95 and p99: {failed:#?}");
        assert_eq!(failed[0].margin, "+67%, critical");
    }

    #[test]
    fn a_journal_that_stops_in_the_middle_is_inconclusive() {
        let journal = play(plan(), &fragile, |_| None);
        let outcome = judged(&journal[..journal.len() / 2]);
        assert_eq!(outcome.verdict.headline, "Inconclusive: the run was cut off");
    }

    #[test]
    fn an_outcome_is_the_same_after_a_journey_through_json() {
        let silent = |second, _: &[bool]| frame(second, &[], 0);
        let failing = |second, _: &[bool]| frame(second, &[], 50);
        let missing = |second, _: &[bool]| evenkeel_model::Frame {
            planned: 50,
            missed: 50,
            ..frame(second, &[], 0)
        };
        let worlds: [crate::sample::World<'_>; 4] = [&silent, &failing, &missing, &fragile];
        for world in worlds {
            let mut plan = plan();
            plan.safety.abort.clear();
            plan.success = ["p99 < 100ms", "error_rate <= 0%", "recovery_time <= 0s"]
                .map(|it| evenkeel_model::document::Criterion::parse(it).unwrap().into())
                .to_vec();
            plan.objectives[0].objective = Some(Ratio::ONE);
            let outcome = judged(&play(plan, world, |_| None));
            let text = serde_json::to_string(&outcome).unwrap();
            assert!(serde_json::from_str::<Outcome>(&text).unwrap() == outcome, "{text}");
            assert!(outcome.score.parts.iter().all(|it| it.value.is_none_or(f64::is_finite)));
        }
    }

    #[test]
    fn the_budget_is_spent_in_the_currency_of_the_window() {
        let outcome = judged(&play(plan(), &fragile, |_| None));
        let budget = &outcome.budgets[0];
        // Eight seconds at 100/s were slow, four seconds failed 40/s: 960 bad of 4000, 200 allowed.
        assert_eq!((budget.good, budget.total), (3_040, 4_000));
        assert!((budget.spent_ratio - 4.8).abs() < 1e-9, "{}", budget.spent_ratio);
        assert!((budget.window_budget_minutes - 2_160.0).abs() < 1e-9);
        assert!((budget.window_spent_minutes - 0.24 * 40.0 / 60.0).abs() < 1e-9);
    }
}
