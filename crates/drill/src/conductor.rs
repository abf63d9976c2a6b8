//! The conductor: decides what a drill does next.
//!
//! Events go in, commands come out, and the present moment is an argument. There is no input or output,
//! no task and no channel in this file, so a test plays a ninety-minute drill in a millisecond, and a
//! recorded run replays exactly. `shell` owns the sockets, the timers and the guards.
//!
//! ```text
//! Idle ─▶ Preflight ─▶ Before ─▶ Loading ─▶ Undoing ─▶ Stopping ─▶ After ─▶ Done
//!                        │          │ guard, signal, lost guardian, failed fault
//!                        │          └──────▶ Undoing: what is broken is mended before anything else
//!                        └ no steady state: nothing was broken, so there is nothing to undo
//! ```
//!
//! Every stage but the ends has a longest time. An answer that never comes ends the stage, not the patience of
//! whoever watches: a run always comes to its end, and what it left behind is mended by the shell or the
//! guardian.

mod asking;
mod patience;

use std::mem::discriminant;
use std::time::Duration;

use evenkeel_model::document::{ProbeKind, When};
use evenkeel_model::{Event, Frame, Plan};
use evenkeel_units::Moment;

use self::asking::Asking;
use crate::guard::{Guards, Trip};
use crate::probing::is_asked;
use crate::staircase::Climb;
use crate::stop::Stops;
use crate::tally::Tally;

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// See to it that everything is there: the service, the links, the targets, the permission.
    Prepare,
    /// Ask a probe.
    Ask(usize),
    /// Begin sending load.
    StartLoad,
    /// Bring a fault about.
    BeginFault(usize),
    /// Take a fault back.
    EndFault(usize),
    /// Stop sending load.
    StopLoad,
    /// Nothing is left to do.
    Finish(Finish),
}

/// Why a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Everything was done.
    Completed,
    /// It could not begin.
    CouldNotRun(String),
    /// A rule refused it.
    Refused(String),
    /// A guard stopped it.
    Guard(Trip),
    /// The guardian was lost.
    GuardianLost,
    /// A fault could not be brought about.
    FaultFailed {
        /// Which.
        fault: usize,
        /// Why.
        error: String,
    },
    /// A fault could not be taken back: nothing more is broken on top of it.
    NotTakenBack {
        /// Which.
        fault: usize,
        /// Why.
        error: String,
    },
    /// Load could not be sent.
    LoadFailed(String),
    /// Somebody asked for it.
    Interrupted(String),
}

