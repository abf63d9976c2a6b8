//! Run: what the events of a journal add up to.
//!
//! A fold without opinions: it puts each event where judges look for it. Why the run ended is asked of its conductor,
//! which hears the same events, also when they are read from a journal: its commands then go nowhere.

use std::time::Duration;

use evenkeel_model::document::{Release, Role, When};
use evenkeel_model::event::Evidence;
use evenkeel_model::plan::{Footprint, PlannedPhase, RunHead};
use evenkeel_model::{Entry, Event, Frame, Outcome, Plan};
use evenkeel_units::Moment;

use crate::conductor::{Command, Conductor, Early, Finish};
use crate::frames::Frames;
use crate::probing::Probing;
use crate::sending::{self, AgentFigures};
use crate::tally::Tally;
use crate::watched::Reading;

/// What happened in a run. Moments are after the start of the load.
#[derive(Debug)]
pub struct Run {
    /// Decides what is done.
    conductor: Conductor,
    /// Answers of probes, where they stand for load.
    probing: Option<Probing>,
    /// Seconds that were over with the last event.
    seconds: Vec<Frame>,
    /// Which run.
    pub head: RunHead,
    /// What was to be done.
    pub plan: Plan,
    /// Each second of load.
    pub frames: Frames,
    /// By planned fault.
    pub faults: Vec<FaultTrack>,
    /// Answers of probes, in order.
    pub probes: Vec<ProbeAnswer>,
    /// Why it ended; `None` when the journal stops before its end.
    pub finish: Option<Finish>,
    /// Why its load ended before its time, when that is no reason not to judge it.
    pub ended_early: Option<Early>,
    /// When a guard stopped it.
    pub tripped_at: Option<Moment>,
    /// Whether load was ever sent.
    pub load_began: bool,
    /// Whether all of it was.
    pub load_is_over: bool,
    /// Machines that were to send the load; none where it was sent from here.
    pub agents: Vec<AgentTrack>,
    /// Those of them that were lost.
    pub lost: Vec<LostAgent>,
    /// What was watched beside the load.
    pub readings: Vec<Reading>,
    /// The run that it is compared with.
    pub baseline: Option<Outcome>,
    /// When, after the start of the load, the service that the run had started ended by itself, and how.
    pub service_ended: Option<(Moment, String)>,
    /// What is still broken after the run.
    pub not_mended: Option<String>,
    /// What it cost.
    pub footprint: Option<Footprint>,
}

/// What became of a planned fault.
#[derive(Clone, Debug, Default)]
pub struct FaultTrack {
    /// When it began to act.
    pub from: Option<Moment>,
    /// When it was taken back.
    pub to: Option<Moment>,
    /// What it hit.
    pub targets: Vec<String>,
    /// What ends it when the tool is gone.
    pub release: Option<Release>,
    /// What shows that it acted.
    pub evidence: Evidence,
    /// Why it did not begin, or was not taken back.
    pub error: Option<String>,
    /// Whether it began and was not taken back.
    pub left_behind: bool,
}

/// A machine that sent a share of the load.
#[derive(Debug)]
pub struct AgentTrack {
    /// Where it listened, or what it is called where it came by itself.
    pub agent: String,
    /// What it calls itself.
    pub name: String,
    /// How it sent in each second; outcomes are only in the frames of all.
    pub frames: Frames,
}

/// A machine that broke off while it sent its share of the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostAgent {
    /// As in [`AgentTrack`].
    pub agent: String,
    /// How many of its seconds were heard.
    pub second: u64,
    /// How it was noticed.
    pub reason: String,
    /// Who sent its share from then on, if anybody did.
    pub handed_on: Option<HandedOn>,
}

/// How others took over what a lost machine had to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOn {
    /// Who.
    pub by: Vec<String>,
    /// From when of the load on.
    pub from: Moment,
    /// How many arrivals nobody sent.
    pub missed: u64,
}

/// One answer of a probe.
#[derive(Clone, Debug)]
pub struct ProbeAnswer {
    /// Which probe.
    pub probe: usize,
    /// Where in the run.
    pub when: When,
    /// Whether it held.
    pub held: bool,
    /// What was seen.
    pub detail: String,
    /// When it came, after the start of the load.
    pub at: Moment,
    /// How long the question took.
    pub took: Duration,
}

impl Run {
    /// A run of which nothing has happened yet; the seconds of its load go to `frames`.
    pub fn new(head: RunHead, plan: Plan, frames: Frames) -> Self {
        Self {
            conductor: Conductor::default(),
            probing: Probing::of(&plan),
            seconds: Vec::new(),
            head,
            faults: vec![FaultTrack::default(); plan.faults.len()],
            plan,
            frames,
            probes: Vec::new(),
            finish: None,
            ended_early: None,
            tripped_at: None,
            load_began: false,
            load_is_over: false,
            agents: Vec::new(),
            lost: Vec::new(),
            readings: Vec::new(),
            baseline: None,
            service_ended: None,
            not_mended: None,
            footprint: None,
        }
    }

