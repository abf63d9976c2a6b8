//! Scale: where on an axis a figure lies, and which round figures are worth a tick.

/// An axis from `lo` to `hi`.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    lo: f64,
    hi: f64,
    log: bool,
}

/// How many nines a share has: 1 at 90 %, 2 at 99 %, 3 at 99.9 %; nine at most, which is what all has.
pub(crate) fn nines(share: f64) -> f64 {
    -(1.0 - share.clamp(0.0, 1.0)).max(1e-9).log10()
}

/// Steps of a time axis, in seconds: those people count in.
const TIME_STEPS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    21_600.0, 86_400.0,
];

impl Scale {
    /// Even steps. A span of nothing is widened, so that one figure alone has a place.
    pub(crate) fn linear(lo: f64, hi: f64) -> Self {
        Self { lo, hi: if hi > lo { hi } else { lo + 1.0 }, log: false }
    }

    /// From nothing to a little above `top`, ending on a round figure.
    pub(crate) fn from_zero(top: f64, ticks: usize) -> Self {
        let top = if top > 0.0 { top } else { 1.0 };
        let step = round_step(top / ticks.max(1) as f64);
        Self::linear(0.0, (top / step).ceil() * step)
    }

    /// Even factors, around figures between `lo` and `hi`, widened to figures of the row 1, 2, 5.
    pub(crate) fn log_around(lo: f64, hi: f64) -> Self {
        let (lo, hi) = match lo > 0.0 && hi >= lo && hi.is_finite() {
            true => (lo, hi),
            false => (0.001, 1.0),
        };
        let (mut from, mut to) = (step_125(lo * 0.9, f64::floor), step_125(hi * 1.12, f64::ceil));
        // Less than a factor of ten would make noise look like mountains.
        if to / from < 9.0 {
            from = step_125(from / 2.0, f64::floor);
            to = step_125(to * 2.0, f64::ceil);
        }
        Self::log(from, to)
    }

    /// Even factors, exactly from `lo` to `hi`; both above zero.
    pub(crate) fn log(lo: f64, hi: f64) -> Self {
        Self { lo, hi: if hi > lo { hi } else { lo * 10.0 }, log: true }
    }

    /// Share of the axis, from 0 to 1; figures outside stick to the edge.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = match self.log {
            true => (value.max(self.lo) / self.lo).ln() / (self.hi / self.lo).ln(),
            false => (value - self.lo) / (self.hi - self.lo),
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Whether a figure lies on the axis.
    pub(crate) fn holds(&self, value: f64) -> bool {
        (self.lo..=self.hi).contains(&value)
    }

    /// Across the drawing square.
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.at(value) * 1000.0
    }

    /// Down the drawing square: large figures are on top.
    pub(crate) fn y(&self, value: f64) -> f64 {
        (1.0 - self.at(value)) * 1000.0
    }

    /// The upper end.
    pub(crate) const fn hi(&self) -> f64 {
        self.hi
    }

    /// Round figures along the axis, about `wanted` of them.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<f64> {
        match self.log {
            true => self.log_ticks(wanted),
            false => {
                multiples(self.lo, self.hi, round_step((self.hi - self.lo) / wanted.max(1) as f64))
            }
        }
    }

    /// Round times along the axis, at most about `wanted` of them.
    pub(crate) fn time_ticks(&self, wanted: usize) -> Vec<f64> {
        let raw = (self.hi - self.lo) / wanted.max(1) as f64;
        let step = TIME_STEPS.iter().copied().find(|it| *it >= raw).unwrap_or(86_400.0 * 7.0);
        multiples(self.lo, self.hi, step)
    }

    fn log_ticks(&self, wanted: usize) -> Vec<f64> {
        let decades = self.lo.log10().floor() as i32..=self.hi.log10().ceil() as i32;
        let within = |factors: &[f64]| -> Vec<f64> {
            decades
                .clone()
                .flat_map(|decade| factors.iter().map(move |it| it * 10f64.powi(decade)))
                .filter(|it| (self.lo * 0.999..=self.hi * 1.001).contains(it))
                .collect()
        };
        let rows: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 5.0], &[1.0]];
        let mut each = rows.iter().map(|it| within(it));
        each.find(|it| it.len() <= wanted).unwrap_or_else(|| within(&[1.0]))
    }
}

fn multiples(lo: f64, hi: f64, step: f64) -> Vec<f64> {
    let first = (lo / step).ceil() as i64;
    let last = (hi / step + 1e-6).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is not less than `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.max(1e-12).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0].iter().map(|it| it * power).find(|it| *it >= raw * 0.999_999);
    step.unwrap_or(power * 10.0)
}

/// The next of 1, 2 and 5 times a power of ten, downwards or upwards as `round` says.
fn step_125(value: f64, round: fn(f64) -> f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let mantissa = value / power;
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = match round(0.5) > 0.5 {
        true => steps.iter().copied().find(|it| *it >= mantissa),
        false => steps.iter().rev().copied().find(|it| *it <= mantissa),
    };
    step.unwrap_or(1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(Scale::linear(0.0, 1_618.0).ticks(4), [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(
            Scale::linear(0.0, 90.0).time_ticks(8),
            [0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0]
        );
        let labels: Vec<_> =
            Scale::log_around(0.006, 0.8).ticks(9).iter().map(|it| format!("{it:.3}")).collect();
        assert_eq!(labels.join(" "), "0.005 0.010 0.020 0.050 0.100 0.200 0.500 1.000");
    }

    #[test]
    fn a_span_of_nothing_still_has_a_middle() {
        assert!((Scale::linear(3.0, 3.0).at(3.0)).abs() < 1e-9);
        assert!(Scale::log_around(0.02, 0.02).at(0.02) > 0.2);
        assert!(Scale::log_around(f64::NAN, f64::NAN).at(0.02).is_finite());
    }

    #[test]
    fn figures_outside_stick_to_the_edge() {
        let scale = Scale::log_around(0.01, 0.1);
        assert!((scale.at(1e9) - 1.0).abs() < 1e-9);
        assert!(scale.at(0.0).abs() < 1e-9);
        assert!(scale.at(f64::NAN).abs() < 1e-9);
    }
}
