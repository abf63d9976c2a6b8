//! Choosing: aggregations that keep some series of each group as they are.

use std::cmp::Ordering;

use evenkeel_series::Labels;

use super::aggregate::Group;
use super::{Evaluated, Evaluation, Row};
use crate::answer::Sample;
use crate::ast::Aggregate;
use crate::position::Position;

/// What is asked of each step.
#[derive(Copy, Clone)]
enum Wanted {
    Nothing,
    /// As many.
    Count(usize),
    /// Such a share; a negative one is what the positive rest leaves.
    Share(f64),
}

impl Evaluation<'_> {
    /// Of each group, those that are wanted at each step. At one step alone `topk` and `bottomk` order them.
    pub(super) fn chosen(
        &self,
        at: Position,
        operation: Aggregate,
        mut rows: Vec<Row>,
        groups: &[Group],
        parameter: &[f64],
        parameter_at: Position,
    ) -> Evaluated<Vec<Row>> {
        let wanted = self.wanted(operation, parameter, parameter_at)?;
        let mut order = Vec::new();
        for (step, wanted) in wanted.iter().enumerate() {
            self.pulse()?;
            for group in groups {
                let mut present: Vec<usize> = group
                    .rows
                    .iter()
                    .copied()
                    .filter(|row| self.is_candidate(at, operation, cell(&rows, *row, step)))
                    .collect();
                match operation {
                    Aggregate::Topk | Aggregate::Bottomk => present.sort_by(|one, other| {
                        let values = [*one, *other].map(|row| float(cell(&rows, row, step)));
                        ranked(operation == Aggregate::Topk, values)
                    }),
                    _ => {}
                }
                let kept = match *wanted {
                    Wanted::Nothing => 0,
                    Wanted::Count(count) => count.min(present.len()),
                    Wanted::Share(share) => {
                        present.retain(|row| {
                            rows.get(*row).is_some_and(|row| is_sampled(&row.labels, share))
                        });
                        present.len()
                    }
                };
                present.truncate(kept);
                if wanted_at_one_step(parameter) {
                    order.extend_from_slice(&present);
                }
                present.sort_unstable();
                for row in &group.rows {
                    if present.binary_search(row).is_err()
                        && let Some(cell) =
                            rows.get_mut(*row).and_then(|row| row.cells.get_mut(step))
                    {
                        *cell = None;
                    }
                }
            }
        }
        if wanted_at_one_step(parameter) {
            let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
            let chosen = order.iter().filter_map(|row| rows.get_mut(*row).and_then(Option::take));
            return Ok(chosen.collect());
        }
        rows.retain(|row| !row.is_empty());
        Ok(rows)
    }

    fn is_candidate(&self, at: Position, operation: Aggregate, cell: Option<&Sample>) -> bool {
        match (operation, cell) {
            (_, None) => false,
            (Aggregate::Topk | Aggregate::Bottomk, Some(Sample::Histogram(_))) => {
                self.inform(format!("ignored histogram in {} aggregation", operation.name()), at);
                false
            }
            _ => true,
        }
    }

    fn wanted(
        &self,
        operation: Aggregate,
        parameter: &[f64],
        at: Position,
    ) -> Evaluated<Vec<Wanted>> {
        let is_share = operation == Aggregate::LimitRatio;
        let none_wanted = |value: f64| if is_share { value.abs() <= 0.0 } else { value < 1.0 };
        if parameter.iter().all(|value| none_wanted(*value)) {
            return Ok(vec![Wanted::Nothing; parameter.len()]);
        }
        if parameter.iter().any(|value| value.is_nan()) {
            return Err(self.wrong(at, "a parameter that is NaN", "give a number"));
        }
        if is_share {
            for (beyond, limit) in [
                (parameter.iter().copied().fold(0.0, f64::max), 1.0),
                (parameter.iter().copied().fold(0.0, f64::min), -1.0),
            ] {
                if beyond.abs() > 1.0 {
                    let [beyond, limit] = [beyond, limit].map(crate::text::general);
                    let what = format!(
                        "ratio value should be between -1 and 1, got {beyond}, capping to {limit}"
                    );
                    self.warn(what, at);
                }
            }
        } else if parameter.iter().any(|value| value.abs() >= 9.2e18) {
            return Err(self.wrong(at, "a parameter beyond all bounds", "give a smaller number"));
        }
        let wanted = |value: f64| match value {
            _ if none_wanted(value) => Wanted::Nothing,
            _ if is_share => Wanted::Share(value.clamp(-1.0, 1.0)),
            _ => Wanted::Count(value as usize),
        };
        Ok(parameter.iter().map(|value| wanted(*value)).collect())
    }
}

const fn wanted_at_one_step(parameter: &[f64]) -> bool {
    parameter.len() == 1
}

fn cell(rows: &[Row], row: usize, step: usize) -> Option<&Sample> {
    rows.get(row)?.cells.get(step)?.as_ref()
}

const fn float(cell: Option<&Sample>) -> f64 {
    match cell {
        Some(Sample::Float(value)) => *value,
        _ => f64::NAN,
    }
}

/// The greatest first, or the least; what is no number last.
pub(super) fn ranked(greatest_first: bool, [one, other]: [f64; 2]) -> Ordering {
    one.is_nan().cmp(&other.is_nan()).then_with(|| {
        let order = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
        if greatest_first { order.reverse() } else { order }
    })
}

/// Whether a series is in a share of all. Of a positive share and the negative one that is left, each is in one.
fn is_sampled(labels: &Labels, share: f64) -> bool {
    // FNV-1a, then mixed so that the high bits depend on all.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for label in labels {
        for byte in label.name.bytes().chain([0xff]).chain(label.value.bytes()).chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    let place = hash as f64 / u64::MAX as f64;
    if share >= 0.0 { place < share } else { place >= 1.0 + share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_and_what_it_leaves_are_the_whole() {
        for at in 0..100 {
            let labels = Labels::of([("instance", at.to_string().as_str())]);
            assert!(is_sampled(&labels, 0.3) != is_sampled(&labels, -0.7), "{at}");
        }
    }
}
