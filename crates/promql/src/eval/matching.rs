//! Matching: which series of two vectors belong together, and what operators make of them.

use std::collections::BTreeMap;

use evenkeel_series::{Labels, METRIC_NAME};

use super::binary::{Made, makes_another, truth};
use super::row::says_what_it_is;
use super::{Evaluated, Evaluation, Row, Steps};
use crate::answer::Sample;
use crate::ast::{Binary, Many, Matching, Set};
use crate::position::Position;

/// What series are compared by, as a number for each: equal for those that belong together.
struct Signatures {
    left: Vec<usize>,
    right: Vec<usize>,
    count: usize,
}

fn matters(matching: &Matching, label: &str) -> bool {
    let named = matching.labels.iter().any(|it| it == label);
    if matching.on { named } else { !named && label != METRIC_NAME }
}

fn signatures(matching: &Matching, left: &[Row], right: &[Row]) -> Signatures {
    let mut numbers: BTreeMap<Vec<(&str, &str)>, usize> = BTreeMap::new();
    let mut all = Vec::with_capacity(left.len() + right.len());
    for row in left.iter().chain(right) {
        let key = row.labels.iter().filter(|it| matters(matching, &it.name));
        let key = key.map(|it| (&*it.name, &*it.value)).collect();
        let next = numbers.len();
        all.push(*numbers.entry(key).or_insert(next));
    }
    let right = all.split_off(left.len());
    Signatures { left: all, right, count: numbers.len() }
}

/// No series: a value to fill in.
const FILLED: usize = usize::MAX;

impl Evaluation<'_> {
    /// `and`, `or`, `unless`.
    pub(super) fn set(
        &self,
        at: Position,
        set: Set,
        binary: &Binary,
        mut left: Vec<Row>,
        mut right: Vec<Row>,
    ) -> Evaluated<Vec<Row>> {
        let signatures = signatures(&binary.matching, &left, &right);
        let steps = left.iter().chain(&right).map(|row| row.cells.len()).max().unwrap_or(0);
        let (judged, judged_by) = match set {
            Set::Or => (&mut right, (&left, &signatures.right, &signatures.left)),
            Set::And | Set::Unless => (&mut left, (&right, &signatures.left, &signatures.right)),
        };
        let (others, own, theirs) = judged_by;
        let mut present = vec![false; signatures.count];
        for step in 0..steps {
            present.fill(false);
            for (row, signature) in others.iter().zip(theirs) {
                if let (Some(Some(_)), Some(is)) =
                    (row.cells.get(step), present.get_mut(*signature))
                {
                    *is = true;
                }
            }
            for (row, signature) in judged.iter_mut().zip(own) {
                let matched = present.get(*signature).copied().unwrap_or(false);
                if matched != (set == Set::And)
                    && let Some(cell) = row.cells.get_mut(step)
                {
                    *cell = None;
                }
            }
        }
        judged.retain(|row| !row.is_empty());
        if set == Set::Or {
            left.append(&mut right);
            return self.merged_by_name(left, at);
        }
        Ok(left)
    }

    /// Rows of one name become one if both lose it, or neither; else they meet when the names go.
    fn merged_by_name(&self, rows: Vec<Row>, at: Position) -> Evaluated<Vec<Row>> {
        let (nameless, named): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| row.nameless);
        let mut all = self.merged(named, at)?;
        all.extend(self.merged(nameless, at)?);
        Ok(all)
    }

    /// Every other operator between two vectors.
    pub(super) fn matched(
        &self,
        at: Position,
        binary: &Binary,
        left: Vec<Row>,
        right: Vec<Row>,
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        let signatures = signatures(&binary.matching, &left, &right);
        let many_is_right = matches!(binary.matching.many, Some(Many::Right(_)));
        let side = |rows, signatures| Sided { rows, signatures };
        let (many, one) = match many_is_right {
            true => (side(right, signatures.right), side(left, signatures.left)),
            false => (side(left, signatures.left), side(right, signatures.right)),
        };
        let count = signatures.count;
        let mut pairs = Pairs {
            evaluation: self,
            at,
            binary,
            many: &many,
            one: &one,
            many_is_right,
            steps,
            places: BTreeMap::new(),
            by_labels: BTreeMap::new(),
            rows: Vec::new(),
            made_at: Vec::new(),
            matched_at: vec![0; count],
        };
        let mut one_at: Vec<Option<usize>> = vec![None; count];
        for step in 0..steps.count {
            self.pulse()?;
            one_at.fill(None);
            for (place, signature, _) in one.at(step) {
                let Some(slot) = one_at.get_mut(signature) else { continue };
                if let Some(other) = slot.replace(place) {
                    return Err(self.ambiguous(at, &one.rows, [other, place], many_is_right));
                }
            }
            // After the side of `many`, whichever that is: so does Prometheus.
            let matching = &binary.matching;
            for (place, signature, sample) in many.at(step) {
                match one_at.get(signature).copied().flatten() {
                    Some(partner) => {
                        let Some(other) = one.sample(partner, step) else { continue };
                        pairs.pair(step, signature, (place, sample), (partner, other))?;
                    }
                    None => {
                        if let Some(value) = matching.fill_right {
                            pairs.pair(
                                step,
                                signature,
                                (place, sample),
                                (FILLED, &Sample::Float(value)),
                            )?;
                        }
                    }
                }
            }
            if let Some(value) = matching.fill_left {
                for (place, signature, sample) in one.at(step) {
                    if pairs.matched_at.get(signature).is_some_and(|at| *at == step + 1) {
                        continue;
                    }
                    pairs.pair(
                        step,
                        signature,
                        (FILLED, &Sample::Float(value)),
                        (place, sample),
                    )?;
                }
            }
        }
        let mut rows = pairs.rows;
        rows.retain(|row| !row.is_empty());
        self.merged(rows, at)
    }

    fn ambiguous(
        &self,
        at: Position,
        rows: &[Row],
        places: [usize; 2],
        left: bool,
    ) -> crate::EvalError {
        let mut names =
            places.map(|at| rows.get(at).map_or_else(String::new, |row| row.labels.to_string()));
        names.sort_unstable();
        let [one, other] = names;
        let side = if left { "left" } else { "right" };
        let what =
            format!("several series on the {side} side match the same ones: {one} and {other}");
        self.wrong(at, what, "match by more labels, or aggregate that side")
    }
}

