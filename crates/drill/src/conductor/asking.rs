//! Asking: the steady state before the load and after it, probe by probe.
//!
//! Every probe is asked once, and again when it did not hold.

use std::time::Duration;

use evenkeel_model::document::{ProbeKind, When};
use evenkeel_units::Moment;

use crate::probing::{is_asked, within};

use super::{Command, Conductor, Finish, Stage};

/// Probes that were asked once each, and asked again when they did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    /// By probe: tries left, or `None` when it is answered.
    pub(super) left: Vec<Option<u8>>,
    pub(super) again_at: Option<Moment>,
}

/// A probe may fail this often before its answer counts: one lost packet is no unsteady state.
const TRIES: u8 = 3;
const PAUSE_BETWEEN_TRIES: Duration = Duration::from_millis(500);

impl Conductor {
    pub(super) fn ask(&mut self, when: When, stage: fn(Asking) -> Stage) -> Vec<Command> {
        let probes = self.plan.iter().flat_map(|plan| &plan.steady_state);
        let left: Vec<_> = probes.map(|it| is_asked(it, when).then_some(TRIES)).collect();
        let commands: Vec<_> = left
            .iter()
            .enumerate()
            .filter(|(_, it)| it.is_some())
            .map(|(index, _)| Command::Ask(index))
            .collect();
        self.stage = stage(Asking { left, again_at: None });
        if commands.is_empty() { self.asked(true, "", stage) } else { commands }
    }

    pub(super) fn answered(
        &mut self,
        now: Moment,
        mut asking: Asking,
        probe: usize,
        held: bool,
        detail: &str,
        stage: fn(Asking) -> Stage,
    ) -> Vec<Command> {
        let Some(left) = asking.left.get_mut(probe) else { return Vec::new() };
        match left {
            None => return Vec::new(), // An answer to a question of an earlier stage.
            Some(_) if held => *left = None,
            Some(1) => {
                let asked = self.plan.as_ref().and_then(|plan| plan.steady_state.get(probe));
                let question = asked.map(|it| it.kind.to_string()).unwrap_or_default();
                return self.asked(false, &format!("{question}: {detail}"), stage);
            }
            Some(tries) => {
                *tries -= 1;
                asking.again_at = Some(now + PAUSE_BETWEEN_TRIES);
            }
        }
        let all = asking.left.iter().all(Option::is_none);
        self.stage = stage(asking);
        if all { self.asked(true, "", stage) } else { Vec::new() }
    }

    pub(super) fn ask_again(
        &mut self,
        now: Moment,
        mut asking: Asking,
        stage: fn(Asking) -> Stage,
    ) -> Vec<Command> {
        if asking.again_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        asking.again_at = None;
        let again =
            asking.left.iter().enumerate().filter(|(_, left)| left.is_some_and(|it| it < TRIES));
        let commands = again.map(|(index, _)| Command::Ask(index)).collect();
        self.stage = stage(asking);
        commands
    }

    /// Every probe has been answered.
    pub(super) fn asked(
        &mut self,
        held: bool,
        detail: &str,
        stage: fn(Asking) -> Stage,
    ) -> Vec<Command> {
        match stage(Asking { left: Vec::new(), again_at: None }) {
            Stage::Before(_) if held => {
                self.stage = Stage::Starting;
                vec![Command::StartLoad]
            }
            Stage::Before(_) => {
                let noun = self.noun();
                self.end(Finish::CouldNotRun(format!(
                    "no steady state before the {noun}: {detail}"
                )))
            }
            // Whether the steady state came back is judged, and changes nothing about what is done.
            _ => self.end(Finish::Completed),
        }
    }
}

/// The longest time that asking `probes` takes, each as often as it may be.
pub(super) fn longest<'a>(probes: impl Iterator<Item = &'a ProbeKind>) -> Duration {
    let longest = probes.map(within).max();
    (longest.unwrap_or_default() + PAUSE_BETWEEN_TRIES) * u32::from(TRIES)
}
