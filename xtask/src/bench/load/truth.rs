//! Truth: what response times were, by the log of a server that stalled and the schedule of the load.
//!
//! The server knows when each request came and was answered. A request's response time is from when it was
//! *due*, which the server cannot see; but request n of a constant rate is due n intervals after the first,
//! and none comes before it is due. So the schedule starts where no request is early and the least late one
//! is on time. No clock of the generator is believed.

use anyhow::{Context as _, Result, ensure};

/// When a request came and was answered, in seconds since the first.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Seen {
    arrived: f64,
    answered: f64,
}

/// Response times in seconds, the shortest first.
#[derive(Debug, PartialEq)]
pub(super) struct Truth(Vec<f64>);

impl Truth {
    /// Out of what the sink says, one line a request, for a load of `rate` a second.
    pub(super) fn of(log: &str, rate: f64) -> Result<Self> {
        let seen: Option<Vec<Seen>> = log.lines().map(seen).collect();
        let mut seen = seen.context("the log of the sink is not as it was")?;
        ensure!(!seen.is_empty(), "the sink has answered nothing");
        // First come, first due.
        seen.sort_by(|a, b| a.arrived.total_cmp(&b.arrived));
        let due = |n: usize| n as f64 / rate;
        let late = seen.iter().enumerate().map(|(n, it)| it.arrived - due(n));
        let start = late.min_by(f64::total_cmp).unwrap_or_default();
        let times = seen.iter().enumerate().map(|(n, it)| it.answered - due(n) - start);
        let mut times: Vec<f64> = times.collect();
        times.sort_by(f64::total_cmp);
        Ok(Self(times))
    }

    /// The nearest rank.
    pub(super) fn quantile(&self, q: f64) -> f64 {
        let rank = (q * self.0.len() as f64).ceil().max(1.0) as usize;
        self.0[rank.min(self.0.len()) - 1]
    }

    /// By how much of the truth `told` is wrong.
    pub(super) fn error(&self, q: f64, told: f64) -> f64 {
        (told / self.quantile(q) - 1.0).abs()
    }

    /// How many requests there were.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

fn seen(line: &str) -> Option<Seen> {
    let (arrived, answered) = line.split_once(' ')?;
    let seconds = |it: &str| it.parse::<u64>().ok().map(|it| it as f64 / 1e9);
    Some(Seen { arrived: seconds(arrived)?, answered: seconds(answered)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000/s for 10 s at a server that needs a millisecond and stands still from 5 s to 6 s. Who is due
    /// then comes at the end of it, since no connection is free; `offset` is how late the first one came.
    fn log(offset: f64) -> String {
        let line = |n: u32| {
            let due = f64::from(n) / 1000.0;
            let is_stalled = (5.0..6.0).contains(&due);
            let arrived = if is_stalled { 6.0 } else { due } + f64::from(n % 7) * 1e-6;
            let late = |it: f64| ((it + if n == 0 { offset } else { 0.0 }) * 1e9) as u64;
            format!("{} {}\n", late(arrived), late(arrived + 0.001))
        };
        (0..10_000).map(line).collect()
    }

    #[test]
    fn percentiles_are_those_that_arithmetic_predicts() {
        let truth = Truth::of(&log(0.0), 1000.0).unwrap();
        assert_eq!(truth.count(), 10_000);
        // A tenth of all requests waited, each a millisecond less than the one before.
        for (q, expected) in [(0.5, 0.001), (0.95, 0.501), (0.99, 0.901), (0.999, 0.991)] {
            let found = truth.quantile(q);
            assert!((found - expected).abs() < 0.0012, "p{q}: {found}");
        }
        assert!((truth.error(0.99, 0.45) - 0.5).abs() < 0.002);
    }

    #[test]
    fn a_first_request_that_came_late_moves_no_other() {
        let (prompt, late) = (log(0.0), log(0.0005));
        let [prompt, late] = [prompt, late].map(|it| Truth::of(&it, 1000.0).unwrap());
        assert!((prompt.quantile(0.5) - late.quantile(0.5)).abs() < 1e-5);
    }

    #[test]
    fn an_empty_or_broken_log_is_refused() {
        assert!(Truth::of("", 1000.0).is_err());
        assert!(Truth::of("1 2\n3\n", 1000.0).is_err());
    }
}
