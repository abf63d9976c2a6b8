//! Blame: who burned a budget, as far as the source of its counts tells: by the labels of its series, by what it is made of, and
//! by what went on.

use std::collections::BTreeMap;

use evenkeel_slo::asking::parts::{Rows, telling};
use evenkeel_slo::attribution::{Attribution, By, Cause, by_cause, by_label, by_weight};
use evenkeel_slo::{Counts, History, Interval, Objective, Unit};
use jiff::Timestamp;

use super::judging::{Judged, count};
use super::source::{AskError, Source};

/// Labels by which bad events are told apart: each costs two questions for each piece of the window.
const LABELS_MAX: usize = 6;
/// Parts that are named; the others are the rest.
const PARTS_MAX: usize = 10;
/// A window that is in more pieces is not told apart by labels.
const PIECES_MAX: usize = 8;
/// Bad slices that are looked at for the labels of what is judged by a limit.
const LOOKS_MAX: usize = 4;

/// Who burned a budget.
#[derive(Clone, Debug, Default)]
pub struct Blame {
    /// By what it is told apart, and how.
    pub told: Vec<(By, Attribution)>,
    /// Why it is not told by label nor by component, where it is not.
    pub untold: Option<String>,
}

/// Tells apart the bad events that an objective was judged by, or the bad time: by each of the labels of its series that has
/// more than one value, or by what it is made of, and by `causes`, where there are any. Nothing where nothing was bad.
///
/// # Errors
/// When the source does not answer.
pub async fn blame(
    source: &Source,
    of: &Objective,
    judged: &Judged,
    causes: &[Cause],
) -> Result<Blame, AskError> {
    let account = &judged.standing.account;
    let (total, elapsed) = (account.budget.counts, of.elapsed(account.at));
    let mut blame = Blame::default();
    if total.bad() == 0 {
        return Ok(blame);
    }
    let excluded = of.exclusions.iter().flat_map(|it| it.within(elapsed)).collect();
    let history = judged.history.filled(of.asking.gaps(), of.asking.unit()).without(&excluded);
    if !causes.is_empty() {
        blame.told.push((By::Cause, by_cause(&history, elapsed, causes, PARTS_MAX)));
    }
    let suspects = Suspects {
        source,
        of,
        total,
        history: &history,
        elapsed,
        pieces: of.counted_of(elapsed).into_iter().collect(),
    };
    match suspects.told().await? {
        Ok(told) => blame.told.extend(told),
        Err(why) => blame.untold = Some(why),
    }
    Ok(blame)
}

/// Whom it may have been.
struct Suspects<'a> {
    source: &'a Source,
    of: &'a Objective,
    total: Counts,
    /// What was counted, without what does not count.
    history: &'a History,
    elapsed: Interval,
    /// What of it counts.
    pieces: Vec<Interval>,
}

/// By what it is told apart, or why it is not.
type Told = Result<Vec<(By, Attribution)>, String>;

