//! Scene: what the picture of a run shows, from its events.

use std::time::Duration;

use evenkeel_drill::{Conductor, Standing, Tally, shell};
use evenkeel_model::document::Watch;
use evenkeel_model::outcome::{SecondFigures, WatchFigures, WatchPoint};
use evenkeel_model::{Event, Frame, Plan};
use evenkeel_report::live::{LiveFault, LiveGuard, LivePhase, LiveSending, LiveView};
use evenkeel_stats::Histogram;
use evenkeel_units::Moment;

/// Into how many parts the planned load is cut for the picture.
const PARTS: u32 = 200;
/// Readings of a watch that the picture remembers.
const READINGS: usize = 60;

/// The run so far.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    plan: &'a Plan,
    standing: Standing,
}

impl<'a> Scene<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        Self { plan, standing: Standing::of(plan) }
    }

    /// Before anything has happened.
    pub(super) fn view(&self) -> LiveView {
        let plan = self.plan;
        let phase = |it: &evenkeel_model::plan::PlannedPhase| LivePhase {
            name: it.name.clone(),
            from: it.from.elapsed(),
            to: it.to.elapsed(),
        };
        LiveView {
            name: plan.drill.clone(),
            phase: "preparing".to_owned(),
            length: plan.length(),
            phases: plan.phases.iter().map(phase).collect(),
            planned: planned(plan),
            ..LiveView::default()
        }
    }

    /// Takes in an event; says what is worth a line.
    pub(super) fn see(&mut self, seen: shell::Scene<'_>, view: &mut LiveView) -> Vec<String> {
        let shell::Scene { entry, conductor, seconds } = seen;
        let began = conductor.load_began();
        view.elapsed = began.map_or(Duration::ZERO, |it| (entry.at - it).min(view.length));
        seconds.iter().for_each(|it| self.count(it, conductor, view));
        if let (Event::Watched { watch, values, error }, Some(_)) = (&entry.event, began) {
            let at = Moment::at(view.elapsed);
            if let Some(of) = self.plan.watches().get(*watch) {
                read(of, values, error.as_ref(), at, &mut view.watches);
            }
        }
        let at = view.elapsed.as_secs();
        let line = self.news(&entry.event);
        line.map(|it| format!("{}:{:02}  {it}", at / 60, at % 60)).into_iter().collect()
    }

    fn news(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::FaultBegan { fault, targets, .. } => {
                format!("{} acts on {}", self.label(*fault), targets.join(", "))
            }
            Event::FaultEnded { fault, evidence, error } => {
                let how = error
                    .as_ref()
                    .map_or_else(|| evidence.summary.clone(), |it| format!("NOT MENDED: {it}"));
                let one_shot =
                    self.plan.faults.get(*fault).is_some_and(|it| it.fault.is_one_shot());
                let over = if one_shot { "was seen" } else { "taken back" };
                format!("{} {over}; {how}", self.label(*fault))
            }
            Event::FaultFailed { fault, error } => {
                format!("{} failed: {error}", self.label(*fault))
            }
            Event::Ready if !self.plan.steady_state.is_empty() => {
                "everything is there; checking the steady state".to_owned()
            }
            Event::Interrupted { signal } => format!("{signal}: mending everything, then stopping"),
            Event::AgentJoined { agent, name, .. } => {
                format!("the agent {agent} ({name}) is ready")
            }
            Event::AgentLost { agent, reason, .. } => {
                format!("the agent {agent} is lost: {reason}")
            }
            Event::ShareHandedOn { agent, by, from, .. } => {
                format!("what {agent} had to send is sent by {} from {from} on", by.join(", "))
            }
            Event::GuardianLost => "the guardian is lost: stopping".to_owned(),
            _ => return None,
        })
    }

    fn label(&self, fault: usize) -> &str {
        self.plan.faults.get(fault).map_or("a fault", |it| it.label.as_str())
    }

    fn count(&mut self, frame: &Frame, conductor: &Conductor, view: &mut LiveView) {
        self.standing.add(self.plan, frame);
        let middle = frame.from() + Duration::from_millis(500);
        let phase = self.plan.phase_at(middle).map(|it| self.plan.phases[it].name.clone());
        view.phase = phase.unwrap_or_else(|| "ending".to_owned());
        view.seconds.push(second(frame));
        view.totals = self.standing.totals();
        view.routes = self.standing.routes();
        view.checks = self.standing.checks();
        let lag = Histogram::of(&frame.lag_micros);
        view.sending = LiveSending {
            waiting: frame.waiting,
            connected: view.sending.connected + frame.connected,
            lag_p50: lag.quantile(0.5),
            lag_p99: lag.quantile(0.99),
            busy_ratio: (frame.threads > 0)
                .then(|| frame.cpu_micros as f64 / 1e6 / frame.threads as f64),
        };
        let now = Moment::at(view.elapsed);
        let acting =
            self.plan.faults.iter().enumerate().filter(|(index, _)| conductor.is_acting(*index));
        let fault = |(_, it): (usize, &evenkeel_model::plan::PlannedFault)| LiveFault {
            label: it.label.clone(),
            remaining: (!it.fault.is_one_shot()).then(|| it.to - now),
        };
        view.faults = acting.map(fault).collect();
        let guard = |it: &evenkeel_drill::guard::Guard| LiveGuard {
            condition: it.condition.to_string(),
            value: it
                .value
                .map_or_else(|| "no data".to_owned(), |value| it.condition.metric.show(value)),
            closeness: it.distance().map(|it| 1.0 - it),
        };
        view.guards = conductor.guards().each().iter().map(guard).collect();
    }
}

