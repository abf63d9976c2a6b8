//! Charter: the policy and the gate that an objective falls under, together.
//!
//! Who has no policy has a gate all the same: a tenth must be left, and no page be firing.

use evenkeel_model::document::ErrorBudgetPolicy;
use jiff::Timestamp;

use crate::gate::{Decision, Facts, Gate, Request};
use crate::policy::{Level, Policy, Stance};
use crate::reading::{ReadingError, budget_policy, policy};
use crate::{Objective, Standing};

/// What is done as the budget of an objective goes, and who may still deploy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charter {
    /// What the policy is called, where there is one.
    pub name: Option<String>,
    /// Its levels.
    pub policy: Policy,
    /// Its gate, or the usual one.
    pub gate: Gate,
}

impl Charter {
    /// The one of an objective, among policies.
    ///
    /// # Errors
    /// When the levels of its policy contradict each other.
    pub fn of<'a>(
        policies: impl IntoIterator<Item = &'a ErrorBudgetPolicy>,
        of: &Objective,
    ) -> Result<Self, ReadingError> {
        let Some(document) = budget_policy(policies, of) else { return Ok(Self::default()) };
        Ok(Self {
            name: Some(document.name.clone()),
            policy: policy(document)?,
            gate: document.gate.as_ref().map_or_else(Gate::default, Gate::from),
        })
    }

    /// The level that holds as things stand, of who remembers none.
    pub fn level(&self, standing: &Standing) -> Option<&Level> {
        self.stance(standing, standing.account.at).level(&self.policy)
    }

    /// Whether a change may go out as things stand.
    pub fn decide(&self, request: Request<'_>, standing: &Standing) -> Decision {
        let stance = self.stance(standing, request.at);
        let firing = standing.firing();
        let facts = Facts {
            left: standing.account.left(),
            firing: firing.map(|it| (it.rule.name.as_str(), it.rule.severity, it.long)).collect(),
            freezes: stance.freezes(&self.policy).collect(),
        };
        self.gate.decide(request, &facts)
    }

    fn stance(&self, standing: &Standing, at: Timestamp) -> Stance {
        let left = standing.account.left();
        left.map(|left| Stance::of(&self.policy, left, at)).unwrap_or_default()
    }
}
