//! Policy: what is done when a budget runs low.
//!
//! ```text
//!   left ≤ 75 %   notify the team
//!   left ≤ 25 %   freeze what is not critical          the most severe level that matches counts, and only that
//!   left ≤  0 %   freeze everything, open an incident
//! ```
//!
//! A level is entered when no more than its share is left, and left when its share and the hysteresis are exceeded: a
//! budget that hovers at a quarter does not freeze and thaw every minute.

use evenkeel_units::Ratio;
use jiff::Timestamp;

use crate::Share;
use crate::share::percent;

/// Levels, and actions of each, that a policy may have.
pub const LEVELS_MAX: usize = 32;

/// What a freeze is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// As people call it: `all-changes`, `non-critical-features`.
    pub name: String,
    /// Kinds of change that go through all the same; none of `all-changes`.
    pub spares: Vec<String>,
}

impl Scope {
    /// Of every change.
    pub fn everything() -> Self {
        Self { name: "all-changes".to_owned(), spares: Vec::new() }
    }

    /// Whether it stops a kind of change.
    pub fn stops(&self, kind: &str) -> bool {
        !self.spares.iter().any(|it| it == kind)
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell somebody.
    Notify {
        /// Whom: a channel, a role.
        target: String,
        /// What.
        message: String,
    },
    /// Look at what changed lately.
    Review {
        /// At what.
        description: String,
    },
    /// Stop changes.
    Freeze {
        /// Which.
        scope: Scope,
        /// Why.
        description: String,
    },
    /// Plan work.
    Ticket {
        /// What.
        description: String,
    },
    /// Treat it as an incident.
    Incident {
        /// How urgent, as people call it: `P1`.
        priority: String,
        /// Why.
        description: String,
    },
}

/// What is done at a share of the budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// At this much left, and less.
    pub remaining: Ratio,
    /// What is done.
    pub actions: Vec<Action>,
}

/// Why levels are no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is a limit.
    #[error("{0} levels or actions are more than {LEVELS_MAX}")]
    TooMany(usize),
    /// Nobody could tell which of the two counts.
    #[error("two levels are at {0} left: put their actions into one")]
    Twice(Ratio),
}

/// What is done when a budget runs low.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The most severe first.
    levels: Vec<Level>,
    hysteresis: Ratio,
    /// What is done when an alert fires, by the name of its rule.
    alerts: Vec<(String, Vec<Action>)>,
}

impl Policy {
    /// A policy of levels in any order. A level is left when `hysteresis` more than its share is left.
    pub fn new(mut levels: Vec<Level>, hysteresis: Ratio) -> Result<Self, PolicyError> {
        let most =
            levels.iter().map(|it| it.actions.len()).chain([levels.len()]).max().unwrap_or(0);
        if most > LEVELS_MAX {
            return Err(PolicyError::TooMany(most));
        }
        levels.sort_by_key(|it| it.remaining);
        let twice =
            levels.iter().zip(levels.iter().skip(1)).find(|(a, b)| a.remaining == b.remaining);
        if let Some((it, _)) = twice {
            return Err(PolicyError::Twice(it.remaining));
        }
        Ok(Self { levels, hysteresis, alerts: Vec::new() })
    }

    /// The same, with what is done when an alert fires.
    #[must_use]
    pub fn with_alert(mut self, rule: impl Into<String>, actions: Vec<Action>) -> Self {
        self.alerts.push((rule.into(), actions));
        self
    }

    /// The levels, the most severe first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// What is done when the alert of a rule fires.
    pub fn of_alert(&self, rule: &str) -> impl Iterator<Item = &Action> {
        self.alerts.iter().filter(move |(name, _)| name == rule).flat_map(|(_, actions)| actions)
    }

    /// The most severe level that matches, by its place.
    fn matching(&self, left: Share, entered: Option<usize>) -> Option<usize> {
        let matches = |(place, level): &(usize, &Level)| {
            let kept = entered.is_some_and(|it| *place >= it);
            let more = if kept { self.hysteresis.into() } else { Share::ZERO };
            left <= Share::from(level.remaining).plus(more)
        };
        self.levels.iter().enumerate().find(matches).map(|(place, _)| place)
    }
}

/// Where a budget is in its policy, as time passes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Stance {
    entered: Option<usize>,
    since: Option<Timestamp>,
}

/// A budget came to another level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// The level that was left.
    pub from: Option<&'a Level>,
    /// The level that was entered; `None` when all is well.
    pub to: Option<&'a Level>,
    /// Whether the new level is more severe, so that its actions are to be done.
    pub worse: bool,
    /// In words and numbers.
    pub reason: String,
}

impl Stance {
    /// The level it is at.
    pub fn level(self, policy: &Policy) -> Option<&Level> {
        policy.levels.get(self.entered?)
    }

    /// Since when.
    pub const fn since(self) -> Option<Timestamp> {
        self.since
    }

    /// What a policy that is asked once, and remembers nothing, says of so much left.
    pub fn of(policy: &Policy, left: Share, now: Timestamp) -> Self {
        let entered = policy.matching(left, None);
        Self { entered, since: entered.map(|_| now) }
    }

    /// The freezes that are on.
    pub fn freezes(self, policy: &Policy) -> impl Iterator<Item = &Scope> {
        self.level(policy).into_iter().flat_map(|it| &it.actions).filter_map(|it| match it {
            Action::Freeze { scope, .. } => Some(scope),
            _ => None,
        })
    }

