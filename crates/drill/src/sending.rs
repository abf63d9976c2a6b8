//! Sending: was the load that was planned really sent, and was the generator up to it?
//!
//! Two checks tell two troubles apart. *Planned load reached* fails when less than 99 % of the plan was sent: the
//! service did not take it. *Generator kept up* is inconclusive when it was our side that was late; then every other
//! figure is one of the generator, and the verdict is inconclusive whatever they say. The generator was late when
//!
//! - its threads were busy for 95 % of a judged phase or more, while arrivals were missed or sent late in it, or
//! - requests were sent more than 10 ms late in the median although connections were free for them.
//!
//! Where several machines sent the load, this is asked of each of them, and one that was late is named: in the sum of all
//! it would not show.

use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_model::document::Role;
use evenkeel_model::outcome::{Check, CheckKind, CheckResult, SendingFigures, Times};
use evenkeel_stats::Histogram;
use evenkeel_units::Human;

use crate::agents;
use crate::conductor::Finish;
use crate::frames::Frames;
use crate::run::{AgentTrack, Run};
use crate::tally::{Tally, times};

/// Share of the planned load that must have been sent.
const LOAD_REACHED: f64 = 0.99;
/// Share of a core from which a sending thread is busy all the time.
const BUSY: f64 = 0.95;
/// A request that was sent later than this was sent late.
const LATE: Duration = Duration::from_millis(10);
/// Fewer requests than this say nothing about the lag.
const ENOUGH: u64 = 100;
/// A phase that is shorter says nothing about how busy it kept anybody.
const LEAST_SECONDS: usize = 3;
/// Name of the check that decides whether anything else can be believed.
pub(crate) const KEPT_UP: &str = "generator kept up";

/// How the load was sent.
pub(crate) fn figures(frames: &Frames) -> SendingFigures {
    let mut all = SendingFigures::default();
    let (mut lag, mut sent, mut cpu_micros, mut last) = (Histogram::new(), 0, 0, 0);
    for frame in frames {
        lag.add(&frame.lag_micros);
        sent += frame.sent;
        cpu_micros += frame.cpu_micros;
        all.bytes_received += frame.bytes_received;
        all.bytes_sent += frame.bytes_sent;
        all.connected += frame.connected;
        all.resumed += frame.resumed;
        all.threads = all.threads.max(frame.threads);
        if frame.second >= last {
            (last, all.in_flight_at_end) = (frame.second, frame.in_flight);
        }
    }
    let cpu_seconds = (all.threads > 0).then_some(cpu_micros as f64 / 1e6);
    let cpu_seconds_per_request = cpu_seconds.filter(|_| sent > 0).map(|it| it / sent as f64);
    SendingFigures { lag: times(&lag), cpu_seconds, cpu_seconds_per_request, ..all }
}

/// What must hold of every load.
pub(crate) fn checks(run: &Run) -> Vec<Check> {
    if run.plan.load.is_none() {
        return Vec::new();
    }
    [agents::stayed(run), reached(run), answered(run), kept_up(run)].into_iter().flatten().collect()
}

/// A load that nobody set limits for has failed all the same when nothing of it was answered right.
fn answered(run: &Run) -> Option<Check> {
    let plan = &run.plan;
    let judged = !plan.objectives.is_empty() || !plan.success.is_empty() || !plan.faults.is_empty();
    let tally = Tally::of(&run.frames);
    (!judged && tally.total() > 0).then(|| Check {
        name: "requests answered right".to_owned(),
        kind: CheckKind::Load,
        phase: None,
        result: if tally.good() > 0 { CheckResult::Pass } else { CheckResult::Fail },
        limit: "> 0".to_owned(),
        measured: format!("{} of {}", tally.good(), tally.total()),
        baseline: String::new(),
        margin: String::new(),
        measured_value: Some(tally.good() as f64),
        limit_value: Some(0.0),
    })
}

fn reached(run: &Run) -> Option<Check> {
    let tally = Tally::of(&run.frames);
    // What the generator never came to counts as missed as well; of a run that ended early it was not to be sent.
    let whole = run.finish == Some(Finish::Completed) && run.ended_early.is_none();
    let due = run.plan.arrivals().filter(|_| whole).map_or(0, |it| it.floor() as u64);
    let planned = tally.planned().max(due);
    if !run.load_began || planned == 0 {
        return None;
    }
    let missed = tally.missed() + planned - tally.planned();
    let reached = 1.0 - missed as f64 / planned as f64;
    Some(Check {
        name: "planned load reached".to_owned(),
        kind: CheckKind::Load,
        phase: None,
        result: if reached >= LOAD_REACHED { CheckResult::Pass } else { CheckResult::Fail },
        limit: "≥ 99%".to_owned(),
        measured: format!("{:.2}%", reached * 100.0),
        baseline: String::new(),
        margin: match missed {
            0 => String::new(),
            missed => format!("{missed} never sent"),
        },
        measured_value: Some(reached),
        limit_value: Some(LOAD_REACHED),
    })
}

/// Why the generator was not up to it.
enum Overrun {
    /// Share of a core that each thread took, and the phase.
    Busy(f64, String),
    /// Median lag while connections were free.
    Late(Duration),
}

