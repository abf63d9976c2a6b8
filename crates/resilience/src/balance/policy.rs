//! Policy: who is called next, and who is not called for a while.

mod error;

use std::time::Duration;

use evenkeel_units::Ratio;

use super::maglev;

pub use self::error::PolicyError;

/// Who is called next, and who is not called for a while.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// How the next endpoint is chosen among those that may be called.
    pub strategy: Strategy,
    /// When an endpoint is put aside because of how calls to it end; `None` for never. On by default: it needs no
    /// configuration and no probes.
    pub outliers: Option<Outliers>,
    /// How an endpoint that is new, or back, comes to its full share; `None` for at once, which is the default, as how long
    /// a service has to warm up is known to nobody else.
    pub slow_start: Option<SlowStart>,
    /// While fewer than this share of the endpoints may be called, all are: 50 % by default, as in Envoy. If most of them look
    /// unwell, it is likelier that the look is wrong than that they are, and the few that are left could not bear the load
    /// of all. Zero for never.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub panic: Ratio,
}

impl Default for Policy {
    /// By [peak EWMA](PeakEwma), with [outliers](Outliers) put aside, and a panic threshold of 50 %.
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            outliers: Some(Outliers::default()),
            slow_start: None,
            panic: Ratio::percent(50),
        }
    }
}

impl Policy {
    /// This strategy, and the defaults.
    pub fn of(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }

    /// Whether the values go together.
    ///
    /// # Errors
    /// The first field that does not fit, and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        self.strategy.check()?;
        if let Some(outliers) = &self.outliers {
            outliers.check()?;
        }
        if let Some(SlowStart { window, aggression, .. }) = self.slow_start {
            if window.is_zero() {
                return Err(PolicyError::Zero { field: "slow_start.window" });
            }
            positive("slow_start.aggression", aggression)?;
        }
        Ok(())
    }

    /// How latency is estimated; also where it decides nothing, so that it is seen.
    pub(super) fn peak_ewma(&self) -> PeakEwma {
        match self.strategy {
            Strategy::PeakEwma(it) => it,
            _ => PeakEwma::default(),
        }
    }
}

/// How the next endpoint is chosen. The [module](super) says which is for what.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum Strategy {
    /// One after the other; with weights that differ, each as often in a cycle as its weight says, as evenly spread as
    /// can be (the *smooth weighted round robin* of nginx).
    RoundRobin,
    /// The one with the fewest calls under way for its weight; among equals one by chance, by weight.
    LeastConnections,
    /// Of two by chance the one that promises to answer sooner.
    PeakEwma(PeakEwma),
    /// Always the same one for the same key.
    ConsistentHash(ConsistentHash),
}

impl Default for Strategy {
    fn default() -> Self {
        Self::PeakEwma(PeakEwma::default())
    }
}