    /// Who decides, as of the last event.
    pub const fn conductor(&self) -> &Conductor {
        &self.conductor
    }

    /// The seconds of load that the last event brought.
    pub fn seconds(&self) -> &[Frame] {
        &self.seconds
    }

    /// Takes in what happened next, and says what is to be done about it.
    pub fn on(&mut self, entry: &Entry) -> Vec<Command> {
        self.seconds.clear();
        let mut commands = self.seconds_of_probes(entry);
        commands.extend(self.take_in(entry.at, &entry.event));
        if let (Some(probing), Event::Probed { probe, held, took_seconds, .. }) =
            (&mut self.probing, &entry.event)
            && self.load_began
            && !self.load_is_over
        {
            let took = Duration::try_from_secs_f64(*took_seconds).unwrap_or_default();
            let open = probing.answered(*probe, *held, took);
            commands.extend(open.iter().flat_map(|it| self.conductor.glance(entry.at, it)));
            self.note_end(entry.at);
        }
        if let (Some(probing), true, false) =
            (&mut self.probing, self.load_began, self.load_is_over)
        {
            for command in &commands {
                if let Command::Ask(probe) = command {
                    probing.asked(*probe);
                }
            }
        }
        commands
    }

    /// Takes in the seconds of probes that are over by now, as if load had been sent in them.
    fn seconds_of_probes(&mut self, entry: &Entry) -> Vec<Command> {
        let (Some(probing), Some(began), false) =
            (&mut self.probing, self.conductor.load_began(), self.load_is_over)
        else {
            return Vec::new();
        };
        let mut over = probing.over(Moment::at(entry.at - began));
        if matches!(entry.event, Event::LoadEnded { .. }) {
            over.extend(probing.end());
        }
        over.into_iter()
            .flat_map(|frame| self.take_in(entry.at, &Event::Second { frame }))
            .collect()
    }

    fn take_in(&mut self, at: Moment, event: &Event) -> Vec<Command> {
        let commands = self.conductor.on(at, event);
        let began = self.conductor.load_began();
        let after_load_began = Moment::at(began.map_or(Duration::ZERO, |began| at - began));
        self.load_began = began.is_some();
        match event {
            Event::Second { frame } => {
                self.frames.push(frame);
                self.seconds.push(frame.clone());
            }
            Event::AgentJoined { .. }
            | Event::AgentSecond { .. }
            | Event::AgentLost { .. }
            | Event::ShareHandedOn { .. } => self.on_agent(event),
            Event::FaultBegan { .. } | Event::FaultFailed { .. } | Event::FaultEnded { .. } => {
                self.on_fault(event, after_load_began);
            }
            Event::LoadEnded { .. } => self.load_is_over = true,
            Event::Probed { probe, held, detail, took_seconds } => {
                let when = match (self.load_began, self.load_is_over) {
                    (false, _) => When::Before,
                    (true, false) => When::During,
                    (true, true) => When::After,
                };
                self.probes.push(ProbeAnswer {
                    probe: *probe,
                    when,
                    held: *held,
                    detail: detail.clone(),
                    at: after_load_began,
                    took: Duration::try_from_secs_f64(*took_seconds).unwrap_or_default(),
                });
            }
            Event::Baseline { outcome } => self.baseline = Some(outcome.as_ref().clone()),
            Event::ServiceEnded { how } => {
                self.service_ended = Some((after_load_began, how.clone()));
            }
            // Before the load and after it nothing is drawn beside it.
            Event::Watched { watch, values, error } if self.load_began && !self.load_is_over => {
                self.readings.push(Reading {
                    watch: *watch,
                    at: after_load_began,
                    values: values.clone(),
                    error: error.clone(),
                });
            }
            Event::NotMended { reason } => self.not_mended = Some(reason.clone()),
            Event::Measured { footprint } => self.footprint = Some(footprint.clone()),
            _ => {}
        }
        self.note_end(at);
        commands
    }

    /// Notes why the run ends, when it does.
    fn note_end(&mut self, at: Moment) {
        if let (Some(Finish::Guard(_)), None) = (self.conductor.stopping(), self.tripped_at) {
            let began = self.conductor.load_began();
            self.tripped_at = Some(Moment::at(began.map_or(Duration::ZERO, |began| at - began)));
        }
        self.finish = self.conductor.finished().cloned();
        self.ended_early = self.conductor.ended_early();
    }

