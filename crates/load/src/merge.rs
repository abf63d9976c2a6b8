//! Merge: frames of several workers become the frames of one load.
//!
//! A second is said when every worker that still works has said it. Counts add up; so does nothing else.

use std::collections::BTreeMap;

use evenkeel_model::Frame;

/// What workers have said.
#[derive(Debug)]
pub struct Merge {
    /// By second: what was said so far, and by how many.
    seconds: BTreeMap<u64, Frame>,
    /// The next second of each worker; `None` when it has ended.
    next: Vec<Option<u64>>,
    /// The first second that has not been given out.
    given: u64,
    /// Of workers that have ended: their last second, and what they had under way at its end.
    left: Vec<(u64, u64)>,
}

impl Merge {
    /// Of so many workers.
    pub fn new(workers: usize) -> Self {
        Self { seconds: BTreeMap::new(), next: vec![Some(0); workers], given: 0, left: Vec::new() }
    }

    /// Takes a second of a worker. Its seconds come in order; one that comes again is passed over.
    pub fn frame(&mut self, worker: usize, frame: &Frame) {
        let Some(Some(next)) = self.next.get_mut(worker) else { return };
        if frame.second != *next {
            return;
        }
        *next += 1;
        let sum = self
            .seconds
            .entry(frame.second)
            .or_insert_with(|| Frame { second: frame.second, ..Frame::default() });
        sum.merge(frame);
    }

    /// A worker says no more. `in_flight` requests of it were still under way.
    pub fn ended(&mut self, worker: usize, in_flight: u64) {
        if let Some(next) = self.next.get_mut(worker).and_then(Option::take) {
            self.left.push((next, in_flight));
        }
    }

    fn left_before(&self, second: u64) -> u64 {
        self.left.iter().filter(|(end, _)| *end <= second).map(|(_, count)| count).sum()
    }

    /// Whether every worker has ended.
    pub fn is_over(&self) -> bool {
        self.next.iter().all(Option::is_none)
    }

    /// The next second that is whole.
    pub fn take(&mut self) -> Option<Frame> {
        let waits = self.next.iter().flatten().min();
        if waits.is_some_and(|it| *it <= self.given) {
            return None;
        }
        let mut frame = self.seconds.remove(&self.given)?;
        self.given += 1;
        // What a worker that has ended left under way stays so in every later second.
        frame.in_flight += self.left_before(frame.second);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(second: u64, sent: u64, in_flight: u64) -> Frame {
        Frame { second, sent, in_flight, ..Frame::default() }
    }

    #[test]
    fn a_second_is_given_out_when_every_worker_has_said_it() {
        let mut merge = Merge::new(2);
        merge.frame(0, &frame(0, 3, 1));
        merge.frame(0, &frame(1, 4, 0));
        assert_eq!(merge.take(), None);
        merge.frame(1, &frame(0, 5, 2));
        assert_eq!(merge.take(), Some(frame(0, 8, 3)));
        assert_eq!(merge.take(), None);
        merge.ended(1, 2);
        assert_eq!(merge.take(), Some(frame(1, 4, 2)));
        assert!(!merge.is_over());
        merge.ended(0, 0);
        assert!(merge.is_over());
    }

    #[test]
    fn a_second_that_is_said_twice_counts_once() {
        let mut merge = Merge::new(1);
        merge.frame(0, &frame(0, 3, 0));
        merge.frame(0, &frame(0, 3, 0));
        merge.frame(0, &frame(7, 3, 0));
        assert_eq!(merge.take(), Some(frame(0, 3, 0)));
        assert_eq!(merge.take(), None);
    }
}
