//! Alert: one rule, as time passes.
//!
//! ```text
//!               holds                     for long enough
//!   Inactive ───────────▶ Pending ─────────────────────────▶ Firing ◀──┐
//!       ▲                    │ no longer                        │      │ holds again
//!       └────────────────────┘                       no longer  ▼      │
//!       ▲                                                    Fading ───┘
//!       └───────────────────────────────────────────────────────┘ for long enough
//! ```
//!
//! As alerts of Prometheus: `for` before it fires, `keep_firing_for` after it no longer holds. Where nobody can tell
//! whether it holds, it stays as it is.

use std::time::Duration;

use jiff::Timestamp;

use super::Rule;
use crate::interval::between;

/// Where an alert is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The rule does not hold.
    #[default]
    Inactive,
    /// It holds, and not yet long enough.
    Pending {
        /// Since then.
        since: Timestamp,
    },
    /// Somebody was told.
    Firing {
        /// Since then.
        since: Timestamp,
    },
    /// It no longer holds, and not yet long enough for all to be well.
    Fading {
        /// When it began to fire.
        since: Timestamp,
        /// Since when it no longer holds.
        quiet: Timestamp,
    },
}

impl State {
    /// Since when it fires; fading is firing still.
    pub const fn firing_since(self) -> Option<Timestamp> {
        match self {
            Self::Firing { since } | Self::Fading { since, .. } => Some(since),
            Self::Inactive | Self::Pending { .. } => None,
        }
    }
}

/// What became of an alert.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It fires.
    Fired,
    /// It no longer does.
    Resolved,
}

/// One rule, as time passes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    state: State,
}

impl Alert {
    /// One that is somewhere already.
    pub const fn at(state: State) -> Self {
        Self { state }
    }

    /// Where it is.
    pub const fn state(self) -> State {
        self.state
    }

    /// Whether it fires.
    pub const fn is_firing(self) -> bool {
        self.state.firing_since().is_some()
    }

    /// Tells whether its rule holds at `now`; `None` when nobody can tell.
    pub fn on(&mut self, rule: &Rule, now: Timestamp, holds: Option<bool>) -> Option<Change> {
        let holds = holds?;
        let over = |since, length: Duration| between(since, now) >= length;
        let (state, change) = match (self.state, holds) {
            (State::Inactive, true) if rule.pending.is_zero() => {
                (State::Firing { since: now }, Some(Change::Fired))
            }
            (State::Inactive, true) => (State::Pending { since: now }, None),
            (State::Pending { since }, true) if over(since, rule.pending) => {
                (State::Firing { since: now }, Some(Change::Fired))
            }
            (State::Fading { since, .. }, true) => (State::Firing { since }, None),
            (State::Pending { .. } | State::Firing { .. }, true) => (self.state, None),
            (State::Inactive | State::Pending { .. }, false) => (State::Inactive, None),
            (State::Firing { since }, false) if !rule.keep_firing.is_zero() => {
                (State::Fading { since, quiet: now }, None)
            }
            (State::Fading { quiet, .. }, false) if !over(quiet, rule.keep_firing) => {
                (self.state, None)
            }
            (State::Firing { .. } | State::Fading { .. }, false) => {
                (State::Inactive, Some(Change::Resolved))
            }
        };
        self.state = state;
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Share;
    use crate::burn::Severity;
    use proptest::prelude::*;

    fn rule(pending: u64, keep_firing: u64) -> Rule {
        Rule {
            pending: Duration::from_secs(pending),
            keep_firing: Duration::from_secs(keep_firing),
            ..Rule::new("it", Severity::Page, Duration::from_hours(1), None, Share::ONE)
        }
    }

    /// Plays `script`, one letter a second: `+` holds, `-` does not, `?` nobody can tell. Says who fires when.
    fn play(rule: &Rule, script: &str) -> String {
        let mut alert = Alert::default();
        let letters = (0..).zip(script.chars()).map(|(second, letter)| {
            let now = Timestamp::from_second(second).unwrap();
            let holds = match letter {
                '+' => Some(true),
                '-' => Some(false),
                _ => None,
            };
            match (alert.on(rule, now, holds), alert.state()) {
                (Some(Change::Fired), _) => 'F',
                (Some(Change::Resolved), _) => 'R',
                (None, State::Inactive) => '.',
                (None, State::Pending { .. }) => 'p',
                (None, State::Firing { .. }) => 'f',
                (None, State::Fading { .. }) => 'q',
            }
        });
        letters.collect()
    }

    #[test]
    fn it_fires_and_resolves_at_once_without_delays() {
        assert_eq!(play(&rule(0, 0), "-++--+"), ".FfR.F");
    }

    #[test]
    fn it_fires_after_it_held_for_long_enough_in_one_piece() {
        assert_eq!(play(&rule(3, 0), "++-++++-"), "pp.pppFR");
    }

    #[test]
    fn it_fires_on_for_a_while_and_is_one_alert() {
        assert_eq!(play(&rule(0, 3), "+--+----"), "FqqfqqqR");
    }

    #[test]
    fn where_nobody_can_tell_nothing_changes() {
        assert_eq!(play(&rule(0, 0), "?+??-?"), ".FffR.");
        assert_eq!(play(&rule(2, 2), "+?+-??-"), "ppFqqqR");
    }

    #[test]
    fn a_clock_that_steps_back_does_not_panic() {
        let mut alert = Alert::default();
        let it = rule(10, 10);
        for second in [100, 50, 0, 105, 200] {
            alert.on(&it, Timestamp::from_second(second).unwrap(), Some(true));
        }
        assert!(alert.is_firing());
    }

    proptest! {
        #[test]
        fn firing_and_resolving_take_turns(script in "[-+?]{0,40}", pending in 0u64..4, keep in 0u64..4) {
            let said: String =
                play(&rule(pending, keep), &script).chars().filter(|it| "FR".contains(*it)).collect();
            prop_assert!(!said.contains("FF") && !said.contains("RR") && !said.starts_with('R'));
        }
    }
}
