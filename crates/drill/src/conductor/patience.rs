//! Patience: how long a stage may take, and what ends it then.

use std::time::Duration;

use super::{Command, Conductor, Fault, Finish, Stage, asking};
use crate::probing::answered_within;

/// On top of what a stage takes by its plan: time for hands that are held up by a busy host.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long may taking back take: a target that is restarted has to come up again.
const UNDO_MAX: Duration = Duration::from_mins(2);

impl Conductor {
    /// The longest time that the present stage may take.
    pub(super) fn longest(&self) -> Option<Duration> {
        let plan = self.plan.as_ref()?;
        let own = match &self.stage {
            Stage::Idle | Stage::Done => return None,
            Stage::Preflight => plan.service.start.as_ref().map_or(Duration::ZERO, |it| it.timeout),
            Stage::Before(_) | Stage::After(_) => {
                asking::longest(plan.steady_state.iter().map(|it| &it.kind))
            }
            Stage::Starting | Stage::Stopping => Duration::ZERO,
            Stage::Loading => plan.length() + answered_within(plan),
            Stage::Undoing => UNDO_MAX,
        };
        Some(own + PATIENCE)
    }

    /// Ends a stage that has lasted too long.
    pub(super) fn give_up(&mut self) -> Vec<Command> {
        match self.stage {
            Stage::Idle | Stage::Done => Vec::new(),
            Stage::Preflight => {
                self.end(Finish::CouldNotRun(format!("the {} was not ready in time", self.noun())))
            }
            Stage::Before(_) => self.asked(false, "a probe never answered", Stage::Before),
            Stage::Starting => {
                self.end(Finish::LoadFailed("the load did not begin in time".to_owned()))
            }
            Stage::Loading => self.stop(Finish::LoadFailed("the load came to no end".to_owned())),
            Stage::Undoing => {
                self.faults.fill(Fault::Over);
                self.go_on()
            }
            Stage::Stopping => self.end(self.finish.clone()),
            Stage::After(_) => self.asked(false, "a probe never answered", Stage::After),
        }
    }
}
