//! Probing: where no load is sent, the answers of probes stand for it.
//!
//! Each answer counts as one request, of a route of its own, and seconds of them are frames like any other. So guards,
//! success criteria and times of recovery mean the same with load and without it. A look for a process, or at a
//! metric, takes no time that anybody waits for: such answers count only where no other probe is asked.

use std::time::Duration;

use evenkeel_model::document::{ErrorBudget, Probe, ProbeKind, When};
use evenkeel_model::{Answer, Frame, Plan, Series};
use evenkeel_stats::Histogram;
use evenkeel_units::Moment;

/// Whether a probe is asked there; figures of the load are read off its frames.
pub(crate) fn is_asked(probe: &Probe, when: When) -> bool {
    !matches!(probe.kind, ProbeKind::Load { .. }) && probe.is_due(when)
}

/// The longest time that a probe takes to answer.
pub(crate) const fn within(probe: &ProbeKind) -> Duration {
    match probe {
        ProbeKind::Http { within, .. }
        | ProbeKind::Tcp { within, .. }
        | ProbeKind::Promql { within, .. } => *within,
        ProbeKind::ErrorBudget(_) => ErrorBudget::WITHIN,
        ProbeKind::Process { .. } | ProbeKind::Load { .. } => Duration::ZERO,
    }
}

/// The longest time that a request of a plan takes to be answered or given up.
pub(crate) fn answered_within(plan: &Plan) -> Duration {
    let of_probes = || plan.steady_state.iter().map(|it| within(&it.kind)).max();
    let of_load = plan.load.as_ref().map(|it| it.timeout);
    of_load.or_else(of_probes).unwrap_or_default()
}

/// So many seconds hold the last answer of every probe, where probes stand for load.
pub(crate) fn window(plan: &Plan) -> usize {
    let asked = plan.steady_state.iter().filter(|it| it.is_due(When::During));
    let longest = asked.map(|it| it.every.as_secs()).max();
    let whole = longest.filter(|_| plan.load.is_none()).map_or(0, |it| it + 1);
    usize::try_from(whole).unwrap_or(usize::MAX)
}

/// By probe: how long an answer that counts as a request may take; `None` where answers do not count.
pub(crate) fn counted(plan: &Plan) -> Vec<Option<Duration>> {
    let is_asked = |it: &Probe| is_asked(it, When::During);
    let is_a_request = |it: &Probe| {
        is_asked(it) && matches!(it.kind, ProbeKind::Http { .. } | ProbeKind::Tcp { .. })
    };
    let any = plan.steady_state.iter().any(is_a_request);
    let counts = |it: &Probe| is_asked(it) && (is_a_request(it) || !any);
    plan.steady_state.iter().map(|it| counts(it).then(|| within(&it.kind))).collect()
}

/// The answers of probes, folded into seconds.
#[derive(Clone, Debug)]
pub(crate) struct Probing {
    /// By probe, see [`counted`].
    within: Vec<Option<Duration>>,
    /// The second that is not over.
    open: Frame,
    /// Its answers, in order of probe and answer.
    answers: Vec<(usize, Answer, Histogram)>,
}

