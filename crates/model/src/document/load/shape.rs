//! Shapes: how many requests when.
//!
//! Every shape comes down to [`Segment`]s, over each of which the offered load is a straight line. A new
//! shape is one variant, and how it is cut into segments.

use std::time::Duration;

use evenkeel_units::duration::seconds;
use evenkeel_units::{Rate, Ratio};
use serde::{Deserialize, Serialize};

use super::super::{Criterion, FileName};

/// How many requests when. Rates are an open model: arrivals do not wait for answers. Users are the
/// closed model: each sends its next request when the last was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The same rate all the time.
    Constant {
        /// Arrivals a second.
        rate: Rate,
        /// For how long.
        #[serde(rename = "duration_seconds", with = "seconds")]
        duration: Duration,
    },
    /// From one rate to another in a straight line.
    Ramp {
        /// At the start.
        from: Rate,
        /// At the end.
        to: Rate,
        /// For how long.
        #[serde(rename = "duration_seconds", with = "seconds")]
        duration: Duration,
    },
    /// A staircase, up to where it breaks: a stress test.
    Step {
        /// Rate of the first step.
        start: Rate,
        /// Added at each further step.
        step: Rate,
        /// How many steps; at least 1.
        steps: u32,
        /// Length of a step.
        #[serde(rename = "hold_seconds", with = "seconds")]
        hold: Duration,
        /// The service has broken down when one of these holds over a step; no further step is made.
        until: Vec<Criterion>,
    },
    /// Steady, then suddenly much more, then steady again.
    Spike {
        /// Rate before and after.
        base: Rate,
        /// Rate during the spike.
        peak: Rate,
        /// Steady time before.
        #[serde(rename = "lead_seconds", with = "seconds")]
        lead: Duration,
        /// Length of the spike.
        #[serde(rename = "hold_seconds", with = "seconds")]
        hold: Duration,
        /// Steady time after.
        #[serde(rename = "tail_seconds", with = "seconds")]
        tail: Duration,
    },
    /// Ramped up, then the same rate for long: an endurance test.
    Soak {
        /// Arrivals a second.
        rate: Rate,
        /// Time to reach it from nothing. Part of the duration.
        #[serde(rename = "ramp_up_seconds", with = "seconds")]
        ramp_up: Duration,
        /// For how long in all.
        #[serde(rename = "duration_seconds", with = "seconds")]
        duration: Duration,
    },
    /// From nothing up to the peak of a day, held, and down again.
    Peak {
        /// Rate at the peak.
        rate: Rate,
        /// Time up to it.
        #[serde(rename = "ramp_up_seconds", with = "seconds")]
        ramp_up: Duration,
        /// Time at it.
        #[serde(rename = "hold_seconds", with = "seconds")]
        hold: Duration,
        /// Time down from it.
        #[serde(rename = "ramp_down_seconds", with = "seconds")]
        ramp_down: Duration,
    },
    /// A number of requests, however long they take at this rate: a volume test.
    Volume {
        /// How many.
        requests: u64,
        /// Arrivals a second.
        rate: Rate,
    },
    /// Straight lines, one after the other: each from where the last ended to its own rate.
    Stages {
        /// Rate at the start.
        start: Rate,
        /// The lines.
        stages: Vec<Stage<Rate>>,
    },
    /// As it was recorded: so many arrivals in each of the seconds (or whatever `every` says).
    Trace {
        /// How long each count lasted.
        #[serde(rename = "every_seconds", with = "seconds")]
        every: Duration,
        /// The counts, each a rate.
        rates: Vec<Rate>,
    },
    /// As it was recorded in a file: a trace, once the file is read with the documents.
    Recorded {
        /// How long the stretches are that it becomes.
        #[serde(rename = "every_seconds", with = "seconds")]
        every: Duration,
        /// The file.
        file: FileName,
    },
    /// The highest rate at which the success criteria hold, found by search.
    Max {
        /// Where the search begins.
        from: Rate,
        /// No rate above this is tried.
        to: Rate,
        /// How long each rate is tried.
        #[serde(rename = "hold_seconds", with = "seconds")]
        hold: Duration,
        /// The search ends when the answer is known up to this share.
        precision: Ratio,
    },
    /// The closed model.
    Users {
        /// How many users at once.
        users: u32,
        /// Time over which they arrive. Part of the duration.
        #[serde(rename = "ramp_up_seconds", with = "seconds")]
        ramp_up: Duration,
        /// How long a user waits between an answer and its next request.
        #[serde(rename = "think_time_seconds", with = "seconds")]
        think_time: Duration,
        /// For how long, at most.
        #[serde(rename = "duration_seconds", with = "seconds")]
        duration: Duration,
        /// How often each user goes through its scenario before it leaves. Default: until the end.
        iterations: Option<u32>,
    },
    /// The closed model, with straight lines of users.
    UserStages {
        /// Users at the start.
        start: u32,
        /// The lines.
        stages: Vec<Stage<u32>>,
        /// How long a user waits between an answer and its next request.
        #[serde(rename = "think_time_seconds", with = "seconds")]
        think_time: Duration,
    },
    /// The closed model in steps: how throughput grows with users, and where it stops to.
    Scale {
        /// Users of each step.
        users: Vec<u32>,
        /// Length of a step.
        #[serde(rename = "hold_seconds", with = "seconds")]
        hold: Duration,
        /// How long a user waits between an answer and its next request.
        #[serde(rename = "think_time_seconds", with = "seconds")]
        think_time: Duration,
        /// The service has broken down when one of these holds over a step; no further step is made.
        until: Vec<Criterion>,
    },
}