impl Strategy {
    /// Always the same endpoint for the same key, by the default [`ConsistentHash`].
    pub fn consistent_hash() -> Self {
        Self::ConsistentHash(ConsistentHash::default())
    }

    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round robin",
            Self::LeastConnections => "least connections",
            Self::PeakEwma(_) => "two choices by peak EWMA",
            Self::ConsistentHash(_) => "consistent hash",
        }
    }

    fn check(self) -> Result<(), PolicyError> {
        match self {
            Self::PeakEwma(PeakEwma { decay, .. }) if decay < PeakEwma::DECAY_MIN => {
                Err(PolicyError::Decay { decay })
            }
            Self::PeakEwma(PeakEwma { first, .. }) if first.is_zero() => {
                Err(PolicyError::Zero { field: "first" })
            }
            Self::RoundRobin | Self::LeastConnections | Self::PeakEwma(_) => Ok(()),
            Self::ConsistentHash(ConsistentHash { table, load_max_percent }) => {
                if !(maglev::TABLE_MIN..=maglev::TABLE_MAX).contains(&table)
                    || !maglev::is_prime(table)
                {
                    return Err(PolicyError::Table { table });
                }
                match load_max_percent {
                    Some(percent) if percent <= 100 => Err(PolicyError::LoadMax { percent }),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Power of two choices by the *peak EWMA* of latency: two endpoints by chance, and of them the one whose expected latency
/// times the calls under way is less.
///
/// The estimate jumps to a latency that is worse and comes down slowly to those that are better, so that an endpoint that gets
/// slow is noticed by the first slow answer. (M. Mitzenmacher, *The Power of Two Choices in Randomized Load Balancing*,
/// 2001; the estimate is that of Finagle.) Three things differ, so that an endpoint is not called the more the less it answers:
/// the estimate stands still while calls are under way that do not end; a failure raises it and never lowers it;
/// and an endpoint of which nothing is known is given one call at a time.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct PeakEwma {
    /// After this long, an old latency counts for a third (1/e) any more; at least 10 ms. 10 s by default, as in Finagle and
    /// tower: an endpoint that was slow once is asked again after some of these.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub decay: Duration,
    /// What an endpoint without an answer so far is taken to need, once a call to it is under way. 1 s by default, as in
    /// tower: longer than most answers, so that it is not flooded before the first.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub first: Duration,
}

impl PeakEwma {
    /// Less would be finer than what is stored of time.
    const DECAY_MIN: Duration = Duration::from_millis(10);
}

impl Default for PeakEwma {
    fn default() -> Self {
        Self { decay: Duration::from_secs(10), first: Duration::from_secs(1) }
    }
}

/// A table of Maglev: keys keep their endpoint when others come and go.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct ConsistentHash {
    /// Places in the table: a prime from 101 to 1,000,003, and best a hundred times as many as endpoints, so that shares
    /// are within a percent. 65,537 by default (128 KiB), as in Envoy.
    pub table: u32,
    /// The most calls that an endpoint may have under way, in percent of its fair share of all that are; a key whose endpoint
    /// has more goes to another. More than 100. `None` by default: a key never leaves an endpoint that may be called. 125
    /// is usual where a few keys are much hotter than others. (V. Mirrokni, M. Thorup, M. Zadimoghaddam, *Consistent
    /// Hashing with Bounded Loads*, 2018.)
    pub load_max_percent: Option<u32>,
}

impl Default for ConsistentHash {
    fn default() -> Self {
        Self { table: 65_537, load_max_percent: None }
    }
}

/// When an endpoint is put aside because of how calls to it end: *passive* health, as Envoy's outlier detection.
#[derive(Copy, Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Outliers {
    /// Failures in a row that eject an endpoint; `None` for never. 5 by default, as in Envoy.
    pub consecutive: Option<u32>,
    /// Ejects those that succeed much less often than the others. On by default.
    pub success_rate: Option<SuccessRate>,
    /// Ejects those that fail too often, whatever the others do. Off by default, as in Envoy: when what stands behind all of
    /// them is broken, all of them fail.
    pub failure_share: Option<FailureShare>,
    /// How often shares are judged, each time by the calls since the last; at least 1 ms. 10 s by default, as in Envoy.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub interval: Duration,
    /// How long an ejection lasts, times how often it happened; at least 1 ms. 30 s by default, as in Envoy. What happened is forgotten by one
    /// ejection for each interval in which the endpoint may be called.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub ejection: Duration,
    /// The longest that it lasts; at least `ejection`. 5 minutes by default, as in Envoy.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub ejection_max: Duration,
    /// The largest share of the endpoints that may be ejected at a time; of two and more at least one may. 50 % by default: half of them is what
    /// a service that is provisioned for the loss of one zone of two can do without. (Envoy: 10 %.)
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub share_max: Ratio,
}

impl Default for Outliers {
    fn default() -> Self {
        Self {
            consecutive: Some(5),
            success_rate: Some(SuccessRate::default()),
            failure_share: None,
            interval: Duration::from_secs(10),
            ejection: Duration::from_secs(30),
            ejection_max: Duration::from_mins(5),
            share_max: Ratio::percent(50),
        }
    }
}

impl Outliers {
    /// Only failures in a row eject, so many.
    pub fn consecutive(failures: u32) -> Self {
        Self { consecutive: Some(failures), success_rate: None, ..Self::default() }
    }

    /// How long the `times`-th ejection lasts.
    pub(super) fn lasts(&self, times: u32) -> Duration {
        self.ejection.saturating_mul(times).min(self.ejection_max)
    }

    /// How many of so many endpoints may be ejected.
    pub(super) fn ejected_max(&self, endpoints: usize) -> usize {
        self.share_max.floor_of(endpoints).max(usize::from(endpoints > 1))
    }

    fn check(&self) -> Result<(), PolicyError> {
        let least = Duration::from_millis(1);
        for (field, value) in
            [("outliers.interval", self.interval), ("outliers.ejection", self.ejection)]
        {
            if value < least {
                return Err(PolicyError::Short { field, value });
            }
        }
        if self.ejection_max < self.ejection {
            let (first, longest) = (self.ejection, self.ejection_max);
            return Err(PolicyError::EjectionMax { first, longest });
        }
        if self.consecutive == Some(0) {
            return Err(PolicyError::Zero { field: "outliers.consecutive" });
        }
        if let Some(it) = self.success_rate {
            positive("outliers.success_rate.deviations", it.deviations)?;
            let SuccessRate { deviations, min_endpoints, .. } = it;
            let least = it.endpoints_min();
            if min_endpoints < least {
                return Err(PolicyError::TooFew { min_endpoints, deviations, least });
            }
        }
        match self.failure_share {
            Some(it) if it.share == Ratio::ZERO => {
                Err(PolicyError::Zero { field: "outliers.failure_share.share" })
            }
            _ => Ok(()),
        }
    }
}

/// Ejects an endpoint whose share of successes in an interval is below the mean of all by more than some standard deviations, and by more
/// than chance does: where all are well, they differ by so little that one failure would be many deviations. (The first half of
/// the rule is Envoy's.)
#[derive(Copy, Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct SuccessRate {
    /// How many standard deviations. 1.9 by default, as in Envoy.
    pub deviations: f64,
    /// Fewer calls in an interval say nothing of an endpoint. 100 by default, as in Envoy.
    pub min_calls: u32,
    /// Fewer endpoints with that many calls say nothing of each other; at least 3, and more than the square of `deviations` and one. 5
    /// by default, as in Envoy.
    pub min_endpoints: u32,
}

