//! `info`: labels of info metrics, such as `target_info`, for the series of the same job and instance (experimental).

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_series::{Labels, METRIC_NAME, Matcher, Operation, Samples, Series, Span, is_stale};

use super::{Evaluated, Evaluation, Row, Seen, Steps};
use crate::ast::{At, Call, Expr, Kind, When};
use crate::position::Position;

/// The labels by which series and info metrics are matched.
const IDENTITY: [&str; 2] = ["instance", "job"];

/// An info series: its labels, and when its last sample was, at each step.
struct Info {
    labels: Labels,
    moments: Vec<Option<i64>>,
}

impl Evaluation<'_> {
    pub(super) fn info(&self, at: Position, call: &Call, steps: Steps) -> Evaluated<Vec<Row>> {
        let Some(of) = call.arguments.first() else { return Ok(Vec::new()) };
        let rows = self.vector(of, steps)?;
        let wanted: &[Matcher] = match call.arguments.get(1).map(|it| &it.bare().kind) {
            Some(Kind::Selector(selector)) => &selector.matchers,
            _ => &[],
        };
        let (names, data): (Vec<&Matcher>, Vec<&Matcher>) =
            wanted.iter().partition(|matcher| matcher.name() == METRIC_NAME);
        let names = self.names(at, &names)?;
        let is_info = |row: &Row| names.iter().all(|it| it.is_met_by(row.labels.metric()));
        let seen = self.info_seen_from(of)?;
        let infos = self.infos(at, &rows, &is_info, &names, &data, seen, steps)?;
        let mut result = Vec::new();
        for row in rows {
            if is_info(&row) {
                result.push(row);
                continue;
            }
            self.enriched(at, row, &infos, &data, steps, &mut result)?;
        }
        self.merged(result, at)
    }

    /// Which metrics are info metrics: `target_info` if it is not said, those on `_info` if only some are excluded.
    fn names(&self, at: Position, said: &[&Matcher]) -> Evaluated<Vec<Matcher>> {
        let positive =
            |it: &&&Matcher| matches!(it.operation(), Operation::Equal | Operation::Matches);
        let mut names: Vec<Matcher> = said.iter().map(|it| (*it).clone()).collect();
        let implied = match (said.is_empty(), said.iter().any(|it| positive(&it))) {
            (true, _) => Matcher::new(METRIC_NAME, Operation::Equal, "target_info"),
            (false, false) => Matcher::new(METRIC_NAME, Operation::Matches, ".+_info"),
            (false, true) => return Ok(names),
        };
        names.push(implied.map_err(|error| self.wrong(at, error.to_string(), "mend the pattern"))?);
        Ok(names)
    }

    /// `@` and `offset` of the first selector say when info metrics are looked at.
    fn info_seen_from(&self, expr: &Expr) -> Evaluated<Seen> {
        fn find<'e>(expr: &'e Expr, path: &mut Vec<&'e When>) -> bool {
            match &expr.kind {
                Kind::Selector(selector) => path.push(&selector.when),
                Kind::Range(range) => path.push(&range.selector.when),
                Kind::Subquery(subquery) => {
                    path.push(&subquery.when);
                    if find(&subquery.of, path) {
                        return true;
                    }
                    path.pop();
                    return false;
                }
                _ => return expr.children().into_iter().any(|child| find(child, path)),
            }
            true
        }
        let mut path = Vec::new();
        find(expr, &mut path);
        let mut offset = 0;
        for when in path.into_iter().rev() {
            let seen = self.seen_from(when)?;
            offset += seen.offset;
            if when.at != At::Evaluation {
                return Ok(Seen { fixed: seen.fixed, offset });
            }
        }
        Ok(Seen { fixed: None, offset })
    }

    #[expect(clippy::too_many_arguments, reason = "all that says which info series are meant")]
    fn infos(
        &self,
        at: Position,
        rows: &[Row],
        is_info: &dyn Fn(&Row) -> bool,
        names: &[Matcher],
        data: &[&Matcher],
        seen: Seen,
        steps: Steps,
    ) -> Evaluated<Vec<Info>> {
        let mut matchers: Vec<Matcher> = names.to_vec();
        for label in IDENTITY {
            let others = rows.iter().filter(|row| !is_info(row));
            let values: BTreeSet<&str> =
                others.map(|row| row.labels.get(label)).filter(|it| !it.is_empty()).collect();
            if !values.is_empty() {
                let any: Vec<String> = values.into_iter().map(regex::escape).collect();
                let matcher = Matcher::new(label, Operation::Matches, any.join("|"));
                matchers.push(
                    matcher.map_err(|error| {
                        self.wrong(at, error.to_string(), "ask for fewer series")
                    })?,
                );
            }
        }
        if matchers.len() == names.len() {
            return Ok(Vec::new());
        }
        matchers.extend(data.iter().map(|it| (*it).clone()));
        let lookback = self.lookback();
        let span = Span { after: seen.at(steps.first) - lookback, until: seen.at(steps.last()) };
        let found = self.source.select(&matchers, span)?;
        self.take_series(found.len())?;
        found.iter().map(|series| self.one_info(at, &**series, span, seen, steps)).collect()
    }

    fn one_info(
        &self,
        at: Position,
        series: &dyn Series,
        span: Span,
        seen: Seen,
        steps: Steps,
    ) -> Evaluated<Info> {
        let mut samples = Samples::default();
        series.read(span, &mut samples)?;
        self.take_samples(samples.points.len() + steps.count)?;
        if !samples.histograms.is_empty() {
            let what = format!("{} is an info metric, and has histograms", series.labels());
            return Err(self.wrong(at, what, "exclude it"));
        }
        let moments = steps.moments().map(|moment| {
            let until = seen.at(moment);
            let place = samples.points.partition_point(|it| it.at <= until);
            let point = samples.points.get(place.checked_sub(1)?)?;
            let fresh = point.at > until - self.lookback() && !is_stale(point.value);
            fresh.then_some(point.at)
        });
        Ok(Info { labels: series.labels().clone(), moments: moments.collect() })
    }

    /// A row with the labels of its info series, which may be others at each step.
    fn enriched(
        &self,
        at: Position,
        row: Row,
        infos: &[Info],
        data: &[&Matcher],
        steps: Steps,
        into: &mut Vec<Row>,
    ) -> Evaluated<()> {
        let same =
            |info: &&Info| IDENTITY.iter().all(|it| info.labels.get(it) == row.labels.get(it));
        let own: Vec<&Info> = infos.iter().filter(same).collect();
        let mut made: BTreeMap<Labels, Row> = BTreeMap::new();
        for (step, cell) in row.cells.iter().enumerate() {
            let Some(sample) = cell else { continue };
            let newest = self.newest(at, &own, step)?;
            if newest.is_empty() && !data.iter().all(|it| it.is_met_by("")) {
                continue;
            }
            let mut labels = row.labels.clone();
            let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
            for info in newest {
                for label in &info.labels {
                    let (name, value) = (&*label.name, &*label.value);
                    let asked = data.is_empty() || data.iter().any(|it| it.name() == name);
                    if name == METRIC_NAME || !asked {
                        continue;
                    }
                    if taken.insert(name, value).is_some_and(|before| before != value) {
                        return Err(self.wrong(
                            at,
                            format!("conflicting label: {name}"),
                            "name the labels that are wanted",
                        ));
                    }
                    if row.labels.get(name).is_empty() {
                        labels = labels.with(name, value);
                    }
                }
            }
            let enriched = made.entry(labels).or_insert_with_key(|labels| Row {
                labels: labels.clone(),
                nameless: row.nameless,
                cells: vec![None; steps.count],
            });
            if let Some(cell) = enriched.cells.get_mut(step) {
                *cell = Some(sample.clone());
            }
        }
        self.take_samples(made.len() * steps.count)?;
        into.extend(made.into_values());
        Ok(())
    }

    /// Of each info metric the series whose sample is newest.
    fn newest<'i>(&self, at: Position, own: &[&'i Info], step: usize) -> Evaluated<Vec<&'i Info>> {
        let mut newest: BTreeMap<&str, (i64, &Info)> = BTreeMap::new();
        for info in own {
            let Some(moment) = info.moments.get(step).copied().flatten() else { continue };
            match newest.get(info.labels.metric()) {
                Some((other, _)) if *other > moment => {}
                Some((other, before)) if *other == moment => {
                    let what = format!(
                        "two info series for one target: {} and {}",
                        before.labels, info.labels
                    );
                    return Err(self.wrong(at, what, "exclude one of them"));
                }
                _ => {
                    newest.insert(info.labels.metric(), (moment, info));
                }
            }
        }
        Ok(newest.into_values().map(|(_, info)| info).collect())
    }
}
