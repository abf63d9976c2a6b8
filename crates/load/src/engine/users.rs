//! Users of the closed model: each begins its next iteration some time after its last has ended.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use evenkeel_units::Moment;

use super::Slice;
use crate::crowd::Crowd;

/// Somebody who was turned away without an answer comes back after this at the soonest, or a target
/// that refuses would be asked as fast as the machine can.
const TURNED_AWAY: Duration = Duration::from_millis(10);

/// A user, by its number on this worker.
pub(super) type User = u32;

/// What comes after an iteration.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The next one, at once.
    Now,
    /// The next one, after a pause.
    Later,
    /// None, at least until there are more users again.
    Left,
}

/// Who is about to begin something.
pub(super) struct Users {
    crowds: Vec<Crowd>,
    visitors: Vec<Visitor>,
    /// When each user that is thinking will begin.
    thinking: BinaryHeap<Reverse<(Moment, User)>>,
    /// How many will begin again, now or later.
    left: usize,
}

/// One user.
struct Visitor {
    crowd: u32,
    /// Among the users of all workers.
    number: u32,
    /// Of which part of what this worker sends.
    part: u32,
    iterations: u32,
}

impl Users {
    /// Of these crowds, nobody yet.
    pub(super) fn new(crowds: &[Crowd]) -> Self {
        Self { crowds: crowds.to_vec(), visitors: Vec::new(), thinking: BinaryHeap::new(), left: 0 }
    }

    /// The users of `slice` come, those who would be there already at `from`.
    pub(super) fn join(&mut self, slice: Slice, part: u32, from: Moment) {
        for (crowd, it) in self.crowds.iter().enumerate() {
            let step = usize::try_from(slice.workers).unwrap_or(usize::MAX);
            for number in (slice.worker..u64::from(it.size())).step_by(step) {
                let number = number as u32;
                if let Some(at) = it.joins(number, from) {
                    let visitor = Visitor { crowd: crowd as u32, number, part, iterations: 0 };
                    self.thinking.push(Reverse((at, self.visitors.len() as User)));
                    self.visitors.push(visitor);
                    self.left += 1;
                }
            }
        }
    }

    /// The next user whose time has come.
    pub(super) fn next(&mut self, is_due: impl Fn(Moment) -> bool) -> Option<(Moment, User)> {
        let &Reverse((at, user)) = self.thinking.peek()?;
        is_due(at).then(|| {
            self.thinking.pop();
            (at, user)
        })
    }

    /// When the next user begins.
    pub(super) fn next_at(&self) -> Option<Moment> {
        self.thinking.peek().map(|&Reverse((at, _))| at)
    }

    /// A user waits with its next iteration.
    pub(super) fn wait(&mut self, user: User, at: Moment) {
        self.thinking.push(Reverse((at, user)));
    }

    /// How many users of a slice there can be at once.
    pub(super) fn most_of(&self, slice: Slice) -> usize {
        self.crowds.iter().map(|it| slice.of(u64::from(it.size())) as usize).max().unwrap_or(0)
    }

    /// A user has come to the end of an iteration. One that begins its next at once is the caller's to begin.
    pub(super) fn ended(&mut self, user: User, now: Moment, turned_away: bool) -> Ended {
        let visitor = &mut self.visitors[user as usize];
        let crowd = &self.crowds[visitor.crowd as usize];
        visitor.iterations += 1;
        let pause =
            crowd.think_time(now).max(if turned_away { TURNED_AWAY } else { Duration::ZERO });
        let next = match crowd.iterations().is_some_and(|it| visitor.iterations >= it) {
            true => None,
            false => crowd.next_active(visitor.number, now + pause),
        };
        match next {
            Some(at) if at <= now => Ended::Now,
            Some(at) => {
                self.thinking.push(Reverse((at, user)));
                if at == now + pause { Ended::Later } else { Ended::Left }
            }
            None => {
                self.left -= 1;
                Ended::Left
            }
        }
    }

    /// Whether a user may still send something.
    pub(super) fn is_active(&self, user: User, now: Moment) -> bool {
        let it = &self.visitors[user as usize];
        self.crowds[it.crowd as usize].is_active(it.number, now)
    }

    /// Of which part of what this worker sends it is.
    pub(super) fn part(&self, user: User) -> usize {
        self.visitors[user as usize].part as usize
    }

    /// Its number among the users of all workers.
    pub(super) fn number(&self, user: User) -> u64 {
        u64::from(self.visitors[user as usize].number)
    }

