//! Steps: seconds put together into as many steps as a chart can show.
//!
//! Counts add up. Percentiles do not, so a step shows those of its worst second: a chart of an endurance
//! run must not smooth away the second that hurt.

use evenkeel_model::outcome::{Heatmap, SecondFigures};

/// A run in steps of equal length.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Steps {
    /// Length of a step in seconds; at least 1.
    pub(crate) width: u64,
    /// One after the other from the start; a step without data holds zeros.
    pub(crate) steps: Vec<Step>,
}

/// What happened within a step.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// How many of its seconds were seen.
    pub(crate) seconds: u64,
    /// Arrivals that were due.
    pub(crate) planned: u64,
    /// Requests answered right.
    pub(crate) good: u64,
    /// Requests that failed, and arrivals that were never sent.
    pub(crate) bad: u64,
    /// Most requests under way.
    pub(crate) in_flight: u64,
    /// Median of its worst second.
    pub(crate) p50: Option<f64>,
    /// 95th percentile of its worst second.
    pub(crate) p95: Option<f64>,
    /// 99th percentile of its worst second.
    pub(crate) p99: Option<f64>,
}

/// Lengths of steps that people can reckon with, in seconds.
const WIDTHS: [u64; 12] = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800];

impl Steps {
    /// At most `most` steps for the seconds of a run.
    pub(crate) fn new(seconds: &[SecondFigures], most: u64) -> Self {
        let length = seconds.iter().map(|it| it.second + 1).max().unwrap_or(0);
        let width = width(length, most);
        let mut steps = vec![Step::default(); length.div_ceil(width) as usize];
        for it in seconds {
            steps[(it.second / width) as usize].add(it);
        }
        Self { width, steps }
    }

    /// Each step with the moment in its middle, in seconds after the start.
    pub(crate) fn timed(&self) -> impl Iterator<Item = (f64, &Step)> {
        let width = self.width as f64;
        self.steps.iter().enumerate().map(move |(at, it)| ((at as f64 + 0.5) * width, it))
    }

    /// When a step begins, in seconds after the start.
    pub(crate) fn from(&self, index: usize) -> f64 {
        index as f64 * self.width as f64
    }
}

impl Step {
    fn add(&mut self, it: &SecondFigures) {
        let worse = |a: Option<f64>, b: Option<f64>| {
            let b = b.filter(|it| it.is_finite());
            a.map_or(b, |a| Some(b.map_or(a, |b| a.max(b))))
        };
        self.seconds += 1;
        self.planned += it.planned;
        self.good += it.good;
        self.bad += it.failed + it.missed;
        self.in_flight = self.in_flight.max(it.in_flight);
        self.p50 = worse(self.p50, it.p50_seconds);
        self.p95 = worse(self.p95, it.p95_seconds);
        self.p99 = worse(self.p99, it.p99_seconds);
    }

    /// So many each second of the step.
    pub(crate) fn rate(&self, count: u64) -> f64 {
        count as f64 / self.seconds.max(1) as f64
    }

    /// Share of requests that were not answered right; `None` without any.
    pub(crate) fn bad_ratio(&self) -> Option<f64> {
        let all = self.good + self.bad;
        (all > 0).then(|| self.bad as f64 / all as f64)
    }
}

/// The columns of a heatmap added up to at most `most`, and how many seconds each stands for.
pub(crate) fn columns(heatmap: &Heatmap, most: u64) -> (Vec<Vec<u64>>, u64) {
    let width = width(heatmap.columns.len() as u64, most);
    let rows = heatmap.edges_seconds.len().saturating_sub(1);
    let add = |columns: &[Vec<u64>]| {
        (0..rows).map(|row| columns.iter().filter_map(|it| it.get(row)).sum()).collect()
    };
    (heatmap.columns.chunks(width as usize).map(add).collect(), width)
}

fn width(length: u64, most: u64) -> u64 {
    let raw = length.div_ceil(most.max(1)).max(1);
    WIDTHS.into_iter().find(|it| *it >= raw).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64, p99: Option<f64>) -> SecondFigures {
        SecondFigures {
            second,
            planned: 10,
            good: 9,
            failed: 1,
            p99_seconds: p99,
            ..Default::default()
        }
    }

    #[test]
    fn ninety_minutes_become_at_most_so_many_steps() {
        let seconds: Vec<_> = (0..5_400).map(|it| second(it, Some(0.1))).collect();
        let steps = Steps::new(&seconds, 240);
        assert_eq!((steps.width, steps.steps.len()), (30, 180));
        assert_eq!(steps.steps[0].planned, 300);
        assert!((steps.steps[0].rate(steps.steps[0].good) - 9.0).abs() < 1e-9);
    }

    #[test]
    fn the_second_that_hurt_is_not_smoothed_away() {
        let seconds = [
            second(0, Some(0.1)),
            second(1, Some(2.0)),
            second(2, None),
            second(3, Some(f64::NAN)),
        ];
        let steps = Steps::new(&seconds, 2);
        assert_eq!(steps.steps.iter().map(|it| it.p99).collect::<Vec<_>>(), [Some(2.0), None]);
    }

    #[test]
    fn seconds_without_data_leave_a_gap() {
        let steps = Steps::new(&[second(0, None), second(3, None)], 240);
        assert_eq!(steps.steps.iter().map(|it| it.seconds).collect::<Vec<_>>(), [1, 0, 0, 1]);
        assert!(Steps::new(&[], 240).steps.is_empty());
    }

    #[test]
    fn columns_of_a_heatmap_add_up() {
        let heatmap = Heatmap {
            edges_seconds: vec![0.01, 0.1, 1.0],
            columns: vec![vec![1, 0], vec![2, 1], vec![3, 1]],
        };
        assert_eq!(columns(&heatmap, 2), (vec![vec![3, 1], vec![3, 1]], 2));
    }
}
