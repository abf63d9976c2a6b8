//! Running: how many calls are under way for longer than is good, without asking each of them.
//!
//! Time is cut into slices of a quarter of the limit. A ring of five slots counts the calls that began in each of the last
//! five slices and still run. When a slice begins, its slot is that of a slice whose calls are all over the limit: what is
//! left in it is *overdue*. So a call costs one addition when it begins and one subtraction when it ends.

use std::time::Duration;

use evenkeel_units::{Moment, nanos};

use crate::sync::atomic::{AtomicU64, Ordering};

/// Slices of the limit.
const PARTS: u64 = 4;
const SLOTS: usize = 5;
/// A slot: of which ring and slice it is (12 and 20 bits), and how many calls it has (32 bits).
const SLICE: u64 = (1 << 20) - 1;
const RING: u64 = (1 << 12) - 1;
const WIDTH: u64 = (1 << 52) - 1;

/// What is counted without a lock.
#[derive(Debug)]
pub(super) struct Running {
    /// The number of the ring (12 bits), which changes with each state of the circuit and each other limit, and the width
    /// of a slice in nanoseconds (52 bits), 0 where nothing is counted.
    timing: AtomicU64,
    slots: [AtomicU64; SLOTS],
}

/// What is counted under a lock.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// Calls of this ring that run for longer than is good.
    pub(super) calls: u32,
    /// The first slice that was not turned to: whole, as slots tell slices apart only among 2^20 of them.
    next: u64,
}

/// Where a call is counted: the upper half of its slot, and which slot that is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    tag: u32,
    /// Beyond the slots, there is none.
    place: u8,
}

impl Mark {
    pub(super) const NOWHERE: Self = Self { tag: 0, place: u8::MAX };
    /// It will be counted, if it is not over at once.
    pub(super) const LATER: Self = Self { tag: 1, place: u8::MAX };

    const fn of(tag: u32, slot: usize) -> Self {
        Self { tag, place: slot as u8 }
    }

    fn slot(self) -> usize {
        usize::from(self.place)
    }
}

impl Running {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            // From the second ring on, so that no slot is of a slice before that was turned to.
            timing: AtomicU64::new(1 << 52 | width(limit)),
            slots: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Counts a call that begins. `None` when a slice begins, which has to be turned to first.
    pub(super) fn begin(&self, now: Moment) -> Option<Mark> {
        let timing = self.timing.load(Ordering::Acquire);
        let width = timing & WIDTH;
        if width == 0 {
            return Some(Mark::NOWHERE);
        }
        let slice = nanos(now.elapsed()) / width;
        let place = slice as usize % SLOTS;
        let tag = tag(timing >> 52, slice);
        let slot = &self.slots[place];
        let mut found = slot.load(Ordering::Relaxed);
        while found >> 32 == u64::from(tag) {
            match slot.compare_exchange_weak(found, found + 1, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Some(Mark::of(tag, place)),
                Err(other) => found = other,
            }
        }
        None
    }

    /// Counts a call that ends, if it is none of those that may be overdue.
    #[inline]
    pub(super) fn end_in_time(&self, mark: Mark) -> bool {
        let Some(slot) = self.slots.get(mark.slot()) else { return true };
        let mut found = slot.load(Ordering::Relaxed);
        while found >> 32 == u64::from(mark.tag) {
            match slot.compare_exchange_weak(
                found,
                found.saturating_sub(1),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(other) => found = other,
            }
        }
        false
    }

    /// Counts a call that ends. Under the lock of `overdue`.
    pub(super) fn end(&self, mark: Mark, overdue: &mut Overdue) {
        if self.end_in_time(mark) {
            return;
        }
        // Its slice is over. Of another ring, it was forgotten.
        if u64::from(mark.tag >> 20) == self.timing.load(Ordering::Relaxed) >> 52 {
            overdue.calls = overdue.calls.saturating_sub(1);
        }
    }

    /// Makes every slot whose slice is out of the ring one of the present: what is left in it is overdue. Under the lock of
    /// `overdue`. A `now` that lags behind finds the slots of slices to come, and leaves them.
    pub(super) fn turn(&self, now: Moment, overdue: &mut Overdue) {
        let timing = self.timing.load(Ordering::Relaxed);
        let (ring, width) = (timing >> 52, timing & WIDTH);
        if width == 0 {
            return;
        }
        let present = nanos(now.elapsed()) / width;
        let first = (present + 1).saturating_sub(SLOTS as u64).max(overdue.next);
        for slice in first..=present {
            let begun = u64::from(tag(ring, slice)) << 32;
            let left = self.slots[slice as usize % SLOTS].swap(begun, Ordering::AcqRel);
            if left >> 52 == ring {
                overdue.calls = overdue.calls.saturating_add(left as u32);
            }
        }
        overdue.next = overdue.next.max(present + 1);
    }

    /// Forgets all that runs, and counts by this limit from now on. Under the lock of `overdue`.
    pub(super) fn restart(&self, limit: Option<Duration>, overdue: &mut Overdue) {
        let ring = ((self.timing.load(Ordering::Relaxed) >> 52) + 1) & RING;
        *overdue = Overdue::default();
        self.timing.store(ring << 52 | width(limit), Ordering::Release);
    }
}

fn width(limit: Option<Duration>) -> u64 {
    limit.map_or(0, |it| {
        let nanos = u64::try_from(it.as_nanos()).unwrap_or(WIDTH).min(WIDTH);
        (nanos / PARTS).max(1)
    })
}

fn tag(ring: u64, slice: u64) -> u32 {
    (ring << 20 | slice & SLICE) as u32
}