/// One side of an operator.
struct Sided {
    rows: Vec<Row>,
    signatures: Vec<usize>,
}

impl Sided {
    /// What is there at a step: place, signature, sample.
    fn at(&self, step: usize) -> impl Iterator<Item = (usize, usize, &Sample)> {
        let rows = self.rows.iter().zip(&self.signatures).enumerate();
        rows.filter_map(move |(place, (row, signature))| {
            Some((place, *signature, row.cells.get(step)?.as_ref()?))
        })
    }

    fn sample(&self, place: usize, step: usize) -> Option<&Sample> {
        self.rows.get(place)?.cells.get(step)?.as_ref()
    }
}

/// What is made of the pairs so far.
struct Pairs<'p, 'a> {
    evaluation: &'p Evaluation<'a>,
    at: Position,
    binary: &'p Binary,
    many: &'p Sided,
    one: &'p Sided,
    many_is_right: bool,
    steps: Steps,
    /// Which row a pair makes.
    places: BTreeMap<(usize, usize), usize>,
    by_labels: BTreeMap<Labels, usize>,
    rows: Vec<Row>,
    /// At which step each row was made last, from 1.
    made_at: Vec<usize>,
    /// At which step each signature found a partner last, from 1.
    matched_at: Vec<usize>,
}

impl Pairs<'_, '_> {
    fn pair(
        &mut self,
        step: usize,
        signature: usize,
        (many_place, many): (usize, &Sample),
        (one_place, one): (usize, &Sample),
    ) -> Evaluated<()> {
        let (left, right) = if self.many_is_right { (one, many) } else { (many, one) };
        let Some(made) = self.evaluation.made(self.at, self.binary.operator, left, right) else {
            return Ok(());
        };
        let row = self.row(many_place, one_place)?;
        let one_to_one = self.binary.matching.many.is_none();
        let was = match one_to_one {
            true => self.matched_at.get(signature).copied(),
            false => self.made_at.get(row).copied(),
        };
        if was == Some(step + 1) {
            let (what, fix) = match one_to_one {
                true => (
                    "several series on the left side match one on the right",
                    "add group_left, or match by more labels",
                ),
                false => (
                    "several results with the same labels",
                    "match or take over labels that tell them apart",
                ),
            };
            return Err(self.evaluation.wrong(self.at, what, fix));
        }
        for (list, place) in [(&mut self.matched_at, signature), (&mut self.made_at, row)] {
            if let Some(at) = list.get_mut(place) {
                *at = step + 1;
            }
        }
        let value = match made {
            Made::Filter(stays) if self.binary.as_bool => Some(truth(stays)),
            Made::Filter(stays) => stays.then(|| left.clone()),
            Made::Value(value) => Some(value),
        };
        if let Some(cell) = self.rows.get_mut(row).and_then(|row| row.cells.get_mut(step)) {
            *cell = value;
        }
        Ok(())
    }

    /// The row of a pair.
    fn row(&mut self, many: usize, one: usize) -> Evaluated<usize> {
        if let Some(place) = self.places.get(&(many, one)) {
            return Ok(*place);
        }
        let labels = self.labels(many, one);
        let next = self.rows.len();
        let place = match self.binary.matching.many {
            // One to one, no two pairs of a step have the same labels.
            None => next,
            Some(_) => *self.by_labels.entry(labels.clone()).or_insert(next),
        };
        if place == next {
            self.evaluation.take_samples(self.steps.count)?;
            let was_nameless = self.many.rows.get(many).is_some_and(|row| row.nameless);
            let nameless =
                self.binary.as_bool || (was_nameless && !makes_another(self.binary.operator));
            self.rows.push(Row { labels, nameless, cells: vec![None; self.steps.count] });
            self.made_at.push(0);
        }
        self.places.insert((many, one), place);
        Ok(place)
    }

    /// What the result of a pair is called: after the side of `many`.
    fn labels(&self, many: usize, one: usize) -> Labels {
        let matching = &self.binary.matching;
        let [many, one] =
            [self.many.rows.get(many), self.one.rows.get(one)].map(|it| it.map(|row| &row.labels));
        let shared = |other: Option<&Labels>| {
            other.map_or_else(Labels::default, |labels| {
                labels.filter(|label| matters(matching, label))
            })
        };
        let changes = makes_another(self.binary.operator);
        let named = |label: &str| matching.labels.iter().any(|it| it == label);
        let keeps = |label: &str| {
            (!changes || !says_what_it_is(label))
                && (matching.many.is_some() || named(label) == matching.on)
        };
        let mut labels = match many {
            Some(labels) => labels.filter(keeps),
            None => shared(one).filter(keeps),
        };
        if let Some(Many::Left(taken) | Many::Right(taken)) = &matching.many {
            let partner = one.cloned().unwrap_or_else(|| shared(many));
            for label in taken {
                labels = labels.with(label, partner.get(label));
            }
        }
        labels
    }
}
