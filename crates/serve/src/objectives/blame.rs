//! Blame: who burned a budget, as far as the source of its counts tells: by the labels of its series, and by what went on.

use std::collections::BTreeMap;

use evenkeel_slo::asking::parts::{Rows, telling};
use evenkeel_slo::attribution::{Attribution, By, Cause, by_cause, by_label};
use evenkeel_slo::{Counts, History, Interval, Objective, Unit};

use super::judging::Judged;
use super::source::{AskError, Source};

/// Labels by which bad events are told apart: each costs two questions for each piece of the window.
const LABELS_MAX: usize = 6;
/// Parts that are named; the others are the rest.
const PARTS_MAX: usize = 10;
/// A window that is in more pieces is not told apart by labels.
const PIECES_MAX: usize = 8;

/// Tells apart the bad events that an objective was judged by: by each of the labels of its series that has more than one
/// value, and by `causes`, where there are any. Nothing without bad events.
///
/// # Errors
/// When the source does not answer.
pub async fn blame(
    source: &Source,
    of: &Objective,
    judged: &Judged,
    causes: &[Cause],
) -> Result<Vec<(By, Attribution)>, AskError> {
    let account = &judged.standing.account;
    let (total, elapsed) = (account.budget.counts, of.elapsed(account.at));
    let mut all = Vec::new();
    if total.bad() == 0 {
        return Ok(all);
    }
    if !causes.is_empty() {
        let excluded = of.exclusions.iter().flat_map(|it| it.within(elapsed)).collect();
        let filled = judged.history.filled(of.asking.gaps(), of.asking.unit());
        let history = filled.without(&excluded);
        all.push((By::Cause, by_cause(&history, elapsed, causes, PARTS_MAX)));
    }
    let pieces: Vec<_> = of.counted_of(elapsed).into_iter().collect();
    if pieces.len() > PIECES_MAX {
        return Ok(all);
    }
    let is_of_events = of.asking.unit() == Unit::Events;
    if let Some(routes) = source.routes(of).filter(|it| is_of_events && !it.is_empty()) {
        let of_route = |(name, history): (&String, &History)| {
            (name.clone(), pieces.iter().filter_map(|it| history.counts(*it)).sum())
        };
        let told = by_label(total, routes.iter().map(of_route), PARTS_MAX);
        all.push((By::Label("route".to_owned()), told));
        return Ok(all);
    }
    let Some(busiest) = of.asking.busiest(elapsed.length()) else { return Ok(all) };
    let [one, every] = both(source, &busiest, elapsed).await?;
    for label in telling(&[&one, &every], LABELS_MAX) {
        let mut parts: BTreeMap<String, Counts> = BTreeMap::new();
        for piece in &pieces {
            let Some(queries) = of.asking.by_label(piece.length(), &label) else { continue };
            let [one, every] = both(source, &queries, *piece).await?;
            for (value, counts) in of.asking.parted(&label, [&one, &every]) {
                *parts.entry(value).or_default() += counts;
            }
        }
        let named = |(value, counts): (String, Counts)| match value.as_str() {
            "" => (format!("without {label}"), counts),
            _ => (value, counts),
        };
        let told = by_label(total, parts.into_iter().map(named), PARTS_MAX);
        if !told.culprits.is_empty() {
            all.push((By::Label(label), told));
        }
    }
    Ok(all)
}

async fn both(source: &Source, queries: &[String; 2], of: Interval) -> Result<[Rows; 2], AskError> {
    let [one, every] = queries;
    Ok([source.rows(one, of.to).await?, source.rows(every, of.to).await?])
}
