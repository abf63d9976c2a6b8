//! Proof: tests of alerts on symptoms, for `promtool test rules`.
//!
//! For each alert there is a history just above its limit, in which it fires, and one just below, in which it does not.

use std::time::Duration;

use evenkeel_model::document::HistogramForm;
use evenkeel_series::matcher::Operation;

use super::{Symptom, Watch};
use crate::rules::duration;
use crate::rules::promql;
use crate::share::decimal;

const MINUTE: Duration = Duration::from_mins(1);

/// Tests of alerts on symptoms, which are in `rule_file`. What is asked of native histograms has none.
pub fn proof(watches: &[Watch], rule_file: &str) -> String {
    let file = promql::quoted(rule_file);
    let mut text = format!("rule_files:\n- {file}\nevaluation_interval: 1m\ntests:\n");
    for watch in watches {
        for (percent, fires) in [(102.0, true), (98.0, false)] {
            let Some(histories) = watch.histories(percent / 100.0) else { continue };
            // The range is full, and the alert has waited long enough.
            let until = watch.range + watch.pending + 2 * MINUTE;
            let steps = until.as_secs() / 60;
            let about = format!("{}: {} % of the limit", watch.name, percent);
            text +=
                &format!("- name: {}\n  interval: 1m\n  input_series:\n", promql::quoted(&about));
            for (metric, labels, each) in histories {
                let series = watch.labelled(&metric, &labels);
                let values = each.values(steps);
                text += &format!("  - series: {series}\n    values: \"{values}\"\n");
            }
            let name = promql::quoted(&watch.name);
            let asked = format!("count(ALERTS{{alertname={name},alertstate=\"firing\"}})");
            let samples = if fires { "\n    - labels: '{}'\n      value: 1" } else { " []" };
            text += &format!(
                "  promql_expr_test:\n  - expr: {}\n    eval_time: {}\n    exp_samples:{samples}\n",
                promql::quoted(&asked),
                duration(until)
            );
        }
    }
    text
}

/// What a series says each minute.
#[derive(Copy, Clone, Debug)]
enum Each {
    /// It grows by so much.
    Grows(f64),
    /// It is so much.
    Is(f64),
}

impl Each {
    fn values(self, steps: u64) -> String {
        match self {
            Self::Grows(by) => format!("0+{}x{steps}", decimal(by)),
            Self::Is(it) => format!("{}+0x{steps}", decimal(it)),
        }
    }
}

/// A metric, labels of its own, and what it says.
type History = (String, Vec<(String, String)>, Each);

impl Watch {
    /// What happens at such a share of the limit.
    fn histories(&self, share: f64) -> Option<Vec<History>> {
        let of = |metric: &str, labels: &[(&str, &str)], each| {
            let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
            (metric.to_owned(), labels.iter().map(own).collect(), each)
        };
        Some(match &self.symptom {
            Symptom::Errors { requests, status, above, .. } => {
                let bad = 1e6 * (above.get() * share).min(1.0);
                let [good, bad] = [1e6 - bad, bad].map(Each::Grows);
                vec![of(requests, &[(status, "200")], good), of(requests, &[(status, "503")], bad)]
            }
            Symptom::Latency { times, form: HistogramForm::Classic, quantile, above } => {
                // A bucket ends at the limit, and holds as many as the quantile asks for, or a few less.
                let slow = (1.0 - quantile.get()) * share;
                let (name, limit) = (format!("{times}_bucket"), above.as_secs_f64());
                let bounds = [(limit, 1e6 * (1.0 - slow)), (2.0 * limit, 1e6)];
                let buckets = bounds.map(|(le, count)| (decimal(le), count));
                let all = buckets.into_iter().chain([("+Inf".to_owned(), 1e6)]);
                all.map(|(le, count)| of(&name, &[("le", &le)], Each::Grows(count))).collect()
            }
            Symptom::Latency { form: HistogramForm::Native, .. } => return None,
            Symptom::Cpu { used, limit, above } => {
                let used = of(used, &[], Each::Grows(above * share * 60.0));
                let limit = limit.iter().map(|it| of(it, &[], Each::Is(1.0)));
                std::iter::once(used).chain(limit).collect()
            }
            Symptom::Restarts { restarts, above } => {
                let minutes = self.range.as_secs_f64() / 60.0;
                let each = *above as f64 * share / minutes;
                // None at all is what is not above nothing.
                let each = if *above == 0 && share > 1.0 { 1.0 / minutes } else { each };
                vec![of(restarts, &[], Each::Grows(each))]
            }
        })
    }

    /// A series that the alert looks at.
    fn labelled(&self, metric: &str, own: &[(String, String)]) -> String {
        let equal = self.of.iter().filter(|it| it.operation() == Operation::Equal);
        let matched = equal.map(|it| (it.name(), it.value()));
        let by = self.by.iter().map(|it| (it.as_str(), "one"));
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs: Vec<_> = matched
            .chain(by)
            .chain(own)
            .map(|(name, value)| format!("{name}={}", promql::quoted(value)))
            .collect();
        format!("'{metric}{{{}}}'", pairs.join(",").replace('\'', "''"))
    }
}