    /// How many iterations it has ended.
    pub(super) fn iterations(&self, user: User) -> u64 {
        u64::from(self.visitors[user as usize].iterations)
    }

    /// A user leaves in the middle of an iteration, and comes back when it is there again.
    pub(super) fn leave(&mut self, user: User, now: Moment) {
        let it = &self.visitors[user as usize];
        match self.crowds[it.crowd as usize].next_active(it.number, now) {
            Some(at) => self.thinking.push(Reverse((at, user))),
            None => self.left -= 1,
        }
    }

    /// A user has nothing more to do.
    pub(super) fn leave_for_good(&mut self, _: User) {
        self.left -= 1;
    }

    /// Whether there are to be users, and none of ours will come any more.
    pub(super) fn all_have_gone(&self) -> bool {
        !self.crowds.is_empty() && self.left == 0
    }

    /// Nobody begins anything any more.
    pub(super) fn send_home(&mut self) {
        self.thinking.clear();
        self.crowds.iter_mut().for_each(|it| *it = Crowd::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(at: u64) -> Moment {
        Moment::at(Duration::from_millis(at))
    }

    fn users(users: u32, think_time: u64, iterations: Option<u32>) -> Users {
        let mut crowd = Crowd::new(iterations);
        let length = Duration::from_millis(100);
        crowd.push(millis(100), length, users, users, Duration::from_millis(think_time));
        let mut users = Users::new(&[crowd]);
        users.join(Slice { worker: 0, workers: 1 }, 0, Moment::START);
        users
    }

    #[test]
    fn users_come_with_their_phase_and_go_with_it() {
        let mut users = users(2, 10, None);
        assert_eq!(users.next_at(), Some(millis(100)));
        assert_eq!(users.next(|it| it <= millis(99)), None);
        assert_eq!(users.next(|it| it <= millis(100)), Some((millis(100), 0)));
        assert_eq!(users.next(|it| it <= millis(100)), None);
        assert_eq!(users.next(|it| it <= millis(105)), Some((millis(105), 1)));
        assert_eq!(users.ended(0, millis(189), false), Ended::Later);
        assert_eq!(users.ended(1, millis(190), false), Ended::Left);
        assert_eq!(users.next(|it| it <= millis(300)), Some((millis(199), 0)));
        assert!(!users.all_have_gone());
        users.leave(0, millis(200));
        assert_eq!((users.next(|_| true), users.next_at()), (None, None));
        assert!(users.all_have_gone());
    }

    #[test]
    fn a_user_without_think_time_begins_again_at_once_unless_it_was_turned_away() {
        let mut users = users(1, 0, None);
        assert_eq!(users.next(|_| true), Some((millis(100), 0)));
        assert_eq!(users.ended(0, millis(105), false), Ended::Now);
        assert_eq!(users.ended(0, millis(105), true), Ended::Later);
        assert_eq!(users.next_at(), Some(millis(115)));
    }

    #[test]
    fn a_user_leaves_after_its_iterations() {
        let mut users = users(1, 0, Some(2));
        assert!(users.next(|_| true).is_some());
        assert_eq!(users.ended(0, millis(101), false), Ended::Now);
        assert_eq!(users.ended(0, millis(102), false), Ended::Left);
        assert!(users.all_have_gone());
    }

    #[test]
    fn workers_share_the_users_out() {
        let mut crowd = Crowd::new(None);
        crowd.push(Moment::START, Duration::from_secs(1), 5, 5, Duration::ZERO);
        let numbers = |worker| {
            let mut users = Users::new(std::slice::from_ref(&crowd));
            users.join(Slice { worker, workers: 2 }, 0, Moment::START);
            let all: Vec<_> = std::iter::from_fn(|| users.next(|_| true)).collect();
            all.iter().map(|(_, user)| users.number(*user)).collect::<Vec<_>>()
        };
        assert_eq!((numbers(0), numbers(1)), (vec![0, 2, 4], vec![1, 3]));
    }

    #[test]
    fn users_of_a_lost_machine_come_anew_over_one_think_time() {
        let mut crowd = Crowd::new(None);
        crowd.push(Moment::START, Duration::from_secs(9), 4, 4, Duration::from_millis(40));
        let mut users = Users::new(&[crowd]);
        users.join(Slice { worker: 1, workers: 2 }, 7, millis(5_000));
        assert_eq!(users.next(|_| true), Some((millis(5_010), 0)));
        assert_eq!(users.next(|_| true), Some((millis(5_030), 1)));
        assert_eq!((users.next_at(), users.number(1), users.part(1)), (None, 3, 7));
    }
}
