//! Waking in time: the kernel wakes a process late, by about as much each time; so it is asked to do so earlier.
//!
//! What is left until the moment itself is waited for awake. That costs CPU which the disturbed may need, so it is
//! done only after a sleep four times as long: a fifth of one core at most, and nothing where they come thick.

use std::time::Duration;

/// Before anything is known.
const LATE_FIRST: Duration = Duration::from_micros(60);
/// More is no habit of the kernel's, but somebody else's turn.
const LATE_MAX: Duration = Duration::from_micros(200);
/// By how much the next guess is lower when the wake was earlier than the last one; it is higher by nine times as much
/// when it was later. In the long run nine wakes of ten are early enough: what is to be done then is done sooner by who
/// has been awake for a moment.
const STEP: Duration = Duration::from_micros(1);
const STEPS_UP: u32 = 9;
/// Waiting awake is worth it only when sleeping takes so many times as long.
const PARTS: u32 = 5;

/// Wakes for moments, one after the other, on whatever clock.
#[derive(Debug)]
pub(crate) struct Waking<T> {
    /// How late it will be.
    late: Duration,
    /// What was slept for, and may be waited for awake.
    awaited: Option<T>,
}

impl<T: PartialEq> Waking<T> {
    pub(crate) const fn new() -> Self {
        Self { late: LATE_FIRST, awaited: None }
    }

    /// How long to sleep for what is due then, of what is left until then; nothing when it is to be waited for awake.
    pub(crate) fn pause(&mut self, left: Duration, due: T) -> Duration {
        if self.awaited.as_ref() != Some(&due) && left <= self.late * PARTS {
            return left;
        }
        self.awaited = Some(due);
        left.saturating_sub(self.late)
    }

    /// A sleep is over because its time was, and took so much longer than that.
    pub(crate) fn woke(&mut self, by: Duration) {
        self.late = if by > self.late {
            (self.late + STEP * STEPS_UP).min(LATE_MAX)
        } else {
            self.late.saturating_sub(STEP)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Moment;
    use proptest::prelude::*;

    fn at(micros: u64) -> Moment {
        Moment::at(Duration::from_micros(micros))
    }

    #[test]
    fn who_is_woken_late_learns_to_be_woken_earlier() {
        let mut waking = Waking::new();
        for turn in 0..200u64 {
            let start = at(turn * 10_000);
            let due = start + Duration::from_millis(5);
            let pause = waking.pause(due - start, due);
            let woken = start + pause + Duration::from_micros(90);
            waking.woke(woken - (start + pause));
            if turn > 20 {
                assert!(woken <= due + STEP, "{woken} for {due}");
                assert!(due - woken < Duration::from_micros(10), "{woken} for {due}");
                assert_eq!(waking.pause(due - woken, due), Duration::ZERO);
            }
        }
    }

    #[test]
    fn a_packet_that_interrupts_a_sleep_does_not_keep_it_awake() {
        let mut waking = Waking::new();
        let first = waking.pause(at(5_000) - at(0), at(5_000));
        assert_eq!(
            waking.pause(at(5_000) - at(1_000), at(5_000)),
            first.saturating_sub(Duration::from_millis(1))
        );
    }

    #[test]
    fn what_is_due_soon_is_slept_for_to_the_end() {
        assert_eq!(
            Waking::new().pause(Duration::from_micros(250), at(250)),
            Duration::from_micros(250)
        );
    }

    proptest! {
        #[test]
        fn it_is_awake_for_nothing_at_most_a_fifth_of_the_time(gaps in proptest::collection::vec(1u64..3_000, 1..200)) {
            let mut waking = Waking::new();
            let (mut now, mut awake) = (Moment::START, Duration::ZERO);
            for gap in gaps {
                let due = now + Duration::from_micros(gap);
                let pause = waking.pause(due - now, due);
                prop_assert!(pause <= due - now);
                awake += (due - now).saturating_sub(pause);
                waking.woke(Duration::ZERO);
                now = due;
            }
            prop_assert!(awake * PARTS <= now.elapsed(), "{:?} of {}", awake, now);
        }
    }
}
