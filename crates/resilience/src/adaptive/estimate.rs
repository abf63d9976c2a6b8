//! Estimate: how many calls at once are right, from what windows of calls say.

use std::time::Duration;

use super::policy::{Aimd, Algorithm, Gradient, Policy};

/// What was seen in a window.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The mean latency of calls, if one was answered.
    pub(super) latency: Option<Duration>,
    /// The most calls that were under way at once, as each saw it when it began.
    pub(super) in_flight_max: u32,
    /// Whether a call was turned away or given up.
    pub(super) is_overloaded: bool,
}

/// What is thought to be right.
#[derive(Copy, Clone, Debug)]
pub(super) struct Estimate {
    limit: f64,
    /// The usual latency, in seconds.
    usual: f64,
    /// Windows that it is made of, as far as that matters.
    windows: u32,
}

/// So many windows are averaged plainly before the average becomes an exponential one: as Netflix does, lest the first of all
/// windows counted for minutes.
const WARM_UP: u32 = 10;

impl Estimate {
    pub(super) fn new(initial: u32) -> Self {
        Self { limit: f64::from(initial), usual: 0.0, windows: 0 }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// The usual latency; zero while nothing is known.
    pub(super) fn usual(&self) -> Duration {
        Duration::from_secs_f64(self.usual)
    }

    /// Stays within other bounds.
    pub(super) fn bound(&mut self, policy: &Policy) {
        self.limit = self.limit.clamp(f64::from(policy.min), f64::from(policy.max));
    }

    /// What is usual was measured.
    pub(super) fn measured(&mut self, latency: Duration) {
        self.usual = latency.as_secs_f64();
        self.windows = WARM_UP;
    }

    /// Follows what was seen.
    pub(super) fn follow(&mut self, policy: &Policy, seen: Seen) {
        // Who asks for less than half of what it may learns nothing of the rest.
        let is_used = f64::from(seen.in_flight_max) >= self.limit / 2.0;
        match policy.algorithm {
            Algorithm::Gradient(by) => self.follow_gradient(by, seen, is_used),
            Algorithm::Aimd(by) => self.follow_aimd(by, seen, is_used),
        }
        self.bound(policy);
    }

    fn follow_gradient(&mut self, by: Gradient, seen: Seen, is_used: bool) {
        let now = seen.latency.map(|it| it.as_secs_f64().max(1e-9));
        if let Some(now) = now {
            self.average(by.long_windows, now);
        }
        if !is_used {
            return;
        }
        // Not below a half, as one window may lie.
        let gradient = match now {
            Some(now) if !seen.is_overloaded => {
                ((1.0 + by.tolerance.get()) * self.usual / now).clamp(0.5, 1.0)
            }
            _ => 0.5,
        };
        let headroom = f64::from(by.headroom).max(self.limit.sqrt());
        let right = self.limit * gradient + headroom;
        self.limit += (right - self.limit) * by.smoothing.get();
    }

    /// Takes a latency of now into the usual one.
    fn average(&mut self, long_windows: u32, now: f64) {
        self.windows = (self.windows + 1).min(WARM_UP + 1);
        let weight = match self.windows {
            0..=WARM_UP => 1.0 / f64::from(self.windows),
            _ => 2.0 / (f64::from(long_windows) + 1.0),
        };
        self.usual += (now - self.usual) * weight;
        if self.usual > 2.0 * now {
            // A long overload is over: what it made usual is not.
            self.usual *= 0.95;
        }
    }

    fn follow_aimd(&mut self, by: Aimd, seen: Seen, is_used: bool) {
        if seen.is_overloaded || seen.latency.is_some_and(|it| it > by.latency_max) {
            // A whole step at least, or a small limit would not shrink.
            self.limit = (self.limit * by.backoff.get()).min(self.limit - 1.0);
        } else if is_used {
            self.limit += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(millis: u64, in_flight_max: u32) -> Seen {
        Seen { latency: Some(Duration::from_millis(millis)), in_flight_max, is_overloaded: false }
    }

    fn play(policy: &Policy, windows: impl IntoIterator<Item = Seen>) -> Estimate {
        let mut estimate = Estimate::new(policy.initial);
        windows.into_iter().for_each(|it| estimate.follow(policy, it));
        estimate
    }

    #[test]
    fn the_limit_grows_while_it_is_used_and_latency_is_usual() {
        let policy = Policy::default();
        assert_eq!(play(&policy, [seen(100, 20); 5]).limit(), 24);
        assert_eq!(play(&policy, [seen(100, 9); 500]).limit(), 20, "half of it is not used");
    }

    #[test]
    fn it_shrinks_by_a_tenth_at_most_in_each_window_when_calls_take_longer() {
        let policy = Policy::default();
        let mut estimate = play(&policy, [seen(100, 20); 100]);
        let before = estimate.limit;
        estimate.follow(&policy, seen(10_000, before as u32));
        assert!(estimate.limit < before && estimate.limit > 0.9 * before, "{estimate:?}");
    }

    #[test]
    fn what_a_long_overload_made_usual_is_soon_forgotten() {
        let mut estimate = play(&Policy::default(), std::iter::repeat_n(seen(1_000, 20), 1_000));
        for _ in 0..30 {
            estimate.follow(&Policy::default(), seen(100, 20));
        }
        assert!(estimate.usual() < Duration::from_millis(250), "{estimate:?}");
    }

    #[test]
    fn aimd_backs_off_once_a_window_when_calls_are_late_or_turned_away() {
        let policy = Policy { initial: 100, ..Policy::aimd(Duration::from_millis(200)) };
        assert_eq!(play(&policy, [seen(200, 100)]).limit(), 101);
        assert_eq!(play(&policy, [seen(201, 100)]).limit(), 90);
        let turned_away = Seen { is_overloaded: true, ..seen(1, 100) };
        assert_eq!(play(&policy, [turned_away]).limit(), 90);
    }

    proptest! {
        #[test]
        fn no_window_leads_out_of_the_bounds(
            windows in prop::collection::vec(
                (prop::option::of(0u64..u64::MAX / 2), 0u32..2000, any::<bool>()), 1..200,
            ),
            (min, more, is_aimd) in (1u32..50, 0u32..500, any::<bool>()),
        ) {
            let algorithm = match is_aimd {
                true => Algorithm::Aimd(Aimd::default()),
                false => Algorithm::Gradient(Gradient::default()),
            };
            let policy = Policy { initial: min, min, max: min + more, algorithm, ..Policy::default() };
            let mut estimate = Estimate::new(min);
            for (nanos, in_flight_max, is_overloaded) in windows {
                let latency = nanos.map(Duration::from_nanos);
                estimate.follow(&policy, Seen { latency, in_flight_max, is_overloaded });
                prop_assert!((min..=min + more).contains(&estimate.limit()));
                prop_assert!(estimate.usual.is_finite());
            }
        }
    }
}