impl SuccessRate {
    /// Of fewer endpoints none is ever so far from the mean: of `n`, the odd one out is √(n − 1) standard deviations away.
    fn endpoints_min(&self) -> u32 {
        (self.deviations.powi(2) as u32).saturating_add(2).max(3)
    }
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self { deviations: 1.9, min_calls: 100, min_endpoints: 5 }
    }
}

/// Ejects an endpoint whose share of failures in an interval is too large.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct FailureShare {
    /// The share that ejects, when it is reached; not zero. 85 % by default, as in Envoy.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub share: Ratio,
    /// Fewer calls in an interval say nothing of an endpoint. 50 by default, as in Envoy.
    pub min_calls: u32,
    /// It is only judged where as many endpoints have that many calls. 5 by default, as in Envoy.
    pub min_endpoints: u32,
}

impl Default for FailureShare {
    fn default() -> Self {
        Self { share: Ratio::percent(85), min_calls: 50, min_endpoints: 5 }
    }
}

/// How an endpoint that is new, or back, comes to its full share: its weight counts for `(time ÷ window)^(1 ÷ aggression)`
/// of itself, and for `least` at the least. (The formula is Envoy's.) A consistent hash has none, as keys would move all the while.
#[derive(Copy, Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct SlowStart {
    /// How long it takes; not zero.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub window: Duration,
    /// 1 for a straight line; more is faster in the beginning, less is slower. Positive. 1 if a file does not say it.
    #[cfg_attr(feature = "serde", serde(default = "straight"))]
    pub aggression: f64,
    /// The share of its weight that an endpoint has at the least; 10 % is usual, and what it is if a file does not say it.
    #[cfg_attr(
        feature = "serde",
        serde(default = "tenth", deserialize_with = "crate::text::ratio")
    )]
    pub least: Ratio,
}