    /// Notes what became of a planned fault.
    fn on_fault(&mut self, event: &Event, at: Moment) {
        let number = match event {
            Event::FaultBegan { fault, .. }
            | Event::FaultFailed { fault, .. }
            | Event::FaultEnded { fault, .. } => *fault,
            _ => return,
        };
        let Some(track) = self.faults.get_mut(number) else { return };
        match event {
            Event::FaultBegan { release, targets, .. } => {
                track.release = Some(*release);
                track.from = Some(at);
                track.targets.clone_from(targets);
                track.left_behind = true;
            }
            Event::FaultFailed { error, .. } => track.error = Some(error.clone()),
            Event::FaultEnded { evidence, error, .. } => {
                track.to = Some(at);
                track.evidence = evidence.clone();
                track.error.clone_from(error);
                track.left_behind = error.is_some();
            }
            _ => {}
        }
    }

    /// Notes what one of several machines did.
    fn on_agent(&mut self, event: &Event) {
        match event {
            Event::AgentJoined { agent, name, .. } => self.agents.push(AgentTrack {
                agent: agent.clone(),
                name: name.clone(),
                frames: self.frames.alike(),
            }),
            Event::AgentSecond { agent, frame } => {
                let track = self.agents.iter_mut().find(|it| it.agent == *agent);
                track.into_iter().for_each(|it| it.frames.push(frame));
            }
            Event::AgentLost { agent, second, reason } => self.lost.push(LostAgent {
                agent: agent.clone(),
                second: *second,
                reason: reason.clone(),
                handed_on: None,
            }),
            Event::ShareHandedOn { agent, by, from, missed } => {
                let handed_on = HandedOn { by: by.clone(), from: *from, missed: *missed };
                let lost = self.lost.iter_mut().find(|it| it.agent == *agent);
                lost.into_iter().for_each(|it| it.handed_on = Some(handed_on.clone()));
            }
            _ => {}
        }
    }

    /// Seconds of load that lie in a phase, by their middle.
    pub fn frames_of(&self, phase: usize) -> impl Iterator<Item = Frame> + Clone {
        self.of_phase(&self.frames, phase)
    }

    /// Those of some seconds of load that lie in a phase.
    pub(crate) fn of_phase<'a>(
        &'a self,
        frames: &'a Frames,
        phase: usize,
    ) -> impl Iterator<Item = Frame> + Clone + use<'a> {
        let PlannedPhase { from, to, .. } = self.plan.phases[phase];
        frames.between(from, to).filter(move |it| self.phase_of(it) == Some(phase))
    }

    /// Seconds of load that are judged: all but those of warm-ups.
    pub fn judged(&self) -> impl Iterator<Item = Frame> + Clone {
        self.frames.iter().filter(|it| self.is_judged(it))
    }

    fn is_judged(&self, frame: &Frame) -> bool {
        self.phase_of(frame).is_none_or(|phase| self.plan.phases[phase].role != Role::Warmup)
    }

    /// The judged seconds, added up.
    pub(crate) fn judged_tally(&self) -> Tally {
        Tally::within(self.length()).plus(self.judged())
    }

    /// Seconds of load before anything was broken: those of baseline phases, or else those before the
    /// first fault.
    pub fn undisturbed(&self) -> impl Iterator<Item = Frame> + Clone {
        let first = self.faults.iter().filter_map(|it| it.from).min();
        let calm =
            move |it: &Frame| first.is_none_or(|at| it.from() + Duration::from_secs(1) <= at);
        let baseline = |it: &Frame| {
            self.phase_of(it).is_some_and(|phase| self.plan.phases[phase].role == Role::Baseline)
        };
        let by_role = self.frames.iter().any(|it| calm(&it) && baseline(&it));
        self.frames.iter().filter(move |it| {
            let asked = if by_role { baseline(it) } else { first.is_some() && self.is_judged(it) };
            asked && calm(it)
        })
    }

    /// How each machine sent its part of the load; nothing where all of it was sent from here.
    pub fn agent_figures(&self) -> Vec<AgentFigures> {
        sending::of_agents(self)
    }

    /// How long load was to be sent: until its end, or until it was ended before that.
    pub(crate) fn length(&self) -> Duration {
        match self.ended_early {
            Some(_) => self.duration(),
            None => self.plan.length(),
        }
    }

    /// For how long load was sent as planned; what is sent late, after the plan's end, adds nothing to it.
    pub fn duration(&self) -> Duration {
        let seconds = self
            .frames
            .iter()
            .filter(|it| it.planned > 0 || it.sent > 0)
            .map(|it| it.second + 1)
            .max();
        Duration::from_secs(seconds.unwrap_or(0)).min(self.plan.length())
    }

    /// Whether a fault acted at any time in a second.
    pub fn is_disturbed(&self, second: u64) -> bool {
        let (from, to) =
            (Moment::at(Duration::from_secs(second)), Moment::at(Duration::from_secs(second + 1)));
        self.faults
            .iter()
            .any(|it| it.from.is_some_and(|at| at < to) && it.to.is_none_or(|at| from < at))
    }

    fn phase_of(&self, frame: &Frame) -> Option<usize> {
        self.plan.phase_at(frame.middle())
    }
}
