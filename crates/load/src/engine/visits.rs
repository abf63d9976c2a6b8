//! Visits: the iterations that are under way, and when those that pause go on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use evenkeel_units::Moment;

use crate::scenario::Visit;

/// The iterations that are under way.
#[derive(Default)]
pub(super) struct Visits {
    all: Vec<Visit>,
    free: Vec<u32>,
    /// When each that pauses goes on.
    asleep: BinaryHeap<Reverse<(Moment, u32)>>,
}

impl Visits {
    pub(super) fn get(&self, visit: u32) -> &Visit {
        &self.all[visit as usize]
    }

    pub(super) fn get_mut(&mut self, visit: u32) -> &mut Visit {
        &mut self.all[visit as usize]
    }

    /// One that is free.
    pub(super) fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.all.push(Visit::default());
            self.all.len() as u32 - 1
        })
    }

    /// The next visit whose pause is over.
    pub(super) fn next_awake(&mut self, is_due: impl Fn(Moment) -> bool) -> Option<(Moment, u32)> {
        let &Reverse(next) = self.asleep.peek()?;
        is_due(next.0).then(|| {
            self.asleep.pop();
            next
        })
    }

    /// When the next pause is over.
    pub(super) fn next_at(&self) -> Option<Moment> {
        self.asleep.peek().map(|&Reverse((at, _))| at)
    }

    /// A visit pauses.
    pub(super) fn sleep(&mut self, visit: u32, until: Moment) {
        self.asleep.push(Reverse((until, visit)));
    }

    /// A visit is over.
    pub(super) fn give_back(&mut self, visit: u32) {
        self.free.push(visit);
    }

    /// None goes on any more.
    pub(super) fn forget_all(&mut self) {
        self.asleep.clear();
    }
}