impl Suspects<'_> {
    async fn told(&self) -> Result<Told, AskError> {
        if !self.of.asking.components().is_empty() {
            return Ok(Ok(vec![(By::Component, self.by_component().await?)]));
        }
        if let Some(routes) = self.source.routes(self.of) {
            let one = "all its requests are of one route";
            let told = || vec![(By::Label("route".to_owned()), self.by_route(routes))];
            return Ok(if routes.is_empty() { Err(one.to_owned()) } else { Ok(told()) });
        }
        if let Some(why) = self.of.asking.unlabelled() {
            return Ok(Err(why.to_owned()));
        }
        let pieces = self.pieces.len();
        if pieces > PIECES_MAX {
            let why = format!(
                "times that do not count leave its window in {pieces} pieces, and {PIECES_MAX} are looked at"
            );
            return Ok(Err(why));
        }
        let seen = self.seen().await?;
        let seen: Vec<_> = seen.iter().collect();
        let mut all = Vec::new();
        for label in telling(&seen, LABELS_MAX) {
            let told = match self.of.asking.unit() {
                Unit::Events => self.by_counts(&label).await?,
                Unit::Time => self.by_slices(&label).await?,
            };
            if !told.culprits.is_empty() {
                all.push((By::Label(label), told));
            }
        }
        let none = "no label tells what was bad from what was not";
        Ok(if all.is_empty() { Err(none.to_owned()) } else { Ok(all) })
    }

    /// Series that it may have been of.
    async fn seen(&self) -> Result<Vec<Rows>, AskError> {
        let mut all = Vec::new();
        if let Some(busiest) = self.of.asking.busiest(self.elapsed.length()) {
            all.extend(self.both(&busiest, self.elapsed).await?);
        }
        if let Some(figures) = self.of.asking.figures() {
            for at in self.bad_moments() {
                all.push(self.source.rows(&figures, at).await?);
            }
        }
        Ok(all)
    }

    /// The ends of some bad slices, all over the window.
    fn bad_moments(&self) -> Vec<Timestamp> {
        let bad: Vec<_> = self.bad_slices().map(|it| it.0.to).collect();
        let apart = bad.len().div_ceil(LOOKS_MAX).max(1);
        bad.into_iter().step_by(apart).collect()
    }

    fn bad_slices(&self) -> impl Iterator<Item = (Interval, u64)> {
        let within = |it: &Interval| self.elapsed.holds(it.from);
        let slices = self.history.slices().filter(move |it| within(&it.0));
        slices.filter_map(|(slice, counts)| Some((slice, counts?.bad()))).filter(|it| it.1 > 0)
    }

    /// Of each part as much as it took from the mean, by its weight.
    async fn by_component(&self) -> Result<Attribution, AskError> {
        let mut weights: BTreeMap<String, f64> = BTreeMap::new();
        for (weight, part) in self.of.asking.components() {
            let alone = Objective { asking: part.clone(), ..self.of.clone() };
            let counts = count(self.source, &alone, self.elapsed).await?.counts;
            let Some(counts) = counts.filter(|it| it.total > 0) else { continue };
            let lost = counts.bad() as f64 / counts.total as f64;
            *weights.entry(part.name().to_owned()).or_default() += f64::from(*weight) * lost;
        }
        Ok(by_weight(self.total, weights, PARTS_MAX))
    }

    /// By what somebody counted of each route.
    fn by_route(&self, routes: &BTreeMap<String, History>) -> Attribution {
        if self.of.asking.unit() == Unit::Events {
            let of_route = |(name, history): (&String, &History)| {
                (name.clone(), self.pieces.iter().filter_map(|it| history.counts(*it)).sum())
            };
            return by_label(self.total, routes.iter().map(of_route), PARTS_MAX);
        }
        let mut weights: BTreeMap<String, f64> = BTreeMap::new();
        for (slice, time) in self.bad_slices() {
            let bad = |it: &History| it.counts(slice).unwrap_or_default().bad() as f64;
            let all: f64 = routes.values().map(bad).sum();
            for (name, history) in routes.iter().filter(|_| all > 0.0) {
                *weights.entry(name.clone()).or_default() += time as f64 * bad(history) / all;
            }
        }
        by_weight(self.total, weights, PARTS_MAX)
    }

    /// By the events of each value of a label.
    async fn by_counts(&self, label: &str) -> Result<Attribution, AskError> {
        let asking = &self.of.asking;
        let mut parts: BTreeMap<String, Counts> = BTreeMap::new();
        for piece in &self.pieces {
            let Some(queries) = asking.by_label(piece.length(), label) else { continue };
            let [one, every] = self.both(&queries, *piece).await?;
            for (value, counts) in asking.parted(label, [&one, &every]) {
                *parts.entry(value).or_default() += counts;
            }
        }
        let parts = parts.into_iter().map(|(value, counts)| (named(label, value), counts));
        Ok(by_label(self.total, parts, PARTS_MAX))
    }

    /// By how bad slices are shared out among the values of a label.
    async fn by_slices(&self, label: &str) -> Result<Attribution, AskError> {
        let mut weights: BTreeMap<String, f64> = BTreeMap::new();
        for piece in &self.pieces {
            let query = self.of.asking.bad_slices_by(piece.length(), label);
            let Some(query) = query else { continue };
            for (labels, weight) in self.source.rows(&query, piece.to).await? {
                *weights.entry(labels.get(label).to_owned()).or_default() += weight;
            }
        }
        // A label that nothing bad has says nothing of it.
        if weights.keys().all(String::is_empty) {
            weights.clear();
        }
        let weights = weights.into_iter().map(|(value, weight)| (named(label, value), weight));
        Ok(by_weight(self.total, weights, PARTS_MAX))
    }

    async fn both(&self, queries: &[String; 2], of: Interval) -> Result<[Rows; 2], AskError> {
        let [one, every] = queries;
        Ok([self.source.rows(one, of.to).await?, self.source.rows(every, of.to).await?])
    }
}

/// How a value of a label is called.
fn named(label: &str, value: String) -> String {
    if value.is_empty() { format!("without {label}") } else { value }
}
