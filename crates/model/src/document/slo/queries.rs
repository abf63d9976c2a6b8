//! The queries of an objective, for those who can read PromQL.

use super::{Counted, Expression, Figure, Indicator, Measure, RatioQuery, Slo};

impl Slo {
    /// Every query in it, over `range` where it says `$window`, with where it stands below `spec`. Selectors are none.
    pub fn queries(&self, range: &str) -> Vec<(String, String)> {
        let Some(measure) = &self.series else { return Vec::new() };
        let kind = match (&self.indicator, measure) {
            (Indicator::Availability, _) => "availability",
            (Indicator::Latency { .. }, _) => "latency",
            (Indicator::Percentile { .. }, _) => "percentile",
            (Indicator::ErrorRate { .. }, _) => "errorRate",
            (Indicator::Throughput { .. }, _) => "throughput",
            (Indicator::OfSeries, Measure::Ratio(_)) => "raw",
            (Indicator::OfSeries, Measure::Figure(_)) => "gauge",
            (Indicator::OfSeries, _) => "ratio",
        };
        let expressions = match measure {
            Measure::Events(events) => {
                let (field, counted) = match &events.counted {
                    Counted::Good(it) => ("good", it),
                    Counted::Bad(it) => ("bad", it),
                };
                vec![(field, counted), ("total", &events.total)]
            }
            Measure::Histogram(of) => of.total.iter().map(|it| ("total", it)).collect(),
            Measure::Figure(Figure::Throughput { total, .. }) => vec![("total", total)],
            Measure::Figure(_) | Measure::Ratio(_) | Measure::Composite(_) => Vec::new(),
        };
        let asked = expressions.into_iter().filter_map(|(field, it)| match it {
            Expression::Query(query) => Some((field, query.over(range))),
            Expression::Selector(_) => None,
        });
        let whole = match measure {
            Measure::Ratio(RatioQuery::Bad(it)) => Some(("errorRatio", it.over(range))),
            Measure::Ratio(RatioQuery::Good(it)) => Some(("successRatio", it.over(range))),
            Measure::Figure(Figure::Gauge { query, .. }) => Some(("query", query.clone())),
            _ => None,
        };
        let path = |(field, query): (&str, String)| (format!("sli/{kind}/{field}"), query);
        asked.chain(whole).map(path).collect()
    }
}
