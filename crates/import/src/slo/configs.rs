//! `slo_configs:`: a map of objectives, of which each percentile is one.
//!
//! ```yaml
//! slo_configs:
//!   api_latency:
//!     target: 99.9
//!     measurement_window: 3600
//!     sli_type: latency
//!     thresholds: {p50: 100ms, p95: 500ms}
//! ```

use std::time::Duration;

use evenkeel_model::document::{Alerting, Indicator, Quantile, Slo, Window};
use evenkeel_model::yaml::{Entry, Node, Place};
use evenkeel_units::{Rate, Ratio};

use super::draft::Draft;
use super::service_level::NO_SERIES;
use crate::fields::Fields;
use crate::notes::cut;

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    if let Some(entry) = fields.take("slo_configs") {
        for each in Fields::of(&entry.value, entry.key_place, draft).rest() {
            one(each, draft);
        }
    }
    fields.finish(draft);
}

fn one(entry: &Entry, draft: &mut Draft) {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let description = fields.text("name", draft).map(str::to_owned);
    let target = fields.take("target");
    let window = fields.take("measurement_window").and_then(|it| draft.seconds(it));
    let window = window.filter(|it| !it.is_zero());
    let kind = fields.text("sli_type", draft).unwrap_or_default();
    let made: Vec<(String, Indicator, Option<Ratio>)> = match kind {
        "availability" => {
            let why = "requests are counted, and not answers to a probe: write `http` under `steadyState` of a drill";
            fields.leave("health_check_endpoint", why, draft);
            let objective = target.and_then(|it| draft.objective(it));
            objective
                .map(|it| (entry.key.clone(), Indicator::Availability, Some(it)))
                .into_iter()
                .collect()
        }
        "latency" => {
            let made = percentiles(entry, &mut fields, draft);
            if let Some(target) = target {
                let why = "each percentile is a promise of its own: p95 within 500 ms is 95%";
                draft.leave(target, why);
            }
            made
        }
        "throughput" => {
            if let Some(target) = target {
                let why = "of a run all of its throughput is judged; for a share of time write `total` beside `min`";
                draft.leave(target, why);
            }
            let least = fields.take("min_requests_per_second").and_then(|it| draft.number(it));
            let min = least.and_then(Rate::per_second).filter(|it| it.get() > 0.0);
            min.map(|min| (entry.key.clone(), Indicator::Throughput { min }, None))
                .into_iter()
                .collect()
        }
        other => {
            let why = format!("`{}` is no indicator of ours", cut(other));
            draft.leave_at(entry.key_place, format!("the SLO `{}`", cut(&entry.key)), why);
            Vec::new()
        }
    };
    fields.finish(draft);
    for (name, indicator, objective) in made {
        add(entry.key_place, (&name, indicator, objective), description.as_deref(), window, draft);
    }
}

/// Each percentile, as an objective of its own.
fn percentiles(
    entry: &Entry,
    fields: &mut Fields<'_>,
    draft: &mut Draft,
) -> Vec<(String, Indicator, Option<Ratio>)> {
    let mut made = Vec::new();
    let Some(thresholds) = fields.map("thresholds", draft) else { return made };
    for each in thresholds.rest() {
        let threshold = draft.seconds(each).filter(|it| !it.is_zero());
        match Quantile::parse(&each.key).zip(threshold) {
            Some((quantile, threshold)) => {
                let indicator = Indicator::Percentile { quantile, threshold };
                made.push((format!("{}-{}", entry.key, each.key), indicator, None));
            }
            None => draft.leave(each, "it is no percentile such as `p95`"),
        }
    }
    made
}

fn add(
    place: Place,
    (name, indicator, objective): (&str, Indicator, Option<Ratio>),
    description: Option<&str>,
    window: Option<Duration>,
    draft: &mut Draft,
) {
    let description = description.map(str::to_owned);
    let window = Window::Rolling(window.unwrap_or(Slo::WINDOW));
    let alerting = Some(Alerting::default());
    draft.leave_at(place, "which series its requests are counted by", NO_SERIES);
    draft.add_slo(
        place,
        Slo { description, window, alerting, ..Slo::of(name, indicator, objective) },
    );
}