    /// Tells how much is left at `now`. No data changes nothing.
    pub fn on<'a>(
        &mut self,
        policy: &'a Policy,
        now: Timestamp,
        left: Option<Share>,
    ) -> Option<Step<'a>> {
        let left = left?;
        let entered = policy.matching(left, self.entered);
        if entered == self.entered {
            return None;
        }
        let from = self.level(policy);
        // Levels are in order of severity, and none is after all of them.
        let worse = entered.unwrap_or(usize::MAX) < self.entered.unwrap_or(usize::MAX);
        *self = Self { entered, since: entered.map(|_| now) };
        let to = self.level(policy);
        let reason = match to {
            Some(it) => {
                format!("{} of the budget is left: at {} or less", percent(left), it.remaining)
            }
            None => format!("{} of the budget is left: above every level", percent(left)),
        };
        Some(Step { from, to, worse, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn notify(target: &str) -> Action {
        Action::Notify { target: target.to_owned(), message: String::new() }
    }

    fn freeze(name: &str, spares: &[&str]) -> Action {
        let spares = spares.iter().map(|&it| it.to_owned()).collect();
        let scope = Scope { name: name.to_owned(), spares };
        Action::Freeze { scope, description: String::new() }
    }

    fn policy() -> Policy {
        let level = |percent, actions| Level { remaining: Ratio::percent(percent), actions };
        let levels = vec![
            level(75, vec![notify("team")]),
            level(
                0,
                vec![
                    freeze("all-changes", &[]),
                    Action::Incident { priority: "P1".into(), description: String::new() },
                ],
            ),
            level(25, vec![freeze("non-critical-features", &["critical"])]),
        ];
        Policy::new(levels, Ratio::percent(5)).unwrap()
    }

    fn left(percent: i128) -> Share {
        Share::new(percent, 100)
    }

    /// The levels entered as this much is left, in percent; `-` for none and nothing where nothing changes.
    fn walk(all: &[i128]) -> Vec<String> {
        let (policy, mut stance) = (policy(), Stance::default());
        let steps = all.iter().filter_map(|it| {
            let step = stance.on(&policy, Timestamp::UNIX_EPOCH, Some(left(*it)))?;
            let to = step.to.map_or("-".to_owned(), |it| it.remaining.to_string());
            Some(format!("{}{to}", if step.worse { "↓" } else { "↑" }))
        });
        steps.collect()
    }

    #[test]
    fn the_most_severe_level_that_matches_counts() {
        assert_eq!(walk(&[100, 75, 60, 20, -30]), ["↓75%", "↓25%", "↓0%"]);
        assert_eq!(walk(&[-30]), ["↓0%"]);
    }

    #[test]
    fn a_budget_that_hovers_does_not_freeze_and_thaw() {
        assert_eq!(walk(&[25, 26, 25, 30, 24]), ["↓25%"]);
        assert_eq!(walk(&[25, 31, 80, 81]), ["↓25%", "↑75%", "↑-"]);
        assert_eq!(walk(&[0, 5, 6]), ["↓0%", "↑25%"]);
    }

    #[test]
    fn a_freeze_spares_what_it_names() {
        let policy = policy();
        let stance = Stance::of(&policy, left(20), Timestamp::UNIX_EPOCH);
        let scope = stance.freezes(&policy).next().unwrap();
        assert_eq!((scope.stops("feature"), scope.stops("critical")), (true, false));
        assert!(Scope::everything().stops("critical"));
    }

    #[test]
    fn no_data_changes_nothing() {
        let (policy, mut stance) = (policy(), Stance::default());
        stance.on(&policy, Timestamp::UNIX_EPOCH, Some(left(10)));
        assert_eq!(stance.on(&policy, Timestamp::UNIX_EPOCH, None), None);
        assert_eq!(stance.level(&policy).map(|it| it.remaining), Some(Ratio::percent(25)));
    }

    #[test]
    fn a_step_says_why_in_numbers() {
        let (policy, mut stance) = (policy(), Stance::default());
        let step = stance.on(&policy, Timestamp::UNIX_EPOCH, Some(Share::new(-125, 1000))).unwrap();
        assert_eq!(step.reason, "-12.5 % of the budget is left: at 0% or less");
    }

    #[test]
    fn levels_that_contradict_each_other_are_refused() {
        let level = || Level { remaining: Ratio::percent(10), actions: vec![] };
        let twice = Policy::new(vec![level(), level()], Ratio::ZERO);
        assert_eq!(twice, Err(PolicyError::Twice(Ratio::percent(10))));
        let many = Level { actions: vec![notify("all"); 99], ..level() };
        assert_eq!(Policy::new(vec![many], Ratio::ZERO), Err(PolicyError::TooMany(99)));
    }

    #[test]
    fn alerts_have_actions_of_their_own() {
        let policy = policy().with_alert("fast", vec![notify("oncall")]);
        assert_eq!(policy.of_alert("fast").count(), 1);
        assert_eq!(policy.of_alert("slow").count(), 0);
    }

    proptest! {
        #[test]
        fn less_left_is_never_a_milder_level(a in -100i128..150, b in -100i128..150) {
            let policy = policy();
            let place = |it| policy.matching(left(it), None).unwrap_or(usize::MAX);
            prop_assert!(place(a.min(b)) <= place(a.max(b)));
        }
    }
}