/// How one generator sent.
struct Pace {
    /// Share of a core that each thread took in the phase in which it was highest.
    busiest: Option<f64>,
    /// Median lag while connections were free.
    median: Option<Duration>,
    overrun: Option<Overrun>,
}

/// How the generator sent that counted these seconds.
fn pace(run: &Run, frames: &Frames) -> Pace {
    let (mut phases, mut waited, mut free) = (Vec::new(), false, Histogram::new());
    for (phase, planned) in run.plan.phases.iter().enumerate() {
        let mut seen = Seen::default();
        if planned.role != Role::Warmup {
            run.of_phase(frames, phase).for_each(|it| {
                seen.add(&it);
                // That of the generator itself: where no arrival had to wait for a connection.
                let waits = it.waiting > 0 || it.missed > 0;
                if !std::mem::replace(&mut waited, waits) && !waits {
                    free.add(&it.lag_micros);
                }
            });
        }
        phases.push((&planned.name, seen));
    }
    let busiest = phases.iter().filter_map(|(_, it)| it.busy()).max_by(f64::total_cmp);
    let overrun = phases.iter().find_map(|(phase, it)| {
        let busy = it.busy().filter(|busy| *busy >= BUSY && it.was_late())?;
        Some(Overrun::Busy(busy, (*phase).clone()))
    });
    let median = free.quantile(0.5).filter(|_| free.count() >= ENOUGH);
    let overrun = overrun.or_else(|| median.filter(|it| *it > LATE).map(Overrun::Late));
    Pace { busiest, median, overrun }
}

/// How each machine sent its part of the load; nothing where all of it was sent from here.
pub(crate) fn of_agents(run: &Run) -> Vec<AgentFigures> {
    let figures = |it: &AgentTrack| {
        let (totals, sending) = (Tally::of(&it.frames).figures(), figures(&it.frames));
        let lost = run.lost.iter().find(|lost| lost.agent == it.agent);
        AgentFigures {
            agent: it.agent.clone(),
            name: it.name.clone(),
            planned: totals.planned,
            sent: totals.sent,
            missed: totals.missed,
            lag: sending.lag,
            cpu_seconds: sending.cpu_seconds.unwrap_or(0.0),
            kept_up: pace(run, &it.frames).overrun.is_none(),
            lost: lost.map(|it| it.reason.clone()),
        }
    };
    run.agents.iter().map(figures).collect()
}

/// How one of several machines sent its part of a load.
#[derive(Clone, Debug)]
pub struct AgentFigures {
    /// Where it listened, or what it is called where it came by itself.
    pub agent: String,
    /// What it calls itself.
    pub name: String,
    /// Arrivals that were due.
    pub planned: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Arrivals that were given up unsent.
    pub missed: u64,
    /// From when each request was due until it was sent.
    pub lag: Times,
    /// Processor time of its threads.
    pub cpu_seconds: f64,
    /// Whether it was up to it.
    pub kept_up: bool,
    /// How it was lost, when it was.
    pub lost: Option<String>,
}

fn kept_up(run: &Run) -> Option<Check> {
    let of_agents = run.agents.iter().filter(|it| it.frames.iter().next().is_some());
    let mut late: Vec<_> = of_agents.map(|it| (&it.agent, pace(run, &it.frames))).collect();
    late.retain(|(_, it)| it.overrun.is_some());
    let on = match late.as_slice() {
        [] => String::new(),
        [(agent, _)] => format!(", on {agent}"),
        [(agent, _), more @ ..] => format!(", on {agent} and {} more", more.len()),
    };
    let named = late.into_iter().next().map(|(_, it)| it);
    let Pace { busiest, median, overrun } = named.unwrap_or_else(|| pace(run, &run.frames));
    if overrun.is_none() && median.is_none() && busiest.is_none() {
        return None; // Nobody counted.
    }
    let share = |it: f64| format!("{:.0}% of a core", it * 100.0);
    let lag = |it: Duration| format!("median send lag {}", Human(it));
    let seen = [median.map(lag), busiest.map(share)].into_iter().flatten().collect::<Vec<_>>();
    let (measured, value, limit) = match &overrun {
        Some(Overrun::Busy(it, phase)) => {
            (format!("{} in {phase}{on}", share(*it)), *it, Some(BUSY))
        }
        Some(Overrun::Late(it)) => {
            (format!("{}{on}", lag(*it)), it.as_secs_f64(), Some(LATE.as_secs_f64()))
        }
        None => (seen.join(", "), 0.0, None),
    };
    Some(Check {
        name: KEPT_UP.to_owned(),
        kind: CheckKind::Load,
        phase: None,
        result: if overrun.is_some() { CheckResult::Inconclusive } else { CheckResult::Pass },
        limit: match overrun {
            Some(Overrun::Late(_)) => "≤ 10ms".to_owned(),
            _ => "< 95% busy".to_owned(),
        },
        measured,
        baseline: String::new(),
        margin: String::new(),
        measured_value: limit.map(|_| value),
        limit_value: limit,
    })
}

