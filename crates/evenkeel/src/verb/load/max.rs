//! The highest rate that a service bears: found by trying rates, each in a run of its own.
//!
//! The rate is doubled while the success criteria hold, then the gap between the last that held and the first
//! that did not is halved (in ratio) until it is small enough. A rate that the generator itself could not send
//! ends the search like one that the service could not bear, and is told apart.

use std::time::Duration;

use evenkeel_drill::Runs;
use evenkeel_model::Plan;
use evenkeel_model::document::{LoadTest, Shape};
use evenkeel_model::library::plan_of_load;
use evenkeel_model::outcome::Ending;
use evenkeel_units::{Human, Rate, Ratio};
use serde::Serialize;

use super::run::{Onlookers, send};
use crate::args::load::LoadRunArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// More rates are never tried: doubling and halving find any answer within these.
const TRIES_MAX: usize = 40;

/// What is searched for.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Search {
    from: f64,
    to: f64,
    hold: Duration,
    precision: f64,
}

/// One rate that was tried.
#[derive(Clone, Debug, Serialize)]
struct Tried {
    rate_per_second: f64,
    /// How the run at this rate ended.
    result: &'static str,
    held: bool,
    answered_per_second: f64,
    p99_seconds: Option<f64>,
    run: String,
}

impl Search {
    /// What a shape asks for.
    pub(crate) fn of(shape: &Shape) -> Option<Self> {
        let Shape::Max { from, to, hold, precision } = shape else { return None };
        let (from, to, precision) = (from.get(), to.get(), Ratio::get(*precision));
        Some(Self { from, to, hold: *hold, precision })
    }

    /// The next rate to try: above `held`, the highest that held, and below `broke`, the lowest that did not.
    fn next(&self, held: Option<f64>, broke: Option<f64>) -> Option<f64> {
        match (held, broke) {
            (None, None) => Some(self.from),
            // Not even the lowest.
            (None, Some(_)) => None,
            (Some(held), None) if held >= self.to => None,
            (Some(held), None) => Some((held * 2.0).min(self.to)),
            (Some(held), Some(broke)) if broke / held - 1.0 <= self.precision => None,
            (Some(held), Some(broke)) => Some((held * broke).sqrt()),
        }
    }
}

/// Searches.
pub(crate) async fn run(
    plan: Plan,
    search: Search,
    runs: Option<&Runs>,
    args: &LoadRunArgs,
    onlookers: Onlookers<'_>,
    screen: &Screen,
) -> Result<Exit, Failure> {
    if plan.success.is_empty() {
        return Err(Failure::usage("nothing says what the highest rate must still meet")
            .help("give `success` such as `p99 < 200ms`, or `--success \"p99 < 200ms\"`"));
    }
    let Some(load) = &plan.load else { unreachable!("a search is one of a load") };
    let mut tried: Vec<Tried> = Vec::new();
    let (mut held, mut broke) = (None, None);
    while let Some(rate) = search.next(held, broke).filter(|_| tried.len() < TRIES_MAX) {
        let exact = Rate::per_second(rate).unwrap_or_default();
        let shape = Some(Shape::Constant { rate: exact, duration: search.hold });
        let load = LoadTest { shape, ..load.clone() };
        let at = Plan { service: plan.service.clone(), ..plan_of_load(load, plan.seed) };
        let over = Box::pin(send(at, runs, None, args, onlookers, screen)).await?;
        let outcome = over.outcome;
        match outcome.verdict.result {
            Ending::Pass => held = Some(rate),
            Ending::Fail | Ending::Inconclusive => broke = Some(rate),
            other => return Ok(other.into()),
        }
        let it = Tried {
            rate_per_second: rate,
            result: outcome.verdict.result.word(),
            held: outcome.verdict.result == Ending::Pass,
            answered_per_second: outcome.totals.throughput_per_second,
            p99_seconds: outcome.totals.p99_seconds,
            run: outcome.run.id,
        };
        screen.say(&format!("{exact}: {}", it.result));
        tried.push(it);
    }
    let value = serde_json::json!({
        "highest_rate_per_second": held,
        "broke_at_per_second": broke,
        "tried": tried,
    });
    screen.show(&value, || shown(held, broke, &tried))?;
    Ok(if held.is_some() { Exit::OK } else { Exit::FAILED })
}

fn shown(held: Option<f64>, broke: Option<f64>, tried: &[Tried]) -> String {
    let rate = |it: f64| Rate::per_second(it).unwrap_or_default().to_string();
    let mut lines = vec![match (held, broke) {
        (Some(held), Some(broke)) => {
            format!("Highest rate that meets the criteria: {} (not {})", rate(held), rate(broke))
        }
        (Some(held), None) => format!("Every rate up to {} meets the criteria", rate(held)),
        (None, _) => "Not even the lowest rate meets the criteria".to_owned(),
    }];
    lines.push(String::new());
    lines.push(format!("{:>12}  {:>12}  {:>10}  result", "rate", "answered", "p99"));
    lines.extend(tried.iter().map(|it| {
        let p99 = it.p99_seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
        let p99 = p99.map_or_else(|| "–".to_owned(), |it| Human(it).to_string());
        let (planned, answered) = (rate(it.rate_per_second), rate(it.answered_per_second));
        format!("{planned:>12}  {answered:>12}  {p99:>10}  {}", it.result)
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer for a service that bears rates up to `limit`, and how many were tried.
    fn found(limit: f64) -> (Option<f64>, usize) {
        let search =
            Search { from: 100.0, to: 5_000.0, hold: Duration::from_secs(1), precision: 0.05 };
        let (mut held, mut broke, mut tries) = (None, None, 0);
        while let Some(rate) = search.next(held, broke) {
            tries += 1;
            if rate <= limit { held = Some(rate) } else { broke = Some(rate) }
        }
        (held, tries)
    }

    #[test]
    fn the_limit_is_found_within_the_precision_and_few_tries() {
        for limit in [100.0, 101.0, 730.0, 1_600.0, 4_999.0] {
            let (held, tries) = found(limit);
            let held = held.unwrap();
            assert!(held <= limit && held * 1.05 >= limit.min(5_000.0) * 0.999, "{limit}: {held}");
            assert!(tries <= 14, "{limit}: {tries} tries");
        }
    }

    #[test]
    fn a_limit_outside_the_range_is_said_so() {
        assert_eq!(found(99.0), (None, 1));
        assert_eq!(found(1e9).0, Some(5_000.0));
    }
}
