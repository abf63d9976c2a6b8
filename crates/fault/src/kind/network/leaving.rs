//! Packets that a queueing discipline of the kernel treats where they leave this host.

use crate::discipline::{Discipline, Treatment};
use crate::kind::Aim;
use crate::need::PlanError;
use crate::plan::{Op, Step, Undo};

/// The step that has a discipline treat traffic.
pub(super) fn treat(aim: &Aim<'_>, treatment: Treatment) -> Result<Vec<Step>, PlanError> {
    let Some(traffic) = aim.traffic() else { return Ok(Vec::new()) };
    if aim.is_inside() {
        let message =
            "disciplines are laid on interfaces of this host, and not on those of a container";
        return Err(PlanError::Unfit(message.to_owned()));
    }
    super::rules::may_be_hit(traffic)?;
    let discipline = Discipline::of(traffic, treatment)?;
    let undo = Undo::RemoveDiscipline(discipline.clone());
    Ok(vec![Step { apply: Op::Shape(discipline), undo }])
}