#[cfg(feature = "serde")]
const fn straight() -> f64 {
    1.0
}

#[cfg(feature = "serde")]
const fn tenth() -> Ratio {
    Ratio::percent(10)
}

impl SlowStart {
    /// In a straight line over this time, from 10 %.
    pub const fn over(window: Duration) -> Self {
        Self { window, aggression: 1.0, least: Ratio::percent(10) }
    }

    /// Which share of its weight an endpoint has after so long.
    pub fn factor(&self, after: Duration) -> f64 {
        if after >= self.window {
            return 1.0;
        }
        let time = after.as_secs_f64() / self.window.as_secs_f64();
        time.powf(1.0 / self.aggression).max(self.least.get()).min(1.0)
    }
}

fn positive(field: &'static str, value: f64) -> Result<(), PolicyError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(PolicyError::NotPositive { field, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_does_not_fit_names_the_field_and_the_remedy() {
        Policy::default().check().unwrap();
        let hash = |table, load_max_percent| {
            Policy::of(Strategy::ConsistentHash(ConsistentHash { table, load_max_percent }))
        };
        let outliers = |it| Policy { outliers: Some(it), ..Policy::default() };
        let usual = Outliers::default();
        let slow = |it| Policy { slow_start: Some(it), ..Policy::default() };
        let ewma = |decay, first| Policy::of(Strategy::PeakEwma(PeakEwma { decay, first }));
        let second = Duration::from_secs(1);
        for (policy, wanted) in [
            (hash(65_536, None), "`table` is 65536: write a prime"),
            (hash(97, None), "`table` is 97"),
            (hash(101, Some(100)), "`load_max_percent` is 100"),
            (ewma(Duration::from_millis(9), second), "`decay` of 9ms"),
            (ewma(second, Duration::ZERO), "`first` is 0"),
            (slow(SlowStart::over(Duration::ZERO)), "`slow_start.window` is 0"),
            (
                slow(SlowStart { aggression: f64::NAN, ..SlowStart::over(second) }),
                "`slow_start.aggression` is NaN",
            ),
            (
                outliers(Outliers { interval: Duration::ZERO, ..usual }),
                "`outliers.interval` of 0ns",
            ),
            (outliers(Outliers { ejection_max: second, ..usual }), "`outliers.ejection_max` of 1s"),
            (outliers(Outliers::consecutive(0)), "`outliers.consecutive` is 0"),
            (
                outliers(Outliers {
                    success_rate: Some(SuccessRate { min_endpoints: 4, ..Default::default() }),
                    ..usual
                }),
                "min_endpoints` is 4, and of so few none is ever 1.9 deviations off: write at least 5",
            ),
            (
                outliers(Outliers {
                    failure_share: Some(FailureShare { share: Ratio::ZERO, ..Default::default() }),
                    ..usual
                }),
                "`outliers.failure_share.share` is 0",
            ),
        ] {
            let said = policy.check().unwrap_err().to_string();
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn slow_start_is_a_straight_line_from_the_least_unless_it_is_aggressive() {
        let line = SlowStart::over(Duration::from_secs(10));
        let of = |it: SlowStart, second| (it.factor(Duration::from_secs(second)) * 100.0).round();
        assert_eq!([0, 1, 5, 10, 99].map(|it| of(line, it) as u32), [10, 10, 50, 100, 100]);
        let eager = SlowStart { aggression: 2.0, ..line };
        assert_eq!([1, 5, 10].map(|it| of(eager, it) as u32), [32, 71, 100]);
    }

    #[test]
    fn ejections_get_longer_up_to_the_longest_and_some_endpoints_stay() {
        let outliers = Outliers::default();
        let lasts = [1, 2, 10, 11, u32::MAX].map(|it| outliers.lasts(it).as_secs());
        assert_eq!(lasts, [30, 60, 300, 300, 300]);
        assert_eq!([0, 1, 2, 3, 10].map(|it| outliers.ejected_max(it)), [0, 0, 1, 1, 5]);
    }
}