/// A straight line up or down to a target.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage<T> {
    /// Where it ends.
    pub to: T,
    /// How long it takes.
    #[serde(rename = "duration_seconds", with = "seconds")]
    pub duration: Duration,
}

/// A stretch over which the offered load is a straight line.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Segment {
    /// How long.
    pub length: Duration,
    /// How much.
    pub offered: Offered,
}

/// How much load a segment offers.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Offered {
    /// Arrivals a second, at its beginning and its end.
    Rate(f64, f64),
    /// Users at its beginning and its end, their think time, and how often each goes through its scenario.
    Users {
        /// At the beginning.
        from: u32,
        /// At the end.
        to: u32,
        /// Between an answer and the next request.
        think_time: Duration,
        /// After so many iterations a user leaves.
        iterations: Option<u32>,
    },
}

impl Shape {
    /// The shape as straight lines, one after the other.
    pub fn segments(&self) -> Vec<Segment> {
        let line = |from: Rate, to: Rate, length| Segment {
            length,
            offered: Offered::Rate(from.get(), to.get()),
        };
        let flat = |rate: Rate, length| line(rate, rate, length);
        let none = Rate::default();
        let crowd = |from, to, think_time, length| Segment {
            length,
            offered: Offered::Users { from, to, think_time, iterations: None },
        };
        match self {
            Self::Constant { rate, duration } => vec![flat(*rate, *duration)],
            Self::Ramp { from, to, duration } => vec![line(*from, *to, *duration)],
            Self::Step { start, step, steps, hold, .. } => (0..*steps)
                .map(|n| {
                    let rate = f64::from(n).mul_add(step.get(), start.get());
                    Segment { length: *hold, offered: Offered::Rate(rate, rate) }
                })
                .collect(),
            Self::Spike { base, peak, lead, hold, tail } => {
                vec![flat(*base, *lead), flat(*peak, *hold), flat(*base, *tail)]
            }
            Self::Soak { rate, ramp_up, duration } => {
                vec![line(none, *rate, *ramp_up), flat(*rate, duration.saturating_sub(*ramp_up))]
            }
            Self::Peak { rate, ramp_up, hold, ramp_down } => {
                vec![line(none, *rate, *ramp_up), flat(*rate, *hold), line(*rate, none, *ramp_down)]
            }
            Self::Volume { requests, rate } => vec![flat(*rate, volume(*requests, *rate))],
            Self::Stages { start, stages } => stages
                .iter()
                .scan(*start, |at, stage| {
                    Some(line(std::mem::replace(at, stage.to), stage.to, stage.duration))
                })
                .collect(),
            Self::Trace { every, rates } => rates.iter().map(|it| flat(*it, *every)).collect(),
            Self::Recorded { .. } => Vec::new(),
            Self::Max { from, hold, .. } => vec![flat(*from, *hold)],
            Self::Users { users, ramp_up, think_time, duration, iterations } => {
                let crowd = |from, length| Segment {
                    length,
                    offered: Offered::Users {
                        from,
                        to: *users,
                        think_time: *think_time,
                        iterations: *iterations,
                    },
                };
                let arriving = (!ramp_up.is_zero()).then(|| crowd(0, *ramp_up));
                arriving
                    .into_iter()
                    .chain([crowd(*users, duration.saturating_sub(*ramp_up))])
                    .collect()
            }
            Self::UserStages { start, stages, think_time } => stages
                .iter()
                .scan(*start, |at, stage| {
                    let from = std::mem::replace(at, stage.to);
                    Some(crowd(from, stage.to, *think_time, stage.duration))
                })
                .collect(),
            Self::Scale { users, hold, think_time, .. } => {
                users.iter().map(|it| crowd(*it, *it, *think_time, *hold)).collect()
            }
        }
    }

