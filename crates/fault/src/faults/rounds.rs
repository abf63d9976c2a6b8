//! Rounds: faults that act again and again for as long as they last, such as a kill every ten seconds.
//!
//! ```text
//! begin ─ round ─ due ─ round ─ due ─ round ─ end
//!            ╰ what the one before did is read and mended; who is hit is picked anew;
//!              the blast radius is looked at; undo on disk, then the step
//! ```
//!
//! Each round is the fault that acts once, and they end with whoever owns the faults: a tool that hangs or dies lets
//! none follow. A round in which somebody is hit who is not back yet, or too few would be left, is left out and told;
//! the next comes at its time.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use evenkeel_model::event::Evidence;
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::Seed;
use rand::RngExt;

use super::{Active, Faults};
use crate::act::Deed;
use crate::process::stat::since_boot;

/// The rounds of one fault.
#[derive(Debug)]
pub(super) struct Rounds {
    planned: PlannedFault,
    every: Duration,
    /// When the next is due, on the clock that counts from boot.
    next: Duration,
    /// How many were due, the first included.
    number: u64,
    /// What those did that are over.
    past: Vec<Evidence>,
    /// Why others were left out.
    left_out: Vec<String>,
}

impl Rounds {
    /// Those of a fault whose first round begins now, if it has more than one.
    pub(super) fn of(planned: &PlannedFault) -> Option<Self> {
        let every = planned.fault.every()?;
        Some(Self {
            planned: planned.clone(),
            every,
            next: since_boot() + every,
            number: 1,
            past: Vec::new(),
            left_out: Vec::new(),
        })
    }

    /// What all of them add up to. The longest time counts of those that are about the slowest.
    pub(super) fn sum(mut self, last: Option<Evidence>) -> Evidence {
        self.past.extend(last);
        let mut counters: BTreeMap<String, f64> = BTreeMap::new();
        for (name, value) in self.past.iter().flat_map(|it| &it.counters) {
            let sum = counters.entry(name.clone()).or_default();
            *sum = if name.starts_with("slowest_") { sum.max(*value) } else { *sum + value };
        }
        counters.insert("rounds".to_owned(), self.past.len() as f64);
        counters.insert("rounds_left_out".to_owned(), self.left_out.len() as f64);
        let mut summary = match self.past.len() {
            1 => "it acted once".to_owned(),
            number => format!("it acted {number} times"),
        };
        if let Some(why) = self.left_out.last() {
            let number = self.left_out.len();
            summary.push_str(&format!(" and {number} times could not, lastly because {why}"));
        }
        if let Some(it) = self.past.last() {
            summary.push_str(&format!("; at last: {}", it.summary));
        }
        let acted = !self.past.is_empty() && self.past.iter().all(|it| it.acted);
        Evidence { acted, summary, counters }
    }
}

impl Faults {
    /// Resolves when a fault is due that acts again and again; never when none does.
    pub fn due(&self) -> impl Future<Output = ()> + Send + use<> {
        let rounds = self.active.values().filter_map(|it| it.rounds.as_ref());
        let next = rounds.map(|it| it.next).min();
        async move {
            match next {
                Some(at) => tokio::time::sleep(at.saturating_sub(since_boot())).await,
                None => pending().await,
            }
        }
    }

    /// Lets every fault act again that is due. What cannot be done this time is told at its end.
    pub async fn act_again(&mut self) {
        let now = since_boot();
        let is_due = |it: &Active| it.rounds.as_ref().is_some_and(|it| it.next <= now);
        let due: Vec<usize> =
            self.active.iter().filter(|(_, it)| is_due(it)).map(|(index, _)| *index).collect();
        for index in due {
            let Some(mut active) = self.active.remove(&index) else { continue };
            if let Some(mut rounds) = active.rounds.take() {
                let acted = self.next_round(index, &mut active, &mut rounds).await;
                rounds.left_out.extend(acted.err());
                active.rounds = Some(rounds);
            }
            self.active.insert(index, active);
        }
    }

    async fn next_round(
        &mut self,
        index: usize,
        active: &mut Active,
        rounds: &mut Rounds,
    ) -> Result<(), String> {
        let number = rounds.number;
        rounds.number += 1;
        rounds.next += rounds.every;
        while rounds.next <= since_boot() {
            // Whoever held us up took more than one.
            rounds.next += rounds.every;
            rounds.number += 1;
            rounds.left_out.push("it was late".to_owned());
        }
        if !active.deeds.iter().all(Deed::is_over) {
            return Err("the round before was not over".to_owned());
        }
        if !active.deeds.is_empty() {
            rounds.past.push(self.finish(index, active).await);
        }
        let in_words = |error: &dyn Error| match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let seed = seed(self.seed, &rounds.planned.label, number);
        let (hits, plan) =
            self.aim_at(index, &rounds.planned, seed).await.map_err(|it| in_words(&it))?;
        active.begin(hits);
        let label = rounds.planned.label.clone();
        if let Err(error) = self.carry_out(index, plan, &label, active, pin!(pending())).await {
            // As far as it came it acted, and is taken back.
            self.finish(index, active).await;
            return Err(in_words(&error));
        }
        Ok(())
    }
}

/// The seed by which a round picks whom it hits.
fn seed(run: Seed, label: &str, number: u64) -> Seed {
    Seed(run.stream(&format!("fault/round/{label}/{number}")).random())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use evenkeel_model::document::Fault;

    fn round(killed: f64, slowest: f64) -> Evidence {
        let counters = [("targets_killed", killed), ("slowest_return_seconds", slowest)];
        let counters = counters.map(|(name, value)| (name.to_owned(), value)).into();
        Evidence { acted: true, summary: "1 target killed".to_owned(), counters }
    }

    #[test]
    fn rounds_add_up_and_the_slowest_stays_the_slowest() {
        let every = Some(Duration::from_secs(10));
        let mut rounds = Rounds::of(&sample::fault(Fault::Kill { every }, None)).unwrap();
        rounds.past = vec![round(1.0, 3.0), round(2.0, 1.0)];
        rounds.left_out.push("worker-0 is not running".to_owned());
        let sum = rounds.sum(Some(round(1.0, 2.0)));
        let counted = sum.counters.into_iter().map(|(name, it)| format!("{name} {it}"));
        assert_eq!(
            counted.collect::<Vec<_>>(),
            ["rounds 3", "rounds_left_out 1", "slowest_return_seconds 3", "targets_killed 4"]
        );
        assert!(sum.acted);
        assert_eq!(
            sum.summary,
            "it acted 3 times and 1 times could not, lastly because worker-0 is not running; at last: 1 target killed"
        );
    }

    #[test]
    fn one_that_never_acted_has_no_evidence() {
        let every = Some(Duration::from_secs(10));
        let rounds = Rounds::of(&sample::fault(Fault::Kill { every }, None)).unwrap();
        assert!(!rounds.sum(None).acted);
        assert!(Rounds::of(&sample::fault(Fault::Kill { every: None }, None)).is_none());
    }

    #[test]
    fn each_round_picks_anew_and_the_same_seed_the_same() {
        let picks = |run: u64| [1, 2, 3].map(|it| seed(Seed(run), "kill", it));
        assert_eq!(picks(7), picks(7));
        assert_ne!(picks(7)[0], picks(7)[1]);
        assert_ne!(picks(7)[0], picks(8)[0]);
    }
}