impl Probing {
    /// Of a plan without load; `None` when it has one.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        plan.load.is_none().then(|| Self {
            within: counted(plan),
            open: Frame::default(),
            answers: Vec::new(),
        })
    }

    fn counts(&self, probe: usize) -> Option<Duration> {
        self.within.get(probe).copied().flatten()
    }

    /// A probe is asked.
    pub(crate) fn asked(&mut self, probe: usize) {
        if self.counts(probe).is_some() {
            self.open.planned += 1;
            self.open.sent += 1;
            self.open.in_flight += 1;
        }
    }

    /// A probe was answered. The second as it is now, when the answer counts.
    pub(crate) fn answered(&mut self, probe: usize, held: bool, took: Duration) -> Option<Frame> {
        let within = self.counts(probe)?;
        let answer = match held {
            true => Answer::Ok,
            false if !within.is_zero() && took >= within => Answer::Timeout,
            false => Answer::Status,
        };
        self.open.in_flight = self.open.in_flight.saturating_sub(1);
        let place = self.answers.binary_search_by_key(&(probe, answer), |it| (it.0, it.1));
        let place = place.unwrap_or_else(|place| {
            self.answers.insert(place, (probe, answer, Histogram::new()));
            place
        });
        self.answers[place].2.record(took);
        Some(self.seen())
    }

    /// The seconds that are over by `elapsed`, after the start.
    pub(crate) fn over(&mut self, elapsed: Moment) -> Vec<Frame> {
        let mut over = Vec::new();
        while self.open.second < elapsed.elapsed().as_secs() {
            over.push(self.close());
        }
        over
    }

    /// The rest, when anything was asked or answered in it.
    pub(crate) fn end(&mut self) -> Option<Frame> {
        let is_empty = self.open.planned == 0 && self.answers.is_empty();
        (!is_empty).then(|| self.close())
    }

    fn seen(&self) -> Frame {
        let series = self.answers.iter().map(|(route, answer, times)| Series {
            route: *route,
            answer: *answer,
            response_micros: times.to_distribution(),
            service_micros: times.to_distribution(),
        });
        Frame { series: series.collect(), ..self.open.clone() }
    }

    fn close(&mut self) -> Frame {
        let frame = self.seen();
        self.answers.clear();
        let Frame { second, in_flight, .. } = frame;
        self.open = Frame { second: second + 1, in_flight, ..Frame::default() };
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conductor::{Command, Finish};
    use crate::frames::Frames;
    use crate::judge::judge;
    use crate::run::Run;
    use crate::sample::at;
    use evenkeel_model::document::{Criterion, Finder, Probe, Release};
    use evenkeel_model::event::Evidence;
    use evenkeel_model::outcome::{CheckKind, Ending};
    use evenkeel_model::plan::RunHead;
    use evenkeel_model::{Entry, Event};
    use std::collections::VecDeque;

    fn plan(kinds: Vec<ProbeKind>) -> Plan {
        let steady_state = kinds.into_iter().map(Probe::new).collect();
        Plan { load: None, steady_state, ..crate::sample::plan() }
    }

    fn tcp() -> ProbeKind {
        ProbeKind::Tcp { address: "127.0.0.1:1".to_owned(), within: Duration::from_secs(1) }
    }

    fn process() -> ProbeKind {
        ProbeKind::Process { find: Finder::Pid(4711) }
    }

    #[test]
    fn each_answer_is_one_request_of_its_own_route() {
        let mut probing = Probing::of(&plan(vec![tcp(), tcp()])).unwrap();
        let soon = Duration::from_millis(3);
        for probe in [0, 1, 1] {
            probing.asked(probe);
        }
        probing.answered(0, true, soon);
        probing.answered(1, false, soon);
        let seen = probing.answered(1, false, Duration::from_secs(1)).unwrap();
        assert_eq!((seen.good(), seen.failed(), seen.in_flight), (1, 2, 0));
        let answers: Vec<_> = seen.series.iter().map(|it| (it.route, it.answer)).collect();
        assert_eq!(answers, [(0, Answer::Ok), (1, Answer::Timeout), (1, Answer::Status)]);
        assert_eq!(probing.over(at(1)), [seen]);
    }

    #[test]
    fn what_is_not_answered_yet_stays_under_way() {
        let mut probing = Probing::of(&plan(vec![tcp()])).unwrap();
        probing.asked(0);
        let over = probing.over(at(3));
        assert!(over.iter().all(|it| it.in_flight == 1), "{over:?}");
        assert_eq!(
            over.iter().map(|it| (it.second, it.planned)).collect::<Vec<_>>(),
            [(0, 1), (1, 0), (2, 0)]
        );
        assert_eq!(probing.end(), None, "nothing was asked or answered since");
    }

    #[test]
    fn looks_for_processes_count_only_where_nothing_else_is_asked() {
        let count = |kinds| {
            let mut probing = Probing::of(&plan(kinds)).unwrap();
            probing.answered(0, true, Duration::from_micros(80)).is_some()
        };
        assert!(count(vec![process()]) && !count(vec![process(), tcp()]));
    }

    #[test]
    fn where_there_is_load_probes_stand_for_nothing() {
        assert!(Probing::of(&crate::sample::plan()).is_none());
    }

    /// An experiment with one fault, from 2 s to 8 s, and a probe that is asked every 500 ms.
    fn experiment(abort: &str) -> Plan {
        let mut plan = plan(vec![tcp()]);
        plan.steady_state[0].every = Duration::from_millis(500);
        plan.safety.abort = vec![Criterion::parse(abort).unwrap()];
        (plan.objectives, plan.success) = (Vec::new(), Vec::new());
        plan.faults.truncate(1);
        (plan.faults[0].from, plan.faults[0].to) = (at(2), at(8));
        plan.phases.truncate(1);
        plan.phases[0].shape = None;
        plan
    }

    /// A run in which the probe holds, but for answers that are given between `ill` milliseconds after the start.
    fn played(plan: Plan, ill: std::ops::Range<u64>) -> (Run, Vec<(u64, Command)>) {
        let millis = |it| Moment::at(Duration::from_millis(it));
        let head = RunHead { id: "run".into(), started: String::new(), version: String::new() };
        let mut run = Run::new(head.clone(), plan.clone(), Frames::within(&std::env::temp_dir()));
        let length = u64::try_from(plan.length().as_millis()).unwrap();
        let (mut told, mut clock, mut due) = (Vec::new(), 0, VecDeque::new());
        due.push_back((0, Event::Started { run: head, plan: Box::new(plan) }));
        loop {
            let next = due.iter().map(|it: &(u64, Event)| it.0).min().unwrap_or(u64::MAX);
            let wake =
                run.conductor().next_wake().map_or(u64::MAX, |it| it.elapsed().as_millis() as u64);
            let event = match due.iter().position(|it| it.0 == next && it.0 <= wake) {
                Some(place) => {
                    clock = clock.max(next);
                    due.remove(place).unwrap().1
                }
                None => {
                    clock = clock.max(wake);
                    Event::Tick
                }
            };
            for command in run.on(&Entry { at: millis(clock), event }) {
                let answer = match command {
                    Command::Prepare => Event::Ready,
                    Command::Ask(probe) => {
                        let held = !ill.contains(&(clock + 20));
                        let detail = "seen".to_owned();
                        due.push_back((
                            clock + 20,
                            Event::Probed { probe, held, detail, took_seconds: 0.02 },
                        ));
                        continue;
                    }
                    Command::StartLoad => {
                        due.push_back((clock + length, Event::LoadEnded { error: None }));
                        Event::LoadStarted
                    }
                    Command::StopLoad => Event::LoadEnded { error: None },
                    Command::BeginFault(fault) => {
                        Event::FaultBegan { fault, release: Release::Lifetime, targets: Vec::new() }
                    }
                    Command::EndFault(fault) => {
                        let evidence = Evidence { acted: true, ..Evidence::default() };
                        Event::FaultEnded { fault, evidence, error: None }
                    }
                    Command::Finish(_) => return (run, told),
                };
                told.push((clock, command));
                due.push_back((clock, answer));
            }
        }
    }

    #[test]
    fn an_answer_that_makes_a_condition_true_ends_the_fault_at_once() {
        let (run, told) = played(experiment("error_rate > 10%"), 3_000..60_000);
        let ended = told.iter().find(|it| it.1 == Command::EndFault(0)).unwrap().0;
        assert!((3_000..3_600).contains(&ended), "{told:?}");
        assert!(matches!(run.finish, Some(Finish::Guard(_))), "{:?}", run.finish);
    }

    #[test]
    fn a_condition_with_a_time_of_its_own_is_waited_for() {
        let (_, told) = played(experiment("error_rate > 10% for 2s"), 3_000..60_000);
        let ended = told.iter().find(|it| it.1 == Command::EndFault(0)).unwrap().0;
        assert!((5_000..5_600).contains(&ended), "{told:?}");
    }

    #[test]
    fn one_probe_tells_when_a_fault_showed_and_when_the_service_was_well_again() {
        let (run, _) = played(experiment("error_rate > 99% for 9s"), 2_500..8_900);
        let outcome = judge(&run, None).unwrap();
        let fault = &outcome.faults[0];
        // Asked every half second: unwell as of the answer at 2.52, and well as of what was asked at 9.0.
        assert_eq!(fault.detected_after, Some(Duration::from_millis(600)));
        assert_eq!(fault.recovered_after, Some(Duration::from_millis(1_100)));
        assert_eq!((outcome.totals.sent, outcome.totals.failed), (19, 13));
        assert_eq!(outcome.verdict.result, Ending::Pass, "{:#?}", outcome.checks);
        assert!(outcome.checks.iter().all(|it| it.kind != CheckKind::Load));
    }

    #[test]
    fn what_was_steady_before_and_is_not_afterwards_fails_the_experiment() {
        let (run, _) = played(experiment("error_rate > 99% for 9s"), 4_000..60_000);
        let outcome = judge(&run, None).unwrap();
        assert_eq!(
            (outcome.verdict.result, outcome.faults[0].recovered_after),
            (Ending::Fail, None)
        );
    }
}