/// Why a load ended before its time, in a run that is complete nevertheless.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Early {
    /// A success criterion with `stop` did not hold: its index.
    Threshold(usize),
    /// The service broke down at a step of the staircase: its index.
    Breakdown(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Preflight,
    Before(Asking),
    Starting,
    Loading,
    Undoing,
    Stopping,
    After(Asking),
    Done,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Fault {
    Planned,
    Beginning,
    Acting,
    Ending,
    Over,
}

/// The decision maker of one drill.
#[derive(Clone, Debug)]
pub struct Conductor {
    stage: Stage,
    plan: Option<Plan>,
    load_began: Option<Moment>,
    load_is_over: bool,
    faults: Vec<Fault>,
    guards: Guards,
    stops: Stops,
    climb: Climb,
    early: Option<Early>,
    /// Load before the first fault, added up.
    before: Tally,
    /// When the present stage has lasted too long.
    until: Option<Moment>,
    next_ask: Vec<Moment>,
    finish: Finish,
}

impl Default for Conductor {
    fn default() -> Self {
        Self {
            stage: Stage::Idle,
            plan: None,
            load_began: None,
            load_is_over: false,
            faults: Vec::new(),
            guards: Guards::default(),
            stops: Stops::default(),
            climb: Climb::default(),
            early: None,
            before: Tally::default(),
            until: None,
            next_ask: Vec::new(),
            finish: Finish::Completed,
        }
    }
}

impl Conductor {
    /// Takes in one event and answers with what to do about it.
    pub fn on(&mut self, now: Moment, event: &Event) -> Vec<Command> {
        let too_long = *event == Event::Tick && self.until.is_some_and(|it| it <= now);
        self.within(now, |it| if too_long { it.give_up() } else { it.step(now, event) })
    }

    /// Looks at a second that is not over: what stops a run waits for the end of none.
    pub fn glance(&mut self, now: Moment, open: &Frame) -> Vec<Command> {
        let (Stage::Loading, Some(began)) = (&self.stage, self.load_began) else {
            return Vec::new();
        };
        let trip = self.guards.glance(Moment::at(now - began), open);
        self.within(now, |it| trip.map_or_else(Vec::new, |trip| it.stop(Finish::Guard(trip))))
    }

    /// Does something that may lead to another stage, which has a longest time of its own.
    fn within(&mut self, now: Moment, act: impl FnOnce(&mut Self) -> Vec<Command>) -> Vec<Command> {
        let stage = discriminant(&self.stage);
        let commands = act(self);
        if discriminant(&self.stage) != stage {
            self.until = self.longest().map(|it| now + it);
        }
        commands
    }

    fn step(&mut self, now: Moment, event: &Event) -> Vec<Command> {
        match (self.stage.clone(), event) {
            (Stage::Idle, Event::Started { plan, .. }) => {
                self.faults = vec![Fault::Planned; plan.faults.len()];
                self.guards = Guards::of(plan);
                self.stops = Stops::of(plan);
                self.climb = Climb::of(plan);
                self.plan = Some(plan.as_ref().clone());
                self.stage = Stage::Preflight;
                vec![Command::Prepare]
            }
            (Stage::Preflight, Event::PreflightFailed { reason, refused }) => {
                let reason = reason.clone();
                self.end(if *refused {
                    Finish::Refused(reason)
                } else {
                    Finish::CouldNotRun(reason)
                })
            }
            (Stage::Preflight, Event::Ready) => self.ask(When::Before, Stage::Before),
            // Nothing is broken here, and the shell stops a load that is on its way.
            (
                Stage::Preflight | Stage::Before(_) | Stage::Starting | Stage::After(_),
                Event::Interrupted { signal },
            ) => self.end(Finish::Interrupted(signal.clone())),
            (Stage::Preflight | Stage::Before(_) | Stage::Starting, Event::GuardianLost) => {
                self.end(Finish::GuardianLost)
            }
            // Asked once, the run mends and stops. Asked again, it waits for nothing more: the shell mends.
            (Stage::Undoing | Stage::Stopping, Event::Interrupted { signal }) => {
                if self.finish == Finish::Completed {
                    self.finish = Finish::Interrupted(signal.clone());
                    return Vec::new();
                }
                self.end(self.finish.clone())
            }
            (Stage::Before(asking), Event::Probed { probe, held, detail, .. }) => {
                self.answered(now, asking, *probe, *held, detail, Stage::Before)
            }
            (Stage::After(asking), Event::Probed { probe, held, detail, .. }) => {
                self.answered(now, asking, *probe, *held, detail, Stage::After)
            }
            (Stage::Before(asking), Event::Tick) => self.ask_again(now, asking, Stage::Before),
            (Stage::After(asking), Event::Tick) => self.ask_again(now, asking, Stage::After),
            (Stage::Starting, Event::LoadStarted) => {
                self.load_began = Some(now);
                self.next_ask = self
                    .plan
                    .iter()
                    .flat_map(|plan| &plan.steady_state)
                    .map(|it| now + it.every)
                    .collect();
                self.stage = Stage::Loading;
                self.timeline(now)
            }
            (Stage::Starting, Event::LoadEnded { error }) => self.end(Finish::LoadFailed(
                error.clone().unwrap_or_else(|| "load ended before it began".to_owned()),
            )),
            (Stage::Loading, Event::Second { frame }) => self.second(frame),
            (Stage::Loading, Event::Tick) => self.timeline(now),
            (Stage::Loading, Event::Interrupted { signal }) => {
                self.stop(Finish::Interrupted(signal.clone()))
            }
            (Stage::Loading, Event::GuardianLost) => self.stop(Finish::GuardianLost),
            (Stage::Loading, Event::LoadEnded { error }) => {
                self.load_is_over = true;
                self.stop(error.clone().map_or(Finish::Completed, Finish::LoadFailed))
            }
            (Stage::Undoing | Stage::Stopping, Event::LoadEnded { .. }) => {
                self.load_is_over = true;
                self.go_on()
            }
            (Stage::Loading | Stage::Undoing, Event::FaultBegan { fault, .. }) => {
                // One that was given up while it began is ended already, or about to be.
                if self.faults.get(*fault) == Some(&Fault::Beginning) {
                    self.set(*fault, Fault::Acting);
                }
                Vec::new()
            }
            (Stage::Loading | Stage::Undoing, Event::FaultFailed { fault, error }) => {
                self.set(*fault, Fault::Over);
                match self.stage {
                    Stage::Undoing => self.go_on(),
                    _ => self.stop(Finish::FaultFailed { fault: *fault, error: error.clone() }),
                }
            }
            (Stage::Loading | Stage::Undoing, Event::FaultEnded { fault, error, .. }) => {
                self.set(*fault, Fault::Over);
                match (&self.stage, error) {
                    (Stage::Undoing, _) => self.go_on(),
                    (_, Some(error)) => {
                        self.stop(Finish::NotTakenBack { fault: *fault, error: error.clone() })
                    }
                    (_, None) => Vec::new(),
                }
            }
            // Late events of an earlier stage are expected and mean nothing now.
            _ => Vec::new(),
        }
    }

    /// Takes in a second of load: guards come first, then what ends a load that is complete.
    fn second(&mut self, frame: &Frame) -> Vec<Command> {
        if self.is_whole() {
            self.before.add(frame);
        }
        let stop = self.stops.on(frame).map(Early::Threshold);
        let broke = self.climb.on(frame).map(Early::Breakdown);
        match (self.guards.on(frame), broke.or(stop)) {
            (Some(trip), _) => self.stop(Finish::Guard(trip)),
            (None, Some(early)) => {
                self.early = Some(early);
                self.stop(Finish::Completed)
            }
            (None, None) => Vec::new(),
        }
    }

    /// When the conductor wants a [`Event::Tick`] next.
    pub fn next_wake(&self) -> Option<Moment> {
        let planned = self.next_planned();
        planned.into_iter().chain(self.until).min()
    }

    fn next_planned(&self) -> Option<Moment> {
        match &self.stage {
            Stage::Before(asking) | Stage::After(asking) => asking.again_at,
            Stage::Loading => {
                let (plan, began) = (self.plan.as_ref()?, self.load_began?);
                let of_faults = plan.faults.iter().zip(&self.faults).filter_map(
                    |(planned, state)| match state {
                        Fault::Planned => Some(began + planned.from.elapsed()),
                        Fault::Acting => Some(began + planned.to.elapsed()),
                        Fault::Beginning | Fault::Ending | Fault::Over => None,
                    },
                );
                let of_probes = plan.steady_state.iter().zip(&self.next_ask);
                let of_probes =
                    of_probes.filter(|(probe, _)| is_asked(probe, When::During)).map(|(_, at)| *at);
                of_faults.chain(of_probes).min()
            }
            _ => None,
        }
    }

    /// When load began.
    pub const fn load_began(&self) -> Option<Moment> {
        self.load_began
    }

    /// The abort conditions, for those who show how near they are.
    pub const fn guards(&self) -> &Guards {
        &self.guards
    }

    /// Whether nothing is left to do, and why.
    pub fn finished(&self) -> Option<&Finish> {
        (self.stage == Stage::Done).then_some(&self.finish)
    }

    /// Why the run is coming to its end, from the moment that is decided.
    pub fn stopping(&self) -> Option<&Finish> {
        matches!(self.stage, Stage::Undoing | Stage::Stopping | Stage::After(_) | Stage::Done)
            .then_some(&self.finish)
    }

    /// Why the load ended before its time, in a run that is complete nevertheless.
    pub const fn ended_early(&self) -> Option<Early> {
        self.early
    }

    /// Whether a fault may be in place.
    pub fn is_acting(&self, fault: usize) -> bool {
        matches!(self.faults.get(fault), Some(Fault::Acting | Fault::Ending))
    }

    /// What is due by now: faults that begin or end, probes that are asked.
    fn timeline(&mut self, now: Moment) -> Vec<Command> {
        let (Some(plan), Some(began)) = (self.plan.take(), self.load_began) else {
            return Vec::new();
        };
        let elapsed = Moment::at(now - began);
        let mut commands = Vec::new();
        let first_fault = self.is_whole();
        for (index, planned) in plan.faults.iter().enumerate() {
            match self.faults[index] {
                Fault::Acting if planned.to <= elapsed => {
                    self.faults[index] = Fault::Ending;
                    commands.push(Command::EndFault(index));
                }
                Fault::Planned if planned.from <= elapsed => {
                    if first_fault && let Some(reason) = self.unsteady(&plan) {
                        self.plan = Some(plan);
                        return self.stop(Finish::CouldNotRun(reason));
                    }
                    self.faults[index] = Fault::Beginning;
                    commands.push(Command::BeginFault(index));
                }
                _ => {}
            }
        }
        for (index, probe) in plan.steady_state.iter().enumerate() {
            if is_asked(probe, When::During) && self.next_ask[index] <= now {
                self.next_ask[index] = now + probe.every.max(Duration::from_millis(100));
                commands.push(Command::Ask(index));
            }
        }
        self.plan = Some(plan);
        commands
    }

    /// What the load says against a steady state, before anything is broken.
    fn unsteady(&self, plan: &Plan) -> Option<String> {
        let asked = plan.steady_state.iter().filter(|it| it.is_due(When::Before));
        asked.into_iter().find_map(|probe| match &probe.kind {
            ProbeKind::Load { criterion } => {
                let value = self.before.figure(criterion.metric)?;
                let shown = criterion.metric.show(value);
                (!criterion.holds(value))
                    .then(|| format!("no steady state before the first fault: {criterion} was asked for, {shown} measured"))
            }
            _ => None,
        })
    }

    /// Ends what is broken, then everything else.
    fn stop(&mut self, finish: Finish) -> Vec<Command> {
        self.finish = finish;
        self.undo()
    }

    fn undo(&mut self) -> Vec<Command> {
        self.stage = Stage::Undoing;
        let mut commands = Vec::new();
        for (index, fault) in self.faults.iter_mut().enumerate() {
            match fault {
                // What is only beginning is given up.
                Fault::Acting | Fault::Beginning => {
                    *fault = Fault::Ending;
                    commands.push(Command::EndFault(index));
                }
                Fault::Planned => *fault = Fault::Over,
                Fault::Ending | Fault::Over => {}
            }
        }
        commands.extend(self.go_on());
        commands
    }

    /// Goes on once nothing is broken: load is stopped, then the steady state is asked for again.
    fn go_on(&mut self) -> Vec<Command> {
        if self.faults.iter().any(|it| *it != Fault::Over) {
            return Vec::new();
        }
        match (&self.stage, self.load_is_over) {
            (Stage::Undoing, false) => {
                self.stage = Stage::Stopping;
                vec![Command::StopLoad]
            }
            (_, true) if self.finish == Finish::Completed => self.ask(When::After, Stage::After),
            (_, true) => self.end(self.finish.clone()),
            _ => Vec::new(),
        }
    }

    fn end(&mut self, finish: Finish) -> Vec<Command> {
        self.stage = Stage::Done;
        self.finish = finish.clone();
        vec![Command::Finish(finish)]
    }

    /// Whether nothing has been broken yet.
    fn is_whole(&self) -> bool {
        self.faults.iter().all(|it| *it == Fault::Planned)
    }

    /// What runs, for sentences.
    fn noun(&self) -> &'static str {
        self.plan.as_ref().map_or("run", Plan::noun)
    }

    fn set(&mut self, fault: usize, state: Fault) {
        if let Some(it) = self.faults.get_mut(fault) {
            *it = state;
        }
    }
}

#[cfg(test)]
mod tests;
