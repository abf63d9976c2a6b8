//! Turns: what is evaluated at intervals, each at moments of its own, whatever the others do.
//!
//! ```text
//!            due, and there is room            done
//!   waiting ───────────────────────▶ at work ───────▶ waiting
//! ```
//!
//! Whatever is at work is not among those that wait, so nothing is evaluated twice at one time. A group that takes long holds up
//! no other, for so many are at work at one time; when all of them take long, whoever has waited longest is next.

use super::group::Running;
use super::judge::Judge;

/// So many are at work at one time.
pub(super) const AT_ONCE: usize = 4;

/// Something that is evaluated.
#[derive(Debug)]
pub(super) enum Turn {
    /// A group of rules.
    Rules(Box<Running>),
    /// All objectives.
    Objectives(Box<Judge>),
}

impl Turn {
    /// When it is due, in milliseconds since 1970.
    pub(super) const fn next(&self) -> i64 {
        match self {
            Self::Rules(it) => it.next(),
            Self::Objectives(it) => it.next(),
        }
    }
}

/// Everything that waits until it is due.
#[derive(Debug, Default)]
pub(super) struct Turns(Vec<Turn>);

impl Turns {
    /// Has something wait.
    pub(super) fn put(&mut self, turn: Turn) {
        self.0.push(turn);
    }

    /// When something is due; `None` when nothing waits.
    pub(super) fn next(&self) -> Option<i64> {
        self.0.iter().map(Turn::next).min()
    }

    /// Of what is due, what has been for longest: it waits no more.
    pub(super) fn take(&mut self, now: i64) -> Option<Turn> {
        let due = self.0.iter().enumerate().filter(|it| it.1.next() <= now);
        let (place, _) = due.min_by_key(|it| it.1.next())?;
        Some(self.0.swap_remove(place))
    }

    /// All of them: none waits any more.
    pub(super) fn take_all(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.0)
    }
}