    /// How long the shape lasts.
    pub fn length(&self) -> Duration {
        match self {
            // What a hostile document could make long is not cut into pieces for this.
            Self::Step { steps, hold, .. } => hold.saturating_mul(*steps),
            other => other
                .segments()
                .iter()
                .fold(Duration::ZERO, |sum, it| sum.saturating_add(it.length)),
        }
    }

    /// Name in documents.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Ramp { .. } => "ramp",
            Self::Step { .. } => "step",
            Self::Spike { .. } => "spike",
            Self::Soak { .. } => "soak",
            Self::Peak { .. } => "peak",
            Self::Volume { .. } => "volume",
            Self::Stages { .. } => "stages",
            Self::Trace { .. } | Self::Recorded { .. } => "trace",
            Self::Max { .. } => "max",
            Self::Users { .. } => "users",
            Self::UserStages { .. } => "userStages",
            Self::Scale { .. } => "scale",
        }
    }

    /// The most users at once; `None` for the open model.
    pub fn users(&self) -> Option<u32> {
        let of = |it: &Segment| match it.offered {
            Offered::Users { from, to, .. } => Some(from.max(to)),
            Offered::Rate(..) => None,
        };
        match self {
            Self::Users { .. } | Self::UserStages { .. } | Self::Scale { .. } => {
                self.segments().iter().filter_map(of).max()
            }
            _ => None,
        }
    }

    /// When the service counts as broken down.
    pub fn until(&self) -> &[Criterion] {
        match self {
            Self::Step { until, .. } | Self::Scale { until, .. } => until,
            _ => &[],
        }
    }

    /// Arrivals due within `[0, elapsed]`: the area under the rate. `None` for the closed model, where
    /// arrivals depend on answers. Never decreases as `elapsed` grows.
    pub fn due(&self, elapsed: Duration) -> Option<f64> {
        let mut left = elapsed;
        let mut sum = 0.0;
        for segment in self.segments() {
            let Offered::Rate(from, to) = segment.offered else { return None };
            let t = left.min(segment.length).as_secs_f64();
            let length = segment.length.as_secs_f64();
            if length > 0.0 {
                sum += from.mul_add(t, (to - from) / length * t * t / 2.0);
            }
            left = left.saturating_sub(segment.length);
        }
        Some(sum)
    }
}

/// How long so many requests take.
fn volume(requests: u64, rate: Rate) -> Duration {
    let seconds = requests as f64 / rate.get();
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(value: f64) -> Rate {
        Rate::per_second(value).unwrap()
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let r = || (0.0..2_000.0).prop_map(rate);
        let d = || (0u64..60_000).prop_map(Duration::from_millis);
        prop_oneof![
            (r(), d()).prop_map(|(rate, duration)| Shape::Constant { rate, duration }),
            (r(), r(), d()).prop_map(|(from, to, duration)| Shape::Ramp { from, to, duration }),
            (r(), r(), 1u32..9, d()).prop_map(|(start, step, steps, hold)| Shape::Step {
                start,
                step,
                steps,
                hold,
                until: Vec::new()
            }),
            (r(), r(), d(), d(), d()).prop_map(|(base, peak, lead, hold, tail)| Shape::Spike {
                base,
                peak,
                lead,
                hold,
                tail
            }),
            (r(), d(), d()).prop_map(|(rate, ramp_up, rest)| Shape::Soak {
                rate,
                ramp_up,
                duration: ramp_up + rest
            }),
        ]
    }

    #[test]
    fn the_total_of_a_spike_is_the_area_under_it() {
        let [lead, hold, tail] = [10, 5, 10].map(Duration::from_secs);
        let spike = Shape::Spike { base: rate(100.0), peak: rate(1_000.0), lead, hold, tail };
        let total = spike.due(spike.length()).unwrap();
        assert!((total - 7_000.0).abs() < 1e-9, "{total}");
    }

    #[test]
    fn the_total_of_a_staircase_is_the_sum_of_its_steps() {
        let step = Shape::Step {
            start: rate(50.0),
            step: rate(50.0),
            steps: 3,
            hold: Duration::from_secs(10),
            until: Vec::new(),
        };
        let total = step.due(step.length()).unwrap();
        assert!((total - 3_000.0).abs() < 1e-9, "{total}");
    }

    proptest! {
        #[test]
        fn arrivals_never_decrease_and_end_with_the_shape(shape in shapes(), a in 0u64..400_000, b in 0u64..400_000) {
            let (early, late) = (Duration::from_millis(a.min(b)), Duration::from_millis(a.max(b)));
            let [early, late] = [early, late].map(|it| shape.due(it).unwrap());
            prop_assert!(early <= late + 1e-9);
            prop_assert!(late <= shape.due(shape.length()).unwrap() + 1e-9);
        }
    }
}
