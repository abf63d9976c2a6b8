//! Indicators of OpenSLO: ratios of counters, ratios made elsewhere, and figures with a threshold.

use evenkeel_model::document::{Counted, Events, Expression, Figure, Limit, Measure, RatioQuery};
use evenkeel_model::yaml::{Entry, Node, Place};

use super::super::draft::Draft;
use crate::fields::Fields;
use crate::notes::cut;

/// An indicator, and where it stands.
pub(super) struct Wanted {
    pub(super) node: Node,
    pub(super) place: Place,
}

/// Sources that ask in PromQL.
const SOURCES: [&str; 6] =
    ["prometheus", "thanos", "mimir", "cortex", "victoriametrics", "grafana"];

/// An indicator of v1 or v2alpha; `limit` is what a threshold metric must be.
pub(super) fn indicator(
    wanted: &Wanted,
    limit: Option<Limit>,
    draft: &mut Draft,
) -> Option<Measure> {
    // The document of an SLI, one inline, or its spec alone.
    let node = wanted.node.at("spec").unwrap_or(&wanted.node);
    let mut fields = Fields::of(node, wanted.place, draft);
    fields.skip(&["description", "metadata"]);
    let mut found = None;
    if let Some(mut ratio) = fields.map("ratioMetric", draft) {
        found = self::ratio(&mut ratio, draft);
        ratio.finish(draft);
    }
    if let Some(entry) = fields.take("thresholdMetric") {
        let query = query(entry, draft);
        found = query.zip(limit).map(|(query, limit)| {
            let query = query.value.text().unwrap_or_default().trim().to_owned();
            Measure::Figure(Figure::Gauge { query, limit })
        });
        if limit.is_none() {
            draft.leave_at(
                entry.key_place,
                "a threshold metric",
                "its objective has no `op` and `value`",
            );
        }
    }
    fields.finish(draft);
    found
}

fn ratio(fields: &mut Fields<'_>, draft: &mut Draft) -> Option<Measure> {
    if let Some(entry) = fields.take("counter")
        && entry.value.text() == Some("false")
    {
        let why =
            "a figure that goes up and down is no count: write a query with `$window` that counts";
        draft.leave(entry, why);
    }
    let kind = fields.text("rawType", draft).unwrap_or("success");
    if let Some(raw) = fields.take("raw") {
        let query = query(raw, draft)?;
        let text = query.value.text().unwrap_or_default();
        // A ratio that was made elsewhere is a gauge: its mean is what it was over the window.
        let over = match text.contains('[') || text.contains("{{") {
            true => draft.ratio_query(query),
            false => {
                let why = "it is read again and again: the mean over the window is written, whatever the traffic";
                draft.leave_at(query.key_place, "a ratio that was made elsewhere", why);
                let mean = format!("avg_over_time(({})[$window:])", text.trim());
                evenkeel_model::document::Query::new(&mean).ok()
            }
        };
        return over.map(|it| {
            Measure::Ratio(match kind {
                "failure" => RatioQuery::Bad(it),
                _ => RatioQuery::Good(it),
            })
        });
    }
    let mut counted = |key: &str, draft: &mut Draft| -> Option<Expression> {
        let entry = fields.take(key)?;
        let query = query(entry, draft)?;
        draft.expression(query)
    };
    let (good, bad) = (counted("good", draft), counted("bad", draft));
    let total = counted("total", draft)?;
    let counted = good.map(Counted::Good).or(bad.map(Counted::Bad))?;
    Some(Measure::Events(Events { counted, total }))
}

/// Where the query of a metric stands; `None` when nobody of ours could ask it.
fn query<'a>(metric: &'a Entry, draft: &mut Draft) -> Option<&'a Entry> {
    let mut fields = Fields::of(&metric.value, metric.key_place, draft);
    // v2alpha has what v1 has under `metricSource`, one level up.
    let mut source = match fields.map("metricSource", draft) {
        Some(source) => {
            fields.finish(draft);
            source
        }
        None => fields,
    };
    source.skip(&["metricSourceRef", "dataSourceRef"]);
    let inline = source.map("dataSourceSpec", draft);
    let of_inline = inline.and_then(|mut it| it.text("type", draft));
    let kind = source.text("type", draft).or(of_inline).unwrap_or("prometheus");
    let known = kind.to_ascii_lowercase();
    if !SOURCES.iter().any(|it| known.contains(it)) {
        draft.leave_at(
            metric.key_place,
            format!("what is asked of {}", cut(kind)),
            "only PromQL carries over",
        );
        return None;
    }
    let spec = source.take("spec");
    source.finish(draft);
    let spec = spec?;
    if spec.value.text().is_some() {
        return Some(spec);
    }
    let mut inner = Fields::of(&spec.value, spec.key_place, draft);
    let found = ["query", "promql", "expr"].iter().find_map(|it| inner.take(it));
    inner.skip(&["queryType"]);
    inner.finish(draft);
    if found.is_none() {
        draft.leave_at(metric.key_place, format!("`{}`", cut(&metric.key)), "it has no `query`");
    }
    found
}

/// `ratioMetrics` of v1alpha.
pub(super) fn alpha(entry: &Entry, draft: &mut Draft) -> Option<Measure> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    fields.skip(&["incremental", "counter"]);
    let mut one = |key: &str, draft: &mut Draft| -> Option<Expression> {
        let mut metric = fields.map(key, draft)?;
        let source = metric.text("source", draft).unwrap_or("prometheus").to_ascii_lowercase();
        let kind = metric.text("queryType", draft).unwrap_or("promql").to_ascii_lowercase();
        let query = metric.take("query");
        metric.finish(draft);
        match kind == "promql" || SOURCES.contains(&source.as_str()) {
            true => draft.expression(query?),
            false => {
                draft.leave_at(
                    entry.key_place,
                    format!("what is asked of {}", cut(&source)),
                    "only PromQL carries over",
                );
                None
            }
        }
    };
    let (good, bad, total) = (one("good", draft), one("bad", draft), one("total", draft));
    fields.finish(draft);
    let counted = good.map(Counted::Good).or(bad.map(Counted::Bad))?;
    Some(Measure::Events(Events { counted, total: total? }))
}
