//! Sums and means of floats and of histograms.
//!
//! A mean is the sum by the count, as long as the sum does not leave the range of numbers; from then on it is kept as a
//! mean, which costs some accuracy.

use std::sync::Arc;

use evenkeel_series::histogram::{Incompatible, Noted, Reset, Total};
use evenkeel_series::{Compensated, Histogram};

use super::Evaluation;
use super::window::Window;
use crate::answer::Sample;
use crate::note;

/// The mean of floats.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Mean {
    count: f64,
    sum: Compensated,
    is_divided: bool,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count < 2.0 {
            self.sum = Compensated::of(value);
            return;
        }
        if !self.is_divided {
            let mut sum = self.sum;
            sum.add(value);
            if !sum.sum.is_infinite() {
                self.sum = sum;
                return;
            }
            self.is_divided = true;
            self.sum = divided(self.sum, self.count - 1.0);
        }
        self.sum.scale((self.count - 1.0) / self.count);
        self.sum.add(value / self.count);
    }

    pub(super) fn value(self) -> f64 {
        let Compensated { sum, lost } = match self.is_divided {
            true => self.sum,
            false => divided(self.sum, self.count),
        };
        sum + lost
    }
}

fn divided(it: Compensated, by: f64) -> Compensated {
    Compensated { sum: it.sum / by, lost: it.lost / by }
}

/// The sum or the mean of histograms.
#[derive(Clone, Debug)]
pub(super) struct Combined {
    count: f64,
    total: Total,
    is_mean: bool,
    is_divided: bool,
    /// What they say of resets.
    said: Vec<Reset>,
    reconciled: bool,
}

impl Combined {
    pub(super) fn of(first: &Histogram, is_mean: bool) -> Self {
        let mut combined = Self {
            count: 1.0,
            total: Total::of(first),
            is_mean,
            is_divided: false,
            said: Vec::new(),
            reconciled: false,
        };
        combined.see(first.reset);
        combined
    }

    pub(super) fn add(&mut self, next: &Histogram) -> Result<(), Incompatible> {
        self.see(next.reset);
        self.count += 1.0;
        let Noted { bounds_reconciled, .. } =
            if self.is_mean { self.add_to_mean(next) } else { self.total.add(next) }?;
        self.reconciled |= bounds_reconciled;
        Ok(())
    }

    fn add_to_mean(&mut self, next: &Histogram) -> Result<Noted, Incompatible> {
        if !self.is_divided {
            let mut total = self.total.clone();
            let noted = total.add(next)?;
            if !total.overflows() {
                self.total = total;
                return Ok(noted);
            }
            self.is_divided = true;
            self.total.scale(1.0 / (self.count - 1.0));
        }
        self.total.scale((self.count - 1.0) / self.count);
        self.total.add(&next.divided(self.count))
    }

    fn see(&mut self, reset: Reset) {
        if !self.said.contains(&reset) {
            self.said.push(reset);
        }
    }

    /// Whether some said that they began again, and others that they go on.
    pub(super) fn resets_collide(&self) -> bool {
        self.said.contains(&Reset::Yes) && self.said.contains(&Reset::No)
    }

    pub(super) const fn is_reconciled(&self) -> bool {
        self.reconciled
    }

    pub(super) fn value(self) -> Histogram {
        let total = self.total.finish();
        if self.is_mean && !self.is_divided { total.divided(self.count) } else { total }
    }
}

impl Evaluation<'_> {
    pub(super) fn sum_over_time(&self, window: &Window<'_>) -> Option<Sample> {
        if window.histograms.is_empty() {
            let mut sum = Compensated::default();
            window.points.iter().for_each(|point| sum.add(point.value));
            return Some(Sample::Float(sum.total()));
        }
        self.combined(window, false)
    }

    pub(super) fn avg_over_time(&self, window: &Window<'_>) -> Option<Sample> {
        if window.histograms.is_empty() {
            let mut mean = Mean::default();
            window.points.iter().for_each(|point| mean.add(point.value));
            return Some(Sample::Float(mean.value()));
        }
        self.combined(window, true)
    }

    fn combined(&self, window: &Window<'_>, is_mean: bool) -> Option<Sample> {
        if !window.points.is_empty() {
            self.warn(note::mixed(window.metric()), window.at);
            return None;
        }
        let ((_, first), rest) = window.histograms.split_first()?;
        let mut combined = Combined::of(first, is_mean);
        for (_, histogram) in rest {
            if combined.add(histogram).is_err() {
                return self.unlike(window);
            }
        }
        if combined.resets_collide() {
            self.warn(note::resets_collide("aggregation"), window.at);
        }
        if combined.is_reconciled() {
            self.inform(note::reconciled("aggregation"), window.at);
        }
        Some(Sample::Histogram(Arc::new(combined.value())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_very_great_numbers_is_a_number() {
        let mut mean = Mean::default();
        [f64::MAX, f64::MAX, f64::MAX].into_iter().for_each(|value| mean.add(value));
        assert!((mean.value() / f64::MAX - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_mean_is_exact_where_the_sum_is() {
        let mut mean = Mean::default();
        [1.0, 2.0, 6.0].into_iter().for_each(|value| mean.add(value));
        assert_eq!(mean.value().to_bits(), 3.0_f64.to_bits());
    }
}
