//! Shop: an objective of our own, whose events every scenario has.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_slo::burn::Rule;
use evenkeel_slo::rules::{Alerting, Extra, Per, Queries, Subject};
use evenkeel_units::Ratio;

/// The queries that scenarios have series for.
pub(crate) const BAD: &str = "sum(rate(bad_total[$window]))";
pub(crate) const TOTAL: &str = "sum(rate(events_total[$window]))";

/// 95 % of 30 days: so many may be bad that a thousand events decide about hundredths of every factor.
pub(crate) fn subject(burn: Vec<Rule>) -> Subject {
    Subject {
        service: "shop".to_owned(),
        name: "pay".to_owned(),
        objective: Ratio::percent(95),
        window: Duration::from_hours(720),
        queries: Queries::Events { bad: BAD.to_owned(), total: TOTAL.to_owned(), per: Per::Second },
        burn,
        alerting: Alerting {
            name: "Burns".to_owned(),
            page: Some(Extra::default()),
            ticket: Some(Extra::default()),
            ..Alerting::default()
        },
        labels: BTreeMap::new(),
        info: BTreeMap::new(),
        interval: None,
    }
}