/// What the sending threads did in a phase.
#[derive(Debug, Default)]
struct Seen {
    /// Seconds in which somebody counted, the threads in them, and their processor time.
    counted: usize,
    threads: u64,
    cpu_micros: u64,
    missed: u64,
    lag: Histogram,
}

impl Seen {
    fn add(&mut self, frame: &Frame) {
        if frame.threads > 0 {
            self.counted += 1;
            self.threads += frame.threads;
            self.cpu_micros += frame.cpu_micros;
        }
        self.missed += frame.missed;
        self.lag.add(&frame.lag_micros);
    }

    /// Share of a core that each took; `None` when nobody counted, or for too short a time.
    fn busy(&self) -> Option<f64> {
        let share = || self.cpu_micros as f64 / 1e6 / self.threads as f64;
        (self.counted >= LEAST_SECONDS).then(share)
    }

    /// Whether arrivals were missed, or sent late in more than one of a hundred cases.
    fn was_late(&self) -> bool {
        self.missed > 0 || self.lag.quantile(0.99).is_some_and(|it| it > LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{frame_at, judged, plan, play};
    use evenkeel_model::outcome::Ending;
    use evenkeel_model::{Distribution, Outcome};

    /// A run whose every second is changed.
    fn outcome(change: impl Fn(&mut Frame)) -> Outcome {
        let world = |second, _: &[bool]| {
            let mut frame = frame_at(second, 12, 100, 0);
            frame.lag_micros = Distribution { micros: vec![(40, 100)] };
            (frame.cpu_micros, frame.threads) = (300_000, 1);
            change(&mut frame);
            frame
        };
        judged(&play(plan(), &world, |_| None))
    }

    fn kept_up(of: &Outcome) -> &Check {
        of.checks.iter().find(|it| it.name == KEPT_UP).unwrap()
    }

    #[test]
    fn a_generator_with_time_to_spare_kept_up() {
        let outcome = outcome(|_| {});
        assert_eq!(outcome.verdict.result, Ending::Pass);
        assert_eq!(kept_up(&outcome).measured, "median send lag 40µs, 30% of a core");
        let sending = outcome.sending;
        assert_eq!(sending.cpu_seconds, Some(12.0));
        assert!((sending.cpu_seconds_per_request.unwrap() - 0.003).abs() < 1e-9);
    }

    #[test]
    fn a_saturated_generator_makes_the_verdict_inconclusive_and_never_a_pass() {
        let late = |it: &mut Frame| {
            it.cpu_micros = 990_000;
            it.lag_micros = Distribution { micros: vec![(40, 90), (50_000, 10)] };
        };
        let outcome = outcome(late);
        assert_eq!((outcome.verdict.result, outcome.verdict.exit_code), (Ending::Inconclusive, 6));
        assert_eq!(outcome.verdict.headline, "Inconclusive: the generator could not keep up");
        assert_eq!(kept_up(&outcome).measured, "99% of a core in baseline");
    }

    #[test]
    fn it_is_inconclusive_also_when_other_checks_failed() {
        let outcome = outcome(|it| {
            it.cpu_micros = 990_000;
            (it.missed, it.planned) = (50, 150);
        });
        assert_eq!(outcome.verdict.result, Ending::Inconclusive);
        assert!(outcome.checks.iter().any(|it| it.result == CheckResult::Fail));
    }

    #[test]
    fn a_busy_generator_that_is_in_time_kept_up() {
        // Spinning threads are always busy.
        assert_eq!(outcome(|it| it.cpu_micros = 1_000_000).verdict.result, Ending::Pass);
    }

    #[test]
    fn lag_counts_only_where_connections_were_free() {
        let lag = |it: &mut Frame| it.lag_micros = Distribution { micros: vec![(30_000, 100)] };
        let own = outcome(lag);
        assert_eq!((own.verdict.result, &*kept_up(&own).limit), (Ending::Inconclusive, "≤ 10ms"));
        let of_target = outcome(|it| {
            lag(it);
            it.waiting = 7;
        });
        assert_eq!(kept_up(&of_target).result, CheckResult::Pass);
    }

    #[test]
    fn a_load_of_which_nothing_was_answered_right_has_failed_without_limits_too() {
        let check = |good: usize, limited: bool| {
            let world = |second, _: &[bool]| frame_at(second, 12, good, 5);
            let mut plan = plan();
            plan.faults.clear();
            if !limited {
                plan.objectives.clear();
                plan.success.clear();
            }
            let outcome = judged(&play(plan, &world, |_| None));
            let check = outcome.checks.iter().find(|it| it.name == "requests answered right");
            check.map(|it| it.result)
        };
        assert_eq!(check(0, false), Some(CheckResult::Fail));
        assert_eq!(check(10, false), Some(CheckResult::Pass));
        assert_eq!(check(10, true), None);
    }

    #[test]
    fn arrivals_that_the_generator_never_came_to_are_missed() {
        let outcome = outcome(|it| it.planned = 90);
        let reached = outcome.checks.iter().find(|it| it.name == "planned load reached").unwrap();
        assert_eq!((reached.result, reached.measured.as_str()), (CheckResult::Fail, "90.00%"));
    }
}
