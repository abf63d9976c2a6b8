//! Users of the closed model: each sends its next request some time after its last was answered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use evenkeel_units::Moment;

use crate::schedule::Closed;

/// Somebody who was turned away without an answer comes back after this at the soonest, or a target
/// that refuses would be asked as fast as the machine can.
const TURNED_AWAY: Duration = Duration::from_millis(10);

/// Who is about to send something.
pub(super) struct Users {
    phases: Vec<Closed>,
    /// The first phase that has not begun.
    next_phase: usize,
    /// When each user that is thinking will send, and of which phase it is.
    thinking: BinaryHeap<Reverse<(Moment, u32)>>,
}

impl Users {
    pub(super) fn new(phases: &[Closed]) -> Self {
        Self { phases: phases.to_vec(), next_phase: 0, thinking: BinaryHeap::new() }
    }

    /// The next user whose time has come, and its phase.
    pub(super) fn next(&mut self, is_due: impl Fn(Moment) -> bool) -> Option<(Moment, u32)> {
        while let Some(phase) = self.phases.get(self.next_phase)
            && is_due(phase.from)
        {
            let number = self.next_phase as u32;
            self.thinking.extend((0..phase.users).map(|it| Reverse((phase.first(it), number))));
            self.next_phase += 1;
        }
        while let Some(&Reverse((at, phase))) = self.thinking.peek()
            && is_due(at)
        {
            self.thinking.pop();
            if !self.is_over(phase, at) {
                return Some((at, phase));
            }
        }
        None
    }

    /// When the next user sends or the next phase begins.
    pub(super) fn next_at(&self) -> Option<Moment> {
        let phase = self.phases.get(self.next_phase).map(|it| it.from);
        let user = self.thinking.peek().map(|&Reverse((at, _))| at);
        phase.into_iter().chain(user).min()
    }

    /// A user of `phase` knows what became of its request.
    pub(super) fn answered(&mut self, phase: u32, now: Moment, turned_away: bool) {
        let think_time = self.phases[phase as usize].think_time;
        let pause = if turned_away { think_time.max(TURNED_AWAY) } else { think_time };
        if !self.is_over(phase, now + pause) {
            self.thinking.push(Reverse((now + pause, phase)));
        }
    }

    /// Whether `phase` has ended by `now`.
    pub(super) fn is_over(&self, phase: u32, now: Moment) -> bool {
        now >= self.phases[phase as usize].until
    }

    /// Nobody sends anything any more.
    pub(super) fn send_home(&mut self) {
        self.thinking.clear();
        self.next_phase = self.phases.len();
        self.phases.iter_mut().for_each(|it| it.until = Moment::START);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(at: u64) -> Moment {
        Moment::at(Duration::from_millis(at))
    }

    fn two_users() -> Users {
        let think_time = Duration::from_millis(10);
        Users::new(&[Closed { from: millis(100), until: millis(200), users: 2, think_time }])
    }

    #[test]
    fn users_come_with_their_phase_and_go_with_it() {
        let mut users = two_users();
        assert_eq!(users.next_at(), Some(millis(100)));
        assert_eq!(users.next(|it| it <= millis(99)), None);
        assert_eq!(users.next(|it| it <= millis(100)), Some((millis(100), 0)));
        assert_eq!(users.next(|it| it <= millis(100)), None);
        assert_eq!(users.next(|it| it <= millis(105)), Some((millis(105), 0)));
        users.answered(0, millis(189), false);
        users.answered(0, millis(190), false);
        assert_eq!(users.next(|it| it <= millis(300)), Some((millis(199), 0)));
        assert_eq!((users.next(|_| true), users.next_at()), (None, None));
    }

    #[test]
    fn a_user_that_was_turned_away_does_not_storm_back() {
        let phase = Closed {
            from: Moment::START,
            until: millis(1_000),
            users: 1,
            think_time: Duration::ZERO,
        };
        let mut users = Users::new(&[phase]);
        assert_eq!(users.next(|_| true), Some((Moment::START, 0)));
        users.answered(0, millis(5), true);
        assert_eq!(users.next_at(), Some(millis(15)));
    }
}
