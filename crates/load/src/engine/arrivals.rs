//! Arrivals of the open model: which of them one worker sends, and when the next is due.
//!
//! A worker begins with one slice of the schedule. When a machine is lost, it is given parts of slices that nobody
//! sends any more, each from some moment on.

use std::sync::Arc;

use evenkeel_units::Moment;

use super::Slice;
use crate::schedule::Schedule;

/// What one worker sends of a schedule.
pub(crate) struct Arrivals {
    schedule: Arc<Schedule>,
    parts: Vec<Part>,
    /// The part whose next arrival is due first.
    first: usize,
}

/// A slice, and where in it we are.
struct Part {
    slice: Slice,
    number: u64,
    due: Option<Moment>,
}

/// One of them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When it is to be sent.
    pub(crate) due: Moment,
    /// Its number in the schedule.
    pub(crate) number: u64,
    /// Which part it is of, in the order in which they were given.
    pub(crate) part: usize,
}

impl Arrivals {
    /// None yet.
    pub(crate) fn new(schedule: Arc<Schedule>) -> Self {
        Self { schedule, parts: Vec::new(), first: 0 }
    }

    /// From here on also those of `slice` that are due at `from` or later.
    pub(crate) fn join(&mut self, slice: Slice, from: Moment) {
        let number = slice.not_before(self.schedule.before(from));
        self.parts.push(Part { slice, number, due: self.schedule.due(number) });
        self.look();
    }

    /// How many of anybody are due before `at`.
    pub(crate) fn before(&self, at: Moment) -> u64 {
        self.schedule.before(at)
    }

    /// When the next is due.
    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.parts.get(self.first)?.due
    }

    /// The next, when it is due.
    pub(crate) fn next(&mut self, is_due: impl Fn(Moment) -> bool) -> Option<Arrival> {
        let part = self.parts.get_mut(self.first)?;
        let due = part.due.filter(|it| is_due(*it))?;
        let arrival = Arrival { due, number: part.number, part: self.first };
        part.number = part.slice.after(part.number);
        part.due = self.schedule.due(part.number);
        if self.parts.len() > 1 {
            self.look();
        }
        Some(arrival)
    }

    /// None comes any more.
    pub(crate) fn end(&mut self) {
        self.parts.iter_mut().for_each(|it| it.due = None);
    }

    fn look(&mut self) {
        let order = |it: &Part| (it.due.is_none(), it.due, it.number);
        let first = self.parts.iter().enumerate().min_by_key(|(_, it)| order(it));
        self.first = first.map_or(0, |(at, _)| at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::document::Shape;
    use evenkeel_units::Rate;
    use proptest::prelude::*;
    use std::time::Duration;

    fn schedule() -> Arc<Schedule> {
        let rate = Rate::per_second(1_000.0).unwrap();
        let constant = Shape::Constant { rate, duration: Duration::from_millis(300) };
        Arc::new(Schedule::of(&[constant]).unwrap())
    }

    fn numbers(arrivals: &mut Arrivals) -> Vec<u64> {
        std::iter::from_fn(|| arrivals.next(|_| true)).map(|it| it.number).collect()
    }

    proptest! {
        #[test]
        fn parts_of_a_slice_are_the_slice_from_then_on(
            worker in 0u64..4, parts in 1u64..5, from in 0u64..400,
        ) {
            let (schedule, slice) = (schedule(), Slice { worker, workers: 4 });
            let from = Moment::at(Duration::from_millis(from));
            let mut whole = Arrivals::new(Arc::clone(&schedule));
            whole.join(slice, Moment::START);
            let expected: Vec<_> = numbers(&mut whole)
                .into_iter()
                .filter(|it| schedule.due(*it).unwrap() >= from)
                .collect();
            let mut one = Arrivals::new(Arc::clone(&schedule));
            for part in 0..parts {
                one.join(Slice { worker: worker + 4 * part, workers: 4 * parts }, from);
            }
            // One worker that has all the parts sends them in order.
            prop_assert_eq!(numbers(&mut one), expected);
        }
    }
}