fn second(frame: &Frame) -> SecondFigures {
    let it = Tally::of([frame]).figures();
    SecondFigures {
        second: frame.second,
        planned: frame.planned,
        good: it.good,
        failed: it.failed,
        missed: frame.missed,
        in_flight: frame.in_flight,
        mean_seconds: it.mean_seconds,
        p50_seconds: it.p50_seconds,
        p95_seconds: it.p95_seconds,
        p99_seconds: it.p99_seconds,
    }
}

/// Arrivals a second in equal parts of the whole; none where they depend on answers.
fn planned(plan: &Plan) -> Vec<f64> {
    let part = plan.length() / PARTS;
    let due = |at: Duration| -> Option<f64> {
        let of =
            |it: &evenkeel_model::plan::PlannedPhase| it.due(at.saturating_sub(it.from.elapsed()));
        plan.phases.iter().map(of).sum()
    };
    if part.is_zero() {
        return Vec::new();
    }
    let rates =
        (0..PARTS).map(|it| Some((due(part * (it + 1))? - due(part * it)?) / part.as_secs_f64()));
    rates.collect::<Option<_>>().unwrap_or_default()
}

/// Takes in a reading of a watch, figure by figure.
fn read(
    of: &Watch,
    values: &std::collections::BTreeMap<String, f64>,
    error: Option<&String>,
    at: Moment,
    into: &mut Vec<WatchFigures>,
) {
    let place = |into: &mut Vec<WatchFigures>, figure: &str| {
        let found = into.iter().position(|it| it.watch == of.name && it.figure == figure);
        found.unwrap_or_else(|| {
            into.push(WatchFigures {
                watch: of.name.clone(),
                figure: figure.to_owned(),
                limit: of.limits.iter().find(|it| it.0 == figure).map(|it| it.1),
                points: Vec::new(),
                unread: 0,
                error: None,
            });
            into.len() - 1
        })
    };
    for (figure, value) in values.iter().filter(|it| it.1.is_finite()) {
        let index = place(into, figure);
        let points = &mut into[index].points;
        points.push(WatchPoint { at, value: *value });
        let old = points.len().saturating_sub(READINGS);
        points.drain(..old);
    }
    let known = into.iter().any(|it| it.watch == of.name);
    if let (true, false, Some(error)) = (values.is_empty(), known, error) {
        let index = place(into, "");
        into[index].error = Some(error.clone());
    }
}
