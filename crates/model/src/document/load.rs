//! `LoadTest`: which requests are sent, and how many when.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: LoadTest
//! metadata: {name: shoppers}
//! spec:
//!   service: shop
//!   shape:
//!     spike: {base: 100/s, peak: 400/s, lead: 10s, hold: 5s, tail: 10s}
//!   routes:
//!     - {name: list, path: /products, weight: 6}
//!     - name: checkout
//!       method: POST
//!       path: /checkout
//!       headers: {content-type: application/json, authorization: "Bearer ${env:SHOP_TOKEN}"}
//!       body: '{"product": 1, "quantity": 1}'
//!       checks: {status: [200, 202], body: ["order"]}
//! ```

use std::time::Duration;

use evenkeel_units::Rate;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use super::{Criterion, Text};

/// Load to send at a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadTest {
    /// `metadata.name`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The service whose `url` is loaded.
    pub service: Option<String>,
    /// Where requests go, when no service says it: `http://host:port`, without a path.
    pub url: Option<String>,
    /// How many requests when. A drill's phases may bring their own.
    pub shape: Option<Shape>,
    /// What is requested; at least one.
    pub routes: Vec<Route>,
    /// A request is given up after this time, counted from when it was due. Default 10 s.
    #[serde(rename = "timeout_seconds", with = "seconds")]
    pub timeout: Duration,
    /// The most connections at a time. Default 64.
    pub connections: u32,
    /// What must hold.
    pub success: Vec<Criterion>,
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Its name in reports. Default: method and path.
    pub name: String,
    /// Its share among the routes: weight by the sum of weights. Default 1.
    pub weight: u32,
    /// HTTP method. Default GET.
    pub method: String,
    /// Path and query, starting with `/`.
    pub path: Text,
    /// Headers beside `host` and `content-length`, which are ours.
    pub headers: Vec<(String, Text)>,
    /// Body, as it stands.
    pub body: Option<Text>,
    /// Which status codes are right. Default 200–399.
    pub status: Vec<StatusCheck>,
    /// Texts which the body of an answer must contain.
    pub body_contains: Vec<String>,
}

/// Status codes that are right: written `200`, `2xx` or `200-204`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCheck {
    /// The first.
    pub from: u16,
    /// The last.
    pub to: u16,
}

impl StatusCheck {
    /// Whether `status` is among them.
    pub const fn holds(self, status: u16) -> bool {
        self.from <= status && status <= self.to
    }
}

/// How many requests when. Rates are an open model: arrivals do not wait for answers. Users are the
/// closed model: each sends its next request when the last was answered.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The closed model.
    Users {
        /// How many users at once.
        users: u32,
        /// How long a user waits between an answer and its next request.
        #[serde(rename = "think_time_seconds", with = "seconds")]
        think_time: Duration,
        /// For how long.
        #[serde(rename = "duration_seconds", with = "seconds")]
        duration: Duration,
    },
}

impl Shape {
    /// How long the shape lasts.
    pub fn length(&self) -> Duration {
        match *self {
            Self::Constant { duration, .. }
            | Self::Ramp { duration, .. }
            | Self::Soak { duration, .. }
            | Self::Users { duration, .. } => duration,
            Self::Step { steps, hold, .. } => hold.saturating_mul(steps),
            Self::Spike { lead, hold, tail, .. } => lead.saturating_add(hold).saturating_add(tail),
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
            Self::Users { .. } => "users",
        }
    }

    /// Arrivals due within `[0, elapsed]`: the area under the rate. `None` for the closed model, where
    /// arrivals depend on answers. Never decreases as `elapsed` grows.
    pub fn due(&self, elapsed: Duration) -> Option<f64> {
        let t = elapsed.min(self.length()).as_secs_f64();
        let ramp = |from: f64, to: f64, over: f64, t: f64| match over > 0.0 {
            true => from.mul_add(t, (to - from) / over * t * t / 2.0),
            false => 0.0,
        };
        Some(match *self {
            Self::Constant { rate, .. } => rate.get() * t,
            Self::Ramp { from, to, duration } => {
                ramp(from.get(), to.get(), duration.as_secs_f64(), t)
            }
            Self::Step { start, step, steps, hold } => {
                let hold = hold.as_secs_f64();
                (0..steps)
                    .map(|n| {
                        (start.get() + f64::from(n) * step.get())
                            * (t - f64::from(n) * hold).clamp(0.0, hold)
                    })
                    .sum()
            }
            Self::Spike { base, peak, lead, hold, .. } => {
                let (lead, hold) = (lead.as_secs_f64(), hold.as_secs_f64());
                let in_spike = (t - lead).clamp(0.0, hold);
                base.get() * (t - in_spike) + peak.get() * in_spike
            }
            Self::Soak { rate, ramp_up, .. } => {
                let over = ramp_up.as_secs_f64();
                ramp(0.0, rate.get(), over, t.min(over)) + rate.get() * (t - over).max(0.0)
            }
            Self::Users { .. } => return None,
        })
    }
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
                hold
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
