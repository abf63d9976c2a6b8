//! Probe: what calls take when few are under way, measured now and then.

use std::time::Duration;

use evenkeel_units::Moment;

use super::policy::Policy;

/// When the next one is, or how far this one is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// Nothing was seen yet.
    Unplanned,
    /// At a moment.
    At(Moment),
    /// So many calls are let through; with twice as many they took so long.
    Now { limit: u32, before: Duration },
}

/// What follows from a window.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is not yet time.
    Wait,
    /// Nothing could be measured: another time.
    Later,
    /// So few calls are let through now; before, they took so long.
    Hold { limit: u32, latency: Duration },
    /// This is what calls take.
    Measured { usual: Duration },
}

/// When half of the calls take four fifths of the time, the others were in their way.
const NO_FASTER: f64 = 0.8;

impl Probe {
    pub(super) const fn is_now(self) -> bool {
        matches!(self, Self::Now { .. })
    }

    /// After a window, with the mean latency of its calls, if it says one, and the most that were under way in it.
    pub(super) fn next(
        self,
        policy: &Policy,
        limit: u32,
        now: Moment,
        latency: Option<Duration>,
        in_flight_max: u32,
    ) -> Step {
        let half = |of: u32| (of / 2).max(policy.min);
        match (self, latency) {
            (Self::At(at), _) if now < at => Step::Wait,
            (Self::Unplanned, _) | (_, None) => Step::Later,
            (Self::At(_), Some(latency)) if in_flight_max > half(limit) => {
                Step::Hold { limit: half(limit), latency }
            }
            (Self::Now { limit, before }, Some(latency))
                if latency < before.mul_f64(NO_FASTER) && limit > policy.min =>
            {
                Step::Hold { limit: half(limit), latency }
            }
            // Also where so few were under way that nothing had to be held back: that was the probe.
            (Self::At(_) | Self::Now { .. }, Some(usual)) => Step::Measured { usual },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::at(Duration::from_mins(1));

    /// What becomes of a limit of 64, where calls take a second for each that is under way above `capacity`.
    fn play(capacity: u32, in_flight: u32) -> (Vec<u32>, Duration) {
        let takes = |of: u32| Duration::from_secs(u64::from(of.max(capacity)));
        let (mut probe, mut held) = (Probe::At(NOW), vec![]);
        loop {
            let limit = held.last().copied().unwrap_or(64).min(in_flight);
            match probe.next(&Policy::default(), 64, NOW, Some(takes(limit)), limit) {
                Step::Hold { limit, latency } => {
                    held.push(limit);
                    probe = Probe::Now { limit, before: latency };
                }
                Step::Measured { usual } => return (held, usual),
                step => panic!("{step:?}"),
            }
        }
    }

    #[test]
    fn calls_are_halved_until_that_makes_them_no_faster_or_the_minimum_is_reached() {
        let seconds = Duration::from_secs;
        assert_eq!(play(40, 64), (vec![32, 16], seconds(40)));
        assert_eq!(play(10, 64), (vec![32, 16, 8, 5], seconds(10)));
        assert_eq!(play(1, 64), (vec![32, 16, 8, 5], seconds(5)));
        assert_eq!(play(64, 64), (vec![32], seconds(64)));
    }

    #[test]
    fn where_half_of_the_limit_is_not_used_nothing_is_held_back() {
        assert_eq!(play(8, 32), (vec![], Duration::from_secs(32)));
    }

    #[test]
    fn it_waits_for_its_time_and_for_a_latency() {
        let next = |probe: Probe, latency| probe.next(&Policy::default(), 64, NOW, latency, 64);
        let later = NOW + Duration::from_secs(1);
        assert_eq!(next(Probe::At(later), Some(Duration::ZERO)), Step::Wait);
        assert_eq!(next(Probe::Unplanned, Some(Duration::ZERO)), Step::Later);
        assert_eq!(next(Probe::At(NOW), None), Step::Later);
    }
}
